//! The feed's alert events in pages, for whoever carries them elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use model::{AlertId, Cursor, Ledger, RegionCode, StoreError};

use super::View;
use super::ring::{Recent, Told};

/// A stretch of the feed.
#[derive(Debug, Clone, Default)]
pub struct FeedPage {
    /// Its alert events, in order.
    pub alerts: Vec<AlertEvent>,
    /// Cursor of the last event looked at, of whatever kind: where to read on.
    pub read_to: Cursor,
    /// Events before the first one that were no longer kept.
    pub lost: u64,
}

/// One alert event.
#[derive(Debug, Clone)]
pub struct AlertEvent {
    pub cursor: Cursor,
    pub alert: AlertId,
    /// Grid that it happened in.
    pub grid: RegionCode,
    /// `FeedEvent` of the API's contract.
    pub json: Bytes,
}

impl View {
    /// The events after `after`, at most `limit` of any kind: from memory, or further back from `ledger`, which may block for
    /// milliseconds.
    ///
    /// # Errors
    /// [`StoreError`] when the ledger cannot be read.
    pub fn page(&self, ledger: &dyn Ledger, after: Cursor, limit: usize) -> Result<FeedPage, StoreError> {
        let told = self.told_after(ledger, after, limit)?;
        let roster = self.roster();
        let alert = |told: &Arc<Told>| {
            let alert = told.event.alert.as_deref()?.id;
            Some(AlertEvent {
                cursor: told.event.cursor,
                alert,
                grid: told.event.grid,
                json: told.json(&roster).clone(),
            })
        };
        let lost = told.first().map_or(0, |first| first.event.cursor.saturating_sub(after.saturating_add(1)));
        let read_to = told.last().map_or(after, |last| last.event.cursor);
        Ok(FeedPage { alerts: told.iter().filter_map(alert).collect(), read_to, lost })
    }

    /// Up to `limit` events after `after`, from memory or from `ledger`; the first is not the next one where events between
    /// are no longer kept.
    pub(crate) fn told_after(
        &self,
        ledger: &dyn Ledger,
        after: Cursor,
        limit: usize,
    ) -> Result<Vec<Arc<Told>>, StoreError> {
        if let Recent::Events(events) = self.recent(after, limit) {
            return Ok(events);
        }
        // the ledger may be a commit ahead of this view, whose cursor is what followers are told
        let newest = self.cursor();
        let events = ledger.feed(after, limit)?.into_iter().filter(|event| event.cursor <= newest);
        Ok(events.map(|event| Told::new(Arc::new(event))).collect())
    }
}
