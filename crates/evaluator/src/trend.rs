//! Daily means of a value and their trend: what gets worse over days.
//!
//! The slope is Theil and Sen's, the median of the slopes between all pairs of days: a third of the days may lie anywhere.
//! It is told with the share of pairs that rise (Mann and Kendall's count), since a single step has a slope as well but
//! leaves the days before and after it in no order.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

const DAY_MS: u64 = 86_400_000;

/// Days kept.
pub const DAYS_MAX: usize = 14;

/// The newest [`DAYS_MAX`] days that had samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Days {
    /// The day that is going on, days since 1970; 0 before the first sample.
    day: u16,
    count: u32,
    /// Its mean so far.
    mean: f32,
    past: Option<Box<Past>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Past {
    len: u8,
    days: [u16; DAYS_MAX],
    means: [f32; DAYS_MAX],
}

/// How a value moves over days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// Units of the value a day; positive for rising.
    pub per_day: f32,
    /// Of all pairs of days, so many rise, %.
    pub rising_pct: f32,
    /// Of all pairs of days, so many fall, %.
    pub falling_pct: f32,
    /// Days with samples.
    pub days: u32,
    /// From the first to the last of them.
    pub span_days: u32,
    /// Mean of the last day.
    pub last: f32,
}

impl Days {
    /// Takes in a sample; whether it closed a day, so that the trend is another.
    #[inline]
    pub fn add(&mut self, at_ms: u64, value: f32) -> bool {
        let day = (at_ms / DAY_MS) as u16;
        let closed = day != self.day && self.count > 0;
        if closed {
            self.close();
        }
        self.day = day;
        self.count = self.count.saturating_add(1);
        self.mean += (value - self.mean) / self.count as f32;
        closed
    }

    #[cold]
    fn close(&mut self) {
        let past = self.past.get_or_insert_default();
        if usize::from(past.len) == DAYS_MAX {
            past.days.rotate_left(1);
            past.means.rotate_left(1);
            past.len -= 1;
        }
        let at = usize::from(past.len);
        (past.days[at], past.means[at]) = (self.day, self.mean);
        past.len += 1;
        (self.count, self.mean) = (0, 0.0);
    }

    /// Reads something of it, see [`crate::rule::Rule::look`].
    pub fn look(&self) -> u64 {
        u64::from(self.count)
    }

    /// Days that are over.
    pub fn len(&self) -> u32 {
        self.past.as_ref().map_or(0, |past| u32::from(past.len))
    }

    /// The trend of the days that are over; `None` for fewer than three.
    pub fn slope(&self) -> Option<Slope> {
        let past = self.past.as_ref().filter(|past| past.len >= 3)?;
        let len = usize::from(past.len);
        let (days, means) = (&past.days[..len], &past.means[..len]);
        let mut slopes: SmallVec<[f32; DAYS_MAX * (DAYS_MAX - 1) / 2]> = SmallVec::new();
        for later in 1..len {
            for earlier in 0..later {
                slopes.push((means[later] - means[earlier]) / f32::from((days[later] - days[earlier]).max(1)));
            }
        }
        slopes.sort_unstable_by(f32::total_cmp);
        let middle = slopes.len() / 2;
        let per_day = if slopes.len() % 2 == 1 { slopes[middle] } else { (slopes[middle - 1] + slopes[middle]) / 2.0 };
        let share = |count: usize| count as f32 * 100.0 / slopes.len() as f32;
        Some(Slope {
            per_day,
            rising_pct: share(slopes.iter().filter(|slope| **slope > 0.0).count()),
            falling_pct: share(slopes.iter().filter(|slope| **slope < 0.0).count()),
            days: len as u32,
            span_days: u32::from(days[len - 1] - days[0]),
            last: means[len - 1],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(means: &[f32]) -> Option<Slope> {
        let mut days = Days::default();
        for (mean, day) in means.iter().zip(20_000..) {
            for hour in 0..4 {
                days.add((day * 24 + hour * 6) * 3_600_000, mean + hour as f32 - 1.5);
            }
        }
        days.add(30_000 * DAY_MS, 0.0);
        days.slope()
    }

    #[test]
    fn a_steady_rise_and_one_day_that_lies() {
        let slope = of(&[10.0, 12.0, 14.0, 99.0, 18.0, 20.0, 22.0, 24.0]).expect("eight days");
        assert!((slope.per_day - 2.0).abs() < 0.2, "{slope:?}");
        assert!(slope.rising_pct > 80.0 && slope.days == 8 && slope.span_days == 7, "{slope:?}");
    }

    #[test]
    fn a_step_leaves_the_days_around_it_in_no_order() {
        let step: Vec<f32> = (0..14).map(|day| if day < 7 { 20.0 } else { 80.0 } + [0.0, 1.0, -1.0][day % 3]).collect();
        let slope = of(&step).expect("fourteen days");
        assert!(slope.rising_pct < 80.0, "{slope:?}");
    }

    #[test]
    fn the_oldest_days_go_and_gaps_count() {
        assert_eq!(of(&[1.0, 2.0]), None);
        let many: Vec<f32> = (0..40).map(|day| -(day as f32)).collect();
        let slope = of(&many).expect("many days");
        assert_eq!((slope.days, slope.per_day, slope.falling_pct, slope.last), (14, -1.0, 100.0, -39.0));
        let mut days = Days::default();
        for day in [1, 2, 12, 13] {
            days.add(day * DAY_MS, day as f32);
        }
        let slope = days.slope().expect("three days are over");
        assert_eq!((slope.per_day, slope.span_days), (1.0, 11));
    }
}
