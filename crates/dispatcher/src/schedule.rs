//! Which delivery is tried next: jobs, and a lane for each channel. No IO and no clock: it is told the time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::{Colour, Delivery, DeliveryId};
use tokio::time::Instant;

use crate::settings::Settings;

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

/// Position in a lane: drills last, else by colour, then by age.
type Rank = (u8, u64, DeliveryId);

#[derive(Default)]
struct Lane {
    ready: BTreeSet<Rank>,
    in_flight: usize,
    paused_until: Option<Instant>,
}

/// All jobs.
pub(crate) struct Schedule {
    jobs: HashMap<DeliveryId, Job>,
    by_person: HashMap<Box<str>, BTreeSet<DeliveryId>>,
    lanes: Vec<Lane>,
    /// Index of a channel's lane by its name; a name that is not there has the last lane.
    names: BTreeMap<Box<str>, usize>,
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
    /// A schedule with a lane for each of `channels`, and one for names that are none.
    pub(crate) fn new<'a>(channels: impl Iterator<Item = &'a str>, settings: &Settings) -> Schedule {
        let names: BTreeMap<Box<str>, usize> = channels.map(Box::from).zip(0..).collect();
        let lanes = names.len() + 1;
        let share = (settings.in_flight_max / lanes).min(settings.in_flight_per_channel_max).max(1);
        Schedule {
            jobs: HashMap::new(),
            by_person: HashMap::new(),
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            names,
            waiting: BTreeSet::new(),
            settled: VecDeque::new(),
            owed_max: settings.owed_max,
            share,
            kept_for_red: share / 4,
            settled_kept: Duration::from_secs(settings.settled_kept_s),
            hasten_every: Duration::from_secs(settings.listen_retry_every_s),
        }
    }

    /// Takes on a delivery that is owed, to be tried after `wait`.
    pub(crate) fn admit(&mut self, delivery: &Arc<Delivery>, wait: Duration, now: Instant) -> Admitted {
        if self.jobs.contains_key(&delivery.id) {
            return Admitted::Known;
        }
        let red = delivery.summary.colour == Colour::Red;
        if self.jobs.len() >= if red { self.owed_max.saturating_mul(2) } else { self.owed_max } {
            return Admitted::Full;
        }
        let lane = self.names.get(&delivery.channel).copied().unwrap_or(self.lanes.len() - 1);
        let tries = delivery.attempt_count;
        let delivery = Arc::clone(delivery);
        let id = delivery.id.clone();
        self.by_person.entry(delivery.person_code.clone()).or_default().insert(id.clone());
        let job = Job { delivery, lane, tries, stage: Stage::Ready, hastened: None, at_once: false };
        self.jobs.insert(id.clone(), job);
        self.wait(&id, wait, now);
        Admitted::New
    }

    /// The deliveries to try now; they are under way from here on.
    pub(crate) fn start(&mut self, now: Instant, at_most: usize) -> Vec<Arc<Delivery>> {
        self.wake(now);
        let mut started = Vec::new();
        for lane in &mut self.lanes {
            if lane.paused_until.is_some_and(|until| until > now) {
                continue;
            }
            while started.len() < at_most {
                let Some(first) = lane.ready.first() else { break };
                let limit = if first.0 == 0 { self.share } else { self.share - self.kept_for_red };
                if lane.in_flight >= limit {
                    break;
                }
                let Some((_, _, id)) = lane.ready.pop_first() else { break };
                if let Some(job) = self.jobs.get_mut(&id) {
                    job.stage = Stage::InFlight;
                    lane.in_flight += 1;
                    started.push(Arc::clone(&job.delivery));
                }
            }
        }
        started
    }

    /// Notes that a try ended; returns its number. `pause` is asked for by the receiver, for the whole channel.
    pub(crate) fn tried(&mut self, id: &DeliveryId, pause: Option<Duration>, now: Instant) -> u32 {
        let Some(job) = self.jobs.get_mut(id) else { return 1 };
        job.tries = job.tries.saturating_add(1);
        job.stage = Stage::Recording;
        let lane = &mut self.lanes[job.lane];
        lane.in_flight = lane.in_flight.saturating_sub(1);
        if let Some(pause) = pause {
            lane.paused_until = Some(now + pause);
        }
        job.tries
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
        let unpaused =
            self.lanes.iter().filter(|lane| !lane.ready.is_empty()).filter_map(|lane| lane.paused_until).min();
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
    let urgency = match delivery.summary.colour {
        _ if delivery.summary.exercise => 4,
        Colour::Red => 0,
        Colour::Orange => 1,
        Colour::Yellow | Colour::Blind => 2,
        Colour::Blue => 3,
    };
    (urgency, delivery.owed_ms, delivery.id.clone())
}
