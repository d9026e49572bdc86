//! Messages as the list of their fields: what the attributes use instead of serde's derives, whose
//! code is a page for each message.
//!
//! The behaviour is that of the derives: fields that nobody asked for are ignored, an `Option` that
//! is not there is `None`, and any other field that is not there, or is there twice, is an error.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserializer, Serializer};

use super::bounds::{ReadField, SendField};

/// The names of the fields of a message.
#[derive(Debug)]
pub struct Fields<const N: usize>(pub &'static [&'static str; N]);

macro_rules! fields {
    ($count:literal $($index:tt $T:ident)*) => {
        impl Fields<$count> {
            /// Writes the values, each under its name.
            ///
            /// # Errors
            ///
            /// What the output has to say.
            #[allow(clippy::too_many_arguments, non_snake_case)]
            pub fn write<$($T: SendField,)* Out: Serializer>(
                self,
                output: Out,
                $($T: &$T,)*
            ) -> Result<Out::Ok, Out::Error> {
                #[allow(unused_mut)]
                let mut output = output.serialize_struct("message", $count)?;
                $(output.serialize_field(self.0[$index], $T)?;)*
                output.end()
            }

            /// Reads the values, each from its name.
            ///
            /// # Errors
            ///
            /// If a field lacks, is there twice or has another type.
            pub fn read<'de, $($T: ReadField,)* In: Deserializer<'de>>(
                self,
                input: In,
            ) -> Result<($($T,)*), In::Error> {
                struct Values<$($T,)*>(&'static [&'static str; $count], PhantomData<($($T,)*)>);

                impl<'de, $($T: ReadField,)*> Visitor<'de> for Values<$($T,)*> {
                    type Value = ($($T,)*);

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        expecting(self.0, f)
                    }

                    #[allow(non_snake_case)]
                    fn visit_map<Map: MapAccess<'de>>(
                        self,
                        mut map: Map,
                    ) -> Result<Self::Value, Map::Error> {
                        let names = self.0;
                        $(let mut $T: Option<$T> = None;)*
                        while let Some(index) = map.next_key_seed(Index(names))? {
                            match index {
                                $($index if $T.is_some() => {
                                    return Err(Error::duplicate_field(names[$index]));
                                })*
                                $($index => $T = Some(map.next_value()?),)*
                                _ => drop(map.next_value::<IgnoredAny>()?),
                            }
                        }
                        Ok(($(
                            match $T {
                                Some(value) => value,
                                None => $T::deserialize(Missing::new(names[$index]))?,
                            },
                        )*))
                    }
                }

                input.deserialize_struct("message", self.0, Values(self.0, PhantomData))
            }
        }
    };
}

fields!(0);
fields!(1 0 A);
fields!(2 0 A 1 B);
fields!(3 0 A 1 B 2 C);
fields!(4 0 A 1 B 2 C 3 D);
fields!(5 0 A 1 B 2 C 3 D 4 E);
fields!(6 0 A 1 B 2 C 3 D 4 E 5 F);
fields!(7 0 A 1 B 2 C 3 D 4 E 5 F 6 G);
fields!(8 0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H);
fields!(9 0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H 8 I);
fields!(10 0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H 8 I 9 J);
fields!(11 0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H 8 I 9 J 10 K);
fields!(12 0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H 8 I 9 J 10 K 11 L);

fn expecting(names: &[&str], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match names {
        [] => f.write_str("an object"),
        [name] => write!(f, "an object with the field `{name}`"),
        _ => write!(f, "an object with the fields `{}`", names.join("`, `")),
    }
}

/// Reads a key as its place in the list of names, or as any other number.
struct Index<'a>(&'a [&'static str]);

impl<'de> DeserializeSeed<'de> for Index<'_> {
    type Value = usize;

    fn deserialize<In: Deserializer<'de>>(self, key: In) -> Result<usize, In::Error> {
        key.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Index<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<usize, E> {
        let place = self.0.iter().position(|name| *name == key);
        Ok(place.unwrap_or(usize::MAX))
    }
}

/// The value of a field that is not there: `None` to those who take an `Option`, an error to
/// others.
struct Missing<E> {
    name: &'static str,
    error: PhantomData<E>,
}

impl<E> Missing<E> {
    fn new(name: &'static str) -> Self {
        Missing {
            name,
            error: PhantomData,
        }
    }
}

impl<'de, E: Error> Deserializer<'de> for Missing<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, E> {
        Err(E::missing_field(self.name))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_none()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
