//! The auditor: watches those who watch.
//!
//! A thread of its own, with a runtime and an HTTP client of its own, reads what is on record and the clock, and works out
//! what should have happened by now: the next step of every open alert, deliveries that were never tried, commits that are
//! not judged, ticks that do not come, a clock that jumps. It needs neither the desk nor the dispatcher to be well, and
//! tells by the log, by its measures, by `/readyz`, and by channels of its own. The [`heartbeat`] is its word to
//! the outside: as long as the pipeline lives, and not one moment longer.

mod heartbeat;
mod look;
mod tell;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alerts::{AuditLimits, Late};
use anyhow::{Context, Result, anyhow};
use dispatcher::Webhook;
use model::{Alert, Clock, Cursor, Delivery, Epoch, Journal, Ledger, StoreError};
use serde::{Deserialize, Serialize};
use store::Store;
use tokio_util::sync::CancellationToken;

use heartbeat::Heart;
pub use heartbeat::Heartbeat;
use look::Looker;
use tell::Teller;

/// What the auditor looks at, and how late is late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auditor {
    /// It looks so often, s.
    pub every_s: u64,
    /// A step of a ladder is late so long after it was due, s.
    pub step_s: u64,
    /// A red delivery is late when it was not tried for so long, s.
    pub red_untried_s: u64,
    /// Any other delivery, s; quiet hours and budgets may hold those.
    pub untried_s: u64,
    /// Ticks that do not come, or commits that are not judged, for so long are a pipeline that does not work, s.
    pub pipeline_s: u64,
    /// A wall clock that runs away from the machine's own by so much between two looks has jumped, s.
    pub clock_step_s: u64,
    /// What stays late is told again so often, s.
    pub repeat_s: u64,
    /// Ways to tell: `console`, `webhook:<name>` of the dispatcher's webhooks (by a client of its own).
    pub tell: Vec<String>,
}

impl Default for Auditor {
    fn default() -> Self {
        Auditor {
            every_s: 10,
            step_s: 15,
            red_untried_s: 60,
            untried_s: 43_200,
            pipeline_s: 15,
            clock_step_s: 5,
            repeat_s: 300,
            tell: vec!["console".into()],
        }
    }
}

impl Auditor {
    fn limits(&self) -> AuditLimits {
        AuditLimits { step_s: self.step_s, red_untried_s: self.red_untried_s, untried_s: self.untried_s }
    }

    /// What is wrong with the settings.
    ///
    /// # Errors
    /// The key, and what it should be.
    pub fn check(&self) -> Result<(), String> {
        if self.every_s == 0 || self.pipeline_s < 2 {
            return Err("every_s must be at least 1, and pipeline_s at least 2: there is a tick each second".into());
        }
        Ok(())
    }
}

/// What is on record.
#[derive(Debug, Default)]
pub struct Seen {
    /// Newest commit of the journal, and its time.
    pub committed: Epoch,
    pub committed_ms: u64,
    /// Newest commit that is judged and in the ledger.
    pub applied: Epoch,
    pub cursor: Cursor,
    pub open: Vec<Alert>,
    pub owed: Vec<Delivery>,
}

/// Reads what is on record.
pub type Read = Box<dyn Fn() -> Result<Seen, StoreError> + Send>;

/// What the auditor found at one look.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    pub at_ms: u64,
    pub committed: Epoch,
    pub applied: Epoch,
    pub cursor: Cursor,
    pub open_alerts: usize,
    /// Of the pipeline: name of the check, and what is wrong.
    pub faults: Vec<(&'static str, String)>,
    pub late: Vec<Late>,
}

impl Verdict {
    /// Whether ticks are committed and judged.
    pub fn is_alive(&self) -> bool {
        self.faults.iter().all(|(name, _)| *name == "clock")
    }

    /// Whether there is nothing to say.
    pub fn is_well(&self) -> bool {
        self.faults.is_empty() && self.late.is_empty()
    }

