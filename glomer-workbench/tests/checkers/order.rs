//! Linearizability and sequential consistency, by models of several kinds of object: against a
//! search that tries everything, and on histories by hand.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use glomer_runtime::Rng;
use glomer_workbench::checker::{Effect, Model, linearizable, sequentially_consistent};
use glomer_workbench::edn::Edn;
use glomer_workbench::history::typed::{History, Operation, Outcome};
use glomer_workbench::verdict::{Validity, Verdict};
use proptest::prelude::*;

/// A model that histories can be drawn for.
trait Sample: Model<Op: Clone, Output: Clone + 'static, State: Clone + Hash> {
    const OUTPUTS: &'static [Self::Output];

    fn sample(&self, rng: &mut Rng) -> Self::Op;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum RegisterOp {
    Read,
    Write(u8),
    Cas(u8, u8),
}

/// Registers; what a read returns, and whether a cas took place. The search is told what they do
/// to the state, or not.
struct Registers {
    count: u8,
    cas: bool,
    effects: bool,
}

impl Model for Registers {
    type Op = (u8, RegisterOp);
    type Output = u8;
    type State = u8;
    type Key = u8;

    fn key(&self, (key, _): &(u8, RegisterOp)) -> u8 {
        *key
    }

    fn initial(&self, _: &u8) -> u8 {
        0
    }

    fn step(&self, value: &u8, (_, op): &(u8, RegisterOp), output: Option<&u8>) -> Option<u8> {
        let (returned, after) = match *op {
            RegisterOp::Read => (*value, *value),
            RegisterOp::Write(new) => (0, new),
            RegisterOp::Cas(from, to) if from == *value => (1, to),
            RegisterOp::Cas(..) => (0, *value),
        };
        let fits = matches!(op, RegisterOp::Write(_)) || output.is_none_or(|&it| it == returned);
        fits.then_some(after)
    }

    fn effect(&self, (_, op): &(u8, RegisterOp), output: Option<&u8>) -> Effect {
        match (op, output) {
            _ if !self.effects => Effect::Any,
            (RegisterOp::Read, _) | (RegisterOp::Cas(..), Some(0)) => Effect::Reads,
            (RegisterOp::Write(_), _) => Effect::Writes,
            (RegisterOp::Cas(..), _) => Effect::Any,
        }
    }

    fn words(&self, (_, op): &(u8, RegisterOp), output: Option<&u8>) -> String {
        match (op, output) {
            (RegisterOp::Read, Some(value)) => format!("read {value}"),
            (RegisterOp::Read, None) => "read".to_owned(),
            (RegisterOp::Write(value), _) => format!("write {value}"),
            (RegisterOp::Cas(from, to), _) => format!("cas {from} to {to}"),
        }
    }
}

impl Sample for Registers {
    const OUTPUTS: &'static [u8] = &[0, 1, 2];

