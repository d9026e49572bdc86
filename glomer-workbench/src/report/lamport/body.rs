//! A message's body, as far as the journal kept it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// What a body says, as far as the journal kept it.
pub(super) struct Body {
    pub(super) kind: String,
    /// The other fields, in the order in which they were written.
    pub(super) fields: Vec<(String, Value)>,
}

impl Body {
    pub(super) fn parse(json: &str) -> Self {
        let mut fields = Vec::new();
        // An error is the end of what was kept.
        let _ = Fields(&mut fields).deserialize(&mut serde_json::Deserializer::from_str(json));
        let kind = (fields.iter().position(|(name, _)| name == "type")).map(|i| fields.remove(i).1);
        let kind = match kind {
            Some(Value::String(kind)) => kind,
            _ => "…".to_string(),
        };
        Self { kind, fields }
    }
}

/// Reads the fields of an object into a list that keeps those before an error.
struct Fields<'a>(&'a mut Vec<(String, Value)>);

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
        while let Some(field) = map.next_entry()? {
            self.0.push(field);
        }
        Ok(())
    }
}
