//! Where workers hand over the units that a new roster moves between them. All wait for each other there: the commit that
//! moves units is judged when every unit has arrived.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use model::Epoch;

use crate::judge::Crossing;
use crate::watchdog::Flow;

/// A worker that waits looks so often whether another has failed.
const LOOK: Duration = Duration::from_millis(200);

/// One a dataflow.
pub(crate) struct Ferry {
    workers: usize,
    piers: Mutex<BTreeMap<Epoch, Pier>>,
    came: Condvar,
}

/// One commit's meeting.
#[derive(Default)]
struct Pier {
    came: usize,
    left: usize,
    crossings: Vec<Crossing>,
}

impl Ferry {
    pub fn new(workers: usize) -> Ferry {
        Ferry { workers, piers: Mutex::default(), came: Condvar::new() }
    }

    /// Hands over what leaves a worker with a commit and takes what comes to it; waits for all workers. `None` when one of
    /// them has failed.
    pub fn cross(&self, worker: usize, epoch: Epoch, leaving: Vec<Crossing>, flow: &Flow) -> Option<Vec<Crossing>> {
        let mut piers = self.piers.lock().unwrap_or_else(PoisonError::into_inner);
        let pier = piers.entry(epoch).or_default();
        pier.crossings.extend(leaving);
        pier.came += 1;
        self.came.notify_all();
        while piers.get(&epoch).is_some_and(|pier| pier.came < self.workers) {
            if flow.has_failed() {
                return None;
            }
            piers = self.came.wait_timeout(piers, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        let pier = piers.get_mut(&epoch).expect("it stays until the last has left");
        let (ours, others) =
            std::mem::take(&mut pier.crossings).into_iter().partition(|crossing| crossing.to == worker);
        pier.crossings = others;
        pier.left += 1;
        if pier.left == self.workers {
            piers.remove(&epoch);
        }
        Some(ours)
    }
}
