//! Smoke density: what a lone detector's chamber says becomes an alarm only when it stays, the smaller the longer.
//!
//! The density counts from the detector's own zero ([`crate::zero`]): dust shifts it over months, which is followed up to a
//! cap and told as a fault before the detector alarms in clean air or sees nothing. Below the threshold for some time is a
//! warning, and so is a zero beyond what detectors compensate, until it has stayed for so long that it is dirt. A device that also measures carbon monoxide or humidity is a better witness: smoke without carbon monoxide
//! (frying, dust, a spray), or with a leap of humidity (steam, and the more the higher: a fire dries the air that it warms),
//! must be denser and stay as much longer; it is never disregarded, a fire that makes no carbon monoxide makes heat, which
//! [`super::fusion`] takes with it without doubt, and a device's own alarm message is another rule's, which nothing filters.

use model::finding::Words;
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, Watching};
use crate::confirm::{Confirm, Need, Pace};
use crate::ring::{Stamp, between, stamp};
use crate::rules::{at_most, positive, rising};
use crate::why::Watch;
use crate::zero::{Follow, Zero};

mod phrases;

/// Obscuration above the detector's zero at a threshold, for several samples and long enough for its density.
pub struct Smoke;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Alarms at and above, dB/m. Detectors of EN 54-7 and EN 14604 usually answer between 0.05 and 0.20.
    pub threshold_db_m: f32,
    /// Calm below, dB/m; samples between it and the threshold neither count nor, for `confirm_s`, contradict.
    pub clear_db_m: f32,
    /// Consecutive samples at or above the threshold.
    pub confirm_samples: u8,
    /// The samples span at least this time, s: the steam of an opened door is shorter.
    pub confirm_s: u32,
    /// Density for which `confirm_s` is enough, dB/m; less dense smoke must stay longer, with the square of the ratio.
    pub dense_db_m: f32,
    /// After this time two samples, or one that nothing contradicts, will do, s.
    pub lone_s: u32,
    /// Ends after this time below `clear_db_m`, s.
    pub clear_s: u32,
    /// Threshold, density and `confirm_s` are so many times higher for smoke without carbon monoxide: frying at the device
    /// makes up to 0.6 dB/m for minutes.
    pub doubtful_factor: f32,
    /// They are so many times higher with a leap of humidity of `doubt_humidity_pct`, in proportion with a larger one,
    pub steam_factor: f32,
    /// up to this.
    pub steam_factor_max: f32,
    /// A device that measures carbon monoxide doubts smoke with less of it above its zero, ppm. Cooking gives less than 10.
    pub doubt_below_co_ppm: f32,
    /// It doubts smoke with such a rise of humidity within about half an hour, points of %. Steam: from 45 to 70 to 85.
    pub doubt_humidity_pct: f32,
    /// A value of carbon monoxide or humidity counts for so long, s.
    pub witness_s: u32,
    /// Warns at and above, dB/m,
    pub prealarm_db_m: f32,
    /// for this time, s.
    pub prealarm_s: u32,
    /// The zero follows dust up to this, dB/m: half of the threshold, as detectors' own compensation.
    pub zero_max_db_m: f32,
    /// It rises at most so fast, dB/m a day.
    pub zero_rise_db_m_day: f32,
    /// A detector is contaminated when the zero used up such a share of `zero_max_db_m`, and at its end with all of it.
    pub contaminated_share: f32,
    /// For this time, s.
    pub contaminated_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            threshold_db_m: 0.15,
            clear_db_m: 0.10,
            confirm_samples: 3,
            confirm_s: 10,
            dense_db_m: 0.25,
            lone_s: 30,
            clear_s: 60,
            doubtful_factor: 4.5,
            steam_factor: 2.5,
            steam_factor_max: 6.0,
            doubt_below_co_ppm: 10.0,
            doubt_humidity_pct: 10.0,
            witness_s: 300,
            prealarm_db_m: 0.08,
            prealarm_s: 60,
            zero_max_db_m: 0.075,
            zero_rise_db_m_day: 0.02,
            contaminated_share: 0.7,
            contaminated_s: 3600,
        }
    }
}

