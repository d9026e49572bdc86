//! Reading a line: the envelope and the header of the body, borrowed.
//!
//! The body's own fields are not looked at here but handed on as text, so that
//! their values are parsed once, into the parameters of their handler (see
//! `decode`). To hand them on their extent must be known, and a line is only
//! acted on if all of it is JSON; so this is a strict JSON reader that keeps
//! nothing (RFC 8259; depth bounded like `serde_json`'s).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// How deep objects and arrays may nest, as in `serde_json`.
const MAX_DEPTH: u8 = 127;

/// One message, borrowed from its line.
#[derive(Debug, PartialEq)]
pub(crate) struct Envelope<'a> {
    pub(crate) src: Cow<'a, str>,
    pub(crate) body: Body<'a>,
    pub(crate) header: Header<'a>,
}

/// The body of a message, an object.
#[derive(Debug, PartialEq)]
pub(crate) struct Body<'a> {
    /// All of it.
    pub(crate) text: &'a str,
    /// Names and values as written, up to `count`.
    fields: [(&'a str, &'a str); FEW],
    /// `None` if there are more, or if a name has escapes.
    count: Option<usize>,
}

/// How many fields of a body are noted; one that has more is read by
/// `serde_json`.
const FEW: usize = 8;

impl<'a> Body<'a> {
    fn new() -> Self {
        Self {
            text: "",
            fields: [("", ""); FEW],
            count: Some(0),
        }
    }

    fn add(&mut self, name: &'a str, value: &'a str) {
        let Some(count) = self.count else { return };
        self.count = self.fields.get_mut(count).map(|place| {
            *place = (name, value);
            count + 1
        });
    }

    /// The same as if it had many fields.
    #[cfg(test)]
    pub(crate) fn unread(&self) -> Self {
        Self {
            count: None,
            ..*self
        }
    }

    /// Names and values as written, in their order, unless there are many or a
    /// name has escapes.
    pub(crate) fn fields(&self) -> Option<&[(&'a str, &'a str)]> {
        self.count.map(|count| &self.fields[..count])
    }
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
    let mut scan = Scan::new(text);
    let mut tokens = Tokens::default();
    let mut body = Body::new();
    let is_object = scan.envelope(&mut tokens, &mut body).ok_or_else(|| {
        let (at, expected) = scan.failure;
        let column = at + 1;
        Defect::Json { column, expected }
    })?;
    if !is_object {
        return Err(Defect::NotAnObject);
    }
    match body.text.bytes().next() {
        Some(b'{') => {}
        Some(_) => return Err(Defect::NotA("body", "an object")),
        None => return Err(Defect::Lacks("body")),
    }
    let kind = tokens.kind.map(|token| string(token, "type"));
    let header = Header {
        kind: kind.transpose()?,
        msg_id: integer(tokens.msg_id, "msg_id")?,
        in_reply_to: integer(tokens.in_reply_to, "in_reply_to")?,
    };
    let src = string(tokens.src.ok_or(Defect::Lacks("src"))?, "src")?;
    Ok(Envelope { src, body, header })
}

/// The name of the field of `body` at whose value a reader gave up that had
/// consumed so many bytes.
pub(crate) fn field_at(body: &str, consumed: usize) -> Option<Cow<'_, str>> {
    let (name, _) =
        Fields::of(body).find(|(_, value)| (value.start..=value.end).contains(&consumed))?;
    string_content(name)
}

/// The text of the value of `body`'s field `name`.
pub(crate) fn field<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = Fields::of(body)
        .filter(|(key, _)| string_content(key).is_some_and(|key| key == name))
        .last()?;
    Some(&body[value])
}

/// Decodes the text of a JSON string, quotes included.
fn string<'a>(token: &'a str, field: &'static str) -> Result<Cow<'a, str>> {
    content(token)
        .and_then(string_content)
        .ok_or(Defect::NotA(field, "a string"))
}

