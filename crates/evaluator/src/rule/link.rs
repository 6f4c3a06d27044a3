//! The link, before it is lost: weak for long, or late against the promise again and again.
//!
//! A device is late when two reports in a row are missing: one that is lost now and then is nothing. It is lost later
//! ([`super::lost_contact`]; a device that speaks once a day is lost before it is late). Lateness while the station itself was deaf is not counted. One silence counts once, however long. Neither says that the
//! device sees nothing: both ask for an antenna, a repeater or another place, in time.

use model::finding::Words;
use model::report::{Body, DeviceState};
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, Watching, words};
use crate::rules::rising;
use crate::state::Facts;
use crate::watch::{Near, no_data, seconds, watch};
use crate::why::Watch;

/// See the module.
pub struct Link;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Received power weak below, dBm. Usual for the edge of NB-IoT coverage (RSRP). Default -115.
    pub weak_dbm: f32,
    /// Strong enough again at and above, dBm. Default -110.
    pub good_dbm: f32,
    /// Weak for this time without a sample that is strong enough, s, Default 86,400.
    pub weak_s: u32,
    /// and so many samples. Default 4.
    pub weak_samples: u8,
    /// Late when silent for this multiple of the promise, %, Default 250.
    pub late_pct: u32,
    /// but at least so long beyond it, s. Default 20.
    pub late_least_s: u32,
    /// So many silences, Default 10.
    pub late_times: u8,
    /// within this time, s, Default 86,400.
    pub within_s: u32,
    /// or so many promises, whichever is longer. Default 50.
    pub within_promises: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            weak_dbm: -115.0,
            good_dbm: -110.0,
            weak_s: 86_400,
            weak_samples: 4,
            late_pct: 250,
            late_least_s: 20,
            late_times: 10,
            within_s: 86_400,
            within_promises: 50,
        }
    }
}

const WEAK: usize = 0;
const LATE: usize = 1;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    dbm: f32,
    /// Since when it is weak, s since 1970; 0 for not so.
    weak_since_s: u32,
    weak_samples: u8,
    /// Silences that count now; each `within_s / late_times` without one takes one off.
    lates: u8,
    /// The last of them, or when one was taken off, s since 1970.
    counted_s: u32,
    /// The device's last word before the last silence that was counted, s since 1970: one silence counts once.
    before_s: u32,
}

impl Memory {
    /// One late report is forgotten in each such time.
    fn fades_s(settings: &Settings, device: &Facts) -> u32 {
        let within_s = settings.within_s.max(promise_s(device).saturating_mul(settings.within_promises));
        (within_s / u32::from(settings.late_times)).max(1)
    }

    fn fade(&mut self, fades_s: u32, now_s: u32) {
        let gone = now_s.saturating_sub(self.counted_s) / fades_s;
        if self.lates > 0 && gone > 0 {
            self.lates = self.lates.saturating_sub(gone.min(255) as u8);
            self.counted_s += gone * fades_s;
        }
    }

    /// Counts a silence that has become one, ends what is over and asks to be called again.
    fn judge(&mut self, settings: &Settings, scene: &mut Scene<'_>) {
        let now_s = seconds(scene.now_ms);
        let fades_s = Memory::fades_s(settings, scene.device);
        self.fade(fades_s, now_s);
        if scene.holds(LATE) {
            if self.lates == 0 {
                scene.end(LATE, Note { a: settings.within_s as f32, ..Note::default() });
            } else {
                scene.wake((u64::from(self.counted_s) + u64::from(fades_s)) * 1000);
            }
        }
        let Some(late_ms) = late_ms(settings, scene.device, scene.deaf.until_ms()) else { return };
        if late_ms > scene.now_ms {
            scene.wake(late_ms);
            return;
        }
        let before_s = seconds(scene.device.last_ms);
        if self.before_s == before_s {
            return;
        }
        self.before_s = before_s;
        if self.lates == 0 {
            self.counted_s = now_s;
        }
        self.lates = self.lates.saturating_add(1).min(settings.late_times.saturating_mul(2));
        if self.lates >= settings.late_times && !scene.holds(LATE) {
            let note = Note { a: promise_s(scene.device) as f32, b: 0.0, c: 0.0, n: self.lates.into() };
            scene.begin(LATE, Colour::Yellow, note);
            scene.wake((u64::from(self.counted_s) + u64::from(fades_s)) * 1000);
        }
    }
}

/// What the device promises, s; 0 for nothing.
fn promise_s(device: &Facts) -> u32 {
    if device.next_report_s != 0 { device.next_report_s } else { device.report_every_s }
}

/// When its silence counts as late; `None` where nothing can be said: it promises nothing, was never heard of, is lost, or
/// the station was deaf since its last word.
fn late_ms(settings: &Settings, device: &Facts, resumed_ms: u64) -> Option<u64> {
    let promise_s = u64::from(promise_s(device));
    if promise_s == 0 || device.last_ms < resumed_ms || device.last_ms == 0 || device.silent {
        return None;
    }
    let allowed_s = (promise_s * u64::from(settings.late_pct) / 100).max(promise_s + u64::from(settings.late_least_s));
    Some(device.last_ms.saturating_add(allowed_s.saturating_mul(1000)))
}

