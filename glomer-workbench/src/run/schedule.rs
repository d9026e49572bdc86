//! Schedules: what a run asked and broke, to be run again, edited, or made smaller.
//!
//! A run keeps its schedule beside its results, as `schedule.json`:
//!
//! ```json
//! {
//!   "workload": "broadcast",
//!   "seed": 7,
//!   "nodes": ["n0", "n1", "n2"],
//!   "concurrency": 3,
//!   "time-limit": 20.0,
//!   "arguments": ["test", "-w", "broadcast", "--bin", "node", "--node-count", "3"],
//!   "operations": [
//!     {"thread":0,"at":0.0,"f":"broadcast","value":"1"},
//!     {"thread":1,"at":0.413,"f":"read","value":"nil"}
//!   ],
//!   "faults": [
//!     {"fault":"partition","value":":one","begin":0.0,"end":4.409,"effects":[{"partition":{"n0":["n1","n2"],"n1":["n0"],"n2":["n0"]}}]}
//!   ]
//! }
//! ```
//!
//! Times are seconds since the first operation was due. An operation begins at its time, or as
//! soon after it as its thread has done what it did before; thread `t` belongs to node `t` modulo
//! the number of nodes. `f` and `value` (and `extra`, where there are further keys) are what
//! `history.edn` has, values as EDN. A fault does its effects when it begins; one without an
//! `end` ends with the run, when all faults are healed. What remains, such as latencies and the
//! nodes' random numbers, follows from the seed. The final phase is not in it: it follows from the
//! workload.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use glomer_runtime::sim::{Health, Latency};
use serde::{Deserialize, Serialize};

use super::nemesis::{self, Effect, Fault, Strike};
use super::plan::Plan;
use crate::edn::Edn;
use crate::verdict::counted;
use crate::workload::{AnyWorkload, Notation};

/// What a run asks and breaks, and the seed that the rest follows from; see the
/// [module](self).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Schedule {
    /// The name of the workload.
    pub workload: String,
    /// Where the rest follows from.
    pub seed: u64,
    /// The names of the nodes.
    pub nodes: Vec<String>,
    /// How many threads perform operations.
    pub concurrency: usize,
    /// How long clients and faults are at work.
    #[serde(with = "seconds")]
    pub time_limit: Duration,
    /// The arguments of the command that it comes from, if it comes from one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// What clients ask, in the order in which it is due.
    pub operations: Vec<Planned>,
    /// What breaks, in the order in which it begins.
    pub faults: Vec<PlannedFault>,
}

/// An operation of a [`Schedule`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// The thread that performs it.
    pub thread: usize,
    /// When it begins, unless the thread is busy.
    #[serde(with = "seconds")]
    pub at: Duration,
    /// Its function.
    pub f: String,
    /// Its value.
    #[serde(with = "edn")]
    pub value: Edn,
    /// Further keys of its entry in the history.
    #[serde(default, with = "named_edn", skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<(String, Edn)>,
}

/// A fault of a [`Schedule`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    /// Its name, as `--nemesis` takes it.
    pub fault: String,
    /// What it is aimed at, as the history says it.
    #[serde(with = "edn")]
    pub value: Edn,
    /// When it begins.
    #[serde(with = "seconds")]
    pub begin: Duration,
    /// When it ends; with the run if this is not said.
    #[serde(
        default,
        with = "maybe_seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub end: Option<Duration>,
    /// What it does when it begins.
    pub effects: Vec<NamedEffect>,
}

/// An [`Effect`], with nodes by their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamedEffect {
    /// Nodes drop what arrives from others.
    Partition(BTreeMap<String, BTreeSet<String>>),
    /// The fault's partition ends.
    Heal,
    /// A node dies.
    Kill(String),
    /// A node starts afresh.
    Start(String),
    /// A node dies and finds nothing on its disk when it starts again.
    Wipe(String),
    /// A node stops.
    Pause(String),
    /// A node goes on.
    Resume(String),
    /// Messages between nodes get lost with this probability.
    Loss(f64),
    /// Messages between nodes arrive twice with this probability.
    Duplicate(f64),
    /// Messages between nodes take so long.
    Latency(Latency),
    /// Messages between nodes take so many times their latency.
    Slow(f64),
    /// A node's clock goes so many times as fast as time.
    Rate(String, f64),
    /// A node's clock leaps ahead by so many seconds.
    Leap(String, f64),
    /// A node's disk is well, or not.
    DiskHealth(String, Health),
    /// A node's disk takes so long.
    DiskLatency(String, Latency),
}

