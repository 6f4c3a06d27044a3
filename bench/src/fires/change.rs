//! How a recording is changed before it is played: what other devices, other rooms and other fires would have shown.

use std::collections::BTreeMap;

use model::Quantity;
use model::Quantity::{CoPpm, SmokeDbM, TemperatureC};

use super::library::Dice;
use super::play::Sample;
use super::recordings::{Recording, Sensor};

/// How a recording's sensors under the ceiling become devices of a unit.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub name: &'static str,
    /// One device for each room or quadrant with all that is measured there; else one for each sensor.
    pub by_room: bool,
    /// What the devices publish.
    pub quantities: &'static [Quantity],
    /// Two such devices in each room, each with noise of its own.
    pub twins: bool,
}

impl Layout {
    pub const COMBINED: Layout =
        Layout { name: "one device a room", by_room: true, quantities: &[TemperatureC, SmokeDbM, CoPpm], twins: false };

    pub const OTHERS: [Layout; 7] = [
        Layout { name: "one device a sensor", by_room: false, ..Layout::COMBINED },
        Layout { name: "two devices a room", twins: true, ..Layout::COMBINED },
        Layout { name: "temperature alone", quantities: &[TemperatureC], ..Layout::COMBINED },
        Layout { name: "smoke alone", quantities: &[SmokeDbM], ..Layout::COMBINED },
        Layout { name: "CO alone", quantities: &[CoPpm], ..Layout::COMBINED },
        Layout { name: "temperature and smoke", quantities: &[TemperatureC, SmokeDbM], ..Layout::COMBINED },
        Layout { name: "smoke and CO", quantities: &[SmokeDbM, CoPpm], ..Layout::COMBINED },
    ];
}

/// How a recording is changed. Of a triple: temperature in K, smoke in dB/m, carbon monoxide in ppm.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    pub name: &'static str,
    /// Samples no nearer than this, s; 0 as recorded.
    pub every_s: i64,
    /// Share of samples that are missing.
    pub missing: f32,
    /// Uniform noise, up to.
    pub noise: [f32; 3],
    pub offset: [f32; 3],
    /// Steps of values, 0 for none.
    pub quantum: [f32; 3],
    pub drift_k_h: f32,
    /// The fire lasts so many times as long.
    pub slower: f64,
    /// Smoke and carbon monoxide are so many times as dense.
    pub dense: f32,
    /// What is before is not heard, s after ignition.
    pub from_s: i64,
    /// Nothing is heard from so many s after ignition on, for so many s.
    pub silent_s: (i64, i64),
    /// Each tenth sample comes again at once.
    pub twice: bool,
    /// Each tenth sample comes so much later, after others, s.
    pub late_s: i64,
}

const NOISE: [f32; 3] = [0.5, 0.02, 1.0];
const STEPS: [f32; 3] = [1.0, 0.05, 1.0];

impl Change {
    pub const NONE: Change = Change {
        name: "as recorded",
        every_s: 0,
        missing: 0.0,
        noise: [0.0; 3],
        offset: [0.0; 3],
        quantum: [0.0; 3],
        drift_k_h: 0.0,
        slower: 1.0,
        dense: 1.0,
        from_s: i64::MIN / 1_000_000,
        silent_s: (0, 0),
        twice: false,
        late_s: 0,
    };

    /// What is always looked at.
    pub const FEW: [Change; 5] = [
        Change { name: "each 5 s", every_s: 5, ..Change::NONE },
        Change { name: "each 10 s", every_s: 10, ..Change::NONE },
        Change { name: "each 60 s", every_s: 60, ..Change::NONE },
        Change { name: "noise 0.5 K, 0.02 dB/m, 1 ppm", noise: NOISE, ..Change::NONE },
        Change { name: "a third of the samples missing", missing: 0.33, ..Change::NONE },
    ];

