//! What the list of runs shows of a run, which is kept beside it as `run.json`: results and
//! schedules can be long, and lists are.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::attempt::Attempt;
use crate::edn::Edn;
use crate::store::RunDir;
use crate::verdict::Validity;

/// Options that have a place of their own, or say how the command is to work rather than the run.
const SHOWN_APART: [&str; 5] = ["workload", "program", "nodes", "clock", "nemesis"];

/// A run, as a list shows it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Listed {
    /// What the results say, in a word.
    pub(super) verdict: Option<String>,
    /// What is wrong with it, if anything is, in a sentence.
    pub(super) reason: Option<String>,
    /// How many nodes there were.
    pub(super) nodes: Option<usize>,
    /// The options that were given, with their values.
    pub(super) options: Vec<(String, String)>,
    /// The names of the faults that the nemesis was to inflict.
    pub(super) faults: Vec<String>,
    /// Whose time the nodes had.
    pub(super) clock: Option<String>,
    /// What the rest followed from.
    pub(super) seed: Option<u64>,
    /// How long the run took, by its own clock.
    pub(super) seconds: Option<f64>,
}

impl Listed {
    const FILE: &str = "run.json";

    /// What there is to say of a run.
    pub(super) fn of(attempt: &Attempt) -> Listed {
        let Attempt {
            expected,
            run,
            results,
            options,
            ..
        } = attempt;
        let words = attempt.arguments();
        let is_given = |name: &str| {
            let flag = format!("--{name}");
            words.iter().any(|word| word.starts_with(&flag))
        };
        let mut given = options.described(expected);
        given.retain(|(name, _)| is_given(name) && !SHOWN_APART.contains(&name.as_str()));
        let is_virtual = options.turn_latency().is_some();
        let end = run.history.0.last().map_or(0, |op| op.time);
        Listed {
            verdict: Some(results.validity.to_string()),
            reason: reason(attempt),
            nodes: Some(expected.setting.nodes.len()),
            options: given,
            faults: (options.nemesis.iter())
                .map(|fault| fault.name().to_owned())
                .collect(),
            clock: Some(if is_virtual { "virtual" } else { "real" }.to_owned()),
            seed: Some(expected.seed),
            seconds: Some(end as f64 / 1e9),
        }
    }

    /// Keeps it beside the run.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn keep(&self, dir: &RunDir) -> io::Result<()> {
        let json = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        dir.write(Self::FILE, &json)
    }

    /// What is kept of the run in `dir`, or what its results say, if that is all there is.
    pub(super) fn read(dir: &Path) -> Listed {
        let read = |file| fs::read_to_string(dir.join(file)).ok();
        let kept = read(Self::FILE).and_then(|json| serde_json::from_str(&json).ok());
        kept.unwrap_or_else(|| {
            let results = read("results.json").and_then(|json| Edn::from_json(&json).ok());
            let verdict = results.and_then(|results| Validity::of(&results));
            Listed {
                verdict: verdict.map(|verdict| verdict.to_string()),
                ..Listed::default()
            }
        })
    }
}

/// What is wrong with a run, in its most telling sentence.
fn reason(attempt: &Attempt) -> Option<String> {
    if let Some(problem) = &attempt.run.problem {
        let problem = problem.to_string();
        return problem.lines().next().map(str::to_owned);
    }
    if attempt.results.validity == Validity::True {
        return None;
    }
    let told = attempt.results.why.reasons().first();
    Some(told.map_or_else(|| attempt.kind(), |reason| reason.headline().to_owned()))
}