impl NamedEffect {
    fn of(effect: &Effect, nodes: &[String]) -> NamedEffect {
        let name = |node: usize| nodes[node].clone();
        match effect {
            Effect::Partition(grudge) => {
                let grudge = grudge.iter().map(|(node, others)| {
                    let others = others.iter().map(|other| name(*other));
                    (name(*node), others.collect())
                });
                NamedEffect::Partition(grudge.collect())
            }
            Effect::Heal => NamedEffect::Heal,
            Effect::Kill(node) => NamedEffect::Kill(name(*node)),
            Effect::Start(node) => NamedEffect::Start(name(*node)),
            Effect::Wipe(node) => NamedEffect::Wipe(name(*node)),
            Effect::Pause(node) => NamedEffect::Pause(name(*node)),
            Effect::Resume(node) => NamedEffect::Resume(name(*node)),
            Effect::Loss(p) => NamedEffect::Loss(*p),
            Effect::Duplicate(p) => NamedEffect::Duplicate(*p),
            Effect::Latency(latency) => NamedEffect::Latency(*latency),
            Effect::Slow(factor) => NamedEffect::Slow(*factor),
            Effect::Rate(node, rate) => NamedEffect::Rate(name(*node), *rate),
            Effect::Leap(node, ahead) => NamedEffect::Leap(name(*node), ahead.as_secs_f64()),
            Effect::DiskHealth(node, health) => NamedEffect::DiskHealth(name(*node), *health),
            Effect::DiskLatency(node, latency) => NamedEffect::DiskLatency(name(*node), *latency),
        }
    }

    /// The effect, among these nodes.
    fn effect(&self, nodes: &[String]) -> Result<Effect, String> {
        let number = |name: &String| {
            let mut nodes = nodes.iter();
            let found = nodes.position(|node| node == name);
            found.ok_or_else(|| format!("a fault strikes {name}, and no node is called that"))
        };
        Ok(match self {
            NamedEffect::Partition(grudge) => {
                let mut numbers = BTreeMap::new();
                for (node, others) in grudge {
                    let others: Result<BTreeSet<usize>, String> =
                        others.iter().map(number).collect();
                    numbers.insert(number(node)?, others?);
                }
                Effect::Partition(numbers)
            }
            NamedEffect::Heal => Effect::Heal,
            NamedEffect::Kill(node) => Effect::Kill(number(node)?),
            NamedEffect::Start(node) => Effect::Start(number(node)?),
            NamedEffect::Wipe(node) => Effect::Wipe(number(node)?),
            NamedEffect::Pause(node) => Effect::Pause(number(node)?),
            NamedEffect::Resume(node) => Effect::Resume(number(node)?),
            NamedEffect::Loss(p) => Effect::Loss(probability(*p)?),
            NamedEffect::Duplicate(p) => Effect::Duplicate(probability(*p)?),
            NamedEffect::Latency(latency) => Effect::Latency(*latency),
            NamedEffect::Slow(factor) if factor.is_finite() && *factor >= 0.0 => {
                Effect::Slow(*factor)
            }
            NamedEffect::Slow(factor) => {
                return Err(format!("no network is {factor} times slower"));
            }
            NamedEffect::Rate(node, rate) if (0.001..=1_000.0).contains(rate) => {
                Effect::Rate(number(node)?, *rate)
            }
            NamedEffect::Rate(_, rate) => {
                return Err(format!("no clock goes {rate} times as fast as time"));
            }
            NamedEffect::Leap(node, ahead) => Effect::Leap(
                number(node)?,
                time(*ahead).map_err(|error| error.to_string())?,
            ),
            NamedEffect::DiskHealth(node, health) => Effect::DiskHealth(number(node)?, *health),
            NamedEffect::DiskLatency(node, latency) => Effect::DiskLatency(number(node)?, *latency),
        })
    }

