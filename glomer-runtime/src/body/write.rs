//! Writing a message: envelope and header by hand, the fields through serde.

use crate::body::wire::is_plain;
use serde::ser::{self, Impossible, Serialize, SerializeMap, SerializeStruct};

/// The header of a body to write.
pub(crate) enum Header<'a> {
    /// A message of this type, with a `msg_id` if it expects an answer.
    Message { kind: &'a str, msg_id: Option<u64> },
    /// The `<kind>_ok` answer to the request `in_reply_to`.
    Ok { kind: &'a str, in_reply_to: &'a str },
    /// The `error` answer to the request `in_reply_to`.
    Error { in_reply_to: &'a str },
}

/// Appends a line with the message whose body is `header` and the fields of
/// `fields`, which must serialize as a struct, a map or nothing; or only the
/// field `only` with `fields` as its value.
///
/// On an error, and when a `Serialize` implementation panics, nothing is
/// appended.
pub(crate) fn message<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    src: &str,
    dest: &str,
    header: Header<'_>,
    only: Option<&str>,
    fields: &T,
) -> serde_json::Result<()> {
    let mut draft = Draft {
        start: out.len(),
        out,
        whole: false,
    };
    let out = &mut *draft.out;
    string(out, b"{\"src\":\"", src, b"\",");
    string(out, b"\"dest\":\"", dest, b"\",\"body\":{");
    match header {
        Header::Message { kind, msg_id } => {
            string(out, b"\"type\":\"", kind, b"\"");
            if let Some(msg_id) = msg_id {
                out.extend_from_slice(b",\"msg_id\":");
                serde_json::to_writer(&mut *out, &msg_id)?;
            }
        }
        Header::Ok { kind, in_reply_to } => {
            string(out, b"\"type\":\"", kind, b"_ok\",\"in_reply_to\":");
            out.extend_from_slice(in_reply_to.as_bytes());
        }
        Header::Error { in_reply_to } => {
            out.extend_from_slice(b"\"type\":\"error\",\"in_reply_to\":");
            out.extend_from_slice(in_reply_to.as_bytes());
        }
    }
    match only {
        Some(name) => field(out, name, fields)?,
        None => fields.serialize(Fields { out })?,
    }
    out.extend_from_slice(b"}}\n");
    draft.whole = true;
    Ok(())
}

/// Takes back what was appended unless it became a whole message.
struct Draft<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    whole: bool,
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.whole {
            self.out.truncate(self.start);
        }
    }
}

/// Appends a text as a string: what is before and after it includes its quotes.
#[inline(always)]
fn string(out: &mut Vec<u8>, before: &[u8], text: &str, after: &[u8]) {
    out.extend_from_slice(before);
    match is_plain(text) {
        true => out.extend_from_slice(text.as_bytes()),
        false => escaped(out, text),
    }
    out.extend_from_slice(after);
}

#[cold]
fn escaped(out: &mut Vec<u8>, text: &str) {
    // Its quotes are there already.
    out.pop();
    serde_json::to_writer(&mut *out, text).expect("a string is JSON and a Vec takes all");
    out.pop();
}

fn field<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    name: &str,
    value: &T,
) -> serde_json::Result<()> {
    // The header is the runtime's to write: a body passed on whole has one too.
    if matches!(name, "type" | "msg_id" | "in_reply_to") {
        return Ok(());
    }
    string(out, b",\"", name, b"\":");
    serde_json::to_writer(out, value)
}

/// Serializes a struct or a map as further fields of an object begun already,
/// which is what `#[serde(flatten)]` does, less the fields of the header.
struct Fields<'a> {
    out: &'a mut Vec<u8>,
}

fn not_a_map<T>(what: &str) -> serde_json::Result<T> {
    Err(ser::Error::custom(format_args!(
        "a body is made of fields, but this serializes as {what}; \
         use a struct or a map, or name a field for it with `reply = \"…\"`"
    )))
}

macro_rules! refuse {
    ($($method:ident($($argument:ty),*) $what:literal)*) => {
        $(fn $method(self, $(_: $argument),*) -> serde_json::Result<()> {
            not_a_map($what)
        })*
    };
}

type Compound = Impossible<(), serde_json::Error>;

