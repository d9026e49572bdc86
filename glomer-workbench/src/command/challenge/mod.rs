//! `glomer challenge`: the [Gossip Glomers] with their official options and targets.
//!
//! [Gossip Glomers]: https://fly.io/dist-sys/

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::FromArgMatches;
use clap::builder::PossibleValuesParser;
use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, Job};
use super::options::Options;
use super::program::Program;
use super::seeds::Seeds;
use super::test;
use crate::edn::Edn;
use crate::results::Ending;
use crate::run::process::Launch;
use crate::run::progress::Progress;
use crate::say::{print, tell};
use crate::workload::Workloads;

/// The options of `glomer challenge`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Which one, or all; without it, they are listed
    #[arg(value_name = "CHALLENGE", value_parser = PossibleValuesParser::new(names()))]
    challenge: Option<String>,

    /// Path to the program that runs a node
    #[arg(long, value_name = "PATH", conflicts_with_all = ["package", "example"])]
    bin: Option<PathBuf>,

    /// Build this package of the workspace in release mode, and run its binary
    #[arg(long, value_name = "NAME")]
    package: Option<String>,

    /// Build this example (of --package, if given) in release mode, and run it
    #[arg(long, value_name = "NAME")]
    example: Option<String>,

    /// Whose time nodes live in: real or virtual
    #[arg(long, value_name = "CLOCK", default_value = "real")]
    clock: String,

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

/// A challenge.
struct Challenge {
    name: &'static str,
    about: &'static str,
    /// What its programs are called, the most telling name first.
    programs: &'static [&'static str],
    /// The options of `glomer test`, as the challenge's page gives them.
    options: &'static str,
    /// What is asked beside a valid run.
    targets: &'static [Target],
}

/// A figure that has to stay below a limit.
struct Target {
    what: &'static str,
    /// Where in the results it is.
    figure: fn(&Edn) -> Option<f64>,
    below: f64,
    unit: &'static str,
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
const CHALLENGES: [Challenge; 14] = [
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
        if wanted.len() == 1 && !args.json {
            print(&outcome.in_full())?;
        } else {
            tell_unless(args.quiet, &outcome.in_a_line(challenge));
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
    } else if wanted.len() > 1 {
        let lines = wanted.iter().zip(&outcomes);
        let lines: Vec<String> = lines
            .map(|(challenge, outcome)| outcome.in_a_line(challenge))
            .collect();
        print(&lines.join("\n"))?;
    }
    Ok(worst.exit_code())
}

fn tell_unless(quiet: bool, text: &str) {
    if !quiet {
        tell(&text);
    }
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
        let mut words: Vec<String> = self.options.split(' ').map(str::to_owned).collect();
        words.extend(["--bin".to_owned(), program.display().to_string()]);
        words.extend(["--clock".to_owned(), args.clock.clone()]);
        words.extend(["--store".to_owned(), args.store.display().to_string()]);
        let mut command = words.clone();
        if !args.args.is_empty() {
            words.push("--".to_owned());
            words.extend(args.args.iter().cloned());
        }
        let mut options = options(&words)?;
        options.seed = args.seed;
        options.quiet = args.quiet || args.json;
        options.words = ["test".to_owned()].into_iter().chain(words).collect();
        options.fit(workloads, None).map_err(io::Error::other)?;
        let launch = Launch {
            program,
            args: options.args.clone(),
        };
        let job = Job {
            options: &options,
            workloads,
            launch: &launch,
            schedule: None,
            interrupt,
        };
        let seed = Seeds::of(&options, None)?.next().unwrap_or_default();
        command.extend(["--seed".to_owned(), seed.to_string()]);
        let command = test::command_line("test", &command, &options.args);
        let mut progress = Progress::new(options.quiet);
        progress.say(&format!("{}: {}, with seed {seed}", self.name, self.about));
        let kept = test::kept(&job, seed, &mut progress, |_, _, _| Ok(()))?;
        let test::Kept { attempt, dir, .. } = &kept;
        progress.clear();
        if let Some(smallest) = &kept.smallest {
            progress.say(smallest);
        }
        let outcome = self.outcome(attempt, command, dir.path());
        let ending = match attempt.ending {
            Ending::Valid if !outcome.done => Ending::Invalid,
            ending => ending,
        };
        Ok((outcome, ending))
    }

    fn outcome(&self, attempt: &Attempt, command: String, dir: &Path) -> Outcome {
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
            command,
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
        let missed = self
            .targets
            .iter()
            .filter(|target| !self.done || target.met);
        said.extend(missed.map(Met::in_words));
        if !self.done {
            said.extend(self.why.first().cloned());
        }
        let Challenge { name, about, .. } = challenge;
        format!("{name:<3} {state:<8} {about}: {}", said.join("; "))
    }
}

/// The options of `glomer test` in these words.
fn options(words: &[String]) -> io::Result<Options> {
    let grammar = <Options as clap::Args>::augment_args(clap::Command::new("test"));
    let program = std::iter::once("test").chain(words.iter().map(String::as_str));
    let matches = grammar.no_binary_name(false).try_get_matches_from(program);
    matches
        .and_then(|matches| Options::from_arg_matches(&matches))
        .map_err(|error| io::Error::other(error.to_string()))
}

/// The program of each challenge: the one that is named, or one of the workspace.
fn programs(args: &Args, wanted: &[&Challenge]) -> io::Result<Vec<PathBuf>> {
    if args.bin.is_some() || args.package.is_some() || args.example.is_some() {
        let program = Program::new(args.bin.clone(), args.package.clone(), args.example.clone());
        return Ok(vec![program.find()?; wanted.len()]);
    }
    let found = targets()?;
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

/// The binaries and examples of the workspace, by their names as code has them and without
/// the `maelstrom-` that the Go tutorial gives its own.
fn targets() -> io::Result<BTreeMap<String, Program>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        targets: Vec<Found>,
    }
    #[derive(Deserialize)]
    struct Found {
        name: String,
        kind: Vec<String>,
    }

    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--quiet"])
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("cargo: {error}")))?;
    if !output.status.success() {
        return Err(io::Error::other(format!(
            "there is no workspace here to look for the program in; name it with --bin PATH ({})",
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).map_err(io::Error::other)?;
    let mut found = BTreeMap::new();
    for package in metadata.packages {
        for target in package.targets {
            let program = if target.kind.iter().any(|kind| kind == "bin") {
                Program::binary(package.name.clone(), target.name.clone())
            } else if target.kind.iter().any(|kind| kind == "example") {
                Program::new(None, Some(package.name.clone()), Some(target.name.clone()))
            } else {
                continue;
            };
            let plain = target.name.replace('-', "_");
            let plain = plain.strip_prefix("maelstrom_").unwrap_or(&plain);
            found.entry(plain.to_owned()).or_insert(program);
        }
    }
    Ok(found)
}
