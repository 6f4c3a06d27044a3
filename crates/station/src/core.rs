//! What follows from the journal: store, evaluator, desk, view, and how they are brought up and brought to an end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use command_centre::View;
use evaluator::risk::Board;
use evaluator::{Evaluator, Inspector, Liveness};
use model::{Checkpoints, CommandOutcome, Entry, Epoch, Journal, Ledger, OrderOutcome, Roster, Step};
use store::Store;

use crate::access::Gate;
use crate::config::Config;
use crate::desk::{self, Listeners, Waiting};
use crate::front::{AlertLog, Kept};

/// The pipeline's threads are looked at so often.
const THREADS_EVERY: Duration = Duration::from_millis(500);
/// Commits on their way from ingest to the evaluator.
pub const STEPS: usize = 64;

/// What follows from the journal: store, evaluator, desk, view, brought up to the journal's last commit.
pub struct Core {
    pub store: Arc<Store>,
    pub view: Arc<View>,
    pub waiting: Arc<Waiting<CommandOutcome>>,
    pub orders: Arc<Waiting<OrderOutcome>>,
    pub done: Arc<AtomicU64>,
    pub dispatcher: Arc<OnceLock<dispatcher::Handle>>,
    pub liveness: Arc<Liveness>,
    pub risk: Arc<Board>,
    pub inspector: Inspector,
    /// Rules in force, as the journal has them; `None`: it never had any.
    pub rules: Option<String>,
    pub restored: Option<ingest::Restored>,
    pub steps: Option<std::sync::mpsc::SyncSender<Step>>,
    evaluation: JoinHandle<Result<()>>,
    desk: JoinHandle<()>,
}

impl Core {
    pub fn start(config: &Config) -> Result<Core> {
        let store = Arc::new(Store::open(&config.station.data, config.store.clone())?);
        let restored = ingest::restore(&*store, &*store, &config.ingest)?;
        let desk = alerts::Desk::restore(alerts::Policy::default(), &*store)?;
        // the evaluator begins where the ledger has everything that follows from what came before
        let checkpoint = store.newest(evaluator::STAGE, store.applied())?;
        let from = checkpoint.as_ref().map_or(0, |(epoch, _)| *epoch);
        if from == 0 && store.first_epoch() > 1 {
            bail!(
                "the journal begins with commit {} and there is no checkpoint to begin with: restore a backup",
                store.first_epoch()
            );
        }
        let roster = ingest::roster_at(&*store, &*store, from)?;
        let view = Arc::new(View::load(&*store, Arc::clone(&restored.roster), &config.http)?);
        let (waiting, orders) = (Arc::default(), Arc::default());
        let (done, dispatcher) = (Arc::new(AtomicU64::new(from)), Arc::default());
        let listeners = Listeners {
            ledger: Arc::clone(&store) as _,
            view: Arc::clone(&view),
            waiting: Arc::clone(&waiting),
            orders: Arc::clone(&orders),
            dispatcher: Arc::clone(&dispatcher),
            done: Arc::clone(&done),
        };
        let (to_desk, desk) = desk::start(desk, listeners)?;
        let out = Box::new(move |evaluated| {
            // a desk that is gone ends the process by its own guard
            let _ = to_desk.send(evaluated);
        });
        // nothing follows from the commits before the first one but by the journal: rules begin with the defaults
        let rules = evaluator::Rules::default();
        let evaluator = Evaluator::start(config.evaluator.clone(), rules, checkpoint, out, Arc::clone(&store) as _)
            .context("starting the evaluator")?;
        let replayed = replay(&store, &evaluator, from, roster)?;
        let rules = replayed.or_else(|| (from > 0).then(|| evaluator.rules_at_start().to_owned()));
        while done.load(Ordering::Acquire) < store.last_epoch() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let (liveness, risk, inspector) = (evaluator.liveness(), evaluator.risk(), evaluator.inspector());
        let (steps, inlet) = sync_channel(STEPS);
        let evaluation =
            std::thread::Builder::new().name("to-evaluator".to_owned()).spawn(move || forward(&inlet, evaluator))?;
        Ok(Core {
            store,
            view,
            waiting,
            orders,
            done,
            dispatcher,
            liveness,
            risk,
            inspector,
            rules,
            restored: Some(restored),
            steps: Some(steps),
            evaluation,
            desk,
        })
    }

    /// What the listener works with.
    pub fn front_door(&self, gate: &Arc<Gate>) -> broker::Parts {
        let log = AlertLog::new(Arc::clone(&self.view), Arc::clone(&self.store) as _);
        broker::Parts {
            access: Arc::clone(gate) as _,
            vault: Some(Arc::new(Kept(Arc::clone(&self.store)))),
            log: Some(Arc::new(log)),
            closed_at_first: true,
        }
    }

    /// Returns when a thread of the pipeline has ended, which none does by itself.
    pub async fn broken(&self) {
        let mut due = tokio::time::interval(THREADS_EVERY);
        while !self.evaluation.is_finished() && !self.desk.is_finished() {
            due.tick().await;
        }
    }

    /// Waits until everything that ingest handed on is judged and in the ledger.
    pub fn finish(self) -> Result<()> {
        drop(self.steps);
        self.evaluation.join().map_err(|_| anyhow!("the way to the evaluator broke"))??;
        self.desk.join().map_err(|_| anyhow!("the desk broke"))?;
        tracing::info!(
            epoch = self.store.last_epoch(),
            applied = self.store.applied(),
            "stopped: everything received is judged and kept"
        );
        Ok(())
    }
}

/// The journal's tail once more through evaluator and desk; what the ledger has already, the desk skips. The last rules in
/// it that can be used.
fn replay(
    store: &Store,
    evaluator: &evaluator::Handle,
    from: Epoch,
    mut roster: Arc<Roster>,
) -> Result<Option<String>> {
    let (mut replayed, mut rules) = (0_u64, None);
    for commit in store.read(from + 1) {
        let commit = Arc::new(commit?);
        for entry in &commit.entries {
            match entry {
                Entry::Roster(change) => roster = Arc::new(roster.after(change, commit.epoch)),
                Entry::Rules(text) if evaluator::Rules::parse(text).is_ok() => rules = Some(text.to_string()),
                _ => {}
            }
        }
        evaluator.submit(Step { commit, roster: Arc::clone(&roster) })?;
        replayed += 1;
    }
    tracing::info!(from, replayed, "replayed the journal's tail");
    Ok(rules)
}

fn forward(steps: &Receiver<Step>, evaluator: evaluator::Handle) -> Result<()> {
    while let Ok(step) = steps.recv() {
        evaluator.submit(step)?;
    }
    evaluator.finish()?;
    Ok(())
}
