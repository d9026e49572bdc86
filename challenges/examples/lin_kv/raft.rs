//! Raft (Ongaro and Ousterhout, "In Search of an Understandable Consensus
//! Algorithm", and Ongaro's thesis for trial votes and reads): elections,
//! replication, and reads that are confirmed by a majority.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::task::Waker;
use std::time::Duration;

use glomer_runtime::prelude::*;

use super::Requests;
use super::log::{Entry, Log, Position};
use super::machine::{Command, Machine};
use super::roster::{Formation, Roster};

/// A leader is heard of at least so often; also how long it waits for the answer
/// to an append before it sends it again.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// How long without a leader until a node stands for election: this, and at most
/// as much again, so that seldom two stand at once.
const ELECTION: Duration = Duration::from_millis(700);

/// How often a node that does not count greets the others.
const GREETING: Duration = Duration::from_millis(100);

/// Where it is on the disk; what else is there is the log's.
const RUN: &str = "run";
pub(super) const FORMATION: &str = "formation";
const VOTE: &str = "vote";

/// A node.
#[derive(Default)]
pub(crate) struct Raft {
    me: String,
    nodes: usize,
    /// The number of this node, as long as it has its disk; see
    /// [`roster`](super::roster).
    run: u64,
    /// Tells what it asks for now from what it asked for before it was killed.
    session: u64,
    formation: Formation,
    greeted: Option<Duration>,

    term: u64,
    voted_for: Option<String>,
    role: Role,
    leader: Option<String>,
    /// When a leader was last heard of.
    heard: Option<Duration>,
    /// When to stand for election.
    deadline: Duration,

    log: Log,
    /// Up to here, the log is committed and applied.
    commit: u64,
    pub(crate) machine: Machine,

    pub(crate) requests: Requests,
    /// Those who wait for any of this to change.
    pub(crate) waiting: Vec<Waker>,
}

#[derive(Default)]
enum Role {
    #[default]
    Follower,
    /// Whoever stands asks first whether it would be elected. So a node that was
    /// cut off does not come back with a term that unseats the leader.
    Candidate {
        trial: bool,
        votes: BTreeSet<String>,
    },
    Leader(Leadership),
}

struct Leadership {
    since: Duration,
    /// The first entry of the term.
    first: u64,
    /// Counts the reads, so that answers tell which of them they confirm.
    round: u64,
    followers: BTreeMap<String, Follower>,
}

/// What a leader knows of another node.
struct Follower {
    /// Its run, if it counts by its own account.
    run: Option<u64>,
    /// The first entry to send next.
    next: u64,
    /// Up to here, its log is like the leader's.
    matched: u64,
    /// The last round in which it knew this node as the leader, and the last that
    /// was sent to it.
    confirmed: u64,
    asked: u64,
    heard: Duration,
    sent: Duration,
    unanswered: bool,
}

/// A read that waits until this node has been the leader after it began.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    term: u64,
    round: u64,
    index: u64,
}

impl Raft {
    // For clients' requests.

    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    /// The leader, as far as this node knows.
    pub(crate) fn leader(&self) -> Option<String> {
        self.leader.clone()
    }

    /// Appends to the log, if this is the leader, and returns the term in which it
    /// has to be committed.
    pub(crate) fn propose(&mut self, cx: &Context, command: Command) -> Option<u64> {
        let Role::Leader(_) = self.role else {
            return None;
        };
        let term = self.term;
        self.log.push(cx, Entry { term, command });
        self.advance(cx);
        self.replicate(cx);
        Some(term)
    }

    /// Whether this has been the leader all the time since that term began.
    pub(crate) fn leads(&self, term: u64) -> bool {
        self.term == term && matches!(self.role, Role::Leader(_))
    }

    /// Begins a read, if this is the leader.
    pub(crate) fn begin_read(&mut self, cx: &Context) -> Option<Ticket> {
        let Role::Leader(leadership) = &mut self.role else {
            return None;
        };
        leadership.round += 1;
        let ticket = Ticket {
            term: self.term,
            round: leadership.round,
            // Before its first entry is committed, a leader does not know what
            // was committed before its term.
            index: self.commit.max(leadership.first),
        };
        self.replicate(cx);
        Some(ticket)
    }

    /// Whether the machine is now what the read may see; `None` if that cannot be
    /// known any more.
    pub(crate) fn is_confirmed(&self, ticket: Ticket) -> Option<bool> {
        let Role::Leader(leadership) = &self.role else {
            return None;
        };
        let confirmed = self.majority(leadership.round, |follower| follower.confirmed);
        let done = confirmed >= ticket.round && self.commit >= ticket.index;
        (self.term == ticket.term).then_some(done)
    }

