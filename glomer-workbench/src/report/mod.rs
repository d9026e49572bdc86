//! The pictures and the page that show a run: `latency.svg`, `rate.svg` and `index.html`,
//! with the messages of a long run in `messages/`.

mod edn_view;
mod lamport;
mod latency;
mod operations;
mod page;
mod plot;
mod rate;
mod text;

use std::io;
use std::path::Path;

use crate::edn::Edn;
use crate::history::History;
use crate::results::Ending;
use crate::run::journal::Journal;
use crate::run::nemesis::{Faults, period};
use crate::store;
use crate::why::Why;
use crate::workload::AnyWorkload;

/// How pages look.
pub(crate) const STYLE: &str = include_str!("page.css");

/// A run, as its report shows it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The workload, which knows what its figures mean.
    pub workload: &'a AnyWorkload,
    /// The options of the run as name and value, `("node-count", "5")`, in the
    /// order in which they are to be listed.
    pub options: &'a [(String, String)],
    /// The seed from which workload, network and nemesis followed.
    pub seed: u64,
    /// The whole command that repeats the run.
    pub replay: &'a str,
    /// Why the run was cut short, if it was: which node did what, in as many
    /// lines as it needs.
    pub problem: Option<&'a str>,
    /// What the clients and the nemesis did.
    pub history: &'a History,
    /// The faults that the nemesis had to inflict; their periods follow from its operations.
    pub nemesis: &'a Faults,
    /// What the network carried.
    pub journal: &'a Journal,
    /// The results map with `:valid?` at its top.
    pub results: &'a Edn,
    /// Why it is not valid.
    pub why: &'a Why,
    /// How the run ended.
    pub ending: Ending,
    /// The nodes' names, each with the path of its log within the report's
    /// directory: `("n0", "node-logs/n0.log")`.
    pub logs: &'a [(String, String)],
    /// The other files of the run that a reader may want to open, as paths
    /// within the report's directory: `results.edn`, `history.edn`, …
    pub files: &'a [String],
}

/// Writes the report of a run into the directory `dir`, which exists and holds
/// the logs already.
///
/// Each file stays within a bound however long the run was, and says what it
/// left out. The page needs nothing but itself, and of a long run the messages
/// beside it; its links lead to the files there.
///
/// # Errors
/// When a file cannot be written, which is then not there, or a log that exists cannot be read.
pub fn write(dir: &Path, run: &Input<'_>) -> io::Result<()> {
    let faults = period::periods(run.history, run.nemesis);
    let operations = operations::operations(run.history);
    // A little more than the run took, so that its last operation is not on the edge.
    let end = run.history.0.last().map_or(0, |op| op.time);
    let until = (plot::seconds(end) * 1.01).max(1.0);
    let diagram = lamport::diagram(run.journal, &faults, &run.why.messages());
    let latency = latency::svg(&operations, &faults, until)?;
    let rate = rate::svg(&operations, &faults, until)?;
    let messages = dir.join("messages");
    for (number, (name, part)) in diagram.files().enumerate() {
        if number == 0 {
            store::make_dir(&messages)?;
        }
        store::write(&messages.join(name), &part)?;
    }
    store::write(&dir.join("latency.svg"), &latency)?;
    store::write(&dir.join("rate.svg"), &rate)?;
    let shown = page::Shown {
        operations: &operations,
        faults: &faults,
        diagram: &diagram,
        latency: &latency,
        rate: &rate,
        logs: &page::tails(dir, run.logs)?,
    };
    store::write(&dir.join("index.html"), &page::html(run, &shown))
}

/// Lets the page in `dir` lead to that of the smallest run that fails in the same way, in
/// `smallest` beneath it.
///
/// # Errors
/// If the page cannot be read or written.
pub fn link_smallest(dir: &Path, size: &str) -> io::Result<()> {
    const MAIN: &str = "<main>";
    let page = dir.join("index.html");
    let html = std::fs::read_to_string(&page)?;
    let link = format!(
        "{MAIN}<p class=\"smallest\"><a href=\"smallest/index.html\">The smallest run that \
         fails in the same way</a>: {size}</p>"
    );
    // What a run before linked to is gone.
    let begun = html.split_once(MAIN);
    let Some((head, rest)) = begun else {
        return Ok(());
    };
    let rest = match rest.strip_prefix("<p class=\"smallest\">") {
        Some(old) => old.split_once("</p>").map_or(old, |(_, rest)| rest),
        None => rest,
    };
    store::write(&page, &format!("{head}{link}{rest}"))
}
