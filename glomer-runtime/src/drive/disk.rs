//! What a node that is run has for a disk: a folder, memory, or nothing.

use std::io;

#[cfg(feature = "disk")]
use super::store::{Directory, Durability, Store};
use crate::{Node, Output};

/// The disk of the node that is run.
#[derive(Default)]
pub(super) struct Disk {
    #[cfg(feature = "disk")]
    store: Option<Store<Directory>>,
}

impl Disk {
    /// Gives the node the disk that there is; where there is none, memory, if that is `enough`.
    pub(super) fn set_up<S>(node: &mut Node<S>, enough: bool) -> io::Result<Disk> {
        #[cfg(feature = "disk")]
        if let Some(path) = std::env::var_os("GLOMER_DISK") {
            let (store, contents) = Store::open(Directory::open(path)?)?;
            node.set_disk(contents);
            return Ok(Disk { store: Some(store) });
        }
        if enough {
            node.use_memory_for_disk();
        }
        Ok(Disk::default())
    }

    /// Keeps what the output of a node writes. It is durable if the process lives in
    /// `real_time`; where time is virtual, no machine ends.
    #[cfg(feature = "disk")]
    pub(super) fn keep<S>(
        &mut self,
        node: &Node<S>,
        output: &Output,
        real_time: bool,
    ) -> io::Result<()> {
        let Some(store) = self.store.as_mut().filter(|_| output.has_writes()) else {
            return Ok(());
        };
        let durability = if real_time {
            Durability::Machine
        } else {
            Durability::Process
        };
        let kept = node.disk(|contents| store.keep(output, contents, durability));
        kept.unwrap_or(Ok(())).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("{error}; the node stops, and what waited for the disk is not sent"),
            )
        })
    }

    /// Without files, a node has nothing that it writes to.
    #[cfg(not(feature = "disk"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(super) fn keep<S>(&mut self, _: &Node<S>, _: &Output, _: bool) -> io::Result<()> {
        Ok(())
    }
}

/// What to say when a node asks for a disk that is not there.
pub(super) fn missing() -> io::Error {
    let way = if cfg!(feature = "disk") {
        "set GLOMER_DISK to a folder of its own, as `glomer test` does"
    } else {
        "build it with the feature `disk` of glomer-runtime, and set GLOMER_DISK to a folder of \
         its own, as `glomer test` does"
    };
    io::Error::other(format!(
        "the node asks for a disk, and there is none: {way}; or let it forget everything when it \
         ends, with `Stdio::new().disk_or_memory()` in its `main`"
    ))
}
