//! Sensors that have stopped measuring: a value that does not move although it is reported, and an alarm that stays while
//! there is nothing of it in the air.
//!
//! **A value that stands still** means nothing by itself: a cellar keeps its temperature, a sensor of whole degrees shows one
//! number for days, and clean air is exactly 0.0 for sensors that clip there. So each sensor is compared with itself. The
//! lengths of its runs of equal samples are averaged while it moves; a run is suspect when it is many times as long as
//! those, in samples and in time, and only of a sensor that used to move often. A sensor that never moved, or seldom, is
//! not judged, and says so to whoever asks. Pressure and level of water rest by nature and are not looked at. It takes days,
//! since a shop that is closed over a festival is as still as a sensor that died. A device of which nothing moves any longer
//! sees nothing; one of whose quantities one stands still is only marked.
//!
//! **An alarm that stays** is never taken back by us: the device is only marked for somebody to look at.

use model::finding::Words;
use model::report::{AlarmKind, Body, EventKind};
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Condition, Note, Rule, Sample, Scene, Watching, words};
use crate::rules::positive;
use crate::watch::{Near, no_data, seconds, watch};
use crate::why::Watch;

/// See the module.
pub struct Stuck;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A run must last this time, s. Default 259,200.
    pub still_s: u32,
    /// It must be this many times as long as the sensor's usual run, in samples. Default 100.
    pub times: f32,
    /// A sensor whose runs are longer than this on average is not judged, samples. Default 6.
    pub usual_samples_max: f32,
    /// Runs that must have been seen before one is judged, 1 to 255. Default 30.
    pub runs: u8,
    /// Silence that breaks a run: it is not known what the sensor did meanwhile, s. Default 7,200, and three promises.
    pub gap_s: u32,
    /// A device's alarm that stays so long with nothing of it in the air is suspect, s: many are only taken back
    /// by hand. Default 7,200.
    pub alarm_s: u32,
    /// Samples that say so, at least. Default 3.
    pub alarm_samples: u8,
    /// Nothing in the air at and below: dB/m, °C, %LEL, ppm. Defaults 0.02, 40, 1, 5.
    pub no_smoke_db_m: f32,
    pub no_heat_c: f32,
    pub no_gas_lel_pct: f32,
    pub no_co_ppm: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            still_s: 259_200,
            times: 100.0,
            usual_samples_max: 6.0,
            runs: 30,
            gap_s: 7200,
            alarm_s: 7200,
            alarm_samples: 3,
            no_smoke_db_m: 0.02,
            no_heat_c: 40.0,
            no_gas_lel_pct: 1.0,
            no_co_ppm: 5.0,
        }
    }
}

const STILL: usize = 0;
const PART: usize = 1;
const ALARM: usize = 2;

/// The average length of runs follows each by this share, and the first ones by more.
const USUAL_FOLLOWS: f32 = 1.0 / 64.0;

/// Alarms that a quantity can contradict.
const CONTRADICTED: [(AlarmKind, Quantity); 4] = [
    (AlarmKind::Smoke, Quantity::SmokeDbM),
    (AlarmKind::Heat, Quantity::TemperatureC),
    (AlarmKind::Gas, Quantity::GasLelPct),
    (AlarmKind::Co, Quantity::CoPpm),
];

impl Settings {
    fn nothing(&self, at: usize) -> f32 {
        [self.no_smoke_db_m, self.no_heat_c, self.no_gas_lel_pct, self.no_co_ppm][at]
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Most devices have one or two.
    tracks: SmallVec<[Track; 2]>,
    /// Quantities whose run is too long now, one bit each.
    still: u32,
    /// Of alarms that hold, in the order of [`CONTRADICTED`]; made at the first alarm.
    alarms: Option<Box<[Contradicted; CONTRADICTED.len()]>>,
}

/// One quantity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Track {
    quantity: Quantity,
    /// Runs seen.
    runs: u8,
    value: f32,
    /// Samples of the run that goes on.
    samples: u32,
    /// Its first and last sample, s since 1970.
    since_s: u32,
    last_s: u32,
    /// Average length of runs, samples.
    usual: f32,
}

