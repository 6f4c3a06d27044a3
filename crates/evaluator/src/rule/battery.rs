//! Batteries: low now, and low soon.
//!
//! Three witnesses, and the worst is believed: the device's word (`low_battery`), its percent, and its voltage against the
//! highest that it had itself, so that no chemistry need be known. Devices that say 100 % until they chirp are common; for
//! such a one the word counts, and it is not taken back by its own percent, but by `restored`, by a battery that is plainly
//! another, or by some days in which it is not said again.
//!
//! Low soon: the daily mean of the percent falls so that it will be low within a month. A device that steps from 100 % to
//! 60 % in one day and rests there has no such trend (see [`crate::trend`]).

use model::finding::Words;
use model::report::{Body, EventKind};
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, Watching, words};
use crate::rules::{positive, rising};
use crate::trend::Days;
use crate::watch::{Near, no_data, seconds, watch};
use crate::why::Watch;

/// See the module.
pub struct Battery;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Low at and below, %. Default 10.
    pub low_pct: f32,
    /// Good again at and above, %. Default 20.
    pub good_pct: f32,
    /// Voltage low at and below this share of the highest that the device had, %. Default 80.
    pub low_voltage_pct: f32,
    /// Voltage good again at and above this share, %. Default 90.
    pub good_voltage_pct: f32,
    /// Consecutive samples of low voltage: a radio that transmits, and a cold night, pull it down. Default 3.
    pub voltage_samples: u8,
    /// They span at least this time, s. Default 3,600.
    pub voltage_s: u32,
    /// Percent that grows by so much from one sample to the next is another battery, %. Default 30.
    pub new_pct: f32,
    /// Voltage that grows by this share is another battery, %. Default 8.
    pub new_voltage_pct: f32,
    /// What the device said is believed for so long where its percent is good, days. GB 20517-2025: it looks at its battery
    /// at least once in 24 h, and would say it again. Default 7.
    pub said_days: u32,
    /// Low soon within so many days, days. Default 30.
    pub soon_days: f32,
    /// Not soon any longer beyond so many days, days. Default 45.
    pub soon_clear_days: f32,
    /// Days of measurements that a trend needs. Default 7.
    pub trend_days: u32,
    /// The trend's whole fall, at least, %. Default 5.
    pub trend_pct: f32,
    /// Of all pairs of days at least so many fall, %. Default 85.
    pub falling_pct: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            low_pct: 10.0,
            good_pct: 20.0,
            low_voltage_pct: 80.0,
            good_voltage_pct: 90.0,
            voltage_samples: 3,
            voltage_s: 3600,
            new_pct: 30.0,
            new_voltage_pct: 8.0,
            said_days: 7,
            soon_days: 30.0,
            soon_clear_days: 45.0,
            trend_days: 7,
            trend_pct: 5.0,
            falling_pct: 85.0,
        }
    }
}

const LOW: usize = 0;
const SOON: usize = 1;

/// The highest voltage follows a sample above it by this share.
const HIGHEST_FOLLOWS: f32 = 0.1;

/// A voltage above this multiple of the highest is of another battery, or wrong: so many in a row are of another.
const STRANGE_TIMES: f32 = 1.5;
const STRANGE_MAX: u8 = 3;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pct: Option<f32>,
    /// Last voltage and the highest, V; 0 before the first sample.
    voltage_v: f32,
    highest_v: f32,
    strange: u8,
    low_samples: u8,
    /// Which witnesses say that it is low.
    by_pct: bool,
    by_voltage: bool,
    /// First of the samples of low voltage, s since 1970.
    low_since_s: u32,
    /// The device's last word that it is low, s since 1970; 0 for none that counts.
    said_s: u32,
    days: Days,
}

