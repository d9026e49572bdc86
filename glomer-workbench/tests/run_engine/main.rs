//! The engine in virtual time: a cluster of functions instead of processes.

mod answers;
mod draws;
mod maelstrom;
mod own;
mod schedules;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use glomer_runtime::sim::{Latency, ms, secs};
use glomer_workbench::history::{History, Op, OpType, Process};
use glomer_workbench::run::engine::{Action, Engine};
use glomer_workbench::run::journal::{EventKind, Journal};
use glomer_workbench::run::nemesis::{
    Faults, Kill, Loss, OneWayPartition, Partition, Pause, Skew, Slow, Wipe,
};
use glomer_workbench::run::plan::Plan;
use glomer_workbench::run::problem::{Problem, ProblemKind};
use glomer_workbench::run::schedule::Schedule;
use glomer_workbench::workload::{
    AnyWorkload, Broadcast, Echo, Kafka, LinKv, TxnListAppend, Workload,
};
use serde_json::{Value, json};

fn plan(workload: impl Workload, nodes: usize) -> Plan {
    plan_of(&AnyWorkload::new(workload), nodes)
}

fn plan_of(workload: &AnyWorkload, nodes: usize) -> Plan {
    Plan {
        seed: 42,
        interval: Some(ms(100)),
        time_limit: secs(10),
        nemesis_interval: secs(2),
        ..Plan::of(workload.clone(), nodes)
    }
}

/// What a node does with a message: the bodies that it sends, and to whom. What it sends to
/// nobody comes back, after as many milliseconds as it says in `after`.
type Node<'a> = dyn FnMut(usize, &str, &Value) -> Vec<(String, Value)> + 'a;

/// What happened in a run.
struct Ran {
    history: History,
    journal: Journal,
    problem: Option<Problem>,
    warnings: Vec<String>,
    schedule: Schedule,
    /// What was done to processes, and when.
    processes: Vec<(Duration, String)>,
    ended: Duration,
}

impl Ran {
    fn ops(&self, kind: OpType) -> impl Iterator<Item = &Op> {
        let ops = self.history.client_ops();
        ops.filter(move |op| op.kind == kind)
    }

    fn of_nemesis(&self) -> Vec<&Op> {
        let ops = self.history.0.iter();
        ops.filter(|op| op.process == Process::Nemesis).collect()
    }
}

/// Runs a plan with nodes that take no time.
fn run(plan: Plan, node: &mut Node<'_>) -> Ran {
    let names = plan.setting.nodes.clone();
    let mut engine = Engine::new(plan);
    let mut now = Duration::ZERO;
    let mut processes = Vec::new();
    let mut alarms: BTreeMap<(Duration, usize), Value> = BTreeMap::new();
    engine.start(now);
    while !engine.is_over() {
        engine.tick(now);
        let mut heard = Vec::new();
        while let Some(alarm) = alarms.first_entry()
            && alarm.key().0 <= now
        {
            let ((_, number), body) = alarm.remove_entry();
            heard.push((number, String::new(), body));
        }
        let mut quiet = heard.is_empty();
        for action in engine.actions() {
            quiet = false;
            match action {
                Action::Deliver {
                    node: number,
                    src,
                    body,
                    due,
                    ..
                } => {
                    assert!(due <= now);
                    heard.push((
                        number,
                        src.to_string(),
                        serde_json::from_str(&body).unwrap(),
                    ));
                }
                other => processes.push((now, format!("{other:?}"))),
            }
        }
        for (number, src, body) in heard {
            for (dest, body) in node(number, &src, &body) {
                if dest.is_empty() {
                    let after = ms(body["after"].as_u64().unwrap());
                    alarms.insert((now + after, number), body);
                    continue;
                }
                let message = json!({"src": names[number], "dest": dest, "body": body});
                let line = answers::widened(&message.to_string());
                engine.line(now, number, line.as_bytes());
            }
        }
        if quiet && !engine.is_over() {
            let next = engine
                .deadline()
                .expect("a run that is not over waits for something");
            assert!(
                next > now || next == Duration::ZERO,
                "the engine stands still at {now:?}"
            );
            let alarm = alarms.keys().next().map(|(at, _)| *at);
            now = alarm.map_or(next, |alarm| alarm.min(next));
        }
    }
    let warnings = engine.warnings().to_vec();
    let status = engine.status(now);
    let schedule = engine.schedule().clone();
    let (history, journal, problem) = engine.finish();
    let ended = |kind| {
        let ops = history.client_ops().filter(|op| op.kind == kind);
        ops.count() as u64
    };
    assert_eq!(status.ok, ended(OpType::Ok));
    assert_eq!(status.fail, ended(OpType::Fail));
    assert_eq!(status.info, ended(OpType::Info));
    Ran {
        schedule,
        history,
        journal,
        problem,
        warnings,
        processes,
        ended: now,
    }
}

