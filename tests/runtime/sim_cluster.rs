//! Clusters in virtual time, through the public interface.

use glomer_runtime::prelude::*;
use glomer_runtime::sim::service::Service;
use glomer_runtime::sim::{Cluster, Fate, Host, Latency, Program, What, ms, secs};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

// A node that floods what it hears.

#[derive(Default)]
struct Flood {
    messages: BTreeSet<u64>,
}

#[handler("broadcast")]
fn broadcast(state: &mut Flood, cx: &Context, message: u64) {
    if state.messages.insert(message) {
        for peer in cx.peers() {
            cx.send(peer, Broadcast { message });
        }
    }
}

#[handler("read", reply = "messages")]
fn read(state: &Flood) -> BTreeSet<u64> {
    state.messages.clone()
}

// A node that tells one random peer all it knows, now and then, if it learned anything new.

#[derive(Default)]
struct Gossip {
    values: BTreeSet<u64>,
    /// For how many more turns there is something to tell.
    turns: u32,
}

#[handler("add")]
fn add(state: &mut Gossip, element: u64) {
    state.values.insert(element);
    state.turns = 20;
}

#[handler("merge")]
fn merge(state: &mut Gossip, values: BTreeSet<u64>) {
    let before = state.values.len();
    state.values.extend(values);
    if state.values.len() > before {
        state.turns = 20;
    }
}

#[handler("elements", reply = "value")]
fn elements(state: &Gossip) -> BTreeSet<u64> {
    state.values.clone()
}

#[every("50ms")]
fn gossip(state: &mut Gossip, cx: &Context) {
    if state.turns > 0 {
        state.turns -= 1;
        let peers: Vec<&str> = cx.peers().collect();
        if let Some(peer) = cx.rng().choose(&peers) {
            let values = state.values.clone();
            cx.send(peer, Merge { values });
        }
    }
}

// A node to look into.

struct Probe {
    name: String,
    log: Vec<(Duration, u64)>,
}

fn probe(nodes: usize) -> glomer_runtime::sim::Builder<Probe> {
    Cluster::with(nodes, |init| Probe {
        name: init.node_id.clone(),
        log: Vec::new(),
    })
}

#[handler("note")]
fn note(state: &mut Probe, cx: &Context, n: u64) {
    state.log.push((cx.now(), n));
}

#[handler("notes", reply = "notes")]
fn notes(state: &Probe) -> Vec<(Duration, u64)> {
    state.log.clone()
}

#[handler("who", reply = "who")]
fn who(state: &Probe, cx: &Context) -> (String, String, u64) {
    let drawn = cx.rng().next_u64();
    (state.name.clone(), cx.sender().to_owned(), drawn)
}

#[handler("tell")]
fn tell(_: &Probe, cx: &Context, to: String, n: u64) {
    cx.send(to, Note { n });
}

#[handler("slow", reply = "n")]
async fn slow(state: &Shared<Probe>, cx: &Context, n: u64) -> u64 {
    cx.sleep(ms(300)).await;
    state.with(|s| s.log.push((cx.now(), n)));
    n
}

#[handler("ask", reply = "who")]
async fn ask(
    _: &Shared<Probe>,
    cx: &Context,
    peer: String,
) -> Result<(String, String, u64), Error> {
    cx.rpc(peer, Who {}).await
}

#[handler("fail")]
fn fail(_: &Probe) -> Result<(), Error> {
    Err(Error::precondition_failed("as you wish"))
}

#[handler("die")]
fn die(_: &Probe) {
    panic!("as you wish");
}

#[handler("count", reply = "sum")]
async fn count(_: &Shared<Probe>, cx: &Context) -> Result<u64, Error> {
    let kv = cx.seq_kv();
    loop {
        let sum: u64 = kv.read_or("sum", 0).await?;
        match kv.cas_or_create("sum", sum, sum + 1).await {
            Err(error) if error.code() == 22 => continue,
            Err(error) => return Err(error),
            Ok(()) => return Ok(sum + 1),
        }
    }
}

#[handler("stamp", reply = "ts")]
async fn stamp(_: &Shared<Probe>, cx: &Context) -> Result<u64, Error> {
    cx.lin_tso().ts().await
}

/// Whether the link carries messages, in this direction.
fn reaches(cluster: &mut Cluster<Probe>, from: &str, to: &str) -> bool {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let to_name = to.to_owned();
    cluster.call(from, Tell { to: to_name, n }).unwrap();
    cluster.run_for(secs(1));
    let notes = cluster.call(to, Notes {}).unwrap();
    notes.iter().any(|(_, noted)| *noted == n)
}

