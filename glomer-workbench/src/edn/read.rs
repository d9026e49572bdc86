//! The reader.

use std::fmt;
use std::str::FromStr;

use super::Edn;

/// Deeper nesting than this is refused rather than allowed to exhaust the stack.
const MAX_DEPTH: usize = 128;

/// What is wrong with a piece of EDN, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdnError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for EdnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.message
        )
    }
}

impl std::error::Error for EdnError {}

impl Edn {
    /// Reads the one value that `text` holds.
    ///
    /// # Errors
    /// If the text is not EDN, holds no value or more than one, or nests deeper than 128 levels.
    pub fn parse(text: &str) -> Result<Self, EdnError> {
        let mut reader = Reader::new(text);
        let Some(value) = reader.next()? else {
            return Err(reader.error_here("expected a value, found the end of the text"));
        };
        reader.skip_blank()?;
        match reader.peek() {
            None => Ok(value),
            Some(c) => Err(reader.error_here(format!("expected one value, found `{c}` after it"))),
        }
    }

    /// Reads all values that `text` holds, one after another.
    ///
    /// # Errors
    /// As [`Edn::parse`].
    pub fn parse_all(text: &str) -> Result<Vec<Self>, EdnError> {
        let mut reader = Reader::new(text);
        let mut values = Vec::new();
        while let Some(value) = reader.next()? {
            values.push(value);
        }
        Ok(values)
    }
}

impl FromStr for Edn {
    type Err = EdnError;