/// The answer to a request: `type` with `_ok`, and what else belongs there.
fn ok(src: &str, body: &Value, fields: Value) -> (String, Value) {
    let mut answer = fields;
    answer["type"] = format!("{}_ok", body["type"].as_str().unwrap()).into();
    answer["in_reply_to"] = body["msg_id"].clone();
    (src.to_owned(), answer)
}

fn echo(_: usize, src: &str, body: &Value) -> Vec<(String, Value)> {
    let fields = match body["type"].as_str() {
        Some("echo") => json!({"echo": body["echo"]}),
        _ => json!({}),
    };
    vec![ok(src, body, fields)]
}

/// Broadcast nodes that pass each value on to all others, once.
fn flooding(nodes: usize) -> impl FnMut(usize, &str, &Value) -> Vec<(String, Value)> {
    let mut seen = vec![BTreeSet::new(); nodes];
    move |number, src, body| {
        let mut out = Vec::new();
        match body["type"].as_str().unwrap() {
            kind @ ("broadcast" | "pass") => {
                if seen[number].insert(body["message"].as_u64().unwrap()) {
                    let others = (0..nodes).filter(|other| *other != number);
                    let pass = json!({"type": "pass", "message": body["message"]});
                    out.extend(others.map(|other| (format!("n{other}"), pass.clone())));
                }
                if kind == "broadcast" {
                    out.push(ok(src, body, json!({})));
                }
            }
            "read" => out.push(ok(src, body, json!({"messages": seen[number]}))),
            _ => out.push(ok(src, body, json!({}))),
        }
        out
    }
}

#[test]
fn a_run_has_the_phases_of_maelstrom() {
    let ran = run(plan(Broadcast::default(), 5), &mut flooding(5));
    assert_eq!(ran.problem, None);
    let second = |op: &&Op| op.time as f64 / 1e9;
    let invocations: Vec<&Op> = ran.ops(OpType::Invoke).collect();
    let (last, main): (Vec<&Op>, Vec<&Op>) = invocations.into_iter().partition(|op| op.is_final);
    assert!(
        (80..=120).contains(&main.len()),
        "{} at 10 a second for 10 s",
        main.len()
    );
    assert!(main.iter().all(|op| second(op) < 10.0));
    assert_eq!(second(&main[0]), 0.0);
    // One final read by each thread, after the time limit and the recovery.
    assert_eq!(last.len(), 5);
    assert!(last.iter().all(|op| op.f == "read" && second(op) == 20.0));
    // Half and half, and values in order.
    let broadcasts: Vec<i64> = main.iter().filter_map(|op| op.value.as_int()).collect();
    assert_eq!(broadcasts, (0..broadcasts.len() as i64).collect::<Vec<_>>());
    assert!((30..=70).contains(&broadcasts.len()));

    // init, topology and every operation are a request and an answer.
    let requests = 5 + 5 + main.len() as u64 + 5;
    let clients = ran.journal.clients();
    assert_eq!(
        (clients.sent, clients.received),
        (2 * requests, 2 * requests)
    );
    // Flooding to all sends every value 20 times.
    assert_eq!(ran.journal.servers().sent, 20 * broadcasts.len() as u64);
    let first = &ran.journal.events()[0];
    assert_eq!(
        (&*first.src, &*first.dest, first.kind),
        ("c0", "n0", EventKind::Send)
    );
    assert_eq!(
        &*first.body,
        r#"{"msg_id":1,"node_id":"n0","node_ids":["n0","n1","n2","n3","n4"],"type":"init"}"#
    );
}

