//! What is kept between commits: plain, compact, one encoding.

use std::collections::BTreeMap;

use model::alert::Actor;
use model::report::SightingKind;
use model::roster::DeviceClass;
use model::{Colour, Epoch, Family, Quantity, RegionCode, UnitId, Verdict};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::judge::Counted;
use crate::risk::{Standing, Sweep, Trends};
use crate::rule::{Memory, Note};
use crate::table::Table;

/// A time that does not come.
pub const NEVER: u64 = u64::MAX;

/// No device: a condition of the whole unit.
pub const NO_DEVICE: u32 = u32::MAX;

/// Everything that the evaluator keeps. A copy is cheap (see [`Table`]).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// Names the layout: rules and their conditions, in order. Another layout cannot be read.
    pub layout: String,
    /// Rules in force, as text.
    pub rules: String,
    /// Commit that brought them; 0 for those that were in force before the first.
    pub rules_epoch: Epoch,
    pub epoch: Epoch,
    /// Time of the last commit, ms since 1970.
    pub at_ms: u64,
    /// Long gaps between commits.
    pub deaf: Deaf,
    /// Commit that brought the roster in force.
    pub roster: Epoch,
    pub devices: Table<Device>,
    pub units: Table<Unit>,
    /// Where the sweep for the standing risk stands.
    pub sweep: Sweep,
    /// How the standing risk of regions moves.
    pub trends: Trends,
    /// Outages of gateways and of vendors' networks that hold.
    pub outages: BTreeMap<GroupKey, Outage>,
    /// Coverage gaps told in each village in the hour of the last one.
    pub gaps_told: BTreeMap<RegionCode, GapsTold>,
}

/// A time in which the station heard nobody, ms since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Silence {
    from_ms: u64,
    until_ms: u64,
}

/// When the station heard nobody, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deaf(SmallVec<[Silence; 1]>);

impl Deaf {
    /// Gaps kept. Beyond it the oldest two are one, as long as both, at the place of the later.
    const KEPT_MAX: usize = 64;
    /// A gap so long ago says nothing of any device, ms: whoever was heard of before it alone is lost by now. 30 days.
    const KEPT_MS: u64 = 30 * 86_400_000;
    /// A deafness of less than a device's promise divided by this hardly hit one of its reports.
    const SHORT: u64 = 10;

    /// The station was deaf once more. `from_ms` is 0 for a station that never heard anybody, which makes no gap.
    pub fn note(&mut self, from_ms: u64, until_ms: u64) {
        if from_ms == 0 {
            return;
        }
        self.0.retain(|gap| gap.until_ms + Deaf::KEPT_MS > until_ms);
        if self.0.len() == Deaf::KEPT_MAX {
            let oldest = self.0.remove(0);
            let next = &mut self.0[0];
            next.from_ms = next.from_ms.saturating_sub(oldest.until_ms - oldest.from_ms);
        }
        self.0.push(Silence { from_ms, until_ms });
    }

    /// Until when it was last deaf; 0 for never.
    pub fn until_ms(&self) -> u64 {
        self.0.last().map_or(0, |gap| gap.until_ms)
    }

    /// From when on the silence of a device counts that was last heard of at `heard_ms`. A report may have come in vain in
    /// a deafness that is long for its promise; a short one (a restart each night) only lengthens the silence, for else it
    /// would put off the loss of a device that speaks once a day again and again. Never earlier than before another
    /// deafness.
    pub fn counts_from_ms(&self, heard_ms: u64, promise_s: u32) -> u64 {
        self.0.iter().filter(|gap| heard_ms < gap.until_ms).fold(heard_ms, |from_ms, gap| {
            let length_ms = gap.until_ms - gap.from_ms;
            let is_long = length_ms * Deaf::SHORT >= u64::from(promise_s) * 1000;
            if is_long { gap.until_ms } else { (from_ms + length_ms).min(gap.until_ms) }
        })
    }
}

/// Names a group of devices that are lost together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupKey {
    pub village: RegionCode,
    pub vendor: Box<str>,
    /// The gateway's name within the vendor's; empty for all of the vendor's devices in the village.
    pub gateway: Box<str>,
}

/// An outage that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Device that its condition is told of: the gateway's own, else the lowest-numbered member.
    pub device: u32,
    /// Members lost when it was last told.
    pub told: u32,
}

/// Coverage gaps told of in one village.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapsTold {
    /// Hours since 1970.
    pub hour: u32,
    pub blind: u16,
    pub no_device: u16,
}

