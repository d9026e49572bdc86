//! A small run with everything in it that a report has a way to show.

use std::fs;
use std::sync::Arc;

use glomer_runtime::sim::Dropped;
use glomer_workbench::checker::Validity;
use glomer_workbench::edn::Edn;
use glomer_workbench::history::History;
use glomer_workbench::report::{self, Input};
use glomer_workbench::results::Ending;
use glomer_workbench::run::journal::{EventKind, Journal};
use glomer_workbench::run::nemesis::Faults;
use glomer_workbench::why::Why;
use glomer_workbench::workload::{AnyWorkload, Broadcast};
use tempfile::TempDir;

/// Ten seconds: a partition from 2 s to 6 s, an operation of each outcome.
pub(crate) const HISTORY: &str = r#"
{:index 0, :time 1000000000, :type :invoke, :process 0, :f :broadcast, :value 7}
{:index 1, :time 1010000000, :type :ok, :process 0, :f :broadcast, :value 7}
{:index 2, :time 2000000000, :type :info, :process :nemesis, :f :start-partition, :value :one}
{:index 3, :time 2001000000, :type :info, :process :nemesis, :f :start-partition, :value [:isolated {"n1" #{"n0"}}]}
{:index 4, :time 3000000000, :type :invoke, :process 1, :f :read, :value nil}
{:index 5, :time 3100000000, :type :fail, :process 1, :f :read, :value nil, :error [:unavailable "cut <b>off</b>"]}
{:index 6, :time 4000000000, :type :invoke, :process 0, :f :broadcast, :value 8}
{:index 7, :time 5000000000, :type :info, :process 0, :f :broadcast, :value 8, :error :net-timeout}
{:index 8, :time 6000000000, :type :info, :process :nemesis, :f :stop-partition, :value nil}
{:index 9, :time 6001000000, :type :info, :process :nemesis, :f :stop-partition, :value :network-healed}
{:index 10, :time 9990000000, :type :invoke, :process 1, :f :read, :value nil, :final? true}
{:index 11, :time 10000000000, :type :ok, :process 1, :f :read, :value [7 8], :final? true}
"#;

pub(crate) const RESULTS: &str = r#"
{:stats {:valid? true, :count 4, :by-f {:read {:valid? true, :count 2}}},
 :net {:all {:msg-count 1234, :msgs-per-op 308.5},
       :servers {:msg-count 9, :msgs-per-op 2.25},
       :valid? true},
 :workload {:valid? false, :lost-count 1, :lost (7), :stale-count 0, :stable-latencies {0 0, 0.5 12, 1 40}},
 :valid? false}
"#;

/// What a hostile or merely unlucky node may send.
pub(crate) const HOSTILE: &str = r#"{"type":"broadcast","message":"\"<script>document.title = 'owned'</script>\" & ]]>","msg_id":1}"#;

/// A journal under construction, in the words of the network.
#[derive(Default)]
pub(crate) struct Net(pub(crate) Journal);

impl Net {
    fn record(&mut self, kind: EventKind, (ms, id): (i64, u64), way: (&str, &str), body: &str) {
        let [src, dest, body]: [Arc<str>; 3] = [way.0.into(), way.1.into(), body.into()];
        self.0.record(ms * 1_000_000, kind, id, &src, &dest, &body);
    }

    pub(crate) fn send(&mut self, at: (i64, u64), way: (&str, &str), body: &str) {
        self.record(EventKind::Send, at, way, body);
    }

    pub(crate) fn recv(&mut self, at: (i64, u64), way: (&str, &str), body: &str) {
        self.record(EventKind::Recv, at, way, body);
    }

    pub(crate) fn lose(&mut self, at: (i64, u64), way: (&str, &str), body: &str) {
        self.record(EventKind::Drop(Dropped::Partition), at, way, body);
    }
}

/// The journal that goes with [`HISTORY`].
pub(crate) fn journal() -> Journal {
    let mut net = Net::default();
    let init = r#"{"type":"init","node_id":"n0","node_ids":["n0","n1"],"msg_id":1}"#;
    net.send((1, 0), ("c9", "n0"), init);
    net.recv((2, 0), ("c9", "n0"), init);
    net.send((1000, 1), ("c10", "n0"), HOSTILE);
    net.recv((1001, 1), ("c10", "n0"), HOSTILE);
    let gossip = r#"{"type":"gossip","message":7}"#;
    net.send((1002, 2), ("n0", "n1"), gossip);
    net.recv((1003, 2), ("n0", "n1"), gossip);
    let read = r#"{"type":"read","key":"x","msg_id":5}"#;
    net.send((1004, 3), ("n1", "lin-kv"), read);
    net.recv((1005, 3), ("n1", "lin-kv"), read);
    let error = r#"{"type":"error","code":20,"text":"no such key","in_reply_to":5}"#;
    net.send((1006, 4), ("lin-kv", "n1"), error);
    net.recv((1007, 4), ("lin-kv", "n1"), error);
    let lost = r#"{"type":"gossip","message":8}"#;
    net.send((3000, 5), ("n0", "n1"), lost);
    net.lose((3001, 5), ("n0", "n1"), lost);
    net.0
}

/// A report in a directory of its own.
pub(crate) struct Report(pub(crate) TempDir);

impl Report {
    /// The report of [`HISTORY`], [`RESULTS`] and [`journal`], as `change` has it.
    pub(crate) fn with(change: impl FnOnce(&mut Parts)) -> Self {
        let mut parts = Parts {
            workload: AnyWorkload::new(Broadcast::default()),
            history: HISTORY.to_string(),
            results: RESULTS.to_string(),
            journal: journal(),
            nemesis: Faults::built_in(),
            why: Why::default(),
            problem: None,
            log: "first\n\u{1b}[31mlast <line>\u{1b}[0m\n".to_string(),
        };
        change(&mut parts);
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("node-logs")).unwrap();
        fs::write(dir.path().join("node-logs/n0.log"), &parts.log).unwrap();
        let results = Edn::parse(&parts.results).unwrap();
        let run = Input {
            workload: &parts.workload,
            options: &[
                ("node-count".into(), "2".into()),
                ("bin".into(), "a<b".into()),
            ],
            seed: 4711,
            replay: "glomer test -w broadcast --seed 4711 -- 'a && b'",
            problem: parts.problem.as_deref(),
            history: &History::from_edn(&parts.history).unwrap(),
            nemesis: &parts.nemesis,
            journal: &parts.journal,
            results: &results,
            why: &parts.why,
            ending: if parts.problem.is_some() {
                Ending::Broken
            } else {
                Ending::of(None, Validity::of(&results).unwrap())
            },
            logs: &[
                ("n0".into(), "node-logs/n0.log".into()),
                ("n1".into(), "node-logs/never-started.log".into()),
            ],
            files: &["results.edn".into()],
        };
        report::write(dir.path(), &run).unwrap();
        Self(dir)
    }

    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// The text of one of its files.
    pub(crate) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }
}

/// What a test may change about the run.
pub(crate) struct Parts {
    pub(crate) workload: AnyWorkload,
    pub(crate) history: String,
    pub(crate) results: String,
    pub(crate) journal: Journal,
    pub(crate) nemesis: Faults,
    pub(crate) why: Why,
    pub(crate) problem: Option<String>,
    pub(crate) log: String,
}
