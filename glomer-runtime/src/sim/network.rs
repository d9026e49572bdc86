//! The simulated network: what is in flight, when it is due, and what the faults do to it.

use super::latency::{Latency, nanos};
use crate::Rng;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// Who is on the network, as a small number that is cheap to copy and to compare.
///
/// [`Network::add`] hands them out from 0 upwards; an address means something only on the
/// network that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(u32);

impl Address {
    /// How many were added to the network before this one: the place of this address in a
    /// `Vec` that holds one item for each.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What an address stands for, which decides how the network treats its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A node of the system under test.
    Server,
    /// A client of the system. As in Maelstrom, its messages have no latency, so that this
    /// does not hide anomalies; and they are never lost or duplicated.
    Client,
    /// A service such as `lin-kv`, reached over the same links as a server.
    Service,
}

/// The number of a message, counted from 0 in the order of sending, lost ones included. A
/// duplicate has the number of its original.
pub type MessageId = u64;

/// Why a message did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// The link lost it ([`Network::set_loss`]); decided when it was sent.
    Loss,
    /// The receiver did not accept messages from the sender when this one arrived
    /// ([`Network::block`], [`Network::partition`]).
    Partition,
    /// The receiver was not there when it arrived ([`Network::take_down`]).
    Down,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It reached its destination.
    Delivered,
    /// It did not.
    Dropped(Dropped),
}

/// How a message waits for the end of its latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Each message arrives when its own latency has passed. What a client asks arrives at
    /// once.
    #[default]
    OnTime,
    /// Everyone has one reader, which takes the message that is due first and waits for it.
    /// What is sent meanwhile arrives after that one, even if it is due before it, and a
    /// client's request waits, too. Whether there is a partition matters when the reader
    /// takes the message.
    ///
    /// This is how Maelstrom does it (`recv!` in its `net.clj`), so that latencies measured
    /// there and here agree: while something is under way to a node, nobody reads what the
    /// node does not have yet.
    InTurn,
}

/// The end of a message's way through the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage<T> {
    /// The number that [`Network::send`] gave.
    pub id: MessageId,
    /// The sender.
    pub src: Address,
    /// The receiver.
    pub dest: Address,
    /// What was sent.
    pub message: T,
    /// When it was sent.
    pub sent: Duration,
    /// When it arrived, or would have.
    pub due: Duration,
    /// What became of it.
    pub fate: Fate,
}

/// A network in which messages take time, overtake each other and get lost: Maelstrom's
/// model (its `net.clj`), with more faults.
///
/// It neither reads a clock nor waits. The caller says what time it is, so the same network
/// serves virtual time (the simulator) and real time (the workbench). Times are measured
/// from any fixed moment and must not run backwards.
///
/// ```
/// use glomer_runtime::Rng;
/// use glomer_runtime::sim::{Latency, Network, Fate, Role, ms};
///
/// let mut net = Network::new(Latency::constant(ms(100)), Rng::seeded(42));
/// let a = net.add("n0", Role::Server);
/// let b = net.add("n1", Role::Server);
///
/// net.send(ms(0), a, b, "hello");
/// assert!(net.poll(ms(99)).is_none());
/// assert_eq!(net.next_due(), Some(ms(100)));
/// let event = net.poll(ms(100)).unwrap();
/// assert_eq!((event.message, event.fate), ("hello", Fate::Delivered));
/// ```
///
/// # Randomness
/// What is random about a message follows from the generator that the network was made with,
/// the names of its link's ends, and its number on this link. So what others send, and who else
/// there is, changes nothing; and turning loss on leaves the latencies as they are.
///
/// # Faults
/// A partition is checked when a message arrives:
/// what was under way when the partition began is dropped, and what was sent during the
/// partition and arrives after it is delivered. (Maelstrom checks it a little earlier; see
/// [`Delivery::InTurn`].)
pub struct Network<T> {
    endpoints: Vec<Endpoint>,
    names: HashMap<Arc<str>, Address>,
    latency: Latency,
    delivery: Delivery,
    links: HashMap<(Address, Address), Link, BuildHasherDefault<AddressHasher>>,
    stretch: f64,
    loss: f64,
    duplicate: f64,
    seed: u64,
    next_id: MessageId,
    next_order: u64,
    /// What is in flight and due not before what was sent before it, in this order: with a
    /// constant latency, everything between servers.
    in_order: VecDeque<Arrival>,
    /// What else is in flight, by the time at which it is due.
    overtaking: BinaryHeap<Reverse<Arrival>>,
    /// The messages themselves, so that moving arrivals about stays cheap.
    slots: Vec<Option<InFlight<T>>>,
    free: Vec<u32>,
}

