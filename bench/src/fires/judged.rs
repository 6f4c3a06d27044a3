//! What the judge makes of each recording, as it is and changed.

use std::collections::BTreeMap;

use anyhow::Result;
use evaluator::Rules;
use model::Quantity;

use super::library::Dice;
use super::play::{Play, Sample};
use super::recordings::{Kind, Recording, Sensor};

/// How a recording's sensors become devices of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One device for each room or quadrant, with all that is measured under its ceiling.
    Combined,
    /// One device for each sensor under the ceiling.
    Separate,
    /// As separate, temperatures alone.
    HeatAlone,
    /// As separate, smoke meters alone.
    SmokeAlone,
}

/// How a recording is changed before it is played.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    pub name: &'static str,
    pub every_s: i64,
    pub noise_k: f32,
    pub noise_db_m: f32,
    pub offset_db_m: f32,
    pub drift_k_h: f32,
    /// Steps of temperature, K; 0 for none. Of smoke, a fiftieth of that.
    pub quantum_k: f32,
    /// Share of samples that are missing.
    pub missing: f32,
}

impl Change {
    pub const NONE: Change = Change {
        name: "as recorded",
        every_s: 0,
        noise_k: 0.0,
        noise_db_m: 0.0,
        offset_db_m: 0.0,
        drift_k_h: 0.0,
        quantum_k: 0.0,
        missing: 0.0,
    };

    pub const ALL: [Change; 9] = [
        Change { name: "each 5 s", every_s: 5, ..Change::NONE },
        Change { name: "each 10 s", every_s: 10, ..Change::NONE },
        Change { name: "each 30 s", every_s: 30, ..Change::NONE },
        Change { name: "each 60 s", every_s: 60, ..Change::NONE },
        Change { name: "noise 0.3 K, 0.02 dB/m", noise_k: 0.3, noise_db_m: 0.02, ..Change::NONE },
        Change { name: "zero +0.06 dB/m, drift 2 K/h", offset_db_m: 0.06, drift_k_h: 2.0, ..Change::NONE },
        Change { name: "zero -0.05 dB/m, drift -2 K/h", offset_db_m: -0.05, drift_k_h: -2.0, ..Change::NONE },
        Change { name: "steps of 1 K and 0.02 dB/m", quantum_k: 1.0, ..Change::NONE },
        Change { name: "a third of the samples missing", missing: 0.33, ..Change::NONE },
    ];
}

/// What came of one recording; times in s after ignition.
#[derive(Debug, Clone)]
pub struct Verdict {
    pub name: String,
    pub kind: Kind,
    pub found_s: Option<f64>,
    pub rule: String,
    /// The first warning (pre-alarm) before the alarm.
    pub warned_s: Option<f64>,
    /// Two devices agree.
    pub red_s: Option<f64>,
    /// The first sample at 57.2 °C or more.
    pub fixed_s: Option<f64>,
    pub ion_s: Option<f64>,
    pub photo_s: Option<f64>,
    /// Fire findings before ignition.
    pub early: usize,
}

impl Verdict {
    /// The fastest real smoke alarm.
    pub fn real_s(&self) -> Option<f64> {
        [self.ion_s, self.photo_s].into_iter().flatten().min_by(f64::total_cmp)
    }

    pub fn gain_on_fixed_s(&self) -> Option<f64> {
        Some(self.fixed_s? - self.found_s?)
    }

    pub fn gain_on_real_s(&self) -> Option<f64> {
        Some(self.real_s()? - self.found_s?)
    }
}

