//! Writing a message: `serde_json` writes every value of the envelope and the
//! fields, an object, which becomes the end of that of the body.

use std::io::{self, Write};

use serde::ser::{Error as _, Serialize, SerializeMap, SerializeStruct, Serializer};
use serde_json::Value;
use serde_json::ser::Formatter;

use super::read::{RawBody, is_header};

/// Who sends a message, as its line begins.
#[derive(Clone)]
pub(crate) struct Src(String);

impl Src {
    pub(crate) fn new(name: &str) -> Self {
        Self(format!(r#"{{"src":{},"dest":"#, Value::from(name)))
    }
}

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
    src: &Src,
    dest: &str,
    header: Header<'_>,
    only: Option<&'static str>,
    fields: &T,
) -> serde_json::Result<()> {
    let mut draft = Draft {
        start: out.len(),
        out,
        whole: false,
    };
    let out = &mut *draft.out;
    let kind = match header {
        Header::Message { kind, .. } | Header::Ok { kind, .. } => kind,
        Header::Error { .. } => "error",
    };
    out.extend_from_slice(src.0.as_bytes());
    dest.serialize(&mut json(out))?;
    out.extend_from_slice(b",\"body\":{\"type\":");
    kind.serialize(&mut json(out))?;
    match header {
        Header::Message { msg_id: None, .. } => {}
        Header::Message {
            msg_id: Some(msg_id),
            ..
        } => {
            out.extend_from_slice(b",\"msg_id\":");
            msg_id.serialize(&mut json(out))?;
        }
        Header::Ok { in_reply_to, .. } => {
            out.pop();
            out.extend_from_slice(b"_ok\",\"in_reply_to\":");
            out.extend_from_slice(in_reply_to.as_bytes());
        }
        Header::Error { in_reply_to } => {
            out.extend_from_slice(b",\"in_reply_to\":");
            out.extend_from_slice(in_reply_to.as_bytes());
        }
    }
    let is_reply = matches!(header, Header::Ok { .. });
    append(out, is_reply, only, fields)?;
    out.extend_from_slice(b"}}\n");
    draft.whole = true;
    Ok(())
}

type Json<'o> = serde_json::Serializer<&'o mut Vec<u8>, OneLine>;

fn json(out: &mut Vec<u8>) -> Json<'_> {
    serde_json::Serializer::with_formatter(out, OneLine)
}

/// Writes everything into one line: in a raw value a line feed is white space,
/// and nowhere else is there one.
struct OneLine;

impl Formatter for OneLine {
    fn write_raw_fragment<W: Write + ?Sized>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        out.write_all(text.replace('\n', " ").as_bytes())
    }
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

/// Appends fields to an object that is open and has some already.
fn append<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    is_reply: bool,
    only: Option<&'static str>,
    fields: &T,
) -> serde_json::Result<()> {
    let start = out.len();
    let mut is_raw = false;
    let output = WithoutHeader {
        json: &mut json(out),
        is_reply,
        is_raw: &mut is_raw,
    };
    match only {
        Some(name) => {
            let mut output = output.serialize_struct("reply", 1)?;
            output.serialize_field(name, fields)?;
            output.end()?;
        }
        None => fields.serialize(output)?,
    }
    if is_raw {
        rewrite(out, start)?;
    }
    match &out[start..] {
        b"{}" | b"null" => out.truncate(start),
        [b'{', ..] => {
            out[start] = b',';
            out.pop();
        }
        text => return Err(no_object(text)),
    }
    Ok(())
}

/// Writes again what a raw value said from `start` on, less its header.
#[cold]
fn rewrite(out: &mut Vec<u8>, start: usize) -> serde_json::Result<()> {
    let text = out.split_off(start);
    let text = str::from_utf8(&text).map_err(serde_json::Error::custom)?;
    let body = RawBody::of(text).map_err(|_| no_object(text.as_bytes()))?;
    out.extend(body.headless()?);
    Ok(())
}

#[cold]
fn no_object(text: &[u8]) -> serde_json::Error {
    let what = match text.first() {
        Some(b'"') => "a string",
        Some(b'[') => "a sequence",
        Some(b't' | b'f') => "a boolean",
        Some(b'{') => "an object with a wrong header",
        _ => "a number",
    };
    serde_json::Error::custom(format_args!(
        "a body is made of fields, but this serializes as {what}; \
         use a struct or a map, or name a field for it with `reply = \"…\"`"
    ))
}

#[cold]
fn taken(name: &str) -> serde_json::Error {
    serde_json::Error::custom(format_args!(
        "its field `{name}` would be lost, since a field of this name is the runtime's to write; \
         give it another name, such as with `#[serde(rename = \"…\")]`"
    ))
}

