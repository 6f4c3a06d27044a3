//! From the operator's rows to a change: checks every reference, keeps every number.

mod duty;
mod places;

use std::collections::BTreeMap;
use std::fmt;

use rustc_hash::{FxHashMap, FxHashSet};

pub use duty::{AbsenceRow, ShiftRow};
pub use places::HydrantRow;

use super::{Contact, Device, DeviceClass, Person, Post, Roster, RosterChange, Slot, Unit, UnitProfile, UtcOffset};
use crate::ids::{DeviceId, Level, PersonId, RegionCode, UnitId};

/// The operator's tables, rows in file order; references are still codes. `line` is where the row stands in its file.
#[derive(Debug, Clone, Default)]
pub struct RosterRows {
    pub regions: Vec<(usize, RegionCode, Box<str>)>,
    pub units: Vec<(usize, UnitRow)>,
    pub devices: Vec<(usize, DeviceRow)>,
    pub people: Vec<(usize, PersonRow)>,
    pub stations: Vec<(usize, StationRow)>,
    pub cameras: Vec<(usize, CameraRow)>,
    pub shifts: Vec<(usize, ShiftRow)>,
    pub absences: Vec<(usize, AbsenceRow)>,
    pub hydrants: Vec<(usize, HydrantRow)>,
    /// Of the city's clocks.
    pub utc_offset: UtcOffset,
}

/// A row of units.csv.
#[derive(Debug, Clone)]
pub struct UnitRow {
    pub code: Box<str>,
    pub name: Box<str>,
    pub category: Box<str>,
    pub address: Box<str>,
    pub grid: RegionCode,
    /// Person code; empty for none.
    pub owner: Box<str>,
    pub position_m: Option<(f32, f32)>,
    pub profile: UnitProfile,
}

/// A row of devices.csv.
#[derive(Debug, Clone)]
pub struct DeviceRow {
    pub vendor: Box<str>,
    pub name: Box<str>,
    /// Unit code.
    pub unit: Box<str>,
    pub class: DeviceClass,
    pub location: Box<str>,
    pub report_every_s: u32,
    /// Name within the vendor's; empty for none.
    pub gateway: Box<str>,
}

/// A row of people.csv.
#[derive(Debug, Clone)]
pub struct PersonRow {
    pub code: Box<str>,
    pub name: Box<str>,
    pub phone: Box<str>,
    pub post: Post,
    pub region: RegionCode,
    pub channels: Vec<Box<str>>,
    pub contact: Contact,
    /// Person code; empty for none.
    pub deputy: Box<str>,
}

/// A row of stations.csv.
#[derive(Debug, Clone)]
pub struct StationRow {
    pub code: Box<str>,
    pub name: Box<str>,
    pub region: RegionCode,
    pub position_m: Option<(f32, f32)>,
    /// Person codes.
    pub members: Vec<Box<str>>,
    pub ready: bool,
}

/// A row of cameras.csv.
#[derive(Debug, Clone)]
pub struct CameraRow {
    pub code: Box<str>,
    /// Unit code.
    pub unit: Box<str>,
    pub location: Box<str>,
    pub stream: Box<str>,
}

/// What is wrong with a row, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterFault {
    pub file: &'static str,
    /// From 1, the header being line 1; 0 where no line is to blame.
    pub line: usize,
    pub what: String,
}

impl fmt::Display for RosterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

impl std::error::Error for RosterFault {}

/// Numbers for the keys of one table: known keys keep theirs, new ones continue the table.
struct Numbering<'a> {
    known: FxHashMap<&'a str, u32>,
    next: u32,
    seen: FxHashSet<u32>,
}

