//! What a node has to have done.

use std::ops::Range;

use super::disk::Write;

/// How much memory is kept for output to come, in bytes, for each of what an
/// [`Output`] consists of.
const KEPT: usize = 256 * 1024;

/// What a node has to have done, in this order; see
/// [`Node::swap_output`](crate::Node::swap_output).
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The lines of all messages, each with its line feed.
    lines: Vec<u8>,
    /// The destination and the type of each message, one after the other.
    labels: String,
    messages: Vec<Ends>,
    /// The turns that wrote to the disk.
    turns: Vec<Turn>,
    /// How many messages there were when the turn began that goes on now, and whether it has
    /// written.
    turn_start: usize,
    turn_writes: bool,
    writes: Vec<Change>,
    /// The name in each write, and what it keeps, one after the other.
    data: String,
}

/// Where the parts of a message end; they begin where those of the one before
/// end.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    line: usize,
    dest: usize,
    kind: usize,
}

/// The writes of one turn of the node: a call of a function, or what a task does until it
/// waits.
#[derive(Clone, Debug)]
struct Turn {
    /// How many messages go before them: those of earlier turns.
    messages: usize,
    /// Where its writes end; they begin where those of the turn before end.
    end: usize,
}

/// A write. Where its parts end; they begin where those of the one before end.
#[derive(Clone, Debug)]
struct Change {
    what: What,
    name: usize,
    kept: usize,
}

#[derive(Clone, Debug)]
enum What {
    Put,
    Remove,
    Append,
    Cut(Range<u64>),
}

/// One thing to do.
///
/// What a driver does not know, it cannot skip without losing something; it
/// stops the node.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Action<'a> {
    /// Send these messages.
    Send(Batch<'a>),
    /// Keep this, which is what one turn of the node wrote, on the disk, all of it or nothing.
    /// What follows is not to be done before it is durable; if it cannot be made durable, nothing that follows is ever to be done.
    ///
    /// A node writes only if its driver has given it a [disk](crate::Node::set_disk).
    Write(Writes<'a>),
}

/// Messages with nothing to be done between them.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    output: &'a Output,
    start: usize,
    end: usize,
}

/// What a node wrote in one turn.
#[derive(Clone, Copy, Debug)]
pub struct Writes<'a> {
    output: &'a Output,
    start: usize,
    end: usize,
}

/// A message of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outgoing<'a> {
    /// Who it is for.
    pub dest: &'a str,
    /// The `type` of its body.
    pub kind: &'a str,
    /// All of it as JSON, without a line feed.
    pub line: &'a [u8],
}

