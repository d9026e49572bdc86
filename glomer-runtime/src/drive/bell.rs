//! What other threads ring to wake the driver.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::{Wake, Waker};

/// Can be read from while it rings.
pub(super) struct Bell {
    reader: PipeReader,
    rope: Arc<Rope>,
}

struct Rope(PipeWriter);

impl Wake for Rope {
    fn wake(self: Arc<Self>) {
        // A node wakes its driver once for each sleep, so the pipe does not
        // fill; and while the bell lives it is not closed.
        let _ = (&self.0).write_all(b"!");
    }
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self {
            reader,
            rope: Arc::new(Rope(writer)),
        })
    }

    pub(super) fn waker(&self) -> Waker {
        self.rope.clone().into()
    }

    /// Ends the ringing; while it does not ring this waits until it does.
    pub(super) fn silence(&self) -> io::Result<()> {
        (&self.reader).read(&mut [0; 64]).map(|_| ())
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
