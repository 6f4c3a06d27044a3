//! One message from topic and bytes to journal entry: grammar, roster look-up, decode, admission.
#![allow(missing_docs)]

use std::sync::Arc;

use broker::{Message, Topic};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ingest::{Admission, Draft, Intake, Settings};

#[path = "common/city.rs"]
mod city;

use city::{DEVICES, roster};

const BATCH: usize = 1_000;
/// Messages that come with one read of a socket.
const READ: usize = 10;

fn message(topic: String, payload: String, received_ms: u64) -> Message {
    Message {
        topic: Topic::new(&topic).expect("a topic"),
        payload: Bytes::from(payload),
        qos: 1,
        retain: false,
        dup: false,
        content_type: None,
        received_ms,
        is_will: false,
    }
}

fn intake(criterion: &mut Criterion) {
    let roster = roster();
    let settings = Settings::default();
    let sender: Arc<str> = "acme".into();
    let mut group = criterion.benchmark_group("ingest");
    group.throughput(Throughput::Elements(BATCH as u64));
    let mut round = 0usize;
    group.bench_function("telemetry, JSON of 3 values", |bencher| {
        let mut intake = Intake::new(&settings, Arc::clone(&roster), Admission::new(&settings));
        bencher.iter_batched(
            || {
                round += 1;
                (0..BATCH)
                    .map(|number| {
                        let device = (round * BATCH + number) * 7919 % DEVICES;
                        let payload = format!(
                            "{{\"ts\":1763798400123,\"seq\":{},\"values\":{{\"temperature_c\":24.1,\"smoke_db_m\":0.03,\"co_ppm\":2}}}}",
                            round * BATCH + number
                        );
                        message(format!("fire/v1/acme/d{device}/telemetry"), payload, 1_763_798_400_000 + round as u64)
                    })
                    .collect::<Vec<_>>()
            },
            |messages| {
                let mut draft = Draft::default();
                let mut told = Vec::with_capacity(BATCH);
                for of_one_read in messages.chunks(READ) {
                    intake.take_all(&sender, of_one_read, &mut draft, &mut told);
                }
                assert_eq!(draft.commit.readings.len(), BATCH * 3);
                draft
            },
            criterion::BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, intake);
criterion_main!(benches);
