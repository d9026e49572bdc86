//! What a handler may do.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll};
use std::time::Duration;

use serde::Serialize;

use crate::body::ReadReply;
use crate::body::read::{self, decode_reply};
use crate::body::{Error, Message};
use crate::rng::Rng;
use crate::work::{Core, Request, Task, Timer, TimerKey};

/// How long an rpc waits for its answer unless told otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// What a handler may do: look around, send, call, wait.
///
/// The runtime lends it to every handler that has a `&Context` parameter.
/// [`Context::mock`] makes one for a unit test.
///
/// It stays on its node's thread: neither it nor the futures that it makes are `Send`.
#[derive(Clone)]
pub struct Context {
    pub(crate) core: Rc<Core>,
    /// The message being handled.
    pub(crate) request: Rc<Request>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("node_id", &self.node_id())
            .field("sender", &self.sender())
            .field("msg_id", &self.msg_id())
            .finish_non_exhaustive()
    }
}

impl Context {
    pub(crate) fn new(core: Rc<Core>) -> Self {
        Self {
            core,
            request: Rc::default(),
        }
    }

    /// Sets which message is handled now, where the one before stood unless
    /// somebody still needs that.
    pub(crate) fn set_request(&mut self, src: &str, msg_id: Option<&str>, size: usize) {
        if Rc::get_mut(&mut self.request).is_none() {
            self.request = Rc::default();
        }
        if let Some(request) = Rc::get_mut(&mut self.request) {
            request.set(src, msg_id, size);
        }
    }

    /// This node's id, such as `n1`.
    pub fn node_id(&self) -> &str {
        self.core.node_id()
    }

    /// The ids of all nodes of the cluster, this one included.
    pub fn node_ids(&self) -> &[String] {
        self.core
            .identity
            .get()
            .map_or(&[], |identity| &identity.node_ids)
    }

    /// The ids of all nodes but this one.
    pub fn peers(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        let me = self.node_id();
        self.node_ids()
            .iter()
            .map(String::as_str)
            .filter(move |id| *id != me)
    }

    /// Who sent the message being handled; the node itself in periodic
    /// functions.
    pub fn sender(&self) -> &str {
        &self.request.src
    }

    /// The `msg_id` of the message being handled, which its sender gives to no
    /// other; `None` if the message expects no answer, in periodic functions,
    /// and for what is no whole number of 64 bits.
    ///
    /// ```
    /// use glomer_runtime::prelude::*;
    ///
    /// #[handler("generate", reply = "id")]
    /// fn generate(cx: &Context) -> Result<String, Error> {
    ///     let msg_id = cx.msg_id().ok_or_else(|| Error::abort("nobody asks"))?;
    ///     Ok(format!("{}-{msg_id}", cx.sender()))
    /// }
    /// # assert!(generate(&Context::mock("n1", ["n1"])).is_err());
    /// # let cx = Context::mock("n1", ["n1"]).with_msg_id(7);
    /// # assert_eq!(generate(&cx).unwrap(), "c1-7");
    /// ```
    pub fn msg_id(&self) -> Option<u64> {
        self.request.msg_id()?.parse().ok()
    }

    /// The time since some moment before this node started. It never goes
    /// back; in the simulator it is virtual.
    pub fn now(&self) -> Duration {
        self.core.now.get()
    }

    /// The node's random numbers, seeded in the simulator.
    ///
    /// ```
    /// # let cx = glomer_runtime::Context::mock("n1", ["n1"]);
    /// let delay = cx.rng().below(100);
    /// assert!(delay < 100);
    /// ```
    pub fn rng(&self) -> &Rng {
        &self.core.rng
    }

    /// Sends a message that expects no answer.
    ///
    /// # Panics
    ///
    /// If the message does not serialize as a struct or a map.
    #[track_caller]
    pub fn send<M: Message + Serialize>(&self, dest: impl AsRef<str>, message: M) {
        if let Err(error) = self.core.send(dest.as_ref(), &message, None) {
            panic!("the message `{}` cannot be sent: {error}", M::TYPE);
        }
    }

    /// Has this node handle `message` itself when `delay` has passed: a timer
    /// for handlers that do not wait. It does not go over the network, and
    /// [`sender`](Self::sender) is the node itself.
    ///
    /// ```
    /// use std::time::Duration;
    /// use glomer_runtime::prelude::*;
    ///
    /// #[handler("remind")]
    /// fn remind(cx: &Context, times: u32) {
    ///     if times > 1 {
    ///         cx.after(Duration::from_secs(60), Remind { times: times - 1 });
    ///     }
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// If the message does not serialize as a struct or a map.
    #[track_caller]
    pub fn after<M: Message + Serialize>(&self, delay: Duration, message: M) {
        if let Err(error) = self.core.send_later(delay, &message) {
            panic!("the message `{}` cannot be sent: {error}", M::TYPE);
        }
    }

