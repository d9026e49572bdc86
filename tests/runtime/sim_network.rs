//! The simulated network, through its public interface.

use glomer_runtime::Rng;
use glomer_runtime::sim::{
    Address, Delivery, Dropped, Fate, Latency, Network, Passage, Role, ms, secs,
};
use std::time::Duration;

const SEED: u64 = 42;

fn network(latency: Latency, servers: usize) -> (Network<u32>, Vec<Address>) {
    println!("seed {SEED}");
    let mut net = Network::new(latency, Rng::seeded(SEED));
    let nodes = (0..servers)
        .map(|i| net.add(&format!("n{i}"), Role::Server))
        .collect();
    (net, nodes)
}

fn drain(net: &mut Network<u32>, until: Duration) -> Vec<Passage<u32>> {
    std::iter::from_fn(|| net.poll(until)).collect()
}

fn messages(events: &[Passage<u32>], fate: Fate) -> Vec<u32> {
    events
        .iter()
        .filter(|e| e.fate == fate)
        .map(|e| e.message)
        .collect()
}

#[test]
fn names_and_addresses_belong_together() {
    let (mut net, nodes) = network(Latency::default(), 2);
    let service = net.add("lin-kv", Role::Service);
    assert_eq!(net.lookup("n1"), Some(nodes[1]));
    assert_eq!(net.lookup("n2"), None);
    assert_eq!(net.name(service), "lin-kv");
    assert_eq!(net.role(service), Role::Service);
    assert_eq!(
        net.addresses().map(Address::index).collect::<Vec<_>>(),
        [0, 1, 2]
    );
}

#[test]
#[should_panic(expected = "\"n0\" is on this network already")]
fn a_name_is_taken_once() {
    let (mut net, _) = network(Latency::default(), 1);
    net.add("n0", Role::Client);
}

#[test]
fn messages_arrive_when_due_and_in_the_order_of_sending() {
    let (mut net, n) = network(Latency::constant(ms(100)), 2);
    assert_eq!(net.send(ms(5), n[0], n[1], 1), 0);
    assert_eq!(net.send(ms(5), n[0], n[1], 2), 1);
    assert_eq!(net.in_flight(), 2);
    assert_eq!(net.next_due(), Some(ms(105)));
    assert_eq!(net.poll(ms(104)), None);
    let expected = Passage {
        id: 0,
        src: n[0],
        dest: n[1],
        message: 1,
        sent: ms(5),
        due: ms(105),
        fate: Fate::Delivered,
    };
    assert_eq!(net.poll(secs(1)), Some(expected));
    assert_eq!(net.poll(secs(1)).map(|e| e.message), Some(2));
    assert_eq!(net.poll(secs(1)), None);
    assert_eq!((net.next_due(), net.in_flight(), net.sent()), (None, 0, 2));
}

#[test]
fn random_latencies_reorder_messages() {
    let (mut net, n) = network(Latency::exponential(ms(100)), 2);
    for i in 0..100 {
        net.send(ms(0), n[0], n[1], i);
    }
    let events = drain(&mut net, secs(60));
    assert!(events.is_sorted_by_key(|e| e.due));
    let mut order = messages(&events, Fate::Delivered);
    assert!(!order.is_sorted());
    order.sort_unstable();
    assert_eq!(order, (0..100).collect::<Vec<_>>());
}

#[test]
fn clients_have_no_latency_and_services_do() {
    let (mut net, n) = network(Latency::constant(ms(100)), 1);
    let client = net.add("c0", Role::Client);
    let service = net.add("seq-kv", Role::Service);
    net.send(ms(0), n[0], service, 0);
    net.send(ms(0), service, n[0], 1);
    net.send(ms(0), client, n[0], 2);
    net.send(ms(0), n[0], client, 3);
    net.send(ms(0), client, service, 4);
    assert_eq!(
        messages(&drain(&mut net, ms(0)), Fate::Delivered),
        [2, 3, 4]
    );
    assert_eq!(messages(&drain(&mut net, ms(100)), Fate::Delivered), [0, 1]);
}

