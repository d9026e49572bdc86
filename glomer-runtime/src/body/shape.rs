//! Whether a reply type is made of fields, asked before there is a reply.
//!
//! `Serialize` tells only what a value looks like, and at the start of a node
//! there is none. `Deserialize` begins by saying what it wants to read, so it
//! is asked instead, where a type has it; for other types the first reply
//! tells, with error 13.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};

/// A type to be asked.
pub struct Shape<T>(PhantomData<T>);

impl<T: DeserializeOwned> Shape<T> {
    /// What a `T` is read from, if that is certainly no map.
    pub fn not_a_map() -> Option<&'static str> {
        T::deserialize(Probe).err().and_then(|answer| answer.0)
    }
}

/// What stands in for [`Shape`]'s own function where `T` has no `Deserialize`.
pub trait UnknownShape {
    /// Nothing is known.
    fn not_a_map() -> Option<&'static str> {
        None
    }
}

impl<T> UnknownShape for Shape<T> {}

/// The function that tells whether a type is certainly no map.
#[doc(hidden)]
#[macro_export]
macro_rules! __not_a_map {
    ($reply:ty) => {{
        #[allow(unused_imports)]
        use $crate::__private::UnknownShape as _;
        $crate::__private::Shape::<$reply>::not_a_map
    }};
}

/// Answers what was asked for instead of giving it.
struct Probe;

/// What was asked for, if it is no map; the error that ends the question.
#[derive(Debug)]
struct Answer(Option<&'static str>);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.unwrap_or("a map, or anything"))
    }
}

impl std::error::Error for Answer {}

impl de::Error for Answer {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(None)
    }
}

macro_rules! answer {
    ($($answer:expr => $($method:ident)*;)*) => {
        $($(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Answer> {
            Err(Answer($answer))
        })*)*
    };
}

impl<'de> Deserializer<'de> for Probe {
    type Error = Answer;

    answer! {
        Some("a boolean") => deserialize_bool;
        Some("a number") => deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
            deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
            deserialize_u128 deserialize_f32 deserialize_f64;
        Some("a string") => deserialize_char deserialize_str deserialize_string;
        Some("a sequence") => deserialize_bytes deserialize_byte_buf deserialize_seq;
        None => deserialize_any deserialize_map deserialize_identifier deserialize_ignored_any
            deserialize_unit;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer(None))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Answer> {
        Err(Answer(Some("a sequence")))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        _: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer(Some("a sequence")))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer(None))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer(None))
    }
}
