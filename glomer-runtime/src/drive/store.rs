//! A disk made of a file: a log of what was written, which begins anew now and then.
//!
//! The file `disk` is text. A first line says what it is and in which format. Each line after
//! it is a record, which holds all that became durable at once:
//!
//! ```text
//! glomer disk 1
//! =0000002d 7837508c fa0e343d [{"put":["term",7]},{"append":["log","a b"]}]
//! ```
//!
//! That is the length of the JSON after it, a checksum of that JSON, and one of the length and
//! the first checksum, each as eight hexadecimal digits. There is no zero byte in it, and one
//! record is written and synced after the other, so what a crash may leave of the last write
//! is told from other damage: the file ends too early, or a part of the record has never
//! arrived and reads as zeros. Such a record is dropped: nobody was told of it.
//!
//! That is all that is needed of a disk: to append, to sync, to read all at the start, and to tell
//! what a crash left of the last write from any other damage; one sync for any number of writes,
//! and every single byte that was changed is found. Databases such as [redb] and [fjall] are many
//! times the size of this file, made for data that does not fit in memory, and do not look at all
//! of it at each start.
//!
//! [fjall]: https://docs.rs/fjall
//! [redb]: https://docs.rs/redb

use std::fmt::Display;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Action, Contents, Output, Write};

/// What the file is called, and what it is called while it is made.
const FILE: &str = "disk";
const NEW: &str = "disk.new";

/// The first line.
const MAGIC: &str = "glomer disk ";
const VERSION: &str = "1\n";

/// How long a record's beginning is, in bytes.
const HEAD: usize = 28;

/// The smallest part of a file that arrives on a disk as a whole, in bytes.
const SECTOR: usize = 512;

/// A file is made anew when it is longer than this, and more than twice as long as it need be.
const SHORT: u64 = 64 * 1024;

/// What stands around a value or an entry, in bytes, beside names.
const AROUND: usize = r#"{"append":["",]},"#.len();

/// How much goes into a record of a file that is made anew, in bytes.
const PIECE: usize = 1024 * 1024;

/// What a [`Store`] needs of a file system: a folder with files, and control over what of them
/// is durable.
pub trait Folder {
    /// What is in a file; `None` if it is not there.
    ///
    /// # Errors
    /// If the system does not let it.
    fn read(&self, file: &str) -> io::Result<Option<Vec<u8>>>;

    /// Adds to the end of a file, which is made if it is not there.
    ///
    /// # Errors
    /// If not all was added.
    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()>;

    /// Waits until what is in a file, and how long it is, is durable.
    ///
    /// # Errors
    /// If it may not be. To try again is of no use.
    fn sync(&mut self, file: &str) -> io::Result<()>;

    /// Gives a file another's name, in the place of that one.
    ///
    /// # Errors
    /// If the system does not let it.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// If the system does not let it.
    fn remove(&mut self, file: &str) -> io::Result<()>;

    /// Waits until it is durable which files there are by which names.
    ///
    /// # Errors
    /// If it may not be.
    fn sync_names(&mut self) -> io::Result<()>;

    /// A file as people know it, for errors.
    fn describe(&self, file: &str) -> String;
}

/// A folder of the file system that no other process has.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Open, and locked until the process ends.
    folder: File,
    /// The file that was last appended to.
    open: Option<(String, File)>,
}

impl Directory {
    /// Opens a folder, which is made if it is not there.
    ///
    /// # Errors
    /// If it cannot be opened, or another process has it.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Directory> {
        let path = path.into();
        let fail = |error: io::Error| at(path.display(), error);
        make(&path).map_err(fail)?;
        let folder = File::open(&path).map_err(fail)?;
        match folder.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = "another process has this folder; each node needs one of its own";
                return Err(fail(io::Error::new(ErrorKind::ResourceBusy, text)));
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        Ok(Directory {
            path,
            folder,
            open: None,
        })
    }

    fn file(&mut self, file: &str) -> io::Result<&File> {
        if self.open.as_ref().is_none_or(|(name, _)| name != file) {
            let mut options = OpenOptions::new();
            let opened = options
                .append(true)
                .create(true)
                .open(self.path.join(file))?;
            self.open = Some((file.to_owned(), opened));
        }
        let (_, file) = self.open.as_ref().expect("it was opened");
        Ok(file)
    }
}

/// Makes a folder, durably.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    make(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => File::open(parent)?.sync_all(),
    }
}

impl Folder for Directory {
    fn read(&self, file: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path.join(file)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.file(file)?;
        file.write_all(bytes)
    }

