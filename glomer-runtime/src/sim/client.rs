//! The clients of a cluster.

use super::cluster::Cluster;
use super::history::Pending;
use super::network::Address;
use crate::body::write::{self, Header, Src};
use crate::{Error, Message};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::rc::Rc;

/// A client of a chosen name: [`Cluster::client`] makes it.
pub struct Client<'a, S: 'static> {
    pub(super) cluster: &'a mut Cluster<S>,
    pub(super) index: usize,
}

impl<S> fmt::Debug for Client<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl<S> Client<'_, S> {
    /// [`Cluster::call`] by this client.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// When the client still waits for the answer to a request before.
    #[track_caller]
    pub fn call<M>(&mut self, node: &str, message: M) -> Result<M::Reply, Error>
    where
        M: Message<Reply: DeserializeOwned> + Serialize,
    {
        let pending = self.invoke(node, message);
        self.cluster.wait(pending)
    }

    /// [`Cluster::invoke`] by this client.
    ///
    /// # Panics
    /// When the client still waits for the answer to a request before: a client does one
    /// thing at a time.
    #[track_caller]
    pub fn invoke<M: Message + Serialize>(&mut self, node: &str, message: M) -> Pending<M> {
        self.cluster.invoke_as(self.index, node, message)
    }
}

/// What a cluster knows of a client.
pub(super) struct Caller {
    pub(super) address: Address,
    pub(super) name: Rc<str>,
    /// Whether the test has chosen its name.
    pub(super) named: bool,
    next_msg_id: u64,
    /// The `msg_id` of the request it waits for, and the operation.
    waiting: Option<(u64, usize)>,
}

impl Caller {
    pub(super) fn new(address: Address, name: &str) -> Caller {
        Caller {
            address,
            name: name.into(),
            named: false,
            next_msg_id: 0,
            waiting: None,
        }
    }

    /// Begins to wait for the answer to a message: its line, and the client's name.
    #[track_caller]
    pub(super) fn ask<M: Message + Serialize>(
        &mut self,
        node: &str,
        message: &M,
        operation: usize,
    ) -> (Vec<u8>, Rc<str>) {
        assert!(
            self.waiting.is_none(),
            "{} still waits for an answer, and a client does one thing at a time; \
             let another one ask",
            self.name
        );
        self.next_msg_id += 1;
        self.waiting = Some((self.next_msg_id, operation));
        let mut line = Vec::new();
        let header = Header::Message {
            kind: M::TYPE,
            msg_id: Some(self.next_msg_id),
        };
        let src = Src::new(&self.name);
        if let Err(error) = write::message(&mut line, &src, node, header, None, message) {
            panic!("the message `{}` cannot be sent: {error}", M::TYPE);
        }
        (line, Rc::clone(&self.name))
    }

    /// The operation that an answer ends, if the client waits for it.
    pub(super) fn answered(&mut self, msg_id: u64) -> Option<usize> {
        let waiting = self.waiting.take_if(|(waits_for, _)| *waits_for == msg_id);
        waiting.map(|(_, operation)| operation)
    }

    /// Ends the wait for an operation; whether it still waited.
    pub(super) fn gave_up(&mut self, operation: usize) -> bool {
        let waiting = self
            .waiting
            .take_if(|(_, waits_for)| *waits_for == operation);
        waiting.is_some()
    }
}
