//! Takes from the inlets what waits there, alarms first.

use broker::{Inbound, Inlets, SessionEvent};
use model::Epoch;
use model::journal::Entry;
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::settings::Settings;
use crate::submission::{SubmitError, Submitted};

/// The stage's ends of all lanes.
pub(super) struct Lanes {
    inlets: Inlets,
    internal: mpsc::Receiver<Submitted>,
    urgent_open: bool,
    normal_open: bool,
    sessions_open: bool,
    internal_open: bool,
}

/// What goes into the next commit; the vectors keep their room.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) urgent: Vec<Inbound>,
    pub(super) submitted: Vec<Submitted>,
    pub(super) sessions: Vec<SessionEvent>,
    pub(super) normal: Vec<Inbound>,
}

impl Gathered {
    /// About so many readings will come of it: most telemetry has two or three values.
    pub(super) fn readings_hint(&self) -> usize {
        self.normal.iter().map(|batch| batch.messages.len()).sum::<usize>() * 3
    }
}

impl Lanes {
    pub(super) fn new(inlets: Inlets, internal: mpsc::Receiver<Submitted>) -> Lanes {
        Lanes { inlets, internal, urgent_open: true, normal_open: true, sessions_open: true, internal_open: true }
    }

    /// Whether nothing more will come from outside.
    pub(super) fn closed(&self) -> bool {
        self.inlets.urgent.is_closed() && self.inlets.normal.is_closed() && self.inlets.sessions.is_closed()
    }

    /// Waits until something is there or the tick is due, then takes what is there, up to the limits. False: this was the
    /// last, all inlets are closed and empty.
    pub(super) async fn gather(&mut self, settings: &Settings, next_tick: Instant, into: &mut Gathered) -> bool {
        let Lanes { inlets, internal, .. } = self;
        tokio::select! {
            biased;
            first = inlets.urgent.recv(), if self.urgent_open => note(first, &mut into.urgent, &mut self.urgent_open),
            first = internal.recv(), if self.internal_open => note(first, &mut into.submitted, &mut self.internal_open),
            first = inlets.sessions.recv(), if self.sessions_open => {
                note(first, &mut into.sessions, &mut self.sessions_open);
            }
            first = inlets.normal.recv(), if self.normal_open => note(first, &mut into.normal, &mut self.normal_open),
            () = tokio::time::sleep_until(next_tick) => {}
        }
        if !(self.urgent_open || self.normal_open || self.sessions_open) {
            // the devices are gone: nothing may be submitted any more, and what was is taken
            self.internal.close();
            drain(&mut self.internal, &mut into.submitted, usize::MAX);
            return false;
        }
        drain_batches(&mut self.inlets.urgent, &mut into.urgent, settings);
        drain(&mut self.internal, &mut into.submitted, settings.submissions_queue);
        drain(&mut self.inlets.sessions, &mut into.sessions, settings.batch_messages_max);
        drain_batches(&mut self.inlets.normal, &mut into.normal, settings);
        true
    }

    /// Tells how full the lanes are.
    pub(super) fn measure(&self) {
        for (lane, waiting) in [
            ("urgent", self.inlets.urgent.len()),
            ("normal", self.inlets.normal.len()),
            ("sessions", self.inlets.sessions.len()),
            ("internal", self.internal.len()),
        ] {
            metrics::gauge!("fenghuo_ingest_lane_waiting", "lane" => lane).set(waiting as f64);
        }
    }
}

fn note<T>(first: Option<T>, into: &mut Vec<T>, open: &mut bool) {
    match first {
        Some(item) => into.push(item),
        None => *open = false,
    }
}

fn drain<T>(inlet: &mut mpsc::Receiver<T>, into: &mut Vec<T>, limit: usize) {
    while into.len() < limit {
        match inlet.try_recv() {
            Ok(item) => into.push(item),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
        }
    }
}

fn drain_batches(inlet: &mut mpsc::Receiver<Inbound>, into: &mut Vec<Inbound>, settings: &Settings) {
    let weigh = |batch: &Inbound| {
        let bytes: usize = batch.messages.iter().map(|message| message.payload.len()).sum();
        (batch.messages.len(), bytes)
    };
    let (mut messages, mut bytes) = into.first().map_or((0, 0), weigh);
    while messages < settings.batch_messages_max && bytes < settings.batch_bytes_max {
        let Ok(batch) = inlet.try_recv() else { return };
        let (more_messages, more_bytes) = weigh(&batch);
        messages += more_messages;
        bytes += more_bytes;
        into.push(batch);
    }
}

/// A session's gain or loss as the journal keeps it.
pub(super) fn session_entry(event: SessionEvent) -> Entry {
    match event {
        SessionEvent::Up { identity, client_id, .. } => Entry::Session {
            identity: (&*identity).into(),
            client_id: (&*client_id).into(),
            up: true,
            cause: "".into(),
        },
        SessionEvent::Down { identity, client_id, cause, .. } => Entry::Session {
            identity: (&*identity).into(),
            client_id: (&*client_id).into(),
            up: false,
            cause: cause.as_str().into(),
        },
    }
}

/// Tells a submitter, who may have stopped waiting.
pub(super) fn tell(reply: oneshot::Sender<Result<Epoch, SubmitError>>, result: Result<Epoch, SubmitError>) {
    let _ = reply.send(result);
}
