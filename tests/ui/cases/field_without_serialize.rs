#![allow(unused_variables)]

use glomer_runtime::prelude::*;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
struct Point {
    x: u64,
}

#[handler("move")]
fn go(to: Point, number: u64) {}

#[handler("draw")]
fn draw(number: u64, points: Vec<Point>) {}

// A body is only read, unless somebody sends it.
#[handler("shape")]
fn shape(Body(point): Body<Point>) {}

fn main() {}
