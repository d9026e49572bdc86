//! What the runtime tells people, on standard error.

use std::fmt;
use std::str::FromStr;

/// How much the runtime tells; each level includes those before it.
///
/// Nodes started with [`run`](crate::run) read it from the environment
/// variable `GLOMER_LOG`: `off`, `error`, `warn` (the default), `info` or
/// `debug`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Off,
    /// A handler panicked, or a reply could not be written.
    Error,
    /// Something came that should not have: a line that is no message, a
    /// message of an unknown type that expects no answer.
    #[default]
    Warn,
    /// Start and end.
    Info,
    /// Every ignored answer and every error sent.
    Debug,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        })
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Off, Self::Error, Self::Warn, Self::Info, Self::Debug]
            .into_iter()
            .find(|level| level.to_string() == text)
            .ok_or_else(|| format!("`{text}` is no log level; use off, error, warn, info or debug"))
    }
}

/// One line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// How bad it is.
    pub level: Level,
    /// What happened.
    pub text: String,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "glomer {}: {}", self.level, self.text)
    }
}

/// The beginning of a line, made printable, for drivers that tell of one: 120 bytes of it, and how
/// long it is if that is more.
///
/// ```
/// use glomer_runtime::log::excerpt;
///
/// assert_eq!(excerpt(b"caf\xc3\xa9\n"), "caf\u{e9}\\n");
/// assert!(excerpt(&[b'x'; 1000]).ends_with("xxx\u{2026} (1000 bytes)"));
/// ```
pub fn excerpt(line: &[u8]) -> String {
    const LIMIT: usize = 120;
    let shown = &line[..line.len().min(LIMIT)];
    let mut text: String = String::from_utf8_lossy(shown).escape_debug().collect();
    if line.len() > LIMIT {
        text.push_str(&format!("… ({} bytes)", line.len()));
    }
    text
}