    /// Whether alerts are carried: the part that decides readiness. Deliveries that a channel does not take do not count.
    fn carries(&self) -> Result<(), String> {
        let of_pipeline = self.faults.iter().filter(|(name, _)| *name != "clock");
        let first = of_pipeline.map(|(name, what)| format!("{name}: {what}")).next();
        let of_desk = self.late.iter().filter(|late| late.kind != alerts::LateKind::Delivery);
        let step = of_desk.map(|late| late.detail.clone()).next();
        first.or(step).map_or(Ok(()), Err)
    }
}

/// The running auditor; it ends with the station, or when this is dropped.
pub struct Auditing {
    newest: Arc<Mutex<Verdict>>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// Starts the auditor over a station's store.
///
/// # Errors
/// Settings that cannot be used; no thread.
pub fn start(
    settings: (&Auditor, &Heartbeat, &[Webhook]),
    store: &Arc<Store>,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
) -> Result<Auditing> {
    let store = Arc::clone(store);
    let read = Box::new(move || read_store(&store));
    start_with(settings, read, clock, stop)
}

fn read_store(store: &Store) -> Result<Seen, StoreError> {
    let committed = store.last_epoch();
    let newest = if committed == 0 { None } else { store.read(committed).next().transpose()? };
    Ok(Seen {
        committed,
        committed_ms: newest.map_or(0, |commit| commit.at_ms),
        applied: store.applied(),
        cursor: store.newest_cursor(),
        open: store.open_alerts()?,
        owed: store.owed()?,
    })
}

fn start_with(
    (settings, heartbeat, webhooks): (&Auditor, &Heartbeat, &[Webhook]),
    read: Read,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
) -> Result<Auditing> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    let teller =
        Teller::open(&settings.tell, webhooks, settings.repeat_s).map_err(|what| anyhow!("[auditor] tell: {what}"))?;
    let heart = Heart::open(heartbeat).map_err(|what| anyhow!("[heartbeat] {what}"))?;
    drop(_inside);
    let newest = Arc::new(Mutex::new(Verdict::default()));
    let run = Run {
        looker: Looker::new(settings.clone()),
        read,
        clock: Arc::clone(clock),
        teller,
        heart,
        newest: Arc::clone(&newest),
    };
    let (stop, every) = (stop.child_token(), Duration::from_secs(settings.every_s));
    let until = stop.clone();
    let thread = std::thread::Builder::new()
        .name("auditor".to_owned())
        .spawn(move || runtime.block_on(run.run(every, until)))
        .context("starting the auditor")?;
    Ok(Auditing { newest, stop, thread: Some(thread) })
}

impl Auditing {
    /// For `/readyz`: what the newest look found.
    pub fn check(&self) -> impl Fn() -> Result<(), String> + Send + Sync + use<> {
        let newest = Arc::clone(&self.newest);
        move || newest.lock().unwrap_or_else(PoisonError::into_inner).carries()
    }
}

impl Drop for Auditing {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the auditor's thread panicked: nobody watched since");
        }
    }
}

struct Run {
    looker: Looker,
    read: Read,
    clock: Arc<dyn Clock>,
    teller: Teller,
    heart: Option<Heart>,
    newest: Arc<Mutex<Verdict>>,
}

impl Run {
    async fn run(mut self, every: Duration, stop: CancellationToken) {
        let mut due = tokio::time::interval(every);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = due.tick() => {}
            }
            let verdict = self.looker.look((self.read)(), self.clock.now_ms(), Instant::now());
            measure(&verdict);
            *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = verdict.clone();
            let work = async {
                self.teller.tell(&verdict).await;
                if let Some(heart) = &mut self.heart {
                    heart.beat(&verdict).await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = work => {}
            }
        }
    }
}

fn measure(verdict: &Verdict) {
    for kind in alerts::LateKind::ALL {
        let count = verdict.late.iter().filter(|late| late.kind == kind).count();
        metrics::gauge!("fenghuo_auditor_late", "kind" => kind.word()).set(count as f64);
    }
    metrics::gauge!("fenghuo_auditor_faults").set(verdict.faults.len() as f64);
    metrics::gauge!("fenghuo_auditor_looked_seconds").set(verdict.at_ms as f64 / 1000.0);
}

#[cfg(test)]
mod tests;
