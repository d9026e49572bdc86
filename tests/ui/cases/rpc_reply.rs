#![allow(unused_variables)]

use glomer_runtime::prelude::*;
use serde::Serialize;

#[derive(Serialize)]
struct Answer {
    value: u64,
}

#[handler("get")]
fn get() -> Answer {
    Answer { value: 1 }
}

#[handler("ask")]
async fn ask(cx: &Context) -> Result<(), Error> {
    let answer = cx.rpc("n1", Get {}).await?;
    Ok(())
}

fn main() {}
