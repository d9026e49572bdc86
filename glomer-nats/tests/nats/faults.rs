//! What a carrier does when it is asked to break its node, and what its journal has.

use glomer_nats::control::{Drop, Event, Faults, Life, Reply, Request};
use serde_json::{Value, json};

use crate::support::{Asker, PLAIN, Server, carrier, carriers, until};

/// Longer than any test.
const FOREVER: u64 = 600_000;

fn done(client: &Asker, node: &str, request: &Request) {
    let reply = client.control(node, request);
    assert!(matches!(reply, Reply::Done), "{request:?}: {reply:?}");
}

fn life(client: &Asker, node: &str) -> Life {
    match client.control(node, &Request::Status) {
        Reply::Status(status) => status.life,
        other => panic!("{other:?}"),
    }
}

/// What the journal of a node has: clock, event and message.
fn journal(client: &Asker, node: &str) -> Vec<(u64, Event, Value)> {
    match client.control(node, &Request::ReadJournal { from: 0 }) {
        Reply::Journal(page) => page
            .entries
            .iter()
            .map(|entry| {
                let message = serde_json::from_str(entry.message.get()).unwrap();
                (entry.clock, entry.event, message)
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// Has n1 count and tell n2, and waits until n2 has been asked after that.
fn add_at_both(client: &Asker) -> Value {
    client.call("n1", &json!({"type": "add", "pass_on": ["n2"]}));
    client.call("n2", &json!({"type": "read"}))["value"].take()
}

#[test]
fn a_journal_tells_what_became_of_each_message() {
    let Some(server) = Server::start() else {
        return;
    };
    let _nodes = carriers(&server, &["n1", "n2"], &PLAIN);
    let client = Asker::new(&server);
    for node in ["n1", "n2"] {
        done(&client, node, &Request::StartJournal);
    }
    assert_eq!(add_at_both(&client), 1);
    let cut = Faults {
        cut: ["n1".to_owned()].into(),
        for_ms: FOREVER,
        ..Faults::default()
    };
    done(&client, "n2", &Request::Faults(cut));
    assert_eq!(add_at_both(&client), 1);
    let whole = Faults {
        for_ms: FOREVER,
        ..Faults::default()
    };
    done(&client, "n2", &Request::Faults(whole));
    let twice = Faults {
        duplicate: 1.0,
        for_ms: FOREVER,
        ..Faults::default()
    };
    done(&client, "n2", &Request::Faults(twice));
    assert_eq!(add_at_both(&client), 3);
    let never = Faults {
        loss: 1.0,
        for_ms: FOREVER,
        ..Faults::default()
    };
    done(&client, "n2", &Request::Faults(never));
    assert_eq!(add_at_both(&client), 3);

    let from_n1 = |message: &Value| message["src"] == "n1" && message["dest"] == "n2";
    let sent: Vec<u64> = journal(&client, "n1")
        .into_iter()
        .filter(|(_, event, message)| *event == Event::Sent && from_n1(message))
        .map(|(clock, ..)| clock)
        .collect();
    let [one, two, three, four] = sent[..] else {
        panic!("{sent:?}")
    };
    let there: Vec<(u64, Event)> = journal(&client, "n2")
        .into_iter()
        .filter(|(_, _, message)| from_n1(message))
        .map(|(clock, event, _)| (clock, event))
        .collect();
    let events: Vec<Event> = there.iter().map(|(_, event)| *event).collect();
    let dropped = |clock, why| Event::Dropped {
        sent: Some(clock),
        why,
    };
    let received = |clock| Event::Received { sent: Some(clock) };
    assert_eq!(
        events,
        [
            received(one),
            dropped(two, Drop::Cut),
            received(three),
            received(three),
            dropped(four, Drop::Loss)
        ]
    );
    // What comes of something is later by the clock.
    let sent = [one, two, three, three, four];
    assert!(
        there
            .iter()
            .zip(sent)
            .all(|((clock, _), sent)| *clock > sent),
        "{there:?}"
    );
}

#[test]
fn a_node_is_paused_and_killed_as_asked() {
    let Some(server) = Server::start() else {
        return;
    };
    let nodes = carriers(&server, &["n1", "n2"], &PLAIN);
    let client = Asker::new(&server);
    done(&client, "n2", &Request::Pause { for_ms: FOREVER });
    client.call("n1", &json!({"type": "add", "pass_on": ["n2"]}));
    done(&client, "n2", &Request::Resume);
    // What arrived meanwhile has waited for it.
    assert_eq!(client.call("n2", &json!({"type": "read"}))["value"], 1);
    // A pause ends by itself.
    done(&client, "n2", &Request::Pause { for_ms: 1 });
    assert_eq!(client.call("n2", &json!({"type": "read"}))["value"], 1);

    done(&client, "n2", &Request::Kill { for_ms: FOREVER });
    assert_eq!(life(&client, "n2"), Life::Down);
    assert_eq!(client.call("n2", &json!({"type": "read"}))["code"], 11);
    done(&client, "n2", &Request::Start);
    until("ready", || life(&client, "n2") == Life::Ready);
    assert_eq!(client.call("n2", &json!({"type": "read"}))["value"], 0);
    // A kill ends by itself, too, and is no failure of the node.
    done(&client, "n2", &Request::Kill { for_ms: 1 });
    until("ready", || life(&client, "n2") == Life::Ready);
    assert!(!nodes[1].tells("n2 is ready").contains("ended"));
}

#[test]
fn a_carrier_that_is_told_so_breaks_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let node = carrier(&server, "n1", "n1", &["--no-faults"], &PLAIN);
    node.tells("n1 is ready");
    let client = Asker::new(&server);
    let reply = client.control("n1", &Request::Kill { for_ms: FOREVER });
    let Reply::Refused { text } = reply else {
        panic!("{reply:?}")
    };
    assert!(text.contains("--no-faults"), "{text}");
    assert_eq!(life(&client, "n1"), Life::Ready);
}
