#![doc = include_str!("algorithm.md")]
#![doc = include_str!("cost.md")]
#![doc = ""]
#![doc = include_str!("cost.svg")]
#![doc = ""]
#![doc = include_str!("references.md")]

mod duties;
mod engine;
mod holdings;
mod intake;
mod kept;
mod news;
mod order;
mod peer;
mod timing;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::engine::Engine;
pub use self::news::News;
pub use self::timing::STRETCH;
use glomer_runtime::{Context, Error};

/// A set that only grows, and that every node of the cluster comes to hold.
///
/// See the [crate](self) for how to use it, what it promises and what it costs.
pub struct Spread<T> {
    engine: Option<Engine<T>>,
}

impl<T> Spread<T>
where
    T: Ord + Clone + Serialize + DeserializeOwned,
{
    /// Takes part from now on; to be called when the node starts.
    ///
    /// A node that was restarted has forgotten everything, and hears of it
    /// again because it says that it is there.
    pub fn start(&mut self, cx: &Context) {
        self.engine.get_or_insert_with(|| Engine::start(cx));
    }

    /// The same, and keeps on the node's [disk](Context::disk) what it holds: a node that was
    /// killed has it when it starts anew. What [`insert`](Self::insert) was answered with is
    /// then never lost, whichever nodes are killed, as long as their disks are not: it is on the
    /// disk of the node that answered, and a second later on the others.
    ///
    /// The disk's log `spread` is this set's.
    ///
    /// # Errors
    ///
    /// If what is on the disk are no values of this type.
    pub fn start_on_disk(&mut self, cx: &Context) -> Result<(), Error> {
        if self.engine.is_none() {
            self.engine = Some(Engine::start_kept(cx)?);
        }
        Ok(())
    }

    /// Adds a value, which the other nodes will hear of. Returns whether it is
    /// new here.
    pub fn insert(&mut self, cx: &Context, value: T) -> bool {
        self.started(cx).insert(cx, value)
    }

    /// Takes in what another node tells: what the handler of `spread` is to
    /// do.
    pub fn receive(&mut self, cx: &Context, news: News<T>) {
        self.started(cx).receive(cx, news);
    }

    fn started(&mut self, cx: &Context) -> &mut Engine<T> {
        self.engine.get_or_insert_with(|| Engine::start(cx))
    }

    /// The values this node holds, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let engine = self.engine.iter();
        engine.flat_map(|engine| engine.holdings.set().iter())
    }

    /// Whether this node holds a value.
    pub fn contains(&self, value: &T) -> bool {
        let engine = self.engine.as_ref();
        engine.is_some_and(|engine| engine.holdings.set().contains(value))
    }

    /// How many values this node holds.
    pub fn len(&self) -> usize {
        let engine = self.engine.as_ref();
        engine.map_or(0, |engine| engine.holdings.set().len())
    }

    /// Whether this node holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Default for Spread<T> {
    fn default() -> Self {
        Self { engine: None }
    }
}

impl<T: fmt::Debug> fmt::Debug for Spread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = self.engine.iter();
        f.debug_set()
            .entries(engine.flat_map(|engine| engine.holdings.set().iter()))
            .finish()
    }
}
