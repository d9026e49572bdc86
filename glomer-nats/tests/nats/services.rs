//! The services on real servers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::{Client, Request, ServerAddr, jetstream};
use glomer_runtime::Rng;
use serde_json::{Value, json};

use crate::registers::{Clients, answered, check};
use crate::support::{Output, PATIENCE, Running, Server};

/// Instances of the services, each a process. They end with the test.
struct Instances(#[expect(dead_code, reason = "they run")] Vec<Running>);

impl Instances {
    /// Starts some for a cluster of their own, and waits until they answer.
    fn start(count: usize, urls: &str) -> Instances {
        let start = |_| Running::start(&["services", "--server", urls, "--cluster", "tested"]);
        let instances: Vec<_> = (0..count).map(start).collect();
        for instance in &instances {
            instance.tells("the services of the cluster tested run");
        }
        Instances(instances)
    }
}

/// The reply to a request, if there is one in time.
async fn ask(client: &Client, service: &str, body: &Value) -> Option<Value> {
    let reply = ask_text(client, service, body.to_string()).await?;
    Some(serde_json::from_str(&reply).unwrap())
}

async fn ask_text(client: &Client, service: &str, body: String) -> Option<String> {
    let subject = format!("glomer.tested.node.{service}");
    let timeout = Some(Duration::from_secs(8));
    let request = Request::new().payload(body.into()).timeout(timeout);
    let reply = client.send_request(subject, request).await.ok()?;
    Some(String::from_utf8(reply.payload.to_vec()).unwrap())
}

#[tokio::test]
async fn requests_are_answered_as_maelstrom_answers_them() {
    let Some(server) = Server::start() else {
        return;
    };
    let client = async_nats::connect(server.url()).await.unwrap();
    let _instances = Instances::start(2, &server.url());
    let absent =
        json!({"type": "error", "in_reply_to": 1, "code": 20, "text": "key does not exist"});
    for store in ["seq-kv", "lin-kv", "lww-kv"] {
        // A key that no subject could hold as it is, and equal to one written in another way.
        let key = json!({"a.b": [1, "> *"], "c": 1.50});
        let ask = |mut body: Value| {
            body["key"] = key.clone();
            body["msg_id"] = json!(1);
            let client = &client;
            async move { ask(client, store, &body).await.unwrap() }
        };
        let done = |kind: &str| json!({"type": kind, "in_reply_to": 1});
        assert_eq!(ask(json!({"type": "read"})).await, absent);
        let cas = json!({"type": "cas", "from": 0, "to": 1});
        assert_eq!(ask(cas).await, absent);
        let create = json!({"type": "cas", "from": 0, "to": 1, "create_if_not_exists": true});
        let created = ask(create).await;
        if store == "lww-kv" {
            assert_eq!(created, absent, "{store}");
        } else {
            assert_eq!(created, done("cas_ok"), "{store}");
        }
        let write = json!({"type": "write", "value": {"list": [1, 2]}});
        assert_eq!(ask(write).await, done("write_ok"));
        let value = json!({"list": [1, 2]});
        let cas = json!({"type": "cas", "from": [], "to": 1});
        let text = "current value {\"list\" [1 2]} is not []";
        let differs = json!({"type": "error", "in_reply_to": 1, "code": 22, "text": text});
        assert_eq!(ask(cas).await, differs, "{store}");
        let cas = json!({"type": "cas", "from": value, "to": "é"});
        assert_eq!(ask(cas).await, done("cas_ok"));
        let mut read = done("read_ok");
        read["value"] = json!("é");
        assert_eq!(ask(json!({"type": "read"})).await, read);
        // What no service knows.
        let unknown = ask(json!({"type": "delete"})).await;
        assert_eq!(
            (&unknown["code"], &unknown["in_reply_to"]),
            (&json!(10), &json!(1))
        );
        assert_eq!(
            unknown["text"],
            format!("{store} does not know `delete`, but read, write and cas")
        );
    }
    for ts in 0..3 {
        let reply = ask(&client, "lin-tso", &json!({"type": "ts", "msg_id": 7})).await;
        let ok = json!({"type": "ts_ok", "in_reply_to": 7, "ts": ts});
        assert_eq!(reply, Some(ok));
    }
    let reply = ask_text(&client, "lin-kv", "no body".to_owned())
        .await
        .unwrap();
    assert!(reply.contains(r#""code":12"#), "{reply}");
}

#[tokio::test]
async fn a_node_is_answered_where_it_listens() {
    use futures_util::StreamExt;
    let Some(server) = Server::start() else {
        return;
    };
    let client = async_nats::connect(server.url()).await.unwrap();
    let _instances = Instances::start(1, &server.url());
    let mut n1 = client.subscribe("glomer.tested.node.n1").await.unwrap();
    let message = r#"{"src":"n1","dest":"lin-tso","body":{"type":"ts","msg_id":3}}"#;
    client
        .publish("glomer.tested.node.lin-tso", message.into())
        .await
        .unwrap();
    let answer = n1.next().await.unwrap();
    assert_eq!(
        std::str::from_utf8(&answer.payload).unwrap(),
        r#"{"src":"lin-tso","dest":"n1","body":{"in_reply_to":3,"ts":0,"type":"ts_ok"}}"#
    );
}

#[test]
fn replicas_need_a_cluster_of_servers() {
    let Some(server) = Server::start() else {
        return;
    };
    let url = server.url();
    let output = Output::of(&["services", "--server", &url, "--replicas", "3"]);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(
        output.stderr.contains("--replicas 3 is for a cluster"),
        "{output:?}"
    );
}

/// lin-kv by two instances, on three servers, whose leader is killed so many times.
async fn killed(times: usize) {
    let Some(mut servers) = Server::cluster(3) else {
        return;
    };
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let urls = urls.join(",");
    let addresses: Vec<ServerAddr> = urls.split(',').map(|url| url.parse().unwrap()).collect();
    let client = async_nats::connect(addresses).await.unwrap();
    let _instances = Instances::start(2, &urls);

    let told = Arc::new(Told::default());
    let enough = Arc::new(AtomicBool::new(false));
    let clients = {
        let (client, told) = (client.clone(), Arc::clone(&told));
        let enough = Arc::clone(&enough);
        let ask = move |_, body: String| {
            let (client, told) = (client.clone(), Arc::clone(&told));
            async move {
                let reply = ask_text(&client, "lin-kv", body).await?;
                // An error that says that nobody knows, or that nothing was done, is no progress.
                if reply.contains(r#""code":0"#) || reply.contains(r#""code":11"#) {
                    told.without.lock().unwrap().clone_from(&reply);
                } else {
                    told.answers.fetch_add(1, Ordering::SeqCst);
                }
                Some(reply)
            }
        };
        tokio::spawn(async move {
            let more = move |_| !enough.load(Ordering::SeqCst);
            Clients {
                count: 6,
                keys: 3,
                more,
            }
            .ask(Rng::seeded(1), ask)
            .await
        })
    };
    for time in 0..times {
        told.more(300).await;
        let leader = whole(&client).await;
        servers[leader].kill();
        println!("kill {time}: server {leader}, after {:?}", told.answers);
        told.more(300).await;
        servers[leader].serve();
    }
    enough.store(true, Ordering::SeqCst);
    let history = clients.await.unwrap();
    println!(
        "{} of {} answered",
        answered(&history),
        history.operations().len()
    );
    check(&history).unwrap();
}

/// What clients were told.
#[derive(Default)]
struct Told {
    /// How many of them something for certain.
    answers: AtomicU64,
    /// The last reply without an answer.
    without: Mutex<String>,
}

impl Told {
    /// Waits until so many more requests are answered.
    async fn more(&self, more: u64) {
        let answers = || self.answers.load(Ordering::SeqCst);
        let (until, start) = (answers() + more, Instant::now());
        while answers() < until {
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "{:?} answers, the last without one: {:?}",
                self.answers,
                self.without
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Which server leads the stream of lin-kv, once all have what is in it: with one that has not,
/// and one that is killed, there is no majority.
async fn whole(client: &Client) -> usize {
    let start = Instant::now();
    loop {
        let stream = jetstream::new(client.clone())
            .get_stream("glomer-tested-lin-kv")
            .await;
        let info = stream.map(|stream| stream.cached_info().cluster.clone());
        assert!(start.elapsed() < 4 * PATIENCE, "not all have it: {info:?}");
        if let Ok(Some(info)) = info
            && info.replicas.iter().all(|replica| replica.current)
            && let Some(leader) = info.leader
        {
            return leader.trim_start_matches('s').parse().unwrap();
        }
    }
}

#[tokio::test]
async fn lin_kv_is_linearizable_while_the_leader_of_its_stream_is_killed() {
    killed(1).await;
}

#[tokio::test]
#[ignore = "a minute or two: the same for longer"]
async fn lin_kv_is_linearizable_however_often_its_leader_is_killed() {
    killed(10).await;
}
