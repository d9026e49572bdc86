//! A plain Raft (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm")
//! that keeps term, vote and log on its disk, without snapshots. Reads go through the log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use glomer_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How often a leader is heard of.
const HEARTBEAT: Duration = Duration::from_millis(100);
/// Without a leader for so long, and at most as much again, a node stands for election.
const ELECTION: Duration = Duration::from_millis(500);
/// How often whoever waits for an entry looks again, and how often it does so.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mistake {
    /// A leader applies an entry, and answers, before a majority has it.
    AcknowledgesEarly,
    /// A node does not keep for whom it voted.
    VotesTwice,
    /// A leader commits whatever a majority has, of older terms, too (Figure 8 of the paper).
    CountsOlderTerms,
}

impl Mistake {
    pub(crate) fn unless(self, mended: bool) -> Option<Mistake> {
        (!mended).then_some(self)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    term: u64,
    command: Command,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Command {
    /// What a leader begins its term with.
    Nothing,
    Read {
        key: u64,
    },
    Write {
        key: u64,
        value: Value,
    },
    Cas {
        key: u64,
        from: Value,
        to: Value,
    },
}

type Answer = Result<Option<Value>, Error>;

#[derive(Default)]
enum Role {
    #[default]
    Follower,
    Candidate(BTreeSet<String>),
    /// For each peer, the next entry to send, and up to where its log is like the leader's.
    Leader(BTreeMap<String, (usize, usize)>),
}

pub(crate) struct Raft {
    mistake: Option<Mistake>,
    nodes: usize,
    term: u64,
    voted_for: Option<String>,
    /// The first entry is number 1.
    log: Vec<Entry>,
    role: Role,
    leader: Option<String>,
    deadline: Duration,
    applied: usize,
    values: BTreeMap<u64, Value>,
    /// The answers to entries of this node, with the terms of these.
    answers: BTreeMap<usize, (u64, Answer)>,
}

impl Raft {
    pub(crate) fn new(mistake: Option<Mistake>) -> Raft {
        Raft {
            mistake,
            nodes: 0,
            term: 0,
            voted_for: None,
            log: Vec::new(),
            role: Role::default(),
            leader: None,
            deadline: Duration::ZERO,
            applied: 0,
            values: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    fn last(&self) -> (u64, usize) {
        (self.term_of(self.log.len()), self.log.len())
    }

    fn term_of(&self, index: usize) -> u64 {
        let entry = index.checked_sub(1).and_then(|place| self.log.get(place));
        entry.map_or(0, |entry| entry.term)
    }

    fn keep_vote(&self, cx: &Context) {
        let vote = match self.mistake {
            Some(Mistake::VotesTwice) => None,
            _ => self.voted_for.clone(),
        };
        cx.disk().put("vote", &(self.term, vote));
    }

    fn follow(&mut self, cx: &Context, term: u64) {
        if term > self.term {
            self.term = term;
            self.voted_for = None;
            self.keep_vote(cx);
        }
        self.role = Role::Follower;
        self.leader = None;
    }

    fn wait_for_leader(&mut self, cx: &Context) {
        self.deadline = cx.now() + ELECTION.mul_f64(1.0 + cx.rng().unit());
    }

    fn stand(&mut self, cx: &Context) {
        let me = cx.node_id().to_owned();
        self.term += 1;
        self.voted_for = Some(me.clone());
        self.keep_vote(cx);
        self.role = Role::Candidate(BTreeSet::from([me]));
        self.leader = None;
        self.wait_for_leader(cx);
        let (term, last) = (self.term, self.last());
        for peer in cx.peers() {
            cx.send(peer, RequestVote { term, last });
        }
        self.count_votes(cx);
    }

    fn count_votes(&mut self, cx: &Context) {
        if let Role::Candidate(votes) = &self.role
            && votes.len() > self.nodes / 2
        {
            let next = self.log.len() + 1;
            let followers = cx.peers().map(|peer| (peer.to_owned(), (next, 0)));
            self.role = Role::Leader(followers.collect());
            self.leader = Some(cx.node_id().to_owned());
            if self.mistake != Some(Mistake::CountsOlderTerms) {
                self.push(cx, Command::Nothing);
            }
            self.replicate(cx);
        }
    }

    fn push(&mut self, cx: &Context, command: Command) -> usize {
        let term = self.term;
        let entry = Entry { term, command };
        cx.disk().append("log", &entry);
        self.log.push(entry);
        if self.mistake == Some(Mistake::AcknowledgesEarly) {
            self.apply(self.log.len());
        }
        self.log.len()
    }

    fn replicate(&self, cx: &Context) {
        let Role::Leader(followers) = &self.role else {
            return;
        };
        for (peer, (next, _)) in followers {
            cx.send(
                peer,
                Append {
                    term: self.term,
                    previous: (self.term_of(next - 1), next - 1),
                    entries: self.log[next - 1..].to_vec(),
                    commit: self.applied,
                },
            );
        }
    }

    fn commit(&mut self) {
        let Role::Leader(followers) = &self.role else {
            return;
        };
        let matched = followers.values().map(|(_, matched)| *matched);
        let mut matched: Vec<usize> = matched.chain([self.log.len()]).collect();
        matched.sort_unstable_by(|a, b| b.cmp(a));
        let index = matched[self.nodes / 2];
        let counts_older = self.mistake == Some(Mistake::CountsOlderTerms);
        if counts_older || self.term_of(index) == self.term {
            self.apply(index);
        }
    }

    fn apply(&mut self, until: usize) {
        while self.applied < until.min(self.log.len()) {
            let Entry { term, command } = self.log[self.applied].clone();
            self.applied += 1;
            let missing = || Error::key_does_not_exist("there is no such key");
            let answer = match command {
                Command::Nothing => Ok(None),
                Command::Read { key } => {
                    let value = self.values.get(&key).cloned();
                    value.map(Some).ok_or_else(missing)
                }
                Command::Write { key, value } => {
                    self.values.insert(key, value);
                    Ok(None)
                }
                Command::Cas { key, from, to } => match self.values.get_mut(&key) {
                    None => Err(missing()),
                    Some(value) if *value == from => {
                        *value = to;
                        Ok(None)
                    }
                    Some(_) => Err(Error::precondition_failed("it has another value")),
                },
            };
            self.answers.insert(self.applied, (term, answer));
        }
    }
}

#[handler("init")]
fn init(raft: &mut Raft, cx: &Context) -> Result<(), Error> {
    raft.nodes = cx.node_ids().len();
    (raft.term, raft.voted_for) = cx.disk().load("vote")?.unwrap_or_default();
    let entries = cx.disk().entries("log", ..)?;
    raft.log = entries.into_iter().map(|(_, entry)| entry).collect();
    raft.wait_for_leader(cx);
    Ok(())
}

#[every("20ms")]
fn look_after(raft: &mut Raft, cx: &Context) {
    if raft.deadline <= cx.now() && !matches!(raft.role, Role::Leader(_)) {
        raft.stand(cx);
    }
}

#[every("100ms")]
fn heartbeat(raft: &mut Raft, cx: &Context) {
    debug_assert!(HEARTBEAT < ELECTION);
    raft.replicate(cx);
}

#[handler("request_vote")]
fn request_vote(raft: &mut Raft, cx: &Context, term: u64, last: (u64, usize)) {
    if term > raft.term {
        raft.follow(cx, term);
    }
    let candidate = cx.sender();
    let free = raft.voted_for.as_deref().is_none_or(|it| it == candidate);
    if term == raft.term && free && last >= raft.last() {
        raft.voted_for = Some(candidate.to_owned());
        raft.keep_vote(cx);
        raft.wait_for_leader(cx);
        cx.send(candidate, Vote { term });
    }
}

#[handler("vote")]
fn vote(raft: &mut Raft, cx: &Context, term: u64) {
    if let Role::Candidate(votes) = &mut raft.role
        && term == raft.term
    {
        votes.insert(cx.sender().to_owned());
        raft.count_votes(cx);
    }
}

#[handler("append")]
fn append(
    raft: &mut Raft,
    cx: &Context,
    term: u64,
    previous: (u64, usize),
    entries: Vec<Entry>,
    commit: usize,
) {
    if term < raft.term {
        let (term, matched) = (raft.term, None);
        return cx.send(cx.sender(), Appended { term, matched });
    }
    raft.follow(cx, term);
    raft.leader = Some(cx.sender().to_owned());
    raft.wait_for_leader(cx);
    let (_, mut index) = previous;
    let matched = if (raft.term_of(index), index) == previous && index <= raft.log.len() {
        for entry in entries {
            index += 1;
            if raft.term_of(index) == entry.term {
                continue;
            }
            if raft.log.len() >= index {
                raft.log.truncate(index - 1);
                cx.disk().cut("log", index as u64 - 1..);
            }
            cx.disk().append("log", &entry);
            raft.log.push(entry);
        }
        raft.apply(commit.min(index));
        Some(index)
    } else {
        None
    };
    cx.send(cx.sender(), Appended { term, matched });
}

#[handler("appended")]
fn appended(raft: &mut Raft, cx: &Context, term: u64, matched: Option<usize>) {
    if term > raft.term {
        return raft.follow(cx, term);
    }
    let current = term == raft.term;
    if let Role::Leader(followers) = &mut raft.role
        && current
        && let Some((next, known)) = followers.get_mut(cx.sender())
    {
        match matched {
            Some(index) => {
                *known = index.max(*known);
                *next = *known + 1;
            }
            None => *next = (*next - 1).max(1),
        }
        raft.commit();
    }
}

/// Has the leader do a command, and waits until it is done.
async fn execute(raft: &Shared<Raft>, cx: &Context, command: Command) -> Answer {
    let begun = raft.with(|raft| {
        matches!(raft.role, Role::Leader(_)).then(|| {
            let index = raft.push(cx, command);
            raft.replicate(cx);
            (index, raft.term)
        })
    });
    let Some((index, term)) = begun else {
        return Err(Error::temporarily_unavailable("this is not the leader"));
    };
    for _ in 0..LOOKS {
        if let Some((done, answer)) = raft.with(|raft| raft.answers.remove(&index)) {
            return if done == term {
                answer
            } else {
                Err(Error::abort("another leader had something else there"))
            };
        }
        cx.sleep(LOOK).await;
    }
    Err(Error::timeout("no majority agreed"))
}

/// The leader, if that is another node.
fn other_leader(raft: &Shared<Raft>, cx: &Context) -> Option<String> {
    let leader = raft.with(|raft| raft.leader.clone());
    // Who asks is no client, and gets an answer from here.
    let is_client = !cx.node_ids().iter().any(|node| node == cx.sender());
    leader.filter(|leader| leader != cx.node_id() && is_client)
}

#[handler("read", reply = "value")]
async fn read(raft: &Shared<Raft>, cx: &Context, key: u64) -> Result<Value, Error> {
    if let Some(leader) = other_leader(raft, cx) {
        return cx.rpc(&leader, Read { key }).await;
    }
    let value = execute(raft, cx, Command::Read { key }).await?;
    Ok(value.unwrap_or_default())
}

#[handler("write")]
async fn write(raft: &Shared<Raft>, cx: &Context, key: u64, value: Value) -> Result<(), Error> {
    if let Some(leader) = other_leader(raft, cx) {
        return cx.rpc(&leader, Write { key, value }).await;
    }
    let command = Command::Write { key, value };
    execute(raft, cx, command).await.map(|_| ())
}

#[handler("cas")]
async fn cas(
    raft: &Shared<Raft>,
    cx: &Context,
    key: u64,
    from: Value,
    to: Value,
) -> Result<(), Error> {
    if let Some(leader) = other_leader(raft, cx) {
        return cx.rpc(&leader, Cas { key, from, to }).await;
    }
    let command = Command::Cas { key, from, to };
    execute(raft, cx, command).await.map(|_| ())
}
