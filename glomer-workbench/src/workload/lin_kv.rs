//! `lin-kv`: a linearizable map of registers.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use super::client::{Call, Client, OneCall, take};
use super::reply::{Reply, Shape};
use super::{Errors, Invocation, Setting, Traffic, Turn};
use crate::edn::Edn;

const READ_OK: Reply = Reply {
    kind: "read_ok",
    fields: &[("value", Shape::Any)],
};
const WRITE_OK: Reply = Reply {
    kind: "write_ok",
    fields: &[],
};
const CAS_OK: Reply = Reply {
    kind: "cas_ok",
    fields: &[],
};

/// How many processes may touch a key before the group moves on to another: the search for
/// a linear order grows with them.
const PROCESS_LIMIT: usize = 20;

/// Groups of two threads for each node, and each group works on a key of its own: half of
/// its threads read, the others write and compare-and-set numbers below 5, the latter twice
/// as often.
///
/// (In Jepsen's `linearizable-register`, only the first group has readers, since `reserve`
/// counts threads from 0 in each group. Here every group has.)
pub(super) struct LinKv {
    groups: Vec<Group>,
    size: usize,
    next_key: u64,
    timeout: Duration,
}

#[derive(Default)]
struct Group {
    key: u64,
    processes: HashSet<u64>,
}

impl LinKv {
    pub(super) fn new(setting: &Setting) -> LinKv {
        let size = 2 * setting.nodes.len();
        let groups = (setting.concurrency / size) as u64;
        LinKv {
            groups: (0..groups)
                .map(|key| Group {
                    key,
                    ..Group::default()
                })
                .collect(),
            size,
            next_key: groups,
            timeout: (10 * setting.latency).max(Duration::from_secs(1)),
        }
    }
}

impl Traffic for LinKv {
    fn next(&mut self, turn: Turn<'_>) -> Option<(usize, Invocation)> {
        let Turn { threads, rng, .. } = turn;
        let (group_draw, role_draw) = (rng.unit(), rng.unit());
        let free = |group: &usize| {
            let first = group * self.size;
            let readers = threads.next_free_in(first..first + self.size / 2);
            let writers = threads.next_free_in(first + self.size / 2..first + self.size);
            (readers, writers)
        };
        let open: Vec<usize> = (0..self.groups.len())
            .filter(|group| free(group) != (None, None))
            .collect();
        let number = *open.get((group_draw * open.len() as f64) as usize)?;
        let (thread, reads) = match free(&number) {
            (Some(reader), None) => (reader, true),
            (Some(reader), Some(_)) if role_draw < 0.5 => (reader, true),
            (_, writer) => (writer?, false),
        };

        let group = &mut self.groups[number];
        let first = number * self.size;
        let now: Vec<u64> = (first..first + self.size)
            .map(|thread| threads.process(thread))
            .collect();
        group.processes.extend(&now);
        if group.processes.len() > PROCESS_LIMIT.max(self.size) {
            group.key = self.next_key;
            group.processes = now.into_iter().collect();
            self.next_key += 1;
        }

        let value = || Edn::from(rng.below(5));
        let (f, argument) = match reads {
            true => ("read", Edn::Nil),
            false => {
                let values = [value(), value()];
                match rng.below(3) {
                    0 => ("write", values[0].clone()),
                    _ => ("cas", Edn::vector(values)),
                }
            }
        };
        let value = Edn::vector([group.key.into(), argument]);
        Some((thread, Invocation::new(f, value)))
    }

    fn client(&self) -> Box<dyn Client> {
        Box::new(OneCall {
            request: |op| {
                let value = op.value.to_json();
                let (key, argument) = (&value[0], &value[1]);
                match op.f {
                    "read" => Call {
                        body: json!({"type": "read", "key": key}),
                        reply: &READ_OK,
                    },
                    "write" => Call {
                        body: json!({"type": "write", "key": key, "value": argument}),
                        reply: &WRITE_OK,
                    },
                    _ => Call {
                        body: json!({
                            "type": "cas", "key": key, "from": argument[0], "to": argument[1],
                        }),
                        reply: &CAS_OK,
                    },
                }
            },
            value: |op, mut body| match (op.f, &op.value) {
                ("read", Edn::Vector(pair)) => {
                    Edn::vector([pair[0].clone(), take(&mut body, "value")])
                }
                (_, value) => value.clone(),
            },
        })
    }

    fn keeps_clients(&self) -> bool {
        true
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn errors(&self) -> Errors {
        Errors::Told {
            idempotent: &["read"],
        }
    }
}