/// Values so near the zero are clean air, dB/m.
const NEAR_DB_M: f32 = 0.02;
/// Time to follow the zero, s. Detectors' own compensation takes about a day.
const ZERO_S: f32 = 86_400.0;
/// A zero that a detector came with is taken up to so many times the threshold, where it speaks often;
const BORN: f32 = 2.0;
/// one that promises to speak each so many seconds or more rarely compensates its zero itself, and its first words may well
/// be of smoke.
const SLEEPY_S: u32 = 600;
/// The zero is clean again at this share of what makes it contaminated.
const CLEAN: f32 = 0.7;
/// The warning ends below this share of its threshold.
const PREALARM_CALM: f32 = 0.7;
/// Times to follow the usual humidity and carbon monoxide, s.
const WITNESS_CALM_S: f32 = 1800.0;

impl Settings {
    fn need(&self) -> Need {
        Need {
            samples: self.confirm_samples,
            hold_ms: u64::from(self.confirm_s) * 1000,
            lone_ms: u64::from(self.lone_s) * 1000,
            clear_ms: u64::from(self.clear_s) * 1000,
        }
    }

    fn prealarm_need(&self) -> Need {
        let hold_ms = u64::from(self.prealarm_s) * 1000;
        Need { hold_ms, lone_ms: hold_ms, ..self.need() }
    }

    pub(crate) fn follow(&self, promise_s: u32) -> Follow {
        let born_max = if promise_s < SLEEPY_S { self.threshold_db_m * BORN } else { self.zero_max_db_m };
        Follow {
            near: NEAR_DB_M,
            near_max: self.zero_max_db_m,
            slow_s: ZERO_S,
            rise_day: self.zero_rise_db_m_day,
            cap: self.zero_max_db_m,
            born_max,
        }
    }
}

const SMOKE: usize = 0;
const PREALARM: usize = 1;
const CONTAMINATED: usize = 2;
const WORN: usize = 3;

/// Another quantity of the same device: its newest value, and what it usually is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Witness {
    usual: f32,
    newest: f32,
    at: Stamp,
    heard: bool,
}

impl Witness {
    /// Takes in a value; what is lower becomes usual at once where `lower` says so.
    fn take(&mut self, at_ms: u64, value: f32, lower: bool) {
        let at = stamp(at_ms);
        if self.heard {
            let past_s = between(self.at, at) as f32 / 1000.0;
            self.usual += (value - self.usual) * past_s / (past_s + WITNESS_CALM_S);
        } else {
            self.usual = value;
        }
        if lower {
            self.usual = self.usual.min(value);
        }
        *self = Witness { usual: self.usual, newest: value, at, heard: true };
    }

