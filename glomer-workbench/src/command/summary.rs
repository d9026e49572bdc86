//! What came of many seeds.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use super::tally::Tally;
use crate::results::Ending;
use crate::run::engine::Hits;
use crate::run::problem::Problem;
use crate::verdict::without_numbers;

/// How many other seeds are named of a kind of failure.
const SEEDS_TOLD: usize = 5;
/// How many kinds of warnings are told.
const WARNINGS_TOLD: usize = 5;

/// What came of a seed.
pub(super) struct Outcome {
    pub(super) seed: u64,
    pub(super) ending: Ending,
    pub(super) hits: Hits,
    /// What is not right and decides nothing, however it ended.
    pub(super) told: Vec<String>,
    pub(super) failure: Option<Failure>,
    pub(super) unrepeatable: Option<String>,
    pub(super) swarm: Option<String>,
    pub(super) json: Option<String>,
}

/// A run that was not valid.
pub(super) struct Failure {
    pub(super) kind: String,
    /// Where it is kept, if it is.
    pub(super) dir: Option<PathBuf>,
    /// What the smallest run is that fails in the same way.
    pub(super) smallest: Option<String>,
    /// What would keep every other seed from being run, too.
    pub(super) problem: Option<Problem>,
}

/// What came of all seeds.
pub(super) struct Summary {
    total: Option<u64>,
    began: Instant,
    tally: Tally,
    worst: Ending,
    hits: Hits,
    /// The seeds of each kind of failure, in order.
    kinds: BTreeMap<String, Vec<u64>>,
    /// What runs told, by what it has in common.
    told: BTreeMap<String, Told>,
    unrepeatable: Vec<u64>,
}

/// What several runs told.
struct Told {
    runs: u64,
    /// The smallest of their seeds, and what that run told.
    seed: u64,
    text: String,
}

impl Summary {
    /// Nothing yet, of so many runs if there is an end to them.
    pub(super) fn new(total: Option<u64>) -> Summary {
        Summary {
            total,
            began: Instant::now(),
            tally: Tally::default(),
            worst: Ending::Valid,
            hits: Hits::default(),
            kinds: BTreeMap::new(),
            told: BTreeMap::new(),
            unrepeatable: Vec::new(),
        }
    }

    /// Takes one more.
    pub(super) fn count(&mut self, outcome: Outcome) {
        self.tally.count(outcome.ending);
        self.worst = self.worst.max(outcome.ending);
        self.hits += outcome.hits;
        if let Some(failure) = outcome.failure {
            let seeds = self.kinds.entry(failure.kind).or_default();
            let place = seeds.partition_point(|seed| *seed < outcome.seed);
            seeds.insert(place, outcome.seed);
        }
        self.take(outcome.seed, outcome.told);
        if outcome.unrepeatable.is_some() {
            let place = self
                .unrepeatable
                .partition_point(|seed| *seed < outcome.seed);
            self.unrepeatable.insert(place, outcome.seed);
        }
    }

    /// Counts what a run told, each kind once.
    fn take(&mut self, seed: u64, told: Vec<String>) {
        let mut kinds: BTreeMap<String, String> = BTreeMap::new();
        for text in told {
            kinds.entry(without_numbers(&text)).or_insert(text);
        }
        for (kind, text) in kinds {
            let runs = match self.told.remove(&kind) {
                Some(known) if known.seed < seed => Told {
                    runs: known.runs + 1,
                    ..known
                },
                known => Told {
                    runs: known.map_or(1, |known| known.runs + 1),
                    seed,
                    text,
                },
            };
            self.told.insert(kind, runs);
        }
    }

    /// How the worst of them ended.
    pub(super) fn worst(&self) -> Ending {
        self.worst
    }

    fn per_second(&self) -> f64 {
        self.tally.total() as f64 / self.began.elapsed().as_secs_f64()
    }

    /// How far it is.
    pub(super) fn line(&self) -> String {
        let (tally, rate) = (&self.tally, self.per_second());
        let done = tally.total();
        let of = self.total.map(|total| format!(" of {total}"));
        let left = self.total.filter(|_| rate > 0.0).map(|total| {
            let left = total.saturating_sub(done) as f64 / rate;
            format!(" | {left:.0} s left")
        });
        let (of, left) = (of.unwrap_or_default(), left.unwrap_or_default());
        format!(
            "{done}{of} runs | {} | {rate:.1} per s{left}",
            tally.endings()
        )
    }
}

/// How many runs ended how, what the faults hit, what was told of the runs, and the kinds of
/// failures.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.began.elapsed().as_secs_f64();
        writeln!(
            f,
            "{} ({seconds:.1} s, {:.1} per s)",
            self.tally,
            self.per_second()
        )?;
        write!(f, "What the faults hit: {}", self.hits)?;
        let mut told: Vec<&Told> = self.told.values().collect();
        told.sort_by_key(|told| (Reverse(told.runs), told.seed));
        for Told { runs, seed, text } in told.iter().take(WARNINGS_TOLD) {
            write!(f, "\nIn {runs} of them, first with seed {seed}: {text}")?;
        }
        if told.len() > WARNINGS_TOLD {
            let more = told.len() - WARNINGS_TOLD;
            write!(f, "\nAnd {more} more; --seed shows all of a run")?;
        }
        if self.kinds.is_empty() {
            return Ok(());
        }
        write!(
            f,
            "\n\n{:>6}  {:<14} kind of failure",
            "runs", "smallest seed"
        )?;
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, seeds)| Reverse(seeds.len()));
        for (kind, seeds) in kinds {
            let others = seeds.iter().skip(1).take(SEEDS_TOLD);
            let others: Vec<String> = others.map(u64::to_string).collect();
            let also = if others.is_empty() {
                String::new()
            } else {
                format!(" (also {})", others.join(", "))
            };
            write!(f, "\n{:>6}  {:<14} {kind}{also}", seeds.len(), seeds[0])?;
        }
        if !self.unrepeatable.is_empty() {
            let seeds: Vec<String> = self.unrepeatable.iter().map(u64::to_string).collect();
            write!(f, "\nNot repeatable: {}", seeds.join(", "))?;
        }
        Ok(())
    }
}
