//! CONNECT (MQTT 5 section 3.1, MQTT 3.1.1 section 3.1).

use bytes::Bytes;

use super::Fault;
use super::property::{
    self, AUTH_DATA, AUTH_METHOD, MAXIMUM_PACKET_SIZE, MESSAGE_EXPIRY, RECEIVE_MAXIMUM, REQUEST_PROBLEM,
    REQUEST_RESPONSE, SESSION_EXPIRY, Set, TOPIC_ALIAS_MAXIMUM, USER_PROPERTY, WILL_DELAY,
};
use super::publish::{FORWARDED, Forward};
use super::read::Reader;
use crate::topic::Topic;

/// What a CONNECT asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) v5: bool,
    /// CONNACK may say that a session is there; that of MQTT 3.1 has no place for it.
    pub(crate) knows_session_present: bool,
    pub(crate) client_id: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive_s: u16,
    /// Seconds that the session may outlive its connection; `u32::MAX` for ever.
    pub(crate) session_expiry_s: u32,
    /// QoS 1 and 2 messages that the client takes at a time; `u16::MAX` unless it says less.
    pub(crate) receive_maximum: u16,
    /// Largest packet that the client takes, bytes.
    pub(crate) packet_max_bytes: u32,
    /// Topic aliases that the client takes; 0 for none.
    pub(crate) topic_alias_maximum: u16,
    /// Whether reason strings may go along with every packet, or with CONNACK and DISCONNECT only.
    pub(crate) request_problem_information: bool,
    /// Whether the client would like a prefix for response topics.
    pub(crate) request_response_information: bool,
    pub(crate) will: Option<Will>,
}

/// The message left with us for the case that the client goes without goodbye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Will {
    pub(crate) topic: Topic,
    pub(crate) payload: Bytes,
    /// 0, 1 or 2.
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    /// From the end of the connection to the will, seconds.
    pub(crate) delay_s: u32,
    /// Message expiry interval, seconds.
    pub(crate) expiry_s: Option<u32>,
    /// What is passed on to subscribers.
    pub(crate) properties: Option<Forward>,
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
/// Set in the protocol level by bridges of some brokers.
const BRIDGE: u8 = 0x80;

/// Decodes the body of a CONNECT.
pub(crate) fn parse(body: &[u8]) -> Result<Hello, Rejection> {
    if let Some(rest) = body.strip_prefix(CONNECT_NAME_3_1) {
        return parse_3_1(rest);
    }
    let Some(rest) = body.strip_prefix(CONNECT_NAME) else {
        return Err(Rejection::Silent("not MQTT")); // MQTT-3.1.2-1
    };
    let v5 = match rest.first() {
        None => return Err(Rejection::Silent("CONNECT cut short")),
        Some(4) => false,
        Some(5) => true,
        // MQTT-3.1.2-2
        Some(other) => {
            let v5 = other & !BRIDGE >= 5;
            return Err(Rejection::Connack { v5, code: 0x84, what: "protocol version: use 3.1.1 or 5.0" });
        }
    };
    let refuse = |fault: Fault| Rejection::Connack { v5, code: fault.code, what: fault.what };
    body_of(Reader::new(rest, 1), v5).map_err(refuse)
}

/// MQTT 3.1, which gateways in the field still speak: the same bytes as 3.1.1, but a client must have an id.
fn parse_3_1(rest: &[u8]) -> Result<Hello, Rejection> {
    let refuse = |code, what| Rejection::Connack { v5: false, code, what };
    match rest.first() {
        None => return Err(Rejection::Silent("CONNECT cut short")),
        Some(3) => {}
        Some(_) => return Err(refuse(0x84, "protocol version: use 3.1.1 or 5.0")),
    }
    let mut hello = body_of(Reader::new(rest, 1), false).map_err(|fault| refuse(fault.code, fault.what))?;
    if hello.client_id.is_empty() {
        return Err(refuse(0x85, "MQTT 3.1 wants a client id"));
    }
    hello.knows_session_present = false;
    Ok(hello)
}

/// The parts of the flags byte (MQTT 5 section 3.1.2.3).
struct Flags {
    clean_start: bool,
    /// QoS and retain of the will.
    will: Option<(u8, bool)>,
    password: bool,
    username: bool,
}