/// A unit that nothing watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub since_ms: u64,
    /// It has no device at all; else it has devices, of which none can be trusted.
    pub no_device: bool,
}

/// What is remembered of a unit only while something is there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Traces {
    /// Conditions that ended a short time ago, oldest first.
    pub ended: SmallVec<[Ended; 2]>,
    /// What people reported, oldest first.
    pub seen: SmallVec<[Seen; 2]>,
}

impl Traces {
    /// Ended conditions kept.
    pub const ENDED_MAX: usize = 16;
    /// Reports kept.
    pub const SEEN_MAX: usize = 8;
}

/// A condition that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    pub condition: u8,
    pub device: u32,
    pub colour: Colour,
    pub since_ms: u64,
    pub at_ms: u64,
    pub note: Note,
    /// A test, or a silencing, shortly before it began.
    pub after: (bool, bool),
}

/// A person's report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Tag of its id.
    pub id: u64,
    /// Tag of the person.
    pub by: u32,
    pub kind: SightingKind,
    pub at_ms: u64,
    /// A person judged or closed it: counts no longer.
    pub judged: bool,
}

/// What is known of a device without looking at its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub unit: UnitId,
    pub class: DeviceClass,
    /// On the roster (and of this worker's share).
    pub current: bool,
    /// Never heard of, said to be lost, or judged lost: the next word from it changes something.
    pub silent: bool,
    /// The roster's reporting promise, s.
    pub report_every_s: u32,
    /// The device's own promise, s; 0 for none.
    pub next_report_s: u32,
    /// On the roster since, ms since 1970.
    pub since_ms: u64,
    /// Last heard of, ms since 1970; 0 for never.
    pub last_ms: u64,
    /// When its state said that it is lost; 0 when it was heard of since.
    pub lost_said_ms: u64,
    /// Its last test event, ms since 1970; 0 for none.
    pub test_ms: u64,
    /// Its last muted event, ms since 1970; 0 for none.
    pub muted_ms: u64,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    pub facts: Facts,
    /// Conditions that hold, one bit each.
    pub holding: u64,
    /// When its timer fires; [`NEVER`] for not at all.
    pub armed_ms: u64,
    /// How often a fire that it saw was found false (saturating); halved by one that was real.
    pub falses: u8,
    pub memory: Memory,
}

impl Device {
    pub fn heard(&self) -> bool {
        self.facts.last_ms != 0
    }
}

/// A condition that holds in a unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Place in the table of conditions.
    pub condition: u8,
    /// Number of the device; [`NO_DEVICE`] for a condition of the unit.
    pub device: u32,
    pub colour: Colour,
    /// Verified as false or closed by a person: does not count until it ends and begins again.
    pub muted: bool,
    /// Belongs to the incident that is open: it began, or was told of again, since that opened.
    pub in_incident: bool,
    pub since_ms: u64,
    /// Not told yet: at the first tick at or after this time it is, ms since 1970; [`NEVER`] while an outage explains it, 0
    /// for told. Lost contact alone can be so.
    pub untold_ms: u64,
    pub note: Note,
    /// Seconds since the device's own test event, where that was a short time before.
    pub after_test_s: Option<u32>,
    /// Seconds since the device's sounder was silenced, where that was a short time before.
    pub after_mute_s: Option<u32>,
}

/// An alert, as far as colours depend on it. It mirrors the desk's rule for what may be closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Commits at which conditions of the family began while none held, oldest first, the newest
    /// [`Incident::OPENINGS_MAX`]. The first opened the incident. Warnings and faults close by themselves at the desk, and
    /// then a later one of these names the desk's alert.
    pub openings: SmallVec<[Epoch; 2]>,
    pub opened_ms: u64,
    /// The most urgent colour that it ever had, or since what it showed was found to be nothing.
    pub colour: Colour,
    /// The verdict of what rings now, as the desk keeps it: it decides whether the fire may be closed.
    pub verdict: Option<Verdict>,
    /// Who gave it.
    pub verifier: Option<Actor>,
    /// Who worked on it, with the commit that raised the alert which they named: they may not close it while it holds.
    pub worked: Vec<(Epoch, Actor)>,
    /// The last verdict was that the fire is real: red until it is closed, or found false after all.
    pub real: bool,
    /// Nobody has judged what it shows now: the colour stays.
    pub unjudged: bool,
    /// The most urgent colour of what nobody has judged; after quiet, that of the whole incident.
    pub latched: Colour,
    /// Tags of the verdicts taken in, newest last: a command given twice counts once.
    pub verdicts: SmallVec<[u32; 2]>,
}