    /// How far it is above what it usually is, where it was heard of lately.
    fn above(&self, at_ms: u64, within_s: u32) -> Option<f32> {
        let fresh = self.heard && between(self.at, stamp(at_ms)) <= within_s.saturating_mul(1000);
        fresh.then_some(self.newest - self.usual)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pace: Pace,
    confirm: Confirm,
    /// Square of density times time since the first of the samples counted, (dB/m)²·s.
    dose: f32,
    /// The density last told of, dB/m: twice as much is told again.
    told: f32,
    /// Last sample at or above the threshold, ms since 1970.
    dense_ms: u64,
    /// The threshold in force at the last sample, dB/m.
    threshold: f32,
    zero: Zero,
    /// The newest sample above the zero, dB/m.
    newest: f32,
    prealarm: Confirm,
    /// Since when the zero is beyond the share, ms since 1970; 0 for not.
    shifted_ms: u64,
    /// Of devices that measure carbon monoxide or humidity too.
    air: Option<Box<Air>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Air {
    co: Witness,
    humidity: Witness,
}

impl Memory {
    fn begin(&mut self, value: f32, scene: &mut Scene<'_>) {
        self.told = value;
        let held_s = self.confirm.held_s(scene.now_ms) as f32;
        let note = Note { a: value, b: self.threshold, c: held_s, n: u32::from(self.confirm.count().max(1)) };
        scene.again(SMOKE, Colour::Orange, note);
    }

    /// How many times more is asked of smoke that the device's other quantities speak against.
    fn doubt(&self, settings: &Settings, at_ms: u64) -> f32 {
        let Some(air) = &self.air else { return 1.0 };
        let co = air.co.above(at_ms, settings.witness_s);
        let humidity = air.humidity.above(at_ms, settings.witness_s);
        let no_co = match co {
            Some(ppm) if ppm >= settings.doubt_below_co_ppm => return 1.0,
            Some(_) => settings.doubtful_factor,
            None => 1.0,
        };
        let leaps = humidity.map_or(0.0, |points| points / settings.doubt_humidity_pct);
        let steam = if leaps >= 1.0 { (settings.steam_factor * leaps).min(settings.steam_factor_max) } else { 1.0 };
        no_co.max(steam)
    }

    fn smoke(&mut self, settings: &Settings, sample: Sample, scene: &mut Scene<'_>) {
        let at_ms = sample.at_ms;
        let past_s = self.pace.past_ms(at_ms) as f32 / 1000.0;
        self.pace.sample(at_ms);
        let value = self.zero.take(sample.value, past_s, settings.follow(scene.device.report_every_s));
        self.newest = value;
        // smoke at its first words and a zero of its own look the same: a warning until that has lasted
        let is_known = scene.holds(CONTAMINATED);
        let unknown = if is_known { 0.0 } else { (self.zero.value - settings.zero_max_db_m).max(0.0) };
        self.warn(settings, at_ms, value + unknown, scene);
        self.shift(settings, at_ms, scene);
        let need = settings.need();
        if scene.holds(SMOKE) {
            if self.confirm.calms(at_ms, value < settings.clear_db_m, need, &self.pace) {
                scene.end(SMOKE, Note { a: value, b: settings.clear_db_m, ..Note::default() });
            } else if value >= self.told * 2.0 {
                self.begin(value, scene);
            }
            return;
        }
        let doubt = self.doubt(settings, at_ms);
        self.threshold = settings.threshold_db_m * doubt;
        let since_dense_ms = at_ms.saturating_sub(self.dense_ms);
        let pause_ms = u64::from(settings.confirm_s) * 1000;
        if value < settings.clear_db_m || (value < self.threshold && since_dense_ms > pause_ms) {
            self.confirm.within();
        } else if value >= self.threshold {
            self.dense_ms = at_ms;
            self.dose = if self.confirm.count() == 0 { 0.0 } else { self.dose + value * value * past_s };
            let dense = settings.dense_db_m.max(settings.threshold_db_m) * doubt;
            let enough = self.dose >= dense * dense * settings.confirm_s as f32;
            let hold_ms = (need.hold_ms as f32 * doubt) as u64;
            let need = Need { hold_ms, lone_ms: need.lone_ms.max(hold_ms), ..need };
            if self.confirm.beyond(at_ms, value, need) && enough {
                self.begin(value, scene);
            } else if let Some(due_ms) = self.due(settings, scene.device.report_every_s) {
                scene.wake(due_ms);
            }
        }
    }

    /// When the samples so far count if none follows.
    fn due(&self, settings: &Settings, promise_s: u32) -> Option<u64> {
        let due_ms = self.confirm.due_ms(settings.need(), &self.pace, promise_s)?;
        // a device that goes on speaking is waited for
        Some(due_ms.max(self.pace.last_ms + due_ms - self.confirm.since_ms()))
    }

    fn warn(&mut self, settings: &Settings, at_ms: u64, value: f32, scene: &mut Scene<'_>) {
        let need = settings.prealarm_need();
        if scene.holds(PREALARM) {
            let calm = value < settings.prealarm_db_m * PREALARM_CALM;
            if self.prealarm.calms(at_ms, calm, need, &self.pace) {
                scene.end(PREALARM, Note { a: value, ..Note::default() });
            }
        } else if value < settings.prealarm_db_m {
            self.prealarm.within();
        } else if self.prealarm.beyond(at_ms, value, need) {
            let note = Note { a: value, b: settings.prealarm_db_m, c: self.prealarm.held_s(at_ms) as f32, n: 1 };
            scene.begin(PREALARM, Colour::Yellow, note);
        }
    }

    /// Follows how far the zero is shifted.
    fn shift(&mut self, settings: &Settings, at_ms: u64, scene: &mut Scene<'_>) {
        let (shifted, limit) = (self.zero.value.abs(), settings.zero_max_db_m * settings.contaminated_share);
        let note = |n| Note { a: self.zero.value, b: settings.zero_max_db_m, n, ..Note::default() };
        if shifted < limit {
            self.shifted_ms = 0;
            if scene.holds(CONTAMINATED) && shifted < limit * CLEAN {
                scene.end(CONTAMINATED, note(0));
                if scene.holds(WORN) {
                    scene.end(WORN, note(0));
                }
            }
            return;
        }
        if self.shifted_ms == 0 {
            self.shifted_ms = at_ms;
        }
        if at_ms.saturating_sub(self.shifted_ms) < u64::from(settings.contaminated_s) * 1000 {
            return;
        }
        if !scene.holds(CONTAMINATED) {
            scene.begin(CONTAMINATED, Colour::Yellow, note(1));
        }
        if shifted >= settings.zero_max_db_m * 0.99 && !scene.holds(WORN) {
            scene.begin(WORN, Colour::Yellow, note(1));
        }
    }
}

impl Rule for Smoke {
    const CONDITIONS: &'static [Condition] = &[
        Condition::new("smoke", Family::Fire),
        Condition::new("smoke_prealarm", Family::Warning),
        Condition::new("smoke_contaminated", Family::Fault),
        Condition::new("smoke_worn_out", Family::Fault).distrusting(),
    ];
    const READS: &'static [Quantity] = &[Quantity::SmokeDbM, Quantity::CoPpm, Quantity::HumidityPct];
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        rising(&[
            ("prealarm_db_m", settings.prealarm_db_m),
            ("clear_db_m", settings.clear_db_m),
            ("threshold_db_m", settings.threshold_db_m),
        ])?;
        rising(&[("zero_max_db_m", settings.zero_max_db_m), ("threshold_db_m", settings.threshold_db_m)])?;
        positive(&[
            ("zero_max_db_m", settings.zero_max_db_m),
            ("prealarm_db_m", settings.prealarm_db_m),
            ("contaminated_share", settings.contaminated_share),
            ("doubtful_factor", settings.doubtful_factor),
            ("doubt_humidity_pct", settings.doubt_humidity_pct),
        ])?;
        rising(&[("steam_factor", settings.steam_factor), ("steam_factor_max", settings.steam_factor_max)])?;
        at_most(&[
            ("threshold_db_m", settings.threshold_db_m, 2.0),
            ("dense_db_m", settings.dense_db_m, 2.0),
            ("doubtful_factor", settings.doubtful_factor, 10.0),
            ("steam_factor_max", settings.steam_factor_max, 10.0),
        ])?;
        if settings.confirm_s > 300 {
            return Err("confirm_s must be at most 300: no fire waits for so long".into());
        }
        if settings.doubtful_factor < 1.0 || settings.steam_factor < 1.0 {
            return Err("doubtful_factor and steam_factor must be at least 1".into());
        }
        Ok(())
    }

    fn look(memory: &Memory) -> u64 {
        memory.pace.look() ^ memory.confirm.look() ^ memory.shifted_ms
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
        match sample.quantity {
            Quantity::SmokeDbM => memory.smoke(settings, sample, scene),
            Quantity::CoPpm => memory.air.get_or_insert_default().co.take(sample.at_ms, sample.value, true),
            _ => memory.air.get_or_insert_default().humidity.take(sample.at_ms, sample.value, false),
        }
    }

    fn tick(settings: &Settings, memory: &mut Memory, scene: &mut Scene<'_>) {
        if scene.holds(SMOKE) {
            return;
        }
        match memory.due(settings, scene.device.report_every_s) {
            Some(due_ms) if due_ms <= scene.now_ms => memory.begin(memory.confirm.extreme(), scene),
            Some(due_ms) => scene.wake(due_ms),
            None => {}
        }
    }

    fn words(condition: usize, note: &Note) -> (Words, Words) {
        phrases::of(condition, note)
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        match memory.filter(|memory| memory.zero.seen > 0) {
            Some(memory) => phrases::watches(settings, memory, watching),
            None => Smoke::CONDITIONS.iter().map(|condition| Watch::no_data(condition.name)).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
