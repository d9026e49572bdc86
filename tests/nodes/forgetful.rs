//! A node some of whose functions have forgotten its state. With `NOBODY` set, a
//! node that no function is for.

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State;

#[handler("write")]
fn write(_: &mut State, value: u64) {}

#[handler("read")]
fn read() {}

#[every("3600s")]
fn tidy() {}

fn main() -> std::process::ExitCode {
    if std::env::var_os("NOBODY").is_some() {
        return glomer_runtime::run::<u8>();
    }
    glomer_runtime::run::<State>()
}
