//! How much was sent, by whom, of what kind.

use super::network::{Address, Fate, Network, Role};
use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;

/// A number of messages and of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// How many messages.
    pub messages: u64,
    /// How long their lines are together, in bytes, without the line feeds.
    pub bytes: u64,
}

impl Tally {
    fn since(self, earlier: Tally) -> Tally {
        Tally {
            messages: self.messages - earlier.messages,
            bytes: self.bytes - earlier.bytes,
        }
    }
}

impl AddAssign<usize> for Tally {
    /// Counts one message of so many bytes.
    fn add_assign(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }
}

/// What a cluster has sent so far; see [`Cluster::traffic`](super::Cluster::traffic).
///
/// Every message counts when it is sent, whether it arrives or not, and duplicates made by
/// the network do not count as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Messages from and to clients, `init` and `init_ok` included.
    pub clients: Tally,
    /// Messages between nodes. Maelstrom's `:servers` are these and `services`.
    pub servers: Tally,
    /// Messages from and to services.
    pub services: Tally,
    /// By the `type` of the body.
    pub by_type: BTreeMap<String, Tally>,
    /// By sender: nodes, services and clients.
    pub sent_by: BTreeMap<String, Tally>,
    /// By receiver: what was delivered to nodes, services and clients.
    pub received_by: BTreeMap<String, Tally>,
    /// Messages that arrived, duplicates included.
    pub delivered: u64,
    /// Messages that did not arrive: lost, partitioned away, or to a node that was down.
    pub dropped: u64,
}

impl Traffic {
    /// What was sent after an earlier moment of the same cluster.
    ///
    /// ```
    /// # use glomer_runtime::sim::Cluster;
    /// # #[derive(Default)]
    /// # struct State;
    /// # #[glomer_runtime::handler("echo", reply = "echo")]
    /// # fn echo(_: &State, echo: u64) -> u64 { echo }
    /// # let mut cluster = Cluster::<State>::new(3).start();
    /// let before = cluster.traffic();
    /// // … something happens …
    /// let cost = cluster.traffic().since(&before);
    /// assert_eq!(cost.servers.messages, 0);
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &Traffic) -> Traffic {
        let each = |now: &BTreeMap<String, Tally>, then: &BTreeMap<String, Tally>| {
            let difference = now.iter().map(|(name, tally)| {
                let before = then.get(name).copied().unwrap_or_default();
                (name.clone(), tally.since(before))
            });
            difference.filter(|(_, tally)| tally.messages > 0).collect()
        };
        Traffic {
            clients: self.clients.since(earlier.clients),
            servers: self.servers.since(earlier.servers),
            services: self.services.since(earlier.services),
            by_type: each(&self.by_type, &earlier.by_type),
            sent_by: each(&self.sent_by, &earlier.sent_by),
            received_by: each(&self.received_by, &earlier.received_by),
            delivered: self.delivered - earlier.delivered,
            dropped: self.dropped - earlier.dropped,
        }
    }
}

/// The running counts behind [`Traffic`], in the form that is cheap to add to.
#[derive(Default)]
pub(super) struct Counters {
    clients: Tally,
    servers: Tally,
    services: Tally,
    by_type: HashMap<Box<str>, Tally>,
    /// By index of the address.
    sent_by: Vec<Tally>,
    received_by: Vec<Tally>,
    delivered: u64,
    dropped: u64,
}

impl Counters {
    pub(super) fn sent(&mut self, src: (Address, Role), dest: Role, kind: &str, bytes: usize) {
        let (src, role) = src;
        match (role, dest) {
            (Role::Client, _) | (_, Role::Client) => self.clients += bytes,
            (Role::Service, _) | (_, Role::Service) => self.services += bytes,
            (Role::Server, Role::Server) => self.servers += bytes,
        }
        match self.by_type.get_mut(kind) {
            Some(tally) => *tally += bytes,
            None => *self.by_type.entry(kind.into()).or_default() += bytes,
        }
        *of(&mut self.sent_by, src) += bytes;
    }

    pub(super) fn ended(&mut self, dest: Address, fate: Fate, bytes: usize) {
        match fate {
            Fate::Delivered => {
                self.delivered += 1;
                *of(&mut self.received_by, dest) += bytes;
            }
            Fate::Dropped(_) => self.dropped += 1,
        }
    }

    pub(super) fn report<T>(&self, network: &Network<T>) -> Traffic {
        let named = |tallies: &[Tally]| {
            let used = network.addresses().zip(tallies);
            used.filter(|(_, tally)| tally.messages > 0)
                .map(|(address, tally)| (network.name(address).to_owned(), *tally))
                .collect()
        };
        let by_type = self.by_type.iter();
        Traffic {
            clients: self.clients,
            servers: self.servers,
            services: self.services,
            by_type: by_type
                .map(|(kind, tally)| (kind.to_string(), *tally))
                .collect(),
            sent_by: named(&self.sent_by),
            received_by: named(&self.received_by),
            delivered: self.delivered,
            dropped: self.dropped,
        }
    }
}

fn of(tallies: &mut Vec<Tally>, address: Address) -> &mut Tally {
    if tallies.len() <= address.index() {
        tallies.resize(address.index() + 1, Tally::default());
    }
    &mut tallies[address.index()]
}
