//! The ledger: reading. Writing is in [`write`].

mod write;

use std::sync::atomic::Ordering;

use model::wire;
use model::{
    Alert, AlertId, Cursor, Delivery, DeliveryId, Epoch, FeedEvent, KeptKind, KeptRow, Ledger, LedgerBatch, Matter,
    Quarantined, RegionStatus, StoreError, UnitId, UnitStatus,
};
use serde::de::DeserializeOwned;

use crate::error::{damaged, from_rocks, from_wire};
use crate::family;
use crate::key::{self, meta};
use crate::quarantine;
use crate::rocks::{Base, fixed, get, ordered, scan, scan_back, value};
use crate::store::Store;

impl Ledger for Store {
    fn commit(&self, batch: &LedgerBatch) -> Result<(), StoreError> {
        self.commit_batch(batch)
    }

    fn applied(&self) -> Epoch {
        self.heads().applied()
    }

    fn newest_cursor(&self) -> Cursor {
        self.heads().newest_cursor()
    }

    fn oldest_cursor(&self) -> Cursor {
        self.heads().oldest_cursor()
    }

    fn feed(&self, after: Cursor, limit: usize) -> Result<Vec<FeedEvent>, StoreError> {
        const DOING: &str = "read the feed";
        // from the oldest kept on, so that the search does not wade through what was trimmed
        let from = after.saturating_add(1).max(self.heads().oldest_cursor.load(Ordering::Acquire));
        self.with(DOING, |base| {
            scan(&base.rocks, family::FEED, (&from.to_be_bytes(), None), limit, DOING, value(DOING))
        })
    }

    fn open_alerts(&self) -> Result<Vec<Alert>, StoreError> {
        indexed(self, "read the open alerts", family::OPEN, family::ALERTS, &[])
    }

    fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        const DOING: &str = "read an alert";
        self.with(DOING, |base| get(&base.rocks, family::ALERTS, &key::alert(id), DOING))
    }

    fn alerts(&self, before: Option<Epoch>, limit: usize) -> Result<Vec<Alert>, StoreError> {
        const DOING: &str = "read the newest alerts";
        let to = before.map(|epoch| epoch.to_be_bytes().to_vec());
        self.with(DOING, |base| scan_back(&base.rocks, family::ALERTS, (&[], to), limit, DOING, value(DOING)))
    }

    fn alerts_of_unit(&self, unit: UnitId, limit: usize) -> Result<Vec<Alert>, StoreError> {
        const DOING: &str = "read the alerts of a unit";
        let from = key::unit(unit);
        self.with(DOING, |base| {
            let range = (&from[..], key::after_prefix(&from));
            scan_back(&base.rocks, family::ALERTS_BY_UNIT, range, limit, DOING, |index, _| {
                let alert =
                    key::alert_of_unit_key(index).ok_or_else(|| damaged(DOING, "an index key of a wrong length"))?;
                present(get(&base.rocks, family::ALERTS, &alert, DOING)?, DOING)
            })
        })
    }

    fn delivery(&self, matter: Matter, id: &DeliveryId) -> Result<Option<Delivery>, StoreError> {
        const DOING: &str = "read a delivery";
        self.with(DOING, |base| get(&base.rocks, family::DELIVERIES, &key::delivery(matter, id), DOING))
    }

    fn deliveries(&self, matter: Matter) -> Result<Vec<Delivery>, StoreError> {
        const DOING: &str = "read the deliveries of a matter";
        let from = key::matter(matter);
        let mut deliveries: Vec<Delivery> = self.with(DOING, |base| {
            let range = (&from[..], key::after_prefix(&from));
            scan(&base.rocks, family::DELIVERIES, range, usize::MAX, DOING, value(DOING))
        })?;
        deliveries.sort_by_key(|delivery| delivery.owed_ms);
        Ok(deliveries)
    }

    fn owed(&self) -> Result<Vec<Delivery>, StoreError> {
        indexed(self, "read the deliveries owed", family::OWED, family::DELIVERIES, &[])
    }

    fn unit(&self, unit: UnitId) -> Result<Option<UnitStatus>, StoreError> {
        const DOING: &str = "read a unit";
        self.with(DOING, |base| get(&base.rocks, family::UNITS, &key::unit(unit), DOING))
    }

    fn units(&self) -> Result<Vec<UnitStatus>, StoreError> {
        const DOING: &str = "read the units";
        self.with(DOING, |base| scan(&base.rocks, family::UNITS, (&[], None), usize::MAX, DOING, value(DOING)))
    }

    fn regions(&self) -> Result<Vec<RegionStatus>, StoreError> {
        const DOING: &str = "read the regions";
        self.with(DOING, |base| scan(&base.rocks, family::REGIONS, (&[], None), usize::MAX, DOING, value(DOING)))
    }

    fn policy(&self) -> Result<Option<String>, StoreError> {
        const DOING: &str = "read the policy";
        self.with(DOING, |base| {
            let row = base.rocks.get_cf(&fixed(&base.rocks, family::META), meta::POLICY);
            let row = row.map_err(|error| from_rocks(DOING, &error))?;
            row.map(|text| String::from_utf8(text).map_err(|error| damaged(DOING, error.to_string()))).transpose()
        })
    }

    fn kept(&self, kind: KeptKind, after: Option<&[u8]>, limit: usize) -> Result<Vec<KeptRow>, StoreError> {
        const DOING: &str = "read the desk's records";
        let prefix = key::kept(kind, &[]);
        // the least key above `after`
        let from = after.map_or_else(|| prefix.clone(), |after| [&key::kept(kind, after)[..], &[0]].concat());
        self.with(DOING, |base| {
            let range = (&from[..], key::after_prefix(&prefix));
            scan(&base.rocks, family::KEPT, range, limit, DOING, |key, value| Ok((key[1..].to_vec(), value.to_vec())))
        })
    }

    fn kept_one(&self, kind: KeptKind, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        const DOING: &str = "read a record of the desk";
        self.with(DOING, |base| {
            let row = base.rocks.get_cf(&fixed(&base.rocks, family::KEPT), key::kept(kind, key));
            row.map_err(|error| from_rocks(DOING, &error))
        })
    }

    fn quarantine(&self, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Quarantined)>, StoreError> {
        const DOING: &str = "read the quarantine";
        self.with(DOING, |base| quarantine::newest(base, before, limit, DOING))
    }
}

fn present<T>(row: Option<T>, doing: &'static str) -> Result<T, StoreError> {
    row.ok_or_else(|| damaged(doing, "an index names a row that is not there"))
}

/// Every row of `table` whose key stands in `index`, as of one moment.
fn indexed<T: DeserializeOwned>(
    store: &Store,
    doing: &'static str,
    index: &str,
    table: &str,
    from: &[u8],
) -> Result<Vec<T>, StoreError> {
    store.with(doing, |base: &Base| {
        let rocks = &base.rocks;
        let snapshot = rocks.snapshot();
        let mut options = ordered();
        options.set_snapshot(&snapshot);
        let start = rocksdb::IteratorMode::From(from, rocksdb::Direction::Forward);
        let table = fixed(rocks, table);
        let rows = rocks.iterator_cf_opt(&fixed(rocks, index), options, start).map(|row| {
            let (key, _) = row.map_err(|error| from_rocks(doing, &error))?;
            let bytes = snapshot.get_pinned_cf(&table, &key).map_err(|error| from_rocks(doing, &error))?;
            wire::decode(&present(bytes, doing)?).map_err(|error| from_wire(doing, &error))
        });
        let rows: Result<Vec<T>, StoreError> = rows.collect();
        rows
    })
}
