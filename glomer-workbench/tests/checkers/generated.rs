//! Generated histories: right ones are valid, and one wrong answer among thousands is found.

use glomer_runtime::Rng;
use glomer_workbench::checker::Validity;
use glomer_workbench::edn::Edn;
use glomer_workbench::history::{History, Op, OpType};
use glomer_workbench::workload::Setting;
use proptest::prelude::*;

use crate::models::{Counter, Ids, Logs, Model, Registers, Set, Transactions, Trouble, run};
use crate::support;

const TROUBLE: Trouble = Trouble {
    info: 0.03,
    fail: 0.05,
};

fn history(mut model: impl Model, seed: u64) -> History {
    run(&mut model, seed, 5, 150, TROUBLE)
}

fn verdict(workload: &str, history: &History) -> Validity {
    Validity::of(&support::verdict(workload, history, &Setting::new(1))).unwrap()
}

/// Replaces the value of one of the operations that `pick` finds a wrong value for.
fn spoil(
    history: &mut History,
    seed: u64,
    pick: impl Fn(&History, &Op) -> Option<Edn>,
) -> Option<usize> {
    let choices: Vec<(usize, Edn)> = history
        .0
        .iter()
        .filter(|op| op.kind == OpType::Ok)
        .filter_map(|op| Some((op.index, pick(history, op)?)))
        .collect();
    let (index, wrong) = Rng::seeded(seed).choose(&choices)?.clone();
    history.0[index].value = wrong;
    Some(index)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn right_histories_are_valid(seed: u64) {
        for (workload, history) in [
            ("unique-ids", history(Ids::default(), seed)),
            ("g-set", history(Set::with_reads(2), seed)),
            ("pn-counter", history(Counter::default(), seed)),
            ("lin-kv", history(Registers::new(2), seed)),
            ("txn-list-append", history(Transactions::over_lists(), seed)),
            ("txn-rw-register", history(Transactions::over_registers(), seed)),
        ] {
            let results = support::verdict(workload, &history, &Setting::new(1));
            prop_assert_eq!(Validity::of(&results), Some(Validity::True), "{} {}", workload, results);
        }
    }

    /// Of logs not everything needs to have been polled by the end, which is the only error.
    #[test]
    fn right_logs_are_valid(seed: u64) {
        let results = support::verdict(
            "kafka",
            &history(Logs::default(), seed),
            &Setting::new(1),
        );
        let types = results.get("error-types").unwrap();
        let expected = [Edn::list::<Edn>([]), Edn::list([Edn::kw("unseen")])];
        prop_assert!(expected.contains(types), "{}", results);
    }

    #[test]
    fn an_id_handed_out_again_is_found(seed: u64) {
        let mut history = history(Ids::default(), seed);
        spoil(&mut history, seed, |history, op| {
            let mut before = history.0[..op.index].iter();
            before.rfind(|op| op.kind == OpType::Ok).map(|op| op.value.clone())
        });
        prop_assert_eq!(verdict("unique-ids", &history), Validity::False);
    }

    #[test]
    fn an_element_that_the_last_reads_do_not_return_is_found(seed: u64) {
        let mut history = history(Set::with_reads(2), seed);
        let added = history.0.iter().rfind(|op| op.kind == OpType::Ok && op.f == "add");
        let lost = added.unwrap().value.clone();
        for op in history.0.iter_mut().filter(|op| op.is_final) {
            if let Edn::Vector(elements) = &mut op.value {
                elements.retain(|element| *element != lost);
            }
        }
        let results = support::verdict("g-set", &history, &Setting::new(1));
        prop_assert_eq!(Validity::of(&results), Some(Validity::False));
        prop_assert_eq!(results.get("lost"), Some(&Edn::list([lost])));
    }

    #[test]
    fn a_final_sum_beyond_all_additions_is_found(seed: u64) {
        let mut history = history(Counter::default(), seed);
        spoil(&mut history, seed, |_, op| op.is_final.then(|| 10_000.into()));
        prop_assert_eq!(verdict("pn-counter", &history), Validity::False);
    }

    #[test]
    fn a_register_that_reads_another_value_is_found(seed: u64) {
        let mut history = history(Registers::new(2), seed);
        let spoilt = spoil(&mut history, seed, |_, op| {
            let key = op.value.as_seq()?[0].clone();
            (op.f == "read").then(|| Edn::vector([key, 7.into()]))
        });
        prop_assert!(spoilt.is_some());
        prop_assert_eq!(verdict("lin-kv", &history), Validity::False);
    }

    /// A transaction that reads a list as empty after another appended to it and ended.
    #[test]
    fn a_transaction_that_reads_the_past_is_found(seed: u64) {
        let mut history = history(Transactions::over_lists(), seed);
        let spoilt = spoil(&mut history, seed, |history, op| {
            let mops = op.value.as_seq()?;
            let began = history.pairs().into_iter().find(|(_, end)| *end == Some(op))?.0.index;
            let [mop] = mops else { return None };
            let [function, key, read] = mop.as_seq()? else { return None };
            let of_key = |op: &Op| {
                let mops = op.value.as_seq().unwrap_or_default();
                mops.iter().any(|mop| {
                    let mop = mop.as_seq().unwrap();
                    mop[0].name() == Some("append") && mop[1] == *key
                })
            };
            let before = history.0[..began].iter();
            let appended = before.filter(|op| op.kind == OpType::Ok).any(of_key);
            (appended && function.name() == Some("r") && !read.as_seq()?.is_empty()).then(|| {
                let nothing = Edn::vector::<Edn>([]);
                Edn::vector([Edn::vector([function.clone(), key.clone(), nothing])])
            })
        });
        prop_assume!(spoilt.is_some());
        prop_assert_eq!(verdict("txn-list-append", &history), Validity::False);
    }

    /// A poll that leaves out a message in the middle, or has two in the wrong order.
    #[test]
    fn a_poll_that_is_not_a_piece_of_the_log_is_found(seed: u64, reverse: bool) {
        let mut history = history(Logs::default(), seed);
        let spoilt = spoil(&mut history, seed, |history, op| {
            let polled = op.value.as_seq()?[0].as_seq()?.get(1)?.as_map()?;
            // One that nobody else tells of may be left out.
            let acknowledged = |key: &Edn, message: &Edn| {
                let send = Edn::vector([Edn::kw("send"), key.clone(), message.clone()]);
                let send = Edn::vector([send]);
                history.0.iter().any(|op| op.kind == OpType::Ok && op.value == send)
            };
            let at = polled.iter().position(|(key, messages)| {
                let messages = messages.as_seq().unwrap_or_default();
                messages.len() > 2 && acknowledged(key, &messages[1])
            })?;
            let mut polled = polled.to_vec();
            if let Edn::Vector(messages) = &mut polled[at].1 {
                if reverse {
                    messages.reverse();
                } else {
                    messages.remove(1);
                }
            }
            Some(Edn::vector([Edn::vector([Edn::kw("poll"), Edn::Map(polled)])]))
        });
        prop_assume!(spoilt.is_some());
        let results = support::verdict("kafka", &history, &Setting::new(1));
        let types = results.get("error-types").unwrap().as_seq().unwrap();
        let expected = if reverse { "int-nonmonotonic-poll" } else { "int-poll-skip" };
        prop_assert!(types.contains(&Edn::kw(expected)), "{}", results);
    }
}
