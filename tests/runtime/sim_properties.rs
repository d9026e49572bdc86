//! What holds of the framework for all clusters, messages and faults: every request that
//! reaches a node is answered once, with its own answer, unless the node crashes; and no line
//! makes a node die.

use glomer_runtime::Rng;
use glomer_runtime::prelude::*;
use glomer_runtime::sim::{Cluster, Fate, Latency, What, check, ms, secs};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

// A node with handlers of all kinds.

#[derive(Default)]
struct State {
    values: BTreeMap<u64, u64>,
    beats: u64,
}

#[handler("echo")]
fn echo(_: &State, Body(body): Body<Value>) -> Value {
    body
}

#[handler("put", reply = "token")]
fn put(state: &mut State, key: u64, value: u64, token: u64) -> u64 {
    state.values.insert(key, value);
    token
}

#[handler("get", reply = "value")]
fn get(state: &State, key: u64) -> Result<u64, Error> {
    let value = state.values.get(&key).copied();
    value.ok_or_else(|| Error::key_does_not_exist(key.to_string()))
}

#[handler("rumor")]
fn rumor(state: &mut State, cx: &Context, key: u64, value: u64) {
    // Rumors only ever grow, so that they come to an end.
    if state.values.get(&key).is_none_or(|old| *old < value) {
        state.values.insert(key, value);
        for peer in cx.peers() {
            cx.send(peer, Rumor { key, value });
        }
    }
}

/// Asks a random node, which asks a random node, and so on.
#[handler("chain", reply = "token")]
async fn chain(_: &Shared<State>, cx: &Context, hops: u64, token: u64) -> Result<u64, Error> {
    if hops == 0 {
        return Ok(token);
    }
    let next = cx.rng().choose(cx.node_ids()).cloned();
    let next = next.unwrap_or_else(|| cx.node_id().to_owned());
    let hops = hops - 1;
    cx.rpc(next, Chain { hops, token }).timeout(ms(400)).await
}

/// Asks all others at once, and takes the first answer it looks at.
#[handler("race", reply = "token")]
async fn race(_: &Shared<State>, cx: &Context, token: u64) -> Result<u64, Error> {
    let calls: Vec<_> = cx
        .peers()
        .map(|peer| cx.rpc(peer, Chain { hops: 0, token }))
        .collect();
    match calls.into_iter().next() {
        Some(call) => call.await,
        None => Ok(token),
    }
}

#[handler("nap", reply = "token")]
async fn nap(_: &Shared<State>, cx: &Context, pause: u64, token: u64) -> u64 {
    cx.sleep(ms(pause)).await;
    token
}

#[handler("count", reply = "token")]
async fn count(_: &Shared<State>, cx: &Context, token: u64) -> Result<u64, Error> {
    let kv = cx.lin_kv();
    for _ in 0..3 {
        let sum: u64 = kv.read_or("sum", 0).await?;
        match kv.cas_or_create("sum", sum, sum + 1).await {
            Err(error) if error.code() == 22 => {}
            result => return result.map(|()| token),
        }
    }
    Err(Error::txn_conflict("three times"))
}

#[handler("spawn", reply = "token")]
fn spawn(_: &State, cx: &Context, token: u64) -> u64 {
    let context = cx.clone();
    cx.spawn(async move {
        context.sleep(ms(30)).await;
        let _ = context.rpc("n0", Chain { hops: 1, token }).await;
    });
    token
}

#[handler("die")]
fn die(_: &State) {
    panic!("as you wish");
}

#[handler("die_later")]
async fn die_later(_: &Shared<State>, cx: &Context) {
    cx.sleep(ms(20)).await;
    panic!("as you wish");
}

#[every("70ms")]
fn beat(state: &mut State) {
    state.beats += 1;
}

#[derive(Serialize)]
struct Unknown {
    token: u64,
}

impl Message for Unknown {
    const TYPE: &'static str = "unknown";
    type Reply = Value;
}

/// A `put` without its fields.
#[derive(Serialize)]
struct Malformed {
    token: u64,
}

impl Message for Malformed {
    const TYPE: &'static str = "put";
    type Reply = Value;
}

