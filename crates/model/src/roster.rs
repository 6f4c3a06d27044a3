//! The roster: who and what there is. Regions, units, devices, people and their duty plans, micro fire stations, cameras,
//! hydrants.
//!
//! Rows as the operator writes them ([`RosterRows`]) become a [`RosterChange`] against the roster in force; the change
//! is journalled and applied. Numbers (ids) are given once and never again: a device that is taken off the roster
//! keeps its slot, marked as gone, so that old journal entries keep their meaning.

mod diff;
mod duty;
mod history;
mod index;
mod local;
mod near;
mod post;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use diff::{
    AbsenceRow, CameraRow, DeviceRow, HydrantRow, PersonRow, RosterFault, RosterRows, ShiftRow, StationRow, UnitRow,
};
pub use duty::{Absence, Contact, Duty, DutyGap, Gap, OnDuty, SUBSTITUTES_MAX, Shift};
pub use history::DutyChange;
pub use index::Index;
pub use local::{Clock, Day, LocalTime, LocalTimeError, UtcOffset, Weekdays};
pub use near::{NearHydrant, NearStation};
pub use post::Post;

use crate::ids::{DeviceId, Epoch, PersonId, RegionCode, UnitId};

/// A registered place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// Unique code, as the operator writes it.
    pub code: Box<str>,
    pub name: Box<str>,
    /// Kind of building or business: 出租房, 养老院…
    pub category: Box<str>,
    pub address: Box<str>,
    pub grid: RegionCode,
    pub owner: Option<PersonId>,
    /// Metres east and north of the operator's local origin.
    pub position_m: Option<(f32, f32)>,
    pub profile: UnitProfile,
}

/// What makes a fire in a unit likely or grave, as far as the operator knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitProfile {
    /// People who live or stay there, count; `None`: not known.
    pub people: Option<u32>,
    /// Of them, those who need help to get out: children, the aged, the sick. Count.
    pub vulnerable: Option<u32>,
    /// Storeys of the building, count.
    pub storeys: Option<u16>,
    /// Floor area, m².
    pub area_m2: Option<u32>,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceClass {
    Smoke,
    Heat,
    Gas,
    Co,
    Electrical,
    Water,
    Manual,
    Panel,
    Camera,
    Combined,
}

impl DeviceClass {
    const WORDS: [(&'static str, DeviceClass); 10] = [
        ("smoke", DeviceClass::Smoke),
        ("heat", DeviceClass::Heat),
        ("gas", DeviceClass::Gas),
        ("co", DeviceClass::Co),
        ("electrical", DeviceClass::Electrical),
        ("water", DeviceClass::Water),
        ("manual", DeviceClass::Manual),
        ("panel", DeviceClass::Panel),
        ("camera", DeviceClass::Camera),
        ("combined", DeviceClass::Combined),
    ];

    pub fn word(self) -> &'static str {
        DeviceClass::WORDS.iter().find(|(_, class)| *class == self).map_or("", |(word, _)| word)
    }

    pub fn from_word(word: &str) -> Option<DeviceClass> {
        DeviceClass::WORDS.iter().find(|(known, _)| *known == word).map(|(_, class)| *class)
    }
}

/// A device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    pub vendor: Box<str>,
    /// The vendor's own name for it, as in the topic.
    pub name: Box<str>,
    pub unit: UnitId,
    pub class: DeviceClass,
    /// Where in the unit.
    pub location: Box<str>,
    /// Reporting promise: heard of at least once in so many seconds, unless its own state says otherwise.
    pub report_every_s: u32,
    /// Name, within the vendor's, of the gateway that it speaks through; empty for none.
    pub gateway: Box<str>,
}

impl Device {
    /// `vendor/device`, as in the topic.
    pub fn key(&self) -> String {
        format!("{}/{}", self.vendor, self.name)
    }
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Unique code, as the operator writes it; also the last level of the person's MQTT topic.
    pub code: Box<str>,
    pub name: Box<str>,
    pub phone: Box<str>,
    pub post: Post,
    pub region: RegionCode,
    /// Ways to reach them, the preferred one first: "mqtt", "console", "webhook:<name>".
    pub channels: SmallVec<[Box<str>; 2]>,
    pub contact: Contact,
    /// Who stands in while they are absent, unless the absence names somebody else.
    pub deputy: Option<PersonId>,
}

