//! Several workers: what is whose, and units that move to another worker's villages with all that is known of them.
//!
//! Every worker has rows for all units and devices, so that numbers mean the same everywhere; those of others are empty.
//! The rows of all owners together are the state that one worker alone would have.

use std::collections::BTreeMap;

use model::{DeviceId, Finding, Step, UnitId};

use super::{Judge, RestoreError, Share};
use crate::risk::Trends;
use crate::rule::Memory;
use crate::state::{Device, NEVER, State, Unit};
use crate::table::Table;

/// A unit on its way to another worker, with the devices that it had up to then.
#[derive(Debug, Clone)]
pub struct Crossing {
    /// The worker that it goes to.
    pub to: usize,
    id: UnitId,
    unit: Unit,
    devices: Vec<(DeviceId, Device)>,
}

impl Judge {
    /// Judges for several workers as [`Judge::state`] left one, or several together, from its encoding.
    ///
    /// # Errors
    /// As [`Judge::restore`].
    pub(crate) fn restore_all(bytes: &[u8], workers: usize) -> Result<Vec<Judge>, RestoreError> {
        let (state, rules) = Judge::read(bytes)?;
        let shares = (0..workers).map(|worker| Share { worker, workers });
        Ok(shares.map(|share| Judge::of_share(state.clone(), rules.clone(), share)).collect())
    }

    pub(crate) fn share(&self) -> Share {
        self.share
    }

    /// Whether the step brings a roster that may move units between workers.
    pub(crate) fn may_cross(&self, step: &Step) -> bool {
        self.share.workers > 1 && step.roster.version() != self.state.roster
    }

    /// Gives away the units that the step's roster moves to other workers; before [`Judge::apply`] of the step, on all
    /// workers.
    pub(crate) fn depart(&mut self, step: &Step) -> Vec<Crossing> {
        let (mut leaving, share) = (Vec::new(), self.share);
        for (slot, id) in step.roster.units().iter().zip(0..) {
            let to = share.owner(slot.row.grid);
            let leaves = |unit: &Unit| to != share.worker && share.has(unit.grid);
            if !self.state.units.get(id as usize).is_some_and(leaves) {
                continue;
            }
            let unit = self.state.units.get_mut(id as usize).expect("it was there a moment ago");
            let empty = absent_unit(unit);
            leaving.push(Crossing { to, id: UnitId(id), unit: std::mem::replace(unit, empty), devices: Vec::new() });
        }
        if leaving.is_empty() {
            return leaving;
        }
        for id in 0..self.state.devices.len() {
            let unit = self.state.devices.get(id).map(|device| device.facts.unit);
            let Some(at) = unit.and_then(|unit| leaving.binary_search_by_key(&unit, |crossing| crossing.id).ok())
            else {
                continue;
            };
            let device = self.state.devices.get_mut(id).expect("it was there a moment ago");
            let empty = absent_device(device);
            leaving[at].devices.push((DeviceId(id as u32), std::mem::replace(device, empty)));
        }
        leaving
    }

    /// Takes in what came from other workers; after their [`Judge::depart`] and before [`Judge::apply`].
    pub(crate) fn arrive(&mut self, crossings: Vec<Crossing>) {
        for Crossing { id, unit, devices, .. } in crossings {
            self.unit_timers.take_over(id, &unit);
            *self.state.units.get_mut(id.index()).expect("all workers have the same units") = unit;
            for (id, device) in devices {
                self.timers.take_over(id, &device);
                *self.state.devices.get_mut(id.index()).expect("all workers have the same devices") = device;
            }
        }
    }

    /// Whether the device is of the share, also when it is off the roster. What nobody knows is the first worker's.
    pub(super) fn is_ours(&self, id: DeviceId) -> bool {
        match self.ours.get(id.index() / 64) {
            Some(bits) => bits >> (id.0 % 64) & 1 == 1,
            None => self.share.worker == 0,
        }
    }