/// What arrived, and when.
fn arrivals(events: &[Passage<u32>]) -> Vec<(u32, Duration)> {
    let delivered = events.iter().filter(|e| e.fate == Fate::Delivered);
    delivered.map(|e| (e.message, e.due)).collect()
}

#[test]
fn in_turn_a_reader_waits_for_what_it_has_taken() {
    let (mut net, n) = network(Latency::constant(ms(100)), 3);
    net.set_delivery(Delivery::InTurn);
    let client = net.add("c0", Role::Client);
    net.send(ms(0), n[0], n[1], 1);
    // Due before it, but later in the reader's hand.
    net.set_link_latency(n[2], n[1], Some(Latency::constant(ms(10))));
    net.send(ms(20), n[2], n[1], 2);
    net.send(ms(30), client, n[1], 3);
    net.send(ms(40), n[0], n[1], 4);
    // Another node has a reader of its own.
    net.send(ms(50), client, n[2], 5);
    let events = drain(&mut net, secs(1));
    assert_eq!(
        arrivals(&events),
        [
            (5, ms(50)),
            (1, ms(100)),
            (2, ms(100)),
            (3, ms(100)),
            (4, ms(140))
        ]
    );
    net.send(secs(2), client, n[1], 6);
    assert_eq!(
        arrivals(&drain(&mut net, secs(2))),
        [(6, secs(2))],
        "it is free again"
    );
    assert_eq!((net.next_due(), net.in_flight()), (None, 0));
}

#[test]
fn in_turn_a_partition_matters_when_the_reader_takes_a_message() {
    let (mut net, n) = network(Latency::constant(ms(100)), 2);
    net.set_delivery(Delivery::InTurn);
    net.send(ms(0), n[0], n[1], 1);
    net.send(ms(10), n[0], n[1], 2);
    net.block(n[0], n[1]);
    let events = drain(&mut net, ms(105));
    assert_eq!(arrivals(&events), [(1, ms(100))], "taken before it began");
    let lost = messages(&events, Fate::Dropped(Dropped::Partition));
    assert_eq!(lost, [2], "taken while it lasted");
    net.send(ms(105), n[0], n[1], 3);
    net.unblock(n[0], n[1]);
    net.send(ms(110), n[0], n[1], 4);
    let events = drain(&mut net, secs(1));
    assert_eq!(
        messages(&events, Fate::Dropped(Dropped::Partition)),
        [3],
        "refused at once"
    );
    assert_eq!(arrivals(&events), [(4, ms(210))]);
}

#[test]
fn in_turn_nobody_waits_for_what_was_lost() {
    let (mut net, n) = network(Latency::constant(ms(100)), 2);
    net.set_delivery(Delivery::InTurn);
    let client = net.add("c0", Role::Client);
    net.set_loss(1.0);
    net.send(ms(0), n[0], n[1], 1);
    net.send(ms(5), client, n[1], 2);
    let events = drain(&mut net, secs(1));
    assert_eq!(arrivals(&events), [(2, ms(5))]);
    assert_eq!(messages(&events, Fate::Dropped(Dropped::Loss)), [1]);
}

#[test]
fn a_partition_drops_what_arrives_while_it_lasts() {
    let (mut net, n) = network(Latency::constant(ms(100)), 5);
    net.send(ms(0), n[0], n[2], 1);
    net.partition(&[&n[..2], &n[2..4]]);
    assert!(net.is_blocked(n[0], n[2]) && net.is_blocked(n[2], n[0]));
    net.send(ms(50), n[0], n[1], 2);
    net.send(ms(50), n[4], n[0], 3);
    net.send(ms(60), n[0], n[3], 4);
    let during = drain(&mut net, ms(150));
    assert_eq!(messages(&during, Fate::Dropped(Dropped::Partition)), [1]);
    assert_eq!(messages(&during, Fate::Delivered), [2, 3]);
    net.heal();
    assert_eq!(messages(&drain(&mut net, secs(1)), Fate::Delivered), [4]);
}

