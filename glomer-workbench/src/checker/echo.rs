//! Every request comes back with what was sent.

use crate::edn::Edn;
use crate::history::typed::{History, Outcome};
use crate::verdict::Verdict;
use crate::workload::echo::Op;

/// An operation's value is the string that was sent; the completion's value is the whole body
/// that came back, with the string under `echo`. Maelstrom compares what knossos' `pairs` leaves:
/// an indeterminate completion says nothing, and a failed one, which has no body, did not bring
/// the string back.
pub(crate) fn check(history: &History<Op, Edn>) -> Verdict {
    let errors: Vec<Edn> = history
        .iter()
        .filter_map(|operation| {
            let Op(sent) = &operation.op;
            let received = match &operation.outcome {
                Outcome::Ok(received) => received,
                Outcome::Fail => sent,
                Outcome::Info => return None,
            };
            let echoed = received.get("echo");
            (echoed.unwrap_or(&Edn::Nil) != sent).then(|| {
                Edn::vector([
                    "Expected a message with :echo".into(),
                    sent.clone(),
                    "But received".into(),
                    received.clone(),
                ])
            })
        })
        .collect();
    Verdict::new(errors.is_empty()).figure("errors", Edn::List(errors))
}
