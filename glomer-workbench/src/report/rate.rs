//! `rate.svg`: how many operations a second came to which outcome, over time.

use std::io;

use plotters::prelude::*;

use super::operations::{Ended, Pair, functions};
use super::plot::{Canvas, Frame, Sign, color, line_sign, seconds, trim};
use crate::run::nemesis::period::FaultPeriod;

/// The window of a rate, in seconds: of these the first that divides the time
/// axis into at most [`WINDOWS`].
const STEPS: [f64; 13] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0,
];
const WINDOWS: f64 = 45.0;

/// The picture of `operations` up to `until` seconds.
pub(super) fn svg(
    operations: &[Pair<'_>],
    faults: &[FaultPeriod<'_>],
    until: f64,
) -> io::Result<String> {
    let step = (STEPS.into_iter().find(|step| until / step <= WINDOWS)).unwrap_or(until / WINDOWS);
    let functions = functions(operations);
    let rates: Vec<Vec<(Ended, Vec<f64>)>> = functions
        .iter()
        .map(|function| rates(operations, function, step, until))
        .collect();
    let high = rates
        .iter()
        .flatten()
        .flat_map(|(_, rates)| rates)
        .copied()
        .fold(1.0, f64::max);
    let high = high * 1.05;
    let signs: Vec<_> = Ended::ALL
        .map(|outcome| {
            move |area: &Canvas<'_>, at| line_sign(area, at, color(outcome).stroke_width(2))
        })
        .into();
    let legend: Vec<Sign<'_>> = (Ended::ALL.iter().zip(&signs))
        .map(|(outcome, draw)| Sign {
            text: outcome.name(),
            draw,
        })
        .collect();
    let frame = Frame {
        title: &format!("completed operations a second, over {} s", trim(step)),
        until,
        functions: &functions,
        faults,
        legend: &legend,
    };
    frame.draw(|area, function| {
        let mut chart = frame.panel(area, function, 0.0..high, (0.0, high), &|rate| trim(*rate))?;
        let panel = functions
            .iter()
            .position(|name| *name == function)
            .unwrap_or_default();
        for (outcome, rates) in &rates[panel] {
            let points = rates
                .iter()
                .enumerate()
                .map(|(window, rate)| (((window as f64 + 0.5) * step).min(until), *rate));
            chart.draw_series(LineSeries::new(points, color(*outcome).stroke_width(2)))?;
        }
        Ok(())
    })
}

/// The rates of one function's outcomes, by window of the completion. An
/// outcome that never was has no line.
fn rates(operations: &[Pair<'_>], function: &str, step: f64, until: f64) -> Vec<(Ended, Vec<f64>)> {
    let windows = (until / step).ceil().max(1.0) as usize;
    Ended::ALL
        .into_iter()
        .filter_map(|outcome| {
            let mut rates = vec![0.0; windows];
            for operation in operations {
                if operation.invocation.f == function
                    && operation.outcome() == outcome
                    && let Some(completion) = operation.completion
                {
                    let window = (seconds(completion.time) / step) as usize;
                    rates[window.min(windows - 1)] += 1.0 / step;
                }
            }
            rates
                .iter()
                .any(|rate| *rate > 0.0)
                .then_some((outcome, rates))
        })
        .collect()
}
