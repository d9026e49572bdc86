//! `glomer serve` over real connections.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use scraper::{ElementRef, Html, Selector};
use tempfile::TempDir;

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

fn keep(store: &Path, run: &str, (file, contents): (&str, &str)) {
    let run = store.join(run);
    fs::create_dir_all(&run).unwrap();
    fs::write(run.join("index.html"), "<p>the page of the run").unwrap();
    fs::write(run.join(file), contents).unwrap();
}

/// What the list shows, run by run.
fn runs(list: &str) -> Vec<String> {
    let (_, page) = list.split_once("\r\n\r\n").unwrap();
    let page = Html::parse_document(page);
    let text = |element: ElementRef<'_>| {
        let words: Vec<&str> = element.text().flat_map(str::split_whitespace).collect();
        words.join(" ")
    };
    let runs = Selector::parse(".runs li").unwrap();
    page.select(&runs).map(text).collect()
}

#[test]
fn lists_the_runs_and_serves_their_files_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    keep(
        &store,
        "echo/20260101T000000.000+0100",
        ("results.json", r#"{"valid?": true}"#),
    );
    keep(
        &store,
        "kafka/20260102T000000.000+0100",
        ("results.json", r#"{"valid?": false}"#),
    );
    fs::write(home.path().join("secret"), "not for you").unwrap();
    let server = Server::start(&store);

    let list = server.get("/");
    assert!(list.contains("text/html"), "{list}");
    assert_eq!(
        runs(&list),
        [
            "invalid kafka 2026-01-02 00:00:00",
            "valid echo 2026-01-01 00:00:00"
        ],
        "the last run comes first"
    );

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

const LOST: &str = r#"{"verdict": "invalid", "reason": "value <7> is lost", "nodes": 5,
    "options": [["rate", "100 per s"], ["a-name-as-long-as-they-come", "and-a-value-without-a-space"]],
    "faults": ["partition", "kill"], "clock": "virtual", "seed": 12345678901234567890,
    "seconds": 30.04}"#;
const FINE: &str = r#"{"verdict": "valid", "reason": null, "nodes": 1, "options": [], "faults": [],
    "clock": "real", "seed": 7, "seconds": 10.0}"#;

/// A store with three runs, one of which has a smaller one.
fn three_runs() -> TempDir {
    let store = TempDir::new().unwrap();
    for (run, contents) in [
        ("echo/20260101T000000.000+0100", FINE),
        ("broadcast/20260102T000000.000+0100", FINE),
        ("broadcast/20260103T000000.000+0100", LOST),
        ("broadcast/20260103T000000.000+0100/smallest", LOST),
    ] {
        keep(store.path(), run, ("run.json", contents));
    }
    store
}

#[test]
fn a_run_is_listed_with_what_was_asked_and_what_is_wrong() {
    let store = three_runs();
    let server = Server::start(store.path());
    let list = server.get("/");
    assert_eq!(
        runs(&list),
        [
            "invalid broadcast 2026-01-03 00:00:00 value <7> is lost \
             The smallest run that fails in the same way \
             5 nodes partition, kill 30.0 s virtual time seed 12345678901234567890 \
             rate 100 per s a-name-as-long-as-they-come and-a-value-without-a-space",
            "valid broadcast 2026-01-02 00:00:00 1 node 10.0 s real time seed 7",
            "valid echo 2026-01-01 00:00:00 1 node 10.0 s real time seed 7",
        ]
    );
    let smallest = "/broadcast/20260103T000000.000+0100/smallest/index.html";
    assert!(list.contains(&format!("href=\"{smallest}\"")), "{list}");
    assert!(server.get(smallest).contains("the page of the run"));
}

#[test]
fn links_lead_to_the_runs_of_a_workload_or_a_verdict() {
    let store = three_runs();
    let server = Server::start(store.path());
    let links = |list: &str| {
        let page = Html::parse_document(list);
        let links = Selector::parse(".choices a").unwrap();
        let links = page.select(&links).map(|link| {
            let text: String = link.text().collect();
            let chosen = link.attr("aria-current").map_or("", |_| "*");
            (
                format!("{text}{chosen}"),
                link.attr("href").unwrap().to_owned(),
            )
        });
        links.collect::<Vec<_>>()
    };
    let list = server.get("/?workload=broadcast");
    assert_eq!(runs(&list).len(), 2);
    let links = links(&list);
    let texts: Vec<&str> = links.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "every workload 3",
            "broadcast 2*",
            "echo 1",
            "every verdict 2*",
            "invalid 1",
            "valid 1"
        ]
    );
    let followed = |place: usize| runs(&server.get(&links[place].1));
    assert_eq!(followed(0).len(), 3);
    assert!(followed(2)[0].starts_with("valid echo"));
    assert!(followed(4)[0].starts_with("invalid broadcast"));
    assert_eq!(followed(5).len(), 1);
    assert_eq!(runs(&server.get("/?workload=kafka")).len(), 0);
}

#[test]
fn the_list_fits_a_phone_and_a_desktop() {
    let store = three_runs();
    let list = Server::start(store.path()).get("/");
    let (_, page) = list.split_once("\r\n\r\n").unwrap();
    let file = store.path().join("list.html");
    fs::write(&file, page).unwrap();
    super::browser::fits(&file);
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
