//! A device's own alarm: it has judged by itself, and says so.
//!
//! The alarm holds until the device takes it back (`active: false`, or the event `restored`). Every message is told, also
//! one that repeats an alarm under a new id: no alarm that a device was promised to be kept is without a trace. No class of
//! device is excepted: a camera that sees flame or smoke says so like any detector, and how much that weighs is judged with
//! all else that is known of the unit.

use model::finding::Words;
use model::report::{AlarmKind, Body, EventKind};
use model::{Colour, Family};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Scene, Watching, words};
use crate::watch::{Near, watch};
use crate::why::Watch;

/// One unconfirmed fire alarm is orange: 初步判断, people go there now. A second device in the unit makes it red.
pub struct AlarmMessage;

/// Nothing to set: a device's own alarm is never filtered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {}

/// The kinds in the order of the conditions.
const KINDS: [(AlarmKind, Colour, &str, &str); 9] = [
    (AlarmKind::Smoke, Colour::Orange, "感烟报警", "smoke alarm"),
    (AlarmKind::Heat, Colour::Orange, "感温报警", "heat alarm"),
    (AlarmKind::Co, Colour::Orange, "一氧化碳报警", "carbon monoxide alarm"),
    (AlarmKind::Flame, Colour::Orange, "火焰报警", "flame alarm"),
    (AlarmKind::Manual, Colour::Orange, "手动报警", "manual call point"),
    (AlarmKind::Fire, Colour::Orange, "火警", "fire alarm"),
    (AlarmKind::Gas, Colour::Orange, "可燃气体报警", "combustible gas alarm"),
    (AlarmKind::Electrical, Colour::Orange, "电气火灾监控报警", "electrical alarm"),
    (AlarmKind::Water, Colour::Yellow, "消防水源报警", "water supply alarm"),
];

/// Units that a message may name; a value in another unit is told without it.
const UNITS: [&str; 16] =
    ["", "dB/m", "%/m", "%/ft", "°C", "ppm", "%LEL", "mA", "A", "V", "MPa", "kPa", "m", "%", "kW", "℃"];

impl Rule for AlarmMessage {
    const CONDITIONS: &'static [Condition] = &[
        Condition::new("alarm_smoke", Family::Fire),
        Condition::new("alarm_heat", Family::Fire),
        Condition::new("alarm_co", Family::Fire),
        Condition::new("alarm_flame", Family::Fire),
        Condition::new("alarm_manual", Family::Fire),
        Condition::new("alarm_fire", Family::Fire),
        Condition::new("alarm_gas", Family::Warning),
        Condition::new("alarm_electrical", Family::Warning),
        Condition::new("alarm_water", Family::Warning),
    ];
    const LISTENS: bool = true;
    type Settings = Settings;
    type Memory = ();

    fn report(_: &Settings, _: &mut (), body: &Body, scene: &mut Scene<'_>) {
        match body {
            Body::Alarm { id, kind, active, value, unit } => {
                let known = KINDS.iter().position(|(named, ..)| named == kind);
                let condition = known.expect("every kind stands in the table");
                let value = value.filter(|value| value.is_finite());
                let unit = UNITS.iter().zip(0..).find(|(known, _)| **known == &**unit).map_or(0, |(_, at)| at);
                let note = Note { a: value.unwrap_or(0.0), b: f32::from(u8::from(value.is_some())), c: 0.0, n: unit };
                if *active {
                    scene.begin_by_alarm(condition, KINDS[condition].1, note, id);
                } else {
                    scene.end_by_alarm(condition, Note { c: 1.0, ..note }, id);
                }
            }
            Body::Event { kind: EventKind::Restored, .. } => {
                for condition in 0..KINDS.len() {
                    if scene.holds(condition) {
                        scene.end(condition, Note { c: 1.0, ..Note::default() });
                    }
                }
            }
            Body::Event { .. } | Body::State { .. } => {}
        }
    }

    fn words(condition: usize, note: &Note) -> (Words, Words) {
        let (_, _, zh, en) = KINDS[condition];
        if note.c == 1.0 {
            let over = words(format!("设备报告{zh}解除"), format!("the device reports that its {en} is over"));
            return (over, words("设备再次报警", "another alarm of the device"));
        }
        let unit = UNITS.get(note.n as usize).copied().unwrap_or("");
        let evidence = if note.b == 0.0 {
            words(format!("设备自身{zh}"), format!("the device's own {en}"))
        } else {
            let (space, ascii) = (if unit.is_empty() { "" } else { " " }, if unit == "℃" { "°C" } else { unit });
            words(
                format!("设备自身{zh}，数值 {:.2}{space}{unit}", note.a),
                format!("the device's own {en}, value {:.2}{space}{ascii}", note.a),
            )
        };
        (evidence, words("设备报告报警解除", "the device reports that its alarm is over"))
    }

    fn watches(_: &Settings, _: Option<&()>, watching: &Watching<'_>) -> Vec<Watch> {
        let of = |((_, _, zh, en), condition): (&(AlarmKind, Colour, &str, &str), usize)| {
            let seen = if watching.holds(condition) {
                words(format!("设备{zh}未解除"), format!("its {en} was not taken back"))
            } else {
                words(format!("设备没有{zh}"), format!("no {en} of the device stands"))
            };
            watch(watching, Self::CONDITIONS, condition, Near::Calm, seen)
        };
        KINDS.iter().zip(0..).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use model::roster::DeviceClass;

    use crate::testing::{Bench, line, scenario, town};

    #[test]
    fn a_camera_is_heard_like_any_detector() {
        let devices = [("eye", DeviceClass::Camera, 0, 60), ("nose", DeviceClass::Smoke, 0, 60)];
        let mut bench = Bench::new("", town(1, &devices));
        let mut told = |at_s, word| bench.word(at_s, word).findings.iter().map(line).collect::<Vec<_>>();
        assert_eq!(told(1, "eye alarm:flame:1"), ["began alarm_flame orange 1"]);
        assert_eq!(told(2, "eye alarm:smoke:2"), ["began alarm_smoke orange 2"]);
        assert_eq!(told(3, "nose alarm:smoke:3")[0], "began alarm_smoke orange 3");
    }

    #[test]
    fn every_message_is_told() {
        scenario(
            "",
            "
            0    temperature_c=20
            10   alarm:smoke:a-1         => began alarm_smoke orange a-1
            20   alarm:smoke:a-2         => continued alarm_smoke orange a-2
            25   alarm:gas:g-1           => began alarm_gas orange g-1
            30   !alarm:smoke:a-3        => ended alarm_smoke orange a-3
            31   !alarm:smoke:a-4        => ended alarm_smoke blue a-4
            40   alarm:smoke:a-5         => began alarm_smoke orange a-5
            50   event:restored          => ended alarm_smoke orange, ended alarm_gas orange
            60   alarm:water:w-1         => began alarm_water yellow w-1
            ",
        );
    }

    #[test]
    fn a_test_before_it_is_told_and_suppresses_nothing() {
        let outs = scenario(
            "",
            "
            0    event:test
            100  alarm:smoke:a-1         => began alarm_smoke orange a-1
            800  alarm:heat:a-2          => began alarm_heat orange a-2
            ",
        );
        let told: Vec<&str> = outs.iter().flat_map(|out| &out.findings).map(|found| &*found.evidence.en).collect();
        assert!(told[0].contains("test 100 s before"), "{told:?}");
        assert!(!told[1].contains("test"), "{told:?}");
    }
}
