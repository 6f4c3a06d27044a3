//! What one commit changes, while it is being decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::alert::HistoryItem;
use model::ledger::UnitColour;
use model::order::OrderNews;
use model::{
    Alert, AlertId, Command, CommandOutcome, Commit, Cursor, Delivery, DeliveryId, Epoch, Evaluated, FeedEvent,
    FeedKind, Kept, LedgerBatch, Matter, OrderId, OrderOutcome, RegionCode, Roster,
};

use crate::hold::Holds;

/// What one commit changes in the ledger, and what became of its commands and orders, in their order.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    pub batch: LedgerBatch,
    pub outcomes: Vec<CommandOutcome>,
    pub order_outcomes: Vec<OrderOutcome>,
}

/// A turn in the making.
pub(crate) struct Draft<'a> {
    pub epoch: Epoch,
    pub now_ms: u64,
    pub roster: &'a Roster,
    /// Cursor of the newest event.
    pub cursor: Cursor,
    pub feed: Vec<Arc<FeedEvent>>,
    /// New and changed deliveries, in the order in which they were first touched.
    pub deliveries: Vec<Arc<Delivery>>,
    /// Where they stand in it.
    pub delivery_at: BTreeMap<(Matter, DeliveryId), usize>,
    /// Open alerts that changed.
    pub changed: BTreeSet<AlertId>,
    /// Alerts that were closed.
    pub closed: Vec<Arc<Alert>>,
    pub outcomes: Vec<CommandOutcome>,
    pub order_outcomes: Vec<OrderOutcome>,
    pub policy: Option<Box<str>>,
    /// Records that are new, changed or gone.
    pub kept: Vec<Kept>,
    /// Orders of this commit so far.
    pub orders: u32,
    /// The drill whose alerts are being raised.
    pub drill: Option<OrderId>,
    /// Lent by the desk for the commit.
    pub holds: Holds,
}

impl<'a> Draft<'a> {
    pub fn new(evaluated: &'a Evaluated, cursor: Cursor) -> Draft<'a> {
        let commit: &Commit = &evaluated.step.commit;
        Draft {
            epoch: commit.epoch,
            now_ms: commit.at_ms,
            roster: &evaluated.step.roster,
            cursor,
            feed: Vec::new(),
            deliveries: Vec::new(),
            delivery_at: BTreeMap::new(),
            changed: BTreeSet::new(),
            closed: Vec::new(),
            outcomes: Vec::new(),
            policy: None,
            kept: Vec::new(),
            order_outcomes: Vec::new(),
            orders: 0,
            drill: None,
            holds: Holds::default(),
        }
    }

    /// Tells the feed of an alert, as it is now.
    pub fn tell(&mut self, kind: FeedKind, alert: &mut Alert, detail: Option<Box<str>>) {
        alert.state = alert.standing();
        self.push(kind, alert.grid, |event| {
            event.alert = Some(Box::new(alert.summary()));
            event.detail = detail;
        });
    }

    /// Tells the feed of a unit's new colour.
    pub fn tell_colour(&mut self, grid: RegionCode, unit: UnitColour) {
        self.push(FeedKind::UnitColour, grid, |event| event.unit = Some(unit));
    }

    /// Tells the feed of a place: a hole in its duty plan, its deaf channels.
    pub fn tell_place(&mut self, kind: FeedKind, region: RegionCode, detail: Box<str>) {
        self.push(kind, region, |event| event.detail = Some(detail));
    }

    /// Tells the feed of an order.
    pub fn tell_order(&mut self, kind: FeedKind, news: OrderNews, detail: Option<Box<str>>) {
        self.push(kind, news.head.region, |event| {
            event.order = Some(Box::new(news));
            event.detail = detail;
        });
    }

    /// Names the next order of this commit.
    pub fn next_order(&mut self) -> OrderId {
        let id = OrderId { epoch: self.epoch, at: self.orders };
        self.orders += 1;
        id
    }

    fn push(&mut self, kind: FeedKind, grid: RegionCode, fill: impl FnOnce(&mut FeedEvent)) {
        self.cursor += 1;
        let mut event = FeedEvent {
            cursor: self.cursor,
            epoch: self.epoch,
            at_ms: self.now_ms,
            kind,
            grid,
            alert: None,
            unit: None,
            detail: None,
            order: None,
        };
        fill(&mut event);
        self.feed.push(Arc::new(event));
    }

    /// Writes a change into an alert's history.
    pub fn record(&self, alert: &mut Alert, kind: FeedKind, by: &str, note: Option<Box<str>>) {
        self.add(alert, kind, by.into(), note, None);
    }

    /// As [`Draft::record`], for what a person's command did.
    pub fn record_act(&self, alert: &mut Alert, kind: FeedKind, command: &Command, note: Option<Box<str>>) {
        self.add(alert, kind, command.person.clone(), note, Some(command.tag()));
    }

    fn add(&self, alert: &mut Alert, kind: FeedKind, by: Box<str>, note: Option<Box<str>>, command: Option<u64>) {
        let (at_ms, epoch, what) = (self.now_ms, self.epoch, kind.word().into());
        alert.record(HistoryItem { number: 0, at_ms, epoch, what, by, note, command, hash: [0; 32] });
        alert.updated_ms = self.now_ms;
    }

    /// Adds a delivery, new or changed; its place.
    pub fn take_in(&mut self, delivery: Arc<Delivery>) -> usize {
        let at = self.deliveries.len();
        self.delivery_at.insert((delivery.matter, delivery.id.clone()), at);
        self.deliveries.push(delivery);
        at
    }

    /// Adds a delivery that is owed from now on.
    pub fn owe(&mut self, delivery: Delivery) {
        self.take_in(Arc::new(delivery));
    }

    /// The turn, with `changed` being the open alerts that [`Draft::changed`] names.
    pub fn finish(self, changed: Vec<Arc<Alert>>, evaluated: &Evaluated) -> Turn {
        let mut alerts = changed;
        alerts.extend(self.closed);
        alerts.sort_unstable_by_key(|alert| alert.id);
        let batch = LedgerBatch {
            epoch: self.epoch,
            at_ms: self.now_ms,
            alerts,
            deliveries: self.deliveries,
            units: evaluated.units.iter().cloned().map(Arc::new).collect(),
            regions: evaluated.regions.clone(),
            feed: self.feed,
            policy: self.policy,
            kept: self.kept,
        };
        Turn { batch, outcomes: self.outcomes, order_outcomes: self.order_outcomes }
    }
}
