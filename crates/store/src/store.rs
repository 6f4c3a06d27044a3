//! The handle: opening, the guarded way to RocksDB, and getting going again after a failed write.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use model::{Cursor, Epoch, Mark, StoreError};
use rocksdb::{ErrorKind, WriteBatch, WriteOptions};

use crate::error::{OpenError, damaged, from_io, from_rocks};
use crate::family::{self, Tuning};
use crate::front;
use crate::key::{Day, meta};
use crate::rocks::{self, Base, Ends, lock};
use crate::settings::Settings;

/// Layout of keys and families that this build writes.
const LAYOUT: u64 = 1;

/// Attempts to open a store for reading that another process writes.
const READ_ONLY_TRIES: u32 = 50;

/// Pause between two attempts while RocksDB holds writes up.
const STALL_PAUSE: Duration = Duration::from_millis(2);

/// Journal, ledger and checkpoints in one folder. Share it in an `Arc`.
pub struct Store {
    pub(crate) folder: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) tuning: Tuning,
    /// `None` while closed between two attempts to open it anew.
    base: RwLock<Option<Base>>,
    heads: Heads,
    /// Held by whoever changes the journal or the quarantine.
    pub(crate) journal: Mutex<JournalEnd>,
    /// Held by whoever changes the ledger: its buffer.
    pub(crate) ledger: Mutex<Vec<u8>>,
    /// Held by whoever changes the checkpoints.
    pub(crate) checkpoints: Mutex<()>,
    /// Held by whoever drops old days.
    pub(crate) retention: Mutex<()>,
    failed: AtomicBool,
    /// Held for a moment only, and no other lock is asked for meanwhile.
    failure: Mutex<Option<Failure>>,
    /// Held by whoever opens RocksDB anew; asked for before all other locks.
    recovery: Mutex<()>,
    /// The last field: given back when RocksDB is closed.
    /// `None`: opened for reading alone.
    folder_lock: Option<FolderLock>,
}

/// The lock of the folder. It is given back in words and not just closed: a child process that is being started has a copy
/// of every descriptor for a moment, which would keep it locked.
struct FolderLock(File);

impl Drop for FolderLock {
    fn drop(&mut self) {
        // an error leaves the lock to the end of the process
        let _ = self.0.unlock();
    }
}

/// What readers ask for all the time, without a lock.
#[derive(Default)]
pub(crate) struct Heads {
    pub(crate) last_epoch: AtomicU64,
    pub(crate) first_epoch: AtomicU64,
    pub(crate) applied: AtomicU64,
    pub(crate) newest_cursor: AtomicU64,
    pub(crate) oldest_cursor: AtomicU64,
}

/// Where the next append goes.
#[derive(Default)]
pub(crate) struct JournalEnd {
    pub(crate) buffer: Vec<u8>,
    pub(crate) newest_day: Option<Day>,
    pub(crate) quarantined: u64,
    pub(crate) quarantined_bytes: u64,
    /// What the marks of the append that failed last replaced, to be put back with its commit's removal.
    pub(crate) undo: Vec<Mark>,
}

/// The last write that failed.
struct Failure {
    reason: String,
    tried: Instant,
}

