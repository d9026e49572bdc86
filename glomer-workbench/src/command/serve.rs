//! `glomer serve`: the runs that are kept, in a browser.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use maud::{DOCTYPE, html};
use tiny_http::{Header, Request, Response, ResponseBox, Server};

use crate::edn::Edn;
use crate::say::print;
use crate::verdict::Validity;

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
    let path = request.url().split(['?', '#']).next().unwrap_or_default();
    match page(store, path) {
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

fn page(store: &Path, path: &str) -> io::Result<ResponseBox> {
    if path == "/" {
        let page = Response::from_string(list(&runs(store)?));
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

/// A run as the list shows it.
struct Kept {
    workload: String,
    time: String,
    verdict: Option<Validity>,
}

/// The runs, the last one first.
fn runs(store: &Path) -> io::Result<Vec<Kept>> {
    let mut runs = Vec::new();
    for workload in directories(store)? {
        for time in directories(&store.join(&workload))? {
            let run = store.join(&workload).join(&time);
            if run.join("index.html").exists() {
                runs.push(Kept {
                    verdict: verdict(&run),
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

/// What the results of a run say; `None` if there are none.
fn verdict(run: &Path) -> Option<Validity> {
    let text = fs::read_to_string(run.join("results.json")).ok()?;
    Validity::of(&Edn::from_json(&text).ok()?)
}

fn list(runs: &[Kept]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="color-scheme" content="light dark";
                title { "glomer: runs" }
                style { "body { font: 16px system-ui; margin: 2rem auto; max-width: 48rem; }"
                        "td { padding: .2rem 1.5rem .2rem 0; }"
                        ".valid { color: #2da44e; } .invalid { color: #d1242f; }" }
            }
            body {
                h1 { "Runs" }
                table {
                    @for run in runs {
                        tr {
                            td { a href={ "/" (run.workload) "/" (run.time) "/index.html" } { (run.time) } }
                            td { (run.workload) }
                            @let verdict = run.verdict.map_or("no results".to_owned(), |verdict| verdict.to_string());
                            td class=(verdict) { (verdict) }
                        }
                    }
                }
                @if runs.is_empty() { p { "There are none yet." } }
            }
        }
    };
    page.into_string()
}
