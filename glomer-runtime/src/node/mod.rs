//! The node: lines and time go in, lines and the next deadline come out.

pub(crate) mod panic;
mod registry;

use std::any::type_name;
use std::fmt;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use self::registry::Registry;
pub use self::registry::{Registration, StartError};
use crate::body::read::{self, Envelope, RawBody, Room, decode, decode_error};
use crate::body::{Error, Message};
use crate::handler::{Call, Context, Every, Handler, Shared, Tick};
use crate::log::{Level, Record, excerpt};
use crate::work::{Contents, Core, Disk, Identity, Output, Timer};

/// How many turns tasks get between two lines, beside one for each timer that
/// was due, so that tasks that wake each other for ever cannot keep the node
/// from its input.
const MAX_TURNS: usize = 1024;

/// One node, with state `S`, and no IO.
///
/// A driver feeds it lines and the time and does what its [`Output`] says; the
/// node never reads a clock, so the same calls give the same output.
/// [`run`](crate::run) drives it with standard input and output,
/// the simulator in virtual time, with no more than is public here.
///
/// It stays on the thread that made it, with its state and its handlers: it is not `Send`. What
/// wakes a handler's future may come from any thread.
///
/// ```
/// use std::time::Instant;
/// use glomer_runtime::{Action, Node, Output, prelude::*};
///
/// #[handler("add", reply = "sum")]
/// fn add(state: &mut u64, amount: u64) -> u64 {
///     *state += amount;
///     *state
/// }
///
/// let input = [
///     r#"{"src":"c1","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1"]}}"#,
///     r#"{"src":"c1","dest":"n1","body":{"type":"add","msg_id":2,"amount":5}}"#,
/// ];
/// let mut sent = Vec::new();
///
/// // A driver.
/// let mut node = Node::<u64>::new(0).unwrap();
/// let mut output = Output::default();
/// let started = Instant::now();
/// for line in input {
///     // What is due goes first: see `deadline`, which says when that is.
///     node.tick(started.elapsed());
///     node.handle(started.elapsed(), line.as_bytes());
///     node.swap_output(&mut output);
///     for action in output.actions() {
///         match action {
///             Action::Send(batch) => sent.extend(batch.messages().map(|it| (it.dest.to_owned(), it.line.to_owned()))),
///             unknown => panic!("this driver cannot do {unknown:?}"),
///         }
///     }
/// }
///
/// let (dest, line) = &sent[1];
/// assert_eq!(dest, "c1");
/// assert!(line.ends_with(br#""type":"add_ok","in_reply_to":2,"sum":5}}"#));
/// ```
pub struct Node<S: 'static> {
    registry: Registry<S>,
    make: Box<dyn FnMut(&Init) -> S>,
    state: Option<Shared<S>>,
    core: Rc<Core>,
    context: Context,
    lines: u64,
    room: Room,
    /// Names that others keep already, in case they are those of `init`.
    names: Option<Rc<[String]>>,
}

/// What a node is told at its start; see [`run_with`](crate::run_with).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[non_exhaustive]
pub struct Init {
    /// This node's id.
    pub node_id: String,
    /// The ids of all nodes of the cluster, this one included.
    pub node_ids: Vec<String>,
}

impl Message for Init {
    const TYPE: &'static str = "init";
    type Reply = ();
}

impl<S: 'static> fmt::Debug for Node<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("state", &type_name::<S>())
            .field("node_id", &self.context.node_id())
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

