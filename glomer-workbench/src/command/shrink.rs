//! `glomer shrink`: the smallest run that fails as a kept one did.

use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::attempt::Job;
use super::options::{Clock, Options};
use super::test;
use crate::cli;
use crate::results::Ending;
use crate::run::drive::Nodes;
use crate::run::process::Launch;
use crate::run::progress::Progress;
use crate::run::schedule::Schedule;
use crate::say::print;
use crate::workload::Workloads;

/// The options of `glomer shrink`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The directory of a run that failed, in real or in virtual time
    #[arg(value_name = "DIR", default_value = "store/latest")]
    pub dir: PathBuf,

    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// Runs the schedule of a kept run again, in virtual time, and searches for the smallest one that
/// fails in the same way.
///
/// # Errors
/// If there is no schedule, it does not fail in virtual time, or results cannot be kept.
pub fn run(args: &Args, workloads: &Workloads) -> io::Result<ExitCode> {
    let schedule = Arc::new(read(&args.dir.join("schedule.json"))?);
    let words = &schedule.arguments;
    if words.is_empty() {
        return Err(io::Error::other(
            "schedule.json does not say by which command it was made, under \"arguments\"",
        ));
    }
    let options = Options {
        clock: Clock::Virtual,
        no_shrink: false,
        ..cli::options(words, workloads)?
    };
    options
        .fit(workloads, Some(&schedule))
        .map_err(io::Error::other)?;
    let launch = Launch {
        program: options.program.find()?,
        args: options.args.clone(),
    };
    let interrupt = test::interrupt()?;
    let job = Job {
        options: &options,
        workloads,
        nodes: Nodes::Processes(&launch),
        schedule: Some(&schedule),
        interrupt: &interrupt,
    };
    let mut progress = Progress::new(args.quiet);
    let logs = std::env::temp_dir().join(format!("glomer-{}", std::process::id()));
    let attempt = job.attempt(schedule.seed, &logs, Some(&mut progress))?;
    if attempt.ending == Ending::Valid {
        progress.clear();
        return Err(io::Error::other(format!(
            "the schedule of {} does not fail in virtual time; it may in real time, where \
             messages take other ways each time",
            args.dir.display()
        )));
    }
    let found = job.shrink(&attempt, &logs, &progress)?;
    progress.clear();
    let smallest = job.keep_smallest(found, &logs, &args.dir)?;
    print(
        smallest
            .as_deref()
            .unwrap_or("nothing can be left out of it"),
    )?;
    Ok(attempt.ending.exit_code())
}

/// Reads a schedule from a file.
///
/// # Errors
/// If the file cannot be read or holds something else; the error names it.
pub(super) fn read(file: &Path) -> io::Result<Schedule> {
    let named = |error: &dyn Display| io::Error::other(format!("{}: {error}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| named(&error))?;
    Schedule::from_json(&text).map_err(|error| named(&error))
}
