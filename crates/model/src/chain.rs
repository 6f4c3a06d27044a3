//! The history of an alert as a chain of digests: whoever changes an item, takes one out or puts one in has to change all
//! that come after it.
//!
//! Two strands leave from the first item, the raising: what people did, and what the station noted. Each item's digest is
//! of the one before it in its strand, and of itself. Where a history is full, items go from the old end of a strand; how
//! many went, and the digest of the last of them, stays, so that the rest is still chained to what was there. Digests are
//! SHA-256. What is digested, in this order: the digest before (32 bytes), then number (4 bytes), time (ms since 1970, 8),
//! commit (8), `what`, `by`, note, and the command's tag. Numbers are big-endian; a text is its length in bytes (4) and
//! its UTF-8; what may be absent is a byte 0, or a byte 1 and itself. Before the first item stands the digest of
//! `fenghuo alert ` and the alert's id.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::alert::{Alert, HistoryItem};
use crate::ids::AlertId;

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// What went from the old end of a strand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trimmed {
    /// Items.
    pub count: u32,
    /// Digest of the last of them.
    pub hash: Digest,
}

/// What went from both strands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trims {
    pub people: Trimmed,
    pub station: Trimmed,
}

impl Trims {
    fn of(&mut self, is_person: bool) -> &mut Trimmed {
        if is_person { &mut self.people } else { &mut self.station }
    }
}

/// A history that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("the history is empty: an alert's begins with its raising")]
    Empty,
    #[error("the first item must be the raising, with the number 0, and has the number {0}")]
    First(u32),
    #[error("item {0} is not what was written, or what stood before it was changed, taken out or put in")]
    Item(u32),
    #[error("item {0} stands out of order")]
    Order(u32),
    #[error("{missing} items are missing before item {newest}, the newest")]
    Missing { missing: i64, newest: u32 },
    #[error("the history was cut off or made anew: its seal is {found} and not {expected}")]
    Seal { expected: String, found: String },
}

impl Alert {
    /// Writes an item at the end of the history, chained to those before. When the history is full, the oldest item that
    /// no person made goes first, after those the oldest of all: a detector that chatters does not wash away who
    /// acknowledged and what was verified. The first item, the raising, stays.
    pub fn record(&mut self, mut item: HistoryItem) {
        if self.history.len() >= Alert::HISTORY_MAX {
            let of_station = self.history[1..].iter().position(|item| item.command.is_none());
            let gone = self.history.remove(1 + of_station.unwrap_or(0));
            let trimmed = self.trims.of(gone.command.is_some());
            (trimmed.count, trimmed.hash) = (trimmed.count + 1, gone.hash);
        }
        item.number = self.history.len() as u32 + self.trims.people.count + self.trims.station.count;
        item.hash = link(&self.head(item.command.is_some()), &item);
        self.history.push(item);
    }

    /// Digest of the newest item of a strand.
    fn head(&self, is_person: bool) -> Digest {
        let Some((first, rest)) = self.history.split_first() else { return root(self.id) };
        let newest = rest.iter().rev().find(|item| item.command.is_some() == is_person);
        let trimmed = if is_person { self.trims.people } else { self.trims.station };
        newest.map_or(if trimmed.count > 0 { trimmed.hash } else { first.hash }, |item| item.hash)
    }

    /// Digest of the whole history: of its newest item of each strand, people's first.
    pub fn seal(&self) -> Digest {
        Sha256::new().chain_update(self.head(true)).chain_update(self.head(false)).finalize().into()
    }
}

/// Digest of an item that stands after the one with the digest `before`.
fn link(before: &Digest, item: &HistoryItem) -> Digest {
    let mut digest = Sha256::new();
    digest.update(before);
    digest.update(item.number.to_be_bytes());
    digest.update(item.at_ms.to_be_bytes());
    digest.update(item.epoch.to_be_bytes());
    let mut text = |text: &str| {
        digest.update((text.len() as u32).to_be_bytes());
        digest.update(text);
    };
    text(&item.what);
    text(&item.by);
    match &item.note {
        None => digest.update([0]),
        Some(note) => {
            digest.update([1]);
            digest.update((note.len() as u32).to_be_bytes());
            digest.update(&**note);
        }
    }
    match item.command {
        None => digest.update([0]),
        Some(tag) => {
            digest.update([1]);
            digest.update(tag.to_be_bytes());
        }
    }
    digest.finalize().into()
}

fn root(id: AlertId) -> Digest {
    Sha256::digest(format!("fenghuo alert {id}")).into()
}

/// Checks a history; its seal.
///
/// # Errors
/// [`Broken`] with the first item that is not what was written.
pub fn verify(id: AlertId, history: &[HistoryItem], trims: &Trims) -> Result<Digest, Broken> {
    let Some((first, rest)) = history.split_first() else { return Err(Broken::Empty) };
    if first.number != 0 {
        return Err(Broken::First(first.number));
    }
    if first.hash != link(&root(id), first) {
        return Err(Broken::Item(0));
    }
    let begins = |trimmed: Trimmed| if trimmed.count > 0 { trimmed.hash } else { first.hash };
    let (mut people, mut station) = (begins(trims.people), begins(trims.station));
    let mut number = 0;
    for item in rest {
        let head = if item.command.is_some() { &mut people } else { &mut station };
        if item.hash != link(head, item) {
            return Err(Broken::Item(item.number));
        }
        if item.number <= number {
            return Err(Broken::Order(item.number));
        }
        (number, *head) = (item.number, item.hash);
    }
    let known = history.len() as i64 + i64::from(trims.people.count) + i64::from(trims.station.count);
    let missing = i64::from(number) + 1 - known;
    if missing != 0 {
        return Err(Broken::Missing { missing, newest: number });
    }
    Ok(Sha256::new().chain_update(people).chain_update(station).finalize().into())
}

/// A digest in hexadecimal.
pub fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest that [`hex`] wrote.
pub fn unhex(text: &str) -> Option<Digest> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests;
