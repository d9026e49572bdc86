//! `echo`: nodes send back what they are sent.

use serde_json::json;

use super::client::{Call, Client, OneCall};
use super::reply::{Reply, Shape};
use super::{Errors, Invocation, Traffic, Turn};
use crate::edn::Edn;

const ECHO_OK: Reply = Reply {
    kind: "echo_ok",
    fields: &[("echo", Shape::Any)],
};

/// Sends `Please echo N`, with N below 128.
pub(super) struct Echo;

impl Traffic for Echo {
    fn next(&mut self, turn: Turn<'_>) -> Option<(usize, Invocation)> {
        let thread = turn.threads.next_free()?;
        let text = format!("Please echo {}", turn.rng.below(128));
        Some((thread, Invocation::new("echo", text.into())))
    }

    fn client(&self) -> Box<dyn Client> {
        Box::new(OneCall {
            request: |op| Call {
                body: json!({"type": "echo", "echo": op.value.to_json()}),
                reply: &ECHO_OK,
            },
            // The operation completes with the whole answer, its keys as keywords.
            value: |_, body| {
                let fields = body.as_map().unwrap_or(&[]).iter();
                let named = fields.map(|(key, value)| (key.name().unwrap_or_default(), value));
                Edn::map(named.map(|(key, value)| (key, value.clone())))
            },
        })
    }

    fn errors(&self) -> Errors {
        Errors::Told { idempotent: &[] }
    }
}