/// An alarm that holds, and what is measured meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Contradicted {
    /// Since when there was nothing of it in the air, or since it was raised, s since 1970; 0: it does not hold.
    since_s: u32,
    samples: u8,
}

impl Track {
    fn take(&mut self, settings: &Settings, promise_s: u32, sample: Sample) {
        let at_s = seconds(sample.at_ms);
        let gap_s = settings.gap_s.max(promise_s.saturating_mul(3));
        let broken = at_s.saturating_sub(self.last_s) > gap_s;
        self.last_s = at_s;
        if sample.value.to_bits() == self.value.to_bits() && !broken {
            self.samples = self.samples.saturating_add(1);
            return;
        }
        if !broken {
            self.runs = self.runs.saturating_add(1);
            // a run that was judged to be none says nothing of how the sensor moves
            let length = (self.samples as f32).min(settings.usual_samples_max * 8.0);
            self.usual += (length - self.usual) * (1.0 / f32::from(self.runs)).max(USUAL_FOLLOWS);
        }
        (self.value, self.samples, self.since_s) = (sample.value, 1, at_s);
    }

    fn lasts_s(&self) -> u32 {
        self.last_s.saturating_sub(self.since_s)
    }

    /// Whether it is known well enough how the sensor moves.
    fn is_judged(&self, settings: &Settings) -> bool {
        let clips = self.value == 0.0 && self.quantity != Quantity::TemperatureC;
        !clips && self.runs >= settings.runs && self.usual <= settings.usual_samples_max
    }

    fn asked(&self, settings: &Settings) -> f32 {
        self.usual.max(1.0) * settings.times
    }

    fn is_still(&self, settings: &Settings) -> bool {
        self.lasts_s() >= settings.still_s && self.samples as f32 >= self.asked(settings) && self.is_judged(settings)
    }
}

impl Memory {
    fn still(&mut self, settings: &Settings, sample: Sample, scene: &mut Scene<'_>) {
        let promise_s = scene.device.report_every_s;
        let known = self.tracks.iter_mut().find(|track| track.quantity == sample.quantity);
        let Some(track) = known else {
            let at_s = seconds(sample.at_ms);
            let Sample { quantity, value, .. } = sample;
            let track = Track { quantity, runs: 0, value, samples: 1, since_s: at_s, last_s: at_s, usual: 0.0 };
            self.tracks.push(track);
            return;
        };
        track.take(settings, promise_s, sample);
        let bit = 1 << sample.quantity as u32;
        if track.is_still(settings) {
            self.still |= bit;
        } else if self.still & bit != 0 {
            self.still &= !bit;
        } else {
            return;
        }
        let (hours, n) = (track.lasts_s() as f32 / 3600.0, sample.quantity as u32 + 1);
        let note = Note { a: sample.value, b: hours, c: track.usual, n };
        let all = self.tracks.iter().all(|track| self.still & 1 << track.quantity as u32 != 0);
        for (condition, holds) in [(STILL, all), (PART, self.still != 0 && !all)] {
            if holds && !scene.holds(condition) {
                scene.begin(condition, Colour::Yellow, note);
            } else if !holds && scene.holds(condition) {
                scene.end(condition, Note { a: sample.value, ..Note::default() });
            }
        }
    }

