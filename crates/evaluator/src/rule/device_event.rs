//! What a device says of its own health: fault, low battery, tampering, mains lost.
//!
//! A device in fault cannot be trusted to see anything. The event `restored` ends all of them. `test` and `muted` are
//! conditions of nothing and suppress nothing; a fire condition that begins a short time after one says so in its evidence.

use model::finding::Words;
use model::report::{Body, EventKind};
use model::{Colour, Family, Quantity};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Sample, Scene, words};
use crate::rules::rising;

/// See the module.
pub struct DeviceEvent;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Battery low at and below, %.
    pub battery_low_pct: f32,
    /// Battery good again at and above, %.
    pub battery_good_pct: f32,
    /// A fire condition so soon after the device's test says so, s.
    pub test_window_s: u32,
    /// A fire condition so soon after the device's sounder was silenced says so, s. GB 20517-2025: 7 ± 1 h.
    pub mute_window_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { battery_low_pct: 10.0, battery_good_pct: 20.0, test_window_s: 600, mute_window_s: 28_800 }
    }
}

const FAULT: usize = 0;
const LOW_BATTERY: usize = 1;
const POWER_LOST: usize = 2;
const TAMPER: usize = 3;

impl Rule for DeviceEvent {
    const CONDITIONS: &'static [Condition] = &[
        Condition::new("fault", Family::Fault).distrusting(),
        Condition::new("low_battery", Family::Fault),
        Condition::new("power_lost", Family::Fault),
        Condition::new("tamper", Family::Warning),
    ];
    const READS: &'static [Quantity] = &[Quantity::BatteryPct];
    const LISTENS: bool = true;
    type Settings = Settings;
    type Memory = ();

    fn check(settings: &Settings) -> Result<(), String> {
        rising(&[("battery_low_pct", settings.battery_low_pct), ("battery_good_pct", settings.battery_good_pct)])
    }

    fn reading(settings: &Settings, _: &mut (), sample: Sample, scene: &mut Scene<'_>) {
        let note = Note { a: sample.value, b: 1.0, ..Note::default() };
        if scene.holds(LOW_BATTERY) {
            if sample.value >= settings.battery_good_pct {
                scene.end(LOW_BATTERY, note);
            }
        } else if sample.value <= settings.battery_low_pct {
            scene.begin(LOW_BATTERY, Colour::Yellow, note);
        }
    }

    fn report(_: &Settings, _: &mut (), body: &Body, scene: &mut Scene<'_>) {
        let Body::Event { kind, .. } = body else { return };
        let condition = match kind {
            EventKind::Fault => FAULT,
            EventKind::LowBattery => LOW_BATTERY,
            EventKind::PowerLost => POWER_LOST,
            EventKind::Tamper => TAMPER,
            EventKind::Restored => {
                for condition in [FAULT, LOW_BATTERY, POWER_LOST, TAMPER] {
                    if scene.holds(condition) {
                        scene.end(condition, Note { c: 1.0, ..Note::default() });
                    }
                }
                return;
            }
            EventKind::Test
            | EventKind::Muted
            | EventKind::Tilt
            | EventKind::Discharge
            | EventKind::Impact
            | EventKind::EndOfLife
            | EventKind::Contaminated => return,
        };
        if !scene.holds(condition) {
            scene.begin(condition, Colour::Yellow, Note::default());
        }
    }

    fn words(condition: usize, note: &Note) -> (Words, Words) {
        if note.c == 1.0 {
            let restored = words("设备报告恢复", "the device reports that it is restored");
            return (restored, words("设备再次报告", "the device reports it again"));
        }
        let evidence = match condition {
            FAULT => words("设备报告故障", "the device reports a fault"),
            LOW_BATTERY if note.b == 1.0 => {
                words(format!("电池电量 {:.0}%", note.a), format!("battery at {:.0} %", note.a))
            }
            LOW_BATTERY => words("设备报告电量低", "the device reports a low battery"),
            POWER_LOST => words("设备报告主电断开", "the device reports that mains power is lost"),
            _ => words("设备报告被拆动", "the device reports tampering"),
        };
        let would_change = match condition {
            LOW_BATTERY => words("更换电池，设备报告恢复", "a new battery, and the device reports that it is restored"),
            _ => words("设备报告恢复", "the device reports that it is restored"),
        };
        (evidence, would_change)
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
            30   event:low_battery       => began low_battery yellow
            40   event:power_lost        => began power_lost yellow
            50   event:test
            60   event:muted
            70   battery_pct=90          => ended low_battery yellow
            80   event:restored          => ended fault yellow, ended power_lost yellow, ended tamper yellow
            90   battery_pct=9           => began low_battery yellow
            100  battery_pct=15
            110  battery_pct=20          => ended low_battery yellow
            ",
        );
    }
}
