//! A node with a handler for everything that the driver's tests look at.

use std::time::Duration;

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State {
    beats: u64,
}

#[handler("echo", reply = "echo")]
fn echo(_: &State, echo: String) -> String {
    echo
}

#[handler("print")]
fn print(_: &State, text: String) {
    println!("{text}");
}

#[handler("panic")]
fn panic(_: &State) {
    panic!("as asked");
}

#[handler("nap")]
async fn nap(_: &Shared<State>, cx: &Context, ms: u64) {
    cx.sleep(Duration::from_millis(ms)).await;
}

#[handler("ask")]
async fn ask(_: &Shared<State>, cx: &Context, peer: String) -> Result<(), Error> {
    cx.rpc(peer, Nap { ms: 0 })
        .timeout(Duration::from_secs(3600))
        .await
}

#[handler("big", reply = "text")]
fn big(_: &State, mib: usize) -> String {
    "x".repeat(mib * 1024 * 1024)
}

#[handler("beat")]
fn beat(_: &State, beats: u64) {}

#[every("1ms")]
fn tick(state: &mut State, cx: &Context) {
    // Three beats, so that a test knows the timers run without any input.
    if state.beats < 3 {
        state.beats += 1;
        cx.send("c9", Beat { beats: state.beats });
    }
}

fn main() -> std::process::ExitCode {
    glomer_runtime::run::<State>()
}
