//! Reading a line: the envelope and the header of the body, borrowed.
//!
//! The body's own fields are not looked at here but handed on as text, so that
//! they are parsed once, into the parameters of their handler. To hand them on
//! their extent must be known, and a line is only acted on if all of it is
//! JSON; so this is a strict JSON reader that keeps nothing (RFC 8259; depth
//! bounded like `serde_json`'s).

use std::borrow::Cow;
use std::fmt;

/// How deep objects and arrays may nest, as in `serde_json`.
const MAX_DEPTH: u8 = 127;

/// One message, borrowed from its line.
#[derive(Debug, PartialEq)]
pub(crate) struct Envelope<'a> {
    pub(crate) src: Cow<'a, str>,
    /// The whole body, an object.
    pub(crate) body: &'a str,
    pub(crate) header: Header<'a>,
}

/// What the runtime itself reads of a body.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Header<'a> {
    pub(crate) kind: Option<Cow<'a, str>>,
    /// As written, so that `in_reply_to` repeats it digit by digit.
    pub(crate) msg_id: Option<&'a str>,
    pub(crate) in_reply_to: Option<&'a str>,
}

/// Why a line is no message.
#[derive(Debug, PartialEq)]
pub(crate) enum Defect {
    Utf8 {
        column: usize,
    },
    Json {
        column: usize,
        expected: &'static str,
    },
    NotAnObject,
    Lacks(&'static str),
    NotA(&'static str, &'static str),
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf8 { column } => write!(f, "not UTF-8 at column {column}"),
            Self::Json { column, expected } => {
                write!(f, "not JSON at column {column}: expected {expected}")
            }
            Self::NotAnObject => write!(f, "not a JSON object"),
            Self::Lacks(field) => write!(f, "a message without `{field}`"),
            Self::NotA(field, what) => write!(f, "`{field}` is not {what}"),
        }
    }
}

type Result<T> = std::result::Result<T, Defect>;

/// Reads one line.
pub(crate) fn read(line: &[u8]) -> Result<Envelope<'_>> {
    let text = std::str::from_utf8(line).map_err(|error| Defect::Utf8 {
        column: error.valid_up_to() + 1,
    })?;
    let mut scan = Scan {
        text,
        bytes: line,
        at: 0,
    };
    let (mut src, mut body, mut header) = (None, None, Header::default());
    scan.space();
    if scan.peek() != Some(b'{') {
        // Not JSON at all is worth telling from JSON of another kind.
        scan.value(0)?;
        scan.end()?;
        return Err(Defect::NotAnObject);
    }
    scan.object(|scan, key| {
        match key {
            "src" => src = Some(scan.value(1)?),
            "body" => {
                let start = scan.at;
                if scan.peek() == Some(b'{') {
                    header = Header::default();
                    scan.object(|scan, key| {
                        match key {
                            "type" => header.kind = Some(string(scan.value(2)?, "type")?),
                            "msg_id" => header.msg_id = integer(scan.value(2)?, "msg_id")?,
                            "in_reply_to" => {
                                header.in_reply_to = integer(scan.value(2)?, "in_reply_to")?;
                            }
                            _ => drop(scan.value(2)?),
                        }
                        Ok(())
                    })?;
                } else {
                    scan.value(1)?;
                }
                body = Some(&text[start..scan.at]);
            }
            _ => drop(scan.value(1)?),
        }
        Ok(())
    })?;
    scan.end()?;
    let body = body.ok_or(Defect::Lacks("body"))?;
    if !body.starts_with('{') {
        return Err(Defect::NotA("body", "an object"));
    }
    let src = string(src.ok_or(Defect::Lacks("src"))?, "src")?;
    Ok(Envelope { src, body, header })
}

/// The name of the field of `body` at whose value a reader gave up that had
/// consumed so many bytes.
pub(crate) fn field_at(body: &str, consumed: usize) -> Option<Cow<'_, str>> {
    let mut scan = Scan {
        text: body,
        bytes: body.as_bytes(),
        at: 0,
    };
    let mut found = None;
    scan.object(|scan, key| {
        let start = scan.at;
        scan.value(1)?;
        if found.is_none() && (start..=scan.at).contains(&consumed) {
            found = Some(key);
        }
        Ok(())
    })
    .ok()?;
    string_content(found?)
}

/// The text of the value of `body`'s field `name`.
pub(crate) fn field<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let mut scan = Scan {
        text: body,
        bytes: body.as_bytes(),
        at: 0,
    };
    let mut found = None;
    scan.object(|scan, key| {
        let value = scan.value(1)?;
        if string_content(key).is_some_and(|key| key == name) {
            found = Some(value);
        }
        Ok(())
    })
    .ok()?;
    found
}

/// Decodes the text of a JSON string, quotes included.
fn string<'a>(token: &'a str, field: &'static str) -> Result<Cow<'a, str>> {
    token
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .and_then(string_content)
        .ok_or(Defect::NotA(field, "a string"))
}

/// Decodes what stands between the quotes of a JSON string.
fn string_content(content: &str) -> Option<Cow<'_, str>> {
    if content.contains('\\') {
        serde_json::from_str(&format!("\"{content}\""))
            .ok()
            .map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(content))
    }
}

