//! How messages are written for one connection.

use std::collections::HashMap;
use std::sync::Arc;

use crate::outbound::{Outbound, Parcel};
use crate::wire::encode::{self, Alias, Sending};

/// How messages are written for one connection.
pub(crate) struct Pen {
    pub(crate) v5: bool,
    aliases: Option<Box<Aliases>>,
}

/// Topics that got an alias on this connection: the first so many.
struct Aliases {
    limit: u16,
    known: HashMap<Arc<str>, u16>,
}

impl Pen {
    /// `alias_limit`: how many topic aliases the client takes, capped by ours.
    pub(crate) fn new(v5: bool, alias_limit: u16) -> Pen {
        let aliases = (v5 && alias_limit > 0).then(|| Box::new(Aliases { limit: alias_limit, known: HashMap::new() }));
        Pen { v5, aliases }
    }

    /// False if the packet is larger than the client takes.
    pub(super) fn publish(
        &mut self,
        out: &mut Vec<u8>,
        message: &Outbound,
        sending: Sending<'_>,
        max_bytes: usize,
    ) -> bool {
        let bytes = encode::publish_bytes(&message.parcel, sending);
        if bytes > max_bytes {
            return false;
        }
        let roomy = bytes + ALIAS_BYTES <= max_bytes;
        let alias = self.aliases.as_mut().filter(|_| roomy).and_then(|aliases| aliases.of(&message.parcel));
        encode::publish(out, &message.parcel, Sending { alias, ..sending });
        true
    }
}

/// What the property takes, and by how much it may lengthen the lengths.
const ALIAS_BYTES: usize = 5;

impl Aliases {
    fn of(&mut self, parcel: &Parcel) -> Option<Alias> {
        if let Some(alias) = self.known.get(&parcel.topic) {
            return Some(Alias::Known(*alias));
        }
        let alias = u16::try_from(self.known.len() + 1).ok().filter(|alias| *alias <= self.limit)?;
        self.known.insert(parcel.topic.clone(), alias);
        Some(Alias::New(alias))
    }
}

/// The identifier of a message with this sequence number.
pub(super) fn packet_id(sequence: u64) -> u16 {
    (sequence % 65_535) as u16 + 1
}

/// How a message goes out.
pub(super) fn sending<'a>(message: &'a Outbound, v5: bool, now_ms: u64, packet_id: u16, dup: bool) -> Sending<'a> {
    let left_ms = message.parcel.expires_at_ms.map(|at_ms| at_ms.saturating_sub(now_ms));
    Sending {
        qos: message.qos,
        packet_id,
        dup,
        retain: message.retain,
        v5,
        alias: None,
        identifiers: &message.identifiers,
        expiry_s: left_ms.map(|left_ms| u32::try_from(left_ms.div_ceil(1_000)).unwrap_or(u32::MAX)),
    }
}
