//! Token buckets, each kept as the one moment at which it will be full again.

use std::time::Duration;

use tokio::time::Instant;

/// So much a second, and so much at once. A rate of 0 means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    one: Duration,
    depth: Duration,
}

impl Rate {
    /// `count` in `period`, `burst` at once.
    pub(crate) fn new(count: u64, period: Duration, burst: u64) -> Rate {
        if count == 0 {
            return Rate { one: Duration::ZERO, depth: Duration::ZERO };
        }
        let times = |n: u64| Duration::from_secs_f64((period.as_secs_f64() * n as f64 / count as f64).min(DEPTH_MAX_S));
        // The depth has to let one through, however rare they may be.
        Rate { one: times(1), depth: times(burst.max(1)) }
    }

    pub(crate) fn is_limited(&self) -> bool {
        !self.one.is_zero()
    }

    fn cost(&self, count: usize) -> Duration {
        self.one.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

/// No bucket takes longer than this to fill, seconds.
const DEPTH_MAX_S: f64 = 86_400.0;
/// What was overdrawn is forgotten beyond this: many connections of one address may each have read once.
const DEBT_MAX: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    pub(crate) fn full(now: Instant) -> Bucket {
        Bucket { full_at: now }
    }

    /// Takes `count`, overdrawing if need be; then says how long until nothing is owed.
    pub(crate) fn spend(&mut self, rate: Rate, count: usize, now: Instant) -> Option<Duration> {
        if !rate.is_limited() {
            return None;
        }
        let spent = self.full_at.max(now) + rate.cost(count).min(rate.depth + DEBT_MAX);
        self.full_at = spent.min(now + rate.depth + DEBT_MAX);
        self.full_at.checked_duration_since(now + rate.depth).filter(|wait| !wait.is_zero())
    }

    /// Takes one, or nothing at all if it is not there.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        if !rate.is_limited() {
            return true;
        }
        let spent = self.full_at.max(now) + rate.one;
        let there = spent <= now + rate.depth;
        if there {
            self.full_at = spent;
        }
        there
    }

    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let (now, rate) = (Instant::now(), Rate::new(100, SECOND, 200));
        let mut bucket = Bucket::full(now);
        assert_eq!(bucket.spend(rate, 200, now), None);
        let wait = bucket.spend(rate, 100, now).unwrap();
        assert_eq!(wait, SECOND);
        assert_eq!(bucket.spend(rate, 0, now + wait), None);
        assert!(!bucket.is_full(now + SECOND * 2));
        assert!(bucket.is_full(now + SECOND * 3));
    }

    #[test]
    fn in_the_long_run_no_more_than_the_rate_gets_through() {
        let (start, rate) = (Instant::now(), Rate::new(1_000, SECOND, 2_000));
        let mut bucket = Bucket::full(start);
        let (mut now, mut passed) = (start, 0);
        while now < start + SECOND * 10 {
            passed += 64;
            now += bucket.spend(rate, 64, now).unwrap_or_default();
        }
        assert!((11_900..12_200).contains(&passed), "{passed}");
    }

    #[test]
    fn taking_needs_it_to_be_there() {
        let (now, rate) = (Instant::now(), Rate::new(10, SECOND, 2));
        let mut bucket = Bucket::full(now);
        assert!(bucket.take(rate, now) && bucket.take(rate, now) && !bucket.take(rate, now));
        assert!(bucket.take(rate, now + SECOND / 10) && !bucket.take(rate, now + SECOND / 10));
    }

    #[test]
    fn zero_is_no_limit_and_debts_are_bounded() {
        let now = Instant::now();
        let mut bucket = Bucket::full(now);
        assert_eq!(bucket.spend(Rate::new(0, SECOND, 0), usize::MAX, now), None);
        assert!(bucket.is_full(now));
        let rate = Rate::new(1, SECOND, 1);
        for _ in 0..100 {
            assert!(bucket.spend(rate, usize::MAX, now).unwrap() <= DEBT_MAX);
        }
    }
}
