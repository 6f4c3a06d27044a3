//! Which delivery is tried next: jobs, and a lane for each channel. No IO and no clock: it is told the time.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::{Colour, Delivery, DeliveryId};
use smallvec::{SmallVec, smallvec};
use tokio::time::Instant;

use crate::channel::Manner;
use crate::lane::{Gate, Heard, Lane, PersonBudgets, Rank};
use crate::settings::Settings;

/// What goes in one message.
pub(crate) type Batch = SmallVec<[Arc<Delivery>; 1]>;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Until then it waits.
    Waiting(Instant),
    /// In its lane.
    Ready,
    InFlight,
    /// Tried; its receipt is on the way to the journal.
    Recording,
    /// Its last receipt is in the journal; the ledger will say so.
    Settled,
}

struct Job {
    delivery: Arc<Delivery>,
    lane: usize,
    /// Tries, those before this process included.
    tries: u32,
    stage: Stage,
    /// When the person last began to listen and this was tried for it.
    hastened: Option<Instant>,
    /// The next pause is left out.
    at_once: bool,
}

/// All jobs.
pub(crate) struct Schedule {
    jobs: HashMap<DeliveryId, Job>,
    by_person: HashMap<Box<str>, BTreeSet<DeliveryId>>,
    /// By the number of the channel; names that are none have the last one.
    lanes: Vec<Lane>,
    people: PersonBudgets,
    waiting: BTreeSet<(Instant, DeliveryId)>,
    settled: VecDeque<(Instant, DeliveryId)>,
    owed_max: usize,
    /// Tries under way in one lane at most, and those of them that are kept for red.
    share: usize,
    kept_for_red: usize,
    settled_kept: Duration,
    hasten_every: Duration,
}

/// What became of a delivery that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admitted {
    New,
    Known,
    /// Too many jobs: read the ledger again when there is room.
    Full,
}

impl Schedule {
    /// A schedule with a lane for each channel, in the order of their numbers, and one for names that are none.
    pub(crate) fn new(channels: impl Iterator<Item = Manner>, settings: &Settings) -> Schedule {
        let lanes: Vec<Lane> = channels.chain([Manner::NONE]).map(|manner| Lane::new(manner, settings)).collect();
        let share = (settings.in_flight_max / lanes.len()).min(settings.in_flight_per_channel_max).max(1);
        Schedule {
            jobs: HashMap::new(),
            by_person: HashMap::new(),
            lanes,
            people: PersonBudgets::new(settings.person_per_minute as usize),
            waiting: BTreeSet::new(),
            settled: VecDeque::new(),
            owed_max: settings.owed_max,
            share,
            kept_for_red: share / 4,
            settled_kept: Duration::from_secs(settings.settled_kept_s),
            hasten_every: Duration::from_secs(settings.listen_retry_every_s),
        }
    }

    /// Takes on a delivery that is owed, for the channel of this number, to be tried after `wait`.
    pub(crate) fn admit(
        &mut self,
        delivery: &Arc<Delivery>,
        channel: Option<usize>,
        wait: Duration,
        now: Instant,
    ) -> Admitted {
        if self.jobs.contains_key(&delivery.id) {
            return Admitted::Known;
        }
        let red = delivery.about.colour() == Colour::Red;
        if self.jobs.len() >= if red { self.owed_max.saturating_mul(2) } else { self.owed_max } {
            return Admitted::Full;
        }
        let last = self.lanes.len() - 1;
        let lane = channel.map_or(last, |number| number.min(last));
        let tries = delivery.attempt_count;
        let delivery = Arc::clone(delivery);
        let id = delivery.id.clone();
        self.by_person.entry(delivery.person_code.clone()).or_default().insert(id.clone());
        let job = Job { delivery, lane, tries, stage: Stage::Ready, hastened: None, at_once: false };
        self.jobs.insert(id.clone(), job);
        self.wait(&id, wait, now);
        Admitted::New
    }

