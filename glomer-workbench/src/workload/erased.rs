//! A workload as the engine sees it: without its types.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use glomer_runtime::Rng;

use super::client::{Client, Incoming, Performance, Progress, Request, WrongAnswer};
use super::notation::{Notation, NotedOp, NotedOutput};
use super::{FinalStep, FinalTurn, Setting, Turn, Workload};
use crate::checker::Availability;
use crate::edn::Edn;
use crate::history::typed::{History, Moment, Operation, Outcome};
use crate::history::{History as Record, OpType, Process};
use crate::run::clients::Failure;
use crate::run::threads::Threads;
use crate::verdict::Verdict;

/// Any workload, and what runs and checks it.
#[derive(Clone)]
pub struct AnyWorkload(Arc<dyn Erased>);

trait Erased: Send + Sync {
    fn name(&self) -> &'static str;
    fn about(&self) -> &'static str;
    fn stale_reads_matter(&self) -> bool;
    fn availability(&self) -> Option<Availability>;
    fn can_run(&self, setting: &Setting) -> Result<(), String>;
    fn traffic(&self, setting: &Setting) -> Box<dyn Traffic>;
    fn check(&self, setting: &Setting, record: &Record) -> Verdict;
    fn meaning(&self, name: &str) -> Option<&'static str>;
    fn depends_on(&self, setting: &Setting) -> Vec<(&'static str, String)>;
    fn going_with(&self, asked: &[(usize, Notation)]) -> Vec<Option<usize>>;
}

impl AnyWorkload {
    /// This workload.
    pub fn new<W: Workload>(workload: W) -> AnyWorkload {
        AnyWorkload(Arc::new(workload))
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// What it is, in a line.
    pub fn about(&self) -> &'static str {
        self.0.about()
    }

    /// Whether its verdict depends on how up to date reads are.
    pub fn stale_reads_matter(&self) -> bool {
        self.0.stale_reads_matter()
    }

    /// How many of the operations must succeed, if the user says nothing of it.
    pub fn availability(&self) -> Option<Availability> {
        self.0.availability()
    }

    /// Whether it can run in this setting.
    ///
    /// # Errors
    /// If not: why, and what to do.
    pub fn can_run(&self, setting: &Setting) -> Result<(), String> {
        self.0.can_run(setting)
    }

    /// What its clients do in a run.
    pub(crate) fn traffic(&self, setting: &Setting) -> Box<dyn Traffic> {
        self.0.traffic(setting)
    }

    /// The verdict of its checker. Of a record that it cannot make sense of it is unknown,
    /// with an `:error`.
    pub fn check(&self, setting: &Setting, record: &Record) -> Verdict {
        self.0.check(setting, record)
    }

    /// What a figure or an anomaly of its verdicts means.
    pub fn meaning(&self, name: &str) -> Option<&'static str> {
        self.0.meaning(name)
    }

    /// The parts of the setting that it depends on, by the names of their options.
    pub fn depends_on(&self, setting: &Setting) -> Vec<(&'static str, String)> {
        self.0.depends_on(setting)
    }

    /// For each of the operations, which threads ask in this order, the place of the last of
    /// the same thread that it goes with.
    pub(crate) fn going_with(&self, asked: &[(usize, Notation)]) -> Vec<Option<usize>> {
        self.0.going_with(asked)
    }
}

impl fmt::Debug for AnyWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for AnyWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl<W: Workload> Erased for W {
    fn name(&self) -> &'static str {
        W::NAME
    }

    fn about(&self) -> &'static str {
        W::ABOUT
    }

    fn stale_reads_matter(&self) -> bool {
        W::STALE_READS_MATTER
    }

    fn availability(&self) -> Option<Availability> {
        Workload::availability(self)
    }

    fn can_run(&self, setting: &Setting) -> Result<(), String> {
        W::can_run(setting)
    }

    fn traffic(&self, setting: &Setting) -> Box<dyn Traffic> {
        let mut workload = self.clone();
        workload.begin(setting);
        let threads = (0..setting.concurrency).map(|_| Thread::default());
        Box::new(Clients {
            workload,
            nodes: setting.nodes.as_slice().into(),
            threads: threads.collect(),
            set_ups: setting.nodes.iter().map(|_| None).collect(),
        })
    }

    fn check(&self, setting: &Setting, record: &Record) -> Verdict {
        let mut workload = self.clone();
        workload.begin(setting);
        match history::<W>(record) {
            Ok(history) => workload.check(&history.with_cast(setting.cast())),
            Err(error) => Verdict::unknown(error),
        }
    }

    fn meaning(&self, name: &str) -> Option<&'static str> {
        W::meaning(name)
    }

    fn depends_on(&self, setting: &Setting) -> Vec<(&'static str, String)> {
        W::depends_on(setting)
    }

    fn going_with(&self, asked: &[(usize, Notation)]) -> Vec<Option<usize>> {
        let asked = asked.iter();
        let read = asked.map(|(thread, op)| (thread, W::Op::read(op).ok()));
        let asked: Vec<(&usize, Option<W::Op>)> = read.collect();
        let earlier = asked.iter().enumerate().map(|(place, (thread, op))| {
            let op = op.as_ref()?;
            asked[..place].iter().rposition(|(other, earlier)| {
                let earlier = earlier.as_ref();
                other == thread && earlier.is_some_and(|earlier| W::goes_with(earlier, op))
            })
        });
        earlier.collect()
    }
}

