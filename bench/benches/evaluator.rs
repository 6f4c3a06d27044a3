//! Readings through the whole evaluator: every rule, colours, roll-ups, one worker. Commits of several sizes, in flight one
//! after another as in the station.
#![allow(missing_docs)]

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use evaluator::{Evaluator, Rules, Settings};
use model::{Checkpoints, Commit, DeviceId, Epoch, Quantity, Reading, Step, StoreError};

#[path = "common/city.rs"]
mod city;

const T0_MS: u64 = 1_763_798_400_000;

/// Takes checkpoints and forgets them: the disk is measured elsewhere.
struct Nowhere;

impl Checkpoints for Nowhere {
    fn put(&self, _: &str, _: Epoch, _: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }

    fn newest(&self, _: &str, _: Epoch) -> Result<Option<(Epoch, Vec<u8>)>, StoreError> {
        Ok(None)
    }
}

/// A quiet city: messages with temperature, smoke and carbon monoxide that wander below every threshold.
fn readings(epoch: u64, count: usize, at_ms: u64) -> Vec<Reading> {
    let reading = |number: usize| {
        let device = (epoch as usize * count.div_ceil(3) + number / 3) * 7919 % city::DEVICES;
        let wander = (number * 31 % 100) as f32 / 100.0;
        let (quantity, value) = match number % 3 {
            0 => (Quantity::TemperatureC, 22.0 + wander),
            1 => (Quantity::SmokeDbM, 0.03 * wander),
            _ => (Quantity::CoPpm, wander),
        };
        Reading { device: DeviceId(device as u32), quantity, value, at_ms, skew_ms: None, seq: None }
    };
    (0..count).map(reading).collect()
}

fn evaluate(criterion: &mut Criterion) {
    let roster = city::roster();
    let mut group = criterion.benchmark_group("evaluator");
    for count in [72, 900, 3_000] {
        let handle = Evaluator::start(Settings::default(), Rules::default(), None, Box::new(|_| ()), Arc::new(Nowhere))
            .expect("starts");
        let mut epoch = 0;
        let mut step = |count| {
            epoch += 1;
            let at_ms = T0_MS + epoch * 10;
            let commit = Commit { epoch, at_ms, entries: Vec::new(), readings: readings(epoch, count, at_ms) };
            Step { commit: Arc::new(commit), roster: Arc::clone(&roster) }
        };
        handle.submit(step(0)).expect("runs");
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("readings a commit", count), |bencher| {
            bencher.iter_batched(
                || step(count),
                |step| {
                    handle.submit(step).expect("runs");
                    while handle.in_flight() > 0 {
                        std::hint::spin_loop();
                    }
                },
                criterion::BatchSize::PerIteration,
            );
        });
        handle.finish().expect("ends");
    }
    group.finish();
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
