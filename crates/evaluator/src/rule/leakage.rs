//! Insulation that gets worse, before the residual current reaches what [`super::electrical`] asks for.
//!
//! Every circuit leaks something, and some 100 to 200 mA are natural for a large one with its loads on (GB 50116 9.2.3), so
//! that one threshold for all is late for the small circuit. What is usual is learnt for each circuit: first as the mean of
//! a day, then slowly, and only from samples near it, never above a cap, never while the current is raised. A rise above it
//! that stays is told; so are daily means that grow for a week.

use model::finding::Words;
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, Watching, words};
use crate::confirm::{Confirm, Need, Pace};
use crate::rules::{positive, rising};
use crate::trend::{Days, Slope};
use crate::watch::{Near, no_data, watch};
use crate::why::Watch;

/// See the module.
pub struct Leakage;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Raised at and above so much more than usual, mA. Default 150.
    pub rise_ma: f32,
    /// Not raised below so much more than usual, mA. Default 90.
    pub clear_ma: f32,
    /// The rise is confirmed by samples that span this time, s. GB 14287.2: alarm within 30 s. Default 30.
    pub rise_s: u32,
    /// Ends after calm for this time, s. Default 300.
    pub clear_s: u32,
    /// What is usual follows the current with this delay, s. Default 86,400.
    pub usual_s: u32,
    /// It is learnt for so long before anything is compared with it, s. Default 86,400.
    pub learn_s: u32,
    /// It is never above this, mA: what is natural for a large circuit. Default 200.
    pub usual_max_ma: f32,
    /// Days of measurements that a trend needs. Default 7.
    pub trend_days: u32,
    /// The daily mean grows by at least so much a day, mA. Default 3.
    pub trend_ma_per_day: f32,
    /// and in all by at least so much, mA. Default 50.
    pub trend_ma: f32,
    /// Of all pairs of days at least so many rise, %. Default 85.
    pub rising_pct: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            rise_ma: 150.0,
            clear_ma: 90.0,
            rise_s: 30,
            clear_s: 300,
            usual_s: 86_400,
            learn_s: 86_400,
            usual_max_ma: 200.0,
            trend_days: 7,
            trend_ma_per_day: 3.0,
            trend_ma: 50.0,
            rising_pct: 85.0,
        }
    }
}

impl Settings {
    /// Nothing counts without a second sample: this is no danger of seconds.
    fn need(&self) -> Need {
        let hold_ms = u64::from(self.rise_s) * 1000;
        Need { samples: 2, hold_ms, lone_ms: hold_ms, clear_ms: u64::from(self.clear_s) * 1000 }
    }

    fn worsens(&self, slope: &Slope) -> bool {
        slope.days >= self.trend_days
            && slope.per_day >= self.trend_ma_per_day
            && slope.per_day * slope.span_days as f32 >= self.trend_ma
            && slope.rising_pct >= self.rising_pct
    }
}

const RISE: usize = 0;
const TREND: usize = 1;

/// One sample teaches for this time at most, ms: silence teaches nothing.
const TEACHES_MS: u64 = 3_600_000;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pace: Pace,
    confirm: Confirm,
    last_ma: f32,
    /// What is usual, mA.
    usual_ma: f32,
    /// Learnt for so long, s.
    learnt_s: f32,
    days: Days,
}

impl Memory {
    fn knows(&self, settings: &Settings) -> bool {
        self.learnt_s >= settings.learn_s as f32
    }

    fn learn(&mut self, settings: &Settings, value: f32, passed_s: f32) {
        if value >= settings.usual_max_ma + settings.rise_ma {
            return;
        }
        let value = value.min(settings.usual_max_ma);
        if self.learnt_s == 0.0 && passed_s == 0.0 {
            self.usual_ma = value;
        }
        let delay_s = if self.knows(settings) { settings.usual_s as f32 } else { self.learnt_s };
        if passed_s > 0.0 {
            self.usual_ma += (value - self.usual_ma) * (passed_s / (passed_s + delay_s));
            self.learnt_s = (self.learnt_s + passed_s).min(settings.learn_s as f32);
        }
    }

    fn trend(&self, settings: &Settings, scene: &mut Scene<'_>) {
        let slope = self.days.slope();
        let worsens = slope.filter(|slope| settings.worsens(slope));
        if let Some(Slope { per_day, last, days, span_days, .. }) = worsens {
            if !scene.holds(TREND) {
                let note = Note { a: last, b: per_day, c: per_day * span_days as f32, n: days };
                scene.begin(TREND, Colour::Yellow, note);
            }
        } else if scene.holds(TREND) && slope.is_none_or(|slope| slope.per_day < settings.trend_ma_per_day / 2.0) {
            scene.end(TREND, Note { b: slope.map_or(0.0, |slope| slope.per_day), ..Note::default() });
        }
    }
}