/// The operations of a record, in the types of their workload.
fn history<W: Workload>(record: &Record) -> Result<History<W::Op, W::Output>, String> {
    let moment = |op: &crate::history::Op| Moment {
        index: op.index,
        time: Duration::from_nanos(op.time.max(0).unsigned_abs()),
    };
    let mut operations = Vec::new();
    for (invocation, completion) in record.pairs() {
        let wrong = |error| format!("{error}, in {}", invocation.to_edn());
        let Process::Client(process) = invocation.process else {
            continue;
        };
        let op = W::Op::read(&Notation {
            f: invocation.f.clone(),
            value: invocation.value.clone(),
            extra: invocation.extra.clone(),
        })
        .map_err(wrong)?;
        let told = match completion {
            Some(completion) => W::Output::told(completion)
                .map_err(|error| format!("{error}, in {}", completion.to_edn()))?,
            None => None,
        };
        let (outcome, partial) = match (completion.map(|completion| completion.kind), told) {
            (Some(OpType::Ok), Some(output)) => (Outcome::Ok(output), None),
            (Some(OpType::Fail), told) => (Outcome::Fail, told),
            (_, told) => (Outcome::Info, told),
        };
        operations.push(Operation {
            process,
            op,
            invoked: moment(invocation),
            completed: completion.map(moment),
            outcome,
            error: completion.and_then(|op| op.error.clone()),
            partial,
            is_final: invocation.is_final,
        });
    }
    Ok(History::of(operations))
}

/// An operation that a client is asked to perform, as the record notes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) notation: Notation,
    pub(crate) is_final: bool,
}

/// What comes of a turn.
pub(crate) enum Chosen {
    /// This thread performs this operation.
    Op(usize, Invocation),
    /// Nobody does anything at this time.
    Pass,
    /// No free thread can take the turn.
    Blocked,
}

/// What comes of a turn in the final phase.
pub(crate) enum FinalChosen {
    /// The thread performs this operation.
    Op(Invocation),
    /// It waits until then, since the phase began.
    Wait(Duration),
    /// It is done.
    Done,
}

/// What a client does next.
pub(crate) enum Step {
    /// It sends these requests and waits for answers.
    Ask(Vec<Request>),
    /// Its operation is over.
    End(End),
}

/// How an operation ended, as the record notes it.
pub(crate) struct End {
    pub(crate) kind: OpType,
    /// The value, if it is another than that of the invocation.
    pub(crate) value: Option<Edn>,
    pub(crate) error: Option<Edn>,
    /// What was wrong with an answer.
    pub(crate) wrong_answer: Option<WrongAnswer>,
}

/// How setting up a node goes on.
pub(crate) enum SetUp {
    /// These requests are to be sent to the node.
    Ask(Vec<Request>),
    /// It is set up.
    Done,
    /// It cannot be.
    Failed(String),
}

/// The clients of a workload, one for each thread. Errors are a workload's that does not
/// keep to the rules, in words.
pub(crate) trait Traffic {
    fn set_up(&mut self, node: usize) -> SetUp;

    fn set_up_answered(
        &mut self,
        node: usize,
        number: u64,
        answer: Result<Incoming, Failure>,
    ) -> SetUp;

    fn next(&mut self, threads: &Threads, at: Duration, rng: &Rng) -> Result<Chosen, String>;

    /// Chooses what a schedule has for a thread.
    fn scheduled(&mut self, thread: usize, notation: &Notation) -> Result<Invocation, String>;

    fn has_final_phase(&self) -> bool;

