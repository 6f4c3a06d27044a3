//! The one task that owns the schedule: it starts tries, hears how they went, and sees to their receipts.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use model::alert::ReceiptOutcome;
use model::{Clock, Colour, Delivery, DeliveryId, DeliveryState, Ledger, Receipt, StoreError};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::channel::{Channel, Outcome, Try, mqtt};
use crate::dispatcher::{ReceiptSink, RosterNow};
use crate::message::Message;
use crate::retry::{self, Next};
use crate::schedule::{Admitted, Schedule};
use crate::settings::Settings;

/// What the task works with.
pub(crate) struct Run {
    pub(crate) settings: Arc<Settings>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) receipts: Arc<dyn ReceiptSink>,
    pub(crate) channels: HashMap<Box<str>, Arc<dyn Channel>>,
    pub(crate) roster: RosterNow,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rescan: Arc<Notify>,
    pub(crate) stop: CancellationToken,
}

/// What the task is told from outside.
#[derive(Debug)]
pub(crate) enum Hint {
    /// The ledger has just begun to owe these.
    Owed(Vec<Arc<Delivery>>),
    /// The person with this code can be reached over MQTT.
    Listens(Box<str>),
}

/// What a task of this task came back with.
enum Done {
    Tried(Arc<Delivery>, Outcome),
    /// The journal holds the receipt; what follows.
    Recorded(DeliveryId, After),
    /// The journal took no receipt until the end.
    Unrecorded,
    Scanned(Result<Vec<Delivery>, StoreError>),
}

/// What follows when a receipt is journalled.
#[derive(Debug, Clone, Copy)]
enum After {
    Settle,
    Again(Duration),
}

struct State {
    schedule: Schedule,
    tasks: JoinSet<Done>,
    recording: usize,
    scanning: bool,
    /// The ledger has what the schedule has not.
    scan_due: Option<Instant>,
    scan_failures: u32,
}

/// Runs until it is stopped.
pub(crate) async fn run(run: Run, mut hints: mpsc::Receiver<Hint>) {
    let mut state = State {
        schedule: Schedule::new(run.channels.keys().map(AsRef::as_ref), &run.settings),
        tasks: JoinSet::new(),
        recording: 0,
        scanning: false,
        scan_due: Some(Instant::now()),
        scan_failures: 0,
    };
    loop {
        run.begin(&mut state);
        let wake = [state.schedule.next_wake(), state.scan_due.filter(|_| !state.scanning)].into_iter().flatten().min();
        tokio::select! {
            biased;
            () = run.stop.cancelled() => break,
            Some(done) = state.tasks.join_next() => run.done(&mut state, done),
            Some(hint) = hints.recv() => match hint {
                Hint::Owed(deliveries) => run.admit(&mut state, &deliveries),
                Hint::Listens(person) => state.schedule.hasten(mqtt::NAME, &person, Instant::now()),
            },
            () = run.rescan.notified() => state.scan_due = Some(Instant::now()),
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
        }
    }
    // starts nothing more; what is under way may end, and its receipts go to the journal as long as it takes them
    let ending = async {
        while let Some(done) = state.tasks.join_next().await {
            run.done(&mut state, done);
        }
    };
    if timeout(Duration::from_millis(run.settings.shutdown_limit_ms), ending).await.is_err() {
        tracing::info!(
            under_way = state.tasks.len(),
            "tries under way are broken off; they are sent again after the restart"
        );
    }
    state.tasks.shutdown().await;
}

impl Run {
    /// Starts what is due.
    fn begin(&self, state: &mut State) {
        let now = Instant::now();
        if !state.scanning && state.scan_due.is_some_and(|due| due <= now) {
            state.scanning = true;
            state.scan_due = Some(now + Duration::from_secs(self.settings.rescan_every_s.max(1)));
            let ledger = Arc::clone(&self.ledger);
            state.tasks.spawn(async move {
                let read = tokio::task::spawn_blocking(move || ledger.owed()).await;
                let failed = |error: tokio::task::JoinError| StoreError::Damaged {
                    doing: "read the deliveries owed",
                    reason: error.to_string(),
                };
                Done::Scanned(read.map_err(failed).and_then(|owed| owed))
            });
        }
        let free = self.settings.receipts_pending_max.saturating_sub(state.recording + state.schedule.in_flight());
        for delivery in state.schedule.start(now, free) {
            state.tasks.spawn(self.try_once(delivery));
        }
        metrics::gauge!("fenghuo_dispatcher_owed").set(state.schedule.owed() as f64);
        metrics::gauge!("fenghuo_dispatcher_in_flight").set(state.schedule.in_flight() as f64);
    }

