//! Ends the process when the worker stands still or panics: the other stages would wait for it for ever, silently.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Ends the process; told why. Tests put something else in its place.
pub type Abort = Arc<dyn Fn(&str) + Send + Sync>;

/// Says why, and aborts.
pub(crate) fn abort_process() -> Abort {
    Arc::new(|why| {
        tracing::error!(why, "the evaluator cannot go on; the process ends now, to start again from the journal");
        std::process::abort()
    })
}

/// How many commits are in, and since when nothing came out.
pub(crate) struct Flow {
    state: Mutex<State>,
    /// There is room for a commit, or there will never be.
    room: Condvar,
    /// For the watchdog alone, which is not to be woken with every commit.
    ended: Condvar,
    max: usize,
    /// A worker panicked: the others must not wait for it.
    failed: AtomicBool,
}

struct State {
    in_flight: usize,
    /// The last commit that came out, or came in where there was none.
    progress: Instant,
    /// Downstream has the worker: it may take its time.
    downstream: bool,
    /// Workers that run.
    workers: usize,
    stopped: bool,
}

impl Flow {
    pub fn new(max: usize, workers: usize) -> Flow {
        let state = State { in_flight: 0, progress: Instant::now(), downstream: false, workers, stopped: false };
        Flow {
            state: Mutex::new(state),
            room: Condvar::new(),
            ended: Condvar::new(),
            max: max.max(1),
            failed: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // plain numbers: whoever panicked left nothing half done
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room for one more commit; false when the worker has stopped.
    pub fn enter(&self) -> bool {
        let mut state = self.lock();
        while state.in_flight >= self.max && !state.stopped {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.stopped {
            return false;
        }
        if state.in_flight == 0 {
            state.progress = Instant::now();
        }
        state.in_flight += 1;
        true
    }

    /// The worker hands a commit to downstream.
    pub fn hand_over(&self) {
        self.lock().downstream = true;
    }

    /// Downstream has taken it.
    pub fn leave(&self) {
        let mut state = self.lock();
        state.downstream = false;
        state.in_flight = state.in_flight.saturating_sub(1);
        state.progress = Instant::now();
        self.room.notify_one();
    }

    /// A worker has ended. The first that failed, and the last one, stop everything; whether it is the first that failed.
    pub fn end(&self, failed: bool) -> bool {
        let mut state = self.lock();
        state.workers = state.workers.saturating_sub(1);
        if failed || state.workers == 0 {
            state.stopped = true;
            self.room.notify_all();
            self.ended.notify_all();
        }
        failed && !self.failed.swap(true, Ordering::AcqRel)
    }

    /// Whether a worker panicked.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub fn in_flight(&self) -> usize {
        self.lock().in_flight
    }

    /// Watches until the worker ends; calls `abort` once when a commit is not done within `limit`.
    pub fn watch(&self, limit: Duration, abort: &Abort) {
        let mut state = self.lock();
        while !state.stopped {
            let pause = limit / 4;
            state = self.ended.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
            if state.stopped {
                return;
            }
            let is_stuck = state.in_flight > 0 && !state.downstream && state.progress.elapsed() > limit;
            if is_stuck {
                let why = format!("{} commits are in and none came out within {limit:?}", state.in_flight);
                drop(state);
                abort(&why);
                return;
            }
        }
    }
}

/// Aborts when its thread panics.
pub(crate) struct Guard {
    pub flow: Arc<Flow>,
    pub abort: Abort,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.flow.end(std::thread::panicking()) {
            (self.abort)("the worker panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn a_commit_that_stands_still_aborts_and_a_slow_consumer_does_not() {
        let limit = Duration::from_millis(40);
        for (downstream, expected) in [(false, true), (true, false)] {
            let flow = Arc::new(Flow::new(4, 1));
            let (told, why) = sync_channel(1);
            let told = Mutex::new(told);
            let abort: Abort = Arc::new(move |why| told.lock().expect("one user").send(why.to_owned()).expect("heard"));
            assert!(flow.enter());
            if downstream {
                flow.hand_over();
            }
            let watched = Arc::clone(&flow);
            let watch = std::thread::spawn(move || watched.watch(limit, &abort));
            let heard = why.recv_timeout(if expected { Duration::from_secs(30) } else { limit * 5 });
            assert_eq!(heard.is_ok(), expected, "{heard:?}");
            flow.end(false);
            watch.join().expect("the watchdog does not panic");
            assert!(!flow.enter(), "nothing is taken in after the end");
        }
    }
}