#[test]
fn the_seed_decides_everything() {
    let mut faulty = plan(Broadcast::default(), 5);
    faulty.faults = (Partition, Loss, Slow, Kill).into();
    faulty.latency = Latency::exponential(ms(50));
    let with = |seed| {
        let ran = run(
            Plan {
                seed,
                ..faulty.clone()
            },
            &mut flooding(5),
        );
        (ran.history.to_edn(), ran.journal.servers(), ran.processes)
    };
    assert_eq!(with(1), with(1));
    assert_ne!(with(1).0, with(2).0);
}

#[test]
fn operations_do_not_depend_on_how_the_nodes_do() {
    let values = |latency| {
        let mut plan = plan(TxnListAppend::default(), 3);
        plan.latency = latency;
        // Threads enough for no operation to wait.
        plan.setting.concurrency = 300;
        let mut node = |_: usize, src: &str, body: &Value| {
            vec![match body["type"].as_str() {
                Some("txn") if latency == Latency::default() => {
                    let error = json!({"type": "error", "code": 30, "in_reply_to": body["msg_id"]});
                    (src.to_owned(), error)
                }
                Some("txn") => ok(src, body, json!({"txn": body["txn"]})),
                _ => ok(src, body, json!({})),
            }]
        };
        let ran = run(plan, &mut node);
        let invocations = ran
            .ops(OpType::Invoke)
            .map(|op| (op.time, op.value.clone()));
        invocations.collect::<Vec<_>>()
    };
    let one = values(Latency::default());
    assert!(one.len() > 80);
    assert_eq!(one, values(Latency::constant(ms(100))));
}

#[test]
fn without_an_answer_the_process_ends_and_a_new_client_comes() {
    let mut plan = plan(Echo, 1);
    plan.time_limit = secs(12);
    let mut clients = BTreeSet::new();
    let mut node = |number: usize, src: &str, body: &Value| {
        if body["type"] == "echo" {
            clients.insert(src.to_owned());
            return Vec::new();
        }
        echo(number, src, body)
    };
    let ran = run(plan, &mut node);
    let infos: Vec<&Op> = ran.ops(OpType::Info).collect();
    let processes: Vec<Process> = infos.iter().map(|op| op.process).collect();
    assert_eq!(processes, [0, 1, 2].map(Process::Client));
    assert_eq!(infos[0].time, secs(5).as_nanos() as i64);
    assert_eq!(infos[0].error.as_ref().unwrap().to_string(), ":net-timeout");
    // c0 sent the init, c1 was there for the set-up, which echo has none of.
    assert_eq!(clients, ["c2", "c3", "c4"].map(str::to_owned).into());
    // The last operation began before the time limit and ended after it.
    assert_eq!(ran.ended, secs(15));
}

#[test]
fn an_answer_that_comes_too_late_does_no_harm() {
    let mut plan = plan(Echo, 1);
    plan.time_limit = secs(20);
    let mut late = Vec::new();
    let mut node = |number: usize, src: &str, body: &Value| {
        if body["type"] != "echo" {
            return echo(number, src, body);
        }
        // Each request gets the answer to the one before.
        let answers = std::mem::take(&mut late);
        late = echo(number, src, body);
        answers
    };
    let ran = run(plan, &mut node);
    assert_eq!(ran.problem, None);
    assert_eq!(ran.ops(OpType::Ok).count(), 0);
    assert!(ran.ops(OpType::Info).count() >= 4);
    assert!(ran.journal.dropped() >= 3);
}

