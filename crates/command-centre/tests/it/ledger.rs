//! A ledger in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use model::{
    Alert, AlertId, Cursor, Delivery, DeliveryState, Epoch, FeedEvent, KeptKind, KeptRow, Ledger, LedgerBatch, Matter,
    Quarantined, RegionCode, RegionStatus, StoreError, UnitId, UnitStatus,
};

#[derive(Default)]
pub struct MemoryLedger(Mutex<Tables>);

type RecordKey = (KeptKind, Box<[u8]>);

#[derive(Default)]
struct Tables {
    applied: Epoch,
    /// Events with a cursor of at most this are given up.
    given_up: Cursor,
    feed: Vec<FeedEvent>,
    alerts: BTreeMap<AlertId, Alert>,
    deliveries: BTreeMap<(Matter, model::DeliveryId), Delivery>,
    units: BTreeMap<UnitId, UnitStatus>,
    regions: BTreeMap<RegionCode, RegionStatus>,
    quarantine: Vec<Quarantined>,
    kept: BTreeMap<RecordKey, Box<[u8]>>,
}

impl MemoryLedger {
    pub fn give_up_to(&self, cursor: Cursor) {
        self.0.lock().unwrap().given_up = cursor;
    }

    pub fn put_in_quarantine(&self, message: Quarantined) {
        self.0.lock().unwrap().quarantine.push(message);
    }
}

impl Ledger for MemoryLedger {
    fn commit(&self, batch: &LedgerBatch) -> Result<(), StoreError> {
        let mut tables = self.0.lock().unwrap();
        assert!(batch.epoch > tables.applied);
        tables.applied = batch.epoch;
        for alert in &batch.alerts {
            tables.alerts.insert(alert.id, Alert::clone(alert));
        }
        for delivery in &batch.deliveries {
            tables.deliveries.insert((delivery.matter, delivery.id.clone()), Delivery::clone(delivery));
        }
        for unit in &batch.units {
            tables.units.insert(unit.unit, UnitStatus::clone(unit));
        }
        for region in &batch.regions {
            tables.regions.insert(region.region, *region);
        }
        for kept in &batch.kept {
            match &kept.value {
                Some(value) => tables.kept.insert((kept.kind, kept.key.clone()), value.clone()),
                None => tables.kept.remove(&(kept.kind, kept.key.clone())),
            };
        }
        for event in &batch.feed {
            assert_eq!(event.cursor, tables.feed.len() as u64 + 1);
            tables.feed.push(FeedEvent::clone(event));
        }
        Ok(())
    }

    fn applied(&self) -> Epoch {
        self.0.lock().unwrap().applied
    }

    fn newest_cursor(&self) -> Cursor {
        self.0.lock().unwrap().feed.len() as u64
    }

    fn oldest_cursor(&self) -> Cursor {
        self.0.lock().unwrap().given_up + 1
    }

    fn feed(&self, after: Cursor, limit: usize) -> Result<Vec<FeedEvent>, StoreError> {
        let tables = self.0.lock().unwrap();
        let after = after.max(tables.given_up) as usize;
        Ok(tables.feed.iter().skip(after).take(limit).cloned().collect())
    }

    fn open_alerts(&self) -> Result<Vec<Alert>, StoreError> {
        Ok(self.0.lock().unwrap().alerts.values().filter(|alert| alert.state.is_open()).cloned().collect())
    }

    fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        Ok(self.0.lock().unwrap().alerts.get(&id).cloned())
    }

    fn alerts(&self, before: Option<Epoch>, limit: usize) -> Result<Vec<Alert>, StoreError> {
        let tables = self.0.lock().unwrap();
        let below = tables.alerts.values().rev().filter(|alert| before.is_none_or(|before| alert.id.epoch < before));
        Ok(below.take(limit).cloned().collect())
    }

    fn alerts_of_unit(&self, unit: UnitId, limit: usize) -> Result<Vec<Alert>, StoreError> {
        let tables = self.0.lock().unwrap();
        Ok(tables.alerts.values().rev().filter(|alert| alert.id.unit == unit).take(limit).cloned().collect())
    }

    fn delivery(&self, matter: Matter, id: &model::DeliveryId) -> Result<Option<Delivery>, StoreError> {
        Ok(self.0.lock().unwrap().deliveries.get(&(matter, id.clone())).cloned())
    }

    fn deliveries(&self, matter: Matter) -> Result<Vec<Delivery>, StoreError> {
        Ok(self.0.lock().unwrap().deliveries.values().filter(|delivery| delivery.matter == matter).cloned().collect())
    }

    fn owed(&self) -> Result<Vec<Delivery>, StoreError> {
        let tables = self.0.lock().unwrap();
        Ok(tables.deliveries.values().filter(|delivery| delivery.state == DeliveryState::Owed).cloned().collect())
    }

    fn unit(&self, unit: UnitId) -> Result<Option<UnitStatus>, StoreError> {
        Ok(self.0.lock().unwrap().units.get(&unit).cloned())
    }

    fn units(&self) -> Result<Vec<UnitStatus>, StoreError> {
        Ok(self.0.lock().unwrap().units.values().cloned().collect())
    }

    fn regions(&self) -> Result<Vec<RegionStatus>, StoreError> {
        Ok(self.0.lock().unwrap().regions.values().copied().collect())
    }

    fn policy(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    fn kept(&self, kind: KeptKind, after: Option<&[u8]>, limit: usize) -> Result<Vec<KeptRow>, StoreError> {
        let tables = self.0.lock().unwrap();
        let of_kind =
            tables.kept.iter().filter(|((of, key), _)| *of == kind && after.is_none_or(|after| &key[..] > after));
        Ok(of_kind.take(limit).map(|((_, key), value)| (key.to_vec(), value.to_vec())).collect())
    }

    fn kept_one(&self, kind: KeptKind, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().unwrap().kept.get(&(kind, key.into())).map(|value| value.to_vec()))
    }

    fn quarantine(&self, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Quarantined)>, StoreError> {
        let tables = self.0.lock().unwrap();
        let numbered = tables.quarantine.iter().enumerate().rev().map(|(at, message)| (at as u64 + 1, message));
        let below = numbered.filter(|(id, _)| before.is_none_or(|before| *id < before));
        Ok(below.take(limit).map(|(id, message)| (id, message.clone())).collect())
    }
}
