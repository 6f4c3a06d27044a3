//! Why nobody is called for an alert that is open (silences, inhibition, incidents), and floods of alerts.
//!
//! Whatever is held is raised, shown and recorded as ever: only its ladder waits. A fire is never held, nor is anything red.

use serde::{Deserialize, Serialize};

use crate::finding::{Colour, Family, Words};
use crate::ids::{AlertId, CommandId, OrderId, PersonId, RegionCode, UnitId};

/// Why an alert's ladder waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub by: HeldBy,
    pub since_ms: u64,
    /// When it ends at the latest, where that is known.
    pub until_ms: Option<u64>,
    pub words: Words,
}

/// What holds a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HeldBy {
    /// A person's silence: every step waits.
    Silence(OrderId),
    /// Another alert that explains this one: every step waits.
    Alert(AlertId),
    /// An incident that this alert is part of: the steps beyond the owner wait.
    Storm(OrderId),
}

/// What a silence covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SilenceScope {
    /// Everything in a region and below it.
    Region(RegionCode),
    Unit(UnitId),
    /// Conditions of one device.
    Device(crate::ids::DeviceId),
}

/// A silence as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceOrder {
    pub scope: SilenceScope,
    /// Where it is, for readers' scopes: the region, or the grid of the unit or device.
    pub region: RegionCode,
    /// Warning or fault; a fire cannot be silenced.
    pub family: Family,
    /// Conditions by their rule's name; empty: all.
    pub rules: Vec<Box<str>>,
    /// When it ends, ms since 1970. Absolute, so that an order that is read again later ends no later.
    pub until_ms: u64,
    /// In the words of who asked for it.
    pub reason: Box<str>,
    /// Code of the person who is told before it ends.
    pub owner: Box<str>,
}

/// A silence as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    pub id: OrderId,
    pub command: CommandId,
    /// Whose order it was.
    pub by: Box<str>,
    pub order: SilenceOrder,
    pub from_ms: u64,
    /// When its owner was told that it ends soon.
    pub told_ms: Option<u64>,
    /// Alerts that it has held, counted; one that it holds again counts again.
    pub held: u32,
    pub ended: Option<SilenceEnd>,
}

/// How a silence ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceEnd {
    pub at_ms: u64,
    /// Who ended it; `None`: its time was over.
    pub by: Option<Box<str>>,
    /// The order that ended it.
    pub command: Option<CommandId>,
}

impl Silence {
    /// Whether it holds anything at that moment.
    pub fn is_in_force(&self, now_ms: u64) -> bool {
        self.ended.is_none() && now_ms < self.order.until_ms
    }
}

/// What kind of incident it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StormKind {
    /// Fires of several units at one address.
    Building,
    /// Warnings or faults of one rule in many units of a village or township.
    Area,
}

impl StormKind {
    pub fn word(self) -> &'static str {
        match self {
            StormKind::Building => "building",
            StormKind::Area => "area",
        }
    }
}

/// Many alerts of one cause and place: one incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// Named as people's orders are.
    pub id: OrderId,
    pub kind: StormKind,
    /// The village of a building; the village or township of an area.
    pub region: RegionCode,
    /// Of a building.
    pub address: Box<str>,
    /// Rule of an area's alerts.
    pub rule: Box<str>,
    pub family: Family,
    /// The most urgent colour of its alerts.
    pub colour: Colour,
    pub began_ms: u64,
    /// When the newest alert joined.
    pub joined_ms: u64,
    pub ended_ms: Option<u64>,
    /// The larger incident that it became part of.
    pub merged_into: Option<OrderId>,
    /// Alerts that ever joined. Their ids stand in pages of [`Storm::PAGE`].
    pub members: u32,
    /// Of them by village, ordered by code.
    pub villages: Vec<(RegionCode, u32)>,
    /// A person found on the spot that one of its fires is real.
    pub confirmed: bool,
    /// Who was told of it, each once.
    pub told: Vec<PersonId>,
    /// How often it was told.
    pub tellings: u16,
    /// When it was told last, and its members then.
    pub told_ms: u64,
    pub told_members: u32,
    /// What the alert that began it showed.
    pub words: Words,
}

impl Storm {
    /// Ids of members in one record.
    pub const PAGE: u32 = 64;

    /// Records of members.
    pub fn pages(&self) -> u32 {
        self.members.div_ceil(Storm::PAGE)
    }
}

/// How many alerts are new, and whether that is more than people can answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flood {
    /// New alerts of the last minutes, oldest first.
    pub buckets: Vec<FloodBucket>,
    /// Since when there is a flood.
    pub since_ms: Option<u64>,
}

/// New alerts of ten seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloodBucket {
    /// When it begins.
    pub from_ms: u64,
    /// Ordered.
    pub counts: Vec<FloodCount>,
}

/// New alerts of one cause.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FloodCount {
    pub family: Family,
    pub colour: Colour,
    pub rule: Box<str>,
    pub alerts: u32,
}

impl Flood {
    /// Length of a bucket, ms.
    pub const BUCKET_MS: u64 = 10_000;

    /// New alerts in the window.
    pub fn alerts(&self) -> u32 {
        self.counts().map(|count| count.alerts).sum()
    }

    /// By bucket and cause.
    pub fn counts(&self) -> impl Iterator<Item = &FloodCount> {
        self.buckets.iter().flat_map(|bucket| &bucket.counts)
    }
}

/// Keys of the desk's records of incidents, all of [`crate::KeptKind::Storm`].
pub mod key {
    use super::{OrderId, Storm};

    /// The state of floods.
    pub const FLOOD: &[u8] = b"f";
    /// Before the first incident.
    pub const STORMS: &[u8] = b"s";
    /// After the last one.
    pub const STORMS_END: &[u8] = b"t";

    /// The record of an incident.
    pub fn storm(id: OrderId) -> Box<[u8]> {
        with(b's', id, &[])
    }

    /// A page of its members.
    pub fn members(id: OrderId, page: u32) -> Box<[u8]> {
        with(b'm', id, &page.to_be_bytes())
    }

    /// The record of a silence.
    pub fn silence(id: OrderId) -> Box<[u8]> {
        with(b'q', id, &[])
    }

    fn with(first: u8, id: OrderId, more: &[u8]) -> Box<[u8]> {
        let mut key = vec![first];
        key.extend(id.epoch.to_be_bytes());
        key.extend(id.at.to_be_bytes());
        key.extend(more);
        key.into()
    }

    /// Every page's key of an incident.
    pub fn all_members(storm: &Storm) -> impl Iterator<Item = Box<[u8]>> {
        let id = storm.id;
        (0..storm.pages()).map(move |page| members(id, page))
    }
}
