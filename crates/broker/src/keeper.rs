//! Writes changes to the vault from one thread, many at a time: the next write takes all that came during the last one.
//!
//! Changes are written in the order they were given, whether noted or committed. A vault that fails gets the same write
//! again until it takes it; nothing is acknowledged meanwhile and the backlog tells connections to wait. A panic in a
//! `done` is caught, logged and counted: the acknowledgements behind it still leave.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram};
use smallvec::SmallVec;
use tracing::{error, info};

use crate::lock;
use crate::settings::Settings;
use crate::vault::{Change, Vault, VaultError};

/// Called on the keeper's thread when the changes are on the disk. Must be brief. Dropped uncalled if they never get
/// there.
pub(crate) type Done = Box<dyn FnOnce() + Send>;

/// Changes given together are written together.
pub(crate) type Changes = SmallVec<[Change; 2]>;

/// Limits of the [`Keeper`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeeperLimits {
    /// See [`Settings::vault_flush_ms`].
    pub(crate) flush: Duration,
    /// See [`Settings::vault_batch_bytes`].
    pub(crate) batch_bytes: usize,
    /// See [`Settings::vault_backlog_bytes`].
    pub(crate) backlog_bytes: usize,
    /// See [`Settings::vault_retry_max_ms`].
    pub(crate) retry_max: Duration,
    /// See [`Settings::drain_deadline_ms`]: how long a vault that fails is tried at the end.
    pub(crate) close_deadline: Duration,
}

impl KeeperLimits {
    pub(crate) fn of(settings: &Settings) -> KeeperLimits {
        KeeperLimits {
            flush: Duration::from_millis(settings.vault_flush_ms),
            batch_bytes: settings.vault_batch_bytes,
            backlog_bytes: settings.vault_backlog_bytes,
            retry_max: Duration::from_millis(settings.vault_retry_max_ms),
            close_deadline: Duration::from_millis(settings.drain_deadline_ms),
        }
    }
}

/// Keeps changes in a [`Vault`]. Without a vault all is done as soon as it is asked for.
///
/// Dropped without [`Keeper::close`], its thread writes what it has and ends by itself.
pub(crate) struct Keeper(Option<Running>);

struct Running {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    pending: Mutex<Pending>,
    /// There is something to write, or to end for.
    work: Condvar,
    /// More than the backlog's limit was pending; looked at without the lock.
    behind: AtomicBool,
    limits: KeeperLimits,
}

#[derive(Default)]
struct Pending {
    changes: Vec<Change>,
    done: Vec<Done>,
    /// Of `changes` and of those being written.
    bytes: usize,
    /// When the oldest noted change was given; cleared by taking.
    noted_at: Option<Instant>,
    /// Something waits for the write.
    urgent: bool,
    closing: bool,
    closed: bool,
    waiting: HashMap<u64, Waker>,
}

/// What a change takes beside its key and value, bytes.
const CHANGE_BYTES: usize = 64;
const RETRY_FIRST: Duration = Duration::from_millis(10);

