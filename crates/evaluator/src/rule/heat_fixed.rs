//! Heat, fixed temperature: the air at the detector is as hot as no room is.

use model::finding::Words;
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, Watching, words};
use crate::confirm::{Confirm, Need, Pace};
use crate::rules::{at_most, positive, rising};
use crate::why::Watch;

/// Temperature at or above a threshold, confirmed by a second sample: one that a fire made has a successor as hot.
pub struct HeatFixed;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Alarms at and above, °C. 57.2 °C (135 °F) is the ordinary class of UL 521; EN 54-5 class A1 answers at 54 to 65.
    pub threshold_c: f32,
    /// A device that will not speak again within a minute alarms with one sample so far above the threshold, K.
    pub lone_margin_k: f32,
    /// Consecutive samples at or above the threshold.
    pub confirm_samples: u8,
    /// Samples of a device that was not heard of for a while (it may have got its power just now) must stay so long, s.
    pub start_s: u32,
    /// A sample that nothing contradicts for this time counts, where the next one was due, s.
    pub lone_s: u32,
    /// Ends so far below the threshold, K,
    pub clear_k: f32,
    /// for this time, s.
    pub clear_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            threshold_c: 57.2,
            lone_margin_k: 20.0,
            confirm_samples: 2,
            start_s: 5,
            lone_s: 10,
            clear_k: 5.0,
            clear_s: 30,
        }
    }
}

impl Settings {
    fn need(&self) -> Need {
        Need {
            samples: self.confirm_samples,
            hold_ms: 0,
            lone_ms: u64::from(self.lone_s) * 1000,
            clear_ms: u64::from(self.clear_s) * 1000,
        }
    }
}

/// A fire that grew by so much since it was told of is told of again, K.
const GROWN_K: f32 = 50.0;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pace: Pace,
    confirm: Confirm,
    told: f32,
    /// The newest sample, °C.
    newest: f32,
    /// When it was heard of again after a while, ms since 1970.
    start_ms: u64,
}

impl Memory {
    fn begin(&mut self, settings: &Settings, value: f32, scene: &mut Scene<'_>) {
        self.told = value;
        let count = u32::from(self.confirm.count().max(1));
        scene.again(0, Colour::Orange, Note { a: value, b: settings.threshold_c, c: 0.0, n: count });
    }
}

