//! `index.html`: one page that shows a whole run and needs nothing but itself.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::iter;
use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::edn_view;
use super::lamport::{self, Diagram};
use super::operations::{Ended, Pair, functions, quantile};
use super::text::{count, duration, printable, shorten};
use super::{Input, STYLE};
use crate::checker::Validity;
use crate::edn::Edn;
use crate::history::{Op, Process};
use crate::run::nemesis::period::FaultPeriod;
use crate::verdict::Reason;
use crate::workload::AnyWorkload;

const SCRIPT: &str = include_str!("page.js");

/// An option with a longer value than this has a line for itself.
const NARROW: usize = 24;
/// The history table ends after so many rows. As many more at most are there because the
/// results name them.
const MAX_ROWS: usize = 2_000;
/// As many parts of the results are told apart that are not valid.
const MAX_DOUBTS: usize = 5;
const LONGEST_CELL: usize = 160;
/// A log's last lines, and the logs whose last lines are shown.
const TAIL_LINES: usize = 40;
const TAIL_BYTES: u64 = 8 << 10;
const MAX_TAILS: usize = 50;

/// What the page shows beside the run itself.
pub(super) struct Shown<'a> {
    pub(super) operations: &'a [Pair<'a>],
    pub(super) faults: &'a [FaultPeriod<'a>],
    pub(super) diagram: &'a Diagram<'a>,
    pub(super) latency: &'a str,
    pub(super) rate: &'a str,
    pub(super) logs: &'a [Log],
}

/// A node's log.
pub(super) struct Log {
    node: String,
    path: String,
    bytes: u64,
    /// Its last lines, if they are shown.
    tail: Option<String>,
}

/// The logs at `paths` within `dir`. A node that never started has none.
pub(super) fn tails(dir: &Path, paths: &[(String, String)]) -> io::Result<Vec<Log>> {
    let mut logs = Vec::new();
    for (node, path) in paths {
        let mut file = match File::open(dir.join(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let bytes = file.metadata()?.len();
        let tail = if logs.len() < MAX_TAILS {
            file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL_BYTES)))?;
            let mut end = Vec::new();
            file.take(TAIL_BYTES).read_to_end(&mut end)?;
            let end = String::from_utf8_lossy(&strip_ansi_escapes::strip(end)).into_owned();
            let lines: Vec<&str> = end.lines().collect();
            Some(lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"))
        } else {
            None
        };
        logs.push(Log {
            node: node.clone(),
            path: path.clone(),
            bytes,
            tail,
        });
    }
    Ok(logs)
}

