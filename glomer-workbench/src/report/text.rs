//! Foreign text on its way into a picture or a page.

use std::borrow::Cow;

/// `text` without the characters that XML cannot hold at all, not even escaped
/// (XML 1.0, production 2): a replacement character stands for each.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    let forbidden = |c: char| matches!(c, '\0'..'\t' | '\u{b}' | '\u{c}' | '\u{e}'..' ' | '\u{fffe}' | '\u{ffff}');
    if text.contains(forbidden) {
        text.replace(forbidden, "\u{fffd}").into()
    } else {
        text.into()
    }
}

/// The first `most` characters of `text`, the last of them `…` if there were more.
pub(super) fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => text.into(),
        Some(_) => {
            let kept = text
                .char_indices()
                .nth(most.saturating_sub(1))
                .map_or(0, |(i, _)| i);
            format!("{}…", &text[..kept]).into()
        }
    }
}

/// A count with its thousands set apart: `1,234,567`.
pub(super) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A moment or duration in ns, in the unit in which it reads best.
pub(super) fn duration(ns: i64) -> String {
    let ms = ns as f64 / 1e6;
    match ms.abs() {
        0.0 => "0 ms".to_string(),
        size if size < 1.0 => format!("{ms:.3} ms"),
        size if size < 10.0 => format!("{ms:.2} ms"),
        size if size < 1000.0 => format!("{ms:.1} ms"),
        _ => format!("{:.3} s", ms / 1000.0),
    }
}
