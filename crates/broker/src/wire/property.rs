//! MQTT 5 properties (section 2.2.2): which there are, what type each has and which packet takes them.

use super::Fault;
use super::read::Reader;

pub(super) const PAYLOAD_FORMAT: u8 = 0x01;
pub(super) const MESSAGE_EXPIRY: u8 = 0x02;
pub(super) const CONTENT_TYPE: u8 = 0x03;
pub(super) const RESPONSE_TOPIC: u8 = 0x08;
pub(super) const CORRELATION_DATA: u8 = 0x09;
pub(super) const SUBSCRIPTION_ID: u8 = 0x0B;
pub(super) const SESSION_EXPIRY: u8 = 0x11;
pub(super) const ASSIGNED_CLIENT_ID: u8 = 0x12;
pub(super) const SERVER_KEEP_ALIVE: u8 = 0x13;
pub(super) const AUTH_METHOD: u8 = 0x15;
pub(super) const AUTH_DATA: u8 = 0x16;
pub(super) const REQUEST_PROBLEM: u8 = 0x17;
pub(super) const WILL_DELAY: u8 = 0x18;
pub(super) const REQUEST_RESPONSE: u8 = 0x19;
pub(super) const SERVER_REFERENCE: u8 = 0x1C;
pub(super) const REASON_STRING: u8 = 0x1F;
pub(super) const RECEIVE_MAXIMUM: u8 = 0x21;
pub(super) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
pub(super) const TOPIC_ALIAS: u8 = 0x23;
pub(super) const MAXIMUM_QOS: u8 = 0x24;
pub(super) const RETAIN_AVAILABLE: u8 = 0x25;
pub(super) const USER_PROPERTY: u8 = 0x26;
pub(super) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
pub(super) const WILDCARD_AVAILABLE: u8 = 0x28;
pub(super) const IDENTIFIERS_AVAILABLE: u8 = 0x29;
pub(super) const SHARED_AVAILABLE: u8 = 0x2A;

/// A set of properties: one bit per identifier, all of which are below 64.
pub(super) type Set = u64;

/// The set of these properties.
pub(super) const fn set(ids: &[u8]) -> Set {
    let mut set = 0;
    let mut index = 0;
    while index < ids.len() {
        set |= 1 << ids[index];
        index += 1;
    }
    set
}

/// What a property says. Numbers of any width; a pair of texts has nothing for us.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Number(u32),
    Text(&'a str),
    Data(&'a [u8]),
    Pair(&'a str, &'a str),
}

impl<'a> Value<'a> {
    pub(super) fn number(self) -> u32 {
        if let Value::Number(number) = self { number } else { 0 }
    }

    pub(super) fn text(self) -> &'a str {
        if let Value::Text(text) = self { text } else { "" }
    }
}

/// One property.
pub(super) struct Property<'a> {
    pub(super) id: u8,
    pub(super) value: Value<'a>,
    /// Identifier and value as sent.
    pub(super) raw: &'a [u8],
}

/// Reads a property list with its length in front. Every property must be one of `allowed` (else 0x81, section
/// 2.2.2.2) and come once (else 0x82), user properties apart.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    allowed: Set,
    each: impl FnMut(Property<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let length = reader.varint()?;
    if length == 0 {
        return Ok(());
    }
    read_all(reader.part(length)?, allowed, each)
}

/// Reads properties up to the end.
pub(super) fn read_all<'a>(
    mut reader: Reader<'a>,
    allowed: Set,
    mut each: impl FnMut(Property<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut seen: Set = 0;
    while !reader.is_at_end() {
        let from = reader.at();
        let id = reader.u8()?;
        if id >= 64 || allowed & (1 << id) == 0 {
            return Err(Fault::malformed("a property that this packet does not have"));
        }
        if id != USER_PROPERTY && seen & (1 << id) != 0 {
            return Err(Fault::protocol("a property twice"));
        }
        seen |= 1 << id;
        let value = value(&mut reader, id)?;
        each(Property { id, value, raw: reader.since(from) })?;
    }
    Ok(())
}

/// Reads a value of the type that the property has (MQTT 5 table 2-4), and checks it where the range does not depend
/// on the packet.
fn value<'a>(reader: &mut Reader<'a>, id: u8) -> Result<Value<'a>, Fault> {
    Ok(match id {
        PAYLOAD_FORMAT | REQUEST_PROBLEM | REQUEST_RESPONSE => match reader.u8()? {
            flag @ (0 | 1) => Value::Number(u32::from(flag)),
            _ => return Err(Fault::protocol("a property that is 0 or 1 is neither")),
        },
        MESSAGE_EXPIRY | SESSION_EXPIRY | WILL_DELAY => Value::Number(reader.u32()?),
        MAXIMUM_PACKET_SIZE => match reader.u32()? {
            0 => return Err(Fault::protocol("maximum packet size 0")),
            bytes => Value::Number(bytes),
        },
        RECEIVE_MAXIMUM => match reader.u16()? {
            0 => return Err(Fault::protocol("receive maximum 0")),
            messages => Value::Number(u32::from(messages)),
        },
        TOPIC_ALIAS => match reader.u16()? {
            0 => return Err(Fault { code: 0x94, what: "topic alias 0" }), // MQTT-3.3.2-8
            alias => Value::Number(u32::from(alias)),
        },
        TOPIC_ALIAS_MAXIMUM => Value::Number(u32::from(reader.u16()?)),
        SUBSCRIPTION_ID => match u32::try_from(reader.varint()?) {
            Ok(identifier @ 1..) => Value::Number(identifier),
            _ => return Err(Fault::protocol("subscription identifier 0")),
        },
        CONTENT_TYPE | AUTH_METHOD | SERVER_REFERENCE | REASON_STRING => Value::Text(reader.text()?),
        RESPONSE_TOPIC => {
            let topic = reader.text()?;
            if topic.is_empty() || topic.contains(['#', '+']) {
                return Err(Fault::protocol("response topic is not a topic name")); // MQTT-3.3.2-14
            }
            Value::Text(topic)
        }
        CORRELATION_DATA | AUTH_DATA => Value::Data(reader.data()?),
        USER_PROPERTY => Value::Pair(reader.text()?, reader.text()?),
        _ => return Err(Fault::malformed("a property that no client sends")),
    })
}
