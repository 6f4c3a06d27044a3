//! `mqtt-protocol-core` as the other side: it must understand what we write, and take what we take.

use std::sync::Arc;

use bytes::Bytes;
use mqtt_protocol_core::mqtt::packet::{Property, v3_1_1, v5_0};

use super::valid;
use crate::outbound::Parcel;
use crate::wire::encode::{self, AckKind, Alias, Sending, Welcome};
use crate::wire::frame;
use crate::wire::publish::Forward;

/// Whether it can decode a packet from a client.
pub(super) fn takes(first: u8, body: &[u8], v5: bool) -> bool {
    let whole = |consumed: usize| consumed == body.len();
    let shared: Arc<[u8]> = Arc::from(body);
    match (first >> 4, v5) {
        (3, false) => v3_1_1::Publish::parse(first & 0x0F, shared).is_ok(),
        (3, true) => v5_0::Publish::parse(first & 0x0F, shared).is_ok(),
        (4, false) => v3_1_1::Puback::parse(body).is_ok_and(|(_, n)| whole(n)),
        (4, true) => v5_0::Puback::parse(body).is_ok_and(|(_, n)| whole(n)),
        (5, false) => v3_1_1::Pubrec::parse(body).is_ok_and(|(_, n)| whole(n)),
        (5, true) => v5_0::Pubrec::parse(body).is_ok_and(|(_, n)| whole(n)),
        (6, false) => v3_1_1::Pubrel::parse(body).is_ok_and(|(_, n)| whole(n)),
        (6, true) => v5_0::Pubrel::parse(body).is_ok_and(|(_, n)| whole(n)),
        (7, false) => v3_1_1::Pubcomp::parse(body).is_ok_and(|(_, n)| whole(n)),
        (7, true) => v5_0::Pubcomp::parse(body).is_ok_and(|(_, n)| whole(n)),
        (8, false) => v3_1_1::Subscribe::parse(body).is_ok_and(|(_, n)| whole(n)),
        (8, true) => v5_0::Subscribe::parse(body).is_ok_and(|(_, n)| whole(n)),
        (10, false) => v3_1_1::Unsubscribe::parse(body).is_ok_and(|(_, n)| whole(n)),
        (10, true) => v5_0::Unsubscribe::parse(body).is_ok_and(|(_, n)| whole(n)),
        (14, true) => v5_0::Disconnect::parse(body).is_ok_and(|(_, n)| whole(n)),
        _ => true,
    }
}

#[test]
fn it_takes_what_we_take() {
    let refused: Vec<&str> = valid()
        .into_iter()
        .filter(|(vector, first, body)| !(takes_connect(*first, body) && takes(*first, body, vector.v5)))
        .map(|(vector, ..)| vector.expected)
        .collect();
    // MQTT 5 section 3.1.2.9: "This version of the protocol allows the sending of a Password with no User Name".
    assert_eq!(refused, ["connect v5 'id' clean alive 60 password p"], "only we take these");
}

pub(super) fn takes_connect(first: u8, body: &[u8]) -> bool {
    // MQTT 3.1 is unknown to it; told as 3.1.1 it is the same.
    if let (0x10, Some(rest)) = (first, body.strip_prefix(b"\x00\x06MQIsdp\x03")) {
        return takes_connect(first, &[b"\x00\x04MQTT\x04", rest].concat());
    }
    match (first, body.get(6)) {
        (0x10, Some(4)) => v3_1_1::Connect::parse(body).is_ok_and(|(_, n)| n == body.len()),
        (0x10, _) => v5_0::Connect::parse(body).is_ok_and(|(_, n)| n == body.len()),
        _ => true,
    }
}

/// The body of the one packet in `out`, whose fixed header must be exact.
fn body(out: Vec<u8>, first: u8) -> Bytes {
    let out = Bytes::from(out);
    let frame = frame::peek(&out, 1 << 24).unwrap().expect("a whole packet");
    assert_eq!((frame.first, frame.total), (first, out.len()));
    out.slice(frame.header..)
}

