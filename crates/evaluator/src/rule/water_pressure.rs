//! Water supply: hydrant and sprinkler mains that have too little pressure, or lose it suddenly.

use model::finding::Words;
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, words};
use crate::confirm::{Confirm, Need, Pace};
use crate::rules::{positive, rising};

/// Static pressure below a minimum; a large part of the usual pressure gone within samples.
pub struct WaterPressure;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Too low below, MPa. GB 50974 5.2.2: 0.10 at the worst hydrant of a high-rise and for sprinklers; 0.07 elsewhere;
    /// 7.2.8: 0.14 for municipal hydrants.
    pub minimum_mpa: f32,
    /// Enough again at and above, MPa.
    pub clear_mpa: f32,
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
}

const LOW: usize = 0;
const LOSS: usize = 1;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pace: Pace,
    last_ms: u64,
    last_mpa: f32,
    /// What is usual, MPa; meaningless before the first sample.
    usual_mpa: f32,
    low: Confirm,
    loss: Confirm,
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

    fn begin(&self, condition: usize, settings: &Settings, value: f32, scene: &mut Scene<'_>) {
        let (reference, count) = match condition {
            LOW => (settings.minimum_mpa, self.low.count),
            _ => (self.usual_mpa, self.loss.count),
        };
        let note = Note { a: value, b: reference, c: 0.0, n: u32::from(count.max(1)) };
        scene.begin(condition, Colour::Yellow, note);
    }
}

impl Rule for WaterPressure {
    const CONDITIONS: &'static [Condition] =
        &[Condition::new("water_low", Family::Warning), Condition::new("water_loss", Family::Warning)];
    const READS: &'static [Quantity] = &[Quantity::WaterPressureMpa];
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        positive(&[("loss_pct", settings.loss_pct), ("loss_mpa", settings.loss_mpa)])?;
        rising(&[("minimum_mpa", settings.minimum_mpa), ("clear_mpa", settings.clear_mpa)])
    }

    fn look(memory: &Memory) -> u64 {
        memory.pace.look() ^ memory.last_ms ^ memory.low.look() ^ memory.loss.look()
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
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
            (_, 0) => (
                words(format!("水压 {a:.2} MPa，平时 {b:.2}"), format!("pressure {a:.2} MPa, usually {b:.2}")),
                words("水压再次骤降", "pressure drops suddenly again"),
            ),
            (_, _) => (
                words(
                    format!("水压由平时的 {b:.2} 骤降至 {a:.2} MPa"),
                    format!("pressure fell from the usual {b:.2} to {a:.2} MPa"),
                ),
                words("水压恢复到平时水平", "pressure is back to what is usual"),
            ),
        }
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
}
