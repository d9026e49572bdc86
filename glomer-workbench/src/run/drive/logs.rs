//! What processes write to standard error: a file for each node.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::run::node_errors::NodeErrors;
use crate::run::problem::Problem;
use crate::run::stderr::{Follower, last_lines};

/// How many lines of standard error an explanation shows.
const STDERR_LINES: usize = 20;

/// The logs of all nodes.
pub(super) struct Logs {
    nodes: Vec<(String, PathBuf)>,
}

impl Logs {
    /// Logs named after the nodes, in a directory that is made if it is not there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn new(directory: &Path, nodes: &[String]) -> io::Result<Logs> {
        fs::create_dir_all(directory)?;
        let paths = nodes
            .iter()
            .map(|node| (node.clone(), directory.join(format!("{node}.log"))));
        Ok(Logs {
            nodes: paths.collect(),
        })
    }

    /// Whatever nodes write from now on, for those who watch.
    pub(super) fn follow(&self) -> Follower {
        Follower::new(self.nodes.iter().cloned())
    }

    /// Where a node that starts writes its standard error.
    ///
    /// # Errors
    /// If the file cannot be opened; the error names it.
    pub(super) fn open(&self, node: usize) -> io::Result<File> {
        let (_, path) = &self.nodes[node];
        let file = File::options().create(true).append(true).open(path);
        file.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    /// What nodes reported as errors.
    ///
    /// # Errors
    /// If a log cannot be read.
    pub(super) fn errors(&self) -> io::Result<NodeErrors> {
        let mut errors = NodeErrors::default();
        for (node, path) in &self.nodes {
            errors.read(node, path)?;
        }
        Ok(errors)
    }

    /// Adds to a problem with a node what the node wrote last.
    pub(super) fn explain(&self, problem: &mut Problem) {
        let mut nodes = self.nodes.iter();
        if let Some((_, path)) = nodes.find(|(node, _)| Some(node) == problem.node.as_ref()) {
            problem.stderr = last_lines(path, STDERR_LINES);
            problem.log = Some(path.display().to_string());
        }
    }
}
