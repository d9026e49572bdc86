//! What the clients asked, and what they were told.

use crate::body::read::{RawBody, decode, decode_reply};
use crate::{Error, Message};
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

/// One operation of a client: its request and what came of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
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
        let body = self.request_as::<M>()?;
        decode(&body).ok()
    }

    /// The reply to an `M`; `None` when the client still waits, and when the request is of
    /// another type.
    pub fn reply<M>(&self) -> Option<Result<M::Reply, Error>>
    where
        M: Message<Reply: DeserializeOwned>,
    {
        self.request_as::<M>()?;
        self.result.as_ref().map(reply_to::<M>)
    }

    /// The body of the request, if it is one of an `M`.
    fn request_as<M: Message>(&self) -> Option<RawBody<'_>> {
        let body = RawBody::of(&self.request).ok()?;
        (body.kind.as_deref() == Some(M::TYPE)).then_some(body)
    }
}

/// What the result of an operation says as the reply to an `M`.
pub(super) fn reply_to<M>(result: &Result<Box<str>, Error>) -> Result<M::Reply, Error>
where
    M: Message<Reply: DeserializeOwned>,
{
    let body = result.as_ref().map_err(Error::clone)?;
    let body = RawBody::of(body).expect("the answer was read before");
    decode_reply::<M>(&body)
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
