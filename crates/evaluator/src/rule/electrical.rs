//! Electrical precursors: residual current and the temperature of cables and terminals, by what no circuit may reach.
//! What is unusual for one circuit is judged in [`super::leakage`] and [`super::contact`].

use model::finding::Words;
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, Watching, words};
use crate::confirm::{Confirm, Need, Pace};
use crate::rules::rising;
use crate::watch::{Near, no_data, watch};
use crate::why::Watch;

/// Two stages each: yellow (look at it) and orange (switch it off).
pub struct Electrical;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Residual current, yellow at and above, mA. GB 50116 9.2.3: 300 to 500; from 300 it can ignite.
    pub residual_ma: f32,
    /// Residual current, orange at and above, mA.
    pub residual_high_ma: f32,
    /// Cable or terminal, yellow at and above, °C. PVC insulation is made for 70.
    pub cable_c: f32,
    /// Cable or terminal, orange at and above, °C.
    pub cable_high_c: f32,
    /// Calm below this share of the value that alarmed, %.
    pub clear_pct: f32,
    /// Consecutive samples.
    pub confirm_samples: u8,
    /// They span at least this time, s.
    pub confirm_s: u32,
    /// After this time one sample that nothing contradicts will do, s. GB 14287.2, .3: alarm within 30 s.
    pub lone_s: u32,
    /// Ends after calm for this time, s.
    pub clear_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            residual_ma: 300.0,
            residual_high_ma: 500.0,
            cable_c: 70.0,
            cable_high_c: 90.0,
            clear_pct: 90.0,
            confirm_samples: 2,
            confirm_s: 5,
            lone_s: 25,
            clear_s: 60,
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

    fn stages(&self, condition: usize) -> [f32; 2] {
        match condition {
            RESIDUAL => [self.residual_ma, self.residual_high_ma],
            _ => [self.cable_c, self.cable_high_c],
        }
    }
}

const RESIDUAL: usize = 0;
const CABLE: usize = 1;
const COLOURS: [Colour; 2] = [Colour::Yellow, Colour::Orange];

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    residual: Stages,
    cable: Stages,
}

/// One quantity with its two stages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Stages {
    pace: Pace,
    confirm: [Confirm; 2],
    calm: Confirm,
    /// Stages reached, 0 to 2.
    reached: u8,
    last: f32,
}

impl Stages {
    fn look(&self) -> u64 {
        self.pace.look() ^ u64::from(self.reached)
    }

    fn reading(&mut self, condition: usize, settings: &Settings, sample: Sample, scene: &mut Scene<'_>) {
        let (at_ms, value, need) = (sample.at_ms, sample.value, settings.need());
        self.pace.sample(at_ms);
        self.last = value;
        let mut confirmed = None;
        for (stage, threshold) in settings.stages(condition).into_iter().enumerate().skip(self.reached.into()) {
            let confirm = &mut self.confirm[stage];
            if value < threshold {
                confirm.within();
            } else if confirm.beyond(at_ms, value, need) {
                confirmed = Some(stage);
            } else if let Some(due_ms) = confirm.due_ms(need, &self.pace, scene.device.report_every_s) {
                scene.wake(due_ms);
            }
        }
        if let Some(stage) = confirmed {
            self.reach(stage, condition, settings, value, scene);
        }
        let clear = settings.stages(condition)[0] * settings.clear_pct / 100.0;
        if self.reached > 0 && self.calm.calms(at_ms, value < clear, need, &self.pace) {
            *self = Stages { pace: self.pace, last: value, ..Stages::default() };
            scene.end(condition, Note { a: value, b: clear, ..Note::default() });
        }
    }

    fn reach(&mut self, stage: usize, condition: usize, settings: &Settings, value: f32, scene: &mut Scene<'_>) {
        self.reached = stage as u8 + 1;
        let count = u32::from(self.confirm[stage].count().max(1));
        let note = Note { a: value, b: settings.stages(condition)[stage], c: 0.0, n: count };
        scene.begin(condition, COLOURS[stage], note);
    }

    fn tick(&mut self, condition: usize, settings: &Settings, scene: &mut Scene<'_>) {
        let mut confirmed = None;
        for stage in usize::from(self.reached)..COLOURS.len() {
            let confirm = &self.confirm[stage];
            match confirm.due_ms(settings.need(), &self.pace, scene.device.report_every_s) {
                Some(due_ms) if due_ms <= scene.now_ms => confirmed = Some((stage, confirm.extreme())),
                Some(due_ms) => scene.wake(due_ms),
                None => {}
            }
        }
        if let Some((stage, value)) = confirmed {
            self.reach(stage, condition, settings, value, scene);
        }
    }
}