#[test]
fn a_partition_drops_what_arrives_until_it_heals() {
    let mut plan = plan(Broadcast::default(), 5);
    plan.faults = Partition.into();
    plan.latency = Latency::constant(ms(20));
    let ran = run(plan, &mut flooding(5));
    let servers = ran.journal.servers();
    assert!(ran.journal.dropped() > 0);
    assert_eq!(servers.sent - servers.received, ran.journal.dropped());
    let strikes = ran.of_nemesis();
    assert_eq!(
        (strikes[0].f.as_str(), strikes[0].time),
        ("start-partition", 0)
    );
    assert!(
        strikes[1].value.to_string().starts_with("[:isolated {\"n"),
        "{}",
        strikes[1].value
    );
    let last = strikes.last().unwrap();
    assert_eq!(last.f, "stop-partition");
    assert_eq!(last.value.to_string(), ":network-healed");
    assert!(last.time >= secs(10).as_nanos() as i64);
    // Flooding repairs nothing, so reads still differ; that they happen is what counts here.
    assert_eq!(ran.ops(OpType::Ok).filter(|op| op.is_final).count(), 5);
}

#[test]
fn loss_takes_messages_between_nodes_only() {
    let mut plan = plan(Broadcast::default(), 3);
    plan.p_loss = Some(1.0);
    let ran = run(plan, &mut flooding(3));
    assert!(ran.journal.servers().sent > 0);
    assert_eq!(ran.journal.servers().received, 0);
    assert_eq!(
        ran.ops(OpType::Info).count() + ran.ops(OpType::Fail).count(),
        0
    );
}

#[test]
fn duplicates_arrive_twice_under_one_number() {
    let mut plan = plan(Broadcast::default(), 3);
    plan.p_duplicate = Some(1.0);
    let ran = run(plan, &mut flooding(3));
    let servers = ran.journal.servers();
    assert!(servers.sent > 0);
    assert_eq!(servers.received, 2 * servers.sent);
}

/// The links that the nemesis cut by one operation, from its report.
fn cut(op: &Op) -> BTreeSet<(String, String)> {
    let grudge = &op.value.as_seq().unwrap()[1];
    let mut links = BTreeSet::new();
    for (node, others) in grudge.as_map().unwrap() {
        for other in others.as_seq().unwrap() {
            links.insert((other.name().unwrap().into(), node.name().unwrap().into()));
        }
    }
    links
}

#[test]
fn a_one_way_partition_drops_in_one_direction() {
    let mut plan = plan(Broadcast::default(), 5);
    plan.faults = OneWayPartition.into();
    plan.nemesis_interval = secs(1_000);
    let ran = run(plan, &mut flooding(5));
    let begun = ran.of_nemesis()[1].clone();
    assert_eq!(begun.f, "start-one-way-partition");
    let cut = cut(&begun);
    assert!(!cut.is_empty(), "{:?}", begun.value);
    assert!(
        cut.iter()
            .all(|(a, b)| !cut.contains(&(b.clone(), a.clone())))
    );
    let events = ran.journal.events().iter();
    let during = events.filter(|event| event.time > begun.time && event.time < 5_000_000_000);
    let mut dropped = BTreeSet::new();
    for event in during.filter(|e| e.src.starts_with('n') && e.dest.starts_with('n')) {
        let link = (event.src.to_string(), event.dest.to_string());
        if let EventKind::Drop(_) = event.kind {
            dropped.insert(link);
        } else if event.kind == EventKind::Recv {
            assert!(!cut.contains(&link), "{link:?}");
        }
    }
    assert!(
        !dropped.is_empty() && dropped.is_subset(&cut),
        "{dropped:?} {cut:?}"
    );
}

