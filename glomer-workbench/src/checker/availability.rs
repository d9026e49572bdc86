//! How much of what the clients asked for succeeded.

use std::str::FromStr;

use crate::edn::Edn;
use crate::history::{History, OpType};

use super::Verdict;
use crate::verdict::Reason;

/// What fraction of the operations must succeed.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Availability {
    /// All of them.
    Total,
    /// At least this fraction, from 0 to 1.
    Fraction(f64),
}

impl FromStr for Availability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "total" {
            return Ok(Self::Total);
        }
        text.parse()
            .ok()
            .filter(|fraction| (0.0..=1.0).contains(fraction))
            .map(Self::Fraction)
            .ok_or_else(|| {
                format!("`{text}` is neither `total` nor a number between 0 and 1, such as 0.95")
            })
    }
}

/// The fraction of operations that succeeded (`ok-fraction`), and whether that is enough.
/// Without an expectation everything is.
///
/// Every run is judged so: by the option `--availability`, by
/// [`Test::availability`](crate::Test::availability), or by what its workload
/// [asks for](crate::workload::Workload::availability). The arithmetic is that of Maelstrom's
/// `availability-checker`, and so is the record that it reads, of whatever workload.
///
/// ```
/// use glomer_workbench::checker::{Availability, availability};
/// use glomer_workbench::history::{History, Op, OpType, Process};
/// use glomer_workbench::verdict::Validity;
///
/// let read = |kind| Op::new(kind, Process::Client(0), "read", 7.into());
/// let history: History = [
///     read(OpType::Invoke),
///     read(OpType::Ok),
///     read(OpType::Invoke),
///     read(OpType::Fail),
/// ]
/// .into_iter()
/// .collect();
///
/// let half = availability(&history, Some(Availability::Fraction(0.5)));
/// assert_eq!(half.validity(), Validity::True);
/// let total = availability(&history, Some(Availability::Total));
/// assert_eq!(total.validity(), Validity::False);
/// assert_eq!(total.reasons()[0].headline(), "too few operations succeeded");
/// ```
pub fn availability(history: &History, expected: Option<Availability>) -> Verdict {
    let count = |kind| history.0.iter().filter(|op| op.kind == kind).count();
    let (oks, invocations) = (count(OpType::Ok), count(OpType::Invoke));
    // Maelstrom's arithmetic: single precision, and a bare 1 where nothing was asked for.
    let fraction = oks as f32 / invocations as f32;
    let (shown, fraction) = if invocations == 0 {
        (Edn::Int(1), 1.0)
    } else {
        (Edn::float32(fraction), f64::from(fraction))
    };
    let least = match expected {
        None => 0.0,
        Some(Availability::Total) => 1.0,
        Some(Availability::Fraction(least)) => least,
    };
    let verdict = Verdict::new(least <= fraction).figure("ok-fraction", shown);
    if least <= fraction {
        return verdict;
    }
    let text = format!(
        "{oks} of {invocations} did, and at least {} % must.",
        100.0 * least
    );
    verdict.because(Reason::new("too few operations succeeded").because(text, []))
}