    pub const ALL: [Change; 30] = [
        Change { name: "each 2 s", every_s: 2, ..Change::NONE },
        Change { name: "each 5 s", every_s: 5, ..Change::NONE },
        Change { name: "each 10 s", every_s: 10, ..Change::NONE },
        Change { name: "each 15 s", every_s: 15, ..Change::NONE },
        Change { name: "each 20 s", every_s: 20, ..Change::NONE },
        Change { name: "each 30 s", every_s: 30, ..Change::NONE },
        Change { name: "each 60 s", every_s: 60, ..Change::NONE },
        Change { name: "a third of the samples missing", missing: 0.33, ..Change::NONE },
        Change { name: "noise 0.5 K, 0.02 dB/m, 1 ppm", noise: NOISE, ..Change::NONE },
        Change { name: "steps of 1 K, 0.05 dB/m, 1 ppm", quantum: STEPS, ..Change::NONE },
        Change { name: "smoke zero +0.06 dB/m", offset: [0.0, 0.06, 0.0], ..Change::NONE },
        Change { name: "smoke zero +0.25 dB/m", offset: [0.0, 0.25, 0.0], ..Change::NONE },
        Change { name: "smoke zero -0.05 dB/m", offset: [0.0, -0.05, 0.0], ..Change::NONE },
        Change { name: "5 K warmer", offset: [5.0, 0.0, 0.0], ..Change::NONE },
        Change { name: "10 K colder", offset: [-10.0, 0.0, 0.0], ..Change::NONE },
        Change { name: "CO zero +5 ppm", offset: [0.0, 0.0, 5.0], ..Change::NONE },
        Change { name: "drift 2 K/h", drift_k_h: 2.0, ..Change::NONE },
        Change { name: "drift -2 K/h", drift_k_h: -2.0, ..Change::NONE },
        Change { name: "half as fast", slower: 2.0, ..Change::NONE },
        Change { name: "twice as fast", slower: 0.5, ..Change::NONE },
        Change { name: "0.6 of the smoke and CO", dense: 0.6, ..Change::NONE },
        Change { name: "1.5 of the smoke and CO", dense: 1.5, ..Change::NONE },
        Change { name: "first heard at ignition", from_s: 0, ..Change::NONE },
        Change { name: "first heard 20 s after ignition", from_s: 20, ..Change::NONE },
        Change { name: "first heard 40 s after ignition", from_s: 40, ..Change::NONE },
        Change { name: "silent for a minute before ignition", silent_s: (-70, 60), ..Change::NONE },
        Change { name: "silent for a minute from ignition on", silent_s: (0, 60), ..Change::NONE },
        Change { name: "each tenth sample twice", twice: true, ..Change::NONE },
        Change { name: "each tenth sample 5 s late, out of order", late_s: 5, ..Change::NONE },
        Change {
            name: "each 5 s, a third missing, noise, steps, 0.6 of the smoke",
            every_s: 5,
            missing: 0.33,
            noise: NOISE,
            quantum: STEPS,
            dense: 0.6,
            ..Change::NONE
        },
    ];

    /// A time of the recording in the changed one, ms.
    pub fn time(&self, at_ms: i64) -> i64 {
        if at_ms > 0 { (at_ms as f64 * self.slower) as i64 } else { at_ms }
    }

    fn value(&self, quantity: Quantity, value: f32, at_ms: i64, roll: f32) -> f32 {
        let place = match quantity {
            TemperatureC => 0,
            SmokeDbM => 1,
            _ => 2,
        };
        let dense = if place == 0 { 1.0 } else { self.dense };
        let drift = if place == 0 { self.drift_k_h * at_ms as f32 / 3_600_000.0 } else { 0.0 };
        let value = value * dense + self.noise[place] * roll + self.offset[place] + drift;
        let step = self.quantum[place];
        if step > 0.0 { (value / step).round() * step } else { value }
    }

    /// Adds a sensor's samples.
    pub fn apply(&self, sensor: &Sensor, device: u32, seed: u64, all: &mut Vec<Sample>) {
        let mut dice = Dice(seed * 7919 + 1);
        let mut due_ms = i64::MIN;
        let silent_ms = self.silent_s.0 * 1000..(self.silent_s.0 + self.silent_s.1) * 1000;
        for ((at_ms, value), number) in sensor.samples.iter().zip(0_u64..) {
            let is_missing = dice.between(0.0, 1.0) < self.missing;
            let roll = dice.roll();
            let at_ms = self.time(*at_ms);
            if at_ms < due_ms || is_missing || at_ms < self.from_s * 1000 || silent_ms.contains(&at_ms) {
                continue;
            }
            due_ms = at_ms + self.every_s * 1000;
            let sample = |at_ms| (at_ms, device, sensor.quantity, self.value(sensor.quantity, *value, at_ms, roll));
            let tenth = number % 10 == 7;
            all.push(sample(if tenth { at_ms + self.late_s * 1000 } else { at_ms }));
            if tenth && self.twice {
                all.push(sample(at_ms));
            }
        }
    }

    /// Samples of a recording in order of time, and how many devices they are of; none where the layout has no sensors of it.
    pub fn samples(&self, recording: &Recording, layout: Layout) -> (Vec<Sample>, usize) {
        let wanted = |sensor: &&Sensor| sensor.ceiling && layout.quantities.contains(&sensor.quantity);
        let mut places: BTreeMap<(u8, String), u32> = BTreeMap::new();
        let mut all: Vec<Sample> = Vec::new();
        for twin in 0..if layout.twins { 2 } else { 1 } {
            for (sensor, number) in recording.sensors.iter().filter(wanted).zip(0_u64..) {
                let name = if layout.by_room { &sensor.place } else { &sensor.name };
                let next = places.len() as u32;
                let device = *places.entry((twin, name.clone())).or_insert(next);
                let change = if twin == 0 { *self } else { Change { noise: NOISE.map(|noise| noise / 5.0), ..*self } };
                change.apply(sensor, device, number + u64::from(twin) * 1000, &mut all);
            }
        }
        all.sort_by_key(|sample| (sample.0, sample.1));
        (all, places.len())
    }
}
