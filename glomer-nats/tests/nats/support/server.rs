//! A nats-server on this host.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Mutex;

use tempfile::TempDir;

use super::Running;

/// Where nobody else can reach it.
const LOOPBACK: &str = "127.0.0.1";

/// A nats-server with JetStream. It ends with the test.
pub(crate) struct Server {
    address: &'static str,
    port: u16,
    options: Vec<String>,
    // It ends before what it keeps goes.
    process: Option<Running>,
    store: TempDir,
}

impl Server {
    /// Starts one; `None`, with a line that says so, where there is none to start.
    ///
    /// It is the program that `NATS_SERVER` names, or the `nats-server` on the PATH.
    ///
    /// # Panics
    ///
    /// Where there is none, if `GLOMER_REQUIRE_NATS` is set.
    pub(crate) fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// The same, with more options.
    pub(crate) fn with(options: &[&str]) -> Option<Self> {
        if !available() {
            return None;
        }
        let options = options.iter().map(|option| (*option).to_owned());
        let mut server = Self::new(LOOPBACK, options.collect());
        server.serve();
        Some(server)
    }

    /// The same, at another address of this host.
    pub(crate) fn at(address: &'static str) -> Option<Self> {
        if !available() {
            return None;
        }
        let mut server = Self::new(address, Vec::new());
        server.serve();
        Some(server)
    }

    /// The program that it would be, where there is one.
    pub(crate) fn program() -> Option<OsString> {
        available().then(program)
    }

    /// Starts some that are one cluster.
    pub(crate) fn cluster(count: usize) -> Option<Vec<Self>> {
        if !available() {
            return None;
        }
        let routes: Vec<String> = (0..count)
            .map(|_| format!("nats://127.0.0.1:{}", free_port()))
            .collect();
        let all = routes.join(",");
        // Servers of another test, should one listen where these did, are none of them.
        let cluster = format!("tested-{:x}", random());
        let member = |(number, route): (usize, &String)| {
            let name = format!("s{number}");
            let options = [
                ("--name", &name),
                ("--cluster_name", &cluster),
                ("--cluster", route),
                ("--routes", &all),
            ];
            let options = options.map(|(option, value)| [option.to_owned(), value.clone()]);
            let mut server = Self::new(LOOPBACK, options.concat());
            server.serve();
            server
        };
        Some(routes.iter().enumerate().map(member).collect())
    }

    fn new(address: &'static str, options: Vec<String>) -> Self {
        Self {
            address,
            port: free_port(),
            store: TempDir::new().unwrap(),
            options,
            process: None,
        }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}:{}", self.address, self.port)
    }

    /// Kills it, as a power failure would.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Waits until it serves: at the same place as before, with the same data.
    pub(crate) fn serve(&mut self) {
        let mut command = Command::new(program());
        command
            .args([
                "-a",
                self.address,
                "-p",
                &self.port.to_string(),
                "-js",
                "-sd",
            ])
            .arg(self.store.path())
            .args(&self.options);
        let process = self.process.insert(Running::of(command));
        // What the last line of a start is: the port for other servers comes after the rest.
        if self.options.iter().any(|option| option == "--cluster") {
            process.tells("Listening for route connections");
        } else {
            process.tells("Server is ready");
        }
    }
}

fn available() -> bool {
    let found = Command::new(program()).arg("--version").output().is_ok();
    if !found {
        let required = env::var_os("GLOMER_REQUIRE_NATS").is_some();
        assert!(
            !required,
            "no nats-server: {} cannot be run",
            program().display()
        );
        eprintln!("skipped: no nats-server on the PATH, and NATS_SERVER names none");
        return false;
    }
    true
}

fn program() -> OsString {
    env::var_os("NATS_SERVER").unwrap_or_else(|| "nats-server".into())
}

/// A port that nobody listens at, most likely also in a moment: it is told once, and is none of
/// those that the system gives to whoever asks for any.
pub(crate) fn free_port() -> u16 {
    static TOLD: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = u16::try_from(10_000 + random() % 20_000).unwrap();
        let is_new = TOLD.lock().unwrap().insert(port);
        if is_new && TcpListener::bind((LOOPBACK, port)).is_ok() {
            return port;
        }
    }
}

/// A number that no other process most likely draws.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
