//! A ledger with nothing in it: what a desk begins with in a replay.

use model::{
    Alert, AlertId, Cursor, Delivery, DeliveryId, Epoch, FeedEvent, KeptKind, KeptRow, Ledger, LedgerBatch, Matter,
    Quarantined, RegionStatus, StoreError, UnitId, UnitStatus,
};

pub struct Nothing;

impl Ledger for Nothing {
    fn commit(&self, _: &LedgerBatch) -> Result<(), StoreError> {
        Ok(())
    }

    fn applied(&self) -> Epoch {
        0
    }

    fn newest_cursor(&self) -> Cursor {
        0
    }

    fn oldest_cursor(&self) -> Cursor {
        1
    }

    fn feed(&self, _: Cursor, _: usize) -> Result<Vec<FeedEvent>, StoreError> {
        Ok(Vec::new())
    }

    fn open_alerts(&self) -> Result<Vec<Alert>, StoreError> {
        Ok(Vec::new())
    }

    fn alert(&self, _: AlertId) -> Result<Option<Alert>, StoreError> {
        Ok(None)
    }

    fn alerts(&self, _: Option<Epoch>, _: usize) -> Result<Vec<Alert>, StoreError> {
        Ok(Vec::new())
    }

    fn alerts_of_unit(&self, _: UnitId, _: usize) -> Result<Vec<Alert>, StoreError> {
        Ok(Vec::new())
    }

    fn delivery(&self, _: Matter, _: &DeliveryId) -> Result<Option<Delivery>, StoreError> {
        Ok(None)
    }

    fn deliveries(&self, _: Matter) -> Result<Vec<Delivery>, StoreError> {
        Ok(Vec::new())
    }

    fn owed(&self) -> Result<Vec<Delivery>, StoreError> {
        Ok(Vec::new())
    }

    fn unit(&self, _: UnitId) -> Result<Option<UnitStatus>, StoreError> {
        Ok(None)
    }

    fn units(&self) -> Result<Vec<UnitStatus>, StoreError> {
        Ok(Vec::new())
    }

    fn regions(&self) -> Result<Vec<RegionStatus>, StoreError> {
        Ok(Vec::new())
    }

    fn policy(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    fn kept(&self, _: KeptKind, _: Option<&[u8]>, _: usize) -> Result<Vec<KeptRow>, StoreError> {
        Ok(Vec::new())
    }

    fn kept_one(&self, _: KeptKind, _: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    fn quarantine(&self, _: Option<u64>, _: usize) -> Result<Vec<(u64, Quarantined)>, StoreError> {
        Ok(Vec::new())
    }
}
