//! Payloads as they come: the contract, and the oddities of the field.

use broker::Reason;
use model::report::Body;
use model::{AlarmKind, DeviceState, EventKind, Quantity};
use prost::Message as _;
use proto::v1;

use crate::fake::{A1, NOW_MS, body, message, take, take_message};

fn values(payload: &str) -> Vec<(Quantity, f32)> {
    let (reason, draft) = take("telemetry", payload);
    assert_eq!(reason, Reason::Success, "{payload}: {:?}", draft.quarantined);
    draft.commit.readings.iter().map(|reading| (reading.quantity, reading.value)).collect()
}

/// Reason word and detail of a payload that is refused and leaves nothing in the commit.
fn refusal(kind: &str, payload: impl AsRef<[u8]>) -> (String, String) {
    let shown = String::from_utf8_lossy(payload.as_ref()).into_owned();
    let (reason, draft) = take(kind, payload);
    assert_eq!(reason, Reason::PayloadFormatInvalid, "{shown}");
    assert!(draft.commit.entries.is_empty() && draft.commit.readings.is_empty(), "{shown}");
    let [kept] = draft.quarantined.as_slice() else { panic!("{shown}: {:?}", draft.quarantined) };
    (kept.reason.to_string(), kept.detail.to_string())
}

/// Reasons of the flaws noted of a payload that is taken.
fn flaws(kind: &str, payload: impl AsRef<[u8]>) -> Vec<String> {
    let (reason, draft) = take(kind, payload);
    assert_eq!(reason, Reason::Success, "{:?}", draft.quarantined);
    draft.quarantined.iter().map(|kept| kept.reason.to_string()).collect()
}

#[test]
fn telemetry_in_json() {
    let payload = r#"{"ts":1763798400123,"seq":17,"values":{"temperature_c":24.1,"smoke_db_m":0.03,"co_ppm":2}}"#;
    let (reason, draft) = take("telemetry", payload);
    assert_eq!(reason, Reason::Success);
    let readings = &draft.commit.readings;
    let expected = [(Quantity::TemperatureC, 24.1), (Quantity::SmokeDbM, 0.03), (Quantity::CoPpm, 2.0)];
    assert_eq!(readings.iter().map(|reading| (reading.quantity, reading.value)).collect::<Vec<_>>(), expected);
    for reading in readings {
        assert_eq!((reading.device, reading.at_ms), (A1, NOW_MS));
        assert_eq!((reading.skew_ms, reading.seq), (Some(123), Some(17)));
    }
    assert!(draft.quarantined.is_empty());
}

