//! What holds for every input.

use broker::Reason;
use ingest::{Admission, Draft, Intake, Settings};
use model::Quantity;
use proptest::prelude::*;
use prost::Message as _;
use proto::v1;

use crate::fake::{DEVICES, NOW_MS, city, message, take, take_message};

const KINDS: [&str; 4] = ["alarm", "telemetry", "event", "state"];

fn content_type() -> impl Strategy<Value = Option<Box<str>>> {
    prop_oneof![
        Just(None),
        Just(Some("application/json".into())),
        Just(Some("application/x-protobuf".into())),
        Just(Some("nonsense".into())),
    ]
}

/// Nothing is lost: it is admitted, or refused and kept.
fn holds(kind: &str, payload: &[u8], content_type: Option<Box<str>>) -> Result<(), TestCaseError> {
    let mut sent = message(&format!("fire/v1/acme/a1/{kind}"), payload);
    sent.content_type = content_type;
    let (reason, draft) = take_message(&sent);
    prop_assert!(draft.quarantined.iter().all(|kept| &*kept.reason != "decoder_failed"));
    let admitted = draft.commit.entries.len() + draft.commit.readings.len();
    if reason == Reason::Success {
        prop_assert!(admitted > 0);
    } else {
        prop_assert!(admitted == 0 && draft.quarantined.len() == 1);
        prop_assert_eq!(&*draft.quarantined[0].payload, payload);
    }
    for reading in &draft.commit.readings {
        prop_assert!(reading.quantity.plausible().contains(&reading.value));
    }
    Ok(())
}

