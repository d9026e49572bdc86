//! What nodes tell each other.

use serde::{Deserialize, Serialize};

use super::holdings::StreamId;
use glomer_runtime::Message;

/// How long a message may be, in bytes, unless one value alone is longer.
const MESSAGE_BYTES: usize = 32 * 1024;

/// About how long the rest of a message is.
const ENVELOPE_BYTES: usize = 512;

/// How many facts fit into a message.
const MESSAGE_FACTS: usize = 500;

/// How long a fact may be.
const FACT_BYTES: usize = 45;

/// How many pieces of a stream one question brings at most.
pub(super) const WINDOW: usize = 8;

/// A message between the [`Spread`](super::Spread)s of two nodes, of the type
/// `spread`: give it to [`Spread::receive`](super::Spread::receive).
///
/// On the wire every field but `run` is left out when it says nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct News<T> {
    /// Tells the life of the sender from its earlier ones.
    pub(super) run: u32,
    /// Parts of streams.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Part<T>>,
    /// Values that the receiver is asked to see into a stream.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub(super) take: Vec<T>,
    /// How much the sender has of some streams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) have: Vec<Fact>,
    /// From where on it wants some streams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) want: Vec<Fact>,
    /// `have` names all that the sender has.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) all: bool,
    /// The receiver is the sender's parent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) up: bool,
    /// The receiver is not the sender's parent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) leave: bool,
    /// The sender does not know yet that all its children have what it has.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) busy: bool,
    /// The receiver is to answer at once with all that it has.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) ask: bool,
    /// Every node has at least the holdings with this digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) done: Option<u64>,
    /// To be sent back as `pong`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ping: Option<u32>,
    /// A `ping` of the receiver, and for how many microseconds it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pong: Option<(u32, u64)>,
    /// A node wakes itself up.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) alarm: bool,
}

impl<T> Message for News<T> {
    const TYPE: &'static str = "spread";
    type Reply = ();
}

/// A part of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct Part<T> {
    /// Owner and run of the stream; the sender's own unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) of: Option<(u32, u32)>,
    /// The place of the first value in the stream.
    pub(super) at: u64,
    pub(super) values: Vec<T>,
    /// The sender sends it to all, so nobody has to pass it on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) to_all: bool,
    /// About how long it is in JSON.
    #[serde(skip)]
    pub(super) bytes: usize,
}

/// Owner and run of a stream, and a place in it.
pub(super) type Fact = (u32, u32, u64);

pub(super) fn fact(id: StreamId, place: u64) -> Fact {
    (id.owner, id.run, place)
}

fn is_false(it: &bool) -> bool {
    !it
}

impl<T> News<T> {
    pub(super) fn new(run: u32) -> Self {
        Self {
            run,
            parts: Vec::new(),
            take: Vec::new(),
            have: Vec::new(),
            want: Vec::new(),
            all: false,
            up: false,
            leave: false,
            busy: false,
            ask: false,
            done: None,
            ping: None,
            pong: None,
            alarm: false,
        }
    }

    fn holds_anything(&self) -> bool {
        let facts = self.have.len() + self.want.len();
        facts + self.parts.len() + self.take.len() > 0
    }

    /// The same in messages of bounded length.
    pub(super) fn split(mut self) -> Vec<Self>
    where
        T: Serialize,
    {
        let mut all = Vec::new();
        let parts = std::mem::take(&mut self.parts);
        let take = std::mem::take(&mut self.take);
        let mut have = std::mem::take(&mut self.have);
        let run = self.run;
        // Facts come first: what is said about all of them is said at their end.
        while have.len() > MESSAGE_FACTS {
            let mut news = Self::new(run);
            news.have = have.split_off(have.len() - MESSAGE_FACTS);
            news.up = self.up;
            all.push(news);
        }
        self.have = have;
        let most = MESSAGE_FACTS - self.have.len();
        while self.want.len() > most {
            let mut news = Self::new(run);
            let start = self.want.len().saturating_sub(MESSAGE_FACTS).max(most);
            news.want = self.want.split_off(start);
            all.push(news);
        }
        let mut last = self;
        let facts = FACT_BYTES * (last.have.len() + last.want.len());
        let mut room = MESSAGE_BYTES.saturating_sub(ENVELOPE_BYTES + facts);
        let mut next = |bytes: usize, last: &mut Self| {
            let begun = last.holds_anything();
            if bytes > room && begun {
                all.push(std::mem::replace(last, Self::new(run)));
                room = MESSAGE_BYTES - ENVELOPE_BYTES;
            }
            room = room.saturating_sub(bytes);
        };
        for part in parts {
            next(part.bytes, &mut last);
            last.parts.push(part);
        }
        for value in take {
            next(json_len(&value) + 1, &mut last);
            last.take.push(value);
        }
        all.push(last);
        all
    }
}

