//! Why there is no order.

use crate::history::typed::Operation;

use super::Model;
use super::search::Room;

/// So many states are in the sentence.
const STATES: usize = 3;

/// In words why an operation fits no order, and the invocations that this rests on.
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
) -> (String, Vec<usize>)
where
    M::State: 's,
{
    let words = |place: usize| {
        let operation = operations[place];
        model.words(&operation.op, operation.output())
    };
    let end = |place: usize| match operations[place].completed {
        Some(end) => format!("{:.3} s", end.time.as_secs_f64()),
        None => "an unknown time".to_owned(),
    };
    let mut rests_on = vec![stuck];
    let mut text = format!("{} at {}, though ", words(stuck), end(stuck));
    match room {
        Room::Until { returned, made_by } => {
            rests_on.push(returned);
            text += &format!(
                "{} had ended at {} and nothing since makes it possible",
                words(returned),
                end(returned)
            );
            if let Some(made_by) = made_by {
                rests_on.push(made_by);
                text += &format!(
                    "; the last that did was {} at {}",
                    words(made_by),
                    end(made_by)
                );
            }
        }
        Room::Never => text += "nothing that had begun by then makes it possible",
        Room::Forgotten => text += "nothing that was done shortly before makes it possible",
    }
    let mut left: Vec<String> = states.map(|state| format!("{state:?}")).collect();
    left.sort_unstable();
    left.dedup();
    text += ".";
    if left.len() <= STATES {
        text += &format!(
            " Every order of what came before leaves {}.",
            left.join(" or ")
        );
    }
    let indices = rests_on
        .into_iter()
        .map(|place| operations[place].invoked.index);
    (text, indices.collect())
}
