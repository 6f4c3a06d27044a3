//! What a unit's past says: fault and blind time, alarms, verdicts, in ten buckets of three days.
//!
//! The window reaches back 27 to 30 days, as the newest bucket fills. Times are kept in steps of 20 minutes with the rest in
//! seconds, so that nothing is lost and adding up in parts gives what adding up at once gives.

use model::Verdict;
use serde::{Deserialize, Serialize};

use super::trend;

const BUCKET_S: u32 = 3 * 86_400;
const BUCKETS: usize = 10;
const STEP_S: u32 = 1200;
const WINDOW_S: u32 = BUCKET_S * BUCKETS as u32;
const WINDOW_DAYS: u16 = (WINDOW_S / 86_400) as u16;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Bucket {
    /// In fault, steps.
    fault: u8,
    /// Blind, steps.
    blind: u8,
    /// Fire alarms, count; full at 255.
    alarms: u8,
    /// Fire alarms found false, count; full at 255.
    falses: u8,
}

/// See the module. 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Oldest first.
    buckets: [Bucket; BUCKETS],
    /// Added up until, s since 1970.
    until_s: u32,
    /// Number of the newest bucket since 1970.
    newest: u16,
    /// Below a step, s.
    fault_rest_s: u16,
    blind_rest_s: u16,
    /// Day of the last alarm, and its alarms.
    alarm_day: u16,
    day_alarms: u8,
    faulty: bool,
    blind: bool,
    /// Alarms of the worst day, and which day that was.
    worst_alarms: u8,
    worst_day: u16,
    /// Days of the last fire that was found real, and of the one before; 0 for none.
    fire_day: u16,
    fire_before_day: u16,
}

impl History {
    pub fn new(now_s: u32) -> History {
        History {
            buckets: Default::default(),
            until_s: now_s,
            newest: (now_s / BUCKET_S) as u16,
            fault_rest_s: 0,
            blind_rest_s: 0,
            alarm_day: 0,
            day_alarms: 0,
            faulty: false,
            blind: false,
            worst_alarms: 0,
            worst_day: 0,
            fire_day: 0,
            fire_before_day: 0,
        }
    }

    /// The same, added up until now.
    #[must_use]
    pub fn until(mut self, now_s: u32) -> History {
        self.add_up(now_s);
        self
    }

    pub fn flags(&self) -> (bool, bool) {
        (self.faulty, self.blind)
    }

    pub fn account(&mut self, now_s: u32, faulty: bool, blind: bool) {
        self.add_up(now_s);
        (self.faulty, self.blind) = (faulty, blind);
    }

    pub fn alarm(&mut self, now_s: u32) {
        self.add_up(now_s);
        let newest = self.newest_mut();
        newest.alarms = newest.alarms.saturating_add(1);
        let day = day(now_s);
        if self.alarm_day != day {
            (self.alarm_day, self.day_alarms) = (day, 0);
        }
        self.day_alarms = self.day_alarms.saturating_add(1);
        if self.day_alarms >= self.worst_alarms || day.saturating_sub(self.worst_day) >= WINDOW_DAYS {
            (self.worst_alarms, self.worst_day) = (self.day_alarms, day);
        }
    }

    pub fn verdict(&mut self, now_s: u32, verdict: Verdict, was_real: bool) {
        self.add_up(now_s);
        if was_real && verdict != Verdict::Real {
            (self.fire_day, self.fire_before_day) = (self.fire_before_day, 0);
        }
        match verdict {
            Verdict::Real if !was_real => (self.fire_before_day, self.fire_day) = (self.fire_day, day(now_s)),
            Verdict::False => {
                let newest = self.newest_mut();
                newest.falses = newest.falses.saturating_add(1);
            }
            Verdict::Real | Verdict::Test => {}
        }
    }

    /// Share of 30 days in fault, 0 to 1.
    pub fn fault_share(&self) -> f64 {
        share(self.buckets.iter().map(|bucket| u32::from(bucket.fault)).sum(), self.fault_rest_s)
    }

    /// Share of 30 days blind, 0 to 1.
    pub fn blind_share(&self) -> f64 {
        share(self.buckets.iter().map(|bucket| u32::from(bucket.blind)).sum(), self.blind_rest_s)
    }

    /// Fire alarms of 30 days.
    pub fn alarms(&self) -> u32 {
        self.buckets.iter().map(|bucket| u32::from(bucket.alarms)).sum()
    }

    /// Fire alarms of 30 days that were found false.
    pub fn falses(&self) -> u32 {
        self.buckets.iter().map(|bucket| u32::from(bucket.falses)).sum()
    }

    /// Most alarms on one day of the last 30.
    pub fn alarms_of_worst_day(&self) -> u32 {
        let recent = day(self.until_s).saturating_sub(self.worst_day) < WINDOW_DAYS;
        if recent { u32::from(self.worst_alarms) } else { 0 }
    }

