//! Why a run or a history is not valid, in words.
//!
//! Checkers give [`Reason`]s, which rest on operations. Of a run, its journal tells what became
//! of the messages that carried what is missing.

mod messages;

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use self::messages::Messages;
use crate::edn::Edn;
use crate::run::Run;
use crate::run::nemesis::{Faults, period};
use crate::verdict::{Reason, Validity, Verdict};
use crate::workload::Setting;

/// So many lines are shown in a terminal.
const LINES: usize = 8;
/// So many reasons are kept.
const MOST: usize = 50;

/// Why a run or a history is not valid: the most telling reason first.
///
/// Its text is that of every reason, `Why: ` before the first one and `Also: ` before others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    reasons: Vec<Reason>,
    /// How many more there were.
    left_out: usize,
}

impl Why {
    /// Of a history, whatever it came from: what checkers say of it, by their names and the
    /// most telling first.
    pub fn of_history<'v>(verdicts: impl IntoIterator<Item = (&'static str, &'v Verdict)>) -> Why {
        let verdicts = verdicts.into_iter().map(|(_, verdict)| verdict);
        let wrong = verdicts.filter(|verdict| verdict.validity() != Validity::True);
        let mut reasons = wrong.flat_map(|verdict| verdict.reasons());
        Why {
            reasons: reasons.by_ref().take(MOST).cloned().collect(),
            left_out: reasons.count(),
        }
    }

    /// Of a run in this setting with these faults: what checkers say of its history, and what
    /// became of messages.
    pub fn of_run<'v>(
        verdicts: impl IntoIterator<Item = (&'static str, &'v Verdict)>,
        run: &Run,
        setting: &Setting,
        faults: &Faults,
    ) -> Why {
        let mut why = Why::of_history(verdicts);
        if why.reasons.is_empty() {
            return why;
        }
        let periods = period::periods(&run.history, faults);
        let messages = Messages::new(&run.journal, &periods);
        let cast = setting.cast();
        for reason in &mut why.reasons {
            *reason = reason.clone().with_messages(|what| messages.tell(what));
            let asked = reason.operations().iter();
            let asked: Vec<u64> = asked
                .flat_map(|index| messages.of_operation(&run.history, &cast, *index))
                .collect();
            reason.mark(asked);
        }
        why
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }

    /// The reasons, the most telling first.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// The messages that the reasons tell of, by their numbers.
    pub fn messages(&self) -> BTreeSet<u64> {
        let reasons = self.reasons.iter();
        reasons.flat_map(Reason::messages).copied().collect()
    }

    /// What results show, if there is anything to say.
    pub fn to_edn(&self) -> Option<Edn> {
        let shown = self.reasons.iter().map(|reason| {
            let operations = reason.operations().iter().map(|index| Edn::from(*index));
            Edn::map([
                ("what", reason.headline().into()),
                ("because", Edn::vector(reason.lines())),
                ("operations", Edn::vector(operations)),
            ])
        });
        (!self.is_empty()).then(|| Edn::vector(shown))
    }

    /// As much as fits into eight lines.
    pub fn brief(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        let mut told = 0;
        for (number, reason) in self.reasons.iter().enumerate() {
            let text = told_as(number, reason);
            let own: Vec<&str> = text.lines().collect();
            // The last line is kept for what is left out.
            let more_follow = number + 1 < self.reasons.len() || self.left_out > 0;
            let room = LINES - lines.len() - usize::from(more_follow);
            if own.len() <= room {
                lines.extend(own.into_iter().map(str::to_owned));
            } else if number == 0 {
                lines.extend(own.iter().take(LINES - 1).map(|line| (*line).to_owned()));
            } else {
                break;
            }
            told += 1;
            if lines.len() + 1 >= LINES {
                break;
            }
        }
        let left = self.reasons.len() - told + self.left_out;
        let cut = self
            .reasons
            .first()
            .is_some_and(|first| first.lines().len() + 1 > LINES);
        match (left, cut) {
            (0, false) => {}
            (0, true) => lines.push("  The rest is in the results, under :why.".to_owned()),
            (1, _) => lines.push("One more reason is in the results, under :why.".to_owned()),
            (left, _) => {
                lines.push(format!(
                    "{left} more reasons are in the results, under :why."
                ));
            }
        }
        lines.join("\n")
    }
}

fn told_as(number: usize, reason: &Reason) -> String {
    let begin = if number == 0 { "Why" } else { "Also" };
    format!("{begin}: {reason}")
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, reason) in self.reasons.iter().enumerate() {
            if number > 0 {
                f.write_char('\n')?;
            }
            f.write_str(&told_as(number, reason))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(lines: &[usize]) -> Why {
        let reasons = lines.iter().enumerate().map(|(number, lines)| {
            (0..*lines).fold(
                Reason::new(format!("value {number} is lost")),
                |reason, line| reason.because(format!("Line {line}."), []),
            )
        });
        Why {
            reasons: reasons.collect(),
            left_out: 0,
        }
    }

    #[test]
    fn never_more_than_eight_lines_are_brief() {
        let count = |lines: &[usize]| why(lines).brief().lines().count();
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[2, 2]), 6);
        for first in 0..12 {
            for others in 0..12 {
                let mut lines = vec![first];
                lines.extend((0..others).map(|n| n % 4));
                assert!(count(&lines) <= LINES, "{}", why(&lines).brief());
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        assert_eq!(
            why(&[2, 3, 1]).brief(),
            "Why: value 0 is lost.\n  Line 0.\n  Line 1.\nAlso: value 1 is lost.\n  Line 0.\n  \
             Line 1.\n  Line 2.\nOne more reason is in the results, under :why."
        );
        let long = why(&[9]).brief();
        assert!(
            long.ends_with("  The rest is in the results, under :why."),
            "{long}"
        );
        let many = why(&[4, 4, 4]).brief();
        assert!(
            many.ends_with("2 more reasons are in the results, under :why."),
            "{many}"
        );
    }
}
