//! What is said to whoever called.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes a line to standard output.
///
/// # Errors
/// If it cannot be written, unless whoever reads it has seen enough.
pub(crate) fn print(line: &str) -> io::Result<()> {
    print_all(format!("{line}\n").as_bytes())
}

/// Writes a whole text to standard output.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_all(text: &[u8]) -> io::Result<()> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a line to standard error, if anyone is left to hear it.
pub(crate) fn tell(text: &impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
