//! Coincidence: two detectors of one unit see fire. GB 50116-2013 4.1.6 asks for two independent triggers before anything
//! is set in motion; of detectors' single alarms 0.02 % are fires.

use model::finding::Words;
use model::{Colour, Family};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Scene, UnitView, condition, words};
use crate::state::NO_DEVICE;

/// Fire conditions of two devices that hold together, or follow each other within a window. Those that a person found
/// false do not count.
pub struct Coincidence;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Devices that must see fire.
    pub devices: u8,
    /// A condition that ended still counts for so long, s.
    pub window_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { devices: 2, window_s: 300 }
    }
}

impl Rule for Coincidence {
    const CONDITIONS: &'static [Condition] = &[Condition::new("coincidence", Family::Fire)];
    type Settings = Settings;
    type Memory = ();

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.devices < 2 { Err("devices must be at least 2".into()) } else { Ok(()) }
    }

    fn unit(settings: &Settings, view: &UnitView<'_>, scene: &mut Scene<'_>) {
        let fires = view
            .held
            .iter()
            .filter(|held| held.device != NO_DEVICE && condition(held.condition).family == Family::Fire);
        let mut devices: Vec<u32> = fires.clone().filter(|held| !held.muted).map(|held| held.device).collect();
        if fires.count() == 0 {
            if scene.holds(0) {
                scene.end(0, Note::default());
            }
            return;
        }
        if devices.is_empty() {
            return;
        }
        let window_ms = u64::from(settings.window_s) * 1000;
        let ended = view.ended.iter().filter(|(_, at_ms)| at_ms + window_ms >= scene.now_ms);
        devices.extend(ended.map(|(device, _)| *device));
        devices.sort_unstable();
        devices.dedup();
        if devices.len() >= usize::from(settings.devices) {
            let n = u32::try_from(devices.len()).unwrap_or(u32::MAX);
            scene.again(0, Colour::Red, Note { n, ..Note::default() });
        }
    }

    fn words(_: usize, note: &Note) -> (Words, Words) {
        if note.n == 0 {
            return (
                words("各探测器均不再报火警", "no detector sees fire any longer"),
                words("再次有两个探测器报火警", "two detectors see fire again"),
            );
        }
        (
            words(
                format!("同一单位 {} 个独立探测器先后报火警", note.n),
                format!("{} independent detectors of the unit see fire", note.n),
            ),
            words("各探测器均不再报火警", "no detector sees fire any longer"),
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::scenario;

    #[test]
    fn two_devices_and_not_one_twice() {
        scenario(
            "only = \"coincidence\"",
            "
            0    a alarm:smoke:1
            10   a alarm:heat:2
            20   b alarm:smoke:3         => began coincidence red
            30   c alarm:manual:4        => continued coincidence red
            40   a !alarm:smoke:5
            41   a !alarm:heat:6
            42   b !alarm:smoke:7
            43   c !alarm:manual:8       => ended coincidence red
            100  a alarm:smoke:9         => began coincidence red
            ",
        );
    }

    #[test]
    fn one_after_the_other_within_the_window() {
        scenario(
            "only = \"coincidence\"",
            "
            0    a alarm:smoke:1
            10   a !alarm:smoke:2
            400  b alarm:smoke:3
            410  b !alarm:smoke:4
            500  a alarm:smoke:5         => began coincidence red
            ",
        );
    }

    #[test]
    fn warnings_do_not_count() {
        scenario(
            "only = \"coincidence\"",
            "
            0    a alarm:gas:1
            10   b alarm:smoke:2
            20   c event:fault
            ",
        );
    }
}