impl Rule for Link {
    const CONDITIONS: &'static [Condition] =
        &[Condition::new("weak_signal", Family::Fault), Condition::new("late_reports", Family::Fault)];
    const READS: &'static [Quantity] = &[Quantity::SignalDbm];
    const LISTENS: bool = true;
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.late_pct <= 100 || settings.late_times == 0 {
            return Err("late_pct must be above 100, and late_times at least 1".into());
        }
        rising(&[("weak_dbm", settings.weak_dbm), ("good_dbm", settings.good_dbm)])
    }

    fn look(memory: &Memory) -> u64 {
        u64::from(memory.weak_since_s)
    }

    fn reading(settings: &Settings, memory: &mut Memory, sample: Sample, scene: &mut Scene<'_>) {
        let at_s = seconds(sample.at_ms);
        memory.dbm = sample.value;
        if sample.value >= settings.good_dbm {
            memory.weak_since_s = 0;
            if scene.holds(WEAK) {
                scene.end(WEAK, Note { a: sample.value, b: settings.good_dbm, ..Note::default() });
            }
            return;
        }
        if memory.weak_since_s == 0 {
            if sample.value >= settings.weak_dbm {
                return;
            }
            (memory.weak_since_s, memory.weak_samples) = (at_s, 0);
        }
        memory.weak_samples = memory.weak_samples.saturating_add(1);
        let lasts_s = at_s.saturating_sub(memory.weak_since_s);
        if lasts_s >= settings.weak_s && memory.weak_samples >= settings.weak_samples && !scene.holds(WEAK) {
            let hours = lasts_s as f32 / 3600.0;
            let note = Note { a: sample.value, b: settings.good_dbm, c: hours, n: memory.weak_samples.into() };
            scene.begin(WEAK, Colour::Yellow, note);
        }
    }

    fn report(settings: &Settings, memory: &mut Memory, body: &Body, scene: &mut Scene<'_>) {
        if let Body::State { state: DeviceState::Online | DeviceState::Sleeping, .. } = body {
            memory.judge(settings, scene);
        }
    }

    fn heard(settings: &Settings, memory: &mut Memory, scene: &mut Scene<'_>) {
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
        match (condition, n) {
            (WEAK, 0) => (
                words(format!("信号 {a:.0} dBm，不低于 {b:.0}"), format!("signal {a:.0} dBm, not below {b:.0}")),
                words("信号再次长时间偏弱", "the signal is weak for long again"),
            ),
            (WEAK, _) => (
                words(
                    format!("信号 {a:.0} dBm，{c:.0} 小时内没有达到 {b:.0}"),
                    format!("signal {a:.0} dBm, never {b:.0} in {c:.0} h"),
                ),
                words("信号恢复", "the signal is strong enough again"),
            ),
            (_, 0) => (
                words("设备按承诺周期上报", "the device reports in time"),
                words("再次多次迟报", "reports are late again and again"),
            ),
            (_, _) => (
                words(
                    format!("{n} 次超过承诺周期（{a:.0} 秒）未上报后又出现，链路不稳"),
                    format!("silent {n} times beyond what it promises ({a:.0} s), and back: the link gets worse"),
                ),
                words("设备按承诺周期上报", "the device reports in time"),
            ),
        }
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        let Some(memory) = memory else {
            return vec![no_data(watching, Self::CONDITIONS, WEAK), no_data(watching, Self::CONDITIONS, LATE)];
        };
        let (dbm, good, hours) = (memory.dbm, settings.good_dbm, settings.weak_s / 3600);
        let weak = if dbm == 0.0 {
            no_data(watching, Self::CONDITIONS, WEAK)
        } else {
            let weak_s = match memory.weak_since_s {
                0 => 0,
                since_s => seconds(watching.now_ms).saturating_sub(since_s),
            };
            let seen = words(
                format!("信号 {dbm:.0} dBm，偏弱 {weak_s} 秒；{hours} 小时不到 {good:.0} dBm 为弱"),
                format!("signal {dbm:.0} dBm, weak for {weak_s} s; weak when below {good:.0} dBm for {hours} h"),
            );
            watch(watching, Self::CONDITIONS, WEAK, Near::forming(weak_s > 0), seen)
        };
        let (lates, asked) = (memory.lates, settings.late_times);
        let seen = words(
            format!("迟报 {lates} 次，达到 {asked} 次为链路不稳"),
            format!("{lates} late reports that count, {asked} are asked for"),
        );
        let near = if lates > 0 {
            Near::Forming(late_ms(settings, watching.device, watching.deaf.until_ms()))
        } else if promise_s(watching.device) == 0 {
            Near::NoData
        } else {
            Near::Calm
        };
        vec![weak, watch(watching, Self::CONDITIONS, LATE, near, seen)]
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::scenario;

    #[test]
    fn weak_for_a_day() {
        scenario(
            "sparse = true\npromise_s = 86400",
            "
            0      signal_dbm=-117
            30000  signal_dbm=-112
            60000  signal_dbm=-118
            90000  signal_dbm=-117           => began weak_signal yellow
            100000 signal_dbm=-109           => ended weak_signal yellow
            200000 signal_dbm=-112
            400000 signal_dbm=-112
            ",
        );
    }

    #[test]
    fn late_again_and_again_before_it_is_lost() {
        scenario(
            "only = \"late_reports\"\npromise_s = 60",
            "
            0      presence=0
            170    presence=0
            340    presence=0
            510    presence=0
            680    presence=0
            850    presence=0
            1020   presence=0
            1190   presence=0
            1360   presence=0
            1530   presence=0
            1679   tick
            1680   tick                      => began late_reports yellow
            1690   presence=0
            ",
        );
    }

    #[test]
    fn a_station_that_was_deaf_calls_nobody_late() {
        let mut table = String::new();
        for round in 0..20 {
            table.push_str(&format!("{} presence=0\n{} tick\n", round * 600, round * 600 + 20));
        }
        scenario("only = \"late_reports\"\nsparse = true\npromise_s = 60", &table);
    }
}
