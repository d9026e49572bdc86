//! An EDN value as HTML: coloured, and foldable where it is large.

use maud::{Markup, html};

use super::text::{count, printable, shorten};
use crate::edn::Edn;

/// What fits in a line is not folded.
const LINE: usize = 76;
/// More elements than these are for the file, not for the page.
const MOST: usize = 400;
/// A collection of more elements than this starts folded.
const FOLDED: usize = 40;
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
        _ => return inline(value),
    };
    html! {
        ul {
            @for (key, value) in entries.iter().take(MOST) { (entry(key, value)) }
            @if elements.iter().all(fits) {
                @if !elements.is_empty() {
                    li.flow { @for element in elements.iter().take(MOST) { (inline(element)) " " } }
                }
            } @else {
                @for element in elements.iter().take(MOST) {
                    li { @if fits(element) { (inline(element)) } @else { (block(element)) } }
                }
            }
            @let left = (entries.len() + elements.len()).saturating_sub(MOST);
            @if left > 0 { li.more { "… and " (count(left)) " more in results.edn" } }
        }
    }
}

fn entry(key: &Edn, value: &Edn) -> Markup {
    let size = value
        .as_map()
        .map(<[_]>::len)
        .or(value.as_seq().map(<[_]>::len));
    html! {
        li {
            @match size {
                Some(size) if !fits(value) => {
                    details open[size <= FOLDED] {
                        summary { (inline(key)) " " span.size { (shape(value)) " " (count(size)) } }
                        (block(value))
                    }
                }
                _ => { (inline(key)) " " (inline(value)) }
            }
        }
    }
}

fn shape(value: &Edn) -> &'static str {
    match value {
        Edn::Map(_) => "{…}",
        Edn::Set(_) => "#{…}",
        Edn::Vector(_) => "[…]",
        _ => "(…)",
    }
}

/// Whether a value stands in one line. Only small ones are printed to see.
fn fits(value: &Edn) -> bool {
    leaves(value) <= LINE / 2 && value.to_string().chars().count() <= LINE
}

fn leaves(value: &Edn) -> usize {
    match value {
        Edn::Map(entries) => entries.iter().map(|(k, v)| leaves(k) + leaves(v)).sum(),
        Edn::List(elements) | Edn::Vector(elements) | Edn::Set(elements) => {
            elements.iter().map(leaves).sum()
        }
        _ => 1,
    }
}

fn inline(value: &Edn) -> Markup {
    let class = match value {
        Edn::Keyword(_) => "key",
        Edn::Bool(true) => "true",
        Edn::Bool(false) => "false",
        Edn::Int(_) | Edn::BigInt(_) | Edn::Float(_) => "number",
        Edn::String(_) | Edn::Char(_) => "string",
        _ => "other",
    };
    html! { span class=(class) { (printable(&shorten(&value.to_string(), LONGEST_SCALAR))) } }
}
