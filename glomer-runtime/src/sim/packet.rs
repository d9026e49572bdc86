//! A message as it travels: one line of a node's output.

use crate::body::read::{self, Envelope, body_text};
use crate::work::Batch;
use std::rc::Rc;

/// A line, without its line feed, that shares the memory of all the lines its sender wrote
/// at once.
#[derive(Clone)]
pub(super) struct Packet {
    output: Rc<[u8]>,
    start: u32,
    end: u32,
}

impl Packet {
    /// A line on its own.
    pub(super) fn new(line: &[u8]) -> Packet {
        Packet {
            output: line.into(),
            start: 0,
            end: line.len() as u32,
        }
    }

    /// Messages that a node sent at once.
    pub(super) fn of(batch: Batch<'_>) -> impl Iterator<Item = Packet> {
        let output: Rc<[u8]> = batch.lines().into();
        assert!(
            u32::try_from(output.len()).is_ok(),
            "a node wrote 4 GiB at once; the simulator takes less"
        );
        let mut start = 0;
        batch.messages().map(move |message| {
            let end = start + message.line.len() as u32;
            let packet = Packet {
                output: Rc::clone(&output),
                start,
                end,
            };
            start = end + 1;
            packet
        })
    }

    pub(super) fn line(&self) -> &[u8] {
        &self.output[self.start as usize..self.end as usize]
    }

    pub(super) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Reads the message. It must be one that a node or the simulator wrote.
    pub(super) fn envelope(&self) -> Envelope<'_> {
        read::read(self.line()).expect("nodes write messages only")
    }

    /// The body of the message, as written.
    pub(super) fn body_text(&self) -> &str {
        let line = str::from_utf8(self.line()).expect("nodes write UTF-8");
        body_text(line).expect("nodes write messages only")
    }
}
