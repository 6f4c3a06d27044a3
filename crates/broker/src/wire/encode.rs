//! Packets from us to clients, appended to what is to be sent. No packet is larger than the client takes
//! (MQTT-3.1.2-24): where a limit is given, the reason string goes first (MQTT-3.2.2-19, -3.4.2-2, -3.14.2-3).

mod connack;

pub(crate) use connack::{Welcome, connack_refused, connack_v3, connack_v5};

use super::property::{MESSAGE_EXPIRY, REASON_STRING, SUBSCRIPTION_ID, TOPIC_ALIAS};
use crate::outbound::Parcel;

/// PINGRESP.
pub(crate) const PINGRESP: [u8; 2] = [0xD0, 0];

/// The four answers of QoS 1 and 2, by the first byte of their fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum AckKind {
    Puback = 0x40,
    Pubrec = 0x50,
    Pubrel = 0x62,
    Pubcomp = 0x70,
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP. The reason is left out when it is success (MQTT 5 section 3.4.2.1), which is
/// also the only form that v3.1.1 knows.
pub(crate) fn ack(out: &mut Vec<u8>, kind: AckKind, packet_id: u16, reason: u8) {
    let [high, low] = packet_id.to_be_bytes();
    if reason == 0 {
        out.extend_from_slice(&[kind as u8, 2, high, low]);
    } else {
        out.extend_from_slice(&[kind as u8, 3, high, low, reason]);
    }
}

/// As [`ack`], with a reason string if the packet stays within `packet_max_bytes`. For v5 clients that asked for problem
/// information only (MQTT-3.1.2-29).
pub(crate) fn ack_because(
    out: &mut Vec<u8>,
    kind: AckKind,
    packet_id: u16,
    reason: u8,
    what: &str,
    packet_max_bytes: usize,
) {
    let properties = 3 + what.len();
    let body = 3 + width(properties) + properties;
    if what.len() > usize::from(u16::MAX) || 1 + width(body) + body > packet_max_bytes {
        return ack(out, kind, packet_id, reason);
    }
    out.push(kind as u8);
    varint(out, body);
    out.extend_from_slice(&packet_id.to_be_bytes());
    out.push(reason);
    varint(out, properties);
    out.push(REASON_STRING);
    text(out, what);
}

/// How a PUBLISH goes out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sending<'a> {
    pub(crate) qos: u8,
    /// For QoS 1 and 2.
    pub(crate) packet_id: u16,
    /// Sent before.
    pub(crate) dup: bool,
    pub(crate) retain: bool,
    pub(crate) v5: bool,
    /// Instead of or beside the topic; v5.
    pub(crate) alias: Option<Alias>,
    /// Of the subscriptions that match; v5.
    pub(crate) identifiers: &'a [u32],
    /// What is left of the message expiry interval, seconds; v5.
    pub(crate) expiry_s: Option<u32>,
}

/// For the size that a message has at most, but for subscription identifiers and expiry.
pub(crate) const LARGEST: Sending<'static> = Sending {
    qos: 1,
    packet_id: 1,
    dup: false,
    retain: false,
    v5: true,
    alias: None,
    identifiers: &[],
    expiry_s: None,
};

/// A topic alias towards the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alias {
    /// The packet carries the topic and gives it this alias.
    New(u16),
    /// The packet carries the alias only.
    Known(u16),
}

/// PUBLISH.
pub(crate) fn publish(out: &mut Vec<u8>, parcel: &Parcel, sending: Sending<'_>) {
    let Sending { qos, packet_id, dup, retain, v5, .. } = sending;
    let size = publish_size(parcel, &sending);
    out.reserve(1 + width(size.body) + size.body);
    out.push(0x30 | (qos << 1) | (u8::from(dup) << 3) | u8::from(retain));
    varint(out, size.body);
    text(out, sent_topic(parcel, &sending));
    if qos > 0 {
        out.extend_from_slice(&packet_id.to_be_bytes());
    }
    if v5 {
        varint(out, size.properties);
        if size.properties > 0 {
            publish_properties(out, parcel, &sending);
        }
    }
    out.extend_from_slice(&parcel.payload);
}

fn publish_properties(out: &mut Vec<u8>, parcel: &Parcel, sending: &Sending<'_>) {
    if let Some(seconds) = sending.expiry_s {
        out.push(MESSAGE_EXPIRY);
        out.extend_from_slice(&seconds.to_be_bytes());
    }
    if let Some(Alias::New(alias) | Alias::Known(alias)) = sending.alias {
        out.push(TOPIC_ALIAS);
        out.extend_from_slice(&alias.to_be_bytes());
    }
    if let Some(forward) = &parcel.forward {
        out.extend_from_slice(forward.encoded());
    }
    for identifier in sending.identifiers {
        out.push(SUBSCRIPTION_ID);
        varint(out, *identifier as usize);
    }
}

/// Size of the packet that [`publish`] writes, bytes.
pub(crate) fn publish_bytes(parcel: &Parcel, sending: Sending<'_>) -> usize {
    let body = publish_size(parcel, &sending).body;
    1 + width(body) + body
}

fn sent_topic<'a>(parcel: &'a Parcel, sending: &Sending<'_>) -> &'a str {
    match sending.alias {
        Some(Alias::Known(_)) if sending.v5 => "",
        _ => &parcel.topic,
    }
}