    // Who counts.

    /// The newest roster in the log, whether it is committed or not.
    fn roster(&self) -> &Roster {
        let newest = self.log.newest_after(self.commit);
        let newest = newest.filter_map(|entry| match &entry.command {
            Command::Roster(roster) => Some(roster),
            Command::Order(_) => None,
        });
        newest
            .chain([self.committed_roster()])
            .next()
            .expect("a chain with one link")
    }

    fn committed_roster(&self) -> &Roster {
        if self.machine.roster.is_empty() {
            &self.formation.roster
        } else {
            &self.machine.roster
        }
    }

    /// This run of the node, if it may vote, and answer for what it is given.
    fn voice(&self) -> Option<u64> {
        let formed = self.formation.is_complete(self.nodes);
        let admitted = self.machine.roster.get(&self.me) == Some(&self.run);
        (formed || admitted).then_some(self.run)
    }

    /// The greatest value that a majority has reached, this node with `own`.
    fn majority<T: Ord + Default>(&self, own: T, of: impl Fn(&Follower) -> T) -> T {
        let mut values = vec![own];
        if let Role::Leader(leadership) = &self.role {
            let rosters = [self.roster(), self.committed_roster()];
            for (node, follower) in &leadership.followers {
                let run = follower.run.as_ref();
                if run.is_some() && rosters.iter().all(|roster| roster.get(node) == run) {
                    values.push(of(follower));
                }
            }
        }
        values.sort_by(|a, b| b.cmp(a));
        let majority = self.nodes / 2 + 1;
        values.into_iter().nth(majority - 1).unwrap_or_default()
    }

    // Roles.

    fn postpone_election(&mut self, cx: &Context) {
        self.deadline = cx.now() + ELECTION.mul_f64(1.0 + cx.rng().unit());
    }

    /// Votes in a term, or is in it without a vote yet. A node that forgot this could vote twice.
    fn vote(&mut self, cx: &Context, term: u64, voted_for: Option<&str>) {
        if (self.term, self.voted_for.as_deref()) != (term, voted_for) {
            self.term = term;
            self.voted_for = voted_for.map(str::to_owned);
            cx.disk().put(VOTE, &(self.term, &self.voted_for));
        }
    }

    /// Goes over to a later term, in which there is no leader known.
    fn follow(&mut self, cx: &Context, term: u64) {
        if term > self.term {
            self.vote(cx, term, None);
        }
        self.role = Role::Follower;
        self.leader = None;
        self.wake();
    }

    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    fn stand(&mut self, cx: &Context, trial: bool) {
        self.follow(cx, self.term + u64::from(!trial));
        let term = self.term + u64::from(trial);
        if !trial {
            let me = self.me.clone();
            self.vote(cx, term, Some(&me));
        }
        let votes = BTreeSet::from([self.me.clone()]);
        self.role = Role::Candidate { trial, votes };
        self.postpone_election(cx);
        let last = self.log.last();
        for peer in cx.peers() {
            cx.send(peer, RequestVote { term, trial, last });
        }
        self.count_votes(cx);
    }

    fn count_votes(&mut self, cx: &Context) {
        let Role::Candidate { trial, votes } = &self.role else {
            return;
        };
        match (votes.len() > self.nodes / 2, *trial) {
            (false, _) => {}
            (true, true) => self.stand(cx, false),
            (true, false) => self.lead(cx),
        }
    }

    fn lead(&mut self, cx: &Context) {
        let next = self.log.last().index + 1;
        let follower = |_| Follower {
            run: None,
            next,
            matched: 0,
            confirmed: 0,
            asked: 0,
            heard: cx.now(),
            sent: cx.now(),
            unanswered: false,
        };
        let followers = cx.peers().map(|peer| (peer.to_owned(), follower(peer)));
        self.role = Role::Leader(Leadership {
            since: cx.now(),
            first: next,
            round: 0,
            followers: followers.collect(),
        });
        self.leader = Some(self.me.clone());
        let roster = self.roster().clone();
        self.propose(cx, Command::Roster(roster));
    }

    // The log.

