//! The printers: on one line, and as Fipp lays results maps out.

use std::fmt::{self, Write};

use super::Edn;

/// So many characters of a string are shown to people.
const LONGEST: usize = 1_000;

impl fmt::Display for Edn {
    /// The value on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::BigInt(digits) => write!(f, "{digits}N"),
            Self::Float(value) => float(f, *value),
            Self::Char(c) => character(f, *c),
            Self::String(text) => string(f, text),
            Self::Keyword(name) => write!(f, ":{name}"),
            Self::Symbol(name) => f.write_str(name),
            Self::List(items) => sequence(f, "(", items, ")"),
            Self::Vector(items) => sequence(f, "[", items, "]"),
            Self::Set(items) => sequence(f, "#{", items, "}"),
            Self::Map(entries) => {
                f.write_str("{")?;
                for (n, (key, value)) in entries.iter().enumerate() {
                    let separator = if n == 0 { "" } else { ", " };
                    write!(f, "{separator}{key} {value}")?;
                }
                f.write_str("}")
            }
            Self::Tagged(tag, value) => write!(f, "#{tag}{}{value}", tag_gap(value)),
        }
    }
}

/// A tag stands right before a collection and apart from anything else; a set starts with a `#`
/// of its own, which would become part of the tag.
fn tag_gap(value: &Edn) -> &'static str {
    match value {
        Edn::List(_) | Edn::Vector(_) | Edn::Map(_) => "",
        _ => " ",
    }
}

fn sequence(f: &mut fmt::Formatter<'_>, open: &str, items: &[Edn], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (n, item) in items.iter().enumerate() {
        let separator = if n == 0 { "" } else { " " };
        write!(f, "{separator}{item}")?;
    }
    f.write_str(close)
}

/// A float as Java prints it: always with a point, and with an exponent below 10⁻³ and from 10⁷.
fn float(f: &mut fmt::Formatter<'_>, value: f64) -> fmt::Result {
    if value.is_nan() {
        return f.write_str("##NaN");
    }
    if value.is_infinite() {
        return f.write_str(if value > 0.0 { "##Inf" } else { "##-Inf" });
    }
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return write!(f, "{value:?}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => write!(f, "{digits}E{exponent}"),
        Some((digits, exponent)) => write!(f, "{digits}.0E{exponent}"),
        None => f.write_str(&text),
    }
}

fn string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            '\u{c}' => f.write_str("\\f")?,
            '\u{8}' => f.write_str("\\b")?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

fn character(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '\n' => f.write_str("\\newline"),
        '\r' => f.write_str("\\return"),
        ' ' => f.write_str("\\space"),
        '\t' => f.write_str("\\tab"),
        '\u{c}' => f.write_str("\\formfeed"),
        '\u{8}' => f.write_str("\\backspace"),
        c => write!(f, "\\{c}"),
    }
}

impl Edn {
    /// The width Jepsen writes `results.edn` with.
    pub const RESULTS_WIDTH: usize = 70;

    /// The value for people to look at: [shortened](Self::shortened), and laid out as by
    /// [`pretty`](Self::pretty) but for numbers, which fill their lines, since a thousand values,
    /// one below the other, would push all else off the screen.
    pub fn shown(&self, width: usize) -> String {
        self.shortened().layout(width, true)
    }

    /// The value with its long strings cut: of one with more than a thousand characters, it has
    /// these and how many there are.
    pub fn shortened(&self) -> Edn {
        let all = |items: &[Edn]| items.iter().map(Edn::shortened).collect();
        match self {
            Self::String(text) => match text.char_indices().nth(LONGEST) {
                None => self.clone(),
                Some((end, _)) => {
                    let count = text.chars().count();
                    format!("{}… ({count} characters)", &text[..end]).into()
                }
            },
            Self::List(items) => Self::List(all(items)),
            Self::Vector(items) => Self::Vector(all(items)),
            Self::Set(items) => Self::Set(all(items)),
            Self::Map(entries) => {
                let entries = entries.iter();
                let entries = entries.map(|(key, value)| (key.shortened(), value.shortened()));
                Self::Map(entries.collect())
            }
            Self::Tagged(tag, value) => Self::Tagged(tag.clone(), Box::new(value.shortened())),
            other => other.clone(),
        }
    }

    /// The value over as many lines as it takes to keep within `width` columns where that is
    /// possible, laid out as Fipp does: a collection that fits on the rest of its line stays on
    /// it, one that does not has each item on a line of its own, aligned with the first. No
    /// newline at the end.
    pub fn pretty(&self, width: usize) -> String {
        self.layout(width, false)
    }

    fn layout(&self, width: usize, fills: bool) -> String {
        let mut layout = Layout {
            out: String::new(),
            column: 0,
            width,
            fills,
        };
        layout.value(self);
        layout.out
    }
}

struct Layout {
    out: String,
    column: usize,
    width: usize,
    /// Whether numbers fill their lines.
    fills: bool,
}

impl Layout {
    fn text(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn value(&mut self, value: &Edn) {
        let room = self.width.saturating_sub(self.column);
        if let Some(line) = on_one_line(value, room) {
            return self.text(&line);
        }
        match value {
            Edn::List(items) => self.items("(", items, ")"),
            Edn::Vector(items) => self.items("[", items, "]"),
            Edn::Set(items) => self.items("#{", items, "}"),
            Edn::Map(entries) => {
                self.text("{");
                let indent = self.column;
                for (n, (key, value)) in entries.iter().enumerate() {
                    if n > 0 {
                        self.text(",");
                        self.line(indent);
                    }
                    self.value(key);
                    self.text(" ");
                    self.value(value);
                }
                self.text("}");
            }
            Edn::Tagged(tag, value) => {
                self.text(&format!("#{tag}{}", tag_gap(value)));
                self.value(value);
            }
            scalar => self.text(&scalar.to_string()),
        }
    }

    fn items(&mut self, open: &str, items: &[Edn], close: &str) {
        self.text(open);
        let indent = self.column;
        let is_number = |item: &Edn| matches!(item, Edn::Int(_) | Edn::BigInt(_) | Edn::Float(_));
        let fill = self.fills && items.iter().all(is_number);
        for (n, item) in items.iter().enumerate() {
            // With the space before it and what closes after it.
            if n > 0 && fill && self.fits(&format!(" {item}{close}")) {
                self.text(" ");
            } else if n > 0 {
                self.line(indent);
            }
            self.value(item);
        }
        self.text(close);
    }

    fn fits(&self, text: &str) -> bool {
        self.column + text.chars().count() <= self.width
    }

    fn line(&mut self, indent: usize) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
    }
}

/// The value on one line if it takes no more than `room` columns. Gives up as soon as it is
/// longer, so that laying out a large value does not print every part of it once per level.
fn on_one_line(value: &Edn, room: usize) -> Option<String> {
    struct Bounded {
        out: String,
        room: usize,
    }

    impl Write for Bounded {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.room = self
                .room
                .checked_sub(text.chars().count())
                .ok_or(fmt::Error)?;
            self.out.push_str(text);
            Ok(())
        }
    }

    let mut bounded = Bounded {
        out: String::new(),
        room,
    };
    write!(bounded, "{value}").ok().map(|()| bounded.out)
}
