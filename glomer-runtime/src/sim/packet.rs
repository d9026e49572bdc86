//! A message as it travels: one line of a node's output.

use serde::Deserialize;
use std::borrow::Cow;
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

    /// The lines of an output, each ended by a line feed.
    pub(super) fn split(output: &[u8]) -> impl Iterator<Item = Packet> + use<> {
        assert!(
            u32::try_from(output.len()).is_ok(),
            "a node wrote 4 GiB at once; the simulator takes less"
        );
        let output: Rc<[u8]> = output.into();
        let mut start = 0;
        std::iter::from_fn(move || {
            let length = output[start..].iter().position(|byte| *byte == b'\n')?;
            let packet = Packet {
                output: Rc::clone(&output),
                start: start as u32,
                end: (start + length) as u32,
            };
            start += length + 1;
            Some(packet)
        })
    }

    pub(super) fn line(&self) -> &[u8] {
        &self.output[self.start as usize..self.end as usize]
    }

    pub(super) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Reads where the line goes and what it is. The line is one that a node or the
    /// simulator wrote.
    pub(super) fn label(&self) -> Label<'_> {
        serde_json::from_slice(self.line()).expect("nodes write messages only")
    }
}

/// What the simulator itself reads of a message.
#[derive(Deserialize)]
pub(super) struct Label<'a> {
    #[serde(borrow)]
    pub(super) dest: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) body: Header<'a>,
}

#[derive(Deserialize)]
pub(super) struct Header<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    pub(super) in_reply_to: Option<serde_json::Number>,
}