fn invoke_something(cluster: &mut Cluster<State>, rng: &mut Rng, node: &str, token: u64) {
    let key = rng.below(5);
    let value = rng.below(5);
    match rng.below(13) {
        0 => drop(cluster.invoke(node, Echo(serde_json::json!({ "token": token })))),
        1 => drop(cluster.invoke(node, Put { key, value, token })),
        2 => drop(cluster.invoke(node, Get { key })),
        3 => drop(cluster.invoke(node, Rumor { key, value })),
        4 | 5 => {
            let hops = rng.below(4);
            cluster.invoke(node, Chain { hops, token });
        }
        6 => drop(cluster.invoke(node, Race { token })),
        7 => {
            let pause = rng.below(500);
            cluster.invoke(node, Nap { pause, token });
        }
        8 => drop(cluster.invoke(node, Count { token })),
        9 => drop(cluster.invoke(node, Spawn { token })),
        10 if rng.chance(0.5) => drop(cluster.invoke(node, Die {})),
        10 => drop(cluster.invoke(node, DieLater {})),
        11 => drop(cluster.invoke(node, Unknown { token })),
        _ => drop(cluster.invoke(node, Malformed { token })),
    }
}

fn some_latency(rng: &mut Rng) -> Latency {
    let mean = ms(rng.below(120));
    match rng.below(3) {
        0 => Latency::constant(mean),
        1 => Latency::uniform(mean),
        _ => Latency::exponential(mean),
    }
}

fn some_fault(cluster: &mut Cluster<State>, rng: &mut Rng, names: &mut [String]) {
    rng.shuffle(names);
    let (one, other) = names.split_at(rng.below(names.len() as u64 + 1) as usize);
    let node = &names[0];
    match rng.below(12) {
        0 => cluster.partition(one, other),
        1 => cluster.partition_one_way(one, other),
        2 => cluster.heal(),
        3 => cluster.set_loss(rng.unit() * 0.5),
        4 => cluster.set_duplicate(rng.unit()),
        5 => cluster.slow(rng.unit() * 10.0),
        6 => cluster.set_link_latency(node, "lin-kv", some_latency(rng)),
        7 => cluster.pause(node),
        8 => cluster.resume(node),
        9 => cluster.crash(node),
        10 => cluster.restart(node),
        _ => cluster.set_latency(some_latency(rng)),
    }
}

/// A line that is nearly, or not at all, a message.
fn some_line(rng: &mut Rng) -> Vec<u8> {
    let valid = [
        r#"{"src":"fuzz","dest":"n0","body":{"type":"echo","msg_id":1,"token":"\u00e9\n"}}"#,
        r#"{"src":"fuzz","dest":"n0","body":{"type":"put","msg_id":2,"key":1,"value":2,"token":3}}"#,
        r#"{"src":"fuzz","dest":"n0","body":{"type":"rumor","key":1,"value":-2e3}}"#,
        r#"{"src":"fuzz","dest":"n0","body":{"type":"chain_ok","in_reply_to":1,"token":5}}"#,
        r#"{"src":"lin-kv","dest":"n0","body":{"type":"error","in_reply_to":4,"code":22,"text":""}}"#,
        r#"{"src":"fuzz","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]}}"#,
    ];
    let mut line = rng.choose(&valid).unwrap().as_bytes().to_vec();
    for _ in 0..rng.below(4) {
        if line.is_empty() {
            break;
        }
        let at = rng.below(line.len() as u64) as usize;
        match rng.below(5) {
            0 => drop(line.remove(at)),
            1 => line.insert(at, rng.next_u64() as u8),
            2 => line[at] = *rng.choose(b"{}[]\",:\\u0e.-+1 tnf").unwrap(),
            3 => line.truncate(at),
            _ => {
                let rest = line[at..].to_vec();
                line.extend(rest);
            }
        }
    }
    line
}

/// What a node owes: for each request that reached it and has not been answered, by node,
/// asker and `msg_id`, how often it came, and the last body.
type Owed<'a> = HashMap<(&'a str, &'a str, Value), (u32, Value)>;

/// Follows all requests and answers through the journal. Gives what is still owed in the end.
fn follow<'a>(cluster: &'a Cluster<State>) -> Owed<'a> {
    let mut owed = Owed::new();
    let servers: Vec<&str> = cluster.nodes().collect();
    let body = |line: &str| serde_json::from_str::<Value>(line).unwrap()["body"].take();
    for entry in cluster.journal().entries() {
        match entry.what {
            What::Arrived {
                src,
                dest,
                line,
                fate: Fate::Delivered,
                ..
            } => {
                let body = body(&line);
                let asks = body.get("msg_id").is_some() && body.get("in_reply_to").is_none();
                if asks && servers.contains(&dest) {
                    let key = (dest, src, body["msg_id"].clone());
                    let (times, last) = owed.entry(key).or_default();
                    *times += 1;
                    *last = body;
                }
            }
            What::Sent {
                src, dest, line, ..
            } if servers.contains(&src) => {
                let body = body(&line);
                let Some(in_reply_to) = body.get("in_reply_to") else {
                    continue;
                };
                let key = (src, dest, in_reply_to.clone());
                let Some((times, request)) = owed.get_mut(&key) else {
                    panic!("{src} answered {dest} what was not asked, or once more: {line}");
                };
                check_answer(request, &body);
                *times -= 1;
                if *times == 0 {
                    owed.remove(&key);
                }
            }
            What::Fault(text) => {
                let (what, node) = text.split_once(": ").unwrap_or_default();
                if matches!(what, "crash" | "restart") {
                    owed.retain(|(owes, ..), _| *owes != node);
                }
            }
            _ => {}
        }
    }
    owed
}