    /// Notes which devices are of the share.
    pub(super) fn note_ours(&mut self) {
        if self.share.workers == 1 {
            return;
        }
        let mut ours = vec![0; self.state.devices.len().div_ceil(64)];
        for (device, id) in self.state.devices.iter().zip(0..) {
            let is_ours = owner(&self.state.units, device, self.share) == self.share.worker;
            ours[id / 64] |= u64::from(is_ours) << (id % 64);
        }
        self.ours = ours;
    }

    /// Drops what was found of units of other workers: they find it too.
    pub(super) fn keep_ours(&self, findings: &mut Vec<(u32, Finding)>) {
        if self.share.workers > 1 {
            let grid = |unit: UnitId| self.state.units.get(unit.index()).map(|unit| unit.grid);
            findings.retain(|(_, finding)| grid(finding.unit).is_none_or(|grid| self.share.has(grid)));
        }
    }
}

/// Which of the workers has the device: that of its unit.
pub(crate) fn owner(units: &Table<Unit>, device: &Device, share: Share) -> usize {
    units.get(device.facts.unit.index()).map_or(0, |unit| share.owner(unit.grid))
}

/// Empties the rows of other workers.
pub(super) fn keep_share(state: &mut State, share: Share) {
    if share.workers == 1 {
        return;
    }
    for id in 0..state.devices.len() {
        let device = state.devices.get(id).expect("within the table");
        if owner(&state.units, device, share) != share.worker {
            let empty = absent_device(device);
            *state.devices.get_mut(id).expect("within the table") = empty;
        }
    }
    state.outages.retain(|key, _| share.has(key.village));
    state.gaps_told.retain(|village, _| share.has(*village));
    for id in 0..state.units.len() {
        let unit = state.units.get(id).expect("within the table");
        if !share.has(unit.grid) {
            let empty = absent_unit(unit);
            *state.units.get_mut(id).expect("within the table") = empty;
        }
    }
    state.trends.keep(|grid| share.has(grid));
}

/// The states of all workers as one. They are of one commit.
pub(crate) fn joined(states: Vec<State>) -> State {
    let workers = states.len();
    let share = Share { worker: 0, workers };
    let Some(first) = states.first().filter(|_| workers > 1) else {
        return states.into_iter().next().unwrap_or_default();
    };
    let (mut devices, mut units) = (Table::default(), Table::default());
    for (device, id) in first.devices.iter().zip(0..) {
        let of = &states[owner(&first.units, device, share)];
        devices.push(of.devices.get(id).expect("all workers have the same devices").clone());
    }
    for (unit, id) in first.units.iter().zip(0..) {
        let of = &states[share.owner(unit.grid)];
        units.push(of.units.get(id).expect("all workers have the same units").clone());
    }
    // every field by name: a new one must be thought of here
    let State {
        layout,
        rules,
        rules_epoch,
        epoch,
        at_ms,
        deaf,
        roster,
        devices: _,
        units: _,
        sweep,
        trends: _,
        outages: _,
        gaps_told: _,
    } = first.clone();
    let (mut outages, mut gaps_told) = (BTreeMap::new(), BTreeMap::new());
    for state in &states {
        outages.extend(state.outages.clone());
        gaps_told.extend(state.gaps_told.clone());
    }
    let trends = Trends::joined(states.into_iter().map(|state| state.trends));
    State { layout, rules, rules_epoch, epoch, at_ms, deaf, roster, devices, units, sweep, trends, outages, gaps_told }
}

/// A row for a device of another worker.
fn absent_device(device: &Device) -> Device {
    let mut facts = device.facts.clone();
    (facts.current, facts.silent) = (false, true);
    (facts.last_ms, facts.lost_said_ms, facts.test_ms, facts.muted_ms) = (0, 0, 0, 0);
    Device { facts, holding: 0, armed_ms: NEVER, falses: 0, memory: Memory::default() }
}

/// A row for a unit of another worker.
fn absent_unit(unit: &Unit) -> Unit {
    Unit::new(unit.grid, unit.since_ms)
}
