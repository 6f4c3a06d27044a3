//! What every handler has at hand.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{CommandId, Cursor, FeedEvent, Ledger, StoreError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::map::GeometryCache;
use crate::problem::{Kind, Problem};
use crate::screen::Assets;
use crate::server::Parts;
use crate::sign_in::FailedSignIns;
use crate::view::{Recent, Told};

pub(crate) struct Shared {
    pub parts: Parts,
    pub reads: Arc<Semaphore>,
    pub consumers: Arc<Semaphore>,
    pub failures: FailedSignIns,
    /// Callbacks with tokens that are not known.
    pub guesses: FailedSignIns,
    pub geometry: GeometryCache,
    pub assets: Assets,
    pub shutdown: CancellationToken,
    /// Sockets that are no longer HTTP; each has a place among the consumers.
    pub sockets: TaskTracker,
    command_prefix: String,
    commands: AtomicU64,
}

impl Shared {
    pub(crate) fn new(parts: Parts, shutdown: CancellationToken) -> Shared {
        // the standard library's hash keys come from the operating system's randomness: unique across restarts
        let random = RandomState::new().build_hasher().finish();
        Shared {
            reads: Arc::new(Semaphore::new(parts.settings.reads_max)),
            consumers: Arc::new(Semaphore::new(parts.settings.feed_consumers_max)),
            failures: FailedSignIns::new(&parts.settings),
            guesses: FailedSignIns::new(&parts.settings),
            geometry: GeometryCache::new(parts.settings.geometry_cache_max),
            assets: Assets::load(),
            shutdown,
            sockets: TaskTracker::new(),
            command_prefix: format!("api-{random:016x}"),
            commands: AtomicU64::new(0),
            parts,
        }
    }

    /// Names a command: by the caller's key within the caller's name, or anew.
    pub(crate) fn command_id(&self, subject: &str, key: Option<&str>) -> CommandId {
        match key {
            Some(key) => CommandId(format!("{subject}/{key}").into()),
            None => {
                let number = self.commands.fetch_add(1, Ordering::Relaxed);
                CommandId(format!("{subject}/{}-{number}", self.command_prefix).into())
            }
        }
    }

    /// Reads the ledger (or does other work that would hold up a connection's thread) on a blocking thread.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Ledger) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = Arc::clone(&self.reads).acquire_owned().await.expect("this semaphore is never closed");
        let ledger = Arc::clone(&self.parts.ledger);
        let task = tokio::task::spawn_blocking(move || {
            let done = work(&*ledger);
            drop(permit);
            done
        });
        match task.await {
            Ok(done) => Ok(done?),
            Err(error) => {
                tracing::error!(%error, "reading for a request ended in a panic");
                Err(Problem::new(Kind::StoreFailed, "reading ended in an internal error; the log tells which"))
            }
        }
    }

    /// Reads or writes files on a blocking thread.
    pub(crate) async fn disk<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce() -> std::io::Result<T> + Send + 'static,
    {
        let doing = "read or write a photo";
        self.read(move |_| work().map_err(|error| StoreError::Disk { doing, reason: error.to_string() })).await
    }

    /// Up to `limit` events after `after`, from memory or from the ledger; `None` when some of them are no longer kept.
    pub(crate) async fn events_after(&self, after: Cursor, limit: usize) -> Result<Option<Vec<Arc<Told>>>, Problem> {
        if let Recent::Events(events) = self.parts.view.recent(after, limit) {
            return Ok(Some(events));
        }
        // the ledger may be a commit ahead of the view, whose cursor is what callers are told
        let newest = self.parts.view.cursor();
        let mut events = self.read(move |ledger| ledger.feed(after, limit)).await?;
        events.retain(|event| event.cursor <= newest);
        let without_gap = events.first().is_some_and(|event: &FeedEvent| event.cursor == after + 1);
        Ok(without_gap.then(|| events.into_iter().map(|event| Told::new(Arc::new(event))).collect()))
    }

    /// Refuses a cursor that the feed cannot continue from.
    pub(crate) fn check_cursor(&self, after: Cursor) -> Result<(), Problem> {
        let newest = self.parts.view.cursor();
        if after > newest {
            let detail = format!(
                "cursor {after} is ahead of this feed, which has reached {newest}: it belongs to another station or to \
                 data that was since restored; begin again with GET /api/v1/bootstrap"
            );
            return Err(Problem::new(Kind::CursorAhead, detail).with("newest", newest));
        }
        let oldest = self.parts.ledger.oldest_cursor();
        if after.saturating_add(1) < oldest {
            let detail = format!(
                "events after cursor {after} are no longer kept, the oldest kept is {oldest}: begin again with \
                 GET /api/v1/bootstrap"
            );
            return Err(Problem::new(Kind::CursorTooOld, detail).with("oldest", oldest));
        }
        Ok(())
    }
}
