use glomer_runtime::prelude::*;

#[handler("broadcast")]
pub struct Broadcast {
    pub message: u64,
}

#[every("1s")]
pub(crate) const GOSSIP: fn() = || {};

#[handler("read")]
impl Broadcast {}

#[handler("topology")]
fn topology();

fn main() {}
