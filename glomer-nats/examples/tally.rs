//! A node that counts, keeps its count on its disk, and talks to NATS itself:
//!
//! ```sh
//! GLOMER_DISK=/tmp/tally cargo run -p glomer-nats --example tally -- --id n1 --nodes n1
//! glomer-nats call n1 '{"type": "add"}'
//! glomer-nats call n1 '{"type": "read"}'
//! ```
//!
//! Without arguments it is a node for `glomer test` and Maelstrom.

use glomer_runtime::prelude::*;

#[derive(Default)]
struct Tally {
    value: u64,
}

#[handler("init")]
fn init(tally: &mut Tally, cx: &Context) -> Result<(), Error> {
    tally.value = cx.disk().load("value")?.unwrap_or_default();
    Ok(())
}

/// One for here, and one for each node that it is passed on to.
#[handler("add")]
fn add(tally: &mut Tally, cx: &Context, #[serde(default)] pass_on: Vec<String>) {
    tally.value += 1;
    cx.disk().put("value", &tally.value);
    for node in &pass_on {
        cx.send(node, Add { pass_on: vec![] });
    }
}

#[handler("read", reply = "value")]
fn read(tally: &Tally) -> u64 {
    tally.value
}

/// What another node has counted.
#[handler("ask", reply = "value")]
async fn ask(_: &Shared<Tally>, cx: &Context, node: String) -> Result<u64, Error> {
    cx.rpc(&node, Read {}).await
}

fn main() -> std::process::ExitCode {
    if std::env::args().len() > 1 {
        glomer_nats::run::<Tally>()
    } else {
        glomer_runtime::run::<Tally>()
    }
}
