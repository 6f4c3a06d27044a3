//! Packets from us to clients. The frequent ones are written by hand, the others by
//! `mqtt-protocol-core`.

use mqtt_protocol_core::mqtt::packet::{
    AssignedClientIdentifier, MaximumPacketSize, MaximumQos, Properties, Property, ReasonString, ReceiveMaximum,
    ServerKeepAlive, SessionExpiryInterval, SharedSubscriptionAvailable, SubscriptionIdentifierAvailable,
    TopicAliasMaximum, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, SubackReasonCode, SubackReturnCode, UnsubackReasonCode,
};

use crate::outbound::Parcel;

const BUILDS: &str = "all parts are set and within the ranges of the standard";

/// PINGRESP.
pub(crate) const PINGRESP: [u8; 2] = [0xD0, 0];

/// PUBACK. The reason is left out when it is success (MQTT 5 section 3.4.2.1), which is also the
/// only form that v3.1.1 knows.
pub(crate) fn puback(out: &mut Vec<u8>, packet_id: u16, reason: u8) {
    let [high, low] = packet_id.to_be_bytes();
    if reason == 0 {
        out.extend_from_slice(&[0x40, 2, high, low]);
    } else {
        out.extend_from_slice(&[0x40, 3, high, low, reason]);
    }
}

/// How a PUBLISH goes out: QoS, packet identifier (for QoS 1) and whether it went out before.
#[derive(Clone, Copy)]
pub(crate) struct Sending {
    pub(crate) qos: u8,
    pub(crate) packet_id: u16,
    pub(crate) dup: bool,
    pub(crate) v5: bool,
}

/// PUBLISH.
pub(crate) fn publish(out: &mut Vec<u8>, parcel: &Parcel, sending: Sending) {
    let Sending { qos, packet_id, dup, v5 } = sending;
    out.push(0x30 | (qos << 1) | (u8::from(dup) << 3));
    variable_byte_integer(out, publish_body_bytes(parcel, qos, v5));
    text(out, &parcel.topic);
    if qos > 0 {
        out.extend_from_slice(&packet_id.to_be_bytes());
    }
    if v5 {
        match &parcel.content_type {
            None => out.push(0),
            Some(content_type) => {
                variable_byte_integer(out, 3 + content_type.len());
                out.push(0x03);
                text(out, content_type);
            }
        }
    }
    out.extend_from_slice(&parcel.payload);
}

/// Size of the PUBLISH that [`publish`] writes, bytes; the largest form, for the limits.
pub(crate) fn publish_bytes(parcel: &Parcel) -> usize {
    5 + publish_body_bytes(parcel, 1, true)
}

fn publish_body_bytes(parcel: &Parcel, qos: u8, v5: bool) -> usize {
    let properties = match (&parcel.content_type, v5) {
        (_, false) => 0,
        (None, true) => 1,
        (Some(content_type), true) => {
            let length = 3 + content_type.len();
            width(length) + length
        }
    };
    2 + parcel.topic.len() + if qos > 0 { 2 } else { 0 } + properties + parcel.payload.len()
}

fn width(value: usize) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

