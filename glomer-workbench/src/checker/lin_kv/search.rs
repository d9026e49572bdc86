//! The search for an order of a register's operations that explains what they returned.
//!
//! This is just-in-time linearization (Lowe, *Testing for linearizability*, 2017): going through
//! invocations and returns in order, keep the set of configurations the register may be in, and
//! let operations take effect only when one of them returns, since until then nothing hangs on
//! it. The crate `todc-utils` has a search for any specification, which copies a bit per
//! operation of the whole history at every step, and so needs gigabytes for tens of thousands of
//! operations on one key; it also knows no operations that never return, and does not tell which
//! one it got stuck at. The tests hold the two against each other.
//!
//! Some facts about registers keep the configurations few:
//!
//! - A read changes nothing, so it takes effect as soon as the register holds what it returned.
//! - A write may take effect right before another one and never be seen. From the moment another
//!   write takes effect while it is under way, a write is *free*: it may count as done whenever
//!   it returns, but may still take effect visibly before it does. Without this, every subset of
//!   the writes under way would be a configuration.
//! - A write that nobody sees before the next one might as well have been hidden by it, so it
//!   only takes effect if something under way needs its value, and another write only follows
//!   once something did.
//! - Of operations under way that do the same, the one that returns first takes effect first.
//! - Of configurations with the same value, one that has all options of another stands for both.
//!
//! Operations whose fate is unknown may take effect at any time after their invocation, or never.
//! Those that do the same are interchangeable, so only their number counts.

use std::collections::{HashMap, VecDeque};

/// A value of the register, by number.
pub(super) type Value = u32;

/// The number of the value a register starts with; a read of it fits any state.
pub(super) const NIL: Value = 0;

/// So many configurations at one return, and the search gives up.
const MAX_CONFIGURATIONS: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    /// Returns the value.
    Read(Value),
    /// Sets the value.
    Write(Value),
    /// Sets the value to the second if it is the first.
    Cas(Value, Value),
}

#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) action: Action,
    /// When it was invoked, as a place in the history.
    pub(super) invoked: usize,
    /// When it returned, as a place in the history; `None` if nobody knows whether it took
    /// effect.
    pub(super) returned: Option<usize>,
}

/// A state the register may be in, in terms of places in the list of operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) value: Value,
    /// The operation that took effect last.
    pub(super) last: Option<usize>,
    /// Those that were invoked and may still take effect.
    pub(super) pending: Vec<usize>,
}

pub(super) enum Outcome {
    /// The states the register may be in at the end, at least one.
    Linearizable(Vec<State>),
    /// No order explains this operation's return.
    Stuck {
        operation: usize,
        /// Those before its return.
        states: Vec<State>,
    },
    /// There were too many configurations at this operation's return.
    TooWide { operation: usize },
}

/// A state as the search keeps it. The lists are sorted.
#[derive(Clone, Debug, Default)]
struct Configuration {
    value: Value,
    last: Option<usize>,
    /// Reads and cas under way that have not taken effect.
    waiting: Vec<usize>,
    /// Writes under way that have not taken effect.
    writes: Vec<usize>,
    /// Writes under way that may or may not have taken effect.
    free: Vec<usize>,
    /// Actions of unknown fate that took effect, as often as they did.
    used: Vec<usize>,
    /// The last thing to happen was a write that nothing has seen yet.
    unseen_write: bool,
}

