//! Where runs are kept: `store/<workload>/<time>/`, with `latest` pointing at the last.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use jiff::{ToSpan, Zoned};

/// How the directories of runs are named by their time: as Jepsen names them.
pub(crate) const NAME: &str = "%Y%m%dT%H%M%S%.3f%z";

/// The directory of one run.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes a directory for a run that begins at this time, and lets `<root>/latest` and
    /// `<root>/<workload>/latest` point at it.
    ///
    /// # Errors
    /// If the file system does not let it; the error names the file.
    pub fn create(root: &Path, workload: &str, time: &Zoned) -> io::Result<RunDir> {
        let parent = root.join(workload);
        make_dir(&parent)?;
        let mut time = time.clone();
        let (name, path) = loop {
            let name = time.strftime(NAME).to_string();
            let path = parent.join(&name);
            match fs::create_dir(&path) {
                // Another run began in the same millisecond.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    time = time
                        .checked_add(1.millisecond())
                        .map_err(io::Error::other)?;
                }
                made => break made.map(|()| (name, path.clone())).map_err(named(&path))?,
            }
        };
        for (link, target) in [
            (parent.join("latest"), Path::new(&name)),
            (root.join("latest"), &Path::new(workload).join(&name)),
        ] {
            point(&link, target).map_err(named(&link))?;
        }
        Ok(RunDir { path })
    }

    /// A directory for a run that belongs to this one. What was there before is gone.
    ///
    /// # Errors
    /// If the file system does not let it; the error names the file.
    pub fn within(path: PathBuf) -> io::Result<RunDir> {
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(named(&path)(error)),
            _ => {}
        }
        fs::create_dir(&path).map_err(named(&path))?;
        Ok(RunDir { path })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the nodes' logs are.
    pub fn logs(&self) -> PathBuf {
        self.path.join("node-logs")
    }

    /// Writes a file.
    ///
    /// # Errors
    /// As [`write`].
    pub fn write(&self, name: &str, contents: &str) -> io::Result<()> {
        write(&self.path.join(name), contents)
    }
}

/// Writes a whole file, or none.
///
/// # Errors
/// If the file system does not let it, such as for want of room; the error names the file.
pub(crate) fn write(path: &Path, contents: &str) -> io::Result<()> {
    fs::write(path, contents).map_err(|error| {
        // What is cut must not be taken for the whole.
        let _ = fs::remove_file(path);
        named(path)(error)
    })
}

/// Makes a directory, unless it is there.
///
/// # Errors
/// If the file system does not let it; the error names the directory.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path).map_err(named(path))
}

/// Adds to an error which file it is about.
fn named(path: &Path) -> impl Fn(io::Error) -> io::Error {
    let path = path.display().to_string();
    move |error| io::Error::new(error.kind(), format!("{path}: {error}"))
}

/// Makes a symbolic link, in place of one that may be there.
fn point(link: &Path, target: &Path) -> io::Result<()> {
    // Renaming replaces the old link at once, so that there always is one.
    let new = link.with_extension(format!("{}", std::process::id()));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(target, &new)?;
    fs::rename(&new, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_get_directories_of_their_own_and_latest_points_at_the_last() {
        let root = tempfile::tempdir().unwrap();
        let time: Zoned = "2025-11-22T07:37:00.5+01:00[+01:00]".parse().unwrap();
        let first = RunDir::create(root.path(), "echo", &time).unwrap();
        let second = RunDir::create(root.path(), "echo", &time).unwrap();
        let name = |dir: &RunDir| dir.path().file_name().unwrap().to_owned();
        assert_eq!(name(&first), "20251122T073700.500+0100");
        assert_eq!(name(&second), "20251122T073700.501+0100");
        second.write("results.edn", "{}").unwrap();
        for latest in ["latest", "echo/latest"] {
            let file = root.path().join(latest).join("results.edn");
            assert_eq!(fs::read_to_string(file).unwrap(), "{}");
        }
    }
}
