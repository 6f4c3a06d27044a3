//! Confirmation and hysteresis of a threshold: the same for every rule that has one.
//!
//! A sample beyond the threshold is confirmed by the next ones. A device that samples slowly cannot be waited for as long
//! as one that samples each second, and one that falls silent after such a sample may have burnt: so a sample that nothing
//! contradicts counts after a time, which for a device that speaks at least once a minute is long enough for its next
//! sample.

use serde::{Deserialize, Serialize};

/// A device that speaks at least so often is waited for, ms.
const SPEAKS_SOON_MS: u32 = 60_000;

/// Silence for less than this, or three times what is usual, is no new start, ms.
const START_MS: u64 = 20_000;

/// What a rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Consecutive samples beyond the threshold.
    pub samples: u8,
    /// They span at least this time, ms.
    pub hold_ms: u64,
    /// After this time fewer will do (two, or one that nothing contradicted), ms.
    pub lone_ms: u64,
    /// It ends after samples within bounds for this time, ms; the first one ends it where a device speaks more rarely.
    pub clear_ms: u64,
}

/// How far one threshold of one device is confirmed. Nearly all are calm nearly always, and take a pointer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Confirm(Option<Box<Forming>>);

/// What is known of a threshold that some sample was beyond.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Forming {
    count: u8,
    since_ms: u64,
    extreme: f32,
    /// Time since when samples are well within bounds, ms since 1970; 0 for not so.
    calm_ms: u64,
}

/// How often a device gives samples of one quantity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    pub last_ms: u64,
    /// Time between the last two samples; 0 when there were fewer.
    gap_ms: u32,
    /// The time between samples before that; 0 when there was none.
    before_ms: u32,
}

impl Pace {
    /// Reads something of it, see [`crate::rule::Rule::look`].
    pub fn look(&self) -> u64 {
        self.last_ms
    }

    /// Time from the last sample to one at `at_ms`, ms; 0 for the first.
    pub fn past_ms(&self, at_ms: u64) -> u64 {
        if self.last_ms == 0 { 0 } else { at_ms.saturating_sub(self.last_ms) }
    }

    /// Whether a sample at `at_ms` is the first after a while: a device that got its power just now shows anything.
    pub fn starts(&self, at_ms: u64, promise_s: u32) -> bool {
        let past_ms = self.past_ms(at_ms);
        self.last_ms == 0 || past_ms > START_MS.max(u64::from(self.expected_ms(promise_s)) * 3)
    }

    /// Takes in a sample.
    pub fn sample(&mut self, at_ms: u64) {
        if self.last_ms != 0 {
            self.before_ms = self.gap_ms;
            self.gap_ms = u32::try_from(at_ms.saturating_sub(self.last_ms)).unwrap_or(u32::MAX).max(1);
        }
        self.last_ms = at_ms;
    }

    /// Time to the next sample as far as one can tell, ms: the shorter of the last two, else the device's promise. One
    /// long gap (no power, no network) does not make a slow device.
    pub fn expected_ms(&self, promise_s: u32) -> u32 {
        match (self.gap_ms, self.before_ms) {
            (0, _) => promise_s.saturating_mul(1000),
            (gap_ms, 0) => gap_ms,
            (gap_ms, before_ms) => gap_ms.min(before_ms),
        }
    }

    /// Whether the next sample is worth waiting for.
    pub fn speaks_soon(&self, promise_s: u32) -> bool {
        (1..=SPEAKS_SOON_MS).contains(&self.expected_ms(promise_s))
    }
}

impl Confirm {
    /// Reads something of it, see [`crate::rule::Rule::look`].
    pub fn look(&self) -> u64 {
        u64::from(self.0.is_some())
    }

    /// Consecutive samples beyond the threshold.
    pub fn count(&self) -> u8 {
        self.0.as_ref().map_or(0, |forming| forming.count)
    }

    /// Time of the first of them, ms since 1970; 0 for none.
    pub fn since_ms(&self) -> u64 {
        self.0.as_ref().map_or(0, |forming| forming.since_ms)
    }

    /// The most extreme of them; 0 for none.
    pub fn extreme(&self) -> f32 {
        self.0.as_ref().map_or(0.0, |forming| forming.extreme)
    }

    /// Takes in a sample beyond the threshold; whether it is confirmed now.
    pub fn beyond(&mut self, at_ms: u64, value: f32, need: Need) -> bool {
        let forming = self.0.get_or_insert_default();
        forming.calm_ms = 0;
        if forming.count == 0 {
            forming.since_ms = at_ms;
            forming.extreme = value;
        }
        forming.extreme = if value.abs() > forming.extreme.abs() { value } else { forming.extreme };
        forming.count = forming.count.saturating_add(1);
        let held_ms = at_ms.saturating_sub(forming.since_ms);
        (forming.count >= need.samples && held_ms >= need.hold_ms) || (forming.count >= 2 && held_ms >= need.lone_ms)
    }

    /// When the samples so far count if nothing contradicts them; `None` when there are none.
    pub fn due_ms(&self, need: Need, pace: &Pace, promise_s: u32) -> Option<u64> {
        let forming = self.0.as_ref().filter(|forming| forming.count > 0)?;
        let wait_ms = if pace.speaks_soon(promise_s) {
            need.lone_ms.max(u64::from(pace.expected_ms(promise_s)) * 3 / 2)
        } else {
            need.lone_ms
        };
        Some(forming.since_ms + wait_ms)
    }

    /// Takes in a sample that is not beyond the threshold.
    #[inline]
    pub fn within(&mut self) {
        if let Some(forming) = &mut self.0 {
            forming.count = 0;
            self.settle();
        }
    }

    /// Takes in a sample while the condition holds: whether that ends it. `calm` says that the sample is well within
    /// bounds.
    pub fn calms(&mut self, at_ms: u64, calm: bool, need: Need, pace: &Pace) -> bool {
        if !calm {
            if let Some(forming) = &mut self.0 {
                forming.calm_ms = 0;
                self.settle();
            }
            return false;
        }
        let forming = self.0.get_or_insert_default();
        if forming.calm_ms == 0 {
            forming.calm_ms = at_ms;
        }
        let ended = at_ms.saturating_sub(forming.calm_ms) >= need.clear_ms || u64::from(pace.gap_ms) > need.clear_ms;
        if ended {
            *self = Confirm::default();
        }
        ended
    }

    /// Forgets what says nothing any longer.
    fn settle(&mut self) {
        if self.0.as_ref().is_some_and(|forming| forming.count == 0 && forming.calm_ms == 0) {
            self.0 = None;
        }
    }

    /// Time since the first of the samples, s.
    pub fn held_s(&self, now_ms: u64) -> u32 {
        u32::try_from(now_ms.saturating_sub(self.since_ms()) / 1000).unwrap_or(u32::MAX)
    }
}
