//! Water supply: hydrant and sprinkler mains that have too little pressure, too much of it, or lose it suddenly (water is
//! taken, or a pipe broke), and pipes that may freeze.

use model::finding::Words;
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, Watching, words};
use crate::confirm::{Confirm, Need, Pace};
use crate::rules::{positive, rising};
use crate::watch::{Near, no_data, watch};
use crate::why::Watch;

/// Static pressure below a minimum or above a maximum; a large part of the usual pressure gone within samples; cold.
pub struct WaterPressure;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Too low below, MPa. GB 50974 5.2.2: 0.10 at the worst hydrant of a high-rise and for sprinklers; 0.07 elsewhere;
    /// 7.2.8: 0.14 for municipal hydrants.
    pub minimum_mpa: f32,
    /// Enough again at and above, MPa.
    pub clear_mpa: f32,
    /// Too high at and above, MPa: seals and hoses burst. Usual for hydrants and sprinklers together. Default 1.6.
    pub maximum_mpa: f32,
    /// Not too high any longer below, MPa. Default 1.5.
    pub maximum_clear_mpa: f32,
    /// Pipes may freeze below, °C, where the device measures it. Default 2.
    pub frost_c: f32,
    /// Warm enough again at and above, °C. Default 4.
    pub frost_clear_c: f32,
    /// Cold for this time, s. Default 1,800.
    pub frost_s: u32,
    /// Lost suddenly: at least this share of the usual pressure is gone, %,
    pub loss_pct: f32,
    /// and at least so much, MPa.
    pub loss_mpa: f32,
    /// What is usual follows the pressure with this delay, s.
    pub usual_s: u32,
    /// Consecutive samples.
    pub confirm_samples: u8,
    /// They span at least this time, s: a pump starts, a valve closes.
    pub confirm_s: u32,
    /// After this time one sample that nothing contradicts will do, s.
    pub lone_s: u32,
    /// Ends after enough pressure for this time, s.
    pub clear_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            minimum_mpa: 0.10,
            clear_mpa: 0.12,
            maximum_mpa: 1.6,
            maximum_clear_mpa: 1.5,
            frost_c: 2.0,
            frost_clear_c: 4.0,
            frost_s: 1800,
            loss_pct: 40.0,
            loss_mpa: 0.05,
            usual_s: 3600,
            confirm_samples: 2,
            confirm_s: 20,
            lone_s: 60,
            clear_s: 120,
        }
    }
}

impl Settings {
    fn need(&self) -> Need {
        Need {
            samples: self.confirm_samples,
            hold_ms: u64::from(self.confirm_s) * 1000,
            lone_ms: u64::from(self.lone_s) * 1000,
            clear_ms: u64::from(self.clear_s) * 1000,
        }
    }

    /// Too high, and too cold: nothing counts without a second sample.
    fn unhurried(&self, hold_s: u32) -> Need {
        Need { samples: 2, hold_ms: u64::from(hold_s) * 1000, lone_ms: u64::MAX, ..self.need() }
    }
}

const LOW: usize = 0;
const LOSS: usize = 1;
const HIGH: usize = 2;
const FROST: usize = 3;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pace: Pace,
    last_ms: u64,
    last_mpa: f32,
    /// What is usual, MPa; meaningless before the first sample.
    usual_mpa: f32,
    low: Confirm,
    loss: Confirm,
    high: Confirm,
    frost: Option<Box<Frost>>,
}

/// Of devices that measure temperature too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Frost {
    pace: Pace,
    confirm: Confirm,
    last_c: f32,
}

impl Frost {
    fn reading(&mut self, settings: &Settings, sample: Sample, scene: &mut Scene<'_>) {
        let (at_ms, value, need) = (sample.at_ms, sample.value, settings.unhurried(settings.frost_s));
        self.pace.sample(at_ms);
        self.last_c = value;
        let note = Note { a: value, b: settings.frost_c, ..Note::default() };
        if scene.holds(FROST) {
            if self.confirm.calms(at_ms, value >= settings.frost_clear_c, need, &self.pace) {
                scene.end(FROST, Note { b: settings.frost_clear_c, ..note });
            }
        } else if value >= settings.frost_c {
            self.confirm.within();
        } else if self.confirm.beyond(at_ms, value, need) {
            scene.begin(FROST, Colour::Yellow, Note { n: self.confirm.count().into(), ..note });
        }
    }
}

