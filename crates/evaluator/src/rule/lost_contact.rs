//! Lost contact: a device that was not heard of within what it promised is not there, whatever its last word was.
//!
//! The promise is the roster's, or the device's own (`next_report_s` of its last state). Its wills and a gateway's word
//! that it is lost count after a short time in which a flapping link may come back. Silence while the station itself heard
//! nobody (it was down) is not the device's: the promise is counted from when commits came again, or, where that was short
//! for what the device promises, from so much later.
//!
//! The promise is what separates classes: a detector that speaks each 30 s is lost after 90, one of NB-IoT that speaks once
//! a day after 26 hours. A device that is late again and again, and not lost yet, is told of by [`super::link`].

use model::finding::Words;
use model::report::{Body, DeviceState};
use model::{Colour, Family};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Scene, Watching, words};
use crate::state::{Deaf, Facts};
use crate::watch::{Near, watch};
use crate::why::Watch;

/// See the module.
pub struct LostContact;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Lost when silent for this multiple of the promise, in %,
    pub factor_pct: u32,
    /// but at least so long beyond the promise, s,
    pub grace_least_s: u32,
    /// and at most so long, s: a daily reporter is missed after 26 hours, not after three days.
    pub grace_most_s: u32,
    /// The promise of a device for which the roster says 0, s.
    pub promise_s: u32,
    /// A device said to be lost has so long to come back, s.
    pub settle_s: u32,
    /// Commits further apart than this: the station was deaf in between, s.
    pub deaf_after_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            factor_pct: 300,
            grace_least_s: 60,
            grace_most_s: 7200,
            promise_s: 86_400,
            settle_s: 10,
            deaf_after_s: 30,
        }
    }
}

impl Settings {
    /// Silence that a promise allows, ms.
    fn allowed_ms(&self, promise_s: u32) -> u64 {
        let promise_s = u64::from(if promise_s == 0 { self.promise_s } else { promise_s });
        let beyond_s = promise_s * u64::from(self.factor_pct.saturating_sub(100)) / 100;
        let grace_s = beyond_s.clamp(u64::from(self.grace_least_s), u64::from(self.grace_most_s));
        (promise_s + grace_s) * 1000
    }
}

const LOST: usize = 0;

/// When the device is lost if it stays silent, and whether by its own or its gateway's word.
fn due(settings: &Settings, scene: &Scene<'_>) -> (u64, bool) {
    due_of(settings, scene.device, scene.deaf)
}

fn due_of(settings: &Settings, device: &Facts, deaf: &Deaf) -> (u64, bool) {
    let promise_s = if device.next_report_s != 0 { device.next_report_s } else { device.report_every_s };
    let asked_s = if promise_s == 0 { settings.promise_s } else { promise_s };
    let heard_ms = deaf.counts_from_ms(device.last_ms.max(device.since_ms), asked_s);
    let silent_ms = heard_ms + settings.allowed_ms(promise_s);
    if device.lost_said_ms == 0 {
        return (silent_ms, false);
    }
    let said_ms = device.lost_said_ms + u64::from(settings.settle_s) * 1000;
    (said_ms.min(silent_ms), said_ms <= silent_ms)
}

