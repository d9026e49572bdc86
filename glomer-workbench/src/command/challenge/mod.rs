//! `glomer challenge`: the [Gossip Glomers] with their official options and targets.
//!
//! [Gossip Glomers]: https://fly.io/dist-sys/

mod table;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use serde::{Deserialize, Serialize};

use self::table::{CHALLENGES, Challenge};
use super::attempt::{Attempt, Job};
use super::options::{Clock, Options};
use super::program::{self, Program};
use super::seeds::Seeds;
use super::test;
use crate::cli;
use crate::results::Ending;
use crate::run::drive::Nodes;
use crate::run::process::Launch;
use crate::run::progress::Progress;
use crate::say::print;
use crate::workload::Workloads;

/// The options of `glomer challenge`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Which one, or all; without it, they are listed
    #[arg(value_name = "CHALLENGE", value_parser = PossibleValuesParser::new(names()))]
    challenge: Option<String>,

    /// What the nodes run.
    #[command(flatten)]
    program: Option<Program>,

    /// Whose time nodes live in
    #[arg(long, value_name = "CLOCK", default_value = "real")]
    clock: Clock,

    /// Where operations, latencies and faults follow from (default: a new one each time)
    #[arg(long, value_name = "NUM")]
    seed: Option<u64>,

    /// Where to keep results, and which challenges are done
    #[arg(long, value_name = "DIR", default_value = "store")]
    store: PathBuf,

    /// Print what came of it as JSON, and nothing else
    #[arg(long)]
    json: bool,

    /// Show no progress
    #[arg(short, long)]
    quiet: bool,

    /// Arguments for the program
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

const AFTER_HELP: &str = "\
    Without --bin, --package and --example, a binary or example of the workspace is looked for \
    by the challenge's name, such as echo, unique-ids or maelstrom-broadcast.\n\n\
    Exit codes: 0 done, 1 not done (invalid, or a target was missed), 2 unknown, 255 wrong usage \
    or a run that was cut short";

/// The name that stands for all of them.
const ALL: &str = "all";

fn names() -> Vec<&'static str> {
    let names = CHALLENGES.iter().map(|challenge| challenge.name);
    names.chain([ALL]).collect()
}

/// Which challenges are done, by name: what is kept from one run to the next.
#[derive(Default, Serialize, Deserialize)]
struct Done(BTreeMap<String, Outcome>);

impl Done {
    const FILE: &str = "challenges.json";

    /// What is kept in a store; nothing if there is none yet.
    fn read(store: &Path) -> io::Result<Done> {
        let file = store.join(Done::FILE);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Done::default()),
            Err(error) => return Err(error),
        };
        serde_json::from_slice(&text).map_err(|error| {
            let file = file.display();
            io::Error::other(format!("{file}: {error}; remove it to begin anew"))
        })
    }

    fn write(&self, store: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        crate::store::write(&store.join(Done::FILE), &text)
    }
}

/// What came of a challenge.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Outcome {
    challenge: String,
    done: bool,
    /// In a word: valid, invalid, unknown or broken.
    verdict: String,
    targets: Vec<Met>,
    /// Why it is not valid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    why: Vec<String>,
    /// The command that shows it again.
    command: String,
    /// Where all of it is kept.
    results: String,
}

/// A target, and the figure of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Met {
    what: String,
    /// `None` if there is no such figure, as after a run without operations.
    figure: Option<f64>,
    below: f64,
    unit: String,
    met: bool,
}

