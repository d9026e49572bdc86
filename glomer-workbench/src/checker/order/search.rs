//! The search for an order of operations that explains what they returned.
//!
//! This is just-in-time linearization (Lowe, *Testing for linearizability*, 2017): going through
//! invocations and returns in order, keep the set of configurations the object may be in, and let
//! operations take effect only when one of them returns, since until then nothing hangs on it.
//! Where there are too many configurations, one goes ahead in which the fewest operations took
//! effect before they had to, and the rest waits until it fails: an order is found without trying
//! all.
//!
//! What a model says about the [`Effect`] of its operations keeps the configurations few:
//!
//! - A read changes nothing, so it takes effect as soon as it can.
//! - A write may take effect right before another one and never be seen. From the moment another
//!   write takes effect while it is under way, a write is *free*: it may count as done whenever
//!   it returns, but may still take effect visibly before it does. Without this, every subset of
//!   the writes under way would be a configuration.
//! - A write that nobody sees before the next one might as well have been hidden by it, so it
//!   only takes effect if something that is no write can follow, and another write only follows
//!   once something did.
//!
//! And for every model:
//!
//! - Of operations under way that do the same, the one that returns first takes effect first.
//! - Of configurations in the same state, one that has all options of another stands for both.
//! - Operations whose fate is unknown may take effect at any time after their invocation, or
//!   never. Those that do the same are interchangeable, so only their number counts, and one
//!   takes effect only if something can follow.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;

use super::space::{Action, Space, StateId};
use super::{Effect, Model};

/// So many configurations are held at once.
pub(super) const MAX_HELD: usize = 50_000;

/// How to go through the configurations.
#[derive(Clone, Copy)]
struct Way {
    /// So many configurations of one return go ahead together, the others once these failed.
    portion: usize,
    /// So many are held at once.
    held: usize,
}

/// All configurations side by side while they are few, then the most likely first.
const WAYS: [Way; 2] = [
    Way {
        portion: usize::MAX,
        held: 10_000,
    },
    Way {
        portion: 1,
        held: MAX_HELD,
    },
];

/// An operation in terms of numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) action: Action,
    /// When it was invoked, as a place in the history.
    pub(super) invoked: usize,
    /// When it returned, as a place in the history; `None` if nobody knows whether it took
    /// effect.
    pub(super) returned: Option<usize>,
}

/// A state the object may be in, with operations as places in the list of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) state: StateId,
    /// The operation that took effect last.
    pub(crate) last: Option<usize>,
    /// Those that were invoked and may still take effect.
    pub(crate) pending: Vec<usize>,
}

pub(crate) enum Found {
    /// The states the object may be in at the end: at least one, and not all if there are many.
    Order(Vec<Ending>),
    /// No order explains this call's return.
    Stuck {
        call: usize,
        /// Those before its return.
        before: Vec<Ending>,
        room: Room,
    },
    /// There were too many orders to try at this call's return.
    TooMany { call: usize },
}

/// Until when there was room for a call that fits no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Until the return of a call. Before it, the other could still have been next.
    Until {
        returned: usize,
        /// The call that had led to the state in which the other is possible, if it was not so
        /// from the start.
        made_by: Option<usize>,
    },
    /// There never was.
    Never,
    /// It is too long ago to tell.
    Forgotten,
}

/// Looks for an order of calls, which are in the order of their invocations. `steps` is how many
/// more may be tried, and goes down.
pub(super) fn search<M: Model>(
    space: &mut Space<'_, M>,
    calls: &[Call],
    steps: &mut usize,
) -> Found {
    search_by(&WAYS, space, calls, steps)
}