    /// Without this node; `None` if nothing is left.
    fn without(&self, gone: &str) -> Option<NamedEffect> {
        match self {
            NamedEffect::Partition(grudge) => {
                let mut grudge = grudge.clone();
                grudge.remove(gone);
                for others in grudge.values_mut() {
                    others.remove(gone);
                }
                grudge.retain(|_, others| !others.is_empty());
                (!grudge.is_empty()).then_some(NamedEffect::Partition(grudge))
            }
            NamedEffect::Kill(node)
            | NamedEffect::Start(node)
            | NamedEffect::Wipe(node)
            | NamedEffect::Pause(node)
            | NamedEffect::Resume(node)
            | NamedEffect::Rate(node, _)
            | NamedEffect::Leap(node, _)
            | NamedEffect::DiskHealth(node, _)
            | NamedEffect::DiskLatency(node, _)
                if node == gone =>
            {
                None
            }
            other => Some(other.clone()),
        }
    }
}

fn probability(p: f64) -> Result<f64, String> {
    let fits = (0.0..=1.0).contains(&p);
    fits.then_some(p)
        .ok_or_else(|| format!("{p} is no probability; give a number from 0 to 1"))
}

impl Schedule {
    /// The schedule of a run that begins as planned, to be filled in while it runs.
    pub(crate) fn of_plan(plan: &Plan) -> Schedule {
        Schedule {
            workload: plan.workload.name().to_owned(),
            seed: plan.seed,
            nodes: plan.setting.nodes.clone(),
            concurrency: plan.setting.concurrency,
            time_limit: plan.time_limit,
            arguments: Vec::new(),
            operations: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Notes an operation that begins.
    pub(crate) fn asked(&mut self, thread: usize, at: Duration, notation: &Notation) {
        let Notation { f, value, extra } = notation.clone();
        self.operations.push(Planned {
            thread,
            at,
            f,
            value,
            extra,
        });
    }

    /// Notes a fault that begins.
    pub(crate) fn began(&mut self, fault: &str, at: Duration, strike: &Strike) {
        let effects = strike.effects.iter();
        self.faults.push(PlannedFault {
            fault: fault.to_owned(),
            value: strike.value.clone(),
            begin: at,
            end: None,
            effects: effects
                .map(|effect| NamedEffect::of(effect, &self.nodes))
                .collect(),
        });
    }

    /// Notes that a fault ends.
    pub(crate) fn ended(&mut self, fault: &str, at: Duration) {
        let mut open = self.faults.iter_mut().rev();
        if let Some(begun) = open.find(|begun| begun.fault == fault && begun.end.is_none()) {
            begun.end = Some(at);
        }
    }

    /// The plan of a run that follows it; what it does not say stays as in `plan`.
    ///
    /// # Errors
    /// If it is for another workload, or does not fit together.
    pub fn plan(self: &Arc<Schedule>, plan: &Plan) -> Result<Plan, String> {
        let wanted = plan.workload.name();
        if self.workload != wanted {
            return Err(format!(
                "the schedule is for workload {}, not {wanted}; add -w {}",
                self.workload, self.workload
            ));
        }
        if self.nodes.is_empty() {
            return Err("the schedule has no nodes".to_owned());
        }
        let thread = self.operations.iter().map(|op| op.thread).max();
        if let Some(thread) = thread.filter(|thread| *thread >= self.concurrency) {
            return Err(format!(
                "the schedule has an operation of thread {thread}, and its concurrency is {}",
                self.concurrency
            ));
        }
        let mut plan = Plan {
            seed: self.seed,
            time_limit: self.time_limit,
            schedule: Some(self.clone()),
            ..plan.clone()
        };
        plan.setting.nodes.clone_from(&self.nodes);
        plan.setting.concurrency = self.concurrency;
        plan.workload.can_run(&plan.setting)?;
        let strikes = self.strikes(&plan)?;
        let named = strikes.into_iter().map(|(_, fault, _)| fault);
        plan.faults = plan.faults.iter().cloned().chain(named).collect();
        Ok(plan)
    }

    /// What begins and ends when: the fault, and what it does if it begins.
    pub(crate) fn strikes(&self, plan: &Plan) -> Result<Vec<Struck>, String> {
        let mut strikes = Vec::new();
        for planned in &self.faults {
            let name = planned.fault.as_str();
            let fault = match plan.faults.named(name) {
                Some(fault) => fault.clone(),
                None => nemesis::named(name).map_err(|error| format!("fault {name:?} {error}"))?,
            };
            let effects = planned.effects.iter();
            let effects: Result<Vec<Effect>, String> =
                effects.map(|effect| effect.effect(&self.nodes)).collect();
            let strike = Strike {
                value: planned.value.clone(),
                effects: effects?,
                done: None,
            };
            strikes.push((planned.begin, fault.clone(), Some(strike)));
            strikes.extend(planned.end.map(|end| (end, fault, None)));
        }
        strikes.sort_by_key(|(at, ..)| *at);
        Ok(strikes)
    }

    /// What each thread asks, and when.
    pub(crate) fn queues(&self) -> Vec<VecDeque<(Duration, Notation)>> {
        let mut operations: Vec<&Planned> = self.operations.iter().collect();
        operations.sort_by_key(|op| op.at);
        let mut queues = vec![VecDeque::new(); self.concurrency];
        for op in operations {
            queues[op.thread].push_back((op.at, op.notation()));
        }
        queues
    }

    /// Without these of its operations, and without those that go with them, as the workload
    /// says.
    pub(crate) fn without_operations(
        &self,
        gone: Range<usize>,
        workload: &AnyWorkload,
    ) -> Schedule {
        let asked = self.operations.iter().map(|op| (op.thread, op.notation()));
        let asked: Vec<(usize, Notation)> = asked.collect();
        let mut kept = BTreeSet::new();
        for (place, earlier) in workload.going_with(&asked).into_iter().enumerate() {
            let stays = earlier.is_none_or(|earlier| kept.contains(&earlier));
            if stays && !gone.contains(&place) {
                kept.insert(place);
            }
        }
        self.with_operations(&kept)
    }

    /// With these of its operations alone.
    pub(crate) fn with_operations(&self, kept: &BTreeSet<usize>) -> Schedule {
        let operations = self.operations.iter().enumerate();
        let operations = operations.filter(|(place, _)| kept.contains(place));
        Schedule {
            operations: operations.map(|(_, op)| op.clone()).collect(),
            ..self.clone()
        }
    }

    /// Without these of its faults.
    pub(crate) fn without_faults(&self, gone: Range<usize>) -> Schedule {
        let mut smaller = self.clone();
        smaller.faults.drain(gone);
        smaller
    }

    /// The threads that have anything to do.
    pub(crate) fn busy(&self) -> Vec<usize> {
        let threads: BTreeSet<usize> = self.operations.iter().map(|op| op.thread).collect();
        threads.into_iter().collect()
    }

    /// Without what these of the busy threads do.
    pub(crate) fn without_threads(&self, gone: Range<usize>) -> Schedule {
        let gone = &self.busy()[gone];
        let mut smaller = self.clone();
        smaller.operations.retain(|op| !gone.contains(&op.thread));
        smaller
    }

    /// Without one of its nodes, with all that its clients ask and all that strikes it. The
    /// clients of other nodes stay with their nodes.
    pub(crate) fn without_node(&self, gone: usize) -> Schedule {
        let (before, name) = (self.nodes.len(), &self.nodes[gone]);
        let mut nodes = self.nodes.clone();
        nodes.remove(gone);
        let renumbered = |thread: usize| {
            let (round, node) = (thread / before, thread % before);
            let node = node - usize::from(node > gone);
            round * (before - 1) + node
        };
        let of_others = self
            .operations
            .iter()
            .filter(|op| op.thread % before != gone);
        let operations = of_others.map(|op| Planned {
            thread: renumbered(op.thread),
            ..op.clone()
        });
        let operations: Vec<Planned> = operations.collect();
        let faults = self.faults.iter().filter_map(|fault| {
            let effects = fault.effects.iter();
            let effects: Vec<NamedEffect> =
                effects.filter_map(|effect| effect.without(name)).collect();
            (!effects.is_empty()).then(|| PlannedFault {
                effects,
                ..fault.clone()
            })
        });
        let faults = faults.collect();
        let gone_threads = (0..self.concurrency).filter(|thread| thread % before == gone);
        let concurrency = self.concurrency - gone_threads.count();
        Schedule {
            nodes,
            operations,
            faults,
            concurrency: concurrency.max(1),
            ..self.clone()
        }
    }

    /// When the last of its operations and faults begins or ends.
    pub(crate) fn last(&self) -> Duration {
        let operations = self.operations.iter().map(|op| op.at);
        let faults = self.faults.iter();
        let faults = faults.flat_map(|fault| [Some(fault.begin), fault.end].into_iter().flatten());
        operations.chain(faults).max().unwrap_or_default()
    }

    /// How much it is: `412 operations, 14 faults`.
    pub fn size(&self) -> String {
        format!(
            "{}, {}",
            counted(self.operations.len(), "operation"),
            counted(self.faults.len(), "fault")
        )
    }

    /// As it stands in a file, with a line for each operation and each fault.
    ///
    /// # Errors
    /// If a number in it has no form in JSON.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let head = serde_json::to_value(Schedule {
            operations: Vec::new(),
            faults: Vec::new(),
            ..self.clone()
        })?;
        let mut text = String::from("{\n");
        let names = [
            "workload",
            "seed",
            "nodes",
            "concurrency",
            "time-limit",
            "arguments",
        ];
        for name in names {
            if let Some(value) = head.get(name) {
                text += &format!("  \"{name}\": {value},\n");
            }
        }
        let lines = |items: Vec<String>| {
            if items.is_empty() {
                return "[]".to_owned();
            }
            format!("[\n    {}\n  ]", items.join(",\n    "))
        };
        let operations: serde_json::Result<Vec<String>> =
            self.operations.iter().map(serde_json::to_string).collect();
        let faults: serde_json::Result<Vec<String>> =
            self.faults.iter().map(serde_json::to_string).collect();
        text += &format!("  \"operations\": {},\n", lines(operations?));
        text += &format!("  \"faults\": {}\n}}\n", lines(faults?));
        Ok(text)
    }

    /// What stands in a file.
    ///
    /// # Errors
    /// If it is no schedule: what is wrong, and in which line.
    pub fn from_json(text: &str) -> serde_json::Result<Schedule> {
        serde_json::from_str(text)
    }
}

