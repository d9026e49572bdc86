//! What drives a node in the real world.

mod bell;
mod clock;
mod disk;
mod input;
mod stderr;
mod stdio;
#[cfg(feature = "disk")]
pub mod store;

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, Timespec, poll};
use rustix::io::Errno;

pub use self::stdio::{Stdio, run, run_with};

/// Waits until one of the files is ready, a signal comes, or `timeout` has
/// passed.
fn wait(files: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<()> {
    // A timeout beyond what the system can express is no timeout.
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match poll(files, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