impl<'a> Numbering<'a> {
    fn new(keys: impl Iterator<Item = &'a str>) -> Numbering<'a> {
        let known: FxHashMap<&str, u32> = keys.zip(0..).collect();
        let next = u32::try_from(known.len()).expect("tables are far below four thousand million rows");
        Numbering { known, next, seen: FxHashSet::default() }
    }

    /// The key's number, or `None` when it was given before.
    fn number(&mut self, key: &'a str) -> Option<u32> {
        let next = self.next;
        let id = *self.known.entry(key).or_insert(next);
        if id == next {
            self.next += 1;
        }
        self.seen.insert(id).then_some(id)
    }

    /// The number of a key that stands in the operator's rows.
    fn current(&self, key: &str) -> Option<u32> {
        self.known.get(key).copied().filter(|id| self.seen.contains(id))
    }
}

impl Roster {
    /// What would turn this roster into the operator's rows.
    ///
    /// # Errors
    /// Every fault found, in file order: doubled codes, references to nothing, grids outside the tree. Nothing is
    /// taken from rows with a fault among them.
    pub fn change_to(&self, rows: &RosterRows) -> Result<RosterChange, Vec<RosterFault>> {
        let mut faults = Vec::new();
        let device_keys: Vec<String> = self.devices.iter().map(|slot| slot.row.key()).collect();
        let new_device_keys: Vec<String> =
            rows.devices.iter().map(|(_, row)| format!("{}/{}", row.vendor, row.name)).collect();
        let mut people = Numbering::new(self.people.iter().map(|slot| &*slot.row.code));
        let mut units = Numbering::new(self.units.iter().map(|slot| &*slot.row.code));
        let mut devices = Numbering::new(device_keys.iter().map(String::as_str));

        let regions = regions_of(rows, &mut faults);
        let mut person_rows = people_of(rows, &regions, &mut people, &mut faults);
        duty::set_deputies(rows, &people, &mut person_rows, &mut faults);
        let unit_rows = units_of(rows, &regions, &people, &mut units, &mut faults);
        let device_rows = devices_of(rows, &new_device_keys, &units, &mut devices, &mut faults);
        let stations = places::stations(rows, &regions, &people, &mut faults);
        let cameras = places::cameras(rows, &units, &mut faults);
        let plan = duty::Names::new(&person_rows, &people, &regions, &stations);
        let shifts = plan.shifts(rows, &mut faults);
        let absences = plan.absences(rows, &mut faults);
        let hydrants = places::hydrants(rows, &regions, &devices, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(RosterChange {
            regions: region_changes(&self.regions, &regions),
            units: changes(&self.units, unit_rows, UnitId),
            devices: changes(&self.devices, device_rows, DeviceId),
            people: changes(&self.people, person_rows, PersonId),
            stations: (stations != self.stations).then_some(stations),
            cameras: (cameras != self.cameras).then_some(cameras),
            shifts: (shifts != self.shifts).then_some(shifts),
            absences: (absences != self.absences).then_some(absences),
            hydrants: (hydrants != self.hydrants).then_some(hydrants),
            utc_offset: (rows.utc_offset != self.utc_offset).then_some(rows.utc_offset),
        })
    }
}

type Regions = BTreeMap<RegionCode, Box<str>>;

fn regions_of(rows: &RosterRows, faults: &mut Vec<RosterFault>) -> Regions {
    const FILE: &str = "regions.csv";
    let mut regions = Regions::new();
    for (line, code, name) in &rows.regions {
        if regions.insert(*code, name.clone()).is_some() {
            faults.push(RosterFault { file: FILE, line: *line, what: format!("region {code} stands here twice") });
        }
    }
    for (line, code, _) in &rows.regions {
        if let Some(parent) = code.parent().filter(|parent| !regions.contains_key(parent)) {
            let what = format!("region {code} lies in {parent}, which is not in the file: add a row for it");
            faults.push(RosterFault { file: FILE, line: *line, what });
        }
    }
    let cities = regions.keys().filter(|code| code.level() == Level::City).count();
    if cities != 1 {
        let what = format!("there must be exactly one city (a code of 6 digits), found {cities}");
        faults.push(RosterFault { file: FILE, line: 0, what });
    }
    regions
}

fn people_of<'a>(
    rows: &'a RosterRows,
    regions: &Regions,
    numbers: &mut Numbering<'a>,
    faults: &mut Vec<RosterFault>,
) -> Vec<(u32, Person)> {
    let mut people = Vec::with_capacity(rows.people.len());
    for (line, row) in &rows.people {
        let mut fault = |what| faults.push(RosterFault { file: "people.csv", line: *line, what });
        if !regions.contains_key(&row.region) {
            fault(format!("region {} of person {} is not in regions.csv", row.region, row.code));
        }
        let Some(id) = numbers.number(&row.code) else {
            fault(format!("person {} stands here twice", row.code));
            continue;
        };
        let person = Person {
            code: row.code.clone(),
            name: row.name.clone(),
            phone: row.phone.clone(),
            post: row.post,
            region: row.region,
            channels: row.channels.iter().cloned().collect(),
            contact: row.contact,
            // people of later rows are not numbered yet
            deputy: None,
        };
        people.push((id, person));
    }
    people
}

fn units_of<'a>(
    rows: &'a RosterRows,
    regions: &Regions,
    people: &Numbering<'_>,
    numbers: &mut Numbering<'a>,
    faults: &mut Vec<RosterFault>,
) -> Vec<(u32, Unit)> {
    let mut units = Vec::with_capacity(rows.units.len());
    for (line, row) in &rows.units {
        let mut fault = |what| faults.push(RosterFault { file: "units.csv", line: *line, what });
        if row.grid.level() != Level::Grid {
            fault(format!("grid {} of unit {} is no grid: its code must have 15 digits", row.grid, row.code));
        } else if !regions.contains_key(&row.grid) {
            fault(format!("grid {} of unit {} is not in regions.csv", row.grid, row.code));
        }
        let owner = people.current(&row.owner).map(PersonId);
        if owner.is_none() && !row.owner.is_empty() {
            fault(format!("owner {} of unit {} is not in people.csv", row.owner, row.code));
        }
        let Some(id) = numbers.number(&row.code) else {
            fault(format!("unit {} stands here twice", row.code));
            continue;
        };
        let unit = Unit {
            code: row.code.clone(),
            name: row.name.clone(),
            category: row.category.clone(),
            address: row.address.clone(),
            grid: row.grid,
            owner,
            position_m: row.position_m,
            profile: row.profile,
        };
        units.push((id, unit));
    }
    units
}

