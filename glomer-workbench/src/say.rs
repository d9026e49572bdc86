//! What is said to whoever called.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes a line to standard output.
///
/// # Errors
/// If it cannot be written, unless whoever reads it has seen enough.
pub(crate) fn print(line: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a line to standard error, if anyone is left to hear it.
pub(crate) fn tell(text: &impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
