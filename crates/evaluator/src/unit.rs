//! A unit's colour and why. The table of colours is in [`colour`].

pub mod colour;
pub mod evidence;
pub mod groups;
pub mod neighbours;
mod why;

use std::hash::{Hash, Hasher};

use model::finding::Words;
use model::{Colour, DeviceId, Family, Reason, UnitStatus};
use rustc_hash::FxHasher;

use crate::rule::{self, RuleSettings, words};
use crate::state::{Device, Ended, Held, Incident, NO_DEVICE, Unit};
use evidence::Weighed;
pub use why::{judged, why};

/// The devices of a unit, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Eyes {
    pub devices: u32,
    pub trusted: u32,
    pub never_heard: u32,
    /// Of the never heard: those that still have time to report.
    pub awaited: u32,
    pub lost: u32,
    pub faulty: u32,
}

/// Counts a unit's devices.
pub fn eyes<'b>(devices: impl Iterator<Item = &'b Device>, distrusting: u64) -> Eyes {
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
        eyes.awaited += u32::from(!lost && !device.heard());
    }
    eyes
}

/// One reason, without its words.
enum Why<'a> {
    Condition(&'a Held),
    /// It ended a short time ago.
    Lingering(&'a Ended),
    /// The incident keeps its colour: found real, or judged by nobody.
    Incident(&'a Incident, Colour),
    Blind(Eyes),
    /// A warning that has held for too long.
    Overdue(&'a Held, Colour),
    /// Standing risk index, and what it is measured by.
    Risk(u8, u8),
    /// All that speaks for a fire; since when, and the colour that it asks for.
    Evidence(Weighed, u64, Colour),
}

/// A unit's colour, and why.
pub struct Judgement<'a> {
    pub colour: Colour,
    /// None of its devices can be trusted.
    pub blind: bool,
    /// Its standing risk asks for yellow.
    pub risky: bool,
    /// Equal for equal colours and reasons.
    pub fingerprint: u64,
    whys: Vec<Why<'a>>,
}

/// Judges a unit with its devices counted and its evidence weighed.
pub fn judge<'a>(
    settings: &RuleSettings,
    unit: &'a Unit,
    eyes: Eyes,
    weighed: Option<Weighed>,
    now_ms: u64,
) -> Judgement<'a> {
    let own = rule::of_units();
    // a gap shows as blind, and evidence with what it is made of
    let shown = |held: &&Held| {
        !held.muted && held.condition != own.evidence && !(own.coverage..own.coverage + 2).contains(&held.condition)
    };
    let mut whys: Vec<Why<'a>> = unit.held.iter().filter(shown).map(Why::Condition).collect();
    if let Some(traces) = &unit.traces {
        let lingers = |ended: &&Ended| now_ms < ended.at_ms + settings.colour.hold_ms(family(ended.condition));
        whys.extend(traces.ended.iter().filter(lingers).map(Why::Lingering));
    }
    whys.extend(incident_kept(unit));
    whys.extend(overdue(settings, unit, now_ms));
    let risky = settings.colour.is_risky(unit.risk, unit.risky);
    if risky {
        whys.push(Why::Risk(unit.risk.unwrap_or_default(), settings.colour.standing_risk));
    }
    if eyes.trusted == 0 {
        whys.push(Why::Blind(eyes));
    }
    whys.sort_by_key(Why::rank);
    let summed = evidence_shown(unit, weighed, &whys);
    whys.truncate(UnitStatus::REASONS_MAX - usize::from(summed.is_some()));
    whys.extend(summed);
    whys.sort_by_key(Why::rank);
    let colour = whys.first().map_or(Colour::Blue, Why::colour);
    let mut hasher = FxHasher::default();
    colour.hash(&mut hasher);
    whys.iter().for_each(|why| why.hash(&mut hasher));
    Judgement { colour, blind: eyes.trusted == 0, risky, fingerprint: hasher.finish(), whys }
}

fn family(condition: u8) -> Family {
    rule::condition(condition).family
}

/// What an open fire asks for beside its conditions.
fn incident_kept(unit: &Unit) -> Option<Why<'_>> {
    let incident = unit.incident(Family::Fire)?;
    let colour = kept(incident)?;
    let own = rule::of_units().evidence;
    let fires = unit.held.iter().filter(|held| !held.muted && family(held.condition) == Family::Fire);
    let shown = fires.filter(|held| held.condition != own).any(|held| held.colour >= colour);
    (!shown || incident.real).then_some(Why::Incident(incident, colour))
}

/// The warning that has held longest, if that is too long. A person may have closed it: it is there all the same.
fn overdue<'a>(settings: &RuleSettings, unit: &'a Unit, now_ms: u64) -> Option<Why<'a>> {
    let limit_ms = u64::from(settings.colour.overdue_s) * 1000;
    let warnings = unit.held.iter().filter(|held| family(held.condition) == Family::Warning);
    let oldest = warnings.min_by_key(|held| held.since_ms).filter(|_| limit_ms > 0)?;
    (now_ms >= oldest.since_ms + limit_ms).then_some(Why::Overdue(oldest, settings.colour.overdue_colour))
}

