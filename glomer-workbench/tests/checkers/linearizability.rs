//! The search of the lin-kv checker against another one, on histories of any kind: about half of
//! them linearizable, with several operations under way most of the time and some that nobody
//! knows the fate of.

use glomer_runtime::Rng;
use glomer_workbench::checker::Validity;
use glomer_workbench::edn::Edn;
use glomer_workbench::history::{History, Op, OpType, Process};
use glomer_workbench::workload::Setting;
use proptest::prelude::*;
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History as Actions};
use todc_utils::specifications::Specification;

/// An operation on a register that starts without a value.
#[derive(Clone, Copy, Debug)]
enum Register {
    Read(u64),
    Write(u64),
    Cas(u64, u64),
}

impl Specification for Register {
    type State = Option<u64>;
    type Operation = Register;

    fn init() -> Self::State {
        None
    }

    fn apply(operation: &Register, state: &Self::State) -> (bool, Self::State) {
        match *operation {
            Register::Read(value) => (*state == Some(value), *state),
            Register::Write(value) => (true, Some(value)),
            Register::Cas(from, to) if *state == Some(from) => (true, Some(to)),
            Register::Cas(..) => (false, *state),
        }
    }
}

/// Every operation is taken to have a process of its own: only their times matter.
struct Span {
    action: Register,
    /// Moments, all different. Without an end its fate is unknown.
    began: usize,
    ended: Option<usize>,
}

/// Operations at random times, on a register of three values.
fn operations(seed: u64, processes: usize, count: usize, unknown: f64) -> Vec<Span> {
    let rng = &mut Rng::seeded(seed);
    let mut operations: Vec<Span> = Vec::new();
    let mut under_way: Vec<Option<usize>> = vec![None; processes];
    let mut moment = 0;
    let mut started = 0;
    while started < count || under_way.iter().any(Option::is_some) {
        let at = rng.below(under_way.len() as u64) as usize;
        match under_way[at] {
            None if started < count => {
                let value = || rng.below(3);
                let action = match value() {
                    0 => Register::Read(value()),
                    1 => Register::Write(value()),
                    _ => Register::Cas(value(), value()),
                };
                under_way[at] = Some(operations.len());
                started += 1;
                operations.push(Span {
                    action,
                    began: moment,
                    ended: None,
                });
            }
            None => continue,
            Some(_) if rng.chance(unknown) => under_way[at] = None,
            Some(operation) => {
                operations[operation].ended = Some(moment);
                under_way[at] = None;
            }
        }
        moment += 1;
    }
    operations
}

/// Whether there is an order with some of the operations of unknown fate and all others.
fn todc(operations: &[Span]) -> bool {
    let unknown: Vec<usize> = (0..operations.len())
        .filter(|&at| operations[at].ended.is_none())
        .collect();
    (0..1_u32 << unknown.len()).any(|some| {
        let mut moments: Vec<(usize, usize, Action<Register>)> = Vec::new();
        for (at, operation) in operations.iter().enumerate() {
            let end = match (
                operation.ended,
                unknown.iter().position(|&other| other == at),
            ) {
                (Some(ended), _) => ended,
                (None, Some(bit)) if some & (1 << bit) != 0 => 1_000_000 + at,
                (None, _) => continue,
            };
            moments.push((operation.began, at, Action::Call(operation.action)));
            moments.push((end, at, Action::Response(operation.action)));
        }
        moments.sort_by_key(|(moment, ..)| *moment);
        let actions: Vec<(usize, Action<Register>)> = moments
            .into_iter()
            .map(|(_, process, action)| (process, action))
            .collect();
        actions.is_empty()
            || WGLChecker::<Register>::is_linearizable(Actions::from_actions(actions))
    })
}

fn ours(operations: &[Span]) -> Validity {
    let mut moments: Vec<(usize, Op)> = Vec::new();
    for (at, operation) in operations.iter().enumerate() {
        let process = Process::Client(at as u64);
        let on_key = |value: Edn| Edn::vector([Edn::Int(0), value]);
        let (f, asked, answered) = match operation.action {
            Register::Read(value) => ("read", Edn::Nil, value.into()),
            Register::Write(value) => ("write", value.into(), value.into()),
            Register::Cas(from, to) => {
                let both = Edn::vector([from, to]);
                ("cas", both.clone(), both)
            }
        };
        let invocation = Op::new(OpType::Invoke, process, f, on_key(asked));
        moments.push((operation.began, invocation));
        if let Some(ended) = operation.ended {
            moments.push((ended, Op::new(OpType::Ok, process, f, on_key(answered))));
        }
    }
    moments.sort_by_key(|(moment, _)| *moment);
    let history: History = moments.into_iter().map(|(_, op)| op).collect();
    Validity::of(&crate::support::verdict(
        "lin-kv",
        &history,
        &Setting::new(1),
    ))
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn both_searches_agree(
        seed: u64,
        processes in 1_usize..7,
        count in 1_usize..13,
        unknown in 0.0..0.5,
    ) {
        let operations = operations(seed, processes, count, unknown);
        prop_assert_eq!(ours(&operations), Validity::from(todc(&operations)));
    }
}

/// The histories above are of both kinds, else their agreement would say little.
#[test]
fn the_histories_are_of_both_kinds() {
    let valid = (0..200)
        .filter(|&seed| todc(&operations(seed, 4, 6, 0.1)))
        .count();
    assert!((20..180).contains(&valid), "{valid} of 200");
}
