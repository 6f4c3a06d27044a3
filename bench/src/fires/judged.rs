//! What the judge makes of each recording, as it is and changed.

use anyhow::Result;
use evaluator::Rules;
use model::Quantity;

use super::change::{Change, Layout};
use super::play::{Found, Play};
use super::recordings::{Kind, Principle, Recording, Sensor};

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

/// Plays recordings; those that the layout has sensors of.
pub fn all(recordings: &[Recording], layout: Layout, change: Change, rules: &Rules) -> Result<Vec<Verdict>> {
    recordings.iter().filter_map(|recording| judge(recording, layout, change, rules).transpose()).collect()
}

/// Plays a recording; `None` where the layout has no sensors of it.
pub fn judge(recording: &Recording, layout: Layout, change: Change, rules: &Rules) -> Result<Option<Verdict>> {
    let (all, devices) = change.samples(recording, layout);
    if all.is_empty() {
        return Ok(None);
    }
    let mut play = Play::new(&vec![0; devices], 60, rules)?;
    play.run(&all);
    let seconds = |at_ms: i64| at_ms as f64 / 1000.0;
    let first = |wanted: &dyn Fn(&Found) -> bool| play.found.iter().find(|found| found.at_ms >= 0 && wanted(found));
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
        ion_s: recording.first_s(Principle::Ionisation).map(|at_s| at_s * change.slower),
        photo_s: recording.first_s(Principle::Photoelectric).map(|at_s| at_s * change.slower),
        early: play.found.iter().filter(|found| found.fire && found.at_ms < 0).count(),
    }))
}

/// Thermocouples alone, each in a unit of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone {
    pub sensors: usize,
    pub missed: usize,
    pub early: usize,
}

/// Each thermocouple down to 0.9 m under the ceiling, and each below that.
pub fn alone(recording: &Recording, rules: &Rules) -> Result<[Alone; 2]> {
    alone_until(recording, rules, i64::MAX)
}

/// The same, played no further than a time after ignition, ms.
pub fn alone_until(recording: &Recording, rules: &Rules, until_ms: i64) -> Result<[Alone; 2]> {
    let near = ["25 mm", "0.3 m", "0.6 m", "0.9 m"];
    let is_near = |sensor: &&Sensor| near.iter().any(|height| sensor.name.contains(height));
    let heat = recording.sensors.iter().filter(|sensor| sensor.quantity == Quantity::TemperatureC);
    let (high, low): (Vec<&Sensor>, Vec<&Sensor>) = heat.partition(is_near);
    Ok([each(&high, rules, until_ms)?, each(&low, rules, until_ms)?])
}

impl Alone {
    pub fn add(&mut self, other: Alone) {
        self.sensors += other.sensors;
        self.missed += other.missed;
        self.early += other.early;
    }
}

fn each(sensors: &[&Sensor], rules: &Rules, until_ms: i64) -> Result<Alone> {
    if sensors.is_empty() {
        return Ok(Alone::default());
    }
    let mut all = Vec::new();
    for (sensor, device) in sensors.iter().zip(0..) {
        Change::NONE.apply(sensor, device, u64::from(device), &mut all);
    }
    all.retain(|sample| sample.0 < until_ms);
    all.sort_by_key(|sample| (sample.0, sample.1));
    let unit_of: Vec<u32> = (0..sensors.len() as u32).collect();
    let mut play = Play::new(&unit_of, 60, rules)?;
    play.run(&all);
    let of = |unit: u32| play.found.iter().filter(move |found| found.fire && found.unit == unit);
    let missed = unit_of.iter().filter(|unit| !of(**unit).any(|found| found.at_ms >= 0)).count();
    let early = unit_of.iter().filter(|unit| of(**unit).any(|found| found.at_ms < 0)).count();
    Ok(Alone { sensors: sensors.len(), missed, early })
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
