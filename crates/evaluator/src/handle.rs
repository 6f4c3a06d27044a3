//! The entry: starts the worker, takes commits in, ends.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use model::{Checkpoints, Epoch, Evaluated, Step};
use timely::scheduling::activate::SyncActivator;

use crate::checkpoint;
use crate::dataflow::{self, Ends, Worker};
use crate::ferry::Ferry;
use crate::judge::{Judge, RestoreError, Share};
use crate::liveness::Liveness;
use crate::risk::Board;
use crate::rollup::Rollup;
use crate::rules::Rules;
use crate::settings::Settings;
use crate::watchdog::{Abort, Flow, Guard, abort_process};
use crate::why::{Inquiries, Inspector};

/// Why the evaluator did not start.
#[derive(Debug, thiserror::Error)]
pub enum EvaluatorError {
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error("the checkpoint is said to be of commit {said} and is of {is}; start without it")]
    Epoch { said: Epoch, is: Epoch },
    #[error("workers = {0} must be 1 to {most}", most = Settings::WORKERS_MAX)]
    Workers(usize),
    #[error("no thread can be started for the evaluator: {0}. Look at the limit of processes")]
    Thread(#[from] std::io::Error),
    #[error("the evaluator's worker ended while it was being started; the log says why")]
    Ended,
}

/// The worker has ended: no commit is taken in any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the evaluator's worker has ended; the process must start again")]
pub struct Stopped;

/// Starts the stage.
pub struct Evaluator;

impl Evaluator {
    /// Starts the workers.
    ///
    /// `rules` are those in force before the first commit; with `restore`, those of the checkpoint are in force instead.
    /// `restore` is a checkpoint as [`Checkpoints::newest`] gives it; the first commit submitted must be the one after it.
    /// What follows from commits up to the checkpoint is not told again: take one that is not newer than what the ledger
    /// has applied. `out` is called on the first worker, in the order of the commits, once for each; it may block, and then
    /// [`Handle::submit`] does in the end.
    ///
    /// # Errors
    /// [`EvaluatorError`] when the checkpoint cannot be used (start again without it), the settings make no sense or no
    /// thread can be had.
    pub fn start(
        settings: Settings,
        rules: Rules,
        restore: Option<(Epoch, Vec<u8>)>,
        out: Box<dyn FnMut(Evaluated) + Send>,
        checkpoints: Arc<dyn Checkpoints>,
    ) -> Result<Handle, EvaluatorError> {
        Evaluator::start_with(settings, rules, restore, out, checkpoints, abort_process())
    }

    /// As [`Evaluator::start`], with something else in the place of ending the process.
    ///
    /// # Errors
    /// As [`Evaluator::start`].
    pub fn start_with(
        settings: Settings,
        rules: Rules,
        restore: Option<(Epoch, Vec<u8>)>,
        out: Box<dyn FnMut(Evaluated) + Send>,
        checkpoints: Arc<dyn Checkpoints>,
        abort: Abort,
    ) -> Result<Handle, EvaluatorError> {
        let workers = settings.workers;
        if !(1..=Settings::WORKERS_MAX).contains(&workers) {
            return Err(EvaluatorError::Workers(workers));
        }
        let judges = judges(rules, restore, workers)?;
        let liveness = Arc::<Liveness>::default();
        for judge in &judges {
            liveness.take_all(judge.state(), judge.share());
        }
        let board = Arc::new(Board::new(workers));
        for judge in &judges {
            let (state, worker) = (judge.state(), judge.share().worker);
            board.take(worker, state.at_ms, judge.risk_version(), &state.trends);
        }
        let rules_at_start = judges[0].state().rules.as_str().into();
        let flow = Arc::new(Flow::new(settings.epochs_in_flight_max, workers));
        let every_ms = settings.checkpoint_every_s.saturating_mul(1000);
        let (clock, writers, checkpoint) = checkpoint::start(checkpoints, every_ms, workers)?;
        // as many as may be in flight: sending never waits, entering does
        let (steps, inbox) = sync_channel::<Step>(settings.epochs_in_flight_max.max(1));
        let (ready, activator) = sync_channel(1);
        let rollup = Rollup::of(judges.iter().flat_map(Judge::counted));
        let mut ends = Some(Ends { inbox, ready, clock, rollup, out });
        let ferry = Arc::new(Ferry::new(workers));
        let inquiries = Inquiries::new(workers);
        let inspector = Inspector::new(Arc::clone(&inquiries));
        let each = judges.into_iter().zip(writers).map(|(judge, writer)| {
            let guard = Guard { flow: Arc::clone(&flow), abort: Arc::clone(&abort) };
            let (flow, liveness, ferry) = (Arc::clone(&flow), Arc::clone(&liveness), Arc::clone(&ferry));
            let (inquiries, board) = (Arc::clone(&inquiries), Arc::clone(&board));
            (Worker { judge, writer, flow, liveness, board, ferry, inquiries, ends: ends.take() }, guard)
        });
        let each = each.collect();
        let running = std::thread::Builder::new().name("evaluator".into()).spawn(move || {
            if let Err(why) = dataflow::run(each) {
                tracing::error!(why, "the evaluator's workers ended");
                std::panic::resume_unwind(Box::new("a worker failed"));
            }
        })?;
        let activator = activator.recv().map_err(|_| EvaluatorError::Ended)?;
        let watched = Arc::clone(&flow);
        let limit = Duration::from_millis(settings.epoch_limit_ms.max(1));
        let watchdog = std::thread::Builder::new()
            .name("evaluator-watchdog".into())
            .spawn(move || watched.watch(limit, &abort))?;
        let threads = vec![running, checkpoint, watchdog];
        Ok(Handle { steps: Some(steps), activator, flow, liveness, inspector, board, rules_at_start, threads })
    }
}

