#![allow(unused_variables)]

use std::borrow::Cow;
use std::path::Path;

use glomer_runtime::prelude::*;

#[derive(Default)]
struct State;

#[handler("one")]
fn one(name: &str) {}

#[handler("two")]
fn two(state: &State, names: &[String], path: &Path, number: u64, other: &Vec<u64>) {}

#[handler("three")]
fn three(names: Vec<&str>) {}

#[handler("four")]
fn four(name: Cow<'_, str>, fixed: &'static str) {}

#[handler("five")]
fn five(Body(body): Body<&str>) {}

fn main() {}
