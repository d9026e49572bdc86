//! The results of a run, in Maelstrom's terms.

use std::process::ExitCode;

use hdrhistogram::Histogram;

use crate::checker::{
    self, Availability, CheckOptions, Validity, WARNINGS, Workload, merge_validity,
};
use crate::cli::FAILURE;
use crate::edn::Edn;
use crate::failures::Failures;
use crate::history::OpType;
use crate::run::Run;
use crate::run::journal::{Counts, Journal};
use crate::run::problem::Problem;

/// What the results depend on beside the run.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// The workload.
    pub workload: Workload,
    /// How available the nodes must be.
    pub availability: Option<Availability>,
    /// What else the checkers need.
    pub check: CheckOptions,
    /// The seed, for the record.
    pub seed: u64,
    /// Whether reads of old values may have gone unseen, since requests waited in turn behind
    /// the latency between nodes.
    pub stale_reads_may_hide: bool,
}

/// What the results say of a valid run in which reads of old values may have gone unseen.
const STALE_READS_MAY_HIDE: &str = "in turn, as under Maelstrom: requests of clients waited \
    behind the latency between nodes, and stale reads can hide behind that; --delivery on-time \
    shows them";

/// The results map: Maelstrom's keys in Maelstrom's order, then ours, then the verdict.
pub fn results(run: &Run, expected: &Expectations) -> Edn {
    let checked = checker::results(
        expected.workload,
        &run.history,
        expected.availability,
        &expected.check,
    );
    let mut verdicts = vec![Validity::of(&checked)];
    let take = |key: &str| checked.get(key).cloned().unwrap_or_default();
    let mut map = Edn::map([
        ("exceptions", take("exceptions")),
        ("stats", take("stats")),
        ("availability", take("availability")),
        ("net", net(&run.journal, invocations(run))),
        ("workload", take("workload")),
        ("lateness", lateness(&run.lateness)),
        ("seed", expected.seed.into()),
    ]);
    if let Some(failures) = Failures::of(&run.history).to_edn() {
        map.insert("failures", failures);
    }
    if let Some(errors) = run.node_errors.to_edn() {
        map.insert("node-errors", errors);
    }
    let told = run.warnings.iter().map(|warning| warning.as_str().into());
    let found = checked.get(WARNINGS).and_then(Edn::as_seq).unwrap_or(&[]);
    let warnings: Vec<Edn> = told.chain(found.iter().cloned()).collect();
    if !warnings.is_empty() {
        map.insert(WARNINGS, Edn::Vector(warnings));
    }
    if let Some(problem) = &run.problem {
        map.insert("problem", problem.to_edn());
        verdicts.push(match problem.is_violation() {
            true => Validity::False,
            false => Validity::Unknown,
        });
    }
    let valid = merge_validity(verdicts);
    if expected.stale_reads_may_hide && valid == Validity::True {
        map.insert("delivery", STALE_READS_MAY_HIDE.into());
    }
    map.insert("valid?", valid.into());
    map
}

/// How a run or a check ended, from best to worst, and with which exit code.
///
/// | code | ending |
/// | --- | --- |
/// | 0 | valid |
/// | 1 | invalid: an anomaly, or a node that broke the protocol |
/// | 2 | unknown: no anomaly, but not everything could be checked |
/// | 255 | wrong usage, or a run that was cut short: a node crashed, did not start or did not answer its `init`, or the user interrupted |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Nothing was found.
    Valid,
    /// Nothing was found, but not everything could be checked.
    Unknown,
    /// Something was found.
    Invalid,
    /// It was cut short by anything but a node that broke the protocol.
    Broken,
}

impl Ending {
    /// The exit codes, for people.
    pub const EXIT_CODES: &str = "Exit codes: 0 valid, 1 invalid (an anomaly, or a node that \
        broke the protocol), 2 unknown, 255 wrong usage or a run that was cut short";

    /// How it ended, by the problem that ended it early and the results.
    pub fn of(problem: Option<&Problem>, results: &Edn) -> Ending {
        match (problem, Validity::of(results)) {
            (Some(problem), _) if !problem.is_violation() => Ending::Broken,
            (_, Validity::True) => Ending::Valid,
            (_, Validity::Unknown) => Ending::Unknown,
            (_, Validity::False) => Ending::Invalid,
        }
    }

