//! Weeks in which circuits, joints, tanks, mains, batteries and links do what they do every day: nobody is told of anything.

use std::sync::Arc;

use evaluator::Rules;
use evaluator::judge::{Judge, Share};
use model::{Commit, DeviceId, Entry, Quantity, Reading, Step};

use crate::kit::{self, T0};

const DEVICES: usize = 24;
const DAYS: u64 = 42;
const EVERY_S: u64 = 600;

/// The same numbers in each run.
struct Dice(u64);

impl Dice {
    /// Even, between 0 and 1.
    fn roll(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// About normal, of standard deviation 1.
    fn noise(&mut self) -> f32 {
        (0..12).map(|_| self.roll()).sum::<f32>() - 6.0
    }

    fn one_in(&mut self, of: u32) -> bool {
        self.roll() < 1.0 / of as f32
    }
}

/// One device's place and what it remembers of it.
struct Place {
    leak_ma: f32,
    load_a: f32,
    joint_k_per_a2: f32,
    pressure_mpa: f32,
    tank_m: f32,
    dbm: f32,
    battery_pct: f32,
    weather_c: f32,
    square: f32,
}

fn tenth(value: f32) -> f32 {
    (value * 10.0).round() / 10.0
}

impl Place {
    fn new(dice: &mut Dice) -> Place {
        Place {
            leak_ma: 5.0 + 110.0 * dice.roll(),
            load_a: 5.0 + 25.0 * dice.roll(),
            joint_k_per_a2: 0.01 + 0.02 * dice.roll(),
            pressure_mpa: 0.2 + 0.4 * dice.roll(),
            tank_m: 1.5 + 2.0 * dice.roll(),
            dbm: -85.0 - 25.0 * dice.roll(),
            battery_pct: 40.0 + 60.0 * dice.roll(),
            weather_c: 18.0,
            square: 0.0,
        }
    }

    /// What is measured in the ten minutes that begin `at_s` after the start.
    fn measures(&mut self, at_s: u64, dice: &mut Dice) -> Vec<(Quantity, f32)> {
        let (day, hour) = (at_s / 86_400, (at_s / 3600 % 24) as f32);
        let works = day % 7 < 5 && (8.0..18.0).contains(&hour);
        self.weather_c += 0.15 * dice.noise() + (18.0 - self.weather_c) * 0.002;
        let air = self.weather_c + 6.0 * ((hour - 9.0) / 24.0 * std::f32::consts::TAU).sin();
        let load = if works { self.load_a * (0.6 + 0.8 * dice.roll()) } else { 1.0 + dice.roll() };
        self.square += (load * load - self.square) * 0.5;
        let cable = air + self.joint_k_per_a2 * self.square + 0.3 * dice.noise();
        let leak = (self.leak_ma + 1.2 * load + 4.0 * dice.noise()).max(0.0);
        let pump = 0.03 * ((at_s / 600 % 9) as f32 / 9.0 - 0.5);
        let drawn = if works && dice.one_in(30) { 0.07 } else { 0.0 };
        let used = if (6.0..9.0).contains(&hour) { (hour - 5.0) * 0.1 } else { 0.0 };
        let echo = if dice.one_in(2000) { 1.2 } else { 0.0 };
        self.battery_pct -= 0.04 * EVERY_S as f32 / 86_400.0;
        let mut measured = vec![
            (Quantity::TemperatureC, tenth(air + 0.1 * dice.noise())),
            (Quantity::CurrentA, tenth(load)),
            (Quantity::CableTemperatureC, tenth(cable)),
            (Quantity::ResidualCurrentMa, leak.round()),
            (Quantity::WaterPressureMpa, self.pressure_mpa + pump - drawn + 0.003 * dice.noise()),
            (Quantity::WaterLevelM, self.tank_m - used - echo + 0.01 * dice.noise()),
            (Quantity::SignalDbm, (self.dbm + 4.0 * dice.noise()).round()),
            (Quantity::GasLelPct, (0.5 * dice.noise()).max(0.0) + if dice.one_in(3000) { 7.0 } else { 0.0 }),
            (Quantity::CoPpm, (2.0 * dice.noise()).max(0.0).round()),
        ];
        if at_s.is_multiple_of(21_600) {
            let unmeasured = dice.one_in(400);
            measured.push((Quantity::BatteryPct, if unmeasured { 0.0 } else { self.battery_pct.round() }));
            measured.push((Quantity::BatteryV, 3.0 + 0.02 * dice.noise() - if dice.one_in(40) { 0.7 } else { 0.0 }));
        }
        measured
    }
}

#[test]
fn quiet_weeks_tell_nobody() {
    let mut dice = Dice(7);
    let mut places: Vec<Place> = (0..DEVICES).map(|_| Place::new(&mut dice)).collect();
    let roster = kit::roster(DEVICES, DEVICES, 600);
    let mut judge = Judge::new(Rules::default(), Share::ALL);
    let (mut told, mut readings_taken) = (Vec::new(), 0);
    for (at_s, epoch) in (0..DAYS * 86_400).step_by(10).zip(1..) {
        let at_ms = T0 + at_s * 1000;
        let mut readings = Vec::new();
        for (place, id) in places.iter_mut().zip(0_u32..) {
            // each at its own time, and one report in fifty is lost
            if at_s % EVERY_S == u64::from(id) * 10 % EVERY_S && !dice.one_in(50) {
                let of = |(quantity, value)| Reading {
                    device: DeviceId(id),
                    quantity,
                    value,
                    at_ms,
                    skew_ms: None,
                    seq: None,
                };
                readings.extend(place.measures(at_s - at_s % EVERY_S, &mut dice).into_iter().map(of));
            }
        }
        readings_taken += readings.len();
        let commit = Commit { epoch, at_ms, entries: vec![Entry::Tick], readings };
        let judged = judge.apply(Step { commit: Arc::new(commit), roster: Arc::clone(&roster) });
        told.extend(
            judged.findings.into_iter().map(|(_, finding)| (at_s, finding.device, finding.rule, finding.evidence.en)),
        );
    }
    assert!(readings_taken > DEVICES * DAYS as usize * 1200, "{readings_taken} readings in {DAYS} days");
    assert!(told.is_empty(), "{} findings in {} device-days: {told:#?}", told.len(), DEVICES as u64 * DAYS);
}
