//! Handlers in unit tests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Poll, Wake, Waker};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::context::Context;
use crate::body::read::{self, Envelope, RawBody, decode, decode_error};
use crate::body::write::{self, Header, Src};
use crate::body::{Error, Message};
use crate::rng::Rng;
use crate::sim::service::{self, Service};
use crate::work::{Contents, Core, Disk, Identity, Timer};

/// How often a future and what runs beside it may go on, or time pass, before
/// [`Mock::run`] takes it to go on for ever.
const MAX_STEPS: usize = 1_000_000;

impl Context {
    /// A context for a unit test: that of node `node_id` in a cluster of
    /// `node_ids`.
    ///
    /// What the handler sends is kept for [`sent`](Mock::sent), and goes
    /// nowhere. A handler that waits is [run](Mock::run), with answers to its
    /// rpcs that the test gives.
    ///
    /// ```
    /// use glomer_runtime::prelude::*;
    ///
    /// #[handler("forward")]
    /// fn forward(cx: &Context, message: u64) {
    ///     for peer in cx.peers() {
    ///         cx.send(peer, Forward { message });
    ///     }
    /// }
    ///
    /// let cx = Context::mock("n1", ["n1", "n2", "n3"]);
    /// forward(&cx, 7);
    /// let dests: Vec<_> = cx.sent().into_iter().map(|sent| sent.dest).collect();
    /// assert_eq!(dests, ["n2", "n3"]);
    /// assert_eq!(cx.sent()[0].decode::<Forward>().unwrap().message, 7);
    /// ```
    pub fn mock<I>(node_id: &str, node_ids: I) -> Mock
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let core = Core::new(0);
        let node_ids = node_ids.into_iter().map(Into::into).collect();
        let identity = Identity::new(node_id.into(), node_ids);
        assert!(
            core.identity.set(identity).is_ok(),
            "a new core has no identity"
        );
        *core.disk.borrow_mut() = Disk::Memory(Contents::default());
        let services = service::defaults().into_iter();
        let mock = Mock {
            context: Context::new(core),
            peers: RefCell::default(),
            services: RefCell::new(services.map(|(name, it)| (name.to_owned(), it)).collect()),
            seen: Cell::new(0),
        };
        mock.with_sender("c1")
    }
}