impl Rule for LostContact {
    const CONDITIONS: &'static [Condition] = &[Condition::new("lost_contact", Family::Fault).distrusting()];
    const LISTENS: bool = true;
    type Settings = Settings;
    type Memory = ();

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.factor_pct < 100 || settings.grace_least_s > settings.grace_most_s {
            return Err("factor_pct must be at least 100, and grace_least_s not above grace_most_s".into());
        }
        if settings.deaf_after_s < 10 {
            return Err("deaf_after_s must be at least 10: with less the station seems deaf between two ticks of the \
                        clock, and no device would ever be lost"
                .into());
        }
        Ok(())
    }

    fn report(settings: &Settings, _: &mut (), body: &Body, scene: &mut Scene<'_>) {
        if let Body::State { state: DeviceState::Lost | DeviceState::Online | DeviceState::Sleeping, .. } = body
            && !scene.holds(LOST)
        {
            scene.wake(due(settings, scene).0);
        }
    }

    fn heard(settings: &Settings, _: &mut (), scene: &mut Scene<'_>) {
        if scene.holds(LOST) {
            scene.end(LOST, Note::default());
        }
        scene.wake(due(settings, scene).0);
    }

    fn adopted(settings: &Settings, _: &mut (), scene: &mut Scene<'_>) {
        if !scene.holds(LOST) {
            scene.wake(due(settings, scene).0);
        }
    }

    fn tick(settings: &Settings, _: &mut (), scene: &mut Scene<'_>) {
        if scene.holds(LOST) {
            return;
        }
        let (due_ms, said) = due(settings, scene);
        if due_ms > scene.now_ms {
            scene.wake(due_ms);
            return;
        }
        let device = scene.device;
        let never = device.last_ms == 0;
        let silent_ms = scene.now_ms.saturating_sub(if never { device.since_ms } else { device.last_ms });
        let kind = if said { 1.0 } else { 0.0 } + if never { 2.0 } else { 0.0 };
        let promise_s = if device.next_report_s != 0 { device.next_report_s } else { device.report_every_s };
        let silent_s = u32::try_from(silent_ms / 1000).unwrap_or(u32::MAX).max(1);
        scene.begin(LOST, Colour::Yellow, Note { a: kind, b: promise_s as f32, c: 0.0, n: silent_s });
    }

    fn words(_: usize, note: &Note) -> (Words, Words) {
        let would_change = words("设备再次上报", "the device is heard of again");
        let (promise, silent) = (span(note.b as u32), span(note.n));
        let evidence = match (note.n, note.a as u32) {
            (0, _) => return (words("设备已再次上报", "heard of again"), words("再次失联", "silent again")),
            (_, 0) => words(
                format!("已 {} 未上报，承诺周期 {}", silent.zh, promise.zh),
                format!("silent for {}, promised every {}", silent.en, promise.en),
            ),
            (_, 1) => words(
                format!("设备或网关报告失联，已 {} 未上报", silent.zh),
                format!("said to be lost, silent for {}", silent.en),
            ),
            (_, _) => words(
                format!("登记 {} 以来从未上报", silent.zh),
                format!("never heard of in {} on the roster", silent.en),
            ),
        };
        (evidence, would_change)
    }

    fn watches(settings: &Settings, _: Option<&()>, watching: &Watching<'_>) -> Vec<Watch> {
        let device = watching.device;
        let (due_ms, said) = due_of(settings, device, watching.deaf);
        let promised_s = if device.next_report_s != 0 { device.next_report_s } else { device.report_every_s };
        let promise = span(if promised_s == 0 { settings.promise_s } else { promised_s });
        let silent_ms = watching.now_ms.saturating_sub(device.last_ms.max(device.since_ms));
        let silent = span(u32::try_from(silent_ms / 1000).unwrap_or(u32::MAX));
        let late = silent_ms / 1000 > u64::from(promised_s) && promised_s != 0;
        let seen = match (device.last_ms, said) {
            (0, _) => words(
                format!("登记 {} 以来从未上报，承诺周期 {}", silent.zh, promise.zh),
                format!("never heard of in {} on the roster, promised every {}", silent.en, promise.en),
            ),
            (_, true) => words(
                format!("设备或网关报告失联，已 {} 未上报", silent.zh),
                format!("said to be lost, silent for {}", silent.en),
            ),
            (_, false) => words(
                format!("{} 前上报，承诺周期 {}", silent.zh, promise.zh),
                format!("heard of {} ago, promised every {}", silent.en, promise.en),
            ),
        };
        let mut watch = watch(watching, Self::CONDITIONS, LOST, Near::forming(late || said), seen);
        watch.due_ms = (!watching.holds(LOST)).then_some(due_ms);
        vec![watch]
    }
}