#[test]
fn survives_a_partition() {
    let mut cluster = Cluster::<Gossip>::new(5)
        .seed(42)
        .latency(Latency::constant(ms(100)))
        .start();
    cluster.partition(["n0", "n1"], ["n2", "n3", "n4"]);
    cluster.call("n0", Add { element: 7 }).unwrap();
    cluster.run_for(ms(800));
    assert!(cluster.call("n1", Elements {}).unwrap().contains(&7));
    assert!(!cluster.call("n4", Elements {}).unwrap().contains(&7));
    cluster.heal();
    cluster.run_for(secs(5));
    assert!(cluster.call("n4", Elements {}).unwrap().contains(&7));
}

#[test]
fn time_passes_in_calls_as_messages_take_it() {
    let mut cluster = probe(2).latency(Latency::constant(ms(100))).start();
    assert_eq!(cluster.now(), ms(0));
    let (name, sender, _) = cluster.call("n1", Who {}).unwrap();
    assert_eq!((name.as_str(), sender.as_str()), ("n1", "c1"));
    assert_eq!(cluster.now(), ms(0), "clients are beside the nodes");
    let (name, sender, _) = cluster.call("n0", Ask { peer: "n1".into() }).unwrap();
    assert_eq!((name.as_str(), sender.as_str()), ("n1", "n0"));
    assert_eq!(cluster.now(), ms(200));
    assert_eq!(cluster.call("n0", Slow { n: 3 }).unwrap(), 3);
    assert_eq!(cluster.now(), ms(500));
    assert_eq!(cluster.call("n0", Notes {}).unwrap(), [(ms(500), 3)]);
    cluster.run_for(secs(100_000));
    assert_eq!(cluster.now(), ms(500) + secs(100_000));
}

#[test]
fn answers_that_are_errors_are_errors() {
    let mut cluster = probe(1).tolerate_panics().start();
    let error = cluster.call("n0", Fail {}).unwrap_err();
    assert_eq!((error.code(), error.text()), (22, "as you wish"));
    assert_eq!(cluster.log().len(), 0);
    assert_eq!(cluster.call("n0", Die {}).unwrap_err().code(), 13);
    let (_, node, record) = cluster.log().next().unwrap();
    assert_eq!(node, "n0");
    assert!(record.text.contains("as you wish"), "{}", record.text);
    assert!(cluster.call("n0", Notes {}).is_ok());
}

#[test]
fn many_clients_wait_at_once() {
    let mut cluster = probe(3).start();
    let first = cluster.invoke("n0", Slow { n: 1 });
    let second = cluster.invoke("n0", Slow { n: 2 });
    let who = cluster.invoke("n1", Who {});
    assert!(cluster.result(first).is_none());
    cluster.run_for(ms(299));
    assert!(cluster.result(first).is_none() && cluster.result(second).is_none());
    assert_eq!(cluster.result(who).unwrap().unwrap().1, "c3");
    assert_eq!(cluster.wait(second).unwrap(), 2);
    assert_eq!(cluster.result(first).unwrap().unwrap(), 1);
    assert_eq!(cluster.now(), ms(300));

    let history = cluster.history();
    let clients: Vec<&str> = history.iter().map(|op| &*op.client).collect();
    assert_eq!(clients, ["c1", "c2", "c3"]);
    assert_eq!(history[1].request::<Slow>().unwrap().n, 2);
    assert_eq!(history[1].reply::<Slow>().unwrap().unwrap(), 2);
    assert!(history[1].request::<Who>().is_none());
    assert_eq!(
        (history[1].invoked, history[1].completed),
        (ms(0), Some(ms(300)))
    );

    // The clients are free again, the first first.
    cluster.call("n0", Who {}).unwrap();
    assert_eq!(&*cluster.history()[3].client, "c1");
}

#[test]
fn a_client_gives_up_and_ignores_what_comes_late() {
    let mut cluster = probe(1).timeout(ms(250)).start();
    let error = cluster.call("n0", Slow { n: 1 }).unwrap_err();
    assert_eq!(error.code(), 0);
    assert!(error.text().contains("no answer from n0 within 250ms"));
    assert_eq!(cluster.now(), ms(250));
    cluster.run_for(secs(1));
    assert_eq!(
        cluster.call("n0", Notes {}).unwrap(),
        [(ms(300), 1)],
        "it happened"
    );
    let history = cluster.history();
    assert_eq!(history[0].completed, Some(ms(250)));
    assert_eq!(history[0].reply::<Slow>().unwrap().unwrap_err().code(), 0);
    assert_eq!(
        &*history[1].client, "c2",
        "c1 still waits for the first, so to say"
    );
}

