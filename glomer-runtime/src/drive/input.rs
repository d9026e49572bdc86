//! Standard input, cut into lines.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use memchr::memchr;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::wait;
use crate::Node;

/// How much is read at once.
const BATCH: usize = 64 * 1024;

/// What is read goes to the beginning of a page, in bytes. To the 31 bytes
/// behind it, some processors (AMD's Zen 3) copy at a fifth of their speed.
const PAGE: usize = 4096;

/// How much of a line beyond the limit is kept to be shown.
const EXCERPT: usize = 256;

/// Standard input, cut into lines.
pub(super) struct Input {
    buffer: Vec<u8>,
    /// What of the buffer was read; the rest is room.
    filled: usize,
    /// What of the buffer is taken already.
    taken: usize,
    /// What of the buffer is known to hold no further line feed.
    searched: usize,
    max_line: usize,
    /// The beginning of a line beyond the limit, whose rest is dropped.
    refused: Option<Vec<u8>>,
    ended: bool,
    /// Whether somebody has set it not to wait for what is read.
    is_nonblocking: bool,
}

pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    /// The beginning of a line beyond the limit.
    TooLong(Cow<'a, [u8]>),
}

impl Input {
    pub(super) fn new(max_line: usize) -> Self {
        let buffer = Vec::new();
        Self {
            buffer,
            filled: 0,
            taken: 0,
            searched: 0,
            max_line,
            refused: None,
            ended: false,
            is_nonblocking: false,
        }
    }

    /// Whether [`read`](Self::read) waits until there is something to read.
    pub(super) fn waits(&self) -> bool {
        !self.is_nonblocking
    }

    /// Reads what there is, most often waiting for it; false at the end of
    /// input.
    pub(super) fn read(&mut self) -> io::Result<bool> {
        self.make_room();
        let room = &mut self.buffer[self.filled..self.filled + BATCH];
        let read = loop {
            match rustix::io::read(rustix::stdio::stdin(), &mut *room) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.is_nonblocking = true;
                    return Ok(true);
                }
                result => break result?,
            }
        };
        self.filled += read;
        self.ended = read == 0;
        Ok(!self.ended)
    }

    /// Has room for a batch behind what is not taken yet.
    fn make_room(&mut self) {
        let rest = self.taken..self.filled;
        let length = rest.len() + 2 * PAGE + BATCH;
        if self.buffer.len() < self.filled + BATCH || self.buffer.len() < length {
            self.buffer.resize(length.max(self.filled + BATCH), 0);
        }
        if rest.len() > self.taken {
            // A long line, which is not moved for each of its parts.
            return;
        }
        // The room begins with a page.
        let page = self.buffer.as_ptr().align_offset(PAGE);
        let start = page + rest.len().next_multiple_of(PAGE) - rest.len();
        self.searched = self.searched - self.taken + start;
        self.filled = start + rest.len();
        self.taken = start;
        self.buffer.copy_within(rest, start);
        if length <= 4 * BATCH {
            // Give back what a long line took.
            self.buffer.truncate(4 * BATCH);
            self.buffer.shrink_to(4 * BATCH);
        }
    }

    /// Reads what there is, waiting for it in any case; false at the end of
    /// input.
    pub(super) fn read_or_wait(&mut self) -> io::Result<bool> {
        if self.is_nonblocking {
            let stdin = rustix::stdio::stdin();
            wait(&mut [PollFd::new(&stdin, PollFlags::IN)], None)?;
        }
        self.read()
    }

    /// The next line, which is not taken, if it is there with its line feed.
    pub(super) fn peek(&self) -> Option<&[u8]> {
        let rest = &self.buffer[self.taken..self.filled];
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        Some(&rest[..end])
    }

    /// Gives the next line to the node; false if there is none yet.
    pub(super) fn hand_over<S>(&mut self, node: &mut Node<S>, now: Duration) -> bool {
        let max_line = self.max_line;
        match self.next_line() {
            Some(Line::Whole(line)) => node.handle(now, line),
            Some(Line::TooLong(start)) => {
                let why =
                    format_args!("longer than {max_line} bytes (GLOMER_MAX_LINE raises the limit)");
                node.refuse(&start, why);
            }
            None => return false,
        }
        true
    }

    /// Takes the next line; at the end of input, the last one may lack its
    /// line feed.
    pub(super) fn next_line(&mut self) -> Option<Line<'_>> {
        let Some(length) = memchr(b'\n', &self.buffer[self.searched..self.filled]) else {
            return self.unfinished_line();
        };
        let (start, end) = (self.taken, self.searched + length);
        self.taken = end + 1;
        self.searched = self.taken;
        if let Some(start) = self.refused.take() {
            return Some(Line::TooLong(start.into()));
        }
        let line = &self.buffer[start..end];
        Some(if line.len() > self.max_line {
            Line::TooLong(line.into())
        } else {
            Line::Whole(line)
        })
    }

    /// Looks at what comes after the last line feed.
    fn unfinished_line(&mut self) -> Option<Line<'_>> {
        let rest = self.taken..self.filled;
        self.searched = rest.end;
        if self.refused.is_none() && rest.len() > self.max_line {
            let excerpt = rest.start..rest.start + EXCERPT.min(rest.len());
            self.refused = Some(self.buffer[excerpt].into());
        }
        if self.refused.is_some() || self.ended {
            self.taken = rest.end;
        }
        if !self.ended {
            return None;
        }
        match self.refused.take() {
            Some(start) => Some(Line::TooLong(start.into())),
            None => (!rest.is_empty()).then(|| Line::Whole(&self.buffer[rest])),
        }
    }
}
