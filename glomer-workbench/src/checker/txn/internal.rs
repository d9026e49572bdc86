//! What a transaction reads against its own earlier reads and writes, as Elle's `op-int-case`
//! and `op-internal-case` compare them.
//!
//! Elle takes a state that was read as null for no state at all, so a second read may return
//! anything; `adya` is stricter there.

use std::collections::HashMap;

use crate::edn::Edn;
use crate::history::{Op, OpType};

use super::mops;

/// The first read of each transaction that contradicts what came before it, as Elle shows it.
pub(super) fn cases<'a>(ops: impl Iterator<Item = &'a Op>, write: &str) -> Vec<Edn> {
    ops.filter(|op| op.kind == OpType::Ok)
        .filter_map(|op| {
            let (mop, expected) = match write {
                "append" => list(op),
                _ => register(op),
            }?;
            Some(Edn::map([
                ("op", op.to_tagged()),
                ("mop", mop.clone()),
                ("expected", expected),
            ]))
        })
        .collect()
}

fn register(op: &Op) -> Option<(&Edn, Edn)> {
    let mut state: HashMap<&Edn, &Edn> = HashMap::new();
    for (mop, [f, key, value]) in mops(op) {
        let before = state.insert(key, value);
        if f.name() == Some("r")
            && let Some(expected) = before
            && is_something(expected)
            && expected != value
        {
            return Some((mop, expected.clone()));
        }
    }
    None
}

/// What a key must hold: what was read and appended since, after something unknown if nothing
/// was read.
struct Expected {
    from_the_start: bool,
    elements: Vec<Edn>,
}

fn list(op: &Op) -> Option<(&Edn, Edn)> {
    // `None` for what was read as null.
    let mut state: HashMap<&Edn, Option<Expected>> = HashMap::new();
    for (mop, [f, key, value]) in mops(op) {
        if f.name() != Some("r") {
            let unknown = || {
                Some(Expected {
                    from_the_start: false,
                    elements: Vec::new(),
                })
            };
            let expected = state.entry(key).or_insert_with(unknown);
            let expected = expected.get_or_insert(Expected {
                from_the_start: true,
                elements: Vec::new(),
            });
            expected.elements.push(value.clone());
            continue;
        }
        if let Some(Some(expected)) = state.get(key) {
            let read = value.as_seq().unwrap_or(&[]);
            let holds = if expected.from_the_start {
                // Null is not an empty list here.
                value.as_seq() == Some(&expected.elements)
            } else {
                read.ends_with(&expected.elements)
            };
            if !holds {
                let unknown = (!expected.from_the_start).then(|| Edn::Symbol("...".to_owned()));
                let elements = expected.elements.iter().cloned();
                return Some((mop, Edn::vector(unknown.into_iter().chain(elements))));
            }
        }
        let read = value.as_seq().map(|elements| Expected {
            from_the_start: true,
            elements: elements.to_vec(),
        });
        state.insert(key, read);
    }
    None
}

/// What Clojure takes for true.
fn is_something(value: &Edn) -> bool {
    !matches!(value, Edn::Nil | Edn::Bool(false))
}
