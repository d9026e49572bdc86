//! The options of `glomer test`, and the plan they make.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, ValueEnum};
use glomer_runtime::Rng;
use glomer_runtime::sim::{self, Latency};

use super::program::Program;
use crate::checker::{Availability, ConsistencyModel};
use crate::results::{Ending, Expectations};
use crate::run::drive::{self, TURN_LATENCY};
use crate::run::nemesis::{self, Fault, Faults, Needs};
use crate::run::plan::Plan;
use crate::run::schedule::Schedule;
use crate::workload::{Setting, Topology, Workloads};

/// More processes than a machine has.
const MOST_NODES: usize = 100_000;
/// More clients than anyone can watch.
const MOST_CLIENTS: usize = 1_000_000;

/// What a swarm draws from beside the seed, so that it does not draw what a run does.
const SWARM: u64 = 0x5357_4152_4d00_0000;

const USAGE: &str = "\
    glomer test [OPTIONS] --bin <PATH> [-- <ARGS>...]\n       \
    glomer test [OPTIONS] [--package <NAME>] [--example <NAME>] [-- <ARGS>...]\n\n\
    Example: glomer test -w broadcast --bin path/to/node --node-count 5 --time-limit 20 --rate 10";

/// The options of `glomer test`: those of `maelstrom test` by their names and with their
/// defaults, and some more.
///
/// As with Maelstrom, an option that is given again replaces itself.
#[derive(Clone, Debug, clap::Args)]
#[command(args_override_self = true, allow_negative_numbers = true)]
#[command(override_usage = USAGE, after_help = Ending::EXIT_CODES)]
pub struct Options {
    /// What clients ask of the nodes
    #[arg(short, long, value_name = "NAME", default_value = "lin-kv")]
    pub workload: String,

    /// What the nodes run.
    #[command(flatten)]
    pub program: Program,

    /// How many nodes to run: n0, n1, … (without it, five nodes: n1 to n5)
    #[arg(long, value_name = "NUM", value_parser = node_count)]
    pub node_count: Option<usize>,