#[test]
fn a_partition_cuts_both_directions_or_one() {
    let mut cluster = probe(3).latency(Latency::constant(ms(10))).start();
    cluster.partition(["n0"], ["n1"]);
    assert!(!reaches(&mut cluster, "n0", "n1") && !reaches(&mut cluster, "n1", "n0"));
    assert!(reaches(&mut cluster, "n0", "n2") && reaches(&mut cluster, "n2", "n1"));
    cluster.heal();
    assert!(reaches(&mut cluster, "n0", "n1"));
    cluster.partition_one_way(["n0"], ["n1", "n2"]);
    assert!(!reaches(&mut cluster, "n0", "n1") && !reaches(&mut cluster, "n0", "n2"));
    assert!(reaches(&mut cluster, "n1", "n0") && reaches(&mut cluster, "n2", "n0"));
    assert!(
        cluster.call("n0", Who {}).is_ok(),
        "clients are not partitioned"
    );
    assert!(
        cluster.call("n0", Stamp {}).is_ok(),
        "services are not partitioned"
    );
    cluster.partition(["n0"], ["lin-tso"]);
    assert_eq!(cluster.call("n0", Stamp {}).unwrap_err().code(), 0);
}

#[test]
fn a_slow_link_is_overtaken() {
    let mut cluster = probe(2).latency(Latency::constant(ms(10))).start();
    let tell = |n| Tell { to: "n1".into(), n };
    cluster.set_link_latency("n0", "n1", Latency::constant(ms(70)));
    cluster.call("n0", tell(1)).unwrap();
    cluster.set_link_latency("n0", "n1", Latency::constant(ms(20)));
    cluster.call("n0", tell(2)).unwrap();
    cluster.slow(10.0);
    cluster.call("n0", tell(3)).unwrap();
    cluster.slow(1.0);
    cluster.run_for(secs(1));
    let notes = cluster.call("n1", Notes {}).unwrap();
    assert_eq!(notes, [(ms(20), 2), (ms(70), 1), (ms(200), 3)]);
    cluster.set_link_latency("n0", "n1", None);
    cluster.call("n0", tell(5)).unwrap();
    cluster.run_for(ms(10));
    let notes = cluster.call("n1", Notes {}).unwrap();
    assert_eq!(notes.last(), Some(&(ms(1010), 5)));
    cluster.set_latency(Latency::constant(ms(1)));
    cluster
        .call(
            "n1",
            Tell {
                to: "n0".into(),
                n: 4,
            },
        )
        .unwrap();
    cluster.run_for(secs(1));
    assert_eq!(cluster.call("n0", Notes {}).unwrap(), [(ms(1011), 4)]);
}

#[test]
fn a_paused_node_goes_on_where_it_was() {
    let mut cluster = probe(2).latency(Latency::constant(ms(10))).start();
    let slow = cluster.invoke("n1", Slow { n: 1 });
    cluster.run_for(ms(100));
    cluster.pause("n1");
    for n in 2..4 {
        cluster.call("n0", Tell { to: "n1".into(), n }).unwrap();
    }
    cluster.run_for(ms(900));
    assert!(cluster.result(slow).is_none());
    cluster.resume("n1");
    let notes = cluster.call("n1", Notes {}).unwrap();
    assert_eq!(notes, [(ms(1000), 2), (ms(1000), 3), (ms(1000), 1)]);
    assert_eq!(cluster.now(), ms(1000));
    assert_eq!(cluster.wait(slow).unwrap(), 1);
}

