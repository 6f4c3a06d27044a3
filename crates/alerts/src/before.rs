//! What was closed last in each place, so that a new alert can say what it follows.

use model::{Alert, AlertId, Family, Kept, KeptKind, Ledger, StoreError, UnitId, wire};
use rustc_hash::FxHashMap;

use crate::desk::DeskError;
use crate::turn::Draft;

/// An alert raised within this time after the one before was closed follows it, ms.
const FOLLOWS_MS: u64 = 6 * 3_600_000;
/// Records read at a time.
const PAGE: usize = 1024;

/// The alert that was closed last, and when, of each unit and family. One small record each: bounded by the units.
#[derive(Debug, Default)]
pub(crate) struct Before(FxHashMap<(UnitId, Family), (AlertId, u64)>);

impl Before {
    /// As the ledger has it.
    pub fn restore(ledger: &dyn Ledger) -> Result<Before, DeskError> {
        let mut before = Before::default();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = ledger.kept(KeptKind::LastClosed, after.as_deref(), PAGE)?;
            for (_, value) in &rows {
                let (id, closed_ms): (AlertId, u64) = wire::decode(value).map_err(|error| StoreError::Damaged {
                    doing: "reading which alerts were closed last",
                    reason: error.to_string(),
                })?;
                before.0.insert((id.unit, id.family), (id, closed_ms));
            }
            match rows.into_iter().next_back() {
                Some((key, _)) => after = Some(key),
                None => return Ok(before),
            }
        }
    }

    /// The alert that one raised now in this place follows.
    pub fn of(&self, place: (UnitId, Family), now_ms: u64) -> Option<AlertId> {
        let (id, closed_ms) = self.0.get(&place)?;
        (now_ms <= closed_ms + FOLLOWS_MS).then_some(*id)
    }

    /// An alert was closed. Nothing follows a drill.
    pub fn closed(&mut self, alert: &Alert, draft: &mut Draft<'_>) {
        if alert.exercise {
            return;
        }
        let id = alert.id;
        let value = (id, draft.now_ms);
        let mut key = vec![id.family as u8];
        key.extend(id.unit.0.to_be_bytes());
        draft.kept.push(Kept { kind: KeptKind::LastClosed, key: key.into(), value: Some(wire::encode(&value).into()) });
        self.0.insert((id.unit, id.family), value);
    }
}
