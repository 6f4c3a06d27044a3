//! What the vault holds: keys and values of sessions, their messages and retained messages.
//!
//! | key | value |
//! |---|---|
//! | `c` session | how far the session has read the log |
//! | `q` session, sequence number | a message for the session, or that its receiver has it (QoS 2) |
//! | `r` session, packet identifier | that the session's QoS 2 publish with this identifier was taken in |
//! | `s` session | client id, owner, expiry, will, subscriptions |
//! | `t` number | a retained message |
//!
//! Numbers are big-endian: 8 bytes, packet identifiers 2. A value begins with the version of its layout; numbers in it
//! are big-endian, texts and bytes have a length of 4 bytes in front. A later version reads the older ones too.

mod codec;
mod restore;

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::outbound::Parcel;
use crate::retained::Kept;
use crate::topic::SharedFilter;
use crate::topic::Topic;
use crate::vault::Change;
use crate::wire::control::Options;
use crate::wire::hello::Will;
use crate::wire::publish::Forward;

pub(crate) use codec::Damaged;
use codec::{Reader, Writer};
pub(crate) use restore::{Restored, RestoredSession, restore};

/// A session as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct SessionRecord {
    pub(crate) client_id: Arc<str>,
    /// Who owns it.
    pub(crate) identity: Arc<str>,
    /// Seconds it may live without a connection; `u32::MAX` for ever.
    pub(crate) expiry_s: u32,
    /// When it ends, milliseconds since the epoch. `None` while it has a connection, or for ever.
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) will: Option<Box<Will>>,
    /// When the will is to be published, milliseconds since the epoch. `None` while it has a connection.
    pub(crate) will_at_ms: Option<u64>,
    pub(crate) subscriptions: Vec<SubscriptionRecord>,
}

/// A subscription as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionRecord {
    pub(crate) filter: SharedFilter,
    pub(crate) options: Options,
    /// Subscription identifier, 0 for none.
    pub(crate) identifier: u32,
}

/// One place in a session's queue.
#[derive(Clone, Debug)]
pub(crate) enum QueueEntry {
    /// To be sent, or sent and not acknowledged.
    Message(QueuedMessage),
    /// QoS 2: PUBREC came; PUBREL is due until PUBCOMP comes. The message itself is not needed any more.
    Released,
}

/// All it takes to send a message, and to send it again.
#[derive(Clone, Debug)]
pub(crate) struct QueuedMessage {
    pub(crate) parcel: Arc<Parcel>,
    /// 1 or 2.
    pub(crate) qos: u8,
    /// The retain flag to be sent.
    pub(crate) retain: bool,
    /// Subscription identifiers to be sent.
    pub(crate) identifiers: SmallVec<[u32; 2]>,
    /// The shared subscription through which it came.
    pub(crate) shared: Option<SharedFilter>,
}

const CURSOR: u8 = b'c';
const QUEUE: u8 = b'q';
const RECEIVED: u8 = b'r';
const SESSION: u8 = b's';
const RETAINED: u8 = b't';

/// Version of every value's layout.
const VERSION: u8 = 1;
const ENTRY_MESSAGE: u8 = 0;
const ENTRY_RELEASED: u8 = 1;

fn key(kind: u8, number: u64, rest: &[u8]) -> Box<[u8]> {
    let mut key = Vec::with_capacity(9 + rest.len());
    key.push(kind);
    key.extend_from_slice(&number.to_be_bytes());
    key.extend_from_slice(rest);
    key.into()
}

fn put(key: Box<[u8]>, value: Writer) -> Change {
    Change { key, value: Some(value.finish()) }
}

fn remove(key: Box<[u8]>) -> Change {
    Change { key, value: None }
}

/// Keeps a session, in place of what was kept of it.
pub(crate) fn keep_session(session: u64, record: &SessionRecord) -> Change {
    put(key(SESSION, session, &[]), record.encode())
}

/// Forgets a session. Its messages, marks and cursor have keys of their own.
pub(crate) fn drop_session(session: u64) -> Change {
    remove(key(SESSION, session, &[]))
}

/// Keeps a message for a session.
pub(crate) fn keep_message(session: u64, sequence: u64, message: &QueuedMessage) -> Change {
    put(key(QUEUE, session, &sequence.to_be_bytes()), message.encode())
}

/// Keeps that PUBREC came, in place of the message.
pub(crate) fn keep_released(session: u64, sequence: u64) -> Change {
    let mut out = Writer::new(VERSION);
    out.u8(ENTRY_RELEASED);
    put(key(QUEUE, session, &sequence.to_be_bytes()), out)
}

/// Forgets a message, or that it was released.
pub(crate) fn drop_entry(session: u64, sequence: u64) -> Change {
    remove(key(QUEUE, session, &sequence.to_be_bytes()))
}

/// Keeps that a QoS 2 publish was taken in.
pub(crate) fn keep_received(session: u64, packet_id: u16) -> Change {
    put(key(RECEIVED, session, &packet_id.to_be_bytes()), Writer::new(VERSION))
}

/// The publisher has released the packet identifier.
pub(crate) fn drop_received(session: u64, packet_id: u16) -> Change {
    remove(key(RECEIVED, session, &packet_id.to_be_bytes()))
}

/// Keeps how far a session has read the log.
pub(crate) fn keep_cursor(session: u64, read_to: u64) -> Change {
    let mut out = Writer::new(VERSION);
    out.u64(read_to);
    put(key(CURSOR, session, &[]), out)
}

/// Forgets a session's cursor.
pub(crate) fn drop_cursor(session: u64) -> Change {
    remove(key(CURSOR, session, &[]))
}

