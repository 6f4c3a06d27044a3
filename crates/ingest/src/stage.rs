//! The thread: gather, decode, append, answer, hand on, and again.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::Duration;

use broker::{AckHandle, Inlets, Reason};
use model::journal::{Commit, Entry, Journal, Mark, Step};
use model::{Checkpoints, Clock, Epoch, StoreError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::checkpoint::{Restored, Writer};
use crate::intake::{Draft, Intake};
use crate::settings::{Settings, SettingsError};
use crate::stage::gather::{Gathered, Lanes};
use crate::submission::{IngestHandle, Submission, SubmitError, Submitted};

mod gather;

/// What the stage is made of.
pub struct Parts {
    pub settings: Settings,
    pub journal: Arc<dyn Journal>,
    pub checkpoints: Arc<dyn Checkpoints>,
    pub clock: Arc<dyn Clock>,
    /// As [`crate::restore`] brought it back from the same journal and checkpoints.
    pub restored: Restored,
    pub inlets: Inlets,
    /// Takes every commit, in order. While it is full nothing more is committed.
    pub out: SyncSender<Step>,
}

/// Why the stage did not start, or ended before its inlets did.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("ingest settings: {0}")]
    Settings(#[from] SettingsError),
    #[error("the ingest thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
    #[error(
        "the journal is at commit {journal} and the state given at {restored}: restore the state from this journal"
    )]
    NotRestored { journal: Epoch, restored: Epoch },
    #[error("the journal refused a commit for good: {0}")]
    Journal(StoreError),
    #[error("the journal could not be written before the shutdown; what was not acknowledged will be sent again: {0}")]
    ShutDownUnwritten(StoreError),
    #[error("the evaluator takes no more commits; the process must restart")]
    DownstreamGone,
}

/// The running stage.
pub struct Ingest {
    handle: IngestHandle,
    progress: Arc<Progress>,
    thread: JoinHandle<Result<(), IngestError>>,
}

/// How the stage is, for health checks and watchdogs.
#[derive(Debug)]
pub struct Progress {
    writable: AtomicBool,
    committed: AtomicU64,
}

impl Progress {
    /// Whether the last append succeeded. While it is false nobody is acknowledged.
    pub fn writable(&self) -> bool {
        self.writable.load(Ordering::Acquire)
    }

    /// The last commit on the disk.
    pub fn committed(&self) -> Epoch {
        self.committed.load(Ordering::Acquire)
    }
}

impl Ingest {
    /// Submits to the journal.
    pub fn handle(&self) -> &IngestHandle {
        &self.handle
    }

    /// How the stage is.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Waits for the end: once the inlets are closed and empty, everything is committed and answered. Blocks.
    ///
    /// # Errors
    /// Why the stage ended otherwise.
    pub fn join(self) -> Result<(), IngestError> {
        drop(self.handle);
        match self.thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Starts the stage on a thread of its own. A panic on that thread ends the process.
///
/// # Errors
/// [`IngestError`] when a setting is out of range, `restored` is of another journal, or there is no thread to be had.
pub fn start(parts: Parts) -> Result<Ingest, IngestError> {
    let Parts { settings, journal, checkpoints, clock, restored, inlets, out } = parts;
    settings.check()?;
    if journal.last_epoch() != restored.epoch {
        return Err(IngestError::NotRestored { journal: journal.last_epoch(), restored: restored.epoch });
    }
    let (handle, internal) = IngestHandle::new(settings.submissions_queue);
    let progress = Arc::new(Progress { writable: AtomicBool::new(true), committed: AtomicU64::new(restored.epoch) });
    metrics::gauge!("fenghuo_ingest_journal_writable").set(1.0);
    let writer = Writer::start(checkpoints)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let stage = Stage {
        intake: Intake::new(&settings, restored.roster, restored.admission),
        lanes: Lanes::new(inlets, internal),
        settings,
        journal,
        clock,
        out,
        progress: progress.clone(),
        epoch: restored.epoch,
        at_ms: restored.at_ms,
        behind: None,
        checkpoint_due_ms: 0,
        pending: Pending::default(),
    };
    let run = move || {
        let _guard = AbortOnPanic;
        runtime.block_on(stage.run(writer))
    };
    let thread = std::thread::Builder::new().name("ingest".into()).spawn(run)?;
    Ok(Ingest { handle, progress, thread })
}

/// Half a pipeline is worse than none: supervision restarts a process that ended.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the ingest thread panicked: the process ends, to be started again");
            std::process::abort();
        }
    }
}

struct Stage {
    settings: Settings,
    intake: Intake,
    lanes: Lanes,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    out: SyncSender<Step>,
    progress: Arc<Progress>,
    /// The last commit and its time.
    epoch: Epoch,
    at_ms: u64,
    /// Since when the machine's clock is behind the journal's time, and that time then.
    behind: Option<(Instant, u64)>,
    checkpoint_due_ms: u64,
    pending: Pending,
}

