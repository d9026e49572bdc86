//! Every request comes back with what was sent.

use crate::edn::Edn;
use crate::history::History;

/// An operation's value is the string that was sent; the completion's value is the whole body
/// that came back, with the string under `echo`. Whatever does not bring it back, an
/// indeterminate completion included, is an error, as it is for Maelstrom. Only a run that was
/// cut short has operations without a completion, and that is not the nodes' fault.
pub(super) fn check(history: &History) -> Edn {
    let errors: Vec<Edn> = history
        .pairs()
        .into_iter()
        .filter_map(|(invocation, completion)| {
            let received = &completion?.value;
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
