//! Who may speak, and what is a repetition.

use broker::Reason;
use ingest::{Admission, Draft, Intake, Settings};
use model::DeviceId;
use model::journal::Entry;

use crate::fake::{NOW_MS, city, message, take_message};

#[test]
fn names_of_any_script_find_their_device() {
    let (reason, draft) = take_message(&message("fire/v1/海湾/烟感-7号/alarm", r#"{"id":"甲-1","kind":"smoke"}"#));
    assert_eq!(reason, Reason::Success);
    let [Entry::Report(report)] = draft.commit.entries.as_slice() else { panic!("{draft:?}") };
    assert_eq!(report.device, DeviceId(1));
}

#[test]
fn strangers_and_strange_topics_are_refused_each_with_its_code() {
    for (topic, code, word, told) in [
        ("fire/v1/acme/zz/alarm", Reason::ImplementationSpecific, "unknown_device", "add a row"),
        ("fire/v1/acme/alarm", Reason::TopicNameInvalid, "topic_invalid", "fire/v1/{vendor}/{device}/"),
        ("feed/v1/331083001", Reason::TopicNameInvalid, "topic_invalid", "has no meaning here"),
    ] {
        let (reason, draft) = take_message(&message(topic, r#"{"id":"1","kind":"smoke"}"#));
        assert_eq!(reason, code, "{topic}");
        let [kept] = draft.quarantined.as_slice() else { panic!("{draft:?}") };
        assert_eq!((&*kept.reason, &*kept.topic, &*kept.sender, kept.at_ms), (word, topic, "acme", NOW_MS));
        assert!(kept.detail.contains(told), "{}", kept.detail);
        assert_eq!(&*kept.payload, br#"{"id":"1","kind":"smoke"}"#);
    }
}

#[test]
fn repetitions_are_answered_and_not_taken() {
    let settings = Settings::default();
    let mut intake = Intake::new(&settings, city(), Admission::new(&settings));
    let mut draft = Draft::default();
    draft.commit.at_ms = NOW_MS;
    for (topic, payload, entries, readings) in [
        ("alarm", r#"{"id":"a","kind":"smoke"}"#, 1, 0),
        ("alarm", r#"{"id":"a","kind":"smoke"}"#, 1, 0),
        ("alarm", r#"{"id":"a","kind":"smoke","active":false}"#, 2, 0),
        ("event", r#"{"id":"a","kind":"test"}"#, 3, 0),
        ("event", r#"{"id":"a","kind":"test"}"#, 3, 0),
        ("state", r#"{"state":"online"}"#, 4, 0),
        ("state", r#"{"state":"online"}"#, 5, 0),
        ("telemetry", r#"{"seq":4,"values":{"co_ppm":1,"humidity_pct":3}}"#, 5, 2),
        ("telemetry", r#"{"seq":4,"values":{"co_ppm":1,"humidity_pct":3}}"#, 5, 2),
        ("telemetry", r#"{"values":{"co_ppm":1}}"#, 5, 3),
        ("telemetry", r#"{"values":{"co_ppm":1}}"#, 5, 4),
    ] {
        let sent = message(&format!("fire/v1/acme/a1/{topic}"), payload);
        assert_eq!(intake.take(&"acme".into(), &sent, &mut draft), Reason::Success);
        assert_eq!((draft.commit.entries.len(), draft.commit.readings.len()), (entries, readings), "{payload}");
    }
    // the same words from another device are its own
    let sent = message("fire/v1/acme/a2/alarm", r#"{"id":"a","kind":"smoke"}"#);
    intake.take(&"acme".into(), &sent, &mut draft);
    assert_eq!(draft.commit.entries.len(), 6);
}

#[test]
fn a_message_is_never_younger_than_its_commit() {
    let mut sent = message("fire/v1/acme/a1/state", r#"{"state":"online"}"#);
    sent.received_ms = NOW_MS + 5_000;
    let (_, draft) = take_message(&sent);
    let [Entry::Report(report)] = draft.commit.entries.as_slice() else { panic!("{draft:?}") };
    assert_eq!(report.at_ms, NOW_MS);
}
