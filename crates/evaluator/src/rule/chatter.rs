//! Chatter: conditions of one device that begin again and again. Somebody should look at the device.
//!
//! Whatever begins is counted, of every rule, also where it is the device's own alarm; an alarm that is repeated while it
//! holds is not, and neither is contact that is lost and found: that is the link's ([`super::link`]). Nothing is suppressed
//! by it: a device that chatters may see a fire the next time.

use model::finding::Words;
use model::{Colour, Family};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Scene, Turn, Watching, words};
use crate::watch::{Near, seconds, watch};
use crate::why::Watch;

/// See the module.
pub struct Chatter;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// So many beginnings, 2 to 16. Usual for a chattering alarm is three in a minute; fire alarms and faults of one device
    /// are so rare that six in an hour are as many. Default 6.
    pub begins: u8,
    /// Within this time, s. Default 3,600.
    pub within_s: u32,
    /// Over when nothing began for this time, s. Default 14,400.
    pub clear_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { begins: 6, within_s: 3600, clear_s: 14_400 }
    }
}

const BEGINS_MAX: usize = 16;

/// Conditions of the link, and its own.
const NOT_COUNTED: [&str; 4] = ["lost_contact", "late_reports", "weak_signal", "chatter"];

/// What it remembers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Times of the newest beginnings, s since 1970, oldest first; 0 for none.
    at_s: [u32; BEGINS_MAX],
}

impl Memory {
    fn newest_s(&self) -> u32 {
        self.at_s[BEGINS_MAX - 1]
    }

    /// How many were within so long before `now_s`.
    fn within(&self, within_s: u32, now_s: u32) -> u32 {
        let counts = |at_s: &&u32| **at_s != 0 && now_s.saturating_sub(**at_s) < within_s;
        self.at_s.iter().filter(counts).count() as u32
    }

    fn over_ms(&self, settings: &Settings) -> u64 {
        (u64::from(self.newest_s()) + u64::from(settings.clear_s)) * 1000
    }
}

impl Rule for Chatter {
    const CONDITIONS: &'static [Condition] = &[Condition::new("chatter", Family::Fault)];
    const LISTENS: bool = true;
    type Settings = Settings;
    type Memory = Memory;

    fn check(settings: &Settings) -> Result<(), String> {
        if !(2..=BEGINS_MAX).contains(&usize::from(settings.begins)) || settings.within_s == 0 {
            return Err(format!("begins must be 2 to {BEGINS_MAX}, and within_s above 0"));
        }
        Ok(())
    }

    fn turned(settings: &Settings, memory: &mut Memory, turn: Turn, scene: &mut Scene<'_>) {
        if !turn.began || NOT_COUNTED.contains(&turn.condition.name) {
            return;
        }
        let now_s = seconds(scene.now_ms);
        memory.at_s.rotate_left(1);
        memory.at_s[BEGINS_MAX - 1] = now_s;
        let count = memory.within(settings.within_s, now_s);
        if scene.holds(0) {
            scene.wake(memory.over_ms(settings));
        } else if count >= u32::from(settings.begins) {
            scene.begin(0, Colour::Yellow, Note { a: settings.within_s as f32, b: 0.0, c: 0.0, n: count });
            scene.wake(memory.over_ms(settings));
        }
    }

    fn adopted(settings: &Settings, memory: &mut Memory, scene: &mut Scene<'_>) {
        Self::tick(settings, memory, scene);
    }

    fn tick(settings: &Settings, memory: &mut Memory, scene: &mut Scene<'_>) {
        if !scene.holds(0) {
            return;
        }
        let over_ms = memory.over_ms(settings);
        if over_ms <= scene.now_ms {
            scene.end(0, Note { a: settings.clear_s as f32, ..Note::default() });
        } else {
            scene.wake(over_ms);
        }
    }

    fn words(_: usize, note: &Note) -> (Words, Words) {
        let (minutes, n) = (note.a / 60.0, note.n);
        if n == 0 {
            return (
                words(format!("{minutes:.0} 分钟内没有新的报警"), format!("nothing began for {minutes:.0} min")),
                words("再次频繁报警", "alarms come and go again"),
            );
        }
        (
            words(
                format!("{minutes:.0} 分钟内报警或故障出现 {n} 次，请检查设备"),
                format!("alarms or faults began {n} times within {minutes:.0} min: look at the device"),
            ),
            words("一段时间内没有新的报警", "nothing begins for a time"),
        )
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        let count = memory.map_or(0, |memory| memory.within(settings.within_s, seconds(watching.now_ms)));
        let (asked, minutes) = (settings.begins, settings.within_s / 60);
        let seen = words(
            format!("{minutes} 分钟内开始 {count} 次，达到 {asked} 次为频繁"),
            format!("{count} beginnings within {minutes} min, {asked} are asked for"),
        );
        let mut watch = watch(watching, Self::CONDITIONS, 0, Near::forming(count > 0), seen);
        if watching.holds(0) {
            watch.due_ms = memory.map(|memory| memory.over_ms(settings));
        }
        vec![watch]
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::scenario;

    #[test]
    fn six_in_an_hour_and_nothing_is_suppressed() {
        scenario(
            "",
            "
            0     event:tamper           => began tamper yellow
            10    alarm:smoke:1          => began alarm_smoke orange 1
            11    alarm:smoke:1b         => continued alarm_smoke orange 1b
            20    !alarm:smoke:1         => ended alarm_smoke orange 1
            1000  alarm:smoke:2          => began alarm_smoke orange 2
            1010  !alarm:smoke:2         => ended alarm_smoke orange 2
            2000  alarm:smoke:3          => began alarm_smoke orange 3
            2010  !alarm:smoke:3         => ended alarm_smoke orange 3
            3590  alarm:heat:4           => began alarm_heat orange 4
            3600  !alarm:heat:4          => ended alarm_heat orange 4
            3610  alarm:smoke:5          => began alarm_smoke orange 5
            3620  !alarm:smoke:5         => ended alarm_smoke orange 5
            3630  alarm:smoke:6          => began alarm_smoke orange 6
            3640  !alarm:smoke:6         => ended alarm_smoke orange 6
            3650  alarm:smoke:7          => began alarm_smoke orange 7, began chatter yellow
            3660  !alarm:smoke:7         => ended alarm_smoke orange 7
            18049 tick
            18050 tick                   => ended chatter yellow
            ",
        );
    }
}
