//! What the evaluator finds, and what follows for units and regions.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, RegionCode, UnitId};
use crate::journal::Step;

/// Risk colour of a unit: 红 major, 橙 larger, 黄 general, 蓝 low (the four colours of 安全风险分级), and blind
/// (失明): no trustworthy device, hence unknown, which is not safe.
///
/// The order is that of urgency among the four; `Blind` stands apart and is compared by [`Colour::urgency`] nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    Blue,
    Yellow,
    Orange,
    Red,
    Blind,
}

impl Colour {
    /// All five, in the order of [`ColourCounts`].
    pub const ALL: [Colour; 5] = [Colour::Blue, Colour::Yellow, Colour::Orange, Colour::Red, Colour::Blind];

    pub fn word(self) -> &'static str {
        match self {
            Colour::Blue => "blue",
            Colour::Yellow => "yellow",
            Colour::Orange => "orange",
            Colour::Red => "red",
            Colour::Blind => "blind",
        }
    }

    pub fn from_word(word: &str) -> Option<Colour> {
        Colour::ALL.into_iter().find(|colour| colour.word() == word)
    }

    /// The byte of the map snapshot: 1 blue, 2 yellow, 3 orange, 4 red, 5 blind (0 is "no unit").
    pub fn byte(self) -> u8 {
        self as u8 + 1
    }
}

/// Units by colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColourCounts {
    pub blue: u32,
    pub yellow: u32,
    pub orange: u32,
    pub red: u32,
    pub blind: u32,
}

impl ColourCounts {
    /// The count of one colour, to change.
    pub fn of(&mut self, colour: Colour) -> &mut u32 {
        match colour {
            Colour::Blue => &mut self.blue,
            Colour::Yellow => &mut self.yellow,
            Colour::Orange => &mut self.orange,
            Colour::Red => &mut self.red,
            Colour::Blind => &mut self.blind,
        }
    }

    /// All units counted.
    pub fn total(&self) -> u32 {
        self.blue + self.yellow + self.orange + self.red + self.blind
    }
}

/// The three message families of DB33/T 1320-2023 §8, each with a flow of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// 火警
    Fire,
    /// 预警、隐患
    Warning,
    /// 故障
    Fault,
}

impl Family {
    pub const ALL: [Family; 3] = [Family::Fire, Family::Warning, Family::Fault];

    pub fn word(self) -> &'static str {
        match self {
            Family::Fire => "fire",
            Family::Warning => "warning",
            Family::Fault => "fault",
        }
    }

    pub fn from_word(word: &str) -> Option<Family> {
        Family::ALL.into_iter().find(|family| family.word() == word)
    }
}

/// A sentence for people, Chinese and English.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    pub zh: Cow<'static, str>,
    pub en: Cow<'static, str>,
}

/// What a finding does to the condition it speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The condition did not hold and now holds.
    Began,
    /// It holds already; something about it is new (another alarm message, a higher colour).
    Continued,
    /// It no longer holds.
    Ended,
}

/// A rule's judgement of one condition of one unit (or one device of it), told when it changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub at_ms: u64,
    pub unit: UnitId,
    /// The device, where the condition is a device's; `None` for a condition of the whole unit.
    pub device: Option<DeviceId>,
    /// The rule's name in the evaluator's table, e.g. "smoke".
    pub rule: Cow<'static, str>,
    pub family: Family,
    /// How urgent the condition is by itself: blue to red.
    pub colour: Colour,
    pub phase: Phase,
    /// What was seen: "烟雾浓度 0.18 dB/m，连续 2 次不低于 0.10".
    pub evidence: Words,
    /// What would end it.
    pub would_change: Words,
    /// The device's own alarm id, where the finding is an alarm message.
    pub alarm: Option<Box<str>>,
    /// A test of the device or a drill: shown, counted apart, nobody is called out.
    pub exercise: bool,
}

impl Finding {
    /// Two findings with one key speak of the same condition.
    pub fn key(&self) -> ConditionKey {
        ConditionKey { rule: self.rule.clone(), device: self.device }
    }
}

/// Names a condition within a unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConditionKey {
    pub rule: Cow<'static, str>,
    pub device: Option<DeviceId>,
}

/// Why a unit has its colour: one condition that holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    pub rule: Cow<'static, str>,
    pub device: Option<DeviceId>,
    pub family: Family,
    pub colour: Colour,
    /// Since when the condition holds.
    pub since_ms: u64,
    pub evidence: Words,
    pub would_change: Words,
}

/// A unit's colour and why; told when either changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitStatus {
    pub unit: UnitId,
    pub colour: Colour,
    /// Since when it has this colour.
    pub since_ms: u64,
    /// Since when it has no trustworthy device, whatever its colour; `None` where it has one.
    pub blind_since_ms: Option<u64>,
    /// Standing risk index, 0 to 100, where it was computed: how likely and how grave a fire is over days.
    pub risk: Option<u8>,
    /// Most urgent first; empty for blue. At most [`UnitStatus::REASONS_MAX`].
    pub reasons: Vec<Reason>,
}

impl UnitStatus {
    /// Reasons kept of a unit, most urgent first.
    pub const REASONS_MAX: usize = 16;
}

/// A region's units by colour; told when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionStatus {
    pub region: RegionCode,
    pub counts: ColourCounts,
    /// Units without a trustworthy device, whatever their colour. Count.
    pub blind: u32,
    pub risk: RiskBands,
}

/// Standing risk of a region's units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskBands {
    /// Units by index: 0–9, 10–19 … 90–100. Count.
    pub units: [u32; 10],
    /// Sum of the indices: its mean is this by the units counted.
    pub sum: u32,
}

impl RiskBands {
    /// Counts a unit in, or out.
    pub fn count(&mut self, index: u8, comes: bool) {
        let band = &mut self.units[usize::from(index.min(99) / 10)];
        if comes {
            (*band, self.sum) = (*band + 1, self.sum + u32::from(index));
        } else {
            (*band, self.sum) = (*band - 1, self.sum - u32::from(index));
        }
    }

    /// Mean index of the units counted; `None` for none.
    pub fn mean(&self) -> Option<f32> {
        let units: u32 = self.units.iter().sum();
        (units > 0).then(|| self.sum as f32 / units as f32)
    }
}

/// All that follows from one journal commit. One for each commit, in order, also where nothing follows.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// The commit (with its commands and receipts, which the desk reads) and the roster in force with it.
    pub step: Step,
    /// In the order in which they were found.
    pub findings: Vec<Finding>,
    /// At most one a unit; ordered by unit.
    pub units: Vec<UnitStatus>,
    /// At most one a region; ordered by code.
    pub regions: Vec<RegionStatus>,
    /// Devices heard of for the first time since their loss, or lost, in this commit, ordered by id.
    pub devices: Arc<[DeviceChange]>,
}

/// A device's liveness; told when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceChange {
    pub device: DeviceId,
    pub alive: bool,
    /// Last heard of, ms since 1970; 0: never.
    pub last_seen_ms: u64,
}
