//! Shapes of the answers. Times are ms since 1970.

use std::fmt;

use model::finding::Words;
use model::roster::DeviceClass;
use model::{
    AlertId, Colour, ColourCounts, DeviceId, Epoch, Family, Reason, RegionCode, RiskBands, Roster, UnitId, Verdict,
};
use serde::Serialize;

use super::{Part, Watch};

/// What can be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    Device(DeviceId),
    Unit(UnitId),
    Alert(AlertId),
    Region(RegionCode),
}

impl Question {
    /// The grid of the unit that it is about, `Some(None)` for a whole region; `None`: the roster does not have it.
    pub(crate) fn grid(self, roster: &Roster) -> Option<Option<RegionCode>> {
        let of_unit = |unit| roster.unit(unit).map(|unit| Some(unit.grid));
        match self {
            Question::Device(device) => of_unit(roster.device(device)?.unit),
            Question::Unit(unit) => of_unit(unit),
            Question::Alert(alert) => of_unit(alert.unit),
            Question::Region(region) => roster.regions().contains_key(&region).then_some(None),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Question::Device(device) => write!(f, "device {}", device.0),
            Question::Unit(unit) => write!(f, "unit {}", unit.0),
            Question::Alert(alert) => write!(f, "the unit of alert {alert}"),
            Question::Region(region) => write!(f, "region {region}"),
        }
    }
}

/// An answer, as of one moment between two commits.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Explanation {
    Device(Box<DeviceWhy>),
    Unit(Box<UnitWhy>),
    Alert(Box<AlertWhy>),
    Region(Box<RegionWhy>),
}

/// When it was true, and by which rules.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AsOf {
    /// Last commit judged.
    pub epoch: Epoch,
    /// Its time.
    pub at_ms: u64,
    pub in_force: RulesVersion,
}

/// Which rules are in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RulesVersion {
    /// 64-bit FNV-1a of their text, in hexadecimal digits.
    pub hash: String,
    /// Commit that brought them; 0 for the defaults, before any were journalled.
    pub epoch: Epoch,
}

/// A device, and what every rule sees of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceWhy {
    #[serde(flatten)]
    pub as_of: AsOf,
    /// `vendor/device`.
    pub device: String,
    pub class: DeviceClass,
    pub location: String,
    /// Code of its unit.
    pub unit: String,
    pub heard: Heard,
    /// Conditions that hold.
    pub holds: Vec<HeldWhy>,
    /// What every rule looks at.
    pub rules: Vec<RuleWhy>,
    /// When its rules look again if nothing comes before; it may be earlier than any of them needs.
    pub timer_ms: Option<u64>,
}

/// How a device keeps its promise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Heard {
    pub words: Words,
    /// Can be trusted to see something: heard of, not lost, not in a fault that blinds it.
    pub trusted: bool,
    /// Never heard of, said to be lost, or judged lost.
    pub silent: bool,
    /// It must be heard of within so many seconds: its own promise, else the roster's.
    pub promise_s: u32,
    pub on_roster_since_ms: u64,
    pub last_ms: Option<u64>,
    /// When it was last said to be lost, where it was not heard of since.
    pub lost_said_ms: Option<u64>,
    pub test_ms: Option<u64>,
    pub muted_ms: Option<u64>,
}

/// One rule and a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleWhy {
    pub rule: &'static str,
    /// Quantities that it reads, by their keys.
    pub reads: Vec<&'static str>,
    pub watches: Vec<Watch>,
}

/// A condition that holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeldWhy {
    pub rule: &'static str,
    pub condition: &'static str,
    pub family: Family,
    pub colour: Colour,
    pub since_ms: u64,
    /// `vendor/device`; `None` for a condition of the unit.
    pub device: Option<String>,
    pub evidence: Words,
    pub would_change: Words,
    /// Why it does not count, where it does not.
    pub held_back: Option<Words>,
}

/// A unit's colour, and all that it follows from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnitWhy {
    #[serde(flatten)]
    pub as_of: AsOf,
    /// Its code.
    pub unit: String,
    pub name: String,
    pub category: String,
    pub grid: RegionCode,
    /// As last told; `None` before it was judged.
    pub colour: Option<Colour>,
    pub since_ms: u64,
    pub blind_since_ms: Option<u64>,
    /// Standing risk index.
    pub risk: Option<u8>,
    /// What gives it its colour, most urgent first.
    pub reasons: Vec<Reason>,
    /// Every condition that holds, with those that do not count.
    pub holds: Vec<HeldWhy>,
    pub incidents: Vec<IncidentWhy>,
    /// What the severity now consists of.
    pub severity: Vec<Part>,
    /// What speaks for a fire, as log-odds, each piece after fading.
    pub evidence: Vec<Part>,
    /// What the standing risk consists of.
    pub risk_parts: Vec<Part>,
    pub devices: Vec<DeviceShort>,
    /// Timers of its devices, earliest first.
    pub timers: Vec<Timer>,
    /// Fire conditions that ended a short time ago, and still count as corroboration.
    pub fire_ended: Vec<Ended>,
    /// What would change the colour.
    pub would_change: Vec<Words>,
}

