//! The files that nodes write their standard error to.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The last lines of a file, without those that are too far from its end.
pub fn last_lines(path: &Path, count: usize) -> Vec<String> {
    const READ: u64 = 16 << 10;
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(READ)))?;
        let mut bytes = Vec::new();
        file.take(READ).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<String> = text.lines().rev().take(count).map(str::to_owned).collect();
    lines.reverse();
    lines
}

/// How much of a line is waited for before it is shown as it is.
const LINE_LIMIT: usize = 64 << 10;

/// Shows what nodes write while they write it.
#[derive(Debug)]
pub struct Follower {
    files: Vec<Followed>,
}

#[derive(Debug)]
struct Followed {
    node: String,
    path: PathBuf,
    read: u64,
    unfinished: String,
}

impl Follower {
    /// Follows these nodes' files.
    pub fn new(files: impl IntoIterator<Item = (String, PathBuf)>) -> Follower {
        let files = files.into_iter().map(|(node, path)| Followed {
            node,
            path,
            read: 0,
            unfinished: String::new(),
        });
        Follower {
            files: files.collect(),
        }
    }

    /// The lines that are new since the last call, each with its node's name.
    pub fn new_lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for file in &mut self.files {
            let mut bytes = Vec::new();
            let read = File::open(&file.path).and_then(|mut log| {
                log.seek(SeekFrom::Start(file.read))?;
                log.take(1 << 20).read_to_end(&mut bytes)
            });
            file.read += read.unwrap_or(0) as u64;
            file.unfinished.push_str(&String::from_utf8_lossy(&bytes));
            while let Some(end) = file.unfinished.find('\n') {
                let line: String = file.unfinished.drain(..=end).collect();
                lines.push(format!("{}: {}", file.node, line.trim_end()));
            }
            if file.unfinished.len() > LINE_LIMIT {
                lines.push(format!("{}: {}", file.node, file.unfinished));
                file.unfinished.clear();
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn follows_a_file_line_by_line_and_shows_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n1.log");
        let mut file = File::create(&path).unwrap();
        let mut follower = Follower::new([("n1".to_owned(), path.clone())]);
        assert!(follower.new_lines().is_empty());
        write!(file, "one\ntwo").unwrap();
        assert_eq!(follower.new_lines(), ["n1: one"]);
        writeln!(file, " and a half\nthree").unwrap();
        assert_eq!(follower.new_lines(), ["n1: two and a half", "n1: three"]);
        assert_eq!(last_lines(&path, 2), ["two and a half", "three"]);
        assert!(last_lines(&dir.path().join("n2.log"), 2).is_empty());
    }
}