impl Rule for HeatFixed {
    const CONDITIONS: &'static [Condition] = &[Condition::new("heat_fixed", Family::Fire)];
    const READS: &'static [Quantity] = &[Quantity::TemperatureC];
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        positive(&[("clear_k", settings.clear_k), ("lone_margin_k", settings.lone_margin_k)])?;
        rising(&[("an air temperature of 40", 40.0), ("threshold_c", settings.threshold_c)])?;
        // EN 54-5, class G: up to 160 °C
        at_most(&[("threshold_c", settings.threshold_c, 160.0)])
    }

    fn look(memory: &Memory) -> u64 {
        memory.pace.look() ^ memory.confirm.look()
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
        let (at_ms, value, need) = (sample.at_ms, sample.value, settings.need());
        if memory.pace.starts(at_ms, scene.device.report_every_s) {
            memory.start_ms = at_ms;
        }
        memory.pace.sample(at_ms);
        memory.newest = value;
        if scene.holds(0) {
            let calm = value < settings.threshold_c - settings.clear_k;
            if memory.confirm.calms(at_ms, calm, need, &memory.pace) {
                let calm_below = settings.threshold_c - settings.clear_k;
                scene.end(0, Note { a: value, b: calm_below, ..Note::default() });
            } else if value >= memory.told + GROWN_K {
                memory.begin(settings, value, scene);
            }
            return;
        }
        if value < settings.threshold_c {
            memory.confirm.within();
            return;
        }
        let is_start = at_ms.saturating_sub(memory.start_ms) < u64::from(settings.start_s) * 1000;
        let confirmed = memory.confirm.beyond(at_ms, value, need) && !is_start;
        let soon = memory.pace.speaks_soon(scene.device.report_every_s);
        if confirmed || (!soon && value >= settings.threshold_c + settings.lone_margin_k) {
            memory.begin(settings, value, scene);
        } else if soon && let Some(due_ms) = memory.confirm.due_ms(need, &memory.pace, scene.device.report_every_s) {
            scene.wake(due_ms);
        }
    }

    fn tick(settings: &Settings, memory: &mut Memory, scene: &mut Scene<'_>) {
        let promise_s = scene.device.report_every_s;
        if scene.holds(0) || !memory.pace.speaks_soon(promise_s) {
            return;
        }
        match memory.confirm.due_ms(settings.need(), &memory.pace, promise_s) {
            Some(due_ms) if due_ms <= scene.now_ms => memory.begin(settings, memory.confirm.extreme(), scene),
            Some(due_ms) => scene.wake(due_ms),
            None => {}
        }
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        let name = HeatFixed::CONDITIONS[0].name;
        let Some(memory) = memory else { return vec![Watch::no_data(name)] };
        let (count, need, threshold) = (memory.confirm.count(), settings.confirm_samples, settings.threshold_c);
        let newest = memory.newest;
        let mut watch = Watch::of(
            name,
            watching.holds(0),
            count > 0,
            format!("温度 {newest:.1} °C，阈值 {threshold:.1}，连续 {count}/{need} 次"),
            format!("{newest:.1} °C, threshold {threshold:.1}, {count} of {need} samples"),
        );
        let promise_s = watching.device.report_every_s;
        if !watching.holds(0) && memory.pace.speaks_soon(promise_s) {
            watch.due_ms = memory.confirm.due_ms(settings.need(), &memory.pace, promise_s);
        }
        vec![watch]
    }

    fn words(_: usize, note: &Note) -> (Words, Words) {
        let Note { a, b, n, .. } = note;
        if *n == 0 {
            return (
                words(format!("温度 {a:.1} °C，低于 {b:.1}"), format!("{a:.1} °C, below {b:.1}")),
                words("温度再次达到阈值", "temperature at the threshold again"),
            );
        }
        (
            words(
                format!("温度 {a:.1} °C，连续 {n} 次不低于 {b:.1}"),
                format!("{a:.1} °C, {n} samples not below {b:.1}"),
            ),
            words("温度持续低于解除值", "temperature stays below the clearing value"),
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::scenario;

    const NO_RISE: &str = "only = \"heat_fixed\"";

    #[test]
    fn two_samples_and_not_one() {
        scenario(
            NO_RISE,
            "
            0    temperature_c=24
            1    temperature_c=85
            2    temperature_c=24
            3    temperature_c=57.1
            4    temperature_c=57.2
            5    temperature_c=58       => began heat_fixed orange
            6    temperature_c=120      => continued heat_fixed orange
            60   temperature_c=52.5
            61   temperature_c=52.0
            62   temperature_c=51.0
            91   temperature_c=50       => ended heat_fixed orange
            ",
        );
    }

    #[test]
    fn a_device_that_reports_rarely_counts_alone_when_it_is_far_above() {
        scenario(
            "only = \"heat_fixed\"\npromise_s = 86400",
            "
            0      temperature_c=24
            86400  temperature_c=58
            86500  tick
            90000  temperature_c=24
            172800 temperature_c=78     => began heat_fixed orange
            ",
        );
    }

    #[test]
    fn a_device_that_falls_silent_in_the_heat_alarms() {
        scenario(
            NO_RISE,
            "
            0    temperature_c=24
            5    temperature_c=24
            10   temperature_c=60
            19   tick
            20   tick                   => began heat_fixed orange
            ",
        );
        // several of them, where samples come each second
        scenario(
            NO_RISE,
            "
            0    temperature_c=22
            1    temperature_c=22
            60   temperature_c=85
            61   temperature_c=85
            62   temperature_c=85
            63   temperature_c=22
            64   temperature_c=22
            120  temperature_c=85
            121  temperature_c=85
            124  temperature_c=86
            125  temperature_c=88      => began heat_fixed orange
            ",
        );
        // a power-on value of 85 °C is contradicted by the next sample, also where one comes each minute
        scenario(
            NO_RISE,
            "
            0    temperature_c=85
            60   temperature_c=22
            120  temperature_c=22
            ",
        );
    }
}
