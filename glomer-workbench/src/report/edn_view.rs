//! An EDN value as HTML: coloured, and foldable where it is large.

use maud::{Markup, html};

use super::text::{count, printable, shorten};
use crate::edn::Edn;

/// What fits in a line is not folded.
const LINE: usize = 124;
/// More elements than these are for the file, not for the page.
const MOST: usize = 400;
/// A collection of more elements than this starts folded.
const FOLDED: usize = 20;
/// A string longer than this is a sentence or a line of a log.
const WORD: usize = 24;
const LONGEST_SCALAR: usize = 2_000;

/// The view of `value`.
pub(super) fn view(value: &Edn) -> Markup {
    html! { div.edn { (block(value)) } }
}

/// A value in lines of its own.
fn block(value: &Edn) -> Markup {
    let (entries, elements): (&[(Edn, Edn)], &[Edn]) = match value {
        Edn::Map(entries) => (entries, &[]),
        Edn::List(elements) | Edn::Vector(elements) | Edn::Set(elements) => (&[], elements),
        Edn::Tagged(_, value) => return block(value),
        _ => return inline(value),
    };
    let left = (entries.len() + elements.len()).saturating_sub(MOST);
    html! {
        ul {
            @for (key, value) in entries.iter().take(MOST) { (entry(key, value)) }
            @if elements.iter().all(flows) {
                @if !elements.is_empty() {
                    li { @for element in elements.iter().take(MOST) { (inline(element)) " " } }
                }
            } @else {
                @for element in elements.iter().take(MOST) {
                    li.element { @if fits(element) { (inline(element)) } @else { (block(element)) } }
                }
            }
            @if left > 0 { li.more { "… and " (count(left)) " more in results.edn" } }
        }
    }
}

fn entry(key: &Edn, value: &Edn) -> Markup {
    html! {
        li {
            @if fits(value) {
                (inline(key)) " " (inline(value))
            } @else {
                details open[size(value) <= FOLDED] {
                    summary { (inline(key)) " " span.size { (shape(value)) " " (count(size(value))) } }
                    (block(value))
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
    is_scalar(value) || leaves(value) <= LINE / 2 && value.to_string().chars().count() <= LINE
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

fn inline(value: &Edn) -> Markup {
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
