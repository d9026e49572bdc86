//! Whether there is an order of operations that explains what they returned, by a [`Model`] of the
//! object that they were done to.

mod linearizable;
mod model;
mod search;
mod sequential;
mod space;
mod why;

pub(super) use linearizable::Object;
pub use linearizable::linearizable;
pub use model::{Effect, Model};
pub(super) use search::{Ending, Found};
pub use sequential::sequentially_consistent;
