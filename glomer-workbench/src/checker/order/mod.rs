//! Whether there is an order of operations that explains what they returned, by a [`Model`] of the
//! object that they were done to.

mod linearizable;
mod model;
mod search;
mod sequential;
mod space;
mod why;

use crate::history::typed::Operation;

pub use linearizable::linearizable;
pub(crate) use linearizable::{Searched, search_each};
pub use model::{Effect, Model};
pub(crate) use search::{Ending, Found};
pub use sequential::sequentially_consistent;

/// Some operations of a history.
type Operations<'h, M> = Vec<&'h Operation<<M as Model>::Op, <M as Model>::Output>>;
