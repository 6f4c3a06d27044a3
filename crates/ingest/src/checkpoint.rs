//! What this room keeps beside the journal, so that a restart replays seconds and not months: what admission remembers,
//! and the roster in force.
//!
//! A checkpoint of the memory names the roster's version at its epoch, and that roster is stored before it.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use model::journal::Entry;
use model::wire::{self, WireError};
use model::{Checkpoints, Epoch, Journal, Roster, StoreError};

use crate::admission::Admission;
use crate::settings::Settings;

/// Stage name of what admission remembers.
pub const ADMISSION_STAGE: &str = "admission";
/// Stage name of the roster; the epoch of a checkpoint is the roster's version.
pub const ROSTER_STAGE: &str = "roster";

/// This room's state after the journal's last commit.
#[derive(Debug)]
pub struct Restored {
    /// The last commit; 0 for an empty journal.
    pub epoch: Epoch,
    /// Its time.
    pub at_ms: u64,
    pub roster: Arc<Roster>,
    pub admission: Admission,
}

/// Why the state cannot be brought back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a checkpoint of the roster cannot be read: {0}")]
    Roster(#[from] WireError),
    #[error(
        "the journal begins with commit {first}, and the roster at commit {wanted} needs it from commit {needed} on: \
         restore the data folder from a backup"
    )]
    Gap { first: Epoch, needed: Epoch, wanted: Epoch },
}

/// Brings back the state after the journal's last commit: newest checkpoint, then the journal's tail.
///
/// # Errors
/// [`RestoreError`] when checkpoint or journal cannot be read, or do not meet.
pub fn restore(
    journal: &dyn Journal,
    checkpoints: &dyn Checkpoints,
    settings: &Settings,
) -> Result<Restored, RestoreError> {
    let epoch = journal.last_epoch();
    let Base { epoch: base, mut roster, admission } = base(journal, checkpoints, epoch)?;
    let mut admission = admission.within(settings);
    let mut at_ms = 0;
    // the last commit is read in any case, for its time
    for commit in journal.read((base + 1).min(epoch).max(1)) {
        let commit = commit?;
        at_ms = commit.at_ms;
        if commit.epoch > base {
            roster = roster_after(roster, &commit.entries, commit.epoch);
            admission.apply(&commit);
        }
    }
    Ok(Restored { epoch, at_ms, roster: Arc::new(roster), admission })
}

/// The roster in force after commit `epoch`: for a stage that begins at its own checkpoint.
///
/// # Errors
/// [`RestoreError`] when checkpoint or journal cannot be read, or do not meet.
pub fn roster_at(
    journal: &dyn Journal,
    checkpoints: &dyn Checkpoints,
    epoch: Epoch,
) -> Result<Arc<Roster>, RestoreError> {
    let Base { epoch: base, mut roster, .. } = base(journal, checkpoints, epoch)?;
    if base < epoch {
        for commit in journal.read(base + 1) {
            let commit = commit?;
            if commit.epoch > epoch {
                break;
            }
            roster = roster_after(roster, &commit.entries, commit.epoch);
        }
    }
    Ok(Arc::new(roster))
}

fn roster_after(mut roster: Roster, entries: &[Entry], epoch: Epoch) -> Roster {
    for entry in entries {
        if let Entry::Roster(change) = entry {
            roster = roster.after(change, epoch);
        }
    }
    roster
}

struct Base {
    epoch: Epoch,
    roster: Roster,
    admission: Admission,
}

