//! Combustible gas, and carbon monoxide by dose.
//!
//! Gas has two stages: a little of it that stays for minutes (a leak; vapours of cooking and cleaning are over sooner) is
//! yellow, the alarm value is orange after seconds. Its rate of rise is not judged: a lighter or a sprayed cleaner beside
//! the sensor rises as quickly as a leak, and the alarm value comes within seconds in both cases.
//!
//! Carbon monoxide counts by how long people stand it. The highest level is believed of one sample that nothing
//! contradicts; the lower ones, which last for many minutes, ask for two.

use model::finding::Words;
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, Watching, words};
use crate::confirm::{Confirm, Need, Pace};
use crate::rules::{at_most, rising};
use crate::watch::{Near, no_data, watch};
use crate::why::Watch;

/// Gas at or above a share of its lower explosive limit; carbon monoxide above a level for as long as people stand it.
pub struct Gas;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Alarms at and above, %LEL. GB 15322: 5 to 25 for homes.
    pub alarm_lel_pct: f32,
    /// A little gas, yellow at and above, %LEL. Default 6.
    pub little_lel_pct: f32,
    /// when it stays for this time, s. Default 300.
    pub little_s: u32,
    /// Calm below, %LEL.
    pub clear_lel_pct: f32,
    /// Consecutive samples.
    pub confirm_samples: u8,
    /// They span at least this time, s.
    pub confirm_s: u32,
    /// After this time one sample that nothing contradicts will do, s.
    pub lone_s: u32,
    /// Ends after calm for this time, s.
    pub clear_s: u32,
    /// Carbon monoxide: levels, ppm, and how long each may last, s. EN 50291-1: 50 ppm within 60 to 90 min, 100 ppm within
    /// 10 to 40 min, 300 ppm within 3 min.
    pub co_low_ppm: f32,
    pub co_low_s: u32,
    pub co_middle_ppm: f32,
    pub co_middle_s: u32,
    pub co_high_ppm: f32,
    pub co_high_s: u32,
    /// Carbon monoxide: calm below, ppm.
    pub co_clear_ppm: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            alarm_lel_pct: 10.0,
            little_lel_pct: 6.0,
            little_s: 300,
            clear_lel_pct: 5.0,
            confirm_samples: 2,
            confirm_s: 3,
            lone_s: 15,
            clear_s: 60,
            co_low_ppm: 50.0,
            co_low_s: 3600,
            co_middle_ppm: 100.0,
            co_middle_s: 900,
            co_high_ppm: 300.0,
            co_high_s: 60,
            co_clear_ppm: 30.0,
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

    /// A little gas asks for a second sample.
    fn little(&self) -> Need {
        Need { samples: 2, hold_ms: u64::from(self.little_s) * 1000, lone_ms: u64::MAX, ..self.need() }
    }

    fn doses(&self) -> [(f32, u64); 3] {
        [(self.co_low_ppm, self.co_low_s), (self.co_middle_ppm, self.co_middle_s), (self.co_high_ppm, self.co_high_s)]
            .map(|(ppm, s)| (ppm, u64::from(s) * 1000))
    }
}

const GAS: usize = 0;
const CO: usize = 1;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Made with the first sample of combustible gas.
    lel: Option<Box<Lel>>,
    co_pace: Pace,
    /// Since when carbon monoxide is at or above each level, ms since 1970; 0 for not.
    co_since_ms: [u64; 3],
    co_ppm: f32,
    /// Samples in a row at or above the lowest level.
    co_samples: u8,
    co: Confirm,
}

/// Combustible gas.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Lel {
    pace: Pace,
    alarm: Confirm,
    /// A little of it.
    little: Confirm,
    /// What the alarm value was last told with, %LEL; 0 before it was reached.
    told: f32,
    last: f32,
}

