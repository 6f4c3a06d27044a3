//! Retention: what is too old goes, by whole families and ranges.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::{Epoch, StoreError};
use rocksdb::{BoundColumnFamily, FlushOptions, IteratorMode, WriteBatch};

use crate::error::from_rocks;
use crate::family;
use crate::front;
use crate::key::Day;
use crate::rocks::{self, Base, day_end, fixed, lock};
use crate::store::{Store, unsynced};

const DROPPING: &str = "drop old days of the journal";
const TRIMMING: &str = "trim the feed";

/// What a retention round let go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retained {
    /// Days of the journal.
    pub days: u32,
    /// Events of the feed.
    pub events: u64,
    /// Quarantined messages.
    pub quarantined: u64,
}

impl Store {
    /// Lets go what is older than the settings keep. Call it every few minutes, from any thread.
    ///
    /// `keep_from` is the oldest commit that a restart would replay (one after the oldest checkpoint that is still needed):
    /// no day that has it or a later one is dropped, however old. Nor is one that the ledger has yet to apply, nor the
    /// newest. Alerts are kept, closed or not.
    ///
    /// It also makes tomorrow's family ahead, so that no append at midnight waits for it, and asks for what is in memory of
    /// days gone by to be written, so that the write-ahead log can shrink.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is full or fails; call it again later.
    pub fn retain(&self, now_ms: u64, keep_from: Epoch) -> Result<Retained, StoreError> {
        self.ready_to_write(DROPPING)?;
        let today = Day::of(now_ms);
        let days = self.drop_days(today, keep_from.min(self.heads().applied() + 1))?;
        let retained = Retained { days, events: self.trim_feed()?, quarantined: self.trim_quarantine()? };
        self.measure();
        if retained != Retained::default() {
            tracing::info!(
                days = retained.days,
                events = retained.events,
                quarantined = retained.quarantined,
                "old data let go"
            );
        }
        Ok(retained)
    }

    /// Appends go on meanwhile: they go to the newest day or a later one, which is never dropped here.
    fn drop_days(&self, today: Day, keep_from: Epoch) -> Result<u32, StoreError> {
        let _one_at_a_time = lock(&self.retention);
        let newest = lock(&self.journal).newest_day;
        self.write(DROPPING, |base| base.make_day(Day(today.0 + 1), &self.tuning))?;
        let Some(newest) = newest else { return Ok(0) };
        let oldest_kept = Day(today.0.saturating_sub(self.settings.journal_retention_days)).min(newest);
        let going = self.with(DROPPING, |base| going(base, oldest_kept, keep_from))?;
        self.write(DROPPING, |base| {
            for day in &going {
                base.drop_day(*day)?;
            }
            let mut flush = FlushOptions::default();
            flush.set_wait(false);
            for day in base.days().into_iter().filter(|day| *day < newest) {
                if let Some(family) = base.rocks.cf_handle(&day.family()).filter(|family| in_memory(base, family)) {
                    base.rocks.flush_cf_opt(&family, &flush)?;
                }
            }
            Ok(())
        })?;
        let first = self.with(DROPPING, |base| rocks::first_epoch(&base.rocks, &base.days()))?;
        self.heads().first_epoch.store(first.unwrap_or(self.heads().last_epoch() + 1), Ordering::Release);
        Ok(u32::try_from(going.len()).unwrap_or(u32::MAX))
    }

    fn trim_feed(&self) -> Result<u64, StoreError> {
        let _ledger = lock(&self.ledger);
        let (newest, oldest) = (self.heads().newest_cursor(), self.heads().oldest_cursor());
        let keep_from = (newest + 1).saturating_sub(self.settings.feed_events_max);
        if keep_from <= oldest {
            return Ok(0);
        }
        // first the promise, then the deed: a reader that sees the old end may get less, never more
        self.heads().oldest_cursor.store(keep_from, Ordering::Release);
        self.write(TRIMMING, |base| {
            let feed = fixed(&base.rocks, family::FEED);
            base.rocks.delete_file_in_range_cf(&feed, 0u64.to_be_bytes(), keep_from.to_be_bytes())?;
            let mut batch = WriteBatch::default();
            batch.delete_range_cf(&feed, 0u64.to_be_bytes(), keep_from.to_be_bytes());
            base.rocks.write_opt(batch, &unsynced())
        })?;
        Ok(keep_from - oldest)
    }

    /// Sizes, for the gauges.
    fn measure(&self) {
        let sizes = self.with("measure", |base| {
            let mut journal_bytes = 0;
            for day in base.days() {
                if let Some(family) = base.rocks.cf_handle(&day.family()) {
                    let bytes = base.rocks.property_int_value_cf(&family, rocksdb::properties::LIVE_SST_FILES_SIZE);
                    journal_bytes += bytes.map_err(|error| from_rocks("measure", &error))?.unwrap_or(0);
                }
            }
            front::measure(base);
            Ok((base.days().len(), journal_bytes))
        });
        if let Ok((days, journal_bytes)) = sizes {
            metrics::gauge!("fenghuo_store_journal_days").set(days as f64);
            metrics::gauge!("fenghuo_store_journal_bytes").set(journal_bytes as f64);
        }
        let kept = (self.heads().newest_cursor() + 1).saturating_sub(self.heads().oldest_cursor());
        metrics::gauge!("fenghuo_store_feed_events").set(kept as f64);
    }
}

/// Days before `oldest_kept` that hold nothing from `keep_from` on.
fn going(base: &Base, oldest_kept: Day, keep_from: Epoch) -> Result<Vec<Day>, StoreError> {
    let days = base.days();
    let mut going = Vec::new();
    for (at, day) in days.iter().enumerate().take_while(|(_, day)| **day < oldest_kept) {
        // the next day that has commits tells where this one ends
        let next = rocks::first_epoch(&base.rocks, &days[at + 1..])?;
        let empty = day_end(&base.rocks, *day, IteratorMode::Start, DROPPING)?.is_none();
        if !empty && next.is_none_or(|next| next > keep_from) {
            break;
        }
        going.push(*day);
    }
    Ok(going)
}

/// Whether something of a family is only in memory and in the log.
fn in_memory(base: &Base, family: &Arc<BoundColumnFamily<'_>>) -> bool {
    let rows = base.rocks.property_int_value_cf(family, rocksdb::properties::NUM_ENTRIES_ACTIVE_MEM_TABLE);
    rows.is_ok_and(|rows| rows.is_some_and(|rows| rows > 0))
}
