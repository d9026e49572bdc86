//! How the command is told to end.

use tokio::signal::unix::{SignalKind, signal};

use crate::Result;

/// Waits for Ctrl-C, or for a service manager's SIGTERM.
pub(crate) async fn asked() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
