//! A linearizable key-value store over a log: `lin-kv`, and `seq-kv`, too.
//!
//! The requests for one key that come in while others are at work make a *round*: they are
//! applied in order to the value that the key is known to have, in memory, and what results is
//! appended, on the condition that the key's latest record is still the one they were applied
//! to. When the log takes it, they all took effect at that moment, one after the other: reads
//! too. So a value that was loaded too early is no harm, wherever it came from; it is found out.
//! A round that changes nothing appends what is there once more, for that reason alone.
//!
//! An append whose outcome is not known is made again, with the same condition: at most one of
//! the two can be taken. When another record has come in between, its change tells whether ours
//! was the last one. If it was not, nobody can tell, and the requests that would have changed
//! something are answered so. The others are asked anew.

use super::log::{Appended, Log, Record};
use super::pace::Pace;
use super::{error, key_subject, perhaps, unavailable, value_too_long};
use glomer_runtime::sim::service::{Flavour, Request};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant};

/// A store, for as many askers as there are.
pub(super) struct Linear<L> {
    log: L,
    /// How long a request is tried.
    timeout: Duration,
    /// Where the names of this store's changes begin, which no other store's do.
    name: String,
    changes: AtomicU64,
    /// For each key at work, what has come in for it meanwhile.
    waiting: Mutex<HashMap<String, Vec<Waiting>>>,
}

struct Waiting {
    request: Request,
    arrived: Instant,
    reply: oneshot::Sender<String>,
}

impl Waiting {
    fn answer(self, reply: String) {
        // Whoever asked may be gone.
        let _ = self.reply.send(reply);
    }
}

impl<L: Log> Linear<L> {
    pub(super) fn new(log: L, name: String, timeout: Duration) -> Arc<Linear<L>> {
        Arc::new(Linear {
            log,
            timeout,
            name,
            changes: AtomicU64::new(0),
            waiting: Mutex::default(),
        })
    }

    /// The body of the reply to a request, without its `in_reply_to`.
    pub(super) async fn ask(self: &Arc<Self>, request: Request) -> String {
        let key = match key_subject(request.key()) {
            Ok(key) => key,
            Err(reply) => return reply,
        };
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting {
            request,
            arrived: Instant::now(),
            reply,
        };
        match self.lock().entry(key) {
            Entry::Occupied(mut at_work) => at_work.get_mut().push(waiting),
            Entry::Vacant(idle) => {
                tokio::spawn(Arc::clone(self).work(idle.key().clone(), vec![waiting]));
                idle.insert(Vec::new());
            }
        }
        let lost = |_| error(13, "the service gave the request up");
        answer.await.unwrap_or_else(lost)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers what is asked of a key until nothing more has come in.
    async fn work(self: Arc<Self>, key: String, mut requests: Vec<Waiting>) {
        let mut known = None;
        loop {
            known = self.settle(&key, known, requests).await;
            let mut waiting = self.lock();
            requests = waiting
                .get_mut(&key)
                .map(std::mem::take)
                .unwrap_or_default();
            if requests.is_empty() {
                waiting.remove(&key);
                return;
            }
        }
    }

    /// Answers requests, oldest first, and gives the record that is the key's latest then, if
    /// that is known.
    async fn settle(
        &self,
        key: &str,
        mut known: Option<Record>,
        mut requests: Vec<Waiting>,
    ) -> Option<Record> {
        let mut pace = Pace::until(requests.first()?.arrived + self.timeout);
        while !requests.is_empty() {
            let before = match known.take() {
                Some(record) => record,
                None => match self.log.load(key).await {
                    Ok(record) => record,
                    Err(_) if pace.wait().await => continue,
                    Err(why) => {
                        for waiting in requests {
                            waiting.answer(unavailable(&why));
                        }
                        return None;
                    }
                },
            };
            let round = Round::of(before, requests, self.change(), self.log.max_value());
            match round.append(&self.log, key, &mut pace).await {
                Settled::Late => return None,
                Settled::But { left, latest } => {
                    requests = left;
                    known = Some(latest);
                }
            }
        }
        known
    }

    fn change(&self) -> String {
        let number = self.changes.fetch_add(1, Ordering::Relaxed);
        format!("{}.{number}", self.name)
    }
}

/// Requests, applied to the record that their key is believed to have.
struct Round {
    expected: u64,
    after: Record,
    /// The name of the change, unless the record is only repeated.
    change: Option<String>,
    requests: Vec<Applied>,
}

struct Applied {
    waiting: Waiting,
    changes: bool,
    reply: String,
}

enum Settled {
    /// All are answered, since there is no time left.
    Late,
    /// All are answered but these, which are to be asked anew, now that a later record is known.
    But { left: Vec<Waiting>, latest: Record },
}

impl Round {
    fn of(before: Record, requests: Vec<Waiting>, change: String, max_value: usize) -> Round {
        let mut after = before.clone();
        let mut apply = |waiting: Waiting| {
            let mut step = waiting.request.apply(after.value.as_ref(), Flavour::Usual);
            let too_long = |value: &_| value_too_long(value, max_value);
            if let Some(reply) = step.written.as_ref().and_then(too_long) {
                step.written = None;
                step.reply = reply;
            }
            let changes = step.written.is_some();
            if changes {
                after.value = step.written;
            }
            Applied {
                waiting,
                changes,
                reply: step.reply,
            }
        };
        let requests: Vec<Applied> = requests.into_iter().map(&mut apply).collect();
        let changes = requests.iter().any(|request| request.changes);
        let change = changes.then_some(change);
        if let Some(change) = &change {
            after.change.clone_from(change);
        }
        Round {
            expected: before.sequence,
            after,
            change,
            requests,
        }
    }

    async fn append(mut self, log: &impl Log, key: &str, pace: &mut Pace) -> Settled {
        // Why nobody knows of an append of this round whether it is in the log.
        let mut unknown = None;
        let (latest, mut ours) = loop {
            let why = match log.append(key, Some(self.expected), &self.after).await {
                Appended::At(sequence) => {
                    self.after.sequence = sequence;
                    break (self.after, true);
                }
                Appended::Conflict => match log.load(key).await {
                    Ok(found) if found.sequence > self.expected => break (found, false),
                    Ok(_) => "another append to the key is under way".to_owned(),
                    Err(why) => why,
                },
                Appended::Refused(why) => why,
                Appended::Unknown(why) => {
                    unknown = Some(why.clone());
                    why
                }
            };
            if !pace.wait().await {
                for request in self.requests {
                    let reply = match &unknown {
                        Some(unknown) if request.changes => perhaps(unknown),
                        _ => unavailable(&why),
                    };
                    request.waiting.answer(reply);
                }
                return Settled::Late;
            }
        };
        // The names of changes differ: what we named is there because we appended it.
        ours |= self.change.is_some_and(|change| change == latest.change);
        let mut left = Vec::new();
        for request in self.requests {
            match &unknown {
                _ if ours => request.waiting.answer(request.reply),
                Some(why) if request.changes => request.waiting.answer(perhaps(why)),
                _ => left.push(request.waiting),
            }
        }
        Settled::But { left, latest }
    }
}
