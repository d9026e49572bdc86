//! Whether what clients saw of a register could have happened one operation
//! after the other, each at some moment between its request and its answer
//! (Herlihy and Wing). The search is Lowe's just-in-time one ("Testing for
//! linearizability", 2017): operations are put in order only when an answer
//! demands it.

use std::collections::BTreeSet;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Action {
    /// What was read; `None` for no value.
    Read(Option<u64>),
    Write(u64),
    /// From, to, and whether it succeeded.
    Cas(u64, u64, bool),
}

#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) action: Action,
    pub(super) invoked: Duration,
    /// `None` if it may take place at any later time, or never.
    pub(super) completed: Option<Duration>,
}

/// One way in which things may have gone: the value, and the set of those under
/// way that have taken place, one bit for each operation of the history.
type Way = (Option<u64>, u64);

/// The value after an action, if the action fits the value before.
fn apply(value: Option<u64>, action: Action) -> Option<Option<u64>> {
    match action {
        Action::Read(read) => (read == value).then_some(value),
        Action::Write(new) => Some(Some(new)),
        Action::Cas(from, to, true) => (value == Some(from)).then_some(Some(to)),
        Action::Cas(from, _, false) => (value != Some(from)).then_some(value),
    }
}

/// The first operation, in the order of the answers, whose answer cannot be
/// explained.
pub(super) fn first_unexplained(history: &[Operation]) -> Option<&Operation> {
    assert!(history.len() <= 64, "the search is for short histories");
    // Requests come before answers of the same moment: they may have overlapped.
    let mut events = Vec::new();
    for (index, operation) in history.iter().enumerate() {
        events.push((operation.invoked, false, index));
        events.extend(operation.completed.map(|at| (at, true, index)));
    }
    events.sort();
    let mut under_way = Vec::new();
    let mut ways = BTreeSet::from([(None, 0)]);
    for (_, answered, index) in events {
        if !answered {
            under_way.push(index);
            continue;
        }
        ways = with_done(ways, index, &under_way, history);
        under_way.retain(|other| *other != index);
        if ways.is_empty() {
            return Some(&history[index]);
        }
    }
    None
}

/// The ways that go on from these and in which an operation has taken place.
fn with_done(
    ways: BTreeSet<Way>,
    index: usize,
    under_way: &[usize],
    history: &[Operation],
) -> BTreeSet<Way> {
    let mut found = BTreeSet::new();
    let mut seen = ways.clone();
    let mut open: Vec<Way> = ways.into_iter().collect();
    while let Some((value, done)) = open.pop() {
        let is_done = |index: usize| done >> index & 1 == 1;
        if is_done(index) {
            found.insert((value, done & !(1 << index)));
            continue;
        }
        for next in under_way.iter().filter(|next| !is_done(**next)) {
            if let Some(value) = apply(value, history[*next].action) {
                let way = (value, done | 1 << *next);
                if seen.insert(way) {
                    open.push(way);
                }
            }
        }
    }
    found
}

#[test]
fn what_cannot_have_happened_is_found() {
    let operation = |invoked, completed: u64, action| Operation {
        action,
        invoked: Duration::from_millis(invoked),
        completed: (completed > 0).then_some(Duration::from_millis(completed)),
    };
    let stale = [
        operation(0, 10, Action::Write(1)),
        operation(20, 30, Action::Write(2)),
        operation(40, 50, Action::Read(Some(1))),
    ];
    assert!(first_unexplained(&stale).is_some());
    let overlapping = [
        operation(0, 10, Action::Write(1)),
        operation(20, 45, Action::Write(2)),
        operation(40, 50, Action::Read(Some(1))),
        operation(51, 60, Action::Read(Some(2))),
    ];
    assert!(first_unexplained(&overlapping).is_none());
    let back_again = [
        operation(0, 10, Action::Write(1)),
        operation(20, 0, Action::Write(2)),
        operation(40, 50, Action::Read(Some(2))),
        operation(51, 60, Action::Read(Some(1))),
    ];
    assert!(first_unexplained(&back_again).is_some());
    let lost_update = [
        operation(0, 10, Action::Write(1)),
        operation(20, 30, Action::Cas(1, 2, true)),
        operation(40, 50, Action::Cas(1, 3, true)),
    ];
    assert!(first_unexplained(&lost_update).is_some());
    let late = [
        operation(0, 10, Action::Write(1)),
        operation(20, 0, Action::Cas(1, 2, true)),
        operation(40, 50, Action::Read(Some(1))),
        operation(60, 70, Action::Cas(5, 6, false)),
        operation(80, 90, Action::Read(Some(2))),
    ];
    assert!(first_unexplained(&late).is_none());
}
