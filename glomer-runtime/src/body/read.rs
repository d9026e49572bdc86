//! Reading a body: its fields as they were found on the line, their values
//! through serde.
//!
//! `serde_json` would have to look for the fields once more. It reads the
//! values, but for strings without escapes, and whole bodies where their fields
//! are not what is asked for.

use std::any::TypeId;
use std::borrow::Cow;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, MapAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

use crate::body::wire::{self, Body};
use crate::{Error, Message};

/// Reads the parameters of a message from its body.
pub(crate) fn decode<M: Message + DeserializeOwned>(body: &Body<'_>) -> Result<M, Error> {
    let mut failed = None;
    let read = M::deserialize(Reader {
        body,
        failed: &mut failed,
    });
    read.map_err(|error| {
        let cause = cause(&error);
        let field = match failed {
            Some(name) => Some(name.into()),
            None => field_of(body.text, &error),
        };
        Error::malformed_request(match field {
            Some(field) => format!("`{}`: field `{field}`: {cause}", M::TYPE),
            None => format!("`{}`: {cause}", M::TYPE),
        })
    })
}

/// Reads the reply to an `M` from the body of its answer.
///
/// A wrong answer is a `crash`, since the request was acted on.
pub(crate) fn decode_reply<M>(body: &str) -> Result<M::Reply, Error>
where
    M: Message<Reply: DeserializeOwned>,
{
    // Serde reads `()` from null only, but any answer will do for it.
    let unit = TypeId::of::<M::Reply>() == TypeId::of::<()>();
    let value = match M::REPLY_FIELD {
        _ if unit => Some("null"),
        None => Some(body),
        Some(name) => wire::field(body, name),
    };
    let error = match value.map(serde_json::from_str) {
        Some(Ok(reply)) => return Ok(reply),
        Some(Err(error)) => error,
        None => serde::de::Error::missing_field(M::REPLY_FIELD.unwrap_or_default()),
    };
    let cause = cause(&error);
    let field = match M::REPLY_FIELD {
        Some(name) => value.map(|_| name.into()),
        None => field_of(body, &error),
    };
    Err(Error::crash(match field {
        Some(field) => format!("answer to `{}`: field `{field}`: {cause}", M::TYPE),
        None => format!("answer to `{}`: {cause}", M::TYPE),
    }))
}

/// What is wrong, without the position in a text that nobody sees.
fn cause(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    if let Some(at) = text.rfind(" at line ") {
        text.truncate(at);
    }
    text
}

/// The field of `body` that `error` is about, unless it names one itself.
fn field_of<'a>(body: &'a str, error: &serde_json::Error) -> Option<Cow<'a, str>> {
    wire::field_at(body, error.column())
}

/// Leaves it to `serde_json` to read the text.
macro_rules! by_serde_json {
    ($($method:ident($($argument:ident: $Type:ty),*))*) => {
        $(
            fn $method<V: Visitor<'de>>(
                self,
                $($argument: $Type,)*
                visitor: V,
            ) -> serde_json::Result<V::Value> {
                serde_json::Deserializer::from_str(self.text()).$method($($argument,)* visitor)
            }
        )*
    };
}

