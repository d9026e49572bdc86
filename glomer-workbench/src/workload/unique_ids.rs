//! `unique-ids`: nodes make identifiers, and no two operations get the same one.

use glomer_runtime::Error;
use serde_json::json;

use super::{Client, History, Notation, NotedOp, Reply, Shape, Turn, Workload, take};
use crate::checker::unique;
use crate::edn::Edn;
use crate::verdict::Verdict;

const GENERATE_OK: Reply = Reply {
    kind: "generate_ok",
    fields: &[("id", Shape::Any)],
};

/// Asks for identifiers.
#[derive(Clone, Copy, Debug, Default)]
pub struct UniqueIds;

/// Make an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generate;

impl NotedOp for Generate {
    fn note(&self) -> Result<Notation, String> {
        Ok(Notation::new("generate", Edn::Nil))
    }

    fn read(_: &Notation) -> Result<Generate, String> {
        Ok(Generate)
    }
}

impl Workload for UniqueIds {
    const NAME: &'static str = "unique-ids";
    const ABOUT: &'static str = "Nodes make identifiers; no two are the same";
    type Op = Generate;
    type Output = Edn;
    type Session = ();

    fn next(&mut self, _: &mut Turn<'_, Self>) -> Option<Generate> {
        Some(Generate)
    }

    async fn perform(_: &mut (), client: &Client, _: &Generate) -> Result<Edn, Error> {
        let mut answer = client
            .ask(json!({"type": "generate"}), &GENERATE_OK)
            .await?;
        Ok(take(&mut answer, "id"))
    }

    fn keeps_clients(&self) -> bool {
        true
    }

    fn check(&self, history: &History<Generate, Edn>) -> Verdict {
        unique(history)
    }

    fn meaning(name: &str) -> Option<&'static str> {
        (name == "duplicated").then_some("the ids that came more than once, and how often")
    }
}