/// What stands between the quotes of a JSON string, as written.
pub(crate) fn content(token: &str) -> Option<&str> {
    match token.as_bytes() {
        [b'"', .., b'"'] => token.get(1..token.len() - 1),
        _ => None,
    }
}

/// Decodes what stands between the quotes of a JSON string.
fn string_content(content: &str) -> Option<Cow<'_, str>> {
    match is_plain(content) {
        true => Some(Cow::Borrowed(content)),
        false => serde_json::from_str(&format!("\"{content}\""))
            .ok()
            .map(Cow::Owned),
    }
}

/// `null` stands for absence, as most JSON writers have it.
fn integer<'a>(token: Option<&'a str>, field: &'static str) -> Result<Option<&'a str>> {
    let Some(token) = token.filter(|token| *token != "null") else {
        return Ok(None);
    };
    let digits = token.strip_prefix('-').unwrap_or(token);
    match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(Some(token)),
        false => Err(Defect::NotA(field, "an integer")),
    }
}

/// The values, as written, that make an [`Envelope`].
#[derive(Default)]
struct Tokens<'a> {
    src: Option<&'a str>,
    kind: Option<&'a str>,
    msg_id: Option<&'a str>,
    in_reply_to: Option<&'a str>,
}

/// A strict reader of JSON that keeps nothing. Each part takes the place where
/// something begins and returns the place behind it; `None` is a failure.
struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// Where it gave up, and what it expected there.
    failure: (usize, &'static str),
}

/// How an object or an array goes on.
enum Step {
    /// With what begins here.
    Next(usize),
    /// Not at all; it ended before here.
    End(usize),
}

/// The fields of an object that was read before: names as written, and where
/// their values are.
struct Fields<'a> {
    scan: Scan<'a>,
    step: Step,
}

