//! Whose turn it is within a chain.

use std::sync::Arc;

use model::Delivery;
use tokio::time::Instant;

use super::chain::ChainId;
use super::{Schedule, Stage, urgency};

impl Schedule {
    /// After a job came into a chain whose first one was `before`: sees to it that the first one, and no other, has a turn.
    pub(super) fn link(&mut self, chain: ChainId, before: Option<u64>, new: u64, now: Instant) {
        let Some(before) = before else {
            self.turn(new, now);
            return;
        };
        let Some(stage) = self.jobs.get(&before).map(|job| job.stage) else { return };
        if self.chains.first(chain) == Some(before) {
            let urgency = self.jobs.get(&new).map_or(u8::MAX, |job| job.urgency);
            // what is held for its own colour must not hold a more urgent one
            let gives_way = self.jobs.get(&before).is_some_and(|job| job.tries > 0 || urgency < job.urgency);
            self.lift(before, urgency);
            if matches!(stage, Stage::Waiting(_)) && gives_way {
                self.supersede(before);
            }
            return;
        }
        // an older one came later, as when the ledger is read
        match stage {
            Stage::InFlight | Stage::Recording | Stage::Settled => self.chains.prefer(chain, before),
            Stage::Ready | Stage::Waiting(_) | Stage::Behind(_) => {
                let until = if let Stage::Waiting(until) = stage { until } else { now };
                let urgency = self.jobs.get(&before).map_or(u8::MAX, |job| job.urgency);
                self.take_back(before);
                if let Some(job) = self.jobs.get_mut(&before) {
                    job.stage = Stage::Behind(until);
                }
                self.lift(new, urgency);
                self.turn(new, now);
            }
        }
    }

    /// After a job was held: what is held for its own colour must not hold a more urgent one behind it.
    pub(super) fn give_way(&mut self, number: u64) {
        let own = self.jobs.get(&number).map(|job| (job.chain, job.urgency, urgency(&job.delivery)));
        if own.is_some_and(|(chain, lifted, own)| lifted < own && self.chains.has_more(chain)) {
            self.supersede(number);
        }
    }

    /// Gives the first job of a chain the urgency of the most urgent behind it.
    pub(super) fn lift_by_chain(&mut self, chain: ChainId, first: u64) {
        let behind = self.chains.numbers(chain).filter_map(|number| self.jobs.get(&number));
        if let Some(urgency) = behind.map(|job| job.urgency).min() {
            self.lift(first, urgency);
        }
    }

    /// Gives a job the urgency of one behind it.
    fn lift(&mut self, number: u64, urgency: u8) {
        let Some(job) = self.jobs.get_mut(&number).filter(|job| urgency < job.urgency) else { return };
        let rank = job.rank(number);
        job.urgency = urgency;
        if job.stage == Stage::Ready {
            let rank_now = job.rank(number);
            let lane = &mut self.lanes[job.lane];
            lane.ready.remove(&rank);
            lane.ready.insert(rank_now);
        }
    }

    /// Takes a job out of where it waits for its turn.
    fn take_back(&mut self, number: u64) {
        let Some(job) = self.jobs.get(&number) else { return };
        match job.stage {
            Stage::Waiting(until) => {
                self.waiting.remove(&(until, number));
            }
            Stage::Ready => {
                self.lanes[job.lane].ready.remove(&job.rank(number));
            }
            Stage::Behind(_) | Stage::InFlight | Stage::Recording | Stage::Settled => {}
        }
    }

    /// Lets a job of its chain that stood behind have its turn.
    pub(super) fn turn(&mut self, number: u64, now: Instant) {
        let Some(job) = self.jobs.get_mut(&number) else { return };
        let Stage::Behind(until) = job.stage else { return };
        if until > now {
            job.stage = Stage::Waiting(until);
            self.waiting.insert((until, number));
        } else {
            job.stage = Stage::Ready;
            self.lanes[job.lane].ready.insert(job.rank(number));
        }
    }

    /// A newer one goes in its place.
    pub(super) fn supersede(&mut self, number: u64) {
        self.take_back(number);
        if let Some(job) = self.jobs.get_mut(&number) {
            job.stage = Stage::Recording;
            self.superseded.push((Arc::clone(&job.delivery), job.tries));
        }
    }

    /// Deliveries that were superseded since the last call, with their tries; their receipts are on the way from here on.
    pub(crate) fn take_superseded(&mut self) -> Vec<(Arc<Delivery>, u32)> {
        std::mem::take(&mut self.superseded)
    }
}
