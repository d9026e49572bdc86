//! How long it takes a node to get to a message.
//!
//! Nodes in virtual time take no time to handle a message, so every operation that needs no
//! other node would begin and end in the same instant, and no two would ever overlap. So each
//! delivery waits a little, for a drawn time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use glomer_runtime::Rng;

use crate::run::wire;

/// How long a delivery to a node takes at most, unless told otherwise.
pub const TURN_LATENCY: Duration = Duration::from_millis(2);

/// A message that has arrived at a node and waits for its turn.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// The node.
    pub(crate) node: usize,
    /// The message's number.
    pub(crate) id: u64,
    /// Who sent it.
    pub(crate) src: Arc<str>,
    /// The body.
    pub(crate) body: Arc<str>,
}

impl Delivery {
    /// Appends the line that the node, which is called `dest`, is to read.
    pub(crate) fn write(&self, output: &mut Vec<u8>, dest: &str) {
        wire::write(output, self.id, &self.src, dest, &self.body);
    }
}

/// The messages that wait for their turn.
///
/// How long one waits is drawn by the link that it came over and its number on it, so that it
/// is the same whatever others do. Messages of one link keep their order.
pub(crate) struct Turns {
    seed: u64,
    most: Duration,
    links: HashMap<(Arc<str>, usize), Link>,
    /// By the time at which they are due, and what came first among equals.
    waiting: BinaryHeap<Reverse<(Duration, u64, usize)>>,
    deliveries: Vec<Option<Delivery>>,
    free: Vec<usize>,
    arrived: u64,
}

struct Link {
    rng: Rng,
    last: Duration,
}

impl Turns {
    /// None. Each that comes waits for up to `most`.
    pub(crate) fn new(seed: u64, most: Duration) -> Turns {
        Turns {
            seed,
            most,
            links: HashMap::new(),
            waiting: BinaryHeap::new(),
            deliveries: Vec::new(),
            free: Vec::new(),
            arrived: 0,
        }
    }

    /// Takes a message that arrives now, on this lane, at a node, which is called `dest`.
    pub(crate) fn arrive(&mut self, now: Duration, lane: Arc<str>, dest: &str, delivery: Delivery) {
        let mut due = now;
        if !self.most.is_zero() {
            let seed = self.seed;
            let link = self.links.entry((lane, delivery.node));
            let link = link.or_insert_with_key(|(lane, _)| Link {
                rng: Rng::named(seed, &[lane, dest]),
                last: Duration::ZERO,
            });
            let most = u64::try_from(self.most.as_nanos()).unwrap_or(u64::MAX - 1);
            let wait = Duration::from_nanos(link.rng.below(most + 1));
            due = now.saturating_add(wait).max(link.last);
            link.last = due;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.deliveries.push(None);
            self.deliveries.len() - 1
        });
        self.deliveries[slot] = Some(delivery);
        self.arrived += 1;
        self.waiting.push(Reverse((due, self.arrived, slot)));
    }

    /// The next message whose turn has come.
    pub(crate) fn next(&mut self, now: Duration) -> Option<Delivery> {
        while self.deadline().is_some_and(|due| due <= now) {
            let Reverse((_, _, slot)) = self.waiting.pop()?;
            self.free.push(slot);
            let delivery = self.deliveries[slot].take();
            if delivery.is_some() {
                return delivery;
            }
        }
        None
    }

    /// When the next turn comes, unless its message is [forgotten](Turns::forget).
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.waiting.peek().map(|Reverse((due, ..))| *due)
    }

    /// Forgets what waits for a node, as when the node dies.
    pub(crate) fn forget(&mut self, node: usize) {
        for delivery in &mut self.deliveries {
            delivery.take_if(|delivery| delivery.node == node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// When which messages get their turns.
    fn turns(turns: &mut Turns) -> Vec<(Duration, u64)> {
        let mut given = Vec::new();
        while let Some(due) = turns.deadline() {
            given.extend(turns.next(due).map(|delivery| (due, delivery.id)));
        }
        given
    }

    fn arrive(turns: &mut Turns, at: Duration, src: &str, node: usize, id: u64) {
        let delivery = Delivery {
            node,
            id,
            src: src.into(),
            body: "{}".into(),
        };
        turns.arrive(at, src.into(), &format!("n{node}"), delivery);
    }

    #[test]
    fn what_others_do_does_not_change_a_links_times_and_its_order_is_kept() {
        let mut alone = Turns::new(7, 2 * MS);
        for id in 0..100 {
            arrive(&mut alone, MS * id as u32 / 4, "n1", 0, id);
        }
        let alone = turns(&mut alone);
        assert!(alone.iter().map(|(_, id)| *id).eq(0..100));
        let waits = |(due, id): &(Duration, u64)| *due - MS * *id as u32 / 4;
        assert!(alone.iter().map(waits).all(|wait| wait <= 2 * MS));
        assert!(alone.iter().map(waits).any(|wait| wait > MS));

        let mut among_others = Turns::new(7, 2 * MS);
        for id in 0..100 {
            arrive(&mut among_others, MS * id as u32 / 4, "n2", 0, 1_000 + id);
            arrive(&mut among_others, MS * id as u32 / 4, "n1", 0, id);
            arrive(&mut among_others, MS * id as u32 / 4, "n1", 3, 2_000 + id);
        }
        let mut same = turns(&mut among_others);
        assert!(same.is_sorted_by_key(|(due, _)| *due));
        same.retain(|(_, id)| *id < 1_000);
        assert_eq!(same, alone);
    }

    #[test]
    fn without_latency_all_come_at_once_and_in_order() {
        let mut none = Turns::new(7, Duration::ZERO);
        for id in 0..10 {
            arrive(&mut none, MS, "n1", id as usize % 3, id);
        }
        assert!(turns(&mut none).into_iter().eq((0..10).map(|id| (MS, id))));
    }

    #[test]
    fn what_waits_for_a_dead_node_is_forgotten() {
        let mut some = Turns::new(7, MS);
        for id in 0..10 {
            arrive(&mut some, MS, "n1", id as usize % 2, id);
        }
        some.forget(1);
        arrive(&mut some, 3 * MS, "n1", 1, 10);
        let left: Vec<u64> = turns(&mut some).into_iter().map(|(_, id)| id).collect();
        assert_eq!(left.len(), 6);
        assert_eq!(left[5], 10);
        assert!(left[..5].iter().all(|id| id % 2 == 0));
    }
}