struct PublishSize {
    properties: usize,
    body: usize,
}

fn publish_size(parcel: &Parcel, sending: &Sending<'_>) -> PublishSize {
    let mut properties = 0;
    let mut body = 2 + sent_topic(parcel, sending).len() + parcel.payload.len();
    if sending.qos > 0 {
        body += 2;
    }
    if sending.v5 {
        properties += if sending.expiry_s.is_some() { 5 } else { 0 };
        properties += if sending.alias.is_some() { 3 } else { 0 };
        properties += parcel.forward.as_ref().map_or(0, |forward| forward.bytes());
        properties += sending.identifiers.iter().map(|identifier| 1 + width(*identifier as usize)).sum::<usize>();
        body += width(properties) + properties;
    }
    PublishSize { properties, body }
}

fn width(value: usize) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("texts are checked on entry");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Fixed header and body of a packet without a size limit of its own.
fn packet(out: &mut Vec<u8>, first: u8, body: &[u8]) {
    out.push(first);
    varint(out, body.len());
    out.extend_from_slice(body);
}

/// SUBACK; `codes` are MQTT 5 reason codes, of which v3.1.1 sees only the QoS or failure (MQTT 3.1.1: MQTT-3.9.3-2).
pub(crate) fn suback(out: &mut Vec<u8>, v5: bool, packet_id: u16, codes: &[u8]) {
    let mut body = packet_id.to_be_bytes().to_vec();
    if v5 {
        body.push(0);
        body.extend_from_slice(codes);
    } else {
        body.extend(codes.iter().map(|code| (*code).min(0x80)));
    }
    packet(out, 0x90, &body);
}

/// UNSUBACK; v3.1.1 has no codes.
pub(crate) fn unsuback(out: &mut Vec<u8>, v5: bool, packet_id: u16, codes: &[u8]) {
    let mut body = packet_id.to_be_bytes().to_vec();
    if v5 {
        body.push(0);
        body.extend_from_slice(codes);
    }
    packet(out, 0xB0, &body);
}

/// DISCONNECT to a v5 client, with a reason string if there is one and room for it; nothing to a v3.1.1 client. The
/// empty property list is there because some clients insist on it.
pub(crate) fn disconnect(out: &mut Vec<u8>, v5: bool, code: u8, what: Option<&str>, packet_max_bytes: usize) {
    if !v5 {
        return;
    }
    let code = match code {
        0x00 | 0x80..=0x83 | 0x87 | 0x89 | 0x8B | 0x8D..=0x90 | 0x93..=0xA2 => code, // table 3-10
        _ => 0x80,
    };
    let mut body = vec![code, 0];
    if let Some(what) = what.filter(|what| what.len() < 0x7F - 3 && 7 + what.len() <= packet_max_bytes) {
        body[1] = 3 + what.len() as u8;
        body.push(REASON_STRING);
        text(&mut body, what);
    }
    if 2 + body.len() <= packet_max_bytes {
        packet(out, 0xE0, &body);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;

    use super::*;
    use crate::wire::publish::Forward;
    use crate::wire::{frame, publish};

    #[test]
    fn a_publish_is_read_back_as_it_was_written() {
        for (content_type, payload) in
            [(None, 0), (Some("application/json"), 10), (Some("x"), 300), (Some("y"), 70_000)]
        {
            let content_type = content_type.map(|text: &str| text.repeat(if payload == 300 { 200 } else { 1 }));
            let parcel = Parcel {
                topic: "people/张三/inbox".into(),
                payload: Bytes::from(vec![7; payload]),
                forward: content_type.as_deref().and_then(Forward::of_content_type),
                retain: false,
                expires_at_ms: None,
            };
            for (v5, qos) in [(true, 2), (true, 1), (true, 0), (false, 2), (false, 1), (false, 0)] {
                let mut out = Vec::new();
                let sending = Sending { qos, packet_id: 77, dup: qos > 0, retain: qos < 2, v5, ..Sending::default() };
                super::publish(&mut out, &parcel, sending);
                let frame = frame::peek(&out, 1 << 20).unwrap().unwrap();
                assert_eq!(frame.total, out.len());
                assert_eq!(out.len(), publish_bytes(&parcel, sending));
                let out = Bytes::from(out);
                let body = frame.header..frame.total;
                let read = publish::parse(frame.first, &out, body, v5).unwrap();
                assert_eq!(&read.topic[..], parcel.topic.as_bytes());
                assert_eq!(read.payload, parcel.payload);
                assert_eq!(read.packet_id, if qos > 0 { 77 } else { 0 });
                assert_eq!((read.qos, read.dup, read.retain), (qos, qos > 0, qos < 2));
                assert_eq!(read.properties, parcel.forward.clone().filter(|_| v5));
            }
        }
    }

    #[test]
    fn refusals_are_translated_for_3_1_1() {
        let refused = |v5, code, what| {
            let mut out = Vec::new();
            connack_refused(&mut out, v5, code, what, usize::MAX);
            out
        };
        assert_eq!(refused(false, 0x86, "")[3], 4);
        assert_eq!(refused(false, 0x87, "")[3], 5);
        assert_eq!(refused(false, 0x84, "")[3], 1);
        assert_eq!(refused(false, 0x81, ""), Vec::<u8>::new());
        assert_eq!(refused(true, 0x86, "no")[3], 0x86);
    }
}