/// A judge for each worker, as the checkpoint left them where there is one.
fn judges(rules: Rules, restore: Option<(Epoch, Vec<u8>)>, workers: usize) -> Result<Vec<Judge>, EvaluatorError> {
    let Some((said, bytes)) = restore else {
        let shares = (0..workers).map(|worker| Share { worker, workers });
        return Ok(shares.map(|share| Judge::new(rules.clone(), share)).collect());
    };
    let judges = Judge::restore_all(&bytes, workers)?;
    if let Some(judge) = judges.iter().find(|judge| judge.epoch() != said) {
        return Err(EvaluatorError::Epoch { said, is: judge.epoch() });
    }
    tracing::info!(epoch = said, workers, "the evaluator goes on from its checkpoint");
    Ok(judges)
}

/// A running evaluator. Dropping it waits for what is in flight, as [`Handle::finish`] does.
pub struct Handle {
    steps: Option<SyncSender<Step>>,
    activator: SyncActivator,
    flow: Arc<Flow>,
    liveness: Arc<Liveness>,
    inspector: Inspector,
    board: Arc<Board>,
    rules_at_start: Box<str>,
    threads: Vec<JoinHandle<()>>,
}

impl Handle {
    /// Takes the next commit in. Commits come in order, without gaps. Waits while
    /// [`Settings::epochs_in_flight_max`] are not out yet: call it from a thread that may wait.
    ///
    /// # Errors
    /// [`Stopped`] when the worker has ended.
    pub fn submit(&self, step: Step) -> Result<(), Stopped> {
        if !self.flow.enter() {
            return Err(Stopped);
        }
        let steps = self.steps.as_ref().ok_or(Stopped)?;
        steps.send(step).map_err(|_| Stopped)?;
        self.activator.activate().map_err(|_| Stopped)
    }

    /// Commits that are in and not yet out.
    pub fn in_flight(&self) -> usize {
        self.flow.in_flight()
    }

    /// The rules' text that was in force before the first commit.
    pub fn rules_at_start(&self) -> &str {
        &self.rules_at_start
    }

    /// When each device was last heard of; may be read while the worker runs, and after.
    pub fn liveness(&self) -> Arc<Liveness> {
        Arc::clone(&self.liveness)
    }

    /// Answers questions while the workers run.
    pub fn inspector(&self) -> Inspector {
        self.inspector.clone()
    }

    /// How the standing risk of regions moves; may be read while the workers run, and after.
    pub fn risk(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// Waits until every commit that was taken in is out and a last checkpoint is written.
    ///
    /// # Errors
    /// [`Stopped`] when the worker had ended before.
    pub fn finish(mut self) -> Result<(), Stopped> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Stopped> {
        self.steps = None;
        let _ = self.activator.activate();
        let mut ended = Ok(());
        for thread in self.threads.drain(..) {
            ended = thread.join().map_err(|_| Stopped).and(ended);
        }
        ended
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.end().is_err() {
            tracing::error!("the evaluator's worker had panicked");
        }
    }
}