/// Runs the command.
///
/// # Errors
/// If there is no program to run, it cannot be built, or results cannot be kept.
pub fn run(args: &Args, workloads: &Workloads) -> io::Result<ExitCode> {
    let mut done = Done::read(&args.store)?;
    let Some(wanted) = &args.challenge else {
        list(args, &done)?;
        return Ok(ExitCode::SUCCESS);
    };
    let wanted: Vec<&Challenge> = CHALLENGES
        .iter()
        .filter(|challenge| wanted == ALL || challenge.name == wanted)
        .collect();
    // All that can be wrong is told before the first of them takes its time.
    let programs = programs(args, &wanted)?;
    let interrupt = test::interrupt()?;
    let mut outcomes = Vec::new();
    let mut worst = Ending::Valid;
    for (challenge, program) in wanted.iter().zip(programs) {
        let (outcome, ending) = challenge.run(args, program, workloads, &interrupt)?;
        worst = worst.max(ending);
        if !args.json {
            print(&if wanted.len() == 1 {
                outcome.in_full()
            } else {
                outcome.in_a_line(challenge)
            })?;
        }
        done.0.insert(challenge.name.to_owned(), outcome.clone());
        done.write(&args.store)?;
        outcomes.push(outcome);
        if interrupt.load(Ordering::Relaxed) {
            break;
        }
    }
    if args.json {
        print(&serde_json::to_string_pretty(&outcomes).map_err(io::Error::other)?)?;
    }
    Ok(worst.exit_code())
}

/// Shows the challenges, and which are done.
fn list(args: &Args, done: &Done) -> io::Result<()> {
    if args.json {
        let outcomes: Vec<&Outcome> = done.0.values().collect();
        return print(&serde_json::to_string_pretty(&outcomes).map_err(io::Error::other)?);
    }
    for challenge in &CHALLENGES {
        let state = match done.0.get(challenge.name) {
            Some(outcome) if outcome.done => "done",
            Some(_) => "not yet",
            None => "",
        };
        let Challenge { name, about, .. } = challenge;
        print(format!("{name:<3} {about:<66} {state}").trim_end())?;
    }
    Ok(())
}

impl Challenge {
    fn run(
        &self,
        args: &Args,
        program: PathBuf,
        workloads: &Workloads,
        interrupt: &Arc<AtomicBool>,
    ) -> io::Result<(Outcome, Ending)> {
        let mut words = vec!["test".to_owned()];
        words.extend(self.options.split(' ').map(str::to_owned));
        let clock = args.clock.to_possible_value();
        let clock = clock.map(|clock| clock.get_name().to_owned());
        for (option, value) in [
            ("--bin", Some(program.display().to_string())),
            ("--clock", clock),
            ("--store", Some(args.store.display().to_string())),
            ("--seed", args.seed.map(|seed| seed.to_string())),
        ] {
            words.extend(
                value
                    .into_iter()
                    .flat_map(|value| [option.to_owned(), value]),
            );
        }
        if !args.args.is_empty() {
            words.push("--".to_owned());
            words.extend(args.args.iter().cloned());
        }
        let options = Options {
            quiet: args.quiet || args.json,
            ..cli::options(&words, workloads)?
        };
        options.fit(workloads, None).map_err(io::Error::other)?;
        let launch = Launch {
            program,
            args: options.args.clone(),
        };
        let job = Job {
            options: &options,
            workloads,
            nodes: Nodes::Processes(&launch),
            schedule: None,
            interrupt,
        };
        let seed = Seeds::of(&options, None)?.next().unwrap_or_default();
        let mut progress = Progress::new(options.quiet);
        progress.say(&format!("{}: {}, with seed {seed}", self.name, self.about));
        let kept = test::kept(&job, seed, &mut progress, |_, _, _| Ok(()))?;
        let test::Kept { attempt, dir, .. } = &kept;
        progress.clear();
        if let Some(smallest) = &kept.smallest {
            progress.say(smallest);
        }
        let outcome = self.outcome(attempt, dir.path());
        let ending = match attempt.ending {
            Ending::Valid if !outcome.done => Ending::Invalid,
            ending => ending,
        };
        Ok((outcome, ending))
    }

