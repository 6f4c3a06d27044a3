//! Starting, telling of new deliveries, and shutting down.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use model::{Clock, Delivery, DeliveryId, Ledger, Matter, Receipt, Roster};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::callback::Callbacks;
use crate::channel::{Channels, MqttPublisher, With};
use crate::quiet::Quiet;
use crate::run::{self, Hint, Run};
use crate::settings::Settings;
use crate::wording::Words;

/// Gives the roster in force.
pub type RosterNow = Arc<dyn Fn() -> Arc<Roster> + Send + Sync>;

/// Puts receipts into the journal.
#[async_trait]
pub trait ReceiptSink: Send + Sync + 'static {
    /// Returns when the journal holds the receipt.
    ///
    /// # Errors
    /// [`SinkClosed`] when it does not; the same receipt is then submitted again later.
    async fn submit(&self, receipt: Receipt) -> Result<(), SinkClosed>;

    /// As [`ReceiptSink::submit`], for several: returns when the journal holds all of them.
    ///
    /// # Errors
    /// [`SinkClosed`] when it does not hold the last ones; all are then submitted again later.
    async fn submit_all(&self, receipts: &[Receipt]) -> Result<(), SinkClosed> {
        futures::future::try_join_all(receipts.iter().map(|receipt| self.submit(receipt.clone()))).await.map(|_| ())
    }
}

/// The journal took no receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the journal takes no receipts")]
pub struct SinkClosed;

/// What a dispatcher works with.
pub struct Parts {
    pub settings: Settings,
    pub ledger: Arc<dyn Ledger>,
    pub receipts: Arc<dyn ReceiptSink>,
    pub mqtt: Arc<dyn MqttPublisher>,
    pub roster: RosterNow,
    pub clock: Arc<dyn Clock>,
    /// The station's address as people's browsers reach it, `https://fire.example.org`, for the links in messages; empty: none.
    pub public_url: String,
}

/// Why a dispatcher could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("two channels are named {0:?}: give each a name of its own")]
    Twice(String),
    #[error("{channel}: {reason}")]
    Channel { channel: String, reason: String },
    #[error("{key}: {reason}")]
    Setting { key: &'static str, reason: String },
    #[error("{0} must not be 0")]
    Zero(&'static str),
}

/// The dispatcher: see [`Dispatcher::start`].
pub struct Dispatcher;

impl Dispatcher {
    /// Starts delivering; call it inside a tokio runtime. It reads what is owed from the ledger by itself.
    ///
    /// # Errors
    /// [`StartError`] when the settings make no sense.
    pub fn start(parts: Parts) -> Result<Handle, StartError> {
        let Parts { settings, ledger, receipts, mqtt, roster, clock, public_url } = parts;
        for (value, name) in [
            (settings.hints_max, "hints_max"),
            (settings.owed_max, "owed_max"),
            (settings.in_flight_max, "in_flight_max"),
            (settings.in_flight_per_channel_max, "in_flight_per_channel_max"),
            (settings.receipts_pending_max, "receipts_pending_max"),
            (settings.breaker_failures as usize, "breaker_failures"),
        ] {
            if value == 0 {
                return Err(StartError::Zero(name));
            }
        }
        let callbacks = Callbacks::new(settings.callback_secret.as_ref(), &public_url)?;
        let channels =
            Arc::new(Channels::open(&With { settings: &settings, mqtt: &mqtt, callbacks: callbacks.as_ref() })?);
        let (words, quiet) = (Arc::new(Words::new(&settings.wording)?), Quiet::new(&settings)?);
        let settings = Arc::new(settings);
        let (hints, hinted) = mpsc::channel(settings.hints_max);
        let (rescan, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let run = Run {
            settings,
            ledger,
            receipts,
            channels,
            words,
            callbacks: callbacks.clone(),
            surroundings: Arc::default(),
            quiet,
            roster,
            clock,
            rescan: Arc::clone(&rescan),
            stop: stop.clone(),
        };
        let task = tokio::spawn(run::run(run, hinted));
        let (task, _stop_on_drop) = (Mutex::new(Some(task)), stop.clone().drop_guard());
        let inner = Inner { hints, rescan, callbacks, stop, _stop_on_drop, task };
        Ok(Handle(Arc::new(inner)))
    }
}

/// A running dispatcher. When the last clone is dropped, it stops as after [`Handle::shutdown`].
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

struct Inner {
    hints: mpsc::Sender<Hint>,
    rescan: Arc<Notify>,
    callbacks: Option<Callbacks>,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    /// Tells of deliveries that the ledger has just begun to owe. Never blocks: what finds no room is read from the ledger.
    /// Those that are known already are ignored, so the new state of a delivery may be told too.
    pub fn owe(&self, deliveries: &[Arc<Delivery>]) {
        if deliveries.is_empty() {
            return;
        }
        if self.0.hints.try_send(Hint::Owed(deliveries.to_vec())).is_err() {
            metrics::counter!("fenghuo_dispatcher_hints_dropped_total").increment(1);
            self.0.rescan.notify_one();
        }
    }

    /// Tells that a person can be reached over MQTT again: what waits for a further try there is tried at once. Never blocks: a
    /// hint that finds no room is dropped, and the try comes when it is due.
    pub fn listens(&self, person_code: &str) {
        if self.0.hints.try_send(Hint::Listens(person_code.into())).is_err() {
            metrics::counter!("fenghuo_dispatcher_hints_dropped_total").increment(1);
        }
    }

    /// The delivery that a gateway says a person has confirmed, by the token that went out with it as `{callback}`; `None`: the
    /// token is not ours. Whether it still waits for anybody is for the desk to say.
    pub fn confirmed(&self, token: &str) -> Option<(Matter, DeliveryId)> {
        self.0.callbacks.as_ref().and_then(|callbacks| callbacks.read(token))
    }

    /// Starts nothing new, lets what is under way end within the limit of the settings, and stops. What is still owed stays
    /// so in the ledger.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        let task = self.0.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the dispatcher's task ended badly: what is owed is delivered after a restart");
        }
    }
}
