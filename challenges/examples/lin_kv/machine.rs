//! What the log is about: the key-value store, and who counts in votes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::roster::Roster;

/// What the log is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    /// What a client wants.
    Order(Order),
    /// Who counts from now on; the first entry of every term.
    Roster(Roster),
}

/// A change that is done only once, however often it is ordered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: Id,
    /// The lowest number of the session whose answer is still of interest.
    pub(crate) oldest: u64,
    pub(crate) change: Change,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Change {
    Write { key: Value, value: Value },
    Cas { key: Value, from: Value, to: Value },
}

/// The session of the node that a client asked, from its start to its end, and a
/// number.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Id {
    pub(crate) session: u64,
    pub(crate) number: u64,
}

/// What became of a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Read(Value),
    Changed,
    NoSuchKey,
    /// The key has this value, not the expected one.
    Different(Value),
    /// The node that asked has given up on it.
    Forgotten,
}

/// The state that every node computes from the log.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) roster: Roster,
    /// By the keys as JSON.
    values: BTreeMap<String, Value>,
    sessions: BTreeMap<u64, Session>,
}

/// The answers of changes that may come again: a network may deliver a request
/// twice, and a node that hears nothing tries again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Session {
    /// Nobody asks for changes with lower numbers any more.
    oldest: u64,
    answers: BTreeMap<u64, Answer>,
}

impl Machine {
    pub(crate) fn apply(&mut self, command: &Command) {
        match command {
            Command::Roster(roster) => self.roster = roster.clone(),
            Command::Order(order) if self.answer(order.id).is_some() => {}
            Command::Order(Order { id, oldest, change }) => {
                let answer = self.change(change);
                let session = self.sessions.entry(id.session).or_default();
                session.answers.insert(id.number, answer);
                session.oldest = session.oldest.max(*oldest);
                session.answers = session.answers.split_off(&session.oldest);
            }
        }
    }

    fn change(&mut self, change: &Change) -> Answer {
        match change {
            Change::Write { key, value } => {
                self.values.insert(key.to_string(), value.clone());
                Answer::Changed
            }
            Change::Cas { key, from, to } => match self.values.get_mut(&key.to_string()) {
                Some(value) if value == from => {
                    *value = to.clone();
                    Answer::Changed
                }
                Some(value) => Answer::Different(value.clone()),
                None => Answer::NoSuchKey,
            },
        }
    }

    /// What became of an order; `None` if it is not applied.
    pub(crate) fn answer(&self, id: Id) -> Option<Answer> {
        let session = self.sessions.get(&id.session)?;
        if id.number < session.oldest {
            Some(Answer::Forgotten)
        } else {
            session.answers.get(&id.number).cloned()
        }
    }

    pub(crate) fn read(&self, key: &Value) -> Answer {
        match self.values.get(&key.to_string()) {
            Some(value) => Answer::Read(value.clone()),
            None => Answer::NoSuchKey,
        }
    }
}