impl Keeper {
    /// Starts the thread, if there is a vault to write to.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(vault: Option<Arc<dyn Vault>>, limits: KeeperLimits) -> std::io::Result<Keeper> {
        let Some(vault) = vault else { return Ok(Keeper(None)) };
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            work: Condvar::new(),
            behind: AtomicBool::new(false),
            limits,
        });
        let mut writer = Writer::new(shared.clone(), vault);
        let thread = std::thread::Builder::new().name("broker-keeper".into()).spawn(move || writer.run())?;
        Ok(Keeper(Some(Running { shared, thread: Mutex::new(Some(thread)) })))
    }

    /// Whether anything is kept. Without it callers need not make changes at all.
    pub(crate) fn is_durable(&self) -> bool {
        self.0.is_some()
    }

    /// Writes these changes with the next write, within `vault_flush_ms`.
    pub(crate) fn note(&self, changes: impl IntoIterator<Item = Change>) {
        let Some(running) = &self.0 else { return };
        let mut pending = lock(&running.shared.pending);
        if pending.closed || !pending.add(changes) {
            return;
        }
        let first = pending.noted_at.is_none();
        pending.noted_at.get_or_insert_with(Instant::now);
        let much = pending.bytes >= running.shared.limits.batch_bytes;
        running.shared.look(&pending);
        drop(pending);
        if first || much {
            running.shared.work.notify_one();
        }
    }

    /// Writes these changes as soon as may be, then calls `done`. All that was noted or committed before is on the
    /// disk by then too.
    pub(crate) fn commit(&self, changes: impl IntoIterator<Item = Change>, done: Done) {
        let Some(running) = &self.0 else { return done() };
        let mut pending = lock(&running.shared.pending);
        if pending.closed {
            return; // never to be acknowledged
        }
        pending.add(changes);
        pending.done.push(done);
        running.shared.look(&pending);
        let first = !std::mem::replace(&mut pending.urgent, true);
        drop(pending);
        if first {
            running.shared.work.notify_one();
        }
    }

    /// Whether more than `vault_backlog_bytes` wait to be written: then take nothing more from clients.
    pub(crate) fn is_behind(&self) -> bool {
        self.0.as_ref().is_some_and(|running| running.shared.behind.load(Ordering::Acquire))
    }

    /// Like [`Keeper::is_behind`]; if so, `waker` is woken when that is over. One waker for each connection, the
    /// newest.
    pub(crate) fn wait_if_behind(&self, connection: u64, waker: &Waker) -> bool {
        let Some(running) = &self.0 else { return false };
        if !running.shared.behind.load(Ordering::Acquire) {
            return false;
        }
        let mut pending = lock(&running.shared.pending);
        let behind = pending.bytes > running.shared.limits.backlog_bytes;
        if behind {
            pending.waiting.entry(connection).or_insert_with(|| waker.clone()).clone_from(waker);
        }
        behind
    }

    /// Writes all that was given and ends the thread. Blocks: call it where that is allowed. A vault that still fails
    /// after `drain_deadline_ms` loses what was noted; what was to be acknowledged never is.
    pub(crate) fn close(&self) {
        let Some(running) = &self.0 else { return };
        running.signal_end();
        if let Some(thread) = lock(&running.thread).take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            error!("the thread that keeps sessions panicked: their newest changes may be lost, report this as a bug");
        }
    }
}

impl Shared {
    /// To be called when the bytes pending have changed, before the lock is given back.
    fn look(&self, pending: &Pending) {
        self.behind.store(pending.bytes > self.limits.backlog_bytes, Ordering::Release);
    }
}

impl Running {
    fn signal_end(&self) {
        lock(&self.shared.pending).closing = true;
        self.shared.work.notify_one();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal_end();
    }
}

impl Pending {
    /// False if there were none.
    fn add(&mut self, changes: impl IntoIterator<Item = Change>) -> bool {
        let before = self.changes.len();
        self.changes.extend(changes);
        let bytes: usize = self.changes[before..].iter().map(weight).sum();
        self.bytes += bytes;
        self.changes.len() > before
    }
}

fn weight(change: &Change) -> usize {
    CHANGE_BYTES + change.key.len() + change.value.as_ref().map_or(0, |value| value.len())
}

/// The thread's own side.
struct Writer {
    shared: Arc<Shared>,
    vault: Arc<dyn Vault>,
    /// Kept between writes, so that their memory is.
    changes: Vec<Change>,
    done: Vec<Done>,
    writes: Counter,
    written: Counter,
    failures: Counter,
    panics: Counter,
    batch: Histogram,
    seconds: Histogram,
    backlog: Gauge,
}

impl Writer {
    fn new(shared: Arc<Shared>, vault: Arc<dyn Vault>) -> Writer {
        Writer {
            shared,
            vault,
            changes: Vec::new(),
            done: Vec::new(),
            writes: metrics::counter!("fenghuo_broker_vault_writes_total"),
            written: metrics::counter!("fenghuo_broker_vault_changes_total"),
            failures: metrics::counter!("fenghuo_broker_vault_failures_total"),
            panics: metrics::counter!("fenghuo_broker_vault_panics_total"),
            batch: metrics::histogram!("fenghuo_broker_vault_batch_changes"),
            seconds: metrics::histogram!("fenghuo_broker_vault_write_seconds"),
            backlog: metrics::gauge!("fenghuo_broker_vault_backlog_bytes"),
        }
    }

