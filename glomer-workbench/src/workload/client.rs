//! What `perform` asks nodes with, and how far it has come.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use glomer_runtime::{Error, Message, client};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::reply::Reply;
use crate::edn::Edn;
use crate::run::clients::Failure;
use crate::run::engine::{is_error, json_text};

/// A client on the network: it sends requests to a node and waits for their answers.
///
/// Every client belongs to a node, which it asks unless told otherwise. All waiting ends
/// when the workload's [`timeout`](super::Workload::timeout) is over: the future that waits
/// is dropped. Several requests may be under way at once; whatever joins futures joins
/// them. Nothing but answers can be waited for.
///
/// It is not `Send`, and neither need futures be that use it: a run is one thread.
#[derive(Clone)]
pub struct Client {
    mailbox: Rc<RefCell<Mailbox>>,
    nodes: Rc<[String]>,
    /// The node that is asked; `None` for one that does not exist.
    node: Option<usize>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("nodes", &self.nodes)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

/// What a client has to send and what it was answered, while one operation is under way.
#[derive(Default)]
struct Mailbox {
    outgoing: Vec<Request>,
    /// Requests that someone waits for.
    waiting: BTreeSet<u64>,
    answers: BTreeMap<u64, Result<Incoming, Failure>>,
    /// How many requests were sent.
    sent: u64,
    /// The last answer, if it was an error: as `perform` sees it, and as it was.
    last_error: Option<(Error, Failure)>,
    gave_up: Option<GaveUp>,
}

enum GaveUp {
    Crash,
    Malformed(WrongAnswer),
}

/// An answer that is none, and what is wrong with it.
#[derive(Clone, Debug)]
pub(crate) struct WrongAnswer {
    /// The name of who gave it.
    pub(crate) from: Arc<str>,
    pub(crate) problem: String,
    pub(crate) answer: String,
}

/// An answer, as it was written and as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    /// The name of who gave it.
    pub(crate) from: Arc<str>,
    pub(crate) text: Arc<str>,
    pub(crate) body: Edn,
}

impl Incoming {
    /// What it says to whoever asked.
    pub(crate) fn into_result(self) -> Result<Incoming, Failure> {
        if is_error(&self.body) {
            Err(Failure::of(&self.body))
        } else {
            Ok(self)
        }
    }
}

/// A request to a node.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Its number among the requests of the operation.
    pub number: u64,
    /// The node, by its number.
    pub node: usize,
    /// The body, without its `msg_id`.
    pub body: Value,
}

impl Client {
    pub(super) fn new(nodes: Rc<[String]>, node: usize) -> Client {
        Client {
            mailbox: Rc::default(),
            nodes,
            node: Some(node),
        }
    }

    /// The names of all nodes.
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// This client, asking another node. Requests to a node that does not exist fail with
    /// error 1, node-not-found.
    #[must_use]
    pub fn node(&self, name: &str) -> Client {
        Client {
            node: self.nodes.iter().position(|node| node == name),
            ..self.clone()
        }
    }

    /// Asks the node with a message that one of its handlers defines.
    ///
    /// An answer that is no such reply ends the operation: nobody knows whether it took
    /// effect, and a warning shows the answer.
    ///
    /// # Errors
    /// The error that the node answers.
    pub async fn call<M>(&self, message: M) -> Result<M::Reply, Error>
    where
        M: Message<Reply: DeserializeOwned> + Serialize,
    {
        let answer = self.send(client::request(&message)?)?.await?;
        match client::reply::<M>(&answer.text) {
            Ok(reply) => Ok(reply),
            Err(error) => self.malformed(error.text(), &answer).await,
        }
    }

    /// Asks the node with a body in JSON, with its `type` and without a `msg_id`; the answer
    /// is its whole body, whatever its form.
    ///
    /// # Errors
    /// The error that the node answers.
    pub async fn json(&self, body: Value) -> Result<Value, Error> {
        let answer = self.send(body)?.await?;
        Ok(serde_json::from_str(&answer.text)?)
    }

    /// Asks the node with a body in JSON. The answer must have this form, to the letter, as
    /// Maelstrom's clients demand; another ends the operation as with [`Client::call`].
    ///
    /// # Errors
    /// The error that the node answers.
    pub async fn ask(&self, body: Value, form: &Reply) -> Result<Edn, Error> {
        let answer = self.send(body)?.await?;
        match form.check(&answer.body) {
            Ok(()) => Ok(answer.body),
            Err(problem) => self.malformed(&problem, &answer).await,
        }
    }

