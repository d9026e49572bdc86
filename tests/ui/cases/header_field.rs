use glomer_runtime::prelude::*;

#[handler("one")]
fn one(msg_id: u64, r#type: String) {}

fn main() {}
