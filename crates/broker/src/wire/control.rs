//! Every packet a client may send after CONNECT (MQTT 5 sections 3.4 to 3.15, MQTT 3.1.1 sections 3.4 to 3.14).

use std::ops::Range;

use bytes::Bytes;

use super::Fault;
use super::property::{
    self, AUTH_DATA, AUTH_METHOD, REASON_STRING, SERVER_REFERENCE, SESSION_EXPIRY, SUBSCRIPTION_ID, Set, USER_PROPERTY,
};
use super::publish::{self, Publish};
use super::read::Reader;

/// A packet from a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    Publish(Publish),
    /// `accepted` is false for a reason code of 0x80 and above.
    Puback {
        packet_id: u16,
        accepted: bool,
    },
    Pubrec {
        packet_id: u16,
        accepted: bool,
    },
    Pubrel {
        packet_id: u16,
    },
    Pubcomp {
        packet_id: u16,
    },
    /// Filters are text without NUL; whether they are filters is not checked yet.
    Subscribe {
        packet_id: u16,
        filters: Vec<(String, Options)>,
        identifier: Option<u32>,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    Pingreq,
    /// Reason code and, from v5 clients, a new session expiry in seconds.
    Disconnect {
        reason: u8,
        session_expiry_s: Option<u32>,
    },
}

/// Subscription options (MQTT 5 section 3.8.3.1). A v3.1.1 client has the QoS only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Options {
    /// 0, 1 or 2.
    pub(crate) qos: u8,
    /// Not what this client published itself.
    pub(crate) no_local: bool,
    /// With the retain flag of the publisher.
    pub(crate) retain_as_published: bool,
    /// Retained messages on subscribing: 0 always, 1 if the subscription is new, 2 never.
    pub(crate) retain_handling: u8,
}

impl Options {
    /// As in SUBSCRIBE.
    pub(crate) fn to_byte(self) -> u8 {
        self.qos
            | (u8::from(self.no_local) << 2)
            | (u8::from(self.retain_as_published) << 3)
            | (self.retain_handling << 4)
    }

    /// As in an MQTT 5 SUBSCRIBE.
    ///
    /// # Errors
    /// Reserved bits (MQTT-3.8.3-5), QoS 3 or retain handling 3.
    pub(crate) fn from_byte(byte: u8) -> Result<Options, Fault> {
        let options = Options {
            qos: byte & 3,
            no_local: byte & 4 != 0,
            retain_as_published: byte & 8 != 0,
            retain_handling: (byte >> 4) & 3,
        };
        if byte >> 6 != 0 {
            return Err(Fault::malformed("reserved bits of the subscription options"));
        }
        if options.qos == 3 {
            return Err(Fault::protocol("subscription with QoS 3"));
        }
        if options.retain_handling == 3 {
            return Err(Fault::protocol("retain handling 3"));
        }
        Ok(options)
    }
}

/// The first byte of PUBREL, SUBSCRIBE and UNSUBSCRIBE without the DUP flag, which MQTT 3.1 sets when they are sent again
/// (MQTT 3.1 section 2.1); that of any other packet as it is.
pub(crate) fn without_dup(first: u8) -> u8 {
    if matches!(first >> 4, 6 | 8 | 10) { first & !0b1000 } else { first }
}

/// Decodes the packet whose fixed header began with `first` and whose body lies at `range` in
/// `buffer`.
pub(crate) fn decode(first: u8, buffer: &Bytes, range: Range<usize>, v5: bool) -> Result<Packet, Fault> {
    let kind = first >> 4;
    if kind == 3 {
        return publish::parse(first, buffer, range, v5).map(Packet::Publish);
    }
    let wanted_flags = match kind {
        6 | 8 | 10 => 0b0010,
        _ => 0,
    };
    if first & 0x0F != wanted_flags {
        return Err(Fault::malformed("reserved flags of the fixed header")); // MQTT-2.1.3-1, MQTT 3.1.1: MQTT-2.2.2-2
    }
    let body = &buffer[range];
    match kind {
        1 => Err(Fault::protocol("second CONNECT")), // MQTT-3.1.0-2
        4..=7 => acknowledgement(kind, body, v5),
        8 => subscribe(body, v5),
        10 => unsubscribe(body, v5),
        12 if body.is_empty() => Ok(Packet::Pingreq),
        12 => Err(Fault::malformed("PINGREQ with a body")),
        14 => disconnect(body, v5),
        15 if v5 => auth(body),
        0 | 15 => Err(Fault::malformed("packet type that does not exist")),
        _ => Err(Fault::protocol("a packet that only servers send")),
    }
}

