//! Waiting for enough answers.

use std::future::{Future, poll_fn};
use std::task::Poll;

use crate::body::Error;

/// Waits for the first `count` of several calls to succeed, and drops the
/// rest, which cancels rpcs.
///
/// The answers are in the order in which they came.
///
/// ```
/// use glomer_runtime::{prelude::*, quorum};
///
/// struct Register {
///     value: u64,
/// }
///
/// #[handler("read", reply = "value")]
/// fn read(state: &Register) -> u64 {
///     state.value
/// }
///
/// #[handler("latest", reply = "value")]
/// async fn latest(state: &Shared<Register>, cx: &Context) -> Result<u64, Error> {
///     let own = state.with(|state| state.value);
///     let calls = cx.peers().map(|peer| cx.rpc(peer, Read {}));
///     // With this node, a majority.
///     let others = quorum(cx.node_ids().len() / 2, calls).await?;
///     Ok(others.into_iter().fold(own, u64::max))
/// }
///
/// let cx = Context::mock("n1", ["n1", "n2", "n3"]);
/// cx.answer("n3", |_: Read| Ok(7));
/// let state = Shared::new(Register { value: 5 });
/// assert_eq!(cx.run(latest(&state, &cx)), Ok(7));
/// ```
///
/// # Errors
///
/// When too many have failed for `count` to succeed, with the errors in its
/// text: 14 abort if nothing can have happened, since all failed with definite
/// errors, and 0 timeout otherwise.
pub async fn quorum<T, F>(count: usize, calls: impl IntoIterator<Item = F>) -> Result<Vec<T>, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut calls: Vec<_> = calls.into_iter().map(Box::pin).collect();
    let (mut answers, mut errors) = (Vec::new(), Vec::new());
    poll_fn(|cx| {
        calls.retain_mut(|call| {
            if answers.len() >= count {
                return true;
            }
            match call.as_mut().poll(cx) {
                Poll::Pending => return true,
                Poll::Ready(Ok(answer)) => answers.push(answer),
                Poll::Ready(Err(error)) => errors.push(error),
            }
            false
        });
        if answers.len() >= count || answers.len() + calls.len() < count {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
    if answers.len() >= count {
        return Ok(answers);
    }
    let came = answers.len();
    let mut text = format!("{count} answers are needed, and only {came} came");
    for error in &errors {
        text.push_str(&format!("; {error}"));
    }
    let nothing_happened = came == 0 && calls.is_empty() && errors.iter().all(Error::is_definite);
    Err(if nothing_happened {
        Error::abort(text)
    } else {
        Error::timeout(text)
    })
}
