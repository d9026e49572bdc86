//! `echo`: nodes send back what they are sent.

use glomer_runtime::Error;
use serde_json::json;

use super::{Client, History, Notation, NotedOp, Reply, Shape, Turn, Workload};
use crate::checker;
use crate::edn::Edn;
use crate::verdict::Verdict;

const ECHO_OK: Reply = Reply {
    kind: "echo_ok",
    fields: &[("echo", Shape::Any)],
};

/// Sends `Please echo N`, with N below 128.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

/// Send back this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op(pub Edn);

impl NotedOp for Op {
    fn note(&self) -> Result<Notation, String> {
        Ok(Notation::new("echo", self.0.clone()))
    }

    fn read(notation: &Notation) -> Result<Op, String> {
        Ok(Op(notation.value.clone()))
    }
}

impl Workload for Echo {
    const NAME: &'static str = "echo";
    const ABOUT: &'static str = "Nodes send back what they are sent";
    type Op = Op;
    /// The whole answer.
    type Output = Edn;
    type Session = ();

    fn next(&mut self, turn: &mut Turn<'_, Self>) -> Option<Op> {
        Some(Op(format!("Please echo {}", turn.rng.below(128)).into()))
    }

    async fn perform(_: &mut (), client: &Client, op: &Op) -> Result<Edn, Error> {
        let body = json!({"type": "echo", "echo": op.0.to_json()});
        let answer = client.ask(body, &ECHO_OK).await?;
        // Its keys become keywords.
        let fields = answer.as_map().unwrap_or(&[]).iter();
        let named = fields.map(|(key, value)| (key.name().unwrap_or_default(), value));
        Ok(Edn::map(named.map(|(key, value)| (key, value.clone()))))
    }

    fn check(&self, history: &History<Op, Edn>) -> Verdict {
        checker::echo::check(history)
    }
}