#[test]
fn a_crashed_node_forgets_all() {
    let mut cluster = probe(2).latency(Latency::constant(ms(10))).start();
    let (_, _, before) = cluster.call("n1", Who {}).unwrap();
    cluster.call("n1", Note { n: 1 }).unwrap();
    let slow = cluster.invoke("n1", Slow { n: 2 });
    cluster
        .call(
            "n1",
            Tell {
                to: "n0".into(),
                n: 9,
            },
        )
        .unwrap();
    cluster.crash("n1");
    cluster
        .call(
            "n0",
            Tell {
                to: "n1".into(),
                n: 3,
            },
        )
        .unwrap();
    assert_eq!(
        cluster.call("n1", Who {}).unwrap_err().code(),
        0,
        "nobody answers"
    );
    assert_eq!(
        cluster.call("n0", Notes {}).unwrap(),
        [(ms(10), 9)],
        "its last words arrive"
    );
    assert_eq!(cluster.traffic().dropped, 2);

    cluster.restart("n1");
    assert_eq!(cluster.call("n1", Notes {}).unwrap(), []);
    let (name, _, after) = cluster.call("n1", Who {}).unwrap();
    assert_eq!(name, "n1");
    assert_ne!(before, after, "each start has its own random numbers");
    assert_eq!(cluster.wait(slow).unwrap_err().code(), 0);
    assert!(reaches(&mut cluster, "n0", "n1") && reaches(&mut cluster, "n1", "n0"));
    // A running node is ended first.
    cluster.call("n0", Note { n: 1 }).unwrap();
    cluster.restart("n0");
    assert_eq!(cluster.call("n0", Notes {}).unwrap(), []);
}

#[test]
fn the_services_are_there() {
    let mut cluster = probe(3).latency(Latency::uniform(ms(10))).seed(5).start();
    let calls: Vec<_> = (0..30)
        .map(|i| cluster.invoke(["n0", "n1", "n2"][i % 3], Count {}))
        .collect();
    let sums: BTreeSet<u64> = calls
        .into_iter()
        .map(|call| cluster.wait(call).unwrap())
        .collect();
    assert_eq!(sums, (1..=30).collect());
    assert_eq!(cluster.call("n0", Stamp {}).unwrap(), 0);
    assert_eq!(cluster.call("n1", Stamp {}).unwrap(), 1);
    let traffic = cluster.traffic();
    assert!(traffic.services.messages >= 120 && traffic.servers.messages == 0);
}

#[test]
fn a_service_of_your_own_is_reached_like_the_others() {
    struct Oracle;
    impl Service for Oracle {
        fn handle(&mut self, _: Duration, _: &str, _: &str, _: &mut Rng) -> Option<String> {
            Some(json!({"type": "who_ok", "who": ["oracle", "nobody", 42]}).to_string())
        }
    }
    use glomer_runtime::Rng;
    let mut cluster = probe(1).service("oracle", Oracle).start();
    let answer = cluster.call(
        "n0",
        Ask {
            peer: "oracle".into(),
        },
    );
    assert_eq!(answer.unwrap().2, 42);
}

#[test]
fn quiet_is_when_nothing_happens_by_itself() {
    let mut cluster = Cluster::<Flood>::new(5)
        .latency(Latency::constant(ms(100)))
        .start();
    assert!(cluster.run_until_quiet(secs(1)));
    assert_eq!(cluster.now(), ms(0));
    cluster.call("n0", Broadcast { message: 1 }).unwrap();
    assert!(!cluster.run_until_quiet(ms(150)));
    assert_eq!(cluster.now(), ms(150));
    assert!(cluster.run_until_quiet(secs(60)));
    assert_eq!(cluster.now(), ms(200));
    let everywhere = cluster.nodes().map(str::to_owned).collect::<Vec<_>>();
    for node in everywhere {
        assert_eq!(cluster.call(&node, Read {}).unwrap(), BTreeSet::from([1]));
    }

    // With periodic functions, they must have had their turn and sent nothing.
    let mut cluster = Cluster::<Gossip>::new(5)
        .seed(1)
        .latency(Latency::constant(ms(1)))
        .start();
    cluster.call("n0", Add { element: 1 }).unwrap();
    assert!(cluster.run_until_quiet(secs(60)));
    let at = cluster.now();
    assert!(
        at >= ms(20 * 50),
        "quiet at {at:?}, while there was still something to tell"
    );
    let sent = cluster.traffic();
    cluster.run_for(secs(100));
    assert_eq!(cluster.traffic(), sent);
    assert!(cluster.call("n4", Elements {}).unwrap().contains(&1));

    // Handlers that wait are not quiet.
    let mut cluster = probe(1).start();
    let slow = cluster.invoke("n0", Slow { n: 1 });
    assert!(cluster.run_until_quiet(secs(60)));
    assert_eq!(cluster.now(), ms(300));
    assert!(cluster.result(slow).is_some());
}

#[test]
fn a_thousand_nodes_are_a_cluster() {
    let mut cluster = Cluster::<Gossip>::new(1_000)
        .seed(1)
        .latency(Latency::uniform(ms(20)))
        .start();
    cluster.call("n999", Add { element: 7 }).unwrap();
    assert!(cluster.run_until_quiet(secs(60)));
    let names: Vec<String> = cluster.nodes().map(str::to_owned).collect();
    for name in names {
        assert!(
            cluster.call(&name, Elements {}).unwrap().contains(&7),
            "{name}"
        );
    }
    assert_eq!(cluster.traffic().servers.messages, 20 * 1_000);
}

