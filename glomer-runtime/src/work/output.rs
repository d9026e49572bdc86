//! What a node has to have done.

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
}

/// Where the parts of a message end; they begin where those of the one before
/// end.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    line: usize,
    dest: usize,
    kind: usize,
}

/// One thing to do.
///
/// There will be more of them: writes to a disk, after which messages wait
/// until they are durable. What a driver does not know, it cannot skip without
/// losing something; it stops the node.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Action<'a> {
    /// Send these messages.
    Send(Batch<'a>),
}

/// Messages with nothing to be done between them.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    output: &'a Output,
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
        (!self.is_empty())
            .then_some(Action::Send(Batch { output: self }))
            .into_iter()
    }

    /// The messages among the actions.
    pub fn messages(&self) -> impl Iterator<Item = Outgoing<'_>> {
        self.actions()
            .flat_map(|Action::Send(batch)| batch.messages())
    }

    /// Whether there is nothing to be done.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
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
}

impl<'a> Batch<'a> {
    /// The messages, in their order.
    pub fn messages(self) -> impl Iterator<Item = Outgoing<'a>> {
        let Output {
            lines,
            labels,
            messages,
        } = self.output;
        let mut start = Ends::default();
        messages.iter().map(move |end| {
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
        &self.output.lines
    }
}
