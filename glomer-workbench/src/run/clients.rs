//! The clients' side of the network: names, message numbers, who waits for what.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use glomer_runtime::Error;
use glomer_runtime::sim::{Address, Network, Role};
use serde_json::Value;

use crate::edn::Edn;
use crate::history::OpType;
use crate::workload::Errors;

/// What a client is for. Nodes and threads go by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It sends a node its `init`.
    Init(usize),
    /// It sends a node what a workload begins with.
    Setup(usize),
    /// It performs a thread's operations.
    Thread(usize),
}

struct Client {
    owner: Owner,
    last_id: u64,
    /// The requests under way by their `msg_id`.
    waiting: BTreeMap<u64, Wait>,
}

struct Wait {
    /// What the owner calls the request.
    number: u64,
    /// The node that is asked.
    node: usize,
    deadline: Duration,
}

/// All clients on the network.
#[derive(Default)]
pub struct Clients {
    opened: u64,
    open: HashMap<Address, Client>,
    deadlines: BTreeSet<(Duration, Address, u64)>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients")
            .field("opened", &self.opened)
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

impl Clients {
    /// Puts a new client on the network: `c0`, `c1`, ….
    pub fn open<T>(&mut self, network: &mut Network<T>, owner: Owner) -> Address {
        let address = network.add(&format!("c{}", self.opened), Role::Client);
        self.opened += 1;
        let client = Client {
            owner,
            last_id: 0,
            waiting: BTreeMap::new(),
        };
        self.open.insert(address, client);
        address
    }

    /// Takes a client off the network; whatever is still sent to it is dropped.
    pub fn close<T>(&mut self, network: &mut Network<T>, address: Address) {
        network.take_down(address);
        self.forget(address);
        self.open.remove(&address);
    }

    /// Closes those that start a node.
    pub fn close_starting<T>(&mut self, network: &mut Network<T>, node: usize) {
        let starts = |client: &Client| matches!(client.owner, Owner::Init(it) | Owner::Setup(it) if it == node);
        let open = self.open.iter().filter(|(_, client)| starts(client));
        let addresses: Vec<Address> = open.map(|(address, _)| *address).collect();
        for address in addresses {
            self.close(network, address);
        }
    }

    /// Lets a client wait for nothing any more.
    pub fn forget(&mut self, address: Address) {
        if let Some(client) = self.open.get_mut(&address) {
            for (id, wait) in std::mem::take(&mut client.waiting) {
                self.deadlines.remove(&(wait.deadline, address, id));
            }
        }
    }

    /// Gives a request to a node its `msg_id` and waits for its answer until the deadline. The owner
    /// calls it by this number.
    ///
    /// # Panics
    /// When the client is closed.
    pub fn request(
        &mut self,
        address: Address,
        number: u64,
        node: usize,
        body: &mut Value,
        deadline: Duration,
    ) {
        let client = self
            .open
            .get_mut(&address)
            .expect("a request needs an open client");
        client.last_id += 1;
        let id = client.last_id;
        body["msg_id"] = id.into();
        client.waiting.insert(
            id,
            Wait {
                number,
                node,
                deadline,
            },
        );
        self.deadlines.insert((deadline, address, id));
    }

    /// Whether anyone waits for an answer of this node.
    pub fn wait_for(&self, node: usize) -> bool {
        let mut waits = self
            .open
            .values()
            .flat_map(|client| client.waiting.values());
        waits.any(|wait| wait.node == node)
    }

    /// What a client is for.
    pub fn owner(&self, address: Address) -> Option<Owner> {
        self.open.get(&address).map(|client| client.owner)
    }

    /// What a client is for, if it waits for an answer.
    pub fn waiting(&self, address: Address) -> Option<Owner> {
        let client = self.open.get(&address)?;
        (!client.waiting.is_empty()).then_some(client.owner)
    }

