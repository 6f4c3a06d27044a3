//! Who was responsible *then*: the part of the roster that says so, as it changed.
//!
//! Of each change of the roster, what concerns posts, plans and stations is kept ([`DutyChange`]), without units, devices
//! and the owners of units: a few kilobytes for a new plan. All changes up to a moment, in order, are the roster of that
//! moment as far as duties go ([`DutyChange::roster`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::duty::{Absence, Shift};
use super::local::UtcOffset;
use super::{MicroStation, Person, Post, Roster, RosterChange, Slot};
use crate::ids::{Epoch, PersonId, RegionCode};

/// What a change of the roster meant for duties.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DutyChange {
    /// Time of the commit that brought it, ms since 1970.
    pub at_ms: u64,
    /// The commit.
    pub version: Epoch,
    regions: Vec<(RegionCode, Option<Box<str>>)>,
    /// `None`: off the roster, or the owner of a unit.
    people: Vec<(PersonId, Option<Person>)>,
    stations: Option<Vec<MicroStation>>,
    shifts: Option<Vec<Shift>>,
    absences: Option<Vec<Absence>>,
    utc_offset: Option<UtcOffset>,
}

impl DutyChange {
    /// The part of a change that concerns duties; `None` where it has none.
    pub fn of(change: &RosterChange, version: Epoch, at_ms: u64) -> Option<DutyChange> {
        let holds = |slot: &Slot<Person>| (slot.current && slot.row.post != Post::Owner).then(|| slot.row.clone());
        let part = DutyChange {
            at_ms,
            version,
            regions: change.regions.clone(),
            people: change.people.iter().map(|(id, slot)| (*id, holds(slot))).collect(),
            stations: change.stations.clone(),
            shifts: change.shifts.clone(),
            absences: change.absences.clone(),
            utc_offset: change.utc_offset,
        };
        let nothing = DutyChange { at_ms, version, ..DutyChange::default() };
        (part != nothing).then_some(part)
    }

    /// Key of its record: the commit, so that records are read in their order.
    pub fn key(&self) -> Box<[u8]> {
        Box::new(self.version.to_be_bytes())
    }

    /// The roster that these changes, in their order from the first on, lead to: regions, posts, plans and stations, and
    /// neither units, devices nor owners. Its version is that of the last change.
    pub fn roster<'a>(changes: impl IntoIterator<Item = &'a DutyChange>) -> Roster {
        let mut all = RosterChange::default();
        let mut people: BTreeMap<PersonId, Option<Person>> = BTreeMap::new();
        let mut version = 0;
        for change in changes {
            version = change.version;
            all.regions.extend(change.regions.iter().cloned());
            people.extend(change.people.iter().cloned());
            keep_last(&mut all.stations, change.stations.as_ref());
            keep_last(&mut all.shifts, change.shifts.as_ref());
            keep_last(&mut all.absences, change.absences.as_ref());
            keep_last(&mut all.utc_offset, change.utc_offset.as_ref());
        }
        let end = people.last_key_value().map_or(0, |(id, _)| id.0 + 1);
        let slot = |id: u32| {
            let id = PersonId(id);
            match people.remove(&id).flatten() {
                Some(row) => (id, Slot { current: true, row }),
                None => (id, Slot { current: false, row: nobody() }),
            }
        };
        all.people = (0..end).map(slot).collect();
        Roster::default().after(&all, version)
    }
}

fn keep_last<T: Clone>(table: &mut Option<T>, new: Option<&T>) {
    if let Some(new) = new {
        *table = Some(new.clone());
    }
}

/// Keeps the place of somebody without a post.
fn nobody() -> Person {
    Person {
        code: "".into(),
        name: "".into(),
        phone: "".into(),
        post: Post::Owner,
        region: RegionCode::NONE,
        channels: Default::default(),
        contact: Default::default(),
        deputy: None,
    }
}
