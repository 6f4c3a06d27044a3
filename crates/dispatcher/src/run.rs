//! The one task that owns the schedule: it starts tries, hears how they went, and sees to their receipts.

mod tell;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use model::alert::ReceiptOutcome;
use model::{Clock, Colour, Delivery, DeliveryId, DeliveryState, Ledger, Receipt, StoreError};
use smallvec::SmallVec;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::callback::Callbacks;
use crate::channel::{Channels, Manner, Outcome, Try};
use crate::dispatcher::{ReceiptSink, RosterNow};
use crate::lane::Heard;
use crate::message::{Making, Message};
use crate::near::Surroundings;
use crate::quiet::Quiet;
use crate::retry::{self, Next};
use crate::schedule::{Admitted, Batch, Schedule};
use crate::settings::Settings;
use crate::wording::Words;
use tell::{tell, tell_breaker, tell_digest};

/// What the task works with.
pub(crate) struct Run {
    pub(crate) settings: Arc<Settings>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) receipts: Arc<dyn ReceiptSink>,
    pub(crate) channels: Arc<Channels>,
    pub(crate) words: Arc<Words>,
    pub(crate) callbacks: Option<Callbacks>,
    pub(crate) surroundings: Arc<Surroundings>,
    pub(crate) quiet: Quiet,
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
    Tried(Batch, Outcome),
    /// The journal holds the receipts; what follows.
    Recorded(Vec<(DeliveryId, After)>),
    /// The journal took none of so many receipts until the end.
    Unrecorded(usize),
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
    /// Receipts that are made and not yet on their way.
    receipts: Vec<(Receipt, After)>,
    /// Receipts that the journal does not hold yet, those included.
    recording: usize,
    scanning: bool,
    /// The ledger has what the schedule has not.
    scan_due: Option<Instant>,
    scan_failures: u32,
}

