//! The form of a right answer.
//!
//! Maelstrom checks each answer against a strict schema (`defrpc` in its `client.clj` and
//! workloads): the right type, every field, no field beyond those. An answer of another
//! form leaves the operation's outcome unknown.

use crate::edn::Edn;

/// The form of the answer to one kind of request.
#[derive(Debug)]
pub struct Reply {
    /// The answer's `type`.
    pub kind: &'static str,
    /// Its fields besides `type`, `in_reply_to` and the optional `msg_id`.
    pub fields: &'static [(&'static str, Shape)],
}

/// What a field may hold.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Anything, but it must be there.
    Any,
    /// An integer.
    Int,
    /// A list, or null.
    List,
    /// A map from keys to integers.
    Offsets,
    /// A map from keys to lists of `[offset, message]` pairs.
    Messages,
    /// A transaction whose reads hold lists.
    ListTxn,
    /// A transaction whose reads hold anything.
    RegisterTxn,
}

impl Shape {
    fn fits(self, value: &Edn) -> bool {
        // Schema takes null for an empty list.
        let is_list = |value: &Edn| value.as_seq().is_some() || value.is_nil();
        let is_int = |value: &Edn| matches!(value, Edn::Int(_) | Edn::BigInt(_));
        let all = |value: &Edn, fits: &dyn Fn(&Edn) -> bool| {
            is_list(value) && value.as_seq().is_none_or(|items| items.iter().all(fits))
        };
        let is_op = |op: &Edn, write: &str, read: &dyn Fn(&Edn) -> bool| {
            let Some([f, _, value]) = op.as_seq() else {
                return false;
            };
            f.name() == Some(write) || (f.name() == Some("r") && read(value))
        };
        match self {
            Shape::Any => true,
            Shape::Int => is_int(value),
            Shape::List => is_list(value),
            Shape::Offsets => value
                .as_map()
                .is_some_and(|map| map.iter().all(|(_, offset)| is_int(offset))),
            Shape::Messages => value.as_map().is_some_and(|map| {
                let is_pair =
                    |pair: &Edn| matches!(pair.as_seq(), Some([offset, _]) if is_int(offset));
                map.iter().all(|(_, messages)| all(messages, &is_pair))
            }),
            Shape::ListTxn => all(value, &|op| is_op(op, "append", &is_list)),
            Shape::RegisterTxn => all(value, &|op| is_op(op, "w", &|_| true)),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Shape::Any => "anything",
            Shape::Int => "an integer",
            Shape::List => "a list",
            Shape::Offsets => "a map from keys to offsets",
            Shape::Messages => "a map from keys to lists of [offset, message] pairs",
            Shape::ListTxn => r#"a list of ["r", key, list] and ["append", key, element]"#,
            Shape::RegisterTxn => r#"a list of ["r", key, value] and ["w", key, value]"#,
        }
    }
}

impl Reply {
    /// Says what is wrong with an answer, if anything is.
    ///
    /// # Errors
    /// The first deviation found, in words.
    pub fn check(&self, body: &Edn) -> Result<(), String> {
        if body.get("type").and_then(Edn::name) != Some(self.kind) {
            return Err(format!("its type should be {:?}", self.kind));
        }
        for (field, shape) in self.fields {
            match body.get(field) {
                None => {
                    return Err(format!(
                        "it has no {field:?}, which should be {}",
                        shape.text()
                    ));
                }
                Some(value) if !shape.fits(value) => {
                    return Err(format!("its {field:?} should be {}", shape.text()));
                }
                Some(_) => {}
            }
        }
        for (field, value) in body.as_map().unwrap_or(&[]) {
            match field.name().unwrap_or_default() {
                "type" | "in_reply_to" => {}
                "msg_id" if Shape::Int.fits(value) => {}
                "msg_id" => return Err("its \"msg_id\" should be an integer".to_owned()),
                field if self.fields.iter().any(|(name, _)| *name == field) => {}
                field => return Err(format!("{field:?} does not belong there")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(shape: Shape, value: Value) -> Result<(), String> {
        let fields: &'static [(&str, Shape)] = Box::leak(Box::new([("value", shape)]));
        let reply = Reply {
            kind: "read_ok",
            fields,
        };
        let body = json!({"type": "read_ok", "in_reply_to": 1, "value": value});
        reply.check(&body.into())
    }

    #[test]
    fn shapes_take_what_maelstrom_takes() {
        let right = [
            (Shape::Any, json!(null)),
            (Shape::Int, json!(-3)),
            (Shape::List, json!([1, "a"])),
            (Shape::List, json!(null)),
            (Shape::Offsets, json!({"k": 3})),
            (
                Shape::Messages,
                json!({"k": [[0, "a"], [1, 2]], "l": [], "m": null}),
            ),
            (Shape::ListTxn, json!(null)),
            (Shape::RegisterTxn, json!([])),
            (
                Shape::ListTxn,
                json!([["r", 1, [2]], ["r", 2, null], ["append", 1, 3]]),
            ),
            (Shape::RegisterTxn, json!([["r", 1, 2], ["w", 1, 3]])),
        ];
        for (shape, value) in right {
            assert_eq!(check(shape, value.clone()), Ok(()), "{shape:?} {value}");
        }
        let wrong = [
            (Shape::Int, json!(1.5)),
            (Shape::Int, json!("1")),
            (Shape::Int, json!(null)),
            (Shape::Messages, json!(null)),
            (Shape::ListTxn, json!([null])),
            (Shape::ListTxn, json!([["append", 1, 2, 3]])),
            (Shape::List, json!({"a": 1})),
            (Shape::Offsets, json!({"k": null})),
            (Shape::Offsets, json!(null)),
            (Shape::Messages, json!({"k": [[0]]})),
            (Shape::Messages, json!({"k": [["0", 1]]})),
            (Shape::ListTxn, json!([["r", 1, 2]])),
            (Shape::ListTxn, json!([["w", 1, 2]])),
            (Shape::RegisterTxn, json!([["append", 1, 2]])),
            (Shape::RegisterTxn, json!([["r", 1]])),
        ];
        for digits in ["1267650600228229401496703205377", "-9223372036854775809"] {
            let body = format!(r#"{{"type": "read_ok", "in_reply_to": 1, "value": {digits}}}"#);
            let reply = Reply {
                kind: "read_ok",
                fields: &[("value", Shape::Int)],
            };
            assert_eq!(reply.check(&Edn::from_json(&body).unwrap()), Ok(()));
        }
        for (shape, value) in wrong {
            assert!(check(shape, value.clone()).is_err(), "{shape:?} {value}");
        }
    }

    #[test]
    fn an_answer_has_the_fields_it_should_have_and_no_others() {
        let reply = Reply {
            kind: "add_ok",
            fields: &[],
        };
        let check = |body: Value| reply.check(&body.into());
        assert_eq!(
            check(json!({"type": "add_ok", "in_reply_to": 1, "msg_id": 7})),
            Ok(())
        );
        let more = check(json!({"type": "add_ok", "in_reply_to": 1, "delta": 7}));
        assert_eq!(more.unwrap_err(), r#""delta" does not belong there"#);
        let other = check(json!({"type": "read_ok", "in_reply_to": 1}));
        assert_eq!(other.unwrap_err(), r#"its type should be "add_ok""#);
    }
}