    fn final_step(&mut self, turn: FinalTurn<'_>) -> Result<FinalChosen, String>;

    /// Begins the operation that was chosen for a thread.
    fn invoke(&mut self, thread: usize, process: u64) -> Result<Step, String>;

    /// Goes on with it after an answer.
    fn answered(
        &mut self,
        thread: usize,
        number: u64,
        answer: Result<Incoming, Failure>,
    ) -> Result<Step, String>;

    /// Ends it, since an answer is overdue.
    fn timed_out(&mut self, thread: usize) -> Option<End>;

    /// Tells the workload of the operation that ended.
    fn completed(&mut self, thread: usize, process: u64, invoked: Moment, completed: Moment);

    fn keeps_clients(&self) -> bool;

    fn timeout(&self) -> Duration;
}

struct Clients<W: Workload> {
    workload: W,
    nodes: Rc<[String]>,
    threads: Vec<Thread<W>>,
    set_ups: Vec<Option<Performance<()>>>,
}

struct Thread<W: Workload> {
    /// The session, and whose it is.
    session: Option<(u64, Rc<RefCell<W::Session>>)>,
    operation: Option<UnderWay<W>>,
}

impl<W: Workload> Default for Thread<W> {
    fn default() -> Self {
        Thread {
            session: None,
            operation: None,
        }
    }
}

struct UnderWay<W: Workload> {
    op: W::Op,
    is_final: bool,
    performance: Option<Performance<W::Output>>,
    outcome: Outcome<W::Output>,
    error: Option<Edn>,
}

impl<W: Workload> Clients<W> {
    fn session(&mut self, thread: usize, process: u64) -> Rc<RefCell<W::Session>> {
        let keeps = self.workload.keeps_clients();
        let session = &mut self.threads[thread].session;
        match session {
            Some((owner, session)) if *owner == process || keeps => session.clone(),
            _ => {
                let new = Rc::<RefCell<W::Session>>::default();
                *session = Some((process, new.clone()));
                new
            }
        }
    }

    fn node(&self, thread: usize) -> usize {
        thread % self.nodes.len()
    }

    /// Notes what a thread will do.
    fn choose(&mut self, thread: usize, op: W::Op, is_final: bool) -> Result<Invocation, String> {
        let notation = op
            .note()
            .map_err(|error| rule_broken::<W>("an operation", &error))?;
        self.threads[thread].operation = Some(UnderWay {
            op,
            is_final,
            performance: None,
            outcome: Outcome::Info,
            error: None,
        });
        Ok(Invocation { notation, is_final })
    }

    fn go_on(&mut self, thread: usize) -> Result<Step, String> {
        let Thread { session, operation } = &mut self.threads[thread];
        let operation = operation.as_mut().ok_or("nothing is under way")?;
        let Some(performance) = &mut operation.performance else {
            return Err("nothing is under way".to_owned());
        };
        let progress = performance.go_on();
        if let Progress::Asks(requests) = progress {
            return Ok(Step::Ask(requests));
        }
        operation.performance = None;
        Ok(Step::End(match progress {
            Progress::Done(output) => {
                let value = output
                    .note()
                    .map_err(|error| rule_broken::<W>("an output", &error))?;
                operation.outcome = Outcome::Ok(output);
                End {
                    kind: OpType::Ok,
                    value: Some(value),
                    error: None,
                    wrong_answer: None,
                }
            }
            Progress::Failed(failure, earlier) => operation.failed(&failure, earlier),
            Progress::Crashed => {
                *session = None;
                End {
                    kind: OpType::Info,
                    value: None,
                    error: None,
                    wrong_answer: None,
                }
            }
            Progress::Malformed(wrong) => {
                let text = format!("{}, and the answer is {}", wrong.problem, wrong.answer);
                End {
                    wrong_answer: Some(wrong),
                    ..operation.failed(&Failure::Malformed(text), 0)
                }
            }
            Progress::Stuck => {
                return Err(format!(
                    "`perform` of workload {} waits for something other than the answer of a \
                     node; nothing would ever wake it, so await the client's requests alone",
                    W::NAME
                ));
            }
            Progress::Asks(_) => unreachable!("it was handed out above"),
        }))
    }
}

impl<W: Workload> UnderWay<W> {
    fn failed(&mut self, failure: &Failure, earlier: u64) -> End {
        let (kind, error) = failure.outcome(W::errors(&self.op), earlier);
        if kind == OpType::Fail {
            self.outcome = Outcome::Fail;
        }
        self.error = Some(error.clone());
        End {
            kind,
            value: None,
            error: Some(error),
            wrong_answer: None,
        }
    }
}

fn rule_broken<W: Workload>(what: &str, error: &str) -> String {
    format!(
        "{what} of workload {} cannot be noted in the history: {error}",
        W::NAME
    )
}

impl<W: Workload> Traffic for Clients<W> {
    fn set_up(&mut self, node: usize) -> SetUp {
        let client = Client::new(self.nodes.clone(), node);
        let workload = self.workload.clone();
        let asking = client.clone();
        let future = async move { workload.set_up(&asking).await };
        self.set_ups[node] = Some(Performance::new(client, future));
        self.set_up_goes_on(node)
    }

