//! What the vault holds at the start.

use std::collections::{BTreeMap, HashMap};

use tracing::warn;

use super::{
    CURSOR, Damaged, QUEUE, QueueEntry, RECEIVED, RETAINED, SESSION, SessionRecord, decode_cursor, decode_retained,
};
use crate::retained::Kept;
use crate::vault::{Change, Vault, VaultError};

/// What the vault held.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// Rising by number; no two with the same client id.
    pub(crate) sessions: Vec<RestoredSession>,
    pub(crate) retained: Vec<Kept>,
    /// No session had this number or a higher one.
    pub(crate) next_session: u64,
    /// No retained message had this number or a higher one.
    pub(crate) next_retained: u64,
    /// What belongs to no session any more, to be removed.
    pub(crate) leftovers: Vec<Change>,
    /// Keys and values that could not be read. They stay where they are.
    pub(crate) damaged: usize,
}

/// A session with all that is kept of it.
#[derive(Debug)]
pub(crate) struct RestoredSession {
    pub(crate) number: u64,
    pub(crate) record: SessionRecord,
    /// Rising by sequence number.
    pub(crate) queue: Vec<(u64, QueueEntry)>,
    /// Packet identifiers of QoS 2 publishes taken in and not released.
    pub(crate) received: Vec<u16>,
    /// How far it has read the log.
    pub(crate) cursor: Option<u64>,
}

/// Reads all that is kept. What cannot be read is logged, counted and left where it is.
///
/// # Errors
/// When the vault itself cannot be read.
pub(crate) fn restore(vault: &dyn Vault) -> Result<Restored, VaultError> {
    let mut pile = Pile::default();
    vault.load(&mut |key, value| {
        if let Err(error) = pile.add(key, value) {
            pile.damaged += 1;
            if pile.damaged <= DAMAGED_LOGGED {
                let shown = key.get(..key.len().min(KEY_SHOWN_BYTES)).unwrap_or_default();
                warn!(key = ?shown, %error, "skipped something kept of a session: look for disk faults or a downgrade");
            }
        }
    })?;
    Ok(pile.sort_out())
}

const DAMAGED_LOGGED: usize = 10;
const KEY_SHOWN_BYTES: usize = 32;

#[derive(Default)]
struct Pile {
    sessions: BTreeMap<u64, Option<SessionRecord>>,
    parts: BTreeMap<u64, Parts>,
    retained: Vec<Kept>,
    next_session: u64,
    next_retained: u64,
    damaged: usize,
}

/// What lies under other keys than the session's own.
#[derive(Default)]
struct Parts {
    queue: Vec<(u64, QueueEntry)>,
    received: Vec<u16>,
    cursor: Option<u64>,
    keys: Vec<Box<[u8]>>,
}

impl Pile {
    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Damaged> {
        let [kind, rest @ ..] = key else { return Err(Damaged("key")) };
        let (number, rest) = rest.split_first_chunk::<8>().ok_or(Damaged("key"))?;
        let number = u64::from_be_bytes(*number);
        let next = number.checked_add(1).ok_or(Damaged("number"))?;
        if *kind == RETAINED {
            self.next_retained = self.next_retained.max(next);
            self.retained.push(decode_retained(number, ended(rest, value)?)?);
            return Ok(());
        }
        // Even what cannot be read keeps its number: a new session must not find itself with it.
        self.next_session = self.next_session.max(next);
        if *kind == SESSION {
            let record = ended(rest, value).and_then(SessionRecord::decode);
            let error = record.as_ref().err().copied();
            self.sessions.insert(number, record.ok());
            return error.map_or(Ok(()), Err);
        }
        let parts = self.parts.entry(number).or_default();
        match *kind {
            QUEUE => {
                let sequence = u64::from_be_bytes(rest.try_into().map_err(|_| Damaged("key"))?);
                parts.queue.push((sequence, QueueEntry::decode(value)?));
            }
            RECEIVED => {
                parts.received.push(u16::from_be_bytes(rest.try_into().map_err(|_| Damaged("key"))?));
            }
            CURSOR => parts.cursor = Some(decode_cursor(ended(rest, value)?)?),
            _ => return Err(Damaged("kind of key")),
        }
        parts.keys.push(key.into());
        Ok(())
    }

    fn sort_out(self) -> Restored {
        let Pile { sessions, mut parts, mut retained, next_session, next_retained, damaged } = self;
        let mut leftovers = Vec::new();
        let mut newest: HashMap<_, u64> = HashMap::new();
        for (number, record) in &sessions {
            if let Some(record) = record {
                newest.insert(record.client_id.clone(), *number); // rising: the newest stands
            }
        }
        let mut found = Vec::new();
        for (number, record) in sessions {
            let mut own = parts.remove(&number).unwrap_or_default();
            let Some(record) = record else { continue }; // its parts may be read by another version
            if newest.get(&record.client_id) != Some(&number) {
                leftovers.push(super::drop_session(number));
                leftovers.extend(own.keys.into_iter().map(super::remove));
                continue;
            }
            own.queue.sort_by_key(|(sequence, _)| *sequence);
            let Parts { queue, received, cursor, .. } = own;
            found.push(RestoredSession { number, record, queue, received, cursor });
        }
        leftovers.extend(parts.into_values().flat_map(|orphan| orphan.keys).map(super::remove));
        // One message a topic: a later number is the newer one.
        let mut topics = HashMap::new();
        retained.sort_by_key(|kept| kept.number);
        for (index, kept) in retained.iter().enumerate() {
            if let Some(older) = topics.insert(kept.parcel.topic.clone(), index) {
                leftovers.push(super::drop_retained(retained[older].number));
            }
        }
        let mut index = 0;
        retained.retain(|kept| {
            index += 1;
            topics.get(&kept.parcel.topic) == Some(&(index - 1))
        });
        Restored { sessions: found, retained, next_session, next_retained, leftovers, damaged }
    }
}

fn ended<'a>(rest: &[u8], value: &'a [u8]) -> Result<&'a [u8], Damaged> {
    if rest.is_empty() { Ok(value) } else { Err(Damaged("key")) }
}
