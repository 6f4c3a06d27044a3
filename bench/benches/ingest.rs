//! One message from topic and bytes to journal entry: grammar, roster look-up, decode, admission.
#![allow(missing_docs)]

use std::sync::Arc;

use broker::{Message, Topic};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ingest::{Admission, Draft, Intake, Settings};
use model::Roster;
use model::roster::{DeviceClass, DeviceRow, RosterRows, UnitRow};

const DEVICES: usize = 81_400;
const BATCH: usize = 1_000;

fn roster() -> Arc<Roster> {
    let code = |text: &str| text.parse().expect("a region code");
    let regions = ["331083", "331083001", "331083001001", "331083001001001"];
    let unit = |number: usize| UnitRow {
        code: format!("U{number}").into(),
        name: "店".into(),
        category: "沿街商铺".into(),
        address: "".into(),
        grid: code("331083001001001"),
        owner: "".into(),
        position_m: None,
    };
    let device = |number: usize| DeviceRow {
        vendor: "acme".into(),
        name: format!("d{number}").into(),
        unit: format!("U{}", number % 76_000).into(),
        class: DeviceClass::Combined,
        location: "".into(),
        report_every_s: 60,
    };
    let rows = RosterRows {
        regions: regions.iter().map(|text| (0, code(text), (*text).into())).collect(),
        units: (0..76_000).map(|number| (0, unit(number))).collect(),
        devices: (0..DEVICES).map(|number| (0, device(number))).collect(),
        ..RosterRows::default()
    };
    let empty = Roster::default();
    Arc::new(empty.after(&empty.change_to(&rows).expect("no faults"), 1))
}

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
                for message in &messages {
                    std::hint::black_box(intake.take(&sender, message, &mut draft));
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
