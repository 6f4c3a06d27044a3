//! PUBLISH, decoded in place (MQTT 5 section 3.3, MQTT 3.1.1 section 3.3).

use std::ops::Range;

use bytes::Bytes;

use super::Fault;
use super::property::{
    self, CONTENT_TYPE, CORRELATION_DATA, MESSAGE_EXPIRY, PAYLOAD_FORMAT, Property, RESPONSE_TOPIC, SUBSCRIPTION_ID,
    Set, TOPIC_ALIAS, USER_PROPERTY, Value,
};
use super::read::Reader;

/// A PUBLISH whose topic and payload share the buffer they came in. The topic is not checked yet, except that
/// it is empty only where an alias stands in for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Topic name as sent.
    pub topic: Bytes,
    /// Packet identifier; 0 for QoS 0.
    pub packet_id: u16,
    /// 0, 1 or 2.
    pub qos: u8,
    /// Sent before.
    pub dup: bool,
    /// Retain flag.
    pub retain: bool,
    /// MQTT 5 topic alias.
    pub alias: Option<u16>,
    /// MQTT 5 message expiry interval, seconds.
    pub expiry_s: Option<u32>,
    /// What is passed on to subscribers.
    pub properties: Option<Forward>,
    /// Application message.
    pub payload: Bytes,
}

impl Publish {
    /// MQTT 5 content type.
    pub fn content_type(&self) -> Option<&str> {
        self.properties.as_ref()?.content_type()
    }
}

/// Decodes the PUBLISH whose fixed header began with `first` and whose body lies at `body` in
/// `buffer`.
///
/// # Errors
/// Malformed packet (0x81), protocol error (0x82) or topic alias 0 (0x94).
pub fn parse(first: u8, buffer: &Bytes, body: Range<usize>, v5: bool) -> Result<Publish, Fault> {
    let qos = (first >> 1) & 3;
    let dup = first & 8 != 0;
    if qos == 3 {
        return Err(Fault::malformed("PUBLISH with QoS 3")); // MQTT-3.3.1-4
    }
    if dup && qos == 0 {
        return Err(Fault::malformed("PUBLISH with DUP and QoS 0")); // MQTT-3.3.1-2
    }
    let mut reader = Reader::new(&buffer[..body.end], body.start);
    let length = reader.data()?.len();
    let topic = reader.at() - length..reader.at();
    let packet_id = if qos > 0 { reader.packet_id()? } else { 0 };
    let properties = if v5 { Properties::read(&mut reader)? } else { Properties::default() };
    if topic.is_empty() && properties.alias.is_none() {
        return Err(Fault::protocol("empty topic without alias"));
    }
    Ok(Publish {
        topic: if topic.is_empty() { Bytes::new() } else { buffer.slice(topic) },
        packet_id,
        qos,
        dup,
        retain: first & 1 != 0,
        alias: properties.alias,
        expiry_s: properties.expiry_s,
        properties: properties.forward,
        payload: if reader.is_at_end() { Bytes::new() } else { buffer.slice(reader.at()..body.end) },
    })
}

#[derive(Default)]
struct Properties {
    alias: Option<u16>,
    expiry_s: Option<u32>,
    forward: Option<Forward>,
}

impl Properties {
    fn read(reader: &mut Reader<'_>) -> Result<Properties, Fault> {
        let length = reader.varint()?;
        if length == 0 {
            return Ok(Properties::default());
        }
        Properties::read_some(reader.part(length)?, length)
    }

    fn read_some(reader: Reader<'_>, length: usize) -> Result<Properties, Fault> {
        let mut found = Properties::default();
        let mut forward = Vec::new();
        property::read_all(reader, PUBLISH, |property| {
            match property.id {
                TOPIC_ALIAS => found.alias = u16::try_from(property.value.number()).ok(),
                MESSAGE_EXPIRY => found.expiry_s = Some(property.value.number()),
                SUBSCRIPTION_ID => return Err(Fault::protocol("subscription identifier from a client")), // MQTT-3.3.4-6
                _ => {
                    if forward.is_empty() {
                        forward.reserve_exact(length);
                    }
                    forward.extend_from_slice(property.raw);
                }
            }
            Ok(())
        })?;
        found.forward = Forward::from_checked(forward);
        Ok(found)
    }
}

