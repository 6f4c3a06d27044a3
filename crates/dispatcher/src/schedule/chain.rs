//! What one person is told of one alert (or order) over one channel, in the order in which it became owed: only the first of
//! them is under way or waits for its turn.

use std::hash::{Hash, Hasher};

use model::Delivery;
use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;

/// Names a chain. Two that happen to share a number wait for each other, and nothing worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ChainId(u64);

impl ChainId {
    pub(crate) fn of(delivery: &Delivery) -> ChainId {
        let mut hasher = FxHasher::default();
        (delivery.matter, &delivery.person_code, &delivery.channel).hash(&mut hasher);
        ChainId(hasher.finish())
    }
}

/// Place within a chain: when it became owed, ring of the alert, number of the job.
pub(crate) type Place = (u64, u16, u64);

pub(crate) fn place(delivery: &Delivery, number: u64) -> Place {
    (delivery.owed_ms, delivery.about.alert().map_or(0, |alert| alert.ring), number)
}

/// Every chain that has a job.
#[derive(Debug, Default)]
pub(crate) struct Chains(FxHashMap<ChainId, SmallVec<[Place; 1]>>);

impl Chains {
    /// Adds a job at its place; the number of the one that was first until now.
    pub(crate) fn add(&mut self, chain: ChainId, place: Place) -> Option<u64> {
        let places = self.0.entry(chain).or_default();
        let first = places.first().map(|(_, _, number)| *number);
        let at = places.partition_point(|other| *other < place);
        places.insert(at, place);
        first
    }

    /// The job whose turn it is.
    pub(crate) fn first(&self, chain: ChainId) -> Option<u64> {
        self.0.get(&chain)?.first().map(|(_, _, number)| *number)
    }

    /// All its jobs, in order.
    pub(crate) fn numbers(&self, chain: ChainId) -> impl Iterator<Item = u64> {
        self.0.get(&chain).into_iter().flatten().map(|(_, _, number)| *number)
    }

    /// Puts a job first, since it is under way already.
    pub(crate) fn prefer(&mut self, chain: ChainId, number: u64) {
        let Some(places) = self.0.get_mut(&chain) else { return };
        if let Some(at) = places.iter().position(|(_, _, other)| *other == number) {
            let place = places.remove(at);
            places.insert(0, place);
        }
    }

    /// Whether anything waits behind the first.
    pub(crate) fn has_more(&self, chain: ChainId) -> bool {
        self.0.get(&chain).is_some_and(|places| places.len() > 1)
    }

    /// Takes a job out; the one whose turn it is then, if that is another one.
    pub(crate) fn remove(&mut self, chain: ChainId, number: u64) -> Option<u64> {
        let places = self.0.get_mut(&chain)?;
        let was_first = places.first().is_some_and(|(_, _, other)| *other == number);
        places.retain(|(_, _, other)| *other != number);
        let next = places.first().map(|(_, _, next)| *next);
        if next.is_none() {
            self.0.remove(&chain);
        }
        next.filter(|_| was_first)
    }
}
