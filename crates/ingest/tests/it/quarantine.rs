//! What is kept of refused messages, and how much of a flood.

use std::sync::Arc;

use broker::Reason;
use ingest::{Admission, Draft, Intake, Settings};
use model::Quantity;

use crate::fake::{Bench, NOW_MS, city, message, quiet};

fn intake(settings: &Settings) -> Intake {
    Intake::new(settings, city(), Admission::new(settings))
}

fn draft(at_ms: u64) -> Draft {
    let mut draft = Draft::default();
    draft.commit.at_ms = at_ms;
    draft
}

#[test]
fn broken_json_is_refused_kept_and_answered_after_the_append() {
    let bench = Bench::with_city(quiet());
    let sent = message("fire/v1/acme/a1/alarm", r#"{"id":"a-1","kind":"#);
    bench.store.block();
    bench.send(vec![sent]);
    bench.store.wait_for_attempts(bench.store.commits().len() as u64 + 1);
    assert!(bench.acked.try_recv().is_err());
    bench.store.unblock();
    assert_eq!(bench.ack(), [Reason::PayloadFormatInvalid]);
    let kept = bench.store.quarantined();
    assert_eq!(kept.len(), 1);
    assert_eq!((&*kept[0].reason, &*kept[0].payload), ("not_json", br#"{"id":"a-1","kind":"#.as_slice()));
}

#[test]
fn a_large_payload_is_kept_in_part() {
    let (_, draft) = crate::fake::take("telemetry", "x".repeat(20_000));
    let [kept] = draft.quarantined.as_slice() else { panic!("{draft:?}") };
    assert_eq!(kept.payload.len(), 16 * 1024);
    assert!(kept.detail.contains("20000 bytes"), "{}", kept.detail);
}

#[test]
fn a_flood_is_answered_and_counted_and_does_not_fill_the_disk() {
    let settings = Settings::default();
    let mut intake = intake(&settings);
    let (flooder, other): (Arc<str>, Arc<str>) = ("flooder".into(), "other".into());
    let garbage = message("fire/v1/acme/a1/telemetry", "{");
    let mut draft = draft(NOW_MS);
    for _ in 0..1_000 {
        assert_eq!(intake.take(&flooder, &garbage, &mut draft), Reason::PayloadFormatInvalid);
    }
    assert_eq!(draft.quarantined.len(), 100, "the burst");
    intake.take(&other, &garbage, &mut draft);
    assert_eq!(draft.quarantined.len(), 101, "another sender is still heard");
    draft.commit.at_ms += 1_000;
    for _ in 0..1_000 {
        intake.take(&flooder, &garbage, &mut draft);
    }
    assert_eq!(draft.quarantined.len(), 111, "ten a second");
}

#[test]
fn all_senders_together_have_a_limit_too() {
    let settings = Settings { quarantine_total_burst: 50, quarantine_senders_max: 20, ..Settings::default() };
    let mut intake = intake(&settings);
    let mut draft = draft(NOW_MS);
    for n in 0..200 {
        let sender: Arc<str> = format!("s{n}").into();
        intake.take(&sender, &message("fire/v1/acme/a1/telemetry", "{"), &mut draft);
    }
    assert_eq!(draft.quarantined.len(), 50);
}

#[test]
fn a_flood_leaves_a_record_of_its_size() {
    let bench = Bench::with_city(Settings { tick_ms: 1, quarantine_summary_every_s: 0, ..quiet() });
    bench.ask((0..500).map(|_| message("fire/v1/acme/a1/telemetry", "{")).collect());
    bench.store.wait_for_quarantined(101);
    let kept = bench.store.quarantined();
    let summary = kept.last().unwrap();
    assert_eq!((&*summary.reason, &*summary.sender), ("suppressed", "acme"));
    assert!(summary.detail.starts_with("400 more messages"), "{}", summary.detail);
}

#[test]
fn a_flaw_is_told_once_for_each_device_and_the_values_go_on() {
    let settings = Settings::default();
    let mut intake = intake(&settings);
    let mut draft = draft(NOW_MS);
    let sender: Arc<str> = "acme".into();
    for n in 0..50 {
        let payload = format!(r#"{{"values":{{"co_ppm":{n},"temprature_c":{n},"voltage_v":{}}}}}"#, 5_000 + n);
        for device in ["a1", "a2"] {
            let sent = message(&format!("fire/v1/acme/{device}/telemetry"), &payload);
            assert_eq!(intake.take(&sender, &sent, &mut draft), Reason::Success);
        }
    }
    assert_eq!(draft.commit.readings.len(), 100);
    assert!(draft.commit.readings.iter().all(|reading| reading.quantity == Quantity::CoPpm));
    let mut told: Vec<_> =
        draft.quarantined.iter().map(|kept| (kept.topic.to_string(), kept.reason.to_string())).collect();
    told.sort();
    told.dedup();
    assert_eq!((draft.quarantined.len(), told.len()), (4, 4), "{told:?}");
    assert!(draft.quarantined[0].detail.contains("did you mean temperature_c?"), "{}", draft.quarantined[0].detail);
    // a day later once more
    draft.commit.at_ms += 86_400_000;
    let sent = message("fire/v1/acme/a1/telemetry", r#"{"values":{"co_ppm":1,"temprature_c":1}}"#);
    intake.take(&sender, &sent, &mut draft);
    assert_eq!(draft.quarantined.len(), 5);
}
