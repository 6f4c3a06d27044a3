//! Packets of the conformance rows, to and from bytes.

use bytes::Bytes;

use super::number;
use crate::support::packet;

/// A PUBLISH to be sent.
#[derive(Clone)]
pub struct Publish {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub id: u16,
    pub dup: bool,
    pub retain: bool,
    pub properties: Vec<u8>,
}

/// QoS 0 with this payload.
pub fn message(topic: &str, payload: &str) -> Publish {
    Publish {
        topic: topic.into(),
        payload: payload.into(),
        qos: 0,
        id: 0,
        dup: false,
        retain: false,
        properties: Vec::new(),
    }
}

impl Publish {
    pub fn qos(self, qos: u8, id: u16) -> Publish {
        Publish { qos, id, ..self }
    }

    pub fn retained(self) -> Publish {
        Publish { retain: true, ..self }
    }

    pub fn again(self) -> Publish {
        Publish { dup: true, ..self }
    }

    pub fn with(mut self, properties: &[u8]) -> Publish {
        self.properties.extend_from_slice(properties);
        self
    }

    pub fn bytes(&self, v5: bool) -> Vec<u8> {
        let mut body = text(&self.topic);
        if self.qos > 0 {
            body.extend_from_slice(&self.id.to_be_bytes());
        }
        if v5 {
            body.extend_from_slice(&properties(&self.properties));
        }
        body.extend_from_slice(&self.payload);
        packet(0x30 | (u8::from(self.dup) << 3) | (self.qos << 1) | u8::from(self.retain), &body)
    }
}

/// A PUBLISH that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub topic: String,
    pub payload: String,
    pub qos: u8,
    pub id: u16,
    pub dup: bool,
    pub retain: bool,
    pub properties: Vec<(u8, Vec<u8>)>,
}

impl Got {
    pub fn number(&self, id: u8) -> Option<u64> {
        number(&self.properties, id)
    }

    /// Values of a property that may come several times, in order.
    pub fn all(&self, id: u8) -> Vec<&[u8]> {
        self.properties.iter().filter(|(known, _)| *known == id).map(|(_, value)| &value[..]).collect()
    }
}

pub fn text(text: &str) -> Vec<u8> {
    binary(text.as_bytes())
}

pub fn binary(bytes: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}

/// With their length in front.
pub fn properties(encoded: &[u8]) -> Vec<u8> {
    let mut out = packet(0, encoded);
    out.remove(0);
    out
}

/// Session expiry of CONNECT and DISCONNECT, seconds.
pub fn expiry(seconds: u32) -> Vec<u8> {
    [&[0x11][..], &seconds.to_be_bytes()].concat()
}

/// Message expiry, seconds.
pub fn message_expiry(seconds: u32) -> Vec<u8> {
    [&[0x02][..], &seconds.to_be_bytes()].concat()
}

/// Will delay, seconds.
pub fn will_delay(seconds: u32) -> Vec<u8> {
    [&[0x18][..], &seconds.to_be_bytes()].concat()
}

/// User property.
pub fn user(key: &str, value: &str) -> Vec<u8> {
    [&[0x26][..], &text(key), &text(value)].concat()
}

/// v5 DISCONNECT.
pub fn disconnect(reason: u8, props: &[u8]) -> Vec<u8> {
    packet(0xE0, &[&[reason][..], &properties(props)].concat())
}

pub fn take_properties(body: &Bytes, at: usize) -> (Vec<(u8, Vec<u8>)>, usize) {
    let (length, mut at) = varint(body, at);
    let end = at + length;
    let mut found = Vec::new();
    while at < end {
        let id = body[at];
        at += 1;
        let two = |at: usize| usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
        let size = match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => 1,
            0x13 | 0x21 | 0x22 | 0x23 => 2,
            0x02 | 0x11 | 0x18 | 0x27 => 4,
            0x0B => varint(body, at).1 - at,
            0x26 => 2 + two(at) + 2 + two(at + 2 + two(at)),
            0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => 2 + two(at),
            other => panic!("property {other:#x} in {body:?}"),
        };
        found.push((id, body[at..at + size].to_vec()));
        at += size;
    }
    assert_eq!(at, end, "{body:?}");
    (found, end)
}

pub fn varint(body: &Bytes, mut at: usize) -> (usize, usize) {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = body[at];
        at += 1;
        value |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return (value, at);
        }
    }
}
