//! The operations of a kafka history, as the checks take them.

use std::collections::HashMap;

use crate::edn::Edn;
use crate::history::OpType;
use crate::history::typed::{History, Moment, Operation, Outcome};
use crate::verdict::entry;

/// A key or a message, by number.
pub(super) type Id = u32;

/// What the numbers stand for.
#[derive(Default)]
pub(super) struct Names<'a> {
    ids: HashMap<&'a Edn, Id>,
    values: Vec<&'a Edn>,
}

impl<'a> Names<'a> {
    fn id(&mut self, value: &'a Edn) -> Id {
        let values = &mut self.values;
        *self.ids.entry(value).or_insert_with(|| {
            values.push(value);
            values.len() as Id - 1
        })
    }

    pub(super) fn value(&self, id: Id) -> &'a Edn {
        self.values[id as usize]
    }

    pub(super) fn edn(&self, id: Id) -> Edn {
        self.value(id).clone()
    }
}

/// What an operation is to logs.
pub(crate) struct LogOp<'h> {
    pub(crate) f: LogFunction,
    /// What came back or, if that is unknown, what was asked for, as Jepsen writes it: keys, or a
    /// list of `[:send key [offset message]]` and `[:poll {key [[offset message]]}]`.
    pub(crate) value: &'h Edn,
    /// The keys that were given to other clients, or taken from them, meanwhile.
    pub(crate) rebalanced: &'h [Edn],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFunction {
    /// Follow these keys from now on, from where the process has come with them.
    Assign,
    /// Follow these keys from now on.
    Subscribe,
    /// Send messages.
    Send,
    /// Poll messages.
    Poll,
    /// Do both.
    Txn,
}

/// An operation of a client.
pub(super) struct Event<'a> {
    pub(super) f: LogFunction,
    pub(super) process: u64,
    pub(super) invoked: Moment,
    pub(super) completed: Option<Moment>,
    /// How it ended. What has no completion is indeterminate.
    pub(super) end: OpType,
    pub(super) error: Option<&'a Edn>,
    pub(super) what: What,
    /// The keys that were reassigned meanwhile.
    pub(super) rebalanced: &'a [Edn],
}

pub(super) enum What {
    /// Consume these keys from now on.
    Assign(Vec<Id>),
    Transaction(Transaction),
}

/// Sends, polls or both.
#[derive(Default)]
pub(super) struct Transaction {
    /// For each key, in order of the keys, what was sent to it.
    pub(super) sends: Vec<(Id, Vec<Message>)>,
    /// For each key, in order of the keys, what was polled from it: maybe nothing.
    pub(super) polls: Vec<(Id, Vec<Message>)>,
}

#[derive(Clone, Copy)]
pub(super) struct Message {
    /// Where it is in the log, if known.
    pub(super) offset: Option<i64>,
    pub(super) value: Id,
}

impl Event<'_> {
    pub(super) fn transaction(&self) -> Option<&Transaction> {
        match &self.what {
            What::Transaction(transaction) => Some(transaction),
            What::Assign(_) => None,
        }
    }

    /// When it ended or, if nobody saw that, when it began.
    pub(super) fn at(&self) -> Moment {
        self.completed.unwrap_or(self.invoked)
    }

    /// As results show it.
    pub(super) fn shown(&self) -> Edn {
        entry(self.at().index)
    }
}

/// The transactions among the events that ended well.
pub(super) fn ok_transactions<'e, 'a>(
    events: &'e [Event<'a>],
) -> impl Iterator<Item = (&'e Event<'a>, &'e Transaction)> {
    transactions(events).filter(|(event, _)| event.end == OpType::Ok)
}

/// The transactions among the events.
pub(super) fn transactions<'e, 'a>(
    events: &'e [Event<'a>],
) -> impl Iterator<Item = (&'e Event<'a>, &'e Transaction)> {
    events
        .iter()
        .filter_map(|event| event.transaction().map(|transaction| (event, transaction)))
}

/// Reads the sends, polls and assignments of a history, in the order they ended.
///
/// # Errors
/// If one of them is not what its function says.
pub(super) fn read<'h, Op, Output>(
    history: &'h History<Op, Output>,
    what: impl Fn(&'h Operation<Op, Output>) -> Option<LogOp<'h>>,
) -> Result<(Vec<Event<'h>>, Names<'h>), String> {
    let mut names = Names::default();
    let mut events = Vec::new();
    for operation in history {
        let Some(op) = what(operation) else {
            continue;
        };
        let Operation {
            process,
            invoked,
            completed,
            ..
        } = *operation;
        let what = match op.f {
            LogFunction::Assign | LogFunction::Subscribe => {
                let keys = op.value.as_seq();
                keys.map(|keys| What::Assign(keys.iter().map(|key| names.id(key)).collect()))
            }
            LogFunction::Send | LogFunction::Poll | LogFunction::Txn => {
                transaction(op.value, &mut names).map(What::Transaction)
            }
        };
        events.push(Event {
            f: op.f,
            process,
            invoked,
            completed,
            end: match operation.outcome {
                Outcome::Ok(_) => OpType::Ok,
                Outcome::Fail => OpType::Fail,
                Outcome::Info => OpType::Info,
            },
            error: operation.error.as_ref(),
            what: what.ok_or_else(|| {
                let index = completed.unwrap_or(invoked).index;
                format!("operation {index} is not well-formed: {}", op.value)
            })?,
            rebalanced: op.rebalanced,
        });
    }
    // What has no completion ends after everything else.
    events.sort_by_key(|event| (event.completed.is_none(), event.at()));
    Ok((events, names))
}

fn transaction<'a>(value: &'a Edn, names: &mut Names<'a>) -> Option<Transaction> {
    let mut transaction = Transaction::default();
    for micro_operation in value.as_seq()? {
        match micro_operation.as_seq()? {
            [function, key, message] if function.name() == Some("send") => {
                let message = match message {
                    Edn::Vector(_) => pair(message, names)?,
                    value => Message {
                        offset: None,
                        value: names.id(value),
                    },
                };
                of_key(&mut transaction.sends, names.id(key)).push(message);
            }
            [function] if function.name() == Some("poll") => {}
            [function, polled] if function.name() == Some("poll") => {
                for (key, messages) in polled.as_map()? {
                    let polled = of_key(&mut transaction.polls, names.id(key));
                    let messages = match messages {
                        Edn::Nil => &[],
                        messages => messages.as_seq()?,
                    };
                    for message in messages {
                        polled.push(pair(message, names)?);
                    }
                }
            }
            _ => return None,
        }
    }
    for by_key in [&mut transaction.sends, &mut transaction.polls] {
        by_key.sort_by_key(|(key, _)| names.value(*key));
    }
    Some(transaction)
}

/// `[offset value]`
fn pair<'a>(pair: &'a Edn, names: &mut Names<'a>) -> Option<Message> {
    match pair.as_seq()? {
        [Edn::Nil, value] => Some(Message {
            offset: None,
            value: names.id(value),
        }),
        [offset, value] => Some(Message {
            offset: Some(offset.as_int()?),
            value: names.id(value),
        }),
        _ => None,
    }
}

fn of_key(by_key: &mut Vec<(Id, Vec<Message>)>, key: Id) -> &mut Vec<Message> {
    let at = by_key
        .iter()
        .position(|(other, _)| *other == key)
        .unwrap_or_else(|| {
            by_key.push((key, Vec::new()));
            by_key.len() - 1
        });
    &mut by_key[at].1
}
