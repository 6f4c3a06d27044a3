//! Taking deliveries out of a lane, one message at a time.

use std::sync::Arc;
use std::time::Duration;

use model::Delivery;
use smallvec::smallvec;
use tokio::time::Instant;

use super::{Batch, Schedule, Stage};
use crate::channel::Manner;
use crate::lane::Gate;

impl Schedule {
    /// Whether the first delivery of a lane is red, and how many may go with it; `None`: nothing may start now.
    pub(super) fn gate(&mut self, lane: usize, now: Instant) -> Option<(bool, usize)> {
        let (share, kept) = (self.share, self.kept_for_red);
        let lane = &mut self.lanes[lane];
        let red = lane.ready.first()?.0 == 0;
        if lane.in_flight >= if red { share } else { share - kept } {
            return None;
        }
        let gate = lane.gate(now);
        match gate {
            Gate::Open => {}
            Gate::Until(until) => {
                lane.wake = Some(until);
                return None;
            }
            Gate::Probe => {}
            Gate::Shut => return None,
        }
        match lane.budget.gate(red, now) {
            Ok(left) => Some((red, lane.gathered(red, left))),
            Err(until) => {
                lane.wake = Some(until);
                None
            }
        }
    }

    /// Takes up to `most` deliveries from a lane for one message, more only where they are of the same alert and the channel
    /// gathers. Those that must be held are put aside; it may be that nothing is left.
    pub(super) fn take(
        &mut self,
        lane: usize,
        most: usize,
        red: bool,
        now: Instant,
        hold: &impl Fn(&Delivery, Manner) -> Option<Duration>,
    ) -> Batch {
        let manner = self.lanes[lane].manner;
        let mut batch: Batch = smallvec![];
        while batch.len() < manner.digest_max.max(1) {
            let Some(&(urgency, _, number)) = self.lanes[lane].ready.first() else { break };
            let Some(job) = self.jobs.get_mut(&number) else {
                self.lanes[lane].ready.pop_first();
                continue;
            };
            let goes_with = |first: &Arc<Delivery>| first.matter == job.delivery.matter || batch.len() < most;
            if (urgency == 0) != red || batch.first().is_some_and(|first| !goes_with(first)) {
                break;
            }
            self.lanes[lane].ready.pop_first();
            let held = match hold(&job.delivery, manner) {
                Some(wait) => Some(now + wait),
                None if manner.to_person => self.people.spend(&job.delivery.person_code, red, now).err(),
                None => None,
            };
            if let Some(until) = held {
                job.stage = Stage::Waiting(until);
                self.waiting.insert((until, number));
                self.give_way(number);
                continue;
            }
            job.stage = Stage::InFlight;
            self.lanes[lane].in_flight += 1;
            batch.push(Arc::clone(&job.delivery));
        }
        if !batch.is_empty()
            && let Some(breaker) = self.lanes[lane].breaker.as_mut().filter(|it| it.is_open())
        {
            breaker.probe();
        }
        batch
    }
}
