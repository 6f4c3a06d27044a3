//! The handle of RocksDB: opening it, reading rows, and what is known of its ends.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::wire;
use model::{Cursor, Epoch, StoreError};
use rocksdb::{
    BoundColumnFamily, ColumnFamilyDescriptor, DBWithThreadMode, Direction, IteratorMode, MultiThreaded, Options,
    ReadOptions,
};
use serde::de::DeserializeOwned;

use crate::error::{damaged, from_rocks, from_wire};
use crate::family::{self, Tuning};
use crate::key::{self, Day};

pub(crate) type Rocks = DBWithThreadMode<MultiThreaded>;

/// The database, open, and the days that its journal has families for.
pub(crate) struct Base {
    pub(crate) rocks: Rocks,
    /// Held for a moment only.
    days: Mutex<BTreeSet<Day>>,
    /// Held by whoever makes or drops a family.
    changing: Mutex<()>,
}

impl Base {
    /// The journal's days, oldest first.
    pub(crate) fn days(&self) -> Vec<Day> {
        lock(&self.days).iter().copied().collect()
    }

    /// Whether RocksDB failed to write a table since it was opened.
    pub(crate) fn has_failed(&self) -> bool {
        let errors = self.rocks.property_int_value(rocksdb::properties::BACKGROUND_ERRORS);
        errors.is_ok_and(|errors| errors.is_some_and(|errors| errors > 0))
    }

    /// Makes the family of a day, where it is not there yet. RocksDB writes down the options of all families each time: with
    /// a year of days it takes a good part of a second, in which other writes go on.
    pub(crate) fn make_day(&self, day: Day, tuning: &Tuning) -> Result<(), rocksdb::Error> {
        if lock(&self.days).contains(&day) {
            return Ok(());
        }
        let _one_at_a_time = lock(&self.changing);
        if !lock(&self.days).contains(&day) {
            let name = day.family();
            self.rocks.create_cf(&name, &tuning.family(&name))?;
            lock(&self.days).insert(day);
        }
        Ok(())
    }

    /// Drops the family of a day with all its commits.
    pub(crate) fn drop_day(&self, day: Day) -> Result<(), rocksdb::Error> {
        let _one_at_a_time = lock(&self.changing);
        if lock(&self.days).contains(&day) {
            self.rocks.drop_cf(&day.family())?;
            lock(&self.days).remove(&day);
        }
        Ok(())
    }
}

/// Locks; what a panicking holder left is still whole, since each of these locks guards plain values set in one step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens or makes the database.
pub(crate) fn open(path: &Path, tuning: &Tuning) -> Result<Base, StoreError> {
    open_with(path, tuning, tuning.database(), |options, families| Rocks::open_cf_descriptors(options, path, families))
}

/// Opens the database for reading alone, also while another process writes it: as it was at this moment. `None`, or an
/// error, where that process wrote a table meanwhile: the log whose rows went into the table may be gone already, and the
/// table is not among those that were opened.
pub(crate) fn open_read_only(path: &Path, tuning: &Tuning) -> Result<Option<Base>, StoreError> {
    let before = tables(path);
    let mut options = tuning.database();
    options.create_if_missing(false);
    options.create_missing_column_families(false);
    // every table is opened now: one that the writer merges away later stays readable
    options.set_max_open_files(-1);
    let base = open_with(path, tuning, options, |options, families| {
        Rocks::open_cf_descriptors_read_only(options, path, families, false)
    })?;
    Ok((before.is_some() && tables(path) == before).then_some(base))
}

/// Names the set of tables: the manifest in force and its length. Each new table makes it longer, before the log goes.
fn tables(path: &Path) -> Option<(String, u64)> {
    let name = std::fs::read_to_string(path.join("CURRENT")).ok()?;
    let length = std::fs::metadata(path.join(name.trim())).ok()?.len();
    Some((name, length))
}

fn open_with(
    path: &Path,
    tuning: &Tuning,
    options: Options,
    open: impl FnOnce(&Options, Vec<ColumnFamilyDescriptor>) -> Result<Rocks, rocksdb::Error>,
) -> Result<Base, StoreError> {
    const DOING: &str = "open the database";
    let present = if path.join("CURRENT").exists() {
        Rocks::list_cf(&Options::default(), path).map_err(|error| from_rocks(DOING, &error))?
    } else {
        Vec::new()
    };
    let days: BTreeSet<Day> = present.iter().filter_map(|name| Day::of_family(name)).collect();
    let fixed = family::FIXED.into_iter().chain(["default"]).map(str::to_owned);
    let names = fixed.chain(days.iter().map(|day| day.family()));
    let families = names.map(|name| {
        let options = tuning.family(&name);
        ColumnFamilyDescriptor::new(name, options)
    });
    let rocks = open(&options, families.collect()).map_err(|error| from_rocks(DOING, &error))?;
    Ok(Base { rocks, days: Mutex::new(days), changing: Mutex::default() })
}

/// One of the families that every store has.
pub(crate) fn fixed<'a>(rocks: &'a Rocks, name: &str) -> Arc<BoundColumnFamily<'a>> {
    rocks.cf_handle(name).expect("opening makes every fixed family")
}

/// Read options for an iterator over whole keys: total order always, so that no filter by prefix can hide a row.
pub(crate) fn ordered() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_total_order_seek(true);
    options
}

/// First or last key of a family that is a number.
pub(crate) fn end_number(
    rocks: &Rocks,
    family: &Arc<BoundColumnFamily<'_>>,
    mode: IteratorMode<'_>,
    doing: &'static str,
) -> Result<Option<u64>, StoreError> {
    match rocks.iterator_cf_opt(family, ordered(), mode).next() {
        None => Ok(None),
        Some(row) => {
            let (key, _) = row.map_err(|error| from_rocks(doing, &error))?;
            key::number(&key).map(Some).ok_or_else(|| damaged(doing, "a key that is no number"))
        }
    }
}

