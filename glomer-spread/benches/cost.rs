//! What spreading a value costs as the cluster and the load grow:
//! `cargo bench -p glomer-spread`.
//!
//! It makes the table and the plot of the crate's documentation. Time is virtual
//! and the seed is fixed, so that they are the same on every machine.

#[path = "../tests/spread/cost.rs"]
mod cost;
#[path = "../tests/spread/support.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod support;

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use cost::Cost;
use plotters::prelude::*;

const SIZES: [usize; 5] = [5, 25, 100, 1_000, 5_000];
/// New values a second, in the whole cluster.
const RATES: [f64; 5] = [1.0, 5.0, 50.0, 200.0, 1_000.0];

fn main() -> Result<(), Box<dyn Error>> {
    let mut costs = Vec::new();
    for nodes in SIZES {
        for rate in RATES {
            let cost = Cost::measure(nodes, rate);
            eprintln!("{}", cost.row());
            costs.push(cost);
        }
    }
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    std::fs::write(home.join("cost.md"), table(&costs)?)?;
    std::fs::write(home.join("cost.svg"), plot(&costs)?)?;
    println!("{}", table(&costs)?);
    println!(
        "written to {} and cost.svg beside it",
        home.join("cost.md").display()
    );
    Ok(())
}

fn table(costs: &[Cost]) -> Result<String, std::fmt::Error> {
    let mut table = String::from(
        "| nodes | values a second | messages a value | by the formula | bytes a value | \
         median, in links | at most |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for cost in costs {
        writeln!(table, "{}", cost.row())?;
    }
    Ok(table)
}

/// Messages for each value and node, over the rate: the points measured, the
/// lines by the formula.
fn plot(costs: &[Cost]) -> Result<String, Box<dyn Error>> {
    const INK: RGBColor = RGBColor(0x88, 0x8E, 0x99);
    const HUES: [RGBColor; SIZES.len()] = [
        RGBColor(0x2F, 0x81, 0xC9),
        RGBColor(0x0D, 0x94, 0x88),
        RGBColor(0xD9, 0x8A, 0x04),
        RGBColor(0xDB, 0x27, 0x77),
        RGBColor(0x8B, 0x5C, 0xF6),
    ];
    let style = ("sans-serif", 13).into_font().color(&INK);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (760, 420)).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(
                (0.9f64..1_100.0).log_scale(),
                (0.1f64..12_000.0).log_scale(),
            )?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.25))
            .axis_style(INK)
            .label_style(style.clone())
            .x_desc("new values a second")
            .y_desc("messages between nodes for each value")
            .x_label_formatter(&|x| x.to_string())
            .y_label_formatter(&|y| y.to_string())
            .draw()?;
        for (nodes, hue) in SIZES.into_iter().zip(HUES) {
            let rates = (0..=60).map(|step| 10f64.powf(f64::from(step) / 20.0));
            let line = rates.map(|rate| (rate, Cost::expected(nodes, rate)));
            chart
                .draw_series(LineSeries::new(line, hue))?
                .label(format!("{nodes} nodes"))
                .legend(move |(x, y)| Circle::new((x + 8, y), 4, hue.filled()));
            let points = costs.iter().filter(|cost| cost.nodes == nodes);
            chart.draw_series(
                points.map(|cost| Circle::new((cost.rate, cost.messages), 4, hue.filled())),
            )?;
        }
        chart
            .configure_series_labels()
            .label_font(style)
            .position(SeriesLabelPosition::UpperRight)
            .draw()?;
        root.present()?;
    }
    Ok(svg)
}