/// Tries the ways one after the other, until one does not come upon too many orders.
fn search_by<M: Model>(
    ways: &[Way],
    space: &mut Space<'_, M>,
    calls: &[Call],
    steps: &mut usize,
) -> Found {
    let mut events: Vec<(usize, Edge)> = Vec::new();
    let mut unknown: Vec<Unknown> = Vec::new();
    let mut places = FxHashMap::default();
    for (number, call) in calls.iter().enumerate() {
        if let Some(returned) = call.returned {
            events.push((call.invoked, Edge::Invoked(number)));
            events.push((returned, Edge::Returned(number)));
        } else if space.effect(call.action) != Effect::Reads {
            // Such a read fits anywhere.
            let place = *places.entry(call.action).or_insert_with(|| {
                unknown.push(Unknown {
                    action: call.action,
                    calls: Vec::new(),
                });
                unknown.len() - 1
            });
            unknown[place].calls.push(number);
        }
    }
    events.sort_unstable_by_key(|(place, _)| *place);
    let mut search = Search {
        space,
        calls,
        unknown,
        steps,
        held: 0,
    };
    let mut found = search.run(&events, ways[0]);
    for way in &ways[1..] {
        if !matches!(found, Found::TooMany { .. }) {
            break;
        }
        found = search.run(&events, *way);
    }
    found
}

#[derive(Clone, Copy)]
enum Edge {
    Invoked(usize),
    Returned(usize),
}

/// The calls of unknown fate that do the same, in the order of their invocations.
struct Unknown {
    action: Action,
    calls: Vec<usize>,
}

/// A configuration the object may be in. The lists are sorted.
#[derive(Clone, Debug, Default)]
struct Configuration {
    state: StateId,
    last: Option<usize>,
    /// The call that led to this state.
    changed: Option<usize>,
    /// Calls under way that have not taken effect, except writes.
    waiting: Vec<usize>,
    /// Writes under way that have not taken effect.
    writes: Vec<usize>,
    /// Writes under way that may or may not have taken effect.
    free: Vec<usize>,
    /// What took effect of [`Search::unknown`], by place, as often as it did.
    used: Vec<usize>,
    /// The last thing to happen was a write that nothing has seen yet.
    unseen_write: bool,
    /// How many calls took effect before they returned, reads aside.
    ahead: usize,
    /// Its place among those that were found for a return.
    found: usize,
}

/// Configurations to look at: first those in which the least took effect before it had to, and of
/// these the last one added.
#[derive(Default)]
struct Queue {
    added: usize,
    open: BTreeMap<(usize, Reverse<usize>), Configuration>,
}

/// What is being tried at a return.
struct Level {
    /// The place of the return among the events.
    at: usize,
    /// Its place in the history.
    place: usize,
    /// The call that returns.
    call: usize,
    /// What has not been looked at yet.
    queue: Queue,
    /// What has been put into the queue, beside what the level began with.
    seen: Frontier,
}

/// The returns on the way to where the search is, each with the configurations before it.
#[derive(Default)]
struct Trail {
    /// The place in the history, the call, and the configurations.
    returns: VecDeque<(usize, usize, Vec<Configuration>)>,
    /// How many configurations these are.
    held: usize,
    /// Whether there were more returns.
    forgot: bool,
}

struct Search<'s, 'a, M: Model> {
    space: &'s mut Space<'a, M>,
    calls: &'s [Call],
    unknown: Vec<Unknown>,
    steps: &'s mut usize,
    /// How many configurations wait at earlier returns.
    held: usize,
}

impl<M: Model> Search<'_, '_, M> {
    fn run(&mut self, events: &[(usize, Edge)], way: Way) -> Found {
        self.held = 0;
        let mut gone: FxHashMap<usize, Frontier> = FxHashMap::default();
        let mut levels: Vec<Level> = Vec::new();
        let mut deepest = (0, Found::Order(Vec::new()));
        let mut configurations = vec![Configuration::default()];
        let mut trail = Trail::default();
        let mut at = 0;
        while let Some(&(place, event)) = events.get(at) {
            let call = match event {
                Edge::Invoked(call) => {
                    self.invoke(&mut configurations, call);
                    at += 1;
                    continue;
                }
                Edge::Returned(call) => call,
            };
            let mut level = Level {
                at,
                place,
                call,
                queue: Queue::default(),
                seen: Frontier::default(),
            };
            for configuration in configurations.iter().rev() {
                level.queue.add(configuration.clone());
            }
            trail.add(place, call, configurations);
            let after = loop {
                let gone = gone.get(&level.at);
                let Some(after) = self.returns(&mut level, gone, way) else {
                    return Found::TooMany { call: level.call };
                };
                if !after.is_empty() {
                    break after;
                }
                // A level that is taken up again is not the deepest.
                if deepest.0 < level.at {
                    deepest = (level.at, self.stuck(&trail));
                }
                let Some(earlier) = levels.pop() else {
                    return deepest.1;
                };
                self.held -= earlier.held();
                level = earlier;
                trail.back_to(level.place);
            };
            at = level.at + 1;
            let is_open = !level.queue.open.is_empty();
            if is_open || !levels.is_empty() {
                // Whatever comes back here need not go the same way again.
                let gone = gone.entry(level.at).or_default();
                self.held -= gone.len;
                gone.extend(&after);
                self.held += gone.len;
            }
            if is_open {
                self.held += level.held();
                levels.push(level);
            }
            configurations = after.into_configurations();
        }
        Found::Order(self.endings(&configurations, usize::MAX))
    }

