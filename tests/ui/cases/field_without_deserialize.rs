#![allow(unused_variables)]

use glomer_runtime::prelude::*;
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
struct Point {
    x: u64,
}

#[handler("move")]
fn go(number: u64, to: Point) {}

#[handler("draw")]
fn draw(points: Vec<Point>, number: u64) {}

#[handler("shape")]
fn shape(Body(point): Body<Point>) {}

fn main() {}
