//! Fuzz targets of the payload decoders and of the way from a message to the commit. Inputs are payloads of the
//! contract, changed as the fuzzer says; FENGHUO_FUZZ_INPUTS sets how many (default 5,000 per target).

use std::sync::Mutex;

use broker::Reason;
use ingest::Settings;
use ingest::vendor::{Decoded, Payload, VENDORS};
use prost::Message as _;
use proto::v1;

use crate::fake::{message, take_message};

fn inputs() -> usize {
    std::env::var("FENGHUO_FUZZ_INPUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(5_000)
}

const KINDS: [&str; 4] = ["alarm", "telemetry", "event", "state"];

const CONTENT_TYPES: [Option<&str>; 5] =
    [None, Some("application/json"), Some("application/x-protobuf"), Some(" application/json ; charset=gbk"), Some("")];

/// What matters in JSON and in protobuf.
const WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"null",
    b"true",
    b"-",
    b"0",
    b"1e309",
    b"1e-400",
    b"-0",
    b"18446744073709551616",
    b"9223372036854775808",
    b"\0",
    b"\xFF",
    b"\xEF\xBB\xBF",
    b"\xB1\xA8",
    b" ",
    b"\"ts\":",
    b"\"values\":{",
    b"\"kind\":\"smoke\"",
    b"\"id\":",
    b"\"co_ppm\":",
    b"{\"a\":",
    b"[[[[[[[[[[[[[[[[",
    b"\x08",
    b"\x0A",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\xFF\xFF\xFF\xFF\x0F",
    b"\x0B",
    b"\x0C",
    b"\x1A\x02",
];

fn seeds() -> Vec<Vec<u8>> {
    let value = |quantity, value| v1::Value { quantity, value };
    let telemetry = v1::Telemetry {
        ts: Some(1_763_798_400_123),
        seq: Some(2),
        values: vec![value(2, 0.1), value(16, 40.0), value(99, f64::NAN)],
    };
    let alarm =
        v1::Alarm { id: "a".into(), ts: Some(-5), kind: 1, active: Some(true), value: Some(1.0), unit: "°C".into() };
    let mut gbk = br#"{"id":"7","kind":"fire","unit":""#.to_vec();
    gbk.extend_from_slice(b"\xB1\xA8\xBE\xAF\"}");
    let json: [&[u8]; 13] = [
        br#"{"ts":1763798400123,"seq":17,"values":{"temperature_c":24.1,"smoke_db_m":0.03,"co_ppm":2}}"#,
        br#"{"v2_field":{"a":[1,{}]},"values":{"co_ppm":2e0},"x":null}"#,
        br#"{"values":{"temprature_c":"24.1"}}"#,
        br#"{"seq":18446744073709551615,"values":{"co_ppm":-0}}"#,
        br#"{"id":"a-17","ts":1763798400123,"kind":"smoke","active":true,"value":0.18,"unit":"dB/m"}"#,
        br#"{"id":"1","id":"2","kind":"Gas ","active":"yes","value":"0_18","unit":5,"ts":"today"}"#,
        br#"{"id":"e","kind":"low_battery"}"#,
        br#"{"state":"sleeping","next_report_s":86400}"#,
        br#"{"state":"lost"}"#,
        b"\xEF\xBB\xBF{\"values\":{\"co_ppm\":2}}\n\0",
        b"{}",
        b"",
        &gbk,
    ];
    let protobuf = [
        telemetry.encode_to_vec(),
        alarm.encode_to_vec(),
        v1::Event { id: "e".into(), ts: None, kind: 2 }.encode_to_vec(),
        v1::State { state: 1, next_report_s: Some(60) }.encode_to_vec(),
    ];
    json.iter().map(|seed| seed.to_vec()).chain(protobuf).collect()
}

/// Changes `seed` by a script of four bytes a step.
fn mutate(seed: &[u8], script: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for step in script.chunks_exact(4) {
        let [what, x, y, z] = [step[0], step[1], step[2], step[3]];
        let at = usize::from(x) % (bytes.len() + 1);
        let word = WORDS[usize::from(y) % WORDS.len()];
        match what % 8 {
            0 if at < bytes.len() => bytes[at] = y,
            1 if at < bytes.len() => bytes[at] ^= 1 << (y % 8),
            2 => drop(bytes.splice(at..at, word.iter().copied())),
            3 => drop(bytes.splice(at..(at + word.len()).min(bytes.len()), word.iter().copied())),
            4 if at < bytes.len() => drop(bytes.drain(at..(at + 1 + usize::from(y % 8)).min(bytes.len()))),
            5 => bytes.truncate(at),
            6 => {
                let part = bytes[at..(at + usize::from(y)).min(bytes.len())].to_vec();
                let times = 1 + usize::from(z % 32);
                bytes.splice(at..at, part.repeat(times));
            }
            7 => {
                let other = &others[usize::from(y) % others.len()];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[(usize::from(z) % (other.len() + 1))..]);
            }
            _ => {}
        }
        bytes.truncate(20_000);
    }
    bytes
}