/// A number of the family `meta`; 0 where it was never written.
pub(crate) fn meta_number(rocks: &Rocks, word: &[u8], doing: &'static str) -> Result<u64, StoreError> {
    let bytes = rocks.get_pinned_cf(&fixed(rocks, family::META), word).map_err(|error| from_rocks(doing, &error))?;
    bytes.map_or(Ok(0), |bytes| key::number(&bytes).ok_or_else(|| damaged(doing, "a number that is not 8 bytes long")))
}

/// The value of one row.
pub(crate) fn get<T: DeserializeOwned>(
    rocks: &Rocks,
    family: &str,
    key: &[u8],
    doing: &'static str,
) -> Result<Option<T>, StoreError> {
    let bytes = rocks.get_pinned_cf(&fixed(rocks, family), key).map_err(|error| from_rocks(doing, &error))?;
    bytes.map(|bytes| wire::decode(&bytes).map_err(|error| from_wire(doing, &error))).transpose()
}

/// Rows of a family from `from` (inclusive) up to `to` (exclusive), ascending, decoded by `decode`, up to `limit`.
pub(crate) fn scan<T>(
    rocks: &Rocks,
    family: &str,
    (from, to): (&[u8], Option<Vec<u8>>),
    limit: usize,
    doing: &'static str,
    mut decode: impl FnMut(&[u8], &[u8]) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut options = ordered();
    if let Some(to) = to {
        options.set_iterate_upper_bound(to);
    }
    let rows =
        rocks.iterator_cf_opt(&fixed(rocks, family), options, IteratorMode::From(from, Direction::Forward)).take(limit);
    let decoded = rows.map(|row| {
        let (key, value) = row.map_err(|error| from_rocks(doing, &error))?;
        decode(&key, &value)
    });
    decoded.collect()
}

/// As [`scan`], descending from below `to` (from the end for `None`) down to `from`.
pub(crate) fn scan_back<T>(
    rocks: &Rocks,
    family: &str,
    (from, to): (&[u8], Option<Vec<u8>>),
    limit: usize,
    doing: &'static str,
    mut decode: impl FnMut(&[u8], &[u8]) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut options = ordered();
    options.set_iterate_lower_bound(from);
    if let Some(to) = to {
        options.set_iterate_upper_bound(to);
    }
    let rows = rocks.iterator_cf_opt(&fixed(rocks, family), options, IteratorMode::End).take(limit);
    let decoded = rows.map(|row| {
        let (key, value) = row.map_err(|error| from_rocks(doing, &error))?;
        decode(&key, &value)
    });
    decoded.collect()
}

/// Decodes a value and forgets its key, for [`scan`].
pub(crate) fn value<T: DeserializeOwned>(doing: &'static str) -> impl Fn(&[u8], &[u8]) -> Result<T, StoreError> {
    move |_, bytes| wire::decode(bytes).map_err(|error| from_wire(doing, &error))
}

/// What is known of the ends of journal, ledger, feed and quarantine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) last_epoch: Epoch,
    pub(crate) first_epoch: Epoch,
    pub(crate) newest_day: Option<Day>,
    pub(crate) applied: Epoch,
    pub(crate) newest_cursor: Cursor,
    pub(crate) oldest_cursor: Cursor,
    /// Number of the newest quarantined message; 0 when there never was one.
    pub(crate) quarantined: u64,
    /// Bytes of all quarantined messages that there ever were.
    pub(crate) quarantined_bytes: u64,
}

impl Ends {
    /// Reads them from the database.
    pub(crate) fn read(base: &Base) -> Result<Ends, StoreError> {
        const DOING: &str = "look at the ends of journal and ledger";
        let rocks = &base.rocks;
        let mut ends = Ends {
            applied: meta_number(rocks, key::meta::APPLIED, DOING)?,
            newest_cursor: meta_number(rocks, key::meta::NEWEST_CURSOR, DOING)?,
            quarantined: meta_number(rocks, key::meta::QUARANTINED, DOING)?,
            quarantined_bytes: meta_number(rocks, key::meta::QUARANTINED_BYTES, DOING)?,
            ..Ends::default()
        };
        let days = base.days();
        for day in days.iter().rev() {
            if let Some(epoch) = day_end(rocks, *day, IteratorMode::End, DOING)? {
                ends.last_epoch = epoch;
                ends.newest_day = Some(*day);
                break;
            }
        }
        ends.first_epoch = first_epoch(rocks, &days)?.unwrap_or(ends.last_epoch + 1);
        ends.oldest_cursor = end_number(rocks, &fixed(rocks, family::FEED), IteratorMode::Start, DOING)?
            .unwrap_or(ends.newest_cursor + 1);
        Ok(ends)
    }
}

/// Oldest commit of the oldest day that has one.
pub(crate) fn first_epoch(rocks: &Rocks, days: &[Day]) -> Result<Option<Epoch>, StoreError> {
    for day in days {
        if let Some(epoch) = day_end(rocks, *day, IteratorMode::Start, "find the oldest commit")? {
            return Ok(Some(epoch));
        }
    }
    Ok(None)
}

/// First or last commit of a day; `None` for a day without commits.
pub(crate) fn day_end(
    rocks: &Rocks,
    day: Day,
    mode: IteratorMode<'_>,
    doing: &'static str,
) -> Result<Option<Epoch>, StoreError> {
    rocks.cf_handle(&day.family()).map_or(Ok(None), |family| end_number(rocks, &family, mode, doing))
}