impl<T> fmt::Debug for Network<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.endpoints.iter().map(|endpoint| &endpoint.name);
        f.debug_struct("Network")
            .field("names", &names.collect::<Vec<_>>())
            .field("latency", &self.latency)
            .field("delivery", &self.delivery)
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

/// The way from one address to another.
struct Link {
    /// Its own latency, if it has one.
    latency: Option<Latency>,
    /// The seed of the message that was sent last; the next one has the next.
    seed: u64,
}

/// Every message looks its link up, and nobody chooses addresses to make them collide.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write_u32(&mut self, number: u32) {
        let mixed = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32((*byte).into());
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

struct Endpoint {
    name: Arc<str>,
    role: Role,
    down: bool,
    /// One bit for each address whose messages this one does not accept; shorter than the
    /// list of addresses when the rest are accepted.
    blocked: Vec<u64>,
    /// Whether its reader has taken a message, with [`Delivery::InTurn`].
    reading: bool,
    /// What its reader has not taken yet, by the time at which it is due.
    waiting: BinaryHeap<Reverse<Arrival>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    due: u64,
    /// Breaks ties: what was sent first arrives first.
    order: u64,
    slot: u32,
}

struct InFlight<T> {
    id: MessageId,
    src: Address,
    dest: Address,
    message: T,
    sent: u64,
    /// Why it will not arrive, as far as that is decided.
    dropped: Option<Dropped>,
    /// Its receiver's reader has taken it.
    taken: bool,
}

/// What is random about a message.
#[derive(Default)]
struct Draws {
    lost: bool,
    /// How long it takes.
    latency: u64,
    /// How long its copy takes, if it has one.
    again: Option<u64>,
}

