//! Which delivery is tried next: jobs, and a lane for each channel. No IO and no clock: it is told the time.
//!
//! Of what a person is told of one alert over one channel, only the oldest is in a lane; the others stand behind it, and lend
//! it their urgency. One that was tried in vain while a newer one stands behind it is superseded: the newer one says more.

mod chain;
mod take;
mod turn;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::{Colour, Delivery, DeliveryId};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::channel::{Manner, mqtt};
use crate::lane::{Heard, Lane, PersonBudgets, Rank};
use crate::settings::Settings;
use chain::{ChainId, Chains, place};

/// What goes in one message.
pub(crate) type Batch = SmallVec<[Arc<Delivery>; 1]>;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Behind an older one of its chain; it may not be tried before then.
    Behind(Instant),
    /// Until then it waits.
    Waiting(Instant),
    /// In its lane.
    Ready,
    InFlight,
    /// Tried or superseded; its receipt is on the way to the journal.
    Recording,
    /// Its last receipt is in the journal; the ledger will say so.
    Settled,
}

struct Job {
    delivery: Arc<Delivery>,
    chain: ChainId,
    lane: usize,
    /// Of its own, or of one behind it.
    urgency: u8,
    /// Tries, those before this process included.
    tries: u32,
    stage: Stage,
    /// When the person last began to listen and this was tried for it.
    hastened: Option<Instant>,
    /// The next pause is left out.
    at_once: bool,
}

impl Job {
    fn rank(&self, number: u64) -> Rank {
        (self.urgency, self.delivery.owed_ms, number)
    }
}

