//! Where processes keep what survives their end: a folder for each node.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf, absolute};

/// The disks of all nodes.
pub(crate) struct Disks {
    folders: Vec<PathBuf>,
}

impl Disks {
    /// Folders named after the nodes, beside their logs; each is made for the node that needs
    /// it.
    ///
    /// # Errors
    /// If there is no current directory.
    pub(crate) fn new(logs: &Path, nodes: &[String]) -> io::Result<Disks> {
        // Nodes run elsewhere.
        let logs = absolute(logs)?;
        let folders = nodes.iter().map(|node| logs.join(format!("{node}.disk")));
        Ok(Disks {
            folders: folders.collect(),
        })
    }

    /// The disk of a node that starts.
    ///
    /// # Errors
    /// If it is not there and cannot be made.
    pub(super) fn of(&self, node: usize) -> io::Result<&Path> {
        let folder = &self.folders[node];
        fs::create_dir_all(folder).map_err(|error| named(folder, error))?;
        Ok(folder)
    }

    /// Empties the disk of a node that does not run.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub(super) fn wipe(&self, node: usize) -> io::Result<()> {
        remove(&self.folders[node], |folder| fs::remove_dir_all(folder))
    }

    /// Removes them: all, or those only on which nothing is kept.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub(crate) fn remove(&self, all: bool) -> io::Result<()> {
        for folder in &self.folders {
            if all {
                remove(folder, |folder| fs::remove_dir_all(folder))?;
            } else {
                remove(folder, |folder| fs::remove_dir(folder))?;
            }
        }
        Ok(())
    }
}

fn remove(folder: &Path, how: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    match how(folder) {
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Err(named(folder, error))
        }
        _ => Ok(()),
    }
}

fn named(folder: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
}
