//! Hours in which nothing burns: what the recordings show before ignition, looped, and a library of nuisances.

use anyhow::Result;
use evaluator::Rules;
use model::Quantity;

use super::library::{Case, Day, Dice};
use super::play::{Found, Play, Sample};
use super::recordings::{Recording, Sensor};

/// What came of detectors that saw no fire.
#[derive(Debug, Clone)]
pub struct Segment {
    pub name: String,
    pub kit: &'static str,
    pub every_s: f32,
    pub device_days: f64,
    /// What devices of these quantities cannot tell from a fire.
    pub beyond: bool,
    pub readings: u64,
    pub found: Vec<Found>,
}

impl Segment {
    /// False alerts: openings of an alert of the family fire.
    pub fn alerts(&self) -> usize {
        self.found.iter().filter(|found| found.opens).count()
    }

    pub fn warnings(&self) -> usize {
        self.found.iter().filter(|found| !found.fire).count()
    }
}

/// Devices of one play of looped recordings.
const DEVICES: usize = 128;

/// Every stretch before ignition, looped for hours with noise: each sensor a device in a unit of its own.
pub fn before_ignition(recordings: &[Recording], hours: f64, rules: &Rules) -> Result<Vec<Segment>> {
    let quiet = |sensor: &Sensor| {
        let samples = sensor.samples.iter().take_while(|(at_ms, _)| *at_ms < 0);
        let values: Vec<f32> = samples.map(|(_, value)| *value).collect();
        (values.len() >= 60).then_some((sensor.quantity, values))
    };
    let sensors = recordings.iter().flat_map(|recording| &recording.sensors);
    let series: Vec<(Quantity, Vec<f32>)> = sensors.filter_map(quiet).collect();
    let mut segments = Vec::new();
    for (number, series) in series.chunks(DEVICES).enumerate() {
        let unit_of: Vec<u32> = (0..series.len() as u32).collect();
        let mut play = Play::new(&unit_of, 60, rules)?;
        let mut dice = Dice(number as u64 + 1);
        let seconds = (hours * 3600.0) as i64;
        let mut moment: Vec<Sample> = Vec::new();
        for at_s in 0..seconds {
            moment.clear();
            for ((quantity, values), device) in series.iter().zip(0_u32..) {
                let place = looped(at_s as usize, values.len(), device % 2 == 0);
                moment.push((at_s * 1000, device, *quantity, values[place] + 0.1 * dice.roll()));
            }
            play.moment(at_s * 1000, &moment);
        }
        segments.push(Segment {
            name: "before ignition, looped".into(),
            kit: "heat",
            every_s: 1.0,
            beyond: false,
            device_days: series.len() as f64 * seconds as f64 / 86_400.0,
            readings: play.readings,
            found: play.found,
        });
    }
    Ok(segments)
}

/// Rise of a thermocouple by which a fire is under way, K.
const UNDER_WAY_K: f32 = 1.0;
/// Rows that are enough to loop.
const ROWS: usize = 10;