impl Memory {
    fn percent(&mut self, settings: &Settings, sample: Sample, scene: &mut Scene<'_>) {
        let value = sample.value;
        // 0 after power-up: not measured yet
        let grown = |before: f32| before > 0.0 && value - before >= settings.new_pct;
        let is_new = self.pct.is_some_and(grown) && value >= settings.good_pct;
        let believed = value > 0.0 || self.pct.is_some_and(|before| before <= settings.low_pct);
        if is_new {
            self.another_battery();
        }
        self.pct = Some(value);
        self.by_pct = value <= settings.low_pct && believed || self.by_pct && value < settings.good_pct;
        if self.days.add(sample.at_ms, value) {
            self.trend(settings, scene);
        } else if is_new && scene.holds(SOON) {
            scene.end(SOON, Note { a: value, ..Note::default() });
        }
    }

    fn voltage(&mut self, settings: &Settings, sample: Sample) {
        let value = sample.value;
        if self.highest_v > 0.0 && value > self.highest_v * STRANGE_TIMES {
            self.strange += 1;
            if self.strange < STRANGE_MAX {
                return;
            }
            self.highest_v = value;
            self.another_battery();
        }
        self.strange = 0;
        if self.highest_v == 0.0 {
            self.highest_v = value;
        }
        let grown = value >= self.voltage_v * (1.0 + settings.new_voltage_pct / 100.0);
        let good = value >= self.highest_v * settings.good_voltage_pct / 100.0;
        if self.voltage_v > 0.0 && grown && good {
            self.another_battery();
        }
        self.voltage_v = value;
        self.highest_v += (value - self.highest_v).max(0.0) * HIGHEST_FOLLOWS;
        let at_s = seconds(sample.at_ms);
        if value > self.highest_v * settings.low_voltage_pct / 100.0 {
            self.low_samples = 0;
        } else {
            if self.low_samples == 0 {
                self.low_since_s = at_s;
            }
            self.low_samples = self.low_samples.saturating_add(1);
            let lasts = at_s.saturating_sub(self.low_since_s) >= settings.voltage_s;
            self.by_voltage |= lasts && self.low_samples >= settings.voltage_samples;
        }
        self.by_voltage &= !good;
    }

    /// What was known of the battery was of the one before.
    fn another_battery(&mut self) {
        self.said_s = 0;
        self.by_voltage = false;
        self.low_samples = 0;
        self.days = Days::default();
    }

    /// When the device's word is forgotten; `None` where nothing else speaks for the battery.
    fn forgotten_ms(&self, settings: &Settings) -> Option<u64> {
        let good = self.pct.is_some_and(|pct| pct >= settings.good_pct);
        let over_s = u64::from(self.said_s) + u64::from(settings.said_days) * 86_400;
        (self.said_s != 0 && good).then_some(over_s * 1000)
    }

    fn judge(&mut self, settings: &Settings, scene: &mut Scene<'_>) {
        match self.forgotten_ms(settings) {
            Some(over_ms) if over_ms <= scene.now_ms => self.said_s = 0,
            Some(over_ms) => scene.wake(over_ms),
            None => {}
        }
        let said = self.said_s != 0;
        let low = said || self.by_pct || self.by_voltage;
        if low == scene.holds(LOW) {
            return;
        }
        // what it is told by: 1 percent, 2 voltage, 3 the device's word
        let (a, b, n) = match (self.by_pct, self.by_voltage) {
            (true, _) => (self.pct.unwrap_or(0.0), 0.0, 1),
            (false, true) => (self.voltage_v, self.highest_v, 2),
            (false, false) => (self.pct.unwrap_or(-1.0), 0.0, 3),
        };
        if low {
            scene.begin(LOW, Colour::Yellow, Note { a, b, c: 0.0, n });
        } else {
            scene.end(LOW, Note { c: 1.0, ..Note::default() });
        }
    }

    /// Days until it is low, by the trend.
    fn days_left(&self, settings: &Settings) -> Option<f32> {
        let slope = self.days.slope()?;
        let falls = slope.days >= settings.trend_days
            && slope.falling_pct >= settings.falling_pct
            && -slope.per_day * slope.span_days as f32 >= settings.trend_pct;
        falls.then(|| ((slope.last - settings.low_pct) / -slope.per_day).max(0.0))
    }

