//! What a node has to see to, and when.
//!
//! * Its values get into a stream.
//! * It gets what it misses of a stream.
//! * Its parent knows what it has, and is there.
//! * Its wards have all that it has.
//! * Everyone hears when all have everything, and rests.
//! * What came from others is kept on its disk, if it has one.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::engine::Engine;
use super::news::fact;
use super::peer::{Asked, Peer};
use super::timing::{
    GAP_QUESTIONS, PATIENCE, POLL, POLL_DOUBLINGS, PROBE, REPORT_DELAY, REPORT_WHEN_QUIET,
};
use glomer_runtime::Context;

impl<T> Engine<T>
where
    T: Ord + Clone + Serialize + DeserializeOwned,
{
    /// Does what is due, and sends what there is to be sent.
    pub(super) fn work(&mut self, cx: &Context) {
        let now = cx.now();
        loop {
            if self.roles_changed {
                self.assign_roles(now);
            }
            self.pass_on_values(cx, now);
            self.watch(cx, now);
            if !self.roles_changed {
                break;
            }
        }
        self.fill_gaps(now);
        self.report(now);
        self.tell_done(now);
        self.send(cx, now);
        let next = [
            self.values_due(),
            self.watch_due(),
            self.gaps_due(),
            self.report_due(),
            self.done_due(),
            self.kept.due(),
        ];
        self.set_alarm(cx, next.into_iter().flatten().min());
    }

    /// Finds out anew who the parent, the hub and the wards are.
    pub(super) fn assign_roles(&mut self, now: Duration) {
        self.roles_changed = false;
        let me = self.order.me();
        let in_reach = |rank: &u32| !self.out_of_reach.contains(rank);
        let parent = self.order.parents_of(me).find(in_reach);
        let hub = (0..me).find(in_reach);
        let mut wards = self.order.children(|rank| !in_reach(&rank));
        let joined = self.peers.iter().filter(|(_, peer)| peer.joined);
        wards.extend(joined.map(|(rank, _)| *rank).filter(in_reach));
        if parent.is_none() {
            // Nobody else will tell those before it.
            wards.extend(0..me);
        }
        wards.retain(|ward| parent != Some(*ward));
        wards.sort_unstable();
        wards.dedup();
        for rank in wards.iter().chain(&parent) {
            let peer = self.peers.entry(*rank).or_insert_with(|| Peer::new(now));
            peer.compare(&self.holdings, now);
        }
        self.wards = wards;
        if self.hub != hub {
            self.hub = hub;
            self.intake.take_back(now);
        }
        if self.parent != parent {
            if let Some(former) = self.parent
                && !self.out_of_reach.contains(&former)
            {
                self.draft(former).leave = true;
            }
            self.parent = parent;
            self.parent_since = now;
            match parent {
                Some(_) => self.join(now),
                None => {
                    self.unreported.clear();
                    self.hello_at = None;
                }
            }
        }
    }

    // Its values get into a stream.

    fn values_due(&self) -> Option<Duration> {
        let gather = self.gathering_time();
        match self.hub {
            None => self.intake.flush_at(gather),
            Some(_) => {
                let due = [self.intake.hand_over_at(gather), self.intake.overdue_at()];
                due.into_iter().flatten().min()
            }
        }
    }

    fn pass_on_values(&mut self, cx: &Context, now: Duration) {
        if self.values_due().is_none_or(|due| due > now) {
            return;
        }
        let gather = self.gathering_time();
        let Some(hub) = self.hub else {
            let values = self.intake.flush(now);
            if !values.is_empty() {
                self.send_to_wards(values, now);
            }
            return;
        };
        let hub_heard_at = self.peer(hub, now).heard_at;
        let is_star = self.order.is_star();
        let overdue = self.intake.overdue(hub_heard_at, is_star, now);
        if !overdue.given_up.is_empty() {
            // The hub does not do it.
            if is_star {
                self.send_to_all(overdue.given_up, now);
                self.look_for_hubs(cx);
            } else {
                // The parent sees it in the next report.
                self.send_to_wards(overdue.given_up, now);
            }
        }
        if !overdue.again.is_empty() {
            for (value, round) in overdue.again {
                self.intake.expect(value.clone(), round, now);
                self.draft(hub).take.push(value);
            }
            if self.peer(hub, now).asked.is_none() {
                self.ask(cx, hub);
            }
        }
        if self.intake.hand_over_at(gather).is_some_and(|at| at <= now) {
            let values = self.intake.hand_over(gather, now);
            if !values.is_empty() {
                self.draft(hub).take.extend(values);
            }
        }
    }

    /// Asks those that might be a hub, and have not been heard of lately,
    /// whether they are there.
    fn look_for_hubs(&mut self, cx: &Context) {
        let now = cx.now();
        for rank in 0..self.order.me() {
            let silent_since = now.saturating_sub(self.patience(rank));
            let peer = self.peer(rank, now);
            let silent = peer.heard_at < silent_since && peer.asked.is_none();
            if silent && !self.out_of_reach.contains(&rank) {
                self.ask(cx, rank);
            }
        }
    }

    // It gets what it misses of a stream.

    fn gaps_due(&self) -> Option<Duration> {
        self.holdings.gaps().map(|(_, gap)| gap.ask_at).min()
    }

    fn fill_gaps(&mut self, now: Duration) {
        let due: Vec<usize> = self
            .holdings
            .gaps()
            .filter(|(_, gap)| gap.ask_at <= now)
            .map(|(place, _)| place)
            .collect();
        for place in due {
            let Some(gap) = self.holdings.gap_mut(place) else {
                continue;
            };
            if gap.asked >= GAP_QUESTIONS {
                // Whoever knew it is gone. What came after it may be known
                // here only, so it starts anew; what is in another stream is
                // in good hands, and nobody would take it.
                for value in self.holdings.give_up(place) {
                    self.intake.push(value, now);
                }
                continue;
            }
            let source = gap.source;
            let asked = gap.asked;
            gap.asked += 1;
            let patience = self.patience(source);
            let wait = (patience * (1 << asked)).min(PROBE).max(patience);
            if let Some(gap) = self.holdings.gap_mut(place) {
                gap.ask_at = now + wait;
            }
            let stream = &self.holdings.streams()[place];
            let want = fact(stream.id, stream.len());
            self.draft(source).want.push(want);
        }
    }

    // Its parent knows what it has.

    fn report_due(&self) -> Option<Duration> {
        let since = self.unreported_since;
        let news = (!self.unreported.is_empty())
            .then(|| (since + REPORT_DELAY).min(self.changed_at + REPORT_WHEN_QUIET));
        self.hello_at.into_iter().chain(news).min()
    }

    fn report(&mut self, now: Duration) {
        let Some(parent) = self.parent else { return };
        let no_longer_busy = self.reported_busy && !self.is_busy();
        if no_longer_busy || self.report_due().is_some_and(|at| at <= now) {
            self.draft(parent);
        }
    }

    // Its parent is there, and its wards have all that it has.

    /// Whether this node has nothing left that it knows all others have.
    fn is_at_rest(&self) -> bool {
        let all_know = self.parent.is_none() || self.done == Some(self.holdings.digest());
        all_know && self.intake.is_empty() && self.holdings.is_whole()
    }

    /// When a node is to be asked for a sign of life and for what it has.
    fn contact_due(&self, rank: u32) -> Option<Duration> {
        let peer = self.peers.get(&rank)?;
        let mut due = None;
        if self.is_ward(rank) && !peer.is_settled() {
            // It reports by itself.
            due = Some(match peer.behind_since {
                Some(since) => {
                    let at_the_latest = since.max(peer.reported_at) + REPORT_DELAY;
                    let when_quiet = self.changed_at.max(peer.reported_at) + REPORT_WHEN_QUIET;
                    at_the_latest.min(when_quiet) + self.patience(rank)
                }
                None => peer.reported_at + POLL,
            });
        }
        if self.parent == Some(rank) && !self.is_at_rest() {
            let since = peer.heard_at.max(self.changed_at).max(self.parent_since);
            let poll = since + POLL * (1 << self.polls.min(POLL_DOUBLINGS));
            due = Some(due.map_or(poll, |due| due.min(poll)));
        }
        match &peer.asked {
            Some(asked) if due.is_some() || asked.unanswered < PATIENCE => Some(asked.until),
            _ => due,
        }
    }

    fn watched(&self) -> Vec<u32> {
        let asked = self.peers.iter().filter(|(_, peer)| peer.asked.is_some());
        let mut watched: Vec<u32> = asked.map(|(rank, _)| *rank).collect();
        watched.extend(self.parent);
        watched.extend(&self.wards);
        watched.sort_unstable();
        watched.dedup();
        watched
    }

    fn watch_due(&self) -> Option<Duration> {
        let due = self.watched().into_iter();
        due.filter_map(|rank| self.contact_due(rank)).min()
    }

    fn watch(&mut self, cx: &Context, now: Duration) {
        for rank in self.watched() {
            if self.contact_due(rank).is_some_and(|due| due <= now) {
                if self.parent == Some(rank) {
                    self.polls += 1;
                }
                self.ask(cx, rank);
            }
        }
    }

    /// Asks a node what it has, and tells it what there is, unless it seems
    /// not to be there.
    pub(super) fn ask(&mut self, cx: &Context, rank: u32) {
        let now = cx.now();
        let patience = self.patience(rank);
        let asked = self.peer(rank, now).asked.take();
        let unanswered = asked.map_or(0, |asked| asked.unanswered + 1);
        if unanswered == PATIENCE {
            self.peer(rank, now).round_trip.is_late();
        }
        if unanswered >= PATIENCE && self.out_of_reach.insert(rank) {
            self.peer(rank, now).joined = false;
            self.roles_changed = true;
        }
        // The longer the silence, the rarer the questions; and never all of
        // them at the same moment.
        let backoff = patience * (1 << unanswered.saturating_sub(1).min(8));
        let wait = backoff.min(PROBE).max(patience);
        let wait = wait.mul_f64(1.0 + cx.rng().unit() / 4.0);
        self.peer(rank, now).asked = Some(Asked {
            unanswered,
            until: now + wait,
        });
        self.draft(rank).ask = true;
        if unanswered < PATIENCE {
            self.tell_all(rank);
        }
    }

    // Everyone hears when all have everything.

    /// Whether all below this node have what it has, and it is at rest.
    fn is_done(&self) -> bool {
        !self.is_busy() && self.is_at_rest()
    }

    fn untold(&self) -> impl Iterator<Item = u32> {
        let digest = self.holdings.digest();
        let told = move |ward: &u32| self.peers.get(ward).map(|peer| peer.told_done);
        let wards = self.wards.iter().copied();
        wards.filter(move |ward| told(ward) != Some(Some(digest)))
    }

    fn done_due(&self) -> Option<Duration> {
        let is_due = self.untold().next().is_some() && self.is_done();
        // Something new would make it untrue.
        is_due.then_some(self.changed_at + REPORT_WHEN_QUIET)
    }

    fn tell_done(&mut self, now: Duration) {
        if self.done_due().is_none_or(|due| due > now) {
            return;
        }
        let digest = self.holdings.digest();
        let untold: Vec<u32> = self.untold().collect();
        for ward in untold {
            self.peer(ward, now).told_done = Some(digest);
            self.draft(ward).done = Some(digest);
        }
    }
}
