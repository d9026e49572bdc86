//! An EDN value as HTML: coloured, and foldable where it is large.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::text::{count, duration, printable, shorten};
use crate::edn::Edn;

/// What fits in a line is not folded.
const LINE: usize = 124;
/// More elements than these are for the file, not for the page.
const MOST: usize = 400;
/// Of many pieces of evidence, the first tell as much as all.
const SAMPLES: usize = 2;
/// A collection of more elements than this starts folded.
const FOLDED: usize = 20;
/// A string longer than this is a sentence or a line of a log.
const WORD: usize = 24;
const LONGEST_SCALAR: usize = 2_000;

/// How much of a value is shown.
#[derive(Clone, Copy)]
struct View {
    /// Of collections within collections: at most so many elements.
    most: usize,
    /// A collection of more elements than this starts folded.
    folded: usize,
}

/// The view of `value`.
pub(super) fn view(value: &Edn) -> Markup {
    let whole = View {
        most: MOST,
        folded: FOLDED,
    };
    html! { div.edn { (block(value, whole)) } }
}

/// What tells of something wrong: nothing is folded, and of its list of pieces of evidence
/// only the first ones are there, each of them whole.
pub(super) fn evidence(value: &Edn) -> Markup {
    let sample = View {
        most: SAMPLES,
        folded: usize::MAX,
    };
    html! { div.edn { @if fits(value) { (inline(value)) } @else { (block(value, sample)) } } }
}

/// A value in lines of its own.
fn block(value: &Edn, view: View) -> Markup {
    let (entries, elements): (&[(Edn, Edn)], &[Edn]) = match value {
        Edn::Map(entries) => (entries, &[]),
        Edn::List(elements) | Edn::Vector(elements) | Edn::Set(elements) => (&[], elements),
        Edn::Tagged(_, value) => return block(value, view),
        _ => return inline(value),
    };
    let flowing = elements.iter().all(flows);
    let most = if flowing { MOST } else { view.most };
    let left = entries.len().saturating_sub(MOST) + elements.len().saturating_sub(most);
    let part = View { most: MOST, ..view };
    html! {
        ul {
            @for (key, value) in entries.iter().take(MOST) { (entry(key, value, view)) }
            @if flowing {
                @if !elements.is_empty() {
                    li { @for element in elements.iter().take(MOST) { (inline(element)) " " } }
                }
            } @else {
                @for element in elements.iter().take(most) {
                    li.element { @if fits(element) { (inline(element)) } @else { (block(element, part)) } }
                }
            }
            @if left > 0 { li.more { "… and " (count(left)) " more in results.edn" } }
        }
    }
}

fn entry(key: &Edn, value: &Edn, view: View) -> Markup {
    html! {
        li {
            @if fits(value) {
                (inline(key)) " " (inline(value))
            } @else {
                details open[size(value) <= view.folded] {
                    summary { (inline(key)) " " span.size { (shape(value)) " " (count(size(value))) } }
                    (block(value, view))
                }
            }
        }
    }
}

fn size(value: &Edn) -> usize {
    match value {
        Edn::Map(entries) => entries.len(),
        Edn::List(elements) | Edn::Vector(elements) | Edn::Set(elements) => elements.len(),
        Edn::Tagged(_, value) => size(value),
        _ => 1,
    }
}

fn shape(value: &Edn) -> String {
    match value {
        Edn::Map(_) => "{…}".to_string(),
        Edn::Set(_) => "#{…}".to_string(),
        Edn::Vector(_) => "[…]".to_string(),
        Edn::List(_) => "(…)".to_string(),
        Edn::Tagged(tag, value) => format!("#{tag}{}", shape(value)),
        _ => String::new(),
    }
}

/// Whether a value stands in one line. Only small ones are printed to see.
fn fits(value: &Edn) -> bool {
    is_scalar(value)
        || operation(value).is_some()
        || leaves(value) <= LINE / 2 && value.to_string().chars().count() <= LINE
}