/// A time in the unit that people would use.
fn span(seconds: u32) -> Words {
    match seconds {
        0..=119 => words(format!("{seconds} 秒"), format!("{seconds} s")),
        120..=7199 => words(format!("{} 分钟", seconds / 60), format!("{} min", seconds / 60)),
        7200..=172_799 => words(format!("{} 小时", seconds / 3600), format!("{} h", seconds / 3600)),
        _ => words(format!("{} 天", seconds / 86_400), format!("{} days", seconds / 86_400)),
    }
}

#[cfg(test)]
mod tests {
    use model::roster::DeviceClass;

    use super::Settings;
    use crate::testing::{Bench, line, scenario, town};

    #[test]
    fn a_promise_allows_so_much_silence() {
        let settings = Settings::default();
        for (promise_s, allowed_s) in [(5, 65), (30, 90), (60, 180), (3600, 10_800), (86_400, 93_600), (0, 93_600)] {
            assert_eq!(settings.allowed_ms(promise_s), allowed_s * 1000, "{promise_s}");
        }
    }

    #[test]
    fn silence_beyond_the_promise() {
        scenario(
            "quiet = false\npromise_s = 60",
            "
            0     temperature_c=20
            60    temperature_c=20
            239   tick
            240   tick                    => began lost_contact yellow
            500   presence=0              => ended lost_contact yellow
            600   state:sleeping:3600
            5000  tick
            11399 tick
            11400 tick                    => began lost_contact yellow
            11500 state:online            => ended lost_contact yellow
            11680 tick                    => began lost_contact yellow
            ",
        );
    }

    #[test]
    fn said_to_be_lost_and_a_link_that_flaps() {
        scenario(
            "quiet = false\npromise_s = 86400",
            "
            0    temperature_c=20
            10   state:lost
            15   state:online
            40   tick
            50   state:lost
            59   tick
            60   tick                     => began lost_contact yellow
            61   state:online             => ended lost_contact yellow
            ",
        );
    }

    #[test]
    fn never_heard_of() {
        scenario(
            "quiet = false\npromise_s = 60",
            "
            0    nothing
            179  tick
            180  tick                     => began lost_contact yellow
            ",
        );
    }

    #[test]
    fn a_restart_each_night_does_not_hide_a_dead_device() {
        let mut bench = Bench::new("", town(1, &[("a", DeviceClass::Smoke, 0, 86_400)]));
        bench.word(0, "a temperature_c=20");
        let restarts = [20_000..20_060, 85_000..85_060];
        let ticks = (10..93_800).step_by(10).filter(|at_s| !restarts.iter().any(|down| down.contains(at_s)));
        let found =
            ticks.flat_map(|at_s| bench.word(at_s, "a tick").findings.into_iter().map(move |told| (at_s, told)));
        let found: Vec<(u64, String)> = found.map(|(at_s, told)| (at_s, line(&told))).collect();
        assert_eq!(found, [(93_740, "began lost_contact yellow".to_owned())]);
    }

    /// A station that falls over again and again does not put off a loss by more than the time that it was down.
    #[test]
    fn a_hundred_restarts_put_off_a_loss_by_their_own_length() {
        let mut bench = Bench::new("", town(1, &[("a", DeviceClass::Smoke, 0, 86_400)]));
        bench.word(0, "a temperature_c=20");
        // ten hours on, ten seconds of each minute
        let down = |at_s: u64| (36_000..42_000).contains(&at_s) && at_s % 60 >= 10;
        let ticks = (10..99_500).step_by(5).filter(|at_s| !down(*at_s));
        let found = ticks.filter(|at_s| !bench.word(*at_s, "a tick").findings.is_empty()).collect::<Vec<u64>>();
        assert_eq!(found, [93_600 + 100 * 55]);
    }

    #[test]
    fn a_station_that_was_down_heard_nobody() {
        scenario(
            "quiet = false\nsparse = true\npromise_s = 60",
            "
            0     temperature_c=20
            20    tick
            9000  tick
            9029  tick
            9058  tick
            9087  tick
            9116  tick
            9145  tick
            9174  tick
            9179  tick
            9180  tick                    => began lost_contact yellow
            ",
        );
    }
}
