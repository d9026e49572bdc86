//! `glomer check`: checks a history, from wherever it is.

use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::checked::check;
use crate::checker::{Availability, ConsistencyModel};
use crate::edn::Edn;
use crate::history::{History, Process};
use crate::results::Ending;
use crate::say::{print, tell};
use crate::why::Why;
use crate::workload::{LinKv, Setting, Workload, Workloads};

/// The options of `glomer check`. Those that `glomer test` has too mean the same.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = Ending::EXIT_CODES)]
pub struct Args {
    /// What the clients asked of the nodes
    #[arg(short, long, value_name = "NAME")]
    pub workload: String,

    /// The fraction of operations that must succeed: a number from 0 to 1, or total
    #[arg(long, value_name = "EXPECTED")]
    pub availability: Option<Availability>,

    /// What transactions must satisfy, separated by commas
    #[arg(
        long,
        value_name = "MODELS",
        value_delimiter = ',',
        default_value = ConsistencyModel::STRICT_SERIALIZABLE.name()
    )]
    pub consistency_models: Vec<ConsistencyModel>,

    /// Print the results as JSON
    #[arg(long)]
    pub json: bool,

    /// The history: operations in EDN, as in history.edn, or in JSON, as in history.jsonl (- for
    /// standard input); for lin-kv also that of one key, as Jepsen keeps it, at
    /// independent/KEY/history.edn
    #[arg(value_name = "FILE")]
    pub history: PathBuf,
}

/// Checks the history and prints what the checkers say.
///
/// # Errors
/// If the history cannot be read, or the results cannot be written.
pub fn run(args: &Args, workloads: &Workloads) -> io::Result<ExitCode> {
    let mut history = read(&args.history)?;
    if args.workload == LinKv::NAME
        && let Some(key) = key_of(&args.history)
    {
        with_key(&mut history, &key);
    }
    let setting = Setting {
        consistency_models: args.consistency_models.clone(),
        // Which process asked which node is not known.
        concurrency: 0,
        ..Setting::new(1)
    };
    let workload = workloads.get(&args.workload).map_err(io::Error::other)?;
    let checked = check(workload, &setting, &history, args.availability);
    let results = checked.to_edn(&history);
    let text = if args.json {
        serde_json::to_string_pretty(&results)?
    } else {
        results.shown(Edn::RESULTS_WIDTH)
    };
    print(&text)?;
    let why = Why::of_history(checked.most_telling()).brief();
    if !why.is_empty() {
        tell(&why);
    }
    Ok(Ending::of(None, checked.validity()).exit_code())
}

/// The key of a history that Jepsen's independent checker keeps in a directory of its own.
fn key_of(path: &Path) -> Option<Edn> {
    let mut above = path.parent()?.components().rev();
    let key = above.next()?.as_os_str().to_str()?;
    let kept = above.next()?.as_os_str() == "independent";
    kept.then(|| Edn::parse(key).unwrap_or_else(|_| key.into()))
}

/// Puts the key back, which Jepsen leaves out where it is the same for all.
fn with_key(history: &mut History, key: &Edn) {
    for op in &mut history.0 {
        if op.process != Process::Nemesis {
            let value = std::mem::take(&mut op.value);
            op.value = Edn::vector([key.clone(), value]);
        }
    }
}

fn read(path: &Path) -> io::Result<History> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut text = String::new();
    let read = match path.to_str() {
        Some("-") => io::stdin().read_to_string(&mut text).map(|_| ()),
        _ => std::fs::read_to_string(path).map(|contents| text = contents),
    };
    read.map_err(|error| io::Error::new(error.kind(), named(&error)))?;
    text.parse()
        .map_err(|error| io::Error::new(ErrorKind::InvalidData, named(&error)))
}