/// The operations are in the order of their invocations.
pub(super) fn search(operations: &[Operation]) -> Outcome {
    let mut events: Vec<(usize, Event)> = Vec::with_capacity(operations.len() * 2);
    for (number, operation) in operations.iter().enumerate() {
        events.push((operation.invoked, Event::Invoked(number)));
        if let Some(returned) = operation.returned {
            events.push((returned, Event::Returned(number)));
        }
    }
    events.sort_unstable_by_key(|(place, _)| *place);

    let mut search = Search {
        operations,
        unknown: Vec::new(),
    };
    let mut numbers = HashMap::new();
    let mut configurations = vec![Configuration::default()];
    for (_, event) in events {
        match event {
            Event::Invoked(number) if operations[number].returned.is_none() => {
                let action = operations[number].action;
                let unknown = &mut search.unknown;
                let at = *numbers.entry(action).or_insert_with(|| {
                    unknown.push((action, Vec::new()));
                    unknown.len() - 1
                });
                search.unknown[at].1.push(number);
            }
            Event::Invoked(number) => {
                for configuration in &mut configurations {
                    if let Action::Write(_) = operations[number].action {
                        configuration.writes.push(number);
                    } else {
                        configuration.waiting.push(number);
                        search.take_reads(configuration);
                    }
                }
            }
            Event::Returned(number) => {
                let Some(after) = search.returns(&configurations, number) else {
                    return Outcome::TooWide { operation: number };
                };
                if after.is_empty() {
                    return Outcome::Stuck {
                        operation: number,
                        states: search.states(&configurations),
                    };
                }
                configurations = after.into_configurations();
            }
        }
    }
    Outcome::Linearizable(search.states(&configurations))
}

#[derive(Clone, Copy)]
enum Event {
    Invoked(usize),
    Returned(usize),
}

struct Search<'a> {
    operations: &'a [Operation],
    /// The actions of unknown fate so far, each with the operations that do it.
    unknown: Vec<(Action, Vec<usize>)>,
}