#[test]
fn acknowledgements_are_understood() {
    for (kind, reasons) in [
        (AckKind::Puback, &[0u8, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99][..]),
        (AckKind::Pubrec, &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]),
        (AckKind::Pubrel, &[0, 0x92]),
        (AckKind::Pubcomp, &[0, 0x92]),
    ] {
        let mut out = Vec::new();
        encode::ack(&mut out, kind, 0x1234, 0);
        assert_eq!(out, [kind as u8, 2, 0x12, 0x34], "the only form of 3.1.1");
        assert!(takes(out[0], &out[2..], false));
        for reason in reasons {
            for what in [None, Some("主题不允许"), Some(&*"x".repeat(300))] {
                let mut out = Vec::new();
                match what {
                    None => encode::ack(&mut out, kind, 0x1234, *reason),
                    Some(what) => encode::ack_because(&mut out, kind, 0x1234, *reason, what, usize::MAX),
                }
                let body = body(out, kind as u8);
                assert!(takes(kind as u8, &body, true), "{kind:?} {reason:02X} {what:?}");
                assert_eq!(body[..2], [0x12, 0x34]);
                let (packet, _) =
                    v5_0::Puback::parse(&body).unwrap_or_else(|_| v5_0::Puback::parse(&body[..2]).unwrap());
                if let (AckKind::Puback, Some(what)) = (kind, what) {
                    assert_eq!(packet.reason_code().map(|code| code as u8), Some(*reason));
                    let expected =
                        Property::ReasonString(mqtt_protocol_core::mqtt::packet::ReasonString::new(what).unwrap());
                    assert_eq!(packet.props().as_ref().unwrap()[..], [expected]);
                }
            }
        }
    }
    let mut out = Vec::new();
    encode::ack_because(&mut out, AckKind::Puback, 1, 0x87, "no", 10);
    assert_eq!(out, [0x40, 3, 0, 1, 0x87], "the reason string would make it 11 bytes (MQTT-3.4.2-2)");
    out.clear();
    encode::ack_because(&mut out, AckKind::Puback, 1, 0x87, "no", 11);
    assert_eq!(out.len(), 11);
}

#[test]
fn publishes_are_understood() {
    let forward = Forward::decode(b"\x01\x01\x03\x00\x04json\x08\x00\x01r\x09\x00\x01c\x26\x00\x01k\x00\x01v").unwrap();
    for forward in [None, Some(forward)] {
        let properties = forward.as_ref().map_or(0, |_| 5);
        let parcel = Parcel {
            topic: "楼宇/A座".into(),
            payload: Bytes::from_static(b"payload"),
            forward,
            retain: true,
            expires_at_ms: None,
        };
        for qos in 0..=2 {
            for alias in [None, Some(Alias::New(7)), Some(Alias::Known(7))] {
                let sending = Sending {
                    qos,
                    packet_id: 77,
                    dup: qos > 0,
                    retain: true,
                    v5: true,
                    alias,
                    identifiers: &[1, 268_435_455],
                    expiry_s: Some(60),
                };
                let mut out = Vec::new();
                encode::publish(&mut out, &parcel, sending);
                assert_eq!(out.len(), encode::publish_bytes(&parcel, sending));
                let flags = (qos << 1) | 1 | if qos > 0 { 8 } else { 0 };
                let body = body(out, 0x30 | flags);
                let (packet, _) = v5_0::Publish::parse(flags, Arc::from(&body[..])).unwrap();
                let topic = if matches!(alias, Some(Alias::Known(_))) { "" } else { "楼宇/A座" };
                assert_eq!((packet.topic_name(), packet.payload().as_slice()), (topic, &b"payload"[..]));
                assert_eq!(packet.packet_id(), (qos > 0).then_some(77));
                assert_eq!(packet.props().len(), properties + 3 + usize::from(alias.is_some()));
            }
            let sending = Sending { qos, packet_id: 77, identifiers: &[1], expiry_s: Some(1), ..Sending::default() };
            let mut out = Vec::new();
            encode::publish(&mut out, &parcel, sending);
            assert_eq!(out.len(), encode::publish_bytes(&parcel, sending));
            let body = body(out, 0x30 | (qos << 1));
            let (packet, _) = v3_1_1::Publish::parse(qos << 1, Arc::from(&body[..])).unwrap();
            assert_eq!((packet.topic_name(), packet.payload().as_slice()), ("楼宇/A座", &b"payload"[..]));
        }
    }
}