    fn trend(&self, settings: &Settings, scene: &mut Scene<'_>) {
        let left = self.days_left(settings);
        let pct = self.pct.unwrap_or(0.0);
        if scene.holds(SOON) {
            if left.is_none_or(|left| left > settings.soon_clear_days) {
                scene.end(SOON, Note { a: pct, ..Note::default() });
            }
        } else if let Some(left) = left.filter(|left| *left < settings.soon_days) {
            scene.begin(SOON, Colour::Yellow, Note { a: pct, b: settings.low_pct, c: left, n: self.days.len() });
        }
    }
}

impl Rule for Battery {
    const CONDITIONS: &'static [Condition] =
        &[Condition::new("low_battery", Family::Fault), Condition::new("battery_soon_low", Family::Fault)];
    const READS: &'static [Quantity] = &[Quantity::BatteryPct, Quantity::BatteryV];
    const LISTENS: bool = true;
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        rising(&[("low_pct", settings.low_pct), ("good_pct", settings.good_pct)])?;
        rising(&[("low_voltage_pct", settings.low_voltage_pct), ("good_voltage_pct", settings.good_voltage_pct)])?;
        rising(&[("soon_days", settings.soon_days), ("soon_clear_days", settings.soon_clear_days)])?;
        positive(&[("new_pct", settings.new_pct), ("new_voltage_pct", settings.new_voltage_pct)])
    }

    fn look(memory: &Memory) -> u64 {
        u64::from(memory.said_s)
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
        match sample.quantity {
            Quantity::BatteryPct => memory.percent(settings, sample, scene),
            _ => memory.voltage(settings, sample),
        }
        memory.judge(settings, scene);
    }

    fn report(settings: &Settings, memory: &mut Memory, body: &Body, scene: &mut Scene<'_>) {
        match body {
            Body::Event { kind: EventKind::LowBattery, .. } => memory.said_s = seconds(scene.now_ms),
            Body::Event { kind: EventKind::Restored, .. } => memory.said_s = 0,
            _ => return,
        }
        memory.judge(settings, scene);
    }

    fn adopted(settings: &Settings, memory: &mut Memory, scene: &mut Scene<'_>) {
        memory.judge(settings, scene);
    }

    fn tick(settings: &Settings, memory: &mut Memory, scene: &mut Scene<'_>) {
        memory.judge(settings, scene);
    }

    fn words(condition: usize, note: &Note) -> (Words, Words) {
        let Note { a, b, c, n } = note;
        let new = words("更换电池", "a new battery");
        match (condition, n) {
            (LOW, 0) => {
                (words("电池恢复正常", "the battery is good again"), words("电池再次不足", "the battery is low again"))
            }
            (LOW, 1) => (words(format!("电池电量 {a:.0}%"), format!("battery at {a:.0} %")), new),
            (LOW, 2) => (
                words(
                    format!("电池电压 {a:.2} V，最高曾为 {b:.2} V"),
                    format!("battery at {a:.2} V, it had {b:.2} V at best"),
                ),
                new,
            ),
            (LOW, _) => {
                let evidence = if *a < 0.0 {
                    words("设备报告电量低", "the device reports a low battery")
                } else {
                    words(
                        format!("设备报告电量低（同时自报 {a:.0}%）"),
                        format!("the device reports a low battery (and {a:.0} % of charge)"),
                    )
                };
                (evidence, words("更换电池，设备报告恢复", "a new battery, and the device reports that it is restored"))
            }
            (_, 0) => (
                words("电量不再这样下降", "the charge does not fall like that any longer"),
                words("电量再次持续下降", "the charge falls day by day again"),
            ),
            (_, _) => (
                words(
                    format!("电量 {a:.0}%，按 {n} 天的趋势约 {c:.0} 天后降到 {b:.0}%"),
                    format!("battery at {a:.0} %, by the trend of {n} days at {b:.0} % in about {c:.0} days"),
                ),
                new,
            ),
        }
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        let Some(memory) = memory else {
            return vec![no_data(watching, Self::CONDITIONS, LOW), no_data(watching, Self::CONDITIONS, SOON)];
        };
        let pct = memory.pct.map_or("-".to_owned(), |pct| format!("{pct:.0} %"));
        let (voltage, highest) = (memory.voltage_v, memory.highest_v);
        let (low, low_v) = (settings.low_pct, settings.low_voltage_pct);
        let seen = words(
            format!("电量 {pct}（{low:.0} % 为低），电压 {voltage:.2} V（最高 {highest:.2} V，其 {low_v:.0}% 为低）"),
            format!(
                "charge {pct} (low at {low:.0} %), {voltage:.2} V (low at {low_v:.0} % of its best, {highest:.2} V)"
            ),
        );
        let near = if memory.said_s != 0 {
            Near::Forming(memory.forgotten_ms(settings))
        } else {
            Near::forming(memory.low_samples > 0)
        };
        let days = memory.days.len();
        let soon = match memory.days_left(settings) {
            Some(left) => {
                words(format!("按趋势约 {left:.0} 天后电量低"), format!("low in about {left:.0} days by the trend"))
            }
            None => words(
                format!("{days} 天的日均值没有持续下降"),
                format!("the daily means of {days} days do not fall steadily"),
            ),
        };
        let near_soon = if memory.pct.is_none() { Near::NoData } else { Near::Calm };
        vec![
            watch(watching, Self::CONDITIONS, LOW, near, seen),
            watch(watching, Self::CONDITIONS, SOON, near_soon, soon),
        ]
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::scenario;

    const DAILY: &str = "sparse = true\npromise_s = 86400";

    #[test]
    fn percent_with_hysteresis() {
        scenario(
            "",
            "
            0    battery_pct=9           => began low_battery yellow
            10   battery_pct=15
            20   battery_pct=20          => ended low_battery yellow
            30   battery_pct=0
            40   battery_pct=0           => began low_battery yellow
            ",
        );
    }

    #[test]
    fn a_device_that_says_full_and_low_at_once_is_low() {
        scenario(
            DAILY,
            "
            0       battery_pct=100
            10      event:low_battery    => began low_battery yellow
            86400   battery_pct=100
            100000  event:restored       => ended low_battery yellow
            200000  event:low_battery    => began low_battery yellow
            300000  event:low_battery
            904000  tick
            904800  tick                 => ended low_battery yellow
            1000000 battery_pct=60
            1000010 event:low_battery    => began low_battery yellow
            1086400 battery_pct=100      => ended low_battery yellow
            ",
        );
    }

    #[test]
    fn voltage_against_its_own_best() {
        scenario(
            DAILY,
            "
            0       battery_v=3.0
            86400   battery_v=3.0
            172800  battery_v=2.3
            259200  battery_v=3.0
            345600  battery_v=2.3
            345700  battery_v=2.3
            345800  battery_v=2.3
            432000  battery_v=2.35       => began low_battery yellow
            518400  battery_v=2.5
            604800  battery_v=3.1        => ended low_battery yellow
            700000  battery_v=9.2
            700060  battery_v=3.1
            ",
        );
    }

    #[test]
    fn low_within_a_month_by_the_trend() {
        let day = |(at, pct): (u64, u32)| {
            let told = if at == 7 { "=> began battery_soon_low yellow" } else { "" };
            format!("{} battery_pct={pct} {told}\n", at * 86_400 + 10)
        };
        let falling: String = (0..12).zip((0..12).map(|at| 40 - at)).map(day).collect();
        scenario(DAILY, &falling);
        let line = |at: u64| format!("{} battery_pct={}\n", at * 86_400 + 10, if at < 8 { 100 } else { 40 });
        scenario(DAILY, &(0..30).map(line).collect::<String>());
    }
}
