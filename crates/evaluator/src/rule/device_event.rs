//! What a device says of its own health: fault, tampering, mains lost, dirt, age.
//!
//! A device in fault cannot be trusted to see anything. One that is dirty or beyond its life still alarms (a dirty smoke
//! chamber alarms too early rather than too late; the end of life is a date), so that its unit is not called blind for it:
//! the truly blind would be lost among those. The event `restored` ends all of them. `test` and `muted` are conditions of
//! nothing and suppress nothing; a fire condition that begins a short time after one says so in its evidence. A low battery
//! is judged together with what is measured of it ([`super::battery`]), a hydrant's events in [`super::hydrant`].

use model::finding::Words;
use model::report::{Body, EventKind};
use model::{Colour, Family};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Scene, Watching, words};
use crate::watch::{Near, watch};
use crate::why::Watch;

/// See the module.
pub struct DeviceEvent;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A fire condition so soon after the device's test says so, s. Default 600.
    pub test_window_s: u32,
    /// A fire condition so soon after the device's sounder was silenced says so, s. GB 20517-2025: 7 ± 1 h. Default 28,800.
    pub mute_window_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { test_window_s: 600, mute_window_s: 28_800 }
    }
}

/// In the order of the conditions: the event, what it says, what would end it.
const EVENTS: [(EventKind, [&str; 2], [&str; 2]); 5] = [
    (EventKind::Fault, ["设备报告故障", "the device reports a fault"], RESTORED),
    (EventKind::PowerLost, ["设备报告主电断开", "the device reports that mains power is lost"], RESTORED),
    (EventKind::Tamper, ["设备报告被拆动", "the device reports tampering"], RESTORED),
    (
        EventKind::EndOfLife,
        ["设备报告已到使用年限", "the device reports the end of its life"],
        ["更换设备，设备报告恢复", "a new device, and it reports that it is restored"],
    ),
    (
        EventKind::Contaminated,
        ["设备报告探测室污染", "the device reports a contaminated chamber"],
        ["清洗或更换，设备报告恢复", "cleaning or a new device, and it reports that it is restored"],
    ),
];

const RESTORED: [&str; 2] = ["设备报告恢复", "the device reports that it is restored"];

impl Rule for DeviceEvent {
    const CONDITIONS: &'static [Condition] = &[
        Condition::new("fault", Family::Fault).distrusting(),
        Condition::new("power_lost", Family::Fault),
        Condition::new("tamper", Family::Warning),
        Condition::new("end_of_life", Family::Fault),
        Condition::new("contaminated", Family::Fault),
    ];
    const LISTENS: bool = true;
    type Settings = Settings;
    type Memory = ();

    fn report(_: &Settings, _: &mut (), body: &Body, scene: &mut Scene<'_>) {
        let Body::Event { kind, .. } = body else { return };
        if *kind == EventKind::Restored {
            for condition in 0..EVENTS.len() {
                if scene.holds(condition) {
                    scene.end(condition, Note { c: 1.0, ..Note::default() });
                }
            }
        } else if let Some(condition) = EVENTS.iter().position(|(known, ..)| known == kind)
            && !scene.holds(condition)
        {
            scene.begin(condition, Colour::Yellow, Note::default());
        }
    }

    fn words(condition: usize, note: &Note) -> (Words, Words) {
        let [evidence, would_change] = if note.c == 1.0 {
            [RESTORED, ["设备再次报告", "the device reports it again"]]
        } else {
            [EVENTS[condition].1, EVENTS[condition].2]
        };
        (words(evidence[0], evidence[1]), words(would_change[0], would_change[1]))
    }

    fn watches(_: &Settings, _: Option<&()>, watching: &Watching<'_>) -> Vec<Watch> {
        let of = |(event, condition): (&(EventKind, [&'static str; 2], _), usize)| {
            let seen = if watching.holds(condition) {
                words(event.1[0], event.1[1])
            } else {
                let word = event.0.word();
                words(
                    format!("没有未恢复的 {word} 报告"),
                    format!("no report {word} that was not followed by restored"),
                )
            };
            watch(watching, Self::CONDITIONS, condition, Near::Calm, seen)
        };
        EVENTS.iter().zip(0..).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::scenario;

    #[test]
    fn events_hold_until_restored() {
        scenario(
            "",
            "
            0    event:tamper            => began tamper yellow
            10   event:tamper
            20   event:fault             => began fault yellow
            30   event:end_of_life       => began end_of_life yellow
            40   event:power_lost        => began power_lost yellow
            50   event:test
            60   event:muted
            70   event:contaminated      => began contaminated yellow
            80   event:restored          => ended fault yellow, ended power_lost yellow, ended tamper yellow, ended end_of_life yellow, ended contaminated yellow
            ",
        );
    }
}
