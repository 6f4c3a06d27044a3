//! Several quantities together: a fire makes heat, smoke and carbon monoxide at once, and hardly anything else does.
//!
//! Each quantity counts from what it was before: temperature from a base that follows heating and sun but not a fire,
//! smoke and carbon monoxide from their sensor's zero. The level is the median of three samples, or the newest where
//! the one before was on its way there: no single wrong one counts. Two of them together are a fire long before either reaches its own threshold, and surer:
//!
//! | together | source | what else does that |
//! |---|---|---|
//! | smoke × temperature rise | Cestari and Milke, Fire Safety J. 40 (2005) 1-28 | cooking rises 1 to 2 K, slowly |
//! | smoke × carbon monoxide rise | Gottuk et al., Fire Safety J. 37 (2002) 381-394 | cooking stays below 10 ppm |
//! | temperature rise ∧ carbon monoxide rise | Cestari and Milke | a gas heater, slowly |
//!
//! A leap of humidity without carbon monoxide is steam: then twice the temperature rise is asked for. Different quantities
//! of different devices of one unit are taken together in the same way.

use model::finding::Words;
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, UnitView, Watching};
use crate::ring::{Stamp, between, stamp};
use crate::rules::positive;
use crate::why::Watch;
use crate::zero::{Follow, Zero, median};

mod phrases;
mod signs;

use signs::Told;

/// See the module.
pub struct Fusion;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Temperature counts above a base that follows it by so much, K/min: heating and sun reach 4, a fire 8.3 and more.
    pub follow_k_min: f32,
    /// Heat: so far above the base, K. Cooking makes 1 to 2.
    pub heat_k: f32,
    /// Smoke: so far above the zero, dB/m, and above four times its noise.
    pub smoke_db_m: f32,
    /// Smoke and heat: their product, K·dB/m.
    pub smoke_heat: f32,
    /// Carbon monoxide: so far above the zero, ppm. Cooking stays below 10.
    pub co_ppm: f32,
    /// What carbon monoxide is a part of must be seen for so long, s: it is smouldering, and never in a hurry.
    pub co_hold_s: u32,
    /// Smoke and carbon monoxide: the product of obscuration and rise, %/m·ppm. 10 is usual where nobody cooks; a gas cooker
    /// with a pan on it (30 ppm, 0.1 dB/m) makes up to 70.
    pub smoke_co: f32,
    /// Steam: humidity rises by so many points of % within about half an hour, without carbon monoxide.
    pub steam_pct: f32,
    /// In steam the heat and its product with smoke must be so many times higher.
    pub steam_factor: f32,
    /// A quantity counts for so long after its last sample, s.
    pub fresh_s: u32,
    /// A base that is younger is taken anew when the temperature rises by more than `start_k`: the sensor got its power. s
    pub start_s: u32,
    pub start_k: f32,
    /// Ends when it was not seen for so long, s.
    pub clear_s: u32,
    /// Signs of two devices of a unit are taken together within this time, s.
    pub together_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            follow_k_min: 4.0,
            heat_k: 2.5,
            smoke_db_m: 0.04,
            smoke_heat: 0.25,
            co_ppm: 15.0,
            co_hold_s: 30,
            smoke_co: 80.0,
            steam_pct: 10.0,
            steam_factor: 2.0,
            fresh_s: 180,
            start_s: 20,
            start_k: 15.0,
            clear_s: 180,
            together_s: 30,
        }
    }
}

/// Samples nearer to the one before are left out, ms.
const FINE_MS: u32 = 900;
/// The base falls at most so fast, K/min: a door that is opened to the frost is no new base.
const FALL_K_MIN: f32 = 1.0;
/// A level of less than so many times the noise is noise.
const NOISES: f32 = 4.0;
/// After so long without samples everything is taken anew, ms.
const GAP_MS: u32 = 600_000;
/// Time to follow the usual humidity, s.
const HUMIDITY_CALM_S: f32 = 1800.0;
/// Carbon monoxide above this is no steam, ppm.
const NO_STEAM_PPM: f32 = 10.0;

const SMOKE: Follow =
    Follow { near: 0.02, near_max: 0.075, slow_s: 86_400.0, rise_day: 0.02, cap: 0.075, born_max: 0.3 };
const CO: Follow = Follow { near: 5.0, near_max: 10.0, slow_s: 3600.0, rise_day: 200.0, cap: 100.0, born_max: 1000.0 };

/// The newest samples of a quantity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Newest {
    /// The newest two, the newest last.
    before: [f32; 2],
    /// Median of the newest three.
    level: f32,
    at: Stamp,
    /// Up to 3.
    seen: u8,
}

impl Newest {
    /// Whether a sample is so near to the last one that it is left out.
    fn too_near(&self, at: Stamp) -> bool {
        self.seen > 0 && between(self.at, at) < FINE_MS
    }