    fn outcome(&self, attempt: &Attempt, dir: &Path) -> Outcome {
        let results = &attempt.results.map;
        let targets: Vec<Met> = self
            .targets
            .iter()
            .map(|target| {
                let figure = (target.figure)(results);
                Met {
                    what: target.what.to_owned(),
                    figure,
                    below: target.below,
                    unit: target.unit.to_owned(),
                    met: figure.is_some_and(|figure| figure < target.below),
                }
            })
            .collect();
        let met = targets.iter().all(|target| target.met);
        Outcome {
            challenge: self.name.to_owned(),
            done: attempt.ending == Ending::Valid && met,
            verdict: match attempt.ending {
                Ending::Broken => "broken".to_owned(),
                _ => attempt.results.validity.to_string(),
            },
            targets,
            why: why(attempt),
            command: attempt.command(None),
            results: dir.join("index.html").display().to_string(),
        }
    }
}

/// Why a run is not valid, in lines.
fn why(attempt: &Attempt) -> Vec<String> {
    let problem = attempt.run.problem.as_ref().map(ToString::to_string);
    let brief = attempt.results.why.brief();
    let lines = brief.lines().map(str::to_owned);
    problem.into_iter().chain(lines).collect()
}

impl Met {
    fn in_words(&self) -> String {
        let Met {
            what, below, unit, ..
        } = self;
        let word = if self.met { "met" } else { "missed" };
        let figure = self
            .figure
            .map_or("nothing was measured".to_owned(), |figure| {
                format!("{}{unit}", (figure * 100.0).round() / 100.0)
            });
        format!("{what} {figure} ({word}: below {below}{unit})")
    }
}

impl Outcome {
    fn in_full(&self) -> String {
        let mut lines = vec![format!("{} is {}.", self.challenge, self.verdict)];
        lines.extend(
            self.targets
                .iter()
                .map(|target| format!("  {}", target.in_words())),
        );
        if !self.done {
            lines.extend(self.why.iter().map(|line| format!("  {line}")));
        }
        lines.push(format!("{} shows all of it.", self.results));
        lines.push(format!("Again: {}", self.command));
        let state = if self.done { "done" } else { "not done yet" };
        lines.push(format!("Challenge {} is {state}.", self.challenge));
        lines.join("\n")
    }

    fn in_a_line(&self, challenge: &Challenge) -> String {
        let state = if self.done { "done" } else { "not yet" };
        let mut said = vec![self.verdict.clone()];
        said.extend(self.targets.iter().map(Met::in_words));
        if !self.done {
            said.extend(self.why.first().cloned());
        }
        let Challenge { name, about, .. } = challenge;
        format!("{name:<3} {state:<8} {about}: {}", said.join("; "))
    }
}

/// The program of each challenge: the one that is named, or one of the workspace.
fn programs(args: &Args, wanted: &[&Challenge]) -> io::Result<Vec<PathBuf>> {
    if let Some(program) = &args.program {
        return Ok(vec![program.find()?; wanted.len()]);
    }
    let found = program::of_workspace()?;
    let mut chosen = Vec::new();
    let mut missing = Vec::new();
    for challenge in wanted {
        let names = challenge.programs.iter();
        match names.filter_map(|name| found.get(*name)).next() {
            Some(program) => chosen.push(program),
            None => missing.push(format!(
                "{} ({})",
                challenge.name,
                challenge.programs.join(" or ")
            )),
        }
    }
    if !missing.is_empty() {
        return Err(io::Error::other(format!(
            "no binary or example of this workspace is named like {} {}; name the program with \
             --bin, --package or --example",
            if missing.len() == 1 {
                "challenge"
            } else {
                "challenges"
            },
            missing.join(", ")
        )));
    }
    let mut built: BTreeMap<&Program, PathBuf> = BTreeMap::new();
    let mut paths = Vec::new();
    for program in chosen {
        if !built.contains_key(program) {
            built.insert(program, program.find()?);
        }
        paths.push(built[program].clone());
    }
    Ok(paths)
}