#[test]
fn traffic_is_counted_by_kind_type_and_node() {
    let mut cluster = Cluster::<Flood>::new(3)
        .latency(Latency::constant(ms(100)))
        .start();
    let init = cluster.traffic();
    assert_eq!(init.clients.messages, 6);
    assert_eq!(init.by_type["init"].messages, 3);
    assert_eq!(init.by_type["init_ok"].messages, 3);

    cluster.call("n0", Broadcast { message: 1 }).unwrap();
    cluster.run_for(secs(1));
    let traffic = cluster.traffic().since(&init);
    // Two by n0, and two by each of the others.
    assert_eq!(traffic.servers.messages, 6);
    assert_eq!(traffic.clients.messages, 2);
    assert_eq!((traffic.delivered, traffic.dropped), (8, 0));
    assert_eq!(traffic.sent_by["n0"].messages, 3);
    assert_eq!(traffic.sent_by["c1"].messages, 1);
    assert_eq!(traffic.received_by["n0"].messages, 3);
    let line = r#"{"src":"n0","dest":"n1","body":{"type":"broadcast","message":1}}"#;
    assert_eq!(traffic.servers.bytes, 6 * line.len() as u64);
    let types: Vec<&str> = traffic.by_type.keys().map(String::as_str).collect();
    assert_eq!(types, ["broadcast", "broadcast_ok"]);

    cluster.set_loss(1.0);
    let before = cluster.traffic();
    cluster.call("n0", Broadcast { message: 2 }).unwrap();
    cluster.run_for(secs(1));
    assert_eq!(cluster.traffic().since(&before).dropped, 2);
    cluster.set_loss(0.0);
    cluster.set_duplicate(1.0);
    let before = cluster.traffic();
    cluster.call("n1", Broadcast { message: 3 }).unwrap();
    cluster.run_for(secs(1));
    let traffic = cluster.traffic().since(&before);
    assert_eq!((traffic.servers.messages, traffic.delivered), (6, 14));
}

/// A run with all faults, and everything there is to tell about it.
fn faulty_run(seed: u64) -> String {
    let mut cluster = Cluster::<Gossip>::new(5)
        .seed(seed)
        .latency(Latency::exponential(ms(30)))
        .record_all()
        .start();
    cluster.set_loss(0.1);
    cluster.set_duplicate(0.1);
    for element in 0..100 {
        let node = format!("n{}", element % 5);
        cluster.invoke(&node, Add { element });
        match element {
            10 => cluster.partition(["n0", "n1"], ["n2", "n3", "n4"]),
            20 => cluster.crash("n3"),
            30 => cluster.partition_one_way(["n4"], ["n2"]),
            40 => cluster.restart("n3"),
            50 => cluster.pause("n1"),
            60 => cluster.heal(),
            70 => cluster.resume("n1"),
            80 => cluster.slow(3.0),
            _ => {}
        }
        cluster.run_for(ms(20));
    }
    let quiet = cluster.run_until_quiet(secs(60));
    format!(
        "{quiet} {:?}\n{:#?}\n{:?}\n{}",
        cluster.now(),
        cluster.history(),
        cluster.traffic(),
        cluster.journal()
    )
}

#[test]
fn the_same_seed_gives_the_same_history_to_the_byte() {
    let first = faulty_run(42);
    assert_eq!(first, faulty_run(42));
    assert!(first.contains("\"partitioned\"") && first.contains("\"lost\""));
    assert!(first.contains("\"down\"") && first.lines().count() > 1_000);
    assert_ne!(first, faulty_run(43));
}