    /// Takes in a sample; seconds since the one before, none after a gap.
    fn take(&mut self, at: Stamp, value: f32) -> Option<f32> {
        let past_ms = between(self.at, at);
        if self.seen == 0 || past_ms > GAP_MS {
            *self = Newest { before: [value; 2], level: value, at, seen: 1 };
            return None;
        }
        let [older, newer] = self.before;
        self.level = median(older, newer, value);
        self.before = [newer, value];
        self.at = at;
        self.seen = self.seen.saturating_add(1).min(3);
        Some(past_ms as f32 / 1000.0)
    }

    /// How far it is above `base`: by the median, or by the newest where the one before was half as far. Air that was 3 K
    /// warmer and then 6 K is no noise; smoke and gas are not so steady.
    fn above(&self, base: f32) -> f32 {
        let [newer, newest] = self.before;
        let growing = (newest - base).min(2.0 * (newer - base));
        (self.level - base).max(growing).max(0.0)
    }

    fn fresh(&self, at: Stamp, settings: &Settings) -> bool {
        self.seen == 3 && between(self.at, at) <= settings.fresh_s.saturating_mul(1000)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    heat: Newest,
    /// Base of the temperature, °C, and the time of its first sample.
    base_c: f32,
    since: Stamp,
    smoke: Newest,
    smoke_zero: Zero,
    /// While it holds: when it was last seen, ms since 1970.
    seen_ms: u64,
    /// Of devices that measure carbon monoxide or humidity.
    air: Option<Box<Air>>,
    /// What was last told as a sign: temperature, smoke, carbon monoxide, humidity. Made with the first.
    signs: Option<Box<[Told; 4]>>,
}

/// Carbon monoxide and humidity.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Air {
    co: Newest,
    co_zero: Zero,
    humidity: Newest,
    usual_pct: f32,
    /// Since when carbon monoxide and another are seen together, ms since 1970; 0 for not.
    co_since_ms: u64,
}

const UNIT: usize = 1;

/// How far each quantity is above what it was, 0 where it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Above {
    heat_k: f32,
    /// 0 where it does not stand out of its noise.
    smoke_db_m: f32,
    /// 0 where it does not stand out of its noise.
    co_ppm: f32,
    /// Humidity leapt without carbon monoxide.
    steam: bool,
}

const SMOKE_HEAT: u32 = 1;
const SMOKE_CO: u32 = 2;
const HEAT_CO: u32 = 3;

impl Above {
    /// Which two quantities are a fire.
    fn fire(&self, settings: &Settings) -> Option<u32> {
        let Above { heat_k, smoke_db_m, co_ppm, steam } = *self;
        let factor = if steam { settings.steam_factor } else { 1.0 };
        let is_smoke = smoke_db_m >= settings.smoke_db_m;
        let is_heat = heat_k >= settings.heat_k * factor;
        let is_co = co_ppm >= settings.co_ppm;
        if is_smoke && is_heat && smoke_db_m * heat_k >= settings.smoke_heat * factor {
            return Some(SMOKE_HEAT);
        }
        if is_smoke && is_co && obscuration_pct_m(smoke_db_m) * co_ppm >= settings.smoke_co {
            return Some(SMOKE_CO);
        }
        (is_heat && is_co).then_some(HEAT_CO)
    }

    fn note(&self, which: u32) -> Note {
        Note { a: self.heat_k, b: self.smoke_db_m, c: self.co_ppm, n: which }
    }
}

/// dB/m as %/m.
fn obscuration_pct_m(db_m: f32) -> f32 {
    100.0 * (1.0 - 10_f32.powf(-db_m / 10.0))
}

impl Memory {
    /// Takes in a sample; whether it counts.
    fn take(&mut self, settings: &Settings, sample: Sample) -> bool {
        let (at, value) = (stamp(sample.at_ms), sample.value);
        match sample.quantity {
            Quantity::TemperatureC => self.heat(settings, at, value),
            Quantity::SmokeDbM => zeroed(&mut self.smoke, &mut self.smoke_zero, at, value, SMOKE),
            Quantity::CoPpm => {
                let air = self.air.get_or_insert_default();
                zeroed(&mut air.co, &mut air.co_zero, at, value, CO)
            }
            _ => {
                self.air.get_or_insert_default().humidity(at, value);
                false
            }
        }
    }

    fn heat(&mut self, settings: &Settings, at: Stamp, value: f32) -> bool {
        if self.heat.too_near(at) {
            return false;
        }
        let Some(past_s) = self.heat.take(at, value) else {
            (self.base_c, self.since) = (value, at);
            return false;
        };
        let above_k = self.heat.level - self.base_c;
        let is_start = between(self.since, at) < settings.start_s.saturating_mul(1000) && above_k > settings.start_k;
        let minutes = past_s / 60.0;
        self.base_c +=
            if is_start { above_k } else { above_k.clamp(-FALL_K_MIN * minutes, settings.follow_k_min * minutes) };
        true
    }