fn check_answer(request: &Value, answer: &Value) {
    let asked = request["type"].as_str().unwrap();
    if answer["type"] == "error" {
        let expected: &[u64] = match asked {
            "die" | "die_later" => &[13],
            "unknown" => &[10],
            "get" => &[20],
            "put" => &[12],
            "chain" | "race" => &[0],
            "count" => &[0, 30],
            _ => &[],
        };
        let code = answer["code"].as_u64().unwrap();
        assert!(expected.contains(&code), "{request} was answered {answer}");
        return;
    }
    assert_eq!(
        answer["type"],
        format!("{asked}_ok"),
        "{request} was answered {answer}"
    );
    if asked != "get" && asked != "rumor" && asked != "init" {
        assert_eq!(
            answer["token"], request["token"],
            "{request} was answered {answer}"
        );
    }
}

#[test]
fn without_faults_everything_is_answered() {
    check(0..40, |seed| {
        let mut rng = Rng::seeded(seed);
        let nodes = 1 + rng.below(6) as usize;
        let latency = Latency::uniform(ms(rng.below(20)));
        let mut cluster = Cluster::<State>::new(nodes)
            .seed(seed)
            .latency(latency)
            .tolerate_panics()
            .record_all()
            .start();
        for token in 0..150 {
            let node = format!("n{}", rng.below(nodes as u64));
            invoke_something(&mut cluster, &mut rng, &node, token);
            cluster.run_for(ms(rng.below(20)));
        }
        assert!(cluster.run_until_quiet(secs(60)));
        assert_eq!(follow(&cluster), Owed::new());
        assert_eq!(cluster.traffic().dropped, 0);
        for operation in cluster.history() {
            let result = operation.result.as_ref().unwrap();
            let code = result.as_ref().err().map(Error::code);
            assert_ne!(code, Some(0), "{operation:?}");
        }
    });
}

#[test]
fn with_all_faults_what_reaches_a_node_that_lives_is_answered_once() {
    check(0..60, |seed| {
        let mut rng = Rng::seeded(seed);
        let nodes = 1 + rng.below(6) as usize;
        let mut cluster = Cluster::<State>::new(nodes)
            .seed(seed)
            .latency(some_latency(&mut rng))
            .tolerate_panics()
            .record_all()
            .start();
        let mut names: Vec<String> = cluster.nodes().map(str::to_owned).collect();
        for token in 0..200 {
            if rng.chance(0.15) {
                some_fault(&mut cluster, &mut rng, &mut names);
            }
            let node = rng.choose(&names).unwrap();
            if rng.chance(0.2) {
                cluster.inject(node, some_line(&mut rng));
            } else {
                invoke_something(&mut cluster, &mut rng, node, token);
            }
            cluster.run_for(ms(rng.below(40)));
        }
        cluster.heal();
        for name in &names {
            cluster.resume(name);
        }
        assert!(cluster.run_until_quiet(secs(60)));
        assert_eq!(follow(&cluster), Owed::new());
        // Whatever it was given, a node that was not ended lives.
        for name in &names {
            cluster.restart(name);
            assert_eq!(cluster.call(name, Nap { pause: 1, token: 7 }), Ok(7));
        }
    });
}

#[test]
fn no_line_makes_a_node_die() {
    check(0..40, |seed| {
        let mut rng = Rng::seeded(seed);
        let mut cluster = Cluster::<State>::new(1).seed(seed).start();
        let key = 99;
        let put = Put {
            key,
            value: seed,
            token: 1,
        };
        assert_eq!(cluster.call("n0", put), Ok(1));
        for _ in 0..500 {
            cluster.inject("n0", some_line(&mut rng));
        }
        assert!(cluster.run_until_quiet(secs(60)));
        assert_eq!(
            cluster.call("n0", Get { key }),
            Ok(seed),
            "it is the same node as before"
        );
        assert!(cluster.log().len() > 100, "most of the lines are wrong");
        for (_, _, record) in cluster.log() {
            assert!(record.text.len() < 1_000, "{}", record.text);
        }
    });
}
