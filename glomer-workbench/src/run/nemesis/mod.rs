//! The nemesis: which fault comes when, whom it strikes, and what it does.
//!
//! A [`Fault`] has a file of its own here, and a line in `groups`; one from outside needs
//! only the trait. It draws its targets and says in [`Effect`]s what is to be done; the engine
//! does it.

pub mod grudge;

mod duplicate;
mod failing_disk;
mod kill;
mod loss;
mod lying_disk;
mod one_way_partition;
mod partition;
mod pause;
pub(crate) mod period;
mod schedule;
mod skew;
mod slow;
mod slow_disk;
mod target;
mod wipe;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use glomer_runtime::Rng;
use glomer_runtime::sim::{Health, Latency};

pub use duplicate::Duplicate;
pub use failing_disk::FailingDisk;
pub use kill::Kill;
pub use loss::Loss;
pub use lying_disk::LyingDisk;
pub use one_way_partition::OneWayPartition;
pub use partition::Partition;
pub use pause::Pause;
#[doc(hidden)]
pub use schedule::{Nemesis, Step};
pub use skew::Skew;
pub use slow::Slow;
pub use slow_disk::SlowDisk;
pub use target::Target;
pub use wipe::Wipe;

use self::grudge::Grudge;
use super::plan::Plan;
use crate::edn::Edn;

/// The faults that `--nemesis` knows, in groups of those that share a schedule. Each group's
/// schedule follows from its place here, so what is added goes to the end. Those that need nodes
/// in this process are for a [`Test`](crate::Test) alone.
fn groups() -> [Faults; 8] {
    [
        Partition.into(),
        (Kill, Pause).into(),
        Loss.into(),
        Duplicate.into(),
        Slow.into(),
        OneWayPartition.into(),
        Skew.into(),
        Wipe.into(),
    ]
}

/// Something that goes wrong for a while with the network or the nodes, again and again.
///
/// ```
/// use glomer_runtime::Rng;
/// use glomer_workbench::edn::Edn;
/// use glomer_workbench::run::nemesis::{Effect, Fault, Kill, Strike};
/// use glomer_workbench::run::plan::Plan;
///
/// /// The first node is stopped again and again.
/// #[derive(Debug)]
/// struct LeaderStops;
///
/// impl Fault for LeaderStops {
///     fn name(&self) -> &str {
///         "leader-stops"
///     }
///
///     fn about(&self) -> &str {
///         "the first node is stopped"
///     }
///
///     fn begin(&self, _: &Plan, _: &Rng) -> Strike {
///         Strike { value: Edn::Nil, effects: vec![Effect::Pause(0)], done: None }
///     }
///
///     fn end(&self, _: &Plan) -> Strike {
///         Strike { value: Edn::Nil, effects: vec![Effect::Resume(0)], done: None }
///     }
/// }
///
/// # use glomer_workbench::workload::LinKv;
/// let mut plan = Plan::new(LinKv::default(), 3);
/// plan.faults = (LeaderStops, Kill).into();
/// ```
pub trait Fault: fmt::Debug + Send + Sync {
    /// Its name, as `--nemesis` takes it and the report shows it. One run has one fault of a
    /// name.
    fn name(&self) -> &str;

    /// What it does, in a few words.
    fn about(&self) -> &str;

    /// The functions in the history that begin and end it: by default `start-` and `stop-`
    /// before its name. The report takes the time between them for the fault's.
    fn functions(&self) -> (Cow<'_, str>, Cow<'_, str>) {
        let name = self.name();
        (
            format!("start-{name}").into(),
            format!("stop-{name}").into(),
        )
    }

    /// What it needs of the nodes: nothing, unless told.
    fn needs(&self) -> Needs {
        Needs::Nothing
    }

    /// Draws what begins it, for the nodes of `plan.setting`. All that is random follows from
    /// `rng`.
    fn begin(&self, plan: &Plan, rng: &Rng) -> Strike;

    /// What ends it, whether or not it is on.
    fn end(&self, plan: &Plan) -> Strike;
}

/// What a fault needs of the nodes that it strikes; what comes later here includes what comes
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Their time is virtual.
    VirtualTime,
    /// They run in this process, in virtual time, as those of a [`Test`](crate::Test) do.
    NodesInProcess,
}

/// What a fault does when it begins or ends, and what the history says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Strike {
    /// The value of the operation when it is invoked: what it is aimed at.
    pub value: Edn,
    /// What to do, in this order.
    pub effects: Vec<Effect>,
    /// Its value when it is done; `None` for what its effects did.
    pub done: Option<Edn>,
}

impl Strike {
    /// Does the same to each of the nodes that are drawn for a target.
    pub fn of_nodes(
        target: Target,
        plan: &Plan,
        rng: &Rng,
        effect: impl Fn(usize) -> Effect,
    ) -> Strike {
        let nodes = target.draw(plan.setting.nodes.len(), rng);
        Strike {
            value: target.value(),
            effects: nodes.into_iter().map(effect).collect(),
            done: None,
        }
    }

    /// Does the same to all nodes.
    pub fn of_all_nodes(plan: &Plan, effect: impl Fn(usize) -> Effect) -> Strike {
        Strike {
            value: Target::All.value(),
            effects: (0..plan.setting.nodes.len()).map(effect).collect(),
            done: None,
        }
    }

    /// Undoes what was done to the network.
    pub fn network_healed(effects: impl Into<Vec<Effect>>) -> Strike {
        Strike {
            value: Edn::Nil,
            effects: effects.into(),
            done: Some(Edn::kw("network-healed")),
        }
    }
}