/// Who is answered after the commit in the making.
#[derive(Default)]
struct Pending {
    acks: Vec<(AckHandle, Range<usize>)>,
    reasons: Vec<Reason>,
    replies: Vec<oneshot::Sender<Result<Epoch, SubmitError>>>,
}

impl Stage {
    async fn run(mut self, writer: Writer) -> Result<(), IngestError> {
        let mut next_tick = Instant::now();
        let mut gathered = Gathered::default();
        let mut open = true;
        while open {
            open = self.lanes.gather(&self.settings, next_tick, &mut gathered).await;
            let now = Instant::now();
            let tick = open && now >= next_tick;
            if tick {
                next_tick = now + Duration::from_millis(self.settings.tick_ms);
            }
            let draft = self.draft(&mut gathered, tick);
            if draft.is_empty() {
                self.answer();
            } else {
                self.append(&draft).await?;
                self.answer();
                self.hand_on(draft.commit)?;
            }
            self.intake.flush_metrics();
            if tick && self.at_ms >= self.checkpoint_due_ms {
                self.checkpoint_due_ms = self.at_ms + self.settings.checkpoint_every_s * 1_000;
                writer.offer(self.epoch, self.intake.admission(), self.intake.roster());
                self.lanes.measure();
            }
        }
        writer.finish(self.epoch, self.intake.admission(), self.intake.roster());
        tracing::info!(epoch = self.epoch, "ingest has committed and answered everything and ends");
        Ok(())
    }

    /// The journal's time, which never goes back. Where the machine's clock was put back it goes on at half the speed until
    /// that has caught up: what is to happen after a while must happen.
    fn time_ms(&mut self, now_ms: u64) -> u64 {
        let was_behind = self.behind.is_some();
        if now_ms < self.at_ms {
            let (since, at_ms) = *self.behind.get_or_insert((Instant::now(), self.at_ms));
            if !was_behind {
                let behind_ms = at_ms - now_ms;
                tracing::warn!(
                    behind_ms,
                    "the machine's clock was put back: the journal's time goes on slowly until it has caught up"
                );
            }
            let passed_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let time_ms = self.at_ms.max(at_ms.saturating_add(passed_ms / 2));
            if now_ms < time_ms {
                metrics::gauge!("fenghuo_ingest_clock_behind_seconds").set((time_ms - now_ms) as f64 / 1_000.0);
                return time_ms;
            }
        }
        if was_behind {
            self.behind = None;
            metrics::gauge!("fenghuo_ingest_clock_behind_seconds").set(0.0);
        }
        now_ms.max(self.at_ms)
    }

    /// Makes the next commit of what was gathered: roster changes, alarms, the house's own entries, sessions, the rest.
    fn draft(&mut self, gathered: &mut Gathered, tick: bool) -> Draft {
        let epoch = self.epoch + 1;
        let now_ms = self.clock.now_ms();
        let at_ms = self.time_ms(now_ms);
        let commit =
            Commit { epoch, at_ms, entries: Vec::new(), readings: Vec::with_capacity(gathered.readings_hint()) };
        let behind_ms = at_ms.saturating_sub(now_ms);
        let mut draft = Draft { commit, behind_ms, quarantined: Vec::new(), marks: Vec::new() };
        let mut others = Vec::new();
        for submitted in gathered.submitted.drain(..) {
            match submitted.submission {
                Submission::Roster { .. } => self.change_roster(submitted, &mut draft.commit),
                _ => others.push(submitted),
            }
        }
        self.take_all(&mut gathered.urgent, &mut draft);
        for Submitted { submission, reply } in others {
            draft.commit.entries.push(entry(submission));
            self.pending.replies.extend(reply);
        }
        draft.commit.entries.extend(gathered.sessions.drain(..).map(gather::session_entry));
        self.take_all(&mut gathered.normal, &mut draft);
        if tick {
            self.intake.tick(&mut draft);
            draft.commit.entries.push(Entry::Tick);
        }
        draft
    }

    fn change_roster(&mut self, submitted: Submitted, commit: &mut Commit) {
        let Submitted { submission: Submission::Roster { base, change }, reply } = submitted else { return };
        let now = self.intake.roster().version();
        if base != now {
            // numbers for new rows would be given twice
            if let Some(reply) = reply {
                gather::tell(reply, Err(SubmitError::StaleRoster { base, now }));
            }
            return;
        }
        self.intake.change_roster(&change, commit.epoch);
        let roster = self.intake.roster();
        let (units, devices) = (roster.units().len(), roster.devices().len());
        tracing::info!(version = commit.epoch, units, devices, "the roster changed");
        commit.entries.push(Entry::Roster(change));
        self.pending.replies.extend(reply);
    }

