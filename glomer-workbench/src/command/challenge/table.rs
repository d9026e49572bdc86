//! The challenges: what they ask, with which options, and what is to be met.

use crate::edn::Edn;

/// A challenge.
pub(super) struct Challenge {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// What its programs are called, the most telling name first.
    pub(super) programs: &'static [&'static str],
    /// The options of `glomer test`, as the challenge's page gives them.
    pub(super) options: &'static str,
    /// What is asked beside a valid run.
    pub(super) targets: &'static [Target],
}

/// A figure that has to stay below a limit.
pub(super) struct Target {
    pub(super) what: &'static str,
    /// Where in the results it is.
    pub(super) figure: fn(&Edn) -> Option<f64>,
    pub(super) below: f64,
    pub(super) unit: &'static str,
}

const fn messages(below: f64) -> Target {
    Target {
        what: "messages between nodes for an operation",
        figure: |results| number(results.get("net")?.get("servers")?.get("msgs-per-op")?),
        below,
        unit: "",
    }
}

const fn median(below: f64) -> Target {
    Target {
        what: "median latency",
        figure: |results| latency(results, 0.5),
        below,
        unit: " ms",
    }
}

const fn maximum(below: f64) -> Target {
    Target {
        what: "maximum latency",
        figure: |results| latency(results, 1.0),
        below,
        unit: " ms",
    }
}

/// How long it took until a value was in every read, in milliseconds.
fn latency(results: &Edn, quantile: f64) -> Option<f64> {
    let latencies = results.get("workload")?.get("stable-latencies")?.as_map()?;
    let found = latencies
        .iter()
        .find(|(of, _)| number(of) == Some(quantile));
    number(&found?.1)
}

fn number(figure: &Edn) -> Option<f64> {
    figure.to_string().parse().ok()
}

const BROADCAST: &[&str] = &["broadcast"];
const TXN: &[&str] = &["txn_rw_register", "txn"];

/// All of them, with the options and targets of <https://fly.io/dist-sys/>.
pub(super) const CHALLENGES: [Challenge; 14] = [
    Challenge {
        name: "1",
        about: "Echo",
        programs: &["echo"],
        options: "-w echo --node-count 1 --time-limit 10",
        targets: &[],
    },
    Challenge {
        name: "2",
        about: "Unique ids, totally available under partitions",
        programs: &["unique_ids"],
        options: "-w unique-ids --node-count 3 --time-limit 30 --rate 1000 --availability total --nemesis partition",
        targets: &[],
    },
    Challenge {
        name: "3a",
        about: "Broadcast on one node",
        programs: BROADCAST,
        options: "-w broadcast --node-count 1 --time-limit 20 --rate 10",
        targets: &[],
    },
    Challenge {
        name: "3b",
        about: "Broadcast on several nodes",
        programs: BROADCAST,
        options: "-w broadcast --node-count 5 --time-limit 20 --rate 10",
        targets: &[],
    },
    Challenge {
        name: "3c",
        about: "Broadcast under partitions",
        programs: BROADCAST,
        options: "-w broadcast --node-count 5 --time-limit 20 --rate 10 --nemesis partition",
        targets: &[],
    },
    Challenge {
        name: "3d",
        about: "Broadcast with few messages, and fast",
        programs: BROADCAST,
        options: "-w broadcast --node-count 25 --time-limit 20 --rate 100 --latency 100",
        targets: &[messages(30.0), median(400.0), maximum(600.0)],
    },
    Challenge {
        name: "3e",
        about: "Broadcast with fewer messages",
        programs: BROADCAST,
        options: "-w broadcast --node-count 25 --time-limit 20 --rate 100 --latency 100",
        targets: &[messages(20.0), median(1_000.0), maximum(2_000.0)],
    },
    Challenge {
        name: "4",
        about: "A counter that only grows, under partitions",
        programs: &["g_counter", "counter"],
        options: "-w g-counter --node-count 3 --time-limit 20 --rate 100 --nemesis partition",
        targets: &[],
    },
    Challenge {
        name: "5a",
        about: "Kafka-style logs on one node",
        programs: &["kafka_single", "kafka"],
        options: "-w kafka --node-count 1 --concurrency 2n --time-limit 20 --rate 1000",
        targets: &[],
    },
    Challenge {
        name: "5b",
        about: "Kafka-style logs on several nodes",
        programs: &["kafka"],
        options: "-w kafka --node-count 2 --concurrency 2n --time-limit 20 --rate 1000",
        targets: &[],
    },
    Challenge {
        name: "5c",
        about: "Kafka-style logs, efficiently",
        programs: &["kafka_efficient", "kafka"],
        options: "-w kafka --node-count 2 --concurrency 2n --time-limit 20 --rate 1000",
        targets: &[],
    },
    Challenge {
        name: "6a",
        about: "Transactions on one node",
        programs: TXN,
        options: "-w txn-rw-register --node-count 1 --concurrency 2n --time-limit 20 --rate 1000 --consistency-models read-uncommitted --availability total",
        targets: &[],
    },
    Challenge {
        name: "6b",
        about: "Read-uncommitted transactions, totally available under partitions",
        programs: TXN,
        options: "-w txn-rw-register --node-count 2 --concurrency 2n --time-limit 20 --rate 1000 --consistency-models read-uncommitted --availability total --nemesis partition",
        targets: &[],
    },
    Challenge {
        name: "6c",
        about: "Read-committed transactions, totally available under partitions",
        programs: TXN,
        options: "-w txn-rw-register --node-count 2 --concurrency 2n --time-limit 20 --rate 1000 --consistency-models read-committed --availability total --nemesis partition",
        targets: &[],
    },
];
