//! Recordings of real fires at their own pace. The folder of recordings is told by `FENGHUO_DATA`; without it these tests
//! say that they were skipped.

use model::Quantity;

use crate::kit::{Dice, Fire, Sample, play, roster};
use crate::recordings::{self, Kind, Recording, Sensor};

fn recorded(wanted: impl Fn(Kind) -> bool) -> Vec<Recording> {
    let Some(data) = recordings::data() else {
        eprintln!("SKIPPED: FENGHUO_DATA names no folder with fires/");
        return Vec::new();
    };
    let mut all = recordings::all(&data).unwrap();
    all.retain(|recording| wanted(recording.kind));
    all
}

fn compartments() -> Vec<Recording> {
    recorded(|kind| kind != Kind::Home)
}

/// How a recording is changed before it is played.
#[derive(Debug, Clone, Copy)]
struct Change {
    every_s: i64,
    noise_k: f32,
    /// Of a thousand samples, so many are wrong by up to 60 K, none next to another.
    wrong: u32,
    drift_k_h: f32,
}

const AS_IT_IS: Change = Change { every_s: 1, noise_k: 0.0, wrong: 0, drift_k_h: 0.0 };

/// Sensors as devices 0, 1, 2…, in order of time; those for which `device_of` says the same are one device.
fn samples<'a>(sensors: impl Iterator<Item = (u32, &'a Sensor)>, change: Change) -> Vec<Sample> {
    let mut all = Vec::new();
    for (device, sensor) in sensors {
        let mut dice = Dice(u64::from(device) * 7919 + sensor.name.len() as u64);
        let mut due_ms = i64::MIN;
        let mut since_wrong = 0;
        for (at_ms, value) in &sensor.samples {
            if *at_ms < due_ms {
                continue;
            }
            due_ms = at_ms + change.every_s * 1000;
            since_wrong += 1;
            let is_wrong = since_wrong > 3 && (dice.roll() + 1.0) * 500.0 < change.wrong as f32;
            let off = if is_wrong { 60.0 * dice.roll() } else { 0.0 };
            since_wrong = if is_wrong { 0 } else { since_wrong };
            let drift = change.drift_k_h * *at_ms as f32 / 3_600_000.0;
            let heat = if sensor.quantity == Quantity::TemperatureC { 1.0 } else { 0.0 };
            let value = value + heat * (off + drift + change.noise_k * dice.roll());
            all.push((*at_ms, device, sensor.quantity, value));
        }
    }
    all.sort_by_key(|sample| (sample.0, sample.1));
    all
}

fn ceiling(recording: &Recording) -> impl Iterator<Item = &Sensor> {
    recording.sensors.iter().filter(|sensor| sensor.ceiling)
}

/// Seconds from ignition to the first fire finding; panics when there is none, or one before.
fn detected_s(what: &str, found: &[Fire]) -> f64 {
    let first = found.first().unwrap_or_else(|| panic!("{what}: no fire was found"));
    assert!(first.0 >= 0, "{what}: {first:?} before ignition");
    first.0 as f64 / 1000.0
}

