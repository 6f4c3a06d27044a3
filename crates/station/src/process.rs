//! What the process asks of the system: open files, signals.

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

/// Takes as many open files as the system allows, and says when they are too few for the connections that may come.
pub fn files_for(connections: usize) {
    /// Store, HTTP and the rest, with room.
    const OTHERS: u64 = 900;
    let wanted = connections as u64 + OTHERS;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) if files < wanted => tracing::warn!(
            files,
            wanted,
            "fewer open files than mqtt.max_connections needs: raise LimitNOFILE or lower it"
        ),
        Ok(files) => tracing::info!(files, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be read"),
    }
}

/// SIGINT and SIGTERM.
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// # Errors
    /// When the system hears none for us.
    pub fn new() -> Result<Signals> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Returns at the first of them.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
