//! How the standing risk of regions moves: a mean a day, for the last 35 days.
//!
//! Kept by grid, as sums and counts, of which those of every larger region follow exactly. A day is that of China Standard
//! Time and is written down at the first tick after it ended; days on which the station did not run are not known.
//!
//! With several workers, a unit that moves to another's village is counted in by one and counted out by the other, below zero
//! where need be: what counts is the sum over all workers.

use std::collections::BTreeMap;

use model::RegionCode;
use serde::{Deserialize, Serialize};

use crate::judge::Counted;
use crate::state::State;

/// Days kept.
pub const DAYS_MAX: usize = 35;

const DAY_MS: u64 = 86_400_000;
/// China Standard Time is eight hours ahead of UTC.
const ZONE_MS: u64 = 8 * 3_600_000;

/// Number of the day, since 1970, in China Standard Time.
pub fn day_of(at_ms: u64) -> u32 {
    u32::try_from((at_ms + ZONE_MS) / DAY_MS).unwrap_or(u32::MAX)
}

/// Units that have an index, counted, and the sum of their indices, at the end of a day (or now). Of one worker among several,
/// either may be below zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Number of the day, see [`day_of`].
    pub day: u32,
    pub units: i32,
    pub sum: i32,
}

impl Day {
    /// When the day began, ms since 1970.
    pub fn begins_ms(&self) -> u64 {
        (u64::from(self.day) * DAY_MS).saturating_sub(ZONE_MS)
    }

    /// Mean index; `None` where no unit had one.
    pub fn mean(&self) -> Option<f64> {
        (self.units > 0).then(|| f64::from(self.sum) / f64::from(self.units))
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Grid {
    units: i32,
    sum: i32,
    /// (units, sum) at the ends of past days, oldest first; the last is that of [`Trends::days`]'s last.
    past: Vec<(i32, i32)>,
}

impl Grid {
    fn add(&mut self, mut other: Grid) {
        if other.past.len() > self.past.len() {
            std::mem::swap(&mut self.past, &mut other.past);
        }
        let unknown = self.past.len() - other.past.len();
        for (day, (units, sum)) in self.past[unknown..].iter_mut().zip(other.past) {
            (day.0, day.1) = (day.0 + units, day.1 + sum);
        }
        (self.units, self.sum) = (self.units + other.units, self.sum + other.sum);
    }
}

/// The grids of this share.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trends {
    /// The day that runs.
    today: u32,
    /// Numbers of the days that ended, oldest first.
    days: Vec<u32>,
    grids: BTreeMap<RegionCode, Grid>,
}

impl Trends {
    /// A unit came, went, moved or has another index.
    pub fn count(&mut self, from: Option<&Counted>, to: Option<&Counted>) {
        for (unit, comes) in [(to, true), (from, false)] {
            let Some((grid, index)) = unit.and_then(|unit| Some((unit.grid, unit.risk?))) else { continue };
            let grid = self.grids.entry(grid).or_default();
            if comes {
                (grid.units, grid.sum) = (grid.units + 1, grid.sum + i32::from(index));
            } else {
                (grid.units, grid.sum) = (grid.units - 1, grid.sum - i32::from(index));
            }
        }
    }

    /// Writes the day down if it ended.
    pub fn tick(&mut self, now_ms: u64) {
        let today = day_of(now_ms);
        if self.today != 0 && self.today < today {
            self.days.push(self.today);
            let surplus = self.days.len().saturating_sub(DAYS_MAX);
            self.days.drain(..surplus);
            for grid in self.grids.values_mut() {
                grid.past.push((grid.units, grid.sum));
                let surplus = grid.past.len().saturating_sub(DAYS_MAX);
                grid.past.drain(..surplus);
            }
        }
        self.today = self.today.max(today);
    }

    /// Those of all workers together.
    pub(crate) fn joined(all: impl Iterator<Item = Trends>) -> Trends {
        let mut joined = Trends::default();
        for of_one in all {
            (joined.today, joined.days) = (of_one.today, of_one.days);
            for (code, part) in of_one.grids {
                joined.grids.entry(code).or_default().add(part);
            }
        }
        joined
    }

    /// Keeps some grids.
    pub(crate) fn keep(&mut self, which: impl Fn(RegionCode) -> bool) {
        self.grids.retain(|grid, _| which(*grid));
    }

    /// The day that runs; 0 before the first tick.
    pub fn today(&self) -> u32 {
        self.today
    }

    /// Ends of past days of a region, oldest first, at most [`DAYS_MAX`]; the last is today as it stands.
    pub fn of(&self, region: RegionCode) -> Vec<Day> {
        let days = self.days.iter().chain(std::iter::once(&self.today));
        let mut trend: Vec<Day> = days.map(|day| Day { day: *day, ..Day::default() }).collect();
        let past = trend.len() - 1;
        for (_, grid) in self.grids.iter().filter(|(code, _)| region.contains(**code)) {
            let unknown = past - grid.past.len();
            let (ends, now) = trend.split_at_mut(past);
            for (day, (units, sum)) in ends[unknown..].iter_mut().zip(&grid.past) {
                (day.units, day.sum) = (day.units + units, day.sum + sum);
            }
            (now[0].units, now[0].sum) = (now[0].units + grid.units, now[0].sum + grid.sum);
        }
        trend
    }
}

/// How the standing risk of a region moved, see [`Trends::of`]; of several shares, the sums of a day are to be added.
pub fn trend(state: &State, region: RegionCode) -> Vec<Day> {
    state.trends.of(region)
}

#[cfg(test)]
mod tests {
    use model::Colour;

    use super::*;

    const NOON: u64 = 1_763_798_400_000;

    #[test]
    fn days_end_at_midnight_in_china() {
        // 2025-11-22 15:59:59 and 16:00 UTC
        assert_eq!(day_of(1_763_827_199_999) + 1, day_of(1_763_827_200_000));
    }

    #[test]
    fn a_mean_a_day_for_every_region_and_35_of_them() {
        let grid = |n: u32| format!("33108300100{n}001").parse::<RegionCode>().expect("valid");
        let unit = |n, risk| Counted { grid: grid(n), colour: Colour::Blue, blind: false, risk: Some(risk) };
        let mut trends = Trends::default();
        trends.count(None, Some(&unit(1, 40)));
        trends.count(None, Some(&Counted { risk: None, ..unit(1, 0) }));
        trends.tick(NOON);
        trends.tick(NOON + DAY_MS);
        trends.count(Some(&unit(1, 40)), Some(&unit(1, 50)));
        trends.count(None, Some(&unit(2, 20)));
        // the station was off for a day
        trends.tick(NOON + 3 * DAY_MS);
        let city: RegionCode = "331083".parse().expect("valid");
        let first = day_of(NOON);
        let shown: Vec<_> = trends.of(city).iter().map(|day| (day.day - first, day.units, day.mean())).collect();
        assert_eq!(shown, [(0, 1, Some(40.0)), (1, 2, Some(35.0)), (3, 2, Some(35.0))]);
        let of_second: Vec<_> = trends.of(grid(2)).iter().map(Day::mean).collect();
        assert_eq!(of_second, [None, Some(20.0), Some(20.0)]);
        for day in 4..60 {
            trends.tick(NOON + day * DAY_MS);
        }
        assert_eq!(trends.of(city).len(), DAYS_MAX + 1);
        trends.count(Some(&unit(2, 20)), None);
        assert_eq!(trends.of(city).last().and_then(Day::mean), Some(50.0));
    }
}
