//! What a node has pending, in one place: output, rpcs, timers, waiting
//! handlers and tasks.
//!
//! [`Context`](crate::Context) hands parts of it to handlers,
//! [`Node`](crate::Node) drives it. Nothing here does IO or reads a clock.

mod disk;
mod output;
mod tasks;

use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::rc::Rc;
use std::task::{self, Waker};
use std::time::Duration;

use serde::Serialize;

pub(crate) use self::disk::Disk;
pub use self::disk::{Contents, Write};
pub use self::output::{Action, Batch, Outgoing, Output, Writes};
pub(crate) use self::tasks::{Task, Tasks};
use crate::body::write::{self, Header, Src};
use crate::body::{Error, Message};
use crate::log::{Level, Record};
use crate::rng::Rng;

/// How many handlers may wait at once; requests beyond are refused with error
/// 11, so that a flood of requests cannot take all memory.
pub(crate) const MAX_WAITING: usize = 65_536;

/// How long the requests of handlers that wait may be together, in bytes,
/// before any further one is refused likewise.
pub(crate) const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// How much memory a request keeps for the names of the next, in bytes each.
const KEPT: usize = 64;

/// The parts of a node that outlive one message.
pub(crate) struct Core {
    pub(crate) identity: OnceCell<Identity>,
    /// What others call the node before `init` does.
    pub(crate) called: OnceCell<String>,
    pub(crate) now: Cell<Duration>,
    pub(crate) rng: Rng,
    pub(crate) output: RefCell<Output>,
    pub(crate) disk: RefCell<Disk>,
    /// Whether a function asked for a disk where there is none.
    pub(crate) lacks_disk: Cell<bool>,
    pub(crate) log_level: Cell<Level>,
    pub(crate) records: RefCell<Vec<Record>>,
    next_msg_id: Cell<u64>,
    rpcs: RefCell<BTreeMap<u64, Rpc>>,
    timers: RefCell<BTreeMap<TimerKey, Timer>>,
    next_timer: Cell<u64>,
    pub(crate) tasks: Tasks,
}

/// What `init` tells a node.
pub(crate) struct Identity {
    pub(crate) node_id: String,
    pub(crate) node_ids: Rc<[String]>,
    src: Src,
}

impl Identity {
    pub(crate) fn new(node_id: String, node_ids: Rc<[String]>) -> Self {
        let src = Src::new(&node_id);
        Self {
            node_id,
            node_ids,
            src,
        }
    }
}

/// Deadline and a number that keeps equal deadlines apart, in order of setting.
pub(crate) type TimerKey = (Duration, u64);

pub(crate) enum Timer {
    /// The rpc with this `msg_id` has waited long enough.
    Rpc(u64),
    Sleep(Waker),
    /// The periodic function with this index is due.
    Every(usize),
    /// A message of the node to itself: its line.
    Message(Vec<u8>),
}

struct Rpc {
    dest: String,
    timer: TimerKey,
    state: RpcState,
}

enum RpcState {
    Waiting(Option<Waker>),
    Done(Result<String, Error>),
}

/// A request to be answered, by whoever gets to it.
#[derive(Default)]
pub(crate) struct Request {
    pub(crate) src: String,
    /// As written in the request; empty if it expects no answer.
    msg_id: String,
    /// How long its line is, in bytes.
    pub(crate) size: usize,
}

impl Request {
    /// Becomes another request, in the memory of this one.
    pub(crate) fn set(&mut self, src: &str, msg_id: Option<&str>, size: usize) {
        for (own, text) in [
            (&mut self.src, src),
            (&mut self.msg_id, msg_id.unwrap_or_default()),
        ] {
            text.clone_into(own);
            own.shrink_to(KEPT);
        }
        self.size = size;
    }

    /// As written in the request; `None` if it expects no answer.
    pub(crate) fn msg_id(&self) -> Option<&str> {
        Some(&*self.msg_id).filter(|digits| !digits.is_empty())
    }
}

impl Core {
    pub(crate) fn new(seed: u64) -> Rc<Self> {
        let core = Rc::new(Self {
            identity: OnceCell::new(),
            called: OnceCell::new(),
            now: Cell::default(),
            rng: Rng::seeded(seed),
            output: RefCell::default(),
            disk: RefCell::default(),
            lacks_disk: Cell::default(),
            log_level: Cell::default(),
            records: RefCell::default(),
            next_msg_id: Cell::default(),
            rpcs: RefCell::default(),
            timers: RefCell::default(),
            next_timer: Cell::new(0),
            tasks: Tasks::default(),
        });
        core.reseed(seed);
        core
    }

    pub(crate) fn reseed(&self, seed: u64) {
        self.rng.reseed(seed);
        // A node that was restarted must not take answers to its former self
        // for its own, so numbers do not begin at the same place every time.
        self.next_msg_id.set(1 + self.rng.below(1 << 32));
    }

    pub(crate) fn node_id(&self) -> &str {
        match self.identity.get() {
            Some(identity) => &identity.node_id,
            None => self.called.get().map_or("", String::as_str),
        }
    }