/// Kind, content type and payload of an input.
fn payload(input: &[u8], seeds: &[Vec<u8>]) -> (&'static str, Option<&'static str>, Vec<u8>) {
    let (head, script) = input.split_at(input.len().min(3));
    let byte = |at: usize| usize::from(head.get(at).copied().unwrap_or(0));
    let bytes = mutate(&seeds[byte(0) % seeds.len()], script, seeds);
    (KINDS[byte(1) % KINDS.len()], CONTENT_TYPES[byte(2) % CONTENT_TYPES.len()], bytes)
}

#[test]
fn fuzz_vendor_decoders() {
    let seeds = seeds();
    let room = Mutex::new(Decoded::new(&Settings::default()));
    bolero::check!().with_iterations(inputs()).with_max_len(43).for_each(|input: &[u8]| {
        let (kind, content_type, bytes) = payload(input, &seeds);
        let topic = format!("fire/v1/acme/a1/{kind}");
        let mut out = room.lock().unwrap();
        for vendor in VENDORS {
            let Some(Ok(address)) = vendor.address(&topic) else { continue };
            out.clear();
            let decoded = vendor.decode(&address, Payload { bytes: &bytes, content_type }, &mut out);
            for (quantity, value) in &out.values {
                assert!(quantity.plausible().contains(value));
            }
            let said = out.values.len() + out.bodies.len();
            assert!(decoded.is_err() || said > 0, "taken, and nothing of it: {bytes:02X?}");
            assert!(out.flaws().all(|flaw| flaw.subject.chars().count() <= 64));
        }
    });
}

/// Nothing is lost: it is in the commit, or refused and kept with its bytes.
#[test]
fn fuzz_messages() {
    let seeds = seeds();
    bolero::check!().with_iterations(inputs() / 4).with_max_len(43).for_each(|input: &[u8]| {
        let (kind, content_type, bytes) = payload(input, &seeds);
        let mut sent = message(&format!("fire/v1/acme/a1/{kind}"), &bytes);
        sent.content_type = content_type.map(Box::from);
        sent.is_will = input.len() % 8 == 7;
        let (reason, draft) = take_message(&sent);
        assert!(draft.quarantined.iter().all(|kept| &*kept.reason != "decoder_failed"), "{bytes:02X?}");
        let admitted = draft.commit.entries.len() + draft.commit.readings.len();
        if reason == Reason::Success {
            assert!(admitted > 0, "{bytes:02X?}");
        } else {
            assert!(admitted == 0 && draft.quarantined.len() == 1, "{bytes:02X?}");
            let kept = &draft.quarantined[0].payload;
            assert!(bytes.starts_with(kept) && (kept.len() == bytes.len() || bytes.len() > 4_096), "{bytes:02X?}");
        }
    });
}

#[test]
fn fuzz_topics() {
    let seeds: Vec<Vec<u8>> =
        ["fire/v1/acme/a1/alarm", "fire/v1/海湾/烟感-7号/telemetry", "fire/v1//x/state", "fire/v2/a/b/c"]
            .iter()
            .map(|topic| topic.as_bytes().to_vec())
            .collect();
    bolero::check!().with_iterations(inputs()).with_max_len(22).for_each(|input: &[u8]| {
        let (head, script) = input.split_at(input.len().min(1));
        let choice = usize::from(head.first().copied().unwrap_or(0));
        let bytes = mutate(&seeds[choice % seeds.len()], script, &seeds);
        let Ok(topic) = std::str::from_utf8(&bytes) else { return };
        let _lane = ingest::lane(topic);
        for vendor in VENDORS {
            if let Some(Ok(address)) = vendor.address(topic) {
                assert!(topic.starts_with("fire/v1/") && !address.device_key.is_empty(), "{topic}");
            }
        }
    });
}