impl Store {
    /// Opens the store in `folder`, which is made where it does not exist.
    ///
    /// # Errors
    /// [`OpenError`] when another process has it open, a newer build wrote it, or it cannot be read.
    pub fn open(folder: impl AsRef<Path>, settings: Settings) -> Result<Store, OpenError> {
        let folder = folder.as_ref().to_path_buf();
        let failed = |source| OpenError::Store { folder: folder.clone(), source };
        let make = |path: &Path| std::fs::create_dir_all(path).map_err(|e| failed(from_io("make its folder", &e)));
        make(&folder)?;
        let lock_file =
            File::create(folder.join("lock")).map_err(|error| failed(from_io("make its lock file", &error)))?;
        let folder_lock = match lock_file.try_lock() {
            Ok(()) => FolderLock(lock_file),
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(folder)),
            Err(TryLockError::Error(error)) => return Err(failed(from_io("lock its folder", &error))),
        };
        make(&folder.join("checkpoints"))?;
        let tuning = Tuning::new(&settings);
        let base = rocks::open(&folder.join("db"), &tuning).map_err(failed)?;
        check_layout(&folder, &base)?;
        let store = Store::of(folder.clone(), settings, tuning, base, Some(folder_lock))?;
        store.tidy_checkpoints().map_err(failed)?;
        Ok(store)
    }

    /// Opens the store in `folder` for reading alone, as it is at this moment; another process may have it open and go on
    /// writing. Every write is refused.
    ///
    /// # Errors
    /// [`OpenError`] when there is no store, another build wrote it, or it cannot be read.
    pub fn open_read_only(folder: impl AsRef<Path>, settings: Settings) -> Result<Store, OpenError> {
        let folder = folder.as_ref().to_path_buf();
        if !folder.join("db").join("CURRENT").exists() {
            return Err(OpenError::Nothing(folder));
        }
        let tuning = Tuning::new(&settings);
        let mut tries = READ_ONLY_TRIES;
        let base = loop {
            match rocks::open_read_only(&folder.join("db"), &tuning) {
                Ok(Some(base)) => break base,
                Err(source) if tries == 0 => return Err(OpenError::Store { folder, source }),
                Ok(None) if tries == 0 => return Err(OpenError::Restless(folder)),
                Ok(None) | Err(_) => tries -= 1,
            }
            std::thread::park_timeout(STALL_PAUSE);
        };
        check_layout(&folder, &base)?;
        Store::of(folder, settings, tuning, base, None)
    }

    fn of(
        folder: PathBuf,
        settings: Settings,
        tuning: Tuning,
        base: Base,
        folder_lock: Option<FolderLock>,
    ) -> Result<Store, OpenError> {
        let ends = Ends::read(&base).map_err(|source| OpenError::Store { folder: folder.clone(), source })?;
        if ends.applied > ends.last_epoch {
            return Err(OpenError::JournalLost { folder, applied: ends.applied, last: ends.last_epoch });
        }
        let store = Store {
            folder,
            settings,
            tuning,
            base: RwLock::new(Some(base)),
            heads: Heads::default(),
            journal: Mutex::default(),
            ledger: Mutex::default(),
            checkpoints: Mutex::default(),
            retention: Mutex::default(),
            failed: AtomicBool::new(false),
            failure: Mutex::default(),
            recovery: Mutex::default(),
            folder_lock,
        };
        store.take_ends(&mut lock(&store.journal), &ends);
        tracing::info!(
            folder = %store.folder.display(), first_epoch = ends.first_epoch, last_epoch = ends.last_epoch,
            applied = ends.applied, newest_cursor = ends.newest_cursor, "store opened"
        );
        Ok(store)
    }

    pub(crate) fn heads(&self) -> &Heads {
        &self.heads
    }

    /// Runs `read` on the open database.
    pub(crate) fn with<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&Base) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let base = self.base.read().unwrap_or_else(PoisonError::into_inner);
        match base.as_ref() {
            Some(base) => read(base),
            None => Err(StoreError::Disk { doing, reason: format!("closed since {}", self.failure_reason()) }),
        }
    }

    /// Runs `write` on the open database. What RocksDB refuses closes the way for further writes until
    /// [`Store::ready_to_write`] finds the disk well again. `write` runs more than once where RocksDB holds writes up.
    pub(crate) fn write<T>(
        &self,
        doing: &'static str,
        mut write: impl FnMut(&Base) -> Result<T, rocksdb::Error>,
    ) -> Result<T, StoreError> {
        let stalled_until = Instant::now() + Duration::from_millis(self.settings.stall_limit_ms);
        loop {
            let tried = self.with(doing, |base| match write(base) {
                Ok(written) => Ok(Some(written)),
                Err(error) if error.kind() == ErrorKind::Incomplete && !base.has_failed() => {
                    if Instant::now() < stalled_until {
                        return Ok(None);
                    }
                    metrics::counter!("fenghuo_store_stalls_total").increment(1);
                    Err(from_rocks(doing, &error))
                }
                Err(error) => {
                    self.note_failure(doing, &error);
                    Err(from_rocks(doing, &error))
                }
            })?;
            match tried {
                Some(written) => return Ok(written),
                None => std::thread::park_timeout(STALL_PAUSE),
            }
        }
    }

    fn note_failure(&self, doing: &'static str, error: &rocksdb::Error) {
        tracing::error!(doing, %error, "the store failed to write; it tries again with the next write");
        metrics::counter!("fenghuo_store_write_failures_total").increment(1);
        *lock(&self.failure) = Some(Failure { reason: error.to_string(), tried: Instant::now() });
        self.failed.store(true, Ordering::Release);
    }

    /// Call it before a write and before any lock that a write needs: after a failed write it opens RocksDB anew.
    pub(crate) fn ready_to_write(&self, doing: &'static str) -> Result<(), StoreError> {
        self.ours_to_write(doing)?;
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let _one_at_a_time = lock(&self.recovery);
        let pause = Duration::from_millis(self.settings.recovery_pause_ms);
        match lock(&self.failure).as_mut() {
            None => return Ok(()), // another thread has just done it
            Some(last) if last.tried.elapsed() < pause => {
                return Err(StoreError::Disk { doing, reason: last.reason.clone() });
            }
            Some(last) => last.tried = Instant::now(),
        }
        match self.reopen() {
            Ok(()) => {
                tracing::info!("the store writes again");
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the store still cannot write");
                if let Some(last) = lock(&self.failure).as_mut() {
                    last.reason = error.to_string();
                }
                Err(error)
            }
        }
    }

    /// Refuses what would write a store that was opened for reading.
    pub(crate) fn ours_to_write(&self, doing: &'static str) -> Result<(), StoreError> {
        let reason = || format!("{} was opened for reading alone", self.folder.display());
        self.folder_lock.is_some().then_some(()).ok_or_else(|| StoreError::Disk { doing, reason: reason() })
    }

    fn failure_reason(&self) -> String {
        lock(&self.failure).as_ref().map_or_else(|| String::from("it was opened"), |failure| failure.reason.clone())
    }

    /// Closes RocksDB and opens it again with what had been confirmed, and nothing else.
    fn reopen(&self) -> Result<(), StoreError> {
        const DOING: &str = "get going again after a failed write";
        self.probe_space().map_err(|error| from_io(DOING, &error))?;
        let mut journal = lock(&self.journal);
        let _ledger = lock(&self.ledger);
        let mut base = self.base.write().unwrap_or_else(PoisonError::into_inner);
        *base = None;
        let opened = rocks::open(&self.folder.join("db"), &self.tuning)?;
        let confirmed = self.heads.last_epoch.load(Ordering::Acquire);
        let ends = Ends::read(&opened)?;
        if ends.last_epoch < confirmed {
            return Err(damaged(
                DOING,
                format!("commit {confirmed} was confirmed, the journal ends at {}", ends.last_epoch),
            ));
        }
        remove_unconfirmed(&opened, &ends, confirmed, &journal).map_err(|error| from_rocks(DOING, &error))?;
        let ends = Ends::read(&opened)?;
        self.take_ends(&mut journal, &ends);
        *base = Some(opened);
        // while every writer is still locked out: a failure from now on is a new one
        *lock(&self.failure) = None;
        self.failed.store(false, Ordering::Release);
        Ok(())
    }

    /// Whether the disk takes what opening anew will write.
    fn probe_space(&self) -> std::io::Result<()> {
        let path = self.folder.join("probe");
        let piece = vec![0x5a; 64 * 1024];
        let written = File::create(&path).and_then(|mut file| {
            for _ in 0..self.settings.recovery_space_bytes.div_ceil(piece.len()) {
                file.write_all(&piece)?;
            }
            file.sync_all()
        });
        let removed = std::fs::remove_file(&path);
        written.and(removed)
    }

    fn take_ends(&self, journal: &mut JournalEnd, ends: &Ends) {
        self.heads.last_epoch.store(ends.last_epoch, Ordering::Release);
        self.heads.first_epoch.store(ends.first_epoch, Ordering::Release);
        self.heads.applied.store(ends.applied, Ordering::Release);
        self.heads.newest_cursor.store(ends.newest_cursor, Ordering::Release);
        self.heads.oldest_cursor.store(ends.oldest_cursor, Ordering::Release);
        journal.newest_day = ends.newest_day;
        journal.quarantined = ends.quarantined;
        journal.quarantined_bytes = ends.quarantined_bytes;
    }
}