/// Has `serde_json` write a value, less the fields of the header, which are the
/// runtime's to write: a body passed on whole has some too.
struct WithoutHeader<'s, 'o> {
    json: &'s mut Json<'o>,
    /// A struct of a reply says what its fields are for, so one that would be
    /// left out is an error.
    is_reply: bool,
    /// Set if `serde_json` was given a text to write as it is.
    is_raw: &'s mut bool,
}

impl WithoutHeader<'_, '_> {
    fn check(&self, variant: &str) -> serde_json::Result<()> {
        if is_header(variant) {
            return Err(taken(variant));
        }
        Ok(())
    }
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $Type:ty),*) -> $Output:ty;)*) => {
        $(fn $method(self, $($argument: $Type),*) -> serde_json::Result<$Output> {
            self.json.$method($($argument),*)
        })*
    };
}

impl<'s, 'o> Serializer for WithoutHeader<'s, 'o> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = <&'s mut Json<'o> as Serializer>::SerializeSeq;
    type SerializeTuple = <&'s mut Json<'o> as Serializer>::SerializeTuple;
    type SerializeTupleStruct = <&'s mut Json<'o> as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <&'s mut Json<'o> as Serializer>::SerializeTupleVariant;
    type SerializeMap = Map<<&'s mut Json<'o> as Serializer>::SerializeMap>;
    type SerializeStruct = Struct<<&'s mut Json<'o> as Serializer>::SerializeStruct>;
    type SerializeStructVariant = <&'s mut Json<'o> as Serializer>::SerializeStructVariant;

    forward! {
        serialize_bool(value: bool) -> ();
        serialize_i8(value: i8) -> ();
        serialize_i16(value: i16) -> ();
        serialize_i32(value: i32) -> ();
        serialize_i64(value: i64) -> ();
        serialize_i128(value: i128) -> ();
        serialize_u8(value: u8) -> ();
        serialize_u16(value: u16) -> ();
        serialize_u32(value: u32) -> ();
        serialize_u64(value: u64) -> ();
        serialize_u128(value: u128) -> ();
        serialize_f32(value: f32) -> ();
        serialize_f64(value: f64) -> ();
        serialize_char(value: char) -> ();
        serialize_str(value: &str) -> ();
        serialize_bytes(value: &[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(name: &'static str) -> ();
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> ();
        serialize_seq(len: Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(len: usize) -> Self::SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> Self::SerializeTupleStruct;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> serde_json::Result<()> {
        value.serialize(self)
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
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> serde_json::Result<()> {
        self.check(variant)?;
        self.json
            .serialize_newtype_variant(name, index, variant, value)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> serde_json::Result<Self::SerializeTupleVariant> {
        self.check(variant)?;
        self.json.serialize_tuple_variant(name, index, variant, len)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> serde_json::Result<Self::SerializeStructVariant> {
        self.check(variant)?;
        self.json
            .serialize_struct_variant(name, index, variant, len)
    }

    fn serialize_map(self, len: Option<usize>) -> serde_json::Result<Self::SerializeMap> {
        Ok(Map {
            entries: self.json.serialize_map(len)?,
            name: Vec::new(),
            is_left_out: false,
        })
    }

    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> serde_json::Result<Self::SerializeStruct> {
        *self.is_raw = name.starts_with("$serde_json::private::");
        Ok(Struct {
            fields: self.json.serialize_struct(name, len)?,
            is_reply: self.is_reply,
        })
    }
}

struct Struct<C> {
    fields: C,
    is_reply: bool,
}

impl<C: SerializeStruct<Ok = (), Error = serde_json::Error>> SerializeStruct for Struct<C> {
    type Ok = ();
    type Error = serde_json::Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> serde_json::Result<()> {
        if !is_header(name) {
            self.fields.serialize_field(name, value)
        } else if self.is_reply {
            Err(taken(name))
        } else {
            Ok(())
        }
    }

    fn end(self) -> serde_json::Result<()> {
        self.fields.end()
    }
}

struct Map<C> {
    entries: C,
    /// The last key, as JSON.
    name: Vec<u8>,
    is_left_out: bool,
}

impl<C: SerializeMap<Ok = (), Error = serde_json::Error>> SerializeMap for Map<C> {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> serde_json::Result<()> {
        self.name.clear();
        serde_json::to_writer(&mut self.name, key)?;
        self.is_left_out = match &self.name[..] {
            [b'"', name @ .., b'"'] => str::from_utf8(name).is_ok_and(is_header),
            _ => false,
        };
        if self.is_left_out {
            return Ok(());
        }
        self.entries.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> serde_json::Result<()> {
        if self.is_left_out {
            return Ok(());
        }
        self.entries.serialize_value(value)
    }

    fn end(self) -> serde_json::Result<()> {
        self.entries.end()
    }
}