/// An open incident of one family.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentWhy {
    pub family: Family,
    pub opened_ms: u64,
    /// The most urgent colour that it ever had.
    pub colour: Colour,
    pub verdict: Option<Verdict>,
    /// The colour that it keeps whatever its conditions do.
    pub keeps: Option<Colour>,
    pub words: Words,
}

/// A device of a unit in one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceShort {
    pub device: String,
    pub class: DeviceClass,
    pub location: String,
    pub trusted: bool,
    pub last_ms: Option<u64>,
    pub words: Words,
    /// Names of the conditions that hold.
    pub holds: Vec<&'static str>,
}

/// A timer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timer {
    pub at_ms: u64,
    pub device: String,
}

/// A fire condition that ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ended {
    pub at_ms: u64,
    pub device: String,
}

/// An alert: how its incident stands, its conditions, and its unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertWhy {
    pub alert: AlertId,
    /// The evaluator's incident is open, and this alert is the one that it began with or names now.
    pub open: bool,
    pub incident: Option<IncidentWhy>,
    /// The conditions of its family that hold now.
    pub conditions: Vec<HeldWhy>,
    pub words: Words,
    pub unit: UnitWhy,
}

/// A region's units, counted by what they suffer from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RegionWhy {
    #[serde(flatten)]
    pub as_of: AsOf,
    pub region: RegionCode,
    pub name: String,
    pub units: u32,
    pub counts: ColourCounts,
    /// Units without a trustworthy device.
    pub blind: u32,
    /// Of them, units without any device.
    pub without_device: u32,
    pub risk: RiskBands,
    /// Conditions that hold and count, by how many units have them, most first.
    pub conditions: Vec<CountedCondition>,
    /// The worst units, at most [`RegionWhy::WORST_MAX`].
    pub worst: Vec<UnitShort>,
}

impl RegionWhy {
    /// Units told of a region.
    pub const WORST_MAX: usize = 20;
}

/// How many units have a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CountedCondition {
    pub condition: &'static str,
    pub family: Family,
    pub units: u32,
}

/// A unit in one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnitShort {
    pub unit: String,
    pub name: String,
    pub colour: Colour,
    pub since_ms: u64,
    pub risk: Option<u8>,
    /// Conditions that hold and count.
    pub conditions: Vec<&'static str>,
}

impl Explanation {
    /// One answer of what several workers know: of a region each knows a part.
    pub(crate) fn join(self, other: Explanation) -> Explanation {
        match (self, other) {
            (Explanation::Region(mut whole), Explanation::Region(part)) => {
                whole.add(*part);
                Explanation::Region(whole)
            }
            (known, _) => known,
        }
    }
}

impl RegionWhy {
    fn add(&mut self, part: RegionWhy) {
        self.units += part.units;
        self.blind += part.blind;
        self.without_device += part.without_device;
        for colour in Colour::ALL {
            let mut counts = part.counts;
            *self.counts.of(colour) += *counts.of(colour);
        }
        for (band, more) in self.risk.units.iter_mut().zip(part.risk.units) {
            *band += more;
        }
        self.risk.sum += part.risk.sum;
        for more in part.conditions {
            match self.conditions.iter_mut().find(|known| known.condition == more.condition) {
                Some(known) => known.units += more.units,
                None => self.conditions.push(more),
            }
        }
        self.worst.extend(part.worst);
        self.settle();
    }

    /// Most first, worst first, no more than are told.
    pub(crate) fn settle(&mut self) {
        self.conditions.sort_by_key(|counted| (std::cmp::Reverse(counted.units), counted.condition));
        self.worst.sort_by(|a, b| a.rank().cmp(&b.rank()).then_with(|| a.unit.cmp(&b.unit)));
        self.worst.truncate(RegionWhy::WORST_MAX);
    }
}

impl UnitShort {
    /// Place among the worst, smallest first.
    pub(crate) fn rank(&self) -> (u8, u8, u64) {
        let urgency = match self.colour {
            Colour::Red => 0,
            Colour::Orange => 1,
            Colour::Blind => 2,
            Colour::Yellow => 3,
            Colour::Blue => 4,
        };
        (urgency, 100 - self.risk.unwrap_or(0).min(100), self.since_ms)
    }
}