    fn sync(&mut self, file: &str) -> io::Result<()> {
        self.file(file)?.sync_data()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.open = None;
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&mut self, file: &str) -> io::Result<()> {
        self.open = None;
        match fs::remove_file(self.path.join(file)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.folder.sync_all()
    }

    fn describe(&self, file: &str) -> String {
        self.path.join(file).display().to_string()
    }
}

/// How sure it must be that something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives the end of the machine.
    Machine,
    /// It survives the end of the process, without a sync: enough where machines do not end,
    /// as in virtual time.
    Process,
}

/// What makes a node's writes durable, in a file; for drivers, which have one beside a
/// [`Node`](crate::Node).
///
/// ```
/// use glomer_runtime::store::{Directory, Durability, Store};
/// use glomer_runtime::{Node, prelude::*};
/// use std::time::Duration;
///
/// #[derive(Default)]
/// struct Register;
///
/// #[handler("write")]
/// fn write(_: &Register, cx: &Context, value: u64) {
///     cx.disk().put("value", &value);
/// }
///
/// # let path = std::env::temp_dir().join(format!("glomer-store-{}", std::process::id()));
/// # let lines = [
/// #     r#"{"src":"c1","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1"]}}"#,
/// #     r#"{"src":"c1","dest":"n1","body":{"type":"write","msg_id":2,"value":7}}"#,
/// # ];
/// let (mut store, contents) = Store::open(Directory::open(&path)?)?;
/// let mut node = Node::<Register>::new(0).unwrap();
/// node.set_disk(contents);
/// for line in lines {
///     node.handle(Duration::ZERO, line.as_bytes());
/// }
///
/// let output = node.take_output();
/// // `output.before_writes()` may be sent by now, and `output.after_writes()` after this:
/// let kept = node.disk(|contents| store.keep(&output, contents, Durability::Machine));
/// kept.unwrap()?;
/// # drop(store);
///
/// let (_, contents) = Store::open(Directory::open(&path)?)?;
/// assert_eq!(contents.value("value"), Some("7"));
/// # std::fs::remove_dir_all(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Store<F> {
    folder: F,
    /// How long the file is; 0 if there is none, or its end is not as it should be, so that
    /// it must be made anew.
    len: u64,
    /// How long it was when it was made anew; 0 if that was before it was opened.
    made: u64,
    failed: bool,
    /// Kept to be used again.
    record: Vec<u8>,
}

impl<F: Folder> Store<F> {
    /// Opens the disk that is in a folder, and gives what it holds, which is durable by then.
    /// What a crash left of a last write is not among it.
    ///
    /// # Errors
    /// If the system does not let it, or the file is damaged: the error names file, place and
    /// the way out.
    pub fn open(mut folder: F) -> io::Result<(Store<F>, Contents)> {
        let mut contents = Contents::default();
        let mut load = || {
            let Some(bytes) = folder.read(FILE)? else {
                return Ok(0);
            };
            // The process that wrote it may have died before it was durable.
            folder.sync(FILE)?;
            folder.sync_names()?;
            let end = read(&bytes, &mut contents)?;
            let is_whole = end == bytes.len() && bytes.ends_with(b"\n");
            Ok(if is_whole { end as u64 } else { 0 })
        };
        let len = load().map_err(|error| at(folder.describe(FILE), error))?;
        let store = Store {
            folder,
            len,
            made: 0,
            failed: false,
            record: Vec::new(),
        };
        Ok((store, contents))
    }

    /// Keeps all that an output writes, all of it or nothing; `contents` are what the disk
    /// holds with it.
    ///
    /// # Errors
    /// If it may not be durable. Then nothing that comes after the writes may be done, ever,
    /// and nothing is kept any more: nobody knows what the file holds until it is opened
    /// again.
    pub fn keep(
        &mut self,
        output: &Output,
        contents: &Contents,
        durability: Durability,
    ) -> io::Result<()> {
        if !output.has_writes() {
            return Ok(());
        }
        if self.failed {
            return Err(io::Error::other("the disk has failed before"));
        }
        self.failed = true;
        let needed = contents.size() + AROUND * contents.count();
        let needed = self.made.max(needed as u64);
        let is_long = self.len > SHORT && self.len > 2 * needed;
        let (file, kept) = if self.len == 0 || is_long {
            (NEW, self.make_anew(contents, durability))
        } else {
            (FILE, self.append(output, durability))
        };
        kept.map_err(|error| at(self.folder.describe(file), error))?;
        self.failed = false;
        Ok(())
    }

    fn append(&mut self, output: &Output, durability: Durability) -> io::Result<()> {
        self.record.clear();
        let writes = output.actions().filter_map(|action| match action {
            Action::Write(writes) => Some(writes.iter()),
            Action::Send(_) => None,
        });
        write_record(&mut self.record, writes.flatten());
        self.folder.append(FILE, &self.record)?;
        if durability == Durability::Machine {
            self.folder.sync(FILE)?;
        }
        self.len += self.record.len() as u64;
        self.record.shrink_to(PIECE);
        Ok(())
    }

