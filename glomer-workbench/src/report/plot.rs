//! What the two plots over time share: one panel per function under a common
//! time axis, with the nemesis's periods shaded, in light and dark.

use std::error::Error;
use std::io;

use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::operations::Ended;
use crate::run::nemesis::period::FaultPeriod;

const WIDTH: u32 = 960;
const HEADER: u32 = 34;
const LANE: u32 = 16;
const PANEL: u32 = 204;
const TIME_AXIS: u32 = 26;
/// Left of the panels: the scale's figures and the faults' names.
const LEFT: u32 = 84;
const RIGHT: u32 = 18;

// The light colours stand in the picture as attributes, where the style sheet
// of the dark scheme finds them again.
const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
const MUTED: RGBColor = RGBColor(0x66, 0x6E, 0x79);
const GRID: RGBColor = RGBColor(0xE7, 0xE9, 0xEC);
const STYLE: &str = "
.glomer-plot { color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  .glomer-plot [fill='#FFFFFF'] { fill: #16191D; }
  .glomer-plot [fill='#1F2328'] { fill: #E4E7EB; }
  .glomer-plot [stroke='#1F2328'] { stroke: #E4E7EB; }
  .glomer-plot [fill='#666E79'] { fill: #9BA4B0; }
  .glomer-plot [stroke='#666E79'] { stroke: #9BA4B0; }
  .glomer-plot [fill='#2F81C9'] { fill: #5AA9E6; }
  .glomer-plot [stroke='#2F81C9'] { stroke: #5AA9E6; }
  .glomer-plot [stroke='#7C3AED'] { stroke: #B794F6; }
  .glomer-plot [stroke='#E7E9EC'] { stroke: #2A2F36; }
}
";

/// One hue per kind of fault, in the order of their first appearance.
const FAULTS: [RGBColor; 6] = [
    RGBColor(0x8B, 0x5C, 0xF6),
    RGBColor(0xEA, 0x7A, 0x17),
    RGBColor(0x0D, 0x94, 0x88),
    RGBColor(0xDB, 0x27, 0x77),
    RGBColor(0x65, 0x8A, 0x0F),
    RGBColor(0x64, 0x74, 0x8B),
];

pub(super) type Canvas<'s> = DrawingArea<SVGBackend<'s>, Shift>;
pub(super) type Chart<'c, 's, Y> = ChartContext<'c, SVGBackend<'s>, Cartesian2d<RangedCoordf64, Y>>;
pub(super) type Drawn<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

pub(super) fn color(outcome: Ended) -> RGBColor {
    match outcome {
        Ended::Ok => RGBColor(0x2F, 0x81, 0xC9),
        Ended::Info => RGBColor(0xD9, 0x8A, 0x04),
        Ended::Fail => RGBColor(0xD9, 0x1E, 0x6B),
    }
}

/// An entry of the legend: its text and what draws the sign before it, about
/// the point given.
pub(super) struct Sign<'a> {
    pub(super) text: &'a str,
    pub(super) draw: &'a dyn Fn(&Canvas<'_>, (i32, i32)) -> Drawn,
}

/// What is the same in every panel of a plot.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    /// The end of the time axis, in seconds.
    pub(super) until: f64,
    /// One panel each.
    pub(super) functions: &'a [&'a str],
    pub(super) faults: &'a [FaultPeriod<'a>],
    pub(super) legend: &'a [Sign<'a>],
}

impl Frame<'_> {
    /// The picture, each of whose panels is drawn by `panel`.
    pub(super) fn draw(
        &self,
        mut panel: impl FnMut(&Canvas<'_>, &str) -> Drawn,
    ) -> io::Result<String> {
        let kinds = self.kinds();
        let lanes = LANE * kinds.len() as u32;
        let panels = self.functions.len().max(1) as u32;
        let height = HEADER + lanes + panels * PANEL + TIME_AXIS;
        let mut svg = String::new();
        let drawn: Drawn = (|| {
            let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
            root.fill(&PAPER)?;
            let (header, rest) = root.split_vertically(HEADER);
            let (lane_area, rest) = rest.split_vertically(lanes);
            self.draw_header(&header)?;
            self.draw_lanes(&lane_area, &kinds)?;
            if self.functions.is_empty() {
                let middle = (WIDTH as i32 / 2, PANEL as i32 / 2);
                rest.draw(&Text::new(
                    "no operations",
                    middle,
                    text(14, &MUTED, HPos::Center),
                ))?;
            }
            let (panels, time_axis) = rest.split_vertically(panels * PANEL);
            for (area, function) in panels
                .split_evenly((self.functions.len(), 1))
                .iter()
                .zip(self.functions)
            {
                panel(area, function)?;
            }
            let under = (((LEFT + WIDTH - RIGHT) / 2) as i32, 8);
            time_axis.draw(&Text::new(
                "time (s)",
                under,
                text(12, &MUTED, HPos::Center),
            ))?;
            root.present()?;
            Ok(())
        })();
        drawn.map_err(io::Error::other)?;
        // The backend has no way to add a class or a style sheet of its own.
        Ok(svg
            .replacen("<svg ", "<svg class=\"glomer-plot\" ", 1)
            .replacen(">\n", &format!(">\n<style>{STYLE}</style>\n"), 1))
    }

    /// A panel's axes, shading and name, ready for its series.
    pub(super) fn panel<'c, 's, Y>(
        &self,
        area: &'c Canvas<'s>,
        function: &str,
        scale: Y,
        (low, high): (f64, f64),
        figure: &dyn Fn(&f64) -> String,
    ) -> Drawn<Chart<'c, 's, Y::CoordDescType>>
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let mut chart = ChartBuilder::on(area)
            .margin_top(36)
            .margin_right(RIGHT)
            .set_label_area_size(LabelAreaPosition::Left, LEFT)
            .set_label_area_size(LabelAreaPosition::Bottom, 24)
            .build_cartesian_2d(0.0..self.until, scale)?;
        chart
            .configure_mesh()
            .x_labels(12)
            .y_labels(6)
            .max_light_lines(1)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(MUTED)
            .label_style(text(12, &MUTED, HPos::Left))
            .y_label_formatter(figure)
            .x_label_formatter(&|seconds| trim(*seconds))
            .draw()?;
        let kinds = self.kinds();
        // All kinds together are no darker than one alone.
        let shade = 0.15 / kinds.len().max(1) as f64;
        for fault in self.faults {
            let (start, stop) = self.span(fault);
            let hue = hue(&kinds, fault.kind);
            chart.draw_series([Rectangle::new(
                [(start, low), (stop, high)],
                hue.mix(shade).filled(),
            )])?;
        }
        let style = TextStyle::from(("sans-serif", 16, FontStyle::Bold).into_font()).color(&INK);
        area.draw(&Text::new(function.to_string(), (LEFT as i32, 12), style))?;
        Ok(chart)
    }

    /// From when to when a fault was at work, in seconds on the time axis.
    fn span(&self, fault: &FaultPeriod<'_>) -> (f64, f64) {
        let start = seconds(fault.start).clamp(0.0, self.until);
        let stop = fault.stop.map_or(self.until, seconds);
        (start, stop.clamp(start, self.until))
    }

    fn kinds(&self) -> Vec<&str> {
        let mut kinds = Vec::new();
        for fault in self.faults {
            if !kinds.contains(&fault.kind) {
                kinds.push(fault.kind);
            }
        }
        kinds
    }

    fn draw_header(&self, area: &Canvas<'_>) -> Drawn {
        let style = text(13, &MUTED, HPos::Left);
        area.draw(&Text::new(
            self.title,
            (LEFT as i32, HEADER as i32 / 2),
            style.clone(),
        ))?;
        let mut right = (WIDTH - RIGHT) as i32;
        for sign in self.legend.iter().rev() {
            right -= 7 * sign.text.chars().count() as i32;
            let middle = HEADER as i32 / 2;
            area.draw(&Text::new(sign.text, (right, middle), style.clone()))?;
            (sign.draw)(area, (right - 12, middle))?;
            right -= 40;
        }
        Ok(())
    }

    /// A line per kind of fault that tells by name what the shading means.
    fn draw_lanes(&self, area: &Canvas<'_>, kinds: &[&str]) -> Drawn {
        for (lane, kind) in kinds.iter().enumerate() {
            let top = lane as i32 * LANE as i32;
            let middle = top + LANE as i32 / 2;
            area.draw(&Text::new(
                *kind,
                (LEFT as i32 - 10, middle),
                text(12, &MUTED, HPos::Right),
            ))?;
            let width = f64::from(WIDTH - LEFT - RIGHT);
            for fault in self.faults.iter().filter(|fault| fault.kind == *kind) {
                let (start, stop) = self.span(fault);
                let x = |at: f64| (f64::from(LEFT) + at / self.until * width).round() as i32;
                let bar = [
                    (x(start), top + 3),
                    (x(stop).max(x(start) + 1), top + LANE as i32 - 3),
                ];
                area.draw(&Rectangle::new(bar, hue(kinds, kind).mix(0.75).filled()))?;
            }
        }
        Ok(())
    }
}

fn hue(kinds: &[&str], kind: &str) -> RGBColor {
    let i = kinds.iter().position(|known| *known == kind).unwrap_or(0);
    FAULTS[i % FAULTS.len()]
}

fn text(size: u32, color: &'static RGBColor, horizontal: HPos) -> TextStyle<'static> {
    // The backend divides the size it is given by 1.24.
    TextStyle::from(("sans-serif", f64::from(size) * 1.24).into_font())
        .color(color)
        .pos(Pos::new(horizontal, VPos::Center))
}

/// A line as a legend's sign.
pub(super) fn line_sign(area: &Canvas<'_>, (x, y): (i32, i32), style: ShapeStyle) -> Drawn {
    area.draw(&PathElement::new(vec![(x - 7, y), (x + 7, y)], style))?;
    Ok(())
}

pub(super) fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}

/// A figure without the digits that say nothing.
pub(super) fn trim(figure: f64) -> String {
    let text = format!("{figure:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// The colours of the lines that sum a distribution up.
pub(super) const LINES: [RGBColor; 2] = [INK, RGBColor(0x7C, 0x3A, 0xED)];
