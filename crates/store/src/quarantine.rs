//! The quarantine: messages that could not be decoded or admitted, written with the commit that they arrived with.
//!
//! Each row carries the bytes of all messages up to and including its own, so that the bytes between any two of them
//! are one subtraction, and the oldest one to keep is found by bisection.

use model::wire;
use model::{Quarantined, StoreError};
use rocksdb::{IteratorMode, WriteBatch};

use crate::error::{damaged, from_rocks, from_wire};
use crate::family;
use crate::key::{self, meta};
use crate::rocks::{Base, Rocks, end_number, fixed, lock, scan_back};
use crate::store::{JournalEnd, Store, unsynced};

const TRIMMING: &str = "trim the quarantine";

/// Messages on their way into the quarantine.
pub(crate) struct Held {
    /// Number of the newest message after these.
    newest: u64,
    /// Bytes of all messages after these.
    total: u64,
    rows: Vec<([u8; 8], Vec<u8>)>,
}

impl Held {
    /// Numbers `messages` after those that are in the quarantine.
    pub(crate) fn after(end: &JournalEnd, messages: &[Quarantined]) -> Held {
        let mut held =
            Held { newest: end.quarantined, total: end.quarantined_bytes, rows: Vec::with_capacity(messages.len()) };
        for message in messages {
            let encoded = wire::encode(message);
            held.newest += 1;
            held.total += encoded.len() as u64;
            let row = [&held.total.to_be_bytes()[..], &encoded].concat();
            held.rows.push((held.newest.to_be_bytes(), row));
        }
        held
    }

    pub(crate) fn bytes(&self) -> usize {
        self.rows.iter().map(|(_, row)| row.len() + 16).sum()
    }

    pub(crate) fn put(&self, rocks: &Rocks, batch: &mut WriteBatch) {
        if self.rows.is_empty() {
            return;
        }
        let (family, meta) = (fixed(rocks, family::QUARANTINE), fixed(rocks, family::META));
        for (number, row) in &self.rows {
            batch.put_cf(&family, number, row);
        }
        batch.put_cf(&meta, meta::QUARANTINED, self.newest.to_be_bytes());
        batch.put_cf(&meta, meta::QUARANTINED_BYTES, self.total.to_be_bytes());
    }

    /// Notes that they are written.
    pub(crate) fn settle(&self, end: &mut JournalEnd) {
        end.quarantined = self.newest;
        end.quarantined_bytes = self.total;
    }
}

/// Up to `limit` messages whose number is below `before`, newest first.
pub(crate) fn newest(
    base: &Base,
    before: Option<u64>,
    limit: usize,
    doing: &'static str,
) -> Result<Vec<(u64, Quarantined)>, StoreError> {
    let to = before.map(|number| number.to_be_bytes().to_vec());
    scan_back(&base.rocks, family::QUARANTINE, (&[], to), limit, doing, |key, row| {
        let number = key::number(key).ok_or_else(|| damaged(doing, "a key that is no number"))?;
        let (_, message) = split(row, doing)?;
        Ok((number, wire::decode(message).map_err(|error| from_wire(doing, &error))?))
    })
}

/// The bytes of all messages up to a row's, and the row's message.
fn split<'a>(row: &'a [u8], doing: &'static str) -> Result<(u64, &'a [u8]), StoreError> {
    row.split_first_chunk::<8>()
        .map(|(total, message)| (u64::from_be_bytes(*total), message))
        .ok_or_else(|| damaged(doing, "a row that is too short"))
}

impl Store {
    /// Keeps the newest messages within the limits; returns how many went.
    pub(crate) fn trim_quarantine(&self) -> Result<u64, StoreError> {
        let end = lock(&self.journal);
        let (newest, total) = (end.quarantined, end.quarantined_bytes);
        let going = self.with(TRIMMING, |base| {
            let family = fixed(&base.rocks, family::QUARANTINE);
            let Some(oldest) = end_number(&base.rocks, &family, IteratorMode::Start, TRIMMING)? else {
                return Ok(None);
            };
            let by_count = (newest + 1).saturating_sub(self.settings.quarantine_items_max);
            let by_bytes = self.oldest_within_bytes(base, oldest, newest, total)?;
            let keep_from = by_count.max(by_bytes);
            Ok((keep_from > oldest).then_some((oldest, keep_from)))
        })?;
        let Some((oldest, keep_from)) = going else { return Ok(0) };
        self.write(TRIMMING, |base| {
            let family = fixed(&base.rocks, family::QUARANTINE);
            base.rocks.delete_file_in_range_cf(&family, 0u64.to_be_bytes(), keep_from.to_be_bytes())?;
            let mut batch = WriteBatch::default();
            batch.delete_range_cf(&family, 0u64.to_be_bytes(), keep_from.to_be_bytes());
            base.rocks.write_opt(batch, &unsynced())
        })?;
        Ok(keep_from - oldest)
    }

    /// The least number from which on all messages together are within the limit of bytes.
    fn oldest_within_bytes(&self, base: &Base, oldest: u64, newest: u64, total: u64) -> Result<u64, StoreError> {
        let family = fixed(&base.rocks, family::QUARANTINE);
        // messages after number n have total - total_up_to(n) bytes: the least such n, plus one
        let (mut low, mut high) = (oldest - 1, newest);
        while low < high {
            let middle = low + (high - low) / 2;
            let up_to = if middle < oldest {
                let row = base.rocks.get_pinned_cf(&family, oldest.to_be_bytes());
                let row = row.map_err(|error| from_rocks(TRIMMING, &error))?;
                let row = row.ok_or_else(|| damaged(TRIMMING, format!("message {oldest} is missing")))?;
                let (total, message) = split(&row, TRIMMING)?;
                total.saturating_sub(message.len() as u64)
            } else {
                let row = base.rocks.get_pinned_cf(&family, middle.to_be_bytes());
                let row = row.map_err(|error| from_rocks(TRIMMING, &error))?;
                let row = row.ok_or_else(|| damaged(TRIMMING, format!("message {middle} is missing")))?;
                split(&row, TRIMMING)?.0
            };
            if total - up_to <= self.settings.quarantine_bytes_max {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low + 1)
    }
}