    /// What there is to say about a call that cannot return, at the end of the trail.
    fn stuck(&mut self, trail: &Trail) -> Found {
        let mut returns = trail.returns.iter().rev();
        let Some((place, call, configurations)) = returns.next() else {
            return Found::Order(Vec::new());
        };
        let mut room = if trail.forgot {
            Room::Forgotten
        } else {
            Room::Never
        };
        for (place, returned, configurations) in returns {
            if let Some(made_by) = self.room(*place, configurations, *call) {
                room = Room::Until {
                    returned: *returned,
                    made_by,
                };
                break;
            }
            if *self.steps == 0 {
                room = Room::Forgotten;
                break;
            }
        }
        Found::Stuck {
            call: *call,
            before: self.endings(configurations, *place),
            room,
        }
    }

    /// Whether a call could be next at an earlier place, or had taken effect: if so, the call
    /// that led to the state in which it can be.
    fn room(
        &mut self,
        place: usize,
        configurations: &[Configuration],
        call: usize,
    ) -> Option<Option<usize>> {
        let action = self.calls[call].action;
        let mut queue = Queue::default();
        let mut seen = Frontier::default();
        for configuration in configurations.iter().rev() {
            let mut start = configuration.clone();
            if place < self.calls[call].invoked {
                start.waiting.push(call);
            }
            queue.add(start);
        }
        while let Some(configuration) = queue.take() {
            let taken = configuration.waiting.binary_search(&call).is_err();
            if taken || self.step(configuration.state, action).is_some() {
                return Some(configuration.changed.filter(|&changed| changed != call));
            }
            for next in self.steps(&configuration, place, call) {
                if seen.add(&next) {
                    queue.add(next);
                }
            }
            if *self.steps == 0 || seen.len > MAX_HELD {
                return None;
            }
        }
        None
    }

    fn invoke(&mut self, configurations: &mut [Configuration], call: usize) {
        let writes = self.effect(call) == Effect::Writes;
        for configuration in configurations {
            if writes {
                configuration.writes.push(call);
            } else {
                configuration.waiting.push(call);
                self.take_reads(configuration);
            }
        }
    }

    /// Some more of what the configurations may become by the time the call returns: any calls
    /// under way take effect, the last of them this one. Empty once there are no more; `None` if
    /// there are too many to try.
    fn returns(
        &mut self,
        level: &mut Level,
        gone: Option<&Frontier>,
        way: Way,
    ) -> Option<Frontier> {
        let Level { place, call, .. } = *level;
        let mut after = Frontier::default();
        let mut found = 0;
        while after.len < way.portion
            && let Some(configuration) = level.queue.take()
        {
            let contains = |list: &[usize]| list.binary_search(&call).is_ok();
            let must = contains(&configuration.waiting) || contains(&configuration.writes);
            let may = contains(&configuration.free);
            if must || may {
                for next in self.steps(&configuration, place, call) {
                    if level.seen.add(&next) {
                        level.queue.add(next);
                    }
                }
            }
            if !must {
                let mut done = configuration;
                done.free.retain(|&free| free != call);
                done.unseen_write = false;
                if !may && self.effect(call) != Effect::Reads {
                    done.ahead -= 1;
                }
                done.found = found;
                found += 1;
                if !gone.is_some_and(|gone| gone.covers(&done)) {
                    after.add(&done);
                }
            }
            if *self.steps == 0 || self.held + level.held() + after.len > way.held {
                return None;
            }
        }
        Some(after)
    }

