//! The ledger: writing a batch, with its indexes, in one piece.

use std::sync::atomic::Ordering;

use model::wire;
use model::{DeliveryState, LedgerBatch, StoreError};
use rocksdb::WriteBatch;
use serde::Serialize;

use crate::error::damaged;
use crate::family;
use crate::key::{self, meta};
use crate::rocks::{Rocks, fixed, lock};
use crate::store::{Store, unsynced};

const DOING: &str = "commit to the ledger";

impl Store {
    /// Writes a batch, unsynced: the next append syncs it, being in the same log.
    pub(crate) fn commit_batch(&self, batch: &LedgerBatch) -> Result<(), StoreError> {
        self.ready_to_write(DOING)?;
        let mut buffer = lock(&self.ledger);
        let heads = self.heads();
        if batch.epoch <= heads.applied() {
            return Ok(());
        }
        if batch.epoch > heads.last_epoch() {
            let (given, last) = (batch.epoch, heads.last_epoch());
            return Err(damaged(DOING, format!("a batch of commit {given} was given, the journal ends at {last}")));
        }
        let mut newest = heads.newest_cursor();
        for event in &batch.feed {
            if event.cursor != newest + 1 {
                return Err(damaged(
                    DOING,
                    format!("event {} was given where {} must follow", event.cursor, newest + 1),
                ));
            }
            newest = event.cursor;
        }
        self.write(DOING, |base| {
            let rows = rows(&base.rocks, batch, newest, &mut buffer);
            base.rocks.write_opt(rows, &unsynced())
        })?;
        if buffer.capacity() > BUFFER_KEPT_BYTES {
            *buffer = Vec::new();
        }
        heads.newest_cursor.store(newest, Ordering::Release);
        heads.applied.store(batch.epoch, Ordering::Release);
        metrics::counter!("fenghuo_store_ledger_commits_total").increment(1);
        Ok(())
    }
}

/// An encoding buffer larger than this is not kept for the next batch, bytes.
const BUFFER_KEPT_BYTES: usize = 1024 * 1024;

fn rows(rocks: &Rocks, batch: &LedgerBatch, newest_cursor: u64, buffer: &mut Vec<u8>) -> WriteBatch {
    let mut rows = WriteBatch::default();
    let mut encoded = |value: &dyn Encode, put: &mut dyn FnMut(&[u8])| {
        buffer.clear();
        let bytes = value.encode_into(std::mem::take(buffer));
        put(&bytes);
        *buffer = bytes;
    };
    let [alerts, open, by_unit] = [family::ALERTS, family::OPEN, family::ALERTS_BY_UNIT].map(|name| fixed(rocks, name));
    for alert in &batch.alerts {
        let id = key::alert(alert.id);
        encoded(alert.as_ref(), &mut |bytes| rows.put_cf(&alerts, id, bytes));
        rows.put_cf(&by_unit, key::alert_by_unit(alert.id), []);
        if alert.state.is_open() {
            rows.put_cf(&open, id, []);
        } else {
            rows.delete_cf(&open, id);
        }
    }
    let [deliveries, owed] = [family::DELIVERIES, family::OWED].map(|name| fixed(rocks, name));
    for delivery in &batch.deliveries {
        let id = key::delivery(delivery.matter, &delivery.id);
        encoded(delivery.as_ref(), &mut |bytes| rows.put_cf(&deliveries, &id, bytes));
        match delivery.state {
            DeliveryState::Owed | DeliveryState::Waiting => rows.put_cf(&owed, &id, []),
            DeliveryState::Delivered | DeliveryState::Failed | DeliveryState::Spared => rows.delete_cf(&owed, &id),
        }
    }
    let [units, regions, feed, meta] =
        [family::UNITS, family::REGIONS, family::FEED, family::META].map(|name| fixed(rocks, name));
    for unit in &batch.units {
        encoded(unit.as_ref(), &mut |bytes| rows.put_cf(&units, key::unit(unit.unit), bytes));
    }
    for region in &batch.regions {
        encoded(region, &mut |bytes| rows.put_cf(&regions, region.region.as_u64().to_be_bytes(), bytes));
    }
    for event in &batch.feed {
        encoded(event.as_ref(), &mut |bytes| rows.put_cf(&feed, event.cursor.to_be_bytes(), bytes));
    }
    let records = fixed(rocks, family::KEPT);
    for kept in &batch.kept {
        let key = key::kept(kept.kind, &kept.key);
        match &kept.value {
            Some(value) => rows.put_cf(&records, key, value),
            None => rows.delete_cf(&records, key),
        }
    }
    if let Some(policy) = &batch.policy {
        rows.put_cf(&meta, meta::POLICY, policy.as_bytes());
    }
    rows.put_cf(&meta, meta::NEWEST_CURSOR, newest_cursor.to_be_bytes());
    rows.put_cf(&meta, meta::APPLIED, batch.epoch.to_be_bytes());
    rows
}

/// [`wire::encode_into`] of some type or other.
trait Encode {
    fn encode_into(&self, buffer: Vec<u8>) -> Vec<u8>;
}

impl<T: Serialize> Encode for T {
    fn encode_into(&self, buffer: Vec<u8>) -> Vec<u8> {
        wire::encode_into(self, buffer)
    }
}
