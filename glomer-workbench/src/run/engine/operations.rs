//! Operations, from invocation to completion.

use std::time::Duration;

use super::messages::{is_error, json_text};
use super::{Engine, ThreadClient, UnderWay, nanos};
use crate::edn::Edn;
use crate::history::{Op, OpType, Process};
use crate::run::clients::{Failure, Owner};
use crate::workload::{Invocation, Step};

/// How many wrong answers are told of while the run goes on; the history has all of them.
const WARNINGS: usize = 5;

impl Engine {
    pub(super) fn invoke(&mut self, now: Duration, thread: usize, op: Invocation) {
        self.threads.begin(thread);
        self.note(now, OpType::Invoke, thread, &op, op.value.clone(), None);
        let process = self.threads.process(thread);
        let reusable = match &self.thread_clients[thread] {
            Some(client) => client.process == process || self.traffic.keeps_clients(),
            None => false,
        };
        if !reusable {
            if let Some(old) = self.thread_clients[thread].take() {
                self.clients.close(&mut self.network, old.address);
            }
            self.thread_clients[thread] = Some(ThreadClient {
                address: self.open(Owner::Thread(thread)),
                process,
                client: self.traffic.client(),
            });
        }
        let client = self.thread_clients[thread].as_mut();
        let step = client.expect("the thread has a client").client.invoke(&op);
        self.step(now, thread, op, step);
    }

    /// A request of the thread's operation was answered.
    pub(super) fn went_on(&mut self, now: Duration, thread: usize, body: Edn) {
        if is_error(&body) {
            return self.gave_up(now, thread, &Failure::of(&body));
        }
        let Some(UnderWay { op, reply }) = self.under_way[thread].take() else {
            return;
        };
        if let Err(problem) = reply.check(&body) {
            let answer = json_text(&body);
            let node = &self.names[thread % self.nodes.len()];
            if self.wrong_answers < WARNINGS {
                self.wrong_answers += 1;
                let text = format!("{node} answered {} with {answer}, but {problem}", op.f);
                self.warn(text);
            }
            self.under_way[thread] = Some(UnderWay { op, reply });
            let text = format!("{problem}, and the answer is {answer}");
            return self.gave_up(now, thread, &Failure::Malformed(text));
        }
        let client = self.thread_clients[thread].as_mut();
        let step = client
            .expect("the thread has a client")
            .client
            .reply(&op, body);
        self.step(now, thread, op, step);
    }

    pub(super) fn step(&mut self, now: Duration, thread: usize, op: Invocation, step: Step) {
        match step {
            Step::Call(call) => {
                let client = self.thread_clients[thread].as_ref();
                let address = client.expect("the thread has a client").address;
                self.under_way[thread] = Some(UnderWay {
                    op,
                    reply: call.reply,
                });
                let node = thread % self.nodes.len();
                self.request(now, address, node, call.body, self.traffic.timeout());
            }
            Step::Done(value) => self.complete(now, OpType::Ok, thread, &op, value, None),
            Step::Crash => {
                self.complete(now, OpType::Info, thread, &op, op.value.clone(), None);
            }
        }
    }

    pub(super) fn gave_up(&mut self, now: Duration, thread: usize, failure: &Failure) {
        if let Some(UnderWay { op, .. }) = self.under_way[thread].take() {
            let (kind, error) = failure.outcome(op.f, self.traffic.errors());
            self.complete(now, kind, thread, &op, op.value.clone(), Some(error));
        }
    }

    pub(super) fn complete(
        &mut self,
        now: Duration,
        kind: OpType,
        thread: usize,
        op: &Invocation,
        value: Edn,
        error: Option<Edn>,
    ) {
        self.note(now, kind, thread, op, value, error);
        if let Some(op) = self.history.0.last() {
            self.traffic.completed(op);
        }
        match kind {
            OpType::Ok => self.status.ok += 1,
            OpType::Fail => self.status.fail += 1,
            OpType::Info => self.status.info += 1,
            OpType::Invoke => {}
        }
        self.threads.end(thread, kind == OpType::Info);
        self.blocked = false;
    }

    pub(super) fn note(
        &mut self,
        now: Duration,
        kind: OpType,
        thread: usize,
        op: &Invocation,
        value: Edn,
        error: Option<Edn>,
    ) {
        self.push(
            now,
            Op {
                error,
                is_final: op.is_final,
                extra: op.extra.clone(),
                ..Op::new(
                    kind,
                    Process::Client(self.threads.process(thread)),
                    op.f,
                    value,
                )
            },
        );
    }

    pub(super) fn push(&mut self, now: Duration, op: Op) {
        self.history.0.push(Op {
            index: self.history.0.len(),
            time: nanos(now.saturating_sub(self.origin.unwrap_or_default())),
            ..op
        });
    }
}
