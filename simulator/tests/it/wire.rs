//! Payloads have the shape of the contract, in both encodings.

use prost::Message;
use proto::v1;
use simulator::{
    vendor::Encoding::{Json, Protobuf},
    wire::{AlarmKind, EventKind, Kind, Order, Quantity, Report, State, topic},
};

fn json(report: &Report) -> String {
    String::from_utf8(report.encode(Json)).unwrap()
}

fn telemetry() -> Report {
    let values = vec![(Quantity::TemperatureC, 24.12), (Quantity::SmokeDbM, 0.0301), (Quantity::CoPpm, 2.2)];
    Report::Telemetry { ts: Some(1_763_798_400_123), seq: Some(17), values }
}

#[test]
fn telemetry_is_as_the_contract_shows_it() {
    let value: serde_json::Value = serde_json::from_str(&json(&telemetry())).unwrap();
    let want = r#"{"ts":1763798400123,"seq":17,"values":{"temperature_c":24.1,"smoke_db_m":0.03,"co_ppm":2}}"#;
    assert_eq!(value, serde_json::from_str::<serde_json::Value>(want).unwrap());
    let bare = Report::Telemetry { ts: None, seq: None, values: vec![(Quantity::SignalDbm, -97.0)] };
    assert_eq!(json(&bare), r#"{"values":{"signal_dbm":-97}}"#);
}

#[test]
fn alarm_event_and_state_are_as_the_contract_shows_them() {
    let alarm = |active| Report::Alarm {
        id: "a-17".into(),
        ts: None,
        kind: AlarmKind::Smoke,
        active,
        value: Some((0.18, "dB/m")),
    };
    let value: serde_json::Value = serde_json::from_str(&json(&alarm(true))).unwrap();
    let want = serde_json::json!({"id": "a-17", "kind": "smoke", "active": true, "value": 0.18, "unit": "dB/m"});
    assert_eq!(value, want);
    assert!(json(&alarm(false)).contains(r#""active":false"#));
    let event = Report::Event { id: "e-1".into(), ts: Some(5), kind: EventKind::LowBattery };
    let value: serde_json::Value = serde_json::from_str(&json(&event)).unwrap();
    assert_eq!(value, serde_json::json!({"id": "e-1", "ts": 5, "kind": "low_battery"}));
    let state = Report::State { state: State::Sleeping, next_report_s: Some(86_400) };
    let value: serde_json::Value = serde_json::from_str(&json(&state)).unwrap();
    assert_eq!(value, serde_json::json!({"state": "sleeping", "next_report_s": 86_400}));
}

#[test]
fn protobuf_says_the_same_and_never_looks_like_json() {
    let bytes = telemetry().encode(Protobuf);
    let t = v1::Telemetry::decode(&bytes[..]).unwrap();
    assert_eq!((t.ts, t.seq, t.values.len()), (Some(1_763_798_400_123), Some(17), 3));
    assert_eq!((t.values[1].quantity(), t.values[1].value), (v1::Quantity::SmokeDbM, 0.03));
    let alarm =
        Report::Alarm { id: "a".into(), ts: Some(1), kind: AlarmKind::Gas, active: false, value: Some((14.0, "%LEL")) };
    let a = v1::Alarm::decode(&alarm.encode(Protobuf)[..]).unwrap();
    assert_eq!(
        (a.id.as_str(), a.kind(), a.active, a.value, a.unit.as_str()),
        ("a", v1::AlarmKind::Gas, Some(false), Some(14.0), "%LEL")
    );
    let event = Report::Event { id: "e".into(), ts: None, kind: EventKind::Tamper };
    assert_eq!(v1::Event::decode(&event.encode(Protobuf)[..]).unwrap().kind(), v1::EventKind::Tamper);
    let state = Report::State { state: State::Lost, next_report_s: None };
    assert_eq!(v1::State::decode(&state.encode(Protobuf)[..]).unwrap().state(), v1::DeviceState::Lost);
    for report in [telemetry(), alarm, event, state] {
        assert_ne!(report.encode(Protobuf).first(), Some(&b'{'));
    }
}

#[test]
fn topics_and_keys() {
    assert_eq!(topic("yunyan", "YY0000001", Kind::Alarm), "fire/v1/yunyan/YY0000001/alarm");
    for key in Quantity::keys().split(", ") {
        assert_eq!(Quantity::parse(key).unwrap().key(), key, "a key belongs to its own quantity");
    }
    assert_eq!(Quantity::keys().split(", ").count(), 14);
    assert_eq!(Quantity::parse("smoke"), None);
}

#[test]
fn commands_are_read_in_both_encodings() {
    let topic = "fire/v1/yunyan/YY0000001/command";
    let order = Order::parse(topic, br#"{"id":"c-7","command":"mute","args":null}"#).unwrap();
    assert_eq!(
        (order.vendor.as_str(), order.device.as_str(), order.id.as_str(), order.command.as_str()),
        ("yunyan", "YY0000001", "c-7", "mute")
    );
    let protobuf = v1::Command { id: "c-7".into(), command: "mute".into(), args_json: String::new() };
    assert_eq!(Order::parse(topic, &protobuf.encode_to_vec()), Some(order));
    assert_eq!(Order::parse("fire/v1/yunyan/YY0000001/alarm", b"{}"), None);
    assert_eq!(Order::parse(topic, b"{broken"), None);
}
