//! A node that appends to a log on its disk.

use glomer_runtime::Stdio;
use glomer_runtime::prelude::*;

#[derive(Default)]
struct Journal;

#[handler("init")]
fn init(_: &Journal, cx: &Context) {
    cx.disk().range("journal");
}

#[handler("add", reply = "number")]
fn add(_: &Journal, cx: &Context, value: u64) -> u64 {
    cx.disk().append("journal", &value)
}

#[handler("read", reply = "values")]
fn read(_: &Journal, cx: &Context) -> Result<Vec<u64>, Error> {
    let entries = cx.disk().entries("journal", ..)?;
    Ok(entries.into_iter().map(|(_, value)| value).collect())
}

fn main() -> std::process::ExitCode {
    let mut stdio = Stdio::new();
    if std::env::var_os("JOURNAL_IN_MEMORY").is_some() {
        stdio = stdio.disk_or_memory();
    }
    stdio.run::<Journal>()
}
