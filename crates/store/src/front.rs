//! The front door's records: sessions, what waits for them, retained messages. Keys and values are the broker's; here they
//! are bytes.
//!
//! They share the write-ahead log with the journal, so that a mark ("this publish was taken in") and the commit that holds
//! the publish are one record, and what a power cut leaves of both is one prefix.

use std::time::Instant;

use model::{Mark, StoreError};
use rocksdb::{IteratorMode, WriteBatch};

use crate::error::from_rocks;
use crate::family;
use crate::rocks::{Base, Rocks, fixed, ordered};
use crate::store::{Store, synced};

const WRITING: &str = "write the front door's records";
const READING: &str = "read the front door's records";

/// A key's new value; `None` removes it.
pub type FrontChange<'a> = (&'a [u8], Option<&'a [u8]>);

impl Store {
    /// Calls `each` with every key and value of the front door's records, in the order of the keys.
    ///
    /// # Errors
    /// [`StoreError`] when the disk fails or a table is damaged; `each` may have been called by then.
    pub fn front_load(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        self.with(READING, |base| {
            let mut options = ordered();
            options.set_readahead_size(1024 * 1024);
            options.fill_cache(false);
            for row in base.rocks.iterator_cf_opt(&fixed(&base.rocks, family::FRONT), options, IteratorMode::Start) {
                let (key, value) = row.map_err(|error| from_rocks(READING, &error))?;
                each(&key, &value);
            }
            Ok(())
        })
    }

    /// Writes all changes or none, in their order; they are on the disk when it returns. Runs beside appends and shares their
    /// syncs of the log.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is full or fails. Nobody may rely on any of it then; the same write may be tried again.
    pub fn front_write(&self, changes: &[FrontChange<'_>]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.ready_to_write(WRITING)?;
        let started = Instant::now();
        let bytes: usize = changes.iter().map(|(key, value)| key.len() + value.map_or(0, <[u8]>::len) + 16).sum();
        self.write(WRITING, |base| {
            let mut batch = WriteBatch::with_capacity_bytes(bytes);
            put(&base.rocks, &mut batch, changes.iter().copied());
            base.rocks.write_opt(batch, &synced())
        })?;
        metrics::counter!("fenghuo_store_front_writes_total").increment(1);
        metrics::counter!("fenghuo_store_front_write_bytes_total").increment(bytes as u64);
        metrics::histogram!("fenghuo_store_front_write_seconds").record(started.elapsed().as_secs_f64());
        Ok(())
    }

    /// Values that the keys of `marks` have now: what an append that failed must leave behind.
    pub(crate) fn before(&self, marks: &[Mark]) -> Vec<Mark> {
        let value = |mark: &Mark| {
            let value = self.with(READING, |base| {
                let family = fixed(&base.rocks, family::FRONT);
                base.rocks.get_cf(&family, &mark.key).map_err(|error| from_rocks(READING, &error))
            });
            // a key is marked once until its mark is removed, so one that cannot be read was not there
            value.ok().flatten().map(Vec::into_boxed_slice)
        };
        marks.iter().map(|mark| Mark { key: mark.key.clone(), value: value(mark) }).collect()
    }
}

/// Adds the marks to the batch of their commit.
pub(crate) fn put_marks(rocks: &Rocks, batch: &mut WriteBatch, marks: &[Mark]) {
    if !marks.is_empty() {
        put(rocks, batch, marks.iter().map(|mark| (&*mark.key, mark.value.as_deref())));
    }
}

/// Bytes that the marks take in a batch.
pub(crate) fn mark_bytes(marks: &[Mark]) -> usize {
    marks.iter().map(|mark| mark.key.len() + mark.value.as_deref().map_or(0, <[u8]>::len) + 16).sum()
}

fn put<'a>(rocks: &Rocks, batch: &mut WriteBatch, changes: impl Iterator<Item = FrontChange<'a>>) {
    let family = fixed(rocks, family::FRONT);
    for (key, value) in changes {
        match value {
            Some(value) => batch.put_cf(&family, key, value),
            None => batch.delete_cf(&family, key),
        }
    }
}

/// Sizes, for the gauges.
pub(crate) fn measure(base: &Base) {
    let family = fixed(&base.rocks, family::FRONT);
    let property = |name: &rocksdb::properties::PropName| {
        base.rocks.property_int_value_cf(&family, name).ok().flatten().unwrap_or(0) as f64
    };
    metrics::gauge!("fenghuo_store_front_records").set(property(rocksdb::properties::ESTIMATE_NUM_KEYS));
    let bytes = property(rocksdb::properties::LIVE_SST_FILES_SIZE) + property(rocksdb::properties::SIZE_ALL_MEM_TABLES);
    metrics::gauge!("fenghuo_store_front_bytes").set(bytes);
}
