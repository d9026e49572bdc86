//! What it costs and how long it takes when nothing goes wrong, in virtual
//! time: issue-sized runs of Maelstrom's broadcast workload.

use glomer_runtime::sim::{Latency, ms, secs};

use crate::cost::Cost;
use crate::support::{Figures, measure};

/// The means of a few runs, and the longest of all latencies.
fn figures(nodes: usize, rate: f64, latency: Latency, time: u64) -> Figures {
    const SEEDS: u64 = 5;
    let mut sum = Figures::default();
    for seed in 0..SEEDS {
        let one = measure(nodes, rate, latency, seed, secs(time));
        sum.per_op += one.per_op / SEEDS as f64;
        sum.bytes_per_op += one.bytes_per_op / SEEDS as f64;
        sum.median += one.median / SEEDS as f64;
        sum.stable += one.stable / SEEDS as f64;
        sum.max = sum.max.max(one.max);
    }
    println!("{nodes} nodes, rate {rate}, latency {latency}: {sum}");
    sum
}

#[test]
fn fast_links_take_one_message_per_node_and_no_time() {
    let figures = figures(5, 10.0, Latency::default(), 20);
    assert!(figures.per_op <= 2.2, "{figures}");
    assert_eq!(figures.max, 0.0, "{figures}");
}

#[test]
fn slow_links_and_load_make_a_hub_gather() {
    let figures = figures(25, 100.0, Latency::constant(ms(100)), 20);
    assert!(figures.per_op <= 2.0, "{figures}");
    assert!(figures.stable <= 260.0, "{figures}");
    assert!(figures.max <= 350.0, "{figures}");
}

#[test]
fn messages_that_overtake_each_other_cost_little() {
    let figures = figures(25, 100.0, Latency::exponential(ms(100)), 20);
    assert!(figures.per_op <= 4.0, "{figures}");
    assert!(figures.stable <= 500.0, "{figures}");
}

#[test]
fn with_low_load_a_value_takes_one_link() {
    let figures = figures(25, 1.0, Latency::constant(ms(100)), 100);
    assert!(figures.median <= 100.1, "{figures}");
    assert!(figures.max <= 350.0, "{figures}");
}

/// The documentation shows what `cargo bench -p glomer-spread`
/// measured, and it is still so.
#[test]
fn the_table_of_the_documentation_is_true() {
    let table = include_str!("../../src/cost.md");
    for (nodes, rate) in [(5, 5.0), (25, 50.0), (100, 1_000.0), (1_000, 200.0)] {
        let row = Cost::measure(nodes, rate).row();
        assert!(table.contains(&row), "not in the table:\n{row}");
    }
}
