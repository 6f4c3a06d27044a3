//! Terminals and joints that get worse: heat above the air around, and against the load.
//!
//! [`super::electrical`] judges the temperature itself. Here the air is taken off where the device measures it too, so that
//! an overload in winter is seen and a hot summer is not. Heat in a joint grows with its resistance times the square of the
//! current: where the current is known as well, the rise divided by its square (averaged over the time that a joint needs
//! to warm up) is the joint's own constant, and one that grows is a joint that gets loose, long before it is hot.

use model::finding::Words;
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, Watching, words};
use crate::confirm::{Confirm, Need, Pace};
use crate::rules::{positive, rising};
use crate::trend::{Days, Slope};
use crate::watch::{Near, no_data, seconds, watch};
use crate::why::Watch;

/// See the module.
pub struct Contact;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Too hot at and above so much more than the air, K. PVC insulation is made for 70 °C, in air of some 25 °C. Default 45.
    pub rise_k: f32,
    /// Not too hot below so much more than the air, K. Default 40.
    pub clear_k: f32,
    /// Confirmed by samples that span this time, s. Default 30.
    pub rise_s: u32,
    /// Ends after calm for this time, s. Default 300.
    pub clear_s: u32,
    /// Air and current count for so long after they were measured, s (and one and a half promises). Default 900.
    pub fresh_s: u32,
    /// Time in which a joint follows its load, s. Default 600.
    pub warms_s: u32,
    /// Nothing is said of a joint below this load, A, Default 5.
    pub load_a: f32,
    /// and none is called worse below this rise, K. Default 15.
    pub worse_k: f32,
    /// Worse at and above this multiple of its usual heat for its load, %. Default 150.
    pub worse_pct: f32,
    /// Not worse below this multiple, %. Default 120.
    pub clear_pct: f32,
    /// So many samples in a row, Default 10.
    pub worse_samples: u8,
    /// that span this time, s. Default 1,800.
    pub worse_s: u32,
    /// A joint's usual heat is learnt under load for so long before it is judged, s, Default 86,400.
    pub learn_s: u32,
    /// and follows with this delay, s. Default 604,800.
    pub usual_s: u32,
    /// Days of measurements that a trend of the rise needs. Default 7.
    pub trend_days: u32,
    /// The daily mean of the rise grows by at least so much in all, K. Default 10.
    pub trend_k: f32,
    /// Of all pairs of days at least so many rise, %. Default 85.
    pub rising_pct: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            rise_k: 45.0,
            clear_k: 40.0,
            rise_s: 30,
            clear_s: 300,
            fresh_s: 900,
            warms_s: 600,
            load_a: 5.0,
            worse_k: 15.0,
            worse_pct: 150.0,
            clear_pct: 120.0,
            worse_samples: 10,
            worse_s: 1800,
            learn_s: 86_400,
            usual_s: 604_800,
            trend_days: 7,
            trend_k: 10.0,
            rising_pct: 85.0,
        }
    }
}

impl Settings {
    fn need(&self) -> Need {
        let hold_ms = u64::from(self.rise_s) * 1000;
        Need { samples: 2, hold_ms, lone_ms: hold_ms, clear_ms: u64::from(self.clear_s) * 1000 }
    }

    fn is_fresh(&self, then_s: u32, now_s: u32, promise_s: u32) -> bool {
        then_s != 0 && now_s.saturating_sub(then_s) <= self.fresh_s.max(promise_s.saturating_mul(3) / 2)
    }

    fn worsens(&self, slope: &Slope) -> bool {
        slope.days >= self.trend_days
            && slope.per_day * slope.span_days as f32 >= self.trend_k
            && slope.rising_pct >= self.rising_pct
    }
}

const RISE: usize = 0;
const WORSE: usize = 1;
const TREND: usize = 2;

/// One sample teaches for this time at most, s.
const TEACHES_S: u32 = 3600;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pace: Pace,
    confirm: Confirm,
    air_c: f32,
    air_s: u32,
    /// Mean square of the current, A², and when it was last measured, s since 1970.
    square: f32,
    square_s: u32,
    /// Last rise above the air, K; and heat for the load, K/A².
    rise_k: f32,
    heat: f32,
    /// What is usual of the latter, and how long it was learnt, s.
    usual: f32,
    learnt_s: f32,
    worse_samples: u8,
    /// First of the samples that are worse; while it is called worse, first of those that are not. s since 1970.
    worse_since_s: u32,
    days: Days,
}