impl Rule for Leakage {
    const CONDITIONS: &'static [Condition] =
        &[Condition::new("residual_rise", Family::Warning), Condition::new("residual_trend", Family::Warning)];
    const READS: &'static [Quantity] = &[Quantity::ResidualCurrentMa];
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        rising(&[("0 mA", 0.0), ("clear_ma", settings.clear_ma), ("rise_ma", settings.rise_ma)])?;
        positive(&[("usual_max_ma", settings.usual_max_ma), ("trend_ma_per_day", settings.trend_ma_per_day)])
    }

    fn look(memory: &Memory) -> u64 {
        memory.pace.look() ^ memory.confirm.look() ^ memory.days.look()
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
        let (at_ms, value, need) = (sample.at_ms, sample.value, settings.need());
        let before_ms = memory.pace.look();
        let passed_ms = if before_ms == 0 { 0 } else { at_ms.saturating_sub(before_ms).min(TEACHES_MS) };
        memory.pace.sample(at_ms);
        memory.last_ma = value;
        let above = value - memory.usual_ma;
        if scene.holds(RISE) {
            if memory.confirm.calms(at_ms, above < settings.clear_ma, need, &memory.pace) {
                scene.end(RISE, Note { a: value, b: memory.usual_ma, ..Note::default() });
            }
            return;
        }
        if memory.days.add(at_ms, value) {
            memory.trend(settings, scene);
        }
        let passed_s = passed_ms as f32 / 1000.0;
        if !memory.knows(settings) {
            memory.learn(settings, value, passed_s);
        } else if above >= settings.rise_ma {
            if memory.confirm.beyond(at_ms, value, need) {
                let n = memory.confirm.count().into();
                let held_s = memory.confirm.held_s(at_ms) as f32;
                scene.begin(RISE, Colour::Yellow, Note { a: value, b: memory.usual_ma, c: held_s, n });
            }
        } else {
            memory.confirm.within();
            if above < settings.rise_ma / 2.0 {
                memory.learn(settings, value, passed_s);
            }
        }
    }

    fn words(condition: usize, note: &Note) -> (Words, Words) {
        let Note { a, b, c, n } = note;
        match (condition, n) {
            (RISE, 0) => (
                words(
                    format!("剩余电流 {a:.0} mA，平时 {b:.0}"),
                    format!("residual current {a:.0} mA, usually {b:.0}"),
                ),
                words("再次明显高于平时", "far above what is usual again"),
            ),
            (RISE, _) => (
                words(
                    format!("剩余电流 {a:.0} mA，该回路平时 {b:.0}，已持续 {c:.0} 秒"),
                    format!("residual current {a:.0} mA, usually {b:.0} in this circuit, for {c:.0} s"),
                ),
                words("剩余电流回到平时水平", "the residual current is back to what is usual"),
            ),
            (_, 0) => (
                words(format!("剩余电流日均值变化 {b:.1} mA/天"), format!("the daily mean changes by {b:.1} mA a day")),
                words("日均值再次逐日上升", "the daily means rise again"),
            ),
            (_, _) => (
                words(
                    format!("绝缘下降：剩余电流日均值 {n} 天上升 {c:.0} mA（每天 {b:.1}），现为 {a:.0}"),
                    format!(
                        "insulation gets worse: daily means rose by {c:.0} mA in {n} days ({b:.1} a day), now {a:.0}"
                    ),
                ),
                words("检查线路绝缘；日均值不再上升", "the wiring is looked at; the daily means rise no longer"),
            ),
        }
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        let Some(memory) = memory else {
            return vec![no_data(watching, Self::CONDITIONS, RISE), no_data(watching, Self::CONDITIONS, TREND)];
        };
        let (last, usual, asked) = (memory.last_ma, memory.usual_ma, settings.rise_ma);
        let rise = if memory.knows(settings) {
            let count = memory.confirm.count();
            let seen = words(
                format!(
                    "剩余电流 {last:.0} mA，平时 {usual:.0}；高出 {asked:.0} 并持续 {} 秒报警，已 {count} 次",
                    settings.rise_s
                ),
                format!(
                    "residual current {last:.0} mA, usually {usual:.0}; {asked:.0} more for {} s are asked for, {count} samples so far",
                    settings.rise_s
                ),
            );
            watch(watching, Self::CONDITIONS, RISE, Near::forming(count > 0), seen)
        } else {
            let (learnt, all) = (memory.learnt_s / 3600.0, settings.learn_s / 3600);
            let seen = words(
                format!("正在学习该回路平时的剩余电流：{learnt:.1}/{all} 小时"),
                format!("what is usual in this circuit is being learnt: {learnt:.1} of {all} h"),
            );
            watch(watching, Self::CONDITIONS, RISE, Near::NoData, seen)
        };
        vec![rise, watch_trend(settings, &memory.days, watching)]
    }
}