impl<T> Network<T> {
    /// A network without addresses. The latency is that between servers, and between
    /// servers and services.
    pub fn new(latency: Latency, rng: Rng) -> Network<T> {
        Network {
            endpoints: Vec::new(),
            names: HashMap::new(),
            latency,
            delivery: Delivery::default(),
            links: HashMap::default(),
            stretch: 1.0,
            loss: 0.0,
            duplicate: 0.0,
            seed: rng.next_u64(),
            next_id: 0,
            next_order: 0,
            in_order: VecDeque::new(),
            overtaking: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Puts someone on the network.
    ///
    /// # Panics
    /// When the name is taken.
    #[track_caller]
    pub fn add(&mut self, name: &str, role: Role) -> Address {
        let address = Address(self.endpoints.len() as u32);
        let name: Arc<str> = name.into();
        let earlier = self.names.insert(Arc::clone(&name), address);
        assert!(
            earlier.is_none(),
            "{name:?} is on this network already; every address needs a name of its own"
        );
        self.endpoints.push(Endpoint {
            name,
            role,
            down: false,
            blocked: Vec::new(),
            reading: false,
            waiting: BinaryHeap::new(),
        });
        address
    }

    /// The address of a name, if it is on this network.
    pub fn lookup(&self, name: &str) -> Option<Address> {
        self.names.get(name).copied()
    }

    /// The name of an address.
    pub fn name(&self, address: Address) -> &str {
        &self.endpoints[address.index()].name
    }

    /// What an address stands for.
    pub fn role(&self, address: Address) -> Role {
        self.endpoints[address.index()].role
    }

    /// Every address, in the order in which they were added.
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = Address> + use<T> {
        (0..self.endpoints.len() as u32).map(Address)
    }

    /// How many messages are under way, counting duplicates, and counting lost ones until
    /// they would have arrived.
    pub fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many messages were sent so far: the [`MessageId`] of the next one.
    pub fn sent(&self) -> u64 {
        self.next_id
    }

    /// When the next message arrives; `None` when nothing is under way.
    pub fn next_due(&self) -> Option<Duration> {
        let (arrival, _) = self.next_arrival()?;
        Some(Duration::from_nanos(arrival.due))
    }

    /// The next arrival, and whether it is one of those in order.
    fn next_arrival(&self) -> Option<(&Arrival, bool)> {
        let in_order = self.in_order.front().map(|arrival| (arrival, true));
        let overtaking = self.overtaking.peek();
        let overtaking = overtaking.map(|Reverse(arrival)| (arrival, false));
        in_order.into_iter().chain(overtaking).min()
    }

    /// The next message that is due at `now` or before, in the order of their due times and,
    /// among equals, of sending. Call it until it gives `None`.
    pub fn poll(&mut self, now: Duration) -> Option<Passage<T>> {
        let (first, in_order) = self.next_arrival()?;
        if first.due > nanos(now) {
            return None;
        }
        let Arrival { due, slot, .. } = if in_order {
            self.in_order.pop_front()?
        } else {
            self.overtaking.pop()?.0
        };
        let flight = self.slots[slot as usize].take()?;
        self.free.push(slot);
        let fate = if let Some(dropped) = flight.dropped {
            Fate::Dropped(dropped)
        } else if self.endpoints[flight.dest.index()].down {
            Fate::Dropped(Dropped::Down)
        } else if !flight.taken && self.is_blocked(flight.src, flight.dest) {
            Fate::Dropped(Dropped::Partition)
        } else {
            Fate::Delivered
        };
        if flight.taken {
            self.take(flight.dest, due);
        }
        Some(Passage {
            id: flight.id,
            src: flight.src,
            dest: flight.dest,
            message: flight.message,
            sent: Duration::from_nanos(flight.sent),
            due: Duration::from_nanos(due),
            fate,
        })
    }

    /// From now on, drops what arrives at `dest` from `src`; the other direction stays.
    pub fn block(&mut self, src: Address, dest: Address) {
        let blocked = &mut self.endpoints[dest.index()].blocked;
        let (word, bit) = (src.index() / 64, src.index() % 64);
        if blocked.len() <= word {
            blocked.resize(word + 1, 0);
        }
        blocked[word] |= 1 << bit;
    }

    /// Lets messages from `src` arrive at `dest` again.
    pub fn unblock(&mut self, src: Address, dest: Address) {
        if let Some(word) = self.endpoints[dest.index()]
            .blocked
            .get_mut(src.index() / 64)
        {
            *word &= !(1 << (src.index() % 64));
        }
    }

    /// Whether `dest` drops what arrives from `src`.
    pub fn is_blocked(&self, src: Address, dest: Address) -> bool {
        let blocked = &self.endpoints[dest.index()].blocked;
        blocked
            .get(src.index() / 64)
            .is_some_and(|word| word >> (src.index() % 64) & 1 == 1)
    }

    /// Blocks both directions between the members of different groups. Addresses in no
    /// group keep their links. Partitions add up until [`heal`](Network::heal).
    pub fn partition<G: AsRef<[Address]>>(&mut self, groups: &[G]) {
        let words = self.endpoints.len().div_ceil(64);
        let mut everyone = vec![0_u64; words];
        let masks: Vec<Vec<u64>> = groups
            .iter()
            .map(|group| {
                let mut mask = vec![0_u64; words];
                for member in group.as_ref() {
                    mask[member.index() / 64] |= 1 << (member.index() % 64);
                }
                everyone
                    .iter_mut()
                    .zip(&mask)
                    .for_each(|(all, m)| *all |= m);
                mask
            })
            .collect();
        for (group, mask) in groups.iter().zip(&masks) {
            for member in group.as_ref() {
                let blocked = &mut self.endpoints[member.index()].blocked;
                blocked.resize(words, 0);
                for ((bits, all), own) in blocked.iter_mut().zip(&everyone).zip(mask) {
                    *bits |= all & !own;
                }
            }
        }
    }

    /// Ends every partition and block. Loss, duplication, latency and who is down stay.
    pub fn heal(&mut self) {
        for endpoint in &mut self.endpoints {
            endpoint.blocked.clear();
        }
    }

    /// Takes an address off the network, as when its process dies: what arrives is dropped.
    pub fn take_down(&mut self, address: Address) {
        self.endpoints[address.index()].down = true;
    }

    /// Brings an address back; what is still under way to it arrives.
    pub fn bring_up(&mut self, address: Address) {
        self.endpoints[address.index()].down = false;
    }

    /// Loses each message with the probability `p`, from the next one sent; 0 ends it.
    ///
    /// # Panics
    /// When `p` is not in `0.0..=1.0`.
    #[track_caller]
    pub fn set_loss(&mut self, p: f64) {
        self.loss = probability("loss", p);
    }

    /// Delivers each message twice with the probability `p`, from the next one sent; each
    /// copy takes its own time. 0 ends it.
    ///
    /// # Panics
    /// When `p` is not in `0.0..=1.0`.
    #[track_caller]
    pub fn set_duplicate(&mut self, p: f64) {
        self.duplicate = probability("duplicate", p);
    }

    /// How likely a message between servers gets lost now.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// How likely one is delivered twice now.
    pub fn duplicate(&self) -> f64 {
        self.duplicate
    }

    /// How long one takes now, on a link without a latency of its own: stretched, if the network
    /// is [slow](Network::slow).
    pub fn latency(&self) -> Latency {
        self.latency.times(self.stretch)
    }

    /// Stretches every latency from now on by the factor, instead of an earlier factor.
    /// Maelstrom's own slow network has the factor 10.
    ///
    /// # Panics
    /// When the factor is negative or not finite.
    #[track_caller]
    pub fn slow(&mut self, factor: f64) {
        assert!(
            factor.is_finite() && factor >= 0.0,
            "a network slower by the factor {factor} makes no sense; give a number from 0 upwards"
        );
        self.stretch = factor;
    }

    /// Ends [`slow`](Network::slow).
    pub fn fast(&mut self) {
        self.stretch = 1.0;
    }

    /// How messages wait for the end of their latency, from the next one sent.
    pub fn set_delivery(&mut self, delivery: Delivery) {
        self.delivery = delivery;
    }

    /// Gives every link without a latency of its own this latency, from the next message
    /// sent.
    pub fn set_latency(&mut self, latency: Latency) {
        self.latency = latency;
    }

    /// Gives the link from `src` to `dest`, in this one direction, a latency of its own;
    /// `None` takes it away. It holds for links of clients, too.
    pub fn set_link_latency(&mut self, src: Address, dest: Address, latency: Option<Latency>) {
        self.link(src, dest).latency = latency;
    }

    fn link(&mut self, src: Address, dest: Address) -> &mut Link {
        self.links.entry((src, dest)).or_insert_with(|| {
            let name = |address: Address| &*self.endpoints[address.index()].name;
            Link {
                latency: None,
                seed: Rng::named(self.seed, &[name(src), name(dest)]).next_u64(),
            }
        })
    }

    fn is_client_link(&self, src: Address, dest: Address) -> bool {
        self.role(src) == Role::Client || self.role(dest) == Role::Client
    }

    /// Draws what becomes of the next message between two addresses.
    fn draw(&mut self, src: Address, dest: Address) -> Draws {
        let (latency, stretch) = (self.latency, self.stretch);
        let (loss, duplicate) = (self.loss, self.duplicate);
        let client = self.is_client_link(src, dest);
        if client && !self.links.contains_key(&(src, dest)) {
            return Draws::default();
        }
        let link = self.link(src, dest);
        link.seed = link.seed.wrapping_add(1);
        let latency = match link.latency {
            None if client => Latency::default(),
            own => own.unwrap_or(latency),
        };
        let mut rng = Rng::seeded(link.seed);
        if loss == 0.0 && duplicate == 0.0 && !latency.is_random() {
            return Draws {
                latency: latency.sample_nanos(&mut rng, stretch),
                ..Draws::default()
            };
        }
        // Whatever is on, each has its place in the sequence.
        let (lost, twice) = (rng.chance(loss), rng.chance(duplicate));
        let mut take = || latency.sample_nanos(&mut rng, stretch);
        Draws {
            lost: lost && !client,
            latency: take(),
            again: (twice && !client).then(take),
        }
    }

    fn enqueue(&mut self, due: u64, flight: InFlight<T>) {
        let InFlight { dest, sent, .. } = flight;
        let is_lost = flight.dropped.is_some();
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(flight);
                slot
            }
            None => {
                self.slots.push(Some(flight));
                (self.slots.len() - 1) as u32
            }
        };
        let order = self.next_order;
        self.next_order += 1;
        let arrival = Arrival { due, order, slot };
        if self.delivery == Delivery::OnTime || is_lost {
            return self.schedule(arrival);
        }
        let receiver = &mut self.endpoints[dest.index()];
        receiver.waiting.push(Reverse(arrival));
        if !receiver.reading {
            self.take(dest, sent);
        }
    }

