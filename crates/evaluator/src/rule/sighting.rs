//! Sightings: what people report of a unit (随手拍, a grid worker, a phone call). A person who sees fire is evidence of a
//! detector's rank: one is orange, with another independent source red (GB 50116-2013 4.1.6 takes a detector and a manual
//! call point, a person's hand, as two).
//!
//! A report holds until it is judged, at most for a time: nobody takes it back. That it is over ends no fire: an unverified
//! fire stays. A report that nothing is there ends nothing either; it lowers the evidence, and is told.

use model::finding::Words;
use model::report::SightingKind;
use model::{Colour, Family};
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, words};

/// See the module; what it does is in the judge, for it looks at no device.
pub struct Sighting;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A report of fire or smoke holds so long after the last one, s. 3600.
    pub fire_holds_s: u32,
    /// A report of gas or of a hazard holds so long after the last one, s. 2592000 (30 days): hazards are closed by people.
    pub hazard_holds_s: u32,
    /// Two people's reports of fire or smoke within this time confirm each other, as does one and a detector, s. 900.
    pub window_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { fire_holds_s: 3600, hazard_holds_s: 30 * 86_400, window_s: 900 }
    }
}

/// Kinds in the order of the conditions.
const KINDS: [(SightingKind, Colour, &str, &str); 5] = [
    (SightingKind::Fire, Colour::Orange, "明火", "fire"),
    (SightingKind::Smoke, Colour::Orange, "烟雾", "smoke"),
    (SightingKind::Gas, Colour::Orange, "燃气异味", "a smell of gas"),
    (SightingKind::Hazard, Colour::Yellow, "隐患", "a hazard"),
    (SightingKind::AllClear, Colour::Blue, "未见异常", "nothing"),
];

/// Place of a kind's condition within the rule, and its colour.
pub fn of(kind: SightingKind) -> (u8, Colour) {
    let place = KINDS.iter().position(|(known, ..)| *known == kind).expect("every kind stands in the table");
    (place as u8, KINDS[place].1)
}

/// The kind of a condition.
pub fn kind(within: u8) -> Option<SightingKind> {
    KINDS.get(usize::from(within)).map(|(kind, ..)| *kind)
}

impl Settings {
    /// How long a report holds after the last one, ms.
    pub fn holds_ms(&self, kind: SightingKind) -> u64 {
        let seconds = match kind {
            SightingKind::Fire | SightingKind::Smoke | SightingKind::AllClear => self.fire_holds_s,
            SightingKind::Gas | SightingKind::Hazard => self.hazard_holds_s,
        };
        u64::from(seconds) * 1000
    }
}

impl Rule for Sighting {
    const CONDITIONS: &'static [Condition] = &[
        Condition::new("sighting_fire", Family::Fire),
        Condition::new("sighting_smoke", Family::Fire),
        Condition::new("sighting_gas", Family::Warning),
        Condition::new("sighting_hazard", Family::Warning),
        // never holds: it is told
        Condition::new("sighting_all_clear", Family::Fire),
    ];
    type Settings = Settings;
    type Memory = ();

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.window_s > settings.fire_holds_s {
            return Err("window_s must not be above fire_holds_s".into());
        }
        Ok(())
    }

    /// `n`: reports so far.
    fn words(condition: usize, note: &Note) -> (Words, Words) {
        let (kind, _, zh, en) = KINDS[condition];
        let would_change = words("现场核实后处理并关闭", "verifying it on the spot, and closing the alert");
        if kind == SightingKind::AllClear {
            return (words("人员报告现场未见异常", "a person found nothing on the spot"), would_change);
        }
        let evidence = match note.n {
            0 => words(format!("人员报告的{zh}已无后续"), format!("no further report of {en}")),
            1 => words(format!("人员报告{zh}"), format!("a person reports {en}")),
            n => words(format!("人员报告{zh}，共 {n} 次"), format!("people report {en}, {n} times")),
        };
        (evidence, would_change)
    }
}
