//! One node's part in the spreading: what it does with what it hears.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::holdings::{Holdings, StreamId};
use super::intake::Intake;
use super::kept::Kept;
use super::news::{Fact, News, Part, WINDOW, fact};
use super::order::Order;
use super::peer::Peer;
use super::timing::{
    HELLO_DELAY, STRETCH, Smoothed, Typical, UNKNOWN_JITTER, UNKNOWN_PATIENCE, UNKNOWN_ROUND_TRIP,
};
use glomer_runtime::{Context, Error};

/// After how many gathering times without news the load counts as low.
const QUIET: u32 = 4;

/// How many wards a hub asks for a first round trip.
const FIRST_PINGS: usize = 2;

/// What [`Spread`](super::Spread) is once it knows its name.
///
/// The duties that it does when they are due are in `duties`.
pub(super) struct Engine<T> {
    pub(super) order: Order,
    /// Tells this life of the node from its earlier ones.
    pub(super) run: u32,
    pub(super) holdings: Holdings<T>,
    pub(super) intake: Intake<T>,
    pub(super) kept: Kept,
    pub(super) peers: BTreeMap<u32, Peer>,
    /// Who did not answer lately.
    pub(super) out_of_reach: BTreeSet<u32>,

    // What follows from the order and from who is out of reach.
    pub(super) roles_changed: bool,
    /// Who this node gets its news from; `None` for the root.
    pub(super) parent: Option<u32>,
    pub(super) parent_since: Duration,
    /// Who puts its values into a stream; `None` if it does that itself.
    pub(super) hub: Option<u32>,
    /// Whom it feeds, and sees to it that they have all that it has; in order.
    pub(super) wards: Vec<u32>,

    /// The round trips to all neighbours.
    round_trip: Smoothed,
    typical_round_trip: Typical,
    /// When something new came up last, here or elsewhere.
    news_at: Duration,
    /// When the holdings changed last.
    pub(super) changed_at: Duration,
    /// The streams whose growth the parent was not told yet.
    pub(super) unreported: BTreeSet<usize>,
    pub(super) unreported_since: Duration,
    /// When the parent is to be told that this node is there.
    pub(super) hello_at: Option<Duration>,
    pub(super) reported_busy: bool,
    /// How often the parent was asked for a sign of life since the last change.
    pub(super) polls: u32,
    /// The digest of holdings that all nodes are known to have.
    pub(super) done: Option<u64>,
    /// Messages to be sent at the end of this turn, by receiver.
    drafts: BTreeMap<u32, News<T>>,
    /// When this node will wake itself up.
    alarms: BTreeSet<Duration>,
    next_ping: u32,
}

