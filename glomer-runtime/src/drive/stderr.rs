//! Standard error, which may be full, or closed, or read by nobody. None of
//! that is to hold up the node.

use std::collections::VecDeque;
use std::fmt::Display;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::wait;
use crate::log::Level;

/// How much may wait for room, in bytes, unless it is a single text.
const LIMIT: usize = 64 * 1024;

/// What a pipe that is ready takes without waiting, in bytes: the least that
/// POSIX allows.
const PIECE: usize = 512;

/// Writes to standard error what can be written without waiting.
///
/// It does not change whether the file waits, which would do so for all
/// others that have it open.
#[derive(Default)]
pub(super) struct Stderr {
    waiting: VecDeque<String>,
    /// What of the first that waits is written, in bytes.
    written: usize,
    /// How much waits, in bytes.
    size: usize,
    /// How many texts were dropped since that was last told.
    lost: u64,
    /// Whether it failed at the last try.
    failed: bool,
}

impl Stderr {
    /// Has a text written as a line, as soon as there is room.
    pub(super) fn tell(&mut self, text: impl Display) {
        let line = format!("{text}\n");
        self.failed = false;
        if self.size + line.len() > LIMIT && !self.waiting.is_empty() {
            self.lost += 1;
            return;
        }
        self.size += line.len();
        self.waiting.push_back(line);
    }

    /// Whether there is something to be written as soon as there is room.
    pub(super) fn waits_for_room(&self) -> bool {
        !self.failed && (self.lost > 0 || !self.waiting.is_empty())
    }

    /// Writes what there is room for; waits up to `patience` for more of it.
    pub(super) fn write(&mut self, patience: Duration) {
        while self.waits_for_room() && has_room(patience) {
            let lost;
            let text = match self.waiting.front() {
                Some(line) => &line[..],
                None => {
                    lost = format!(
                        "glomer {}: {} lines could not be written here\n",
                        Level::Warn,
                        self.lost
                    );
                    &lost
                }
            };
            let rest = &text.as_bytes()[self.written..];
            let is_all = rest.len() <= PIECE;
            match rustix::io::write(rustix::stdio::stderr(), &rest[..rest.len().min(PIECE)]) {
                Ok(written) if is_all && written == rest.len() => self.forget_first(),
                Ok(written) => self.written += written,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.fail(),
            }
        }
    }

    fn forget_first(&mut self) {
        self.written = 0;
        match self.waiting.pop_front() {
            Some(line) => self.size -= line.len(),
            None => self.lost = 0,
        }
    }

    fn fail(&mut self) {
        self.failed = true;
        self.lost += self.waiting.len() as u64;
        self.waiting.clear();
        self.size = 0;
        self.written = 0;
    }
}

fn has_room(patience: Duration) -> bool {
    let stderr = rustix::stdio::stderr();
    let mut fds = [PollFd::new(&stderr, PollFlags::OUT)];
    wait(&mut fds, Some(patience)).is_ok() && !fds[0].revents().is_empty()
}
