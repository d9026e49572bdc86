//! A workload against nodes of this framework, inside `cargo test`.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use glomer_runtime::Init;
use glomer_runtime::sim::{Delivery, Latency, Program, command_for, find_seed};

use crate::checker::{Availability, ConsistencyModel};
use crate::edn::Edn;
use crate::results::{Expectations, Results, kinds, results};
use crate::run::diagram::diagram;
use crate::run::drive::{TURN_LATENCY, in_process};
use crate::run::nemesis::Faults;
use crate::run::plan::Plan;
use crate::run::schedule::Schedule;
use crate::run::{Run, Timing};
use crate::shrink::{self, Shrunk, shrink};
use crate::verdict::{Reason, Validity, Verdict, merge_validity, without_numbers};
use crate::workload::{Topology, Workload};

/// As wide are the results in an explanation.
const WIDTH: usize = 100;

/// A workload against nodes of this framework: in this process, in virtual time, once for each
/// seed, on all cores.
///
/// Engine, network, faults, services and checkers are those of the `glomer` command, and what
/// is not told otherwise is as there: 5 nodes with a client each, 5 operations a second for a
/// minute, links without latency, no faults. Requests of clients do not wait behind what is
/// under way to their node, as they do under Maelstrom ([`delivery`](Test::delivery)), and a
/// run in which some function never succeeded is not invalid but unknown, as is one in which
/// nothing was done.
///
/// ```
/// use glomer_runtime::prelude::*;
/// use glomer_workbench::run::nemesis::{Loss, Partition};
/// use glomer_workbench::{Test, workload};
/// use std::time::Duration;
///
/// #[derive(Default)]
/// struct Counter {
///     made: u64,
/// }
///
/// #[handler("generate", reply = "id")]
/// fn generate(state: &mut Counter, cx: &Context) -> String {
///     state.made += 1;
///     format!("{}-{}-{:016x}", cx.node_id(), state.made, cx.rng().next_u64())
/// }
///
/// // #[test]
/// fn no_id_comes_twice() {
///     Test::new(workload::UniqueIds)
///         .nodes(3)
///         .rate(100.0)
///         .nemesis((Partition, Loss))
///         .time_limit(Duration::from_secs(20))
///         .seeds(0..10)
///         .run::<Counter>()
///         .assert_valid();
/// }
/// # no_id_comes_twice();
/// ```
///
/// A test that fails names the smallest seed that fails, leaves out of that run what it fails
/// without, says why, and how to run it alone.
#[derive(Clone)]
#[must_use = "a test does nothing before `run`"]
pub struct Test {
    plan: Plan,
    concurrency: Option<usize>,
    availability: Option<Availability>,
    turn_latency: Duration,
    tolerate_panics: bool,
    tolerate_unknown: bool,
    seeds: Option<Vec<u64>>,
    schedule: Option<Arc<Schedule>>,
    /// How long a failing run is made smaller; `None` for not at all.
    shrink_limit: Option<Duration>,
    judges: Vec<Judge>,
}

impl fmt::Debug for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Test")
            .field("plan", &self.plan)
            .field("seeds", &self.seeds)
            .finish_non_exhaustive()
    }
}

type Judge = Arc<dyn Fn(&Tested) + Send + Sync>;

impl Test {
    /// A test of this workload with 100 seeds, from 0 upwards.
    pub fn new(workload: impl Workload) -> Test {
        Test {
            plan: Plan {
                delivery: Delivery::OnTime,
                ..Plan::new(workload, 5)
            },
            concurrency: None,
            availability: None,
            turn_latency: TURN_LATENCY,
            tolerate_panics: false,
            tolerate_unknown: false,
            seeds: None,
            schedule: None,
            shrink_limit: Some(shrink::LIMIT),
            judges: Vec::new(),
        }
    }

    /// How many nodes there are, `n0` and on.
    pub fn nodes(mut self, count: usize) -> Test {
        self.plan.setting.nodes = (0..count).map(|number| format!("n{number}")).collect();
        self
    }

    /// How many clients there are: one for each node unless told, and two if the workload
    /// wants an even number.
    pub fn concurrency(mut self, clients: usize) -> Test {
        self.concurrency = Some(clients);
        self
    }