impl Lel {
    fn reading(&mut self, settings: &Settings, sample: Sample, scene: &mut Scene<'_>) {
        let (at_ms, value, need) = (sample.at_ms, sample.value, settings.need());
        self.pace.sample(at_ms);
        self.last = value;
        if scene.holds(GAS) && self.little.calms(at_ms, value < settings.clear_lel_pct, need, &self.pace) {
            (self.alarm, self.told) = (Confirm::default(), 0.0);
            scene.end(GAS, Note { a: value, b: settings.clear_lel_pct, ..Note::default() });
        } else if self.told > 0.0 {
            if value >= self.told * 2.0 {
                self.begin(settings, value, scene);
            }
        } else if value < settings.alarm_lel_pct {
            self.alarm.within();
        } else if self.alarm.beyond(at_ms, value, need) {
            self.begin(settings, value, scene);
        } else if let Some(due_ms) = self.alarm.due_ms(need, &self.pace, scene.device.report_every_s) {
            scene.wake(due_ms);
        }
        if scene.holds(GAS) {
            return;
        }
        if value < settings.little_lel_pct {
            self.little.within();
        } else if self.little.beyond(at_ms, value, settings.little()) {
            let note = Note { a: value, b: settings.little_lel_pct, c: 0.0, n: self.little.count().into() };
            scene.begin(GAS, Colour::Yellow, note);
        }
    }

    fn begin(&mut self, settings: &Settings, value: f32, scene: &mut Scene<'_>) {
        self.told = value.max(f32::MIN_POSITIVE);
        let count = u32::from(self.alarm.count().max(1));
        scene.again(GAS, Colour::Orange, Note { a: value, b: settings.alarm_lel_pct, c: 0.0, n: count });
    }

    fn tick(&mut self, settings: &Settings, scene: &mut Scene<'_>) {
        if self.told > 0.0 {
            return;
        }
        match self.alarm.due_ms(settings.need(), &self.pace, scene.device.report_every_s) {
            Some(due_ms) if due_ms <= scene.now_ms => self.begin(settings, self.alarm.extreme(), scene),
            Some(due_ms) => scene.wake(due_ms),
            None => {}
        }
    }

    fn watch(&self, settings: &Settings, watching: &Watching<'_>) -> Watch {
        let (last, little, alarm) = (self.last, settings.little_lel_pct, settings.alarm_lel_pct);
        let (count, need, little_s) = (self.alarm.count(), settings.confirm_samples, settings.little_s);
        let seen = words(
            format!(
                "可燃气体 {last:.1} %LEL；{little:.1} 持续 {little_s} 秒为黄，{alarm:.1} 连续 {need} 次为橙，已 {count} 次"
            ),
            format!(
                "gas {last:.1} %LEL; {little:.1} for {little_s} s is yellow, {alarm:.1} in {need} samples is orange, \
                 {count} so far"
            ),
        );
        let due_ms = self.alarm.due_ms(settings.need(), &self.pace, watching.device.report_every_s);
        let forms = count > 0 || self.little.count() > 0;
        let near = if forms { Near::Forming(due_ms) } else { Near::Calm };
        watch(watching, Gas::CONDITIONS, GAS, near, seen)
    }
}

impl Memory {
    fn co(&mut self, settings: &Settings, sample: Sample, scene: &mut Scene<'_>) {
        self.co_pace.sample(sample.at_ms);
        self.co_ppm = sample.value;
        self.co_samples = if sample.value < settings.co_low_ppm { 0 } else { self.co_samples.saturating_add(1) };
        for ((ppm, _), since_ms) in settings.doses().into_iter().zip(&mut self.co_since_ms) {
            if sample.value < ppm {
                *since_ms = 0;
            } else if *since_ms == 0 {
                *since_ms = sample.at_ms;
            }
        }
        if !scene.holds(CO) {
            self.dose(settings, scene);
            return;
        }
        let calm = sample.value < settings.co_clear_ppm;
        if self.co.calms(sample.at_ms, calm, settings.need(), &self.co_pace) {
            scene.end(CO, Note { a: sample.value, b: settings.co_clear_ppm, ..Note::default() });
        }
    }

