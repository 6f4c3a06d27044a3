//! A hydrant's own events: water is taken, it leans, something struck it.
//!
//! They are hazards of the installation, not faults of the device. Whoever takes water reports it as long as it flows, and
//! a blow is over at once; few devices ever say `restored`. So these two end by themselves, some time after the last report.
//! A hydrant that leans stays so until somebody has put it right and the device says `restored`. A sudden loss of pressure,
//! where the device does not know what a discharge is, is found by [`super::water_pressure`].

use model::finding::Words;
use model::report::{Body, EventKind};
use model::{Colour, Family};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, Scene, Watching, words};
use crate::watch::{Near, seconds, watch};
use crate::why::Watch;

/// See the module.
pub struct Hydrant;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Water is no longer taken so long after the last report of it, s. Default 3,600.
    pub discharge_s: u32,
    /// A blow is worth looking at for so long, s. Default 86,400.
    pub impact_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { discharge_s: 3600, impact_s: 86_400 }
    }
}

impl Settings {
    /// How long a condition holds after its last report; `None`: until restored.
    fn lasts_s(&self, condition: usize) -> Option<u32> {
        [Some(self.discharge_s), Some(self.impact_s), None][condition]
    }
}

/// In the order of the conditions: the event, what it says, what would end it.
const EVENTS: [(EventKind, [&str; 2], [&str; 2]); 3] = [
    (
        EventKind::Discharge,
        ["消火栓出水", "water is being taken from the hydrant"],
        ["一段时间内不再报告出水", "no report of it for a time"],
    ),
    (
        EventKind::Impact,
        ["消火栓受到撞击", "something struck the hydrant"],
        [
            "一段时间内不再受撞击，或设备报告恢复",
            "no further blow for a time, or the device reports that it is restored",
        ],
    ),
    (
        EventKind::Tilt,
        ["消火栓倾斜", "the hydrant leans"],
        ["扶正后设备报告恢复", "it is put right, and the device reports that it is restored"],
    ),
];

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Last report of each, s since 1970; 0 for none.
    last_s: [u32; EVENTS.len()],
}

impl Memory {
    fn over_ms(&self, settings: &Settings, condition: usize) -> Option<u64> {
        Some((u64::from(self.last_s[condition]) + u64::from(settings.lasts_s(condition)?)) * 1000)
    }

    /// Ends what is over, and asks to be called for the rest.
    fn settle(&self, settings: &Settings, scene: &mut Scene<'_>) {
        for condition in 0..EVENTS.len() {
            match self.over_ms(settings, condition).filter(|_| scene.holds(condition)) {
                Some(over_ms) if over_ms <= scene.now_ms => scene.end(condition, Note { c: 2.0, ..Note::default() }),
                Some(over_ms) => scene.wake(over_ms),
                None => {}
            }
        }
    }
}

impl Rule for Hydrant {
    const CONDITIONS: &'static [Condition] = &[
        Condition::new("discharge", Family::Warning),
        Condition::new("impact", Family::Warning),
        Condition::new("tilt", Family::Warning),
    ];
    const LISTENS: bool = true;
    type Settings = Settings;
    type Memory = Memory;

    fn report(settings: &Settings, memory: &mut Memory, body: &Body, scene: &mut Scene<'_>) {
        let Body::Event { kind, .. } = body else { return };
        if *kind == EventKind::Restored {
            for condition in 0..EVENTS.len() {
                if scene.holds(condition) {
                    scene.end(condition, Note { c: 1.0, ..Note::default() });
                }
            }
        } else if let Some(condition) = EVENTS.iter().position(|(known, ..)| known == kind) {
            memory.last_s[condition] = seconds(scene.now_ms);
            if !scene.holds(condition) {
                scene.begin(condition, Colour::Yellow, Note::default());
            }
            memory.settle(settings, scene);
        }
    }

    fn adopted(settings: &Settings, memory: &mut Memory, scene: &mut Scene<'_>) {
        memory.settle(settings, scene);
    }

    fn tick(settings: &Settings, memory: &mut Memory, scene: &mut Scene<'_>) {
        memory.settle(settings, scene);
    }

    fn words(condition: usize, note: &Note) -> (Words, Words) {
        let [evidence, would_change] = match note.c as u8 {
            0 => [EVENTS[condition].1, EVENTS[condition].2],
            1 => [["设备报告恢复", "the device reports that it is restored"], AGAIN],
            _ => [["一段时间内未再报告", "not reported again for a time"], AGAIN],
        };
        (words(evidence[0], evidence[1]), words(would_change[0], would_change[1]))
    }

    fn watches(settings: &Settings, memory: Option<&Memory>, watching: &Watching<'_>) -> Vec<Watch> {
        let of = |(event, condition): (&(EventKind, [&'static str; 2], _), usize)| {
            let word = event.0.word();
            let last_s = memory.map_or(0, |memory| memory.last_s[condition]);
            let seen = match last_s {
                0 => words(format!("从未报告 {word}"), format!("{word} was never reported")),
                _ => {
                    let ago_s = watching.now_ms / 1000 - u64::from(last_s);
                    words(format!("{ago_s} 秒前报告 {word}"), format!("{word} was reported {ago_s} s ago"))
                }
            };
            let mut watch = watch(watching, Self::CONDITIONS, condition, Near::Calm, seen);
            if watching.holds(condition) {
                watch.due_ms = memory.and_then(|memory| memory.over_ms(settings, condition));
            }
            watch
        };
        EVENTS.iter().zip(0..).map(of).collect()
    }
}

const AGAIN: [&str; 2] = ["设备再次报告", "the device reports it again"];

#[cfg(test)]
mod tests {
    use crate::testing::scenario;

    #[test]
    fn what_ends_by_itself_and_what_does_not() {
        scenario(
            "",
            "
            0     event:discharge        => began discharge yellow
            600   event:discharge
            700   event:impact           => began impact yellow
            710   event:tilt             => began tilt yellow
            720   event:tilt
            4190  tick
            4200  tick                   => ended discharge yellow
            87090 tick
            87100 tick                   => ended impact yellow
            87200 event:impact           => began impact yellow
            87210 event:restored         => ended impact yellow, ended tilt yellow
            ",
        );
    }
}
