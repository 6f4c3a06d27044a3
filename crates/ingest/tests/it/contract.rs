//! The published documents say what the code does.

use model::{AlarmKind, DeviceState, EventKind, Quantity};
use proto::v1;

const ASYNCAPI: &str = include_str!("../../../../proto/asyncapi.yaml");

#[test]
fn the_document_names_every_word_of_the_contract() {
    for quantity in Quantity::ALL.iter().filter(|quantity| **quantity != Quantity::Presence) {
        let range = quantity.plausible();
        let expected = format!(
            "{}: {{type: number, minimum: {}, maximum: {}, x-unit: \"{}\"}}",
            quantity.key(),
            range.start(),
            range.end(),
            quantity.unit()
        );
        assert!(ASYNCAPI.contains(&expected), "missing: {expected}");
    }
    for words in [AlarmKind::WORDS, EventKind::WORDS, DeviceState::WORDS] {
        let expected = format!("enum: [{}]", words.join(", "));
        assert!(ASYNCAPI.contains(&expected), "missing: {expected}");
    }
    for topic in ["alarm", "telemetry", "event", "state", "command"] {
        let expected = format!("address: fire/v1/{{vendor}}/{{device}}/{topic}\n");
        assert!(ASYNCAPI.contains(&expected), "missing: {expected}");
    }
    for fault in ingest::Fault::ALL.iter().filter(|fault| **fault != ingest::Fault::Suppressed) {
        let expected = format!("`{}`", fault.word());
        assert!(ASYNCAPI.contains(&expected), "missing: {expected}");
        let code = format!("0x{:02X}", fault.reason() as u8);
        assert!(ASYNCAPI.contains(&code), "missing: {code}");
    }
    assert!(ASYNCAPI.starts_with("asyncapi: 3.0.0\n") && !ASYNCAPI.contains('\t'));
}

#[test]
fn json_keys_are_the_protobuf_names_in_lower_case() {
    let mut numbers = 0;
    for quantity in Quantity::ALL.iter().filter(|quantity| **quantity != Quantity::Presence) {
        let name = format!("QUANTITY_{}", quantity.key().to_ascii_uppercase());
        assert!(v1::Quantity::from_str_name(&name).is_some(), "{name}");
        numbers += 1;
    }
    let known = (1..100).filter(|number| v1::Quantity::try_from(*number).is_ok()).count();
    assert_eq!(known, numbers, "a quantity of the protobuf contract has no JSON key");
    for (words, prefix) in [(AlarmKind::WORDS, "ALARM_KIND"), (EventKind::WORDS, "EVENT_KIND")] {
        for word in words {
            let name = format!("{prefix}_{}", word.to_ascii_uppercase());
            assert!(
                v1::AlarmKind::from_str_name(&name).is_some() || v1::EventKind::from_str_name(&name).is_some(),
                "{name}"
            );
        }
    }
}