    /// How many operations begin in a second, on average; 0 for none but the final ones.
    ///
    /// # Panics
    /// When it is negative or not finite.
    #[track_caller]
    pub fn rate(mut self, rate: f64) -> Test {
        assert!(
            rate.is_finite() && rate >= 0.0,
            "a rate of {rate} operations a second makes no sense; give a number from 0 upwards"
        );
        self.plan.interval = (rate > 0.0).then(|| Duration::from_secs_f64(1.0 / rate));
        self
    }

    /// How long clients and faults are at work; what is under way ends after that.
    pub fn time_limit(mut self, time_limit: Duration) -> Test {
        self.plan.time_limit = time_limit;
        self
    }

    /// How long messages between nodes, and between nodes and services, take.
    pub fn latency(mut self, latency: Latency) -> Test {
        self.plan.latency = latency;
        self.plan.setting.latency = latency.mean();
        self
    }

    /// How messages wait for the end of their latency: each for its own, unless told. With
    /// [`Delivery::InTurn`], as under Maelstrom, requests of clients wait behind what is under
    /// way to their node, and stale reads hide behind that.
    pub fn delivery(mut self, delivery: Delivery) -> Test {
        self.plan.delivery = delivery;
        self
    }

    /// How long a node takes at most to get to a message that has arrived: 2 ms unless told.
    /// How long each takes is drawn. Nodes in virtual time take no time otherwise, and without
    /// this operations that need one node only would never overlap.
    pub fn turn_latency(mut self, most: Duration) -> Test {
        self.turn_latency = most;
        self
    }

    /// How long the disks of nodes take to make durable what was written before:
    /// exponentially distributed, with a mean of 1 ms, unless told.
    pub fn disk_latency(mut self, latency: Latency) -> Test {
        self.plan.disk_latency = latency;
        self
    }

    /// The faults that come and go: one, or a tuple of them.
    pub fn nemesis(mut self, faults: impl Into<Faults>) -> Test {
        self.plan.faults = faults.into();
        self
    }

    /// The mean time between two faults: 10 seconds unless told.
    pub fn nemesis_interval(mut self, interval: Duration) -> Test {
        self.plan.nemesis_interval = interval;
        self
    }

    /// How likely a message between nodes gets lost: always, or with
    /// [`Loss`](crate::run::nemesis::Loss) during that fault.
    pub fn p_loss(mut self, p: f64) -> Test {
        self.plan.p_loss = Some(p);
        self
    }

    /// How likely a message between nodes arrives twice: always, or with
    /// [`Duplicate`](crate::run::nemesis::Duplicate) during that fault.
    pub fn p_duplicate(mut self, p: f64) -> Test {
        self.plan.p_duplicate = Some(p);
        self
    }

    /// How long nodes have to recover from the faults before the final operations: 10 seconds
    /// unless told.
    pub fn recovery_time(mut self, time: Duration) -> Test {
        self.plan.recovery_time = time;
        self
    }

    /// Which neighbours nodes are told of, for workloads that tell them.
    pub fn topology(mut self, topology: Topology) -> Test {
        self.plan.setting.topology = topology;
        self
    }

    /// How many keys operations choose from, for workloads that have keys.
    pub fn key_count(mut self, count: usize) -> Test {
        self.plan.setting.key_count = Some(count);
        self
    }

    /// How many operations a transaction has at most.
    pub fn max_txn_length(mut self, length: usize) -> Test {
        self.plan.setting.max_txn_length = length;
        self
    }

    /// How often a key is written at most, before another one takes its place.
    pub fn max_writes_per_key(mut self, writes: u64) -> Test {
        self.plan.setting.max_writes_per_key = writes;
        self
    }

    /// What transactions must satisfy, all of them.
    pub fn consistency_models(
        mut self,
        models: impl IntoIterator<Item = ConsistencyModel>,
    ) -> Test {
        self.plan.setting.consistency_models = models.into_iter().collect();
        self
    }

    /// How many of the operations must succeed.
    pub fn availability(mut self, availability: Availability) -> Test {
        self.availability = Some(availability);
        self
    }

    /// The seeds, in rising order. The environment variable `GLOMER_SEED` asks for one of them
    /// alone.
    pub fn seeds(mut self, seeds: impl IntoIterator<Item = u64>) -> Test {
        self.seeds = Some(seeds.into_iter().collect());
        self
    }