    /// Crashes the client: the operation ends here, nobody knows whether it took effect, and
    /// a new client with a new session follows.
    pub async fn crash<T>(&self) -> T {
        self.mailbox.borrow_mut().gave_up = Some(GaveUp::Crash);
        pending().await
    }

    async fn malformed<T>(&self, problem: &str, answer: &Incoming) -> T {
        let wrong = WrongAnswer {
            from: answer.from.clone(),
            problem: problem.to_owned(),
            answer: json_text(&answer.body),
        };
        self.mailbox.borrow_mut().gave_up = Some(GaveUp::Malformed(wrong));
        pending().await
    }

    fn send(&self, body: Value) -> Result<Answer, Error> {
        let node = self
            .node
            .ok_or_else(|| Error::node_not_found("there is no such node"))?;
        Ok(Answer {
            mailbox: self.mailbox.clone(),
            unsent: Some((node, body)),
            number: 0,
        })
    }
}

/// The answer to a request, which is sent as soon as someone waits for it.
struct Answer {
    mailbox: Rc<RefCell<Mailbox>>,
    unsent: Option<(usize, Value)>,
    number: u64,
}

impl Future for Answer {
    type Output = Result<Incoming, Error>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut mailbox = this.mailbox.borrow_mut();
        if let Some((node, body)) = this.unsent.take() {
            mailbox.sent += 1;
            this.number = mailbox.sent;
            mailbox.waiting.insert(this.number);
            mailbox.outgoing.push(Request {
                number: this.number,
                node,
                body,
            });
        }
        match mailbox.answers.remove(&this.number) {
            None => Poll::Pending,
            Some(Ok(body)) => Poll::Ready(Ok(body)),
            Some(Err(failure)) => {
                let error = failure.to_error();
                mailbox.last_error = Some((error.clone(), failure));
                Poll::Ready(Err(error))
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let mut mailbox = self.mailbox.borrow_mut();
        mailbox.waiting.remove(&self.number);
        mailbox.answers.remove(&self.number);
    }
}

/// Something that a client performs.
pub(super) struct Performance<T> {
    future: Pin<Box<dyn Future<Output = Result<T, Error>>>>,
    client: Client,
}

/// How far it has come.
pub(super) enum Progress<T> {
    /// These requests are to be sent, and answers waited for.
    Asks(Vec<Request>),
    /// It is done.
    Done(T),
    /// It failed, after so many requests that may have taken effect.
    Failed(Failure, u64),
    /// The client crashed.
    Crashed,
    /// An answer was none.
    Malformed(WrongAnswer),
    /// It waits for something else than answers.
    Stuck,
}

impl<T> Performance<T> {
    pub(super) fn new(
        client: Client,
        future: impl Future<Output = Result<T, Error>> + 'static,
    ) -> Performance<T> {
        Performance {
            future: Box::pin(future),
            client,
        }
    }

    /// Takes the answer to a request.
    pub(super) fn answered(&mut self, number: u64, answer: Result<Incoming, Failure>) {
        let mut mailbox = self.client.mailbox.borrow_mut();
        if mailbox.waiting.remove(&number) {
            mailbox.last_error = None;
            mailbox.answers.insert(number, answer);
        }
    }

    pub(super) fn go_on(&mut self) -> Progress<T> {
        let polled = self
            .future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        let mut mailbox = self.client.mailbox.borrow_mut();
        match polled {
            Poll::Ready(Ok(output)) => Progress::Done(output),
            Poll::Ready(Err(error)) => match mailbox.last_error.take() {
                Some((last, failure)) if last == error => {
                    Progress::Failed(failure, mailbox.sent - 1)
                }
                last => {
                    let refused = u64::from(last.is_some());
                    Progress::Failed(Failure::from(error), mailbox.sent - refused)
                }
            },
            Poll::Pending => match mailbox.gave_up.take() {
                Some(GaveUp::Crash) => Progress::Crashed,
                Some(GaveUp::Malformed(wrong)) => Progress::Malformed(wrong),
                None if mailbox.waiting.is_empty() => Progress::Stuck,
                None => Progress::Asks(std::mem::take(&mut mailbox.outgoing)),
            },
        }
    }
}
