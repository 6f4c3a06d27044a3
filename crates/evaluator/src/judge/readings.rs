//! Measured values: nearly all that comes, and nearly all of it changes nothing.

use model::{DeviceId, Reading};
use smallvec::SmallVec;

use super::Judge;
use crate::rule::{Sample, Scene};
use crate::state::{Device, NEVER};

/// Readings whose rows are looked at together.
const AHEAD: usize = 96;

fn look_at(rows: &[&Device]) {
    let seen = rows.iter().fold(0, |seen, row| seen ^ row.facts.last_ms ^ row.armed_ms ^ row.memory.place());
    let seen = rows.iter().fold(seen, |seen, row| seen ^ row.memory.look());
    std::hint::black_box(seen);
}

impl Judge {
    /// Takes in the readings of a commit.
    pub(super) fn readings(&mut self, readings: &[Reading]) {
        for few in readings.chunks(AHEAD) {
            self.look_ahead(few);
            for of_one in few.chunk_by(|a, b| a.device == b.device) {
                if self.is_ours(of_one[0].device) {
                    self.readings_of_one(of_one);
                } else {
                    self.draft.place += of_one.len() as u32;
                }
            }
        }
    }

    /// Looks at all that the next readings will need. A city's devices do not fit into the processor's caches: asked for
    /// together, their rows come together and not one after the other; then all that the rows lead to.
    fn look_ahead(&self, readings: &[Reading]) {
        let of_each = readings.chunk_by(|a, b| a.device == b.device).map(|of_one| of_one[0].device);
        let ours = of_each.filter(|device| self.is_ours(*device));
        let rows = ours.filter_map(|device| self.state.devices.get(device.index()));
        let rows: SmallVec<[&Device; AHEAD]> = rows.collect();
        look_at(&rows);
    }

    /// The same for the devices whose timers are due.
    pub(super) fn look_at_due(&mut self, now_ms: u64) {
        let mut rows: SmallVec<[&Device; AHEAD]> = SmallVec::new();
        for id in self.timers.due(now_ms) {
            rows.extend(self.state.devices.get(id.index()));
            if rows.len() == AHEAD {
                look_at(&rows);
                rows.clear();
            }
        }
        look_at(&rows);
    }

    /// Takes in readings of one device; at least one.
    fn readings_of_one(&mut self, mut readings: &[Reading]) {
        while let Some(first) = readings.first() {
            let id = first.device;
            let Some(device) = self.state.devices.get(id.index()).filter(|device| device.facts.current) else {
                self.draft.strangers += readings.len() as u64;
                self.draft.place += readings.len() as u32;
                return;
            };
            if device.facts.silent {
                self.heard(id, first.at_ms);
            }
            let (taken, wake_ms) = self.take(id, readings);
            self.draft.place += taken as u32 - 1;
            if wake_ms != NEVER || !self.told.is_empty() {
                self.follow(id, wake_ms);
            }
            self.draft.place += 1;
            readings = &readings[taken..];
        }
    }

    /// Gives readings of one device to the rules, up to the first that a rule has something to say about. How many those
    /// were, at least one, and when the device wants to be asked again.
    fn take(&mut self, id: DeviceId, readings: &[Reading]) -> (usize, u64) {
        let Judge { state, rules, told, .. } = self;
        let Device { facts, holding, memory, .. } =
            state.devices.get_mut(id.index()).expect("it was there a moment ago");
        for (reading, taken) in readings.iter().zip(1..) {
            let at_ms = facts.last_ms.max(reading.at_ms);
            facts.last_ms = at_ms;
            if !reading.value.is_finite() {
                continue;
            }
            let sample = Sample { quantity: reading.quantity, value: reading.value, at_ms };
            let mut scene = Scene {
                now_ms: state.at_ms,
                device: facts,
                deaf: &state.deaf,
                holding: *holding,
                base: 0,
                told,
                wake_ms: NEVER,
            };
            memory.reading(rules.settings(), sample, &mut scene);
            let wake_ms = scene.wake_ms;
            if wake_ms != NEVER || !told.is_empty() {
                return (taken, wake_ms);
            }
        }
        (readings.len(), NEVER)
    }
}