const PUBLISH: Set = FORWARDED | property::set(&[MESSAGE_EXPIRY, SUBSCRIPTION_ID, TOPIC_ALIAS]);

/// The properties of an application message that go to its subscribers unaltered and in the order in which they came
/// (MQTT-3.3.2-4, -15, -16, -17, -18, -20): payload format indicator, content type, response topic, correlation data
/// and user properties. Kept as they were encoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Forward(Box<[u8]>);

pub(super) const FORWARDED: Set =
    property::set(&[PAYLOAD_FORMAT, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA, USER_PROPERTY]);

impl Forward {
    /// A message with a content type and nothing else. One longer than 65,535 bytes cannot be said and is left out.
    pub(crate) fn of_content_type(content_type: &str) -> Option<Forward> {
        let length = u16::try_from(content_type.len()).ok()?.to_be_bytes();
        Some(Forward([&[CONTENT_TYPE], &length[..], content_type.as_bytes()].concat().into()))
    }

    /// Properties that were checked, without a length in front; `None` if there are none.
    pub(super) fn from_checked(encoded: Vec<u8>) -> Option<Forward> {
        (!encoded.is_empty()).then(|| Forward(encoded.into_boxed_slice()))
    }

    /// Checks what [`Forward::encoded`] gave.
    ///
    /// # Errors
    /// Bytes that are not such a property list.
    pub(crate) fn decode(encoded: &[u8]) -> Result<Forward, Fault> {
        property::read_all(Reader::new(encoded, 0), FORWARDED, |_| Ok(()))?;
        Ok(Forward(encoded.into()))
    }

    /// As in a PUBLISH, without the length in front.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.0
    }

    /// What it takes of memory and of a packet, bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }

    /// MIME type or whatever else the publisher calls its payload.
    pub fn content_type(&self) -> Option<&str> {
        self.find(CONTENT_TYPE).map(Value::text)
    }

    /// 1 if the payload says to be UTF-8.
    pub fn payload_format_indicator(&self) -> Option<u8> {
        self.find(PAYLOAD_FORMAT).and_then(|value| u8::try_from(value.number()).ok())
    }

    /// Where the publisher expects an answer.
    pub fn response_topic(&self) -> Option<&str> {
        self.find(RESPONSE_TOPIC).map(Value::text)
    }

    /// By what the publisher will know the answer.
    pub fn correlation_data(&self) -> Option<&[u8]> {
        self.find(CORRELATION_DATA).map(|value| if let Value::Data(data) = value { data } else { &[] })
    }

    /// Names and values, in order.
    pub fn user_properties(&self) -> Vec<(&str, &str)> {
        let mut found = Vec::new();
        self.each(|property| {
            if let Value::Pair(name, value) = property.value {
                found.push((name, value));
            }
        });
        found
    }

    fn find(&self, id: u8) -> Option<Value<'_>> {
        let mut found = None;
        self.each(|property| {
            if property.id == id {
                found = Some(property.value);
            }
        });
        found
    }

    fn each<'a>(&'a self, mut each: impl FnMut(Property<'a>)) {
        let read = property::read_all(Reader::new(&self.0, 0), FORWARDED, |property| {
            each(property);
            Ok(())
        });
        read.expect("every constructor checks them");
    }
}