fn valid_payloads() -> Vec<Vec<u8>> {
    let telemetry = v1::Telemetry {
        ts: Some(1),
        seq: Some(2),
        values: vec![v1::Value { quantity: 2, value: 0.1 }, v1::Value { quantity: 16, value: 40.0 }],
    };
    let alarm =
        v1::Alarm { id: "a".into(), ts: Some(5), kind: 1, active: Some(true), value: Some(1.0), unit: "°C".into() };
    vec![
        br#"{"ts":1763798400123,"seq":17,"values":{"temperature_c":24.1,"smoke_db_m":0.03,"co_ppm":2}}"#.to_vec(),
        br#"{"id":"a-17","ts":1763798400123,"kind":"smoke","active":true,"value":0.18,"unit":"dB/m"}"#.to_vec(),
        br#"{"id":"e","kind":"low_battery"}"#.to_vec(),
        br#"{"state":"sleeping","next_report_s":86400}"#.to_vec(),
        telemetry.encode_to_vec(),
        alarm.encode_to_vec(),
        v1::Event { id: "e".into(), ts: None, kind: 2 }.encode_to_vec(),
        v1::State { state: 1, next_report_s: Some(60) }.encode_to_vec(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_break_the_decoder(
        payload in proptest::collection::vec(any::<u8>(), 0..200),
        kind in 0..4_usize,
        content_type in content_type(),
    ) {
        holds(KINDS[kind], &payload, content_type)?;
    }

    #[test]
    fn no_change_of_a_valid_message_breaks_the_decoder(
        which in 0..8_usize,
        kind in 0..4_usize,
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..6),
        content_type in content_type(),
    ) {
        let mut payload = valid_payloads().swap_remove(which);
        for (at, byte, how) in cuts {
            if payload.is_empty() {
                break;
            }
            let at = at.index(payload.len());
            match how {
                0 => payload[at] = byte,
                1 => payload.insert(at, byte),
                _ => drop(payload.remove(at)),
            }
        }
        holds(KINDS[kind], &payload, content_type)?;
    }

    #[test]
    fn json_and_protobuf_mean_the_same(
        ts in proptest::option::of(any::<i64>()),
        seq in proptest::option::of(any::<u32>()),
        values in proptest::collection::btree_map(1..=13_i32, -1e6..1e6_f64, 0..8),
    ) {
        let wire = v1::Telemetry {
            ts,
            seq,
            values: values.iter().map(|(quantity, value)| v1::Value { quantity: *quantity, value: *value }).collect(),
        };
        let key = |quantity: i32| {
            let name = v1::Quantity::try_from(quantity).unwrap().as_str_name();
            name.strip_prefix("QUANTITY_").unwrap().to_ascii_lowercase()
        };
        let mut json = serde_json::Map::new();
        if let Some(ts) = ts {
            json.insert("ts".into(), ts.into());
        }
        if let Some(seq) = seq {
            json.insert("seq".into(), seq.into());
        }
        // in the order of the protobuf message: the decoder keeps it
        let values: Vec<_> = values.iter().map(|(quantity, value)| format!("\"{}\":{value}", key(*quantity))).collect();
        let head = serde_json::to_string(&json).unwrap();
        let comma = if json.is_empty() { "" } else { "," };
        let json = format!("{}{comma}\"values\":{{{}}}}}", &head[..head.len() - 1], values.join(","));
        let (by_protobuf, by_json) = (take("telemetry", wire.encode_to_vec()), take("telemetry", &json));
        prop_assert_eq!(by_protobuf.0, by_json.0, "{}", json);
        prop_assert_eq!(by_protobuf.1.commit.readings.len(), by_json.1.commit.readings.len());
        for (a, b) in by_protobuf.1.commit.readings.iter().zip(&by_json.1.commit.readings) {
            prop_assert_eq!((a.quantity, a.skew_ms, a.seq), (b.quantity, b.skew_ms, b.seq));
            prop_assert!((a.value - b.value).abs() <= a.value.abs() * f32::EPSILON);
        }
    }
}

/// A message of one of a few devices that repeats itself a lot.
fn chatter() -> impl Strategy<Value = (usize, u64, String, String)> {
    let telemetry = (0..50_u32, any::<bool>(), 1..3_usize).prop_map(|(seq, jump, values)| {
        let seq = if jump { seq.wrapping_sub(20) } else { seq };
        let values = [r#""co_ppm":1"#, r#""humidity_pct":2"#][..values].join(",");
        ("telemetry", format!(r#"{{"seq":{seq},"values":{{{values}}}}}"#))
    });
    let alarm = (0..20_u8, any::<bool>(), proptest::option::of(0..3_u64)).prop_map(|(id, active, ts)| {
        let ts = ts.map_or(String::new(), |ts| format!(r#","ts":{}"#, NOW_MS + ts * 1_000));
        ("alarm", format!(r#"{{"id":"{id}","kind":"heat","active":{active}{ts}}}"#))
    });
    let nameless = any::<bool>().prop_map(|active| ("alarm", format!(r#"{{"kind":"co","active":{active}}}"#)));
    let event = (0..4_u8).prop_map(|id| ("event", format!(r#"{{"id":"{id}","kind":"tamper"}}"#)));
    let garbage = Just(("event", "{".to_owned()));
    let said = prop_oneof![4 => telemetry, 4 => alarm, 1 => nameless, 1 => event, 1 => garbage];
    let pause_ms = prop_oneof![8 => 0..100_u64, 2 => 0..100_000_u64, 1 => 0..100_000_000_u64];
    (0..3_usize, pause_ms, said)
        .prop_map(|(device, pause_ms, (kind, payload))| (device, pause_ms, kind.into(), payload))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_journal_brings_back_what_admission_remembered(
        said in proptest::collection::vec(chatter(), 1..200),
        per_commit in 1..40_usize,
        checkpoint in any::<prop::sample::Index>(),
    ) {
        let settings = Settings::default();
        let mut live = Intake::new(&settings, city(), Admission::new(&settings));
        let mut replayed = Admission::new(&settings);
        let mut now_ms = NOW_MS;
        let checkpoint = checkpoint.index(said.len().div_ceil(per_commit));
        for (number, said) in said.chunks(per_commit).enumerate() {
            let mut draft = Draft::default();
            let mut messages = Vec::new();
            for (device, pause_ms, kind, payload) in said {
                now_ms += pause_ms;
                let (vendor, name) = DEVICES[*device];
                let mut sent = message(&format!("fire/v1/{vendor}/{name}/{kind}"), payload);
                sent.received_ms = now_ms;
                messages.push(sent);
            }
            draft.commit.at_ms = now_ms;
            for sent in &messages {
                live.take(&"s".into(), sent, &mut draft);
            }
            replayed.apply(&draft.commit);
            if number == checkpoint {
                replayed = Admission::restored(&settings, &replayed.snapshot()).unwrap();
            }
            prop_assert_eq!(&replayed, live.admission());
            // and the whole batch again adds nothing but what has neither id nor seq, and what ended meanwhile
            let presence = draft.commit.readings.iter().filter(|reading| reading.quantity == Quantity::Presence);
            prop_assert_eq!(presence.count(), 0);
        }
    }
}
