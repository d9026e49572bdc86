//! The error a handler answers with.

use std::borrow::Cow;
use std::fmt;

/// An error answer: a code of Maelstrom's table, and a text for people.
///
/// A handler that returns `Result<T, E>` with `E: Into<Error>` answers an
/// `error` body on `Err`; an rpc whose answer is an `error` body yields
/// `Err(Error)`. There is one constructor for each name of the table in
/// Maelstrom's `doc/protocol.md`, and [`custom`](Self::custom) for codes of
/// your own.
///
/// ```
/// use glomer_runtime::Error;
///
/// let error = Error::precondition_failed("expected 4, found 5");
/// assert_eq!(error.code(), 22);
/// assert!(error.is_definite());
/// assert_eq!(error.to_string(), "precondition-failed (22): expected 4, found 5");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: u32,
    text: Cow<'static, str>,
}

macro_rules! table {
    ($($code:literal $name:literal $function:ident $definite:literal $doc:literal)*) => {
        impl Error {
            $(
                #[doc = concat!("Error ", $code, ", `", $name, "`: ", $doc)]
                pub fn $function(text: impl Into<Cow<'static, str>>) -> Self {
                    Self { code: $code, text: text.into() }
                }
            )*

            /// The name of the code in Maelstrom's table, `custom` for any other.
            pub fn name(&self) -> &'static str {
                match self.code {
                    $($code => $name,)*
                    _ => "custom",
                }
            }

            /// Whether the operation certainly did not happen and never will.
            ///
            /// After an indefinite error it may have happened, or may yet.
            /// Codes outside the table are indefinite, as in Maelstrom.
            pub fn is_definite(&self) -> bool {
                match self.code {
                    $($code => $definite,)*
                    _ => false,
                }
            }
        }
    };
}

table! {
    0 "timeout" timeout false
        "no answer came in time; the operation may have happened."
    1 "node-not-found" node_not_found true
        "the node that the request was sent to does not exist."
    10 "not-supported" not_supported true
        "this node does not implement the operation."
    11 "temporarily-unavailable" temporarily_unavailable true
        "the operation cannot be done now, and was not."
    12 "malformed-request" malformed_request true
        "the request is not of the form the operation needs."
    13 "crash" crash false
        "something went wrong; the operation may have happened."
    14 "abort" abort true
        "something went wrong before the operation took place."
    20 "key-does-not-exist" key_does_not_exist true
        "the operation needs a key that is not there."
    21 "key-already-exists" key_already_exists true
        "the operation creates a key that is there already."
    22 "precondition-failed" precondition_failed true
        "a condition of the operation does not hold, such as the expected value of a compare-and-set."
    30 "txn-conflict" txn_conflict true
        "the transaction was aborted because of a conflict with another."
}

impl Error {
    /// An error with a code of your own.
    ///
    /// # Panics
    ///
    /// If `code` is below 1000: those are reserved by the protocol.
    ///
    /// ```
    /// let error = glomer_runtime::Error::custom(1001, "the shop is closed");
    /// assert!(!error.is_definite());
    /// ```
    #[track_caller]
    pub fn custom(code: u32, text: impl Into<Cow<'static, str>>) -> Self {
        assert!(
            code >= 1000,
            "error code {code} is reserved by the protocol; use 1000 or above, \
             or the constructor of its name, such as `Error::abort`"
        );
        Self {
            code,
            text: text.into(),
        }
    }

    /// An error as another node sent it, whatever its code.
    ///
    /// ```
    /// let error = glomer_runtime::Error::received(22, "expected 4, found 5");
    /// assert_eq!((error.name(), error.is_definite()), ("precondition-failed", true));
    /// ```
    pub fn received(code: u32, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// The code, as it goes over the wire.
    pub fn code(&self) -> u32 {
        self.code
    }

    /// The text for people.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name(), self.code, self.text)
    }
}

impl std::error::Error for Error {}

/// What `?` meets in handlers. Whether the operation took place by then is not
/// known here, so these become `crash`, which is indefinite; say
/// `.map_err(|e| Error::abort(e.to_string()))` where it is known.
macro_rules! crash_from {
    ($($source:ty)*) => {
        $(impl From<$source> for Error {
            fn from(error: $source) -> Self {
                Self::crash(error.to_string())
            }
        })*
    };
}

crash_from! {
    serde_json::Error
    std::io::Error
    std::fmt::Error
    std::num::ParseIntError
    std::num::ParseFloatError
    std::num::TryFromIntError
    std::str::Utf8Error
    std::string::FromUtf8Error
    std::time::SystemTimeError
    Box<dyn std::error::Error>
    Box<dyn std::error::Error + Send + Sync>
}
