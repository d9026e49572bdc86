//! What a process writes, cut into lines.

use bytes::{Bytes, BytesMut};

/// How long a line may be, in bytes, as for the nodes themselves.
const LONGEST: usize = 16 << 20;

/// How much of a longer line is kept to be shown.
const SHOWN: usize = 256;

/// How much is read at once, about.
const BATCH: usize = 64 * 1024;

/// What was read and is not yet taken.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// How much of it is known to hold no line feed.
    searched: usize,
    /// The beginning of a line that is too long, whose rest is dropped.
    too_long: Option<Bytes>,
}

/// A line, without its line feed.
#[derive(Debug)]
pub(super) enum Line {
    Whole(Bytes),
    /// The beginning of one that is too long.
    TooLong(Bytes),
}

impl Lines {
    /// Where to read to.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        self.buffer.reserve(BATCH);
        &mut self.buffer
    }

    /// Takes the next line, if it is there.
    pub(super) fn next(&mut self) -> Option<Line> {
        let found = memchr::memchr(b'\n', &self.buffer[self.searched..]);
        let Some(length) = found else {
            self.searched = self.buffer.len();
            if self.buffer.len() > LONGEST {
                self.forget();
            } else if self.too_long.is_some() {
                self.buffer.clear();
                self.searched = 0;
            }
            return None;
        };
        let line = self.buffer.split_to(self.searched + length + 1).freeze();
        self.searched = 0;
        Some(match self.too_long.take() {
            Some(start) => Line::TooLong(start),
            None => Line::Whole(line.slice(..line.len() - 1)),
        })
    }

    /// Keeps but the beginning of the line.
    fn forget(&mut self) {
        let start = &self.buffer[..SHOWN.min(self.buffer.len())];
        let start = Bytes::copy_from_slice(start);
        self.too_long.get_or_insert(start);
        self.buffer = BytesMut::new();
        self.searched = 0;
    }
}
