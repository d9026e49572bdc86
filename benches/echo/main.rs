//! The echo node on this runtime against the same node by hand and on the
//! other crates for Maelstrom:
//!
//! ```text
//! cargo bench -p glomer-benches --bench echo
//! ```
//!
//! - Messages per second: a file with requests is standard input, replies are
//!   read from a pipe, and every reply is checked: there, once, right. Beside
//!   it stands what a message costs in time on a processor, since some of the
//!   contestants keep more than one busy.
//! - Round trip: one request at a time over pipes, both ends on one processor.
//!
//! The contestants take turns over several rounds, each of which begins with
//! another one, so that whatever else the machine does meets all of them: a
//! shared machine is fastest after a rest. The median of each is shown. Neither
//! criterion nor divan does that with processes, nor can they show what was
//! lost; hence a plain program.

mod child;
mod load;

use std::path::Path;
use std::process::ExitCode;

use child::{Ending, Throughput};

struct Contestant {
    name: &'static str,
    program: &'static str,
    /// Requests per round: about a second's worth.
    requests: u64,
    /// Whether it is here to be compared with, being neither ours nor the floor.
    is_peer: bool,
}

const CONTESTANTS: [Contestant; 7] = [
    Contestant {
        name: "floor: `serde_json` by hand",
        program: env!("CARGO_BIN_EXE_echo-floor"),
        requests: 1_000_000,
        is_peer: false,
    },
    Contestant {
        name: "**glomer**",
        program: env!("CARGO_BIN_EXE_echo-glomer"),
        requests: 1_000_000,
        is_peer: false,
    },
    Contestant {
        name: "tagged enum by hand",
        program: env!("CARGO_BIN_EXE_echo-enum"),
        requests: 500_000,
        is_peer: true,
    },
    Contestant {
        name: "maelstrom-common",
        program: env!("CARGO_BIN_EXE_echo-maelstrom-common"),
        requests: 500_000,
        is_peer: true,
    },
    Contestant {
        name: "maelbreaker",
        program: env!("CARGO_BIN_EXE_echo-maelbreaker"),
        requests: 200_000,
        is_peer: true,
    },
    Contestant {
        name: "maelstrom-node",
        program: env!("CARGO_BIN_EXE_echo-maelstrom-node"),
        requests: 20_000,
        is_peer: true,
    },
    Contestant {
        name: "async-maelstrom",
        program: env!("CARGO_BIN_EXE_echo-async-maelstrom"),
        requests: 10_000,
        is_peer: true,
    },
];

/// What was measured of one contestant, a value per round.
#[derive(Default)]
struct Measured {
    runs: Vec<Throughput>,
    medians: Vec<f64>,
    p99s: Vec<f64>,
}

impl Measured {
    fn rate(&self) -> f64 {
        median(self.runs.iter().map(|run| run.rate))
    }

    fn lost_nothing(&self) -> bool {
        self.runs.iter().all(|run| run.account.is_clean())
    }

    /// The worst that happened at the end of input.
    fn ending(&self) -> String {
        let worst = self.runs.iter().max_by_key(|run| {
            let account = &run.account;
            account.lost + account.repeated + account.wrong
        });
        let Some(run) = worst else {
            return String::new();
        };
        match run.ending {
            Ending::Exit(status) if status.success() => run.account.to_string(),
            Ending::Exit(status) => format!("{}, {status}", run.account),
            Ending::Hangs => format!("{}, hangs", run.account),
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> ExitCode {
    // Cargo passes this when it measures; otherwise it only wants to know
    // that the program works.
    let measure = std::env::args().any(|argument| argument == "--bench");
    let (rounds, share, trips) = if measure {
        (9, 1, 10_000)
    } else {
        (1, 1000, 10)
    };
    // Some can be picked by parts of their names; the floor always takes part.
    let picked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_picked = |name: &str| picked.is_empty() || picked.iter().any(|it| name.contains(it));
    let mut measured: Vec<(&Contestant, Measured)> = CONTESTANTS
        .iter()
        .enumerate()
        .filter(|(place, contestant)| *place == 0 || is_picked(contestant.name))
        .map(|(_, contestant)| (contestant, Measured::default()))
        .collect();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        let begin = round % measured.len();
        let (last, first) = measured.split_at_mut(begin);
        for (contestant, measured) in first.iter_mut().chain(last) {
            let count = contestant.requests / share;
            let run = load::file(directory, count)
                .and_then(|requests| child::throughput(contestant.program, &requests, count));
            let trips = child::ping_pong(contestant.program, trips);
            match (run, trips) {
                (Ok(run), Ok(times)) => {
                    measured.runs.push(run);
                    measured.medians.push(times.value_at_quantile(0.5) as f64);
                    measured.p99s.push(times.value_at_quantile(0.99) as f64);
                }
                (Err(error), _) | (_, Err(error)) => {
                    eprintln!("{}: {error}", contestant.name);
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    print_table(&measured);
    let mut ours = measured.iter().filter(|it| !it.0.is_peer);
    if ours.all(|(_, measured)| measured.lost_nothing()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print_table(contestants: &[(&Contestant, Measured)]) {
    let floor = contestants[0].1.rate();
    let fastest_peer = contestants
        .iter()
        .filter(|(contestant, _)| contestant.is_peer)
        .map(|(_, measured)| measured.rate())
        .fold(0.0, f64::max);
    println!(
        "| {:27} | {:>10} | {:>5} | {:>12} | {:>9} | {:>10} | {:>7} | at the end of input |",
        "node", "messages/s", "floor", "fastest peer", "CPU", "round trip", "p99"
    );
    println!(
        "| {:-<27} | {:->9}: | {:->4}: | {:->11}: | {:->8}: | {:->9}: | {:->6}: | {:-<19} |",
        "", "", "", "", "", "", "", ""
    );
    for (contestant, measured) in contestants {
        let rate = measured.rate();
        println!(
            "| {:27} | {:>10} | {:>5.2} | {:>12.2} | {:>6.2} µs | {:>7.1} µs | {:>4.0} µs | {} |",
            contestant.name,
            thousands(rate),
            rate / floor,
            rate / fastest_peer,
            median(measured.runs.iter().map(|run| run.cost)),
            median(measured.medians.iter().copied()) / 1000.0,
            median(measured.p99s.iter().copied()) / 1000.0,
            measured.ending(),
        );
    }
}

fn thousands(value: f64) -> String {
    let value = value.round() as u64;
    match value {
        0..1_000 => value.to_string(),
        1_000..1_000_000 => format!("{},{:03}", value / 1_000, value % 1_000),
        _ => format!(
            "{},{:03},{:03}",
            value / 1_000_000,
            value / 1_000 % 1_000,
            value % 1_000
        ),
    }
}
