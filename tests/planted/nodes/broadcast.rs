use std::collections::BTreeSet;

use glomer_runtime::prelude::*;

/// A node that tells all others what it learns.
pub(crate) struct Gossip {
    /// Whether it tells them again, for what got lost.
    retries: bool,
    /// Whether it knows it still when it was killed.
    keeps: bool,
    messages: BTreeSet<u64>,
}

impl Gossip {
    pub(crate) fn new(retries: bool, keeps: bool) -> Gossip {
        Gossip {
            retries,
            keeps,
            messages: BTreeSet::new(),
        }
    }

    fn learn(&mut self, cx: &Context, mut messages: BTreeSet<u64>) {
        messages.retain(|message| self.messages.insert(*message));
        if messages.is_empty() {
            return;
        }
        if self.keeps {
            cx.disk().put("messages", &self.messages);
        }
        for peer in cx.peers() {
            let messages = messages.clone();
            cx.send(peer, Learn { messages });
        }
    }
}

#[handler("init")]
fn init(gossip: &mut Gossip, cx: &Context) -> Result<(), Error> {
    if gossip.keeps {
        gossip.messages = cx.disk().load("messages")?.unwrap_or_default();
    }
    Ok(())
}

#[handler("topology")]
fn topology(_: &Gossip) {}

#[handler("broadcast")]
fn broadcast(gossip: &mut Gossip, cx: &Context, message: u64) {
    gossip.learn(cx, BTreeSet::from([message]));
}

#[handler("learn")]
fn learn(gossip: &mut Gossip, cx: &Context, messages: BTreeSet<u64>) {
    gossip.learn(cx, messages);
}

#[handler("read", reply = "messages")]
fn read(gossip: &Gossip) -> BTreeSet<u64> {
    gossip.messages.clone()
}

#[every("1s")]
fn retry(gossip: &mut Gossip, cx: &Context) {
    if gossip.retries && !gossip.messages.is_empty() {
        for peer in cx.peers() {
            let messages = gossip.messages.clone();
            cx.send(peer, Learn { messages });
        }
    }
}
