//! A nats-server on this host.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Where nobody else can reach it.
const LOOPBACK: &str = "127.0.0.1";

/// A nats-server with JetStream. It ends with the test.
pub(crate) struct Server {
    address: &'static str,
    port: u16,
    store: TempDir,
    options: Vec<String>,
    process: Option<Child>,
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
        let member = |(number, route): (usize, &String)| {
            let name = format!("s{number}");
            let options = [
                ("--name", &name),
                ("--cluster_name", &"tested".to_owned()),
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
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Waits until it serves: at the same place as before, with the same data.
    pub(crate) fn serve(&mut self) {
        let mut process = Command::new(program())
            .args([
                "-a",
                self.address,
                "-p",
                &self.port.to_string(),
                "-js",
                "-sd",
            ])
            .arg(self.store.path())
            .args(&self.options)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        self.process = Some(process);
        let mut told = String::new();
        while !told.ends_with("Server is ready\n") {
            assert_ne!(log.read_line(&mut told).unwrap(), 0, "it ended:\n{told}");
        }
        // It would be held up by a full pipe.
        std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
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

/// A port that nobody listens at, most likely also in a moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