fn is_scalar(value: &Edn) -> bool {
    match value {
        Edn::Tagged(_, value) => is_scalar(value),
        _ => value.as_seq().is_none() && value.as_map().is_none(),
    }
}

/// Whether a value stands in the same line as its neighbours.
fn flows(value: &Edn) -> bool {
    match value {
        Edn::String(text) => text.len() <= WORD,
        _ => is_scalar(value),
    }
}

fn leaves(value: &Edn) -> usize {
    match value {
        Edn::Map(entries) => entries.iter().map(|(k, v)| leaves(k) + leaves(v)).sum(),
        Edn::List(elements) | Edn::Vector(elements) | Edn::Set(elements) => {
            elements.iter().map(leaves).sum()
        }
        Edn::Tagged(_, value) => leaves(value),
        _ => 1,
    }
}

/// What an operation says: the keys that make a map one, and its value and error.
struct Mention<'a> {
    index: i64,
    time: i64,
    kind: &'a str,
    process: &'a Edn,
    f: &'a str,
    value: &'a Edn,
    error: Option<&'a Edn>,
}

fn operation(value: &Edn) -> Option<Mention<'_>> {
    Some(Mention {
        index: value.get("index")?.as_int()?,
        time: value.get("time")?.as_int()?,
        kind: value.get("type")?.name()?,
        process: value.get("process")?,
        f: value.get("f")?.name()?,
        value: value.get("value")?,
        error: value.get("error").filter(|error| !error.is_nil()),
    })
}

/// Where in the history the operations are that a value names.
pub(super) fn operations(value: &Edn) -> BTreeSet<usize> {
    fn collect(value: &Edn, into: &mut BTreeSet<usize>) {
        if let Some(op) = operation(value) {
            into.extend(usize::try_from(op.index));
            return;
        }
        match value {
            Edn::Map(entries) => {
                for (key, value) in entries {
                    collect(key, into);
                    collect(value, into);
                }
            }
            Edn::List(elements) | Edn::Vector(elements) | Edn::Set(elements) => {
                for element in elements {
                    collect(element, into);
                }
            }
            Edn::Tagged(_, value) => collect(value, into),
            _ => {}
        }
    }
    let mut indices = BTreeSet::new();
    collect(value, &mut indices);
    indices
}

fn inline(value: &Edn) -> Markup {
    if let Some(op) = operation(value) {
        return html! {
            span.op title={ "index " (op.index) ", at " (duration(op.time)) } {
                a href={ "#op-" (op.index) } { "#" (op.index) }
                " process " (op.process) " "
                span class=(op.kind) { (op.kind) } " " (op.f) " "
                (printable(&shorten(&op.value.to_string(), LONGEST_SCALAR)))
                @if let Some(error) = op.error { " " span.fail { (printable(&error.to_string())) } }
            }
        };
    }
    match value {
        Edn::Map(entries) => html! {
            "{"
            @for (i, (key, value)) in entries.iter().enumerate() {
                @if i > 0 { ", " }
                (inline(key)) " " (inline(value))
            }
            "}"
        },
        Edn::List(elements) => sequence("(", elements, ")"),
        Edn::Vector(elements) => sequence("[", elements, "]"),
        Edn::Set(elements) => sequence("#{", elements, "}"),
        Edn::Tagged(tag, value) => html! { "#" (printable(tag)) (inline(value)) },
        scalar => html! {
            span class=(class(scalar)) {
                (printable(&shorten(&scalar.to_string(), LONGEST_SCALAR)))
            }
        },
    }
}

fn sequence(open: &str, elements: &[Edn], close: &str) -> Markup {
    html! {
        (open)
        @for (i, element) in elements.iter().enumerate() {
            @if i > 0 { " " }
            (inline(element))
        }
        (close)
    }
}

fn class(scalar: &Edn) -> &'static str {
    match scalar {
        Edn::Keyword(_) => "key",
        Edn::Bool(true) => "true",
        Edn::Bool(false) => "false",
        Edn::Int(_) | Edn::BigInt(_) | Edn::Float(_) => "number",
        Edn::String(_) | Edn::Char(_) => "string",
        _ => "other",
    }
}
