//! The nemesis: which fault comes when, and whom it hits.
//!
//! Its schedule follows from the seed alone. As in `jepsen.nemesis.combined`, each fault is
//! switched on, then off, then on again, at staggered intervals around
//! `--nemesis-interval`; faults have schedules of their own and overlap, except that `kill`
//! and `pause` share one.

use std::str::FromStr;
use std::time::Duration;

use glomer_runtime::Rng;

use super::grudge::{Grudge, Partition, majority, minority_third};
use super::pace::Pace;
use crate::edn::Edn;

/// A kind of fault, as `--nemesis` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Nodes stop hearing each other.
    Partition,
    /// Nodes are killed, and later started afresh.
    Kill,
    /// Nodes are stopped in their tracks, and later go on.
    Pause,
    /// Messages between nodes get lost.
    Loss,
    /// Messages between nodes arrive twice.
    Duplicate,
    /// Messages between nodes take ten times as long.
    Slow,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 6] = [
        Fault::Partition,
        Fault::Kill,
        Fault::Pause,
        Fault::Loss,
        Fault::Duplicate,
        Fault::Slow,
    ];

    /// The operations that begin and end this fault.
    pub fn functions(self) -> (&'static str, &'static str) {
        match self {
            Fault::Partition => ("start-partition", "stop-partition"),
            Fault::Kill => ("kill", "start"),
            Fault::Pause => ("pause", "resume"),
            Fault::Loss => ("start-loss", "stop-loss"),
            Fault::Duplicate => ("start-duplicate", "stop-duplicate"),
            Fault::Slow => ("start-slow", "stop-slow"),
        }
    }

    /// The name of the fault.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Partition => "partition",
            Fault::Kill => "kill",
            Fault::Pause => "pause",
            Fault::Loss => "loss",
            Fault::Duplicate => "duplicate",
            Fault::Slow => "slow",
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    /// Takes blanks around the name, as Maelstrom does.
    fn from_str(text: &str) -> Result<Fault, String> {
        let named = Fault::ALL
            .into_iter()
            .find(|fault| fault.name() == text.trim());
        named.ok_or_else(|| format!("must be one of {}", Fault::ALL.map(Fault::name).join(", ")))
    }
}

/// An operation of the nemesis: what the history says of it, and what it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Strike {
    /// The function in the history.
    pub f: &'static str,
    /// The value of its invocation.
    pub value: Edn,
    /// What it does.
    pub effect: Effect,
}

/// What an operation of the nemesis does. Nodes go by their numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Nodes drop what arrives from those they hold a grudge against.
    Partition(Grudge),
    /// All partitions end.
    Heal,
    /// These nodes die.
    Kill(Vec<usize>),
    /// All dead nodes start.
    Start,
    /// These nodes stop running.
    Pause(Vec<usize>),
    /// All nodes run again.
    Resume,
    /// Loss begins or ends.
    Loss(bool),
    /// Duplication begins or ends.
    Duplicate(bool),
    /// Slowness begins or ends.
    Slow(bool),
}

/// The nodes that `kill` and `pause` choose from, as `jepsen.nemesis.combined` lists them.
#[derive(Clone, Copy)]
enum Target {
    Any,
    One,
    MinorityThird,
    Minority,
    Majority,
    All,
}

impl Target {
    const ALL: [Target; 6] = [
        Target::Any,
        Target::One,
        Target::MinorityThird,
        Target::Minority,
        Target::Majority,
        Target::All,
    ];

    fn value(self) -> Edn {
        match self {
            Target::Any => Edn::Nil,
            Target::One => Edn::kw("one"),
            Target::MinorityThird => Edn::kw("minority-third"),
            Target::Minority => Edn::kw("minority"),
            Target::Majority => Edn::kw("majority"),
            Target::All => Edn::kw("all"),
        }
    }

