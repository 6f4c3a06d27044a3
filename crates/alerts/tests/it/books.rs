//! A ledger in memory, which keeps everything encoded, as a real one does.

use std::collections::BTreeMap;
use std::sync::Mutex;

use model::{
    Alert, AlertId, Cursor, Delivery, DeliveryId, DeliveryState, Epoch, FeedEvent, KeptKind, KeptRow, Ledger,
    LedgerBatch, Matter, Quarantined, RegionStatus, StoreError, UnitId, UnitStatus, wire,
};

#[derive(Debug, Default)]
pub struct Books(Mutex<Pages>);

/// What the books hold; two that are equal hold the same bytes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Pages {
    applied: Epoch,
    alerts: BTreeMap<AlertId, Vec<u8>>,
    deliveries: BTreeMap<(Matter, DeliveryId), Vec<u8>>,
    units: BTreeMap<UnitId, Vec<u8>>,
    regions: BTreeMap<u64, Vec<u8>>,
    feed: Vec<Vec<u8>>,
    policy: Option<String>,
    kept: BTreeMap<(KeptKind, Vec<u8>), Vec<u8>>,
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> T {
    wire::decode(bytes).unwrap()
}

impl Books {
    pub fn of(batches: &[LedgerBatch]) -> Books {
        let books = Books::default();
        for batch in batches {
            books.commit(batch).unwrap();
        }
        books
    }

    /// Books that hold these pages.
    pub fn with(pages: Pages) -> Books {
        Books(Mutex::new(pages))
    }

    pub fn pages(&self) -> Pages {
        self.0.lock().unwrap().clone()
    }
}

/// A batch, as bytes.
pub fn bytes_of(batch: &LedgerBatch) -> Vec<u8> {
    let LedgerBatch { epoch, at_ms, alerts, deliveries, units, regions, feed, policy, kept } = batch;
    let kept: Vec<_> = kept.iter().map(|kept| (kept.kind as u8, &kept.key, &kept.value)).collect();
    wire::encode(&(epoch, at_ms, alerts, deliveries, units, regions, feed, policy, kept))
}

impl Ledger for Books {
    fn commit(&self, batch: &LedgerBatch) -> Result<(), StoreError> {
        let mut pages = self.0.lock().unwrap();
        if batch.epoch <= pages.applied {
            return Ok(());
        }
        pages.applied = batch.epoch;
        for alert in &batch.alerts {
            pages.alerts.insert(alert.id, wire::encode(&**alert));
        }
        for delivery in &batch.deliveries {
            pages.deliveries.insert((delivery.matter, delivery.id.clone()), wire::encode(&**delivery));
        }
        for unit in &batch.units {
            pages.units.insert(unit.unit, wire::encode(&**unit));
        }
        for region in &batch.regions {
            pages.regions.insert(region.region.as_u64(), wire::encode(region));
        }
        for kept in &batch.kept {
            match &kept.value {
                Some(value) => pages.kept.insert((kept.kind, kept.key.to_vec()), value.to_vec()),
                None => pages.kept.remove(&(kept.kind, kept.key.to_vec())),
            };
        }
        for event in &batch.feed {
            assert_eq!(event.cursor, pages.feed.len() as u64 + 1, "cursors have no gaps");
            pages.feed.push(wire::encode(&**event));
        }
        if let Some(policy) = &batch.policy {
            pages.policy = Some(policy.to_string());
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
        1
    }

    fn feed(&self, after: Cursor, limit: usize) -> Result<Vec<FeedEvent>, StoreError> {
        let after = usize::try_from(after).unwrap();
        Ok(self.0.lock().unwrap().feed.iter().skip(after).take(limit).map(|bytes| read(bytes)).collect())
    }

    fn open_alerts(&self) -> Result<Vec<Alert>, StoreError> {
        let pages = self.0.lock().unwrap();
        let alerts = pages.alerts.values().map(|bytes| read::<Alert>(bytes));
        Ok(alerts.filter(|alert| alert.state.is_open()).collect())
    }

    fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        Ok(self.0.lock().unwrap().alerts.get(&id).map(|bytes| read(bytes)))
    }

    fn alerts(&self, before: Option<Epoch>, limit: usize) -> Result<Vec<Alert>, StoreError> {
        let pages = self.0.lock().unwrap();
        let alerts = pages.alerts.iter().rev().filter(|(id, _)| before.is_none_or(|before| id.epoch < before));
        Ok(alerts.take(limit).map(|(_, bytes)| read(bytes)).collect())
    }

    fn alerts_of_unit(&self, unit: UnitId, limit: usize) -> Result<Vec<Alert>, StoreError> {
        let pages = self.0.lock().unwrap();
        let alerts = pages.alerts.iter().rev().filter(|(id, _)| id.unit == unit);
        Ok(alerts.take(limit).map(|(_, bytes)| read(bytes)).collect())
    }

    fn delivery(&self, matter: Matter, id: &DeliveryId) -> Result<Option<Delivery>, StoreError> {
        Ok(self.0.lock().unwrap().deliveries.get(&(matter, id.clone())).map(|bytes| read(bytes)))
    }

    fn deliveries(&self, matter: Matter) -> Result<Vec<Delivery>, StoreError> {
        let pages = self.0.lock().unwrap();
        Ok(pages.deliveries.iter().filter(|(key, _)| key.0 == matter).map(|(_, bytes)| read(bytes)).collect())
    }

    fn owed(&self) -> Result<Vec<Delivery>, StoreError> {
        let pages = self.0.lock().unwrap();
        let deliveries = pages.deliveries.values().map(|bytes| read::<Delivery>(bytes));
        Ok(deliveries
            .filter(|delivery| matches!(delivery.state, DeliveryState::Owed | DeliveryState::Waiting))
            .collect())
    }

    fn unit(&self, unit: UnitId) -> Result<Option<UnitStatus>, StoreError> {
        Ok(self.0.lock().unwrap().units.get(&unit).map(|bytes| read(bytes)))
    }

    fn units(&self) -> Result<Vec<UnitStatus>, StoreError> {
        Ok(self.0.lock().unwrap().units.values().map(|bytes| read(bytes)).collect())
    }

    fn regions(&self) -> Result<Vec<RegionStatus>, StoreError> {
        Ok(self.0.lock().unwrap().regions.values().map(|bytes| read(bytes)).collect())
    }

    fn policy(&self) -> Result<Option<String>, StoreError> {
        Ok(self.0.lock().unwrap().policy.clone())
    }

    fn kept(&self, kind: KeptKind, after: Option<&[u8]>, limit: usize) -> Result<Vec<KeptRow>, StoreError> {
        let pages = self.0.lock().unwrap();
        let of_kind =
            pages.kept.iter().filter(|((of, key), _)| *of == kind && after.is_none_or(|after| &key[..] > after));
        Ok(of_kind.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn kept_one(&self, kind: KeptKind, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().unwrap().kept.get(&(kind, key.to_vec())).cloned())
    }

    fn quarantine(&self, _: Option<u64>, _: usize) -> Result<Vec<(u64, Quarantined)>, StoreError> {
        unreachable!("the desk has no business with quarantined messages")
    }
}
