//! Catching the panic of a handler together with its place.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// Whether a handler runs.
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    /// What is to be said of its panic.
    static REPORT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Calls `f`; if it panics, says with what and where.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    install_hook();
    let outer = CATCHING.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    CATCHING.set(outer);
    result.map_err(|_| REPORT.take())
}

/// The place of a panic is known to the panic hook only.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if CATCHING.get() {
                REPORT.set(describe(info))
            } else {
                previous(info)
            }
        }));
    });
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("a value that is no text");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => format!("panicked at {place}: {message}\n{backtrace}"),
        _ => format!("panicked at {place}: {message}"),
    }
}