#[test]
fn partitions_add_up_over_more_addresses_than_a_machine_word_holds() {
    let (mut net, n) = network(Latency::default(), 200);
    net.partition(&[&n[..130], &n[130..]]);
    net.partition(&[&n[..1], &n[1..2]]);
    let late = net.add("late", Role::Server);
    for (a, src) in n.iter().enumerate() {
        for (b, dest) in n.iter().enumerate() {
            let expected = (a < 130) != (b < 130) || (a.min(b), a.max(b)) == (0, 1);
            assert_eq!(net.is_blocked(*src, *dest), expected, "{a} to {b}");
        }
        assert!(!net.is_blocked(*src, late) && !net.is_blocked(late, *src));
    }
}

#[test]
fn a_block_holds_in_one_direction() {
    let (mut net, n) = network(Latency::default(), 2);
    net.block(n[0], n[1]);
    net.send(ms(0), n[0], n[1], 1);
    net.send(ms(0), n[1], n[0], 2);
    let events = drain(&mut net, ms(0));
    assert_eq!(messages(&events, Fate::Dropped(Dropped::Partition)), [1]);
    assert_eq!(messages(&events, Fate::Delivered), [2]);
    net.unblock(n[0], n[1]);
    net.send(ms(0), n[0], n[1], 3);
    assert_eq!(messages(&drain(&mut net, ms(0)), Fate::Delivered), [3]);
}

#[test]
fn loss_is_decided_when_sending_and_spares_clients() {
    let (mut net, n) = network(Latency::constant(ms(10)), 2);
    let client = net.add("c0", Role::Client);
    net.set_loss(0.3);
    for i in 0..10_000 {
        net.send(ms(0), n[0], n[1], i);
        net.send(ms(0), client, n[1], i);
    }
    net.set_loss(0.0);
    let events = drain(&mut net, ms(10));
    let lost = messages(&events, Fate::Dropped(Dropped::Loss)).len();
    assert!((2_800..3_200).contains(&lost), "{lost} lost");
    assert!(
        events
            .iter()
            .all(|e| e.src == n[0] || e.fate == Fate::Delivered)
    );
    assert_eq!(events.len(), 20_000);
}

#[test]
fn duplicates_keep_their_number_and_take_their_own_time() {
    let (mut net, n) = network(Latency::uniform(ms(50)), 2);
    let client = net.add("c0", Role::Client);
    net.set_duplicate(1.0);
    let id = net.send(ms(0), n[0], n[1], 7);
    net.send(ms(0), client, n[1], 8);
    let events = drain(&mut net, secs(1));
    let twice: Vec<_> = events.iter().filter(|e| e.id == id).collect();
    assert_eq!(twice.len(), 2);
    assert_ne!(twice[0].due, twice[1].due);
    assert_eq!(messages(&events, Fate::Delivered).len(), 3);
}

#[test]
fn who_is_down_gets_nothing_until_brought_up() {
    let (mut net, n) = network(Latency::constant(ms(10)), 2);
    net.send(ms(0), n[0], n[1], 1);
    net.send(ms(1), n[0], n[1], 2);
    net.take_down(n[1]);
    let down = drain(&mut net, ms(10));
    assert_eq!(messages(&down, Fate::Dropped(Dropped::Down)), [1]);
    net.bring_up(n[1]);
    assert_eq!(messages(&drain(&mut net, ms(11)), Fate::Delivered), [2]);
}

