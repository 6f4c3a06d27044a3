//! Coincidence: two independent sources see fire in one unit: detectors, or people. GB 50116-2013 4.1.6 asks for two independent triggers before anything
//! is set in motion; of detectors' single alarms 0.02 % are fires.

use model::finding::Words;
use model::{Colour, Family};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Scene, UnitView, condition, words};
use crate::state::NO_DEVICE;

/// Fire conditions of two devices that hold together, or follow each other within a window; a person's report counts as a
/// device of its own. Those that a person found false do not count.
pub struct Coincidence;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Devices and people that must see fire, count. 2.
    pub devices: u8,
    /// A condition that ended still counts for so long, s. 300.
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
        let fires = view.held.iter().filter(|held| {
            let own = held.device != NO_DEVICE || super::is_sighting(held.condition);
            own && condition(held.condition).family == Family::Fire
        });
        let counted = fires.clone().filter(|held| !held.muted);
        let mut devices: Vec<u32> =
            counted.clone().map(|held| held.device).filter(|device| *device != NO_DEVICE).collect();
        if fires.count() == 0 {
            if scene.holds(0) {
                scene.end(0, Note::default());
            }
            return;
        }
        if counted.count() == 0 {
            return;
        }
        let window_ms = u64::from(settings.window_s) * 1000;
        let ended = view.ended.iter().filter(|(_, at_ms)| at_ms + window_ms >= scene.now_ms);
        devices.extend(ended.map(|(device, _)| *device));
        devices.sort_unstable();
        devices.dedup();
        let sources = devices.len() + view.people.len();
        if sources >= usize::from(settings.devices) {
            let n = u32::try_from(sources).unwrap_or(u32::MAX);
            let people = view.people.len() as f32;
            scene.again(0, Colour::Red, Note { n, a: people, ..Note::default() });
        }
    }

    fn words(_: usize, note: &Note) -> (Words, Words) {
        if note.n == 0 {
            return (
                words("各探测器均不再报火警", "no detector sees fire any longer"),
                words("再次有两个探测器报火警", "two detectors see fire again"),
            );
        }
        let over = words("各探测器均不再报火警", "no detector sees fire any longer");
        let people = note.a as u32;
        if people > 0 {
            let evidence = words(
                format!("同一单位 {} 个独立来源先后报火警，其中 {people} 人报告", note.n),
                format!("{} independent sources see fire in the unit, {people} of them people", note.n),
            );
            return (evidence, over);
        }
        let evidence = words(
            format!("同一单位 {} 个独立探测器先后报火警", note.n),
            format!("{} independent detectors of the unit see fire", note.n),
        );
        (evidence, over)
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