/// All jobs, by numbers that are given in their order and never again.
pub(crate) struct Schedule {
    jobs: FxHashMap<u64, Job>,
    numbers: FxHashMap<DeliveryId, u64>,
    next_number: u64,
    chains: Chains,
    /// Jobs of the channel over which people are heard to listen.
    of_listeners: FxHashMap<Box<str>, BTreeSet<u64>>,
    /// By the number of the channel; names that are none have the last one.
    lanes: Vec<Lane>,
    people: PersonBudgets,
    waiting: BTreeSet<(Instant, u64)>,
    settled: VecDeque<(Instant, u64)>,
    superseded: Vec<(Arc<Delivery>, u32)>,
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
            jobs: FxHashMap::default(),
            numbers: FxHashMap::default(),
            next_number: 0,
            chains: Chains::default(),
            of_listeners: FxHashMap::default(),
            lanes,
            people: PersonBudgets::new(settings.person_per_minute as usize),
            waiting: BTreeSet::new(),
            settled: VecDeque::new(),
            superseded: Vec::new(),
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
        if self.numbers.contains_key(&delivery.id) {
            return Admitted::Known;
        }
        let red = delivery.about.colour() == Colour::Red;
        if self.jobs.len() >= if red { self.owed_max.saturating_mul(2) } else { self.owed_max } {
            return Admitted::Full;
        }
        let last = self.lanes.len() - 1;
        let (number, chain) = (self.next_number, ChainId::of(delivery));
        self.next_number += 1;
        self.numbers.insert(delivery.id.clone(), number);
        if *delivery.channel == *mqtt::NAME {
            if !self.of_listeners.contains_key(&delivery.person_code) {
                self.of_listeners.insert(delivery.person_code.clone(), BTreeSet::new());
            }
            self.of_listeners.get_mut(&delivery.person_code).map(|numbers| numbers.insert(number));
        }
        let job = Job {
            delivery: Arc::clone(delivery),
            chain,
            lane: channel.map_or(last, |number| number.min(last)),
            urgency: urgency(delivery),
            tries: delivery.attempt_count,
            stage: Stage::Behind(now + wait),
            hastened: None,
            at_once: false,
        };
        self.jobs.insert(number, job);
        let before = self.chains.add(chain, place(delivery, number));
        self.link(chain, before, number, now);
        Admitted::New
    }

    fn number(&self, id: &DeliveryId) -> Option<u64> {
        self.numbers.get(id).copied()
    }

    fn job(&mut self, id: &DeliveryId) -> Option<(u64, &mut Job)> {
        let number = self.number(id)?;
        self.jobs.get_mut(&number).map(|job| (number, job))
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

    /// Notes what a try told of the channel: whether it works, and a pause that the receiver asked for.
    pub(crate) fn heard(
        &mut self,
        id: &DeliveryId,
        heard: Heard,
        pause: Option<Duration>,
        now: Instant,
    ) -> Option<bool> {
        let lane = self.job(id)?.1.lane;
        let lane = &mut self.lanes[lane];
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
        let Some((_, job)) = self.job(id) else { return 1 };
        job.tries = job.tries.saturating_add(1);
        job.stage = Stage::Recording;
        let (lane, tries) = (job.lane, job.tries);
        let lane = &mut self.lanes[lane];
        lane.in_flight = lane.in_flight.saturating_sub(1);
        tries
    }

    /// Whether a newer delivery waits for this one to be done.
    pub(crate) fn has_newer(&self, id: &DeliveryId) -> bool {
        let job = self.number(id).and_then(|number| self.jobs.get(&number));
        job.is_some_and(|job| self.chains.has_more(job.chain))
    }

    /// Up to `at_most` deliveries that wait for the same broken channel as this one and for which `too_old` holds; they have been
    /// tried before, and their receipts are on the way from here on.
    pub(crate) fn overdue(
        &mut self,
        id: &DeliveryId,
        at_most: usize,
        too_old: impl Fn(&Delivery) -> bool,
    ) -> Vec<(Arc<Delivery>, u32)> {
        let Some(lane) = self.job(id).map(|(_, job)| job.lane) else { return Vec::new() };
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
        let Some((number, job)) = self.job(id) else { return };
        let pause = if std::mem::take(&mut job.at_once) { Duration::ZERO } else { pause };
        job.stage = Stage::Behind(now + pause);
        if self.has_newer(id) {
            self.supersede(number);
        } else {
            self.turn(number, now);
        }
    }

    /// Makes due what waits for a further try to a person over MQTT; what is being tried now is tried again at once
    /// should it fail. No delivery is hastened more often than the settings allow.
    pub(crate) fn hasten(&mut self, person_code: &str, now: Instant) {
        let Some(numbers) = self.of_listeners.get(person_code) else { return };
        let mut due = Vec::new();
        for &number in numbers {
            let Some(job) = self.jobs.get_mut(&number) else { continue };
            if job.hastened.is_some_and(|last| now < last + self.hasten_every) {
                continue;
            }
            match job.stage {
                Stage::Waiting(until) => due.push((until, number)),
                Stage::InFlight | Stage::Recording => job.at_once = true,
                Stage::Behind(_) | Stage::Ready | Stage::Settled => continue,
            }
            job.hastened = Some(now);
        }
        for entry in due {
            self.waiting.remove(&entry);
            if let Some(job) = self.jobs.get_mut(&entry.1) {
                job.stage = Stage::Behind(now);
                self.turn(entry.1, now);
            }
        }
    }

    /// Notes that the journal holds the receipt that ends a delivery. It is remembered for a while, since the ledger shows it
    /// as owed until the desk has read the receipt.
    pub(crate) fn settle(&mut self, id: &DeliveryId, now: Instant) {
        let Some((number, job)) = self.job(id).filter(|(_, job)| job.stage != Stage::Settled) else { return };
        job.stage = Stage::Settled;
        let chain = job.chain;
        self.settled.push_back((now + self.settled_kept, number));
        if let Some(next) = self.chains.remove(chain, number) {
            self.lift_by_chain(chain, next);
            self.turn(next, now);
        }
    }

    /// Moves what has waited long enough, and forgets what was settled long ago.
    fn wake(&mut self, now: Instant) {
        while let Some((due, _)) = self.waiting.first()
            && *due <= now
        {
            let Some((_, number)) = self.waiting.pop_first() else { break };
            if let Some(job) = self.jobs.get_mut(&number).filter(|job| matches!(job.stage, Stage::Waiting(_))) {
                job.stage = Stage::Ready;
                self.lanes[job.lane].ready.insert(job.rank(number));
            }
        }
        while let Some((until, _)) = self.settled.front()
            && *until <= now
        {
            if let Some((_, number)) = self.settled.pop_front() {
                self.forget(number);
            }
        }
    }

    fn forget(&mut self, number: u64) {
        let Some(job) = self.jobs.remove(&number) else { return };
        self.numbers.remove(&job.delivery.id);
        if let Some(numbers) = self.of_listeners.get_mut(&job.delivery.person_code) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.of_listeners.remove(&job.delivery.person_code);
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

/// Drills last, else by colour.
fn urgency(delivery: &Delivery) -> u8 {
    match delivery.about.colour() {
        _ if delivery.about.exercise() => 4,
        Colour::Red => 0,
        Colour::Orange => 1,
        Colour::Yellow | Colour::Blind => 2,
        Colour::Blue => 3,
    }
}

#[cfg(test)]
mod tests;