    /// The names of the nodes, separated by commas; --node-count overrides them
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = node_name)]
    pub nodes: Vec<String>,

    /// The name of one node; may be given many times
    #[arg(short = 'n', long = "node", value_name = "NAME", value_parser = node_name, action = ArgAction::Append)]
    pub node: Vec<String>,

    /// A file with the names of the nodes, one a line
    #[arg(long, value_name = "FILE")]
    pub nodes_file: Option<PathBuf>,

    /// How many clients work at once; 2n means two for each node
    #[arg(long, value_name = "NUM", default_value = "1n")]
    pub concurrency: Concurrency,

    /// How long clients work, without start, recovery and final operations
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = positive::<u64>)]
    pub time_limit: u64,

    /// About how many operations clients begin each second
    #[arg(long, value_name = "PER SECOND", default_value_t = 5.0, value_parser = not_negative)]
    pub rate: f64,

    /// How long a message between nodes takes on average
    #[arg(long, value_name = "MILLIS", default_value_t = 0, value_parser = up_to::<u32>(u32::MAX))]
    pub latency: u32,

    /// How latencies scatter around their average
    #[arg(long, value_name = "TYPE", default_value = "constant")]
    pub latency_dist: LatencyDist,

    /// How messages wait for their latency to pass
    #[arg(long, value_name = "HOW", default_value = "in-turn")]
    pub delivery: Delivery,

    /// Faults to inject.
    #[arg(long, value_name = "FAULTS", value_delimiter = ',', value_parser = nemesis::named)]
    #[arg(help = faults_to_choose_from())]
    pub nemesis: Vec<Arc<dyn Fault>>,

    /// How many seconds lie between two operations of the nemesis on average
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = above_zero)]
    pub nemesis_interval: f64,

    /// Which neighbours the broadcast workload offers to the nodes
    #[arg(long, value_name = "SPEC", default_value = "grid")]
    pub topology: Topology,

    /// The fraction of operations that must succeed: a number from 0 to 1, or total
    #[arg(long, value_name = "EXPECTED")]
    pub availability: Option<Availability>,

    /// What transactions must satisfy, separated by commas
    #[arg(
        long,
        value_name = "MODELS",
        value_delimiter = ',',
        default_value = "strict-serializable"
    )]
    pub consistency_models: Vec<ConsistencyModel>,

    /// How many keys transactions choose from at a time
    #[arg(long, value_name = "INT", value_parser = positive::<usize>)]
    pub key_count: Option<usize>,

    /// How many operations a transaction has at most
    #[arg(long, value_name = "INT", default_value_t = 4, value_parser = positive::<usize>)]
    pub max_txn_length: usize,

    /// How often a key is written at most, by transactions and in kafka
    #[arg(long, value_name = "INT", default_value_t = 16, value_parser = positive::<u64>)]
    pub max_writes_per_key: u64,

    /// Show what nodes write to standard error
    #[arg(long)]
    pub log_stderr: bool,

    /// Show messages as they are sent
    #[arg(long)]
    pub log_net_send: bool,

    /// Show messages as they are received
    #[arg(long)]
    pub log_net_recv: bool,

    /// Whose time nodes live in
    #[arg(long, value_name = "CLOCK", default_value = "real")]
    pub clock: Clock,

    /// How many milliseconds a node takes at most to get to a message, in virtual time; each
    /// time is drawn (default: 2)
    #[arg(long, value_name = "MILLIS", value_parser = not_negative)]
    pub turn_latency: Option<f64>,

    /// Where operations, latencies, loss and faults follow from (default: a new one each time)
    #[arg(long, value_name = "NUM", value_parser = up_to::<u64>(u64::MAX))]
    pub seed: Option<u64>,

    /// How likely a message between nodes gets lost: always, or with --nemesis loss while it
    /// strikes (then 0.5 by default)
    #[arg(long, value_name = "P", value_parser = probability)]
    pub p_loss: Option<f64>,

    /// How likely a message between nodes arrives twice: always, or with --nemesis duplicate
    /// while it strikes (then 0.5 by default)
    #[arg(long, value_name = "P", value_parser = probability)]
    pub p_duplicate: Option<f64>,

    /// How long nodes may recover from faults before the final operations
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = not_negative)]
    pub recovery_time: f64,

    /// Where to keep the results
    #[arg(long, value_name = "DIR", default_value = "store")]
    pub store: PathBuf,

    /// How often to run, each time with the next seed
    #[arg(long, visible_alias = "test-count", value_name = "NUM", value_parser = positive::<u64>)]
    pub runs: Option<u64>,

    /// Run until something goes wrong (or, with --runs, that often at most)
    #[arg(long)]
    pub until_failure: bool,

    /// Run the seeds in this file first, one a line, or only them without --runs and
    /// --until-failure
    #[arg(long, value_name = "FILE")]
    pub seeds: Option<PathBuf>,

    /// How many runs go on at once, in virtual time (default: one for each core)
    #[arg(long, value_name = "NUM", value_parser = positive::<usize>)]
    pub jobs: Option<usize>,

    /// Ask and break what this file says, such as the schedule.json of a run, instead of drawing
    /// it; what remains follows from the seed in it, or from --seed
    #[arg(long, value_name = "FILE")]
    pub schedule: Option<PathBuf>,

    /// Do not search for the smallest run that fails in the same way, as is done for 30 seconds
    /// at most when one has failed in virtual time
    #[arg(long)]
    pub no_shrink: bool,

    /// Let each seed draw its faults, rate, latencies and number of nodes, up to what other
    /// options say
    #[arg(long)]
    pub swarm: bool,

    /// Print the results as JSON, and nothing else
    #[arg(long)]
    pub json: bool,

    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,

    /// The command that these options are for.
    #[arg(skip = "glomer")]
    pub command: &'static str,

    /// The arguments that these options were read from.
    #[arg(skip)]
    pub words: Vec<String>,

    /// Arguments for the program. As under Maelstrom, nodes run in the temporary directory, so
    /// paths must be absolute
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// The help of `--nemesis`.
fn faults_to_choose_from() -> String {
    let faults = Faults::built_in();
    let faults: Vec<&str> = faults.iter().map(|fault| fault.name()).collect();
    format!(
        "Faults to inject, separated by commas: {}",
        faults.join(", ")
    )
}

/// Options that Jepsen gives every test and that mean nothing to processes on this machine.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Ignored {
    #[arg(long, hide = true)]
    leave_db_running: bool,
    #[arg(long, hide = true)]
    logging_json: bool,
    #[arg(long, hide = true)]
    no_ssh: bool,
    #[arg(long, hide = true)]
    strict_host_key_checking: bool,
    #[arg(long, hide = true, value_name = "NAME")]
    username: Option<String>,
    #[arg(long, hide = true, value_name = "PASS")]
    password: Option<String>,
    #[arg(long, hide = true, value_name = "FILE")]
    ssh_private_key: Option<PathBuf>,
}