impl Flags {
    fn read(byte: u8, v5: bool) -> Result<Flags, Fault> {
        if byte & 1 != 0 {
            return Err(Fault::malformed("reserved flag of CONNECT")); // MQTT-3.1.2-3
        }
        let (qos, retain) = ((byte >> 3) & 3, byte & 0b10_0000 != 0);
        if qos == 3 {
            return Err(Fault::malformed("will with QoS 3")); // MQTT-3.1.2-12
        }
        let has_will = byte & 0b100 != 0;
        if !has_will && (qos != 0 || retain) {
            return Err(Fault::malformed("will flags without a will")); // MQTT-3.1.2-11, -13
        }
        let (username, password) = (byte & 0b1000_0000 != 0, byte & 0b100_0000 != 0);
        if password && !username && !v5 {
            return Err(Fault::malformed("password without user name")); // MQTT 3.1.1: MQTT-3.1.2-22
        }
        Ok(Flags { clean_start: byte & 0b10 != 0, will: has_will.then_some((qos, retain)), password, username })
    }
}

fn body_of(mut reader: Reader<'_>, v5: bool) -> Result<Hello, Fault> {
    let flags = Flags::read(reader.u8()?, v5)?;
    let keep_alive_s = reader.u16()?;
    let mut hello = Hello {
        v5,
        knows_session_present: true,
        client_id: String::new(),
        username: None,
        password: None,
        clean_start: flags.clean_start,
        keep_alive_s,
        session_expiry_s: if v5 || flags.clean_start { 0 } else { u32::MAX },
        receive_maximum: u16::MAX,
        packet_max_bytes: u32::MAX,
        topic_alias_maximum: 0,
        request_problem_information: true,
        request_response_information: false,
        will: None,
    };
    let enhanced = v5 && properties(&mut reader, &mut hello)?;
    hello.client_id = reader.text()?.to_owned();
    if let Some((qos, retain)) = flags.will {
        hello.will = Some(will(&mut reader, v5, qos, retain)?);
    }
    if flags.username {
        hello.username = Some(reader.text()?.to_owned());
    }
    if flags.password {
        hello.password = Some(reader.data()?.to_vec());
    }
    reader.end()?;
    if enhanced {
        return Err(Fault { code: 0x8C, what: "enhanced authentication is not offered" });
    }
    Ok(hello)
}

/// Reads the properties of CONNECT; true if one is an authentication method.
fn properties(reader: &mut Reader<'_>, hello: &mut Hello) -> Result<bool, Fault> {
    let (mut method, mut data) = (false, false);
    property::read(reader, CONNECT, |property| {
        let number = property.value.number();
        match property.id {
            SESSION_EXPIRY => hello.session_expiry_s = number,
            RECEIVE_MAXIMUM => hello.receive_maximum = u16::try_from(number).unwrap_or(u16::MAX),
            MAXIMUM_PACKET_SIZE => hello.packet_max_bytes = number,
            TOPIC_ALIAS_MAXIMUM => hello.topic_alias_maximum = u16::try_from(number).unwrap_or(u16::MAX),
            REQUEST_PROBLEM => hello.request_problem_information = number == 1,
            REQUEST_RESPONSE => hello.request_response_information = number == 1,
            AUTH_METHOD => method = true,
            AUTH_DATA => data = true,
            _ => {}
        }
        Ok(())
    })?;
    if data && !method {
        return Err(Fault::protocol("authentication data without a method"));
    }
    Ok(method)
}

const CONNECT: Set = property::set(&[
    SESSION_EXPIRY,
    RECEIVE_MAXIMUM,
    MAXIMUM_PACKET_SIZE,
    TOPIC_ALIAS_MAXIMUM,
    REQUEST_PROBLEM,
    REQUEST_RESPONSE,
    USER_PROPERTY,
    AUTH_METHOD,
    AUTH_DATA,
]);

const WILL: Set = FORWARDED | property::set(&[WILL_DELAY, MESSAGE_EXPIRY]);

fn will(reader: &mut Reader<'_>, v5: bool, qos: u8, retain: bool) -> Result<Will, Fault> {
    let (mut delay_s, mut expiry_s, mut forward) = (0, None, Vec::new());
    if v5 {
        property::read(reader, WILL, |property| {
            match property.id {
                WILL_DELAY => delay_s = property.value.number(),
                MESSAGE_EXPIRY => expiry_s = Some(property.value.number()),
                _ => forward.extend_from_slice(property.raw),
            }
            Ok(())
        })?;
    }
    let topic = Topic::new(reader.text()?).map_err(Fault::from)?;
    let payload = Bytes::copy_from_slice(reader.data()?);
    Ok(Will { topic, payload, qos, retain, delay_s, expiry_s, properties: Forward::from_checked(forward) })
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
        let nameless = parse(b"\x00\x06MQIsdp\x03\x02\x00\x3C\x00\x00").err().unwrap();
        assert!(matches!(nameless, Rejection::Connack { v5: false, code: 0x85, .. }));
        let other = parse(b"\x00\x06MQIsdp\x04\x02\x00\x3C\x00\x01c").err().unwrap();
        assert!(matches!(other, Rejection::Connack { v5: false, code: 0x84, .. }));
    }
}