impl Memory {
    fn lost(&self, settings: &Settings, value: f32) -> bool {
        let gone = self.usual_mpa - value;
        gone >= settings.loss_mpa && gone * 100.0 >= self.usual_mpa * settings.loss_pct
    }

    /// What is usual follows, but not what is being judged.
    fn follow(&mut self, settings: &Settings, at_ms: u64, value: f32) {
        if self.last_ms == 0 {
            self.usual_mpa = value;
        } else {
            let passed = at_ms.saturating_sub(self.last_ms) as f32;
            self.usual_mpa += (value - self.usual_mpa) * (passed / (passed + settings.usual_s as f32 * 1000.0));
        }
        self.last_ms = at_ms;
    }

    fn too_high(&mut self, settings: &Settings, at_ms: u64, value: f32, scene: &mut Scene<'_>) {
        let need = settings.unhurried(settings.confirm_s);
        if scene.holds(HIGH) {
            if self.high.calms(at_ms, value < settings.maximum_clear_mpa, need, &self.pace) {
                scene.end(HIGH, Note { a: value, b: settings.maximum_clear_mpa, ..Note::default() });
            }
        } else if value < settings.maximum_mpa {
            self.high.within();
        } else if self.high.beyond(at_ms, value, need) {
            self.begin(HIGH, settings, value, scene);
        }
    }

    fn begin(&self, condition: usize, settings: &Settings, value: f32, scene: &mut Scene<'_>) {
        let (reference, count) = match condition {
            LOW => (settings.minimum_mpa, self.low.count()),
            HIGH => (settings.maximum_mpa, self.high.count()),
            _ => (self.usual_mpa, self.loss.count()),
        };
        let note = Note { a: value, b: reference, c: 0.0, n: u32::from(count.max(1)) };
        scene.begin(condition, Colour::Yellow, note);
    }
}

