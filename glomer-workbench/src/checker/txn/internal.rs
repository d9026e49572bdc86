//! What a transaction reads against its own earlier reads and writes, as Elle's `op-int-case`
//! and `op-internal-case` compare them.
//!
//! Elle takes a state that was read as null for no state at all, so a second read may return
//! anything; `adya` is stricter there.

use std::collections::HashMap;

use crate::edn::Edn;
use crate::verdict::entry;

use super::answers::Answers;
use super::transactions::{Entry, Mop};

/// The first read of each transaction that contradicts what came before it, as Elle shows it.
pub(super) fn cases(answers: &Answers<'_>) -> Vec<Edn> {
    let cases = answers.oks().filter_map(|ok| {
        let (mop, expected) = match answers.write {
            "append" => list(ok),
            _ => register(ok),
        }?;
        Some(Edn::map([
            ("op", entry(ok.at.index)),
            ("mop", mop.to_edn(answers.write)),
            ("expected", expected),
        ]))
    });
    cases.collect()
}

fn register(ok: &Entry) -> Option<(&Mop, Edn)> {
    let mut state: HashMap<&Edn, &Edn> = HashMap::new();
    for mop in &ok.mops {
        let before = state.insert(&mop.key, &mop.value);
        if !mop.is_write
            && let Some(expected) = before
            && is_something(expected)
            && *expected != mop.value
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

fn list(ok: &Entry) -> Option<(&Mop, Edn)> {
    // `None` for what was read as null.
    let mut state: HashMap<&Edn, Option<Expected>> = HashMap::new();
    for mop in &ok.mops {
        let Mop { key, value, .. } = mop;
        if mop.is_write {
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
