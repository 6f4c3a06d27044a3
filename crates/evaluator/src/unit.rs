//! A unit's colour and why.
//!
//! | what holds | colour |
//! |---|---|
//! | a fire verified as real, until it is closed | red |
//! | fire conditions of two devices | red |
//! | a fire condition, or a fire incident that nobody has judged | orange |
//! | a warning (gas, electrical, water, tampering) | orange or yellow, as its rule says |
//! | no device that is heard of and without fault | blind: above yellow and blue, below orange and red |
//! | a device's fault | yellow |
//! | nothing | blue |

use std::hash::{Hash, Hasher};

use model::finding::Words;
use model::{Colour, DeviceId, Family, Reason, UnitStatus};
use rustc_hash::FxHasher;

use crate::rule::{self, words};
use crate::state::{Device, Held, Incident, NO_DEVICE, Unit};

/// The devices of a unit, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Eyes {
    devices: u32,
    trusted: u32,
    never_heard: u32,
    lost: u32,
    faulty: u32,
}

/// One reason, without its words.
enum Why<'a> {
    Condition(&'a Held),
    /// The incident keeps its colour: found real, or judged by nobody.
    Incident(&'a Incident, Colour),
    Blind(Eyes),
}

/// A unit's colour, and why.
pub struct Judgement<'a> {
    pub colour: Colour,
    /// None of its devices can be trusted.
    pub blind: bool,
    /// Equal for equal colours and reasons.
    pub fingerprint: u64,
    whys: Vec<Why<'a>>,
}

/// Judges a unit with its current devices.
pub fn judge<'a, 'b>(unit: &'a Unit, devices: impl Iterator<Item = &'b Device>, distrusting: u64) -> Judgement<'a> {
    let mut eyes = Eyes::default();
    for device in devices.filter(|device| device.facts.current) {
        eyes.devices += 1;
        let lost = device.holding & rule::lost_bit() != 0;
        match (lost, device.heard(), device.holding & distrusting != 0) {
            (true, true, _) => eyes.lost += 1,
            (_, false, _) => eyes.never_heard += 1,
            (false, true, true) => eyes.faulty += 1,
            (false, true, false) => eyes.trusted += 1,
        }
    }
    let mut whys: Vec<Why<'a>> = unit.held.iter().filter(|held| !held.muted).map(Why::Condition).collect();
    if let Some(incident) = unit.incident(Family::Fire)
        && let Some(colour) = kept(incident)
    {
        let shown = unit
            .held
            .iter()
            .any(|held| !held.muted && held.colour >= colour && rule::condition(held.condition).family == Family::Fire);
        if !shown || incident.real {
            whys.push(Why::Incident(incident, colour));
        }
    }
    if eyes.trusted == 0 {
        whys.push(Why::Blind(eyes));
    }
    whys.sort_by_key(Why::rank);
    let colour = whys.first().map_or(Colour::Blue, Why::colour);
    whys.truncate(UnitStatus::REASONS_MAX);
    let mut hasher = FxHasher::default();
    colour.hash(&mut hasher);
    whys.iter().for_each(|why| why.hash(&mut hasher));
    Judgement { colour, blind: eyes.trusted == 0, fingerprint: hasher.finish(), whys }
}

/// The colour that an incident keeps whatever its conditions do.
pub fn kept(incident: &Incident) -> Option<Colour> {
    if incident.real { Some(Colour::Red) } else { incident.unjudged.then_some(incident.latched) }
}

impl Judgement<'_> {
    /// The reasons with their words, most urgent first. `since_ms`: since when the unit has its colour.
    pub fn reasons(&self, since_ms: u64) -> Vec<Reason> {
        self.whys.iter().map(|why| why.reason(since_ms)).collect()
    }
}