    fn draw(self, nodes: usize, rng: &mut Rng) -> Vec<usize> {
        let count = match self {
            Target::Any => 1 + rng.below(nodes as u64) as usize,
            Target::One => 1,
            Target::MinorityThird => minority_third(nodes),
            Target::Minority => majority(nodes) - 1,
            Target::Majority => majority(nodes),
            Target::All => nodes,
        };
        let mut chosen: Vec<usize> = (0..nodes).collect();
        rng.shuffle(&mut chosen);
        chosen.truncate(count);
        chosen.sort_unstable();
        chosen
    }
}

/// Faults that take turns on one schedule.
struct Package {
    faults: Vec<(Fault, bool)>,
    pace: Pace,
    rng: Rng,
}

/// The schedule of all faults of a run.
pub struct Nemesis {
    packages: Vec<Package>,
    nodes: usize,
}

impl Nemesis {
    /// A schedule whose first operations are due at time 0.
    ///
    /// # Panics
    /// When there are no nodes.
    pub fn new(faults: &[Fault], interval: Duration, nodes: usize, mut rng: Rng) -> Nemesis {
        assert!(nodes > 0, "a nemesis needs nodes to strike");
        let together = [Fault::Kill, Fault::Pause].as_slice();
        let groups = [
            [Fault::Partition].as_slice(),
            together,
            &[Fault::Loss],
            &[Fault::Duplicate],
            &[Fault::Slow],
        ];
        let packages = groups.map(|group| {
            // Every package draws its seeds, so that one fault's schedule is the same
            // whichever others there are.
            let (pace, rng) = (rng.fork(), rng.fork());
            let chosen = |fault: &&Fault| faults.contains(fault);
            let faults = group.iter().filter(chosen).map(|fault| (*fault, false));
            Package {
                faults: faults.collect(),
                pace: Pace::new(interval, Duration::ZERO, pace),
                rng,
            }
        });
        Nemesis {
            packages: packages
                .into_iter()
                .filter(|package| !package.faults.is_empty())
                .collect(),
            nodes,
        }
    }

    /// When the next operation is due, in time since the first one; `None` without faults.
    pub fn next(&self) -> Option<Duration> {
        self.packages
            .iter()
            .map(|package| package.pace.next())
            .min()
    }

    /// The next operation, which takes place at this time.
    ///
    /// # Panics
    /// Without faults.
    pub fn strike(&mut self, at: Duration) -> Strike {
        let nodes = self.nodes;
        let package = self
            .packages
            .iter_mut()
            .min_by_key(|package| package.pace.next())
            .expect("a nemesis without faults never strikes");
        package.pace.took_place(at);
        let rng = &mut package.rng;
        let which = rng.below(package.faults.len() as u64) as usize;
        let (fault, on) = &mut package.faults[which];
        *on = !*on;
        match *on {
            true => begin(*fault, nodes, rng),
            false => end(*fault),
        }
    }

    /// What ends all faults, at the end of a run.
    pub fn heal(&self) -> Vec<Strike> {
        let faults = self.packages.iter().flat_map(|package| &package.faults);
        let mut strikes: Vec<Strike> = faults.map(|(fault, _)| end(*fault)).collect();
        // A node that is to start must not find others stopped.
        strikes.sort_by_key(|strike| strike.effect == Effect::Start);
        strikes
    }
}

fn begin(fault: Fault, nodes: usize, rng: &mut Rng) -> Strike {
    let (value, effect) = match fault {
        Fault::Partition => {
            let partition = Partition::ALL[rng.below(Partition::ALL.len() as u64) as usize];
            let grudge = partition.grudge(nodes, rng);
            (Edn::kw(partition.name()), Effect::Partition(grudge))
        }
        Fault::Kill | Fault::Pause => {
            let target = Target::ALL[rng.below(Target::ALL.len() as u64) as usize];
            let nodes = target.draw(nodes, rng);
            let effect = match fault {
                Fault::Kill => Effect::Kill(nodes),
                _ => Effect::Pause(nodes),
            };
            (target.value(), effect)
        }
        Fault::Loss => (Edn::Nil, Effect::Loss(true)),
        Fault::Duplicate => (Edn::Nil, Effect::Duplicate(true)),
        Fault::Slow => (Edn::Nil, Effect::Slow(true)),
    };
    Strike {
        f: fault.functions().0,
        value,
        effect,
    }
}