    /// Whether what is seen together has lasted for long enough.
    fn lasts(&mut self, settings: &Settings, which: u32, at_ms: u64) -> bool {
        if which == SMOKE_HEAT {
            return true;
        }
        let air = self.air.get_or_insert_default();
        if air.co_since_ms == 0 {
            air.co_since_ms = at_ms;
        }
        at_ms.saturating_sub(air.co_since_ms) >= u64::from(settings.co_hold_s) * 1000
    }

    fn above(&self, settings: &Settings, at_ms: u64) -> Above {
        let at = stamp(at_ms);
        let mut above = Above::default();
        if self.heat.fresh(at, settings) {
            above.heat_k = self.heat.above(self.base_c);
        }
        if self.smoke.fresh(at, settings) {
            let smoke_db_m = self.smoke.level - self.smoke_zero.value;
            above.smoke_db_m = if smoke_db_m >= NOISES * self.smoke_zero.noise { smoke_db_m.max(0.0) } else { 0.0 };
        }
        let Some(air) = &self.air else { return above };
        if air.co.fresh(at, settings) {
            let co_ppm = air.co.level - air.co_zero.value;
            above.co_ppm = if co_ppm >= NOISES * air.co_zero.noise { co_ppm.max(0.0) } else { 0.0 };
        }
        if air.humidity.fresh(at, settings) {
            // the newest: smoke must not be ahead of what speaks against it
            let leapt = air.humidity.before[1] - air.usual_pct >= settings.steam_pct;
            above.steam = leapt && above.co_ppm < NO_STEAM_PPM;
        }
        above
    }
}

impl Air {
    fn humidity(&mut self, at: Stamp, value: f32) {
        match self.humidity.take(at, value) {
            Some(past_s) => {
                self.usual_pct += (self.humidity.level - self.usual_pct) * past_s / (past_s + HUMIDITY_CALM_S);
            }
            None => self.usual_pct = value,
        }
    }
}

fn zeroed(newest: &mut Newest, zero: &mut Zero, at: Stamp, value: f32, follow: Follow) -> bool {
    if newest.too_near(at) {
        return false;
    }
    let past_s = newest.take(at, value).unwrap_or(0.0);
    zero.take(value, past_s, follow);
    true
}

impl Rule for Fusion {
    const CONDITIONS: &'static [Condition] =
        &[Condition::new("fusion", Family::Fire), Condition::new("fusion_unit", Family::Fire)];
    const READS: &'static [Quantity] =
        &[Quantity::TemperatureC, Quantity::SmokeDbM, Quantity::CoPpm, Quantity::HumidityPct];
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        positive(&[
            ("follow_k_min", settings.follow_k_min),
            ("heat_k", settings.heat_k),
            ("smoke_db_m", settings.smoke_db_m),
            ("smoke_heat", settings.smoke_heat),
            ("co_ppm", settings.co_ppm),
            ("smoke_co", settings.smoke_co),
            ("steam_factor", settings.steam_factor),
        ])
    }

    fn look(memory: &Memory) -> u64 {
        u64::from(memory.since) ^ u64::from(memory.smoke_zero.seen) ^ memory.seen_ms
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
        if !memory.take(settings, sample) {
            return;
        }
        let above = memory.above(settings, sample.at_ms);
        memory.tell(settings, &above, sample.at_ms, scene);
        let seen = above.fire(settings);
        if seen.is_none_or(|which| which == SMOKE_HEAT) {
            memory.air.iter_mut().for_each(|air| air.co_since_ms = 0);
        }
        let fire = seen.filter(|which| memory.lasts(settings, *which, sample.at_ms));
        if let Some(which) = fire {
            memory.seen_ms = sample.at_ms;
            if !scene.holds(0) {
                scene.begin(0, Colour::Orange, above.note(which));
            }
        } else if scene.holds(0) {
            let unseen_ms = sample.at_ms.saturating_sub(memory.seen_ms);
            if unseen_ms >= u64::from(settings.clear_s) * 1000 {
                scene.end(0, above.note(0));
            }
        }
    }

    fn unit(settings: &Settings, view: &UnitView<'_>, scene: &mut Scene<'_>) {
        if let Some((which, above)) = signs::together(settings, view.signs, scene.now_ms) {
            if !scene.holds(UNIT) {
                scene.begin(UNIT, Colour::Orange, above.note(which));
            }
        } else if scene.holds(UNIT) && view.signs.is_empty() {
            scene.end(UNIT, Note::default());
        }
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        phrases::watches(settings, memory, watching)
    }

    fn words(condition: usize, note: &Note) -> (Words, Words) {
        phrases::of(condition, note)
    }
}

#[cfg(test)]
mod tests;
