//! Which functions belong to a node: what the attributes register, found again
//! by state type.

use std::any::{Any, type_name};
use std::collections::BTreeMap;
use std::fmt;

use crate::handler::{Every, Handler};

/// One annotated function, whatever its state.
pub struct Registration {
    function: &'static (dyn Any + Send + Sync),
}

inventory::collect!(Registration);

impl Registration {
    /// Registers a handler.
    pub const fn handler<S: 'static>(handler: &'static Handler<S>) -> Self {
        Self { function: handler }
    }

    /// Does not compile if something speaks against a type that the function has.
    #[must_use]
    #[track_caller]
    pub const fn check(self, problem: Option<&'static str>) -> Self {
        match problem {
            None => self,
            Some(text) => panic!("{}", text),
        }
    }

    /// Registers a periodic function.
    pub const fn every<S: 'static>(every: &'static Every<S>) -> Self {
        Self { function: every }
    }
}

/// The functions of the nodes whose state is `S`.
pub(crate) struct Registry<S: 'static> {
    handlers: BTreeMap<&'static str, &'static Handler<S>>,
    pub(crate) every: Vec<&'static Every<S>>,
}

impl<S> Registry<S> {
    pub(crate) fn collect() -> Result<Self, StartError> {
        let registered = || inventory::iter::<Registration>.into_iter();
        let mut handlers: BTreeMap<_, &'static Handler<S>> = BTreeMap::new();
        for registration in registered() {
            let Some(handler) = registration.function.downcast_ref::<Handler<S>>() else {
                continue;
            };
            if let Some(other) = handlers.insert(handler.message, handler) {
                let mut both = [other, handler];
                both.sort_by_key(|it| (it.location.file, it.location.line));
                let [first, second] = both.map(|it| format!("`{}` at {}", it.name, it.location));
                return Err(StartError(format!(
                    "two handlers of the node `{}` are for `{}`:\n  {first}\n  {second}\n\
                     remove one, or give it another type",
                    type_name::<S>(),
                    handler.message
                )));
            }
        }
        // The linker decides the order of registration; the source should.
        let mut every: Vec<&'static Every<S>> = registered()
            .filter_map(|it| it.function.downcast_ref::<Every<S>>())
            .collect();
        every.sort_by_key(|it| (it.location.file, it.location.line));
        Ok(Self { handlers, every })
    }

    pub(crate) fn handler(&self, message: &str) -> Option<&'static Handler<S>> {
        self.handlers.get(message).copied()
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = &'static str> {
        self.handlers.keys().copied()
    }
}

/// Why a node cannot start: two of its handlers are for the same type. It names
/// the handlers and their places.
#[derive(Debug)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}