    fn set_up_answered(
        &mut self,
        node: usize,
        number: u64,
        answer: Result<Incoming, Failure>,
    ) -> SetUp {
        if let Some(performance) = &mut self.set_ups[node] {
            performance.answered(number, answer);
        }
        self.set_up_goes_on(node)
    }

    fn next(&mut self, threads: &Threads, at: Duration, rng: &Rng) -> Result<Chosen, String> {
        let Some(thread) = self.workload.thread(threads, rng) else {
            return Ok(Chosen::Blocked);
        };
        let process = threads.process(thread);
        let session = self.session(thread, process);
        let op = self.workload.next(&mut Turn {
            thread,
            process,
            threads,
            at,
            session: &session.borrow(),
            rng,
        });
        Ok(match op {
            Some(op) => Chosen::Op(thread, self.choose(thread, op, false)?),
            None => Chosen::Pass,
        })
    }

    fn scheduled(&mut self, thread: usize, notation: &Notation) -> Result<Invocation, String> {
        let op = W::Op::read(notation)
            .map_err(|error| format!("the schedule has an operation that is none: {error}"))?;
        self.choose(thread, op, false)
    }

    fn has_final_phase(&self) -> bool {
        self.workload.has_final_phase()
    }

    fn final_step(&mut self, turn: FinalTurn<'_>) -> Result<FinalChosen, String> {
        let thread = turn.thread;
        Ok(match self.workload.final_step(turn) {
            FinalStep::Invoke(op) => FinalChosen::Op(self.choose(thread, op, W::MARKS_FINAL)?),
            FinalStep::Wait(until) => FinalChosen::Wait(until),
            FinalStep::Done => FinalChosen::Done,
        })
    }

    fn invoke(&mut self, thread: usize, process: u64) -> Result<Step, String> {
        let client = Client::new(self.nodes.clone(), self.node(thread));
        let session = self.session(thread, process);
        let Some(operation) = &mut self.threads[thread].operation else {
            return Err("nothing was chosen".to_owned());
        };
        let (asking, op) = (client.clone(), operation.op.clone());
        #[expect(
            clippy::await_holding_refcell_ref,
            reason = "nobody else looks at the session while an operation is under way"
        )]
        let future = async move {
            let mut session = session.borrow_mut();
            W::perform(&mut session, &asking, &op).await
        };
        operation.performance = Some(Performance::new(client, future));
        self.go_on(thread)
    }

    fn answered(
        &mut self,
        thread: usize,
        number: u64,
        answer: Result<Incoming, Failure>,
    ) -> Result<Step, String> {
        let operation = self.threads[thread].operation.as_mut();
        if let Some(performance) = operation.and_then(|operation| operation.performance.as_mut()) {
            performance.answered(number, answer);
        }
        self.go_on(thread)
    }

    fn timed_out(&mut self, thread: usize) -> Option<End> {
        let operation = self.threads[thread].operation.as_mut()?;
        // Dropping it lets go of the session.
        operation.performance = None;
        Some(operation.failed(&Failure::Timeout, 0))
    }

    fn completed(&mut self, thread: usize, process: u64, invoked: Moment, completed: Moment) {
        if let Some(operation) = self.threads[thread].operation.take() {
            self.workload.completed(&Operation {
                process,
                op: operation.op,
                invoked,
                completed: Some(completed),
                outcome: operation.outcome,
                error: operation.error,
                partial: None,
                is_final: operation.is_final,
            });
        }
    }

    fn keeps_clients(&self) -> bool {
        self.workload.keeps_clients()
    }

    fn timeout(&self) -> Duration {
        self.workload.timeout()
    }
}

impl<W: Workload> Clients<W> {
    fn set_up_goes_on(&mut self, node: usize) -> SetUp {
        let Some(performance) = &mut self.set_ups[node] else {
            return SetUp::Done;
        };
        let progress = performance.go_on();
        if let Progress::Asks(requests) = progress {
            return SetUp::Ask(requests);
        }
        self.set_ups[node] = None;
        match progress {
            Progress::Done(()) => SetUp::Done,
            Progress::Failed(failure, _) => SetUp::Failed(failure.to_string()),
            Progress::Crashed => SetUp::Failed("the client crashed".to_owned()),
            Progress::Malformed(wrong) => SetUp::Failed(wrong.problem),
            Progress::Stuck | Progress::Asks(_) => {
                SetUp::Failed("it waits for something other than the answer of a node".to_owned())
            }
        }
    }
}