    /// Takes in what is measured while an alarm holds.
    fn contradict(&mut self, settings: &Settings, sample: Sample, scene: &mut Scene<'_>) {
        let Some(alarms) = &mut self.alarms else { return };
        let of_it = CONTRADICTED.iter().position(|(_, quantity)| *quantity == sample.quantity);
        let Some(at) = of_it.filter(|at| alarms[*at].since_s != 0) else { return };
        let (alarm, at_s) = (&mut alarms[at], seconds(sample.at_ms));
        if sample.value > settings.nothing(at) {
            *alarm = Contradicted { since_s: at_s.max(1), samples: 0 };
            if scene.holds(ALARM) && !self.is_contradicted(settings, at_s) {
                scene.end(ALARM, Note { a: sample.value, ..Note::default() });
            }
            return;
        }
        alarm.samples = alarm.samples.saturating_add(1);
        let (samples, lasts_s) = (alarm.samples, at_s.saturating_sub(alarm.since_s));
        if self.is_contradicted(settings, at_s) && !scene.holds(ALARM) {
            let note = Note { a: sample.value, b: lasts_s as f32 / 60.0, c: at as f32, n: samples.into() };
            scene.begin(ALARM, Colour::Yellow, note);
        }
    }

    fn is_contradicted(&self, settings: &Settings, now_s: u32) -> bool {
        let of_one = |alarm: &Contradicted| {
            alarm.since_s != 0
                && now_s.saturating_sub(alarm.since_s) >= settings.alarm_s
                && alarm.samples >= settings.alarm_samples
        };
        self.alarms.as_ref().is_some_and(|alarms| alarms.iter().any(of_one))
    }
}

