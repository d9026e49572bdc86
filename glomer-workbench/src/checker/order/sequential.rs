//! Sequential consistency: there is an order of all operations that keeps the order of each
//! process.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use crate::history::typed::{History, Operation, Outcome};
use crate::verdict::{Reason, Validity, Verdict};

use super::space::{Action, Space, StateId};
use super::{Effect, Model, Operations};

/// So many ways to go on are tried before the search gives up.
const MAX_TRIED: usize = 1_000_000;

/// Whether the history is sequentially consistent: whether there is an order of all operations, the
/// same for all processes, in which each process' operations come in the order it did them in and
/// each returned what the model says. When they were done does not matter otherwise, so a process
/// may see the past.
///
/// An operation that failed did not take effect. One of which nobody knows whether it did may have
/// done so at any time after what its process did before, or never.
///
/// Unlike linearizability, this cannot be said object by object: all objects are looked at
/// together, and a long history with many concurrent processes that is *not* sequentially
/// consistent may have more orders than can be tried. Then the verdict is unknown.
///
/// ```
/// # use std::time::Duration;
/// # use glomer_workbench::checker::{Model, linearizable, sequentially_consistent};
/// # use glomer_workbench::history::typed::{History, Operation, Outcome};
/// # use glomer_workbench::verdict::Validity;
/// /// A number that is added to, and read.
/// struct Counter;
///
/// impl Model for Counter {
///     type Op = Option<u64>;                   // what is added, or a read
///     type Output = u64;
///     type State = u64;
///     type Key = ();
///
///     fn key(&self, _: &Option<u64>) {}
///
///     fn initial(&self, (): &()) -> u64 {
///         0
///     }
///
///     fn step(&self, sum: &u64, op: &Option<u64>, output: Option<&u64>) -> Option<u64> {
///         let after = sum + op.unwrap_or(0);
///         output.is_none_or(|output| *output == after).then_some(after)
///     }
/// }
///
/// let ms = Duration::from_millis;
/// let history: History<Option<u64>, u64> = [
///     Operation::new(0, Some(1), ms(0)).ended(ms(10), Outcome::Ok(1)),
///     Operation::new(1, None, ms(20)).ended(ms(30), Outcome::Ok(0)), // sees the past
/// ]
/// .into_iter()
/// .collect();
/// assert_eq!(sequentially_consistent(&history, &Counter).validity(), Validity::True);
/// assert_eq!(linearizable(&history, &Counter).validity(), Validity::False);
/// ```
pub fn sequentially_consistent<M: Model>(
    history: &History<M::Op, M::Output>,
    model: &M,
) -> Verdict {
    let mut search = Search {
        objects: Vec::new(),
        processes: Vec::new(),
        unknown: Vec::new(),
    };
    let mut objects: BTreeMap<M::Key, usize> = BTreeMap::new();
    let mut processes: BTreeMap<u64, usize> = BTreeMap::new();
    for operation in history {
        if operation.outcome == Outcome::Fail {
            continue;
        }
        let key = model.key(&operation.op);
        let object = *objects.entry(key).or_insert_with_key(|key| {
            search.objects.push(Space::new(model, model.initial(key)));
            search.objects.len() - 1
        });
        let process = *processes.entry(operation.process).or_insert_with(|| {
            search.processes.push(Vec::new());
            search.processes.len() - 1
        });
        let step = Step {
            operation,
            object,
            action: search.objects[object].action(&operation.op, operation.output()),
        };
        if operation.output().is_some() {
            search.processes[process].push(step);
        } else if search.effect(&step) != Effect::Reads {
            let before = search.processes[process].len();
            search.unknown.push((process, before, step));
        }
    }
    let words =
        |operation: &Operation<M::Op, M::Output>| model.words(&operation.op, operation.output());
    let (validity, stuck) = search.run();
    let verdict = Verdict::new(validity)
        .figure("object-count", search.objects.len())
        .figure("process-count", search.processes.len());
    let heads: Vec<String> = stuck.iter().map(|operation| words(operation)).collect();
    let indices = stuck.iter().map(|operation| operation.invoked.index);
    match validity {
        Validity::True => verdict,
        Validity::Unknown => {
            let reason = Reason::new("there are too many orders to try");
            verdict.because(reason.because(format!("They are more than {MAX_TRIED}."), indices))
        }
        Validity::False => {
            let reason = Reason::new("no order of all operations keeps the order of each process");
            let text = format!(
                "Whichever way they are done, at the latest none of these can be next: {}.",
                heads.join("; ")
            );
            verdict.because(reason.because(text, indices))
        }
    }
}