    pub(crate) fn log<T: Display>(&self, level: Level, text: impl FnOnce() -> T) {
        if level <= self.log_level.get() {
            self.records.borrow_mut().push(Record {
                level,
                text: text().to_string(),
            });
        }
    }

    // Sending.

    /// Appends a message to the output.
    pub(crate) fn send<M>(
        &self,
        dest: &str,
        message: &M,
        msg_id: Option<u64>,
    ) -> serde_json::Result<()>
    where
        M: Message + Serialize,
    {
        let header = Header::Message {
            kind: M::TYPE,
            msg_id,
        };
        self.write(dest, header, None, message)
    }

    /// Keeps a message of the node to itself until `delay` has passed.
    pub(crate) fn send_later<M>(&self, delay: Duration, message: &M) -> serde_json::Result<()>
    where
        M: Message + Serialize,
    {
        let header = Header::Message {
            kind: M::TYPE,
            msg_id: None,
        };
        let me = self.node_id();
        let mut line = Vec::new();
        write::message(&mut line, &Src::new(me), me, header, None, message)?;
        let due = self.now.get().saturating_add(delay);
        self.set_timer(due, Timer::Message(line));
        Ok(())
    }

    /// Appends the answer to `request`, if it expects one.
    pub(crate) fn answer<M>(&self, request: &Request, result: Result<M::Reply, Error>)
    where
        M: Message<Reply: Serialize>,
    {
        let error = match result {
            Ok(reply) => {
                let Some(msg_id) = request.msg_id() else {
                    return;
                };
                let header = Header::Ok {
                    kind: M::TYPE,
                    in_reply_to: msg_id,
                };
                let written = self.write(&request.src, header, M::REPLY_FIELD, &reply);
                let Err(error) = written else { return };
                let text = format!("the reply to `{}` cannot be sent: {error}", M::TYPE);
                self.log(Level::Error, || &text);
                Error::crash(text)
            }
            Err(error) => error,
        };
        self.answer_error(request, &error);
    }

