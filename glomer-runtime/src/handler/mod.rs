//! What a handler meets: the message, the state, and what it may do.

mod alias;
pub(crate) mod context;
mod disk;
mod kv;
mod mock;
mod quorum;
mod retry;
mod shared;

use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use serde::de::DeserializeOwned;

pub use self::alias::{AnyType, Type};
pub use self::context::{Context, Rpc, Sleep};
pub use self::disk::{Cut, Disk};
pub use self::kv::{Kv, Tso};
pub use self::mock::{Mock, Sent};
pub use self::quorum::quorum;
pub use self::retry::Backoff;
pub use self::shared::Shared;
use crate::body::read::{RawBody, decode};
use crate::body::{Error, Failure, Message, Reply};
use crate::work::{Core, MAX_WAITING, MAX_WAITING_BYTES, Request, Task};

/// Where a function stands in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Path as the compiler was given it.
    pub file: &'static str,
    /// Line, from 1.
    pub line: u32,
}

impl Location {
    /// Where this is called: in what an attribute expands to, the attribute.
    #[track_caller]
    pub const fn here() -> Self {
        let caller = std::panic::Location::caller();
        Self {
            file: caller.file(),
            line: caller.line(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A function annotated with `#[handler]`.
pub struct Handler<S: 'static> {
    /// The `type` of the messages it handles.
    pub message: &'static str,
    /// Its own name.
    pub name: &'static str,
    /// Where it stands.
    pub location: Location,
    /// Reads the parameters, calls the function and answers.
    pub run: fn(Call<'_, S>),
}

impl<S> fmt::Display for Handler<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "handler `{}` at {}", self.name, self.location)
    }
}

impl<S> fmt::Debug for Handler<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A function annotated with `#[every]`.
pub struct Every<S: 'static> {
    /// Its own name.
    pub name: &'static str,
    /// Where it stands.
    pub location: Location,
    /// How often it runs.
    pub period: Duration,
    /// Calls the function.
    pub run: fn(Tick<'_, S>),
}

impl<S> fmt::Display for Every<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` at {}", self.name, self.location)
    }
}

impl<S> fmt::Debug for Every<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A message on its way into its handler.
pub struct Call<'a, S: 'static> {
    pub(crate) core: &'a Rc<Core>,
    pub(crate) context: &'a Context,
    pub(crate) state: &'a Shared<S>,
    pub(crate) handler: &'static Handler<S>,
    pub(crate) body: &'a RawBody<'a>,
}

impl<S> fmt::Debug for Call<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(self.handler).finish()
    }
}

impl<'a, S> Call<'a, S> {
    /// Takes an `M` to a function that returns its reply.
    pub fn reply<M, R>(self) -> Typed<'a, S, M, R>
    where
        M: Message<Reply = R> + DeserializeOwned,
        R: Reply,
    {
        Typed {
            call: self,
            decode,
            answer: |core, request, reply| core.answer::<M>(request, Ok(reply)),
        }
    }

    /// Takes an `M` to a function that returns its reply or an error.
    pub fn result<M, R, E>(self) -> Typed<'a, S, M, Result<R, E>>
    where
        M: Message<Reply = R> + DeserializeOwned,
        R: Reply,
        E: Failure,
    {
        Typed {
            call: self,
            decode,
            answer: |core, request, result| core.answer::<M>(request, result.map_err(Into::into)),
        }
    }
}

/// A message on its way into a handler that takes it as an `M` and returns a
/// `T`.
///
/// It carries what the bounds on the types are for, so that it needs none
/// itself, and a type that lacks something is complained about once.
pub struct Typed<'a, S: 'static, M, T> {
    call: Call<'a, S>,
    decode: fn(&RawBody<'_>) -> Result<M, Error>,
    answer: fn(&Core, &Request, T),
}

impl<S, M, T> fmt::Debug for Typed<'_, S, M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Typed").field(self.call.handler).finish()
    }
}

impl<S, M, T: 'static> Typed<'_, S, M, T> {
    /// Runs a handler.
    pub fn sync(self, f: impl FnOnce(&mut S, &Context, M) -> T) {
        let call = self.call;
        match (self.decode)(call.body) {
            Ok(message) => {
                let output = call.state.with(|state| f(state, call.context, message));
                (self.answer)(call.core, &call.context.request, output);
            }
            Err(error) => call.core.answer_error(&call.context.request, &error),
        }
    }

    /// Runs a handler that may wait.
    pub fn wait<F>(self, f: impl FnOnce(Shared<S>, Context, M) -> F)
    where
        F: Future<Output = T> + 'static,
    {
        let call = self.call;
        let message = match (self.decode)(call.body) {
            Ok(message) => message,
            Err(error) => return call.core.answer_error(&call.context.request, &error),
        };
        let tasks = &call.core.tasks;
        if tasks.len() >= MAX_WAITING || tasks.size() >= MAX_WAITING_BYTES {
            let error = Error::temporarily_unavailable(format!(
                "{} handlers are waiting already, with {} bytes of requests",
                tasks.len(),
                tasks.size()
            ));
            return call.core.answer_error(&call.context.request, &error);
        }
        let running = f(call.state.clone(), call.context.clone(), message);
        let request = call.context.request.clone();
        let core = call.core.clone();
        let answer = {
            let request = request.clone();
            async move {
                let output = running.await;
                (self.answer)(&core, &request, output);
            }
        };
        let what = call.handler.to_string();
        call.core.tasks.spawn(Task {
            future: Box::pin(answer),
            request: Some(request),
            what,
        });
    }
}

/// A periodic function's turn.
pub struct Tick<'a, S: 'static> {
    pub(crate) core: &'a Rc<Core>,
    pub(crate) context: &'a Context,
    pub(crate) state: &'a Shared<S>,
    pub(crate) every: &'static Every<S>,
}

impl<S> fmt::Debug for Tick<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tick").field(self.every).finish()
    }
}

impl<S> Tick<'_, S> {
    /// Runs a function that does not wait.
    pub fn sync(self, f: impl FnOnce(&mut S, &Context)) {
        self.state.with(|state| f(state, self.context));
    }

    /// Runs a function that may wait.
    pub fn wait<F>(self, f: impl FnOnce(Shared<S>, Context) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        let future = f(self.state.clone(), self.context.clone());
        let what = self.every.to_string();
        self.core.tasks.spawn(Task {
            future: Box::pin(future),
            request: None,
            what,
        });
    }
}
