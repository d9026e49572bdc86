//! Reading a message: one pass of `serde_json` over its line keeps the values
//! of the body as they were written, and each is parsed once, into the
//! parameter that it is for.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serializer, forward_to_deserialize_any};
use serde_json::value::RawValue;

use super::Fields;
use crate::{Error, Message};

/// One message, borrowed from its line.
#[derive(Debug, Default)]
pub(crate) struct Envelope<'a> {
    /// All of it.
    pub(crate) line: &'a str,
    pub(crate) src: Cow<'a, str>,
    pub(crate) body: RawBody<'a>,
}

impl<'a> Envelope<'a> {
    /// Reads one line, as [`read`] does. If it is no message, what this holds
    /// then is of no use.
    pub(crate) fn read(&mut self, line: &'a [u8]) -> Result<(), Defect> {
        self.line = std::str::from_utf8(line).map_err(Defect::Utf8)?;
        whole(self.line, Fill(self)).map_err(Defect::Json)
    }

    /// Whom the message is for, which a node seldom has to be told.
    pub(crate) fn dest(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Dest {
            dest: String,
        }
        let read: Dest = serde_json::from_str(self.line).ok()?;
        Some(read.dest)
    }
}

/// The body of a message: what the runtime itself reads of it, and its fields
/// with their values as written.
#[derive(Debug, Default)]
pub(crate) struct RawBody<'a> {
    pub(crate) kind: Option<Cow<'a, str>>,
    /// As written, so that `in_reply_to` repeats it digit by digit.
    pub(crate) msg_id: Option<&'a str>,
    pub(crate) in_reply_to: Option<&'a str>,
    fields: Vec<Field<'a>>,
}

#[derive(Debug)]
struct Field<'a> {
    name: Cow<'a, str>,
    value: &'a RawValue,
    is_header: bool,
}

/// Whether a field is the runtime's to write.
pub(super) fn is_header(name: &str) -> bool {
    matches!(name, "type" | "msg_id" | "in_reply_to")
}

/// Why a line is no message.
#[derive(Debug)]
pub(crate) enum Defect {
    Utf8(std::str::Utf8Error),
    Json(serde_json::Error),
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf8(error) => write!(f, "not UTF-8 at column {}", error.valid_up_to() + 1),
            Self::Json(error) if error.is_data() => f.write_str(&cause(error)),
            Self::Json(error) => {
                write!(f, "not JSON at column {}: {}", error.column(), cause(error))
            }
        }
    }
}

/// Reads one line. Of a field that is there twice the last one counts, as in
/// most readers.
pub(crate) fn read(line: &[u8]) -> Result<Envelope<'_>, Defect> {
    let mut envelope = Envelope::default();
    envelope.read(line)?;
    Ok(envelope)
}

/// Room for the fields of a body, which is used for one line after the other.
#[derive(Default)]
pub(crate) struct Room(Vec<Field<'static>>);

/// How many fields there is room for at first, since most bodies have fewer,
/// and after a body that had more.
const FEW: usize = 8;

impl Room {
    /// An empty message, to [read](Envelope::read) one into.
    pub(crate) fn enter<'a>(&mut self) -> Envelope<'a> {
        let mut envelope = Envelope::default();
        envelope.body.fields = std::mem::take(&mut self.0);
        envelope
    }

    /// Takes back the room that a message took.
    pub(crate) fn leave(&mut self, envelope: Envelope<'_>) {
        let mut fields = envelope.body.fields;
        if fields.capacity() <= FEW {
            fields.clear();
            // Nothing is moved: this collects in place.
            self.0 = fields.into_iter().map(|_| unreachable!()).collect();
        }
    }
}

/// Reads all of a text.
fn whole<'de, S: DeserializeSeed<'de>>(text: &'de str, seed: S) -> serde_json::Result<S::Value> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut json)?;
    // A type may stop within its value: an integer at a decimal point.
    json.end().map(|()| value)
}

/// The text of the body of a line, an object.
pub(crate) fn body_text(line: &str) -> serde_json::Result<&str> {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        body: &'a RawValue,
    }
    serde_json::from_str(line).map(|Line { body }| body.get())
}

/// Reads the parameters of a message from its body.
pub(crate) fn decode<M: Message + DeserializeOwned>(body: &RawBody<'_>) -> Result<M, Error> {
    let header = Shown::All;
    parse(Reader { body, header })
        .map_err(|fault| Error::malformed_request(format!("`{}`: {fault}", M::TYPE)))
}

