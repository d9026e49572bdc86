//! A nats-server for a try.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::Result;

/// Where a NATS server is expected; and what asks for any port.
const PORTS: [&str; 2] = ["4222", "-1"];

/// What it logs.
const LOG: &str = "nats-server.log";

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long to wait between two looks whether it has started.
const LOOK: Duration = Duration::from_millis(20);

/// A nats-server on loopback. It ends when it is dropped.
pub(super) struct Server {
    pub(super) url: String,
    _process: Child,
}

/// What the server writes to a file once it listens.
#[derive(Deserialize)]
struct Listens {
    nats: Vec<String>,
}

impl Server {
    /// Starts the one that `NATS_SERVER` names, or that is on the PATH, with what it keeps in
    /// `folder`, and waits until it listens: where a server is expected, if nobody else does.
    ///
    /// # Errors
    /// If there is none, or it does not start.
    pub(super) async fn start(folder: &Path) -> Result<Self> {
        let program = env::var_os("NATS_SERVER").unwrap_or_else(|| OsString::from("nats-server"));
        for port in PORTS {
            if let Some(server) = Self::at(port, &program, folder).await? {
                return Ok(server);
            }
        }
        let log = fs::read_to_string(folder.join(LOG)).unwrap_or_default();
        Err(format!("{} does not start: {log}", program.display()).into())
    }

    /// Starts one at a port; `None` if it does not start.
    async fn at(port: &str, program: &OsStr, folder: &Path) -> Result<Option<Self>> {
        let mut process = Command::new(program)
            .args(["-a", "127.0.0.1", "-p", port, "-js", "-sd"])
            .arg(folder.join("jetstream"))
            .arg("-l")
            .arg(folder.join(LOG))
            .arg("--ports_file_dir")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C ends the nodes first.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => format!(
                    "there is no {}: install one from \
                     https://github.com/nats-io/nats-server/releases, have NATS_SERVER name it, \
                     or give --server for one that runs",
                    program.display()
                ),
                _ => format!("{} cannot be run: {error}", program.display()),
            })?;
        let late = Instant::now() + PATIENCE;
        while Instant::now() < late && process.try_wait()?.is_none() {
            if let Some(url) = url(folder)? {
                return Ok(Some(Self {
                    url,
                    _process: process,
                }));
            }
            sleep(LOOK).await;
        }
        Ok(None)
    }
}

/// Where the server in a folder listens, if it does already.
fn url(folder: &Path) -> Result<Option<String>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("ports"))
            // It may be written at this moment.
            && let Ok(listens) = serde_json::from_slice::<Listens>(&fs::read(path)?)
        {
            return Ok(listens.nats.into_iter().next());
        }
    }
    Ok(None)
}
