//! Outages: many devices lost by one cause. See [`crate::rule::gateway`].

use std::sync::Arc;

use model::{Colour, DeviceId, Roster};
use rustc_hash::FxHashMap;

use super::Judge;
use crate::rule::gateway::{GATEWAY, VILLAGE};
use crate::rule::{self, Note, Told};
use crate::state::{Held, NEVER, Outage, Unit};
use crate::unit::groups::{Group, Groups};
use crate::unit::neighbours::Neighbourhood;

/// A member is given its own promise again when the outage is over, at most so long, s.
const COMES_BACK_S: u32 = 3600;

/// A group's devices, counted.
struct Lost {
    all: usize,
    lost: usize,
    /// Lost within the window.
    lately: usize,
    own: bool,
}

impl Judge {
    /// Makes what follows from the roster alone, where that is another one.
    pub(super) fn look_around(&mut self, roster: &Arc<Roster>) {
        if self.neighbourhood.version == roster.version() {
            return;
        }
        self.roster = Arc::clone(roster);
        let share = self.share;
        self.neighbourhood = Neighbourhood::of(roster, |grid| share.has(grid));
        self.groups = Groups::of(roster, |grid| share.has(grid));
    }

    /// After a new roster was taken in: outages of groups that are no more are over, and those whose anchor left are told of
    /// the next. Found from the units' conditions, for
    /// a unit may have come from another worker with them.
    pub(super) fn regroup(&mut self) {
        let mut moved = Vec::new();
        if !self.state.outages.is_empty() {
            let groups: FxHashMap<_, _> = self.groups.iter().map(|group| (&group.key, group.anchor())).collect();
            self.state.outages.retain(|key, outage| {
                let Some(anchor) = groups.get(key) else { return false };
                if outage.device != *anchor {
                    moved.push(*anchor);
                    outage.device = *anchor;
                }
                true
            });
        }
        let own = rule::of_units().gateway;
        let (mut over, mut unexplained) = (Vec::new(), Vec::new());
        for held in self.state.units.iter().flat_map(|unit| &unit.held) {
            let outage = |id: u32| self.state.outages.get(&self.group_of(id)?.key);
            let within = held.condition.wrapping_sub(own);
            if within <= VILLAGE && outage(held.device).is_none_or(|outage| outage.device != held.device) {
                over.push((held.device, within));
            }
            if held.untold_ms == NEVER && outage(held.device).is_none() {
                unexplained.push(held.device);
            }
        }
        for (device, within) in over {
            self.outage_told(device, within == VILLAGE, None, Note::default());
        }
        for device in unexplained {
            self.tell_at(device, self.state.at_ms);
        }
        for device in moved {
            let Some(group) = self.group_of(device) else { continue };
            let (of_village, Lost { all, lost, own, .. }) = (!group.is_gateway(), self.count_lost(group, 0));
            if lost > 0 {
                let note = Note { a: all as f32, b: f32::from(u8::from(own)), c: 0.0, n: lost as u32 };
                self.outage_told(device, of_village, Some(Colour::Yellow), note);
            }
        }
    }

    /// When the loss of a device is told that is found now; 0: at once.
    pub(super) fn untold_ms(&self, id: DeviceId) -> u64 {
        let Some(group) = self.group_of(id.0) else { return 0 };
        if self.state.outages.contains_key(&group.key) {
            return NEVER;
        }
        let settings = &self.settings().gateway;
        let least = usize::from(if group.is_gateway() { settings.devices } else { settings.village_devices });
        let can_be_one = group.own.is_some() || least != 0 && group.members.len() >= least;
        if can_be_one { self.state.at_ms + u64::from(settings.gather_s) * 1000 } else { 0 }
    }

    pub(super) fn stir_group(&mut self, id: DeviceId) {
        self.draft.groups.extend(self.groups.number(id.0));
    }

    /// Outages begin and end, at ticks: devices are lost at ticks, and a tick later is soon enough for the end.
    pub(super) fn settle_groups(&mut self, ticked: bool) {
        let mut stirred = std::mem::take(&mut self.draft.groups);
        if !ticked {
            return;
        }
        stirred.extend(self.state.outages.values().filter_map(|outage| self.groups.number(outage.device)));
        stirred.sort_unstable();
        stirred.dedup();
        for number in stirred {
            self.settle_group(number);
        }
    }

