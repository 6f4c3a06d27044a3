//! The way of a question to the worker that knows the answer, and back.
//!
//! A worker looks for questions between two steps of its dataflow, which is between two commits, and answers one at a
//! time: the commit that waits behind it is held up by one answer at most. Each worker has a bounded queue of its own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::Roster;

use super::{Explanation, Question, explain};
use crate::judge::{Judge, Share};

/// Questions that wait for one worker, at most.
const QUESTIONS_MAX: usize = 32;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("{QUESTIONS_MAX} questions wait for the evaluator already; ask again in a moment")]
    Busy,
    #[error("the evaluator gave no answer within {0:?}: it has more to judge than it can; ask again in a moment")]
    Late(Duration),
    #[error("the evaluator has ended")]
    Stopped,
    #[error("{0} is not on the roster, or the evaluator has not seen the roster yet that names it")]
    Unknown(Question),
}

/// A question on its way.
struct Asked {
    question: Question,
    roster: Arc<Roster>,
    /// Nobody waits for the answer any longer.
    until: Instant,
    reply: SyncSender<Option<Explanation>>,
}

/// Wakes a worker that sleeps.
type Wake = Box<dyn Fn() + Send + Sync>;

/// What one worker is asked.
#[derive(Default)]
struct Line {
    /// Length of the queue, to be looked at without the lock.
    waiting: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    asked: VecDeque<Asked>,
    wake: Option<Wake>,
    stopped: bool,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // whoever panicked left whole questions in it
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The questions to all workers of an evaluator, as the workers see them.
pub(crate) struct Inquiries {
    lines: Vec<Line>,
}

impl Inquiries {
    pub fn new(workers: usize) -> Arc<Inquiries> {
        Arc::new(Inquiries { lines: (0..workers.max(1)).map(|_| Line::default()).collect() })
    }

    /// Where a worker answers, which `wake` wakes; questions asked before are answered from then on.
    pub fn counter(self: &Arc<Self>, worker: usize, wake: Wake) -> Counter {
        self.lines[worker].lock().wake = Some(wake);
        Counter { inquiries: Arc::clone(self), worker }
    }

    fn put(&self, worker: usize, asked: Asked) -> Result<(), AskError> {
        let line = &self.lines[worker];
        let mut queue = line.lock();
        if queue.stopped {
            return Err(AskError::Stopped);
        }
        if queue.asked.len() >= QUESTIONS_MAX {
            return Err(AskError::Busy);
        }
        queue.asked.push_back(asked);
        line.waiting.store(queue.asked.len(), Ordering::Release);
        if let Some(wake) = &queue.wake {
            wake();
        }
        Ok(())
    }
}

/// Where one worker answers. When it is dropped, the worker answers no more.
pub(crate) struct Counter {
    inquiries: Arc<Inquiries>,
    worker: usize,
}

impl Counter {
    /// Answers the next question, if there is one; call it between two steps.
    pub fn answer(&self, judge: &Judge) {
        let line = &self.inquiries.lines[self.worker];
        if line.waiting.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut queue = line.lock();
        let Some(asked) = queue.asked.pop_front() else { return };
        line.waiting.store(queue.asked.len(), Ordering::Release);
        if let Some(wake) = queue.wake.as_ref().filter(|_| !queue.asked.is_empty()) {
            wake();
        }
        drop(queue);
        let now = Instant::now();
        if now < asked.until {
            let answer = explain::explain(judge, &asked.roster, asked.question);
            // whoever asked may have given up
            let _ = asked.reply.try_send(answer);
            metrics::histogram!("fenghuo_evaluator_answer_seconds").record(now.elapsed().as_secs_f64());
        }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let line = &self.inquiries.lines[self.worker];
        let mut queue = line.lock();
        queue.stopped = true;
        queue.asked.clear();
        queue.wake = None;
        line.waiting.store(0, Ordering::Release);
    }
}

/// Asks a running evaluator why; a copy asks the same one.
#[derive(Clone)]
pub struct Inspector {
    inquiries: Arc<Inquiries>,
}

impl Inspector {
    pub(crate) fn new(inquiries: Arc<Inquiries>) -> Inspector {
        Inspector { inquiries }
    }

    /// Asks, and waits for the answer up to `limit`: call it from a thread that may wait. `roster` gives the names; any
    /// that names what is asked about will do.
    ///
    /// # Errors
    /// [`AskError`]
    pub fn ask(&self, question: Question, roster: &Arc<Roster>, limit: Duration) -> Result<Explanation, AskError> {
        let until = Instant::now() + limit;
        let workers = self.inquiries.lines.len();
        let of_unit = question.grid(roster).ok_or(AskError::Unknown(question))?;
        let asked: Vec<usize> = match of_unit {
            Some(grid) => (0..workers).filter(|worker| Share { worker: *worker, workers }.has(grid)).collect(),
            None => (0..workers).collect(),
        };
        let mut replies = Vec::new();
        for worker in asked {
            let (reply, answer) = sync_channel(1);
            self.inquiries.put(worker, Asked { question, roster: Arc::clone(roster), until, reply })?;
            replies.push(answer);
        }
        let mut whole: Option<Explanation> = None;
        for reply in replies {
            let left = until.saturating_duration_since(Instant::now());
            let part = reply.recv_timeout(left).map_err(|error| match error {
                RecvTimeoutError::Timeout => AskError::Late(limit),
                RecvTimeoutError::Disconnected if Instant::now() >= until => AskError::Late(limit),
                RecvTimeoutError::Disconnected => AskError::Stopped,
            })?;
            whole = match (whole, part) {
                (Some(whole), Some(part)) => Some(whole.join(part)),
                (whole, part) => whole.or(part),
            };
        }
        whole.ok_or(AskError::Unknown(question))
    }
}
