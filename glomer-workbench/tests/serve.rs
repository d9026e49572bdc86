//! `glomer serve` over real connections.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that ends with the test.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(store: &Path) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_glomer"))
            .args(["serve", "--port", "0", "--store"])
            .arg(store)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.strip_prefix("http://").unwrap();
        let address = address.split('/').next().unwrap().to_owned();
        Server { child, address }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn keep(store: &Path, run: &str, results: &str) {
    let run = store.join(run);
    fs::create_dir_all(&run).unwrap();
    fs::write(run.join("index.html"), "<p>the page of the run").unwrap();
    fs::write(run.join("results.json"), results).unwrap();
}

#[test]
fn lists_the_runs_and_serves_their_files_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    keep(
        &store,
        "echo/20260101T000000.000+0100",
        r#"{"valid?": true}"#,
    );
    keep(
        &store,
        "kafka/20260102T000000.000+0100",
        r#"{"valid?": false}"#,
    );
    fs::write(home.path().join("secret"), "not for you").unwrap();
    let server = Server::start(&store);

    let list = server.get("/");
    assert!(list.contains("text/html"), "{list}");
    let (first, second) = (list.find("kafka").unwrap(), list.find("echo").unwrap());
    assert!(first < second, "the last run comes first");
    assert!(list.contains(r#"class="valid">valid"#), "{list}");
    assert!(list.contains(r#"class="invalid">invalid"#), "{list}");

    let run = "/echo/20260101T000000.000+0100";
    let page = server.get(&format!("{run}/index.html"));
    assert!(page.contains("the page of the run"), "{page}");
    let to_page = server.get(run);
    assert!(
        to_page.contains(&format!("Location: {run}/index.html")),
        "{to_page}"
    );
    assert!(
        server
            .get(&format!("{run}/results.json"))
            .contains("application/json")
    );

    for path in ["/no/such/file", "/../secret", "/echo/../../secret"] {
        let answer = server.get(path);
        assert!(answer.contains(" 404 "), "{path}: {answer}");
        assert!(!answer.contains("not for you"));
    }
}

#[test]
fn a_store_that_is_not_there_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_glomer"))
        .args(["serve", "--store", "no-such-store"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(255));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("no-such-store") && text.contains("glomer test"),
        "{text}"
    );
}
