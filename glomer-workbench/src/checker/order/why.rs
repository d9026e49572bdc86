//! Why there is no order.

use crate::history::typed::Operation;
use crate::verdict::Reason;

use super::Model;
use super::search::Room;

/// So many states are in the sentence.
const STATES: usize = 3;

/// In words why an operation fits no order.
///
/// The operation could have been next until another one returned (it may have returned what was
/// true then), and not since. What is told is the two of them, and the one that had last made it
/// possible. Operations are named by their place in the list.
pub(super) fn explain<'s, M: Model>(
    model: &M,
    operations: &[&Operation<M::Op, M::Output>],
    stuck: usize,
    room: Room,
    states: impl Iterator<Item = &'s M::State>,
    node: impl Fn(u64) -> Option<&'s str>,
) -> Reason
where
    M::State: 's,
{
    let words = |place: usize| {
        let operation = operations[place];
        model.words(&operation.op, operation.output())
    };
    let when = |place: usize| {
        let operation = operations[place];
        let whose = node(operation.process).map(|node| format!("by {node} "));
        let index = operation.invoked.index;
        let cited = format!("{}(operation {index})", whose.unwrap_or_default());
        match operation.completed {
            Some(end) => format!("at {end} {cited}"),
            None => format!("at an unknown time {cited}"),
        }
    };
    let index = |place: usize| operations[place].invoked.index;
    let reason = Reason::new(format!("{} fits no order", words(stuck)))
        .of_kind("an operation fits no order");
    let begin = format!("It ended {}, ", when(stuck));
    let reason = match room {
        Room::Until { returned, made_by } => {
            let text = format!(
                "{begin}though {} had ended {} and nothing since makes it possible.",
                words(returned),
                when(returned)
            );
            let reason = reason.because(text, [index(stuck), index(returned)]);
            match made_by {
                Some(made_by) => reason.because(
                    format!(
                        "The last that did was {} {}.",
                        words(made_by),
                        when(made_by)
                    ),
                    [index(made_by)],
                ),
                None => reason,
            }
        }
        Room::Never => reason.because(
            format!("{begin}though nothing that had begun by then makes it possible."),
            [index(stuck)],
        ),
        Room::Forgotten => reason.because(
            format!("{begin}though nothing that was done shortly before makes it possible."),
            [index(stuck)],
        ),
    };
    let mut left: Vec<String> = states.map(|state| format!("{state:?}")).collect();
    left.sort_unstable();
    left.dedup();
    if left.len() > STATES {
        return reason;
    }
    let left = left.join(" or ");
    reason.because(
        format!("Every order of what came before leaves {left}."),
        [],
    )
}