fn variable_byte_integer(out: &mut Vec<u8>, mut value: usize) {
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
    let length = u16::try_from(text.len()).expect("topics and content types are checked on entry");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// What a CONNACK that lets a client in tells it.
pub(crate) struct Welcome {
    pub(crate) session_present: bool,
    pub(crate) session_expiry_s: Option<u32>,
    pub(crate) receive_maximum: u16,
    pub(crate) packet_limit_bytes: usize,
    pub(crate) topic_alias_maximum: u16,
    pub(crate) assigned_client_id: Option<String>,
    pub(crate) server_keep_alive_s: Option<u16>,
}

pub(crate) fn connack_v3(session_present: bool) -> Vec<u8> {
    v3_1_1::Connack::builder()
        .session_present(session_present)
        .return_code(ConnectReturnCode::Accepted)
        .build()
        .expect(BUILDS)
        .to_continuous_buffer()
}

pub(crate) fn connack_v5(welcome: Welcome) -> Vec<u8> {
    let packet_limit = u32::try_from(welcome.packet_limit_bytes).unwrap_or(u32::MAX);
    let mut properties: Properties = vec![
        Property::ReceiveMaximum(ReceiveMaximum::new(welcome.receive_maximum).expect(BUILDS)),
        Property::MaximumQos(MaximumQos::new(1).expect(BUILDS)),
        Property::MaximumPacketSize(MaximumPacketSize::new(packet_limit).expect(BUILDS)),
        Property::TopicAliasMaximum(TopicAliasMaximum::new(welcome.topic_alias_maximum).expect(BUILDS)),
        Property::SubscriptionIdentifierAvailable(SubscriptionIdentifierAvailable::new(0).expect(BUILDS)),
        Property::SharedSubscriptionAvailable(SharedSubscriptionAvailable::new(0).expect(BUILDS)),
    ];
    if let Some(seconds) = welcome.session_expiry_s {
        let value = SessionExpiryInterval::new(seconds).expect(BUILDS);
        properties.push(Property::SessionExpiryInterval(value));
    }
    if let Some(client_id) = &welcome.assigned_client_id {
        let value = AssignedClientIdentifier::new(client_id).expect(BUILDS);
        properties.push(Property::AssignedClientIdentifier(value));
    }
    if let Some(seconds) = welcome.server_keep_alive_s {
        properties.push(Property::ServerKeepAlive(ServerKeepAlive::new(seconds).expect(BUILDS)));
    }
    v5_0::Connack::builder()
        .session_present(welcome.session_present)
        .reason_code(ConnectReasonCode::Success)
        .props(properties)
        .build()
        .expect(BUILDS)
        .to_continuous_buffer()
}

/// CONNACK that turns a client away; empty if v3.1.1 has no code for the reason and the socket is
/// to be closed without a word.
pub(crate) fn connack_refused(v5: bool, code: u8, what: &str) -> Vec<u8> {
    if v5 {
        let reason = ConnectReasonCode::try_from(code).unwrap_or(ConnectReasonCode::UnspecifiedError);
        let what = Property::ReasonString(ReasonString::new(what).expect(BUILDS));
        return v5_0::Connack::builder()
            .session_present(false)
            .reason_code(reason)
            .props(vec![what])
            .build()
            .expect(BUILDS)
            .to_continuous_buffer();
    }
    let code = match code {
        0x84 => ConnectReturnCode::UnacceptableProtocolVersion,
        0x85 => ConnectReturnCode::IdentifierRejected,
        0x88 | 0x89 | 0x97 | 0x9F => ConnectReturnCode::ServerUnavailable,
        0x86 => ConnectReturnCode::BadUserNameOrPassword,
        0x87 | 0x8A | 0x90 => ConnectReturnCode::NotAuthorized,
        _ => return Vec::new(),
    };
    v3_1_1::Connack::builder().session_present(false).return_code(code).build().expect(BUILDS).to_continuous_buffer()
}

/// SUBACK; `codes` are MQTT 5 reason codes, of which v3.1.1 sees only success or failure.
pub(crate) fn suback(v5: bool, packet_id: u16, codes: &[u8]) -> Vec<u8> {
    if v5 {
        let code = |code: &u8| SubackReasonCode::try_from(*code).expect("our own codes");
        return v5_0::Suback::builder()
            .packet_id(packet_id)
            .reason_codes(codes.iter().map(code).collect())
            .build()
            .expect(BUILDS)
            .to_continuous_buffer();
    }
    let code = |code: &u8| SubackReturnCode::try_from(*code).unwrap_or(SubackReturnCode::Failure);
    v3_1_1::Suback::builder()
        .packet_id(packet_id)
        .return_codes(codes.iter().map(code).collect())
        .build()
        .expect(BUILDS)
        .to_continuous_buffer()
}

/// UNSUBACK; `existed` tells for each filter whether there was such a subscription.
pub(crate) fn unsuback(v5: bool, packet_id: u16, existed: &[bool]) -> Vec<u8> {
    if v5 {
        let code = |existed: &bool| match existed {
            true => UnsubackReasonCode::Success,
            false => UnsubackReasonCode::NoSubscriptionExisted,
        };
        return v5_0::Unsuback::builder()
            .packet_id(packet_id)
            .reason_codes(existed.iter().map(code).collect())
            .build()
            .expect(BUILDS)
            .to_continuous_buffer();
    }
    let packet = v3_1_1::Unsuback::builder().packet_id(packet_id).build();
    packet.expect(BUILDS).to_continuous_buffer()
}

/// DISCONNECT to a v5 client. With an empty property list, which some clients insist on.
pub(crate) fn disconnect(code: u8) -> Vec<u8> {
    let reason = DisconnectReasonCode::try_from(code).unwrap_or(DisconnectReasonCode::UnspecifiedError);
    vec![0xE0, 2, reason as u8, 0]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;

    use super::*;
    use crate::wire::{frame, publish};

    #[test]
    fn a_publish_is_read_back_as_it_was_written() {
        for (content_type, payload) in
            [(None, 0), (Some("application/json"), 10), (Some("x"), 300), (Some("y"), 70_000)]
        {
            let content_type: Option<Box<str>> =
                content_type.map(|text: &str| text.repeat(if payload == 300 { 200 } else { 1 }).into());
            let parcel =
                Parcel { topic: "people/张三/inbox".into(), payload: Bytes::from(vec![7; payload]), content_type };
            for (v5, qos) in [(true, 1), (true, 0), (false, 1), (false, 0)] {
                let mut out = Vec::new();
                super::publish(&mut out, &parcel, Sending { qos, packet_id: 77, dup: qos > 0, v5 });
                let frame = frame::peek(&out, 1 << 20).unwrap().unwrap();
                assert_eq!(frame.total, out.len());
                assert!(out.len() <= publish_bytes(&parcel));
                let out = Bytes::from(out);
                let body = frame.header..frame.total;
                let read = publish::parse(frame.first, &out, body, v5).unwrap();
                assert_eq!(&read.topic[..], parcel.topic.as_bytes());
                assert_eq!(read.payload, parcel.payload);
                assert_eq!(read.packet_id, if qos > 0 { 77 } else { 0 });
                let expected = parcel.content_type.clone().filter(|_| v5);
                assert_eq!(read.content_type, expected);
            }
        }
    }

    #[test]
    fn refusals_are_translated_for_3_1_1() {
        assert_eq!(connack_refused(false, 0x86, "")[3], 4);
        assert_eq!(connack_refused(false, 0x87, "")[3], 5);
        assert_eq!(connack_refused(false, 0x84, "")[3], 1);
        assert_eq!(connack_refused(false, 0x81, ""), Vec::<u8>::new());
        assert_eq!(connack_refused(true, 0x86, "no")[3], 0x86);
    }
}
