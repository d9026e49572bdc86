use super::*;
use glomer_runtime::sim::{Cluster, ms};
use serde_json::json;

#[test]
fn whatever_was_sent_comes_back() {
    let mut cluster = Cluster::<()>::new(1).seed(1).start();
    let payloads = [
        json!("Please echo 35"),
        json!(null),
        json!([1, -2.5, true, {"type": "error", "in_reply_to": 7}]),
        json!(u64::MAX),
    ];
    for payload in payloads {
        let echo = payload.clone();
        assert_eq!(cluster.call("n0", Echo { echo }), Ok(payload));
    }
}

#[test]
fn a_node_that_reaches_nobody_answers_at_once() {
    let mut cluster = Cluster::<()>::new(2).seed(2).start();
    cluster.partition(["n0"], ["n1"]);
    cluster.run_for(ms(10));
    let answer = cluster.call("n0", Echo { echo: json!(1) });
    assert_eq!((answer, cluster.now()), (Ok(json!(1)), ms(10)));
}
