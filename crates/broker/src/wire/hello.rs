//! CONNECT (MQTT 5 section 3.1, MQTT 3.1.1 section 3.1).

use bytes::Bytes;
use mqtt_protocol_core::mqtt::packet::{Property, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::MqttError;

use crate::topic::Topic;

/// What a CONNECT asks for.
pub(crate) struct Hello {
    pub(crate) v5: bool,
    pub(crate) client_id: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive_s: u16,
    /// Seconds that the session may outlive its connection; `u32::MAX` for ever.
    pub(crate) session_expiry_s: u32,
    /// QoS 1 messages that the client takes at a time; `u16::MAX` unless it says less.
    pub(crate) receive_maximum: u16,
    /// Largest packet that the client takes, bytes.
    pub(crate) packet_max_bytes: u32,
    pub(crate) will: Option<Will>,
}

/// The message left with us for the case that the client goes without goodbye.
#[derive(Clone, Debug)]
pub(crate) struct Will {
    pub(crate) topic: Topic,
    pub(crate) payload: Bytes,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) content_type: Option<Box<str>>,
    pub(crate) delay_s: u32,
}

/// How to turn a CONNECT down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// Not MQTT, or too broken to answer: close (MQTT-3.1.4-1).
    Silent(&'static str),
    /// CONNACK with this MQTT 5 reason code, translated for v3.1.1, then close.
    Connack { v5: bool, code: u8, what: &'static str },
}

const CONNECT_NAME: &[u8] = b"\x00\x04MQTT";
const CONNECT_NAME_3_1: &[u8] = b"\x00\x06MQIsdp";

/// Decodes the body of a CONNECT.
pub(crate) fn parse(body: &[u8]) -> Result<Hello, Rejection> {
    let Some(rest) = body.strip_prefix(CONNECT_NAME) else {
        return Err(if body.starts_with(CONNECT_NAME_3_1) {
            Rejection::Connack { v5: false, code: 0x84, what: "MQTT 3.1" }
        } else {
            Rejection::Silent("not MQTT")
        });
    };
    let (level, flags) = match rest {
        [level, flags, ..] => (*level, *flags),
        _ => return Err(Rejection::Silent("CONNECT cut short")),
    };
    let v5 = match level {
        4 => false,
        5 => true,
        other => {
            let v5 = other > 5;
            return Err(Rejection::Connack { v5, code: 0x84, what: "unknown protocol version" });
        }
    };
    let reject = |code, what| Rejection::Connack { v5, code, what };
    let will_flags_without_will = flags & 0b100 == 0 && flags & 0b11_1000 != 0;
    if flags & 1 != 0 || (flags >> 3) & 3 == 3 || will_flags_without_will {
        return Err(reject(0x81, "CONNECT flags"));
    }
    let error = |error| match error {
        MqttError::ProtocolError => reject(0x82, "CONNECT against the protocol"),
        MqttError::ClientIdentifierNotValid => reject(0x85, "client id cannot be decoded"),
        _ => reject(0x81, "CONNECT cannot be decoded"),
    };
    let (hello, consumed) = if v5 {
        let (packet, consumed) = v5_0::Connect::parse(body).map_err(error)?;
        (from_v5(&packet)?, consumed)
    } else {
        let (packet, consumed) = v3_1_1::Connect::parse(body).map_err(error)?;
        (from_v3(&packet)?, consumed)
    };
    if consumed != body.len() {
        return Err(reject(0x81, "bytes after the end of CONNECT"));
    }
    if hello.client_id.contains('\0') {
        return Err(reject(0x85, "client id contains NUL"));
    }
    Ok(hello)
}

fn from_v3(packet: &v3_1_1::Connect) -> Result<Hello, Rejection> {
    let clean_start = packet.clean_session();
    let will = match (packet.will_topic(), packet.will_payload()) {
        (Some(topic), payload) => Some(will(false, topic, payload, packet.will_qos() as u8)?),
        (None, _) => None,
    };
    Ok(Hello {
        v5: false,
        client_id: packet.client_id().to_owned(),
        username: packet.user_name().map(str::to_owned),
        password: packet.password().map(<[u8]>::to_vec),
        clean_start,
        keep_alive_s: packet.keep_alive(),
        session_expiry_s: if clean_start { 0 } else { u32::MAX },
        receive_maximum: u16::MAX,
        packet_max_bytes: u32::MAX,
        will: will.map(|will| Will { retain: packet.will_retain(), qos: will.qos.min(1), ..will }),
    })
}

fn from_v5(packet: &v5_0::Connect) -> Result<Hello, Rejection> {
    let reject = |code, what| Rejection::Connack { v5: true, code, what };
    let will = match (packet.will_topic(), packet.will_payload()) {
        (Some(topic), payload) => Some(will(true, topic, payload, packet.will_qos() as u8)?),
        (None, _) => None,
    };
    if will.as_ref().is_some_and(|will| will.qos > 1) {
        return Err(reject(0x9B, "will with QoS 2: this server offers QoS 0 and 1"));
    }
    let mut hello = Hello {
        v5: true,
        client_id: packet.client_id().to_owned(),
        username: packet.user_name().map(str::to_owned),
        password: packet.password().map(<[u8]>::to_vec),
        clean_start: packet.clean_start(),
        keep_alive_s: packet.keep_alive(),
        session_expiry_s: 0,
        receive_maximum: u16::MAX,
        packet_max_bytes: u32::MAX,
        will: will.map(|will| Will { retain: packet.will_retain(), ..will }),
    };
    for property in packet.props() {
        match property {
            Property::SessionExpiryInterval(value) => hello.session_expiry_s = value.val(),
            Property::ReceiveMaximum(value) => hello.receive_maximum = value.val(),
            Property::MaximumPacketSize(value) => hello.packet_max_bytes = value.val(),
            Property::AuthenticationMethod(_) => {
                return Err(reject(0x8C, "enhanced authentication is not offered"));
            }
            _ => {}
        }
    }
    if hello.receive_maximum == 0 || hello.packet_max_bytes == 0 {
        return Err(reject(0x82, "receive maximum or maximum packet size 0"));
    }
    if let Some(will) = &mut hello.will {
        for property in packet.will_props() {
            match property {
                Property::WillDelayInterval(value) => will.delay_s = value.val(),
                Property::ContentType(value) => will.content_type = Some(value.val().into()),
                _ => {}
            }
        }
    }
    Ok(hello)
}

fn will(v5: bool, topic: &str, payload: Option<&[u8]>, qos: u8) -> Result<Will, Rejection> {
    let topic = Topic::new(topic).map_err(|_| Rejection::Connack { v5, code: 0x90, what: "will topic not valid" })?;
    let payload = Bytes::copy_from_slice(payload.unwrap_or_default());
    Ok(Will { topic, payload, qos, retain: false, content_type: None, delay_s: 0 })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const V5: &[u8] = b"\x00\x04MQTT\x05\xEE\x00\x3C\x05\x11\x00\x00\x00\x0A\x00\x02id\x05\x18\x00\x00\x00\x07\x00\x03a/b\x00\x01w\x00\x01u\x00\x01p";

    #[test]
    fn a_full_connect_is_understood() {
        let hello = parse(V5).unwrap();
        assert!(hello.v5 && hello.clean_start);
        assert_eq!((hello.client_id.as_str(), hello.keep_alive_s), ("id", 60));
        assert_eq!(hello.session_expiry_s, 10);
        let will = hello.will.unwrap();
        assert_eq!((&*will.topic, will.qos, will.retain, will.delay_s), ("a/b", 1, true, 7));
        assert_eq!(hello.password.as_deref(), Some(&b"p"[..]));
    }

    #[test]
    fn every_truncation_and_a_surplus_byte_are_refused() {
        for cut in 0..V5.len() {
            assert!(parse(&V5[..cut]).is_err(), "cut at {cut}");
        }
        let surplus = [V5, b"x"].concat();
        assert!(parse(&surplus).is_err());
    }

    #[test]
    fn versions_and_flags_are_checked() {
        let with = |at: usize, byte: u8| {
            let mut bytes = V5.to_vec();
            bytes[at] = byte;
            parse(&bytes).err().unwrap()
        };
        assert!(matches!(with(0, 9), Rejection::Silent(_)));
        assert!(matches!(with(6, 3), Rejection::Connack { v5: false, code: 0x84, .. }));
        assert!(matches!(with(6, 9), Rejection::Connack { v5: true, code: 0x84, .. }));
        assert!(matches!(with(7, 0xEF), Rejection::Connack { code: 0x81, .. }));
        assert!(matches!(with(7, 0xFE), Rejection::Connack { code: 0x81, .. }));
        assert!(matches!(with(7, 0xF6), Rejection::Connack { code: 0x9B, .. }));
        let old = parse(b"\x00\x06MQIsdp\x03\x02\x00\x3C\x00\x00").err().unwrap();
        assert!(matches!(old, Rejection::Connack { v5: false, code: 0x84, .. }));
    }
}