impl Search<'_> {
    /// What the configurations may become by the time `operation` returns: any operations under
    /// way take effect, the last of them this one. `None` if there are too many ways to tell.
    fn returns(&self, configurations: &[Configuration], operation: usize) -> Option<Frontier> {
        let mut after = Frontier::default();
        let mut seen = Frontier::default();
        for start in configurations {
            let needed = self.needed(start);
            let mut queue = VecDeque::from([start.clone()]);
            while let Some(configuration) = queue.pop_front() {
                let contains = |list: &[usize]| list.binary_search(&operation).is_ok();
                let must = contains(&configuration.waiting) || contains(&configuration.writes);
                let may = contains(&configuration.free);
                if !must {
                    let mut done = configuration.clone();
                    done.free.retain(|&free| free != operation);
                    done.unseen_write = false;
                    after.add(done);
                }
                if !must && !may {
                    continue;
                }
                for next in self.steps(&configuration, operation, &needed) {
                    if seen.add(next.clone()) {
                        queue.push_back(next);
                    }
                }
                if seen.len + after.len > MAX_CONFIGURATIONS {
                    return None;
                }
            }
        }
        Some(after)
    }

    /// The values that something under way needs to find in the register, or that lead to one by
    /// a cas of unknown fate.
    fn needed(&self, configuration: &Configuration) -> Vec<Value> {
        let waiting = configuration.waiting.iter();
        let mut needed: Vec<Value> = waiting
            .filter_map(|&number| match self.operations[number].action {
                Action::Read(value) | Action::Cas(value, _) => Some(value),
                Action::Write(_) => None,
            })
            .collect();
        let mut at = 0;
        while let Some(&value) = needed.get(at) {
            for (action, _) in &self.unknown {
                if let Action::Cas(from, to) = *action
                    && to == value
                    && !needed.contains(&from)
                {
                    needed.push(from);
                }
            }
            at += 1;
        }
        needed
    }

    /// What a configuration becomes by one more write or cas taking effect, as far as this leads
    /// to `operation` or to something else that needs it.
    fn steps(
        &self,
        configuration: &Configuration,
        operation: usize,
        needed: &[Value],
    ) -> Vec<Configuration> {
        let useful = |action: Action| match action {
            Action::Read(_) => false,
            Action::Write(value) => !configuration.unseen_write && needed.contains(&value),
            Action::Cas(_, to) => needed.contains(&to),
        };
        let required = |number: usize, action: Action| match action {
            Action::Read(_) => false,
            Action::Write(_) => number == operation && !configuration.unseen_write,
            Action::Cas(..) => true,
        };
        let mut first: Vec<(Action, usize)> = Vec::new();
        let under_way = [
            &configuration.waiting,
            &configuration.writes,
            &configuration.free,
        ];
        for &number in under_way.into_iter().flatten() {
            let action = self.operations[number].action;
            if !required(number, action) && !useful(action) {
                continue;
            }
            let returned = |number: usize| self.operations[number].returned;
            match first.iter_mut().find(|(other, _)| *other == action) {
                Some((_, other)) if returned(number) < returned(*other) => *other = number,
                Some(_) => {}
                None => first.push((action, number)),
            }
        }
        let mut steps = Vec::new();
        for (action, number) in first {
            if let Some(mut next) = self.apply(configuration, action) {
                for list in [&mut next.waiting, &mut next.writes, &mut next.free] {
                    list.retain(|&other| other != number);
                }
                next.last = Some(number);
                self.take_reads(&mut next);
                steps.push(next);
            }
        }
        for (at, (action, operations)) in self.unknown.iter().enumerate() {
            let first = configuration.used.partition_point(|&used| used < at);
            let used = configuration.used[first..].partition_point(|&used| used == at);
            if used < operations.len()
                && useful(*action)
                && let Some(mut next) = self.apply(configuration, *action)
            {
                next.used.insert(first, at);
                next.last = Some(operations[used]);
                self.take_reads(&mut next);
                steps.push(next);
            }
        }
        steps
    }

    /// A copy with the action's effect, if it can take effect and is not a read.
    fn apply(&self, configuration: &Configuration, action: Action) -> Option<Configuration> {
        match action {
            Action::Read(_) => None,
            Action::Write(value) => {
                let mut next = configuration.clone();
                next.value = value;
                next.unseen_write = true;
                next.free.append(&mut next.writes);
                next.free.sort_unstable();
                Some(next)
            }
            Action::Cas(from, to) => (from == configuration.value).then(|| {
                let mut next = configuration.clone();
                next.value = to;
                next.unseen_write = false;
                next
            }),
        }
    }

    fn states(&self, configurations: &[Configuration]) -> Vec<State> {
        configurations
            .iter()
            .map(|configuration| {
                let mut pending = configuration.waiting.clone();
                pending.extend(configuration.writes.iter().chain(&configuration.free));
                for (at, (_, operations)) in self.unknown.iter().enumerate() {
                    let used = configuration.used.iter().filter(|&&used| used == at);
                    pending.extend(&operations[used.count()..]);
                }
                pending.sort_unstable();
                State {
                    value: configuration.value,
                    last: configuration.last,
                    pending,
                }
            })
            .collect()
    }

    /// Lets all reads take effect that return the value the register has.
    fn take_reads(&self, configuration: &mut Configuration) {
        let value = configuration.value;
        configuration.waiting.retain(|&number| {
            let taken = matches!(self.operations[number].action,
                Action::Read(read) if read == value || read == NIL);
            if taken {
                configuration.last = Some(number);
                configuration.unseen_write = false;
            }
            !taken
        });
    }
}

impl Configuration {
    /// Whether whatever can happen after `other` can happen after this one too.
    fn stands_for(&self, other: &Self) -> bool {
        let contains = |list: &[usize], number: &usize| list.binary_search(number).is_ok();
        self.value == other.value
            && self.waiting == other.waiting
            && (other.unseen_write || !self.unseen_write)
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
    /// Only those of equal value can stand for each other, and of equal `waiting`.
    groups: HashMap<(Value, Vec<usize>), Vec<Configuration>>,
    len: usize,
}

impl Frontier {
    /// Adds the configuration unless another stands for it. Says whether it was added.
    fn add(&mut self, configuration: Configuration) -> bool {
        let group = (configuration.value, configuration.waiting.clone());
        let same = self.groups.entry(group).or_default();
        if same.iter().any(|other| other.stands_for(&configuration)) {
            return false;
        }
        let before = same.len();
        same.retain(|other| !configuration.stands_for(other));
        same.push(configuration);
        self.len = self.len - before + same.len();
        true
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn into_configurations(self) -> Vec<Configuration> {
        let mut groups: Vec<_> = self.groups.into_iter().collect();
        groups.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        groups
            .into_iter()
            .flat_map(|(_, configurations)| configurations)
            .collect()
    }
}