impl Ignored {
    /// Those that were given.
    pub fn given(&self) -> Vec<&'static str> {
        let all = [
            ("--leave-db-running", self.leave_db_running),
            ("--logging-json", self.logging_json),
            ("--no-ssh", self.no_ssh),
            ("--strict-host-key-checking", self.strict_host_key_checking),
            ("--username", self.username.is_some()),
            ("--password", self.password.is_some()),
            ("--ssh-private-key", self.ssh_private_key.is_some()),
        ];
        let given = all.into_iter().filter(|(_, given)| *given);
        given.map(|(name, _)| name).collect()
    }
}

/// The values of `--clock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Clock {
    /// That of the machine.
    Real,
    /// One that stands still while nodes work, so that a run takes as long as its messages and
    /// can be repeated to the byte. Nodes must speak the clock protocol, as all nodes of this
    /// framework do.
    Virtual,
}

/// The values of `--latency-dist`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LatencyDist {
    /// Always the same.
    Constant,
    /// From zero to twice the average.
    Uniform,
    /// Mostly short, sometimes very long.
    Exponential,
}

/// The values of `--delivery`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Delivery {
    /// As under Maelstrom: a node reads one message at a time and waits for it, and clients'
    /// requests wait behind it.
    InTurn,
    /// Each message on its own; clients' requests arrive at once.
    OnTime,
}

/// The value of `--concurrency`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// So many.
    Total(usize),
    /// So many for each node.
    PerNode(usize),
}

impl FromStr for Concurrency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, of): (&str, fn(usize) -> Self) = match text.strip_suffix('n') {
            Some(digits) => (digits, Concurrency::PerNode),
            None => (text, Concurrency::Total),
        };
        match digits.parse() {
            Ok(count) if count > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(of(count))
            }
            _ => Err("must be an integer above 0, optionally followed by n".to_owned()),
        }
    }
}

fn positive<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| *number >= T::from(1));
    number.ok_or_else(|| "must be an integer above 0".to_owned())
}

fn node_count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok();
    let count = count.filter(|count| (1..=MOST_NODES).contains(count));
    count.ok_or_else(|| format!("must be an integer above 0, and at most {MOST_NODES}"))
}

/// Names stand in messages as they are. Whatever begins with c is a client to Maelstrom.
fn node_name(name: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric() && c != 'c')
        && name.chars().all(plain)
        && !TAKEN.contains(&name);
    if fits {
        Ok(name.to_owned())
    } else {
        Err(format!(
            "must be letters, digits, -, _ and ., must not begin with c, which is for clients, \
             and must not be {}",
            TAKEN.join(", ")
        ))
    }
}

/// Names on the network that are taken: services, and what tells the time in virtual time.
const TAKEN: [&str; 5] = ["lin-kv", "lin-tso", "lww-kv", "seq-kv", "clock"];

fn up_to<T>(most: T) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync
where
    T: FromStr + fmt::Display + Copy + Send + Sync,
{
    move |text| {
        let number = text.parse().ok();
        number.ok_or_else(|| format!("must be an integer from 0 to {most}"))
    }
}

/// So many seconds, or a year: no run lasts longer, and moments must be told apart.
fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.min(365.0 * 86_400.0))
}

fn number(text: &str, fits: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && fits(*number));
    number.ok_or_else(|| format!("must be {expected}"))
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |number| number >= 0.0, "a number from 0 upwards")
}

fn above_zero(text: &str) -> Result<f64, String> {
    number(text, |number| number > 0.0, "a number above 0")
}

fn probability(text: &str) -> Result<f64, String> {
    number(
        text,
        |number| (0.0..=1.0).contains(&number),
        "a number from 0 to 1",
    )
}

