//! `glomer serve`: the runs that are kept, in a browser.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Zoned;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use tiny_http::{Header, Request, Response, ResponseBox, Server};

use super::listed::Listed;
use crate::report;
use crate::say::print;
use crate::store::NAME;
use crate::verdict::counted;

const STYLE: &str = include_str!("serve.css");
/// So many runs are shown at once.
const MOST: usize = 500;

/// The options of `glomer serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The port on this machine's loopback address; 0 for any that is free
    #[arg(short, long, value_name = "NUM", default_value_t = 8080)]
    pub port: u16,

    /// Where runs are kept
    #[arg(long, value_name = "DIR", default_value = "store")]
    pub store: PathBuf,
}

/// Serves the store until it is killed.
///
/// # Errors
/// If there is no store, or the port is taken.
pub fn run(args: &Args) -> io::Result<ExitCode> {
    let store = args.store.canonicalize().map_err(|error| {
        let store = args.store.display();
        io::Error::new(
            error.kind(),
            format!("--store {store}: {error}; `glomer test` makes it with its first run"),
        )
    })?;
    let server = Server::http(("127.0.0.1", args.port)).map_err(|error| {
        io::Error::other(format!(
            "--port {}: {error}; --port 0 takes one that is free",
            args.port
        ))
    })?;
    print(&format!("http://{}/ shows the runs", server.server_addr()))?;
    for request in server.incoming_requests() {
        let response = answer(&store, &request);
        // Whoever asked may be gone.
        let _ = request.respond(response);
    }
    Ok(ExitCode::SUCCESS)
}

fn answer(store: &Path, request: &Request) -> ResponseBox {
    let (path, query) = request.url().split_once('?').unwrap_or((request.url(), ""));
    match page(store, path, query) {
        Ok(response) => response,
        Err(error) => {
            let status = match error.kind() {
                io::ErrorKind::NotFound => 404,
                _ => 500,
            };
            let text = format!("{path}: {error}\n");
            Response::from_string(text).with_status_code(status).boxed()
        }
    }
}

fn page(store: &Path, path: &str, query: &str) -> io::Result<ResponseBox> {
    if path == "/" {
        let page = Response::from_string(list(&runs(store)?, &Choice::from(query)));
        return Ok(page.with_header(content_type("text/html")).boxed());
    }
    // The names of runs have a plus sign at most, so nothing needs decoding.
    let file = store.join(path.trim_start_matches('/')).canonicalize()?;
    if !file.starts_with(store) {
        return Err(io::Error::new(io::ErrorKind::NotFound, "not in the store"));
    }
    if file.is_dir() {
        let index = format!("{}/index.html", path.trim_end_matches('/'));
        let location = Header::from_bytes("Location", index).expect("a path is ASCII here");
        return Ok(Response::empty(302).with_header(location).boxed());
    }
    let kind = match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        _ => "text/plain",
    };
    let response = Response::from_file(File::open(&file)?);
    Ok(response.with_header(content_type(kind)).boxed())
}

fn content_type(kind: &str) -> Header {
    let value = format!("{kind}; charset=utf-8");
    Header::from_bytes("Content-Type", value).expect("it is ASCII")
}

/// A run in the store.
struct Kept {
    workload: String,
    /// The name of its directory.
    time: String,
    listed: Listed,
    /// Whether the smallest run that fails in the same way is there, too.
    has_smallest: bool,
}

impl Kept {
    fn verdict(&self) -> &str {
        self.listed.verdict.as_deref().unwrap_or("no results")
    }
}

/// The runs, the last one first.
fn runs(store: &Path) -> io::Result<Vec<Kept>> {
    let mut runs = Vec::new();
    for workload in directories(store)? {
        for time in directories(&store.join(&workload))? {
            let run = store.join(&workload).join(&time);
            if run.join("index.html").exists() {
                runs.push(Kept {
                    listed: Listed::read(&run),
                    has_smallest: run.join("smallest/index.html").exists(),
                    workload: workload.clone(),
                    time,
                });
            }
        }
    }
    runs.sort_by(|a, b| (&b.time, &b.workload).cmp(&(&a.time, &a.workload)));
    Ok(runs)
}

