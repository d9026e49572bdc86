//! A nats-server for a try.

use std::env;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::Result;

/// Where a NATS server is expected.
const PORT: u16 = 4222;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long to wait between two looks whether it has started.
const LOOK: Duration = Duration::from_millis(20);

/// A nats-server on loopback. It ends when it is dropped.
pub(super) struct Server {
    pub(super) url: String,
    _process: Child,
}

impl Server {
    /// Starts the one that `NATS_SERVER` names, or that is on the PATH, with what it keeps in
    /// `folder`, and waits until it listens.
    ///
    /// # Errors
    /// If there is none, or it does not start.
    pub(super) async fn start(folder: &Path) -> Result<Self> {
        let program = env::var_os("NATS_SERVER").unwrap_or_else(|| OsString::from("nats-server"));
        let port = free_port()?;
        let log = folder.join("nats-server.log");
        let mut process = Command::new(&program)
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
            .arg(folder.join("jetstream"))
            .arg("-l")
            .arg(&log)
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
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .is_err()
        {
            if process.try_wait()?.is_some() || Instant::now() > late {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                let program = program.display();
                return Err(format!("{program} does not start: {log}").into());
            }
            sleep(LOOK).await;
        }
        Ok(Self {
            url: format!("nats://127.0.0.1:{port}"),
            _process: process,
        })
    }
}

/// The port where a server is expected, or any other.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(listener.local_addr()?.port())
}