    /// One try of one delivery, within its time limit; a panic of the channel is a failed try.
    fn try_once(&self, delivery: Arc<Delivery>) -> impl Future<Output = Done> + Send + use<> {
        let channel = self.channels.get(&delivery.channel).cloned();
        let message = Message::new(&delivery, &(self.roster)());
        let limit = self.settings.try_limit(delivery.summary.colour);
        let now_ms = self.clock.now_ms();
        async move {
            let Some(channel) = channel else {
                let reason = format!(
                    "there is no channel {:?}: name it in the settings or correct the roster",
                    delivery.channel
                );
                return Done::Tried(delivery, Outcome::Retry { reason, pause: None });
            };
            let attempt = Try { delivery: &delivery, message: &message, now_ms, limit };
            let sent = timeout(limit, AssertUnwindSafe(channel.send(attempt)).catch_unwind()).await;
            let outcome = match sent {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Outcome::retry("the channel panicked"),
                Err(_) => Outcome::retry(format!("no answer within {} ms", limit.as_millis())),
            };
            Done::Tried(delivery, outcome)
        }
    }

    fn done(&self, state: &mut State, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Tried(delivery, outcome)) => self.tried(state, delivery, outcome),
            Ok(Done::Recorded(id, after)) => {
                state.recording -= 1;
                let now = Instant::now();
                match after {
                    After::Settle => state.schedule.settle(&id, now),
                    After::Again(pause) => state.schedule.wait(&id, pause, now),
                }
            }
            Ok(Done::Unrecorded) => state.recording -= 1,
            Ok(Done::Scanned(owed)) => self.scanned(state, owed),
            // only when the runtime ends: panics are caught where they happen
            Err(error) => {
                tracing::error!(%error, "a try of a delivery was broken off: it is sent again after a restart")
            }
        }
    }

    /// Frees the place of a try, and sends its receipt on its way.
    fn tried(&self, state: &mut State, delivery: Arc<Delivery>, outcome: Outcome) {
        let (now, now_ms) = (Instant::now(), self.clock.now_ms());
        let pause = match &outcome {
            Outcome::Retry { pause, .. } => *pause,
            Outcome::Delivered { .. } | Outcome::Failed { .. } => None,
        };
        let most = Duration::from_secs(self.settings.retry_after_max_s);
        let tries = state.schedule.tried(&delivery.id, pause.map(|pause| pause.min(most)), now);
        let (outcome, reason, after) = match outcome {
            Outcome::Delivered { reason } => (ReceiptOutcome::Delivered, reason, After::Settle),
            Outcome::Failed { reason } => (ReceiptOutcome::Failed, reason, After::Settle),
            Outcome::Retry { reason, pause } => match retry::next(&delivery, tries, now_ms, pause, &self.settings) {
                Next::After(pause) => (ReceiptOutcome::Retry, reason, After::Again(pause)),
                Next::GiveUp => {
                    let age_s = now_ms.saturating_sub(delivery.owed_ms) / 1000;
                    let reason = format!("given up after {tries} tries in {age_s} s: {reason}");
                    (ReceiptOutcome::Failed, reason, After::Settle)
                }
            },
        };
        tell(&delivery, outcome, &reason, now_ms);
        let receipt = Receipt {
            delivery: delivery.id.clone(),
            alert: delivery.alert,
            outcome,
            reason: reason.chars().take(REASON_CHARS_MAX).collect::<String>().into(),
        };
        state.recording += 1;
        state.tasks.spawn(self.record(receipt, after));
    }

    /// Submits a receipt until the journal has it, or the dispatcher stops.
    fn record(&self, receipt: Receipt, after: After) -> impl Future<Output = Done> + Send + use<> {
        let (sink, stop) = (Arc::clone(&self.receipts), self.stop.clone());
        let most = Duration::from_millis(self.settings.journal_pause_max_ms.max(1));
        async move {
            let mut pause = Duration::from_millis(50).min(most);
            let mut failures = 0_u32;
            while let Err(error) = sink.submit(receipt.clone()).await {
                failures += 1;
                if failures == 1 {
                    tracing::debug!(delivery = %receipt.delivery, %error, "the receipt waits for the journal");
                }
                if stop.is_cancelled() {
                    return Done::Unrecorded;
                }
                tokio::select! {
                    () = sleep(retry::jittered(pause, 20)) => {}
                    () = stop.cancelled() => {}
                }
                pause = (pause * 2).min(most);
            }
            Done::Recorded(receipt.delivery, after)
        }
    }

    fn admit(&self, state: &mut State, deliveries: &[Arc<Delivery>]) {
        let (now, now_ms) = (Instant::now(), self.clock.now_ms());
        let mut full = false;
        for delivery in deliveries.iter().filter(|delivery| delivery.state == DeliveryState::Owed) {
            let wait = retry::remaining(delivery, now_ms, &self.settings);
            full |= state.schedule.admit(delivery, wait, now) == Admitted::Full;
        }
        if full {
            // look again soon: by then there is room, or the periodic reading comes first
            let soon = now + Duration::from_secs(if state.schedule.has_room() { 1 } else { 10 });
            state.scan_due = Some(state.scan_due.map_or(soon, |due| due.min(soon)));
        }
    }

    fn scanned(&self, state: &mut State, owed: Result<Vec<Delivery>, StoreError>) {
        state.scanning = false;
        match owed {
            Ok(mut owed) => {
                state.scan_failures = 0;
                // red first, should there be no room for all
                owed.sort_by_key(|delivery| (delivery.summary.colour != Colour::Red, delivery.owed_ms));
                let owed: Vec<_> = owed.into_iter().map(Arc::new).collect();
                self.admit(state, &owed);
            }
            Err(error) => {
                tracing::error!(%error, "the deliveries owed cannot be read; it is tried again");
                state.scan_failures += 1;
                let most = Duration::from_millis(self.settings.journal_pause_max_ms.max(1));
                let pause = Duration::from_millis(100).saturating_mul(1 << state.scan_failures.min(10)).min(most);
                state.scan_due = Some(Instant::now() + pause);
            }
        }
    }
}