/// PUBACK, PUBREC, PUBREL and PUBCOMP have one form: the packet identifier, which alone means success, a reason code
/// and properties.
fn acknowledgement(kind: u8, body: &[u8], v5: bool) -> Result<Packet, Fault> {
    let mut reader = Reader::new(body, 0);
    let packet_id = reader.packet_id()?;
    let mut accepted = true;
    if !reader.is_at_end() {
        accepted = acknowledgement_reason(kind, &mut reader, v5)?;
    }
    Ok(match kind {
        4 => Packet::Puback { packet_id, accepted },
        5 => Packet::Pubrec { packet_id, accepted },
        6 => Packet::Pubrel { packet_id },
        _ => Packet::Pubcomp { packet_id },
    })
}

#[cold]
fn acknowledgement_reason(kind: u8, reader: &mut Reader<'_>, v5: bool) -> Result<bool, Fault> {
    if !v5 {
        return Err(Fault::malformed("an acknowledgement of the wrong length"));
    }
    let reason = reader.u8()?;
    let exists = match kind {
        4 | 5 => matches!(reason, 0x00 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99), // tables 3-4, 3-5
        _ => matches!(reason, 0x00 | 0x92),                                                      // tables 3-6, 3-7
    };
    if !exists {
        return Err(Fault::malformed("reason code that this acknowledgement does not have"));
    }
    if !reader.is_at_end() {
        property::read(reader, REASONED, |_| Ok(()))?;
    }
    reader.end()?;
    Ok(reason < 0x80)
}

const REASONED: Set = property::set(&[REASON_STRING, USER_PROPERTY]);

fn subscribe(body: &[u8], v5: bool) -> Result<Packet, Fault> {
    let mut reader = Reader::new(body, 0);
    let packet_id = reader.packet_id()?;
    let mut identifier = None;
    if v5 {
        property::read(&mut reader, property::set(&[SUBSCRIPTION_ID, USER_PROPERTY]), |property| {
            if property.id == SUBSCRIPTION_ID {
                identifier = Some(property.value.number());
            }
            Ok(())
        })?;
    }
    if reader.is_at_end() {
        return Err(Fault::protocol("SUBSCRIBE without a filter")); // MQTT-3.8.3-2, MQTT 3.1.1: MQTT-3.8.3-3
    }
    let mut filters = Vec::new();
    while !reader.is_at_end() {
        let filter = reader.text()?;
        let byte = reader.u8()?;
        if !v5 && byte > 2 {
            return Err(Fault::malformed("reserved bits of the requested QoS, or QoS 3")); // MQTT 3.1.1: MQTT-3-8.3-4
        }
        let options = Options::from_byte(byte)?;
        if options.no_local && filter.starts_with("$share/") {
            return Err(Fault::protocol("no-local on a shared subscription")); // MQTT-3.8.3-4
        }
        filters.push((filter.to_owned(), options));
    }
    Ok(Packet::Subscribe { packet_id, filters, identifier })
}

fn unsubscribe(body: &[u8], v5: bool) -> Result<Packet, Fault> {
    let mut reader = Reader::new(body, 0);
    let packet_id = reader.packet_id()?;
    if v5 {
        property::read(&mut reader, property::set(&[USER_PROPERTY]), |_| Ok(()))?;
    }
    if reader.is_at_end() {
        return Err(Fault::protocol("UNSUBSCRIBE without a filter")); // MQTT-3.10.3-2
    }
    let mut filters = Vec::new();
    while !reader.is_at_end() {
        filters.push(reader.text()?.to_owned());
    }
    Ok(Packet::Unsubscribe { packet_id, filters })
}