    /// Sends a request, at once, and returns the future of its answer.
    ///
    /// The future yields the reply of `M`'s handler, the [`Error`] that was
    /// answered, or error 0 when there is no answer within a second; see
    /// [`Rpc::timeout`]. Dropping the future cancels the rpc: its answer will
    /// be ignored.
    ///
    /// ```
    /// use glomer_runtime::prelude::*;
    ///
    /// #[handler("read", reply = "value")]
    /// fn read(state: &u64) -> u64 {
    ///     *state
    /// }
    ///
    /// #[handler("sum", reply = "value")]
    /// async fn sum(state: &Shared<u64>, cx: &Context) -> Result<u64, Error> {
    ///     let mut sum = state.with(|own| *own);
    ///     let calls: Vec<_> = cx.peers().map(|peer| cx.rpc(peer, Read {})).collect();
    ///     for call in calls {
    ///         sum += call.await?;
    ///     }
    ///     Ok(sum)
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// If the message does not serialize as a struct or a map.
    #[track_caller]
    pub fn rpc<M: Message + Serialize>(&self, dest: impl AsRef<str>, message: M) -> Rpc<M> {
        let started = self.now();
        match self.core.call(dest.as_ref(), &message, DEFAULT_TIMEOUT) {
            Ok(msg_id) => Rpc {
                core: self.core.clone(),
                msg_id: Some(msg_id),
                started,
                message: PhantomData,
            },
            Err(error) => panic!("the message `{}` cannot be sent: {error}", M::TYPE),
        }
    }

    /// Runs a future beside the handlers, as long as the node lives.
    ///
    /// It gets its turn when the handler that spawned it returns or waits.
    #[track_caller]
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let place = std::panic::Location::caller();
        let what = format!("task spawned at {}:{}", place.file(), place.line());
        self.core.tasks.spawn(Task {
            future: Box::pin(future),
            request: None,
            what,
        });
    }

    /// A future that completes after `duration`; never after [`Duration::MAX`].
    ///
    /// Without a duration it lets all else that is ready go first, input too:
    /// `cx.sleep(Duration::ZERO).await` in a long loop keeps a node responsive.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep {
            core: self.core.clone(),
            deadline: self.now().saturating_add(duration),
            timer: None,
        }
    }
}

/// The future of an answer; see [`Context::rpc`].
#[must_use = "an rpc whose future is dropped is cancelled; use `send` if no answer is wanted"]
pub struct Rpc<M> {
    core: Rc<Core>,
    /// `None` once the answer was taken.
    msg_id: Option<u64>,
    started: Duration,
    message: PhantomData<fn() -> M>,
}

impl<M> fmt::Debug for Rpc<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rpc")
            .field("msg_id", &self.msg_id)
            .finish_non_exhaustive()
    }
}

impl<M> Rpc<M> {
    /// Waits `timeout` for the answer, counted from the call, instead of one
    /// second; [`Duration::MAX`] waits for as long as it takes.
    pub fn timeout(self, timeout: Duration) -> Self {
        if let Some(msg_id) = self.msg_id {
            let deadline = self.started.saturating_add(timeout);
            self.core.set_deadline(msg_id, deadline);
        }
        self
    }
}

impl<M: Message<Reply: ReadReply>> Future for Rpc<M> {
    type Output = Result<M::Reply, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let msg_id = self
            .msg_id
            .expect("an rpc is not polled after it completed");
        let answer = task::ready!(self.core.poll_rpc(msg_id, cx.waker()));
        self.msg_id = None;
        Poll::Ready(answer.and_then(|line| {
            let answer = read::read(line.as_bytes()).expect("the answer was read before");
            decode_reply::<M>(&answer.body)
        }))
    }
}

impl<M> Drop for Rpc<M> {
    fn drop(&mut self) {
        if let Some(msg_id) = self.msg_id {
            self.core.cancel_rpc(msg_id);
        }
    }
}

/// The future of a moment; see [`Context::sleep`].
#[must_use = "a sleep does nothing unless awaited"]
pub struct Sleep {
    core: Rc<Core>,
    deadline: Duration,
    timer: Option<TimerKey>,
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        match self.timer {
            Some(timer) if self.core.renew_sleep(timer, cx.waker()) => Poll::Pending,
            Some(_) => Poll::Ready(()),
            None => {
                let timer = Timer::Sleep(cx.waker().clone());
                self.timer = Some(self.core.set_timer(self.deadline, timer));
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.core.cancel_timer(timer);
        }
    }
}
