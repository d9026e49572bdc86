//! How the record notes what a workload's operations are.
//!
//! An operation's function and value are made of its serde form, unless the workload has a
//! notation of its own: of an enum the function is the variant's name in kebab-case, and
//! the value is what the variant holds.

use serde::Serialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

use crate::edn::Edn;
use crate::history::{Op as Entry, OpType};

/// An operation as the record has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notation {
    /// Its function, `:f`.
    pub f: String,
    /// Its value, `:value`.
    pub value: Edn,
    /// Further keys.
    pub extra: Vec<(String, Edn)>,
}

impl Notation {
    /// A function and a value.
    pub fn new(f: impl Into<String>, value: impl Into<Edn>) -> Notation {
        Notation {
            f: f.into(),
            value: value.into(),
            extra: Vec::new(),
        }
    }
}

/// What the record can note as an operation: every type that serde writes and reads.
///
/// A workload whose notation exists already implements it by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be noted in a history as an operation",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait NotedOp: Sized {
    /// How the record notes it.
    ///
    /// # Errors
    /// If it has no form there, why.
    fn note(&self) -> Result<Notation, String>;

    /// The operation that the record notes.
    ///
    /// # Errors
    /// If it is none, why.
    fn read(notation: &Notation) -> Result<Self, String>;
}

/// What the record can note as what came back: every type that serde writes and reads.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be noted in a history as an output",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait NotedOutput: Sized {
    /// How the record notes it.
    ///
    /// # Errors
    /// If it has no form there, why.
    fn note(&self) -> Result<Edn, String>;

    /// What the record notes.
    ///
    /// # Errors
    /// If it is no such value, why.
    fn read(value: &Edn) -> Result<Self, String>;

    /// What a completion tells of what came back: nothing if it did not end well, since its
    /// value is then what was asked for. It is told otherwise for notations whose completions
    /// say more.
    ///
    /// # Errors
    /// As [`read`](NotedOutput::read).
    fn told(completion: &Entry) -> Result<Option<Self>, String> {
        match completion.kind {
            OpType::Ok => Self::read(&completion.value).map(Some),
            OpType::Invoke | OpType::Fail | OpType::Info => Ok(None),
        }
    }
}

/// The function of operations that are no enums.
const PLAIN: &str = "op";

impl<T: Serialize + DeserializeOwned> NotedOp for T {
    fn note(&self) -> Result<Notation, String> {
        Ok(match to_value(self)? {
            Value::String(variant) => Notation::new(kebab(&variant), Edn::Nil),
            Value::Object(fields) if fields.len() == 1 => {
                let (variant, value) = fields.into_iter().next().unwrap_or_default();
                Notation::new(kebab(&variant), keyed(value))
            }
            other => Notation::new(PLAIN, keyed(other)),
        })
    }

    fn read(notation: &Notation) -> Result<Self, String> {
        let noted = Noted {
            f: &notation.f,
            value: notation.value.to_json(),
        };
        T::deserialize(noted).map_err(|error| error.to_string())
    }
}

impl<T: Serialize + DeserializeOwned> NotedOutput for T {
    fn note(&self) -> Result<Edn, String> {
        to_value(self).map(keyed)
    }

    fn read(value: &Edn) -> Result<Self, String> {
        serde_json::from_value(value.to_json()).map_err(|error| error.to_string())
    }
}

/// Whatever came back, as it came.
impl NotedOutput for Edn {
    fn note(&self) -> Result<Edn, String> {
        Ok(self.clone())
    }

    fn read(value: &Edn) -> Result<Edn, String> {
        Ok(value.clone())
    }
}

/// What is wrong with a function that is none of these.
pub(super) fn unknown(f: &str, known: &[&str]) -> String {
    format!(
        "no operation is called `{f}`, there are {}",
        known.join(", ")
    )
}

fn to_value<T: Serialize>(value: &T) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|error| format!("it cannot be noted: {error}"))
}

/// JSON as EDN, with the names of fields as keywords.
fn keyed(value: Value) -> Edn {
    let is_name = |key: &str| {
        key.starts_with(|c: char| c.is_ascii_alphabetic())
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
    };
    match value {
        Value::Object(fields) if fields.keys().all(|key| is_name(key)) => {
            Edn::map(fields.into_iter().map(|(key, value)| (key, keyed(value))))
        }
        Value::Array(items) => Edn::vector(items.into_iter().map(keyed)),
        other => other.into(),
    }
}

/// `CasOrCreate` and `cas_or_create` as `cas-or-create`.
fn kebab(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    for (place, c) in name.char_indices() {
        if c.is_uppercase() && place > 0 && !text.ends_with('-') {
            text.push('-');
        }
        match c {
            '_' => text.push('-'),
            c => text.extend(c.to_lowercase()),
        }
    }
    text
}

/// A function and a value as an enum, whose variant is the one with that name in kebab-case,
/// or as anything else.
struct Noted<'a> {
    f: &'a str,
    value: Value,
}

impl<'de> Deserializer<'de> for Noted<'_> {
    type Error = Error;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let variant = variants.iter().find(|name| kebab(name) == self.f);
        let variant = *variant.ok_or_else(|| {
            let names: Vec<String> = variants.iter().map(|name| kebab(name)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            serde::de::Error::custom(unknown(self.f, &names))
        })?;
        visitor.visit_enum(Variant {
            variant,
            value: self.value,
        })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.f == PLAIN {
            return self.value.deserialize_any(visitor);
        }
        let fields = [(self.f.to_owned(), self.value)];
        Value::Object(fields.into_iter().collect()).deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct newtype_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

struct Variant {
    variant: &'static str,
    value: Value,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: StrDeserializer<'_, Error> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.value)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.value.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.value.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Op {
        Read,
        Write(Option<u64>),
        Swap(u64, u64),
        CasOrCreate { from: Option<String>, to: String },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Plain {
        id: u64,
        name: String,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct One {
        id: u64,
    }

    fn noted<T>(op: &T) -> String
    where
        T: Serialize + DeserializeOwned + std::fmt::Debug + PartialEq,
    {
        let noted = NotedOp::note(op).unwrap();
        assert_eq!(<T as NotedOp>::read(&noted).as_ref(), Ok(op));
        // What went through JSON reads the same.
        let again = Notation::new(noted.f.as_str(), Edn::from(noted.value.to_json()));
        assert_eq!(<T as NotedOp>::read(&again).as_ref(), Ok(op));
        format!("{} {}", noted.f, noted.value)
    }

    #[test]
    fn operations_are_noted_by_their_variants_and_read_back() {
        assert_eq!(noted(&Op::Read), "read nil");
        assert_eq!(noted(&Op::Write(Some(3))), "write 3");
        assert_eq!(noted(&Op::Write(None)), "write nil");
        assert_eq!(noted(&Op::Swap(1, 2)), "swap [1 2]");
        let cas = Op::CasOrCreate {
            from: None,
            to: "a".to_owned(),
        };
        assert_eq!(noted(&cas), r#"cas-or-create {:from nil, :to "a"}"#);
        let plain = Plain {
            id: 1,
            name: "a".to_owned(),
        };
        assert_eq!(noted(&plain), r#"op {:id 1, :name "a"}"#);
        assert_eq!(noted(&One { id: 1 }), "id 1");
    }

    #[test]
    fn what_is_no_operation_is_told() {
        let read = |f| <Op as NotedOp>::read(&Notation::new(f, Edn::Nil));
        let error = read("cas").unwrap_err();
        assert_eq!(
            error,
            "no operation is called `cas`, there are read, write, swap, cas-or-create"
        );
        assert!(read("swap").is_err());
    }
}