impl Memory {
    fn current(&mut self, settings: &Settings, at_s: u32, value: f32) {
        let square = value * value;
        let passed_s = at_s.saturating_sub(self.square_s) as f32;
        let weight = if self.square_s == 0 { 1.0 } else { passed_s / (passed_s + settings.warms_s as f32) };
        self.square += (square - self.square) * weight;
        self.square_s = at_s.max(1);
    }

    fn rise(&mut self, settings: &Settings, at_ms: u64, scene: &mut Scene<'_>) {
        let (need, rise_k) = (settings.need(), self.rise_k);
        if scene.holds(RISE) {
            if self.confirm.calms(at_ms, rise_k < settings.clear_k, need, &self.pace) {
                scene.end(RISE, Note { a: rise_k, b: settings.clear_k, ..Note::default() });
            }
        } else if rise_k < settings.rise_k {
            self.confirm.within();
        } else if self.confirm.beyond(at_ms, rise_k, need) {
            let n = self.confirm.count().into();
            scene.begin(RISE, Colour::Yellow, Note { a: rise_k, b: settings.rise_k, c: self.air_c, n });
        }
    }

    fn heat(&mut self, settings: &Settings, at_s: u32, passed_s: u32, scene: &mut Scene<'_>) {
        self.heat = (self.rise_k / self.square).max(0.0);
        let knows = self.learnt_s >= settings.learn_s as f32;
        let share_pct = self.heat * 100.0 / self.usual.max(f32::MIN_POSITIVE);
        if scene.holds(WORSE) {
            if share_pct >= settings.clear_pct {
                self.worse_since_s = 0;
            } else if self.worse_since_s == 0 {
                self.worse_since_s = at_s;
            } else if at_s.saturating_sub(self.worse_since_s) >= settings.worse_s {
                scene.end(WORSE, Note { a: self.rise_k, b: share_pct, ..Note::default() });
                self.worse_samples = 0;
            }
            return;
        }
        if knows && share_pct >= settings.worse_pct && self.rise_k >= settings.worse_k {
            if self.worse_samples == 0 {
                self.worse_since_s = at_s;
            }
            self.worse_samples = self.worse_samples.saturating_add(1);
            let lasts_s = at_s.saturating_sub(self.worse_since_s);
            if self.worse_samples >= settings.worse_samples && lasts_s >= settings.worse_s {
                let n = self.worse_samples.into();
                let note = Note { a: self.rise_k, b: share_pct, c: self.square.sqrt(), n };
                scene.begin(WORSE, Colour::Yellow, note);
                self.worse_since_s = 0;
            }
            return;
        }
        self.worse_samples = 0;
        if !knows || share_pct < settings.clear_pct {
            let (delay_s, passed_s) = (if knows { settings.usual_s as f32 } else { self.learnt_s }, passed_s as f32);
            if self.learnt_s == 0.0 {
                self.usual = self.heat;
            }
            if passed_s > 0.0 {
                self.usual += (self.heat - self.usual) * (passed_s / (passed_s + delay_s));
                self.learnt_s = (self.learnt_s + passed_s).min(settings.learn_s as f32);
            }
        }
    }

    fn trend(&self, settings: &Settings, scene: &mut Scene<'_>) {
        let slope = self.days.slope();
        if let Some(Slope { per_day, last, days, span_days, .. }) = slope.filter(|slope| settings.worsens(slope)) {
            if !scene.holds(TREND) {
                scene.begin(
                    TREND,
                    Colour::Yellow,
                    Note { a: last, b: per_day, c: per_day * span_days as f32, n: days },
                );
            }
        } else if scene.holds(TREND) && slope.is_none_or(|slope| slope.rising_pct < settings.rising_pct - 20.0) {
            scene.end(TREND, Note { b: slope.map_or(0.0, |slope| slope.per_day), ..Note::default() });
        }
    }
}