impl Rule for Stuck {
    const CONDITIONS: &'static [Condition] = &[
        Condition::new("stuck_value", Family::Fault).distrusting(),
        Condition::new("stuck_part", Family::Fault),
        Condition::new("stuck_alarm", Family::Fault),
    ];
    const READS: &'static [Quantity] = &[
        Quantity::TemperatureC,
        Quantity::SmokeDbM,
        Quantity::CoPpm,
        Quantity::GasLelPct,
        Quantity::ResidualCurrentMa,
        Quantity::CableTemperatureC,
    ];
    const LISTENS: bool = true;
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.runs == 0 {
            return Err("runs must be at least 1".into());
        }
        positive(&[("times", settings.times), ("usual_samples_max", settings.usual_samples_max)])
    }

    fn look(memory: &Memory) -> u64 {
        memory.tracks.iter().fold(0, |seen, track| seen ^ u64::from(track.last_s))
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
        memory.still(settings, sample, scene);
        if memory.alarms.is_some() {
            memory.contradict(settings, sample, scene);
        }
    }

    fn report(settings: &Settings, memory: &mut Memory, body: &Body, scene: &mut Scene<'_>) {
        let now_s = seconds(scene.now_ms).max(1);
        match body {
            Body::Alarm { kind, active, .. } => {
                let Some(at) = CONTRADICTED.iter().position(|(known, _)| known == kind) else { return };
                if *active {
                    let alarm = &mut memory.alarms.get_or_insert_default()[at];
                    if alarm.since_s == 0 {
                        *alarm = Contradicted { since_s: now_s, samples: 0 };
                    }
                } else if let Some(alarms) = &mut memory.alarms {
                    alarms[at] = Contradicted::default();
                }
            }
            Body::Event { kind: EventKind::Restored, .. } => memory.alarms = None,
            Body::Event { .. } | Body::State { .. } => return,
        }
        if scene.holds(ALARM) && !memory.is_contradicted(settings, now_s) {
            scene.end(ALARM, Note::default());
        }
    }

    fn words(condition: usize, note: &Note) -> (Words, Words) {
        let Note { a, b, c, n } = note;
        if *n == 0 {
            return match condition {
                STILL | PART => (
                    words("测量值重新变化", "the value moves again"),
                    words("测量值再次长时间不变", "the value stands still again"),
                ),
                _ => (
                    words("报警与测量值不再矛盾", "the alarm and what is measured agree again"),
                    words("再次长时间矛盾", "they contradict each other for long again"),
                ),
            };
        }
        if condition != ALARM {
            let quantity = Quantity::ALL.get(*n as usize - 1).copied().unwrap_or(Quantity::Presence);
            let (zh, en, unit) = (name_zh(quantity), quantity.key(), quantity.unit());
            return (
                words(
                    format!("{zh} {b:.0} 小时一直是 {a} {unit}，平时每 {c:.1} 次上报就有变化"),
                    format!("{en} was {a} {unit} for {b:.0} h, and usually moves every {c:.1} samples"),
                ),
                words("测量值重新变化", "the value moves again"),
            );
        }
        let (kind, quantity) = CONTRADICTED[(*c as usize).min(CONTRADICTED.len() - 1)];
        let unit = quantity.unit();
        (
            words(
                format!(
                    "设备自报{}报警 {b:.0} 分钟，{}却为 {a:.2} {unit}，请检查设备；报警保留",
                    kind_zh(kind),
                    name_zh(quantity)
                ),
                format!(
                    "its own {} alarm stands for {b:.0} min at {a:.2} {unit}: look at the device; the alarm stays",
                    kind.word()
                ),
            ),
            words("设备解除报警，或测量值与之相符", "the device takes its alarm back, or what it measures agrees"),
        )
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        let Some(memory) = memory else {
            return (0..Self::CONDITIONS.len()).map(|at| no_data(watching, Self::CONDITIONS, at)).collect();
        };
        let now_s = seconds(watching.now_ms);
        // the longest run, measured by what is asked for
        let share = |track: &Track| track.samples as f32 / track.asked(settings);
        let longest = memory.tracks.iter().max_by(|a, b| share(a).total_cmp(&share(b)));
        let still = longest.map_or_else(
            || no_data(watching, Self::CONDITIONS, STILL),
            |track| {
                let (key, zh, samples, lasts_s) =
                    (track.quantity.key(), name_zh(track.quantity), track.samples, track.lasts_s());
                let (asked, hours) = (track.asked(settings), settings.still_s / 3600);
                let seen = if track.is_judged(settings) {
                    words(
                        format!("{zh}连续 {samples} 次（{lasts_s} 秒）相同；{asked:.0} 次且 {hours} 小时为停滞"),
                        format!("{key}: {samples} equal samples ({lasts_s} s); {asked:.0} in {hours} h are asked for"),
                    )
                } else {
                    words(
                        format!("{zh}很少变化、为 0 或样本不足，不作判断"),
                        format!("{key} seldom moves, is 0 or is not known well enough: not judged"),
                    )
                };
                let forms = track.is_judged(settings) && share(track) >= 0.5;
                watch(watching, Self::CONDITIONS, STILL, Near::forming(forms), seen)
            },
        );
        let standing = memory.alarms.as_ref().and_then(|alarms| alarms.iter().find(|alarm| alarm.since_s != 0));
        let alarm = match standing {
            None => watch(
                watching,
                Self::CONDITIONS,
                ALARM,
                Near::Calm,
                words("设备没有持续的报警", "no alarm of the device stands"),
            ),
            Some(alarm) => {
                let (lasts_s, samples) = (now_s.saturating_sub(alarm.since_s), alarm.samples);
                let (asked_s, asked) = (settings.alarm_s, settings.alarm_samples);
                let seen = words(
                    format!("报警持续，测量值 {lasts_s} 秒内 {samples} 次不支持；{asked_s} 秒且 {asked} 次为可疑"),
                    format!(
                        "an alarm stands; {samples} samples of {lasts_s} s do not bear it out, {asked} in {asked_s} s are asked for"
                    ),
                );
                watch(watching, Self::CONDITIONS, ALARM, Near::forming(samples > 0), seen)
            }
        };
        let count = memory.still.count_ones();
        let (zh, en) = (format!("{count} 项测量值停滞"), format!("{count} of its quantities stand still"));
        let part = watch(watching, Self::CONDITIONS, PART, Near::Calm, words(zh, en));
        vec![still, part, alarm]
    }
}

