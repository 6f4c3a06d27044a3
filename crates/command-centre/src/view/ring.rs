//! The newest events of the feed, in memory, for all readers together: each event is turned into JSON once.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use model::{Cursor, FeedEvent, Roster};

use crate::shapes::FeedEventShape;

/// An event and, once somebody asked for it, its JSON.
pub(crate) struct Told {
    pub event: Arc<FeedEvent>,
    json: OnceLock<Bytes>,
}

impl Told {
    pub(crate) fn new(event: Arc<FeedEvent>) -> Arc<Told> {
        Arc::new(Told { event, json: OnceLock::new() })
    }

    /// The event's JSON on one line. The first reader makes it, with the roster in force then.
    pub(crate) fn json(&self, roster: &Roster) -> &Bytes {
        self.json.get_or_init(|| {
            let shape = FeedEventShape::new(&self.event, roster);
            serde_json::to_vec(&shape).expect("a shape has string keys only").into()
        })
    }
}

/// What the ring has after a cursor.
pub(crate) enum Recent {
    /// In order, without a gap, from the one right after the cursor on; empty when there is nothing newer.
    Events(Vec<Arc<Told>>),
    /// The ring does not reach back so far: ask the ledger.
    Older,
}

/// The newest events, without a gap.
pub(super) struct Ring {
    events: VecDeque<Arc<Told>>,
    newest: Cursor,
    limit: usize,
}

impl Ring {
    pub(super) fn new(newest: Cursor, limit: usize) -> Ring {
        Ring { events: VecDeque::new(), newest, limit }
    }

    pub(super) fn newest(&self) -> Cursor {
        self.newest
    }

    pub(super) fn push(&mut self, events: &[Arc<FeedEvent>]) {
        for event in events {
            if event.cursor != self.newest + 1 {
                tracing::error!(
                    newest = self.newest,
                    given = event.cursor,
                    "the feed has a gap: readers go back to the ledger"
                );
                self.events.clear();
            }
            if self.events.len() >= self.limit {
                self.events.pop_front();
            }
            self.newest = event.cursor;
            self.events.push_back(Told::new(Arc::clone(event)));
        }
    }

    pub(super) fn recent(&self, after: Cursor, limit: usize) -> Recent {
        if after >= self.newest {
            return Recent::Events(Vec::new());
        }
        // the ring holds newest - len + 1 ..= newest
        let held = self.events.len() as u64;
        match (after + held).checked_sub(self.newest).and_then(|skip| usize::try_from(skip).ok()) {
            Some(skip) => Recent::Events(self.events.iter().skip(skip).take(limit).cloned().collect()),
            None => Recent::Older,
        }
    }
}

#[cfg(test)]
mod tests {
    use model::FeedKind;

    use super::*;

    fn event(cursor: Cursor) -> Arc<FeedEvent> {
        Arc::new(FeedEvent {
            cursor,
            epoch: cursor,
            at_ms: 0,
            kind: FeedKind::AlertClosed,
            grid: "331083001001001".parse().expect("valid"),
            alert: None,
            unit: None,
            detail: None,
            order: None,
        })
    }

    fn cursors(ring: &Ring, after: Cursor, limit: usize) -> Option<Vec<Cursor>> {
        match ring.recent(after, limit) {
            Recent::Events(events) => Some(events.iter().map(|told| told.event.cursor).collect()),
            Recent::Older => None,
        }
    }

    #[test]
    fn a_ring_hands_out_what_it_holds_and_knows_what_it_does_not() {
        let mut ring = Ring::new(10, 3);
        assert_eq!(cursors(&ring, 10, 9), Some(vec![]));
        assert_eq!(cursors(&ring, 9, 9), None);
        ring.push(&[event(11), event(12), event(13), event(14)]);
        assert_eq!(cursors(&ring, 10, 9), None);
        assert_eq!(cursors(&ring, 11, 9), Some(vec![12, 13, 14]));
        assert_eq!(cursors(&ring, 12, 1), Some(vec![13]));
        assert_eq!(cursors(&ring, 14, 9), Some(vec![]));
        assert_eq!(cursors(&ring, 99, 9), Some(vec![]));
    }

    #[test]
    fn a_gap_sends_readers_to_the_ledger() {
        let mut ring = Ring::new(0, 10);
        ring.push(&[event(1), event(2), event(5)]);
        assert_eq!(cursors(&ring, 1, 9), None);
        assert_eq!(cursors(&ring, 4, 9), Some(vec![5]));
    }
}