    /// Appends an `error` answer to `request`, if it expects one.
    pub(crate) fn answer_error(&self, request: &Request, error: &Error) {
        let Some(msg_id) = request.msg_id() else {
            let src = &request.src;
            self.log(Level::Warn, || {
                format!("a message from {src}, which expects no answer, failed: {error}")
            });
            return;
        };
        self.log(Level::Debug, || {
            format!("answered {} with {error}", request.src)
        });
        #[derive(Serialize)]
        struct Answer<'a> {
            code: u32,
            text: &'a str,
        }
        let answer = Answer {
            code: error.code(),
            text: error.text(),
        };
        let header = Header::Error {
            in_reply_to: msg_id,
        };
        self.write(&request.src, header, None, &answer)
            .expect("an error body is JSON");
    }

    /// Appends a message to the output, or nothing if it cannot be written.
    fn write<T: Serialize>(
        &self,
        dest: &str,
        header: Header<'_>,
        only: Option<&'static str>,
        fields: &T,
    ) -> serde_json::Result<()> {
        let kind = match header {
            Header::Message { kind, .. } => [kind, ""],
            Header::Ok { kind, .. } => [kind, "_ok"],
            Header::Error { .. } => ["error", ""],
        };
        let src = match self.identity.get() {
            Some(identity) => &identity.src,
            None => &Src::new(self.node_id()),
        };
        let write = |lines: &mut Vec<u8>| write::message(lines, src, dest, header, only, fields);
        self.output.borrow_mut().message(dest, kind, write)
    }

    // The disk.

    /// Begins another turn of the node: what is written in it is kept together.
    pub(crate) fn begin_turn(&self) {
        self.output.borrow_mut().begin_turn();
    }

    #[track_caller]
    pub(crate) fn ask_for_disk(&self) {
        if matches!(*self.disk.borrow(), Disk::Missing) {
            self.lacks_disk.set(true);
            panic!("the node has no disk");
        }
    }

    /// What a node that has a disk has on it.
    pub(crate) fn disk_contents(&self) -> Ref<'_, Contents> {
        let disk = self.disk.borrow();
        Ref::map(disk, |disk| disk.contents().expect("it was asked for"))
    }

    pub(crate) fn write_to_disk(&self, write: &Write<'_>) {
        match &mut *self.disk.borrow_mut() {
            Disk::Missing => {}
            Disk::Memory(contents) => contents.apply(write),
            Disk::Durable(contents) => {
                contents.apply(write);
                self.output.borrow_mut().write(write);
            }
        }
    }

    // Rpcs.

    /// Sends a request and returns the `msg_id` to wait for.
    pub(crate) fn call<M>(
        &self,
        dest: &str,
        message: &M,
        timeout: Duration,
    ) -> serde_json::Result<u64>
    where
        M: Message + Serialize,
    {
        let msg_id = self.next_msg_id.get();
        self.send(dest, message, Some(msg_id))?;
        self.next_msg_id.set(msg_id + 1);
        let deadline = self.now.get().saturating_add(timeout);
        let timer = self.set_timer(deadline, Timer::Rpc(msg_id));
        let rpc = Rpc {
            dest: dest.into(),
            timer,
            state: RpcState::Waiting(None),
        };
        self.rpcs.borrow_mut().insert(msg_id, rpc);
        Ok(msg_id)
    }

    /// Sets another deadline for a pending rpc.
    pub(crate) fn set_deadline(&self, msg_id: u64, deadline: Duration) {
        if let Some(rpc) = self.rpcs.borrow_mut().get_mut(&msg_id)
            && let RpcState::Waiting(_) = rpc.state
        {
            self.cancel_timer(rpc.timer);
            rpc.timer = self.set_timer(deadline, Timer::Rpc(msg_id));
        }
    }

    pub(crate) fn poll_rpc(&self, msg_id: u64, waker: &Waker) -> task::Poll<Result<String, Error>> {
        let mut rpcs = self.rpcs.borrow_mut();
        match rpcs.get_mut(&msg_id) {
            Some(Rpc {
                state: RpcState::Waiting(waiting),
                ..
            }) => {
                *waiting = Some(waker.clone());
                task::Poll::Pending
            }
            Some(_) => match rpcs.remove(&msg_id).map(|rpc| rpc.state) {
                Some(RpcState::Done(answer)) => task::Poll::Ready(answer),
                _ => task::Poll::Pending,
            },
            None => panic!("an rpc was polled after it had completed"),
        }
    }

    /// Forgets an rpc whose future was dropped.
    pub(crate) fn cancel_rpc(&self, msg_id: u64) {
        let rpc = self.rpcs.borrow_mut().remove(&msg_id);
        if let Some(Rpc {
            state: RpcState::Waiting(_),
            timer,
            ..
        }) = rpc
        {
            self.cancel_timer(timer);
        }
    }

    /// Takes an answer; false if nobody waits for it.
    pub(crate) fn complete_rpc(
        &self,
        msg_id: u64,
        from: Option<&str>,
        answer: Result<String, Error>,
    ) -> bool {
        let waker = {
            let mut rpcs = self.rpcs.borrow_mut();
            let Some(rpc) = rpcs.get_mut(&msg_id) else {
                return false;
            };
            let RpcState::Waiting(waker) = &mut rpc.state else {
                return false;
            };
            if from.is_some_and(|from| from != rpc.dest) {
                return false;
            }
            let waker = waker.take();
            self.cancel_timer(rpc.timer);
            rpc.state = RpcState::Done(answer);
            waker
        };
        waker.inspect(Waker::wake_by_ref);
        true
    }

    // Timers.

    pub(crate) fn set_timer(&self, deadline: Duration, timer: Timer) -> TimerKey {
        let number = self.next_timer.get();
        self.next_timer.set(number + 1);
        self.timers.borrow_mut().insert((deadline, number), timer);
        (deadline, number)
    }

    /// Sets the waker of a sleep anew; false if the sleep is over.
    pub(crate) fn renew_sleep(&self, key: TimerKey, waker: &Waker) -> bool {
        match self.timers.borrow_mut().get_mut(&key) {
            Some(Timer::Sleep(old)) => {
                old.clone_from(waker);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn cancel_timer(&self, key: TimerKey) {
        self.timers.borrow_mut().remove(&key);
    }

    pub(crate) fn timers(&self) -> usize {
        self.timers.borrow().len()
    }

    /// The timers that are due, in order. What is set meanwhile is not among
    /// them, so that timers without delay let others have their turn.
    pub(crate) fn due_timers(&self) -> Vec<TimerKey> {
        let timers = self.timers.borrow();
        let due = timers.range(..=(self.now.get(), u64::MAX));
        due.map(|(key, _)| *key).collect()
    }

    /// Takes a timer, unless it was cancelled.
    pub(crate) fn take_timer(&self, key: TimerKey) -> Option<Timer> {
        self.timers.borrow_mut().remove(&key)
    }

    /// Handles a timer that concerns a task.
    pub(crate) fn fire(&self, timer: Timer) {
        match timer {
            Timer::Rpc(msg_id) => {
                let dest = match self.rpcs.borrow().get(&msg_id) {
                    Some(rpc) => rpc.dest.clone(),
                    None => return,
                };
                let error = Error::timeout(format!("no answer from {dest}"));
                self.complete_rpc(msg_id, None, Err(error));
            }
            Timer::Sleep(waker) => waker.wake(),
            Timer::Every(_) | Timer::Message(_) => {}
        }
    }

    /// When something is to be done next without input.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        if self.tasks.can_go_on() {
            return Some(self.now.get());
        }
        self.timers
            .borrow()
            .first_key_value()
            .map(|((deadline, _), _)| *deadline)
    }

    // The end.

    /// Completes all rpcs, since no answer can come any more.
    pub(crate) fn end(&self) {
        let pending: Vec<u64> = self.rpcs.borrow().keys().copied().collect();
        for msg_id in pending {
            let error = Error::timeout("the input ended before the answer came");
            self.complete_rpc(msg_id, None, Err(error));
        }
    }
}
