//! What the file of a disk holds after a crash, and after damage.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use glomer_runtime::store::{Directory, Durability, Folder, Store};
use glomer_runtime::{Contents, Node, Output, prelude::*};

// A node that writes.

#[derive(Default)]
struct State;

#[handler("put")]
fn put(_: &State, cx: &Context, key: String, value: String) {
    cx.disk().put(&key, &value);
}

#[handler("remove")]
fn remove(_: &State, cx: &Context, key: String) {
    cx.disk().remove(&key);
}

#[handler("append")]
fn append(_: &State, cx: &Context, entries: Vec<String>) {
    for entry in entries {
        cx.disk().append("log", &entry);
    }
}

#[handler("cut")]
fn cut(_: &State, cx: &Context, from: u64, before: u64) {
    cx.disk().cut("log", from..);
    cx.disk().cut("log", ..before);
}

/// A node with a disk, before its first write.
struct Writer<F> {
    node: Node<State>,
    store: Store<F>,
}

impl<F: Folder> Writer<F> {
    fn start(folder: F) -> io::Result<Self> {
        let (store, contents) = Store::open(folder)?;
        let mut node = Node::new(0).unwrap();
        node.set_disk(contents);
        let init = r#"{"src":"c","dest":"n","body":{"type":"init","msg_id":1,"node_id":"n","node_ids":["n"]}}"#;
        node.handle(Duration::ZERO, init.as_bytes());
        node.take_output().clear();
        Ok(Self { node, store })
    }