/// A micro fire station (微型消防站).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MicroStation {
    pub code: Box<str>,
    pub name: Box<str>,
    pub region: RegionCode,
    pub position_m: Option<(f32, f32)>,
    pub members: Vec<PersonId>,
    /// False while it cannot turn out: its engine is in repair, its room is closed.
    pub ready: bool,
}

/// A camera that sees a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Camera {
    pub code: Box<str>,
    pub unit: UnitId,
    pub location: Box<str>,
    pub stream: Box<str>,
}

/// A hydrant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hydrant {
    pub code: Box<str>,
    pub region: RegionCode,
    /// Metres east and north of the operator's local origin.
    pub position_m: (f32, f32),
    /// What measures its pressure.
    pub device: Option<DeviceId>,
    pub note: Box<str>,
}

/// A row with a number for life. `current` is false once the operator has taken it off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slot<T> {
    pub current: bool,
    pub row: T,
}

/// Everybody and everything, at one moment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Roster {
    /// Journal commit that made it; 0 for the empty roster.
    version: Epoch,
    /// Names by code.
    regions: BTreeMap<RegionCode, Box<str>>,
    units: Vec<Slot<Unit>>,
    devices: Vec<Slot<Device>>,
    people: Vec<Slot<Person>>,
    stations: Vec<MicroStation>,
    cameras: Vec<Camera>,
    shifts: Vec<Shift>,
    absences: Vec<Absence>,
    hydrants: Vec<Hydrant>,
    utc_offset: UtcOffset,
    #[serde(skip)]
    index: Index,
}

/// What turns one roster into the next. Rows at numbers beyond the table are new.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RosterChange {
    /// Names by code; `None` takes the region off.
    pub regions: Vec<(RegionCode, Option<Box<str>>)>,
    pub units: Vec<(UnitId, Slot<Unit>)>,
    pub devices: Vec<(DeviceId, Slot<Device>)>,
    pub people: Vec<(PersonId, Slot<Person>)>,
    /// The whole new table, where it changed.
    pub stations: Option<Vec<MicroStation>>,
    /// The whole new table, where it changed.
    pub cameras: Option<Vec<Camera>>,
    /// The whole new table, where it changed.
    pub shifts: Option<Vec<Shift>>,
    /// The whole new table, where it changed.
    pub absences: Option<Vec<Absence>>,
    /// The whole new table, where it changed.
    pub hydrants: Option<Vec<Hydrant>>,
    /// Of the city's clocks, where it changed.
    pub utc_offset: Option<UtcOffset>,
}

impl RosterChange {
    pub fn is_empty(&self) -> bool {
        self == &RosterChange::default()
    }
}

impl Roster {
    /// The roster after `change`, which commit `version` brought.
    #[must_use]
    pub fn after(&self, change: &RosterChange, version: Epoch) -> Roster {
        let mut next = Roster { version, index: Index::default(), ..self.clone() };
        for (code, name) in &change.regions {
            match name {
                Some(name) => next.regions.insert(*code, name.clone()),
                None => next.regions.remove(code),
            };
        }
        put_all(&mut next.units, change.units.iter().map(|(id, slot)| (id.index(), slot)));
        put_all(&mut next.devices, change.devices.iter().map(|(id, slot)| (id.index(), slot)));
        put_all(&mut next.people, change.people.iter().map(|(id, slot)| (id.index(), slot)));
        replace(&mut next.stations, &change.stations);
        replace(&mut next.cameras, &change.cameras);
        replace(&mut next.shifts, &change.shifts);
        replace(&mut next.absences, &change.absences);
        replace(&mut next.hydrants, &change.hydrants);
        replace(&mut next.utc_offset, &change.utc_offset);
        next.reindex()
    }