    /// Asks and breaks what this schedule says, with its nodes and clients, instead of drawing
    /// it. What remains follows from its seed, or from each of the [`seeds`](Test::seeds).
    pub fn schedule(mut self, schedule: Schedule) -> Test {
        self.schedule = Some(Arc::new(schedule));
        self
    }

    /// How long the smallest run that fails in the same way is searched for, in real time, once
    /// one has failed: 30 seconds at most unless told. Nothing for not at all.
    pub fn shrink(mut self, limit: Duration) -> Test {
        self.shrink_limit = (!limit.is_zero()).then_some(limit);
        self
    }

    /// Lets a run be valid in which a node reported an error: a handler that panicked, or a
    /// reply that could not be written. The node lives on in any case, as under Maelstrom.
    pub fn tolerate_panics(mut self) -> Test {
        self.tolerate_panics = true;
        self
    }

    /// Does not refuse runs of which it is unknown whether they are valid, such as one whose
    /// nodes were all killed all the time, so that some function never succeeded. At least one
    /// run must be valid all the same.
    pub fn tolerate_unknown(mut self) -> Test {
        self.tolerate_unknown = true;
        self
    }

    /// Judges each run beyond the workload, by panicking when something is wrong.
    pub fn judge(mut self, judge: impl Fn(&Tested) + Send + Sync + 'static) -> Test {
        self.judges.push(Arc::new(judge));
        self
    }

