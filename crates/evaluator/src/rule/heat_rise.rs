//! Heat, rate of rise: a fire warms the air under the ceiling faster than anything else does, long before it is hot.
//!
//! In compartment fires with furniture it comes 35 to 55 s before the fixed temperature. What must not be taken for a
//! fire: single wrong samples, noise, a room that recovers after a door stood open, people who stand under the sensor (some
//! kelvin for some seconds), heating and sun (up to 4 K/min for long), a sensor that just got its power.
//!
//! How: the temperature rose by `rise_k` or more, at `rate_k_min` or faster, from a base to a level that it has not left
//! since. *Level* is the lowest of the newest samples, and the smaller the rise, the longer they must stay up: a rise of
//! `rise_k` for `hold_s`, of twice that for a quarter of it; always two samples and two seconds. What is *still rising*
//! need not stay: a plume heats the ceiling more and more, while a person, a hand on the sensor, a draught that ends is a
//! step; but where it was colder a minute ago (a door stands open, people come and go) it must stay all the same. *Base* is the higher of
//! two neighbouring means of 6 s before that (a dip is not a base). And the level must be `rise_k` above the *calm*: what
//! the last five minutes were like, which a dip or a spike hardly moves.

use model::finding::Words;
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, Watching, words};
use crate::confirm::Pace;
use crate::ring::{Ring, Spot, Stamp, between, stamp};
use crate::rules::{at_most, positive};
use crate::why::Watch;
use crate::zero::median;

/// See the module.
pub struct HeatRise;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Alarms at and above, K/min. 8.3 K/min (15 °F/min) is the rate of UL 521; quiet rooms reach 5.2.
    pub rate_k_min: f32,
    /// A smaller rise does not count, K: half a minute at the rate.
    pub rise_k: f32,
    /// A rise of `rise_k` must stay for so long, s; a larger one shorter, with its square.
    pub hold_s: f32,
    /// Samples of a device that was not heard of for so long stand alone, s.
    pub gap_s: u32,
    /// Samples of a device that was silent for a while (it may have got its power just now) are left out for so long, s.
    pub start_s: u32,
    /// From what it was within this time after its first sample, s,
    pub settle_s: u32,
    /// a device must rise to this for that to count, °C: a sensor that just got its power runs up to the room's.
    pub settle_c: f32,
    /// Ends when the rise was not seen for so long, s, or the temperature is back.
    pub clear_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            rate_k_min: 8.3,
            rise_k: 4.15,
            hold_s: 14.0,
            gap_s: 600,
            start_s: 5,
            settle_s: 20,
            settle_c: 35.0,
            clear_s: 300,
        }
    }
}

/// Samples of less than this time are one, ms (the lowest of them).
const FINE_MS: u32 = 1000;
/// Samples of this time make one mean, ms.
const COARSE_MS: u32 = 6000;
/// Of samples no further apart than this, ms, each is taken as the median of it and the two before.
const DENSE_MS: u64 = 1500;
/// Every rise must stay up for this time, ms: no single wrong sample does.
const HOLD_LEAST_MS: u32 = 2000;
/// What is still rising rose by such a share of `rise_k` from one time to the next,
const GREW: f32 = 0.25;
/// and was at such a share of it before its newest samples: one wrong sample makes no rise.
const GROWN: f32 = 0.5;
/// What is such a share of `rise_k` below the calm within the last minute tells of a draught.
const DIP: f32 = 0.2;
/// What is still rising rises by so many times the unrest of the air.
const UNREST: f32 = 2.0;
/// Time that the calm looks back, ms.
const CALM_MS: f32 = 300_000.0;
/// The calm moves at most so far with one mean, K.
const CALM_STEP_K: f32 = 1.0;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    first_ms: u64,
    pace: Pace,
    /// Heard of again after a while.
    start_ms: u64,
    /// The last sample that was not left out, ms since 1970.
    kept_ms: u64,
    /// The two samples before, newest last.
    before: [f32; 2],
    /// The lowest of each second.
    fine: Ring<12>,
    /// The mean of each 6 s, at the time of its first sample; the newest is in the making.
    coarse: Ring<10>,
    /// Samples in the newest mean.
    in_mean: u16,
    /// Means that the calm was made of, up to 2.
    means: u8,
    calm_c: f32,
    /// The largest fall from one mean to the next within about the time that the calm looks back, K.
    unrest_k: f32,
    /// While it holds: base, and when the rise was last seen.
    base_c: f32,
    seen_ms: u64,
}

/// A rise that was found.
struct Rise {
    base_c: f32,
    level_c: f32,
    over_ms: u32,
}