#[test]
fn telemetry_says_as_little_as_it_likes() {
    assert_eq!(values(r#"{"values":{"co_ppm":2}}"#), [(Quantity::CoPpm, 2.0)]);
    assert_eq!(values("{\"values\":{\"co_ppm\":-0}}\n\0"), [(Quantity::CoPpm, 0.0)]);
    assert_eq!(values(r#"{"v2_field":{"a":[1,{}]},"values":{"co_ppm":2e0},"x":null}"#), [(Quantity::CoPpm, 2.0)]);
    for heartbeat in ["{}", r#"{"values":{}}"#, r#"{"seq":1}"#, r#"{"ts":0}"#, ""] {
        assert_eq!(values(heartbeat), [(Quantity::Presence, 0.0)], "{heartbeat:?}");
    }
    let mut marked = b"\xEF\xBB\xBF".to_vec();
    marked.extend_from_slice(br#"{"values":{"co_ppm":2}}"#);
    assert_eq!(take("telemetry", marked).1.commit.readings.len(), 1);
}

#[test]
fn a_device_clock_is_recorded_however_wrong() {
    for (ts, skew_ms) in [("0", i32::MIN), ("1763798399000", -1_000), ("1.7637984e12", 0), ("99999999999999", i32::MAX)]
    {
        let (_, draft) = take("telemetry", format!(r#"{{"ts":{ts},"values":{{"co_ppm":2}}}}"#));
        assert_eq!(draft.commit.readings[0].skew_ms, Some(skew_ms), "{ts}");
        assert_eq!(draft.commit.readings[0].at_ms, NOW_MS);
    }
    let (_, draft) = take("telemetry", r#"{"seq":18446744073709551615,"values":{"co_ppm":2}}"#);
    assert_eq!(draft.commit.readings[0].seq, Some(u32::MAX));
}

#[test]
fn telemetry_that_cannot_be_meant_is_refused_and_says_why() {
    for (payload, word, told) in [
        (
            r#"{"values":{"temperature_c":"24.1"}}"#,
            "wrong_shape",
            "a number for temperature_c, without quotation marks",
        ),
        (r#"{"values":{"temperature_c":null}}"#, "wrong_shape", "a number for temperature_c"),
        (r#"{"values":{"temperature_c":NaN}}"#, "not_json", "no JSON text"),
        (r#"{"values":{"temperature_c":24.1}"#, "not_json", "EOF"),
        (r#"{"values":{"temperature_c":24.1}} x"#, "not_json", "trailing"),
        (r#"{"values":{"co_ppm":1,"co_ppm":2}}"#, "wrong_shape", "co_ppm stands twice"),
        (r#"{"values":{"co_ppm":1},"values":{}}"#, "wrong_shape", "values stands twice"),
        (r#"{"ts":1,"ts":2}"#, "wrong_shape", "ts stands twice"),
        (r#"{"values":[1]}"#, "wrong_shape", "values as an object"),
        (r#"{"seq":-1,"values":{}}"#, "wrong_shape", "seq as a whole number"),
        (r#"{"ts":"now","values":{}}"#, "wrong_shape", "ts as a number"),
        (r#"{"values":{"temprature_c":1}}"#, "unknown_quantity", "did you mean temperature_c?"),
        (r#"{"values":{"presence":0}}"#, "unknown_quantity", "the quantities are temperature_c, smoke_db_m"),
        (r#"{"values":{"temperature_c":5000}}"#, "implausible_value", "temperature_c = 5000"),
        (r#"{"values":{"temperature_c":1e300}}"#, "implausible_value", "temperature_c"),
        ("temp=24.1", "not_protobuf", "no fenghuo.v1.Telemetry"),
        ("\u{20}\u{7}", "not_protobuf", "nothing in the payload"),
    ] {
        let (reason, detail) = refusal("telemetry", payload);
        assert_eq!(reason, word, "{payload}: {detail}");
        assert!(detail.contains(told), "{payload}: {detail}");
    }
    let many: Vec<_> = (0..65).map(|n| format!("\"q{n}\":1")).collect();
    let (reason, detail) = refusal("telemetry", format!("{{\"values\":{{{}}}}}", many.join(",")));
    assert_eq!(reason, "too_many_values", "{detail}");
    let (reason, _) = refusal("telemetry", format!("{{\"values\":{{}}{}}}", " ".repeat(17_000)));
    assert_eq!(reason, "too_large");
}

#[test]
fn good_values_are_taken_and_bad_ones_beside_them_noted() {
    let payload = r#"{"values":{"temperature_c":21,"smoke_db_m":500,"temprature_c":3,"lux":1}}"#;
    assert_eq!(values(payload), [(Quantity::TemperatureC, 21.0)]);
    assert_eq!(flaws("telemetry", payload), ["implausible_value", "unknown_quantity", "unknown_quantity"]);
    // a vendor who forgot "values" must not believe that all is well
    let payload = r#"{"ts":1,"temperature_c":21}"#;
    assert_eq!(values(payload), [(Quantity::Presence, 0.0)]);
    assert_eq!(flaws("telemetry", payload), ["unknown_field"]);
}

#[test]
fn an_alarm_in_json() {
    let (_, draft) =
        take("alarm", r#"{"id":"a-17","ts":1763798400123,"kind":"smoke","active":true,"value":0.18,"unit":"dB/m"}"#);
    let expected =
        Body::Alarm { id: "a-17".into(), kind: AlarmKind::Smoke, active: true, value: Some(0.18), unit: "dB/m".into() };
    assert_eq!(body(&draft), expected);
    assert!(draft.quarantined.is_empty());
    let (_, draft) = take("alarm", r#"{"id":"a-17","kind":"heat","active":false}"#);
    assert!(matches!(body(&draft), Body::Alarm { active: false, value: None, kind: AlarmKind::Heat, .. }));
}

#[test]
fn an_alarm_is_taken_however_badly_it_is_spelt() {
    for (payload, kind, active, noted) in [
        (r#"{"id":"1","kind":"Smoke "}"#, AlarmKind::Smoke, true, vec![]),
        (r#"{"id":"1","kind":"smok"}"#, AlarmKind::Fire, true, vec!["unknown_kind"]),
        (r#"{"id":"1","kind":7}"#, AlarmKind::Fire, true, vec!["unknown_kind"]),
        (r#"{"id":"1"}"#, AlarmKind::Fire, true, vec!["unknown_kind"]),
        (r#"{"id":"1","kind":"gas","active":"yes"}"#, AlarmKind::Gas, true, vec!["field_ignored"]),
        (r#"{"id":"1","kind":"gas","active":0}"#, AlarmKind::Gas, false, vec!["field_ignored"]),
        (
            r#"{"id":"1","kind":"gas","ts":"today","value":"0_18","unit":5}"#,
            AlarmKind::Gas,
            true,
            vec!["field_ignored"; 2],
        ),
        (r#"{"id":"1","id":"2","kind":"gas"}"#, AlarmKind::Gas, true, vec!["field_ignored"]),
        (r#"{"kind":"gas"}"#, AlarmKind::Gas, true, vec!["no_id"]),
        (r#"{"id":"","kind":"gas"}"#, AlarmKind::Gas, true, vec!["no_id"]),
        (r#"{}"#, AlarmKind::Fire, true, vec!["unknown_kind", "no_id"]),
    ] {
        assert_eq!(flaws("alarm", payload), noted, "{payload}");
        let Body::Alarm { id, kind: taken, active: on, .. } = body(&take("alarm", payload).1) else {
            panic!("{payload}")
        };
        assert_eq!((taken, on), (kind, active), "{payload}");
        assert!(!id.is_empty(), "{payload}");
    }
    // GBK, as older panels write: 报警
    let mut gbk = br#"{"id":"7","kind":"fire","unit":""#.to_vec();
    gbk.extend_from_slice(&[0xB1, 0xA8, 0xBE, 0xAF]);
    gbk.extend_from_slice(br#""}"#);
    assert_eq!(flaws("alarm", &gbk), ["not_utf8"]);
    assert!(matches!(body(&take("alarm", &gbk).1), Body::Alarm { kind: AlarmKind::Fire, .. }));
    // blanks in front make it no protobuf
    assert!(flaws("alarm", "\r\n  {\"id\":\"1\",\"kind\":\"co\"}\0").is_empty());
}

#[test]
fn made_ids_follow_the_device_clock_where_it_can_be_trusted() {
    let id = |payload: &str| match body(&take("alarm", payload).1) {
        Body::Alarm { id, .. } => id.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(id(r#"{"kind":"gas","ts":1763798390000}"#), "made-gas-1763798390000");
    // a clock at zero gives every alarm the same stamp
    assert_eq!(id(r#"{"kind":"gas","ts":0}"#), format!("made-gas-{NOW_MS}"));
    let long = id(&format!(r#"{{"id":"{}","kind":"gas"}}"#, "警".repeat(80)));
    assert_eq!(long.chars().count(), 64);
}

#[test]
fn what_is_no_alarm_at_all_is_refused() {
    for (payload, word) in [
        ("", "empty"),
        ("{\"id\":\"a-1\",\"kind\":", "not_json"),
        ("FIRE!", "not_protobuf"),
        ("[]", "not_protobuf"),
        ("\u{78}\u{1}", "not_protobuf"),
    ] {
        assert_eq!(refusal("alarm", payload).0, word, "{payload:?}");
    }
}

#[test]
fn events_and_states() {
    let (_, draft) = take("event", r#"{"id":"e-1","kind":"low_battery"}"#);
    assert_eq!(body(&draft), Body::Event { id: "e-1".into(), kind: EventKind::LowBattery });
    let (_, draft) = take("state", r#"{"state":"sleeping","next_report_s":86400}"#);
    let sleeping = Body::State { state: DeviceState::Sleeping, next_report_s: Some(86_400), will: false };
    assert_eq!(body(&draft), sleeping);
    let mut will = message("fire/v1/acme/a1/state", r#"{"state":"lost"}"#);
    will.is_will = true;
    let lost = Body::State { state: DeviceState::Lost, next_report_s: None, will: true };
    assert_eq!(body(&take_message(&will).1), lost);
    for (kind, payload, word) in [
        ("event", r#"{"id":"e-1","kind":"burp"}"#, "unknown_kind"),
        ("event", r#"{"id":"e-1"}"#, "wrong_shape"),
        ("event", "", "empty"),
        ("state", r#"{"state":"Online"}"#, "unknown_state"),
        ("state", r#"{"state":"online","next_report_s":"1d"}"#, "wrong_shape"),
        ("state", r#"{"state":"online","state":"lost"}"#, "wrong_shape"),
        ("state", "lost", "not_protobuf"),
        ("state", "", "empty"),
    ] {
        assert_eq!(refusal(kind, payload).0, word, "{payload}");
    }
}

#[test]
fn protobuf_says_the_same() {
    let telemetry = v1::Telemetry {
        ts: Some(1_763_798_400_123),
        seq: Some(17),
        values: vec![
            v1::Value { quantity: v1::Quantity::SmokeDbM.into(), value: 0.03 },
            v1::Value { quantity: v1::Quantity::HumidityPct.into(), value: 40.0 },
        ],
    };
    let json = r#"{"ts":1763798400123,"seq":17,"values":{"smoke_db_m":0.03,"humidity_pct":40}}"#;
    assert_eq!(take("telemetry", telemetry.encode_to_vec()).1.commit, take("telemetry", json).1.commit);
    let alarm = v1::Alarm {
        id: "a-17".into(),
        kind: v1::AlarmKind::Gas.into(),
        value: Some(12.0),
        unit: "%LEL".into(),
        ..Default::default()
    };
    let json = r#"{"id":"a-17","kind":"gas","value":12,"unit":"%LEL"}"#;
    assert_eq!(take("alarm", alarm.encode_to_vec()).1.commit, take("alarm", json).1.commit);
    let event = v1::Event { id: "e".into(), ts: None, kind: v1::EventKind::Tamper.into() };
    assert_eq!(take("event", event.encode_to_vec()).1.commit, take("event", r#"{"id":"e","kind":"tamper"}"#).1.commit);
    for word in EventKind::WORDS {
        let name = format!("EVENT_KIND_{}", word.to_ascii_uppercase());
        let kind = v1::EventKind::from_str_name(&name).expect("in both contracts");
        let event = v1::Event { id: "e".into(), ts: None, kind: kind.into() };
        let (reason, by_json) = take("event", format!(r#"{{"id":"e","kind":"{word}"}}"#));
        assert_eq!((reason, &take("event", event.encode_to_vec()).1.commit), (Reason::Success, &by_json.commit));
        let expected = EventKind::from_word(word).expect("a word of the contract");
        assert_eq!(body(&by_json), Body::Event { id: "e".into(), kind: expected });
    }
    let state = v1::State { state: v1::DeviceState::Online.into(), next_report_s: Some(60) };
    let json = r#"{"state":"online","next_report_s":60}"#;
    assert_eq!(take("state", state.encode_to_vec()).1.commit, take("state", json).1.commit);

    let twice = v1::Telemetry { values: vec![telemetry.values[0]; 2], ..telemetry.clone() };
    assert_eq!(refusal("telemetry", twice.encode_to_vec()).0, "wrong_shape");
    let many = v1::Telemetry { values: vec![telemetry.values[0]; 65], ..telemetry.clone() };
    assert_eq!(refusal("telemetry", many.encode_to_vec()).0, "too_many_values");
    let strange = v1::Telemetry { values: vec![v1::Value { quantity: 99, value: 1.0 }], ..telemetry };
    let (reason, detail) = refusal("telemetry", strange.encode_to_vec());
    assert!(reason == "unknown_quantity" && detail.contains("quantity 99"), "{detail}");
    let nan = v1::Telemetry { values: vec![v1::Value { quantity: 1, value: f64::NAN }], ..Default::default() };
    assert_eq!(refusal("telemetry", nan.encode_to_vec()).0, "implausible_value");
    let alarm = v1::Alarm { id: "x".into(), kind: 77, ..Default::default() };
    assert_eq!(flaws("alarm", alarm.encode_to_vec()), ["unknown_kind"]);
}

#[test]
fn the_content_type_decides_and_a_wrong_one_is_forgiven() {
    let json = r#"{"id":"1","kind":"gas"}"#;
    for content_type in ["application/json", "application/json; charset=utf-8", "application/x-protobuf", "text/plain"]
    {
        let mut sent = message("fire/v1/acme/a1/alarm", json);
        sent.content_type = Some(content_type.into());
        let (reason, draft) = take_message(&sent);
        assert_eq!((reason, draft.quarantined.len()), (Reason::Success, 0), "{content_type}");
    }
    // protobuf whose first byte is '{' cannot be of the contract: field 15 is never used
    let mut sent = message("fire/v1/acme/a1/telemetry", [0x08, 0x01]);
    sent.content_type = Some("application/protobuf".into());
    assert_eq!(take_message(&sent).0, Reason::Success);
    sent.content_type = Some("application/json".into());
    assert_eq!(take_message(&sent).0, Reason::PayloadFormatInvalid);
}