/// Evidence is shown with a fire, and asks for red where its own condition holds.
fn evidence_shown<'a>(unit: &Unit, weighed: Option<Weighed>, whys: &[Why<'_>]) -> Option<Why<'a>> {
    let weighed = weighed?;
    let own = rule::of_units().evidence;
    if let Some(held) = unit.held.iter().find(|held| held.condition == own && !held.muted) {
        return Some(Why::Evidence(weighed, held.since_ms, Colour::Red));
    }
    let fires = whys.iter().filter_map(|why| match why {
        Why::Condition(held) if family(held.condition) == Family::Fire => Some(held.since_ms),
        Why::Incident(incident, _) => Some(incident.opened_ms),
        _ => None,
    });
    Some(Why::Evidence(weighed, fires.min()?, Colour::Blue))
}

/// The colour that an incident keeps whatever its conditions do.
pub fn kept(incident: &Incident) -> Option<Colour> {
    if incident.real { Some(Colour::Red) } else { incident.unjudged.then_some(incident.latched) }
}

/// What takes the colour down that a fire keeps.
pub fn ends(incident: &Incident) -> Words {
    if incident.real {
        words("关闭该警情", "closing the alert")
    } else {
        words("现场核实并关闭该警情", "verifying it on the spot, and closing the alert")
    }
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
            Why::Lingering(ended) => ended.colour,
            Why::Incident(_, colour) | Why::Overdue(_, colour) | Why::Evidence(.., colour) => *colour,
            Why::Risk(..) => Colour::Yellow,
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
            Why::Lingering(ended) => (urgency, 2, ended.since_ms, ended.condition, ended.device),
            Why::Blind(_) => (urgency, 3, 0, 0, 0),
            Why::Overdue(..) => (urgency, 4, 0, 0, 0),
            Why::Risk(..) => (urgency, 5, 0, 0, 0),
            Why::Evidence(..) => (urgency, 6, 0, 0, 0),
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
            Why::Lingering(ended) => (3_u8, ended.condition, ended.device, ended.at_ms).hash(hasher),
            Why::Overdue(held, colour) => (4_u8, held.condition, held.device, held.since_ms, *colour).hash(hasher),
            Why::Risk(index, _) => (5_u8, index).hash(hasher),
            Why::Evidence(weighed, since_ms, colour) => {
                (6_u8, weighed.step(), weighed.pieces.len(), since_ms, *colour).hash(hasher);
            }
        }
    }

    fn reason(&self, unit_since_ms: u64) -> Reason {
        let of_unit = |rule: &'static str, family, since_ms, evidence, would_change| Reason {
            rule: rule.into(),
            device: None,
            family,
            colour: self.colour(),
            since_ms,
            evidence,
            would_change,
        };
        match self {
            Why::Condition(held) => {
                let (evidence, would_change) = rule::words_of(held.condition, &held.note);
                let evidence = annotated(evidence, (held.after_test_s, held.after_mute_s));
                of_condition(held.condition, held.device, held.colour, held.since_ms, (evidence, would_change))
            }
            Why::Lingering(ended) => {
                let Words { zh, en } = rule::words_of(ended.condition, &ended.note).0;
                let evidence =
                    words(format!("{zh}（刚恢复，观察中）"), format!("{en} (over, and watched for a while)"));
                let would_change = words("保持正常一段时间", "staying normal for a while");
                of_condition(ended.condition, ended.device, ended.colour, ended.since_ms, (evidence, would_change))
            }
            Why::Incident(incident, _) => {
                let (rule, evidence) = if incident.real {
                    ("verified_fire", words("经现场核实为真实火情", "found on the spot to be a real fire"))
                } else {
                    ("unverified_fire", words("火警尚无人核实", "nobody has verified the fire alarm"))
                };
                of_unit(rule, Family::Fire, incident.opened_ms, evidence, ends(incident))
            }
            Why::Overdue(held, _) => {
                let name = rule::condition(held.condition).name;
                let evidence = words(
                    format!("预警或隐患（{name}）逾期未消除"),
                    format!("a warning ({name}) is there for longer than it may"),
                );
                let would_change = words("消除该隐患", "its cause being removed");
                of_unit("overdue_hazard", Family::Warning, held.since_ms, evidence, would_change)
            }
            Why::Risk(index, least) => {
                let evidence = words(
                    format!("固有风险指数 {index}（满分 100，{least} 及以上为高）"),
                    format!("standing risk index {index} of 100, high from {least} on"),
                );
                let would_change = words("消除隐患、补齐设备", "hazards removed, and missing devices installed");
                of_unit("standing_risk", Family::Warning, unit_since_ms, evidence, would_change)
            }
            Why::Evidence(weighed, since_ms, _) => {
                let would_change = words("新的证据，或现场核实", "other evidence, or verifying it on the spot");
                of_unit("evidence", Family::Fire, *since_ms, weighed.words(), would_change)
            }
            Why::Blind(eyes) => eyes.reason(unit_since_ms),
        }
    }
}

fn of_condition(
    place: u8,
    device: u32,
    colour: Colour,
    since_ms: u64,
    (evidence, would_change): (Words, Words),
) -> Reason {
    let condition = rule::condition(place);
    Reason {
        rule: condition.name.into(),
        device: (device != NO_DEVICE).then_some(DeviceId(device)),
        family: condition.family,
        colour,
        since_ms,
        evidence,
        would_change,
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

#[cfg(test)]
mod tests;