#[test]
fn a_partition_that_ends_leaves_those_of_other_faults() {
    let mut plan = plan(Broadcast::default(), 5);
    plan.faults = (Partition, OneWayPartition).into();
    plan.nemesis_interval = secs(1);
    plan.time_limit = secs(20);
    let ran = run(plan, &mut flooding(5));
    let strikes = ran.of_nemesis();
    let mut on: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    let mut checked = 0;
    for (strike, next) in strikes.iter().zip(&strikes[1..]) {
        if let Some(name) = strike.f.strip_prefix("stop-") {
            on.remove(name);
        } else if strike
            .value
            .as_seq()
            .is_some_and(|value| value[0].name() == Some("isolated"))
        {
            on.insert(
                strike.f.trim_start_matches("start-").to_owned(),
                cut(strike),
            );
        }
        let cut: BTreeSet<_> = on.values().flatten().collect();
        let during = ran.journal.events().iter();
        let during = during.filter(|e| e.time > strike.time && e.time < next.time);
        for event in during.filter(|event| event.kind == EventKind::Recv) {
            checked += usize::from(!cut.is_empty());
            assert!(!cut.contains(&(event.src.to_string(), event.dest.to_string())));
        }
    }
    assert!(checked > 0);
}

#[test]
fn skew_turns_the_clocks_of_nodes() {
    let mut plan = plan(Echo, 3);
    plan.faults = Skew.into();
    plan.time_limit = secs(60);
    let ran = run(plan, &mut echo);
    let turned: Vec<&str> = ran
        .processes
        .iter()
        .map(|(_, done)| done.as_str())
        .collect();
    assert!(
        turned
            .iter()
            .any(|done| done.starts_with("Rate") || done.starts_with("Leap"))
    );
    assert_eq!(ran.of_nemesis()[0].f, "start-skew");
}

#[test]
fn wipe_kills_a_minority_and_empties_its_disks() {
    let mut plan = plan(Echo, 5);
    plan.faults = Wipe.into();
    plan.time_limit = secs(60);
    let ran = run(plan, &mut echo);
    let count = |what: &str| {
        let done = ran.processes.iter();
        done.filter(|(_, done)| done.starts_with(what)).count()
    };
    assert!(count("Wipe") > 2);
    assert_eq!(count("Wipe"), count("Kill"));
    let strikes = ran.of_nemesis();
    assert_eq!(strikes[0].f, "wipe");
    let glomer_workbench::edn::Edn::Map(became) = &strikes[1].value else {
        panic!("{:?}", strikes[1])
    };
    let wiped: Vec<_> = became.iter().map(|(_, what)| what.name()).collect();
    assert_eq!(wiped, [Some("wiped"); 2]);
    assert_eq!(strikes[2].f, "start-wiped");
}

#[test]
fn the_nemesis_switches_loss_on_and_off() {
    let mut plan = plan(Broadcast::default(), 3);
    plan.faults = Loss.into();
    plan.p_loss = Some(1.0);
    let ran = run(plan, &mut flooding(3));
    let servers = ran.journal.servers();
    assert!(
        0 < servers.received && servers.received < servers.sent,
        "{servers:?}"
    );
    let strikes = ran.of_nemesis();
    assert_eq!(strikes[0].f, "start-loss");
    assert_eq!(strikes[1].value.to_string(), "1.0");
    assert_eq!(strikes.last().unwrap().f, "stop-loss");
}

#[test]
fn slowness_stretches_latency() {
    let delays = |faults: Faults| {
        let mut plan = plan(Broadcast::default(), 3);
        plan.latency = Latency::constant(ms(10));
        plan.faults = faults;
        let ran = run(plan, &mut flooding(3));
        let events = ran.journal.events();
        let sent = events.iter().filter(|event| event.kind == EventKind::Send);
        sent.filter(|event| event.src.starts_with('n') && event.dest.starts_with('n'))
            .filter_map(|sent| {
                let received = events
                    .iter()
                    .find(|event| event.kind == EventKind::Recv && event.id == sent.id)?;
                Some((received.time - sent.time) / 1_000_000)
            })
            .collect::<BTreeSet<i64>>()
    };
    assert_eq!(delays(Faults::none()), [10].into());
    assert_eq!(delays(Slow.into()), [10, 100].into());
}

