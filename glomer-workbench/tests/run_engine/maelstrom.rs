//! A node that was measured under the real Maelstrom has the same figures here, with the same
//! options: 25 nodes, rate 100, latency 100, for 20 s.

use std::collections::BTreeSet;

use glomer_runtime::sim::{Delivery, Latency, ms, secs};
use glomer_workbench::edn::Edn;
use glomer_workbench::history::OpType;
use glomer_workbench::workload::{AnyWorkload, Broadcast, Setting};
use serde_json::{Value, json};

use crate::{Node, ok, plan, run};

const NODES: usize = 25;
const RUNS: u64 = 5;

/// Means of a few runs: messages between nodes for each operation, and the median and the
/// maximum of the stable latency in milliseconds.
fn figures(delivery: Delivery, mut node: impl FnMut() -> Box<Node<'static>>) -> [f64; 3] {
    let mut means = [0.0; 3];
    for seed in 0..RUNS {
        let mut plan = plan(Broadcast::default(), NODES);
        plan.seed = seed;
        plan.interval = Some(ms(10));
        plan.time_limit = secs(20);
        plan.latency = Latency::constant(ms(100));
        plan.setting.latency = ms(100);
        plan.delivery = delivery;
        let ran = run(plan, &mut *node());
        assert_eq!(ran.problem, None);
        let operations = ran.ops(OpType::Invoke).count();
        let results = AnyWorkload::new(Broadcast::default())
            .check(&Setting::new(NODES), &ran.history)
            .to_edn(&ran.history);
        assert_eq!(
            results.get("lost-count").and_then(|it| it.as_int()),
            Some(0)
        );
        let latencies = results.get("stable-latencies").unwrap();
        let quantile = |wanted: Edn| {
            let mut quantiles = latencies.as_map().unwrap().iter();
            let found = quantiles.find(|(quantile, _)| *quantile == wanted);
            found.and_then(|(_, latency)| latency.as_int()).unwrap() as f64
        };
        let run = [
            ran.journal.servers().sent as f64 / operations as f64,
            quantile(Edn::Float(0.5)),
            quantile(Edn::Int(1)),
        ];
        for (mean, run) in means.iter_mut().zip(run) {
            *mean += run / RUNS as f64;
        }
    }
    println!("{delivery:?}: {means:.2?}");
    means
}

/// The first node gathers what the others hand it, for 150 ms from the first value on, and
/// sends it to all.
fn gathering() -> Box<Node<'static>> {
    let mut held = vec![BTreeSet::new(); NODES];
    let mut gathered: Vec<Value> = Vec::new();
    Box::new(move |number, src, body| {
        let mut out = Vec::new();
        let kind = body["type"].as_str().unwrap();
        match kind {
            "broadcast" | "take" => {
                let value = &body["message"];
                held[number].insert(value.as_u64().unwrap());
                if number > 0 {
                    out.push(("n0".to_owned(), json!({"type": "take", "message": value})));
                } else {
                    gathered.push(value.clone());
                    if gathered.len() == 1 {
                        out.push((String::new(), json!({"type": "pass on", "after": 150})));
                    }
                }
            }
            "pass on" => {
                let values = json!({"type": "have", "messages": std::mem::take(&mut gathered)});
                out.extend((1..NODES).map(|node| (format!("n{node}"), values.clone())));
            }
            "have" => {
                let values = body["messages"].as_array().unwrap().iter();
                held[number].extend(values.map(|value| value.as_u64().unwrap()));
            }
            _ => {}
        }
        match kind {
            "read" => out.push(ok(src, body, json!({"messages": held[number]}))),
            "take" | "pass on" | "have" => {}
            _ => out.push(ok(src, body, json!({}))),
        }
        out
    })
}

fn assert_near(figures: [f64; 3], measured: [f64; 3], tolerance: [f64; 3]) {
    for ((figure, measured), tolerance) in figures.iter().zip(measured).zip(tolerance) {
        assert!(
            (figure - measured).abs() <= tolerance,
            "{figures:?} and {measured:?}"
        );
    }
}

#[test]
fn a_hub_that_gathers_is_as_fast_as_under_maelstrom() {
    let figures = figures(Delivery::InTurn, gathering);
    assert_near(figures, [1.86, 217.0, 252.0], [0.06, 10.0, 6.0]);
}

#[test]
fn on_time_what_a_client_asks_overtakes_what_is_under_way() {
    let figures = figures(Delivery::OnTime, gathering);
    assert_near(figures, [1.86, 260.0, 349.0], [0.06, 6.0, 2.0]);
}