#[test]
fn the_journal_tells_every_event() {
    let mut cluster = probe(2)
        .latency(Latency::constant(ms(5)))
        .record_all()
        .start();
    cluster
        .call(
            "n0",
            Tell {
                to: "n1".into(),
                n: 1,
            },
        )
        .unwrap();
    cluster.partition(["n0"], ["n1"]);
    cluster.run_for(secs(1));
    cluster.inject("n1", "rubbish\u{1}");
    let journal = cluster.journal();
    assert_eq!(journal.forgotten(), 0);
    let (mut sent, mut ended, mut others) = (0, 0, Vec::new());
    for entry in journal.entries() {
        match entry.what {
            What::Sent { .. } => sent += 1,
            What::Arrived { fate, .. } => ended += u32::from(fate == Fate::Delivered),
            What::Injected { dest, line } => others.push(format!("{dest} gets {line}")),
            What::Logged { node, record } => others.push(format!("{node} says {}", record.text)),
            What::Fault(text) => others.push(format!("{:?} {text}", entry.at)),
            unknown => panic!("{unknown:?}"),
        }
    }
    assert_eq!((sent, ended), (7, 6));
    assert_eq!(
        others[..2],
        ["0ns partition: n0 | n1", "n1 gets rubbish\u{1}"]
    );
    assert!(
        others[2].starts_with("n1 says line 2 ignored: not JSON"),
        "{}",
        others[2]
    );
    // As text, it is lines of JSON.
    for line in journal.to_string().lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[test]
fn a_trace_is_a_picture_of_the_last_events() {
    let mut cluster = probe(2).seed(9).latency(Latency::constant(ms(5))).start();
    cluster
        .call(
            "n0",
            Tell {
                to: "n1".into(),
                n: 1,
            },
        )
        .unwrap();
    cluster.run_for(secs(1));
    cluster.crash("n1");
    let expected = "\
simulation with seed 9 at 1s, after 15 events:
(8 earlier events)
     seconds n0  n1  c1  
    0.000000 ◁───┼───●   c1 → n0 #4 {\"type\":\"tell\",\"msg_id\":1,\"to\":\"n1\",\"n\":1}
    0.000000 ◀   │   │   c1 → n0 #4 delivered
    0.000000 ●───▷   │   n0 → n1 #5 {\"type\":\"note\",\"n\":1}
    0.000000 ●───┼───▷   n0 → c1 #6 {\"type\":\"tell_ok\",\"in_reply_to\":1}
    0.000000 │   │   ▶   n0 → c1 #6 delivered
    0.005000 │   ▶   │   n0 → n1 #5 delivered
    1.000000 │   │   │   == crash: n1 ==
";
    assert_eq!(cluster.trace(7), expected);
}

#[test]
fn only_the_last_events_are_kept_unless_all_are_wanted() {
    let mut cluster = Cluster::<Flood>::new(5).start();
    for message in 0..1_000 {
        cluster.call("n0", Broadcast { message }).unwrap();
    }
    let journal = cluster.journal();
    assert_eq!(journal.entries().count(), 1_000);
    assert!(journal.forgotten() > 20_000);
    let text = journal.to_string();
    assert!(
        text.starts_with("{\"forgotten\":"),
        "{}",
        text.lines().next().unwrap()
    );
}

#[test]
fn injected_lines_reach_the_node_as_they_are() {
    let mut cluster = probe(1).start();
    cluster.inject(
        "n0",
        r#"{"src":"n7","dest":"n0","body":{"type":"note","n":5,"msg_id":1}}"#,
    );
    cluster.inject("n0", b"\xff\xfe");
    assert_eq!(cluster.call("n0", Notes {}).unwrap(), [(ms(0), 5)]);
    assert_eq!(cluster.log().len(), 1);
    cluster.crash("n0");
    cluster.inject("n0", "nobody is there");
}

/// What a panic says.
fn complaint(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(f).unwrap_err();
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&str>().unwrap().to_string(),
    }
}

