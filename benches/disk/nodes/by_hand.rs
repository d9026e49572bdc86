//! Appends to a file by hand, with one sync for all that came at once, and without checksums.

mod batches;

use std::fs::File;
use std::io::{self, Write};

fn main() -> io::Result<()> {
    let mut file = File::create(batches::folder().join("journal"))?;
    batches::serve(|values| {
        let lines: String = values.iter().map(|value| format!("{value}\n")).collect();
        file.write_all(lines.as_bytes()).expect("there is room");
        file.sync_data().expect("the disk is well");
    })
}
