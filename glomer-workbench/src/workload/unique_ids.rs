//! `unique-ids`: nodes make identifiers, and no two operations get the same one.

use serde_json::json;

use super::client::{Call, Client, OneCall, take};
use super::reply::{Reply, Shape};
use super::{Errors, Invocation, Traffic, Turn};
use crate::edn::Edn;

const GENERATE_OK: Reply = Reply {
    kind: "generate_ok",
    fields: &[("id", Shape::Any)],
};

/// Asks for identifiers.
pub(super) struct UniqueIds;

impl Traffic for UniqueIds {
    fn next(&mut self, turn: Turn<'_>) -> Option<(usize, Invocation)> {
        let thread = turn.threads.next_free()?;
        Some((thread, Invocation::new("generate", Edn::Nil)))
    }

    fn client(&self) -> Box<dyn Client> {
        Box::new(OneCall {
            request: |_| Call {
                body: json!({"type": "generate"}),
                reply: &GENERATE_OK,
            },
            value: |_, mut body| take(&mut body, "id"),
        })
    }

    fn keeps_clients(&self) -> bool {
        true
    }

    fn errors(&self) -> Errors {
        Errors::Told { idempotent: &[] }
    }
}