impl Output {
    /// What is to be done, in this order.
    pub fn actions(&self) -> impl Iterator<Item = Action<'_>> {
        let starts = [(0, 0)].into_iter();
        let starts = starts.chain(self.turns.iter().map(|turn| (turn.messages, turn.end)));
        let ends = self
            .turns
            .iter()
            .map(|turn| (turn.messages, Some(turn.end)));
        let ends = ends.chain([(self.messages.len(), None)]);
        starts
            .zip(ends)
            .flat_map(|((sent, written), (messages, writes))| {
                let batch = Batch {
                    output: self,
                    start: sent,
                    end: messages,
                };
                let writes = writes.map(|end| Writes {
                    output: self,
                    start: written,
                    end,
                });
                let send = (sent < messages).then_some(Action::Send(batch));
                send.into_iter().chain(writes.map(Action::Write))
            })
    }

    /// The messages among the actions.
    pub fn messages(&self) -> impl Iterator<Item = Outgoing<'_>> {
        self.batch().messages()
    }

    /// The messages that need not wait for a write.
    pub fn before_writes(&self) -> Batch<'_> {
        let first = self.turns.first();
        Batch {
            end: first.map_or(self.messages.len(), |turn| turn.messages),
            ..self.batch()
        }
    }

    /// The other ones, for drivers that make all that is written durable at once.
    pub fn after_writes(&self) -> Batch<'_> {
        Batch {
            start: self.before_writes().end,
            ..self.batch()
        }
    }

    /// Whether there is nothing to be done.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.turns.is_empty()
    }

    /// Whether there is anything to be kept.
    pub fn has_writes(&self) -> bool {
        !self.turns.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len() + self.data.len()
    }

    /// All messages, whatever is to be done between them.
    fn batch(&self) -> Batch<'_> {
        Batch {
            output: self,
            start: 0,
            end: self.messages.len(),
        }
    }

    /// Drops what it holds, and gives back the memory that it took, beyond
    /// what the usual output takes; a driver that is done with some need not
    /// hold it until the next.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.lines.shrink_to(KEPT);
        self.labels.clear();
        self.labels.shrink_to(KEPT);
        self.messages.clear();
        self.messages.shrink_to(KEPT / size_of::<Ends>());
        self.turn_start = 0;
        self.turn_writes = false;
        self.turns.clear();
        self.turns.shrink_to(KEPT / size_of::<Turn>());
        self.writes.clear();
        self.writes.shrink_to(KEPT / size_of::<Change>());
        self.data.clear();
        self.data.shrink_to(KEPT);
    }

    /// Adds a message to `dest` that `write` appends, with its line feed; its
    /// type is that of `kind`, put together. If it fails there is no message.
    pub(crate) fn message<E>(
        &mut self,
        dest: &str,
        kind: [&str; 2],
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        write(&mut self.lines)?;
        self.labels.push_str(dest);
        let dest = self.labels.len();
        self.labels.extend(kind);
        self.messages.push(Ends {
            line: self.lines.len(),
            dest,
            kind: self.labels.len(),
        });
        Ok(())
    }

    /// Begins another turn of the node.
    pub(crate) fn begin_turn(&mut self) {
        self.turn_start = self.messages.len();
        self.turn_writes = false;
    }

    /// Adds a write of the turn that goes on. All that this turn sends, before or after, waits
    /// for all that it writes.
    pub(crate) fn write(&mut self, write: &Write<'_>) {
        let (what, name, kept) = match write {
            Write::Put { key, value } => (What::Put, key, *value),
            Write::Remove { key } => (What::Remove, key, ""),
            Write::Append { log, entry } => (What::Append, log, *entry),
            Write::Cut { log, keep } => (What::Cut(keep.clone()), log, ""),
        };
        self.data.push_str(name);
        let name = self.data.len();
        self.data.push_str(kept);
        self.writes.push(Change {
            what,
            name,
            kept: self.data.len(),
        });
        let end = self.writes.len();
        let is_new = !std::mem::replace(&mut self.turn_writes, true);
        match self.turns.last_mut().filter(|_| !is_new) {
            Some(last) => last.end = end,
            None => self.turns.push(Turn {
                messages: self.turn_start,
                end,
            }),
        }
    }
}

impl Output {
    /// Adds messages of another output.
    pub(crate) fn push_messages(&mut self, batch: Batch<'_>) {
        for message in batch.messages() {
            let written = self.message(message.dest, [message.kind, ""], |lines| {
                lines.extend_from_slice(message.line);
                lines.push(b'\n');
                Ok::<(), std::convert::Infallible>(())
            });
            let Ok(()) = written;
        }
    }

    /// Adds a turn's writes of another output.
    pub(crate) fn push_writes(&mut self, writes: Writes<'_>) {
        self.begin_turn();
        for write in writes.iter() {
            self.write(&write);
        }
    }
}

impl<'a> Batch<'a> {
    /// The messages, in their order.
    pub fn messages(self) -> impl Iterator<Item = Outgoing<'a>> {
        let Output {
            lines,
            labels,
            messages,
            ..
        } = self.output;
        let mut start = self.before();
        messages[self.start..self.end].iter().map(move |end| {
            let message = Outgoing {
                dest: &labels[start.kind..end.dest],
                kind: &labels[end.dest..end.kind],
                line: &lines[start.line..end.line - 1],
            };
            start = *end;
            message
        })
    }

    /// The lines of all messages in one piece, each with its line feed, for
    /// drivers that write them all to one place.
    pub fn lines(self) -> &'a [u8] {
        let end = self.output.messages[..self.end].last();
        &self.output.lines[self.before().line..end.map_or(0, |end| end.line)]
    }

    /// Where the message before it ends.
    fn before(self) -> Ends {
        let before = self.output.messages[..self.start].last();
        before.copied().unwrap_or_default()
    }
}

impl<'a> Writes<'a> {
    /// The writes, in their order.
    pub fn iter(self) -> impl Iterator<Item = Write<'a>> {
        let Output { writes, data, .. } = self.output;
        let before = writes[..self.start].last();
        let mut start = before.map_or(0, |before| before.kept);
        writes[self.start..self.end].iter().map(move |change| {
            let name = &data[start..change.name];
            let kept = &data[change.name..change.kept];
            start = change.kept;
            match &change.what {
                What::Put => Write::Put {
                    key: name,
                    value: kept,
                },
                What::Remove => Write::Remove { key: name },
                What::Append => Write::Append {
                    log: name,
                    entry: kept,
                },
                What::Cut(keep) => Write::Cut {
                    log: name,
                    keep: keep.clone(),
                },
            }
        })
    }
}