/// Plays a recording; `None` where the layout has no sensors of it.
pub fn judge(recording: &Recording, layout: Layout, change: Change, rules: &Rules) -> Result<Option<Verdict>> {
    let wanted = |sensor: &&Sensor| {
        let of_layout = match layout {
            Layout::Combined | Layout::Separate => true,
            Layout::HeatAlone => sensor.quantity == Quantity::TemperatureC,
            Layout::SmokeAlone => sensor.quantity == Quantity::SmokeDbM,
        };
        sensor.ceiling && of_layout
    };
    let sensors: Vec<&Sensor> = recording.sensors.iter().filter(wanted).collect();
    let mut places = BTreeMap::new();
    let mut all: Vec<Sample> = Vec::new();
    for (number, sensor) in sensors.iter().enumerate() {
        let name = if layout == Layout::Combined { &sensor.place } else { &sensor.name };
        let next = places.len() as u32;
        let device = *places.entry(name.clone()).or_insert(next);
        changed(sensor, device, number as u64, change, &mut all);
    }
    if all.is_empty() {
        return Ok(None);
    }
    all.sort_by_key(|sample| (sample.0, sample.1));
    let mut play = Play::new(&vec![0; places.len()], 60, rules)?;
    play.run(&all);
    let seconds = |at_ms: i64| at_ms as f64 / 1000.0;
    let first = |wanted: &dyn Fn(&super::play::Found) -> bool| {
        play.found.iter().find(|found| found.at_ms >= 0 && wanted(found))
    };
    let fire = first(&|found| found.fire);
    let fixed = all
        .iter()
        .find(|(at_ms, _, quantity, value)| *at_ms >= 0 && *quantity == Quantity::TemperatureC && *value >= 57.2);
    Ok(Some(Verdict {
        name: recording.name.clone(),
        kind: recording.kind,
        found_s: fire.map(|found| seconds(found.at_ms)),
        rule: fire.map_or(String::new(), |found| found.rule.clone()),
        warned_s: first(&|found| !found.fire && found.rule == "smoke_prealarm").map(|found| seconds(found.at_ms)),
        red_s: first(&|found| found.rule == "coincidence").map(|found| seconds(found.at_ms)),
        fixed_s: fixed.map(|sample| seconds(sample.0)),
        ion_s: recording.ion_s,
        photo_s: recording.photo_s,
        early: play.found.iter().filter(|found| found.fire && found.at_ms < 0).count(),
    }))
}

fn changed(sensor: &Sensor, device: u32, seed: u64, change: Change, all: &mut Vec<Sample>) {
    let mut dice = Dice(seed * 7919 + 1);
    let mut due_ms = i64::MIN;
    for (at_ms, value) in &sensor.samples {
        let is_missing = dice.between(0.0, 1.0) < change.missing;
        let roll = dice.roll();
        if *at_ms < due_ms || is_missing {
            continue;
        }
        due_ms = at_ms + change.every_s * 1000;
        let (shift, step) = match sensor.quantity {
            Quantity::TemperatureC => {
                (change.noise_k * roll + change.drift_k_h * *at_ms as f32 / 3_600_000.0, change.quantum_k)
            }
            Quantity::SmokeDbM => (change.noise_db_m * roll + change.offset_db_m, change.quantum_k / 50.0),
            _ => (0.0, 0.0),
        };
        let value = value + shift;
        let value = if step > 0.0 { (value / step).round() * step } else { value };
        all.push((*at_ms, device, sensor.quantity, value));
    }
}

/// Each sensor under the ceiling and the three below it, alone: sensors, and those that found no fire or one too early.
pub fn alone(recording: &Recording, rules: &Rules) -> Result<(usize, usize, usize)> {
    let near = ["25 mm", "0.3 m", "0.6 m", "0.9 m"];
    let wanted = |sensor: &&Sensor| {
        sensor.quantity == Quantity::TemperatureC && near.iter().any(|height| sensor.name.contains(height))
    };
    let sensors: Vec<&Sensor> = recording.sensors.iter().filter(wanted).collect();
    if sensors.is_empty() {
        return Ok((0, 0, 0));
    }
    let mut all = Vec::new();
    for (sensor, device) in sensors.iter().zip(0..) {
        changed(sensor, device, u64::from(device), Change::NONE, &mut all);
    }
    all.sort_by_key(|sample| (sample.0, sample.1));
    let unit_of: Vec<u32> = (0..sensors.len() as u32).collect();
    let mut play = Play::new(&unit_of, 60, rules)?;
    play.run(&all);
    let of = |unit: u32| play.found.iter().filter(move |found| found.fire && found.unit == unit);
    let missed = unit_of.iter().filter(|unit| !of(**unit).any(|found| found.at_ms >= 0)).count();
    let early = unit_of.iter().filter(|unit| of(**unit).any(|found| found.at_ms < 0)).count();
    Ok((sensors.len(), missed, early))
}

/// The middle value; `None` of none.
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}
