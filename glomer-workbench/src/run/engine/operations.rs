//! Operations, from invocation to completion.

use std::time::Duration;

use super::{Engine, Phase, ThreadClient, UnderWay, nanos};
use crate::edn::Edn;
use crate::history::typed::Moment;
use crate::history::{Op, OpType, Process};
use crate::run::clients::Owner;
use crate::run::problem::Problem;
use crate::workload::Notation;
use crate::workload::client::{Incoming, WrongAnswer};
use crate::workload::erased::{End, Invocation, Step};

/// How many wrong answers are told of while the run goes on; the history has all of them.
const WARNINGS: usize = 5;

impl Engine {
    pub(super) fn invoke(&mut self, now: Duration, thread: usize, op: Invocation) {
        if matches!(self.phase, Phase::Main) {
            let at = now.saturating_sub(self.origin.unwrap_or_default());
            self.schedule.asked(thread, at, &op.notation);
        }
        self.threads.begin(thread);
        let process = self.threads.process(thread);
        let value = op.notation.value.clone();
        let invoked = self.note(now, OpType::Invoke, process, &op, value, None);
        self.under_way[thread] = Some(UnderWay { op, invoked });
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
            });
        }
        let step = self.traffic.invoke(thread, process);
        self.step(now, thread, step);
    }

    /// A request of the thread's operation was answered.
    pub(super) fn went_on(&mut self, now: Duration, thread: usize, number: u64, answer: Incoming) {
        let step = self.traffic.answered(thread, number, answer.into_result());
        self.step(now, thread, step);
    }

    /// An answer to the thread's operation is overdue.
    pub(super) fn gave_up(&mut self, now: Duration, thread: usize) {
        if let Some(end) = self.traffic.timed_out(thread) {
            self.complete(now, thread, end);
        }
    }

    fn step(&mut self, now: Duration, thread: usize, step: Result<Step, String>) {
        match step {
            Ok(Step::Ask(requests)) => {
                let client = self.thread_clients[thread].as_ref();
                let address = client.expect("the thread has a client").address;
                let timeout = self.traffic.timeout();
                for request in requests {
                    self.request(now, address, request, timeout);
                }
            }
            Ok(Step::End(end)) => self.complete(now, thread, end),
            Err(error) => self.stop(Problem::of_workload(error)),
        }
    }

    fn complete(&mut self, now: Duration, thread: usize, end: End) {
        let Some(UnderWay { op, invoked }) = self.under_way[thread].take() else {
            return;
        };
        if let Some(client) = &self.thread_clients[thread] {
            self.clients.forget(client.address);
        }
        if let Some(wrong) = end.wrong_answer
            && self.wrong_answers < WARNINGS
        {
            self.wrong_answers += 1;
            let f = &op.notation.f;
            let WrongAnswer {
                from,
                problem,
                answer,
            } = wrong;
            let text = format!("{from} answered {f} with {answer}, but {problem}");
            self.warn(text);
        }
        let process = self.threads.process(thread);
        let value = end.value.unwrap_or_else(|| op.notation.value.clone());
        let completed = self.note(now, end.kind, process, &op, value, end.error);
        self.traffic.completed(thread, process, invoked, completed);
        match end.kind {
            OpType::Ok => self.status.ok += 1,
            OpType::Fail => self.status.fail += 1,
            OpType::Info => self.status.info += 1,
            OpType::Invoke => {}
        }
        self.threads.end(thread, end.kind == OpType::Info);
        self.blocked = false;
    }

    fn note(
        &mut self,
        now: Duration,
        kind: OpType,
        process: u64,
        op: &Invocation,
        value: Edn,
        error: Option<Edn>,
    ) -> Moment {
        let moment = Moment {
            index: self.history.0.len(),
            time: now.saturating_sub(self.origin.unwrap_or_default()),
        };
        let Notation { f, extra, .. } = &op.notation;
        self.push(
            now,
            Op {
                error,
                is_final: op.is_final,
                extra: extra.clone(),
                ..Op::new(kind, Process::Client(process), f, value)
            },
        );
        moment
    }

    pub(super) fn push(&mut self, now: Duration, op: Op) {
        self.history.0.push(Op {
            index: self.history.0.len(),
            time: nanos(now.saturating_sub(self.origin.unwrap_or_default())),
            ..op
        });
    }
}