fn first_s(found: &[Fire], rule: &str) -> f64 {
    found.iter().find(|fire| fire.1 == rule).map_or(f64::NAN, |fire| fire.0 as f64 / 1000.0)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn every_compartment_fire_is_found_and_none_before_ignition() {
    let mut gains = Vec::new();
    for recording in compartments() {
        let all = samples((0..).zip(ceiling(&recording)), AS_IT_IS);
        let found = play(&roster(ceiling(&recording).count(), 1, 60), &all);
        let at_s = detected_s(&recording.name, &found);
        let (fixed_s, red_s) = (first_s(&found, "heat_fixed"), first_s(&found, "coincidence"));
        let name = &recording.name;
        eprintln!("{name:<24} {at_s:>5.0} s by {:<10} fixed {fixed_s:>5.0} s, red {red_s:>5.0} s", found[0].1);
        assert!(!red_s.is_nan(), "{name}: two detectors, and no coincidence");
        if recording.kind == Kind::Furniture {
            gains.push(fixed_s - at_s);
        }
    }
    if !gains.is_empty() {
        let least = gains.iter().copied().fold(f64::INFINITY, f64::min);
        eprintln!("furniture: median {:.0} s before the fixed temperature, least {least:.0} s", median(gains.clone()));
        assert!(median(gains) >= 30.0);
    }
}

#[test]
fn compartment_fires_are_found_at_other_paces_with_noise_and_drift() {
    let changes = [
        Change { every_s: 1, noise_k: 0.3, wrong: 10, drift_k_h: 0.0 },
        Change { every_s: 5, noise_k: 0.3, wrong: 0, drift_k_h: 2.0 },
        Change { every_s: 10, noise_k: 0.3, wrong: 10, drift_k_h: -2.0 },
        Change { every_s: 60, noise_k: 0.3, wrong: 0, drift_k_h: 0.0 },
    ];
    let recordings = compartments();
    for change in changes {
        let mut all = Vec::new();
        for recording in &recordings {
            let samples = samples((0..).zip(ceiling(recording)), change);
            let found = play(&roster(ceiling(recording).count(), 1, 60), &samples);
            all.push(detected_s(&format!("{} {change:?}", recording.name), &found));
        }
        if !all.is_empty() {
            eprintln!("{change:?}: median {:.0} s", median(all));
        }
    }
}

#[test]
fn one_detector_alone_finds_the_fire_at_any_height_and_is_quiet_before() {
    let near = ["25 mm", "0.3 m", "0.6 m", "0.9 m"];
    let mut played = 0;
    for recording in compartments() {
        let wanted = |sensor: &&Sensor| near.iter().any(|height| sensor.name.contains(height));
        let sensors: Vec<&Sensor> = recording.sensors.iter().filter(wanted).collect();
        // each in a unit of its own
        let all = samples((0..).zip(sensors.iter().copied()), AS_IT_IS);
        let found = play(&roster(sensors.len(), sensors.len(), 60), &all);
        for (sensor, device) in sensors.iter().zip(0..) {
            let of_device: Vec<Fire> = found.iter().filter(|fire| fire.2 == Some(device)).cloned().collect();
            detected_s(&format!("{} {}", recording.name, sensor.name), &of_device);
            played += 1;
        }
    }
    eprintln!("{played} detectors, each alone");
}

/// Of rooms with smoke meters: in the median not later than the fastest real alarm, whether a room has one device for all
/// quantities or one for each.
#[test]
fn home_fires_are_found_not_later_than_by_the_fastest_real_alarm() {
    let homes = recorded(|kind| kind == Kind::Home);
    for is_combined in [true, false] {
        let mut gains = Vec::new();
        for recording in &homes {
            let mut places: Vec<&str> = Vec::new();
            let mut device = |sensor: &Sensor| -> u32 {
                let name = if is_combined { &sensor.place } else { &sensor.name };
                let place = recording.sensors.iter().find(|other| other.name == *name || other.place == *name);
                let name = place.map_or("", |other| if is_combined { &other.place } else { &other.name });
                let known = places.iter().position(|known| *known == name);
                known.unwrap_or_else(|| {
                    places.push(name);
                    places.len() - 1
                }) as u32
            };
            let all = samples(ceiling(recording).map(|sensor| (device(sensor), sensor)), AS_IT_IS);
            let found = play(&roster(ceiling(recording).count(), 1, 60), &all);
            let at_s = detected_s(&recording.name, &found);
            let real_s = recording.fastest_s().unwrap_or(f64::NAN);
            eprintln!("{:<8} {at_s:>5.0} s by {:<12} real alarm {real_s:>5.0} s", recording.name, found[0].1);
            if !real_s.is_nan() {
                gains.push(real_s - at_s);
            }
        }
        if !gains.is_empty() {
            assert!(median(gains) >= 0.0, "combined: {is_combined}");
        }
    }
}