    fn make_anew(&mut self, contents: &Contents, durability: Durability) -> io::Result<()> {
        let mut len = 0;
        self.folder.remove(NEW)?;
        for piece in anew(contents) {
            self.folder.append(NEW, &piece)?;
            len += piece.len() as u64;
        }
        if durability == Durability::Machine {
            self.folder.sync(NEW)?;
        }
        self.folder.rename(NEW, FILE)?;
        if durability == Durability::Machine {
            self.folder.sync_names()?;
        }
        (self.len, self.made) = (len, len);
        Ok(())
    }
}

/// The parts of a file that holds this and no more.
fn anew(contents: &Contents) -> impl Iterator<Item = Vec<u8>> {
    let mut writes = contents.writes().peekable();
    let records = std::iter::from_fn(move || {
        writes.peek()?;
        let mut room = PIECE;
        let piece = std::iter::from_fn(|| {
            let write = writes.next_if(|_| room > 0)?;
            room = room.saturating_sub(size(&write));
            Some(write)
        });
        let mut record = Vec::new();
        write_record(&mut record, piece);
        Some(record)
    });
    [[MAGIC, VERSION].concat().into_bytes()]
        .into_iter()
        .chain(records)
}

/// About how long a write is.
fn size(write: &Write<'_>) -> usize {
    match write {
        Write::Put { key, value } => key.len() + value.len(),
        Write::Append { log, entry } => log.len() + entry.len(),
        Write::Remove { key: name } | Write::Cut { log: name, .. } => name.len(),
    }
}

fn write_record<'a>(record: &mut Vec<u8>, writes: impl Iterator<Item = Write<'a>>) {
    record.resize(HEAD, b' ');
    record.push(b'[');
    for (number, write) in writes.enumerate() {
        if number > 0 {
            record.push(b',');
        }
        match write {
            Write::Put { key, value } => change(record, "put", key, [value]),
            Write::Remove { key } => change(record, "remove", key, []),
            Write::Append { log, entry } => change(record, "append", log, [entry]),
            Write::Cut { log, keep } => {
                let [start, end] = [keep.start, keep.end].map(|number| number.to_string());
                change(record, "cut", log, [&*start, &end]);
            }
        }
    }
    record.push(b']');
    let (head, json) = record.split_at_mut(HEAD);
    head.copy_from_slice(head_of(json).as_bytes());
    record.push(b'\n');
}

fn change<const N: usize>(record: &mut Vec<u8>, what: &str, name: &str, values: [&str; N]) {
    for part in ["{\"", what, "\":["] {
        record.extend_from_slice(part.as_bytes());
    }
    serde_json::to_writer(&mut *record, name).expect("a name is JSON");
    for value in values {
        record.push(b',');
        record.extend_from_slice(value.as_bytes());
    }
    record.extend_from_slice(b"]}");
}

/// What stands before a record's JSON.
fn head_of(json: &[u8]) -> String {
    let head = format!("{:08x} {:08x}", json.len(), checksum(json));
    let sum = checksum(head.as_bytes());
    format!("={head} {sum:08x} ")
}

/// As `change` writes it, but that a `remove` has one member.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Change<'a> {
    Put(String, #[serde(borrow)] &'a RawValue),
    Remove([String; 1]),
    Append(String, #[serde(borrow)] &'a RawValue),
    Cut(String, u64, u64),
}

/// What is wrong with a file.
struct Damage {
    /// Where the record begins that is damaged.
    start: usize,
    what: String,
}

impl From<Damage> for io::Error {
    fn from(damage: Damage) -> Self {
        let Damage { start, what } = damage;
        let text = format!(
            "damaged at byte {start}: {what}. Put back a copy of the folder, or empty it, and \
             the node has lost what it kept"
        );
        io::Error::new(ErrorKind::InvalidData, text)
    }
}

/// Reads a file, and says where it ends, without what a crash left of a last write.
fn read(bytes: &[u8], contents: &mut Contents) -> Result<usize, Damage> {
    let start = MAGIC.len() + VERSION.len();
    let first = [MAGIC, VERSION].concat();
    if !bytes.starts_with(first.as_bytes()) {
        let what = if bytes.starts_with(MAGIC.as_bytes()) {
            "its format is none that this version of the program knows"
        } else {
            "this is no disk of a node"
        };
        let what = what.to_owned();
        return Err(Damage { start: 0, what });
    }
    let mut place = start;
    while place < bytes.len() {
        let rest = &bytes[place..];
        match record(rest) {
            Ok(json) => {
                let changes = parse(&rest[json.clone()], contents);
                changes.map_err(|what| Damage { start: place, what })?;
                // The line feed may be all that is missing.
                place += (json.end + 1).min(rest.len());
            }
            Err(_) if is_unfinished(rest, place) => return Ok(place),
            Err(what) => {
                let what = what.to_owned();
                return Err(Damage { start: place, what });
            }
        }
    }
    Ok(place)
}

/// How long the JSON of a record is, if its beginning is what was written.
fn length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.get(..HEAD)?;
    let is_whole = format!(" {:08x} ", checksum(&head[1..18])).as_bytes() == &head[18..];
    let digits = str::from_utf8(&head[1..9]).ok().filter(|_| is_whole)?;
    usize::from_str_radix(digits, 16).ok()
}