    /// Sends to all who should hear something now.
    fn replicate(&mut self, cx: &Context) {
        let Role::Leader(leadership) = &mut self.role else {
            return;
        };
        let (term, commit, round) = (self.term, self.commit, leadership.round);
        let last = self.log.last().index;
        for (node, follower) in &mut leadership.followers {
            let news = follower.next <= last || follower.asked < round;
            let due = cx.now() >= follower.sent + HEARTBEAT;
            if !due && (follower.unanswered || !news) {
                continue;
            }
            follower.asked = round;
            follower.sent = cx.now();
            follower.unanswered = true;
            match self.log.position(follower.next - 1) {
                Some(previous) => {
                    let entries = self.log.batch_after(previous.index);
                    cx.send(
                        node,
                        Append {
                            term,
                            previous,
                            entries,
                            commit,
                            round,
                        },
                    );
                }
                None => {
                    let machine = self.machine.clone();
                    let applied = self.log.position(commit).unwrap_or_default();
                    cx.send(
                        node,
                        Install {
                            term,
                            applied,
                            machine,
                            round,
                        },
                    );
                }
            }
        }
    }

    /// As the leader, commits what a majority has.
    fn advance(&mut self, cx: &Context) {
        let own = self.log.last().index;
        let index = self.majority(own, |follower| follower.matched);
        // What is of an earlier term is committed along with something of this one.
        if self
            .log
            .position(index)
            .is_some_and(|position| position.term == self.term)
        {
            self.commit_to(cx, index);
        }
    }

    fn commit_to(&mut self, cx: &Context, index: u64) {
        while self.commit < index
            && let Some(entry) = self.log.get(self.commit + 1)
        {
            self.machine.apply(&entry.command);
            self.commit += 1;
        }
        self.log.compact(cx, &self.machine, self.commit);
        self.wake();
    }

    /// Takes the sender as the leader of this term, unless the term is over.
    fn heed_leader(&mut self, cx: &Context, term: u64) -> bool {
        if term < self.term {
            return false;
        }
        let leader = cx.sender().to_owned();
        if term > self.term || self.leader.as_ref() != Some(&leader) {
            self.follow(cx, term);
        }
        self.vote(cx, term, Some(&leader));
        self.leader = Some(leader);
        self.heard = Some(cx.now());
        self.postpone_election(cx);
        true
    }
}

#[handler("init")]
fn init(raft: &mut Raft, cx: &Context) -> Result<(), Error> {
    raft.me = cx.node_id().to_owned();
    raft.nodes = cx.node_ids().len();
    raft.session = cx.rng().next_u64();
    let disk = cx.disk();
    match disk.load(RUN)? {
        Some(run) => raft.run = run,
        None => {
            raft.run = cx.rng().next_u64();
            disk.put(RUN, &raft.run);
        }
    }
    raft.formation = disk.load(FORMATION)?.unwrap_or_default();
    raft.formation.meet(cx, cx.node_id(), raft.run);
    (raft.term, raft.voted_for) = disk.load(VOTE)?.unwrap_or_default();
    let applied;
    (raft.log, raft.machine, applied) = Log::load(cx)?;
    raft.commit = applied.index;
    raft.postpone_election(cx);
    greet_all(raft, cx);
    Ok(())
}

fn greet_all(raft: &mut Raft, cx: &Context) {
    raft.greeted = Some(cx.now());
    for peer in cx.peers() {
        cx.send(peer, Greet { run: raft.run });
    }
}

#[handler("greet")]
fn greet(raft: &mut Raft, cx: &Context, run: u64) {
    // Who was admitted to a cluster takes no part in another formation.
    if raft.formation.is_complete(raft.nodes) || raft.machine.roster.is_empty() {
        raft.formation.meet(cx, cx.sender(), run);
        let noted = raft.formation.roster.clone();
        cx.send(cx.sender(), Greeted { noted });
    }
    if raft.leads(raft.term) && raft.roster().get(cx.sender()) != Some(&run) {
        let mut roster = raft.roster().clone();
        roster.insert(cx.sender().to_owned(), run);
        raft.propose(cx, Command::Roster(roster));
    }
}

/// The answer to a greeting: the runs that the sender has noted.
#[handler("greeted")]
fn greeted(raft: &mut Raft, cx: &Context, noted: Roster) {
    if raft.voice().is_none() {
        raft.formation.compare(cx, cx.sender(), &noted, raft.nodes);
        // A new cluster need not wait long for its first leader.
        let soon = ELECTION.mul_f64(cx.rng().unit() / 2.0);
        raft.deadline = cx.now() + soon;
    }
}

