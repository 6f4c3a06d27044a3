//! A new roster, and new rules.

use model::roster::{self, Roster};
use model::{DeviceId, Entry, Step, UnitId};

use super::{Counted, Delta, Judge};
use crate::rule::{Memory, Note, Told, words};
use crate::rules::Rules;
use crate::state::{Device, Facts, NEVER, Unit};

impl Judge {
    /// Takes in what changes the world before anything is judged in it.
    pub(super) fn adopt(&mut self, step: &Step) {
        let new_rules = step.commit.entries.iter().rev().find_map(|entry| match entry {
            Entry::Rules(text) => Some(text),
            _ => None,
        });
        let new_rules = new_rules.is_some_and(|text| self.take_rules(text));
        let new_roster = step.roster.version() != self.state.roster;
        if new_roster {
            self.take_roster(&step.roster);
        }
        if new_rules || new_roster {
            self.state.sweep.generation = self.state.sweep.generation.wrapping_add(1);
        }
        if new_rules {
            self.ask_anew();
        }
    }

    /// Other rules are in force. Memories and what holds stay; every device is asked at the next tick, since what rules
    /// wait for may be due earlier now, and every unit's colour follows the rules that are in force.
    fn ask_anew(&mut self) {
        let now_ms = self.state.at_ms;
        for id in (0..self.state.devices.len() as u32).map(DeviceId) {
            self.promise(id);
            if let Some(device) = self.state.devices.get_mut(id.index()).filter(|device| device.facts.current) {
                self.timers.arm(id, device, now_ms);
            }
        }
        self.draft.touched.extend(0..self.state.units.len() as u32);
    }

    /// Takes rules in; whether they are others than those in force. Every start journals its rules, mostly the same.
    fn take_rules(&mut self, text: &str) -> bool {
        if *self.state.rules == *text {
            return false;
        }
        match Rules::parse(text) {
            Ok(rules) => {
                tracing::info!(epoch = self.state.epoch, "other rules are in force");
                (self.state.rules, self.state.rules_epoch) = (text.into(), self.state.epoch);
                self.rules = rules;
                true
            }
            Err(error) => {
                tracing::error!(epoch = self.state.epoch, %error, "rules were refused; those before stay in force");
                false
            }
        }
    }

    fn take_roster(&mut self, roster: &Roster) {
        self.state.roster = roster.version();
        self.draft.adopting = true;
        for (slot, id) in roster.units().iter().zip(0..) {
            self.take_unit(UnitId(id), slot);
        }
        for (slot, id) in roster.devices().iter().zip(0..) {
            self.take_device(DeviceId(id), slot, roster);
        }
        self.draft.adopting = false;
        self.regroup();
    }

    fn take_unit(&mut self, id: UnitId, slot: &roster::Slot<roster::Unit>) {
        let current = slot.current && self.share.has(slot.row.grid);
        let Some(unit) = self.state.units.get(id.index()) else {
            self.state.units.push(Unit { current, ..Unit::new(slot.row.grid, self.state.at_ms) });
            self.draft.touched.push(id.0);
            return;
        };
        if unit.current == current && unit.grid == slot.row.grid {
            // its devices may have changed; those that did touch it
            return;
        }
        let unit = self.state.units.get_mut(id.index()).expect("it was there a moment ago");
        if let Some(from) = unit.counted().filter(|_| unit.current) {
            let to = current.then_some(Counted { grid: slot.row.grid, ..from });
            self.draft.deltas.push(Delta { from: Some(from), to });
        }
        if !current {
            (unit.colour, unit.told, unit.blind_since_ms) = (None, 0, None);
            (unit.risk, unit.risk_told) = (None, None);
        }
        (unit.current, unit.grid) = (current, slot.row.grid);
        self.draft.touched.push(id.0);
    }

    fn take_device(&mut self, id: DeviceId, slot: &roster::Slot<roster::Device>, roster: &Roster) {
        let row = &slot.row;
        let is_ours = roster.unit(row.unit).is_some_and(|unit| self.share.has(unit.grid));
        let current = slot.current && is_ours;
        let facts = |since_ms| Facts {
            unit: row.unit,
            class: row.class,
            current,
            silent: true,
            report_every_s: row.report_every_s,
            next_report_s: 0,
            since_ms,
            last_ms: 0,
            lost_said_ms: 0,
            test_ms: 0,
            muted_ms: 0,
        };
        let Some(device) = self.state.devices.get(id.index()) else {
            let facts = facts(self.state.at_ms);
            self.state.devices.push(Device {
                facts,
                holding: 0,
                armed_ms: NEVER,
                falses: 0,
                memory: Memory::default(),
            });
            self.draft.touched.push(row.unit.0);
            self.promise(id);
            return;
        };
        let known = &device.facts;
        let same = known.current == current
            && known.unit == row.unit
            && known.class == row.class
            && known.report_every_s == row.report_every_s;
        if same {
            return;
        }
        let (left, moved) = (known.unit, known.unit != row.unit || known.current != current);
        if moved {
            self.stir(id);
            self.leave(id);
            self.draft.touched.extend([left.0, row.unit.0]);
        }
        let at_ms = self.state.at_ms;
        let device = self.state.devices.get_mut(id.index()).expect("it was there a moment ago");
        if moved {
            // what it saw elsewhere says nothing about this place
            device.facts = facts(at_ms);
            device.memory = Memory::default();
            device.armed_ms = NEVER;
            device.falses = 0;
        } else {
            device.facts.class = row.class;
            device.facts.report_every_s = row.report_every_s;
        }
        self.promise(id);
    }

    /// Asks the rules when they must see the device again.
    fn promise(&mut self, id: DeviceId) {
        if self.state.devices.get(id.index()).is_some_and(|device| device.facts.current) {
            self.ask(id, |memory, settings, scene| memory.adopted(settings, scene));
        }
    }

    /// Ends all conditions of a device that leaves its unit.
    fn leave(&mut self, id: DeviceId) {
        let before = self.draft.findings.len();
        let holding = self.state.devices.get(id.index()).map_or(0, |device| device.holding);
        for condition in (0..64_u8).filter(|place| holding >> place & 1 == 1) {
            let told = Told { condition, holds: None, note: Note::default(), alarm: None, again: false, sign: None };
            self.found(id, told);
        }
        let unit = self.state.devices.get(id.index()).map(|device| device.facts.unit);
        if let Some(traces) = unit.and_then(|unit| self.state.units.get_mut(unit.index())?.traces.as_mut()) {
            traces.ended.retain(|ended| ended.device != id.0);
        }
        if let Some(unit) = unit {
            self.keep_signs(unit, |sign| sign.device != id.0);
        }
        let of_device = |finding: &&mut (u32, model::Finding)| finding.1.device == Some(id);
        for (_, finding) in self.draft.findings[before..].iter_mut().filter(of_device) {
            finding.evidence =
                words("设备已从名册撤下或移装到别处", "the device was taken off the roster, or moved elsewhere");
        }
    }
}

#[cfg(test)]
mod tests;