/// Removes what a failed append may have left in the log: one commit at most, since none was accepted after it.
fn remove_unconfirmed(base: &Base, ends: &Ends, confirmed: Epoch, journal: &JournalEnd) -> Result<(), rocksdb::Error> {
    if ends.last_epoch == confirmed && ends.quarantined == journal.quarantined {
        return Ok(());
    }
    let rocks = &base.rocks;
    let mut batch = WriteBatch::default();
    if let Some(family) = ends.newest_day.and_then(|day| rocks.cf_handle(&day.family())) {
        for epoch in confirmed + 1..=ends.last_epoch {
            batch.delete_cf(&family, epoch.to_be_bytes());
        }
    }
    let quarantine = rocks::fixed(rocks, family::QUARANTINE);
    for number in journal.quarantined + 1..=ends.quarantined {
        batch.delete_cf(&quarantine, number.to_be_bytes());
    }
    front::put_marks(rocks, &mut batch, &journal.undo);
    let meta = rocks::fixed(rocks, family::META);
    batch.put_cf(&meta, meta::QUARANTINED, journal.quarantined.to_be_bytes());
    batch.put_cf(&meta, meta::QUARANTINED_BYTES, journal.quarantined_bytes.to_be_bytes());
    rocks.write_opt(batch, &synced())
}