    /// What a configuration becomes by one more call taking effect that is no read, at a place in
    /// the history, as far as this leads to `call` or to something else. The most likely comes
    /// last.
    fn steps(
        &mut self,
        configuration: &Configuration,
        place: usize,
        call: usize,
    ) -> Vec<Configuration> {
        let mut steps = Vec::new();
        for kind in 0..self.unknown.len() {
            let action = self.unknown[kind].action;
            let effect = self.space.effect(action);
            if effect == Effect::Writes && configuration.unseen_write {
                continue;
            }
            // One that changes nothing may still be what hides writes under way.
            let hides = effect == Effect::Writes && !configuration.writes.is_empty();
            if let Some(number) = self.unused(configuration, kind, place)
                && let Some(state) = self.step(configuration.state, action)
                && (state != configuration.state || hides)
                && self.leads_on(configuration, state, place)
            {
                let mut next = self.after(configuration, number, state);
                let at = next.used.partition_point(|&used| used < kind);
                next.used.insert(at, kind);
                steps.push(next);
            }
        }
        let calls = self.calls;
        let returned = |number: usize| calls[number].returned;
        let nothing_follows = configuration.waiting.is_empty() && self.unknown.is_empty();
        let mut first: Vec<(Action, usize)> = Vec::new();
        let under_way = [
            &configuration.waiting,
            &configuration.writes,
            &configuration.free,
        ];
        for &number in under_way.into_iter().flatten() {
            let action = calls[number].action;
            match self.space.effect(action) {
                Effect::Reads => continue,
                Effect::Writes if configuration.unseen_write => continue,
                Effect::Writes if nothing_follows && number != call => continue,
                Effect::Writes | Effect::Any => {}
            }
            match first.iter_mut().find(|(other, _)| *other == action) {
                Some((_, other)) if returned(number) < returned(*other) => *other = number,
                Some(_) => {}
                None => first.push((action, number)),
            }
        }
        first.sort_unstable_by_key(|(_, number)| Reverse(returned(*number)));
        for (action, number) in first {
            let may_wait = self.space.effect(action) == Effect::Writes && number != call;
            if let Some(state) = self.step(configuration.state, action)
                && (!may_wait || self.leads_on(configuration, state, place))
            {
                let mut next = self.after(configuration, number, state);
                for list in [&mut next.waiting, &mut next.writes, &mut next.free] {
                    list.retain(|&other| other != number);
                }
                steps.push(next);
            }
        }
        for next in &mut steps {
            self.take_reads(next);
        }
        steps
    }

    /// A copy in the state that a call leads to.
    fn after(&self, configuration: &Configuration, call: usize, state: StateId) -> Configuration {
        let mut next = configuration.clone();
        if state != configuration.state {
            next.state = state;
            next.changed = Some(call);
        }
        next.last = Some(call);
        next.ahead += 1;
        next.unseen_write = self.effect(call) == Effect::Writes;
        if next.unseen_write {
            next.free.append(&mut next.writes);
            next.free.sort_unstable();
        }
        next
    }

    /// Whether something that is no write can take effect in a state, so that it matters that the
    /// object was in it.
    fn leads_on(&mut self, configuration: &Configuration, state: StateId, place: usize) -> bool {
        let calls = self.calls;
        let mut waiting = configuration.waiting.iter();
        if waiting.any(|&number| self.step(state, calls[number].action).is_some()) {
            return true;
        }
        (0..self.unknown.len()).any(|kind| {
            let action = self.unknown[kind].action;
            self.space.effect(action) != Effect::Writes
                && self.unused(configuration, kind, place).is_some()
                && self.step(state, action).is_some()
        })
    }

    /// The first call of unknown fate and of this kind that was invoked before a place in the
    /// history and has not taken effect.
    fn unused(&self, configuration: &Configuration, kind: usize, place: usize) -> Option<usize> {
        let used = |bound| configuration.used.partition_point(|&used| used < bound);
        let unused = used(kind + 1) - used(kind);
        let number = *self.unknown[kind].calls.get(unused)?;
        (self.calls[number].invoked < place).then_some(number)
    }