/// An operation in the order of its process.
struct Step<'a, M: Model> {
    operation: &'a Operation<M::Op, M::Output>,
    object: usize,
    action: Action,
}

struct Search<'a, M: Model> {
    objects: Vec<Space<'a, M>>,
    /// What each process did, as far as it took effect.
    processes: Vec<Vec<Step<'a, M>>>,
    /// What may have taken effect: after how many steps of which process.
    unknown: Vec<(usize, usize, Step<'a, M>)>,
}

/// How far things have gone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Progress {
    /// How many of its steps each process has done.
    done: Vec<usize>,
    states: Vec<StateId>,
    /// Those of [`Search::unknown`] that took effect, sorted.
    used: Vec<usize>,
}

impl<'a, M: Model> Search<'a, M> {
    /// The verdict and, if there is no order, the operations that cannot be next where most are
    /// done.
    fn run(&mut self) -> (Validity, Operations<'a, M>) {
        let mut start = Progress {
            done: vec![0; self.processes.len()],
            states: vec![0; self.objects.len()],
            used: Vec::new(),
        };
        self.take_reads(&mut start);
        let total: usize = self.processes.iter().map(Vec::len).sum();
        let mut furthest = (0, Vec::new());
        let mut seen = FxHashSet::from_iter([start.clone()]);
        let mut open = vec![start];
        while let Some(progress) = open.pop() {
            let done: usize = progress.done.iter().sum();
            if done == total {
                return (Validity::True, Vec::new());
            }
            if done >= furthest.0 {
                furthest = (done, self.heads(&progress));
            }
            if seen.len() > MAX_TRIED {
                return (Validity::Unknown, furthest.1);
            }
            for mut next in self.steps(&progress) {
                self.take_reads(&mut next);
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        (Validity::False, furthest.1)
    }

    /// What can be next, the most likely last: that which was invoked first, and took effect.
    fn steps(&mut self, progress: &Progress) -> Vec<Progress> {
        let mut steps = Vec::new();
        for (number, (process, before, step)) in self.unknown.iter().enumerate() {
            if *before <= progress.done[*process]
                && let Err(place) = progress.used.binary_search(&number)
                && let Some(mut next) = done(&mut self.objects, progress, step)
            {
                next.used.insert(place, number);
                steps.push(next);
            }
        }
        let mut heads: Vec<(usize, &Step<'a, M>)> = self
            .processes
            .iter()
            .enumerate()
            .filter_map(|(process, steps)| Some((process, steps.get(progress.done[process])?)))
            .collect();
        heads.sort_unstable_by_key(|(_, step)| std::cmp::Reverse(step.operation.invoked.index));
        for (process, step) in heads {
            if let Some(mut next) = done(&mut self.objects, progress, step) {
                next.done[process] += 1;
                steps.push(next);
            }
        }
        steps
    }

    /// Lets all reads be next that can: they change nothing.
    fn take_reads(&mut self, progress: &mut Progress) {
        for (process, steps) in self.processes.iter().enumerate() {
            while let Some(step) = steps.get(progress.done[process]) {
                let object = &mut self.objects[step.object];
                if object.effect(step.action) != Effect::Reads
                    || object
                        .step(progress.states[step.object], step.action)
                        .is_none()
                {
                    break;
                }
                progress.done[process] += 1;
            }
        }
    }

    fn heads(&self, progress: &Progress) -> Operations<'a, M> {
        let processes = self.processes.iter().zip(&progress.done);
        processes
            .filter_map(|(steps, done)| Some(steps.get(*done)?.operation))
            .collect()
    }

    fn effect(&self, step: &Step<'a, M>) -> Effect {
        self.objects[step.object].effect(step.action)
    }
}

/// The progress after a step, except for whose it was.
fn done<M: Model>(
    objects: &mut [Space<'_, M>],
    progress: &Progress,
    step: &Step<'_, M>,
) -> Option<Progress> {
    let state = objects[step.object].step(progress.states[step.object], step.action)?;
    let mut next = progress.clone();
    next.states[step.object] = state;
    Some(next)
}