/// Keeps a retained message.
pub(crate) fn keep_retained(kept: &Kept) -> Change {
    let mut out = Writer::new(VERSION);
    out.u8(kept.qos);
    out.text(&kept.identity);
    parcel(&mut out, &kept.parcel);
    put(key(RETAINED, kept.number, &[]), out)
}

/// Forgets a retained message.
pub(crate) fn drop_retained(number: u64) -> Change {
    remove(key(RETAINED, number, &[]))
}

fn decode_retained(number: u64, value: &[u8]) -> Result<Kept, Damaged> {
    let mut from = Reader::new(value, VERSION)?;
    let qos = from.qos()?;
    let identity = from.text()?.into();
    let parcel = Arc::new(read_parcel(&mut from)?);
    from.end()?;
    Ok(Kept { number, parcel, qos, identity })
}

fn decode_cursor(value: &[u8]) -> Result<u64, Damaged> {
    let mut from = Reader::new(value, VERSION)?;
    let cursor = from.u64()?;
    from.end()?;
    Ok(cursor)
}

impl QueuedMessage {
    fn encode(&self) -> Writer {
        let mut out = Writer::new(VERSION);
        out.u8(ENTRY_MESSAGE);
        out.u8(self.qos);
        out.flag(self.retain);
        out.u32(u32::try_from(self.identifiers.len()).expect("a session has few subscriptions"));
        self.identifiers.iter().for_each(|identifier| out.u32(*identifier));
        out.option(self.shared.as_ref(), |out, shared| out.text(&shared.to_string()));
        parcel(&mut out, &self.parcel);
        out
    }
}

impl QueueEntry {
    fn decode(value: &[u8]) -> Result<QueueEntry, Damaged> {
        let mut from = Reader::new(value, VERSION)?;
        let entry = match from.u8()? {
            ENTRY_RELEASED => QueueEntry::Released,
            ENTRY_MESSAGE => {
                let qos = from.qos()?;
                let retain = from.flag()?;
                let count = from.u32()?;
                let identifiers = (0..count).map(|_| from.u32()).collect::<Result<_, _>>()?;
                let shared = from.option(|from| from.filter())?;
                let parcel = Arc::new(read_parcel(&mut from)?);
                QueueEntry::Message(QueuedMessage { parcel, qos, retain, identifiers, shared })
            }
            _ => return Err(Damaged("kind of queue entry")),
        };
        from.end()?;
        Ok(entry)
    }
}

impl SessionRecord {
    fn encode(&self) -> Writer {
        let mut out = Writer::new(VERSION);
        out.text(&self.client_id);
        out.text(&self.identity);
        out.u32(self.expiry_s);
        out.option(self.expires_at_ms, Writer::u64);
        out.option(self.will.as_deref(), will);
        out.option(self.will_at_ms, Writer::u64);
        out.u32(u32::try_from(self.subscriptions.len()).expect("a session has few subscriptions"));
        for subscription in &self.subscriptions {
            out.text(&subscription.filter.to_string());
            out.u8(subscription.options.to_byte());
            out.u32(subscription.identifier);
        }
        out
    }

    fn decode(value: &[u8]) -> Result<SessionRecord, Damaged> {
        let mut from = Reader::new(value, VERSION)?;
        let client_id = from.text()?.into();
        let identity = from.text()?.into();
        let expiry_s = from.u32()?;
        let expires_at_ms = from.option(Reader::u64)?;
        let will = from.option(read_will)?.map(Box::new);
        let will_at_ms = from.option(Reader::u64)?;
        let mut subscriptions = Vec::new();
        for _ in 0..from.u32()? {
            let filter = from.filter()?;
            let options = Options::from_byte(from.u8()?).map_err(|_| Damaged("subscription options"))?;
            subscriptions.push(SubscriptionRecord { filter, options, identifier: from.u32()? });
        }
        from.end()?;
        Ok(SessionRecord { client_id, identity, expiry_s, expires_at_ms, will, will_at_ms, subscriptions })
    }
}

fn parcel(out: &mut Writer, parcel: &Parcel) {
    out.text(&parcel.topic);
    out.flag(parcel.retain);
    out.option(parcel.expires_at_ms, Writer::u64);
    out.option(parcel.forward.as_ref(), |out, forward| out.bytes(forward.encoded()));
    out.bytes(&parcel.payload);
}

fn read_parcel(from: &mut Reader<'_>) -> Result<Parcel, Damaged> {
    let topic = topic(from)?.as_str().into();
    let retain = from.flag()?;
    let expires_at_ms = from.option(Reader::u64)?;
    let forward = from.option(read_forward)?;
    let payload = Bytes::copy_from_slice(from.bytes()?);
    Ok(Parcel { topic, payload, forward, retain, expires_at_ms })
}

fn will(out: &mut Writer, will: &Will) {
    out.text(&will.topic);
    out.bytes(&will.payload);
    out.u8(will.qos);
    out.flag(will.retain);
    out.u32(will.delay_s);
    out.option(will.expiry_s, Writer::u32);
    out.option(will.properties.as_ref(), |out, forward| out.bytes(forward.encoded()));
}

fn read_will(from: &mut Reader<'_>) -> Result<Will, Damaged> {
    Ok(Will {
        topic: topic(from)?,
        payload: Bytes::copy_from_slice(from.bytes()?),
        qos: from.qos()?,
        retain: from.flag()?,
        delay_s: from.u32()?,
        expiry_s: from.option(Reader::u32)?,
        properties: from.option(read_forward)?,
    })
}

fn read_forward(from: &mut Reader<'_>) -> Result<Forward, Damaged> {
    Forward::decode(from.bytes()?).map_err(|_| Damaged("properties"))
}

fn topic(from: &mut Reader<'_>) -> Result<Topic, Damaged> {
    Topic::new(from.text()?).map_err(|_| Damaged("topic"))
}

#[cfg(test)]
mod tests;
