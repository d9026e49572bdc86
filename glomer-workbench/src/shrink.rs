//! The smallest run that fails: delta debugging over schedules (Zeller and Hildebrandt,
//! Simplifying and Isolating Failure-Inducing Input, 2002).

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::run::schedule::Schedule;
use crate::workload::AnyWorkload;

/// How long a failing run is made smaller, in real time.
pub const LIMIT: Duration = Duration::from_secs(30);
/// How often what remains is drawn anew before a smaller schedule counts as one that passes.
const REDRAWS: u64 = 8;
/// How long after its last operation or fault a smaller run goes on.
const AFTERWARDS: Duration = Duration::from_millis(1);

/// A failing run that was made smaller.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Shrunk<T> {
    /// The schedule that was found, with the seed that fails.
    pub schedule: Schedule,
    /// What came of it.
    pub outcome: T,
    /// How large the schedule was before.
    pub before: String,
    /// How many runs it took.
    pub runs: u64,
    /// How long they took, in real time.
    pub took: Duration,
    /// Whether nothing more could be left out, as opposed to time being up.
    pub is_smallest: bool,
}

/// How large the run was, and how large it is: `412 operations, 14 faults → 3 operations,
/// 1 fault`.
impl<T> fmt::Display for Shrunk<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (runs, seconds) = (self.runs, self.took.as_secs_f64());
        write!(f, "{} → {}", self.before, self.schedule.size())?;
        write!(f, " ({runs} runs in {seconds:.1} s")?;
        if !self.is_smallest {
            f.write_str(", when time was up")?;
        }
        f.write_str(")")
    }
}

/// Leaves out of a failing schedule what it can fail without, until `is_over` says that time is
/// up: faults, clients, operations, nodes, and the time after the last of them. Healing, recovery and the
/// final phase stay, since without them right nodes fail, too.
///
/// `attempt` runs a schedule, and gives what came of it if it fails in the same way. `telling`
/// are the operations that the failure is known to rest on, by their places: what is tried first
/// is to keep them alone. `None` if nothing could be left out.
pub fn shrink<T>(
    schedule: &Schedule,
    telling: &BTreeSet<usize>,
    workload: &AnyWorkload,
    is_over: impl Fn() -> bool,
    attempt: impl FnMut(&Schedule) -> Option<T>,
) -> Option<Shrunk<T>> {
    let began = Instant::now();
    let mut shrinker = Shrinker {
        smallest: schedule.clone(),
        outcome: None,
        attempt,
        is_over,
        runs: 0,
    };
    if !telling.is_empty() && telling.len() < schedule.operations.len() {
        let alone = shrinker.smallest.with_operations(telling);
        shrinker.fails(alone);
    }
    loop {
        let before = shrinker.smallest.clone();
        shrinker.leave_out(|schedule| schedule.faults.len(), Schedule::without_faults);
        shrinker.leave_out(|schedule| schedule.busy().len(), Schedule::without_threads);
        shrinker.leave_out(
            |schedule| schedule.operations.len(),
            |schedule, gone| schedule.without_operations(gone, workload),
        );
        for node in (0..shrinker.smallest.nodes.len()).rev() {
            if shrinker.smallest.nodes.len() > 1 {
                let without = shrinker.smallest.without_node(node);
                shrinker.fails(without);
            }
        }
        let end = shrinker.smallest.last() + AFTERWARDS;
        if end < shrinker.smallest.time_limit {
            let shorter = Schedule {
                time_limit: end,
                ..shrinker.smallest.clone()
            };
            shrinker.fails(shorter);
        }
        let stays = Schedule {
            seed: before.seed,
            ..shrinker.smallest.clone()
        };
        if stays == before || (shrinker.is_over)() {
            break;
        }
    }
    let is_smallest = !(shrinker.is_over)();
    Some(Shrunk {
        schedule: shrinker.smallest,
        outcome: shrinker.outcome?,
        before: schedule.size(),
        runs: shrinker.runs,
        took: began.elapsed(),
        is_smallest,
    })
}