/// Homes until the first thermocouple under a ceiling rises by a kelvin, looped for hours, each home a unit with one device a
/// room: the real noise of smoke meters and gas analysers.
pub fn before_the_first_kelvin(recordings: &[Recording], hours: f64, rules: &Rules) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for recording in recordings.iter().filter(|recording| !recording.alarms.is_empty()) {
        let sensors: Vec<&Sensor> = recording.sensors.iter().filter(|sensor| sensor.ceiling).collect();
        let risen = |sensor: &&Sensor| {
            let first = sensor.samples.first()?.1;
            let risen = sensor.samples.iter().position(|(_, value)| (value - first).abs() >= UNDER_WAY_K);
            (sensor.quantity == Quantity::TemperatureC).then_some(risen?.saturating_sub(2))
        };
        let rows = sensors.iter().filter_map(risen).min().unwrap_or(0);
        if rows < ROWS {
            continue;
        }
        let mut places: Vec<&str> = sensors.iter().map(|sensor| sensor.place.as_str()).collect();
        places.sort_unstable();
        places.dedup();
        let device = |sensor: &Sensor| places.iter().position(|place| *place == sensor.place).unwrap_or(0) as u32;
        let mut play = Play::new(&vec![0; places.len()], 60, rules)?;
        let mut moment: Vec<Sample> = Vec::new();
        let count = (hours * 1800.0) as i64;
        for at in 0..count {
            moment.clear();
            let place = looped(at as usize, rows, false);
            for sensor in &sensors {
                let value = sensor.samples.get(place).map_or(0.0, |(_, value)| *value);
                moment.push((at * 2000, device(sensor), sensor.quantity, value));
            }
            moment.sort_by_key(|sample| sample.1);
            play.moment(at * 2000, &moment);
        }
        segments.push(Segment {
            name: "homes before the first kelvin, looped".into(),
            kit: "heat, smoke, CO",
            every_s: 2.0,
            beyond: false,
            device_days: places.len() as f64 * count as f64 / 43_200.0,
            readings: play.readings,
            found: play.found,
        });
    }
    Ok(segments)
}

/// Place in a series that is played again and again, forwards, or forwards and backwards.
fn looped(at: usize, len: usize, forwards: bool) -> usize {
    let within = at % (2 * len);
    match (forwards, within < len) {
        (true, _) | (false, true) => within % len,
        (false, false) => 2 * len - 1 - within,
    }
}

const SMOKE: &[Quantity] = &[Quantity::SmokeDbM];
const HEAT_SMOKE: &[Quantity] = &[Quantity::TemperatureC, Quantity::SmokeDbM];
const ALL: &[Quantity] = &[Quantity::TemperatureC, Quantity::CoPpm, Quantity::HumidityPct, Quantity::SmokeDbM];

/// What a detector measures.
pub const KITS: [(&str, &[Quantity]); 3] = [("smoke", SMOKE), ("heat+smoke", HEAT_SMOKE), ("all four", ALL)];

/// Seconds between samples, and detectors of each case and kit.
pub const PACES: [(f32, u32); 4] = [(1.0, 2), (5.0, 8), (10.0, 20), (60.0, 50)];

/// The library: every case for each kit at several paces, a day each, `scale` times as many detectors.
pub fn nuisances(paces: &[(f32, u32)], scale: f64, rules: &Rules) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for case in Case::ALL {
        for (kit, quantities) in KITS {
            for &(every_s, detectors) in paces {
                let detectors = ((f64::from(detectors) * scale).ceil() as u32).max(1);
                segments.push(day(case, kit, quantities, every_s, detectors, rules)?);
            }
        }
    }
    Ok(segments)
}

fn day(
    case: Case,
    kit: &'static str,
    quantities: &[Quantity],
    every_s: f32,
    detectors: u32,
    rules: &Rules,
) -> Result<Segment> {
    let unit_of: Vec<u32> = (0..detectors).collect();
    let mut play = Play::new(&unit_of, 60, rules)?;
    let mut days: Vec<Day> = (0..detectors).map(|detector| Day::new(case, u64::from(detector) * 31 + 7)).collect();
    let mut moment: Vec<Sample> = Vec::new();
    let count = (86_400.0 / every_s) as i64;
    for at in 0..count {
        let at_s = at as f32 * every_s;
        let at_ms = (f64::from(every_s) * at as f64 * 1000.0) as i64;
        moment.clear();
        for (day, device) in days.iter_mut().zip(0..) {
            if let Some(air) = day.at(at_s) {
                moment.extend(quantities.iter().map(|quantity| (at_ms, device, *quantity, air.of(*quantity))));
            }
        }
        play.moment(at_ms, &moment);
    }
    let (device_days, readings) = (f64::from(detectors), play.readings);
    let beyond = case.is_beyond(quantities);
    Ok(Segment { name: case.word().into(), kit, every_s, device_days, beyond, readings, found: play.found })
}