impl<'a> Fields<'a> {
    fn of(object: &'a str) -> Self {
        let scan = Scan::new(object);
        let step = scan.open(0, b'}');
        Self { scan, step }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let Step::Next(at) = self.step else {
            return None;
        };
        let (key, start) = self.scan.key(at)?;
        let end = self.scan.value(start, 1)?;
        self.step = self.scan.more(end, b'}')?;
        Some((key, start..end))
    }
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            failure: (0, ""),
        }
    }

    #[cold]
    fn fail<T>(&mut self, at: usize, expected: &'static str) -> Option<T> {
        self.failure = (at, expected);
        None
    }

    fn peek(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn space(&self, at: usize) -> usize {
        // Maelstrom writes none.
        match self.peek(at) {
            Some(b' ' | b'\t' | b'\r' | b'\n') => self.spaces(at),
            _ => at,
        }
    }

    #[cold]
    fn spaces(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek(at) {
            at += 1;
        }
        at
    }

    fn expect(&mut self, at: usize, byte: u8, expected: &'static str) -> Option<usize> {
        match self.peek(at) {
            Some(found) if found == byte => Some(at + 1),
            _ => self.fail(at, expected),
        }
    }

    fn end(&mut self, at: usize) -> Option<()> {
        match self.space(at) {
            at if at == self.bytes.len() => Some(()),
            at => self.fail(at, "the end of the line"),
        }
    }

    /// Reads a message. Returns whether it is an object; what is no object is
    /// no failure, but no message.
    ///
    /// Of a field that is there twice the last one counts, as in most readers.
    fn envelope(&mut self, tokens: &mut Tokens<'a>, body: &mut Body<'a>) -> Option<bool> {
        let at = self.space(0);
        if self.peek(at) != Some(b'{') {
            let at = self.value(at, 0)?;
            self.end(at)?;
            return Some(false);
        }
        let mut step = self.open(at, b'}');
        loop {
            step = match step {
                Step::Next(at) => {
                    let (key, start) = self.key(at)?;
                    let at = match key {
                        "src" => {
                            let end = self.value(start, 1)?;
                            tokens.src = Some(&self.text[start..end]);
                            end
                        }
                        "body" => self.body(start, tokens, body)?,
                        _ => self.value(start, 1)?,
                    };
                    self.more(at, b'}')?
                }
                Step::End(at) => {
                    self.end(at)?;
                    return Some(true);
                }
            }
        }
    }

    fn body(
        &mut self,
        begin: usize,
        tokens: &mut Tokens<'a>,
        body: &mut Body<'a>,
    ) -> Option<usize> {
        if self.peek(begin) != Some(b'{') {
            let end = self.value(begin, 1)?;
            body.text = &self.text[begin..end];
            return Some(end);
        }
        (tokens.kind, tokens.msg_id, tokens.in_reply_to) = (None, None, None);
        body.count = Some(0);
        let mut step = self.open(begin, b'}');
        loop {
            step = match step {
                Step::Next(at) => {
                    let (key, start) = self.key(at)?;
                    let at = self.value(start, 2)?;
                    let value = &self.text[start..at];
                    match key {
                        "type" => tokens.kind = Some(value),
                        "msg_id" => tokens.msg_id = Some(value),
                        "in_reply_to" => tokens.in_reply_to = Some(value),
                        _ if !is_plain(key) => body.count = None,
                        _ => {}
                    }
                    body.add(key, value);
                    self.more(at, b'}')?
                }
                Step::End(at) => {
                    body.text = &self.text[begin..at];
                    return Some(at);
                }
            }
        }
    }

    fn value(&mut self, at: usize, depth: u8) -> Option<usize> {
        match self.peek(at) {
            Some(b'"') => self.string(at + 1),
            Some(b'-' | b'0'..=b'9') => self.number(at),
            Some(b't') => self.literal(at, "true"),
            Some(b'f') => self.literal(at, "false"),
            Some(b'n') => self.literal(at, "null"),
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                self.fail(at, "less nesting than 128 levels")
            }
            Some(b'{') => self.object(at, depth),
            Some(b'[') => self.array(at, depth),
            _ => self.fail(at, "a value"),
        }
    }

    fn object(&mut self, at: usize, depth: u8) -> Option<usize> {
        let mut step = self.open(at, b'}');
        loop {
            step = match step {
                Step::Next(at) => {
                    let (_, at) = self.key(at)?;
                    let at = self.value(at, depth + 1)?;
                    self.more(at, b'}')?
                }
                Step::End(at) => return Some(at),
            }
        }
    }

    fn array(&mut self, at: usize, depth: u8) -> Option<usize> {
        let mut step = self.open(at, b']');
        loop {
            step = match step {
                Step::Next(at) => {
                    let at = self.value(at, depth + 1)?;
                    self.more(at, b']')?
                }
                Step::End(at) => return Some(at),
            }
        }
    }

    /// Steps over the opening bracket at `at`.
    fn open(&self, at: usize, close: u8) -> Step {
        let at = self.space(at + 1);
        match self.peek(at) == Some(close) {
            true => Step::End(at + 1),
            false => Step::Next(at),
        }
    }

    /// Steps over what follows an element.
    fn more(&mut self, at: usize, close: u8) -> Option<Step> {
        let at = self.space(at);
        match self.peek(at) {
            Some(b',') => Some(Step::Next(self.space(at + 1))),
            Some(byte) if byte == close => Some(Step::End(at + 1)),
            _ if close == b'}' => self.fail(at, "`,` or `}`"),
            _ => self.fail(at, "`,` or `]`"),
        }
    }

    /// Reads a key and its colon; the key is as written, less its quotes.
    #[inline(always)]
    fn key(&mut self, start: usize) -> Option<(&'a str, usize)> {
        let start = self.expect(start, b'"', "`\"`")?;
        let end = self.string(start)?;
        let key = &self.text[start..end - 1];
        let at = self.space(end);
        let at = self.expect(at, b':', "`:`")?;
        Some((key, self.space(at)))
    }

    /// Reads a string from behind its opening quote.
    #[inline(always)]
    fn string(&mut self, at: usize) -> Option<usize> {
        // Most are shorter than this.
        if let Some(chunk) = self.bytes[at..].first_chunk() {
            let end = at + plain(*chunk);
            if end < at + 8 && self.bytes[end] == b'"' {
                return Some(end + 1);
            }
        }
        self.rest_of_string(at)
    }

    #[inline(never)]
    fn rest_of_string(&mut self, mut at: usize) -> Option<usize> {
        loop {
            while let Some(chunk) = self.bytes[at..].first_chunk() {
                let length = plain(*chunk);
                at += length;
                if length < 8 {
                    break;
                }
            }
            match self.peek(at) {
                Some(b'"') => return Some(at + 1),
                Some(b'\\') => at = self.escape(at + 1)?,
                Some(0x20..) => at += 1,
                _ => return self.fail(at, "the end of the string"),
            }
        }
    }

    #[cold]
    fn escape(&mut self, at: usize) -> Option<usize> {
        match self.peek(at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Some(at + 1),
            Some(b'u') => {
                let hexadecimal = |at| self.peek(at).is_some_and(|byte| byte.is_ascii_hexdigit());
                match (at + 1..at + 5).find(|at| !hexadecimal(*at)) {
                    None => Some(at + 5),
                    Some(at) => self.fail(at, "four hexadecimal digits"),
                }
            }
            _ => self.fail(at, "an escape"),
        }
    }

    fn number(&mut self, mut at: usize) -> Option<usize> {
        at += usize::from(self.peek(at) == Some(b'-'));
        at = match self.peek(at) {
            Some(b'0') => at + 1,
            _ => self.digits(at)?,
        };
        if self.peek(at) == Some(b'.') {
            at = self.digits(at + 1)?;
        }
        if let Some(b'e' | b'E') = self.peek(at) {
            at += 1;
            at += usize::from(matches!(self.peek(at), Some(b'+' | b'-')));
            at = self.digits(at)?;
        }
        Some(at)
    }

    fn digits(&mut self, start: usize) -> Option<usize> {
        let mut at = start;
        while self.peek(at).is_some_and(|byte| byte.is_ascii_digit()) {
            at += 1;
        }
        match at > start {
            true => Some(at),
            false => self.fail(at, "a digit"),
        }
    }

    fn literal(&mut self, at: usize, literal: &'static str) -> Option<usize> {
        match self.text[at..].starts_with(literal) {
            true => Some(at + literal.len()),
            false => self.fail(at, literal),
        }
    }
}