impl<S: 'static> Node<S> {
    /// A node that has not seen `init` yet; its random numbers follow from
    /// `seed`.
    ///
    /// # Errors
    ///
    /// If no handler is for `S`, or two are for the same type of message.
    pub fn new(seed: u64) -> Result<Self, StartError>
    where
        S: Default,
    {
        Self::with(seed, |_| S::default())
    }

    /// The same, with a state made from what `init` says.
    ///
    /// # Errors
    ///
    /// If no handler is for `S`, or two are for the same type of message.
    pub fn with(seed: u64, make: impl FnMut(&Init) -> S + 'static) -> Result<Self, StartError> {
        let core = Core::new(seed);
        Ok(Self {
            registry: Registry::collect()?,
            make: Box::new(make),
            state: None,
            context: Context::new(core.clone()),
            core,
            lines: 0,
            room: Room::default(),
            names: None,
        })
    }

    /// Draws random numbers from another seed from now on, as a new node would: for drivers
    /// that learn it only from the input.
    pub fn reseed(&mut self, seed: u64) {
        self.core.reseed(seed);
    }

    /// Warns of every function in this program that is for nodes with another
    /// state, as it is when a handler has forgotten to take it.
    ///
    /// For drivers that run the only node of a process. Where nodes of several
    /// states run, as in tests, each has functions that are not for the other.
    pub fn warn_of_other_states(&self) {
        for other in Registry::<S>::others() {
            self.core.log(Level::Warn, || {
                format!(
                    "{other}, but this node has the state `{}`",
                    type_name::<S>()
                )
            });
        }
    }

    /// Shares the names of all nodes with others instead of keeping its own copy, if they
    /// turn out to be those of `init`: thousands of nodes in one process would otherwise
    /// keep millions of names.
    pub fn share_names(&mut self, names: Rc<[String]>) {
        self.names = Some(names);
    }

    /// Gives the node a disk that holds this, before its first line: what it writes is in its
    /// [output](Self::take_output) from now on, for the driver to make durable.
    ///
    /// Without it, a handler that asks for a [disk](Context::disk) panics, so that nothing is
    /// lost by a driver that knows of none.
    pub fn set_disk(&mut self, contents: Contents) {
        *self.core.disk.borrow_mut() = Disk::Durable(contents);
    }

    /// Lets the node have memory for a disk: what it keeps ends with it.
    pub fn use_memory_for_disk(&mut self) {
        *self.core.disk.borrow_mut() = Disk::Memory(Contents::default());
    }

    /// Whether a handler asked for a disk, and there is none. Such a node cannot keep its
    /// promises, and its driver should end it with words.
    pub fn lacks_disk(&self) -> bool {
        self.core.lacks_disk.get()
    }

    /// Looks at what the node has on its disk, or will have when all is done that it has in
    /// its output; `None` if it has none.
    pub fn disk<R>(&self, look: impl FnOnce(&Contents) -> R) -> Option<R> {
        self.core.disk.borrow().contents().map(look)
    }

    /// Takes one line of input, without its line feed.
    pub fn handle(&mut self, now: Duration, line: &[u8]) {
        self.advance(now);
        self.lines += 1;
        let mut envelope = self.room.enter();
        match envelope.read(line) {
            Ok(()) => self.dispatch(&envelope),
            Err(_) if line.trim_ascii().is_empty() => {}
            Err(defect) => {
                let number = self.lines;
                self.core.log(Level::Warn, || {
                    format!("line {number} ignored: {defect}: {}", excerpt(line))
                });
            }
        }
        self.room.leave(envelope);
        let mut turns = MAX_TURNS;
        self.run_tasks(&mut turns);
    }

    /// Takes the news that the driver did not take a line, such as one that is
    /// too long to be kept, and logs why, with the line's beginning.
    pub fn refuse(&mut self, start: &[u8], why: impl fmt::Display) {
        self.lines += 1;
        let number = self.lines;
        self.core.log(Level::Error, || {
            format!("line {number} refused: {why}: {}", excerpt(start))
        });
    }

    /// Does what is due: periodic functions, sleeps, rpcs that got no answer,
    /// tasks that can go on.
    ///
    /// It takes a bounded time, whatever handlers and tasks do: what comes due
    /// meanwhile waits for the next tick, for which the [deadline](Self::deadline)
    /// is now.
    pub fn tick(&mut self, now: Duration) {
        self.advance(now);
        let due = self.core.due_timers();
        let mut turns = MAX_TURNS + due.len();
        for key in due {
            let Some(timer) = self.core.take_timer(key) else {
                continue;
            };
            match timer {
                Timer::Every(index) => self.run_every(index, key.0),
                Timer::Message(line) => {
                    if let Ok(envelope) = read::read(&line) {
                        self.dispatch(&envelope);
                    }
                }
                other => self.core.fire(other),
            }
            self.run_tasks(&mut turns);
        }
        self.run_tasks(&mut turns);
    }

    /// Has `waker` woken when another thread wakes a future of this node,
    /// such as one that waits for that thread's result, while the driver may
    /// be asleep: after it asked for the [deadline](Self::deadline), which is
    /// now from then on, and once until it asks again.
    pub fn set_waker(&mut self, waker: Waker) {
        self.core.tasks.set_waker(waker);
    }

    /// When [`tick`](Self::tick) is to be called next, if nothing comes before.
    ///
    /// Other threads may bring it forward; see [`set_waker`](Self::set_waker).
    pub fn deadline(&self) -> Option<Duration> {
        self.core.deadline()
    }

    /// Takes what the node has to have done, such as messages to be sent.
    #[must_use = "output that is dropped is lost"]
    pub fn take_output(&mut self) -> Output {
        std::mem::take(&mut *self.core.output.borrow_mut())
    }

    /// The same into an output that is used again; what it held is dropped.
    pub fn swap_output(&mut self, output: &mut Output) {
        output.clear();
        std::mem::swap(&mut *self.core.output.borrow_mut(), output);
    }

    /// How much output waits to be taken, in bytes. A driver that feeds many
    /// lines before it takes the output looks at it now and then.
    pub fn output_len(&self) -> usize {
        self.core.output.borrow().len()
    }

    /// Looks at the state; `None` before `init` has made it.
    ///
    /// # Panics
    ///
    /// When called while the state is [borrowed](Shared::with).
    pub fn state<R>(&self, look: impl FnOnce(&S) -> R) -> Option<R> {
        let state = self.state.as_ref()?;
        Some(state.with(|state| look(state)))
    }

    /// Takes what the node has to tell people.
    pub fn take_log(&mut self) -> Vec<Record> {
        std::mem::take(&mut *self.core.records.borrow_mut())
    }

    /// Sets how much the node tells; [`Level::Warn`] at first.
    pub fn set_log_level(&mut self, level: Level) {
        self.core.log_level.set(level);
    }

    /// Whether it waits for the turns of its periodic functions alone: no
    /// handler waits, and no [`after`](Context::after) is pending.
    pub fn is_idle(&self) -> bool {
        // Each periodic function has one timer, from `init` on.
        self.core.tasks.len() == 0 && self.core.timers() <= self.registry.every.len()
    }

    /// The longest period of its periodic functions; zero if it has none. In
    /// such a time an [idle](Self::is_idle) node has run each of them.
    pub fn longest_period(&self) -> Duration {
        let periods = self.registry.every.iter().map(|every| every.period);
        periods.max().unwrap_or_default()
    }

    /// Takes the end of input: whoever waits for an answer is told that none
    /// will come, and whatever still waits after that is answered with error
    /// 0 and dropped.
    pub fn finish(&mut self, now: Duration) {
        self.advance(now);
        self.core.end();
        // Enough turns for every task to hear of it and answer.
        let mut turns = MAX_TURNS + 4 * self.core.tasks.len();
        while turns > 0 && self.core.tasks.begin_round() {
            self.run_tasks(&mut turns);
        }
        for task in self.core.tasks.take_all() {
            if let Some(request) = &task.request {
                let error = Error::timeout("the input ended before the handler had its answer");
                self.core.answer_error(request, &error);
            }
        }
    }

    fn advance(&mut self, now: Duration) {
        self.core.now.set(self.core.now.get().max(now));
        self.core.tasks.begin_round();
    }

    fn dispatch(&mut self, envelope: &Envelope<'_>) {
        let Envelope { line, src, body } = envelope;
        if self.core.identity.get().is_none()
            && let Some(dest) = envelope.dest()
        {
            // Whoever asks before `init` is answered by whom it asked.
            self.core.called.get_or_init(|| dest);
        }
        let kind = body.kind.as_deref();
        if body.in_reply_to.is_some() || kind.is_some_and(is_answer) {
            return self.take_answer(envelope);
        }
        self.context.set_request(src, body.msg_id, line.len());
        let request = &self.context.request;
        let Some(kind) = kind else {
            let error = Error::malformed_request("the body has no `type`");
            return self.core.answer_error(request, &error);
        };
        if kind == Init::TYPE {
            return self.init(body);
        }
        let Some(state) = &self.state else {
            let error = Error::temporarily_unavailable(format!(
                "`{kind}` came before `init`; this node does not know its name yet"
            ));
            return self.core.answer_error(request, &error);
        };
        match self.registry.handler(kind) {
            Some(handler) => run_handler(&self.core, &self.context, state, handler, body),
            None => {
                let error = Error::not_supported(self.registry.explain_missing(kind));
                self.core.answer_error(request, &error);
            }
        }
    }

    fn take_answer(&mut self, envelope: &Envelope<'_>) {
        let Envelope { line, src, body } = envelope;
        let kind = body.kind.as_deref().unwrap_or("untyped");
        let answer = match kind {
            "error" => Err(decode_error(body)),
            _ => Ok(line.to_string()),
        };
        let msg_id = body.in_reply_to.and_then(|digits| digits.parse().ok());
        if !msg_id.is_some_and(|msg_id| self.core.complete_rpc(msg_id, Some(src), answer)) {
            self.core.log(Level::Debug, || {
                format!("ignored `{kind}` from {src}, which nobody waits for")
            });
        }
    }

    fn init(&mut self, body: &RawBody<'_>) {
        let request = &self.context.request;
        let init = match decode::<Init>(body) {
            Ok(init) => init,
            Err(error) => return self.core.answer_error(request, &error),
        };
        if let Some(identity) = self.core.identity.get() {
            // A message may be delivered twice, and every request is answered.
            if identity.node_id == init.node_id {
                return self.core.answer::<Init>(request, Ok(()));
            }
            let text = format!("this node is {} already", identity.node_id);
            return self
                .core
                .answer_error(request, &Error::precondition_failed(text));
        }
        let make = &mut self.make;
        let state = match panic::catch(|| make(&init)) {
            Ok(state) => state,
            Err(report) => {
                self.core
                    .log(Level::Error, || format!("making the state {report}"));
                let error = Error::crash("the state could not be made");
                return self.core.answer_error(request, &error);
            }
        };
        let known = self.names.take_if(|names| **names == *init.node_ids);
        let node_ids = known.unwrap_or_else(|| init.node_ids.into());
        let identity = Identity::new(init.node_id, node_ids);
        // Set here only, and found unset above.
        let _ = self.core.identity.set(identity);
        self.core.log(Level::Info, || {
            format!("node {} starts", self.core.node_id())
        });
        for (index, every) in self.registry.every.iter().enumerate() {
            let due = self.core.now.get().saturating_add(every.period);
            self.core.set_timer(due, Timer::Every(index));
        }
        let state = &*self.state.insert(Shared::new(state));
        match self.registry.handler(Init::TYPE) {
            Some(hook) => run_handler(&self.core, &self.context, state, hook, body),
            None => self.core.answer::<Init>(request, Ok(())),
        }
    }

    fn run_every(&mut self, index: usize, due: Duration) {
        let Some(state) = &self.state else { return };
        let every: &Every<S> = self.registry.every[index];
        let now = self.core.now.get();
        // Keep the beat, but do not catch up on beats that were missed.
        let is_late = due.saturating_add(every.period) <= now;
        let since = if is_late { now } else { due };
        let next = since.saturating_add(every.period);
        self.core.set_timer(next, Timer::Every(index));
        self.context.set_request(self.core.node_id(), None, 0);
        self.core.begin_turn();
        let tick = Tick {
            core: &self.core,
            context: &self.context,
            state,
            every,
        };
        if let Err(report) = panic::catch(|| (every.run)(tick)) {
            self.core.log(Level::Error, || format!("{every} {report}"));
        }
    }

    fn run_tasks(&mut self, turns: &mut usize) {
        if self.core.tasks.len() == 0 {
            return;
        }
        while *turns > 0
            && let Some(mut turn) = self.core.tasks.next_turn()
        {
            *turns -= 1;
            self.core.begin_turn();
            match panic::catch(|| turn.poll()) {
                Ok(Poll::Pending) => self.core.tasks.park(turn),
                Ok(Poll::Ready(())) => {}
                Err(report) => {
                    let task = turn.task;
                    self.core
                        .log(Level::Error, || format!("{} {report}", task.what));
                    if let Some(request) = &task.request {
                        let error = Error::crash(format!("{} panicked", task.what));
                        self.core.answer_error(request, &error);
                    }
                }
            }
        }
    }
}

impl<S> Drop for Node<S> {
    fn drop(&mut self) {
        // Tasks hold the core that holds them.
        drop(self.core.tasks.take_all());
    }
}

/// Answers are told by their type too, since some peers answer messages that
/// expected none.
fn is_answer(kind: &str) -> bool {
    kind == "error" || kind.ends_with("_ok")
}

fn run_handler<S>(
    core: &Rc<Core>,
    context: &Context,
    state: &Shared<S>,
    handler: &'static Handler<S>,
    body: &RawBody<'_>,
) {
    core.begin_turn();
    let call = Call {
        core,
        context,
        state,
        handler,
        body,
    };
    if let Err(report) = panic::catch(|| (handler.run)(call)) {
        let what = handler;
        core.log(Level::Error, || format!("{what} {report}"));
        core.answer_error(&context.request, &Error::crash(format!("{what} panicked")));
    }
}