    /// What to send now, each in one message; it is under way from here on. `hold` says how long a delivery must not be sent.
    pub(crate) fn start(
        &mut self,
        now: Instant,
        at_most: usize,
        hold: impl Fn(&Delivery, Manner) -> Option<Duration>,
    ) -> Vec<Batch> {
        self.wake(now);
        let (mut started, mut count) = (Vec::new(), 0);
        for lane in 0..self.lanes.len() {
            let was = self.lanes[lane].wake.take();
            while count < at_most {
                let Some((red, most)) = self.gate(lane, now) else { break };
                let batch = self.take(lane, most.min(at_most - count), red, now, &hold);
                if batch.is_empty() {
                    continue;
                }
                count += batch.len();
                self.lanes[lane].budget.spend(now);
                started.push(batch);
            }
            let lane = &self.lanes[lane];
            if lane.wake.is_some() && lane.wake != was && lane.paused_until.is_none() && !lane.is_broken() {
                metrics::counter!("fenghuo_dispatcher_budget_waits_total", "channel" => lane.manner.kind).increment(1);
            }
        }
        started
    }

    /// Whether the first delivery of a lane is red, and how many may go with it; `None`: nothing may start now.
    fn gate(&mut self, lane: usize, now: Instant) -> Option<(bool, usize)> {
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
    fn take(
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
            let Some((urgency, _, id)) = self.lanes[lane].ready.first() else { break };
            let Some(job) = self.jobs.get_mut(id) else {
                self.lanes[lane].ready.pop_first();
                continue;
            };
            let goes_with = |first: &Arc<Delivery>| first.matter == job.delivery.matter || batch.len() < most;
            if (*urgency == 0) != red || batch.first().is_some_and(|first| !goes_with(first)) {
                break;
            }
            let id = id.clone();
            self.lanes[lane].ready.pop_first();
            let held = match hold(&job.delivery, manner) {
                Some(wait) => Some(now + wait),
                None if manner.to_person => self.people.spend(&job.delivery.person_code, red, now).err(),
                None => None,
            };
            if let Some(until) = held {
                job.stage = Stage::Waiting(until);
                self.waiting.insert((until, id));
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

    /// Notes what a try told of the channel: whether it works, and a pause that the receiver asked for.
    pub(crate) fn heard(
        &mut self,
        id: &DeliveryId,
        heard: Heard,
        pause: Option<Duration>,
        now: Instant,
    ) -> Option<bool> {
        let lane = &mut self.lanes[self.jobs.get(id)?.lane];
        if let Some(pause) = pause {
            lane.paused_until = Some(now + pause);
        }
        let breaker = lane.breaker.as_mut()?;
        let was = breaker.is_open();
        breaker.heard(heard, now);
        (was != breaker.is_open()).then(|| breaker.is_open())
    }

    /// Notes that a try ended; returns its number.
    pub(crate) fn tried(&mut self, id: &DeliveryId) -> u32 {
        let Some(job) = self.jobs.get_mut(id) else { return 1 };
        job.tries = job.tries.saturating_add(1);
        job.stage = Stage::Recording;
        let lane = &mut self.lanes[job.lane];
        lane.in_flight = lane.in_flight.saturating_sub(1);
        job.tries
    }

    /// Up to `at_most` deliveries that wait for the same broken channel as this one and for which `too_old` holds; they have been
    /// tried before, and their receipts are on the way from here on.
    pub(crate) fn overdue(
        &mut self,
        id: &DeliveryId,
        at_most: usize,
        too_old: impl Fn(&Delivery) -> bool,
    ) -> Vec<(Arc<Delivery>, u32)> {
        let Some(lane) = self.jobs.get(id).map(|job| job.lane) else { return Vec::new() };
        if !self.lanes[lane].is_broken() {
            return Vec::new();
        }
        let old = |rank: &&Rank| self.jobs.get(&rank.2).is_some_and(|job| job.tries > 0 && too_old(&job.delivery));
        let ranks: Vec<Rank> = self.lanes[lane].ready.iter().filter(old).take(at_most).cloned().collect();
        let mut overdue = Vec::with_capacity(ranks.len());
        for rank in ranks {
            self.lanes[lane].ready.remove(&rank);
            if let Some(job) = self.jobs.get_mut(&rank.2) {
                job.stage = Stage::Recording;
                overdue.push((Arc::clone(&job.delivery), job.tries));
            }
        }
        overdue
    }

    /// Puts a job back for another try after `pause`.
    pub(crate) fn wait(&mut self, id: &DeliveryId, pause: Duration, now: Instant) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let pause = if std::mem::take(&mut job.at_once) { Duration::ZERO } else { pause };
        if pause.is_zero() {
            job.stage = Stage::Ready;
            self.lanes[job.lane].ready.insert(rank(&job.delivery));
        } else {
            job.stage = Stage::Waiting(now + pause);
            self.waiting.insert((now + pause, id.clone()));
        }
    }

    /// Makes due what waits for a further try to a person over one channel; what is being tried now is tried again at once
    /// should it fail. No delivery is hastened more often than the settings allow.
    pub(crate) fn hasten(&mut self, channel: &str, person_code: &str, now: Instant) {
        let Some(ids) = self.by_person.get(person_code) else { return };
        let mut due = Vec::new();
        for id in ids {
            let Some(job) = self.jobs.get_mut(id).filter(|job| *job.delivery.channel == *channel) else { continue };
            if job.hastened.is_some_and(|last| now < last + self.hasten_every) {
                continue;
            }
            match job.stage {
                Stage::Waiting(until) => due.push((until, id.clone())),
                Stage::InFlight | Stage::Recording => job.at_once = true,
                Stage::Ready | Stage::Settled => continue,
            }
            job.hastened = Some(now);
        }
        for entry in due {
            self.waiting.remove(&entry);
            self.wait(&entry.1, Duration::ZERO, now);
        }
    }

    /// Notes that the journal holds the receipt that ends a delivery. It is remembered for a while, since the ledger shows it
    /// as owed until the desk has read the receipt.
    pub(crate) fn settle(&mut self, id: &DeliveryId, now: Instant) {
        if let Some(job) = self.jobs.get_mut(id) {
            job.stage = Stage::Settled;
            self.settled.push_back((now + self.settled_kept, id.clone()));
        }
    }

    /// Moves what has waited long enough, and forgets what was settled long ago.
    fn wake(&mut self, now: Instant) {
        while let Some((due, _)) = self.waiting.first()
            && *due <= now
        {
            let Some((_, id)) = self.waiting.pop_first() else { break };
            if let Some(job) = self.jobs.get_mut(&id).filter(|job| matches!(job.stage, Stage::Waiting(_))) {
                job.stage = Stage::Ready;
                self.lanes[job.lane].ready.insert(rank(&job.delivery));
            }
        }
        while let Some((until, _)) = self.settled.front()
            && *until <= now
        {
            if let Some((_, id)) = self.settled.pop_front() {
                self.forget(&id);
            }
        }
    }

    fn forget(&mut self, id: &DeliveryId) {
        let Some(job) = self.jobs.remove(id) else { return };
        if let Some(ids) = self.by_person.get_mut(&job.delivery.person_code) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_person.remove(&job.delivery.person_code);
            }
        }
    }

    /// When [`Schedule::start`] has something to do next, if nothing else happens.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let due = self.waiting.first().map(|(due, _)| *due);
        let unpaused = self.lanes.iter().filter_map(|lane| lane.wake).min();
        let forget = self.settled.front().map(|(until, _)| *until);
        [due, unpaused, forget].into_iter().flatten().min()
    }

    /// Jobs that are not settled.
    pub(crate) fn owed(&self) -> usize {
        self.jobs.len() - self.settled.len()
    }

    /// Whether another job of any colour is taken on, with some room to spare.
    pub(crate) fn has_room(&self) -> bool {
        self.jobs.len() < self.owed_max - self.owed_max / 4
    }

    /// Tries under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.lanes.iter().map(|lane| lane.in_flight).sum()
    }
}

fn rank(delivery: &Delivery) -> Rank {
    let urgency = match delivery.about.colour() {
        _ if delivery.about.exercise() => 4,
        Colour::Red => 0,
        Colour::Orange => 1,
        Colour::Yellow | Colour::Blind => 2,
        Colour::Blue => 3,
    };
    (urgency, delivery.owed_ms, delivery.id.clone())
}

#[cfg(test)]
mod tests;
