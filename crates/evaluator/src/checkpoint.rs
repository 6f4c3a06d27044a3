//! Checkpoints are written by a thread of their own: a worker only takes a cheap copy of its state.
//!
//! Several workers take theirs at the same commit, and the thread joins them into the one state that a single worker would
//! have. So a checkpoint knows nothing of workers, and a restart may have another number of them. While it joins, the rows
//! of the state are in memory twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use model::{Checkpoints, Epoch};

use crate::STAGE;
use crate::judge;
use crate::state::State;

/// One worker's state.
pub(crate) struct Part {
    worker: usize,
    last: bool,
    state: State,
}

/// Says at which commits the workers take a copy. One checkpoint at a time; while one is being written, others are skipped.
pub(crate) struct Clock {
    busy: Arc<AtomicBool>,
    every_ms: u64,
    last_ms: u64,
}

/// A worker's way to the thread that writes.
#[derive(Clone)]
pub(crate) struct Writer {
    worker: usize,
    parts: SyncSender<Part>,
}

/// Starts the thread: the clock, a writer for each worker, and the thread, which ends when all writers are gone.
pub(crate) fn start(
    checkpoints: Arc<dyn Checkpoints>,
    every_ms: u64,
    workers: usize,
) -> std::io::Result<(Clock, Vec<Writer>, JoinHandle<()>)> {
    // of each worker one that is being taken and the last
    let (parts, inbox) = sync_channel(2 * workers);
    let busy = Arc::new(AtomicBool::new(false));
    let clock = Clock { busy: Arc::clone(&busy), every_ms, last_ms: 0 };
    let thread = std::thread::Builder::new()
        .name("evaluator-checkpoint".into())
        .spawn(move || write_all(&inbox, workers, &*checkpoints, &busy))?;
    let writers = (0..workers).map(|worker| Writer { worker, parts: parts.clone() }).collect();
    Ok((clock, writers, thread))
}

impl Clock {
    /// Whether the workers take a copy after the commit of this time.
    pub fn strikes(&mut self, at_ms: u64) -> bool {
        if at_ms.saturating_sub(self.last_ms) < self.every_ms {
            return false;
        }
        if self.busy.swap(true, Ordering::AcqRel) {
            metrics::counter!("fenghuo_evaluator_checkpoints_skipped_total").increment(1);
            return false;
        }
        self.last_ms = at_ms;
        true
    }
}

impl Writer {
    /// Takes a copy of the worker's state.
    pub fn take(&self, state: &State) {
        self.send(state, false);
    }

    /// Takes the last one; waits where one is being written.
    pub fn finish(self, state: &State) {
        self.send(state, true);
    }

    fn send(&self, state: &State, last: bool) {
        if self.parts.send(Part { worker: self.worker, last, state: state.clone() }).is_err() {
            tracing::warn!("the thread that writes checkpoints is gone; a restart will replay more");
        }
    }
}

fn write_all(inbox: &Receiver<Part>, workers: usize, checkpoints: &dyn Checkpoints, busy: &AtomicBool) {
    let mut waiting: BTreeMap<(Epoch, bool), Vec<(usize, State)>> = BTreeMap::new();
    for Part { worker, last, state } in inbox {
        let key = (state.epoch, last);
        let parts = waiting.entry(key).or_default();
        parts.push((worker, state));
        if parts.len() < workers {
            continue;
        }
        let mut parts = waiting.remove(&key).unwrap_or_default();
        parts.sort_unstable_by_key(|(worker, _)| *worker);
        write(&judge::joined(parts.into_iter().map(|(_, state)| state).collect()), checkpoints);
        if !last {
            busy.store(false, Ordering::Release);
        }
    }
}

fn write(state: &State, checkpoints: &dyn Checkpoints) {
    let bytes = model::wire::encode(state);
    metrics::gauge!("fenghuo_evaluator_checkpoint_bytes").set(bytes.len() as f64);
    match checkpoints.put(STAGE, state.epoch, &bytes) {
        Ok(()) => metrics::counter!("fenghuo_evaluator_checkpoints_total").increment(1),
        Err(error) => tracing::warn!(epoch = state.epoch, %error, "no checkpoint: a restart will replay more"),
    }
}