    /// Runs the node whose handlers have the state `S`, which begins with its default.
    #[track_caller]
    pub fn run<S: Default + 'static>(self) -> Tests {
        self.run_programs(|_| Program::of::<S>())
    }

    /// The same, with a state made from what `init` says.
    #[track_caller]
    pub fn run_with<S: 'static>(self, make: fn(&Init) -> S) -> Tests {
        self.run_programs(|_| Program::with(make))
    }

    /// The same for nodes that need not all have the same state: `program` says what the node
    /// of a number runs.
    ///
    /// # Panics
    /// When the workload cannot run with these options.
    #[track_caller]
    pub fn run_programs(mut self, program: impl Fn(usize) -> Program + Sync) -> Tests {
        let setting = &mut self.plan.setting;
        let workload = self.plan.workload.clone();
        let nodes = setting.nodes.len();
        setting.concurrency = self.concurrency.unwrap_or(nodes);
        if self.concurrency.is_none() && workload.can_run(setting).is_err() {
            setting.concurrency = 2 * nodes;
        }
        if let Err(error) = workload.can_run(setting) {
            panic!("{workload} cannot run so: {error}");
        }
        if let Some(schedule) = &self.schedule {
            self.plan = match schedule.plan(&self.plan) {
                Ok(plan) => plan,
                Err(error) => panic!("the schedule cannot be run: {error}"),
            };
            if self.seeds.is_none() {
                self.seeds = Some(vec![self.plan.seed]);
            }
        }
        let seeds = self.seeds.take();
        let seeds = seeds.unwrap_or_else(|| (0..100).collect());
        let count = Mutex::new(BTreeMap::new());
        let refused = find_seed(seeds, |seed| {
            let tested = self.one(self.plan_of(seed), &program);
            let validity = tested.validity();
            let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
            *count.entry(validity).or_insert(0) += 1;
            let refused = match validity {
                Validity::True => false,
                Validity::Unknown => !self.tolerate_unknown,
                Validity::False => true,
            };
            refused.then_some(tested)
        });
        let mut smallest = None;
        let refused = refused.map(|(seed, mut tested)| {
            let again = self.one(self.plan_of(seed), &program);
            if tested.run.history != again.run.history {
                tested.objections.push(NOT_REPEATABLE.to_owned());
            } else if let Some(limit) = self.shrink_limit
                && tested.validity() == Validity::False
            {
                smallest = self.smallest(&tested, limit, &program).map(Box::new);
            }
            Box::new(tested)
        });
        let count = count.into_inner().unwrap_or_else(PoisonError::into_inner);
        Tests {
            name: workload.name(),
            count,
            refused,
            smallest,
        }
    }

    fn plan_of(&self, seed: u64) -> Plan {
        Plan {
            seed,
            ..self.plan.clone()
        }
    }

    /// The smallest run that fails as this one did.
    fn smallest(
        &self,
        tested: &Tested,
        limit: Duration,
        program: &impl Fn(usize) -> Program,
    ) -> Option<Shrunk<Tested>> {
        let kind = tested.kinds().into_iter().next()?;
        let workload = &self.plan.workload;
        let telling = tested.results.telling(&tested.run);
        let began = Instant::now();
        let is_over = || began.elapsed() >= limit;
        shrink(
            &tested.run.schedule,
            &telling,
            workload,
            is_over,
            |schedule| {
                let plan = Arc::new(schedule.clone()).plan(&self.plan).ok()?;
                let tested = self.one(plan, program);
                let fails = tested.validity() == Validity::False && tested.kinds().contains(&kind);
                fails.then_some(tested)
            },
        )
    }

    /// One run, and what is to be said of it.
    fn one(&self, plan: Plan, program: &impl Fn(usize) -> Program) -> Tested {
        let seed = plan.seed;
        let expected = Expectations {
            workload: plan.workload.clone(),
            setting: plan.setting.clone(),
            faults: plan.faults.clone(),
            availability: self.availability,
            seed,
            stale_reads_may_hide: !plan.latency.mean().is_zero()
                && plan.delivery == Delivery::InTurn
                && plan.workload.stale_reads_matter(),
        };
        let run = in_process::run(plan, self.turn_latency, program);
        let results = results(&run, &expected);
        let mut tested = Tested {
            seed,
            objections: Vec::new(),
            run,
            results,
        };
        // As under Maelstrom, every function must have succeeded. Among many seeds with many
        // faults there are runs in which one did not, and nothing is wrong with the nodes, so
        // here that is unknown.
        let checked = &tested.results.checked;
        let unknown_at_worst = |verdict: &Verdict| verdict.validity().min(Validity::Unknown);
        let nothing = checked.stats.get("ok-count") == Some(&Edn::Int(0));
        tested.set_validity(merge_validity([
            checked.exceptions.validity(),
            checked.availability.validity(),
            unknown_at_worst(&checked.stats),
            if nothing {
                Validity::Unknown
            } else {
                checked.workload.validity()
            },
        ]));
        if nothing {
            let text = "not one operation was :ok, so there is nothing to go by";
            tested.objections.push(text.to_owned());
        }
        if let Some(problem) = &tested.run.problem {
            let validity = if problem.is_violation() {
                Validity::False
            } else {
                Validity::Unknown
            };
            let text = problem.to_string();
            tested.object(validity, text);
        }
        if tested.run.node_errors.total() > 0 && !self.tolerate_panics {
            let errors = tested.run.node_errors.to_string();
            let text = format!("{errors}\n(a test that means it says `.tolerate_panics()`)");
            tested.object(Validity::False, text);
        }
        for judge in &self.judges {
            if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| judge(&tested))) {
                let text = payload.downcast_ref::<String>().map(String::as_str);
                let text = text.or(payload.downcast_ref::<&str>().copied());
                let text = text.unwrap_or("the judge panicked").to_owned();
                tested.object(Validity::False, text);
            }
        }
        tested
    }
}

/// What is said of a run that was another one the second time.
const NOT_REPEATABLE: &str = "run a second time, this seed gave another history, so the nodes \
    are not deterministic; look for clocks, threads, and iteration over a HashMap or HashSet";

/// One run of a [`Test`].
#[non_exhaustive]
pub struct Tested {
    /// Its seed.
    pub seed: u64,
    /// What happened.
    pub run: Run,
    /// What the checkers say, as the command shows it, and the verdict over all.
    pub results: Results,
    /// What else is wrong with it, in sentences.
    pub objections: Vec<String>,
}

impl fmt::Debug for Tested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tested")
            .field("seed", &self.seed)
            .field("validity", &self.validity())
            .field("objections", &self.objections)
            .finish_non_exhaustive()
    }
}

impl Tested {
    fn object(&mut self, validity: Validity, text: String) {
        self.objections.push(text);
        self.set_validity(merge_validity([self.validity(), validity]));
    }

    fn set_validity(&mut self, validity: Validity) {
        self.results.validity = validity;
        self.results.map.insert("valid?", validity.into());
    }