/// What the history says that effects did to the network, or changed of nodes by so much; `None`
/// for those that say what became of each node.
pub(crate) fn told(effects: &[Effect], names: &[String]) -> Option<Edn> {
    Some(match effects {
        [Effect::Partition(grudge)] => {
            Edn::vector([Edn::kw("isolated"), grudge::to_edn(grudge, names)])
        }
        [Effect::Loss(p) | Effect::Duplicate(p)] => (*p).into(),
        [Effect::Latency(latency)] => {
            let ms = latency.mean().as_millis() as u64;
            Edn::map([("latency-ms", ms.into())])
        }
        [Effect::Slow(factor)] => Edn::map([("factor", (*factor).into())]),
        _ => {
            let changed = effects.iter().filter_map(|effect| {
                let (node, how) = match effect {
                    Effect::Rate(node, rate) => (node, ("rate", Edn::from(*rate))),
                    Effect::Leap(node, ahead) => {
                        (node, ("leap-ms", Edn::from(ahead.as_millis() as u64)))
                    }
                    Effect::DiskLatency(node, latency) => {
                        let ms = latency.mean().as_millis() as u64;
                        (node, ("disk-latency-ms", Edn::from(ms)))
                    }
                    _ => return None,
                };
                Some((names[*node].as_str().into(), Edn::map([how])))
            });
            let changed: Vec<(Edn, Edn)> = changed.collect();
            return (!changed.is_empty()).then_some(Edn::Map(changed));
        }
    })
}

/// What can be done to nodes and network. Nodes go by their numbers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Nodes drop what arrives from those they hold a grudge against.
    Partition(Grudge),
    /// This fault's partition ends; those of other faults stay.
    Heal,
    /// A node dies, unless it is dead. Its disk stays.
    Kill(usize),
    /// A node dies, unless it is dead, and its disk loses everything.
    Wipe(usize),
    /// A node starts afresh, unless it runs.
    Start(usize),
    /// A node stops running, unless it is dead.
    Pause(usize),
    /// A node runs again, if it was paused.
    Resume(usize),
    /// Messages between nodes get lost with this probability; 0 ends it.
    Loss(f64),
    /// Messages between nodes arrive twice with this probability; 0 ends it.
    Duplicate(f64),
    /// Messages between nodes take as long as this says.
    Latency(Latency),
    /// Messages between nodes take so many times their latency; 1 ends it.
    Slow(f64),
    /// A node's clock goes so many times as fast as time, from where it is.
    Rate(usize, f64),
    /// A node's clock leaps ahead.
    Leap(usize, Duration),
    /// A node's disk is well, or not, from now on. A node whose disk fails stops.
    DiskHealth(usize, Health),
    /// From now on, a node's disk takes so long to make durable what was written before.
    DiskLatency(usize, Latency),
}

impl Effect {
    /// What it needs of the nodes.
    #[cfg(feature = "command")]
    pub(crate) fn needs(&self) -> Needs {
        match self {
            Effect::Rate(..) | Effect::Leap(..) => Needs::VirtualTime,
            Effect::DiskHealth(..) | Effect::DiskLatency(..) => Needs::NodesInProcess,
            _ => Needs::Nothing,
        }
    }
}

/// The faults of a run, no two of the same name.
///
/// One fault, or a tuple of them, converts into this: `(Partition, Kill).into()`.
#[derive(Clone, Debug, Default)]
pub struct Faults(Vec<Arc<dyn Fault>>);

impl Faults {
    /// None.
    pub fn none() -> Faults {
        Faults::default()
    }

    /// All that `--nemesis` knows.
    pub fn built_in() -> Faults {
        groups().into_iter().flat_map(|group| group.0).collect()
    }

    /// The faults, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Fault>> {
        self.0.iter()
    }

    /// The fault of that name.
    pub fn named(&self, name: &str) -> Option<&Arc<dyn Fault>> {
        self.iter().find(|fault| fault.name() == name)
    }
}

impl FromIterator<Arc<dyn Fault>> for Faults {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Fault>>>(faults: I) -> Faults {
        let mut chosen = Faults::none();
        for fault in faults {
            if chosen.named(fault.name()).is_none() {
                chosen.0.push(fault);
            }
        }
        chosen
    }
}

impl<F: Fault + 'static> From<F> for Faults {
    fn from(fault: F) -> Faults {
        Faults(vec![Arc::new(fault)])
    }
}

macro_rules! from_tuples {
    ($($fault:ident)*) => {
        impl<$($fault: Fault + 'static),*> From<($($fault,)*)> for Faults {
            #[allow(non_snake_case)]
            fn from(($($fault,)*): ($($fault,)*)) -> Faults {
                [$(Arc::new($fault) as Arc<dyn Fault>),*].into_iter().collect()
            }
        }
    };
}

from_tuples! { A }
from_tuples! { A B }
from_tuples! { A B C }
from_tuples! { A B C D }
from_tuples! { A B C D E }
from_tuples! { A B C D E F }
from_tuples! { A B C D E F G }
from_tuples! { A B C D E F G H }

/// The fault that `--nemesis` knows by that name. Blanks around it do not matter, as with
/// Maelstrom.
///
/// # Errors
/// If there is none; the error says which there are.
pub fn named(name: &str) -> Result<Arc<dyn Fault>, String> {
    let known = Faults::built_in();
    known.named(name.trim()).cloned().ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|fault| fault.name()).collect();
        format!("must be one of {}", names.join(", "))
    })
}
