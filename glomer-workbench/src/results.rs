//! The results of a run, in Maelstrom's terms.

use std::collections::BTreeSet;
use std::process::ExitCode;

use hdrhistogram::Histogram;

use crate::checked::{Checked, WARNINGS, WHY, check};
use crate::checker::Availability;
use crate::edn::Edn;
use crate::failures::Failures;
use crate::history::OpType;
use crate::run::journal::{Counts, Journal};
use crate::run::nemesis::Faults;
use crate::run::problem::Problem;
use crate::run::{Run, Timing};
use crate::verdict::{Reason, Validity, Verdict, merge_validity, without_numbers};
use crate::why::Why;
use crate::workload::{AnyWorkload, Setting};

/// The exit code for bad usage, and for runs that could not be completed.
pub const FAILURE: u8 = 255;

/// What the results depend on beside the run.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// The workload.
    pub workload: AnyWorkload,
    /// What it ran in.
    pub setting: Setting,
    /// The faults that the nemesis had to inflict.
    pub faults: Faults,
    /// How available the nodes must be.
    pub availability: Option<Availability>,
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

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Results {
    /// What the checkers say.
    pub checked: Checked,
    /// The verdict over all of it.
    pub validity: Validity,
    /// Why it is not valid.
    pub why: Why,
    /// The map that is printed: Maelstrom's keys in Maelstrom's order, then ours, then the
    /// verdict.
    pub map: Edn,
}

impl Results {
    /// The operations that the reasons rest on, by their places in the schedule of their run.
    pub(crate) fn telling(&self, run: &Run) -> BTreeSet<usize> {
        let reasons = self.why.reasons().iter();
        let rests_on: BTreeSet<usize> = reasons.flat_map(Reason::operations).copied().collect();
        let asked = run.history.client_ops();
        let asked = asked.filter(|op| op.kind == OpType::Invoke);
        // What comes later belongs to the final phase.
        let scheduled = asked.take(run.schedule.operations.len()).enumerate();
        let telling = scheduled.filter(|(_, op)| rests_on.contains(&op.index));
        telling.map(|(place, _)| place).collect()
    }
}

/// Checks a run.
pub fn results(run: &Run, expected: &Expectations) -> Results {
    let mut checked = check(
        &expected.workload,
        &expected.setting,
        &run.history,
        expected.availability,
    );
    if run.lacks_final_phase {
        checked.workload = checked.workload.without_final_phase();
    }
    let mut verdicts = vec![checked.validity()];
    let shown = |verdict: &Verdict| verdict.to_edn(&run.history);
    let mut map = Edn::map([
        ("exceptions", shown(&checked.exceptions)),
        ("stats", shown(&checked.stats)),
        ("availability", shown(&checked.availability)),
        ("net", net(&run.journal, invocations(run))),
        ("workload", shown(&checked.workload)),
        timing(&run.timing),
        ("seed", expected.seed.into()),
    ]);
    if let Some(failures) = Failures::of(&run.history).to_edn() {
        map.insert("failures", failures);
    }
    if let Some(errors) = run.node_errors.to_edn() {
        map.insert("node-errors", errors);
    }
    let told = run.warnings.iter().map(|warning| warning.as_str().into());
    let found = checked.warnings().map(Edn::from);
    let warnings: Vec<Edn> = told.chain(found).collect();
    if !warnings.is_empty() {
        map.insert(WARNINGS, Edn::Vector(warnings));
    }
    if let Some(problem) = &run.problem {
        map.insert("problem", problem.to_edn());
        verdicts.push(if problem.is_violation() {
            Validity::False
        } else {
            Validity::Unknown
        });
    }
    let validity = merge_validity(verdicts);
    let why = Why::of_run(
        checked.most_telling(),
        run,
        &expected.setting,
        &expected.faults,
    );
    if let Some(why) = why.to_edn() {
        map.insert(WHY, why);
    }
    if expected.stale_reads_may_hide && validity == Validity::True {
        map.insert("delivery", STALE_READS_MAY_HIDE.into());
    }
    map.insert("valid?", validity.into());
    Results {
        checked,
        validity,
        why,
        map,
    }
}

/// What verdicts of this validity say is wrong, in their order, each in a few words that are the same for other
/// runs that fail in the same way.
pub(crate) fn kinds<'a>(
    verdicts: impl IntoIterator<Item = (&'static str, &'a Verdict)>,
    validity: Validity,
) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    if validity == Validity::True {
        return kinds;
    }
    for (part, verdict) in verdicts {
        if verdict.validity() != validity {
            continue;
        }
        let reasons = verdict.reasons().iter();
        let mut said: Vec<String> = reasons.map(Reason::kind).collect();
        if said.is_empty() {
            said.push(telling(verdict).join(", "));
        }
        let unknown = match validity {
            Validity::Unknown => "unknown: ",
            _ => "",
        };
        for said in said {
            let colon = if said.is_empty() { "" } else { ": " };
            let kind = format!("{unknown}{part}{colon}{said}");
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    }
    kinds
}

/// The figures of checkers that say what is wrong, if they are not nothing.
const TELLING: [&str; 5] = [
    "anomaly-types",
    "bad-error-types",
    "lost-count",
    "duplicated-count",
    "stale-count",
];

/// What the figures of a verdict say is wrong.
fn telling(verdict: &Verdict) -> Vec<String> {
    let mut said = Vec::new();
    let figures = verdict.figures().iter();
    for (name, value) in figures.filter(|(name, _)| TELLING.contains(&&**name)) {
        match value {
            Edn::Int(count) if *count > 0 => {
                said.push(name.trim_end_matches("-count").to_owned());
            }
            Edn::Vector(items) | Edn::List(items) | Edn::Set(items) => {
                said.extend(items.iter().map(|item| without_numbers(&item.to_string())));
            }
            _ => {}
        }
    }
    said
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

    /// How it ended, by the problem that ended it early and the verdict.
    pub fn of(problem: Option<&Problem>, validity: Validity) -> Ending {
        match (problem, validity) {
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

/// The time of the run: how late messages reached nodes, or that nothing was late.
fn timing(timing: &Timing) -> (&'static str, Edn) {
    match timing {
        Timing::Real { lateness: how_late } => ("lateness", lateness(how_late)),
        Timing::Elsewhere => ("clock", Edn::map([("time", Edn::kw("real"))])),
        Timing::Virtual {
            turn_latency,
            turns,
            unrepeatable,
        } => {
            let most = Edn::from(turn_latency.as_secs_f64() * 1_000.0);
            let mut clock = Edn::map([
                ("time", Edn::kw("virtual")),
                ("turn-latency-ms", Edn::vector([0.0.into(), most])),
                ("turns", (*turns).into()),
            ]);
            if let Some(why) = unrepeatable {
                clock.insert("unrepeatable", why.as_str().into());
            }
            ("clock", clock)
        }
    }
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
            Ending::of(problem.as_ref(), verdict).exit_code()
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
