#![allow(unused_variables)]

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State;

struct Answer;

#[handler("one")]
fn one(state: &State) -> Answer {
    Answer
}

#[handler("two")]
fn two(state: &State, key: String) -> Result<Answer, Error> {
    Ok(Answer)
}

#[handler("three", reply = "answers")]
async fn three(state: &Shared<State>) -> Vec<Answer> {
    vec![]
}

#[handler("four", reply = "answer")]
async fn four(state: &Shared<State>) -> Result<Answer, Error> {
    Ok(Answer)
}

#[handler("five")]
fn five() -> std::io::Result<Answer> {
    Ok(Answer)
}

fn main() {}