    fn from_str(text: &str) -> Result<Self, EdnError> {
        Self::parse(text)
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn error_at(&self, at: usize, message: impl Into<String>) -> EdnError {
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        EdnError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }

    fn error_here(&self, message: impl Into<String>) -> EdnError {
        self.error_at(self.at, message)
    }

    /// Skips whitespace, commas, `; comments` and `#_discarded` values.
    fn skip_blank(&mut self) -> Result<(), EdnError> {
        loop {
            match self.peek() {
                Some(c) if c.is_whitespace() || c == ',' => {
                    self.bump();
                }
                Some(';') => {
                    let rest = &self.text[self.at..];
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                Some('#') if self.text[self.at..].starts_with("#_") => {
                    let start = self.at;
                    self.at += 2;
                    self.nested(start, |reader| match reader.next()? {
                        Some(_) => Ok(()),
                        None => Err(reader.error_at(start, "`#_` discards a value, none follows")),
                    })?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// The next value, or `None` at the end of the text.
    fn next(&mut self) -> Result<Option<Edn>, EdnError> {
        self.skip_blank()?;
        let start = self.at;
        let Some(c) = self.peek() else {
            return Ok(None);
        };
        let value = match c {
            '(' => Edn::List(self.collection(1, ')')?),
            '[' => Edn::Vector(self.collection(1, ']')?),
            '{' => {
                let items = self.collection(1, '}')?;
                if items.len() % 2 == 1 {
                    return Err(self.error_at(
                        start,
                        format!(
                            "a map pairs keys with values, this one has {} parts",
                            items.len()
                        ),
                    ));
                }
                let mut items = items.into_iter();
                let mut entries = Vec::with_capacity(items.len() / 2);
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    entries.push((key, value));
                }
                Edn::Map(entries)
            }
            '"' => Edn::String(self.string()?),
            '\\' => Edn::Char(self.character()?),
            '#' => self.dispatch()?,
            ')' | ']' | '}' => {
                return Err(self.error_here(format!("`{c}` closes nothing that is open")));
            }
            _ => self.atom()?,
        };
        Ok(Some(value))
    }

    fn nested<T>(
        &mut self,
        start: usize,
        read: impl FnOnce(&mut Self) -> Result<T, EdnError>,
    ) -> Result<T, EdnError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error_at(start, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// The items up to `close`, after an opening of `open` characters.
    fn collection(&mut self, open: usize, close: char) -> Result<Vec<Edn>, EdnError> {
        let start = self.at;
        self.at += open;
        self.nested(start, |reader| {
            let mut items = Vec::new();
            loop {
                reader.skip_blank()?;
                if reader.peek() == Some(close) {
                    reader.bump();
                    return Ok(items);
                }
                match reader.next()? {
                    Some(item) => items.push(item),
                    None => {
                        return Err(reader.error_at(start, format!("never closed with `{close}`")));
                    }
                }
            }
        })
    }

    fn string(&mut self) -> Result<String, EdnError> {
        let start = self.at;
        self.bump();
        let mut out = String::new();
        loop {
            let at = self.at;
            match self.bump() {
                None => return Err(self.error_at(start, "a string that is never closed")),
                Some('"') => return Ok(out),
                Some('\\') => match self.bump() {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some('f') => out.push('\u{c}'),
                    Some('b') => out.push('\u{8}'),
                    Some(c @ ('"' | '\\')) => out.push(c),
                    Some('u') => out.push(self.unicode(at)?),
                    _ => {
                        return Err(self.error_at(
                            at,
                            r#"unknown escape, EDN has \n \t \r \f \b \" \\ and \uXXXX"#,
                        ));
                    }
                },
                Some(c) => out.push(c),
            }
        }
    }

    /// The character of the four hex digits after `\u`; a surrogate takes a second `\uXXXX`.
    fn unicode(&mut self, at: usize) -> Result<char, EdnError> {
        let first = self.code_unit();
        let second = match first {
            Some(0xD800..0xDC00) if self.text[self.at..].starts_with("\\u") => {
                self.at += 2;
                self.code_unit()
            }
            _ => None,
        };
        char::decode_utf16(first.into_iter().chain(second))
            .next()
            .and_then(Result::ok)
            .ok_or_else(|| {
                self.error_at(at, "`\\u` takes the four hex digits of a Unicode character")
            })
    }

    fn code_unit(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        u16::from_str_radix(digits, 16).ok()
    }

    fn character(&mut self) -> Result<char, EdnError> {
        let start = self.at;
        self.bump();
        let Some(first) = self.bump() else {
            return Err(self.error_at(start, "`\\` names a character, none follows"));
        };
        let from = self.at - first.len_utf8();
        while self.peek().is_some_and(is_constituent) {
            self.bump();
        }
        let name = &self.text[from..self.at];
        let named = match name {
            "newline" => Some('\n'),
            "return" => Some('\r'),
            "space" => Some(' '),
            "tab" => Some('\t'),
            "formfeed" => Some('\u{c}'),
            "backspace" => Some('\u{8}'),
            _ if name.chars().count() == 1 => Some(first),
            _ => name
                .strip_prefix('u')
                .filter(|digits| digits.len() == 4)
                .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                .and_then(char::from_u32),
        };
        named.ok_or_else(|| self.error_at(start, format!("unknown character `\\{name}`")))
    }

    /// What starts with `#`: a set, a symbolic float or a tag.
    fn dispatch(&mut self) -> Result<Edn, EdnError> {
        let start = self.at;
        let rest = &self.text[start..];
        if rest.starts_with("#{") {
            return Ok(Edn::Set(self.collection(2, '}')?));
        }
        if let Some(name) = rest.strip_prefix("##") {
            let (value, length) = if name.starts_with("Inf") {
                (f64::INFINITY, 3)
            } else if name.starts_with("-Inf") {
                (f64::NEG_INFINITY, 4)
            } else if name.starts_with("NaN") {
                (f64::NAN, 3)
            } else {
                return Err(self.error_here("`##` takes Inf, -Inf or NaN"));
            };
            self.at += 2 + length;
            return Ok(Edn::Float(value));
        }
        self.bump();
        let from = self.at;
        while self.peek().is_some_and(is_constituent) {
            self.bump();
        }
        let tag = &self.text[from..self.at];
        if !tag.starts_with(char::is_alphabetic) {
            return Err(self.error_at(start, "`#` starts a set `#{…}` or a tag such as `#inst`"));
        }
        let value = self.nested(start, |reader| {
            reader.next()?.ok_or_else(|| {
                reader.error_at(
                    start,
                    format!("the tag `#{tag}` takes a value, none follows"),
                )
            })
        })?;
        Ok(Edn::Tagged(tag.to_owned(), Box::new(value)))
    }

    /// A keyword, symbol or number, or one of the three words.
    fn atom(&mut self) -> Result<Edn, EdnError> {
        let start = self.at;
        while self.peek().is_some_and(is_constituent) {
            self.bump();
        }
        let text = &self.text[start..self.at];
        if text.is_empty() {
            let c = self.peek().unwrap_or_default();
            return Err(self.error_here(format!("`{c}` starts no EDN value")));
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        Ok(match text {
            "nil" => Edn::Nil,
            "true" => Edn::Bool(true),
            "false" => Edn::Bool(false),
            _ if unsigned.starts_with(|c: char| c.is_ascii_digit()) => number(text)
                .ok_or_else(|| self.error_at(start, format!("`{text}` is not a number of EDN")))?,
            _ => match text.strip_prefix(':') {
                Some("") => {
                    return Err(self.error_at(start, "`:` starts a keyword, no name follows"));
                }
                Some(name) => Edn::Keyword(name.to_owned()),
                None => Edn::Symbol(text.to_owned()),
            },
        })
    }
}

/// Whether a keyword, symbol or number goes on with this character.
fn is_constituent(c: char) -> bool {
    !(c.is_whitespace()
        || matches!(
            c,
            ',' | ';' | '"' | '(' | ')' | '[' | ']' | '{' | '}' | '\\'
        ))
}

fn number(text: &str) -> Option<Edn> {
    let integer = text.strip_suffix('N').unwrap_or(text);
    let integer = integer.strip_prefix('+').unwrap_or(integer);
    let digits = integer.strip_prefix('-').unwrap_or(integer);
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return Some(match integer.parse() {
            Ok(value) => Edn::Int(value),
            Err(_) => {
                let digits = digits.trim_start_matches('0');
                let sign = if integer.starts_with('-') { "-" } else { "" };
                Edn::BigInt(format!("{sign}{digits}"))
            }
        });
    }
    let float = text.strip_suffix('M').unwrap_or(text);
    let plain = float
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    plain.then(|| float.parse().ok().map(Edn::Float)).flatten()
}
