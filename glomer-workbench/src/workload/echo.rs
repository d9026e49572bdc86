//! `echo`: nodes send back what they are sent.

use glomer_runtime::Error;
use serde_json::json;

use super::{Client, History, Notation, NotedOp, Reply, Shape, Turn, Workload};
use crate::edn::Edn;
use crate::history::Excerpt;
use crate::history::typed::{Operation, Outcome};
use crate::verdict::{Reason, Verdict};

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

fn told(history: &History<Op, Edn>, operation: &Operation<Op, Edn>, received: &Edn) -> Reason {
    let (who, index) = (history.who(operation.process), operation.invoked.index);
    let asked = format!(
        "was sent {} at {}",
        Excerpt(&operation.op.0),
        operation.invoked
    );
    let answered = match (&operation.outcome, operation.completed) {
        (Outcome::Ok(_), Some(at)) => format!("answered {} at {at}", Excerpt(received)),
        _ => "did not send it back".to_owned(),
    };
    Reason::new("what came back is not what was sent").because(
        format!("{who} {asked} and {answered} (operation {index})."),
        [index],
    )
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

    /// Maelstrom compares what knossos' `pairs` leaves: an indeterminate completion says
    /// nothing, and a failed one, which has no body, did not bring the string back.
    fn check(&self, history: &History<Op, Edn>) -> Verdict {
        let wrong: Vec<(&Operation<Op, Edn>, &Edn)> = history
            .iter()
            .filter_map(|operation| {
                let Op(sent) = &operation.op;
                let received = match &operation.outcome {
                    Outcome::Ok(received) => received,
                    Outcome::Fail => sent,
                    Outcome::Info => return None,
                };
                let echoed = received.get("echo");
                (echoed.unwrap_or(&Edn::Nil) != sent).then_some((operation, received))
            })
            .collect();
        let errors = wrong.iter().map(|(operation, received)| {
            Edn::vector([
                "Expected a message with :echo".into(),
                operation.op.0.clone(),
                "But received".into(),
                (*received).clone(),
            ])
        });
        let errors: Vec<Edn> = errors.collect();
        let verdict = Verdict::new(errors.is_empty());
        let reason = wrong.first().map(|(operation, received)| {
            told(history, operation, received).and_others(wrong.len() - 1, "request")
        });
        let verdict = verdict.figure("errors", Edn::List(errors));
        reason.into_iter().fold(verdict, Verdict::because)
    }
}