impl Rule for Electrical {
    const CONDITIONS: &'static [Condition] =
        &[Condition::new("residual_current", Family::Warning), Condition::new("cable_temperature", Family::Warning)];
    const READS: &'static [Quantity] = &[Quantity::ResidualCurrentMa, Quantity::CableTemperatureC];
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        rising(&[("residual_ma", settings.residual_ma), ("residual_high_ma", settings.residual_high_ma)])?;
        rising(&[("cable_c", settings.cable_c), ("cable_high_c", settings.cable_high_c)])?;
        rising(&[("0 %", 0.0), ("clear_pct", settings.clear_pct), ("100 %", 100.1)])
    }

    fn look(memory: &Memory) -> u64 {
        memory.residual.look() ^ memory.cable.look()
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
        match sample.quantity {
            Quantity::ResidualCurrentMa => memory.residual.reading(RESIDUAL, settings, sample, scene),
            _ => memory.cable.reading(CABLE, settings, sample, scene),
        }
    }

    fn tick(settings: &Settings, memory: &mut Memory, scene: &mut Scene<'_>) {
        memory.residual.tick(RESIDUAL, settings, scene);
        memory.cable.tick(CABLE, settings, scene);
    }

    fn words(condition: usize, note: &Note) -> (Words, Words) {
        let Note { a, b, n, .. } = note;
        let (zh, en, unit) = named(condition);
        if *n == 0 {
            return (
                words(format!("{zh} {a:.0} {unit}，低于 {b:.0}"), format!("{en} {a:.0} {unit}, below {b:.0}")),
                words(format!("{zh}再次达到报警值"), format!("{en} at the alarm value again")),
            );
        }
        (
            words(
                format!("{zh} {a:.0} {unit}，连续 {n} 次不低于 {b:.0}"),
                format!("{en} {a:.0} {unit}, {n} samples not below {b:.0}"),
            ),
            words(format!("{zh}回落并保持"), format!("{en} falls back and stays there")),
        )
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        let of = |(condition, stages): (usize, Option<&Stages>)| {
            let Some(stages) = stages.filter(|stages| stages.pace.look() != 0) else {
                return no_data(watching, Self::CONDITIONS, condition);
            };
            let ([low, high], last, count) = (settings.stages(condition), stages.last, stages.confirm[0].count());
            let ((zh, en, unit), need) = (named(condition), settings.confirm_samples);
            let seen = words(
                format!("{zh} {last:.0} {unit}；{low:.0} 为黄、{high:.0} 为橙，要求连续 {need} 次，已 {count} 次"),
                format!(
                    "{en} {last:.0} {unit}; {low:.0} is yellow, {high:.0} is orange, in {need} samples, {count} so far"
                ),
            );
            let promise_s = watching.device.report_every_s;
            let due_ms = stages.confirm[0].due_ms(settings.need(), &stages.pace, promise_s);
            let near = if count > 0 { Near::Forming(due_ms) } else { Near::Calm };
            watch(watching, Self::CONDITIONS, condition, near, seen)
        };
        [memory.map(|memory| &memory.residual), memory.map(|memory| &memory.cable)]
            .into_iter()
            .enumerate()
            .map(of)
            .collect()
    }
}

/// Names and unit of what a condition is about.
fn named(condition: usize) -> (&'static str, &'static str, &'static str) {
    match condition {
        RESIDUAL => ("剩余电流", "residual current", "mA"),
        _ => ("电缆温度", "cable temperature", "°C"),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::scenario;

    #[test]
    fn two_stages() {
        scenario(
            "",
            "
            0    residual_current_ma=120
            10   residual_current_ma=320
            20   residual_current_ma=330     => began residual_current yellow
            30   residual_current_ma=520
            40   residual_current_ma=530     => continued residual_current orange
            50   residual_current_ma=280
            60   residual_current_ma=260
            120  residual_current_ma=260     => ended residual_current orange
            130  cable_temperature_c=95
            140  cable_temperature_c=95      => began cable_temperature orange
            ",
        );
    }

    #[test]
    fn within_thirty_seconds_also_from_one_sample() {
        scenario(
            "promise_s = 3600",
            "
            0     residual_current_ma=120
            3600  residual_current_ma=350
            3624  tick
            3625  tick                       => began residual_current yellow
            7200  residual_current_ma=100    => ended residual_current yellow
            ",
        );
    }

    #[test]
    fn a_spike_is_nothing() {
        scenario(
            "",
            "
            0    residual_current_ma=120
            10   residual_current_ma=900
            20   residual_current_ma=120
            80   tick
            ",
        );
    }
}
