//! The journal: one row a commit, in the column family of its day.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Instant;

use model::wire;
use model::{Commit, Epoch, Journal, Mark, Quarantined, StoreError};
use rocksdb::{Direction, IteratorMode, WriteBatch};

use crate::error::{damaged, from_rocks, from_wire};
use crate::front;
use crate::key::{self, Day};
use crate::quarantine;
use crate::rocks::{Base, day_end, lock, ordered};
use crate::store::{Store, synced};

const APPENDING: &str = "append to the journal";
const READING: &str = "read the journal";

/// An encoding buffer larger than this is not kept for the next commit, bytes. (A change of roster is large, and rare.)
const BUFFER_KEPT_BYTES: usize = 4 * 1024 * 1024;

/// A reader takes so much in one go, bytes and commits.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;
const CHUNK_COMMITS: usize = 256;

impl Journal for Store {
    fn append(&self, commit: &Commit, quarantined: &[Quarantined], marks: &[Mark]) -> Result<(), StoreError> {
        self.ready_to_write(APPENDING)?;
        let mut end = lock(&self.journal);
        let expected = self.heads().last_epoch() + 1;
        if commit.epoch != expected {
            return Err(StoreError::OutOfOrder { given: commit.epoch, expected });
        }
        let started = Instant::now();
        let mut buffer = std::mem::take(&mut end.buffer);
        buffer.clear();
        let buffer = commit.encode_into(buffer);
        // a clock that was set back must not put a commit before its predecessors
        let day = end.newest_day.map_or(Day::of(commit.at_ms), |newest| newest.max(Day::of(commit.at_ms)));
        let held = quarantine::Held::after(&end, quarantined);
        let bytes = buffer.len() + held.bytes() + front::mark_bytes(marks);
        let written = self.write(APPENDING, |base| {
            base.make_day(day, &self.tuning)?;
            let mut batch = WriteBatch::with_capacity_bytes(bytes + 256);
            let family =
                base.rocks.cf_handle(&day.family()).expect("made above; retention drops only days before the newest");
            batch.put_cf(&family, commit.epoch.to_be_bytes(), &buffer);
            held.put(&base.rocks, &mut batch);
            front::put_marks(&base.rocks, &mut batch, marks);
            base.rocks.write_opt(batch, &synced())
        });
        if buffer.capacity() <= BUFFER_KEPT_BYTES {
            end.buffer = buffer;
        }
        if let Err(error) = written {
            end.undo = self.before(marks);
            return Err(error);
        }
        end.undo.clear();
        end.newest_day = Some(day);
        held.settle(&mut end);
        self.heads().last_epoch.store(commit.epoch, Ordering::Release);
        metrics::counter!("fenghuo_store_appends_total").increment(1);
        metrics::counter!("fenghuo_store_append_bytes_total").increment(bytes as u64);
        metrics::histogram!("fenghuo_store_append_seconds").record(started.elapsed().as_secs_f64());
        Ok(())
    }

    fn last_epoch(&self) -> Epoch {
        self.heads().last_epoch()
    }

    fn first_epoch(&self) -> Epoch {
        self.heads().first_epoch()
    }

    /// From 0 it reads all that is kept; from a commit that is no longer kept, or beyond a gap, the item is an error.
    fn read(&self, from: Epoch) -> Box<dyn Iterator<Item = Result<Commit, StoreError>> + '_> {
        let end = self.heads().last_epoch();
        let next = if from == 0 { self.heads().first_epoch() } else { from };
        Box::new(Reader { store: self, next, end, day: None, ready: VecDeque::new(), ended: false })
    }
}

/// Reads a chunk at a time, so that no handle of the database is held between two items. The end is fixed when it begins
/// and rows are never changed, which is all that a snapshot would give.
struct Reader<'a> {
    store: &'a Store,
    /// The commit to fetch next.
    next: Epoch,
    end: Epoch,
    /// Where the commit before `next` was found.
    day: Option<Day>,
    ready: VecDeque<Vec<u8>>,
    ended: bool,
}

impl Iterator for Reader<'_> {
    type Item = Result<Commit, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.item();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

impl Reader<'_> {
    fn item(&mut self) -> Option<Result<Commit, StoreError>> {
        if self.ready.is_empty() {
            if self.next > self.end {
                return None;
            }
            if let Err(error) = self.fetch() {
                return Some(Err(error));
            }
        }
        let bytes = self.ready.pop_front()?;
        Some(wire::decode(&bytes).map_err(|error| from_wire(READING, &error)))
    }

    /// Fetches at least one commit, or says why there is none.
    fn fetch(&mut self) -> Result<(), StoreError> {
        let store = self.store;
        store.with(READING, |base| {
            let days = base.days();
            let mut at = self.start(base, &days)?;
            let mut fetched = 0;
            while self.next <= self.end && fetched < CHUNK_BYTES && self.ready.len() < CHUNK_COMMITS {
                let Some(&day) = days.get(at) else { break };
                fetched += self.fetch_from(base, day, fetched)?;
                self.day = Some(day);
                at += 1;
            }
            Ok(())
        })?;
        if self.ready.is_empty() {
            let (next, first) = (self.next, store.heads().first_epoch());
            let reason = if next < first {
                format!("commit {next} is no longer kept, the oldest is {first}")
            } else {
                format!("commit {next} is missing")
            };
            return Err(damaged(READING, reason));
        }
        Ok(())
    }

    /// Index of the day that `next` is in or follows: the newest day that begins at or before it.
    fn start(&self, base: &Base, days: &[Day]) -> Result<usize, StoreError> {
        if let Some(day) = self.day {
            return Ok(days.partition_point(|other| *other < day));
        }
        for (at, day) in days.iter().enumerate().rev() {
            if day_end(&base.rocks, *day, IteratorMode::Start, READING)?.is_some_and(|first| first <= self.next) {
                return Ok(at);
            }
        }
        Ok(days.len())
    }

    /// Fetches what `day` has of the commits from `next` on without a gap; returns the bytes fetched.
    fn fetch_from(&mut self, base: &Base, day: Day, before: usize) -> Result<usize, StoreError> {
        let Some(family) = base.rocks.cf_handle(&day.family()) else { return Ok(0) };
        let from = self.next.to_be_bytes();
        let mut options = ordered();
        options.set_readahead_size(1024 * 1024);
        let mut fetched = 0;
        for row in base.rocks.iterator_cf_opt(&family, options, IteratorMode::From(&from, Direction::Forward)) {
            let full = before + fetched >= CHUNK_BYTES || self.ready.len() >= CHUNK_COMMITS;
            if full || self.next > self.end {
                break;
            }
            let (key, value) = row.map_err(|error| from_rocks(READING, &error))?;
            if key::number(&key) != Some(self.next) {
                return Err(damaged(READING, format!("commit {} is missing", self.next)));
            }
            fetched += value.len();
            self.ready.push_back(value.into_vec());
            self.next += 1;
        }
        Ok(fetched)
    }
}
