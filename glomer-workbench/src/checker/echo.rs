//! Every request comes back with what was sent.

use crate::edn::Edn;
use crate::history::{History, OpType};

/// An operation's value is the string that was sent; the completion's value is the whole body
/// that came back, with the string under `echo`. Maelstrom compares what knossos' `pairs` leaves:
/// an indeterminate completion says nothing, and a failed one, which has no body, did not bring
/// the string back.
pub(crate) fn check(history: &History) -> Edn {
    let errors: Vec<Edn> = history
        .pairs()
        .into_iter()
        .filter_map(|(invocation, completion)| {
            let completion = completion.filter(|op| op.kind != OpType::Info)?;
            let received = &completion.value;
            let echoed = received.get("echo");
            (echoed.unwrap_or(&Edn::Nil) != &invocation.value).then(|| {
                Edn::vector([
                    "Expected a message with :echo".into(),
                    invocation.value.clone(),
                    "But received".into(),
                    received.clone(),
                ])
            })
        })
        .collect();
    Edn::map([
        ("valid?", errors.is_empty().into()),
        ("errors", Edn::List(errors)),
    ])
}