#[test]
fn misuse_is_told_with_the_way_out() {
    let who = "there are the nodes n0 to n2 and the services lin-kv lin-tso lww-kv seq-kv";
    let text = complaint(|| drop(probe(3).start().call("n3", Who {})));
    assert_eq!(text, format!("nobody is called \"n3\" here; {who}"));
    let text = complaint(|| probe(3).start().crash("lin-kv"));
    assert_eq!(text, format!("\"lin-kv\" is not a node; {who}"));
    let text = complaint(|| probe(3).start().partition(["n0"], ["x"]));
    assert_eq!(text, format!("nobody is called \"x\" here; {who}"));
    let text = complaint(|| {
        let _ = probe(3).start().call(
            "n0",
            Tell {
                to: "n9".into(),
                n: 1,
            },
        );
    });
    assert!(
        text.starts_with("n0 sent a message to \"n9\", and nobody is called that"),
        "{text}"
    );
    assert!(
        text.ends_with(r#"{"src":"n0","dest":"n9","body":{"type":"note","n":1}}"#),
        "{text}"
    );
}

// Nodes that do not start well.

#[derive(Default)]
struct Stuck;

#[handler("init")]
async fn wait_for_ever(_: &Shared<Stuck>, cx: &Context) {
    cx.sleep(secs(3600)).await;
}

#[derive(Default)]
struct Refusing;

#[handler("init")]
fn refuse(_: &Refusing) -> Result<(), Error> {
    Err(Error::abort("no license"))
}

#[derive(Default)]
struct Careful {
    started: bool,
}

#[handler("init")]
async fn take_a_stamp(state: &Shared<Careful>, cx: &Context) -> Result<(), Error> {
    let first = cx.lin_tso().ts().await? == 0;
    state.with(|s| s.started = first);
    Ok(())
}

#[handler("started", reply = "started")]
fn started(state: &Careful) -> bool {
    state.started
}

#[derive(Default)]
struct PingPong;

#[handler("ball")]
fn ball(_: &PingPong, cx: &Context) {
    for peer in cx.peers() {
        cx.send(peer, Ball {});
    }
}

#[test]
fn nodes_that_do_not_start_are_named() {
    let text = complaint(|| drop(Cluster::<Stuck>::new(2).start()));
    assert!(
        text.starts_with("node n0 did not answer `init` within 10s"),
        "{text}"
    );
    let text = complaint(|| drop(Cluster::<Refusing>::new(2).start()));
    assert_eq!(
        text,
        "node n0 answered `init` with error abort (14): no license"
    );

    let mut cluster = Cluster::<Careful>::new(3)
        .latency(Latency::constant(ms(20)))
        .start();
    assert_eq!(cluster.now(), ms(40));
    let first = ["n0", "n1", "n2"].map(|node| cluster.call(node, Started {}).unwrap());
    assert_eq!(first, [true, false, false]);
}

#[test]
fn a_storm_without_latency_is_noticed() {
    let text = complaint(|| {
        let mut cluster = Cluster::<PingPong>::new(2).start();
        cluster.invoke("n0", Ball {});
        cluster.run_for(secs(1));
    });
    assert!(text.starts_with("time stands still at 0ns"), "{text}");
    let mut cluster = Cluster::<PingPong>::new(2)
        .latency(Latency::constant(ms(1)))
        .start();
    cluster.invoke("n0", Ball {});
    cluster.run_for(secs(1));
    assert_eq!(cluster.traffic().servers.messages, 1_001);
}

// Nodes that panic, each in its way.

#[derive(Default)]
struct Fragile;

#[every("250ms")]
fn look(_: &Fragile, cx: &Context) {
    assert!(cx.now() < ms(1000), "a whole second");
}

#[handler("wait_and_die")]
async fn wait_and_die(_: &Shared<Fragile>, cx: &Context) {
    cx.sleep(ms(10)).await;
    panic!("waited enough");
}

#[handler("later")]
fn later(_: &Fragile, cx: &Context) {
    let mine = cx.clone();
    cx.spawn(async move {
        mine.sleep(ms(20)).await;
        panic!("spawned for this");
    });
}

#[test]
fn a_test_fails_when_a_node_panics() {
    let text = complaint(|| drop(probe(2).seed(9).start().call("n1", Die {})));
    for part in [
        "n1 reported an error at 0ns, with seed 9: handler `die` at tests/runtime/sim_cluster.rs:",
        "panicked at tests/runtime/sim_cluster.rs:",
        ": as you wish",
        "`.tolerate_panics()`",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let fragile = || Cluster::<Fragile>::new(1);
    let text = complaint(move || fragile().start().run_for(secs(2)));
    assert!(
        text.contains("n0 reported an error at 1s, with seed 0: `look` at "),
        "{text}"
    );
    let text = complaint(move || drop(fragile().start().call("n0", WaitAndDie {})));
    assert!(text.contains("at 10ms") && text.contains("`wait_and_die` at "));
    let text = complaint(move || {
        let mut cluster = fragile().log_level(glomer_runtime::log::Level::Off).start();
        cluster.call("n0", Later {}).unwrap();
        cluster.run_for(secs(1));
    });
    assert!(text.contains("at 20ms") && text.contains(": spawned for this"));

    let mut cluster = fragile().tolerate_panics().start();
    assert_eq!(
        cluster.call("n0", WaitAndDie {}).unwrap_err().code(),
        13,
        "the node lives on"
    );
    cluster.run_for(secs(2));
    assert!(cluster.log().len() > 4);
}

#[test]
fn a_test_looks_into_nodes_of_any_state() {
    let mut cluster = probe(3)
        .program("n1", Program::of::<Gossip>())
        .latency(Latency::constant(ms(1)))
        .start();
    cluster
        .call(
            "n2",
            Tell {
                to: "n0".into(),
                n: 5,
            },
        )
        .unwrap();
    cluster.call("n1", Add { element: 7 }).unwrap();
    cluster.run_for(ms(1));
    let noted = cluster.state("n0", |probe| probe.log.clone());
    assert_eq!(noted, [(ms(1), 5)]);
    let has = |gossip: &Gossip| gossip.values.contains(&7);
    assert!(cluster.state_of("n1", has));
    assert_eq!(cluster.state("n2", |probe| probe.name.clone()), "n2");

    let text = complaint(|| probe(1).start().state_of("n0", |_: &Gossip| ()));
    assert_eq!(
        text,
        "the state of n0 is not a `runtime::sim_cluster::Gossip`"
    );
    let text = complaint(|| {
        let mut cluster = probe(1).start();
        cluster.crash("n0");
        cluster.state("n0", |_| ());
    });
    assert!(text.starts_with("n0 has no state: it is crashed"), "{text}");
    let text = complaint(|| drop(probe(2).program("n2", Program::of::<Gossip>())));
    assert!(
        text.starts_with("there is no node \"n2\" among 2"),
        "{text}"
    );
}

#[test]
fn a_client_of_a_chosen_name_is_nobody_elses() {
    let mut cluster = probe(1).start();
    assert_eq!(cluster.call("n0", Who {}).unwrap().1, "c1");
    assert_eq!(cluster.client("c2").call("n0", Who {}).unwrap().1, "c2");
    assert_eq!(
        cluster.client("walrus").call("n0", Who {}).unwrap().1,
        "walrus"
    );
    let first = cluster.client("c2").invoke("n0", Slow { n: 1 });
    // c1 is free, and c2 is not: the next one without a name is c3.
    let others = [cluster.invoke("n0", Who {}), cluster.invoke("n0", Who {})];
    cluster.wait(first).unwrap();
    let names = others.map(|other| cluster.result(other).unwrap().unwrap().1);
    assert_eq!(names, ["c1", "c3"]);
    // One that was nobody's becomes somebody's.
    assert_eq!(cluster.client("c1").call("n0", Who {}).unwrap().1, "c1");
    assert_eq!(cluster.call("n0", Who {}).unwrap().1, "c3");

    let text = complaint(|| {
        let mut cluster = probe(1).start();
        cluster.client("c7").invoke("n0", Slow { n: 1 });
        cluster.client("c7").invoke("n0", Who {});
    });
    assert!(text.starts_with("c7 still waits for an answer"), "{text}");
    let text = complaint(|| {
        probe(1).start().client("lin-kv");
    });
    assert_eq!(text, "\"lin-kv\" is not a client; choose another name");
}

#[test]
fn random_numbers_follow_from_seed_node_and_start_alone() {
    let draw = |host: &mut Host, node: usize| {
        let name = host.names()[node].clone();
        host.start(node).unwrap();
        for body in [
            format!(r#""type":"init","msg_id":1,"node_id":"{name}","node_ids":["{name}"]"#),
            r#""type":"who","msg_id":2"#.to_owned(),
        ] {
            let line = format!(r#"{{"src":"c","dest":"{name}","body":{{{body}}}}}"#);
            host.deliver(ms(0), node, line.as_bytes());
        }
        host.state(node, |probe: &Probe| assert_eq!(probe.name, name));
        let mut output = glomer_runtime::Output::default();
        host.swap_output(ms(0), node, &mut output);
        let line = output.messages().last().unwrap().line.to_owned();
        String::from_utf8(line).unwrap()
    };
    let program = Program::with(|init| Probe {
        name: init.node_id.clone(),
        log: Vec::new(),
    });
    let host = |seed: u64, count: usize| {
        let nodes = (0..count).map(|number| (format!("n{number}"), program.clone()));
        Host::new(seed, nodes)
    };
    let mut two = host(1, 2);
    let (first, second) = (draw(&mut two, 0), draw(&mut two, 1));
    let again = draw(&mut two, 0);
    assert!(first != again && first != second);
    // Other nodes, and what happens to them, make no difference.
    let mut nine = host(1, 9);
    draw(&mut nine, 8);
    assert_eq!(draw(&mut nine, 1), second);
    assert_eq!(
        [draw(&mut nine, 0), draw(&mut nine, 0)],
        [first.clone(), again]
    );
    assert_ne!(draw(&mut host(2, 2), 0), first);
}