fn end(fault: Fault) -> Strike {
    let (value, effect) = match fault {
        Fault::Partition => (Edn::Nil, Effect::Heal),
        Fault::Kill => (Edn::kw("all"), Effect::Start),
        Fault::Pause => (Edn::kw("all"), Effect::Resume),
        Fault::Loss => (Edn::Nil, Effect::Loss(false)),
        Fault::Duplicate => (Edn::Nil, Effect::Duplicate(false)),
        Fault::Slow => (Edn::Nil, Effect::Slow(false)),
    };
    Strike {
        f: fault.functions().1,
        value,
        effect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn schedule(faults: &[Fault], seed: u64, count: usize) -> Vec<(Duration, Strike)> {
        let mut nemesis = Nemesis::new(faults, INTERVAL, 5, Rng::seeded(seed));
        std::iter::from_fn(|| {
            let at = nemesis.next()?;
            Some((at, nemesis.strike(at)))
        })
        .take(count)
        .collect()
    }

    #[test]
    fn a_fault_begins_at_once_and_then_ends_and_begins_by_turns() {
        let strikes = schedule(&[Fault::Partition], 1, 200);
        assert_eq!(strikes[0].0, Duration::ZERO);
        for (n, (_, strike)) in strikes.iter().enumerate() {
            let expected = ["start-partition", "stop-partition"][n % 2];
            assert_eq!(strike.f, expected);
        }
        let mean = strikes.last().unwrap().0 / 199;
        assert!(
            (Duration::from_secs(9)..Duration::from_secs(11)).contains(&mean),
            "{mean:?}"
        );
        let kinds: BTreeSet<String> = strikes.iter().map(|(_, s)| s.value.to_string()).collect();
        let expected = [
            "nil",
            ":one",
            ":majority",
            ":minority-third",
            ":majorities-ring",
        ];
        assert_eq!(kinds, expected.map(str::to_owned).into());
    }

    #[test]
    fn the_seed_decides_and_other_faults_do_not_disturb() {
        let alone = schedule(&[Fault::Loss], 7, 10);
        assert_eq!(alone, schedule(&[Fault::Loss], 7, 10));
        assert_ne!(alone, schedule(&[Fault::Loss], 8, 10));
        let mixed = schedule(&[Fault::Partition, Fault::Kill, Fault::Loss], 7, 40);
        let losses: Vec<_> = mixed
            .into_iter()
            .filter(|(_, s)| s.f.ends_with("loss"))
            .collect();
        assert!(losses.len() >= 5);
        assert!(losses.iter().zip(&alone).all(|(a, b)| a == b));
    }

    #[test]
    fn kills_hit_every_kind_of_target_and_restart_all() {
        let mut sizes = BTreeSet::new();
        for (_, strike) in schedule(&[Fault::Kill], 3, 400) {
            match strike.effect {
                Effect::Kill(nodes) => sizes.insert(nodes.len()),
                effect => {
                    assert_eq!((strike.f, effect), ("start", Effect::Start));
                    continue;
                }
            };
        }
        assert_eq!(sizes, (1..=5).collect());
    }

    #[test]
    fn healing_ends_every_fault_and_starts_nodes_last() {
        use Fault::*;
        let nemesis = Nemesis::new(&[Slow, Kill, Pause, Partition], INTERVAL, 3, Rng::seeded(1));
        let ends: Vec<&str> = nemesis.heal().iter().map(|strike| strike.f).collect();
        assert_eq!(ends, ["stop-partition", "resume", "stop-slow", "start"]);
        let none = Nemesis::new(&[], INTERVAL, 3, Rng::seeded(1));
        assert_eq!((none.next(), none.heal().len()), (None, 0));
    }
}