impl<T> Engine<T>
where
    T: Ord + Clone + Serialize + DeserializeOwned,
{
    pub(super) fn start(cx: &Context) -> Self {
        Self::start_with(cx, Kept::default(), Holdings::new(), Vec::new())
    }

    /// The same with what is on the disk, where everything is kept from now on.
    pub(super) fn start_kept(cx: &Context) -> Result<Self, Error> {
        let (kept, holdings, loose) = Kept::load(cx, cx.now())?;
        Ok(Self::start_with(cx, kept, holdings, loose))
    }

    fn start_with(cx: &Context, kept: Kept, holdings: Holdings<T>, loose: Vec<T>) -> Self {
        let now = cx.now();
        let rng = cx.rng();
        let hello = HELLO_DELAY.mul_f64(rng.unit());
        let mut engine = Self {
            order: Order::new(cx),
            run: rng.next_u64() as u32,
            holdings,
            intake: Intake::new(),
            kept,
            peers: BTreeMap::new(),
            out_of_reach: BTreeSet::new(),
            roles_changed: false,
            parent: None,
            parent_since: now,
            hub: None,
            wards: Vec::new(),
            round_trip: Smoothed::default(),
            typical_round_trip: Typical::default(),
            news_at: now,
            changed_at: now,
            unreported: BTreeSet::new(),
            unreported_since: now,
            hello_at: None,
            reported_busy: false,
            polls: 0,
            done: None,
            drafts: BTreeMap::new(),
            alarms: BTreeSet::new(),
            next_ping: rng.next_u64() as u32,
        };
        for value in loose {
            engine.intake.push(value, now);
        }
        engine.assign_roles(now);
        // It may be a restart, so that the parent has news for it.
        engine.hello_at = engine.parent.map(|_| now + hello);
        engine.work(cx);
        engine
    }

    /// Takes in a value of this node's own.
    pub(super) fn insert(&mut self, cx: &Context, value: T) -> bool {
        let now = cx.now();
        if !self.holdings.insert(value.clone()) {
            return false;
        }
        self.kept.value(cx, &value);
        // With low load nothing is gained by gathering, so that the value may
        // as well take the shortest way.
        let quiet = now >= self.news_at + QUIET * self.gathering_time();
        let known = self.typical_round_trip.get().is_some();
        if self.hub.is_some() && self.order.is_star() && quiet && known {
            self.send_to_all(vec![value], now);
        } else {
            self.intake.push(value, now);
        }
        self.news_at = now;
        self.work(cx);
        true
    }

    /// Takes in what another node, or this one's alarm, tells.
    pub(super) fn receive(&mut self, cx: &Context, news: News<T>) {
        let now = cx.now();
        if news.alarm {
            if cx.sender() == cx.node_id() {
                self.alarms.retain(|alarm| *alarm > now);
                self.work(cx);
            }
            return;
        }
        let Some(from) = self.order.rank(cx, cx.sender()) else {
            return;
        };
        if from == self.order.me() {
            return;
        }
        let is_other = self.peer(from, now).meet(news.run, now);
        self.roles_changed |= is_other;
        if is_other && self.parent == Some(from) {
            // It has forgotten all that it was told.
            self.join(now);
        }
        let was_away = self.hear(from, now);
        let peer = self.peer(from, now);
        if let Some(ping) = news.ping {
            peer.take_ping(ping, now);
        }
        if let Some(pong) = news.pong
            && let Some(sample) = peer.take_pong(pong, now)
        {
            self.round_trip.sample(sample);
            self.typical_round_trip.sample(sample);
        }
        if news.leave || (news.up && !self.peer(from, now).joined) {
            self.peer(from, now).joined = news.up;
            self.roles_changed = true;
        }
        if self.roles_changed {
            self.assign_roles(now);
        }
        for part in news.parts {
            self.take_part(from, news.run, part, now);
        }
        for value in news.take {
            if self.holdings.insert(value.clone()) {
                self.news_at = now;
                self.intake.push(value, now);
            }
        }
        for (owner, run, start) in news.want {
            self.answer_want(from, StreamId { owner, run }, start);
        }
        self.take_facts(from, &news.have, news.all, now);
        if news.up || news.all {
            self.take_report(from, news.busy, news.all, now);
        }
        if was_away && !news.all && self.is_ward(from) {
            // What the two have said since then was lost.
            self.ask(cx, from);
        }
        if let Some(done) = news.done {
            self.done = Some(done);
        }
        if news.ask {
            self.answer(from, now);
        }
        self.work(cx);
    }

    // What was heard.

    /// Takes note that a node is there. Returns whether it was out of reach.
    fn hear(&mut self, from: u32, now: Duration) -> bool {
        let peer = self.peer(from, now);
        peer.heard_at = now;
        peer.asked = None;
        peer.round_trip.came();
        let was_away = self.out_of_reach.remove(&from);
        self.roles_changed |= was_away;
        if was_away && from < self.order.me() {
            // Whoever comes after it may be back as well, and is its charge.
            self.out_of_reach.retain(|rank| *rank < from);
        }
        was_away
    }

    fn take_part(&mut self, from: u32, run: u32, part: Part<T>, now: Duration) {
        let (owner, run) = part.of.unwrap_or((from, run));
        if owner >= self.order.len() || part.values.is_empty() {
            return;
        }
        let Some(end) = part.at.checked_add(part.values.len() as u64) else {
            return;
        };
        let place = self.holdings.place(StreamId { owner, run });
        self.peer(from, now).note(place, end);
        let (old, new) = self.holdings.extend(place, part.at, part.values, now);
        if let Some(end) = self.holdings.loose_end(place) {
            let ask_at = now + self.grace(from);
            self.holdings.hear(place, end, from, ask_at);
        }
        if new > old {
            self.kept.grew(place, old, now);
            self.news_at = now;
            for value in self.holdings.streams()[place].from(old) {
                self.intake.is_in_stream(value, now);
            }
            self.changed(place, now);
            if !part.to_all {
                self.forward(place, old, Some(from));
            }
        } else if end <= old && !part.to_all && self.parent != Some(from) {
            // It feeds this node in vain.
            self.draft(from).leave = true;
        }
    }

    fn take_facts(&mut self, from: u32, facts: &[Fact], all: bool, now: Duration) {
        let ask_at = if all { now } else { now + self.grace(from) };
        for (owner, run, len) in facts.iter().copied() {
            if owner < self.order.len() {
                let place = self.holdings.place(StreamId { owner, run });
                self.peer(from, now).note(place, len);
                self.holdings.hear(place, len, from, ask_at);
            }
        }
    }

    fn take_report(&mut self, from: u32, busy: bool, all: bool, now: Duration) {
        let under_way = self.patience(from);
        let is_ward = self.is_ward(from);
        let peer = self.peers.entry(from).or_insert_with(|| Peer::new(now));
        peer.reported_at = now;
        peer.busy = busy;
        peer.compare(&self.holdings, now);
        if !is_ward || peer.behind_since.is_none() {
            return;
        }
        // What grew just now may still be under way.
        let missing: Vec<Fact> = peer
            .lacks(self.holdings.streams())
            .filter(|(_, stream)| all || now >= stream.extended_at + under_way)
            .map(|(_, stream)| fact(stream.id, stream.len()))
            .collect();
        if !missing.is_empty() {
            self.draft(from).have.extend(missing);
        }
    }

    // What is told.

    /// Puts values into this node's own stream.
    fn append(&mut self, values: Vec<T>, now: Duration) -> (usize, u64) {
        let place = self.holdings.place(StreamId {
            owner: self.order.me(),
            run: self.run,
        });
        for value in &values {
            self.intake.is_in_stream(value, now);
        }
        let end = self.holdings.streams()[place].len();
        let (old, _) = self.holdings.extend(place, end, values, now);
        self.kept.grew(place, old, now);
        self.changed(place, now);
        (place, old)
    }

    /// Puts values into this node's own stream, and sends them to its wards.
    pub(super) fn send_to_wards(&mut self, values: Vec<T>, now: Duration) {
        let (place, start) = self.append(values, now);
        self.forward(place, start, None);
        if self.typical_round_trip.get().is_none() {
            for ward in self.wards.clone().into_iter().take(FIRST_PINGS) {
                self.draft(ward).ask = true;
            }
        }
    }

    /// Puts values into this node's own stream, and sends them to everyone.
    pub(super) fn send_to_all(&mut self, values: Vec<T>, now: Duration) {
        let (place, start) = self.append(values, now);
        for rank in 0..self.order.len() {
            if rank != self.order.me() && !self.out_of_reach.contains(&rank) {
                let parts = self.parts(place, start).map(|part| Part {
                    to_all: true,
                    ..part
                });
                let parts: Vec<_> = parts.collect();
                self.draft(rank).parts.extend(parts);
            }
        }
    }

    /// Sends what a stream has grown by to those wards that lack it.
    fn forward(&mut self, place: usize, start: u64, except: Option<u32>) {
        let len = self.holdings.streams()[place].len();
        let mut receivers = Vec::new();
        for ward in &self.wards {
            let has = self.peers.get(ward).map_or(0, |peer| peer.has(place));
            if has < len && Some(*ward) != except && !self.out_of_reach.contains(ward) {
                receivers.push((*ward, has.max(start)));
            }
        }
        for (ward, start) in receivers {
            let parts: Vec<_> = self.parts(place, start).collect();
            self.draft(ward).parts.extend(parts);
        }
    }

    fn parts(&self, place: usize, start: u64) -> impl Iterator<Item = Part<T>> {
        let stream = &self.holdings.streams()[place];
        let own = stream.id.owner == self.order.me() && stream.id.run == self.run;
        let of = (!own).then_some(stream.id);
        Part::pieces(of, start, stream.from(start))
    }

    fn answer_want(&mut self, from: u32, id: StreamId, start: u64) {
        if id.owner < self.order.len() {
            let place = self.holdings.place(id);
            let parts: Vec<_> = self.parts(place, start).take(WINDOW).collect();
            if !parts.is_empty() {
                self.draft(from).parts.extend(parts);
            }
        }
    }

    /// Tells all that this node has.
    fn answer(&mut self, from: u32, now: Duration) {
        self.peer(from, now).told_done = None;
        self.tell_all(from);
    }

    pub(super) fn tell_all(&mut self, to: u32) {
        let facts = self.facts();
        let busy = self.is_busy();
        let draft = self.draft(to);
        draft.have = facts;
        draft.all = true;
        draft.busy = busy;
    }

    pub(super) fn facts(&self) -> Vec<Fact> {
        let streams = self.holdings.streams().iter();
        streams
            .filter(|stream| stream.len() > 0)
            .map(|stream| fact(stream.id, stream.len()))
            .collect()
    }

    // Bookkeeping.

    fn changed(&mut self, place: usize, now: Duration) {
        self.changed_at = now;
        self.polls = 0;
        if self.parent.is_some() {
            if self.unreported.is_empty() {
                self.unreported_since = now;
            }
            self.unreported.insert(place);
        }
        for ward in &self.wards {
            if let Some(peer) = self.peers.get_mut(ward) {
                peer.behind_since.get_or_insert(now);
            }
        }
    }

    /// Has the parent told everything anew.
    pub(super) fn join(&mut self, now: Duration) {
        let streams = self.holdings.streams().iter().enumerate();
        let held = streams.filter(|(_, stream)| stream.len() > 0);
        self.unreported = held.map(|(place, _)| place).collect();
        self.hello_at = Some(now);
        self.polls = 0;
    }

    pub(super) fn peer(&mut self, rank: u32, now: Duration) -> &mut Peer {
        self.peers.entry(rank).or_insert_with(|| Peer::new(now))
    }

    pub(super) fn is_ward(&self, rank: u32) -> bool {
        self.wards.binary_search(&rank).is_ok()
    }

    /// Not all below this node are known to have what it has.
    pub(super) fn is_busy(&self) -> bool {
        let settled = |ward| self.peers.get(ward).is_some_and(Peer::is_settled);
        !self.wards.iter().all(settled)
    }

    /// The message under way to a node.
    pub(super) fn draft(&mut self, to: u32) -> &mut News<T> {
        let run = self.run;
        self.drafts.entry(to).or_insert_with(|| News::new(run))
    }

    // Time.

    /// How long a hub gathers.
    pub(super) fn gathering_time(&self) -> Duration {
        let round_trip = self.typical_round_trip.get();
        round_trip.unwrap_or(UNKNOWN_ROUND_TRIP).mul_f64(STRETCH)
    }

    /// How long a node may take to answer.
    pub(super) fn patience(&self, rank: u32) -> Duration {
        let peer = self.peers.get(&rank);
        peer.and_then(|peer| peer.round_trip.patience())
            .or(self.round_trip.patience())
            .unwrap_or(UNKNOWN_PATIENCE)
    }

    /// How long something may be late without being lost: messages overtake
    /// each other.
    fn grace(&self, rank: u32) -> Duration {
        let peer = self.peers.get(&rank);
        peer.and_then(|peer| peer.round_trip.jitter())
            .or(self.round_trip.jitter())
            .unwrap_or(UNKNOWN_JITTER)
    }

    // The end of a turn.

    /// Keeps what is due to be kept, and sends the messages of this turn, with what is owed to
    /// their receivers.
    pub(super) fn send(&mut self, cx: &Context, now: Duration) {
        self.kept.streams(cx, &self.holdings);
        for (to, mut news) in std::mem::take(&mut self.drafts) {
            if self.parent == Some(to) {
                let unreported = std::mem::take(&mut self.unreported);
                if !news.all {
                    let streams = self.holdings.streams();
                    let grown = unreported.into_iter().map(|place| &streams[place]);
                    news.have
                        .extend(grown.map(|stream| fact(stream.id, stream.len())));
                }
                news.busy = self.is_busy();
                news.up = true;
                self.reported_busy = news.busy;
                self.hello_at = None;
            }
            let is_neighbour = self.parent == Some(to) || self.is_ward(to);
            let ping = self.next_ping;
            let peer = self.peer(to, now);
            news.pong = peer.pong(now);
            if is_neighbour {
                news.ping = peer.start_ping(ping, now);
                self.next_ping = ping.wrapping_add(u32::from(news.ping.is_some()));
            }
            let name = self.order.name(cx, to);
            for message in news.split() {
                cx.send(name, message);
            }
        }
    }

    /// Has the node wake itself up when the next duty is due.
    pub(super) fn set_alarm(&mut self, cx: &Context, next: Option<Duration>) {
        let Some(next) = next else { return };
        let now = cx.now();
        if self.alarms.first().is_none_or(|first| next < *first) {
            self.alarms.insert(next);
            let mut alarm = News::<T>::new(self.run);
            alarm.alarm = true;
            cx.after(next.saturating_sub(now), alarm);
        }
    }
}
