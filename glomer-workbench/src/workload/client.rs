//! How a client performs an operation: by one request, or a few in turn.

use serde_json::Value;

use super::Invocation;
use super::reply::Reply;
use crate::edn::Edn;

/// A request, and the form that its answer must have.
#[derive(Debug)]
pub struct Call {
    /// The body, without its `msg_id`.
    pub body: Value,
    /// The answer that it wants.
    pub reply: &'static Reply,
}

/// What a client does next.
#[derive(Debug)]
pub enum Step {
    /// It sends this request and waits.
    Call(Call),
    /// The operation is done, with this value.
    Done(Edn),
    /// The client gives up on itself: the outcome is unknown, and a new client follows.
    Crash,
}

/// A client: what it knows, and what it does with operations and answers. One operation is
/// under way at a time, and one request.
pub trait Client {
    /// Begins an operation.
    fn invoke(&mut self, op: &Invocation) -> Step;

    /// Goes on with the operation, given a right answer to its last request.
    fn reply(&mut self, op: &Invocation, body: Edn) -> Step;
}

/// A client whose operations take one request each.
pub(super) struct OneCall {
    /// The request for an operation.
    pub(super) request: fn(&Invocation) -> Call,
    /// The value that an operation completes with.
    pub(super) value: fn(&Invocation, Edn) -> Edn,
}

impl Client for OneCall {
    fn invoke(&mut self, op: &Invocation) -> Step {
        Step::Call((self.request)(op))
    }

    fn reply(&mut self, op: &Invocation, body: Edn) -> Step {
        Step::Done((self.value)(op, body))
    }
}

/// Takes a field out of an answer that is known to have it.
pub(super) fn take(body: &mut Edn, field: &str) -> Edn {
    body.remove(field).unwrap_or_default()
}
