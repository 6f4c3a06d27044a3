//! Smoke density with confirmation: what a lone detector's chamber says becomes an alarm only when it stays.

use model::finding::Words;
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, words};
use crate::confirm::{Confirm, Need, Pace};
use crate::rules::rising;

/// Obscuration at or above a threshold for several samples, or for as long as a slow device can be waited for.
pub struct Smoke;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Alarms at and above, dB/m. Detectors of EN 54-7 and EN 14604 answer between 0.05 and 0.20.
    pub threshold_db_m: f32,
    /// Calm below, dB/m.
    pub clear_db_m: f32,
    /// Consecutive samples at or above the threshold.
    pub confirm_samples: u8,
    /// The samples span at least this time, s: the steam of an opened door is shorter.
    pub confirm_s: u32,
    /// After this time two samples, or one that nothing contradicts, will do, s.
    pub lone_s: u32,
    /// Ends after this time below `clear_db_m`, s.
    pub clear_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { threshold_db_m: 0.15, clear_db_m: 0.10, confirm_samples: 3, confirm_s: 10, lone_s: 30, clear_s: 60 }
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

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pace: Pace,
    confirm: Confirm,
    /// The density last told of, dB/m: twice as much is told again.
    told: f32,
}

impl Memory {
    fn begin(&mut self, settings: &Settings, value: f32, scene: &mut Scene<'_>) {
        self.told = value;
        let note = Note {
            a: value,
            b: settings.threshold_db_m,
            c: self.confirm.held_s(scene.now_ms) as f32,
            n: u32::from(self.confirm.count),
        };
        scene.again(0, Colour::Orange, note);
    }
}

impl Rule for Smoke {
    const CONDITIONS: &'static [Condition] = &[Condition::new("smoke", Family::Fire)];
    const READS: &'static [Quantity] = &[Quantity::SmokeDbM];
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        rising(&[("clear_db_m", settings.clear_db_m), ("threshold_db_m", settings.threshold_db_m)])
    }

    fn look(memory: &Memory) -> u64 {
        memory.pace.look() ^ memory.confirm.look()
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
        let (at_ms, value, need) = (sample.at_ms, sample.value, settings.need());
        memory.pace.sample(at_ms);
        if scene.holds(0) {
            if memory.confirm.calms(at_ms, value < settings.clear_db_m, need, &memory.pace) {
                scene.end(0, Note { a: value, b: settings.clear_db_m, ..Note::default() });
            } else if value >= memory.told * 2.0 {
                memory.begin(settings, value, scene);
            }
        } else if value < settings.threshold_db_m {
            memory.confirm.within();
        } else if memory.confirm.beyond(at_ms, value, need) {
            memory.begin(settings, value, scene);
        } else if let Some(due_ms) = memory.confirm.due_ms(need, &memory.pace, scene.device.report_every_s) {
            scene.wake(due_ms);
        }
    }

    fn tick(settings: &Settings, memory: &mut Memory, scene: &mut Scene<'_>) {
        if scene.holds(0) {
            return;
        }
        match memory.confirm.due_ms(settings.need(), &memory.pace, scene.device.report_every_s) {
            Some(due_ms) if due_ms <= scene.now_ms => memory.begin(settings, memory.confirm.extreme, scene),
            Some(due_ms) => scene.wake(due_ms),
            None => {}
        }
    }

    fn words(_: usize, note: &Note) -> (Words, Words) {
        let Note { a, b, c, n } = note;
        if *n == 0 {
            return (
                words(format!("烟雾浓度 {a:.2} dB/m，低于 {b:.2}"), format!("smoke {a:.2} dB/m, below {b:.2}")),
                words("烟雾再次达到阈值", "smoke at the threshold again"),
            );
        }
        (
            words(
                format!("烟雾浓度 {a:.2} dB/m，连续 {n} 次、{c:.0} 秒不低于 {b:.2}"),
                format!("smoke {a:.2} dB/m, {n} samples in {c:.0} s not below {b:.2}"),
            ),
            words("烟雾浓度持续低于解除值", "smoke density stays below the clearing value"),
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::scenario;

    #[test]
    fn confirmed_by_samples_and_time() {
        scenario(
            "",
            "
            0    smoke_db_m=0.02
            1    smoke_db_m=0.20
            2    smoke_db_m=0.20
            3    smoke_db_m=0.20
            4    smoke_db_m=0.05
            5    smoke_db_m=0.20
            9    smoke_db_m=0.21
            14   smoke_db_m=0.22
            15   smoke_db_m=0.22         => began smoke orange
            30   smoke_db_m=0.12
            31   smoke_db_m=0.16
            40   smoke_db_m=0.50         => continued smoke orange
            50   smoke_db_m=0.09
            100  smoke_db_m=0.11
            101  smoke_db_m=0.09
            160  smoke_db_m=0.09
            161  smoke_db_m=0.09         => ended smoke orange
            ",
        );
    }

    #[test]
    fn a_slow_device_is_not_waited_for_for_ever() {
        // each minute: the second sample confirms, a lone spike does not
        scenario(
            "",
            "
            0    smoke_db_m=0.02
            60   smoke_db_m=0.30
            120  smoke_db_m=0.02
            180  smoke_db_m=0.30
            240  smoke_db_m=0.30         => began smoke orange
            ",
        );
        // once a day: what nothing contradicts counts after half a minute
        scenario(
            "promise_s = 86400",
            "
            0       smoke_db_m=0.02
            86400   smoke_db_m=0.30
            86429   tick
            86430   tick                 => began smoke orange
            172800  smoke_db_m=0.02      => ended smoke orange
            ",
        );
    }

    #[test]
    fn a_device_that_falls_silent_after_smoke_alarms() {
        scenario(
            "",
            "
            0    smoke_db_m=0.02
            1    smoke_db_m=0.02
            2    smoke_db_m=0.30
            31   tick
            32   tick                    => began smoke orange
            ",
        );
    }
}