/// Runs until it is stopped.
pub(crate) async fn run(run: Run, mut hints: mpsc::Receiver<Hint>) {
    let mut state = State {
        schedule: Schedule::new(run.channels.manners(), &run.settings),
        tasks: JoinSet::new(),
        receipts: Vec::new(),
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
            Some(done) = state.tasks.join_next() => {
                run.done(&mut state, done);
                // what has ended meanwhile, too: one look at the lanes for all of it
                let ended = std::iter::from_fn(|| state.tasks.try_join_next()).take(AT_ONCE).collect::<Vec<_>>();
                ended.into_iter().for_each(|done| run.done(&mut state, done));
            }
            Some(hint) = hints.recv() => run.hinted(&mut state, hint),
            () = run.rescan.notified() => state.scan_due = Some(Instant::now()),
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
        }
    }
    // starts nothing more; what is under way may end, and its receipts go to the journal as long as it takes them
    let ending = async {
        while let Some(done) = state.tasks.join_next().await {
            run.done(&mut state, done);
            run.send_receipts(&mut state);
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
        let now_ms = self.clock.now_ms();
        let hold = |delivery: &Delivery, manner: Manner| {
            let wait = self.quiet.hold(delivery, manner, now_ms)?;
            metrics::counter!("fenghuo_dispatcher_quiet_holds_total", "channel" => manner.kind).increment(1);
            Some(wait)
        };
        for batch in state.schedule.start(now, free, hold) {
            state.tasks.spawn(self.try_once(batch, now_ms));
        }
        self.superseded(state, now_ms);
        self.send_receipts(state);
        metrics::gauge!("fenghuo_dispatcher_owed").set(state.schedule.owed() as f64);
        metrics::gauge!("fenghuo_dispatcher_in_flight").set(state.schedule.in_flight() as f64);
    }

    /// One try of what goes in one message, within its time limit; a panic of the channel is a failed try.
    fn try_once(&self, batch: Batch, now_ms: u64) -> impl Future<Output = Done> + Send + use<> {
        let (channels, words, roster) = (Arc::clone(&self.channels), Arc::clone(&self.words), (self.roster)());
        let (callbacks, surroundings) =
            (self.callbacks.clone().filter(Callbacks::has_links), Arc::clone(&self.surroundings));
        let limit = batch.iter().map(|delivery| self.settings.try_limit(delivery.about.colour())).min();
        let limit = limit.unwrap_or_default();
        async move {
            let message = |delivery: &Delivery| {
                let link = callbacks.as_ref().and_then(|callbacks| callbacks.link(delivery));
                let (roster, words, surroundings) = (&*roster, &*words, &*surroundings);
                Message::new(delivery, Making { roster, words, surroundings, link, now_ms })
            };
            let work = send(&channels, &batch, message, now_ms, limit);
            let outcome = match timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Outcome::retry("the channel panicked"),
                Err(_) => Outcome::retry(format!("no answer within {} ms", limit.as_millis())),
            };
            Done::Tried(batch, outcome)
        }
    }

    fn done(&self, state: &mut State, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Tried(batch, outcome)) => self.tried(state, &batch, &outcome),
            Ok(Done::Recorded(receipts)) => {
                state.recording -= receipts.len();
                let now = Instant::now();
                for (id, after) in receipts {
                    match after {
                        After::Settle => state.schedule.settle(&id, now),
                        After::Again(pause) => state.schedule.wait(&id, pause, now),
                    }
                }
            }
            Ok(Done::Unrecorded(receipts)) => state.recording -= receipts,
            Ok(Done::Scanned(owed)) => self.scanned(state, owed),
            // only when the runtime ends: panics are caught where they happen
            Err(error) => {
                tracing::error!(%error, "a try of a delivery was broken off: it is sent again after a restart")
            }
        }
    }

    /// Frees the place of a try, and sends a receipt for each delivery in it on its way.
    fn tried(&self, state: &mut State, batch: &Batch, outcome: &Outcome) {
        let (now, now_ms) = (Instant::now(), self.clock.now_ms());
        let Some(first) = batch.first() else { return };
        let (heard, pause) = match outcome {
            Outcome::Retry { pause, channel_works: false, .. } => (Heard::Down, *pause),
            Outcome::Retry { pause, .. } => (Heard::Works, *pause),
            Outcome::Delivered { .. } => (Heard::Works, None),
            // mostly for a reason of its own: no such mailbox, no number
            Outcome::Failed { .. } => (Heard::Nothing, None),
        };
        let most = Duration::from_secs(self.settings.retry_after_max_s);
        if let Some(open) = state.schedule.heard(&first.id, heard, pause.map(|pause| pause.min(most)), now) {
            tell_breaker(self.channels.bare(&first.channel), open, outcome);
        }
        if batch.len() > 1 {
            tell_digest(self.channels.kind(&first.channel), batch.len());
        }
        for delivery in batch {
            let tries = state.schedule.tried(&delivery.id);
            let (outcome, mut reason, after) = match outcome {
                Outcome::Delivered { reason } => (ReceiptOutcome::Delivered, reason.clone(), After::Settle),
                Outcome::Failed { reason } => (ReceiptOutcome::Failed, reason.clone(), After::Settle),
                Outcome::Retry { reason, .. } if state.schedule.has_newer(&delivery.id) => {
                    (ReceiptOutcome::Failed, format!("{reason} ({SUPERSEDED})"), After::Settle)
                }
                Outcome::Retry { reason, pause, .. } => {
                    match retry::next(delivery, tries, now_ms, *pause, &self.settings) {
                        Next::After(pause) => (ReceiptOutcome::Retry, reason.clone(), After::Again(pause)),
                        Next::GiveUp => {
                            (ReceiptOutcome::Failed, retry::given_up(delivery, tries, now_ms, reason), After::Settle)
                        }
                    }
                }
            };
            if batch.len() > 1 {
                reason.push_str(&format!(", in a digest of {}", batch.len()));
            }
            self.receipt(state, delivery, outcome, &reason, after, now_ms);
        }
        if heard == Heard::Down {
            let free = self.settings.receipts_pending_max.saturating_sub(state.recording + state.schedule.in_flight());
            let too_old = |delivery: &Delivery| retry::is_too_old(delivery, now_ms, &self.settings);
            for (delivery, tries) in state.schedule.overdue(&first.id, free, too_old) {
                let reason = retry::given_up(&delivery, tries, now_ms, "the channel has failed ever since");
                self.receipt(state, &delivery, ReceiptOutcome::Failed, &reason, After::Settle, now_ms);
            }
        }
    }

    /// Sends a receipt on its way.
    fn receipt(
        &self,
        state: &mut State,
        delivery: &Delivery,
        outcome: ReceiptOutcome,
        reason: &str,
        after: After,
        now_ms: u64,
    ) {
        tell(delivery, self.channels.kind(&delivery.channel), outcome, reason, now_ms);
        let receipt = Receipt {
            delivery: delivery.id.clone(),
            matter: delivery.matter,
            outcome,
            reason: reason.chars().take(REASON_CHARS_MAX).collect::<String>().into(),
        };
        state.recording += 1;
        state.receipts.push((receipt, after));
    }

    /// What a newer delivery goes in the place of is done.
    fn superseded(&self, state: &mut State, now_ms: u64) {
        for (delivery, _) in state.schedule.take_superseded() {
            self.receipt(state, &delivery, ReceiptOutcome::Failed, SUPERSEDED, After::Settle, now_ms);
        }
    }

    /// Sends the receipts that were made on their way, together.
    fn send_receipts(&self, state: &mut State) {
        while !state.receipts.is_empty() {
            let rest = state.receipts.split_off(state.receipts.len().min(AT_ONCE));
            let receipts = std::mem::replace(&mut state.receipts, rest);
            state.tasks.spawn(self.record(receipts));
        }
    }

    /// Submits receipts until the journal has them, or the dispatcher stops.
    fn record(&self, receipts: Vec<(Receipt, After)>) -> impl Future<Output = Done> + Send + use<> {
        let (sink, stop) = (Arc::clone(&self.receipts), self.stop.clone());
        let most = Duration::from_millis(self.settings.journal_pause_max_ms.max(1));
        async move {
            let (receipts, after): (Vec<Receipt>, Vec<After>) = receipts.into_iter().unzip();
            let mut pause = Duration::from_millis(50).min(most);
            let mut failures = 0_u32;
            while let Err(error) = sink.submit_all(&receipts).await {
                failures += 1;
                if failures == 1 {
                    tracing::debug!(count = receipts.len(), %error, "receipts wait for the journal");
                }
                if stop.is_cancelled() {
                    return Done::Unrecorded(receipts.len());
                }
                tokio::select! {
                    () = sleep(retry::jittered(pause, 20)) => {}
                    () = stop.cancelled() => {}
                }
                pause = (pause * 2).min(most);
            }
            Done::Recorded(receipts.into_iter().map(|receipt| receipt.delivery).zip(after).collect())
        }
    }

    fn hinted(&self, state: &mut State, hint: Hint) {
        match hint {
            Hint::Owed(deliveries) => self.admit(state, &deliveries),
            Hint::Listens(person) => state.schedule.hasten(&person, Instant::now()),
        }
    }

    fn admit(&self, state: &mut State, deliveries: &[Arc<Delivery>]) {
        let (now, now_ms) = (Instant::now(), self.clock.now_ms());
        let mut full = false;
        for delivery in deliveries.iter().filter(|delivery| delivery.state == DeliveryState::Owed) {
            let wait = retry::remaining(delivery, now_ms, &self.settings);
            let channel = self.channels.number(&delivery.channel);
            full |= state.schedule.admit(delivery, channel, wait, now) == Admitted::Full;
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
                owed.sort_by_key(|delivery| (delivery.about.colour() != Colour::Red, delivery.owed_ms));
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

/// Sends a batch as one message.
async fn send(
    channels: &Channels,
    batch: &Batch,
    message: impl Fn(&Delivery) -> Message,
    now_ms: u64,
    limit: Duration,
) -> Outcome {
    let name = batch.first().map_or("", |delivery| &delivery.channel);
    let Some(channel) = channels.get(name) else { return Outcome::retry(channels.missing(name)) };
    let messages: SmallVec<[Message; 1]> = batch.iter().map(|delivery| message(delivery)).collect();
    let mut attempts: SmallVec<[Try<'_>; 1]> = SmallVec::new();
    for (delivery, message) in batch.iter().zip(&messages) {
        attempts.push(Try { delivery, message, target: channels.target(&delivery.channel), now_ms, limit });
    }
    match attempts.as_slice() {
        [only] => channel.send(*only).await,
        several => channel.send_digest(several).await,
    }
}

/// Tries that ended, and receipts, that are dealt with at a time.
const AT_ONCE: usize = 256;
/// Why a delivery that was not confirmed is not tried again.
const SUPERSEDED: &str = "a newer message about the same to the same person goes in its place";
/// Characters of a receipt's reason.
const REASON_CHARS_MAX: usize = 300;
