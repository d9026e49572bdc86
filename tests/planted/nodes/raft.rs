//! A plain Raft (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm")
//! that keeps a set, with term, vote and log on its disk and without snapshots. Reads go through
//! the log. Only the leader answers clients, and what they ask adds no messages between nodes, so
//! that leaving it out changes nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use glomer_runtime::prelude::*;
use serde::{Deserialize, Serialize};

/// At most so much longer than the others does a node do without a leader.
const SPREAD: Duration = Duration::from_millis(300);
/// How often whoever waits for an entry looks again, and for how long it does so.
const LOOK: Duration = Duration::from_millis(50);
const WAIT: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mistake {
    /// A leader applies an entry, and answers, before a majority has it.
    AcknowledgesEarly,
    /// A node does not keep for whom it voted.
    VotesTwice,
    /// A leader commits whatever a majority has, of older terms, too (Figure 8 of the paper).
    CountsOlderTerms,
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
    Read,
    Add(u64),
}

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
    /// At least so long does a node do without a leader before it stands for election.
    election: Duration,
    nodes: usize,
    term: u64,
    voted_for: Option<String>,
    /// The first entry is number 1.
    log: Vec<Entry>,
    role: Role,
    /// How long it does without a leader this time.
    patience: Duration,
    deadline: Duration,
    applied: usize,
    set: BTreeSet<u64>,
    /// What was applied, and not yet asked for: the terms of the entries, and the set if they
    /// read it.
    done: BTreeMap<usize, (u64, BTreeSet<u64>)>,
}

impl Raft {
    /// A node with a mistake, or its mended twin, which elects as fast as that.
    pub(crate) fn new(mistake: Mistake, mended: bool) -> Raft {
        let election = match mistake {
            // So long can candidates of one term stand against each other, while voters are
            // killed and come back.
            Mistake::VotesTwice => Duration::from_secs(2),
            // Terms come and go while an entry is on its way.
            Mistake::AcknowledgesEarly | Mistake::CountsOlderTerms => Duration::from_millis(300),
        };
        Raft {
            mistake: (!mended).then_some(mistake),
            election,
            nodes: 0,
            term: 0,
            voted_for: None,
            log: Vec::new(),
            role: Role::default(),
            patience: Duration::ZERO,
            deadline: Duration::ZERO,
            applied: 0,
            set: BTreeSet::new(),
            done: BTreeMap::new(),
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
    }

    fn wait_for_leader(&mut self, cx: &Context) {
        self.deadline = cx.now() + self.patience;
    }

    fn draw_patience(&mut self, cx: &Context) {
        self.patience = self.election + SPREAD.mul_f64(cx.rng().unit());
    }

    fn stand(&mut self, cx: &Context) {
        let me = cx.node_id().to_owned();
        self.term += 1;
        self.voted_for = Some(me.clone());
        self.keep_vote(cx);
        self.role = Role::Candidate(BTreeSet::from([me]));
        self.draw_patience(cx);
        self.wait_for_leader(cx);
        self.ask_for_votes(cx);
        self.count_votes(cx);
    }

    /// Asks whoever has not voted for this candidate.
    fn ask_for_votes(&self, cx: &Context) {
        let Role::Candidate(votes) = &self.role else {
            return;
        };
        let (term, last) = (self.term, self.last());
        for peer in cx.peers().filter(|peer| !votes.contains(*peer)) {
            cx.send(peer, RequestVote { term, last });
        }
    }

    fn count_votes(&mut self, cx: &Context) {
        if let Role::Candidate(votes) = &self.role
            && votes.len() > self.nodes / 2
        {
            let next = self.log.len() + 1;
            let followers = cx.peers().map(|peer| (peer.to_owned(), (next, 0)));
            self.role = Role::Leader(followers.collect());
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
            let Entry { term, command } = &self.log[self.applied];
            self.applied += 1;
            let mut read = BTreeSet::new();
            match command {
                Command::Nothing => {}
                Command::Read => read.clone_from(&self.set),
                Command::Add(element) => _ = self.set.insert(*element),
            }
            self.done.insert(self.applied, (*term, read));
        }
    }
}

#[handler("init")]
fn init(raft: &mut Raft, cx: &Context) -> Result<(), Error> {
    raft.nodes = cx.node_ids().len();
    (raft.term, raft.voted_for) = cx.disk().load("vote")?.unwrap_or_default();
    let entries = cx.disk().entries("log", ..)?;
    raft.log = entries.into_iter().map(|(_, entry)| entry).collect();
    raft.draw_patience(cx);
    raft.wait_for_leader(cx);
    Ok(())
}

#[every("50ms")]
fn look_after(raft: &mut Raft, cx: &Context) {
    if raft.deadline <= cx.now() && !matches!(raft.role, Role::Leader(_)) {
        raft.stand(cx);
    }
}

/// What was lost is sent again, and a leader is heard of.
#[every("100ms")]
fn heartbeat(raft: &mut Raft, cx: &Context) {
    raft.ask_for_votes(cx);
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
    if term == raft.term && matches!(raft.role, Role::Leader(_)) {
        // There is one leader of a term, and it obeys nobody.
        return;
    }
    raft.follow(cx, term);
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

/// Has a command done, if this node is the leader, and waits until it is. Then this is the set,
/// if the command reads it.
async fn execute(
    raft: &Shared<Raft>,
    cx: &Context,
    command: Command,
) -> Result<BTreeSet<u64>, Error> {
    let begun = raft.with(|raft| {
        let leads = matches!(raft.role, Role::Leader(_));
        leads.then(|| (raft.push(cx, command), raft.term))
    });
    let Some((index, term)) = begun else {
        return Err(Error::temporarily_unavailable("this is not the leader"));
    };
    let end = cx.now() + WAIT;
    while cx.now() < end {
        if let Some((done, read)) = raft.with(|raft| raft.done.remove(&index)) {
            return if done == term {
                Ok(read)
            } else {
                Err(Error::abort("another leader had something else there"))
            };
        }
        cx.sleep(LOOK).await;
    }
    Err(Error::timeout("no majority agreed"))
}

#[handler("read", reply = "value")]
async fn read(raft: &Shared<Raft>, cx: &Context) -> Result<BTreeSet<u64>, Error> {
    execute(raft, cx, Command::Read).await
}

#[handler("add")]
async fn add(raft: &Shared<Raft>, cx: &Context, element: u64) -> Result<(), Error> {
    execute(raft, cx, Command::Add(element)).await.map(|_| ())
}