impl Incident {
    pub const OPENINGS_MAX: usize = 8;
    /// Verdicts remembered, as many as the items of an alert's history.
    pub const VERDICTS_MAX: usize = model::Alert::HISTORY_MAX;
}

/// A device's quantity is above what it was, by less than a condition of its own asks for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sign {
    pub device: u32,
    pub quantity: Quantity,
    /// How far, in the quantity's unit.
    pub above: f32,
    pub at_ms: u64,
    /// Since when there are such signs.
    pub since_ms: u64,
}

/// A unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// On the roster (and of this worker's share).
    pub current: bool,
    pub grid: RegionCode,
    /// Colour as it was last told, where it was.
    pub colour: Option<Colour>,
    /// Since when it has this colour.
    pub since_ms: u64,
    /// Since when none of its devices can be trusted, as it was last told; ms since 1970.
    pub blind_since_ms: Option<u64>,
    /// Standing risk index.
    pub risk: Option<u8>,
    /// The same, as it was last told.
    pub risk_told: Option<u8>,
    pub standing: Standing,
    /// Fingerprint of the reasons that were last told.
    pub told: u64,
    pub held: Vec<Held>,
    /// Open incidents by family.
    pub incidents: Option<Box<[Option<Incident>; 3]>>,
    /// Devices whose fire condition ended, and when, newest last.
    pub fire_ended: SmallVec<[(u32, u64); 1]>,
    /// When its timer fires; [`NEVER`] for not at all.
    pub armed_ms: u64,
    /// Nothing watches it.
    pub gap: Option<Gap>,
    /// Its standing risk asks for yellow.
    pub risky: bool,
    pub traces: Option<Box<Traces>>,
    /// The newest sign of each device and quantity; made when the first comes.
    pub signs: Option<Box<SmallVec<[Sign; 4]>>>,
}

impl Unit {
    /// A unit of which nothing is known, and which is not (of this share) on the roster yet.
    pub fn new(grid: RegionCode, since_ms: u64) -> Unit {
        Unit {
            current: false,
            grid,
            colour: None,
            since_ms,
            blind_since_ms: None,
            risk: None,
            risk_told: None,
            standing: Default::default(),
            told: 0,
            held: Vec::new(),
            incidents: None,
            fire_ended: Default::default(),
            armed_ms: NEVER,
            gap: None,
            risky: false,
            traces: None,
            signs: None,
        }
    }

    /// Ended fire conditions kept.
    pub const ENDED_MAX: usize = 8;
    /// Signs kept.
    pub const SIGNS_MAX: usize = 16;

    /// Takes in a sign in the place of the one before; 0 takes that away. Beyond the limit the oldest goes.
    pub fn sign(&mut self, mut sign: Sign) {
        let signs = self.signs.get_or_insert_default();
        let known = signs.iter().position(|known| (known.device, known.quantity) == (sign.device, sign.quantity));
        if let Some(known) = known {
            sign.since_ms = signs.remove(known).since_ms;
        }
        if sign.above > 0.0 {
            if signs.len() == Unit::SIGNS_MAX {
                signs.remove(0);
            }
            signs.push(sign);
        } else if signs.is_empty() {
            self.signs = None;
        }
    }

    /// How it counts in its regions, as last told; `None` before that.
    pub fn counted(&self) -> Option<Counted> {
        let (grid, blind, risk) = (self.grid, self.blind_since_ms.is_some(), self.risk_told);
        self.colour.map(|colour| Counted { grid, colour, blind, risk })
    }

    pub fn incident(&self, family: Family) -> Option<&Incident> {
        self.incidents.as_ref()?[family as usize].as_ref()
    }

    pub fn incident_mut(&mut self, family: Family) -> Option<&mut Incident> {
        self.incidents.as_mut()?[family as usize].as_mut()
    }

    pub fn set_incident(&mut self, family: Family, incident: Option<Incident>) {
        self.incidents.get_or_insert_with(Default::default)[family as usize] = incident;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Below 1 KB a sensor with all that the rows lead to, and few cache lines a reading.
    #[test]
    fn rows_stay_small() {
        assert!(size_of::<Device>() <= 208, "{}", size_of::<Device>());
        assert!(size_of::<Unit>() <= 232, "{}", size_of::<Unit>());
    }
}