impl Memory {
    /// Takes in a sample; whether it counts.
    fn take(&mut self, settings: &Settings, at_ms: u64, value: f32) -> bool {
        let gone_ms = at_ms.saturating_sub(self.kept_ms);
        if self.pace.starts(at_ms, 0) {
            self.start_ms = at_ms;
        }
        self.pace.sample(at_ms);
        let is_start = at_ms - self.start_ms < u64::from(settings.start_s) * 1000;
        if self.first_ms != 0 && is_start && gone_ms <= u64::from(settings.gap_s) * 1000 {
            return false;
        }
        self.kept_ms = at_ms;
        if self.first_ms == 0 || gone_ms > u64::from(settings.gap_s) * 1000 {
            let (base_c, seen_ms) = (self.base_c, self.seen_ms);
            let Memory { pace, start_ms, kept_ms, .. } = *self;
            let before = [value; 2];
            *self = Memory { first_ms: at_ms, pace, start_ms, kept_ms, base_c, seen_ms, before, ..Memory::default() };
        }
        let [older, newer] = self.before;
        self.before = [newer, value];
        let value = if gone_ms <= DENSE_MS { median(older, newer, value) } else { value };
        let at = stamp(at_ms);
        match self.fine.last_mut() {
            Some(spot) if between(spot.at, at) < FINE_MS => spot.value = spot.value.min(value),
            _ => self.fine.push(Spot { at, value }),
        }
        match self.coarse.last_mut() {
            Some(mean) if between(mean.at, at) < COARSE_MS => {
                self.in_mean = self.in_mean.saturating_add(1);
                mean.value += (value - mean.value) / f32::from(self.in_mean);
            }
            last => {
                let made = last.map(|mean| (mean.value, between(mean.at, at)));
                if let Some((mean, over_ms)) = made {
                    self.calm(mean, over_ms);
                    self.unrest(mean, over_ms);
                }
                self.coarse.push(Spot { at, value });
                self.in_mean = 1;
            }
        }
        true
    }

    /// Takes a mean into the calm. The first two are taken whole, the higher of them: one may be wrong.
    fn calm(&mut self, mean: f32, over_ms: u32) {
        match self.means {
            0 => self.calm_c = mean,
            1 => self.calm_c = self.calm_c.max(mean),
            _ => {
                let over_ms = over_ms as f32;
                let step = (mean - self.calm_c) * (over_ms / (over_ms + CALM_MS));
                self.calm_c += step.clamp(-CALM_STEP_K, CALM_STEP_K);
            }
        }
        self.means = self.means.saturating_add(1).min(2);
    }

    /// Air that moves falls as often as it rises, a fire rises.
    fn unrest(&mut self, mean: f32, over_ms: u32) {
        let before = self.coarse.as_slice().iter().rev().nth(1).map_or(mean, |mean| mean.value);
        let faded_k = self.unrest_k * CALM_MS / (CALM_MS + over_ms as f32);
        self.unrest_k = faded_k.max(before - mean);
    }

