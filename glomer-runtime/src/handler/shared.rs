//! State as handlers that wait see it.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// The node's state, lent to an `async fn` handler.
///
/// Other handlers run while this one waits, so the state is borrowed for one
/// closure at a time and never across an `.await`. A clone is the same state,
/// to move into [`Context::spawn`](crate::Context::spawn). It stays on its node's thread: it is
/// not `Send`.
///
/// ```
/// use glomer_runtime::Shared;
///
/// let state = Shared::new(vec![1]);
/// state.with(|list| list.push(2));
/// assert_eq!(state.with(|list| list.len()), 2);
/// ```
pub struct Shared<S>(Rc<RefCell<S>>);

impl<S> Shared<S> {
    /// Shares a state; the runtime does this for its nodes.
    pub fn new(state: S) -> Self {
        Self(Rc::new(RefCell::new(state)))
    }

    /// Borrows the state for one closure.
    ///
    /// # Panics
    ///
    /// When called within another `with` of the same state.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        match self.0.try_borrow_mut() {
            Ok(mut state) => f(&mut state),
            Err(_) => panic!(
                "`Shared::with` was called within another `with`; \
                 return what you need from the outer closure first"
            ),
        }
    }
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
