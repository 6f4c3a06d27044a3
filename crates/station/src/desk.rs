//! The desk's thread: turns what the evaluator found into the ledger, then tells those who wait for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use alerts::{Desk, Turn};
use command_centre::View;
use dispatcher::Handle as Dispatcher;
use model::{CommandId, CommandOutcome, DeliveryState, Epoch, Evaluated, Ledger, OrderOutcome, StoreError};
use tokio::sync::oneshot;

/// Judged commits that wait for the desk; the evaluator waits when there are more.
pub const QUEUE: usize = 64;
/// Pauses between two tries of a ledger commit that failed.
const RETRY: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];

/// Callers of the API that wait for what the desk makes of their command or order.
#[derive(Debug)]
pub struct Waiting<T>(Mutex<HashMap<CommandId, Vec<oneshot::Sender<T>>>>);

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Waiting(Mutex::default())
    }
}

impl<T: Clone> Waiting<T> {
    /// Announces a command before it is submitted.
    pub fn expect(&self, id: CommandId) -> oneshot::Receiver<T> {
        let (tell, told) = oneshot::channel();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // callers that gave up leave nothing behind
        waiting.retain(|_, callers| {
            callers.retain(|caller| !caller.is_closed());
            !callers.is_empty()
        });
        waiting.entry(id).or_default().push(tell);
        told
    }

    fn tell(&self, outcomes: Vec<T>, id: impl Fn(&T) -> &CommandId) {
        if outcomes.is_empty() {
            return;
        }
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for outcome in outcomes {
            for caller in waiting.remove(id(&outcome)).into_iter().flatten() {
                // a caller that gave up meanwhile reads the alert's history
                let _ = caller.send(outcome.clone());
            }
        }
    }
}

/// What the desk's thread tells.
pub struct Listeners {
    pub ledger: Arc<dyn Ledger>,
    pub view: Arc<View>,
    pub waiting: Arc<Waiting<CommandOutcome>>,
    pub orders: Arc<Waiting<OrderOutcome>>,
    pub dispatcher: Arc<std::sync::OnceLock<Dispatcher>>,
    /// Last commit that is in the ledger and told.
    pub done: Arc<AtomicU64>,
}

/// Starts the thread. It ends when the sender is dropped and everything sent is done.
///
/// # Errors
/// When the system gives no thread.
pub fn start(desk: Desk, listeners: Listeners) -> std::io::Result<(SyncSender<Evaluated>, JoinHandle<()>)> {
    let (to_desk, judged) = sync_channel(QUEUE);
    let thread = std::thread::Builder::new().name("desk".to_owned()).spawn(move || {
        let guard = AbortOnPanic;
        run(desk, &judged, &listeners);
        std::mem::forget(guard);
    })?;
    Ok((to_desk, thread))
}

/// A dead desk would leave the others waiting for ever, silently.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        tracing::error!("the desk's thread panicked: the process ends, the restart replays the journal's tail");
        std::process::abort();
    }
}

fn run(mut desk: Desk, judged: &Receiver<Evaluated>, listeners: &Listeners) {
    while let Ok(evaluated) = judged.recv() {
        let Turn { batch, outcomes, order_outcomes } = desk.step(&evaluated);
        let epoch: Epoch = evaluated.step.commit.epoch;
        keep(&*listeners.ledger, &batch);
        listeners.view.apply(&batch, &evaluated.step.roster, &evaluated.devices);
        listeners.waiting.tell(outcomes, |outcome| &outcome.id);
        listeners.orders.tell(order_outcomes, |outcome| &outcome.id);
        if let Some(dispatcher) = listeners.dispatcher.get() {
            let owed: Vec<_> =
                batch.deliveries.iter().filter(|delivery| delivery.state == DeliveryState::Owed).cloned().collect();
            dispatcher.owe(&owed);
        }
        listeners.done.store(epoch, Ordering::Release);
        metrics::gauge!("fenghuo_desk_epoch").set(epoch as f64);
    }
}

/// Commits to the ledger; tries for ever, since the alerts in the batch must not be lost and nothing can go on without.
fn keep(ledger: &dyn Ledger, batch: &model::LedgerBatch) {
    for attempt in 0.. {
        match ledger.commit(batch) {
            Ok(()) => return,
            Err(error @ StoreError::OutOfOrder { .. }) => {
                panic!("the ledger and the desk disagree about the order of commits: {error}")
            }
            Err(error) => {
                tracing::error!(%error, epoch = batch.epoch, "alerts wait: the ledger does not take them");
                let pause = RETRY[attempt.min(RETRY.len() - 1)];
                std::thread::park_timeout(pause);
            }
        }
    }
}