impl Why<'_> {
    fn colour(&self) -> Colour {
        match self {
            Why::Condition(held) => held.colour,
            Why::Incident(_, colour) => *colour,
            Why::Blind(_) => Colour::Blind,
        }
    }

    /// Place among the reasons: urgency, then what an incident keeps, then age; never equal for two of one unit.
    fn rank(&self) -> (u8, u8, u64, u8, u32) {
        let urgency = match self.colour() {
            Colour::Red => 0,
            Colour::Orange => 1,
            Colour::Blind => 2,
            Colour::Yellow => 3,
            Colour::Blue => 4,
        };
        match self {
            Why::Incident(incident, _) => (urgency, 0, incident.opened_ms, 0, 0),
            Why::Condition(held) => (urgency, 1, held.since_ms, held.condition, held.device),
            Why::Blind(_) => (urgency, 2, 0, 0, 0),
        }
    }

    fn hash(&self, hasher: &mut FxHasher) {
        match self {
            Why::Condition(held) => {
                (0_u8, held.condition, held.device, held.colour, held.since_ms).hash(hasher);
                (held.after_test_s, held.after_mute_s, held.note.n).hash(hasher);
                [held.note.a, held.note.b, held.note.c].map(f32::to_bits).hash(hasher);
            }
            Why::Incident(incident, colour) => {
                (1_u8, incident.opened_ms, incident.real, *colour).hash(hasher);
            }
            Why::Blind(eyes) => (2_u8, eyes).hash(hasher),
        }
    }

    fn reason(&self, unit_since_ms: u64) -> Reason {
        match self {
            Why::Condition(held) => {
                let condition = rule::condition(held.condition);
                let (evidence, would_change) = rule::words_of(held.condition, &held.note);
                Reason {
                    rule: condition.name.into(),
                    device: (held.device != NO_DEVICE).then_some(DeviceId(held.device)),
                    family: condition.family,
                    colour: held.colour,
                    since_ms: held.since_ms,
                    evidence: annotated(evidence, (held.after_test_s, held.after_mute_s)),
                    would_change,
                }
            }
            Why::Incident(incident, colour) => {
                let (rule, evidence, would_change) = if incident.real {
                    (
                        "verified_fire",
                        words("经现场核实为真实火情", "found on the spot to be a real fire"),
                        words("关闭该警情", "closing the alert"),
                    )
                } else {
                    (
                        "unverified_fire",
                        words("火警尚无人核实", "nobody has verified the fire alarm"),
                        words("现场核实并关闭该警情", "verifying it on the spot, and closing the alert"),
                    )
                };
                let (rule, family, since_ms) = (rule.into(), Family::Fire, incident.opened_ms);
                Reason { rule, device: None, family, colour: *colour, since_ms, evidence, would_change }
            }
            Why::Blind(eyes) => eyes.reason(unit_since_ms),
        }
    }
}

impl Eyes {
    fn reason(&self, since_ms: u64) -> Reason {
        let (rule, evidence, would_change) = if self.devices == 0 {
            (
                "no_device",
                words("该单位没有任何设备", "the unit has no device"),
                words("安装设备并登记", "a device that is installed and on the roster"),
            )
        } else {
            let Eyes { devices, never_heard, lost, faulty, .. } = self;
            (
                "blind",
                words(
                    format!("{devices} 台设备均不可信：{never_heard} 台从未上报，{lost} 台失联，{faulty} 台故障"),
                    format!(
                        "none of {devices} devices can be trusted: {never_heard} never heard of, {lost} lost, \
                         {faulty} in fault"
                    ),
                ),
                words("任一设备恢复正常上报", "any of its devices reporting without fault"),
            )
        };
        Reason {
            rule: rule.into(),
            device: None,
            family: Family::Fault,
            colour: Colour::Blind,
            since_ms,
            evidence,
            would_change,
        }
    }
}

/// Evidence with what the device said a short time before: seconds since its test, and since it was silenced.
pub fn annotated(evidence: Words, after: (Option<u32>, Option<u32>)) -> Words {
    let Words { mut zh, mut en } = evidence;
    if let Some(seconds) = after.0 {
        zh.to_mut().push_str(&format!("（{seconds} 秒前该设备报告自检）"));
        en.to_mut().push_str(&format!("; the device reported a test {seconds} s before"));
    }
    if let Some(seconds) = after.1 {
        zh.to_mut().push_str(&format!("（{seconds} 秒前该设备被消音）"));
        en.to_mut().push_str(&format!("; the device was silenced {seconds} s before"));
    }
    Words { zh, en }
}
