//! What comes after what.

use std::collections::VecDeque;
use std::time::Duration;

use glomer_runtime::Rng;

use super::{Engine, FinalPhase, Phase, nanos};
use crate::run::problem::Problem;
use crate::workload::erased::{Chosen, FinalChosen};
use crate::workload::{FinalTurn, Notation};

impl Engine {
    /// Goes on with the phase, or to the next one. Whether anything happened.
    pub(super) fn advance(&mut self, now: Duration) -> bool {
        if self.unready.is_empty()
            && let Some(op) = self.striking.take()
        {
            self.push(now, op);
            return true;
        }
        let next = match &mut self.phase {
            Phase::Starting if self.unready.is_empty() => {
                self.unready = (0..self.nodes.len()).collect();
                self.phase = Phase::SettingUp;
                for node in 0..self.nodes.len() {
                    self.set_up_node(now, node);
                }
                return true;
            }
            Phase::SettingUp if self.unready.is_empty() => {
                self.origin = Some(now);
                self.journal.rebase(nanos(now));
                Phase::Main
            }
            Phase::Main => match self.main(now) {
                Some(went_on) => return went_on,
                None => Phase::Draining,
            },
            Phase::Draining if self.threads.all_free() && self.striking.is_none() => {
                if self.traffic.has_final_phase() {
                    Phase::Healing(self.nemesis.heal(&self.plan).into())
                } else {
                    Phase::Over
                }
            }
            Phase::Healing(strikes) if self.striking.is_none() => match strikes.pop_front() {
                Some(strike) => {
                    self.strike(now, strike);
                    return true;
                }
                None => Phase::Recovering(now + self.plan.recovery_time),
            },
            Phase::Recovering(until) if *until <= now => Phase::Final(FinalPhase {
                start: now,
                threads: vec![(0, Some(now)); self.threads.count()],
            }),
            Phase::Final(_) => return self.final_ops(now),
            _ => return false,
        };
        self.phase = next;
        true
    }

    /// Begins the operations that are due, of the clients and the nemesis. Whether anything
    /// happened; `None` when the time is up.
    pub(super) fn main(&mut self, now: Duration) -> Option<bool> {
        let origin = self.origin?;
        let passed = now - origin;
        let mut went_on = false;
        while self.striking.is_none()
            && let Some(at) = self.nemesis.next()
            && at <= passed
            && at < self.plan.time_limit
        {
            let strike = self.nemesis.strike(&self.plan, at);
            self.strike(now, strike);
            went_on = true;
        }
        went_on |= self.scheduled_ops(now, passed);
        while self.scheduled.is_none()
            && !self.blocked
            && let Some(pace) = &self.pace
            && pace.next() <= passed
            && pace.next() < self.plan.time_limit
        {
            // The operation takes place when it was due, unless it had to wait for a thread.
            let at = match self.op_seed {
                None => pace.next(),
                Some(_) => passed,
            };
            if at >= self.plan.time_limit {
                break;
            }
            let seed = *self.op_seed.get_or_insert_with(|| self.op_seeds.next_u64());
            let rng = &Rng::seeded(seed);
            let chosen = match self.traffic.next(&self.threads, at, rng) {
                Ok(chosen) => chosen,
                Err(error) => {
                    self.stop(Problem::of_workload(error));
                    return Some(true);
                }
            };
            if matches!(chosen, Chosen::Blocked) {
                self.blocked = true;
                break;
            }
            self.op_seed = None;
            if let Some(pace) = &mut self.pace {
                pace.took_place(at);
            }
            if let Chosen::Op(thread, op) = chosen {
                self.invoke(now, thread, op);
            }
            went_on = true;
        }
        (passed < self.plan.time_limit).then_some(went_on)
    }

    /// Begins the operations of a schedule that are due. Whether there were any.
    fn scheduled_ops(&mut self, now: Duration, passed: Duration) -> bool {
        let mut went_on = false;
        while passed < self.plan.time_limit
            && let Some(queues) = &self.scheduled
            && let Some((at, thread)) = self.next_scheduled(queues)
            && at <= passed
        {
            let queues = self.scheduled.as_mut();
            let Some((_, notation)) = queues.and_then(|queues| queues[thread].pop_front()) else {
                break;
            };
            went_on = true;
            match self.traffic.scheduled(thread, &notation) {
                Ok(op) => self.invoke(now, thread, op),
                Err(error) => {
                    self.stop(Problem::of_workload(error));
                    break;
                }
            }
        }
        went_on
    }

    /// When a free thread next has something to ask by the schedule, and which.
    pub(super) fn next_scheduled(
        &self,
        queues: &[VecDeque<(Duration, Notation)>],
    ) -> Option<(Duration, usize)> {
        let threads = queues.iter().enumerate();
        let free = threads.filter(|(thread, _)| self.threads.is_free(*thread));
        free.filter_map(|(thread, queue)| Some((queue.front()?.0, thread)))
            .min()
    }

    pub(super) fn final_ops(&mut self, now: Duration) -> bool {
        let mut went_on = false;
        for thread in 0..self.threads.count() {
            let Phase::Final(phase) = &mut self.phase else {
                return went_on;
            };
            let start = phase.start;
            let (done, next) = &mut phase.threads[thread];
            if !self.threads.is_free(thread) || next.is_none_or(|next| next > now) {
                continue;
            }
            went_on = true;
            let turn = FinalTurn {
                thread,
                done: *done,
                elapsed: now - start,
                rng: &self.final_rng,
            };
            match self.traffic.final_step(turn) {
                Ok(FinalChosen::Op(op)) => {
                    *done += 1;
                    self.invoke(now, thread, op);
                }
                Ok(FinalChosen::Wait(until)) => *next = Some(start + until),
                Ok(FinalChosen::Done) => *next = None,
                Err(error) => self.stop(Problem::of_workload(error)),
            }
        }
        if let Phase::Final(phase) = &self.phase
            && phase.threads.iter().all(|(_, next)| next.is_none())
            && self.threads.all_free()
        {
            self.phase = Phase::Over;
        }
        went_on
    }
}
