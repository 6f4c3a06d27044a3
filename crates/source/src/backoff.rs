//! How long to wait before the next attempt.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Doubling waits, half of each by chance, so that many clients of a restarted broker do not come back in step.
pub(crate) struct BackOff {
    min_ms: u64,
    max_ms: u64,
    next_ms: u64,
    random: RandomState,
    drawn: u64,
}

impl BackOff {
    pub(crate) fn new(min_ms: u64, max_ms: u64) -> BackOff {
        BackOff { min_ms, max_ms, next_ms: min_ms, random: RandomState::new(), drawn: 0 }
    }

    /// The next wait, between half of what is due and all of it.
    pub(crate) fn wait(&mut self) -> Duration {
        self.drawn += 1;
        let due_ms = self.next_ms;
        self.next_ms = (due_ms * 2).min(self.max_ms);
        let half = due_ms / 2;
        Duration::from_millis(half + self.random.hash_one(self.drawn) % (due_ms - half + 1))
    }

    /// The last attempt went well: begin anew.
    pub(crate) fn reset(&mut self) {
        self.next_ms = self.min_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_begin_anew() {
        let mut back_off = BackOff::new(100, 1000);
        for due in [100, 200, 400, 800, 1000, 1000] {
            let wait = back_off.wait().as_millis();
            assert!((due / 2..=due).contains(&wait), "{wait} of {due}");
        }
        back_off.reset();
        assert!(back_off.wait().as_millis() <= 100);
    }

    #[test]
    fn waits_differ() {
        let mut back_off = BackOff::new(1_000_000, 1_000_000);
        assert_ne!(back_off.wait(), back_off.wait());
    }
}