    /// Makes the look-up tables anew; call it after decoding a stored roster.
    #[must_use]
    pub fn reindex(mut self) -> Roster {
        self.index = Index::of(&self);
        self
    }

    /// Journal commit that made it; 0 for the empty roster.
    pub fn version(&self) -> Epoch {
        self.version
    }

    /// Names by code, in the order of the codes.
    pub fn regions(&self) -> &BTreeMap<RegionCode, Box<str>> {
        &self.regions
    }

    /// A region's name, or its code's digits where it has none.
    pub fn region_name(&self, code: RegionCode) -> String {
        self.regions.get(&code).map_or_else(|| code.to_string(), |name| name.to_string())
    }

    /// Every unit that ever was, by number.
    pub fn units(&self) -> &[Slot<Unit>] {
        &self.units
    }

    /// Every device that ever was, by number.
    pub fn devices(&self) -> &[Slot<Device>] {
        &self.devices
    }

    /// Everybody who ever was, by number.
    pub fn people(&self) -> &[Slot<Person>] {
        &self.people
    }

    pub fn stations(&self) -> &[MicroStation] {
        &self.stations
    }

    pub fn cameras(&self) -> &[Camera] {
        &self.cameras
    }

    /// Lines of duty plans.
    pub fn shifts(&self) -> &[Shift] {
        &self.shifts
    }

    pub fn absences(&self) -> &[Absence] {
        &self.absences
    }

    pub fn hydrants(&self) -> &[Hydrant] {
        &self.hydrants
    }

    /// Of the city's clocks.
    pub fn utc_offset(&self) -> UtcOffset {
        self.utc_offset
    }

    /// The unit, also when it was taken off.
    pub fn unit(&self, id: UnitId) -> Option<&Unit> {
        self.units.get(id.index()).map(|slot| &slot.row)
    }

    /// The device, also when it was taken off.
    pub fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.get(id.index()).map(|slot| &slot.row)
    }

    /// The person, also when they were taken off.
    pub fn person(&self, id: PersonId) -> Option<&Person> {
        self.people.get(id.index()).map(|slot| &slot.row)
    }

    /// The current device with this key, `vendor/device` as in the topic.
    #[inline]
    pub fn device_by_key(&self, key: &str) -> Option<DeviceId> {
        self.index.devices.get(key.as_bytes()).copied()
    }

    /// The current unit with this code.
    pub fn unit_by_code(&self, code: &str) -> Option<UnitId> {
        self.index.units.get(code).copied()
    }

    /// The current person with this code.
    pub fn person_by_code(&self, code: &str) -> Option<PersonId> {
        self.index.people.get(code).copied()
    }

    /// Current devices of a unit, by number.
    pub fn devices_of(&self, unit: UnitId) -> &[DeviceId] {
        self.index.devices_of.get(unit.index()).map_or(&[], |devices| devices.as_slice())
    }

    /// Current people with this post in exactly this region, by number.
    pub fn people_at(&self, region: RegionCode, post: Post) -> &[PersonId] {
        self.index.people_at.get(&(region, post)).map_or(&[], |people| people.as_slice())
    }

    /// Current units in a region of any level, counted.
    pub fn units_in(&self, region: RegionCode) -> u32 {
        self.index.units_in.get(&region).copied().unwrap_or(0)
    }

    /// Current devices in a region of any level, counted.
    pub fn devices_in(&self, region: RegionCode) -> u32 {
        self.index.devices_in.get(&region).copied().unwrap_or(0)
    }
}

fn replace<T: Clone>(table: &mut T, new: &Option<T>) {
    if let Some(new) = new {
        table.clone_from(new);
    }
}

fn put_all<'a, T: Clone + 'a>(table: &mut Vec<Slot<T>>, rows: impl Iterator<Item = (usize, &'a Slot<T>)>) {
    for (at, slot) in rows {
        match at.cmp(&table.len()) {
            std::cmp::Ordering::Less => table[at] = slot.clone(),
            // a change numbers its new rows from the table's end on, in order
            _ => table.push(slot.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