/// `null` stands for absence, as most JSON writers have it.
fn integer<'a>(token: &'a str, field: &'static str) -> Result<Option<&'a str>> {
    let digits = token.strip_prefix('-').unwrap_or(token);
    if token == "null" {
        Ok(None)
    } else if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(Some(token))
    } else {
        Err(Defect::NotA(field, "an integer"))
    }
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    fn fail<T>(&self, expected: &'static str) -> Result<T> {
        Err(Defect::Json {
            column: self.at + 1,
            expected,
        })
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<()> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            self.fail(expected)
        }
    }

    fn end(&mut self) -> Result<()> {
        self.space();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            self.fail("the end of the line")
        }
    }

    /// Reads an object, calling `field` with each key (undecoded, without its
    /// quotes) at the start of its value, which `field` must consume.
    fn object(&mut self, mut field: impl FnMut(&mut Self, &'a str) -> Result<()>) -> Result<()> {
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.space();
            self.expect(b':', "`:`")?;
            self.space();
            field(self, &key[1..key.len() - 1])?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.fail("`,` or `}`"),
            }
            self.space();
        }
    }

    /// Reads any value and returns its text.
    fn value(&mut self, depth: u8) -> Result<&'a str> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => return self.string(),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal("true")?,
            Some(b'f') => self.literal("false")?,
            Some(b'n') => self.literal("null")?,
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                return self.fail("less nesting than 128 levels");
            }
            Some(b'{') => self.object(|scan, _| scan.value(depth + 1).map(drop))?,
            Some(b'[') => self.array(depth)?,
            _ => return self.fail("a value"),
        }
        Ok(&self.text[start..self.at])
    }

    fn array(&mut self, depth: u8) -> Result<()> {
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.fail("`,` or `]`"),
            }
            self.space();
        }
    }

    fn string(&mut self) -> Result<&'a str> {
        let start = self.at;
        self.expect(b'"', "`\"`")?;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at]);
                }
                Some(b'\\') => self.escape()?,
                Some(0..0x20) | None => return self.fail("the end of the string"),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<()> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return self.fail("four hexadecimal digits");
                    }
                    self.at += 1;
                }
                Ok(())
            }
            _ => self.fail("an escape"),
        }
    }

    fn number(&mut self) -> Result<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start {
            Ok(())
        } else {
            self.fail("a digit")
        }
    }

    fn literal(&mut self, literal: &'static str) -> Result<()> {
        if self.text[self.at..].starts_with(literal) {
            self.at += literal.len();
            Ok(())
        } else {
            self.fail(literal)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borrows_envelope_and_header() {
        let line = br#"{"id":4,"src":"c4","dest":"n0","body":{"type":"echo","msg_id":7,"echo":{"a":[1]}}}"#;
        let envelope = read(line).unwrap();
        assert!(matches!(envelope.src, Cow::Borrowed("c4")));
        assert!(matches!(envelope.header.kind, Some(Cow::Borrowed("echo"))));
        assert_eq!(envelope.header.msg_id, Some("7"));
        assert_eq!(
            envelope.body,
            r#"{"type":"echo","msg_id":7,"echo":{"a":[1]}}"#
        );
    }

    #[test]
    fn names_the_field_at_an_offset() {
        let body = r#"{"type":"x","a":[1,2],"b":"c"}"#;
        assert_eq!(
            field_at(body, body.find("2").unwrap()).as_deref(),
            Some("a")
        );
        assert_eq!(
            field_at(body, body.find("\"c\"").unwrap()).as_deref(),
            Some("b")
        );
        assert_eq!(field_at(body, body.len()), None);
    }

    /// The reader takes and refuses exactly what `serde_json` does, on texts
    /// one edit away from valid ones.
    #[test]
    fn agrees_with_serde_json() {
        let seeds = [
            r#"{"src":"c1","body":{"type":"a","x":[1,-2.5e+10,0,true,false,null,"s\u00e9\n"],"y":{}}}"#,
            r#" { "body" : { } , "src" : "" } "#,
            r#"{"src":"é","body":{"d":[[[[]]],{"k":0.1E-2}]}}"#,
        ];
        let alphabet = b"{}[]\",:\\u0e.-+1 tnf\x01\xc3";
        let mut checked = 0;
        for seed in seeds {
            for at in 0..=seed.len() {
                for edit in 0..alphabet.len() * 2 + 1 {
                    let mut line = seed.as_bytes().to_vec();
                    match edit {
                        0 if at < line.len() => drop(line.remove(at)),
                        0 => continue,
                        _ if edit <= alphabet.len() => line.insert(at, alphabet[edit - 1]),
                        _ if at < line.len() => line[at] = alphabet[edit - alphabet.len() - 1],
                        _ => continue,
                    }
                    let theirs = serde_json::from_slice::<serde::de::IgnoredAny>(&line).is_ok()
                        && std::str::from_utf8(&line).is_ok();
                    let ours =
                        !matches!(read(&line), Err(Defect::Json { .. } | Defect::Utf8 { .. }));
                    // A header field of the wrong kind ends our reading early.
                    if !matches!(read(&line), Err(Defect::NotA(..))) {
                        assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&line));
                        checked += 1;
                    }
                }
            }
        }
        assert!(checked > 5_000, "only {checked} texts compared");
    }

    #[test]
    fn bounds_nesting() {
        let deep = |levels: usize| {
            format!(
                r#"{{"src":"c","body":{{"x":{}{}}}}}"#,
                "[".repeat(levels),
                "]".repeat(levels)
            )
        };
        assert!(read(deep(100).as_bytes()).is_ok());
        assert!(matches!(
            read(deep(100_000).as_bytes()),
            Err(Defect::Json { .. })
        ));
    }
}