/// Write options of what must be on the disk when the write returns.
pub(crate) fn synced() -> WriteOptions {
    let mut options = unsynced();
    options.set_sync(true);
    options
}

/// Write options of what the next synced write takes along. RocksDB would wait without end where tables cannot be written,
/// as on a full disk: told not to, it says so, and [`Store::write`] decides how long to wait.
pub(crate) fn unsynced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_no_slowdown(true);
    options
}

/// Reads the layout, and writes it into a new store.
fn check_layout(folder: &Path, base: &Base) -> Result<(), OpenError> {
    const DOING: &str = "read its layout";
    let failed = |source| OpenError::Store { folder: folder.to_path_buf(), source };
    match rocks::meta_number(&base.rocks, meta::LAYOUT, DOING).map_err(failed)? {
        LAYOUT => Ok(()),
        0 => {
            let family = rocks::fixed(&base.rocks, family::META);
            let written = base.rocks.put_cf_opt(&family, meta::LAYOUT, LAYOUT.to_be_bytes(), &synced());
            written.map_err(|error| failed(from_rocks("write its layout", &error)))
        }
        found => Err(OpenError::Layout { folder: folder.to_path_buf(), found, known: LAYOUT }),
    }
}

/// Newest and oldest cursor, for the ledger's part.
impl Heads {
    pub(crate) fn newest_cursor(&self) -> Cursor {
        self.newest_cursor.load(Ordering::Acquire)
    }

    pub(crate) fn oldest_cursor(&self) -> Cursor {
        self.oldest_cursor.load(Ordering::Acquire)
    }

    pub(crate) fn applied(&self) -> Epoch {
        self.applied.load(Ordering::Acquire)
    }

    pub(crate) fn last_epoch(&self) -> Epoch {
        self.last_epoch.load(Ordering::Acquire)
    }

    pub(crate) fn first_epoch(&self) -> Epoch {
        self.first_epoch.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("folder", &self.folder).field("last_epoch", &self.heads.last_epoch()).finish()
    }
}

#[cfg(test)]
mod tests {
    use model::{Commit, Journal};

    use super::*;

    /// An append that fails may still be on the disk, whole. Its marks go with it: else the publish that they stand for would
    /// be taken for one that is in the journal.
    #[test]
    fn marks_of_a_commit_that_failed_are_put_back_with_it() {
        let folder = tempfile::tempdir().expect("temp folder");
        let settings = Settings { recovery_pause_ms: 0, recovery_space_bytes: 4096, ..Settings::default() };
        let store = Store::open(folder.path(), settings).expect("opens");
        let mark = |key: &[u8], value: &[u8]| Mark { key: key.into(), value: Some(value.into()) };
        store.front_write(&[(b"old", Some(b"1"))]).expect("written");
        let (first, second) = (Commit { epoch: 1, ..Commit::default() }, Commit { epoch: 2, ..Commit::default() });
        store.append(&first, &[], &[mark(b"first", b"1")]).expect("appended");
        // what an append leaves whose sync failed
        let marks = [mark(b"second", b"1"), mark(b"old", b"2")];
        lock(&store.journal).undo = store.before(&marks);
        store
            .with("test", |base| {
                let mut batch = WriteBatch::default();
                let family = base.rocks.cf_handle(&Day(0).family()).expect("made by the first append");
                batch.put_cf(&family, 2u64.to_be_bytes(), model::wire::encode(&second));
                front::put_marks(&base.rocks, &mut batch, &marks);
                base.rocks.write_opt(batch, &synced()).map_err(|error| from_rocks("test", &error))
            })
            .expect("written");
        *lock(&store.failure) = Some(Failure { reason: "sync".to_owned(), tried: Instant::now() });
        store.failed.store(true, Ordering::Release);

        store.front_write(&[(b"new", Some(b"1"))]).expect("it writes again");
        let mut records = Vec::new();
        store.front_load(&mut |key, value| records.push((key.to_vec(), value.to_vec()))).expect("read");
        let expected = [("first", "1"), ("new", "1"), ("old", "1")];
        assert_eq!(records, expected.map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())));
        assert_eq!(store.read(0).count(), 1);
        store.append(&second, &[], &[mark(b"second", b"1")]).expect("the same append again");
    }
}
