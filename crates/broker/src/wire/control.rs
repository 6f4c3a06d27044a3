//! Every packet a client may send after CONNECT, PUBLISH apart, through `mqtt-protocol-core`, with
//! the checks that it leaves to its user: fixed header flags, identifier 0, trailing bytes.

use std::ops::Range;

use bytes::Bytes;
use mqtt_protocol_core::mqtt::packet::{Property, SubEntry, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::MqttError;

use super::Fault;
use super::publish::{self, Publish};

/// A packet from a client.
#[derive(Debug)]
pub(crate) enum Packet {
    Publish(Publish),
    Puback {
        packet_id: u16,
        accepted: bool,
    },
    Subscribe {
        packet_id: u16,
        filters: Vec<(String, u8)>,
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

/// Decodes the packet whose fixed header began with `first` and whose body lies at `range` in
/// `buffer`.
pub(crate) fn decode(first: u8, buffer: &Bytes, range: Range<usize>, v5: bool) -> Result<Packet, Fault> {
    if first >> 4 == 3 {
        return publish::parse(first, buffer, range, v5).map(Packet::Publish);
    }
    let body = &buffer[range];
    let kind = first >> 4;
    let wanted_flags = match kind {
        6 | 8 | 10 => 0b0010,
        _ => 0,
    };
    if first & 0x0F != wanted_flags {
        return Err(Fault::malformed("reserved flags of the fixed header"));
    }
    match kind {
        1 => Err(Fault::protocol("second CONNECT")),
        4 => puback(body, v5),
        8 => subscribe(body, v5),
        10 => unsubscribe(body, v5),
        12 if body.is_empty() => Ok(Packet::Pingreq),
        12 => Err(Fault::malformed("PINGREQ with a body")),
        14 => disconnect(body, v5),
        5..=7 => Err(Fault::protocol("a QoS 2 packet: this server offers QoS 0 and 1")),
        15 if v5 => Err(Fault::protocol("AUTH without an authentication method")),
        0 | 15 => Err(Fault::malformed("packet type that does not exist")),
        _ => Err(Fault::protocol("a packet that only servers send")),
    }
}

fn exact<T>(parsed: Result<(T, usize), MqttError>, body: &[u8]) -> Result<T, Fault> {
    match parsed {
        Ok((packet, consumed)) if consumed == body.len() => Ok(packet),
        Ok(_) => Err(Fault::malformed("bytes after the end of the packet")),
        Err(MqttError::ProtocolError) => Err(Fault::protocol("packet against the protocol")),
        Err(_) => Err(Fault::malformed("packet cannot be decoded")),
    }
}

fn puback(body: &[u8], v5: bool) -> Result<Packet, Fault> {
    if let [high, low] = *body {
        let packet_id = u16::from_be_bytes([high, low]);
        if packet_id == 0 {
            return Err(Fault::malformed("packet identifier 0"));
        }
        return Ok(Packet::Puback { packet_id, accepted: true });
    }
    if !v5 {
        return Err(Fault::malformed("PUBACK of the wrong length"));
    }
    let packet = exact(v5_0::Puback::parse(body), body)?;
    let accepted = packet.reason_code().is_none_or(|code| (code as u8) < 0x80);
    Ok(Packet::Puback { packet_id: packet.packet_id(), accepted })
}

fn subscribe(body: &[u8], v5: bool) -> Result<Packet, Fault> {
    let (packet_id, entries) = if v5 {
        let packet = exact(v5_0::Subscribe::parse(body), body)?;
        if packet.props().iter().any(|p| matches!(p, Property::SubscriptionIdentifier(_))) {
            return Err(Fault { code: 0xA1, what: "subscription identifiers are not offered" });
        }
        (packet.packet_id(), filters(packet.entries()))
    } else {
        let packet = exact(v3_1_1::Subscribe::parse(body), body)?;
        let filters = filters(packet.entries());
        if filters.iter().any(|(_, options)| options & 0b1111_1100 != 0) {
            return Err(Fault::malformed("reserved bits of the requested QoS"));
        }
        (packet.packet_id(), filters)
    };
    if packet_id == 0 {
        return Err(Fault::malformed("packet identifier 0"));
    }
    Ok(Packet::Subscribe { packet_id, filters: entries })
}

fn filters(entries: &[SubEntry]) -> Vec<(String, u8)> {
    let one = |entry: &SubEntry| (entry.topic_filter().to_owned(), entry.sub_opts().to_buffer()[0]);
    entries.iter().map(one).collect()
}

fn unsubscribe(body: &[u8], v5: bool) -> Result<Packet, Fault> {
    let (packet_id, entries) = if v5 {
        let packet = exact(v5_0::Unsubscribe::parse(body), body)?;
        (packet.packet_id(), packet.entries().clone())
    } else {
        let packet = exact(v3_1_1::Unsubscribe::parse(body), body)?;
        (packet.packet_id(), packet.entries().clone())
    };
    if packet_id == 0 {
        return Err(Fault::malformed("packet identifier 0"));
    }
    let filters = entries.iter().map(|filter| filter.as_str().to_owned()).collect();
    Ok(Packet::Unsubscribe { packet_id, filters })
}

fn disconnect(body: &[u8], v5: bool) -> Result<Packet, Fault> {
    if !v5 {
        return match body.is_empty() {
            true => Ok(Packet::Disconnect { reason: 0, session_expiry_s: None }),
            false => Err(Fault::malformed("DISCONNECT with a body")),
        };
    }
    let packet = exact(v5_0::Disconnect::parse(body), body)?;
    let session_expiry_s = packet.props().iter().flatten().find_map(|property| match property {
        Property::SessionExpiryInterval(interval) => Some(interval.val()),
        _ => None,
    });
    let reason = packet.reason_code().map_or(0, |code| code as u8);
    Ok(Packet::Disconnect { reason, session_expiry_s })
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
                if matches!(first >> 4, 0 | 1 | 2 | 5 | 6 | 7 | 9 | 11 | 13 | 15) {
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
        assert_eq!(decode(0x82, &zero, true).unwrap_err().code, 0x81, "identifier 0");
        assert_eq!(decode(0x40, &Bytes::from_static(b"\0\0"), false).unwrap_err().code, 0x81);
    }
}
