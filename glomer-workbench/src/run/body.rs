//! A message's body, as far as the journal kept it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::edn::Edn;

/// What a body says, as far as the journal kept it.
pub(crate) struct KeptBody {
    pub(crate) kind: String,
    /// The other fields, in the order in which they were written.
    pub(crate) fields: Vec<(String, Edn)>,
}

impl KeptBody {
    pub(crate) fn parse(json: &str) -> Self {
        let mut fields = Vec::new();
        // An error is the end of what was kept.
        let _ = Fields(&mut fields).deserialize(&mut serde_json::Deserializer::from_str(json));
        let kind = (fields.iter().position(|(name, _)| name == "type")).map(|i| fields.remove(i).1);
        let kind = match kind {
            Some(Edn::String(kind)) => kind,
            _ => "…".to_string(),
        };
        Self { kind, fields }
    }
}

/// Reads the fields of an object into a list that keeps those before an error.
struct Fields<'a>(&'a mut Vec<(String, Edn)>);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
            let value = Edn::from_json(value.get()).map_err(A::Error::custom)?;
            self.0.push((name, value));
        }
        Ok(())
    }
}