    fn step(&mut self, state: StateId, action: Action) -> Option<StateId> {
        *self.steps = self.steps.saturating_sub(1);
        self.space.step(state, action)
    }

    fn effect(&self, call: usize) -> Effect {
        self.space.effect(self.calls[call].action)
    }

    /// Lets all reads take effect that can.
    fn take_reads(&mut self, configuration: &mut Configuration) {
        let mut waiting = std::mem::take(&mut configuration.waiting);
        waiting.retain(|&number| {
            let taken = self.effect(number) == Effect::Reads
                && self
                    .step(configuration.state, self.calls[number].action)
                    .is_some();
            if taken {
                configuration.last = Some(number);
                configuration.unseen_write = false;
            }
            !taken
        });
        configuration.waiting = waiting;
    }

    /// What the configurations mean for the calls that were invoked before a place in the
    /// history.
    fn endings(&self, configurations: &[Configuration], until: usize) -> Vec<Ending> {
        configurations
            .iter()
            .map(|configuration| {
                let mut pending = configuration.waiting.clone();
                pending.extend(configuration.writes.iter().chain(&configuration.free));
                for (place, unknown) in self.unknown.iter().enumerate() {
                    let used = configuration.used.iter().filter(|&&used| used == place);
                    let unused = &unknown.calls[used.count()..];
                    let begun = unused.partition_point(|&call| self.calls[call].invoked < until);
                    pending.extend(&unused[..begun]);
                }
                pending.sort_unstable();
                Ending {
                    state: configuration.state,
                    last: configuration.last,
                    pending,
                }
            })
            .collect()
    }
}

impl Level {
    fn held(&self) -> usize {
        self.queue.open.len() + self.seen.len
    }
}

impl Queue {
    fn add(&mut self, configuration: Configuration) {
        let key = (configuration.ahead, Reverse(self.added));
        self.added += 1;
        self.open.insert(key, configuration);
    }

    fn take(&mut self) -> Option<Configuration> {
        self.open
            .pop_first()
            .map(|(_, configuration)| configuration)
    }
}

impl Trail {
    fn add(&mut self, place: usize, call: usize, configurations: Vec<Configuration>) {
        self.held += configurations.len();
        self.returns.push_back((place, call, configurations));
        while self.held > MAX_HELD && self.returns.len() > 1 {
            let oldest = self.returns.pop_front();
            self.held -= oldest.map_or(0, |(.., configurations)| configurations.len());
            self.forgot = true;
        }
    }

    /// Drops what came after the return at a place in the history.
    fn back_to(&mut self, place: usize) {
        while self.returns.back().is_some_and(|last| last.0 > place) {
            let last = self.returns.pop_back();
            self.held -= last.map_or(0, |(.., configurations)| configurations.len());
        }
    }
}

impl Configuration {
    /// Whether whatever can happen after `other` can happen after this one too, if both are in the
    /// same state with the same calls waiting.
    fn stands_for(&self, other: &Self) -> bool {
        let contains = |list: &[usize], number: &usize| list.binary_search(number).is_ok();
        (other.unseen_write || !self.unseen_write)
            && self
                .writes
                .iter()
                .all(|write| contains(&other.writes, write))
            && other
                .writes
                .iter()
                .all(|write| contains(&self.writes, write) || contains(&self.free, write))
            && other.free.iter().all(|write| contains(&self.free, write))
            && is_sub_multiset(&self.used, &other.used)
    }
}

/// Whether every number is in the second list at least as often as in the first. Both are sorted.
fn is_sub_multiset(small: &[usize], large: &[usize]) -> bool {
    let mut large = large.iter();
    small
        .iter()
        .all(|number| large.by_ref().any(|other| other == number))
}

/// Configurations none of which stands for another.
#[derive(Default)]
struct Frontier {
    /// Only those of equal state can stand for each other, and of equal `waiting`.
    groups: FxHashMap<(StateId, Vec<usize>), Vec<Configuration>>,
    len: usize,
}

