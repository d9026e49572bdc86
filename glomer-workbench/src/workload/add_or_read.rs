//! What clients of counters and grow-only sets do: they add something, and read the whole.

use glomer_runtime::Error;
use serde_json::json;

use super::{Client, Notation, NotedOp, Reply, notation, take};
use crate::edn::Edn;

const ADD_OK: Reply = Reply {
    kind: "add_ok",
    fields: &[],
};

/// What a client can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddOrRead {
    /// Add this.
    Add(Edn),
    /// Tell the whole.
    Read,
}

impl NotedOp for AddOrRead {
    fn note(&self) -> Result<Notation, String> {
        Ok(match self {
            AddOrRead::Add(what) => Notation::new("add", what.clone()),
            AddOrRead::Read => Notation::new("read", Edn::Nil),
        })
    }

    fn read(notation: &Notation) -> Result<AddOrRead, String> {
        match notation.f.as_str() {
            "add" => Ok(AddOrRead::Add(notation.value.clone())),
            "read" => Ok(AddOrRead::Read),
            other => Err(notation::unknown(other, &["add", "read"])),
        }
    }
}

impl AddOrRead {
    /// Does it: what is added goes under this name, and reads are answered in this form. The
    /// output is what was added, or the whole.
    pub(super) async fn perform(
        &self,
        client: &Client,
        added: &str,
        read_ok: &Reply,
    ) -> Result<Edn, Error> {
        match self {
            AddOrRead::Add(what) => {
                let body = json!({"type": "add", (added): what.to_json()});
                client.ask(body, &ADD_OK).await?;
                Ok(what.clone())
            }
            AddOrRead::Read => {
                let mut answer = client.ask(json!({"type": "read"}), read_ok).await?;
                Ok(take(&mut answer, "value"))
            }
        }
    }
}
