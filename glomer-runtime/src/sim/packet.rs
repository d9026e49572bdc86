//! A message as it travels: one line of a node's output.

use crate::body::wire::{self, Envelope};
use serde::Deserialize;
use std::borrow::Cow;
use std::io::BufRead;
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
            let length = (&output[start..]).skip_until(b'\n').ok()?.checked_sub(1)?;
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

    /// Reads the message. It must be one that a node or the simulator wrote.
    pub(super) fn envelope(&self) -> Envelope<'_> {
        wire::read(self.line()).expect("nodes write messages only")
    }

    /// Reads where a message goes and of what type it is.
    pub(super) fn label(&self) -> Label<'_> {
        Label::as_nodes_write_it(self.line()).unwrap_or_else(|| {
            #[derive(Deserialize)]
            struct Message<'a> {
                #[serde(borrow)]
                dest: Cow<'a, str>,
                #[serde(borrow)]
                body: Body<'a>,
            }
            #[derive(Deserialize)]
            struct Body<'a> {
                #[serde(borrow, rename = "type")]
                kind: Cow<'a, str>,
            }
            let message = serde_json::from_slice(self.line());
            let Message { dest, body } = message.expect("nodes write messages only");
            Label {
                dest,
                kind: body.kind,
            }
        })
    }
}

/// What the network needs to know of a message.
#[derive(Debug, PartialEq)]
pub(super) struct Label<'a> {
    pub(super) dest: Cow<'a, str>,
    pub(super) kind: Cow<'a, str>,
}

impl<'a> Label<'a> {
    /// Reads the label without reading the message, relying on the order in which nodes
    /// write it; `None` when it is another, or when a name has escapes.
    fn as_nodes_write_it(line: &'a [u8]) -> Option<Label<'a>> {
        let (_, rest) = plain_string(line.strip_prefix(b"{\"src\":")?)?;
        let (dest, rest) = plain_string(rest.strip_prefix(b",\"dest\":")?)?;
        let (kind, _) = plain_string(rest.strip_prefix(b",\"body\":{\"type\":")?)?;
        Some(Label {
            dest: dest.into(),
            kind: kind.into(),
        })
    }
}

/// Splits a JSON string without escapes off a text.
fn plain_string(text: &[u8]) -> Option<(&str, &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let end = text.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    let (content, rest) = text.split_at(end);
    Some((str::from_utf8(content).ok()?, rest.strip_prefix(b"\"")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(line: &str) -> (bool, String, String) {
        let packet = Packet::new(line.as_bytes());
        let short = Label::as_nodes_write_it(line.as_bytes());
        let Label { dest, kind } = packet.label();
        (short.is_some(), dest.into(), kind.into())
    }

    #[test]
    fn labels_are_read_in_any_order_and_with_escapes() {
        let expected = |short, dest: &str| (short, dest.to_owned(), "x".to_owned());
        let line = r#"{"src":"n0","dest":"n1","body":{"type":"x","in_reply_to":1}}"#;
        assert_eq!(label(line), expected(true, "n1"));
        let line = r#"{"src":"n0","dest":"\"n1\"","body":{"type":"x"}}"#;
        assert_eq!(label(line), expected(false, "\"n1\""));
        let line = r#"{"body":{"in_reply_to":1,"type":"x"},"dest":"n1","src":"n0"}"#;
        assert_eq!(label(line), expected(false, "n1"));
    }

    #[test]
    fn an_output_is_split_into_its_lines() {
        let lines = |output: &str| -> Vec<String> {
            let packets = Packet::split(output.as_bytes());
            packets
                .map(|it| String::from_utf8_lossy(it.line()).into_owned())
                .collect()
        };
        assert_eq!(lines("a\nbc\n"), ["a", "bc"]);
        assert!(lines("").is_empty());
    }
}