#[every("20ms")]
fn tick(raft: &mut Raft, cx: &Context) {
    if raft.voice().is_none() {
        if raft
            .greeted
            .is_none_or(|greeted| greeted + GREETING <= cx.now())
        {
            greet_all(raft, cx);
        }
    } else if let Role::Leader(Leadership { since, .. }) = raft.role {
        raft.replicate(cx);
        // A leader that does not reach a majority any more has nothing to say.
        let heard = raft.majority(cx.now(), |follower| follower.heard);
        if heard.max(since) + 2 * ELECTION < cx.now() {
            raft.follow(cx, raft.term);
            raft.postpone_election(cx);
        }
    } else if raft.deadline <= cx.now() {
        raft.stand(cx, true);
    }
}

#[handler("request_vote")]
fn request_vote(raft: &mut Raft, cx: &Context, term: u64, trial: bool, last: Position) {
    let Some(run) = raft.voice() else { return };
    let leader_lives = raft.heard.is_some_and(|heard| cx.now() < heard + ELECTION);
    if leader_lives || matches!(raft.role, Role::Leader(_)) {
        return;
    }
    if !trial && term > raft.term {
        raft.follow(cx, term);
    }
    let candidate = cx.sender();
    let complete = last >= raft.log.last();
    let granted = if trial {
        complete && term > raft.term
    } else {
        let free = raft
            .voted_for
            .as_ref()
            .is_none_or(|voted_for| voted_for == candidate);
        complete && term == raft.term && free
    };
    if granted && !trial {
        raft.vote(cx, term, Some(candidate));
        raft.postpone_election(cx);
    }
    let term = if granted { term } else { raft.term };
    cx.send(
        candidate,
        Vote {
            term,
            trial,
            granted,
            run,
        },
    );
}

#[handler("vote")]
fn vote(raft: &mut Raft, cx: &Context, term: u64, trial: bool, granted: bool, run: u64) {
    if !granted && term > raft.term {
        return raft.follow(cx, term);
    }
    let counts = raft.roster().get(cx.sender()) == Some(&run);
    let asked = raft.term + u64::from(trial);
    if let Role::Candidate { trial: role, votes } = &mut raft.role
        && granted
        && counts
        && (*role, asked) == (trial, term)
    {
        votes.insert(cx.sender().to_owned());
        raft.count_votes(cx);
    }
}

/// Also the heartbeat.
#[handler("append")]
fn append(
    raft: &mut Raft,
    cx: &Context,
    term: u64,
    previous: Position,
    entries: Vec<Entry>,
    commit: u64,
    round: u64,
) {
    let mut matched = None;
    if raft.heed_leader(cx, term) {
        matched = raft.log.extend(cx, previous, entries);
        raft.commit_to(cx, matched.unwrap_or(0).min(commit));
    }
    answer(raft, cx, round, matched);
}

/// For who is so far behind that the entries are not there any more.
#[handler("install")]
fn install(
    raft: &mut Raft,
    cx: &Context,
    term: u64,
    applied: Position,
    machine: Machine,
    round: u64,
) {
    let mut matched = None;
    if raft.heed_leader(cx, term) {
        if raft.log.extend(cx, applied, Vec::new()).is_some() {
            raft.commit_to(cx, applied.index);
        } else {
            raft.log = Log::install(cx, applied, &machine);
            raft.machine = machine;
            raft.commit = applied.index;
            raft.wake();
        }
        matched = Some(applied.index);
    }
    answer(raft, cx, round, matched);
}

fn answer(raft: &Raft, cx: &Context, round: u64, matched: Option<u64>) {
    let run = raft.voice();
    let last = raft.log.last().index;
    let term = raft.term;
    cx.send(
        cx.sender(),
        Appended {
            term,
            run,
            round,
            matched,
            last,
        },
    );
}

#[handler("appended")]
fn appended(
    raft: &mut Raft,
    cx: &Context,
    term: u64,
    run: Option<u64>,
    round: u64,
    matched: Option<u64>,
    last: u64,
) {
    if term > raft.term {
        return raft.follow(cx, term);
    }
    let Role::Leader(leadership) = &mut raft.role else {
        return;
    };
    let Some(follower) = leadership.followers.get_mut(cx.sender()) else {
        return;
    };
    if term < raft.term {
        return;
    }
    if mem::replace(&mut follower.run, run) != run {
        // Another run of it, which has nothing of what the last one had.
        (follower.matched, follower.confirmed) = (0, 0);
    }
    follower.heard = cx.now();
    follower.unanswered &= round < follower.asked;
    follower.confirmed = follower.confirmed.max(round);
    match matched {
        Some(index) => {
            follower.matched = follower.matched.max(index);
            follower.next = follower.next.max(follower.matched + 1);
        }
        None => follower.next = (last + 1).min(follower.next - 1).max(1),
    }
    raft.advance(cx);
    raft.replicate(cx);
    raft.wake();
}
