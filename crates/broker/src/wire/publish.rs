//! PUBLISH, decoded in place (MQTT 5 section 3.3, MQTT 3.1.1 section 3.3).

use std::ops::Range;

use bytes::Bytes;

use super::Fault;
use super::frame::variable_byte_integer;

/// A PUBLISH whose parts share the buffer they came in. The topic is not checked yet, except that
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
    /// MQTT 5 content type.
    pub content_type: Option<Box<str>>,
    /// Application message.
    pub payload: Bytes,
}

/// Decodes the PUBLISH whose fixed header began with `first` and whose body lies at `body` in
/// `buffer`.
///
/// # Errors
/// Malformed packet (0x81) or protocol error (0x82).
pub fn parse(first: u8, buffer: &Bytes, body: Range<usize>, v5: bool) -> Result<Publish, Fault> {
    let qos = (first >> 1) & 3;
    let dup = first & 8 != 0;
    if qos == 3 {
        return Err(Fault::malformed("PUBLISH with QoS 3"));
    }
    if dup && qos == 0 {
        return Err(Fault::malformed("PUBLISH with DUP and QoS 0"));
    }
    let mut cursor = Cursor { bytes: &buffer[..body.end], at: body.start };
    let (from, to) = cursor.block()?;
    let packet_id = if qos > 0 { cursor.u16()? } else { 0 };
    if qos > 0 && packet_id == 0 {
        return Err(Fault::malformed("packet identifier 0"));
    }
    let properties = if v5 { cursor.properties()? } else { Properties::default() };
    if from == to && properties.alias.is_none() {
        return Err(Fault::protocol("empty topic without alias"));
    }
    Ok(Publish {
        topic: if from == to { Bytes::new() } else { buffer.slice(from..to) },
        packet_id,
        qos,
        dup,
        retain: first & 1 != 0,
        alias: properties.alias,
        content_type: properties.content_type,
        payload: match cursor.at {
            at if at == body.end => Bytes::new(),
            at => buffer.slice(at..body.end),
        },
    })
}

#[derive(Default)]
struct Properties {
    alias: Option<u16>,
    content_type: Option<Box<str>>,
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

const SHORT: Fault = Fault::malformed("packet shorter than its parts");

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len()).ok_or(SHORT)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, Fault> {
        let pair = self.take(2)?;
        Ok(u16::from_be_bytes([pair[0], pair[1]]))
    }

    /// Two bytes of length and that many bytes: where they lie.
    fn block(&mut self) -> Result<(usize, usize), Fault> {
        let length = usize::from(self.u16()?);
        let from = self.at;
        self.take(length)?;
        Ok((from, self.at))
    }

    fn text(&mut self) -> Result<&'a str, Fault> {
        let (from, to) = self.block()?;
        let text = std::str::from_utf8(&self.bytes[from..to]).map_err(|_| Fault::malformed("text is not UTF-8"))?;
        if text.contains('\0') {
            return Err(Fault::malformed("text contains NUL"));
        }
        Ok(text)
    }

    fn properties(&mut self) -> Result<Properties, Fault> {
        let mut found = Properties::default();
        let (length, width) = variable_byte_integer(&self.bytes[self.at..])?.ok_or(SHORT)?;
        self.at += width;
        if length == 0 {
            return Ok(found);
        }
        let end = self.at + length;
        if end > self.bytes.len() {
            return Err(SHORT);
        }
        let mut inner = Cursor { bytes: &self.bytes[..end], at: self.at };
        let mut seen = 0u64;
        while inner.at < end {
            let id = inner.u8()?;
            if id != USER_PROPERTY && id < 64 {
                if seen & (1 << id) != 0 {
                    return Err(Fault::protocol("a property twice"));
                }
                seen |= 1 << id;
            }
            inner.property(id, &mut found)?;
        }
        self.at = end;
        Ok(found)
    }

    fn property(&mut self, id: u8, found: &mut Properties) -> Result<(), Fault> {
        match id {
            PAYLOAD_FORMAT => {
                if self.u8()? > 1 {
                    return Err(Fault::protocol("payload format indicator above 1"));
                }
            }
            MESSAGE_EXPIRY => drop(self.take(4)?),
            CONTENT_TYPE => found.content_type = Some(self.text()?.into()),
            RESPONSE_TOPIC => {
                let topic = self.text()?;
                if topic.is_empty() || topic.contains(['#', '+']) {
                    return Err(Fault::protocol("response topic is not a topic name"));
                }
            }
            CORRELATION_DATA => drop(self.block()?),
            SUBSCRIPTION_ID => return Err(Fault::protocol("subscription identifier from a client")),
            TOPIC_ALIAS => match self.u16()? {
                0 => return Err(Fault { code: 0x94, what: "topic alias 0" }),
                alias => found.alias = Some(alias),
            },
            USER_PROPERTY => {
                self.text()?;
                self.text()?;
            }
            _ => return Err(Fault::malformed("a property that PUBLISH does not have")),
        }
        Ok(())
    }
}

const PAYLOAD_FORMAT: u8 = 0x01;
const MESSAGE_EXPIRY: u8 = 0x02;
const CONTENT_TYPE: u8 = 0x03;
const RESPONSE_TOPIC: u8 = 0x08;
const CORRELATION_DATA: u8 = 0x09;
const SUBSCRIPTION_ID: u8 = 0x0B;
const TOPIC_ALIAS: u8 = 0x23;
const USER_PROPERTY: u8 = 0x26;

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
        assert_eq!((publish.alias, publish.content_type.as_deref()), (Some(5), Some("json")));
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
        assert_eq!(code(0x32, b"\x00\x01a\x00\x00\x00"), 0x81, "packet identifier 0");
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
