//! `latency.svg`: how long each operation took, over time.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use plotters::prelude::*;

use super::faults::Fault;
use super::operations::{Operation, Outcome, functions, quantile};
use super::plot::{Canvas, Drawn, Frame, LINES, Sign, color, line_sign, seconds, trim};

const QUANTILES: [(f64, &str); 2] = [(0.5, "median"), (0.99, "p99")];
/// The windows of the quantile lines, over the whole time axis: at most so many,
/// and fewer when they would hold too little to tell a quantile from.
const MOST_WINDOWS: usize = 40;
const PER_WINDOW: usize = 15;
/// Points that would cover each other are drawn once, on this grid, so that a
/// picture of a million operations stays small and shows every outlier.
const GRID: (f64, f64) = (430.0, 75.0);

/// The picture of `operations` up to `until` seconds.
pub(super) fn svg(
    operations: &[Operation<'_>],
    faults: &[Fault<'_>],
    until: f64,
) -> io::Result<String> {
    let latencies: Vec<f64> = operations.iter().filter_map(latency_ms).collect();
    // Whole decades, and a little more: rounding must not cut off the outer ones.
    let low = 10f64.powf(
        latencies
            .iter()
            .copied()
            .fold(1.0, f64::min)
            .log10()
            .floor(),
    );
    let high = 10f64.powf(
        latencies
            .iter()
            .copied()
            .fold(10.0, f64::max)
            .log10()
            .ceil(),
    );
    let marks: Vec<_> = Outcome::ALL
        .map(|outcome| move |area: &Canvas<'_>, at| mark_sign(area, at, outcome))
        .into();
    let lines: Vec<_> = LINES
        .map(|line| move |area: &Canvas<'_>, at| line_sign(area, at, line.stroke_width(2)))
        .into();
    let legend: Vec<Sign<'_>> = (Outcome::ALL.iter().zip(&marks))
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
        functions: &functions(operations),
        faults,
        legend: &legend,
    };
    frame.draw(|area, function| {
        let scale = (low..high).log_scale();
        let mut chart = frame.panel(area, function, scale, (low, high), &|ms| trim(*ms))?;
        let own = || operations.iter().filter(|o| o.invocation.f == function);
        for outcome in Outcome::ALL {
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
                Outcome::Ok => chart.draw_series(
                    cells
                        .into_iter()
                        .map(|cell| Circle::new(at(cell), 2, style.mix(0.6).filled())),
                )?,
                Outcome::Info => chart.draw_series(
                    cells
                        .into_iter()
                        .map(|cell| TriangleMarker::new(at(cell), 4, style.filled())),
                )?,
                Outcome::Fail => chart.draw_series(
                    cells
                        .into_iter()
                        .map(|cell| Cross::new(at(cell), 3, style.stroke_width(2))),
                )?,
            };
        }
        let across = (own().count() / PER_WINDOW).clamp(1, MOST_WINDOWS) as f64;
        let mut windows: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for operation in own() {
            if let Some(latency) = operation.latency() {
                let window = (seconds(operation.invocation.time) / until * across) as i64;
                windows.entry(window).or_default().push(latency);
            }
        }
        windows
            .values_mut()
            .for_each(|latencies| latencies.sort_unstable());
        for ((q, _), line) in QUANTILES.into_iter().zip(LINES) {
            // A window without operations breaks the line.
            for run in runs(&windows) {
                let points = run.into_iter().filter_map(|(window, latencies)| {
                    let at = (window as f64 + 0.5) / across * until;
                    Some((at, ms(quantile(latencies, q)?).max(low)))
                });
                chart.draw_series(LineSeries::new(points, line.mix(0.8).stroke_width(1)))?;
            }
        }
        Ok(())
    })
}

/// Windows that follow each other without a gap.
fn runs(windows: &BTreeMap<i64, Vec<i64>>) -> Vec<Vec<(i64, &[i64])>> {
    let mut runs: Vec<Vec<(i64, &[i64])>> = Vec::new();
    for (&window, latencies) in windows {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|(last, _)| last + 1 == window) => {
                run.push((window, latencies));
            }
            _ => runs.push(vec![(window, latencies)]),
        }
    }
    runs
}

fn mark_sign(area: &Canvas<'_>, at: (i32, i32), outcome: Outcome) -> Drawn {
    let style = color(outcome);
    match outcome {
        Outcome::Ok => area.draw(&Circle::new(at, 3, style.filled()))?,
        Outcome::Info => area.draw(&TriangleMarker::new(at, 5, style.filled()))?,
        Outcome::Fail => area.draw(&Cross::new(at, 3, style.stroke_width(2)))?,
    }
    Ok(())
}

fn ms(ns: i64) -> f64 {
    ns as f64 / 1e6
}

/// An operation's latency in ms. The logarithmic scale has no place for less
/// than a microsecond.
fn latency_ms(operation: &Operation<'_>) -> Option<f64> {
    operation.latency().map(|latency| ms(latency).max(0.001))
}
