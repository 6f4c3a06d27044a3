//! Series made here: what a fire looks like and what only resembles one.

use super::*;
use crate::rule::Told;
use crate::state::Facts;

/// A generator that is the same everywhere.
struct Dice(u64);

impl Dice {
    /// Uniform in -1..1.
    fn roll(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

fn facts() -> Facts {
    Facts {
        unit: model::UnitId(0),
        class: model::roster::DeviceClass::Heat,
        current: true,
        silent: false,
        report_every_s: 60,
        next_report_s: 0,
        since_ms: 0,
        last_ms: 0,
        lost_said_ms: 0,
        test_ms: 0,
        muted_ms: 0,
    }
}

/// Seconds at which the condition began, for samples each `every_s`.
fn begins(every_s: f32, for_s: f32, mut temperature: impl FnMut(f32) -> f32) -> Vec<f32> {
    let (settings, device, mut memory) = (Settings::default(), facts(), Memory::default());
    let mut holding = 0;
    let mut found = Vec::new();
    let mut at_s = 0.0;
    while at_s <= for_s {
        let at_ms = 1_763_798_400_000 + (at_s * 1000.0) as u64;
        let mut told: Vec<Told> = Vec::new();
        let mut scene = Scene {
            now_ms: at_ms,
            device: &device,
            deaf: &Default::default(),
            holding,
            base: 0,
            told: &mut told,
            wake_ms: 0,
        };
        let sample = Sample { quantity: Quantity::TemperatureC, value: temperature(at_s), at_ms };
        HeatRise::reading(&settings, &mut memory, sample, &mut scene);
        holding = scene.holding;
        found.extend(told.iter().filter(|told| told.holds.is_some()).map(|_| at_s));
        at_s += every_s;
    }
    found
}

const EVERY: [f32; 6] = [0.2, 1.0, 5.0, 10.0, 30.0, 60.0];

fn after(at_s: f32, from_s: f32) -> f32 {
    (at_s - from_s).max(0.0)
}

#[test]
fn a_fire_is_found_at_every_sampling_and_with_noise() {
    for every_s in EVERY {
        for rate_k_min in [10.0, 20.0, 60.0] {
            for noise_k in [0.0, 0.3] {
                let mut dice = Dice(7);
                let found = begins(every_s, 1200.0, |at_s| {
                    22.0 + (after(at_s, 600.0) * rate_k_min / 60.0).min(300.0) + noise_k * dice.roll()
                });
                let first = *found.first().unwrap_or_else(|| panic!("{every_s} s, {rate_k_min} K/min not found"));
                let late_s = first - 600.0;
                assert!(late_s > 0.0, "{every_s} s, {rate_k_min} K/min: {late_s} s before the fire");
                let limit_s = 4.15 / rate_k_min * 60.0 * 2.0 + 14.0 + 3.0 * every_s;
                assert!(late_s <= limit_s, "{every_s} s, {rate_k_min} K/min: {late_s} s, limit {limit_s} s");
            }
        }
    }
}

#[test]
fn heating_sun_and_the_day_are_no_fire() {
    for every_s in EVERY {
        for seed in 0..20 {
            let mut dice = Dice(seed);
            let found = begins(every_s, 86_400.0 / if every_s < 1.0 { 12.0 } else { 1.0 }, |at_s| {
                let day = 8.0 * (at_s / 86_400.0 * std::f32::consts::TAU).sin();
                let heater = 4.0 / 60.0 * after(at_s, 3600.0).min(400.0);
                let sun = 3.0 / 60.0 * after(at_s, 40_000.0).min(600.0);
                20.0 + day + heater + sun + 0.3 * dice.roll()
            });
            assert_eq!(found, [], "each {every_s} s, seed {seed}");
        }
    }
}

#[test]
fn wrong_samples_are_no_fire() {
    for every_s in EVERY {
        for seed in 0..50 {
            let mut dice = Dice(seed);
            let mut since_glitch = 0;
            let found = begins(every_s, 3600.0, |at_s| {
                since_glitch += 1;
                let heater = 3.0 / 60.0 * after(at_s, 600.0).min(600.0);
                let quiet = 20.0 + heater + 0.3 * dice.roll();
                if since_glitch > 4 && dice.roll() > 0.96 {
                    since_glitch = 0;
                    quiet + 100.0 * dice.roll()
                } else {
                    quiet
                }
            });
            assert_eq!(found, [], "each {every_s} s, seed {seed}");
        }
    }
}

#[test]
fn a_wrong_sample_hides_no_fire() {
    for every_s in EVERY {
        for seed in 0..20 {
            let mut dice = Dice(seed);
            let mut since_glitch = 0;
            let found = begins(every_s, 1200.0, |at_s| {
                since_glitch += 1;
                let quiet = 22.0 + after(at_s, 600.0) * 20.0 / 60.0;
                if since_glitch > 6 && dice.roll() > 0.9 {
                    since_glitch = 0;
                    quiet + 40.0 * dice.roll()
                } else {
                    quiet
                }
            });
            assert!(found.first().is_some_and(|first| *first < 660.0 + 5.0 * every_s), "each {every_s} s: {found:?}");
        }
    }
}

#[test]
fn people_doors_and_power_are_no_fire() {
    for every_s in [0.2, 1.0, 2.0, 5.0] {
        // somebody under the sensor: six kelvin for five seconds, ten for two
        let person = begins(every_s, 600.0, |at_s| match at_s {
            300.0..305.0 => 26.0,
            400.0..402.0 => 30.0,
            _ => 20.0,
        });
        assert_eq!(person, [], "person, each {every_s} s");
    }
    for every_s in EVERY {
        // a door to the frost for a minute, and back at 12 K/min
        let door = begins(every_s, 1800.0, |at_s| match at_s {
            600.0..660.0 => 21.0 - (at_s - 600.0) / 6.0,
            660.0..710.0 => 11.0 + (at_s - 660.0) / 5.0,
            _ => 21.0,
        });
        assert_eq!(door, [], "door, each {every_s} s");
    }
    for every_s in [1.0, 5.0] {
        let power = begins(every_s, 600.0, |at_s| if at_s < 10.0 { 0.0 } else { 24.0 });
        assert_eq!(power, [], "power, each {every_s} s");
    }
}

#[test]
fn it_ends_when_the_heat_is_gone_and_can_begin_again() {
    let found = begins(1.0, 4000.0, |at_s| match at_s {
        600.0..700.0 => 20.0 + (at_s - 600.0),
        700.0..900.0 => 120.0 - (at_s - 700.0) / 2.0,
        3000.0..3100.0 => 20.0 + (at_s - 3000.0),
        _ => 20.0,
    });
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn what_is_still_rising_need_not_stay() {
    for (every_s, rate_k_s) in [(1.0, 0.5), (1.0, 1.0), (2.0, 0.5), (2.0, 2.0), (5.0, 0.5)] {
        let found = begins(every_s, 700.0, |at_s| 22.0 + after(at_s, 600.0) * rate_k_s);
        // the rise itself, and the newest part of three
        let late_s = found.first().expect("it is found") - 600.0;
        let limit_s = 4.15 / rate_k_s + 4.0_f32.max(every_s) + 2.0 * every_s;
        assert!(late_s <= limit_s, "each {every_s} s, {rate_k_s} K/s: {late_s} s of {limit_s}");
        // a step that stays is believed later, and one that does not, never
        let step = begins(every_s, 700.0, |at_s| if at_s < 600.0 { 22.0 } else { 27.0 });
        assert!(step.first().is_some_and(|first| *first >= 609.0), "each {every_s} s: {step:?}");
    }
}

#[test]
fn who_walks_in_from_the_cold_is_no_plume() {
    // a door opens, air falls, somebody stands under the sensor for a while: as in real rooms before a test
    let walk = |at_s: f32| match at_s {
        580.0..592.0 => 22.0 - (at_s - 580.0) / 8.0,
        592.0..600.0 => 25.0 + (at_s - 592.0) / 2.0,
        _ => 22.0,
    };
    assert_eq!(begins(1.0, 700.0, walk), []);
    // without the draught before it, it rises as a fire does
    let plume = |at_s: f32| if at_s < 592.0 { 22.0 } else { walk(at_s) };
    assert_eq!(begins(1.0, 700.0, plume).len(), 1);
    // and again and again: the air there moves
    let busy = |at_s: f32| if at_s < 540.0 && (at_s / 60.0).fract() < 0.1 { 25.0 } else { plume(at_s) };
    assert_eq!(begins(1.0, 700.0, busy), []);
}

#[test]
fn one_wrong_sample_on_a_slow_rise_is_no_growth() {
    for every_s in [1.0, 2.0, 5.0, 10.0, 60.0] {
        for wrong_k in [8.0, 60.0] {
            let found = begins(every_s, 1300.0, |at_s| {
                let heater = 4.0 / 60.0 * after(at_s, 600.0);
                let wrong = (at_s - 660.0).abs() < every_s / 2.0;
                22.0 + heater + if wrong { wrong_k } else { 0.0 }
            });
            assert_eq!(found, [], "each {every_s} s, {wrong_k} K");
        }
    }
}