/// When, which fault, and what it does if it begins.
pub(crate) type Struck = (Duration, Arc<dyn Fault>, Option<Strike>);

impl Planned {
    /// As the history notes it.
    pub(crate) fn notation(&self) -> Notation {
        Notation {
            f: self.f.clone(),
            value: self.value.clone(),
            extra: self.extra.clone(),
        }
    }
}

fn time(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| format!("{seconds} is no time; give seconds from 0 upwards"))
}

/// A time as seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(time: &Duration, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_f64(time.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        super::time(f64::deserialize(input)?).map_err(de::Error::custom)
    }
}

/// A time as seconds, if there is one.
mod maybe_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| time.as_secs_f64()).serialize(output)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(input)?;
        seconds
            .map(super::time)
            .transpose()
            .map_err(de::Error::custom)
    }
}

/// A value as the text of its EDN.
mod edn {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::edn::Edn;

    pub(super) fn serialize<S: Serializer>(value: &Edn, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Edn, D::Error> {
        parsed(&String::deserialize(input)?)
    }

    pub(super) fn parsed<E: de::Error>(text: &str) -> Result<Edn, E> {
        Edn::parse(text)
            .map_err(|error| E::custom(format!("the value {text:?} is no EDN: {error}")))
    }
}

/// Values by their names.
mod named_edn {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::edn::Edn;

    pub(super) fn serialize<S: Serializer>(
        values: &[(String, Edn)],
        output: S,
    ) -> Result<S::Ok, S::Error> {
        output.collect_map(values.iter().map(|(name, value)| (name, value.to_string())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Vec<(String, Edn)>, D::Error> {
        let texts = BTreeMap::<String, String>::deserialize(input)?;
        let texts = texts.into_iter();
        texts
            .map(|(name, text)| Ok((name, super::edn::parsed(&text)?)))
            .collect()
    }
}
