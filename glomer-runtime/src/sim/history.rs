//! What the clients asked, and what they were told.

use crate::body::read::decode_reply;
use crate::{Error, Message};
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

/// One operation of a client: its request and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The client, such as `c1`. A client does one thing at a time.
    pub client: Rc<str>,
    /// The node that was asked.
    pub node: Rc<str>,
    /// When the request was sent.
    pub invoked: Duration,
    /// When the answer came, or the client gave up; `None` while it waits.
    pub completed: Option<Duration>,
    /// The body of the request, as JSON.
    pub request: Box<str>,
    /// The body of the answer, as JSON; an [`Error`] when the answer was one or, with code
    /// 0, when none came in time; `None` while the client waits.
    pub result: Option<Result<Box<str>, Error>>,
}

impl Operation {
    /// The request as an `M`; `None` when it is of another type.
    pub fn request<M: Message + DeserializeOwned>(&self) -> Option<M> {
        self.is::<M>()
            .then(|| serde_json::from_str(&self.request).ok())?
    }

    /// The reply to an `M`; `None` when the client still waits, and when the request is of
    /// another type.
    pub fn reply<M>(&self) -> Option<Result<M::Reply, Error>>
    where
        M: Message<Reply: DeserializeOwned>,
    {
        if !self.is::<M>() {
            return None;
        }
        Some(match self.result.as_ref()? {
            Ok(body) => decode_reply::<M>(body),
            Err(error) => Err(error.clone()),
        })
    }

    fn is<M: Message>(&self) -> bool {
        crate::body::wire::field(&self.request, "type")
            .and_then(|kind| serde_json::from_str::<String>(kind).ok())
            .is_some_and(|kind| kind == M::TYPE)
    }
}

/// A request that was sent by [`Cluster::invoke`](super::Cluster::invoke) and may not be
/// answered yet.
pub struct Pending<M> {
    /// Its place in the history.
    pub(super) index: usize,
    pub(super) message: PhantomData<fn() -> M>,
}

impl<M> Clone for Pending<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Pending<M> {}

impl<M: Message> fmt::Debug for Pending<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending({} #{})", M::TYPE, self.index)
    }
}
