//! The workers that operations run on, and the processes they pass as.

use std::collections::BTreeSet;
use std::ops::Range;

/// A fixed number of threads, each of which performs one operation at a time.
///
/// As in Jepsen, thread `t` talks to node `t mod n`, and begins as process `t`. When nobody
/// knows whether its operation took place (`:info`), that process can never be heard of
/// again, and the thread goes on as a new one.
#[derive(Debug)]
pub struct Threads {
    processes: Vec<u64>,
    free: BTreeSet<usize>,
    next: usize,
}

impl Threads {
    /// So many threads, all free.
    pub fn new(count: usize) -> Threads {
        Threads {
            processes: (0..count as u64).collect(),
            free: (0..count).collect(),
            next: 0,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.processes.len()
    }

    /// The process that a thread is at the moment.
    pub fn process(&self, thread: usize) -> u64 {
        self.processes[thread]
    }

    /// Whether a thread is doing nothing.
    pub fn is_free(&self, thread: usize) -> bool {
        self.free.contains(&thread)
    }

    /// Whether all threads are doing nothing.
    pub fn all_free(&self) -> bool {
        self.free.len() == self.count()
    }

    /// Whose turn it is: the first free thread after the one that began last, so that all
    /// get an even share.
    pub fn next_free(&self) -> Option<usize> {
        self.next_free_in(0..self.count())
    }

    /// [`next_free`](Threads::next_free) among some threads.
    pub fn next_free_in(&self, range: Range<usize>) -> Option<usize> {
        let from = self.next.clamp(range.start, range.end);
        let (later, earlier) = (from..range.end, range.start..from);
        let mut later = self.free.range(later);
        later
            .next()
            .or_else(|| self.free.range(earlier).next())
            .copied()
    }

    /// Notes that a thread began an operation.
    pub fn begin(&mut self, thread: usize) {
        self.free.remove(&thread);
        self.next = (thread + 1) % self.count();
    }

    /// Notes that a thread's operation is over; `unknown` when its outcome is, which ends
    /// the process.
    pub fn end(&mut self, thread: usize, unknown: bool) {
        self.free.insert(thread);
        if unknown {
            self.processes[thread] += self.processes.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_threads_take_turns() {
        let mut threads = Threads::new(4);
        let turn = |threads: &mut Threads, range: Range<usize>| {
            let thread = threads.next_free_in(range)?;
            threads.begin(thread);
            Some(thread)
        };
        assert_eq!(turn(&mut threads, 0..4), Some(0));
        threads.end(0, false);
        assert_eq!(turn(&mut threads, 0..4), Some(1));
        assert_eq!(turn(&mut threads, 0..2), Some(0));
        assert_eq!(turn(&mut threads, 0..2), None);
        assert_eq!(turn(&mut threads, 2..4), Some(2));
        assert_eq!(turn(&mut threads, 0..4), Some(3));
        assert_eq!(threads.next_free(), None);
        threads.end(1, false);
        assert_eq!(threads.next_free(), Some(1));
    }

    #[test]
    fn an_unknown_outcome_ends_the_process() {
        let mut threads = Threads::new(3);
        threads.begin(1);
        threads.end(1, true);
        assert_eq!(threads.process(1), 4);
        threads.begin(1);
        threads.end(1, false);
        assert_eq!(threads.process(1), 4);
        assert!(threads.all_free());
    }
}