fn name_zh(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::TemperatureC => "温度",
        Quantity::SmokeDbM => "烟雾浓度",
        Quantity::CoPpm => "一氧化碳",
        Quantity::GasLelPct => "可燃气体",
        Quantity::ResidualCurrentMa => "剩余电流",
        Quantity::CableTemperatureC => "电缆温度",
        _ => "测量值",
    }
}

fn kind_zh(kind: AlarmKind) -> &'static str {
    match kind {
        AlarmKind::Smoke => "感烟",
        AlarmKind::Heat => "感温",
        AlarmKind::Gas => "可燃气体",
        _ => "一氧化碳",
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{scenario, told};

    /// Readings every `every_s` seconds from `from_s`, `count` of them.
    fn series(from_s: u64, every_s: u64, count: u64, value: impl Fn(u64) -> String) -> String {
        (0..count).map(|at| format!("{} {}\n", from_s + at * every_s, value(at))).collect()
    }

    const SPARSE: &str = "sparse = true\npromise_s = 600";

    /// A hundred samples, each ten minutes, of a sensor that moves.
    fn moving(quantity: &str) -> String {
        series(0, 600, 100, |at| format!("{quantity}={:.1}", 20.0 + 0.1 * (at % 7) as f32))
    }

    #[test]
    fn a_sensor_that_moved_and_stands_still() {
        let still = series(60_000, 600, 500, |_| "temperature_c=21.3".into());
        let back = "360000 temperature_c=21.2\n";
        let told = told(SPARSE, &format!("{}{still}{back}", moving("temperature_c")));
        assert_eq!(told, ["319200 began stuck_value yellow", "360000 ended stuck_value yellow"]);
    }

    #[test]
    fn one_of_two_quantities_stands_still() {
        let both = series(0, 600, 600, |at| {
            let air = if at < 100 { 5.0 + (at % 3) as f32 } else { 5.5 };
            let warm = 20.0 + 0.1 * (at % 7) as f32;
            format!("temperature_c={warm:.1}\n{} co_ppm={air}", at * 600)
        });
        assert_eq!(told(SPARSE, &both), ["319200 began stuck_part yellow"]);
    }

    #[test]
    fn clean_air_coarse_sensors_festivals_and_gaps_are_not_stuck() {
        let clean = |at| if at < 80 { format!("smoke_db_m=0.0{}", at % 5) } else { "smoke_db_m=0".into() };
        assert_eq!(told(SPARSE, &series(0, 600, 1000, clean)), [""; 0]);
        let coarse = |at| format!("temperature_c={}", if at < 1500 { 20 + at / 40 % 2 } else { 20 });
        assert_eq!(told(SPARSE, &series(0, 600, 3000, coarse)), [""; 0]);
        // half degrees that change each hour, then nobody comes for three days
        let closed = |at| format!("temperature_c={}", if at < 300 { 18.0 + (at / 6 % 2) as f32 / 2.0 } else { 18.0 });
        assert_eq!(told(SPARSE, &series(0, 600, 780, closed)), [""; 0]);
        let gaps = series(60_000, 80_000, 130, |_| "temperature_c=21.3".into());
        assert_eq!(told(SPARSE, &format!("{}{gaps}", moving("temperature_c"))), [""; 0]);
    }

    #[test]
    fn an_alarm_with_nothing_in_the_air_stays_and_is_marked() {
        scenario(
            "promise_s = 3600",
            "
            0     smoke_db_m=0
            10    alarm:smoke:1      => began alarm_smoke orange 1
            3000  smoke_db_m=0.001
            6000  smoke_db_m=0.05
            6100  smoke_db_m=0
            9000  smoke_db_m=0.01
            13199 smoke_db_m=0
            13200 smoke_db_m=0       => began stuck_alarm yellow
            14000 !alarm:smoke:1     => ended alarm_smoke orange 1, ended stuck_alarm yellow
            22000 smoke_db_m=0
            ",
        );
    }
}