impl std::fmt::Debug for Forward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut list = f.debug_list();
        self.each(|property| {
            list.entry(&property.value);
        });
        list.finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use mqtt_protocol_core::mqtt::packet::{Property, v3_1_1, v5_0};

    use super::*;

    const SAMPLE: &[u8] = b"\x00\x07a/\xE5\xB1\x82/b\x00\x09\x16\x01\x01\x02\x00\x00\x00\x3C\x03\x00\x04json\x23\x00\x05\x26\x00\x00\x00\x00payload";

    fn parse(first: u8, body: &Bytes, v5: bool) -> Result<Publish, Fault> {
        super::parse(first, body, 0..body.len(), v5)
    }

    fn sample() -> Bytes {
        Bytes::from_static(SAMPLE)
    }

    #[test]
    fn parts_are_found_where_they_lie() {
        let publish = parse(0x3B, &sample(), true).unwrap();
        assert_eq!(&publish.topic[..], "a/层/b".as_bytes());
        assert_eq!((publish.packet_id, publish.qos, publish.dup, publish.retain), (9, 1, true, true));
        assert_eq!((publish.alias, publish.content_type()), (Some(5), Some("json")));
        assert_eq!(&publish.payload[..], b"payload");
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_payload() {
        let whole = sample();
        let head = whole.len() - b"payload".len();
        for cut in 0..whole.len() {
            let result = parse(0x32, &whole.slice(..cut), true);
            assert_eq!(result.is_ok(), cut >= head, "cut at {cut}: {result:?}");
        }
    }

    #[test]
    fn the_rules_of_the_standard_hold() {
        let body = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
        let code = |first, bytes: &[u8]| parse(first, &body(bytes), true).unwrap_err().code;
        assert_eq!(code(0x36, b"\x00\x01a\x00\x01\x00"), 0x81, "QoS 3");
        assert_eq!(code(0x38, b"\x00\x01a\x00"), 0x81, "DUP with QoS 0");
        assert_eq!(code(0x32, b"\x00\x01a\x00\x00\x00"), 0x82, "packet identifier 0");
        assert_eq!(code(0x30, b"\x00\x00\x00"), 0x82, "empty topic");
        assert_eq!(code(0x30, b"\x00\x01a\x03\x23\x00\x00"), 0x94, "alias 0");
        assert_eq!(code(0x30, b"\x00\x01a\x04\x01\x00\x01\x00"), 0x82, "a property twice");
        assert_eq!(code(0x30, b"\x00\x01a\x02\x0B\x01"), 0x82, "subscription identifier");
        assert_eq!(code(0x30, b"\x00\x01a\x02\x24\x01"), 0x81, "foreign property");
        assert_eq!(code(0x30, b"\x00\x01a\x05\x03\x00\x04js"), 0x81, "property over the end");
        assert!(parse(0x30, &body(b"\x00\x00\x03\x23\x00\x01"), true).is_ok(), "alias alone");
    }

    /// Mutates samples and compares with an independent decoder: same verdict, same parts.
    #[test]
    fn agrees_with_mqtt_protocol_core_on_mutated_packets() {
        let mut random = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = move |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % below as u64) as usize
        };
        let mut accepted = 0;
        for _ in 0..60_000 {
            let mut bytes = sample().to_vec();
            for _ in 0..next(4) {
                let at = next(bytes.len());
                bytes[at] = if next(2) == 0 { next(256) as u8 } else { next(40) as u8 };
            }
            bytes.truncate(bytes.len() - if next(3) == 0 { next(bytes.len()) } else { 0 });
            let flags = next(16) as u8;
            let v5 = next(3) > 0;
            let body = Bytes::from(bytes.clone());
            let ours = parse(0x30 | flags, &body, v5);
            let data: Arc<[u8]> = Arc::from(&bytes[..]);
            let Ok(ours) = ours else { continue };
            accepted += 1;
            // What we accept the other decoder accepts too (bar the topic, checked later).
            if std::str::from_utf8(&ours.topic).is_err() {
                continue;
            }
            let (topic, id, payload, alias) = if v5 {
                let Ok((p, _)) = v5_0::Publish::parse(flags, data) else {
                    panic!("only we accept {bytes:?} flags {flags}");
                };
                let alias = p.props().iter().find_map(|property| match property {
                    Property::TopicAlias(alias) => Some(alias.val()),
                    _ => None,
                });
                (p.topic_name().to_owned(), p.packet_id(), p.payload().as_slice().to_vec(), alias)
            } else {
                let Ok((p, _)) = v3_1_1::Publish::parse(flags, data) else {
                    panic!("only we accept {bytes:?} flags {flags}");
                };
                (p.topic_name().to_owned(), p.packet_id(), p.payload().as_slice().to_vec(), None)
            };
            assert_eq!(topic.as_bytes(), &ours.topic[..], "{bytes:?}");
            assert_eq!(id.unwrap_or(0), ours.packet_id, "{bytes:?}");
            assert_eq!((payload, alias), (ours.payload.to_vec(), ours.alias), "{bytes:?}");
        }
        assert!(accepted > 5_000, "the mutations must leave enough valid packets: {accepted}");
    }
}
