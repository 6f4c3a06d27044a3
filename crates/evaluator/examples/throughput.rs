//! Readings per second through the whole evaluator, on a city's roster: `cargo run --release -p evaluator --example
//! throughput [commits] [readings per commit]`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;
use std::time::Instant;

use evaluator::{Evaluator, Rules, Settings};
use model::roster::{DeviceClass, DeviceRow, Roster, RosterRows, UnitRow};
use model::{Checkpoints, Commit, DeviceId, Entry, Epoch, Quantity, Reading, Step, StoreError};

const UNITS: usize = 76_000;
const DEVICES: usize = 81_400;
const T0: u64 = 1_763_798_400_000;

/// Takes the bytes and forgets them.
struct Nowhere;

impl Checkpoints for Nowhere {
    fn put(&self, _: &str, epoch: Epoch, bytes: &[u8]) -> Result<(), StoreError> {
        println!("  checkpoint at commit {epoch}: {:.1} MB", bytes.len() as f64 / 1e6);
        Ok(())
    }

    fn newest(&self, _: &str, _: Epoch) -> Result<Option<(Epoch, Vec<u8>)>, StoreError> {
        Ok(None)
    }
}

fn city() -> Roster {
    let mut rows = RosterRows::default();
    let mut region = |code: String| rows.regions.push((2, code.parse().unwrap(), code.as_str().into()));
    region("331083".into());
    let mut grids = Vec::new();
    for township in 1..=11 {
        region(format!("331083{township:03}"));
        for village in 1..=20 {
            region(format!("331083{township:03}{village:03}"));
            for grid in 1..=6 {
                let code = format!("331083{township:03}{village:03}{grid:03}");
                region(code.clone());
                grids.push(code);
            }
        }
    }
    for unit in 0..UNITS {
        let row = UnitRow {
            code: format!("U{unit:06}").into(),
            name: "店".into(),
            category: "沿街商铺".into(),
            address: "".into(),
            grid: grids[unit % grids.len()].parse().unwrap(),
            owner: "".into(),
            position_m: None,
        };
        rows.units.push((2, row));
    }
    for device in 0..DEVICES {
        let row = DeviceRow {
            vendor: "v".into(),
            name: format!("d{device}").into(),
            unit: format!("U{:06}", device % UNITS).into(),
            class: DeviceClass::Combined,
            location: "".into(),
            report_every_s: 60,
        };
        rows.devices.push((2, row));
    }
    let change = Roster::default().change_to(&rows).unwrap();
    Roster::default().after(&change, 1)
}

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let commits = numbers.next().unwrap_or(4000);
    let per_commit = numbers.next().unwrap_or(4096);
    let roster = Arc::new(city());
    let mut device = 0_u32;
    let mut dice = 1_u64;
    // a ring of commits made before the clock starts: making them is not what is measured
    let steps: Vec<Vec<Reading>> = (0..64)
        .map(|_| {
            let reading = |_| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let noise = (dice >> 40) as f32 / (1 << 24) as f32;
                device = (device + 7919) % DEVICES as u32;
                let (quantity, value) = match device % 10 {
                    0..4 => (Quantity::TemperatureC, 22.0 + noise),
                    4..8 => (Quantity::SmokeDbM, 0.03 * noise),
                    8 => (Quantity::WaterPressureMpa, 0.3 + 0.01 * noise),
                    _ => (Quantity::ResidualCurrentMa, 50.0 + 20.0 * noise),
                };
                Reading { device: DeviceId(device), quantity, value, at_ms: 0, skew_ms: None, seq: None }
            };
            (0..per_commit).map(reading).collect()
        })
        .collect();
    let out = Box::new(|_| ());
    let handle = Evaluator::start(Settings::default(), Rules::default(), None, out, Arc::new(Nowhere)).unwrap();
    let submit = |epoch: u64, readings: Vec<Reading>, at_ms| {
        let commit = Commit { epoch, at_ms, entries: vec![Entry::Tick], readings };
        handle.submit(Step { commit: Arc::new(commit), roster: Arc::clone(&roster) }).unwrap();
    };
    let wait = || {
        while handle.in_flight() > 0 {
            std::thread::yield_now();
        }
    };
    let began = Instant::now();
    submit(1, Vec::new(), T0);
    wait();
    println!("roster of {UNITS} units and {DEVICES} devices judged in {:.0?}", began.elapsed());
    let (mut spent_making, began) = (std::time::Duration::ZERO, Instant::now());
    for epoch in 2..commits + 2 {
        let making = Instant::now();
        let at_ms = T0 + epoch * 27;
        let mut readings = steps[(epoch % 64) as usize].clone();
        readings.iter_mut().for_each(|reading| reading.at_ms = at_ms);
        spent_making += making.elapsed();
        submit(epoch, readings, at_ms);
    }
    wait();
    let (took, readings) = (began.elapsed(), commits * per_commit);
    println!(
        "{readings} readings in {commits} commits: {took:.2?}, {:.2} M/s",
        readings as f64 / 1e6 / took.as_secs_f64()
    );
    println!("  (making them on the other thread took {spent_making:.2?})");
    handle.finish().unwrap();
}
