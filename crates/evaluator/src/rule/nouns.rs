//! What rules speak of: conditions, samples, and what they see of a device and a unit.

use model::{Family, Quantity};
use serde::{Deserialize, Serialize};

use super::words;
use crate::state::{Deaf, Facts, Held, Sign};
use crate::why::{Standing, Watch};

/// A condition that a rule can find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Name in findings and reasons; distinct among all rules.
    pub name: &'static str,
    pub family: Family,
    /// While it holds, the device cannot be trusted to see anything.
    pub distrusts: bool,
}

impl Condition {
    pub const fn new(name: &'static str, family: Family) -> Condition {
        Condition { name, family, distrusts: false }
    }

    pub const fn distrusting(self) -> Condition {
        Condition { distrusts: true, ..self }
    }
}

/// The numbers behind a finding, from which its words are made whenever they are needed. What each means is between a
/// rule's findings and its [`Rule::words`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub a: f32,
    pub b: f32,
    pub c: f32,
    pub n: u32,
}

/// A condition that began or ended.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    pub condition: &'static Condition,
    pub began: bool,
}

/// A measured value of the device.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub quantity: Quantity,
    pub value: f32,
    /// Time of receipt, ms since 1970.
    pub at_ms: u64,
}

/// What [`Rule::watches`] is told beside the memory.
pub struct Watching<'a> {
    pub now_ms: u64,
    pub device: &'a Facts,
    pub deaf: &'a Deaf,
    pub(super) holding: u64,
    pub(super) base: u8,
}

impl Watching<'_> {
    /// Whether a condition of this rule holds.
    pub fn holds(&self, condition: usize) -> bool {
        self.holding >> (usize::from(self.base) + condition) & 1 == 1
    }

    /// What can be said of a rule that does not tell what it looks at.
    pub(super) fn plain(&self, conditions: &'static [Condition], remembers: bool) -> Vec<Watch> {
        let watch = |(condition, at): (&Condition, usize)| {
            let (standing, seen) = if self.holds(at) {
                (Standing::Holds, words("成立", "it holds"))
            } else if remembers {
                (Standing::Calm, words("已接收相关数据，条件不成立", "it had something to judge by, and does not hold"))
            } else {
                (Standing::NoData, words("从未收到可供判断的数据", "nothing was received that it could be judged by"))
            };
            Watch { condition: condition.name, standing, seen, due_ms: None }
        };
        conditions.iter().zip(0..).map(watch).collect()
    }
}

/// The fire conditions of a unit, for rules that look at several devices.
pub struct UnitView<'a> {
    /// All conditions that hold in the unit.
    pub held: &'a [Held],
    /// Devices whose fire condition ended, and when.
    pub ended: &'a [(u32, u64)],
    /// People who see fire or smoke, each once.
    pub people: &'a [u32],
    /// The newest sign of each device and quantity.
    pub signs: &'a [Sign],
}