/// The page.
pub(super) fn html(run: &Input<'_>, shown: &Shown<'_>) -> String {
    let verdict = Validity::of(run.results).unwrap_or(Validity::Unknown);
    let sections = sections(run, shown);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Whatever a node wrote into its messages, nothing is loaded but the messages.
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'self' file:";
                title { (run.workload) ": " (verdict) " · glomer" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header class=(verdict) {
                    p.brand { "glomer test" }
                    h1 { (run.workload) " " span.badge { (verdict) } }
                    p.closing { (run.ending.closing_line()) }
                    nav {
                        a href="#overview" { "Overview" }
                        @for section in &sections { a href={ "#" (section.id) } { (section.title) } }
                    }
                }
                main {
                    (overview(run, shown, verdict))
                    @for section in &sections {
                        section id=(section.id) {
                            div.title {
                                h2 { (section.title) }
                                @if let Some(file) = section.file { a href=(file) { (file) } }
                            }
                            (section.content)
                        }
                    }
                }
                footer {
                    p {
                        "Files of this run: "
                        @for file in run.files { a href=(file) { (file) } " " }
                    }
                }
                script { (PreEscaped(SCRIPT)) (PreEscaped(lamport::SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// A part of the page with a heading, and the file that has the whole of it.
struct Section {
    id: &'static str,
    title: &'static str,
    file: Option<&'static str>,
    content: Markup,
}

/// The sections of the run that have anything to show.
fn sections(run: &Input<'_>, shown: &Shown<'_>) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut add = |id, title, file, content| {
        sections.push(Section {
            id,
            title,
            file,
            content,
        })
    };
    if shown.operations.iter().any(|o| o.completion.is_some()) {
        add(
            "latency",
            "Latency",
            Some("latency.svg"),
            plot(shown.latency),
        );
        add("rate", "Rate", Some("rate.svg"), plot(shown.rate));
    }
    if !shown.faults.is_empty() {
        add("faults", "Faults", None, faults(shown));
    }
    add("messages", "Messages", None, shown.diagram.view());
    add(
        "results",
        "Results",
        Some("results.edn"),
        edn_view::view(run.results),
    );
    if !run.history.0.is_empty() {
        add(
            "history",
            "History",
            Some("history.edn"),
            history(run, shown.operations),
        );
    }
    add("logs", "Node logs", None, logs(shown.logs));
    sections
}

fn plot(svg: &str) -> Markup {
    html! { div.scroll { div.plot { (PreEscaped(svg)) } } }
}

fn overview(run: &Input<'_>, shown: &Shown<'_>, verdict: Validity) -> Markup {
    let mut doubts = Vec::new();
    find_doubts(run.workload, run.results, &mut Vec::new(), &mut doubts);
    html! {
        section #overview {
            @if let Some(problem) = run.problem {
                div.problem { h2 { "What went wrong" } pre { (printable(problem)) } }
            }
            @if let Some(warnings) = run.results.get("warnings").and_then(Edn::as_seq) {
                div.problem {
                    h2 { "What does not look right" }
                    @for warning in warnings { p { (printable(warning.name().unwrap_or_default())) } }
                }
            }
            @if let Some(causes) = run.results.get("node-errors").and_then(|errors| errors.get("causes")?.as_seq()).filter(|causes| !causes.is_empty()) {
                div.problem {
                    h2 { "What nodes reported as errors" }
                    (node_errors(causes))
                }
            }
            @if verdict != Validity::True && !(doubts.is_empty() && run.why.is_empty()) {
                div.problem {
                    h2 { "Why it is not valid" }
                    (limited(run.why.reasons().iter().map(|reason| told(reason, shown.diagram)).collect()))
                    @if run.why.is_empty() { (limited(doubts)) }
                    @else if !doubts.is_empty() {
                        details.figures { summary { "The figures" } (limited(doubts)) }
                    }
                }
            }
            (tiles(run, shown))
            @if !shown.operations.is_empty() { (by_function(shown.operations)) }
            h2 { "Run it again" }
            pre.replay { code { (run.replay) } }
            h2 { "Options" }
            dl.options {
                @for (name, value) in run.options {
                    div.wide[value.len() > NARROW] { dt { (name) } dd { (printable(value)) } }
                }
                div { dt { "seed" } dd { (run.seed) } }
            }
        }
    }
}

/// The first of these.
fn limited(parts: Vec<Markup>) -> Markup {
    html! {
        @for part in parts.iter().take(MAX_DOUBTS) { (part) }
        @if parts.len() > MAX_DOUBTS {
            p { "And " (count(parts.len() - MAX_DOUBTS)) " more, in the " a href="#results" { "results" } "." }
        }
    }
}

/// A reason, with links to its operations and messages.
fn told(reason: &Reason, diagram: &Diagram<'_>) -> Markup {
    let first = (reason.messages().iter()).find_map(|message| diagram.marked.get(message));
    html! {
        div.reason {
            p { b { (printable(reason.headline())) "." } }
            @for line in reason.lines() { p.because { (linked(&line)) } }
            @if let Some(step) = first {
                p.because {
                    a href={ "#" (lamport::anchor(*step)) } { "Its messages" }
                    " are marked in the diagram."
                }
            }
        }
    }
}

/// A sentence in which each `operation 75` leads to the operation.
fn linked(text: &str) -> Markup {
    const OPERATION: &str = "operation ";
    let mut rest = text;
    let mut parts: Vec<(&str, Option<&str>)> = Vec::new();
    while let Some(at) = rest.find(OPERATION) {
        let number = &rest[at + OPERATION.len()..];
        let digits = number.find(|c: char| !c.is_ascii_digit());
        let (number, after) = number.split_at(digits.unwrap_or(number.len()));
        let link = (!number.is_empty()).then_some(number);
        let before = if link.is_some() {
            at
        } else {
            at + OPERATION.len()
        };
        parts.push((&rest[..before], link));
        rest = after;
    }
    html! {
        @for (text, link) in parts {
            (printable(text))
            @if let Some(number) = link { a href={ "#op-" (number) } { "operation " (number) } }
        }
        (printable(rest))
    }
}

/// The errors of nodes, as the results have them.
fn node_errors(causes: &[Edn]) -> Markup {
    let text = |cause: &Edn, key| {
        cause
            .get(key)
            .and_then(Edn::name)
            .unwrap_or_default()
            .to_owned()
    };
    html! {
        div.scroll {
            table {
                thead { tr { th { "node" } th.figure { "count" } th { "what they have in common" } th { "the first of them" } } }
                tbody {
                    @for cause in causes {
                        tr {
                            td { (text(cause, "node")) }
                            td.figure { (count(cause.get("count").and_then(Edn::as_int).and_then(|n| usize::try_from(n).ok()).unwrap_or(0))) }
                            td { (printable(&text(cause, "cause"))) }
                            td { (printable(&text(cause, "sample"))) }
                        }
                    }
                }
            }
        }
    }
}

/// The parts of the results that are themselves not valid, and not merely for a
/// part of theirs: where they stand and the figures that are not nothing.
fn find_doubts(
    workload: &AnyWorkload,
    value: &Edn,
    path: &mut Vec<String>,
    doubts: &mut Vec<Markup>,
) {
    let Edn::Map(entries) = value else {
        return;
    };
    let verdict = Validity::of(value);
    if verdict == Some(Validity::True) {
        return;
    }
    let before = doubts.len();
    for (key, value) in entries {
        path.push(key.to_string());
        find_doubts(workload, value, path, doubts);
        path.pop();
    }
    if doubts.len() > before || path.is_empty() || verdict.is_none() {
        return;
    }
    let telling = |value: &Edn| match value {
        Edn::Int(0) | Edn::Nil | Edn::Bool(_) => false,
        Edn::List(v) | Edn::Vector(v) | Edn::Set(v) => !v.is_empty(),
        Edn::Map(entries) => !entries.is_empty(),
        _ => true,
    };
    let facts = || entries.iter().filter(|(_, value)| telling(value));
    let meanings: Vec<(&str, &str)> = names(facts())
        .into_iter()
        .filter_map(|name| Some((name, workload.meaning(name)?)))
        .collect();
    doubts.push(html! {
        p { code { (path.join(" ")) } " is not valid:" }
        dl.facts {
            @for (key, value) in facts() {
                dt { (key) }
                dd { (edn_view::evidence(value)) }
            }
        }
        @if !meanings.is_empty() {
            ul.meanings { @for (name, meaning) in meanings { li { b { (name) } ": " (meaning) "." } } }
        }
    });
}

/// The names in a part of the results: its keys, and the anomalies it lists.
fn names<'a>(facts: impl Iterator<Item = &'a (Edn, Edn)>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for (key, value) in facts {
        let listed = value
            .as_seq()
            .unwrap_or_default()
            .iter()
            .filter_map(|item| match item {
                Edn::Keyword(name) => Some(name.as_str()),
                _ => None,
            });
        for name in key.name().into_iter().chain(listed) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn tiles(run: &Input<'_>, shown: &Shown<'_>) -> Markup {
    let results = |path: &[&str]| {
        path.iter()
            .try_fold(run.results, |value, key| value.get(key))
    };
    let ok = shown
        .operations
        .iter()
        .filter(|o| o.outcome() == Ended::Ok)
        .count();
    let until = run.history.0.last().map_or(0, |op| op.time);
    let latencies = latencies(shown.operations.iter());
    let mut tiles: Vec<(&str, String)> = vec![("operations", count(shown.operations.len()))];
    if !shown.operations.is_empty() {
        let share = 100.0 * ok as f64 / shown.operations.len() as f64;
        // Never "100 %" for all but one.
        tiles.push(("ok", format!("{:.1} %", (share * 10.0).floor() / 10.0)));
    }
    for (name, q) in [("median latency", 0.5), ("p99 latency", 0.99)] {
        tiles.extend(quantile(&latencies, q).map(|latency| (name, duration(latency))));
    }
    if let Some(stable) = results(&["workload", "stable-latencies"]).and_then(Edn::as_map) {
        let at = |q: f64| {
            let ms = stable.iter().find(|(key, _)| number(key) == Some(q))?;
            number(&ms.1)
        };
        for (name, q) in [("median stable latency", 0.5), ("max stable latency", 1.0)] {
            tiles.extend(at(q).map(|ms| (name, duration((ms * 1e6) as i64))));
        }
    }
    if let Some(messages) = results(&["net", "all", "msg-count"]).and_then(Edn::as_int) {
        tiles.push(("messages", count(usize::try_from(messages).unwrap_or(0))));
    }
    if let Some(per_op) = results(&["net", "servers", "msgs-per-op"]).and_then(number) {
        tiles.push(("server messages per op", format!("{per_op:.2}")));
    }
    tiles.push(("run time", duration(until)));
    html! {
        dl.tiles {
            @for (name, figure) in tiles { div { dt { (name) } dd { (figure) } } }
        }
    }
}

fn number(value: &Edn) -> Option<f64> {
    match value {
        Edn::Int(n) => Some(*n as f64),
        Edn::Float(n) => Some(*n),
        _ => None,
    }
}

fn latencies<'a>(operations: impl Iterator<Item = &'a Pair<'a>>) -> Vec<i64> {
    let mut latencies: Vec<i64> = operations.filter_map(Pair::latency).collect();
    latencies.sort_unstable();
    latencies
}

fn by_function(operations: &[Pair<'_>]) -> Markup {
    html! {
        div.scroll {
            table.figures {
                thead { tr {
                    th { "function" }
                    @for name in ["count", "ok", "info", "fail", "median", "p95", "p99", "max"] {
                        th.figure { (name) }
                    }
                } }
                tbody {
                    @for function in functions(operations) {
                        @let own = || operations.iter().filter(|o| o.invocation.f == function);
                        @let sorted = latencies(own());
                        tr {
                            th { (function) }
                            td.figure { (count(own().count())) }
                            @for outcome in Ended::ALL {
                                @let n = own().filter(|o| o.outcome() == outcome).count();
                                td.figure { span class=[(n > 0).then_some(outcome.name())] { (count(n)) } }
                            }
                            @for q in [0.5, 0.95, 0.99, 1.0] {
                                td.figure { (quantile(&sorted, q).map_or("–".to_string(), duration)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The faults, each with a link to the first event that falls into it.
fn faults(shown: &Shown<'_>) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { th { "fault" } th.figure { "from" } th.figure { "to" } th { "what" } } }
                tbody {
                    @for (fault, step) in shown.faults.iter().zip(&shown.diagram.faults) {
                        tr {
                            th { (fault.kind) }
                            td.figure {
                                @if let Some(step) = step {
                                    a href={ "#" (lamport::anchor(*step)) } { (duration(fault.start)) }
                                } @else { (duration(fault.start)) }
                            }
                            td.figure { (fault.stop.map_or("the end".to_string(), duration)) }
                            td.value { (cell(fault.detail)) }
                        }
                    }
                }
            }
        }
    }
}

/// A row of the history: a client's operation from invocation to completion,
/// or something the nemesis did.
enum Row<'a> {
    Client(&'a Pair<'a>),
    Nemesis(&'a Op),
}

impl Row<'_> {
    fn op(&self) -> &Op {
        match self {
            Self::Client(operation) => operation.invocation,
            Self::Nemesis(op) => op,
        }
    }

    /// Where its invocation and its completion are in the history.
    fn indices(&self) -> impl Iterator<Item = usize> {
        let completion = match self {
            Self::Client(operation) => operation.completion,
            Self::Nemesis(_) => None,
        };
        iter::once(self.op()).chain(completion).map(|op| op.index)
    }
}

fn history(run: &Input<'_>, operations: &[Pair<'_>]) -> Markup {
    let nemesis = run
        .history
        .0
        .iter()
        .filter(|op| op.process == Process::Nemesis);
    let mut rows: Vec<Row<'_>> = operations.iter().map(Row::Client).collect();
    rows.extend(nemesis.map(Row::Nemesis));
    rows.sort_by_key(|row| row.op().index);
    let total = rows.len();
    if total > MAX_ROWS {
        let mut named = edn_view::operations(run.results);
        named.extend(run.why.reasons().iter().flat_map(Reason::operations));
        let rest = rows.split_off(MAX_ROWS);
        let is_named = |row: &Row<'_>| row.indices().any(|index| named.contains(&index));
        rows.extend(rest.into_iter().filter(is_named).take(MAX_ROWS));
    }
    let mut names: Vec<&str> = rows.iter().map(|row| row.op().f.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    html! {
        @if total > rows.len() {
            p.note {
                "The first " (count(MAX_ROWS)) " of " (count(total)) " operations"
                @if rows.len() > MAX_ROWS {
                    ", and " (count(rows.len() - MAX_ROWS)) " that the results name"
                }
                ". All are in "
                a href="history.edn" { "history.edn" } "."
            }
        }
        form.filter {
            input type="search" name="text" placeholder="Filter, such as 42" aria-label="Filter by text";
            select name="f" aria-label="Function" {
                option value="" { "every function" }
                @for name in names { option value=(name) { (name) } }
            }
            select name="outcome" aria-label="Outcome" {
                option value="" { "every outcome" }
                @for outcome in Ended::ALL { option value=(outcome.name()) { (outcome.name()) } }
                option value="nemesis" { "nemesis" }
            }
            output { (count(rows.len())) " operations" }
        }
        div.scroll.table-view tabindex="0" {
            table {
                thead { tr {
                    th.figure { "#" } th.figure { "time" } th { "process" } th { "function" }
                    th { "value" } th { "outcome" } th.figure { "latency" }
                } }
                tbody { @for row in &rows { (history_row(row)) } }
            }
        }
    }
}

fn history_row(row: &Row<'_>) -> Markup {
    let op = row.op();
    let (process, outcome, completion, latency) = match row {
        Row::Client(operation) => (
            op.process.to_string(),
            operation.outcome().name(),
            operation.completion,
            operation.latency(),
        ),
        Row::Nemesis(_) => ("nemesis".to_string(), "nemesis", None, None),
    };
    html! {
        tr id={ "op-" (op.index) } data-f=(op.f) data-outcome=(outcome) {
            td.figure { (op.index) }
            td.figure { (duration(op.time)) }
            td { (process) }
            td { (op.f) }
            td.value {
                (cell((!op.value.is_nil()).then_some(&op.value)))
                @if let Some(completion) = completion {
                    @if completion.value != op.value { span.arrow { " → " } (cell(Some(&completion.value))) }
                    @if let Some(error) = &completion.error { " " span.fail { (cell(Some(error))) } }
                }
            }
            td id=[completion.map(|op| format!("op-{}", op.index))] { span class=(outcome) { (outcome) } }
            td.figure { (latency.map_or(String::new(), duration)) }
        }
    }
}

fn cell(value: Option<&Edn>) -> Markup {
    html! {
        @if let Some(value) = value { (printable(&shorten(&value.to_string(), LONGEST_CELL))) }
    }
}

fn logs(logs: &[Log]) -> Markup {
    html! {
        p.note { "What each node wrote to its standard error." }
        @for log in logs {
            @match &log.tail {
                Some(tail) if !tail.is_empty() => {
                    details {
                        summary { (log.node) " " a href=(log.path) { (log.path) } " " span.size { (count(log.bytes as usize)) " bytes" } }
                        pre { (printable(tail)) }
                    }
                }
                _ => p.log {
                    (log.node) " " a href=(log.path) { (log.path) } " "
                    span.size { @if log.bytes == 0 { "empty" } @else { (count(log.bytes as usize)) " bytes" } }
                }
            }
        }
        @if logs.is_empty() { p.note { "There are none." } }
    }
}
