//! Fire-water tanks: too little water, water that goes quickly, and one that overflows.
//!
//! How high a tank's water should stand is known to those who built it; where the settings do not say it, a tank is measured
//! by itself: what is usual is a slow mean, which follows upwards within a day and downwards within a month, so that a slow
//! leak does not become usual. An overflow is judged only where the settings say where the edge is.

use model::finding::Words;
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, Watching, words};
use crate::confirm::{Confirm, Need, Pace};
use crate::ring::{Ring, Spot, between, stamp};
use crate::rules::{positive, rising};
use crate::watch::{Near, no_data, watch};
use crate::why::Watch;

/// See the module.
pub struct WaterLevel;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Too low below, m; 0: only by the share below. Default 0.
    pub minimum_m: f32,
    /// Too low below this share of the usual level, %. Default 60.
    pub low_pct: f32,
    /// Enough again at and above this multiple of what was too low, %. Default 110.
    pub clear_pct: f32,
    /// Overflows at and above, m; 0: not judged. Default 0.
    pub maximum_m: f32,
    /// Falls fast: at least so much, m, Default 0.3.
    pub fall_m: f32,
    /// and this share of the usual level, %, Default 10.
    pub fall_pct: f32,
    /// within this time, s. Default 1,800.
    pub fall_s: u32,
    /// The usual level is learnt for so long before anything is measured by it, s. Default 86,400.
    pub learn_s: u32,
    /// What is usual follows a higher level with this delay, s. Default 86,400.
    pub up_s: u32,
    /// What is usual follows a lower level with this delay, s. Default 2,592,000.
    pub down_s: u32,
    /// Consecutive samples. Default 2.
    pub confirm_samples: u8,
    /// They span at least this time, s: waves. Default 20.
    pub confirm_s: u32,
    /// Ends after enough water for this time, s. Default 300.
    pub clear_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            minimum_m: 0.0,
            low_pct: 60.0,
            clear_pct: 110.0,
            maximum_m: 0.0,
            fall_m: 0.3,
            fall_pct: 10.0,
            fall_s: 1800,
            learn_s: 86_400,
            up_s: 86_400,
            down_s: 2_592_000,
            confirm_samples: 2,
            confirm_s: 20,
            clear_s: 300,
        }
    }
}

impl Settings {
    /// Nothing counts without a second sample: an ultrasonic sensor has echoes.
    fn need(&self) -> Need {
        Need {
            samples: self.confirm_samples.max(2),
            hold_ms: u64::from(self.confirm_s) * 1000,
            lone_ms: u64::MAX,
            clear_ms: u64::from(self.clear_s) * 1000,
        }
    }
}

const LOW: usize = 0;
const FALLS: usize = 1;
const OVERFLOWS: usize = 2;

/// One sample teaches for this time at most, ms: silence teaches nothing.
const TEACHES_MS: u64 = 3_600_000;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pace: Pace,
    last_m: f32,
    /// What is usual, m, and how long it was learnt, s.
    usual_m: f32,
    learnt_s: f32,
    low: Confirm,
    falls: Confirm,
    over: Confirm,
    /// Levels some minutes apart, as far back as a fast fall lasts.
    past: Ring<6>,
}

impl Memory {
    fn knows(&self, settings: &Settings) -> bool {
        self.learnt_s >= settings.learn_s as f32
    }

    /// Too low below, m; 0 where that is not known.
    fn low_m(&self, settings: &Settings) -> f32 {
        let of_usual = if self.knows(settings) { self.usual_m * settings.low_pct / 100.0 } else { 0.0 };
        settings.minimum_m.max(of_usual)
    }

    fn learn(&mut self, settings: &Settings, value: f32, passed_ms: u64) {
        let passed_s = passed_ms as f32 / 1000.0;
        if self.learnt_s == 0.0 && passed_ms == 0 {
            self.usual_m = value;
            return;
        }
        let delay_s = match (self.knows(settings), value >= self.usual_m) {
            (false, _) => self.learnt_s,
            (true, true) => settings.up_s as f32,
            (true, false) => settings.down_s as f32,
        };
        if passed_s > 0.0 {
            self.usual_m += (value - self.usual_m) * (passed_s / (passed_s + delay_s));
            self.learnt_s = (self.learnt_s + passed_s).min(settings.learn_s as f32);
        }
    }

    /// The highest level within the time of a fast fall, m.
    fn highest_m(&self, settings: &Settings, at_ms: u64) -> f32 {
        let within = |spot: &&Spot| u64::from(between(spot.at, stamp(at_ms))) <= u64::from(settings.fall_s) * 1000;
        self.past.as_slice().iter().filter(within).map(|spot| spot.value).fold(f32::MIN, f32::max)
    }