struct Shrinker<T, A, O> {
    /// The smallest schedule so far that fails, and what came of it.
    smallest: Schedule,
    outcome: Option<T>,
    attempt: A,
    is_over: O,
    runs: u64,
}

impl<T, A: FnMut(&Schedule) -> Option<T>, O: Fn() -> bool> Shrinker<T, A, O> {
    /// Whether a smaller schedule fails, too; if so, it is the smallest so far.
    fn fails(&mut self, mut candidate: Schedule) -> bool {
        let seed = candidate.seed;
        for redraw in 0..REDRAWS {
            if (self.is_over)() {
                return false;
            }
            candidate.seed = seed.wrapping_add(redraw);
            self.runs += 1;
            if let Some(outcome) = (self.attempt)(&candidate) {
                self.smallest = candidate;
                self.outcome = Some(outcome);
                return true;
            }
        }
        false
    }

    /// Leaves out as many parts as possible: all of them, or else halves, quarters and so on,
    /// down to each by itself.
    fn leave_out(
        &mut self,
        count: impl Fn(&Schedule) -> usize,
        without: impl Fn(&Schedule, Range<usize>) -> Schedule,
    ) {
        let mut size = count(&self.smallest);
        while size > 0 && !(self.is_over)() {
            let (mut from, mut any) = (0, false);
            while from < count(&self.smallest) && !(self.is_over)() {
                let to = (from + size).min(count(&self.smallest));
                if self.fails(without(&self.smallest, from..to)) {
                    any = true;
                } else {
                    from = to;
                }
            }
            if size > 1 || !any {
                size /= 2;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn::Edn;
    use crate::prelude::*;
    use crate::run::schedule::{NamedEffect, Planned, PlannedFault};
    use crate::workload::{Broadcast, Notation, NotedOp};

    fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn schedule() -> Schedule {
        let operation = |number: usize| Planned {
            thread: number % 6,
            at: second(number as u64),
            f: "broadcast".to_owned(),
            value: number.into(),
            extra: Vec::new(),
        };
        let fault = |number: u64| PlannedFault {
            fault: "kill".to_owned(),
            value: Edn::Nil,
            begin: second(10 * number),
            end: Some(second(10 * number + 5)),
            effects: vec![NamedEffect::Kill(format!("n{}", number % 3))],
        };
        Schedule {
            workload: "broadcast".to_owned(),
            seed: 1,
            nodes: ["n0", "n1", "n2"].map(str::to_owned).to_vec(),
            concurrency: 6,
            time_limit: second(500),
            arguments: Vec::new(),
            operations: (0..400).map(operation).collect(),
            faults: (0..14).map(fault).collect(),
        }
    }

    fn shrunk(fails: impl Fn(&Schedule) -> bool) -> Option<Shrunk<()>> {
        let workload = AnyWorkload::new(Broadcast::default());
        shrink(
            &schedule(),
            &BTreeSet::new(),
            &workload,
            || false,
            |schedule| fails(schedule).then_some(()),
        )
    }

    /// Clients take locks and give them back.
    #[derive(Clone)]
    struct Locks;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Op {
        Take(u64),
        Give(u64),
    }

    impl Workload for Locks {
        const NAME: &'static str = "locks";
        const ABOUT: &'static str = "Clients take locks and give them back";
        type Op = Op;
        type Output = ();
        type Session = ();

        fn next(&mut self, _: &mut Turn<'_, Self>) -> Option<Op> {
            None
        }

        async fn perform(_: &mut (), _: &Client, _: &Op) -> Result<(), Error> {
            Ok(())
        }

        fn goes_with(earlier: &Op, later: &Op) -> bool {
            matches!((earlier, later), (Op::Take(taken), Op::Give(given)) if taken == given)
        }

        fn check(&self, _: &History<Op, ()>) -> Verdict {
            Verdict::new(true)
        }
    }

    #[test]
    fn what_goes_together_is_left_out_together() {
        // Every lock is given back, by the thread that took it, after the next one is taken.
        let asked = (0..50).flat_map(|lock| [Op::Take(lock), Op::Give(lock.wrapping_sub(1))]);
        let asked = asked
            .filter(|op| *op != Op::Give(u64::MAX))
            .chain([Op::Give(49)]);
        let operations = asked.enumerate().map(|(number, op)| {
            let Notation { f, value, extra } = op.note().unwrap();
            Planned {
                thread: 0,
                at: second(number as u64),
                f,
                value,
                extra,
            }
        });
        let schedule = Schedule {
            operations: operations.collect(),
            ..schedule()
        };
        let asks = |schedule: &Schedule| -> Vec<Op> {
            let operations = schedule.operations.iter();
            operations
                .map(|op| Op::read(&op.notation()).unwrap())
                .collect()
        };
        // A lock that nobody gives back stops the run, and so does one that was not taken.
        let fails = |schedule: &Schedule| {
            let asked = asks(schedule);
            let is_whole = asked.iter().all(|op| match op {
                Op::Take(lock) => asked.contains(&Op::Give(*lock)),
                Op::Give(lock) => asked.contains(&Op::Take(*lock)),
            });
            (is_whole && asked.contains(&Op::Take(17))).then_some(())
        };
        let workload = AnyWorkload::new(Locks);
        let shrunk = shrink(&schedule, &BTreeSet::new(), &workload, || false, fails);
        let smallest = asks(&shrunk.unwrap().schedule);
        assert_eq!(smallest, [Op::Take(17), Op::Give(17)]);
    }

    fn has(schedule: &Schedule, value: i64) -> bool {
        schedule
            .operations
            .iter()
            .any(|op| op.value == Edn::Int(value))
    }

    #[test]
    fn what_it_fails_by_stays_and_all_else_goes() {
        let shrunk = shrunk(|schedule| {
            let kills = |name: &str| {
                let kill = NamedEffect::Kill(name.to_owned());
                let mut faults = schedule.faults.iter();
                faults.any(|fault| fault.effects.contains(&kill))
            };
            has(schedule, 17) && has(schedule, 300) && kills("n1")
        });
        let shrunk = shrunk.unwrap();
        let Schedule {
            operations,
            faults,
            nodes,
            time_limit,
            ..
        } = &shrunk.schedule;
        let told: Vec<String> = operations.iter().map(|op| op.value.to_string()).collect();
        assert_eq!(told, ["17", "300"]);
        assert_eq!(faults.len(), 1);
        // 17 is asked of n2 and 300 of n0.
        assert_eq!(*nodes, ["n0", "n1", "n2"]);
        assert_eq!(*time_limit, second(300) + AFTERWARDS);
        assert!(shrunk.is_smallest);
        assert!(
            shrunk
                .to_string()
                .starts_with("400 operations, 14 faults → 2 operations, 1 fault (")
        );
    }

    #[test]
    fn a_failure_that_needs_another_draw_is_found_again() {
        let shrunk = shrunk(|schedule| {
            has(schedule, 5) && (schedule.operations.len() == 400 || schedule.seed == 4)
        });
        let schedule = shrunk.unwrap().schedule;
        assert_eq!((schedule.operations.len(), schedule.seed), (1, 4));
    }

    #[test]
    fn without_time_or_anything_to_leave_out_there_is_nothing_smaller() {
        let whole = schedule();
        assert!(shrunk(|schedule| *schedule == whole).is_none());
        let workload = AnyWorkload::new(Broadcast::default());
        let none = shrink(&whole, &BTreeSet::new(), &workload, || true, |_| Some(()));
        assert!(none.is_none());
    }

    #[test]
    fn a_node_goes_with_its_clients_and_the_others_keep_theirs() {
        let without = schedule().without_node(1);
        assert_eq!(without.nodes, ["n0", "n2"]);
        assert_eq!(without.concurrency, 4);
        for op in &without.operations {
            let Edn::Int(number) = op.value else {
                panic!("{op:?}")
            };
            assert_eq!(op.thread % 2, [0, 9, 1][number as usize % 3]);
        }
        let killed = NamedEffect::Kill("n1".to_owned());
        assert!(
            without
                .faults
                .iter()
                .all(|fault| fault.effects != [killed.clone()])
        );
    }
}
