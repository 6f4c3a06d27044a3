//! Look-up tables of a roster, made anew whenever it changes; never stored.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{Post, Roster};
use crate::ids::{DeviceId, PersonId, RegionCode, UnitId};

/// `vendor/device`, in the table itself where it is short: each message looks one up, and another cache line is another wait.
pub(super) type DeviceKey = SmallVec<[u8; 32]>;

/// Tables by key. Only current rows are in them.
#[derive(Debug, Clone, Default)]
pub struct Index {
    pub(super) devices: FxHashMap<DeviceKey, DeviceId>,
    pub(super) units: FxHashMap<Box<str>, UnitId>,
    pub(super) people: FxHashMap<Box<str>, PersonId>,
    pub(super) devices_of: Vec<SmallVec<[DeviceId; 2]>>,
    pub(super) people_at: FxHashMap<(RegionCode, Post), Vec<PersonId>>,
    pub(super) units_in: FxHashMap<RegionCode, u32>,
    pub(super) devices_in: FxHashMap<RegionCode, u32>,
    /// Places in the table of shifts. In order: plans are gone through by it.
    pub(super) shifts_at: BTreeMap<(RegionCode, Post), Vec<u32>>,
    /// Places in the table of absences.
    pub(super) absences_of: FxHashMap<PersonId, Vec<u32>>,
}

impl Index {
    pub(super) fn of(roster: &Roster) -> Index {
        let mut index = Index { devices_of: vec![SmallVec::new(); roster.units.len()], ..Index::default() };
        for (slot, id) in roster.units.iter().zip(0..) {
            if slot.current {
                index.units.insert(slot.row.code.clone(), UnitId(id));
                for region in slot.row.grid.ancestry() {
                    *index.units_in.entry(region).or_default() += 1;
                }
            }
        }
        for (slot, id) in roster.devices.iter().zip(0..) {
            if !slot.current {
                continue;
            }
            index.devices.insert(DeviceKey::from_slice(slot.row.key().as_bytes()), DeviceId(id));
            if let Some(devices) = index.devices_of.get_mut(slot.row.unit.index()) {
                devices.push(DeviceId(id));
            }
            if let Some(unit) = roster.unit(slot.row.unit) {
                for region in unit.grid.ancestry() {
                    *index.devices_in.entry(region).or_default() += 1;
                }
            }
        }
        for (slot, id) in roster.people.iter().zip(0..) {
            if slot.current {
                index.people.insert(slot.row.code.clone(), PersonId(id));
                index.people_at.entry((slot.row.region, slot.row.post)).or_default().push(PersonId(id));
            }
        }
        for (shift, at) in roster.shifts.iter().zip(0..) {
            index.shifts_at.entry((shift.region, shift.post)).or_default().push(at);
        }
        for (absence, at) in roster.absences.iter().zip(0..) {
            index.absences_of.entry(absence.person).or_default().push(at);
        }
        index
    }
}