    fn settle_group(&mut self, number: u32) {
        let settings = self.settings().gateway.clone();
        let Some(group) = self.groups.get(number) else { return };
        let (key, anchor, is_gateway) = (group.key.clone(), group.anchor(), group.is_gateway());
        let least = usize::from(if is_gateway { settings.devices } else { settings.village_devices });
        let Lost { all, lost, lately, own } = self.count_lost(group, u64::from(settings.window_s) * 1000);
        let share = usize::from(settings.share_pct);
        let note = Note { a: all as f32, b: f32::from(u8::from(own)), c: 0.0, n: lost as u32 };
        match self.state.outages.get(&key).copied() {
            None => {
                let many = least != 0 && lately >= least && lost * 100 >= share * all;
                if !(own || many) {
                    return;
                }
                let outage = Outage { device: anchor, told: lost as u32 };
                self.state.outages.insert(key, outage);
                self.outage_told(anchor, !is_gateway, Some(Colour::Yellow), note);
                for id in self.members(number) {
                    if let Some(held) = self.lost_mut(id).filter(|held| held.untold_ms != 0) {
                        held.untold_ms = NEVER;
                    }
                }
            }
            Some(_) if !own && lost * 200 <= share * all => {
                self.state.outages.remove(&key);
                self.outage_told(anchor, !is_gateway, None, Note::default());
                for id in self.members(number) {
                    let Some(device) = self.state.devices.get(id as usize) else { continue };
                    let wait_s = device.facts.report_every_s.min(COMES_BACK_S).max(settings.gather_s);
                    if self.lost(id).is_some_and(|held| held.untold_ms == NEVER) {
                        self.tell_at(id, self.state.at_ms + u64::from(wait_s) * 1000);
                    }
                }
            }
            // it grew: worth telling when it is twice what was told
            Some(outage) if lost as u32 >= outage.told.max(1) * 2 => {
                self.state.outages.insert(key, Outage { told: lost as u32, ..outage });
                self.outage_told(anchor, !is_gateway, Some(Colour::Yellow), note);
            }
            Some(_) => {}
        }
    }

    fn members(&self, number: u32) -> Vec<u32> {
        self.groups.get(number).map_or_else(Vec::new, |group| group.devices().collect())
    }

    fn group_of(&self, id: u32) -> Option<&Group> {
        self.groups.get(self.groups.number(id)?)
    }

    fn count_lost(&self, group: &Group, window_ms: u64) -> Lost {
        let from_ms = self.state.at_ms.saturating_sub(window_ms);
        let mut count = Lost { all: 0, lost: 0, lately: 0, own: false };
        for id in group.devices() {
            count.all += 1;
            let Some(held) = self.lost(id) else { continue };
            count.lost += 1;
            count.lately += usize::from(held.since_ms >= from_ms);
            count.own |= group.own == Some(id);
        }
        count
    }

    /// That the device is lost, as its unit has it.
    fn lost(&self, id: u32) -> Option<&Held> {
        let device = self.state.devices.get(id as usize)?;
        if device.holding & rule::lost_bit() == 0 {
            return None;
        }
        self.state.units.get(device.facts.unit.index())?.held.iter().find(|held| is_loss(held, id))
    }

    fn lost_mut(&mut self, id: u32) -> Option<&mut Held> {
        let unit = self.state.devices.get(id as usize)?.facts.unit;
        let unit: &mut Unit = self.state.units.get_mut(unit.index())?;
        unit.held.iter_mut().find(|held| is_loss(held, id))
    }

    /// The loss of a device is to be told at `at_ms`, if it is still there.
    fn tell_at(&mut self, id: u32, at_ms: u64) {
        if let Some(held) = self.lost_mut(id) {
            held.untold_ms = at_ms;
        }
        if let Some(device) = self.state.devices.get(id as usize) {
            self.draft.touched.push(device.facts.unit.0);
        }
    }

    fn outage_told(&mut self, device: u32, of_village: bool, holds: Option<Colour>, note: Note) {
        let condition = rule::of_units().gateway + if of_village { VILLAGE } else { GATEWAY };
        self.found(DeviceId(device), Told { condition, holds, note, alarm: None, again: true, sign: None });
    }
}

fn is_loss(held: &Held, device: u32) -> bool {
    held.device == device && 1_u64 << held.condition == rule::lost_bit()
}