    fn take_all(&mut self, batches: &mut Vec<broker::Inbound>, draft: &mut Draft) {
        for broker::Inbound { identity, messages, ack, marks, .. } in batches.drain(..) {
            let from = self.pending.reasons.len();
            self.intake.take_all(&identity, &messages, draft, &mut self.pending.reasons);
            let accepted = |index: usize| (self.pending.reasons[from + index] as u8) < 0x80;
            let marks = marks.into_iter().filter(|(index, _)| accepted(*index));
            draft.marks.extend(marks.map(|(_, change)| Mark { key: change.key, value: change.value }));
            self.pending.acks.push((ack, from..self.pending.reasons.len()));
        }
    }

    /// Appends, however long it takes.
    async fn append(&mut self, draft: &Draft) -> Result<(), IngestError> {
        let mut wait_ms = self.settings.append_retry_min_ms;
        let mut attempts = 0_u64;
        loop {
            let begun = Instant::now();
            let error = match self.journal.append(&draft.commit, &draft.quarantined, &draft.marks) {
                Ok(()) => {
                    self.note_commit(draft, begun.elapsed(), attempts);
                    return Ok(());
                }
                Err(error @ StoreError::OutOfOrder { .. }) => return Err(IngestError::Journal(error)),
                Err(error) => error,
            };
            attempts += 1;
            metrics::counter!("fenghuo_ingest_append_failures_total").increment(1);
            if attempts == 1 {
                self.progress.writable.store(false, Ordering::Release);
                metrics::gauge!("fenghuo_ingest_journal_writable").set(0.0);
                tracing::error!(
                    %error,
                    epoch = draft.commit.epoch,
                    "the journal cannot be written: nothing is acknowledged and alarms are late until it can. \
                     Free space on the disk of the data folder, or repair it; the same commit is tried again and again"
                );
            } else if self.lanes.closed() {
                return Err(IngestError::ShutDownUnwritten(error));
            }
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            wait_ms = (wait_ms * 2).min(self.settings.append_retry_max_ms);
        }
    }

    fn note_commit(&mut self, draft: &Draft, took: Duration, attempts: u64) {
        let Commit { epoch, at_ms, ref entries, ref readings } = draft.commit;
        (self.epoch, self.at_ms) = (epoch, at_ms);
        self.progress.committed.store(epoch, Ordering::Release);
        if attempts > 0 {
            self.progress.writable.store(true, Ordering::Release);
            metrics::gauge!("fenghuo_ingest_journal_writable").set(1.0);
            tracing::info!(epoch, attempts, "the journal can be written again");
        }
        metrics::counter!("fenghuo_ingest_commits_total").increment(1);
        metrics::counter!("fenghuo_ingest_readings_total").increment(readings.len() as u64);
        metrics::counter!("fenghuo_ingest_entries_total").increment(entries.len() as u64);
        metrics::counter!("fenghuo_ingest_quarantined_total").increment(draft.quarantined.len() as u64);
        metrics::histogram!("fenghuo_ingest_commit_messages").record(self.pending.reasons.len() as f64);
        metrics::histogram!("fenghuo_ingest_append_seconds").record(took.as_secs_f64());
    }

    /// Answers everybody whose message is in the journal now.
    fn answer(&mut self) {
        let Pending { acks, reasons, replies } = &mut self.pending;
        for (ack, range) in acks.drain(..) {
            ack.complete(&reasons[range]);
        }
        reasons.clear();
        for reply in replies.drain(..) {
            gather::tell(reply, Ok(self.epoch));
        }
    }

    /// Gives the commit to the next stage, waiting while that is behind.
    fn hand_on(&self, commit: Commit) -> Result<(), IngestError> {
        let step = Step { commit: Arc::new(commit), roster: self.intake.roster().clone() };
        let sent = match self.out.try_send(step) {
            Err(TrySendError::Full(step)) => {
                metrics::counter!("fenghuo_ingest_downstream_full_total").increment(1);
                self.out.send(step).is_ok()
            }
            sent => sent.is_ok(),
        };
        if sent { Ok(()) } else { Err(IngestError::DownstreamGone) }
    }
}

fn entry(submission: Submission) -> Entry {
    match submission {
        Submission::Command(command) => Entry::Command(command),
        Submission::Receipt(receipt) => Entry::Receipt(receipt),
        Submission::Sighting(sighting) => Entry::Sighting(sighting),
        Submission::Order(order) => Entry::Order(order),
        Submission::Roster { change, .. } => Entry::Roster(change),
        Submission::Rules(toml) => Entry::Rules(toml.into()),
        Submission::Policy(toml) => Entry::Policy(toml.into()),
        Submission::DeviceCommand { device, by, command, args_json } => {
            Entry::DeviceCommand { device, by, command, args_json }
        }
    }
}