fn watch_trend(settings: &Settings, days: &Days, watching: &Watching<'_>) -> Watch {
    let Some(slope) = days.slope() else { return no_data(watching, Leakage::CONDITIONS, TREND) };
    let Slope { per_day, rising_pct, days, .. } = slope;
    let (asked, asked_pct, asked_days) = (settings.trend_ma_per_day, settings.rising_pct, settings.trend_days);
    let seen = words(
        format!(
            "{days} 天日均值每天 {per_day:+.1} mA，{rising_pct:.0}% 的日对上升；要求 {asked_days} 天、{asked:.1}、{asked_pct:.0}%"
        ),
        format!(
            "daily means of {days} days move by {per_day:+.1} mA a day, {rising_pct:.0} % of pairs rise; \
             {asked_days} days, {asked:.1} and {asked_pct:.0} % are asked for"
        ),
    );
    let forms = rising_pct >= asked_pct && per_day >= asked / 2.0;
    watch(watching, Leakage::CONDITIONS, TREND, Near::forming(forms), seen)
}

#[cfg(test)]
mod tests {
    use crate::testing::{scenario, told};

    /// Hourly samples of whole days; the level of each day, with a day's load on it.
    fn days(levels: &[f32]) -> String {
        let mut table = String::new();
        for (level, day) in levels.iter().zip(0..) {
            for hour in 0..24 {
                let load = if (8..18).contains(&hour) { 30.0 } else { 0.0 };
                table.push_str(&format!("{} residual_current_ma={}\n", (day * 24 + hour) * 3600, level + load));
            }
        }
        table
    }

    const SLOW: &str = "sparse = true\npromise_s = 3600";

    #[test]
    fn a_rise_above_what_is_usual_in_this_circuit() {
        let usual = days(&[40.0, 40.0, 40.0]);
        let rise = "
            259300 residual_current_ma=230
            259310 residual_current_ma=60
            259400 residual_current_ma=230
            259420 residual_current_ma=235
            259430 residual_current_ma=235   => began residual_rise yellow
            259500 residual_current_ma=100
            259800 residual_current_ma=100   => ended residual_rise yellow
            ";
        scenario(SLOW, &format!("{usual}{rise}"));
    }

    #[test]
    fn nothing_is_compared_before_it_is_known_and_the_cap_holds() {
        scenario(SLOW, "0 residual_current_ma=10\n3600 residual_current_ma=250\n7200 residual_current_ma=250\n");
        // always 290 mA at most: usual is 200 at most, and 299 no rise; 360 is one
        let high = days(&[260.0, 260.0]);
        let rise = "
            172900 residual_current_ma=299
            173000 residual_current_ma=360
            173030 residual_current_ma=360   => began residual_current yellow, began residual_rise yellow
            ";
        scenario(SLOW, &format!("{high}{rise}"));
    }

    #[test]
    fn a_slow_rise_is_told_as_a_trend() {
        let levels: Vec<f32> = (0..14).map(|day| 60.0 + 9.0 * day as f32).collect();
        let told = told(SLOW, &days(&levels));
        assert_eq!(told.len(), 1, "{told:?}");
        let (at_s, what) = told[0].split_once(' ').expect("seconds, then what");
        let day = at_s.parse::<u64>().expect("seconds") / 86_400;
        assert!(what == "began residual_trend yellow" && (6..=8).contains(&day), "{told:?}");
    }

    #[test]
    fn weekends_and_one_new_load_are_no_trend() {
        let week: Vec<f32> = (0..28).map(|day| if day % 7 < 5 { 90.0 } else { 30.0 } + (day % 3) as f32).collect();
        assert_eq!(told(SLOW, &days(&week)), [""; 0]);
        let step: Vec<f32> =
            (0..20).map(|day| if day < 9 { 40.0 } else { 100.0 } + [0.0, 1.0, -1.0][day % 3]).collect();
        assert_eq!(told(SLOW, &days(&step)), [""; 0]);
    }
}
