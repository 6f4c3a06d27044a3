//! Loads credentials.csv again when it changes, or when SIGHUP asks for it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use crate::access::Gate;
use crate::credentials::{Credentials, FILE};

/// A file that is being written is looked at again after this time, until it holds still.
const SETTLE: Duration = Duration::from_millis(200);
/// Looks at a file that does not hold still.
const LOOKS_MAX: u32 = 25;

/// What tells one version of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    changed: Option<SystemTime>,
    bytes: u64,
    file: u64,
}

/// Watches the file of one roster folder.
pub struct Watch {
    pub gate: Arc<Gate>,
    pub folder: PathBuf,
    /// Between two looks; `None`: only SIGHUP counts.
    pub every: Option<Duration>,
    pub hangup: Signal,
    /// The version that is in force.
    pub seen: Option<Version>,
}

/// The version of a folder's credentials.csv; `None` where there is none.
pub fn version(folder: &Path) -> Option<Version> {
    version_of(&folder.join(FILE))
}

/// The version of a file; `None` where there is none.
pub fn version_of(file: &Path) -> Option<Version> {
    let found = std::fs::metadata(file).ok()?;
    Some(Version { changed: found.modified().ok(), bytes: found.len(), file: found.ino() })
}

impl Watch {
    /// Until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let asked = tokio::select! {
                () = shutdown.cancelled() => return,
                _ = self.hangup.recv() => true,
                () = pause(self.every) => false,
            };
            let now = version(&self.folder);
            if asked || now != self.seen {
                self.seen = still(&self.folder.join(FILE), now).await;
                self.load(asked).await;
            }
        }
    }

    async fn load(&self, asked: bool) {
        let folder = self.folder.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _settled = crate::folder::settled(&folder);
            Credentials::read(&folder).map_err(|faults| faults.to_string())
        });
        let read = read.await.unwrap_or_else(|error| Err(format!("reading it broke off: {error}")));
        let exchanged = read.and_then(|credentials| {
            let count = credentials.len();
            self.gate.exchange(credentials).map(|exchanged| (count, exchanged))
        });
        match exchanged {
            Ok((credentials, done)) => tracing::info!(
                credentials,
                outdated = done.outdated,
                connections_ended = done.kicked,
                asked,
                "credentials.csv loaded"
            ),
            Err(faults) => tracing::error!(
                folder = %self.folder.display(),
                "credentials.csv has faults and was not loaded; the credentials before stay in force. Mend it, then it is \
                 loaded by itself: {faults}"
            ),
        }
    }
}

/// The version that stayed the same for a moment: an editor may write in several steps.
pub async fn still(file: &Path, mut seen: Option<Version>) -> Option<Version> {
    for _ in 0..LOOKS_MAX {
        tokio::time::sleep(SETTLE).await;
        let now = version_of(file);
        if now == seen {
            break;
        }
        seen = now;
    }
    seen
}

/// Until the next look; for ever where there is none.
pub async fn pause(every: Option<Duration>) {
    match every {
        Some(every) => tokio::time::sleep(every).await,
        None => std::future::pending().await,
    }
}