/// Reads the reply to an `M` from the body of its answer.
///
/// A wrong answer is a `crash`, since the request was acted on.
pub(crate) fn decode_reply<M>(body: &RawBody<'_>) -> Result<M::Reply, Error>
where
    M: Message<Reply: DeserializeOwned>,
{
    let header = Shown::Nothing;
    let reader = Reader { body, header };
    let reply = match M::REPLY_FIELD {
        Some(_) => parse(reader).map(|OnlyField::<M>(reply)| reply),
        None => parse(reader),
    };
    reply.map_err(|fault| Error::crash(format!("answer to `{}`: {fault}", M::TYPE)))
}

/// The error that an `error` body tells of.
pub(crate) fn decode_error(body: &RawBody<'_>) -> Error {
    #[derive(Deserialize)]
    struct Answer {
        code: u32,
        #[serde(default)]
        text: String,
    }
    let header = Shown::Nothing;
    match parse(Reader { body, header }) {
        Ok(Answer { code, text }) => Error::received(code, text),
        Err(fault) => Error::crash(format!("the answer is a malformed error: {fault}")),
    }
}

/// The reply to an `M` that has a field for it.
struct OnlyField<M: Message>(M::Reply);

impl<'de, M: Message<Reply: DeserializeOwned>> Deserialize<'de> for OnlyField<M> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let names = const {
            &[match M::REPLY_FIELD {
                Some(name) => name,
                None => "",
            }]
        };
        Fields(names).read(input).map(|(reply,)| Self(reply))
    }
}

fn parse<T: DeserializeOwned>(reader: Reader<'_, '_>) -> Result<T, String> {
    T::deserialize(reader).map_err(|error| fault::<T>(reader, error))
}

/// What is wrong, and with which field: what failed is read once more.
#[cold]
fn fault<T: DeserializeOwned>(reader: Reader<'_, '_>, error: serde_json::Error) -> String {
    let Err(again) = serde_path_to_error::deserialize::<_, T>(reader) else {
        return cause(&error);
    };
    let path = again.path().to_string();
    let cause = cause(again.inner());
    match path.trim_matches(['.', '?']) {
        "" => cause,
        path => format!("field `{path}`: {cause}"),
    }
}

/// What is wrong, without the position in a text that nobody sees.
fn cause(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).unwrap_or(&text).to_owned()
}

/// A string, borrowed unless it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Where to put what is read. To hand it up by value, from one function to the
/// next, would copy it several times.
struct Fill<'t, T>(&'t mut T);

impl<'de, T> DeserializeSeed<'de> for Fill<'_, T>
where
    Self: Visitor<'de, Value = ()>,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_map(self)
    }
}

/// The name of a field of a message.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Part {
    Src,
    Body,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for Fill<'_, Envelope<'de>> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Envelope { src, body, .. } = self.0;
        let (mut has_src, mut has_body) = (false, false);
        while let Some(part) = map.next_key()? {
            match part {
                Part::Src => {
                    *src = map.next_value::<Text<'de>>()?.0;
                    has_src = true;
                }
                Part::Body => {
                    map.next_value_seed(Fill(&mut *body))?;
                    has_body = true;
                }
                Part::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if !has_src {
            return Err(de::Error::missing_field("src"));
        }
        if !has_body {
            return Err(de::Error::missing_field("body"));
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Fill<'_, RawBody<'de>> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a body, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let body = self.0;
        body.fields.clear();
        body.fields.reserve(FEW);
        let (mut kind, mut msg_id, mut in_reply_to) = (None, None, None);
        while let Some(Text(name)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            let header = match &*name {
                "type" => Some(&mut kind),
                "msg_id" => Some(&mut msg_id),
                "in_reply_to" => Some(&mut in_reply_to),
                _ => None,
            };
            let is_header = header.is_some();
            if let Some(header) = header {
                *header = Some(value.get());
            }
            body.fields.push(Field {
                name,
                value,
                is_header,
            });
        }
        body.kind = kind.map(string).transpose()?;
        body.msg_id = integer(msg_id, "msg_id")?;
        body.in_reply_to = integer(in_reply_to, "in_reply_to")?;
        Ok(())
    }
}

/// What a `type` says.
fn string<E: de::Error>(text: &str) -> Result<Cow<'_, str>, E> {
    let content = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    match content.filter(|content| !content.contains('\\')) {
        Some(plain) => Ok(Cow::Borrowed(plain)),
        None => serde_json::from_str(text)
            .map(|Text(string)| string)
            .map_err(|_| E::custom("`type` is not a string")),
    }
}

/// `null` stands for absence, as most JSON writers have it.
fn integer<'a, E: de::Error>(text: Option<&'a str>, field: &str) -> Result<Option<&'a str>, E> {
    let Some(text) = text.filter(|text| *text != "null") else {
        return Ok(None);
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(Some(text))
    } else {
        Err(E::custom(format_args!("`{field}` is not an integer")))
    }
}