fn disconnect(body: &[u8], v5: bool) -> Result<Packet, Fault> {
    let mut reader = Reader::new(body, 0);
    if reader.is_at_end() {
        return Ok(Packet::Disconnect { reason: 0, session_expiry_s: None });
    }
    if !v5 {
        return Err(Fault::malformed("DISCONNECT with a body"));
    }
    let reason = reader.u8()?;
    match reason {
        0x00 | 0x04 | 0x80..=0x83 | 0x90 | 0x93..=0x99 => {} // table 3-10, those that clients send
        0x87 | 0x89 | 0x8B | 0x8D..=0x8F | 0x9A..=0xA2 => {
            return Err(Fault::protocol("a reason code that only servers send"));
        }
        _ => return Err(Fault::malformed("reason code that DISCONNECT does not have")),
    }
    let mut session_expiry_s = None;
    if !reader.is_at_end() {
        let allowed = REASONED | property::set(&[SESSION_EXPIRY, SERVER_REFERENCE]);
        property::read(&mut reader, allowed, |property| {
            match property.id {
                SESSION_EXPIRY => session_expiry_s = Some(property.value.number()),
                SERVER_REFERENCE => return Err(Fault::protocol("server reference from a client")),
                _ => {}
            }
            Ok(())
        })?;
    }
    reader.end()?;
    Ok(Packet::Disconnect { reason, session_expiry_s })
}

/// AUTH belongs to an exchange that CONNECT began with an authentication method, and those are refused (MQTT 5 section
/// 4.12). What is malformed is called so.
fn auth(body: &[u8]) -> Result<Packet, Fault> {
    let mut reader = Reader::new(body, 0);
    if !reader.is_at_end() {
        if !matches!(reader.u8()?, 0x00 | 0x18 | 0x19) {
            return Err(Fault::malformed("reason code that AUTH does not have"));
        }
        if !reader.is_at_end() {
            property::read(&mut reader, REASONED | property::set(&[AUTH_METHOD, AUTH_DATA]), |_| Ok(()))?;
        }
        reader.end()?;
    }
    Err(Fault::protocol("AUTH without an authentication method"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn decode(first: u8, body: &Bytes, v5: bool) -> Result<Packet, Fault> {
        super::decode(first, body, 0..body.len(), v5)
    }

    #[test]
    fn no_bytes_panic_and_server_packets_are_refused() {
        let mut random = 0x2545_F491_4F6C_DD1Du64;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        for _ in 0..50_000 {
            let length = (next() % 40) as usize;
            let body: Bytes = (0..length).map(|_| (next() % 48) as u8).collect();
            let first = next() as u8;
            for v5 in [false, true] {
                let result = decode(first, &body, v5);
                if matches!(first >> 4, 0 | 1 | 2 | 9 | 11 | 13 | 15) {
                    result.unwrap_err();
                }
            }
        }
    }

    #[test]
    fn truncated_bodies_are_malformed() {
        let whole = Bytes::from_static(b"\x00\x07\x00\x00\x03a/b\x01");
        decode(0x82, &whole, true).unwrap();
        for cut in 0..whole.len() {
            assert!(decode(0x82, &whole.slice(..cut), true).is_err(), "SUBSCRIBE cut at {cut}");
        }
        assert_eq!(decode(0x80, &whole, true).unwrap_err().code, 0x81, "flags");
        let zero = Bytes::from_static(b"\x00\x00\x00\x00\x03a/b\x01");
        assert_eq!(decode(0x82, &zero, true).unwrap_err().code, 0x82, "identifier 0");
        assert_eq!(decode(0x40, &Bytes::from_static(b"\0\0"), false).unwrap_err().code, 0x82);
    }
}
