//! Two devices with one client id throw each other out for ever; this gives them pause.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::{Bucket, Rate};
use crate::lock;

/// Client ids that were taken over lately.
pub(crate) struct Takeovers {
    rate: Rate,
    pause: Duration,
    random: RandomState,
    lately: Mutex<HashMap<u64, Lately>>,
}

struct Lately {
    bucket: Bucket,
    barred_until: Option<Instant>,
}

/// Client ids watched at a time; beyond it further ones go unwatched until others have calmed down.
const WATCHED_MAX: usize = 16_384;

impl Takeovers {
    pub(super) fn new(per_minute: u32, pause: Duration) -> Takeovers {
        Takeovers {
            rate: Rate::new(per_minute.into(), Duration::from_secs(60), per_minute.into()),
            pause,
            random: RandomState::new(),
            lately: Mutex::default(),
        }
    }

    /// Whether nobody may come in under this client id for the moment.
    pub(crate) fn is_barred(&self, client_id: &str, now: Instant) -> bool {
        let key = self.random.hash_one(client_id);
        lock(&self.lately).get(&key).is_some_and(|lately| lately.barred_until.is_some_and(|until| now < until))
    }

    /// Notes that a live connection was thrown out.
    pub(crate) fn note(&self, client_id: &str, now: Instant) {
        if !self.rate.is_limited() {
            return;
        }
        let key = self.random.hash_one(client_id);
        let mut all = lock(&self.lately);
        if all.len() >= WATCHED_MAX && !all.contains_key(&key) {
            all.retain(|_, lately| !lately.bucket.is_full(now));
            if all.len() >= WATCHED_MAX {
                return;
            }
        }
        let fresh = || Lately { bucket: Bucket::full(now), barred_until: None };
        let lately = all.entry(key).or_insert_with(fresh);
        if !lately.bucket.take(self.rate, now) {
            lately.barred_until = Some(now + self.pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_rate_a_client_id_is_barred_for_a_while() {
        let takeovers = Takeovers::new(3, Duration::from_secs(10));
        let now = Instant::now();
        for _ in 0..3 {
            takeovers.note("a", now);
            assert!(!takeovers.is_barred("a", now));
        }
        takeovers.note("a", now);
        assert!(takeovers.is_barred("a", now) && !takeovers.is_barred("b", now));
        assert!(!takeovers.is_barred("a", now + Duration::from_secs(10)));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_calm_ones_are_forgotten() {
        let takeovers = Takeovers::new(1, Duration::from_secs(10));
        let now = Instant::now();
        for number in 0..WATCHED_MAX + 10 {
            takeovers.note(&number.to_string(), now);
        }
        assert_eq!(lock(&takeovers.lately).len(), WATCHED_MAX);
        takeovers.note("later", now + Duration::from_secs(120));
        assert_eq!(lock(&takeovers.lately).len(), 1);
    }
}