    fn run(&mut self) {
        while self.take() {
            if !self.changes.is_empty() && !self.write() {
                break;
            }
            for done in self.done.drain(..) {
                if catch_unwind(AssertUnwindSafe(done)).is_err() {
                    self.panics.increment(1);
                    error!("an acknowledgement of kept messages panicked and was not sent: report this as a bug");
                }
            }
            self.settle();
        }
        let mut pending = lock(&self.shared.pending);
        pending.closed = true;
        pending.waiting.drain().for_each(|(_, waker)| waker.wake());
    }

    /// Waits for something to write. False when all is written and the end was asked for.
    fn take(&mut self) -> bool {
        let limits = &self.shared.limits;
        let mut pending = lock(&self.shared.pending);
        loop {
            let due = pending.noted_at.map(|at| at + limits.flush);
            let now = Instant::now();
            let ripe = pending.urgent
                || pending.bytes >= limits.batch_bytes
                || due.is_some_and(|due| due <= now)
                || (pending.closing && !pending.changes.is_empty());
            if ripe {
                std::mem::swap(&mut pending.changes, &mut self.changes);
                std::mem::swap(&mut pending.done, &mut self.done);
                pending.noted_at = None;
                pending.urgent = false;
                return true;
            }
            if pending.closing {
                pending.closed = true; // under the same lock: nothing can come in between
                return false;
            }
            pending = wait(&self.shared.work, pending, due.map(|due| due - now));
        }
    }

    /// Writes until the vault takes it. False if the end was asked for and the vault still fails.
    fn write(&mut self) -> bool {
        let began = Instant::now();
        let mut pause = RETRY_FIRST.min(self.shared.limits.retry_max);
        let mut failing = false;
        let mut give_up_at = None;
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.vault.write(&self.changes))) {
                Ok(Ok(())) => break,
                Ok(Err(error)) => self.tell(&error, &mut failing),
                Err(_) => self.tell(&VaultError("the write panicked".into()), &mut failing),
            }
            if self.pause(pause, &mut give_up_at) {
                let changes = self.changes.len();
                error!(changes, "sessions could not be kept before the end: their newest changes are lost");
                return false;
            }
            pause = (pause * 2).min(self.shared.limits.retry_max);
        }
        if failing {
            info!(seconds = began.elapsed().as_secs(), "sessions are kept again");
        }
        self.writes.increment(1);
        self.written.increment(self.changes.len() as u64);
        self.batch.record(self.changes.len() as f64);
        self.seconds.record(began.elapsed().as_secs_f64());
        true
    }

    fn tell(&self, error: &VaultError, failing: &mut bool) {
        self.failures.increment(1);
        if !std::mem::replace(failing, true) {
            error!(%error, "nothing of persistent sessions is acknowledged until it works again: see to the disk");
        }
    }

    /// Waits before the next try. True if it is time to give up.
    fn pause(&self, pause: Duration, give_up_at: &mut Option<Instant>) -> bool {
        let until = Instant::now() + pause;
        let mut pending = lock(&self.shared.pending);
        loop {
            let now = Instant::now();
            if pending.closing {
                let give_up_at = *give_up_at.get_or_insert_with(|| now + self.shared.limits.close_deadline);
                if give_up_at <= now {
                    return true;
                }
            }
            if until <= now {
                return false;
            }
            pending = wait(&self.shared.work, pending, Some(until - now));
        }
    }

    /// The batch is written: room for others.
    fn settle(&mut self) {
        let bytes: usize = self.changes.iter().map(weight).sum();
        self.changes.clear();
        let mut pending = lock(&self.shared.pending);
        pending.bytes -= bytes;
        self.backlog.set(pending.bytes as f64);
        self.shared.look(&pending);
        // Well below the limit, so that connections do not stop and go with every message.
        if !pending.waiting.is_empty() && pending.bytes <= self.shared.limits.backlog_bytes / 2 {
            let waiting = std::mem::take(&mut pending.waiting);
            drop(pending);
            waiting.into_values().for_each(Waker::wake);
        }
    }
}

fn wait<'a>(work: &Condvar, guard: MutexGuard<'a, Pending>, timeout: Option<Duration>) -> MutexGuard<'a, Pending> {
    match timeout {
        None => work.wait(guard).unwrap_or_else(PoisonError::into_inner),
        Some(timeout) => work.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0,
    }
}

#[cfg(test)]
mod tests;