impl Frontier {
    fn covers(&self, configuration: &Configuration) -> bool {
        self.groups
            .get(&(configuration.state, configuration.waiting.clone()))
            .is_some_and(|same| same.iter().any(|other| other.stands_for(configuration)))
    }

    /// Adds the configuration unless another stands for it. Says whether it was added.
    fn add(&mut self, configuration: &Configuration) -> bool {
        let group = (configuration.state, configuration.waiting.clone());
        let same = self.groups.entry(group).or_default();
        if same.iter().any(|other| other.stands_for(configuration)) {
            return false;
        }
        let before = same.len();
        same.retain(|other| !configuration.stands_for(other));
        same.push(configuration.clone());
        self.len = self.len - before + same.len();
        true
    }

    fn extend(&mut self, other: &Self) {
        for configuration in other.groups.values().flatten() {
            self.add(configuration);
        }
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Those in which the least took effect before it had to come first.
    fn into_configurations(self) -> Vec<Configuration> {
        let mut all: Vec<Configuration> = self.groups.into_values().flatten().collect();
        all.sort_unstable_by_key(|configuration| (configuration.ahead, configuration.found));
        all
    }
}

#[cfg(test)]
mod tests {
    use glomer_runtime::Rng;

    use super::*;

    /// A register of three values, and what is done to it: a read of the first value, a write of
    /// it, or a cas from it to the second.
    struct Register;

    impl Model for Register {
        type Op = [u8; 3];
        type Output = ();
        type State = u8;
        type Key = ();

        fn key(&self, _: &[u8; 3]) {}

        fn initial(&self, (): &()) -> u8 {
            0
        }

        fn step(&self, value: &u8, op: &[u8; 3], _: Option<&()>) -> Option<u8> {
            match *op {
                [0, read, _] => (*value == read).then_some(read),
                [1, written, _] => Some(written),
                [_, from, to] => (*value == from).then_some(to),
            }
        }

        fn effect(&self, op: &[u8; 3], _: Option<&()>) -> Effect {
            match op {
                [0, ..] => Effect::Reads,
                [1, ..] => Effect::Writes,
                _ => Effect::Any,
            }
        }
    }

    /// Calls at random times, up to five at once, some of them of unknown fate.
    fn drawn<'a>(space: &mut Space<'a, Register>, ops: &'a [[u8; 3]], rng: &mut Rng) -> Vec<Call> {
        let mut calls: Vec<Call> = Vec::new();
        let mut under_way: Vec<usize> = Vec::new();
        let mut moment = 0;
        for op in ops.iter().map(Some).chain([None]) {
            let most = if op.is_some() {
                rng.below(5) as usize
            } else {
                0
            };
            while under_way.len() > most {
                let call = under_way.swap_remove(rng.below(under_way.len() as u64) as usize);
                calls[call].returned = (!rng.chance(0.2)).then_some(moment);
                moment += 1;
            }
            if let Some(op) = op {
                under_way.push(calls.len());
                calls.push(Call {
                    action: space.action(op, None),
                    invoked: moment,
                    returned: None,
                });
                moment += 1;
            }
        }
        calls
    }

    /// Tests of small histories would not come to the second way, which long ones need.
    #[test]
    fn both_ways_find_an_order_or_none() {
        let mut orders = 0;
        for seed in 0..2_000 {
            let mut rng = Rng::seeded(seed);
            let below = || rng.below(3) as u8;
            let ops: Vec<[u8; 3]> = (0..9).map(|_| [below(), below(), below()]).collect();
            let mut space = Space::new(&Register, 0);
            let calls = drawn(&mut space, &ops, &mut rng);
            let [side_by_side, one_by_one] = WAYS.map(|way| {
                let found = search_by(&[way], &mut space, &calls, &mut 1_000_000);
                assert!(!matches!(found, Found::TooMany { .. }), "seed {seed}");
                matches!(found, Found::Order(_))
            });
            assert_eq!(side_by_side, one_by_one, "seed {seed}");
            orders += usize::from(side_by_side);
        }
        assert!((200..1_800).contains(&orders), "{orders} of 2,000");
    }
}