#[test]
fn killed_nodes_start_afresh_and_hear_init_and_topology_again() {
    let mut plan = plan(Broadcast::default(), 3);
    plan.faults = Kill.into();
    plan.time_limit = secs(20);
    let mut heard: Vec<Vec<String>> = vec![Vec::new(); 3];
    let mut cluster = flooding(3);
    let ran = run(plan, &mut |number: usize, src: &str, body: &Value| {
        heard[number].push(body["type"].as_str().unwrap().to_owned());
        cluster(number, src, body)
    });
    assert_eq!(ran.problem, None);
    let count = |what: &str| {
        let done = ran
            .processes
            .iter()
            .filter(|(_, done)| done.starts_with(what));
        done.count()
    };
    assert!(count("Kill") > 0);
    assert_eq!(count("Spawn"), 3 + count("Kill"));
    let inits: usize = heard
        .iter()
        .flatten()
        .filter(|kind| *kind == "init")
        .count();
    assert_eq!(inits, count("Spawn"));
    for node in &heard {
        let starts: Vec<usize> = (0..node.len()).filter(|at| node[*at] == "init").collect();
        assert!(
            starts.iter().all(|at| node[at + 1] == "topology"),
            "{node:?}"
        );
    }
    // Operations on dead nodes time out.
    assert!(ran.ops(OpType::Info).count() > 0);
    let last = ran.of_nemesis().last().unwrap().value.to_string();
    assert!(
        last.contains(":started") || last.contains(":already-running"),
        "{last}"
    );
}

#[test]
fn paused_nodes_are_resumed() {
    let mut plan = plan(Echo, 3);
    plan.faults = Pause.into();
    plan.time_limit = secs(30);
    let ran = run(plan, &mut echo);
    let paused: Vec<&str> = ran
        .processes
        .iter()
        .map(|(_, done)| done.as_str())
        .collect();
    assert!(paused.iter().any(|done| done.starts_with("Pause")));
    assert!(paused.iter().any(|done| done.starts_with("Resume")));
}