impl<T: Clone + Serialize> Part<T> {
    /// A part of a stream in pieces that fit into a message each.
    pub(super) fn pieces<'a>(
        of: Option<StreamId>,
        at: u64,
        values: &'a [T],
    ) -> impl Iterator<Item = Self> + use<'a, T> {
        let of = of.map(|id| (id.owner, id.run));
        let mut rest = values;
        let mut at = at;
        std::iter::from_fn(move || {
            let mut bytes = 0;
            let mut count = 0;
            for value in rest {
                let more = json_len(value) + 1;
                if count > 0 && bytes + more > MESSAGE_BYTES - 2 * ENVELOPE_BYTES {
                    break;
                }
                bytes += more;
                count += 1;
            }
            let (piece, later) = rest.split_at(count);
            let part = Self {
                of,
                at,
                values: piece.to_vec(),
                to_all: false,
                bytes,
            };
            rest = later;
            at += count as u64;
            (count > 0).then_some(part)
        })
    }
}

/// How long a value is in JSON, in bytes; 0 if it is not JSON.
fn json_len<T: Serialize>(value: &T) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_is_left_out() {
        let news = News::<u64>::new(5);
        assert_eq!(serde_json::to_string(&news).unwrap(), r#"{"run":5}"#);
        assert_eq!(
            serde_json::from_str::<News<u64>>(r#"{"run":5}"#).unwrap(),
            news
        );
    }

    #[test]
    fn long_news_are_split_into_messages_of_bounded_length() {
        let values: Vec<String> = (0..5_000).map(|n| format!("value number {n}")).collect();
        let mut news = News::new(5);
        news.parts = Part::pieces(None, 10, &values).collect();
        news.parts.push(news.parts[0].clone());
        news.take = values.clone();
        news.have = (0..5_000).map(|n| (u32::MAX, n, u64::MAX)).collect();
        news.want = news.have.clone();
        news.up = true;
        news.all = true;
        let messages = news.clone().split();
        assert!(messages.len() > 6 + 6);
        for message in &messages {
            let bytes = serde_json::to_string(message).unwrap().len();
            assert!(
                bytes <= MESSAGE_BYTES,
                "{bytes} bytes with {} facts, {} parts, {} values",
                message.have.len(),
                message.parts.len(),
                message.take.len()
            );
        }
        let parts: Vec<_> = messages.iter().flat_map(|it| it.parts.clone()).collect();
        assert_eq!(parts, news.parts);
        let again: Vec<_> = parts.iter().flat_map(|it| it.values.clone()).collect();
        assert_eq!(again[..5_000], values);
        let take: Vec<_> = messages.iter().flat_map(|it| it.take.clone()).collect();
        assert_eq!(take, values);
        let have: usize = messages.iter().map(|it| it.have.len()).sum();
        let want: usize = messages.iter().map(|it| it.want.len()).sum();
        assert_eq!((have, want), (5_000, 5_000));
        assert_eq!(messages.iter().filter(|it| it.all).count(), 1);
    }

    #[test]
    fn a_value_too_long_for_a_message_goes_alone() {
        let values = ["a".repeat(100_000), "b".into(), "c".repeat(100_000)];
        let counts: Vec<_> = Part::pieces(None, 0, &values)
            .map(|part| (part.at, part.values.len()))
            .collect();
        assert_eq!(counts, [(0, 1), (1, 1), (2, 1)]);
    }
}
