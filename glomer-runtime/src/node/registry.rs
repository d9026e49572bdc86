//! Which functions belong to a node: what the attributes register, found again
//! by state type.

use std::any::{Any, type_name};
use std::collections::BTreeMap;
use std::fmt;

use crate::handler::{Every, Handler, Location};

/// One annotated function, whatever its state.
pub struct Registration {
    function: &'static (dyn Any + Send + Sync),
    /// What a handler handles; `None` for a periodic function.
    message: Option<&'static str>,
    name: &'static str,
    location: Location,
    /// The name of the state's type.
    state: fn() -> &'static str,
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("message", &self.message)
            .field("name", &self.name)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

inventory::collect!(Registration);

impl Registration {
    /// Registers a handler.
    pub const fn handler<S: 'static>(handler: &'static Handler<S>) -> Self {
        Self {
            function: handler,
            message: Some(handler.message),
            name: handler.name,
            location: handler.location,
            state: type_name::<S>,
        }
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
        Self {
            function: every,
            message: None,
            name: every.name,
            location: every.location,
            state: type_name::<S>,
        }
    }
}

impl fmt::Display for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            location,
            state,
            ..
        } = self;
        write!(
            f,
            "`{name}` at {location} is for nodes with the state `{}`",
            state()
        )
    }
}

/// Everything that is registered, in the order of the source: the linker has another.
fn registered() -> Vec<&'static Registration> {
    let mut all: Vec<_> = inventory::iter::<Registration>.into_iter().collect();
    all.sort_by_key(|it| (it.location.file, it.location.line));
    all
}

/// The functions of the nodes whose state is `S`.
pub(crate) struct Registry<S: 'static> {
    handlers: BTreeMap<&'static str, &'static Handler<S>>,
    pub(crate) every: Vec<&'static Every<S>>,
}

impl<S> Registry<S> {
    pub(crate) fn collect() -> Result<Self, StartError> {
        let registered = registered();
        let mut handlers: BTreeMap<_, &'static Handler<S>> = BTreeMap::new();
        for registration in &registered {
            let Some(handler) = registration.function.downcast_ref::<Handler<S>>() else {
                continue;
            };
            if let Some(other) = handlers.insert(handler.message, handler) {
                let [first, second] =
                    [other, handler].map(|it| format!("`{}` at {}", it.name, it.location));
                return Err(StartError(format!(
                    "two handlers of the node `{}` are for `{}`:\n  {first}\n  {second}\n\
                     remove one, or give it another type",
                    type_name::<S>(),
                    handler.message
                )));
            }
        }
        let every: Vec<&'static Every<S>> = registered
            .iter()
            .filter_map(|it| it.function.downcast_ref::<Every<S>>())
            .collect();
        if handlers.is_empty() && every.is_empty() {
            return Err(StartError(nothing_for::<S>(&registered)));
        }
        Ok(Self { handlers, every })
    }

    pub(crate) fn handler(&self, message: &str) -> Option<&'static Handler<S>> {
        self.handlers.get(message).copied()
    }

    /// The functions of this program that are for nodes with another state.
    pub(crate) fn others() -> impl Iterator<Item = &'static Registration> {
        let is_own =
            |it: &Registration| it.function.is::<Handler<S>>() || it.function.is::<Every<S>>();
        registered().into_iter().filter(move |it| !is_own(it))
    }

    /// Why there is no handler for this message: what a node can do, and where else there is one.
    pub(crate) fn explain_missing(&self, message: &str) -> String {
        let known: Vec<_> = self.handlers.keys().copied().collect();
        let mut text = format!(
            "no handler for `{message}`; this node handles {}",
            known.join(", ")
        );
        let others = Self::others().filter(|it| it.message == Some(message));
        for other in others.take(SHOWN) {
            text.push_str(&format!("; {other}"));
        }
        text
    }
}

/// What to say of a state that nothing is registered for.
fn nothing_for<S>(registered: &[&Registration]) -> String {
    let state = type_name::<S>();
    let mut text = format!("no handler is for nodes with the state `{state}`");
    for other in registered.iter().take(SHOWN) {
        text.push_str(&format!("\n  {other}"));
    }
    if registered.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", registered.len() - SHOWN));
    }
    text.push_str(if registered.is_empty() {
        "\nwrite `#[handler(\"…\")]` on a function; if they are in a library, have it linked: \
         `use the_library as _;`"
    } else {
        "\ntake the state in these functions, or run the node with theirs"
    });
    text
}

/// How many functions with another state a message names.
const SHOWN: usize = 8;

/// Why a node cannot start: it has no handlers, or two of them are for the
/// same type. It names the handlers and their
/// places.
#[derive(Debug)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}