impl<'a> RawBody<'a> {
    /// Reads the text of a body alone.
    pub(crate) fn of(text: &'a str) -> serde_json::Result<Self> {
        let mut body = Self::default();
        whole(text, Fill(&mut body))?;
        Ok(body)
    }

    fn fields(&self, header: Shown) -> impl Iterator<Item = &Field<'a>> {
        let fields = self.fields.iter();
        fields.filter(move |field| !field.is_header || header.includes(&field.name))
    }

    /// Writes the body again, with this much of its header.
    fn text(&self, header: Shown) -> serde_json::Result<Vec<u8>> {
        let mut text = Vec::new();
        let fields = self.fields(header);
        serde_json::Serializer::new(&mut text)
            .collect_map(fields.map(|field| (&field.name, field.value)))?;
        Ok(text)
    }

    /// The text of the fields alone, without those of the header.
    pub(super) fn headless(&self) -> serde_json::Result<Vec<u8>> {
        self.text(Shown::Nothing)
    }
}

/// Which fields of the header a type gets to see.
#[derive(Clone, Copy)]
enum Shown {
    All,
    Named(&'static [&'static str]),
    Nothing,
}

impl Shown {
    fn includes(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(&name),
            Self::Nothing => false,
        }
    }

    /// The same for a type that says which fields it has.
    fn named(self, names: &'static [&'static str]) -> Self {
        match self {
            Self::All => Self::Named(names),
            other => other,
        }
    }
}

/// What `serde_json` calls a [`RawValue`] when it asks for one.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// A body as serde meets it: an object, of whose header only those get to see
/// something who name it or take whatever there is.
///
/// Without fields of its own it stands for `()` and `None` as well, which is
/// how those are written.
#[derive(Clone, Copy)]
struct Reader<'a, 'de> {
    body: &'a RawBody<'de>,
    header: Shown,
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        visitor.visit_map(Entries {
            fields: self.body.fields(self.header),
            value: None,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        let header = self.header.named(names);
        Reader { header, ..self }.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        let count = self.body.fields(Shown::Nothing).count();
        if count != 1 {
            return Err(de::Error::custom(format_args!(
                "{count} fields, expected one, named like a variant of {name}"
            )));
        }
        let text = self.body.text(Shown::Nothing)?;
        serde_json::Deserializer::from_reader(&text[..]).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        match self.body.fields(Shown::Nothing).next() {
            Some(_) => visitor.visit_some(self),
            None => visitor.visit_none(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        if name != RAW_VALUE {
            return visitor.visit_newtype_struct(self);
        }
        let text = self.body.text(self.header)?;
        serde_json::Deserializer::from_reader(&text[..]).deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        seq tuple tuple_struct map identifier
    }
}

/// Fields, one after the other.
struct Entries<'de, I> {
    fields: I,
    /// That of the field whose name was read.
    value: Option<&'de RawValue>,
}

impl<'a, 'de: 'a, I: Iterator<Item = &'a Field<'de>>> MapAccess<'de> for Entries<'de, I> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> serde_json::Result<Option<K::Value>> {
        let Some(field) = self.fields.next() else {
            return Ok(None);
        };
        self.value = Some(field.value);
        seed.deserialize(Name(&field.name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> serde_json::Result<V::Value> {
        let Some(value) = self.value.take() else {
            return Err(de::Error::custom("a value without its name"));
        };
        whole(value.get(), seed)
    }
}

/// The name of a field, which a map may take for any key that JSON can write.
struct Name<'a, 'de>(&'a Cow<'de, str>);

/// Reads what stands between the quotes as a number.
macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
            let is_number = self.0.starts_with(|first: char| first == '-' || first.is_ascii_digit())
                && self.0.ends_with(|last: char| last.is_ascii_digit());
            if !is_number {
                return Err(de::Error::custom("expected key to be a number in quotes"));
            }
            let mut json = serde_json::Deserializer::from_reader(self.0.as_bytes());
            let key = json.$method(visitor)?;
            json.end().map(|()| key)
        })*
    };
}

impl<'de> Deserializer<'de> for Name<'_, 'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        match self.0 {
            Cow::Borrowed(name) => visitor.visit_borrowed_str(name),
            Cow::Owned(name) => visitor.visit_str(name),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        match &**self.0 {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        visitor.visit_bytes(self.0.as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        StrDeserializer::new(self.0).deserialize_enum(name, variants, visitor)
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    forward_to_deserialize_any! {
        char str string unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