/// The [`Context`] of a unit test, made by [`Context::mock`].
///
/// Its [disk](Context::disk) is memory that lasts as long as the mock: who calls `init` again
/// with a new state has the node that starts anew.
///
/// Its time stands still at zero, and passes only while something waits for
/// it: then at once, until the next moment at which something is due.
///
/// ```
/// use glomer_runtime::prelude::*;
///
/// struct Share {
///     value: u64,
/// }
///
/// #[handler("read", reply = "value")]
/// fn read(state: &Share) -> u64 {
///     state.value
/// }
///
/// #[handler("sum", reply = "value")]
/// async fn sum(state: &Shared<Share>, cx: &Context) -> Result<u64, Error> {
///     let mut sum = state.with(|state| state.value);
///     for peer in cx.peers() {
///         sum += cx.rpc(peer, Read {}).await?;
///     }
///     Ok(sum)
/// }
///
/// let state = Shared::new(Share { value: 1 });
/// let cx = Context::mock("n1", ["n1", "n2", "n3"]);
/// cx.answer("n2", |_: Read| Ok(2));
/// cx.answer("n3", |_: Read| Ok(3));
/// assert_eq!(cx.run(sum(&state, &cx)), Ok(6));
///
/// cx.answer("n3", |_: Read| Err(Error::abort("not today")));
/// assert_eq!(cx.run(sum(&state, &cx)), Err(Error::abort("not today")));
///
/// // Nobody answers for this one: a second passes.
/// let alone = Context::mock("n1", ["n1", "n4"]);
/// assert_eq!(alone.run(sum(&state, &alone)).unwrap_err().code(), 0);
/// assert_eq!(alone.now().as_secs(), 1);
/// ```
///
/// Like the context it is, it is not `Send`.
pub struct Mock {
    context: Context,
    /// What answers which type of request, for each destination.
    peers: RefCell<BTreeMap<(String, &'static str), Answer>>,
    services: RefCell<BTreeMap<String, Box<dyn Service>>>,
    /// How many of the messages sent were looked at.
    seen: Cell<usize>,
}

/// Gives the line of an answer.
type Answer = Box<dyn FnMut(&RawBody<'_>) -> Result<String, Error>>;

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mock")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

impl Deref for Mock {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl Mock {
    /// The same, handling a message that `sender` sent; `c1` unless told.
    #[must_use]
    pub fn with_sender(mut self, sender: &str) -> Self {
        let msg_id = self.context.msg_id().map(|msg_id| msg_id.to_string());
        self.context.set_request(sender, msg_id.as_deref(), 0);
        self
    }

    /// The same, handling a message with this `msg_id`; none unless told.
    #[must_use]
    pub fn with_msg_id(mut self, msg_id: u64) -> Self {
        let sender = self.context.sender().to_owned();
        self.context
            .set_request(&sender, Some(&msg_id.to_string()), 0);
        self
    }

    /// What was sent through this context, in order: messages, requests, and
    /// those that the node keeps [for itself](Context::after), when they come
    /// due.
    pub fn sent(&self) -> Vec<Sent> {
        let output = self.core.output.borrow();
        let messages = output.messages().map(|message| {
            let line = serde_json::from_slice::<serde_json::Value>(message.line);
            Sent {
                dest: message.dest.into(),
                body: line.expect("the runtime writes JSON")["body"].take(),
            }
        });
        messages.collect()
    }

    /// Has `dest` answer each request that is an `M` with what `answer`
    /// returns, from now on. Requests that nobody answers time out.
    pub fn answer<M>(
        &self,
        dest: &str,
        mut answer: impl FnMut(M) -> Result<M::Reply, Error> + 'static,
    ) where
        M: Message<Reply: Serialize> + DeserializeOwned,
    {
        let answer = move |request: &RawBody<'_>| {
            let reply = answer(decode(request)?)?;
            let header = Header::Ok {
                kind: M::TYPE,
                in_reply_to: request.msg_id.unwrap_or("null"),
            };
            let mut line = Vec::new();
            write::message(&mut line, &Src::new(""), "", header, M::REPLY_FIELD, &reply)?;
            Ok(String::from_utf8(line)?)
        };
        let mut peers = self.peers.borrow_mut();
        peers.insert((dest.to_owned(), M::TYPE), Box::new(answer));
    }

    /// Has a service answer under this name. Those that Maelstrom has are
    /// there, each new and empty; see [`sim::service`](crate::sim::service).
    pub fn service(&self, name: &str, service: impl Service + 'static) {
        let mut services = self.services.borrow_mut();
        services.insert(name.to_owned(), Box::new(service));
    }

    /// Runs a future to its end, such as that of an async handler, with what
    /// it [spawns](Context::spawn), and gives its output.
    ///
    /// # Panics
    ///
    /// If what it spawned panics, or if it waits for what neither answers nor
    /// time will bring, such as another thread.
    #[track_caller]
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(woken.clone());
        let mut cx = task::Context::from_waker(&waker);
        for _ in 0..MAX_STEPS {
            let is_woken = woken.0.swap(false, Ordering::AcqRel);
            if is_woken && let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            let goes_on = self.step() || woken.0.load(Ordering::Acquire);
            assert!(
                goes_on || self.pass(Duration::MAX),
                "the future waits for what neither answers nor time will bring"
            );
        }
        panic!("the future goes on for ever, at {:?}", self.now());
    }

    /// Lets `duration` pass, with all that comes due meanwhile: what was
    /// [spawned](Context::spawn) goes on, and messages that the node keeps
    /// [for itself](Context::after) appear among what was [sent](Self::sent).
    ///
    /// # Panics
    ///
    /// If what was spawned panics, or goes on for ever without waiting.
    #[track_caller]
    pub fn run_for(&self, duration: Duration) {
        let end = self.now().saturating_add(duration);
        for _ in 0..MAX_STEPS {
            if !self.step() && !self.pass(end) {
                return self.core.now.set(end);
            }
        }
        panic!("something goes on for ever, at {:?}", self.now());
    }

    /// Does what can be done now; false if there was nothing.
    fn step(&self) -> bool {
        let mut did = self.answer_requests();
        for key in self.core.due_timers() {
            did = true;
            match self.core.take_timer(key) {
                Some(Timer::Message(line)) => self.keep(&line),
                Some(timer) => self.core.fire(timer),
                None => {}
            }
        }
        if self.core.tasks.begin_round() {
            while let Some(mut turn) = self.core.tasks.next_turn() {
                did = true;
                if turn.poll().is_pending() {
                    self.core.tasks.park(turn);
                }
            }
        }
        did
    }

    /// Goes to the next moment at which something is due, but not beyond
    /// `end`; false if there is none.
    fn pass(&self, end: Duration) -> bool {
        let next = self.core.deadline();
        // What lasts for ever is due then.
        let next = next.filter(|due| *due <= end && *due < Duration::MAX);
        next.inspect(|due| self.core.now.set(*due)).is_some()
    }

    /// Adds a message of the node to itself to those that were sent.
    fn keep(&self, line: &[u8]) {
        let envelope = read::read(line).expect("the runtime writes messages");
        let kind = envelope.body.kind.as_deref().unwrap_or_default();
        let mut output = self.core.output.borrow_mut();
        let kept = output.message(self.node_id(), [kind, ""], |lines| {
            lines.extend_from_slice(line);
            Ok::<(), std::convert::Infallible>(())
        });
        let Ok(()) = kept;
    }

    /// Answers the requests that were sent since the last time; false if
    /// there were none to be answered.
    fn answer_requests(&self) -> bool {
        let output = self.core.output.borrow();
        let new = output.messages().skip(self.seen.get());
        let new: Vec<_> = new
            .map(|message| (message.dest.to_owned(), message.line.to_owned()))
            .collect();
        drop(output);
        self.seen.set(self.seen.get() + new.len());
        let mut did = false;
        for (dest, line) in new {
            let envelope = read::read(&line).expect("the runtime writes messages");
            let Some(Ok(msg_id)) = envelope.body.msg_id.map(str::parse) else {
                continue;
            };
            if let Some(answer) = self.ask(&dest, &envelope) {
                did |= self.core.complete_rpc(msg_id, Some(&dest), answer);
            }
        }
        did
    }

    /// The line of the answer of `dest` to a request, if there is one.
    fn ask(&self, dest: &str, request: &Envelope<'_>) -> Option<Result<String, Error>> {
        let kind = request.body.kind.as_deref().unwrap_or_default();
        let mut peers = self.peers.borrow_mut();
        let known = peers
            .iter_mut()
            .find(|((name, handled), _)| name == dest && *handled == kind);
        if let Some((_, answer)) = known {
            return Some(answer(&request.body));
        }
        #[derive(Deserialize)]
        struct Line<'a> {
            #[serde(borrow)]
            body: &'a RawValue,
        }
        let mut services = self.services.borrow_mut();
        let service = services.get_mut(dest)?;
        let Line { body } = serde_json::from_str(request.line).expect("it was read before");
        // Rolls what a service leaves open, the same way for each request.
        let mut rng = Rng::seeded(0);
        let body = service.answer(self.now(), self.node_id(), body.get(), &mut rng)?;
        let line = format!(r#"{{"src":"","dest":"","body":{body}}}"#);
        let answer = read::read(line.as_bytes()).expect("services answer with bodies");
        match answer.body.kind.as_deref() {
            Some("error") => Some(Err(decode_error(&answer.body))),
            _ => Some(Ok(line)),
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// A message that a handler sent in a unit test.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sent {
    /// Who it was sent to.
    pub dest: String,
    /// The whole body, with its `type`.
    pub body: serde_json::Value,
}

impl Sent {
    /// The message as an `M`, if it is one.
    pub fn decode<M: Message + DeserializeOwned>(&self) -> Option<M> {
        let text = self.body.to_string();
        let body = RawBody::of(&text).ok()?;
        let known = body.kind.as_deref() == Some(M::TYPE);
        known.then(|| decode(&body).ok())?
    }
}