impl Options {
    /// The names of the nodes: as for Jepsen, those of all options together, and for Maelstrom
    /// `--node-count` overrides them.
    ///
    /// # Errors
    /// If a file of names cannot be read, or a name is not one or is there twice.
    pub fn nodes(&self) -> Result<Vec<String>, String> {
        if let Some(count) = self.node_count {
            return Ok((0..count).map(|number| format!("n{number}")).collect());
        }
        let mut names = Vec::new();
        if let Some(file) = &self.nodes_file {
            let named =
                |error: &dyn fmt::Display| format!("--nodes-file {}: {error}", file.display());
            let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
            for name in text.lines().map(str::trim).filter(|name| !name.is_empty()) {
                names.push(node_name(name).map_err(|error| named(&format!("{name:?} {error}")))?);
            }
        }
        names.extend(self.nodes.iter().chain(&self.node).cloned());
        let mut known = HashSet::new();
        if let Some(twice) = names.iter().find(|name| !known.insert(*name)) {
            return Err(format!("there are two nodes of the name {twice}"));
        }
        if names.is_empty() {
            names.extend((1..=5).map(|number| format!("n{number}")));
        }
        Ok(names)
    }

    /// How long a node takes at most to get to a message, if it lives in virtual time.
    pub fn turn_latency(&self) -> Option<Duration> {
        let given = self.turn_latency.map(|millis| seconds(millis / 1_000.0));
        (self.clock == Clock::Virtual).then(|| given.unwrap_or(TURN_LATENCY))
    }

    /// Whether the options fit together, whatever the seed.
    ///
    /// # Errors
    /// If they do not.
    pub fn fit(
        &self,
        workloads: &Workloads,
        schedule: Option<&Arc<Schedule>>,
    ) -> Result<(), String> {
        let mut plan = self.plan(workloads, 0)?;
        if let Some(schedule) = schedule {
            plan = schedule.plan(&plan)?;
        }
        if self.clock == Clock::Virtual {
            return drive::fits(&plan, Needs::VirtualTime).map_err(|error| error.to_string());
        }
        let virtual_only = [
            ("--turn-latency", self.turn_latency.is_some()),
            ("--jobs", self.jobs.is_some()),
        ];
        if let Some((name, _)) = virtual_only.iter().find(|(_, given)| *given) {
            return Err(format!("{name} is for virtual time; add --clock virtual"));
        }
        drive::fits(&plan, Needs::Nothing).map_err(|error| error.to_string())
    }

    /// The options of a run with this seed: with `--swarm`, each seed has its own, up to what
    /// these say (Groce et al., Swarm Testing, 2012).
    ///
    /// # Errors
    /// If the names of the nodes cannot be read.
    pub fn of_seed(&self, seed: u64) -> Result<Options, String> {
        let mut options = self.clone();
        if !self.swarm {
            return Ok(options);
        }
        let rng = Rng::seeded(seed ^ SWARM);
        let most = self.nodes()?;
        let count = rng.range(1..most.len() as u64 + 1) as usize;
        options.nodes = most[..count].to_vec();
        (options.node_count, options.nodes_file) = (None, None);
        options.node.clear();
        options.nemesis.retain(|_| rng.chance(0.5));
        // From a tenth of it, evenly over its digits.
        options.rate = self.rate * 0.1_f64.powf(rng.unit());
        options.nemesis_interval = self.nemesis_interval * 0.1_f64.powf(rng.unit());
        options.latency = rng.below(u64::from(self.latency) + 1) as u32;
        let all = LatencyDist::value_variants();
        options.latency_dist = *rng.choose(all).unwrap_or(&self.latency_dist);
        Ok(options)
    }

    /// What [`of_seed`](Options::of_seed) draws, in words.
    pub fn drawn(&self) -> String {
        let faults: Vec<&str> = self.nemesis.iter().map(|fault| fault.name()).collect();
        let faults = match faults.as_slice() {
            [] => "no faults".to_owned(),
            faults => format!("{} every {:.1} s", faults.join(", "), self.nemesis_interval),
        };
        format!(
            "nodes {}, rate {:.1}, latency {} ms {}, {faults}",
            self.nodes.join(" "),
            self.rate,
            self.latency,
            format!("{:?}", self.latency_dist).to_lowercase()
        )
    }

    /// What the workload runs in.
    ///
    /// # Errors
    /// If there are too many clients, or the nodes' names are not names.
    fn setting(&self) -> Result<Setting, String> {
        let nodes = self.nodes()?;
        let concurrency = match self.concurrency {
            Concurrency::Total(count) => count,
            Concurrency::PerNode(count) => count.saturating_mul(nodes.len()),
        };
        if concurrency > MOST_CLIENTS {
            return Err(format!(
                "--concurrency {} makes {concurrency} clients; there is room for {MOST_CLIENTS}",
                self.concurrency
            ));
        }
        Ok(Setting {
            nodes,
            concurrency,
            latency: self.mean_latency(),
            topology: self.topology,
            key_count: self.key_count,
            max_txn_length: self.max_txn_length,
            max_writes_per_key: self.max_writes_per_key,
            consistency_models: self.consistency_models.clone(),
        })
    }

