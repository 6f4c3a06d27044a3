//! Hours with everything that is no fire: not one fire finding. More of it, and what precision follows, is told by
//! `load fires`.

use model::Quantity;

use crate::kit::{Sample, play_moments, roster};
use crate::library::{Case, Day};
use crate::recordings;

const ALL: &[Quantity] = &[Quantity::TemperatureC, Quantity::CoPpm, Quantity::HumidityPct, Quantity::SmokeDbM];
const HEAT_SMOKE: &[Quantity] = &[Quantity::TemperatureC, Quantity::SmokeDbM];

/// Samples of `devices` detectors, a day of each case at a pace.
fn days(case: Case, quantities: &[Quantity], devices: u32, every_s: f32, hours: f32, seed: u64) -> Vec<Sample> {
    let mut all = Vec::new();
    let mut days: Vec<Day> = (0..devices).map(|device| Day::new(case, seed + u64::from(device))).collect();
    for at in 0..(hours * 3600.0 / every_s) as i64 {
        let at_ms = at * (every_s * 1000.0) as i64;
        for (day, device) in days.iter_mut().zip(0..) {
            if let Some(air) = day.at(at as f32 * every_s) {
                all.extend(quantities.iter().map(|quantity| (at_ms, device, *quantity, air.of(*quantity))));
            }
        }
    }
    all
}

#[test]
fn nuisances_ring_nobody() {
    for case in Case::ALL {
        for (quantities, seed) in [(ALL, 100), (HEAT_SMOKE, 200)] {
            if case.is_beyond(quantities) {
                continue;
            }
            for (every_s, hours) in [(1.0, 1.0), (5.0, 3.0), (10.0, 6.0), (60.0, 24.0)] {
                let samples = days(case, quantities, 3, every_s, hours, seed);
                let found = play_moments(&roster(3, 3, 60), &samples);
                assert_eq!(found, [], "{} each {every_s} s, {} quantities", case.word(), quantities.len());
            }
        }
    }
}

/// Several detectors of one unit: what each shows alone must not add up to a fire.
#[test]
fn nuisances_of_several_devices_ring_nobody() {
    for case in
        [Case::Heating, Case::Cooking, Case::Incense, Case::Welding, Case::Dust, Case::PowerCycling, Case::Spikes]
    {
        let samples = days(case, HEAT_SMOKE, 3, 10.0, 12.0, 7);
        let found = play_moments(&roster(3, 1, 60), &samples);
        assert_eq!(found, [], "{}", case.word());
    }
}

#[test]
fn rooms_before_ignition_looped_ring_nobody() {
    let Some(data) = recordings::data() else {
        eprintln!("SKIPPED: FENGHUO_DATA names no folder with fires/");
        return;
    };
    for recording in recordings::all(&data).unwrap() {
        let quiet = recording.sensors.iter().filter(|sensor| sensor.ceiling && sensor.samples[0].0 < 0);
        let quiet: Vec<Vec<f32>> = quiet
            .map(|sensor| sensor.samples.iter().take_while(|(at_ms, _)| *at_ms < 0).map(|(_, value)| *value).collect())
            .collect();
        let reading = |at_s: i64, device: usize| {
            let value = quiet[device][at_s as usize % quiet[device].len()];
            (at_s * 1000, device as u32, Quantity::TemperatureC, value)
        };
        let all: Vec<Sample> = (0..400)
            .flat_map(|at_s| (0..quiet.len()).map(move |device| (at_s, device)))
            .map(|(at_s, device)| reading(at_s, device))
            .collect();
        if !all.is_empty() {
            assert_eq!(play_moments(&roster(quiet.len(), quiet.len(), 60), &all), [], "{}", recording.name);
        }
    }
}