/// Where the JSON of the first record is.
fn record(bytes: &[u8]) -> Result<Range<usize>, &'static str> {
    let len = length(bytes).ok_or("the record there does not begin as it was written")?;
    let end = HEAD + len;
    let json = bytes
        .get(HEAD..end)
        .ok_or("the file ends in the record there")?;
    if format!("{:08x}", checksum(json)).as_bytes() != &bytes[10..18] {
        return Err("the record there is not what was written, by its checksum");
    }
    // Around what has a checksum, a last write may have left a zero.
    let is_last = bytes.len() <= end + 1;
    let is_mark = |found: u8, mark: u8| found == mark || (is_last && found == 0);
    if !is_mark(bytes[0], b'=') || !bytes.get(end).is_none_or(|byte| is_mark(*byte, b'\n')) {
        return Err("the record there begins or ends with another byte than was written");
    }
    Ok(HEAD..end)
}

/// Whether all that follows is one record that a crash left unfinished.
fn is_unfinished(bytes: &[u8], place: usize) -> bool {
    let first = SECTOR - place % SECTOR;
    let (first, others) = bytes.split_at(first.min(bytes.len()));
    let mut sectors = [first].into_iter().chain(others.chunks(SECTOR));
    let never_came = |part: &[u8]| part.len() > 1 && part.iter().all(|byte| *byte == 0);
    let needed = length(bytes).map_or(HEAD, |len| HEAD + len);
    let ends_early = bytes.len() < needed;
    let lacks_something = ends_early || bytes.ends_with(&[0, 0]) || sectors.any(never_came);
    lacks_something && memmem::find_iter(bytes, b"\n=").all(|at| record(&bytes[at + 1..]).is_err())
}

/// Takes what a record says.
fn parse(json: &[u8], contents: &mut Contents) -> Result<(), String> {
    let changes: Vec<Change<'_>> = serde_json::from_slice(json)
        .map_err(|error| format!("the record there is of no known form: {error}"))?;
    for change in &changes {
        contents.apply(&match change {
            Change::Put(key, value) => Write::Put {
                key,
                value: value.get(),
            },
            Change::Remove([key]) => Write::Remove { key },
            Change::Append(log, entry) => Write::Append {
                log,
                entry: entry.get(),
            },
            Change::Cut(log, start, end) => Write::Cut {
                log,
                keep: *start..*end,
            },
        });
    }
    Ok(())
}

/// CRC-32, as in zlib. It tells every change of up to 32 bits in a row.
fn checksum(bytes: &[u8]) -> u32 {
    // What eight bytes add to the sum, the last of them first.
    static TABLES: [[u32; 256]; 8] = {
        let mut tables = [[0; 256]; 8];
        let mut place = 0;
        while place < 8 {
            let mut byte = 0;
            while byte < 256 {
                let mut sum = byte as u32;
                let mut bit = 0;
                while bit < 8 * (place + 1) {
                    sum = (sum >> 1) ^ (0xedb8_8320 * (sum & 1));
                    bit += 1;
                }
                tables[place][byte] = sum;
                byte += 1;
            }
            place += 1;
        }
        tables
    };
    let (eights, rest) = bytes.as_chunks::<8>();
    let sum = eights.iter().fold(!0, |sum, eight| {
        let eight = u64::from_le_bytes(*eight) ^ u64::from(sum);
        let bytes = eight.to_le_bytes().into_iter().rev();
        bytes
            .zip(&TABLES)
            .fold(0, |sum, (byte, table)| sum ^ table[usize::from(byte)])
    });
    !rest.iter().fold(sum, |sum: u32, byte| {
        (sum >> 8) ^ TABLES[0][((sum ^ u32::from(*byte)) & 0xff) as usize]
    })
}

/// The same error, with where it happened.
fn at(place: impl Display, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{place}: {error}"))
}