impl<'a> ser::Serializer for Fields<'a> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = Compound;
    type SerializeTuple = Compound;
    type SerializeTupleStruct = Compound;
    type SerializeTupleVariant = Compound;
    type SerializeMap = MapFields<'a>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Compound;

    refuse! {
        serialize_bool(bool) "a boolean"
        serialize_i8(i8) "a number"
        serialize_i16(i16) "a number"
        serialize_i32(i32) "a number"
        serialize_i64(i64) "a number"
        serialize_u8(u8) "a number"
        serialize_u16(u16) "a number"
        serialize_u32(u32) "a number"
        serialize_u64(u64) "a number"
        serialize_f32(f32) "a number"
        serialize_f64(f64) "a number"
        serialize_char(char) "a string"
        serialize_str(&str) "a string"
        serialize_bytes(&[u8]) "a sequence"
        serialize_unit_variant(&'static str, u32, &'static str) "a string"
    }

    fn serialize_none(self) -> serde_json::Result<()> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> serde_json::Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> serde_json::Result<()> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> serde_json::Result<()> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> serde_json::Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> serde_json::Result<()> {
        field(self.out, variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> serde_json::Result<Compound> {
        not_a_map("a sequence")
    }

    fn serialize_tuple(self, _: usize) -> serde_json::Result<Compound> {
        not_a_map("a sequence")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> serde_json::Result<Compound> {
        not_a_map("a sequence")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> serde_json::Result<Compound> {
        not_a_map("a variant with a sequence")
    }

    fn serialize_map(self, _: Option<usize>) -> serde_json::Result<MapFields<'a>> {
        Ok(MapFields {
            out: self.out,
            key: String::new(),
        })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> serde_json::Result<Self> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> serde_json::Result<Compound> {
        not_a_map("a variant with named fields")
    }
}

impl SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> serde_json::Result<()> {
        field(self.out, key, value)
    }

    fn end(self) -> serde_json::Result<()> {
        Ok(())
    }
}

struct MapFields<'a> {
    out: &'a mut Vec<u8>,
    key: String,
}

impl SerializeMap for MapFields<'_> {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> serde_json::Result<()> {
        self.key = match serde_json::to_value(key)? {
            serde_json::Value::String(text) => text,
            other @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => {
                other.to_string()
            }
            _ => return Err(ser::Error::custom("the key of a field must be a string")),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> serde_json::Result<()> {
        field(self.out, &self.key, value)
    }

    fn end(self) -> serde_json::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn reply<T: Serialize + ?Sized>(only: Option<&str>, fields: &T) -> serde_json::Result<String> {
        let mut out = b"before\n".to_vec();
        let header = Header::Ok {
            kind: "read",
            in_reply_to: "3",
        };
        let result = message(&mut out, "n1", "c\"1", header, only, fields);
        let text = String::from_utf8(out).unwrap();
        let line = text.strip_prefix("before\n").unwrap().to_string();
        assert!(
            result.is_ok() || line.is_empty(),
            "a failed message must leave nothing"
        );
        result.map(|()| line)
    }

    #[test]
    fn writes_fields_of_structs_and_maps() {
        #[derive(serde::Serialize)]
        struct Value {
            value: Option<u8>,
        }
        let start = r#"{"src":"n1","dest":"c\"1","body":{"type":"read_ok","in_reply_to":3"#;
        assert_eq!(reply(None, &()).unwrap(), format!("{start}}}}}\n"));
        assert_eq!(
            reply(None, &Value { value: None }).unwrap(),
            format!("{start},\"value\":null}}}}\n")
        );
        assert_eq!(
            reply(None, &BTreeMap::from([(1, "a")])).unwrap(),
            format!("{start},\"1\":\"a\"}}}}\n")
        );
        assert_eq!(
            reply(Some("x"), &[1]).unwrap(),
            format!("{start},\"x\":[1]}}}}\n")
        );
    }

    #[test]
    fn the_header_is_not_written_twice() {
        let body = serde_json::json!({"type": "echo", "msg_id": 9, "in_reply_to": 1, "echo": 5});
        assert!(
            reply(None, &body)
                .unwrap()
                .ends_with("_ok\",\"in_reply_to\":3,\"echo\":5}}\n")
        );
    }

    #[test]
    fn what_is_no_map_says_so() {
        for error in [reply(None, &5), reply(None, "text"), reply(None, &[1, 2])] {
            assert!(error.unwrap_err().to_string().contains("reply = \"…\""));
        }
        assert!(reply(None, &BTreeMap::from([((1, 2), 3)])).is_err());
    }
}