/// The newest state at or before `at_most` that checkpoints give.
fn base(journal: &dyn Journal, checkpoints: &dyn Checkpoints, at_most: Epoch) -> Result<Base, RestoreError> {
    let found = match memory(checkpoints, at_most)? {
        Some((epoch, version, admission)) => roster_of(checkpoints, epoch)?
            .filter(|roster| roster.version() == version)
            .map(|roster| Base { epoch, roster, admission }),
        None => None,
    };
    let base = match found {
        Some(base) => base,
        // without a memory that fits, repetitions of what came before the roster are not told
        None => {
            let roster = roster_of(checkpoints, at_most)?.unwrap_or_default();
            Base { epoch: roster.version(), roster, admission: Admission::default() }
        }
    };
    let first = journal.first_epoch();
    if base.epoch < at_most && first > base.epoch + 1 {
        return Err(RestoreError::Gap { first, needed: base.epoch + 1, wanted: at_most });
    }
    Ok(base)
}

fn memory(checkpoints: &dyn Checkpoints, at_most: Epoch) -> Result<Option<(Epoch, Epoch, Admission)>, StoreError> {
    let Some((epoch, bytes)) = checkpoints.newest(ADMISSION_STAGE, at_most)? else { return Ok(None) };
    match wire::decode::<(Epoch, Admission)>(&bytes) {
        Ok((version, admission)) => Ok(Some((epoch, version, admission))),
        Err(error) => {
            tracing::warn!(%error, epoch, "a checkpoint of admission cannot be read; more of the journal is replayed");
            Ok(None)
        }
    }
}

/// The roster of the newest checkpoint; the empty one where the journal never had any.
fn roster_of(checkpoints: &dyn Checkpoints, at_most: Epoch) -> Result<Option<Roster>, RestoreError> {
    match checkpoints.newest(ROSTER_STAGE, at_most)? {
        Some((_, bytes)) => Ok(Some(wire::decode::<Roster>(&bytes)?.reindex())),
        None => Ok(Some(Roster::default())),
    }
}

/// Writes checkpoints on a thread of its own, so that commits do not wait for them.
pub(crate) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    epoch: Epoch,
    admission: Admission,
    roster: Arc<Roster>,
}

impl Writer {
    pub(crate) fn start(checkpoints: Arc<dyn Checkpoints>) -> std::io::Result<Writer> {
        let (jobs, inlet) = sync_channel::<Job>(1);
        let write = move || {
            let mut stored = None;
            for job in inlet {
                if let Err(error) = put(&*checkpoints, &job, &mut stored) {
                    tracing::warn!(%error, epoch = job.epoch, "a checkpoint was not written; a restart replays more of the journal");
                    metrics::counter!("fenghuo_ingest_checkpoint_failures_total").increment(1);
                }
            }
        };
        let thread = std::thread::Builder::new().name("ingest-checkpoint".into()).spawn(write)?;
        Ok(Writer { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Writes the state after `epoch` soon; not at all if the writer is still busy with the last.
    pub(crate) fn offer(&self, epoch: Epoch, admission: &Admission, roster: &Arc<Roster>) {
        let Some(jobs) = &self.jobs else { return };
        match jobs.try_send(Job { epoch, admission: admission.clone(), roster: roster.clone() }) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                metrics::counter!("fenghuo_ingest_checkpoints_skipped_total").increment(1);
            }
        }
    }

    /// Writes the last state and waits until it is written.
    pub(crate) fn finish(self, epoch: Epoch, admission: &Admission, roster: &Arc<Roster>) {
        let last = Job { epoch, admission: admission.clone(), roster: roster.clone() };
        if self.jobs.as_ref().is_none_or(|jobs| jobs.send(last).is_err()) {
            tracing::warn!(epoch, "the checkpoint writer is gone; a restart replays more of the journal");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the checkpoint writer panicked; a restart replays more of the journal");
        }
    }
}

fn put(checkpoints: &dyn Checkpoints, job: &Job, stored: &mut Option<Epoch>) -> Result<(), StoreError> {
    let version = job.roster.version();
    if version > 0 && *stored != Some(version) {
        checkpoints.put(ROSTER_STAGE, version, &wire::encode(&*job.roster))?;
        *stored = Some(version);
    }
    checkpoints.put(ADMISSION_STAGE, job.epoch, &wire::encode(&(version, &job.admission)))
}