/// Whether a text stands for itself in a JSON string.
#[inline]
pub(crate) fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes.last_chunk() {
        Some(last) => {
            let (chunks, _) = bytes.as_chunks();
            plain(*last) == 8 && chunks.iter().all(|chunk| plain(*chunk) == 8)
        }
        None => {
            let spaces = u64::from_le_bytes([b' '; 8]);
            let word = bytes
                .iter()
                .fold(spaces, |word, byte| word << 8 | u64::from(*byte));
            plain(word.to_le_bytes()) == 8
        }
    }
}

/// How many of these bytes, from the first on, stand for themselves in a
/// string: most of a line does.
fn plain(chunk: [u8; 8]) -> usize {
    const LOWS: u64 = u64::MAX / 0xff;
    const HIGHS: u64 = LOWS << 7;
    let word = u64::from_le_bytes(chunk);
    // Subtracting borrows from the high bit of a byte that is smaller; only
    // the lowest such bit is certain, which is the one wanted.
    let control = word.wrapping_sub(LOWS * 0x20);
    let quote = (word ^ (LOWS * u64::from(b'"'))).wrapping_sub(LOWS);
    let escape = (word ^ (LOWS * u64::from(b'\\'))).wrapping_sub(LOWS);
    let ends = (control | quote | escape) & !word & HIGHS;
    ends.trailing_zeros() as usize / 8
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
            envelope.body.text,
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
