//! `latency.svg`: how long each operation took, over time.

use std::collections::BTreeSet;
use std::io;

use plotters::prelude::*;

use super::operations::{Ended, Pair, functions, quantile};
use super::plot::{Canvas, Drawn, Frame, LINES, Sign, color, line_sign, seconds, trim};
use crate::run::nemesis::period::FaultPeriod;

const QUANTILES: [(f64, &str); 2] = [(0.5, "median"), (0.99, "p99")];
/// A point of a quantile's line sums up so many operations that followed each
/// other, or more where there would be more points than these.
const PER_POINT: usize = 15;
const MOST_POINTS: usize = 60;
/// A pause of this share of the time axis breaks the line.
const PAUSE: f64 = 0.06;
/// Points that would cover each other are drawn once, on this grid, so that a
/// picture of a million operations stays small and shows every outlier.
const GRID: (f64, f64) = (430.0, 75.0);

/// The picture of `operations` up to `until` seconds.
pub(super) fn svg(
    operations: &[Pair<'_>],
    faults: &[FaultPeriod<'_>],
    until: f64,
) -> io::Result<String> {
    let latencies: Vec<f64> = operations.iter().filter_map(latency_ms).collect();
    let (low, high) = scale(&latencies);
    let mut functions = functions(operations);
    functions.retain(|function| {
        let mut own = operations.iter().filter(|o| o.invocation.f == *function);
        own.any(|operation| latency_ms(operation).is_some())
    });
    let marks: Vec<_> = Ended::ALL
        .map(|outcome| move |area: &Canvas<'_>, at| mark_sign(area, at, outcome))
        .into();
    let lines: Vec<_> = LINES
        .map(|line| move |area: &Canvas<'_>, at| line_sign(area, at, line.stroke_width(2)))
        .into();
    let legend: Vec<Sign<'_>> = (Ended::ALL.iter().zip(&marks))
        .map(|(outcome, draw)| Sign {
            text: outcome.name(),
            draw,
        })
        .chain(
            QUANTILES
                .iter()
                .zip(&lines)
                .map(|((_, text), draw)| Sign { text, draw }),
        )
        .collect();
    let frame = Frame {
        title: "latency (ms)",
        until,
        functions: &functions,
        faults,
        legend: &legend,
    };
    frame.draw(|area, function| {
        let scale = (low..high).log_scale();
        let mut chart = frame.panel(area, function, scale, (low, high), &|ms| trim(*ms))?;
        let own = || operations.iter().filter(|o| o.invocation.f == function);
        for outcome in Ended::ALL {
            let cells: BTreeSet<(i64, i64)> = own()
                .filter(|operation| operation.outcome() == outcome)
                .filter_map(|operation| {
                    let x = seconds(operation.invocation.time) / until * GRID.0;
                    let y = (latency_ms(operation)? / low).log(high / low) * GRID.1;
                    Some((x.round() as i64, y.round() as i64))
                })
                .collect();
            let at = |(x, y): (i64, i64)| {
                (
                    x as f64 / GRID.0 * until,
                    low * (high / low).powf(y as f64 / GRID.1),
                )
            };
            let style = color(outcome);
            match outcome {
                Ended::Ok => chart.draw_series(
                    cells
                        .into_iter()
                        .map(|cell| Circle::new(at(cell), 2, style.mix(0.6).filled())),
                )?,
                Ended::Info => chart.draw_series(
                    cells
                        .into_iter()
                        .map(|cell| TriangleMarker::new(at(cell), 4, style.filled())),
                )?,
                Ended::Fail => chart.draw_series(
                    cells
                        .into_iter()
                        .map(|cell| Cross::new(at(cell), 3, style.stroke_width(2))),
                )?,
            };
        }
        let completed: Vec<(f64, i64)> = own()
            .filter_map(|o| Some((seconds(o.invocation.time), o.latency()?)))
            .collect();
        let per_point = PER_POINT.max(completed.len() / MOST_POINTS);
        let pauses = |a: &(f64, i64), b: &(f64, i64)| b.0 - a.0 > PAUSE * until;
        for busy in completed.chunk_by(|a, b| !pauses(a, b)) {
            // A burst between two pauses, such as the final reads, is no line.
            if !pauses(&busy[0], &busy[busy.len() - 1]) {
                continue;
            }
            let summed: Vec<(f64, Vec<i64>)> = busy.chunks(per_point).filter_map(sum_up).collect();
            for ((q, _), line) in QUANTILES.into_iter().zip(LINES) {
                let points = (summed.iter()).filter_map(|(at, latencies)| {
                    Some((*at, ms(quantile(latencies, q)?).max(low)))
                });
                chart.draw_series(LineSeries::new(points, line.mix(0.8).stroke_width(1)))?;
            }
        }
        Ok(())
    })
}

/// The two ends of the scale for some latencies: 1, 2 or 5 times a power of ten,
/// and far enough from each other for the powers between them to tell the scale.
fn scale(latencies: &[f64]) -> (f64, f64) {
    let least = latencies.iter().copied().reduce(f64::min).unwrap_or(1.0) * 0.9;
    let most = latencies.iter().copied().reduce(f64::max).unwrap_or(10.0) * 1.1;
    let round = |figure: f64| {
        let power = 10f64.powf(figure.log10().floor());
        [power, 2.0 * power, 5.0 * power, 10.0 * power]
    };
    let low = round(least)
        .into_iter()
        .rfind(|step| *step <= least)
        .unwrap_or(least);
    let high = round(most)
        .into_iter()
        .find(|step| *step >= most)
        .unwrap_or(most);
    if high / low >= 100.0 {
        return (low, high);
    }
    // Rounding must not cut off the outer powers.
    let [power, ..] = round(low);
    let [.., next] = round(high * 0.99);
    (power * 0.99, next * 1.01)
}

/// The middle of some operations and their latencies in order, unless they are
/// too few to tell a quantile from.
fn sum_up(operations: &[(f64, i64)]) -> Option<(f64, Vec<i64>)> {
    let (first, last) = (operations.first()?, operations.last()?);
    let mut latencies: Vec<i64> = operations.iter().map(|(_, latency)| *latency).collect();
    latencies.sort_unstable();
    (latencies.len() >= PER_POINT / 2).then_some(((first.0 + last.0) / 2.0, latencies))
}

fn mark_sign(area: &Canvas<'_>, at: (i32, i32), outcome: Ended) -> Drawn {
    let style = color(outcome);
    match outcome {
        Ended::Ok => area.draw(&Circle::new(at, 3, style.filled()))?,
        Ended::Info => area.draw(&TriangleMarker::new(at, 5, style.filled()))?,
        Ended::Fail => area.draw(&Cross::new(at, 3, style.stroke_width(2)))?,
    }
    Ok(())
}

fn ms(ns: i64) -> f64 {
    ns as f64 / 1e6
}

/// An operation's latency in ms, if it took any time at all: the logarithmic scale
/// has no place for what a client did by itself, such as the crashes of kafka.
fn latency_ms(operation: &Pair<'_>) -> Option<f64> {
    operation.latency().filter(|latency| *latency > 0).map(ms)
}