/// Characters of a receipt's reason.
const REASON_CHARS_MAX: usize = 300;

fn tell(delivery: &Delivery, outcome: ReceiptOutcome, reason: &str, now_ms: u64) {
    let word = match outcome {
        ReceiptOutcome::Delivered => "delivered",
        ReceiptOutcome::Retry => "retry",
        ReceiptOutcome::Failed => "failed",
    };
    // the label is the kind of channel, of which there are few
    let kind = delivery.channel.split(':').next().unwrap_or_default().to_owned();
    metrics::counter!("fenghuo_dispatcher_tries_total", "channel" => kind.clone(), "outcome" => word).increment(1);
    if outcome == ReceiptOutcome::Delivered {
        let age_s = now_ms.saturating_sub(delivery.owed_ms) as f64 / 1000.0;
        metrics::histogram!("fenghuo_dispatcher_delivered_seconds", "channel" => kind).record(age_s);
    }
    let (id, person, channel) = (&delivery.id, &delivery.person_code, &delivery.channel);
    match outcome {
        ReceiptOutcome::Failed if delivery.summary.colour == Colour::Red => {
            tracing::error!(delivery = %id, %person, %channel, reason, "a red alert did not reach a person");
        }
        ReceiptOutcome::Failed => {
            tracing::warn!(delivery = %id, %person, %channel, reason, "a delivery failed for good")
        }
        ReceiptOutcome::Delivered | ReceiptOutcome::Retry => {
            tracing::debug!(delivery = %id, %person, %channel, outcome = word, reason, "a delivery was tried");
        }
    }
}