    /// Days since a fire that was found real.
    pub fn days_since_fire(&self) -> Option<u32> {
        (self.fire_day != 0).then(|| u32::from(day(self.until_s).saturating_sub(self.fire_day)))
    }

    fn newest_mut(&mut self) -> &mut Bucket {
        &mut self.buckets[BUCKETS - 1]
    }

    fn add_up(&mut self, now_s: u32) {
        while self.until_s < now_s {
            let next = u32::from(self.newest) + 1;
            let end_s = now_s.min(next.saturating_mul(BUCKET_S));
            let passed_s = end_s.saturating_sub(self.until_s);
            let (faulty, blind) = self.flags();
            let newest = &mut self.buckets[BUCKETS - 1];
            add(faulty, &mut newest.fault, &mut self.fault_rest_s, passed_s);
            add(blind, &mut newest.blind, &mut self.blind_rest_s, passed_s);
            self.until_s = end_s.max(self.until_s);
            if end_s < now_s {
                self.buckets.rotate_left(1);
                *self.newest_mut() = Bucket::default();
                self.newest = self.newest.saturating_add(1);
                if self.newest == u16::MAX {
                    return;
                }
            }
        }
    }
}

fn add(holds: bool, steps: &mut u8, rest_s: &mut u16, passed_s: u32) {
    if holds {
        let total_s = u32::from(*rest_s) + passed_s;
        *steps = steps.saturating_add((total_s / STEP_S) as u8);
        *rest_s = (total_s % STEP_S) as u16;
    }
}

fn share(steps: u32, rest_s: u16) -> f64 {
    (f64::from(steps * STEP_S + u32::from(rest_s)) / f64::from(WINDOW_S)).min(1.0)
}

fn day(at_s: u32) -> u16 {
    trend::day_of(u64::from(at_s) * 1000) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u32 = 1_763_798_400;
    const DAY: u32 = 86_400;

    #[test]
    fn it_takes_64_bytes() {
        assert!(size_of::<History>() <= 64, "{}", size_of::<History>());
    }

    #[test]
    fn times_count_for_thirty_days_and_are_then_forgotten() {
        let mut history = History::new(NOW);
        history.account(NOW, true, false);
        history.account(NOW + 3 * DAY, false, true);
        let half = history.until(NOW + 3 * DAY + DAY / 2);
        assert!((half.fault_share() - 0.1).abs() < 1e-9, "{}", half.fault_share());
        assert!((half.blind_share() - 0.5 / 30.0).abs() < 1e-9);
        history.account(NOW + 4 * DAY, false, false);
        let later = history.until(NOW + 26 * DAY);
        assert!((later.fault_share() - 0.1).abs() < 1e-9);
        let gone = history.until(NOW + 40 * DAY);
        assert!(gone.fault_share() < 0.001 && gone.blind_share() < 0.001);
        assert!((History::new(NOW).until(NOW + 400 * DAY).fault_share()).abs() < 1e-12);
        history.account(NOW + 41 * DAY, true, true);
        assert!(history.until(NOW + 90 * DAY).fault_share() > 0.9);
    }

    #[test]
    fn alarms_verdicts_and_fires() {
        let mut history = History::new(NOW);
        for n in 0..7 {
            history.alarm(NOW + n * 600);
        }
        history.alarm(NOW + 2 * DAY);
        assert_eq!((history.alarms(), history.alarms_of_worst_day()), (8, 7));
        history.verdict(NOW + 2 * DAY, Verdict::False, false);
        history.verdict(NOW + 2 * DAY, Verdict::Test, false);
        assert_eq!((history.falses(), history.days_since_fire()), (1, None));
        history.verdict(NOW + 3 * DAY, Verdict::Real, false);
        history.verdict(NOW + 3 * DAY, Verdict::Real, true);
        history.verdict(NOW + 9 * DAY, Verdict::Real, false);
        assert_eq!(history.until(NOW + 10 * DAY).days_since_fire(), Some(1));
        // the second was a mistake
        history.verdict(NOW + 10 * DAY, Verdict::False, true);
        assert_eq!(history.days_since_fire(), Some(7));
        let later = history.until(NOW + 45 * DAY);
        assert_eq!((later.alarms(), later.falses(), later.alarms_of_worst_day()), (0, 0, 0));
        assert_eq!(later.days_since_fire(), Some(42));
    }

    proptest! {
        #[test]
        fn adding_up_in_parts_is_adding_up_at_once(
            changes in prop::collection::vec((0..5 * DAY, any::<bool>(), any::<bool>(), 0..3u32), 0..40),
        ) {
            let (mut whole, mut parts) = (History::new(NOW), History::new(NOW));
            let mut at_s = NOW;
            for (passed_s, faulty, blind, looks) in changes {
                for look in 0..looks {
                    parts = parts.until(at_s + passed_s * look / 3);
                }
                at_s += passed_s;
                whole.account(at_s, faulty, blind);
                parts.account(at_s, faulty, blind);
                prop_assert_eq!(whole, parts);
            }
        }
    }
}