    /// The request whose wait this message ends; `None` when nobody waits for it.
    pub fn answered(&mut self, address: Address, body: &Edn) -> Option<u64> {
        let client = self.open.get_mut(&address)?;
        let id = body.get("in_reply_to")?.as_int()?.try_into().ok()?;
        let Wait {
            number, deadline, ..
        } = client.waiting.remove(&id)?;
        self.deadlines.remove(&(deadline, address, id));
        Some(number)
    }

    /// The next wait that is over by now.
    pub fn expired(&mut self, now: Duration) -> Option<(Address, Owner)> {
        let (deadline, address, id) = *self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.deadlines.pop_first();
        let client = self.open.get_mut(&address)?;
        client.waiting.remove(&id);
        Some((address, client.owner))
    }

    /// When the next wait is over.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, ..)| *deadline)
    }
}

/// Why an operation did not get a right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There was no answer in time.
    Timeout,
    /// The answer was an `error` body.
    Error {
        /// Its code.
        code: i64,
        /// Its text.
        text: Option<String>,
    },
    /// The answer does not have the form that it should have.
    Malformed(String),
}

impl Failure {
    /// The failure that an `error` body tells of.
    pub fn of(body: &Edn) -> Failure {
        Failure::Error {
            code: body.get("code").and_then(Edn::as_int).unwrap_or(-1),
            text: body.get("text").and_then(Edn::name).map(str::to_owned),
        }
    }

    /// How it ends an operation, as Maelstrom's clients decide it: the completion's type
    /// and its `:error`. So many requests of the operation may have taken effect before.
    pub fn outcome(&self, errors: Errors, before: u64) -> (OpType, Edn) {
        let (definite, error) = match self {
            Failure::Timeout => (false, Edn::kw("net-timeout")),
            Failure::Error { code, text } => {
                let (name, definite) = error_name(*code);
                (definite, Edn::vector([Edn::kw(name), text.clone().into()]))
            }
            Failure::Malformed(_) => return (OpType::Info, self.indeterminate()),
        };
        let fails = match errors {
            Errors::Unknown => return (OpType::Info, self.indeterminate()),
            Errors::Definite => definite && before == 0,
            Errors::LastDefinite => definite,
            Errors::Harmless => true,
        };
        let kind = if fails { OpType::Fail } else { OpType::Info };
        (kind, error)
    }

    /// The error that it is to whoever asked.
    pub(crate) fn to_error(&self) -> Error {
        match self {
            Failure::Timeout => Error::timeout("there was no answer in time"),
            Failure::Malformed(reason) => Error::crash(reason.clone()),
            Failure::Error { code, text } => {
                let text = text.clone().unwrap_or_default();
                match u32::try_from(*code) {
                    Ok(code) => Error::received(code, text),
                    Err(_) => Error::crash(text),
                }
            }
        }
    }