    fn handle(&mut self, body: &str) -> Output {
        let line = format!(r#"{{"src":"c","dest":"n","body":{body}}}"#);
        self.node.handle(Duration::ZERO, line.as_bytes());
        self.node.take_output()
    }

    fn contents(&self) -> Contents {
        self.node.disk(Contents::clone).unwrap()
    }

    /// Keeps what a message has the node write.
    fn write(&mut self, body: &str) -> io::Result<()> {
        let output = self.handle(body);
        assert!(output.has_writes(), "{body}");
        let Self { node, store } = self;
        let kept = node.disk(|contents| store.keep(&output, contents, Durability::Machine));
        kept.unwrap()
    }
}

// A machine that may crash.

/// A folder in memory that notes what is done to it.
#[derive(Clone, Default)]
struct Machine(Rc<RefCell<Recording>>);

#[derive(Default)]
struct Recording {
    operations: Vec<Operation>,
    names: Files<usize>,
    files: Vec<Vec<u8>>,
    /// A sync that is asked for does nothing.
    ignores_sync: bool,
    ignores_sync_names: bool,
    fails: bool,
}

type Files<T> = BTreeMap<String, T>;

#[derive(Clone)]
enum Operation {
    Name(Rename),
    Append(usize, Vec<u8>),
    Sync(usize),
    SyncNames,
}

#[derive(Clone)]
enum Rename {
    Create(String, usize),
    Move(String, String),
    Remove(String),
}

impl Rename {
    fn apply(&self, names: &mut Files<usize>) {
        match self {
            Rename::Create(name, file) => {
                names.insert(name.clone(), *file);
            }
            Rename::Move(from, to) => {
                let file = names.remove(from).unwrap();
                names.insert(to.clone(), file);
            }
            Rename::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Recording {
    fn rename(&mut self, rename: Rename) {
        rename.apply(&mut self.names);
        self.operations.push(Operation::Name(rename));
    }
}

impl Machine {
    /// One whose disk holds this, all of it durable.
    fn with(files: Files<Vec<u8>>) -> Self {
        let machine = Machine::default();
        let mut recording = machine.0.borrow_mut();
        for (name, bytes) in files {
            let file = recording.files.len();
            recording.files.push(bytes.clone());
            recording.rename(Rename::Create(name, file));
            recording.operations.push(Operation::Append(file, bytes));
            recording.operations.push(Operation::Sync(file));
        }
        recording.operations.push(Operation::SyncNames);
        drop(recording);
        machine
    }

    fn operations(&self) -> usize {
        self.0.borrow().operations.len()
    }

    /// How often a file took the place of another.
    fn made_anew(&self) -> usize {
        let recording = self.0.borrow();
        let operations = recording.operations.iter();
        let is_move = |it: &&Operation| matches!(it, Operation::Name(Rename::Move(..)));
        operations.filter(is_move).count()
    }

    /// All that may be in the folder if the machine crashes after so many operations. What is
    /// left of what was appended since the last sync is called torn by `torn`.
    fn crash(&self, after: usize, torn: fn(&[u8], &[u8]) -> Vec<Vec<u8>>) -> Vec<Files<Vec<u8>>> {
        let recording = self.0.borrow();
        let mut names: (Files<usize>, Vec<Rename>) = Default::default();
        let mut files = vec![(Vec::new(), Vec::new()); recording.files.len()];
        for operation in &recording.operations[..after] {
            match operation.clone() {
                Operation::Name(rename) => names.1.push(rename),
                Operation::Append(file, bytes) => files[file].1.extend(bytes),
                Operation::Sync(file) => {
                    let unsynced = std::mem::take(&mut files[file].1);
                    files[file].0.extend(unsynced);
                }
                Operation::SyncNames => {
                    let (durable, new) = &mut names;
                    new.drain(..).for_each(|rename| rename.apply(durable));
                }
            }
        }
        let (mut durable, new) = names;
        let mut states = Vec::new();
        // Names change one after the other.
        for done in 0..=new.len() {
            if done > 0 {
                new[done - 1].apply(&mut durable);
            }
            let mut found: Vec<Files<Vec<u8>>> = vec![Files::new()];
            for (name, file) in &durable {
                let (synced, unsynced) = &files[*file];
                let variants = torn(synced, unsynced);
                let with = |bytes: &Vec<u8>| {
                    let mut found = found.clone();
                    for files in &mut found {
                        files.insert(name.clone(), bytes.clone());
                    }
                    found
                };
                found = variants.iter().flat_map(with).collect();
            }
            states.append(&mut found);
        }
        states
    }
}

impl Folder for Machine {
    fn read(&self, file: &str) -> io::Result<Option<Vec<u8>>> {
        let recording = self.0.borrow();
        let file = recording.names.get(file);
        Ok(file.map(|file| recording.files[*file].clone()))
    }

    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        let mut recording = self.0.borrow_mut();
        if !recording.names.contains_key(file) {
            let number = recording.files.len();
            recording.files.push(Vec::new());
            recording.rename(Rename::Create(file.to_owned(), number));
        }
        let number = recording.names[file];
        recording.files[number].extend_from_slice(bytes);
        let operation = Operation::Append(number, bytes.to_owned());
        recording.operations.push(operation);
        Ok(())
    }

    fn sync(&mut self, file: &str) -> io::Result<()> {
        let mut recording = self.0.borrow_mut();
        if recording.fails {
            return Err(io::Error::other("no space is left"));
        }
        if !recording.ignores_sync {
            let number = recording.names[file];
            recording.operations.push(Operation::Sync(number));
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let rename = Rename::Move(from.to_owned(), to.to_owned());
        self.0.borrow_mut().rename(rename);
        Ok(())
    }

    fn remove(&mut self, file: &str) -> io::Result<()> {
        self.0.borrow_mut().rename(Rename::Remove(file.to_owned()));
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        let mut recording = self.0.borrow_mut();
        if !recording.ignores_sync_names {
            recording.operations.push(Operation::SyncNames);
        }
        Ok(())
    }

    fn describe(&self, file: &str) -> String {
        format!("the machine's {file}")
    }
}

const SECTOR: usize = 512;

/// What may be left of bytes that were not synced: nothing, any beginning of them, any
/// beginning with zeros for the rest, and any of the sectors with zeros for the others.
fn every_way(synced: &[u8], unsynced: &[u8]) -> Vec<Vec<u8>> {
    let whole = [synced, unsynced].concat();
    if unsynced.is_empty() {
        return vec![whole];
    }
    let mut states = Vec::new();
    for end in synced.len()..=whole.len() {
        states.push(whole[..end].to_owned());
        let mut zeros = whole[..end].to_owned();
        zeros.resize(whole.len(), 0);
        states.push(zeros);
    }
    let first = synced.len() / SECTOR;
    let sectors = whole.len().div_ceil(SECTOR) - first;
    assert!(
        sectors <= 8,
        "{sectors} sectors are too many to try all ways"
    );
    for mask in 0..1_u32 << sectors {
        let mut state = whole.clone();
        for (place, byte) in state.iter_mut().enumerate().skip(synced.len()) {
            if mask & 1 << (place / SECTOR - first) == 0 {
                *byte = 0;
            }
        }
        states.push(state);
    }
    states
}

/// Of long files, the beginning and the end of what is not synced.
fn coarsely(synced: &[u8], unsynced: &[u8]) -> Vec<Vec<u8>> {
    let ends = [0, 1, unsynced.len() / 2, unsynced.len()];
    let ends = ends.into_iter().filter(|end| *end <= unsynced.len());
    ends.map(|end| [synced, &unsynced[..end]].concat())
        .collect()
}

/// What is written: of all kinds, short and long, one beginning in the last bytes of a sector.
fn bodies() -> Vec<String> {
    let long = |len: usize| "x".repeat(len);
    vec![
        r#"{"type":"put","key":"term","value":"1"}"#.to_owned(),
        r#"{"type":"append","entries":["a","b","c","d"]}"#.to_owned(),
        r#"{"type":"put","key":"\"\n=","value":"\u0000 \n= ü"}"#.to_owned(),
        r#"{"type":"cut","from":3,"before":1}"#.to_owned(),
        format!(r#"{{"type":"append","entries":["{}"]}}"#, long(96)),
        r#"{"type":"append","entries":["e","f"]}"#.to_owned(),
        r#"{"type":"remove","key":"term"}"#.to_owned(),
        format!(r#"{{"type":"put","key":"long","value":"{}"}}"#, long(1300)),
        r#"{"type":"put","key":"term","value":"2"}"#.to_owned(),
    ]
}

/// Crashes a machine after each of the operations that the bodies lead to, in every way, and
/// gives the number of states, or what was wrong with one.
fn crash_everywhere(
    machine: &Machine,
    bodies: &[String],
    torn: fn(&[u8], &[u8]) -> Vec<Vec<u8>>,
) -> Result<usize, String> {
    let mut writer = Writer::start(machine.clone()).unwrap();
    // What the disk holds once so many operations are done.
    let mut kept = vec![(machine.operations(), writer.contents())];
    for body in bodies {
        writer.write(body).unwrap();
        kept.push((machine.operations(), writer.contents()));
    }
    let mut states = 0;
    for number in 0..bodies.len() {
        let ((start, before), (end, after)) = (&kept[number], &kept[number + 1]);
        for crashed in *start..=*end {
            for files in machine.crash(crashed, torn) {
                states += 1;
                let place = || format!("write {number}, operation {crashed}");
                let machine = Machine::with(files);
                let (store, found) = Store::open(machine.clone())
                    .map_err(|error| format!("{}: refused: {error}", place()))?;
                let acknowledged = crashed == *end;
                if found != *after && (acknowledged || found != *before) {
                    return Err(format!("{}: {found:?}", place()));
                }
                drop(store);
                // What was found stays, and more can be written.
                let mut writer = Writer::start(machine.clone()).unwrap();
                writer
                    .write(r#"{"type":"put","key":"more","value":""}"#)
                    .unwrap();
                let operations = machine.operations();
                for files in machine.crash(operations, coarsely) {
                    let opened = Store::open(Machine::with(files));
                    let (_, found) =
                        opened.map_err(|error| format!("{}: again: {error}", place()))?;
                    if found != writer.contents() {
                        return Err(format!("{}: again: {found:?}", place()));
                    }
                }
            }
        }
    }
    Ok(states)
}

#[test]
fn every_crash_leaves_what_was_acknowledged() {
    let states = crash_everywhere(&Machine::default(), &bodies(), every_way).unwrap();
    assert!(states > 4_000, "{states}");
}

#[test]
fn a_driver_that_never_syncs_is_found_out() {
    let machine = Machine::default();
    machine.0.borrow_mut().ignores_sync = true;
    crash_everywhere(&machine, &bodies(), coarsely).unwrap_err();
    let machine = Machine::default();
    machine.0.borrow_mut().ignores_sync_names = true;
    crash_everywhere(&machine, &bodies(), coarsely).unwrap_err();
}

#[test]
fn a_file_is_made_anew_when_it_is_twice_too_long_and_a_crash_then_loses_nothing() {
    let value = "x".repeat(20_000);
    let put = |number: u32| {
        format!(
            r#"{{"type":"put","key":"{}","value":"{value}"}}"#,
            number % 2
        )
    };
    let machine = Machine::default();
    crash_everywhere(&machine, &(0..9).map(put).collect::<Vec<_>>(), coarsely).unwrap();
    let longest = machine.read("disk").unwrap().unwrap().len();
    assert!(longest < 150_000, "{longest}");
    assert!(machine.made_anew() > 1);
}

#[test]
fn a_log_that_only_grows_is_not_made_anew() {
    let machine = Machine::default();
    let mut writer = Writer::start(machine.clone()).unwrap();
    let entries = vec!["entry"; 100];
    for _ in 0..100 {
        let body = format!(r#"{{"type":"append","entries":{entries:?}}}"#);
        writer.write(&body).unwrap();
    }
    assert!(machine.read("disk").unwrap().unwrap().len() > 200_000);
    assert_eq!(machine.made_anew(), 1, "when it began");
}

/// A file with a few records, and what it holds.
fn small() -> (Vec<u8>, Contents) {
    let machine = Machine::default();
    let mut writer = Writer::start(machine.clone()).unwrap();
    for body in &bodies()[..5] {
        writer.write(body).unwrap();
    }
    (machine.read("disk").unwrap().unwrap(), writer.contents())
}

fn open(bytes: Vec<u8>) -> io::Result<Contents> {
    let files = [("disk".to_owned(), bytes)].into();
    Store::open(Machine::with(files)).map(|(_, contents)| contents)
}

#[test]
fn every_single_damaged_byte_is_noticed() {
    let (bytes, contents) = small();
    let mut refused = 0;
    for place in 0..bytes.len() {
        for change in 1..=255 {
            let mut bytes = bytes.clone();
            bytes[place] ^= change;
            match open(bytes) {
                Ok(found) => assert_eq!(found, contents, "byte {place} ^ {change}"),
                Err(error) => {
                    refused += 1;
                    let text = error.to_string();
                    let place = text.strip_prefix("the machine's disk: damaged at byte ");
                    assert!(place.is_some(), "{text}");
                    assert!(text.contains("or empty it"), "{text}");
                }
            }
        }
    }
    // Two bytes of the last record carry nothing.
    assert!(
        refused >= 255 * bytes.len() - 2,
        "{refused} of {}",
        255 * bytes.len()
    );
}

#[test]
fn a_missing_middle_is_no_unfinished_end() {
    let (bytes, _) = small();
    let second = bytes.windows(2).position(|two| two == b"\n=").unwrap() + 1;
    for (start, len) in [(second, 100), (second + 8, 2), (20, 200)] {
        let mut damaged = bytes.clone();
        damaged[start..start + len].fill(0);
        open(damaged).unwrap_err();
        let mut shortened = bytes.clone();
        shortened.drain(start..start + len);
        open(shortened).unwrap_err();
    }
}

/// As another version of the program may have written it.
#[test]
fn the_format_is_the_one_that_is_described() {
    let described = "glomer disk 1\n\
        =0000002d 7837508c fa0e343d [{\"put\":[\"term\",7]},{\"append\":[\"log\",\"a b\"]}]\n";
    let contents = open(described.into()).unwrap();
    assert_eq!(contents.value("term"), Some("7"));
    let entries = contents.entries("log", 0..u64::MAX);
    assert_eq!(entries.collect::<Vec<_>>(), [(0, "\"a b\"")]);
}

#[test]
fn what_is_no_disk_or_of_another_format_is_refused() {
    let error = open(b"glomer disk 2\n".to_vec()).unwrap_err().to_string();
    assert!(
        error.contains("damaged at byte 0: its format is none that this version"),
        "{error}"
    );
    let error = open(b"hello\n".to_vec()).unwrap_err().to_string();
    assert!(error.contains("this is no disk of a node"), "{error}");
}

#[test]
fn a_disk_that_failed_once_is_never_tried_again() {
    let machine = Machine::default();
    let mut writer = Writer::start(machine.clone()).unwrap();
    writer.write(&bodies()[0]).unwrap();
    machine.0.borrow_mut().fails = true;
    let error = writer.write(&bodies()[1]).unwrap_err().to_string();
    assert_eq!(error, "the machine's disk: no space is left");
    machine.0.borrow_mut().fails = false;
    let operations = machine.operations();
    writer.write(&bodies()[8]).unwrap_err();
    assert_eq!(machine.operations(), operations);
}

#[test]
fn real_files_are_kept_for_the_next_and_for_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    let mut writer = Writer::start(Directory::open(&path).unwrap()).unwrap();
    let error = Directory::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("a/b: another process has this folder"),
        "{error}"
    );
    for body in bodies() {
        writer.write(&body).unwrap();
    }
    let contents = writer.contents();
    drop(writer);
    let again = Writer::start(Directory::open(&path).unwrap()).unwrap();
    assert_eq!(again.contents(), contents);
    let files = std::fs::read_dir(&path)
        .unwrap()
        .map(|file| file.unwrap().file_name());
    assert_eq!(files.collect::<Vec<_>>(), ["disk"]);
}