#[test]
fn links_slow_down_together_or_one_by_one() {
    let (mut net, n) = network(Latency::constant(ms(10)), 2);
    let client = net.add("c0", Role::Client);
    let took = |net: &mut Network<u32>, src, dest| {
        net.send(ms(0), src, dest, 0);
        let event = net.poll(secs(60)).unwrap();
        event.due - event.sent
    };
    net.slow(10.0);
    assert_eq!(took(&mut net, n[0], n[1]), ms(100));
    assert_eq!(took(&mut net, client, n[1]), ms(0));
    net.fast();
    assert_eq!(took(&mut net, n[0], n[1]), ms(10));
    net.set_link_latency(n[0], n[1], Some(Latency::constant(ms(70))));
    net.set_link_latency(client, n[1], Some(Latency::constant(ms(3))));
    assert_eq!(took(&mut net, n[0], n[1]), ms(70));
    assert_eq!(took(&mut net, n[1], n[0]), ms(10));
    assert_eq!(took(&mut net, client, n[1]), ms(3));
    net.set_link_latency(n[0], n[1], None);
    net.set_latency(Latency::constant(ms(20)));
    assert_eq!(took(&mut net, n[0], n[1]), ms(20));
}

#[test]
fn the_same_seed_gives_the_same_network() {
    let run = |seed| {
        let mut net = Network::new(Latency::exponential(ms(20)), Rng::seeded(seed));
        let nodes: Vec<_> = (0..5)
            .map(|i| net.add(&format!("n{i}"), Role::Server))
            .collect();
        net.set_loss(0.1);
        net.set_duplicate(0.1);
        let mut events = Vec::new();
        for i in 0..1_000 {
            let now = ms(u64::from(i));
            net.send(now, nodes[i as usize % 5], nodes[i as usize * 3 % 5], i);
            events.extend(drain(&mut net, now));
        }
        events
    };
    assert_eq!(run(SEED), run(SEED));
    assert_ne!(run(SEED), run(SEED + 1));
}

#[test]
fn faults_do_not_disturb_the_latencies() {
    let dues = |loss| {
        let (mut net, n) = network(Latency::exponential(ms(20)), 2);
        net.set_loss(loss);
        for i in 0..100 {
            net.send(ms(0), n[0], n[1], i);
        }
        let events = drain(&mut net, secs(60));
        events
            .iter()
            .map(|e| (e.message, e.due))
            .collect::<Vec<_>>()
    };
    assert_eq!(dues(0.0), dues(0.5));
}

/// Leaving something out of a run must not change the rest of it.
#[test]
fn who_else_there_is_and_what_they_send_does_not_disturb_a_link() {
    let fates = |others: usize| {
        println!("seed {SEED}");
        let mut net = Network::new(Latency::exponential(ms(20)), Rng::seeded(SEED));
        for other in 0..others {
            net.add(&format!("other{other}"), Role::Server);
        }
        let (a, b) = (net.add("a", Role::Server), net.add("b", Role::Server));
        net.set_loss(0.3);
        net.set_duplicate(0.3);
        for i in 0..100 {
            for other in 0..others {
                let other = net.lookup(&format!("other{other}")).unwrap();
                net.send(ms(0), other, b, 1_000);
                net.send(ms(0), b, other, 1_000);
            }
            net.send(ms(0), b, a, 1_000);
            net.send(ms(0), a, b, i);
        }
        let mut events = drain(&mut net, secs(60));
        events.retain(|event| event.message < 1_000);
        let mut fates: Vec<_> = events.iter().map(|e| (e.message, e.due, e.fate)).collect();
        fates.sort_by_key(|(message, due, _)| (*message, *due));
        fates
    };
    let alone = fates(0);
    let lost = |(.., fate): &&(u32, Duration, Fate)| *fate == Fate::Dropped(Dropped::Loss);
    assert!((15..45).contains(&alone.iter().filter(lost).count()));
    assert!(alone.len() > 110, "some come twice");
    assert_eq!(alone, fates(1));
    assert_eq!(alone, fates(3));
}

#[test]
#[should_panic(expected = "the probability of loss must be between 0.0 and 1.0, and 30 is not")]
fn a_percentage_is_not_a_probability() {
    network(Latency::default(), 0).0.set_loss(30.0);
}