    /// What is wrong, the most telling first, each in a few words that are the same for other
    /// runs that fail in the same way.
    fn kinds(&self) -> Vec<String> {
        let checked = &self.results.checked;
        let verdicts = checked.most_telling().into_iter();
        // Those of functions that never succeed do not count here.
        let mut kinds = kinds(
            verdicts.filter(|(part, _)| *part != "stats"),
            Validity::False,
        );
        if let Some(problem) = &self.run.problem {
            kinds.push(problem.name().to_owned());
        }
        kinds.extend(self.objections.iter().map(|text| without_numbers(text)));
        kinds
    }

    /// The verdict over all of it.
    pub fn validity(&self) -> Validity {
        self.results.validity
    }

    /// A figure of the workload's checker.
    pub fn figure(&self, name: &str) -> Option<&Edn> {
        self.results.checked.workload.get(name)
    }

    /// Why it is not valid: the reasons of the checkers, the most telling first.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        self.results.why.reasons().iter()
    }
}

/// Why a run is not valid.
struct Said<'a>(&'a Tested);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for objection in &self.0.objections {
            writeln!(f, "{objection}")?;
        }
        let why = self.0.results.why.brief();
        if !why.is_empty() {
            writeln!(f, "{why}")?;
        }
        Ok(())
    }
}

/// Why it is not valid, and the results.
impl fmt::Display for Tested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Said(self).fmt(f)?;
        f.write_str(&self.results.map.shown(WIDTH))
    }
}

/// What came of a [`Test`].
#[must_use = "whether the runs were valid is not looked at before `assert_valid`"]
pub struct Tests {
    name: &'static str,
    count: BTreeMap<Validity, usize>,
    refused: Option<Box<Tested>>,
    smallest: Option<Box<Shrunk<Tested>>>,
}

impl Tests {
    /// How many runs ended with this verdict. After the smallest one that is not valid, others
    /// may have been left out.
    pub fn count(&self, validity: Validity) -> usize {
        self.count.get(&validity).copied().unwrap_or(0)
    }

    /// The run with the smallest seed that is not valid.
    pub fn refused(&self) -> Option<&Tested> {
        self.refused.as_deref()
    }

    /// The smallest run that fails as [`refused`](Tests::refused) does, if a smaller one was
    /// found.
    pub fn smallest(&self) -> Option<&Shrunk<Tested>> {
        self.smallest.as_deref()
    }

    /// Demands that every run was valid.
    ///
    /// # Panics
    /// When one was invalid, or it is unknown whether it was valid, as when not one operation
    /// was `:ok`: with the smallest such seed, why, its results, and how to run it alone.
    #[track_caller]
    pub fn assert_valid(self) {
        let Some(tested) = &self.refused else {
            assert!(
                self.count(Validity::True) > 0,
                "no run was valid, which shows nothing: {self}"
            );
            return;
        };
        let verdict = match tested.validity() {
            Validity::Unknown => "unknown, which is not valid",
            _ => "invalid",
        };
        let mut text = format!(
            "{} with seed {} is {verdict}, and with none before it: {self}\n",
            self.name, tested.seed
        );
        if let Some(smallest) = &self.smallest {
            let small = &smallest.outcome;
            let _ = writeln!(text, "\n{smallest}");
            let _ = write!(text, "{}", Said(small));
            let telling = small.results.why.messages();
            if let Some(diagram) = diagram(&small.run, &telling) {
                let _ = writeln!(text, "\n{diagram}");
            }
            let _ = writeln!(text, "\nOf the whole run:");
        }
        let _ = writeln!(text, "{tested}");
        if let Timing::Virtual { turn_latency, .. } = tested.run.timing {
            let _ = writeln!(text, "deliveries to nodes took 0 to {turn_latency:?}");
        }
        panic!("{text}to run it alone: {}", command_for(tested.seed));
    }
}

/// How many runs ended how.
impl fmt::Display for Tests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [valid, unknown, invalid] =
            [Validity::True, Validity::Unknown, Validity::False].map(|it| self.count(it));
        let total = valid + unknown + invalid;
        write!(
            f,
            "{total} runs: {valid} valid, {invalid} invalid, {unknown} unknown"
        )
    }
}

impl fmt::Debug for Tests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