    /// The line that a run ends with: Maelstrom's, where it has one.
    pub fn closing_line(self) -> &'static str {
        match self {
            Ending::Valid => "Everything looks good! ヽ(‘ー`)ノ",
            Ending::Unknown => "Errors occurred during analysis, but no anomalies found. ಠ~ಠ",
            Ending::Invalid => "Analysis invalid! (ﾉಥ益ಥ）ﾉ ┻━┻",
            Ending::Broken => "The run could not be completed.",
        }
    }

    /// What it means for the shell.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Ending::Valid => ExitCode::SUCCESS,
            Ending::Invalid => ExitCode::from(1),
            Ending::Unknown => ExitCode::from(2),
            Ending::Broken => ExitCode::from(FAILURE),
        }
    }
}

fn invocations(run: &Run) -> usize {
    let ops = run.history.client_ops();
    ops.filter(|op| op.kind == OpType::Invoke).count()
}

/// The network's figures, as Maelstrom's `net.checker` counts them.
fn net(journal: &Journal, invocations: usize) -> Edn {
    let (clients, servers) = (journal.clients(), journal.servers());
    let all = Counts {
        sent: clients.sent + servers.sent,
        received: clients.received + servers.received,
    };
    let counts = |counts: Counts| {
        Edn::map([
            ("send-count", counts.sent.into()),
            ("recv-count", counts.received.into()),
            ("msg-count", counts.sent.into()),
        ])
    };
    let with_rate = |these: Counts| {
        let mut map = counts(these);
        if invocations > 0 {
            let rate = these.sent as f64 / invocations as f64;
            map.insert("msgs-per-op", Edn::float32(rate as f32));
        }
        map
    };
    Edn::map([
        ("all", with_rate(all)),
        ("clients", counts(clients)),
        ("servers", with_rate(servers)),
        ("valid?", true.into()),
    ])
}

/// How late messages reached nodes, in milliseconds.
fn lateness(histogram: &Histogram<u64>) -> Edn {
    let ms = |micros: u64| Edn::from(micros as f64 / 1_000.0);
    Edn::map([
        ("count", histogram.len().into()),
        ("p50-ms", ms(histogram.value_at_quantile(0.5))),
        ("p99-ms", ms(histogram.value_at_quantile(0.99))),
        ("max-ms", ms(histogram.max())),
    ])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::run::problem::ProblemKind;
    use crate::run::wire::LineError;

    #[test]
    fn every_problem_and_verdict_has_its_exit_code() {
        let text = String::new;
        let broke_the_protocol = [
            ProblemKind::Line {
                line: text(),
                error: LineError::NotJson(text()),
            },
            ProblemKind::Stranger {
                line: text(),
                field: "dest",
                name: text(),
            },
            ProblemKind::LineTooLong { limit: 1 },
        ];
        let cut_short = [
            ProblemKind::Crashed {
                status: text(),
                ready: true,
            },
            ProblemKind::ClosedOutput,
            ProblemKind::NotStarted { error: text() },
            ProblemKind::NoInit {
                after: Duration::ZERO,
                instead: None,
            },
            ProblemKind::InitFailed { answer: text() },
            ProblemKind::SetupFailed {
                request: text(),
                problem: text(),
            },
            ProblemKind::NotReading { waiting: 1 },
            ProblemKind::Flood { bytes: 1 },
            ProblemKind::Interrupted,
        ];
        let code = |kind: Option<&ProblemKind>, verdict: Validity| {
            let problem = kind.map(|kind| Problem::of("n1", kind.clone()));
            let results = Edn::map([("valid?", verdict.into())]);
            Ending::of(problem.as_ref(), &results).exit_code()
        };
        let verdicts = [
            (Validity::True, 0),
            (Validity::False, 1),
            (Validity::Unknown, 2),
        ];
        for (verdict, expected) in verdicts {
            assert_eq!(code(None, verdict), ExitCode::from(expected));
            for kind in &cut_short {
                assert_eq!(code(Some(kind), verdict), ExitCode::from(255), "{kind:?}");
            }
        }
        for kind in &broke_the_protocol {
            assert_eq!(
                code(Some(kind), Validity::False),
                ExitCode::from(1),
                "{kind:?}"
            );
        }
    }
}
