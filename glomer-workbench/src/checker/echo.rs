//! Every request comes back with what was sent.

use crate::edn::Edn;
use crate::history::History;

/// An operation's value is the string that was sent; the completion's value is the whole body
/// that came back, with the string under `echo`. Whatever does not bring it back, an
/// indeterminate completion or none at all included, is an error, as it is for Maelstrom.
pub(super) fn check(history: &History) -> Edn {
    let errors: Vec<Edn> = history
        .pairs()
        .into_iter()
        .filter_map(|(invocation, completion)| {
            let received = completion.map(|op| &op.value);
            let echoed = received.and_then(|value| value.get("echo"));
            (echoed.unwrap_or(&Edn::Nil) != &invocation.value).then(|| {
                Edn::vector([
                    "Expected a message with :echo".into(),
                    invocation.value.clone(),
                    "But received".into(),
                    received.cloned().unwrap_or_default(),
                ])
            })
        })
        .collect();
    Edn::map([
        ("valid?", errors.is_empty().into()),
        ("errors", Edn::List(errors)),
    ])
}