    fn indeterminate(&self) -> Edn {
        let reason = match self {
            Failure::Timeout => "Client read timeout".to_owned(),
            Failure::Malformed(reason) => format!("Malformed RPC response: {reason}"),
            Failure::Error { code, text } => {
                let text = text.as_deref().unwrap_or("no text");
                format!("error {code} {}: {text}", error_name(*code).0)
            }
        };
        format!("indeterminate: {reason}").into()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error {
            code: error.code().into(),
            text: Some(error.text().to_owned()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_error().fmt(f)
    }
}

/// The name of an error code, and whether the error is definite: whether the operation did
/// certainly not take place (Maelstrom's `errors.edn`).
fn error_name(code: i64) -> (&'static str, bool) {
    let error = u32::try_from(code).map(|code| Error::received(code, ""));
    match error {
        Ok(error) if error.name() != "custom" => (error.name(), error.is_definite()),
        _ => ("unknown", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glomer_runtime::Rng;
    use glomer_runtime::sim::Latency;
    use serde_json::json;

    fn body(value: Value) -> Edn {
        value.into()
    }

    #[test]
    fn a_client_hears_the_answer_to_its_request_and_no_other() {
        let mut network = Network::<()>::new(Latency::default(), Rng::seeded(1));
        let mut clients = Clients::default();
        let address = clients.open(&mut network, Owner::Thread(3));
        let second = Duration::from_secs(1);
        let mut request = json!({"type": "read"});
        clients.request(address, 7, 0, &mut request, second);
        assert_eq!(request["msg_id"], 1);
        assert_eq!(clients.expired(second / 2), None);
        assert_eq!(clients.expired(second), Some((address, Owner::Thread(3))));

        clients.request(address, 8, 0, &mut request, 2 * second);
        clients.request(address, 9, 0, &mut request, 2 * second);
        assert_eq!(request["msg_id"], 3);
        assert_eq!(clients.waiting(address), Some(Owner::Thread(3)));
        assert!(clients.wait_for(0));
        assert!(!clients.wait_for(1));
        for other in [
            json!({"in_reply_to": 1}),
            json!({"in_reply_to": 2.0}),
            json!({"in_reply_to": "2"}),
            json!({"in_reply_to": null}),
            json!({}),
        ] {
            assert_eq!(clients.answered(address, &body(other)), None);
        }
        for (id, number) in [(2, 8), (3, 9)] {
            let answer = body(json!({"in_reply_to": id}));
            assert_eq!(clients.answered(address, &answer), Some(number));
            assert_eq!(clients.answered(address, &answer), None);
        }
        assert_eq!(clients.waiting(address), None);
        assert!(!clients.wait_for(0));
        assert_eq!(clients.next_deadline(), None);
    }

    #[test]
    fn a_closed_client_waits_for_nothing() {
        let mut network = Network::<()>::new(Latency::default(), Rng::seeded(1));
        let mut clients = Clients::default();
        let address = clients.open(&mut network, Owner::Init(0));
        clients.request(address, 1, 0, &mut json!({}), Duration::ZERO);
        clients.close(&mut network, address);
        assert_eq!(clients.next_deadline(), None);
        assert_eq!(clients.expired(Duration::MAX), None);
        assert_eq!(
            clients.answered(address, &body(json!({"in_reply_to": 1}))),
            None
        );
        let next = clients.open(&mut network, Owner::Init(0));
        assert_eq!(network.name(next), "c1");
    }

    #[test]
    fn definite_errors_and_errors_of_reads_are_failures() {
        let error = |code| Failure::Error {
            code,
            text: Some("no".to_owned()),
        };
        let outcome = |failure: Failure, errors, before| {
            let (kind, error) = failure.outcome(errors, before);
            (kind, error.to_string())
        };
        let (definite, harmless) = (Errors::Definite, Errors::Harmless);
        assert_eq!(
            outcome(Failure::Timeout, definite, 0),
            (OpType::Info, ":net-timeout".into())
        );
        assert_eq!(outcome(Failure::Timeout, harmless, 0).0, OpType::Fail);
        let missing = (OpType::Fail, r#"[:key-does-not-exist "no"]"#.to_owned());
        assert_eq!(outcome(error(20), definite, 0), missing);
        assert_eq!(outcome(error(20), definite, 1).0, OpType::Info);
        assert_eq!(outcome(error(20), Errors::LastDefinite, 1), missing);
        assert_eq!(outcome(error(13), Errors::LastDefinite, 0).0, OpType::Info);
        assert_eq!(outcome(error(13), harmless, 1).0, OpType::Fail);
        assert_eq!(
            outcome(error(1001), definite, 0),
            (OpType::Info, r#"[:unknown "no"]"#.into())
        );
        assert_eq!(
            outcome(Failure::Malformed("x".into()), harmless, 0).0,
            OpType::Info
        );
        for code in [1, 10, 11, 12, 14, 20, 21, 22, 30] {
            assert_eq!(outcome(error(code), definite, 0).0, OpType::Fail, "{code}");
        }
        for failure in [Failure::Timeout, error(20)] {
            let (kind, error) = failure.outcome(Errors::Unknown, 0);
            assert_eq!(kind, OpType::Info);
            assert!(error.to_string().contains("indeterminate: "), "{error}");
        }
    }
}