    /// Alarms when a level has lasted for its time, else asks to be called when it will have.
    fn dose(&mut self, settings: &Settings, scene: &mut Scene<'_>) {
        let expected_ms = u64::from(self.co_pace.expected_ms(scene.device.report_every_s));
        for ((ppm, lasts_ms), since_ms) in settings.doses().into_iter().zip(self.co_since_ms).rev() {
            let believed = self.co_samples > 1 || ppm >= settings.co_high_ppm;
            if since_ms == 0 || !believed {
                continue;
            }
            // one wrong sample each minute must be contradicted in time
            let wait_ms = if self.co_pace.speaks_soon(scene.device.report_every_s) { expected_ms * 3 / 2 } else { 0 };
            let due_ms = since_ms + lasts_ms.max(wait_ms);
            if due_ms <= scene.now_ms {
                let lasted_s = u32::try_from((scene.now_ms - since_ms) / 1000).unwrap_or(u32::MAX).max(1);
                scene.begin(CO, Colour::Orange, Note { a: self.co_ppm, b: ppm, c: 0.0, n: lasted_s });
                return;
            }
            scene.wake(due_ms);
        }
    }
}

impl Rule for Gas {
    const CONDITIONS: &'static [Condition] =
        &[Condition::new("gas", Family::Warning), Condition::new("co", Family::Warning)];
    const READS: &'static [Quantity] = &[Quantity::GasLelPct, Quantity::CoPpm];
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        at_most(&[("alarm_lel_pct", settings.alarm_lel_pct, 100.0)])?;
        rising(&[
            ("clear_lel_pct", settings.clear_lel_pct),
            ("little_lel_pct", settings.little_lel_pct),
            ("alarm_lel_pct", settings.alarm_lel_pct),
        ])?;
        rising(&[
            ("co_clear_ppm", settings.co_clear_ppm),
            ("co_low_ppm", settings.co_low_ppm),
            ("co_middle_ppm", settings.co_middle_ppm),
            ("co_high_ppm", settings.co_high_ppm),
        ])
    }

    fn look(memory: &Memory) -> u64 {
        let lel = memory.lel.as_ref().map_or(0, |lel| lel.pace.look() ^ lel.little.look());
        lel ^ memory.co_pace.look() ^ memory.co.look() ^ memory.co_since_ms[0]
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
        match sample.quantity {
            Quantity::GasLelPct => memory.lel.get_or_insert_default().reading(settings, sample, scene),
            _ => memory.co(settings, sample, scene),
        }
    }

    fn tick(settings: &Settings, memory: &mut Memory, scene: &mut Scene<'_>) {
        if !scene.holds(CO) {
            memory.dose(settings, scene);
        }
        if let Some(lel) = &mut memory.lel {
            lel.tick(settings, scene);
        }
    }

    fn words(condition: usize, note: &Note) -> (Words, Words) {
        let Note { a, b, n, .. } = note;
        match (condition, n) {
            (GAS, 0) => (
                words(format!("可燃气体 {a:.1} %LEL，低于 {b:.1}"), format!("gas {a:.1} %LEL, below {b:.1}")),
                words("再次达到报警值", "at the alarm value again"),
            ),
            (GAS, _) => (
                words(
                    format!("可燃气体 {a:.1} %LEL，连续 {n} 次不低于 {b:.1}"),
                    format!("gas {a:.1} %LEL, {n} samples not below {b:.1}"),
                ),
                words("可燃气体浓度回落并保持", "gas falls back and stays there"),
            ),
            (_, 0) => (
                words(format!("一氧化碳 {a:.0} ppm，低于 {b:.0}"), format!("CO {a:.0} ppm, below {b:.0}")),
                words("再次达到报警剂量", "at the alarm dose again"),
            ),
            (_, _) => (
                words(
                    format!("一氧化碳 {a:.0} ppm，已 {n} 秒不低于 {b:.0}"),
                    format!("CO {a:.0} ppm, not below {b:.0} for {n} s"),
                ),
                words("一氧化碳浓度回落并保持", "carbon monoxide falls back and stays there"),
            ),
        }
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        let Some(memory) = memory else {
            return vec![no_data(watching, Self::CONDITIONS, GAS), no_data(watching, Self::CONDITIONS, CO)];
        };
        let gas = match &memory.lel {
            None => no_data(watching, Self::CONDITIONS, GAS),
            Some(lel) => lel.watch(settings, watching),
        };
        let co = if memory.co_pace.look() == 0 {
            no_data(watching, Self::CONDITIONS, CO)
        } else {
            let since = memory.co_since_ms.iter().zip(settings.doses()).filter(|(since_ms, _)| **since_ms != 0);
            let due_ms = since.map(|(since_ms, (_, lasts_ms))| since_ms + lasts_ms).min();
            let (last, [low, middle, high]) = (memory.co_ppm, settings.doses().map(|(ppm, ms)| (ppm, ms / 1000)));
            let of = |(ppm, s): (f32, u64)| format!("{ppm:.0} ppm {s} s");
            let asked = [of(low), of(middle), of(high)].join(", ");
            let seen = words(
                format!("一氧化碳 {last:.0} ppm；报警剂量 {asked}"),
                format!("CO {last:.0} ppm; one of {asked} is asked for"),
            );
            let near = if due_ms.is_some() { Near::Forming(due_ms) } else { Near::Calm };
            watch(watching, Self::CONDITIONS, CO, near, seen)
        };
        vec![gas, co]
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::scenario;

    #[test]
    fn gas_is_confirmed() {
        scenario(
            "",
            "
            0    gas_lel_pct=0
            10   gas_lel_pct=12
            20   gas_lel_pct=2
            30   gas_lel_pct=12
            40   gas_lel_pct=14          => began gas orange
            50   gas_lel_pct=30          => continued gas orange
            60   gas_lel_pct=4
            119  gas_lel_pct=4
            120  gas_lel_pct=4           => ended gas orange
            ",
        );
    }

    #[test]
    fn carbon_monoxide_by_dose() {
        scenario(
            "",
            "
            0    co_ppm=3
            30   co_ppm=400
            60   co_ppm=10
            90   co_ppm=350
            120  co_ppm=350
            149  tick
            150  tick                    => began co orange
            180  co_ppm=5
            240  co_ppm=5                => ended co orange
            300  co_ppm=120
            330  co_ppm=120
            360  co_ppm=120
            1199 co_ppm=120
            1200 tick                    => began co orange
            ",
        );
    }

    #[test]
    fn a_little_gas_that_stays_and_grows() {
        scenario(
            "",
            "
            0    gas_lel_pct=0
            60   gas_lel_pct=7
            120  gas_lel_pct=8
            180  gas_lel_pct=3
            240  gas_lel_pct=7
            400  gas_lel_pct=7
            539  gas_lel_pct=7
            540  gas_lel_pct=7           => began gas yellow
            600  gas_lel_pct=12
            603  gas_lel_pct=12          => continued gas orange
            700  gas_lel_pct=7
            745  gas_lel_pct=2
            805  gas_lel_pct=2           => ended gas orange
            900  gas_lel_pct=12
            910  gas_lel_pct=12          => began gas orange
            ",
        );
    }

    #[test]
    fn one_low_sample_of_a_rare_reporter_is_no_dose() {
        scenario(
            "sparse = true\npromise_s = 86400",
            "
            0      co_ppm=3
            86400  co_ppm=60
            90000  tick
            90010  tick
            172800 co_ppm=2
            259200 co_ppm=400
            259260 tick                  => began co orange
            345600 co_ppm=2              => ended co orange
            ",
        );
    }
}
