use glomer_runtime::prelude::*;
use serde::Deserialize;

#[handler("write")]
fn write<K: Deserialize<'static>, const N: usize>(key: K, values: [u64; N]) {}

#[handler("echo")]
fn echo(echo: impl Deserialize<'static>) {}

fn main() {}