/// The directories in a directory, without links such as `latest`.
fn directories(parent: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

/// Which runs are shown: all, or those of a workload or a verdict.
#[derive(Clone, Default, PartialEq)]
struct Choice {
    workload: Option<String>,
    verdict: Option<String>,
}

impl From<&str> for Choice {
    fn from(query: &str) -> Choice {
        let mut choice = Choice::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "workload" => choice.workload = Some(value.into_owned()),
                "verdict" => choice.verdict = Some(value.into_owned()),
                _ => {}
            }
        }
        choice
    }
}

impl Choice {
    fn shows(&self, run: &Kept) -> bool {
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|it| it == value);
        is(&self.workload, &run.workload) && is(&self.verdict, run.verdict())
    }

    fn link(&self) -> String {
        let chosen = [("workload", &self.workload), ("verdict", &self.verdict)];
        let chosen = chosen
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(chosen)
            .finish();
        if query.is_empty() {
            "/".to_owned()
        } else {
            format!("/?{query}")
        }
    }

    /// Links to other choices, each with the number of its runs.
    fn links(
        &self,
        runs: &[Kept],
        choices: impl Iterator<Item = Choice>,
        name: fn(&Choice) -> &str,
    ) -> Markup {
        html! {
            p.choices {
                @for choice in choices {
                    @let number = runs.iter().filter(|run| choice.shows(run)).count();
                    a href=(choice.link()) aria-current=[(choice == *self).then_some("true")] {
                        (name(&choice)) " " span { (number) }
                    }
                }
            }
        }
    }
}

fn list(runs: &[Kept], choice: &Choice) -> String {
    let workloads: BTreeSet<&str> = runs.iter().map(|run| &*run.workload).collect();
    let verdicts: BTreeSet<&str> = runs.iter().map(Kept::verdict).collect();
    let all_and = |names: BTreeSet<&str>| {
        let names = names.into_iter().map(|name| Some(name.to_owned()));
        iter::once(None).chain(names.collect::<Vec<_>>())
    };
    let of_workloads = all_and(workloads).map(|workload| Choice {
        workload,
        ..choice.clone()
    });
    let of_verdicts = all_and(verdicts).map(|verdict| Choice {
        verdict,
        ..choice.clone()
    });
    let chosen: Vec<&Kept> = runs.iter().filter(|run| choice.shows(run)).collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "glomer: runs" }
                style { (PreEscaped(report::STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.brand { "glomer serve" }
                    h1 { "Runs" }
                }
                main {
                    @if runs.is_empty() { p { "There are none yet." } }
                    @else {
                        (choice.links(runs, of_workloads, |it| it.workload.as_deref().unwrap_or("every workload")))
                        (choice.links(runs, of_verdicts, |it| it.verdict.as_deref().unwrap_or("every verdict")))
                    }
                    ol.runs { @for run in chosen.iter().take(MOST) { (one(run)) } }
                    @if chosen.len() > MOST {
                        p.note { "The last " (MOST) " of " (chosen.len()) " runs." }
                    }
                }
            }
        }
    };
    page.into_string()
}

/// A run in the list.
fn one(run: &Kept) -> Markup {
    let Listed {
        reason,
        nodes,
        options,
        faults,
        clock,
        seed,
        seconds,
        ..
    } = &run.listed;
    let page = format!("/{}/{}", run.workload, run.time);
    html! {
        li class=(run.verdict()) {
            a.run href={ (page) "/index.html" } { span.badge { (run.verdict()) } (run.workload) }
            time { (moment(&run.time)) }
            @if let Some(reason) = reason { p.reason { (reason) } }
            @if run.has_smallest {
                p { a href={ (page) "/smallest/index.html" } { "The smallest run that fails in the same way" } }
            }
            p.facts {
                @if let Some(nodes) = nodes { span { (counted(*nodes, "node")) } }
                @if !faults.is_empty() { span.faults { (faults.join(", ")) } }
                @if let Some(seconds) = seconds { span { (format!("{seconds:.1} s")) } }
                @if let Some(clock) = clock { span { (clock) " time" } }
                @if let Some(seed) = seed { span { "seed " (seed) } }
            }
            @if !options.is_empty() {
                p.options { @for (name, value) in options { span { (name) " " (value) } } }
            }
        }
    }
}

/// The time at which a run began, by the name of its directory.
fn moment(name: &str) -> String {
    match Zoned::strptime(NAME, name) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => name.to_owned(),
    }
}