    fn rise(&self, settings: &Settings) -> Option<Rise> {
        let (fine, coarse) = (self.fine.as_slice(), self.coarse.as_slice());
        let newest = fine.last()?;
        if self.means == 0 || coarse.len() < 3 || newest.value - self.calm_c < settings.rise_k {
            return None;
        }
        let now = stamp(self.pace.last_ms);
        // a door stands open, somebody is about: what warms the air then is no plume
        let is_airy = coarse.iter().chain(fine).any(|spot| self.calm_c - spot.value >= settings.rise_k * DIP);
        let mut level_c = f32::INFINITY;
        for (spot, samples) in fine.iter().rev().zip(1..) {
            level_c = level_c.min(spot.value);
            if level_c - self.calm_c < settings.rise_k {
                return None;
            }
            let held_ms = between(spot.at, now);
            let growing = if is_airy { None } else { self.growing(settings, samples) };
            if growing.is_none() && (samples < 2 || held_ms < HOLD_LEAST_MS) {
                continue;
            }
            let found = self.rise_from_base(settings, Level { level_c, held_ms, growing, now });
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Whether the newest `samples` are higher than as many before, and those than as many before them, each time by a good
    /// part of a rise, at the rate, and by more than the air moves there: the level of the middle ones. The lowest of each
    /// count: a wrong sample above is none.
    fn growing(&self, settings: &Settings, samples: usize) -> Option<f32> {
        let fine = self.fine.as_slice();
        let from = fine.len().checked_sub(3 * samples)?;
        let part = |which: usize| &fine[from + which * samples..from + (which + 1) * samples];
        let low_c = |which| part(which).iter().fold(f32::INFINITY, |low_c, spot| low_c.min(spot.value));
        let part_k = (settings.rise_k * GREW).max(self.unrest_k * UNREST);
        let grew = |which: usize| {
            let past_ms = between(part(which)[0].at, part(which + 1)[0].at);
            let least_k = part_k.max(settings.rate_k_min * past_ms as f32 / 60_000.0);
            past_ms >= HOLD_LEAST_MS && low_c(which + 1) - low_c(which) >= least_k
        };
        (grew(0) && grew(1)).then(|| low_c(1))
    }

    /// A rise to a level from the newest base that is low enough.
    fn rise_from_base(&self, settings: &Settings, level: Level) -> Option<Rise> {
        let Level { level_c, held_ms, growing, now } = level;
        self.coarse.as_slice().windows(3).rev().find_map(|means| {
            let [before, base, next] = means else { return None };
            if between(next.at, now) < held_ms {
                return None;
            }
            let base_c = before.value.max(base.value);
            let over_ms = between(base.at, now) - held_ms;
            let rose_k = level_c - base_c;
            let counts_k = rose_k.min(level_c - self.calm_c);
            let share = settings.rise_k / counts_k;
            let settled = between(stamp(self.first_ms), base.at) >= settings.settle_s.saturating_mul(1000);
            let stays = held_ms >= HOLD_LEAST_MS && held_ms as f32 >= settings.hold_s * 1000.0 * share * share;
            let grows = growing.is_some_and(|before_c| before_c - base_c >= settings.rise_k * GROWN);
            let is_rise = counts_k >= settings.rise_k
                && (settled || level_c >= settings.settle_c)
                && rose_k * 60_000.0 >= settings.rate_k_min * over_ms as f32
                && (stays || grows);
            is_rise.then_some(Rise { base_c, level_c, over_ms })
        })
    }
}

/// A level that may be a rise.
#[derive(Clone, Copy)]
struct Level {
    level_c: f32,
    held_ms: u32,
    /// The level before, where it is still rising.
    growing: Option<f32>,
    now: Stamp,
}

impl Rule for HeatRise {
    const CONDITIONS: &'static [Condition] = &[Condition::new("heat_rise", Family::Fire)];
    const READS: &'static [Quantity] = &[Quantity::TemperatureC];
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        positive(&[("rate_k_min", settings.rate_k_min), ("rise_k", settings.rise_k), ("hold_s", settings.hold_s)])?;
        let Settings { rate_k_min, rise_k, hold_s, .. } = *settings;
        at_most(&[("rate_k_min", rate_k_min, 60.0), ("rise_k", rise_k, 50.0), ("hold_s", hold_s, 300.0)])
    }

    fn look(memory: &Memory) -> u64 {
        memory.pace.look() ^ memory.seen_ms ^ memory.fine.look() ^ memory.coarse.look()
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
        if !memory.take(settings, sample.at_ms, sample.value) {
            return;
        }
        let rise = memory.rise(settings);
        if !scene.holds(0) {
            if let Some(Rise { base_c, level_c, over_ms }) = rise {
                (memory.base_c, memory.seen_ms) = (base_c, sample.at_ms);
                let rate = (level_c - base_c) * 60_000.0 / over_ms.max(1) as f32;
                let note = Note { a: base_c, b: level_c, c: rate, n: over_ms.div_ceil(1000) };
                scene.begin(0, Colour::Orange, note);
            }
            return;
        }
        if rise.is_some() {
            memory.seen_ms = sample.at_ms;
        }
        let back_c = memory.base_c + settings.rise_k / 2.0;
        let newest = memory.fine.as_slice();
        let is_back = newest.len() >= 3 && newest[newest.len() - 3..].iter().all(|spot| spot.value < back_c);
        let unseen_ms = sample.at_ms.saturating_sub(memory.seen_ms);
        if is_back || unseen_ms >= u64::from(settings.clear_s) * 1000 {
            scene.end(0, Note { a: memory.base_c, b: sample.value, ..Note::default() });
        }
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        let name = HeatRise::CONDITIONS[0].name;
        let newest = memory.and_then(|memory| Some((memory, memory.fine.as_slice().last()?.value)));
        let Some((memory, newest)) = newest else { return vec![Watch::no_data(name)] };
        let (calm, above) = (memory.calm_c, newest - memory.calm_c);
        let Settings { rise_k, rate_k_min, hold_s, .. } = settings;
        vec![Watch::of(
            name,
            watching.holds(0),
            memory.means > 0 && above >= *rise_k,
            format!(
                "温度 {newest:.1} °C，近几分钟约 {calm:.1}，高出 {above:.1} K；要求升高 {rise_k:.1} K、{rate_k_min:.1} K/min 并保持（{hold_s:.0} 秒，升幅越大越短）"
            ),
            format!(
                "{newest:.1} °C, calm {calm:.1}, {above:.1} K above; asked for: {rise_k:.1} K at {rate_k_min:.1} K/min that \
                 stays ({hold_s:.0} s, shorter for more)"
            ),
        )]
    }

    fn words(_: usize, note: &Note) -> (Words, Words) {
        let Note { a, b, c, n } = note;
        if *n == 0 {
            return (
                words(format!("温度 {b:.1} °C，不再上升"), format!("{b:.1} °C, no longer rising")),
                words("温度再次快速上升", "temperature rises quickly again"),
            );
        }
        (
            words(
                format!("温度 {n} 秒内由 {a:.1} 升至 {b:.1} °C，约 {c:.1} K/min，且未回落"),
                format!("from {a:.1} to {b:.1} °C in {n} s, about {c:.1} K/min, and not back since"),
            ),
            words("温度不再上升或回落", "temperature rises no longer, or falls back"),
        )
    }
}

#[cfg(test)]
mod tests;