    fn sample(&self, rng: &mut Rng) -> (u8, RegisterOp) {
        let below = |bound: u8| rng.below(bound.into()) as u8;
        let key = below(self.count);
        let op = match below(if self.cas { 3 } else { 2 }) {
            0 => RegisterOp::Read,
            1 => RegisterOp::Write(below(3)),
            _ => RegisterOp::Cas(below(3), below(3)),
        };
        (key, op)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum LockOp {
    Acquire(u8),
    Release(u8),
}

/// A lock that knows its holder; whether it was acquired or released.
struct Mutex;

impl Model for Mutex {
    type Op = LockOp;
    type Output = bool;
    type State = Option<u8>;
    type Key = ();

    fn key(&self, _: &LockOp) {}

    fn initial(&self, (): &()) -> Option<u8> {
        None
    }

    fn step(&self, holder: &Option<u8>, op: &LockOp, output: Option<&bool>) -> Option<Option<u8>> {
        let (succeeds, after) = match *op {
            LockOp::Acquire(client) => (holder.is_none(), Some(client)),
            LockOp::Release(client) => (*holder == Some(client), None),
        };
        let after = if succeeds { after } else { *holder };
        output.is_none_or(|it| *it == succeeds).then_some(after)
    }

    fn effect(&self, _: &LockOp, output: Option<&bool>) -> Effect {
        match output {
            Some(false) => Effect::Reads,
            _ => Effect::Any,
        }
    }

    fn words(&self, op: &LockOp, _: Option<&bool>) -> String {
        match op {
            LockOp::Acquire(client) => format!("acquire by {client}"),
            LockOp::Release(client) => format!("release by {client}"),
        }
    }
}

impl Sample for Mutex {
    const OUTPUTS: &'static [bool] = &[true, false];

    fn sample(&self, rng: &mut Rng) -> LockOp {
        let client = rng.below(3) as u8;
        if rng.chance(0.5) {
            LockOp::Acquire(client)
        } else {
            LockOp::Release(client)
        }
    }
}

/// A queue: what is added at its end, or what was taken off its front, `Some(None)` if it was
/// empty.
struct Queue;

impl Model for Queue {
    type Op = Option<u8>;
    type Output = Option<u8>;
    type State = Vec<u8>;
    type Key = ();

    fn key(&self, _: &Option<u8>) {}

    fn initial(&self, (): &()) -> Vec<u8> {
        Vec::new()
    }

    fn step(
        &self,
        queue: &Vec<u8>,
        add: &Option<u8>,
        output: Option<&Option<u8>>,
    ) -> Option<Vec<u8>> {
        let mut after = queue.clone();
        if let Some(value) = add {
            after.push(*value);
            return Some(after);
        }
        let front = (!after.is_empty()).then(|| after.remove(0));
        output.is_none_or(|it| *it == front).then_some(after)
    }
}

impl Sample for Queue {
    const OUTPUTS: &'static [Option<u8>] = &[None, Some(0), Some(1), Some(2)];

    fn sample(&self, rng: &mut Rng) -> Option<u8> {
        rng.chance(0.5).then(|| rng.below(3) as u8)
    }
}

/// A counter that says what it holds after an addition.
struct Counter;

impl Model for Counter {
    type Op = u8;
    type Output = u8;
    type State = u8;
    type Key = ();

    fn key(&self, _: &u8) {}

    fn initial(&self, (): &()) -> u8 {
        0
    }

    fn step(&self, sum: &u8, add: &u8, output: Option<&u8>) -> Option<u8> {
        let after = sum + add;
        output.is_none_or(|it| *it == after).then_some(after)
    }

    fn effect(&self, add: &u8, _: Option<&u8>) -> Effect {
        if *add == 0 {
            Effect::Reads
        } else {
            Effect::Any
        }
    }
}

impl Sample for Counter {
    const OUTPUTS: &'static [u8] = &[0, 1, 2, 3, 4];

    fn sample(&self, rng: &mut Rng) -> u8 {
        rng.below(3) as u8
    }
}

/// Operations at random times. Outputs are mostly those that an object gives that does each
/// operation when it begins or when it ends, some are any.
fn drawn<M: Sample>(
    model: &M,
    seed: u64,
    processes: u64,
    count: usize,
) -> History<M::Op, M::Output> {
    let rng = &mut Rng::seeded(seed);
    let mut states: BTreeMap<M::Key, M::State> = BTreeMap::new();
    let mut under_way: Vec<(Operation<_, _>, Option<M::Output>)> = Vec::new();
    let mut done = Vec::new();
    let mut idle: Vec<u64> = (0..processes).collect();
    let mut fresh = processes;
    let mut started = 0;
    for moment in 0.. {
        let time = Duration::from_millis(moment);
        let mut answer = |op: &M::Op, rng: &mut Rng| {
            let key = model.key(op);
            let state = states
                .entry(key.clone())
                .or_insert_with(|| model.initial(&key));
            let possible = |output: &&M::Output| model.step(state, op, Some(output)).is_some();
            let output = M::OUTPUTS.iter().find(possible)?;
            *state = model.step(state, op, Some(output))?;
            if rng.chance(0.1) {
                return rng.choose(M::OUTPUTS).cloned();
            }
            Some(output.clone())
        };
        if started < count && !idle.is_empty() && (under_way.is_empty() || rng.chance(0.5)) {
            let process = idle.swap_remove(rng.below(idle.len() as u64) as usize);
            let op = model.sample(rng);
            let early = if rng.chance(0.5) {
                answer(&op, rng)
            } else {
                None
            };
            under_way.push((Operation::new(process, op, time), early));
            started += 1;
        } else if !under_way.is_empty() {
            let at = rng.below(under_way.len() as u64) as usize;
            let (operation, early) = under_way.swap_remove(at);
            let outcome = if rng.chance(0.12) {
                Outcome::Info
            } else {
                match early.or_else(|| answer(&operation.op, rng)) {
                    Some(output) => Outcome::Ok(output),
                    None => Outcome::Fail,
                }
            };
            // A process whose operation has no outcome does nothing more.
            if outcome == Outcome::Info {
                idle.push(fresh);
                fresh += 1;
            } else {
                idle.push(operation.process);
            }
            done.push(operation.ended(time, outcome));
        } else {
            break;
        }
    }
    done.into_iter().collect()
}

/// Whether there is an order, by trying all: of operations in which none comes after one that it
/// is `before`.
fn has_order<M: Sample>(
    model: &M,
    history: &History<M::Op, M::Output>,
    before: impl Fn(&Operation<M::Op, M::Output>, &Operation<M::Op, M::Output>) -> bool,
) -> bool {
    let operations: Vec<_> = history
        .iter()
        .filter(|operation| operation.outcome != Outcome::Fail)
        .collect();
    let known = |at: usize| operations[at].output().is_some();
    let mut seen = HashSet::new();
    let mut open = vec![(0_u32, BTreeMap::<M::Key, M::State>::new())];
    while let Some((done, states)) = open.pop() {
        let left = |at: usize| done >> at & 1 == 0;
        if (0..operations.len()).all(|at| !left(at) || !known(at)) {
            return true;
        }
        if !seen.insert((done, states.values().cloned().collect::<Vec<_>>())) {
            continue;
        }
        for at in (0..operations.len()).filter(|&at| left(at)) {
            let operation = operations[at];
            let waits = |other: usize| {
                other != at && left(other) && known(other) && before(operations[other], operation)
            };
            if (0..operations.len()).any(waits) {
                continue;
            }
            let key = model.key(&operation.op);
            let mut states = states.clone();
            let state = states
                .entry(key.clone())
                .or_insert_with(|| model.initial(&key));
            if let Some(next) = model.step(state, &operation.op, operation.output()) {
                *state = next;
                open.push((done | 1 << at, states));
            }
        }
    }
    false
}

/// What both searches say about linearizability and sequential consistency of a drawn history.
fn both<M: Sample>(model: &M, seed: u64, processes: u64, count: usize) -> [[Validity; 2]; 2] {
    let history = drawn(model, seed, processes, count);
    let in_time = has_order(model, &history, |one, other| one.precedes(other));
    let in_turn = has_order(model, &history, |one, other| {
        one.process == other.process && one.invoked < other.invoked
    });
    [
        [linearizable(&history, model).validity(), in_time.into()],
        [
            sequentially_consistent(&history, model).validity(),
            in_turn.into(),
        ],
    ]
}

/// Registers, with and without effects; the other models.
fn of_all(seed: u64, processes: u64, count: usize) -> Vec<[[Validity; 2]; 2]> {
    let mut all = Vec::new();
    for (keys, cas) in [(1, false), (1, true), (2, true)] {
        for effects in [true, false] {
            let registers = Registers {
                count: keys,
                cas,
                effects,
            };
            all.push(both(&registers, seed, processes, count));
        }
    }
    all.push(both(&Mutex, seed, processes, count));
    all.push(both(&Queue, seed, processes, count));
    all.push(both(&Counter, seed, processes, count));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_searches_agree_with_one_that_tries_everything(
        seed: u64,
        processes in 1_u64..6,
        count in 1_usize..10,
    ) {
        for [[linearizable, in_time], [sequential, in_turn]] in of_all(seed, processes, count) {
            prop_assert_eq!(linearizable, in_time);
            prop_assert_eq!(sequential, in_turn);
        }
    }
}

/// Else their agreement would say little.
#[test]
fn the_drawn_histories_are_of_both_kinds() {
    let mut valid = [[0; 2]; 9];
    for seed in 0..100 {
        for (at, [[_, in_time], [_, in_turn]]) in of_all(seed, 4, 8).into_iter().enumerate() {
            valid[at][0] += usize::from(in_time == Validity::True);
            valid[at][1] += usize::from(in_turn == Validity::True);
        }
    }
    for [in_time, in_turn] in valid {
        assert!((5..90).contains(&in_time), "{valid:?}");
        assert!(in_time <= in_turn && in_turn < 100, "{valid:?}");
    }
}

const REGISTER: Registers = Registers {
    count: 1,
    cas: true,
    effects: true,
};

/// An operation of process 0 from one millisecond to another, or of unknown outcome.
fn operation<Op, Output>(
    op: Op,
    began: u64,
    ended: impl Into<Option<u64>>,
    output: Output,
) -> Operation<Op, Output> {
    let operation = Operation::new(0, op, Duration::from_millis(began));
    match ended.into() {
        Some(ended) => operation.ended(Duration::from_millis(ended), Outcome::Ok(output)),
        None => operation,
    }
}

fn read(value: u8, began: u64, ended: u64) -> Operation<(u8, RegisterOp), u8> {
    operation((0, RegisterOp::Read), began, ended, value)
}

fn write(value: u8, began: u64, ended: impl Into<Option<u64>>) -> Operation<(u8, RegisterOp), u8> {
    operation((0, RegisterOp::Write(value)), began, ended, 0)
}

fn cas(from: u8, to: u8, began: u64, ended: u64) -> Operation<(u8, RegisterOp), u8> {
    operation((0, RegisterOp::Cas(from, to)), began, ended, 1)
}

#[track_caller]
fn assert_why(verdict: &Verdict, text: &str, operations: &[usize]) {
    assert_eq!(verdict.validity(), Validity::False);
    let [reason] = verdict.reasons() else {
        panic!("{:?}", verdict.reasons());
    };
    assert_eq!(reason.to_string(), text);
    assert_eq!(reason.operations(), operations);
}

#[test]
fn a_stale_read_is_squeezed_between_two_writes() {
    let history = [write(1, 0, 100), write(2, 200, 291), read(1, 300, 332)];
    assert_why(
        &linearizable(&history.into_iter().collect(), &REGISTER),
        "read 1 fits no order.\n  \
         It ended at 0.332 s (operation 4), though write 2 had ended at 0.291 s (operation 2) and \
         nothing since makes it possible.\n  \
         The last that did was write 1 at 0.100 s (operation 0).\n  \
         Every order of what came before leaves 2.",
        &[4, 2, 0],
    );
}

/// What else happened, before, after and meanwhile, is not part of it.
#[test]
fn an_explanation_names_no_more_than_it_needs() {
    let mut operations = Vec::new();
    for round in 0..200 {
        let start = round * 50;
        let value = 3 + (round % 7) as u8;
        operations.push(write(value, start, start + 20));
        operations.push(read(value, start + 10, start + 30));
        operations.push(cas(value, value + 1, start + 31, start + 40));
    }
    operations.push(write(40, 5_000, None));
    operations.extend([write(1, 10_000, 10_010), read(1, 10_005, 10_020)]);
    operations.push(write(2, 10_030, 10_040));
    operations.extend([read(2, 10_050, 10_060), read(2, 10_070, 10_080)]);
    operations.push(read(1, 10_100, 10_200));
    operations.extend([write(9, 10_300, 10_310), read(9, 10_320, 10_330)]);
    let history = operations.into_iter().collect();
    let verdict = linearizable(&history, &REGISTER);
    let named: Vec<&RegisterOp> = verdict.reasons()[0]
        .operations()
        .iter()
        .map(|index| {
            let found = history
                .iter()
                .find(|operation| operation.invoked.index == *index);
            &found.unwrap().op.1
        })
        .collect();
    let expected = [
        &RegisterOp::Read,
        &RegisterOp::Write(2),
        &RegisterOp::Write(1),
    ];
    assert_eq!(named, expected, "{}", verdict.reasons()[0]);
}

#[test]
fn nothing_leads_to_what_nobody_wrote() {
    let history = [write(1, 0, 10), write(2, 0, 20), read(7, 30, 40)];
    assert_why(
        &linearizable(&history.into_iter().collect(), &REGISTER),
        "read 7 fits no order.\n  \
         It ended at 0.040 s (operation 4), though nothing that had begun by then makes it \
         possible.\n  \
         Every order of what came before leaves 1 or 2.",
        &[4],
    );
}

#[test]
fn of_two_that_take_the_same_one_is_in_the_way() {
    let history = [write(1, 0, 10), cas(1, 2, 20, 40), cas(1, 3, 30, 50)];
    assert_why(
        &linearizable(&history.into_iter().collect(), &REGISTER),
        "cas 1 to 3 fits no order.\n  \
         It ended at 0.050 s (operation 3), though cas 1 to 2 had ended at 0.040 s (operation 2) \
         and nothing since makes it possible.\n  \
         The last that did was write 1 at 0.010 s (operation 0).\n  \
         Every order of what came before leaves 2.",
        &[3, 2, 0],
    );
}

#[test]
fn a_lock_that_two_hold_is_explained() {
    let acquire = |client, began, ended| operation(LockOp::Acquire(client), began, ended, true);
    let release = |client, began, ended| operation(LockOp::Release(client), began, ended, true);
    let history: History<LockOp, bool> = [
        acquire(1, 0, 10),
        release(1, 20, 30),
        acquire(2, 40, 50),
        acquire(3, 60, 70),
    ]
    .into_iter()
    .collect();
    assert_why(
        &linearizable(&history, &Mutex),
        "acquire by 3 fits no order.\n  \
         It ended at 0.070 s (operation 6), though acquire by 2 had ended at 0.050 s (operation 4) \
         and nothing since makes it possible.\n  \
         The last that did was release by 1 at 0.030 s (operation 2).\n  \
         Every order of what came before leaves Some(2).",
        &[6, 4, 2],
    );
}

/// Whoever splits a history by hand gets what a key gives.
#[test]
fn objects_are_checked_for_themselves() {
    let two = Registers {
        count: 2,
        ..REGISTER
    };
    for seed in 0..300 {
        let history = drawn(&two, seed, 4, 12);
        let of_key = |key: u8| {
            let part = history.iter().filter(|operation| operation.op.0 == key);
            linearizable(&part.cloned().collect(), &two).validity()
        };
        let verdict = linearizable(&history, &two);
        assert_eq!(verdict.validity(), of_key(0).max(of_key(1)), "seed {seed}");
        let keys: HashSet<u8> = history.iter().map(|operation| operation.op.0).collect();
        let failures = (0..2).filter(|key| of_key(*key) == Validity::False);
        let failures: Vec<String> = failures.map(|key| key.to_string()).collect();
        assert_eq!(verdict.get("object-count"), Some(&keys.len().into()));
        assert_eq!(verdict.get("failures"), Some(&Edn::list(failures)));
    }
}

#[test]
fn a_model_without_words_of_its_own_shows_operations_as_they_are() {
    assert_eq!(Queue.words(&None, Some(&Some(1))), "None → Some(1)");
    assert_eq!(Queue.words(&Some(2), None), "Some(2)");
}

#[test]
fn what_has_no_outcome_may_take_effect_late_or_never() {
    let check = |operations: Vec<Operation<(u8, RegisterOp), u8>>| {
        linearizable(&operations.into_iter().collect(), &REGISTER).validity()
    };
    let lost = || write(1, 0, None);
    assert_eq!(check(vec![lost(), read(0, 10, 20)]), Validity::True);
    assert_eq!(
        check(vec![lost(), read(0, 10, 20), read(1, 30, 40)]),
        Validity::True
    );
    let and_back = vec![lost(), read(1, 10, 20), read(0, 30, 40)];
    assert_eq!(check(and_back), Validity::False);
    let before_it_began = vec![read(1, 10, 20), write(1, 30, None)];
    assert_eq!(check(before_it_began), Validity::False);
    let failed = write(1, 0, None).ended(Duration::from_millis(5), Outcome::Fail);
    assert_eq!(check(vec![failed, read(1, 10, 20)]), Validity::False);
}

/// Two of unknown outcome lead to what was read; only one of them can also do so later.
#[test]
fn which_operation_without_an_outcome_took_effect_is_left_open() {
    let unknown = |op, began| operation((0, op), began, None, 0);
    let either = [RegisterOp::Cas(0, 1), RegisterOp::Write(1)];
    for [first, second] in [either, [either[1], either[0]]] {
        let history = [
            unknown(first, 0),
            unknown(second, 1),
            read(1, 10, 20),
            cas(1, 2, 30, 40),
            read(1, 50, 60),
        ];
        let verdict = linearizable(&history.into_iter().collect(), &REGISTER);
        assert_eq!(
            verdict.validity(),
            Validity::True,
            "{:?}",
            verdict.reasons()
        );
    }
}

/// A dozen additions to a queue at once have too many orders to try them all.
#[test]
fn too_many_orders_are_no_verdict() {
    let added = || (0..12_u8).map(|value| operation(Some(value), 0, 10 + u64::from(value), None));
    let in_order = (0..12_u8).map(|value| operation(None, 50, 60 + u64::from(value), Some(value)));
    let history = added().chain(in_order).collect();
    assert_eq!(linearizable(&history, &Queue).validity(), Validity::True);

    let never_added = operation(None, 50, 60, Some(99));
    let history = added().chain([never_added]).collect();
    let verdict = linearizable(&history, &Queue);
    assert_eq!(verdict.validity(), Validity::Unknown);
    let text = verdict.reasons()[0].headline();
    assert!(
        text.starts_with("there are too many orders to try at "),
        "{text}"
    );
}

#[test]
fn each_process_sees_what_it_did_before() {
    let by = |process, mut operation: Operation<_, _>| {
        operation.process = process;
        operation
    };
    let check = |operations: Vec<Operation<(u8, RegisterOp), u8>>| {
        sequentially_consistent(&operations.into_iter().collect(), &REGISTER)
    };
    let others_past = vec![
        by(1, write(1, 0, 10)),
        by(2, read(0, 20, 30)),
        by(2, read(1, 40, 50)),
    ];
    assert_eq!(check(others_past).validity(), Validity::True);
    let own_past = vec![by(1, write(1, 0, 10)), by(1, read(0, 20, 30))];
    assert_why(
        &check(own_past),
        "no order of all operations keeps the order of each process.\n  \
         Whichever way they are done, at the latest none of these can be next: read 0.",
        &[2],
    );
    let both_orders = vec![
        by(1, write(1, 0, 10)),
        by(2, write(2, 0, 10)),
        by(3, read(1, 20, 30)),
        by(3, read(2, 40, 50)),
        by(4, read(2, 20, 30)),
        by(4, read(1, 40, 50)),
    ];
    assert_eq!(check(both_orders).validity(), Validity::False);
}