impl Rule for WaterPressure {
    const CONDITIONS: &'static [Condition] = &[
        Condition::new("water_low", Family::Warning),
        Condition::new("water_loss", Family::Warning),
        Condition::new("water_high", Family::Warning),
        Condition::new("water_frost", Family::Warning),
    ];
    const READS: &'static [Quantity] = &[Quantity::WaterPressureMpa, Quantity::TemperatureC];
    const STARTS: &'static [Quantity] = &[Quantity::WaterPressureMpa];
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        positive(&[("loss_pct", settings.loss_pct), ("loss_mpa", settings.loss_mpa)])?;
        rising(&[("frost_c", settings.frost_c), ("frost_clear_c", settings.frost_clear_c)])?;
        rising(&[
            ("minimum_mpa", settings.minimum_mpa),
            ("clear_mpa", settings.clear_mpa),
            ("maximum_clear_mpa", settings.maximum_clear_mpa),
            ("maximum_mpa", settings.maximum_mpa),
        ])
    }

    fn look(memory: &Memory) -> u64 {
        memory.pace.look() ^ memory.last_ms ^ memory.low.look() ^ memory.loss.look() ^ memory.high.look()
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
        if sample.quantity == Quantity::TemperatureC {
            memory.frost.get_or_insert_default().reading(settings, sample, scene);
            return;
        }
        let (at_ms, value, need) = (sample.at_ms, sample.value, settings.need());
        memory.pace.sample(at_ms);
        let promise_s = scene.device.report_every_s;
        if scene.holds(LOW) {
            if memory.low.calms(at_ms, value >= settings.clear_mpa, need, &memory.pace) {
                scene.end(LOW, Note { a: value, b: settings.clear_mpa, ..Note::default() });
            }
        } else if value >= settings.minimum_mpa {
            memory.low.within();
        } else if memory.low.beyond(at_ms, value, need) {
            memory.begin(LOW, settings, value, scene);
        } else if let Some(due_ms) = memory.low.due_ms(need, &memory.pace, promise_s) {
            scene.wake(due_ms);
        }
        memory.too_high(settings, at_ms, value, scene);
        let lost = memory.last_ms != 0 && memory.lost(settings, value);
        if scene.holds(LOSS) {
            // it also becomes usual in the end
            memory.follow(settings, at_ms, value);
            if memory.loss.calms(at_ms, !lost, need, &memory.pace) {
                scene.end(LOSS, Note { a: value, b: memory.usual_mpa, ..Note::default() });
            }
        } else if !lost {
            memory.loss.within();
            memory.follow(settings, at_ms, value);
        } else if memory.loss.beyond(at_ms, value, need) {
            memory.begin(LOSS, settings, value, scene);
        } else if let Some(due_ms) = memory.loss.due_ms(need, &memory.pace, promise_s) {
            scene.wake(due_ms);
        }
        memory.last_mpa = value;
    }

    fn tick(settings: &Settings, memory: &mut Memory, scene: &mut Scene<'_>) {
        for condition in [LOW, LOSS] {
            if scene.holds(condition) {
                continue;
            }
            let confirm = if condition == LOW { &memory.low } else { &memory.loss };
            match confirm.due_ms(settings.need(), &memory.pace, scene.device.report_every_s) {
                Some(due_ms) if due_ms <= scene.now_ms => memory.begin(condition, settings, memory.last_mpa, scene),
                Some(due_ms) => scene.wake(due_ms),
                None => {}
            }
        }
    }

    fn words(condition: usize, note: &Note) -> (Words, Words) {
        let Note { a, b, n, .. } = note;
        match (condition, n) {
            (LOW, 0) => (
                words(format!("水压 {a:.2} MPa，不低于 {b:.2}"), format!("pressure {a:.2} MPa, not below {b:.2}")),
                words("水压再次不足", "pressure too low again"),
            ),
            (LOW, _) => (
                words(
                    format!("水压 {a:.2} MPa，连续 {n} 次低于 {b:.2}"),
                    format!("pressure {a:.2} MPa, {n} samples below {b:.2}"),
                ),
                words("水压恢复并保持", "pressure is back and stays"),
            ),
            (HIGH, 0) => (
                words(format!("水压 {a:.2} MPa，低于 {b:.2}"), format!("pressure {a:.2} MPa, below {b:.2}")),
                words("水压再次过高", "pressure too high again"),
            ),
            (HIGH, _) => (
                words(
                    format!("水压 {a:.2} MPa，连续 {n} 次不低于 {b:.2}"),
                    format!("pressure {a:.2} MPa, {n} samples not below {b:.2}"),
                ),
                words("检查减压与稳压，水压回落并保持", "regulators are looked at, pressure falls back and stays"),
            ),
            (FROST, 0) => (
                words(format!("温度 {a:.1} °C，不低于 {b:.1}"), format!("{a:.1} °C, not below {b:.1}")),
                words("再次过冷", "too cold again"),
            ),
            (FROST, _) => (
                words(
                    format!("供水管处 {a:.1} °C，持续低于 {b:.1}，可能冻结"),
                    format!("{a:.1} °C at the pipe, below {b:.1} for long: it may freeze"),
                ),
                words("保温或放空，温度回升", "it is kept warm or drained, and gets warmer"),
            ),
            (_, 0) => (
                words(format!("水压 {a:.2} MPa，平时 {b:.2}"), format!("pressure {a:.2} MPa, usually {b:.2}")),
                words("水压再次骤降", "pressure drops suddenly again"),
            ),
            (_, _) => (
                words(
                    format!("水压由平时的 {b:.2} 骤降至 {a:.2} MPa：用水或管道破裂"),
                    format!("pressure fell from the usual {b:.2} to {a:.2} MPa: water is taken, or a pipe broke"),
                ),
                words("水压恢复到平时水平", "pressure is back to what is usual"),
            ),
        }
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        let Some(memory) = memory else {
            return (0..Self::CONDITIONS.len()).map(|at| no_data(watching, Self::CONDITIONS, at)).collect();
        };
        let (last, usual, promise_s) = (memory.last_mpa, memory.usual_mpa, watching.device.report_every_s);
        let of = |condition, confirm: &Confirm, waits: bool, seen| {
            let due_ms = if waits { confirm.due_ms(settings.need(), &memory.pace, promise_s) } else { None };
            let near = if confirm.count() > 0 { Near::Forming(due_ms) } else { Near::Calm };
            watch(watching, Self::CONDITIONS, condition, near, seen)
        };
        let asked = |zh: String, en: String, confirm: &Confirm| {
            let (count, need, span_s) = (confirm.count(), settings.confirm_samples, settings.confirm_s);
            words(
                format!("水压 {last:.2} MPa，{zh}；要求连续 {need} 次、{span_s} 秒，已 {count} 次"),
                format!("pressure {last:.2} MPa, {en}; {need} samples in {span_s} s are asked for, {count} so far"),
            )
        };
        let (low, high, loss) = (settings.minimum_mpa, settings.maximum_mpa, settings.loss_pct);
        let low = asked(format!("低于 {low:.2} 为不足"), format!("too low below {low:.2}"), &memory.low);
        let high = asked(format!("达到 {high:.2} 为过高"), format!("too high from {high:.2} on"), &memory.high);
        let (zh, en) = (
            format!("平时 {usual:.2}，骤降 {loss:.0}% 报警"),
            format!("usually {usual:.2}, a sudden loss of {loss:.0} % is asked for"),
        );
        let loss = asked(zh, en, &memory.loss);
        let frost = memory.frost.as_ref().map_or_else(
            || no_data(watching, Self::CONDITIONS, FROST),
            |frost| {
                let (last_c, asked_c, asked_s) = (frost.last_c, settings.frost_c, settings.frost_s);
                let seen = words(
                    format!("{last_c:.1} °C，低于 {asked_c:.1} 持续 {asked_s} 秒报警"),
                    format!("{last_c:.1} °C, below {asked_c:.1} for {asked_s} s is asked for"),
                );
                of(FROST, &frost.confirm, false, seen)
            },
        );
        vec![
            of(LOW, &memory.low, true, low),
            of(LOSS, &memory.loss, true, loss),
            of(HIGH, &memory.high, false, high),
            frost,
        ]
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::scenario;

    #[test]
    fn too_low_and_enough_again() {
        scenario(
            "",
            "
            0     water_pressure_mpa=0.13
            60    water_pressure_mpa=0.09
            120   water_pressure_mpa=0.09     => began water_low yellow
            180   water_pressure_mpa=0.11
            240   water_pressure_mpa=0.13
            360   water_pressure_mpa=0.13     => ended water_low yellow
            ",
        );
    }

    #[test]
    fn a_sudden_loss_above_the_minimum() {
        scenario(
            "",
            "
            0     water_pressure_mpa=0.40
            60    water_pressure_mpa=0.41
            120   water_pressure_mpa=0.20
            180   water_pressure_mpa=0.40
            240   water_pressure_mpa=0.20
            300   water_pressure_mpa=0.19     => began water_loss yellow
            360   water_pressure_mpa=0.40
            480   water_pressure_mpa=0.40     => ended water_loss yellow
            ",
        );
    }

    #[test]
    fn too_high_and_too_cold() {
        scenario(
            "",
            "
            0     temperature_c=-5
            1     water_pressure_mpa=1.4
            60    water_pressure_mpa=1.7
            120   water_pressure_mpa=1.4
            180   water_pressure_mpa=1.7
            240   water_pressure_mpa=1.7      => began water_high yellow
            300   water_pressure_mpa=1.4
            420   water_pressure_mpa=1.4      => ended water_high yellow
            600   temperature_c=1.5
            1200  temperature_c=1.0
            2400  temperature_c=1.0           => began water_frost yellow
            4000  temperature_c=5             => ended water_frost yellow
            ",
        );
    }
}
