//! Checkpoints are written by a thread of their own: the worker only takes a cheap copy of its state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use model::Checkpoints;

use crate::STAGE;
use crate::state::State;

/// The thread that writes checkpoints. One at a time; while one is being written, others are skipped.
pub(crate) struct Writer {
    queue: Option<SyncSender<State>>,
    busy: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    every_ms: u64,
    last_ms: u64,
}

impl Writer {
    pub fn start(checkpoints: Arc<dyn Checkpoints>, every_ms: u64) -> std::io::Result<Writer> {
        let (queue, states) = sync_channel::<State>(1);
        let busy = Arc::new(AtomicBool::new(false));
        let writing = Arc::clone(&busy);
        let thread = std::thread::Builder::new().name("evaluator-checkpoint".into()).spawn(move || {
            for state in states {
                write(&state, &*checkpoints);
                drop(state);
                writing.store(false, Ordering::Release);
            }
        })?;
        Ok(Writer { queue: Some(queue), busy, thread: Some(thread), every_ms, last_ms: 0 })
    }

    /// Takes a copy of the state when it is time to, and nothing is being written.
    pub fn consider(&mut self, state: &State) {
        if state.at_ms.saturating_sub(self.last_ms) < self.every_ms {
            return;
        }
        if self.busy.swap(true, Ordering::AcqRel) {
            metrics::counter!("fenghuo_evaluator_checkpoints_skipped_total").increment(1);
            return;
        }
        self.last_ms = state.at_ms;
        let queue = self.queue.as_ref().expect("it is taken at the end only");
        if queue.try_send(state.clone()).is_err() {
            tracing::warn!("the thread that writes checkpoints is gone; a restart will replay more");
        }
    }

    /// Waits for the checkpoint that is being written, then writes the last one.
    pub fn finish(mut self, state: &State) {
        let Some(queue) = self.queue.take() else { return };
        // waits while one is being written; an error means that the thread is gone, and it said why
        let _ = queue.send(state.clone());
        drop(queue);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the thread that writes checkpoints panicked; a restart will replay more");
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