fn devices_of<'a>(
    rows: &'a RosterRows,
    keys: &'a [String],
    units: &Numbering<'_>,
    numbers: &mut Numbering<'a>,
    faults: &mut Vec<RosterFault>,
) -> Vec<(u32, Device)> {
    let mut devices = Vec::with_capacity(rows.devices.len());
    for ((line, row), key) in rows.devices.iter().zip(keys) {
        let mut fault = |what| faults.push(RosterFault { file: "devices.csv", line: *line, what });
        for level in [&row.vendor, &row.name] {
            if let Some(what) = topic_level_fault(level) {
                fault(what);
            }
        }
        if row.report_every_s == 0 {
            fault(format!("device {key}: report_every_s must be at least 1"));
        }
        let unit = units.current(&row.unit);
        if unit.is_none() {
            fault(format!("unit {} of device {key} is not in units.csv", row.unit));
        }
        let Some(id) = numbers.number(key) else {
            fault(format!("device {key} stands here twice"));
            continue;
        };
        let Some(unit) = unit else { continue };
        let device = Device {
            vendor: row.vendor.clone(),
            name: row.name.clone(),
            unit: UnitId(unit),
            class: row.class,
            location: row.location.clone(),
            report_every_s: row.report_every_s,
            gateway: row.gateway.clone(),
        };
        devices.push((id, device));
    }
    devices
}

/// Vendor and device names are levels of an MQTT topic.
fn topic_level_fault(level: &str) -> Option<String> {
    let length = level.chars().count();
    let fits = (1..=64).contains(&length) && !level.starts_with('$') && !level.contains(['/', '+', '#', '\0']);
    (!fits)
        .then(|| format!("{level:?} cannot be a topic level: 1 to 64 characters, none of / + # and NUL, no $ in front"))
}

fn region_changes(old: &Regions, new: &Regions) -> Vec<(RegionCode, Option<Box<str>>)> {
    let set = new.iter().filter(|(code, name)| old.get(code) != Some(name));
    let gone = old.keys().filter(|code| !new.contains_key(code));
    set.map(|(code, name)| (*code, Some(name.clone()))).chain(gone.map(|code| (*code, None))).collect()
}

/// Changed and new rows by number, then the rows that are gone.
fn changes<T: Clone + PartialEq, Id>(old: &[Slot<T>], mut new: Vec<(u32, T)>, id: fn(u32) -> Id) -> Vec<(Id, Slot<T>)> {
    new.sort_by_key(|(id, _)| *id);
    let kept: FxHashSet<u32> = new.iter().map(|(id, _)| *id).collect();
    let gone = old.iter().zip(0..).filter(|(slot, at)| slot.current && !kept.contains(at));
    let gone: Vec<_> = gone.map(|(slot, at)| (id(at), Slot { current: false, row: slot.row.clone() })).collect();
    let changed = new.into_iter().filter_map(|(at, row)| {
        let slot = Slot { current: true, row };
        (old.get(at as usize) != Some(&slot)).then_some((id(at), slot))
    });
    changed.chain(gone).collect()
}