impl Rule for Contact {
    const CONDITIONS: &'static [Condition] = &[
        Condition::new("cable_rise", Family::Warning),
        Condition::new("contact_worse", Family::Warning),
        Condition::new("cable_trend", Family::Warning),
    ];
    const READS: &'static [Quantity] = &[Quantity::CableTemperatureC, Quantity::CurrentA, Quantity::TemperatureC];
    const STARTS: &'static [Quantity] = &[Quantity::CableTemperatureC];
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        rising(&[("0 K", 0.0), ("clear_k", settings.clear_k), ("rise_k", settings.rise_k)])?;
        rising(&[("100 %", 100.0), ("clear_pct", settings.clear_pct), ("worse_pct", settings.worse_pct)])?;
        positive(&[("load_a", settings.load_a), ("worse_k", settings.worse_k), ("trend_k", settings.trend_k)])
    }

    fn look(memory: &Memory) -> u64 {
        memory.pace.look() ^ u64::from(memory.air_s) ^ u64::from(memory.worse_since_s) ^ memory.days.look()
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
        let (at_s, promise_s) = (seconds(sample.at_ms), scene.device.report_every_s);
        match sample.quantity {
            Quantity::TemperatureC => (memory.air_c, memory.air_s) = (sample.value, at_s.max(1)),
            Quantity::CurrentA => memory.current(settings, at_s, sample.value),
            _ => {
                let before_ms = memory.pace.look();
                memory.pace.sample(sample.at_ms);
                if !settings.is_fresh(memory.air_s, at_s, promise_s) {
                    return;
                }
                memory.rise_k = sample.value - memory.air_c;
                memory.rise(settings, sample.at_ms, scene);
                if memory.days.add(sample.at_ms, memory.rise_k) {
                    memory.trend(settings, scene);
                }
                let loaded = memory.square >= settings.load_a * settings.load_a;
                if loaded && settings.is_fresh(memory.square_s, at_s, promise_s) {
                    let passed_s = if before_ms == 0 { 0 } else { at_s.saturating_sub(seconds(before_ms)) };
                    memory.heat(settings, at_s, passed_s.min(TEACHES_S), scene);
                } else {
                    memory.worse_samples = 0;
                }
            }
        }
    }

    fn words(condition: usize, note: &Note) -> (Words, Words) {
        let Note { a, b, c, n } = note;
        match (condition, n) {
            (RISE, 0) => (
                words(
                    format!("电缆比环境高 {a:.0} K，低于 {b:.0}"),
                    format!("cable {a:.0} K above the air, below {b:.0}"),
                ),
                words("温升再次过大", "too far above the air again"),
            ),
            (RISE, _) => (
                words(
                    format!("电缆比环境（{c:.0} °C）高 {a:.0} K，连续 {n} 次不低于 {b:.0}"),
                    format!("cable {a:.0} K above the air ({c:.0} °C), {n} samples not below {b:.0}"),
                ),
                words("减小负荷，温升回落并保持", "less load: it falls back and stays there"),
            ),
            (WORSE, 0) => (
                words(
                    format!("同等负荷下的温升为平时的 {b:.0}%"),
                    format!("heat for the load is {b:.0} % of what is usual"),
                ),
                words("同等负荷下温升再次偏大", "more heat for the same load again"),
            ),
            (WORSE, _) => (
                words(
                    format!("接触不良迹象：{c:.0} A 时温升 {a:.0} K，为该接点平时的 {b:.0}%"),
                    format!("a joint that gets loose: {a:.0} K at {c:.0} A, {b:.0} % of what is usual for it"),
                ),
                words("紧固接点，温升回到平时水平", "the joint is tightened, and its heat is back to what is usual"),
            ),
            (_, 0) => (
                words(format!("温升日均值变化 {b:.1} K/天"), format!("the daily mean changes by {b:.1} K a day")),
                words("温升再次逐日增大", "the daily means rise again"),
            ),
            (_, _) => (
                words(
                    format!("电缆温升逐日增大：{n} 天增加 {c:.0} K（每天 {b:.1}），现为 {a:.0} K"),
                    format!(
                        "the cable gets hotter day by day: by {c:.0} K in {n} days ({b:.1} a day), now {a:.0} K above the air"
                    ),
                ),
                words(
                    "检查接点与负荷；日均值不再上升",
                    "joints and load are looked at; the daily means rise no longer",
                ),
            ),
        }
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        let Some(memory) = memory.filter(|memory| memory.air_s != 0) else {
            return (0..Self::CONDITIONS.len()).map(|at| no_data(watching, Self::CONDITIONS, at)).collect();
        };
        let (rise_k, asked) = (memory.rise_k, settings.rise_k);
        let seen = words(
            format!("电缆比环境高 {rise_k:.0} K，{asked:.0} 报警"),
            format!("cable {rise_k:.0} K above the air, {asked:.0} are asked for"),
        );
        let rise = watch(watching, Self::CONDITIONS, RISE, Near::forming(memory.confirm.count() > 0), seen);
        let worse = if memory.learnt_s < settings.learn_s as f32 {
            let (learnt, all) = (memory.learnt_s / 3600.0, settings.learn_s / 3600);
            let seen = words(
                format!("带载学习 {learnt:.1}/{all} 小时（需要电流与环境温度）"),
                format!("learnt under load for {learnt:.1} of {all} h (current and air are needed)"),
            );
            watch(watching, Self::CONDITIONS, WORSE, Near::NoData, seen)
        } else {
            let share_pct = memory.heat * 100.0 / memory.usual.max(f32::MIN_POSITIVE);
            let (asked, count) = (settings.worse_pct, memory.worse_samples);
            let seen = words(
                format!("同等负荷下温升为平时的 {share_pct:.0}%，{asked:.0}% 报警，已 {count} 次"),
                format!(
                    "heat for the load is {share_pct:.0} % of what is usual, {asked:.0} % are asked for, {count} samples so far"
                ),
            );
            watch(watching, Self::CONDITIONS, WORSE, Near::forming(count > 0), seen)
        };
        let trend = match memory.days.slope() {
            None => no_data(watching, Self::CONDITIONS, TREND),
            Some(slope) => {
                let (days, grown) = (slope.days, slope.per_day * slope.span_days as f32);
                let seen = words(
                    format!("温升日均值 {days} 天变化 {grown:+.1} K，{:.0} 报警", settings.trend_k),
                    format!("daily means moved by {grown:+.1} K in {days} days, {:.0} are asked for", settings.trend_k),
                );
                watch(watching, Self::CONDITIONS, TREND, Near::forming(grown >= settings.trend_k / 2.0), seen)
            }
        };
        vec![rise, worse, trend]
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{scenario, told};

    const SETTING: &str = "sparse = true\npromise_s = 600";

    /// A joint each ten minutes from `from_s`: air, current and cable by the number of the sample.
    fn joint(from_s: u64, count: u64, of: impl Fn(u64) -> (f32, f32, f32)) -> String {
        let line = |at: u64| {
            let (at_s, (air, current, cable)) = (from_s + at * 600, of(at));
            format!("{at_s} temperature_c={air}\n{at_s} current_a={current}\n{at_s} cable_temperature_c={cable}\n")
        };
        (0..count).map(line).collect()
    }

    #[test]
    fn a_joint_that_gets_loose_is_seen_at_the_same_load() {
        // the joint follows the mean of the last twenty minutes or so
        let current = |at: u64| if at % 36 < 18 { 30.0_f32 } else { 2.0 };
        let square = |at: u64| {
            (0..12).map(|back| current(at.saturating_sub(back)).powi(2) * 0.5_f32.powi(back as i32 + 1)).sum::<f32>()
        };
        let air = |at: u64| 15.0 + (at % 144) as f32 / 10.0;
        let usual = joint(0, 300, |at| (air(at), current(at), air(at) + 0.02 * square(at)));
        let looser =
            joint(180_000, 40, |at| (air(at + 300), current(at + 324), air(at + 300) + 0.036 * square(at + 324)));
        let told = told(SETTING, &format!("0 cable_temperature_c=20\n{usual}{looser}"));
        let [one] = told.as_slice() else { panic!("{told:?}") };
        let (at_s, what) = one.split_once(' ').expect("seconds, then what");
        let after_s = at_s.parse::<u64>().expect("seconds") - 180_000;
        assert!(what == "began contact_worse yellow" && (5_400..12_000).contains(&after_s), "{told:?}");
    }

    #[test]
    fn a_hot_summer_and_a_varying_load_are_nothing() {
        let summer = joint(0, 2000, |at| {
            let air = 20.0 + at as f32 / 100.0;
            (air, 10.0 + (at * 7 % 23) as f32, air + 0.01 * 21.0 * 21.0)
        });
        assert_eq!(told(SETTING, &format!("0 cable_temperature_c=25\n{summer}")), [""; 0]);
    }

    #[test]
    fn an_overload_in_winter() {
        scenario(
            "",
            "
            0    cable_temperature_c=5
            1    temperature_c=-2
            60   cable_temperature_c=44
            100  cable_temperature_c=45      => began cable_rise yellow
            200  cable_temperature_c=30
            500  cable_temperature_c=30      => ended cable_rise yellow
            3000 cable_temperature_c=60
            3060 cable_temperature_c=60
            ",
        );
    }

    #[test]
    fn hotter_day_by_day() {
        let days = joint(0, 144 * 9, |at| (20.0, 0.0, 25.0 + 2.0 * (at / 144) as f32));
        let told = told(SETTING, &format!("0 cable_temperature_c=25\n{days}"));
        let [one] = told.as_slice() else { panic!("{told:?}") };
        assert!(one.ends_with(" began cable_trend yellow"), "{told:?}");
    }
}
