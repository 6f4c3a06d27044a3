//! The state behind the view's lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::finding::DeviceChange;
use model::{
    Alert, AlertId, Cursor, Epoch, Flood, KeptKind, Ledger, LedgerBatch, RegionCode, RegionStatus, Roster, StoreError,
    UnitStatus,
};
use rustc_hash::FxHashMap;

use super::UnitsNow;
use crate::actions::DeviceStatus;

pub(super) struct State {
    epoch: Epoch,
    pub(super) at_ms: u64,
    pub(super) cursor: Cursor,
    pub(super) roster: Arc<Roster>,
    /// [`model::Colour::byte`] by unit number.
    pub(super) colours: Vec<u8>,
    pub(super) since_ms: Vec<u64>,
    /// Standing risk index plus 1 by unit number; 0 where there is none.
    pub(super) risks: Vec<u8>,
    pub(super) regions: FxHashMap<RegionCode, RegionStatus>,
    pub(super) open: BTreeMap<AlertId, Arc<Alert>>,
    /// Open alerts in regions of every level, counted.
    pub(super) open_in: FxHashMap<RegionCode, u32>,
    pub(super) devices: Vec<DeviceStatus>,
    /// Since when there is a flood of alerts, and how many are new.
    pub(super) flood: Option<(u64, u32)>,
}

/// The desk's record of floods, as far as there is one.
fn flood(stored: &[u8]) -> Option<(u64, u32)> {
    let (flood, _): (Flood, Option<RegionCode>) = model::wire::decode(stored).ok()?;
    Some((flood.since_ms?, flood.alerts()))
}

/// What came of a batch.
pub(super) struct Applied {
    pub(super) is_new: bool,
    /// To be dropped when the lock is no longer held: freeing a city's roster takes milliseconds.
    _old_roster: Option<Arc<Roster>>,
}

impl State {
    pub(super) fn load(ledger: &dyn Ledger, roster: Arc<Roster>) -> Result<State, StoreError> {
        let cursor = ledger.newest_cursor();
        let newest = ledger.feed(cursor.saturating_sub(1), 1)?;
        let mut state = State {
            epoch: ledger.applied(),
            at_ms: newest.first().map_or(0, |event| event.at_ms),
            cursor,
            colours: vec![0; roster.units().len()],
            since_ms: vec![0; roster.units().len()],
            risks: vec![0; roster.units().len()],
            devices: vec![DeviceStatus::default(); roster.devices().len()],
            roster,
            regions: ledger.regions()?.into_iter().map(|status| (status.region, status)).collect(),
            open: BTreeMap::new(),
            open_in: FxHashMap::default(),
            flood: None,
        };
        if let Some(stored) = ledger.kept_one(KeptKind::Storm, model::hold::key::FLOOD)? {
            state.flood = flood(&stored);
        }
        for status in ledger.units()? {
            state.set_unit(&status);
        }
        for alert in ledger.open_alerts()? {
            state.set_alert(&Arc::new(alert));
        }
        Ok(state)
    }

    pub(super) fn apply(&mut self, batch: &LedgerBatch, roster: &Arc<Roster>, devices: &[DeviceChange]) -> Applied {
        let mut old_roster = None;
        if roster.version() > self.roster.version() {
            self.colours.resize(roster.units().len(), 0);
            self.since_ms.resize(roster.units().len(), 0);
            self.risks.resize(roster.units().len(), 0);
            self.devices.resize(roster.devices().len(), DeviceStatus::default());
            old_roster = Some(std::mem::replace(&mut self.roster, Arc::clone(roster)));
        }
        for change in devices {
            if let Some(status) = self.devices.get_mut(change.device.index()) {
                let last_seen_ms = (change.last_seen_ms > 0).then_some(change.last_seen_ms);
                *status = DeviceStatus { alive: Some(change.alive), last_seen_ms };
            }
        }
        let is_new = batch.epoch > self.epoch;
        if is_new {
            self.apply_batch(batch);
        }
        Applied { is_new, _old_roster: old_roster }
    }

    fn apply_batch(&mut self, batch: &LedgerBatch) {
        self.epoch = batch.epoch;
        self.at_ms = self.at_ms.max(batch.at_ms);
        for status in &batch.units {
            self.set_unit(status);
        }
        for status in &batch.regions {
            self.regions.insert(status.region, *status);
        }
        for alert in &batch.alerts {
            self.set_alert(alert);
        }
        let of_flood = |kept: &&model::Kept| kept.kind == KeptKind::Storm && *kept.key == *model::hold::key::FLOOD;
        if let Some(kept) = batch.kept.iter().rev().find(of_flood) {
            self.flood = kept.value.as_deref().and_then(flood);
        }
        if let Some(newest) = batch.feed.last() {
            self.cursor = newest.cursor;
        }
    }

    fn set_unit(&mut self, status: &UnitStatus) {
        let at = status.unit.index();
        if at >= self.colours.len() {
            // a unit that the ledger knows and the roster in force does not; shown once the roster does
            self.colours.resize(at + 1, 0);
            self.since_ms.resize(at + 1, 0);
            self.risks.resize(at + 1, 0);
        }
        self.colours[at] = status.colour.byte();
        self.since_ms[at] = status.since_ms;
        self.risks[at] = status.risk.map_or(0, |index| index.saturating_add(1));
    }

    fn set_alert(&mut self, alert: &Arc<Alert>) {
        let before = if alert.state.is_open() {
            self.open.insert(alert.id, Arc::clone(alert))
        } else {
            self.open.remove(&alert.id)
        };
        // tests and drills are shown and not counted
        let was_counted = before.is_some_and(|before| !before.exercise);
        let counts = alert.state.is_open() && !alert.exercise;
        if was_counted == counts {
            return;
        }
        for region in alert.grid.ancestry() {
            let count = self.open_in.entry(region).or_default();
            *count = if counts { *count + 1 } else { count.saturating_sub(1) };
        }
    }

    pub(super) fn units(&self) -> UnitsNow {
        UnitsNow {
            cursor: self.cursor,
            at_ms: self.at_ms,
            roster: Arc::clone(&self.roster),
            colours: self.colours.clone(),
            since_ms: self.since_ms.clone(),
            risks: self.risks.clone(),
        }
    }

    /// Newest first.
    pub(super) fn open_alerts(&self, region: Option<RegionCode>) -> Vec<Arc<Alert>> {
        let all = self.open.values().rev();
        all.filter(|alert| region.is_none_or(|region| region.contains(alert.grid))).cloned().collect()
    }
}