macro_rules! most_by_serde_json {
    () => {
        by_serde_json! {
            deserialize_bool()
            deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
            deserialize_i128()
            deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64()
            deserialize_u128()
            deserialize_f32() deserialize_f64()
            deserialize_char()
            deserialize_bytes() deserialize_byte_buf()
            deserialize_unit()
            deserialize_unit_struct(name: &'static str)
            deserialize_newtype_struct(name: &'static str)
            deserialize_seq()
            deserialize_tuple(len: usize)
            deserialize_tuple_struct(name: &'static str, len: usize)
            deserialize_enum(name: &'static str, variants: &'static [&'static str])
        }
    };
}

/// A body, which tells which field it was whose value could not be read.
struct Reader<'a, 'de> {
    body: &'a Body<'de>,
    failed: &'a mut Option<&'de str>,
}

impl<'de> Reader<'_, 'de> {
    fn text(&self) -> &'de str {
        self.body.text
    }
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = serde_json::Error;

    most_by_serde_json! {}

    by_serde_json! {
        deserialize_str()
        deserialize_string()
        deserialize_option()
        deserialize_identifier()
        deserialize_ignored_any()
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        let Self { body, failed } = self;
        match body.fields() {
            Some(fields) => visitor.visit_map(Entries {
                fields: fields.iter(),
                value: None,
                failed,
            }),
            None => serde_json::Deserializer::from_str(body.text).deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        struct map
    }
}

/// The fields of a body, one after the other.
struct Entries<'a, 'de> {
    fields: std::slice::Iter<'a, (&'de str, &'de str)>,
    /// The one whose name was read.
    value: Option<(&'de str, &'de str)>,
    failed: &'a mut Option<&'de str>,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> serde_json::Result<Option<K::Value>> {
        self.value = self.fields.next().copied();
        let key = self
            .value
            .map(|(name, _)| BorrowedStrDeserializer::new(name));
        key.map(|key| seed.deserialize(key)).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> serde_json::Result<V::Value> {
        let (name, text) = self.value.take().unwrap_or(("", "null"));
        let value = seed.deserialize(Value(text));
        value.inspect_err(|_| *self.failed = Some(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.fields.len())
    }
}

/// The value of a field, as written.
struct Value<'de>(&'de str);

impl<'de> Value<'de> {
    fn text(&self) -> &'de str {
        self.0
    }

    /// What it says, if it is a string that says it without escapes.
    fn plain_string(&self) -> Option<&'de str> {
        wire::content(self.0).filter(|content| wire::is_plain(content))
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = serde_json::Error;

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        match self.plain_string() {
            Some(string) => visitor.visit_borrowed_str(string),
            None => serde_json::Deserializer::from_str(self.0).deserialize_str(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        match self.0 {
            "null" => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        self.deserialize_str(visitor)
    }

    most_by_serde_json! {}

    by_serde_json! {
        deserialize_any()
        deserialize_identifier()
        deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use serde::Deserialize;
    use serde_json::Value as Json;

    #[derive(Debug, Deserialize)]
    #[serde(transparent)]
    struct Whole<T>(T);

    impl<T> Message for Whole<T> {
        const TYPE: &'static str = "x";
        type Reply = ();
    }

    #[derive(Debug, Deserialize)]
    struct Point {
        #[allow(dead_code)]
        x: i64,
        #[allow(dead_code)]
        y: Option<Color>,
    }

    #[derive(Debug, Deserialize)]
    enum Color {
        Red,
        #[allow(dead_code)]
        Gray(u8),
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[serde(rename = "type")]
        _kind: String,
        _a: String,
    }

    #[derive(Debug, Deserialize)]
    #[serde(tag = "type")]
    enum Tagged {
        #[serde(rename = "x")]
        #[allow(dead_code)]
        X { a: Json },
    }

    #[derive(Debug, Deserialize)]
    struct Flat {
        #[allow(dead_code)]
        a: Meters,
        #[serde(flatten)]
        #[allow(dead_code)]
        rest: BTreeMap<String, Json>,
    }

    #[derive(Debug, Deserialize)]
    struct Meters(#[allow(dead_code)] f64);

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    enum Either {
        #[allow(dead_code)]
        Number { a: u8 },
        #[allow(dead_code)]
        Text { a: String },
    }

    #[derive(Debug, Deserialize)]
    struct Various {
        #[allow(dead_code)]
        a: (char, bool, i128),
        #[allow(dead_code)]
        b: BTreeMap<u8, ()>,
        #[allow(dead_code)]
        c: Box<str>,
    }

    /// What `serde_json` says of the same body.
    fn agrees<T: DeserializeOwned + Debug>(body: &str) {
        let line = format!(r#"{{"src":"c1","dest":"n1","body":{body}}}"#);
        let body = wire::read(line.as_bytes()).unwrap().body;
        let ours = decode::<Whole<T>>(&body);
        let theirs = decode::<Whole<T>>(&body.unread());
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{line}");
    }

    #[test]
    fn agrees_with_serde_json() {
        let values = [
            "1",
            "-7",
            "256",
            "0.5",
            "1e400",
            "null",
            "true",
            r#""r""#,
            r#""Red""#,
            r#""\u0041\n""#,
            r#"{"Gray":3}"#,
            r#"{"Gray":"3"}"#,
            "[]",
            r#"["a",true,-5]"#,
            r#"{"1":null}"#,
            r#"[1,{"k":[""]}]"#,
        ];
        let bodies = values.iter().flat_map(|one| {
            values.iter().map(move |other| {
                format!(r#"{{"type":"x","a":{one},"msg_id":1,"b":{other},"x":{one},"y":{other},"c":{other}}}"#)
            })
        });
        let odd = [
            "{}",
            r#"{"type":"x","a":1,"a":2}"#,
            r#"{"type":"x","\u0061":1}"#,
            r#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9}"#,
            r#"{"type":"x","a":"r"}"#,
            r#"{"a":"\ud83d\ude00 é","type":"x"}"#,
        ];
        for body in bodies.chain(odd.map(str::to_owned)) {
            agrees::<Json>(&body);
            agrees::<Point>(&body);
            agrees::<Strict>(&body);
            agrees::<Tagged>(&body);
            agrees::<Flat>(&body);
            agrees::<Either>(&body);
            agrees::<Various>(&body);
            agrees::<()>(&body);
            agrees::<Vec<u8>>(&body);
            agrees::<Option<Point>>(&body);
            agrees::<Color>(&body);
            agrees::<BTreeMap<String, Option<String>>>(&body);
        }
    }
}
