//! Quiet days with everything that is no fire: not one fire finding.

use model::Quantity;

use crate::kit::{Dice, Sample, play, roster};

/// Samples of `devices` detectors each `every_s` for `hours`.
fn days(
    devices: u32,
    every_s: i64,
    hours: i64,
    seed: u64,
    temperature: impl Fn(f32) -> f32,
    smoke: impl Fn(f32) -> f32,
) -> Vec<Sample> {
    let mut dice = Dice(seed);
    let mut since_wrong = vec![0; devices as usize];
    let mut all = Vec::new();
    for at_s in (0..hours * 3600).step_by(every_s as usize) {
        for device in 0..devices {
            let t = at_s as f32;
            let since = &mut since_wrong[device as usize];
            *since += 1;
            let is_wrong = *since > 5 && dice.roll() > 0.999;
            *since = if is_wrong { 0 } else { *since };
            let off = if is_wrong { 80.0 * dice.roll() } else { 0.0 };
            all.push((at_s * 1000, device, Quantity::TemperatureC, temperature(t) + off + 0.3 * dice.roll()));
            all.push((at_s * 1000, device, Quantity::SmokeDbM, (smoke(t) + 0.02 * dice.roll()).max(0.0)));
        }
    }
    all
}

fn ramp(at_s: f32, from_s: f32, for_s: f32, rate_k_min: f32) -> f32 {
    (at_s - from_s).clamp(0.0, for_s) * rate_k_min / 60.0
}

#[test]
fn quiet_days_ring_nobody() {
    for (every_s, hours) in [(1, 2), (5, 6), (10, 12), (30, 24), (60, 24)] {
        let day = |t: f32| 22.0 + 7.0 * (t / 86_400.0 * std::f32::consts::TAU).sin();
        // the heating comes on at 2 to 4 K/min again and again; the sun at 3
        let temperature = |t: f32| {
            let hour = (t / 3600.0).floor();
            let rate = 2.0 + hour % 3.0;
            let within = t - hour * 3600.0;
            day(t) + ramp(within, 300.0, 240.0, rate) - ramp(within, 900.0, 2400.0, rate * 0.1)
        };
        // cooking: peaks of eight seconds; steam and dust: half of the threshold
        let smoke = |t: f32| match t % 1800.0 {
            300.0..=307.0 => 0.4,
            900.0..=1500.0 => 0.07,
            _ => 0.01,
        };
        let found = play(&roster(3, 3, 60), &days(3, every_s, hours, 11, temperature, smoke));
        assert_eq!(found, [], "each {every_s} s");
    }
}