    fn mean_latency(&self) -> Duration {
        Duration::from_millis(self.latency.into())
    }

    /// Makes the plan of a run.
    ///
    /// # Errors
    /// If options do not fit together.
    pub fn plan(&self, workloads: &Workloads, seed: u64) -> Result<Plan, String> {
        let setting = self.setting()?;
        let workload = workloads.get(&self.workload)?.clone();
        workload.can_run(&setting)?;
        let mean = self.mean_latency();
        let plan = Plan::of(workload, setting.nodes.len());
        Ok(Plan {
            setting,
            seed,
            interval: (self.rate > 0.0).then(|| seconds(1.0 / self.rate)),
            time_limit: seconds(self.time_limit as f64),
            latency: match self.latency_dist {
                LatencyDist::Constant => Latency::constant(mean),
                LatencyDist::Uniform => Latency::uniform(mean),
                LatencyDist::Exponential => Latency::exponential(mean),
            },
            delivery: match self.delivery {
                Delivery::InTurn => sim::Delivery::InTurn,
                Delivery::OnTime => sim::Delivery::OnTime,
            },
            faults: self.nemesis.iter().cloned().collect(),
            nemesis_interval: seconds(self.nemesis_interval),
            p_loss: self.p_loss,
            p_duplicate: self.p_duplicate,
            recovery_time: seconds(self.recovery_time),
            schedule: None,
            log_net_send: self.log_net_send,
            log_net_recv: self.log_net_recv,
            ..plan
        })
    }

    /// What the results depend on beside the run.
    pub fn expectations(&self, plan: &Plan) -> Expectations {
        Expectations {
            workload: plan.workload.clone(),
            setting: plan.setting.clone(),
            faults: plan.faults.clone(),
            availability: self.availability,
            seed: plan.seed,
            stale_reads_may_hide: self.latency > 0
                && self.delivery == Delivery::InTurn
                && plan.workload.stale_reads_matter(),
        }
    }

    /// The options that make a run what it is, as names and values.
    pub fn described(&self, expected: &Expectations) -> Vec<(String, String)> {
        let plain = |value: &dyn fmt::Debug| format!("{value:?}").to_lowercase();
        let mut options = vec![("workload", self.workload.to_string())];
        let program = self.program.to_args();
        let program: Vec<String> = program
            .into_iter()
            .chain(self.args.iter().cloned())
            .collect();
        options.push(("program", program.join(" ")));
        let nodes = self.nodes().unwrap_or_default();
        options.push(("nodes", nodes.len().to_string()));
        options.push(("concurrency", self.concurrency.to_string()));
        options.push(("time-limit", format!("{} s", self.time_limit)));
        options.push(("rate", format!("{} per s", self.rate)));
        options.push((
            "latency",
            format!("{} ms {}", self.latency, plain(&self.latency_dist)),
        ));
        if self.latency > 0 {
            let delivery = match self.delivery {
                Delivery::InTurn => "in turn, as under Maelstrom",
                Delivery::OnTime => "on time",
            };
            options.push(("delivery", delivery.to_owned()));
        }
        if let Some(turn_latency) = self.turn_latency() {
            options.push(("clock", "virtual".to_owned()));
            let most = turn_latency.as_secs_f64() * 1_000.0;
            options.push(("turn-latency", format!("0 to {most} ms")));
        }
        if !self.nemesis.is_empty() {
            let faults: Vec<&str> = self.nemesis.iter().map(|fault| fault.name()).collect();
            options.push(("nemesis", faults.join(", ")));
            options.push(("nemesis-interval", format!("{} s", self.nemesis_interval)));
        }
        for (name, p) in [("p-loss", self.p_loss), ("p-duplicate", self.p_duplicate)] {
            options.extend(p.map(|p| (name, p.to_string())));
        }
        options.extend(expected.workload.depends_on(&expected.setting));
        let named = options.into_iter();
        named
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

impl fmt::Display for Concurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Concurrency::Total(count) => write!(f, "{count}"),
            Concurrency::PerNode(count) => write!(f, "{count}n"),
        }
    }
}