#[test]
fn connacks_are_understood() {
    let plain = Welcome { session_present: true, ..Welcome::default() };
    let full = Welcome {
        session_present: true,
        session_expiry_s: Some(10),
        receive_maximum: 20,
        packet_limit_bytes: 65_536,
        topic_alias_maximum: 16,
        assigned_client_id: Some("auto-1".to_owned()),
        server_keep_alive_s: Some(3_600),
        maximum_qos: 1,
        retain_available: false,
        wildcard_available: false,
        identifiers_available: false,
        shared_available: false,
        reason_string: Some("欢迎".to_owned()),
    };
    for (welcome, properties) in [(plain, 0), (full.clone(), 12)] {
        let mut out = Vec::new();
        assert!(encode::connack_v5(&mut out, &welcome, usize::MAX));
        let body = body(out, 0x20);
        let (packet, consumed) = v5_0::Connack::parse(&body).unwrap();
        assert_eq!((packet.session_present(), packet.props().len(), consumed), (true, properties, body.len()));
    }
    let mut out = Vec::new();
    assert!(encode::connack_v5(&mut out, &full, usize::MAX));
    let with_reason = out.len();
    for limit in 0..=with_reason {
        let mut out = Vec::new();
        let written = encode::connack_v5(&mut out, &full, limit);
        assert!(out.len() <= limit, "MQTT-3.1.2-24");
        assert_eq!(written, limit >= with_reason - 9, "the reason string of nine bytes goes (MQTT-3.2.2-19)");
        assert_eq!(written, !out.is_empty());
    }
    for (present, first) in [(false, 0), (true, 1)] {
        let mut out = Vec::new();
        encode::connack_v3(&mut out, present);
        assert_eq!(out, [0x20, 2, first, 0]);
    }
    let codes = [
        0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B,
        0x9C, 0x9D, 0x9F,
    ];
    for code in 0..=255u8 {
        let mut out = Vec::new();
        encode::connack_refused(&mut out, true, code, "no", usize::MAX);
        let body = body(out, 0x20);
        assert!(v5_0::Connack::parse(&body).is_ok());
        assert_eq!(body[1], if codes.contains(&code) { code } else { 0x80 });
        let mut out = Vec::new();
        encode::connack_refused(&mut out, false, code, "no", usize::MAX);
        assert!(out.is_empty() || v3_1_1::Connack::parse(&out[2..]).is_ok());
    }
}

#[test]
fn the_other_answers_are_understood() {
    let codes = [0u8, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2];
    let mut out = Vec::new();
    encode::suback(&mut out, true, 7, &codes);
    let suback = body(out, 0x90);
    let (packet, _) = v5_0::Suback::parse(&suback).unwrap();
    assert_eq!(packet.packet_id(), 7);
    assert_eq!(packet.reason_codes().iter().map(|code| *code as u8).collect::<Vec<_>>(), codes);
    let mut out = Vec::new();
    encode::suback(&mut out, false, 7, &codes);
    assert_eq!(out[4..], [0, 1, 2, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]);
    assert!(v3_1_1::Suback::parse(&out[2..]).is_ok());
    let codes = [0u8, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];
    let mut out = Vec::new();
    encode::unsuback(&mut out, true, 7, &codes);
    let unsuback = body(out, 0xB0);
    let (packet, _) = v5_0::Unsuback::parse(&unsuback).unwrap();
    assert_eq!(packet.reason_codes().iter().map(|code| *code as u8).collect::<Vec<_>>(), codes);
    let mut out = Vec::new();
    encode::unsuback(&mut out, false, 7, &codes);
    assert_eq!(out, [0xB0, 2, 0, 7]);
    let many = vec![0u8; 200];
    let mut out = Vec::new();
    encode::suback(&mut out, true, 7, &many);
    assert_eq!(body(out, 0x90).len(), 203);
}

#[test]
fn disconnects_are_understood_and_fit() {
    for code in 0..=255u8 {
        for (what, limit) in [(None, usize::MAX), (Some("会话被接管"), usize::MAX), (Some("no"), 8), (Some("no"), 9)]
        {
            let mut out = Vec::new();
            encode::disconnect(&mut out, true, code, what, limit);
            assert!(out.len() <= limit);
            let with_reason = what.is_some() && limit > 8;
            let body = body(out, 0xE0);
            let (packet, _) = v5_0::Disconnect::parse(&body).unwrap();
            assert_eq!(packet.props().as_ref().map_or(0, |list| list.len()), usize::from(with_reason));
        }
    }
    for limit in 0..4 {
        let mut out = Vec::new();
        encode::disconnect(&mut out, true, 0x8B, None, limit);
        assert!(out.is_empty(), "does not fit: the socket is closed without a word");
    }
    let mut out = Vec::new();
    encode::disconnect(&mut out, false, 0x8B, None, usize::MAX);
    assert!(out.is_empty(), "3.1.1 has no DISCONNECT from the server");
}
