//! One synced journal commit, by number of readings in it. What the disk does decides; compare within one run.
#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use model::{Commit, DeviceId, Journal, Quantity, Reading};
use store::{Settings, Store};

fn commit(epoch: u64, readings: usize) -> Commit {
    let reading = |number: usize| Reading {
        device: DeviceId((number * 7919 % 81_400) as u32),
        quantity: Quantity::SmokeDbM,
        value: 0.03,
        at_ms: 1_763_798_400_000 + epoch,
        skew_ms: Some(-12),
        seq: Some(epoch as u32),
    };
    Commit {
        epoch,
        at_ms: 1_763_798_400_000 + epoch,
        entries: Vec::new(),
        readings: (0..readings).map(reading).collect(),
    }
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal append, synced");
    for readings in [1, 100, 1_000, 4_000] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path(), Settings::default()).expect("an empty store opens");
        group.throughput(Throughput::Elements(readings as u64));
        group.bench_function(BenchmarkId::from_parameter(readings), |bencher| {
            bencher.iter_batched(
                || commit(store.last_epoch() + 1, readings),
                |commit| store.append(&commit, &[], &[]).expect("the disk takes it"),
                criterion::BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