    fn keep(&mut self, settings: &Settings, at_ms: u64, value: f32) {
        let apart_ms = settings.fall_s.saturating_mul(1000 / 5);
        match self.past.as_slice() {
            [.., before, last] if between(before.at, last.at) < apart_ms => {
                // the newest is moved on until it is far enough from the one before
                let last = self.past.last_mut().expect("there are two");
                *last = Spot { at: stamp(at_ms), value };
            }
            _ => self.past.push(Spot { at: stamp(at_ms), value }),
        }
    }
}

/// One threshold: `beyond` it, well within (`calm`), and what is told of it.
fn judge(
    condition: usize,
    (confirm, pace): (&mut Confirm, &Pace),
    (beyond, calm): (bool, bool),
    (at_ms, need): (u64, Need),
    note: Note,
    scene: &mut Scene<'_>,
) {
    if scene.holds(condition) {
        if confirm.calms(at_ms, calm, need, pace) {
            scene.end(condition, note);
        }
    } else if !beyond {
        confirm.within();
    } else if confirm.beyond(at_ms, note.a, need) {
        scene.begin(condition, Colour::Yellow, Note { n: confirm.count().into(), ..note });
    }
}

impl Rule for WaterLevel {
    const CONDITIONS: &'static [Condition] = &[
        Condition::new("level_low", Family::Warning),
        Condition::new("level_falls", Family::Warning),
        Condition::new("level_overflows", Family::Warning),
    ];
    const READS: &'static [Quantity] = &[Quantity::WaterLevelM];
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        positive(&[("low_pct", settings.low_pct), ("fall_m", settings.fall_m), ("fall_pct", settings.fall_pct)])?;
        rising(&[("100 %", 99.99), ("clear_pct", settings.clear_pct)])?;
        if settings.maximum_m != 0.0 {
            rising(&[("minimum_m", settings.minimum_m), ("maximum_m", settings.maximum_m)])?;
        }
        Ok(())
    }

    fn look(memory: &Memory) -> u64 {
        memory.pace.look() ^ memory.low.look() ^ memory.over.look() ^ memory.past.look()
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
        let (at_ms, value, need) = (sample.at_ms, sample.value, settings.need());
        let before_ms = memory.pace.look();
        let passed_ms = if before_ms == 0 { 0 } else { at_ms.saturating_sub(before_ms).min(TEACHES_MS) };
        memory.pace.sample(at_ms);
        memory.last_m = value;
        let pace = memory.pace;

        let low_m = memory.low_m(settings);
        let enough = value >= low_m * settings.clear_pct / 100.0;
        let note = Note { a: value, b: low_m, c: memory.usual_m, n: 0 };
        judge(LOW, (&mut memory.low, &pace), (value < low_m, enough), (at_ms, need), note, scene);

        let highest_m = memory.highest_m(settings, at_ms);
        let gone_m = highest_m - value;
        let fast =
            memory.knows(settings) && gone_m >= settings.fall_m && gone_m * 100.0 >= memory.usual_m * settings.fall_pct;
        let note = Note { a: value, b: highest_m, c: settings.fall_s as f32 / 60.0, n: 0 };
        judge(FALLS, (&mut memory.falls, &pace), (fast, !fast), (at_ms, need), note, scene);

        let over = settings.maximum_m > 0.0 && value >= settings.maximum_m;
        let note = Note { a: value, b: settings.maximum_m, c: 0.0, n: 0 };
        judge(OVERFLOWS, (&mut memory.over, &pace), (over, !over), (at_ms, need), note, scene);

        memory.keep(settings, at_ms, value);
        if !scene.holds(LOW) && !scene.holds(FALLS) {
            memory.learn(settings, value, passed_ms);
        }
    }

    fn words(condition: usize, note: &Note) -> (Words, Words) {
        let Note { a, b, c, n } = note;
        match (condition, n) {
            (LOW, 0) => (
                words(format!("水位 {a:.2} m，不低于 {b:.2}"), format!("level {a:.2} m, not below {b:.2}")),
                words("水位再次不足", "too low again"),
            ),
            (LOW, _) => (
                words(
                    format!("水位 {a:.2} m，连续 {n} 次低于 {b:.2}（平时 {c:.2}）"),
                    format!("level {a:.2} m, {n} samples below {b:.2} (usually {c:.2})"),
                ),
                words("补水，水位恢复并保持", "the tank is filled, and the level stays"),
            ),
            (FALLS, 0) => (
                words(format!("水位 {a:.2} m，不再快速下降"), format!("level {a:.2} m, it falls fast no longer")),
                words("水位再次快速下降", "it falls fast again"),
            ),
            (FALLS, _) => (
                words(
                    format!("水位 {c:.0} 分钟内由 {b:.2} 降至 {a:.2} m：用水或泄漏"),
                    format!("level fell from {b:.2} to {a:.2} m within {c:.0} min: water is taken, or leaks"),
                ),
                words("水位不再快速下降", "it falls fast no longer"),
            ),
            (_, 0) => (
                words(format!("水位 {a:.2} m，低于 {b:.2}"), format!("level {a:.2} m, below {b:.2}")),
                words("再次溢流", "it overflows again"),
            ),
            (_, _) => (
                words(
                    format!("水位 {a:.2} m，连续 {n} 次不低于 {b:.2}：溢流"),
                    format!("level {a:.2} m, {n} samples not below {b:.2}: it overflows"),
                ),
                words("检查补水阀，水位回落", "the inlet valve is looked at, and the level falls back"),
            ),
        }
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        let Some(memory) = memory else {
            return (0..Self::CONDITIONS.len()).map(|at| no_data(watching, Self::CONDITIONS, at)).collect();
        };
        let (last, usual, low_m) = (memory.last_m, memory.usual_m, memory.low_m(settings));
        let of = |condition, count: u8, known: bool, seen| {
            let near = if known { Near::forming(count > 0) } else { Near::NoData };
            watch(watching, Self::CONDITIONS, condition, near, seen)
        };
        let low = words(
            format!("水位 {last:.2} m，低于 {low_m:.2} 为不足（平时 {usual:.2}，0 为仍在学习）"),
            format!("level {last:.2} m, too low below {low_m:.2} (usually {usual:.2}; 0: still being learnt)"),
        );
        let highest_m = memory.highest_m(settings, memory.pace.look());
        let falls = words(
            format!(
                "{} 分钟内最高 {highest_m:.2} m，现 {last:.2}；下降 {:.2} 为过快",
                settings.fall_s / 60,
                settings.fall_m
            ),
            format!(
                "at most {highest_m:.2} m within {} min, now {last:.2}; a fall of {:.2} is asked for",
                settings.fall_s / 60,
                settings.fall_m
            ),
        );
        let over = words(
            format!("水位 {last:.2} m，溢流水位 {:.2}（0 为未设置）", settings.maximum_m),
            format!("level {last:.2} m, overflows at {:.2} (0: not set)", settings.maximum_m),
        );
        vec![
            of(LOW, memory.low.count(), low_m > 0.0, low),
            of(FALLS, memory.falls.count(), memory.knows(settings), falls),
            of(OVERFLOWS, memory.over.count(), settings.maximum_m > 0.0, over),
        ]
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{scenario, told};

    /// Samples each ten minutes.
    fn series(from_s: u64, count: u64, value: impl Fn(u64) -> f32) -> String {
        (0..count).map(|at| format!("{} water_level_m={:.2}\n", from_s + at * 600, value(at))).collect()
    }

    const SETTING: &str = "sparse = true\npromise_s = 600";

    #[test]
    fn a_tank_that_is_emptied_and_filled() {
        let usual = series(0, 200, |at| 3.0 + (at % 3) as f32 / 50.0);
        let table = "
            120000 water_level_m=2.8
            120600 water_level_m=2.5
            120660 water_level_m=2.4          => began level_falls yellow
            120720 water_level_m=1.7
            120780 water_level_m=1.6          => began level_low yellow
            130000 water_level_m=1.6          => ended level_falls yellow
            140000 water_level_m=2.5          => ended level_low yellow
            ";
        scenario(SETTING, &format!("{usual}{table}"));
    }

    #[test]
    fn echoes_filling_and_a_slow_use_are_nothing() {
        let echo = series(0, 400, |at| if at % 50 == 49 { 0.3 } else { 3.0 });
        assert_eq!(told(SETTING, &echo), [""; 0]);
        let filling = series(0, 400, |at| (0.5 + at as f32 / 50.0).min(3.0));
        assert_eq!(told(SETTING, &filling), [""; 0]);
        let slow = series(0, 600, |at| 3.0 - (at % 144) as f32 * 0.005);
        assert_eq!(told(SETTING, &slow), [""; 0]);
    }

    #[test]
    fn by_settings_from_the_first_day() {
        scenario(
            "[water_level]\nminimum_m = 1.5\nmaximum_m = 3.5",
            "
            0    water_level_m=1.2
            60   water_level_m=1.2            => began level_low yellow
            120  water_level_m=1.7
            420  water_level_m=1.7            => ended level_low yellow
            500  water_level_m=3.6
            560  water_level_m=3.6            => began level_overflows yellow
            700  water_level_m=3.0
            1000 water_level_m=3.0            => ended level_overflows yellow
            ",
        );
    }
}