    fn schedule(&mut self, arrival: Arrival) {
        match self.in_order.back() {
            Some(last) if *last > arrival => self.overtaking.push(Reverse(arrival)),
            _ => self.in_order.push_back(arrival),
        }
    }

    /// Lets a reader that is free at `now` take its next message.
    fn take(&mut self, dest: Address, now: u64) {
        let receiver = &mut self.endpoints[dest.index()];
        let next = receiver.waiting.pop();
        receiver.reading = next.is_some();
        let Some(Reverse(mut arrival)) = next else {
            return;
        };
        let place = arrival.slot as usize;
        let taken = self.slots[place].as_ref();
        let refused = taken.is_some_and(|flight| self.is_blocked(flight.src, dest));
        if let Some(flight) = &mut self.slots[place] {
            flight.taken = true;
            flight.dropped = refused.then_some(Dropped::Partition);
        }
        arrival.due = if refused { now } else { arrival.due.max(now) };
        self.schedule(arrival);
    }
}

impl<T: Clone> Network<T> {
    /// Sends a message, and gives its number. Loss, duplication and latency are decided
    /// here; whether the receiver accepts it, when it arrives.
    pub fn send(&mut self, now: Duration, src: Address, dest: Address, message: T) -> MessageId {
        let id = self.next_id;
        self.next_id += 1;
        let sent = nanos(now);
        let Draws {
            lost,
            latency,
            again,
        } = self.draw(src, dest);
        let due = sent.saturating_add(latency);
        let flight = InFlight {
            id,
            src,
            dest,
            message,
            sent,
            dropped: lost.then_some(Dropped::Loss),
            taken: false,
        };
        if let Some(latency) = again.filter(|_| !lost) {
            let again = sent.saturating_add(latency);
            let copy = InFlight {
                message: flight.message.clone(),
                ..flight
            };
            self.enqueue(due, flight);
            self.enqueue(again, copy);
        } else {
            self.enqueue(due, flight);
        }
        id
    }
}

#[track_caller]
fn probability(what: &str, p: f64) -> f64 {
    assert!(
        (0.0..=1.0).contains(&p),
        "the probability of {what} must be between 0.0 and 1.0, and {p} is not"
    );
    p
}