#[test]
fn lin_kv_reads_writes_and_compares_in_groups() {
    let mut plan = plan(LinKv::default(), 2);
    plan.setting.concurrency = 8;
    plan.interval = Some(ms(10));
    let mut registers = std::collections::HashMap::new();
    let ran = run(plan, &mut |_: usize, src: &str, body: &Value| {
        let key = body["key"].to_string();
        let error = |code: u64| {
            let error =
                json!({"type": "error", "code": code, "text": "no", "in_reply_to": body["msg_id"]});
            (src.to_owned(), error)
        };
        vec![match body["type"].as_str().unwrap() {
            "read" => match registers.get(&key) {
                Some(value) => ok(src, body, json!({"value": value})),
                None => error(20),
            },
            "write" => {
                registers.insert(key, body["value"].clone());
                ok(src, body, json!({}))
            }
            "cas" => match registers.get_mut(&key) {
                Some(value) if *value == body["from"] => {
                    *value = body["to"].clone();
                    ok(src, body, json!({}))
                }
                Some(_) => error(22),
                None => error(20),
            },
            _ => ok(src, body, json!({})),
        }]
    });
    let by_f = |f: &str| ran.ops(OpType::Invoke).filter(|op| op.f == f).count() as f64;
    let total = by_f("read") + by_f("write") + by_f("cas");
    assert!(total > 800.0);
    assert!((by_f("read") / total - 0.5).abs() < 0.08);
    assert!((by_f("cas") / by_f("write") - 2.0).abs() < 0.5);
    // Two groups, each with a key, and in each the first half reads.
    for op in ran.ops(OpType::Invoke) {
        let Process::Client(process) = op.process else {
            continue;
        };
        let key = op.value.as_seq().unwrap()[0].as_int().unwrap();
        assert_eq!(key as u64, process / 4);
        assert_eq!(op.f == "read", process % 4 < 2);
    }
    let errors: BTreeSet<String> = ran
        .ops(OpType::Fail)
        .map(|op| op.error.as_ref().unwrap().to_string())
        .collect();
    assert!(
        errors.contains(r#"[:precondition-failed "no"]"#),
        "{errors:?}"
    );
    assert_eq!(ran.ops(OpType::Info).count(), 0);
    // There is no final phase.
    assert_eq!(ran.ended, secs(10));
}

#[test]
fn a_key_that_too_many_processes_touched_is_left() {
    let mut plan = plan(LinKv::default(), 2);
    plan.setting.concurrency = 4;
    plan.interval = Some(ms(50));
    plan.time_limit = secs(30);
    // Writes are never answered.
    let ran = run(
        plan,
        &mut |number: usize, src: &str, body: &Value| match body["type"].as_str() {
            Some("write" | "cas") => Vec::new(),
            Some("read") => vec![ok(src, body, json!({"value": null}))],
            _ => echo(number, src, body),
        },
    );
    let mut processes = std::collections::BTreeMap::<i64, BTreeSet<Process>>::new();
    for op in ran.ops(OpType::Invoke) {
        let key = op.value.as_seq().unwrap()[0].as_int().unwrap();
        processes.entry(key).or_default().insert(op.process);
    }
    assert!(processes.len() >= 2, "{} keys", processes.len());
    assert!(processes.values().all(|processes| processes.len() <= 20));
}

#[test]
fn kafka_polls_everything_from_the_beginning_at_the_end() {
    let mut plan = plan(Kafka::default(), 2);
    plan.setting.concurrency = 4;
    plan.interval = Some(ms(10));
    let mut logs = std::collections::BTreeMap::<String, Vec<Value>>::new();
    let mut commits = 0;
    let ran = run(plan, &mut |_: usize, src: &str, body: &Value| {
        let fields = match body["type"].as_str().unwrap() {
            "send" => {
                let log = logs
                    .entry(body["key"].as_str().unwrap().to_owned())
                    .or_default();
                log.push(body["msg"].clone());
                json!({"offset": log.len() - 1})
            }
            "poll" => {
                let mut msgs = json!({});
                for (key, from) in body["offsets"].as_object().unwrap() {
                    let from = from.as_u64().unwrap() as usize;
                    let log = logs.get(key).map(Vec::as_slice).unwrap_or_default();
                    let found = log.iter().enumerate().skip(from).take(5);
                    msgs[key] = found.map(|(offset, msg)| json!([offset, msg])).collect();
                }
                json!({"msgs": msgs})
            }
            "list_committed_offsets" => json!({"offsets": {}}),
            "commit_offsets" => {
                commits += 1;
                json!({})
            }
            _ => json!({}),
        };
        vec![ok(src, body, fields)]
    });
    assert_eq!(ran.problem, None);
    assert!(commits > 0);
    let in_the_end: Vec<&Op> = ran
        .ops(OpType::Invoke)
        .filter(|op| op.time >= secs(20).as_nanos() as i64)
        .collect();
    let crashes = in_the_end.iter().filter(|op| op.f == "crash").count();
    assert_eq!(crashes, 4);
    let assigns: Vec<&&Op> = in_the_end.iter().filter(|op| op.f == "assign").collect();
    assert_eq!(assigns.len(), 4);
    assert!(
        assigns
            .iter()
            .all(|op| op.extra[0].0 == "seek-to-beginning?")
    );
    // Keys that were polled and never sent to are among them, too, as in Maelstrom.
    let keys: BTreeSet<&str> = assigns[0]
        .value
        .as_seq()
        .unwrap()
        .iter()
        .filter_map(|key| key.name())
        .collect();
    assert!(logs.keys().all(|key| keys.contains(key.as_str())));
    // Every message that was sent is polled in the end, by someone who began anew.
    let mut polled = BTreeSet::new();
    for op in ran
        .ops(OpType::Ok)
        .filter(|op| op.f == "poll" && op.time >= secs(20).as_nanos() as i64)
    {
        let messages = op.value.as_seq().unwrap()[0].as_seq().unwrap()[1]
            .as_map()
            .unwrap();
        for (key, pairs) in messages {
            for pair in pairs.as_seq().unwrap() {
                polled.insert((key.to_string(), pair.to_string()));
            }
        }
    }
    let sent: usize = logs.values().map(Vec::len).sum();
    assert_eq!(polled.len(), sent);
    // It ends as soon as all have caught up, long before the ten seconds are over.
    assert!(ran.ended < secs(25), "{:?}", ran.ended);
}

#[test]
fn a_node_that_breaks_the_protocol_ends_the_run() {
    let lines = [
        ("hello", "that is not JSON"),
        ("", "wrote an empty line"),
        ("\u{feff}{}", "begins with a byte order mark (BOM)"),
        (r#"{"src":"n0"}"#, "missing field `dest`"),
        (
            r#"{"src":null,"dest":"n0","body":{}}"#,
            "its src should be a string and is null",
        ),
        (r#"["n1","n0",{}]"#, "a message is a map"),
        (
            r#"{"src":"n0","dest":"n7","body":{}}"#,
            r#"whose dest is "n7""#,
        ),
        (
            r#"{"src":"x","dest":"n0","body":{}}"#,
            r#"whose src is "x""#,
        ),
    ];
    for (line, expected) in lines {
        let mut engine = Engine::new(plan(Echo, 2));
        engine.start(Duration::ZERO);
        engine.line(ms(1), 1, line.as_bytes());
        assert!(engine.is_over());
        assert_eq!(engine.deadline(), None);
        let problem = engine.finish().2.unwrap();
        assert!(
            problem.headline().contains(expected),
            "{}",
            problem.headline()
        );
        assert!(problem.is_violation());
        assert_eq!(problem.node.as_deref(), Some("n1"));
    }
}

#[test]
fn a_node_that_died_in_the_end_is_still_told_of_and_only_the_first_problem_counts() {
    let mut engine = Engine::new(plan(Echo, 2));
    engine.start(Duration::ZERO);
    engine.line(ms(1), 1, b"hello");
    let crashed = || ProblemKind::Crashed {
        status: "exit code 1".to_owned(),
        ready: false,
    };
    engine.failed(0, crashed());
    let problem = engine.finish().2.unwrap();
    assert_eq!(problem.node.as_deref(), Some("n1"));

    let mut empty = plan(Echo, 1);
    empty.interval = None;
    let mut engine = Engine::new(empty);
    engine.start(Duration::ZERO);
    let answer = br#"{"src":"n0","dest":"c0","body":{"type":"init_ok","in_reply_to":1}}"#;
    engine.tick(Duration::ZERO);
    engine.line(ms(1), 0, answer);
    engine.tick(ms(1));
    engine.tick(secs(11));
    assert!(engine.is_over());
    engine.failed(0, crashed());
    assert!(engine.finish().2.is_some());
}

#[test]
fn a_node_that_does_not_answer_init_or_topology_ends_the_run() {
    let silent = |kind: &'static str| {
        move |number: usize, src: &str, body: &Value| {
            if body["type"] == kind && number == 1 {
                Vec::new()
            } else {
                echo(number, src, body)
            }
        }
    };
    let ran = run(plan(Broadcast::default(), 3), &mut silent("init"));
    assert_eq!(ran.ended, secs(10));
    let problem = ran.problem.unwrap();
    assert!(
        matches!(problem.kind, ProblemKind::NoInit { .. }),
        "{problem}"
    );
    assert!(!problem.is_violation());

    let ran = run(plan(Broadcast::default(), 3), &mut silent("topology"));
    let problem = ran.problem.unwrap();
    assert!(problem.to_string().contains("topology"), "{problem}");

    let wrong = run(
        plan(Broadcast::default(), 3),
        &mut |number: usize, src: &str, body: &Value| {
            let mut answers = echo(number, src, body);
            if body["type"] == "init" {
                answers[0].1["type"] = "hi".into();
            }
            answers
        },
    );
    assert!(matches!(
        wrong.problem.unwrap().kind,
        ProblemKind::InitFailed { .. }
    ));
}
