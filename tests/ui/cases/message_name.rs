#![allow(unused_variables)]

use glomer_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Search {
    text: String,
}

#[handler("search")]
fn search(Body(search): Body<Search>) {}

#[handler("error_report")]
fn error(text: String) {}

#[handler("topology", message = Context)]
fn topology(cx: &Context) {}

#[handler("self")]
fn self_() {}

fn main() {}
