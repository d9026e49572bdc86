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

    /// Copies what is on them to where they are kept.
    ///
    /// # Errors
    /// If something cannot be read or written.
    pub(crate) fn copy(&self, to: &Disks) -> io::Result<()> {
        let folders = self.folders.iter().zip(&to.folders);
        for (from, to) in folders.filter(|(from, _)| from.exists()) {
            copy(from, to)?;
        }
        Ok(())
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

/// Copies a folder with the folders and files in it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to).map_err(|error| named(to, error))?;
    for entry in fs::read_dir(from).map_err(|error| named(from, error))? {
        let entry = entry?;
        let (kind, path, to) = (entry.file_type()?, entry.path(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&path, &to)?;
        } else if kind.is_file() {
            fs::copy(&path, to).map_err(|error| named(&path, error))?;
        }
    }
    Ok(())
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
