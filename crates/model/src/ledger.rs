//! The ledger: what follows from the journal and is kept ready, and the feed that tells it.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::alert::{Alert, AlertSummary, Delivery};
use crate::finding::{Colour, RegionStatus, UnitStatus};
use crate::ids::{AlertId, DeliveryId, Epoch, Matter, RegionCode, UnitId};
use crate::journal::Quarantined;
use crate::order::OrderNews;

/// Position on the feed, from 1, without gaps; follows from the journal.
pub type Cursor = u64;

/// Something failed in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the store failed to {doing}: {reason}. Look at the free space and health of the disk with the data folder"
    )]
    Disk { doing: &'static str, reason: String },
    #[error("the store holds something that cannot be read while {doing}: {reason}")]
    Damaged { doing: &'static str, reason: String },
    #[error("journal commit {given} was given where {expected} must follow")]
    OutOfOrder { given: Epoch, expected: Epoch },
}

/// What happened, for those who follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FeedKind {
    AlertRaised,
    /// More evidence, or a higher colour.
    AlertUpdated,
    AlertAcknowledged,
    AlertArrived,
    AlertVerified,
    AlertRestored,
    /// Fired again after it was restored.
    AlertRangAgain,
    /// A further step of the ladder is told.
    AlertEscalated,
    AlertClosed,
    UnitColour,
    /// A duty plan leaves a region or micro station without anybody, soon or now.
    DutyGap,
    /// Such a hole is filled, or over.
    DutyFilled,
    /// An order was given.
    OrderGiven,
    /// Its counts changed (told once a second at most), or the stage of a hand-off.
    OrderReceipt,
    /// An order ended.
    OrderClosed,
    /// Channels of people were found not to work.
    ChannelFailed,
    /// Somebody is to do something about it.
    AlertAssigned,
    AlertWorkBegun,
    AlertWorkFinished,
    /// The work was found done.
    AlertChecked,
    /// The work was found not done.
    AlertCheckFailed,
    AlertNoted,
    AlertPhotographed,
    AlertShelved,
    /// Taken from the shelf, by a person, by time, or by something more urgent.
    AlertUnshelved,
    AlertOutOfService,
    AlertReturnedToService,
    /// Nothing followed somebody's acknowledgement for as long as it lasts.
    AlertAcknowledgementExpired,
    /// A time limit of a stage ran out; a superior is told (督办).
    AlertOverdue,
    /// Nobody is called for what a silence covers; `detail` is its id.
    SilenceBegan,
    /// A silence ends soon.
    SilenceEnding,
    /// A silence is over.
    SilenceEnded,
    /// An alert's ladder waits; the alert says why.
    AlertHeld,
    /// It waits no more.
    AlertReleased,
    /// Many alerts are one incident; `detail` is its id.
    StormBegan,
    /// It grew, or is confirmed.
    StormUpdated,
    /// It is over.
    StormEnded,
    /// More alerts ring than people can answer; `detail` counts them.
    FloodBegan,
    /// No longer.
    FloodEnded,
}

impl FeedKind {
    /// The `type` of the feed's contract.
    pub fn word(self) -> &'static str {
        match self {
            FeedKind::AlertRaised => "alert.raised",
            FeedKind::AlertUpdated => "alert.updated",
            FeedKind::AlertAcknowledged => "alert.acknowledged",
            FeedKind::AlertArrived => "alert.arrived",
            FeedKind::AlertVerified => "alert.verified",
            FeedKind::AlertRestored => "alert.restored",
            FeedKind::AlertRangAgain => "alert.rang_again",
            FeedKind::AlertEscalated => "alert.escalated",
            FeedKind::AlertClosed => "alert.closed",
            FeedKind::UnitColour => "unit.colour",
            FeedKind::DutyGap => "duty.gap",
            FeedKind::DutyFilled => "duty.filled",
            FeedKind::OrderGiven => "order.given",
            FeedKind::OrderReceipt => "order.receipt",
            FeedKind::OrderClosed => "order.closed",
            FeedKind::ChannelFailed => "channel.failed",
            FeedKind::AlertAssigned => "alert.assigned",
            FeedKind::AlertWorkBegun => "alert.work_begun",
            FeedKind::AlertWorkFinished => "alert.work_finished",
            FeedKind::AlertChecked => "alert.checked",
            FeedKind::AlertCheckFailed => "alert.check_failed",
            FeedKind::AlertNoted => "alert.noted",
            FeedKind::AlertPhotographed => "alert.photographed",
            FeedKind::AlertShelved => "alert.shelved",
            FeedKind::AlertUnshelved => "alert.unshelved",
            FeedKind::AlertOutOfService => "alert.out_of_service",
            FeedKind::AlertReturnedToService => "alert.returned_to_service",
            FeedKind::AlertAcknowledgementExpired => "alert.acknowledgement_expired",
            FeedKind::AlertOverdue => "alert.overdue",
            FeedKind::SilenceBegan => "silence.began",
            FeedKind::SilenceEnding => "silence.ending",
            FeedKind::SilenceEnded => "silence.ended",
            FeedKind::AlertHeld => "alert.held",
            FeedKind::AlertReleased => "alert.released",
            FeedKind::StormBegan => "storm.began",
            FeedKind::StormUpdated => "storm.updated",
            FeedKind::StormEnded => "storm.ended",
            FeedKind::FloodBegan => "flood.began",
            FeedKind::FloodEnded => "flood.ended",
        }
    }
}

/// One event of the feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedEvent {
    pub cursor: Cursor,
    pub epoch: Epoch,
    pub at_ms: u64,
    pub kind: FeedKind,
    /// Grid that it happened in; the scope of a reader is a region that contains it.
    pub grid: RegionCode,
    /// The alert after it, for the alert kinds.
    pub alert: Option<Box<AlertSummary>>,
    /// For [`FeedKind::UnitColour`].
    pub unit: Option<UnitColour>,
    /// Device's own alarm id that is the evidence, person who acted, or step that was told.
    pub detail: Option<Box<str>>,
    /// For the order kinds.
    pub order: Option<Box<OrderNews>>,
}

/// A unit's new colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitColour {
    pub unit: UnitId,
    pub colour: Colour,
    pub since_ms: u64,
}

/// What kind of record the desk keeps beside alerts and deliveries. Numbers are stored: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum KeptKind {
    /// By [`crate::OrderId`].
    Order = 1,
    /// Silences, by their order's id.
    Silence = 2,
    /// Posts of regions without anybody on duty.
    DutyGap = 3,
    /// Many alerts of one cause.
    Storm = 4,
    /// What the auditor found late.
    Late = 5,
    /// Everybody whom an order asked, by order and person.
    Asked = 6,
    /// Channels that a test did not get through, by person and channel.
    DeafChannel = 7,
    /// When the desk last began something by the calendar.
    Calendar = 8,
    /// The hand-offs of an alert, by alert and order.
    HandOff = 9,
    /// What each new roster meant for duties, by commit; see [`crate::roster::DutyChange`].
    DutyChange = 16,
    /// The newest closed alert of a unit and family.
    LastClosed = 24,
}

impl KeptKind {
    /// Every kind, for those who compare two ledgers.
    pub const ALL: [KeptKind; 11] = [
        KeptKind::Order,
        KeptKind::Silence,
        KeptKind::DutyGap,
        KeptKind::Storm,
        KeptKind::Late,
        KeptKind::Asked,
        KeptKind::DeafChannel,
        KeptKind::Calendar,
        KeptKind::DutyChange,
        KeptKind::LastClosed,
        KeptKind::HandOff,
    ];
}

/// A record of the desk, new or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub kind: KeptKind,
    /// In its order records are read.
    pub key: Box<[u8]>,
    /// [`crate::wire`] of what it is; `None` takes the record away.
    pub value: Option<Box<[u8]>>,
}

/// Key and value of a record of the desk.
pub type KeptRow = (Vec<u8>, Vec<u8>);

/// All that one journal commit changes in the ledger; written in one piece.
#[derive(Debug, Clone, Default)]
pub struct LedgerBatch {
    pub epoch: Epoch,
    pub at_ms: u64,
    /// Changed alerts, whole.
    pub alerts: Vec<Arc<Alert>>,
    /// New or changed deliveries, whole.
    pub deliveries: Vec<Arc<Delivery>>,
    pub units: Vec<Arc<UnitStatus>>,
    pub regions: Vec<RegionStatus>,
    /// Cursors continue those of the batch before.
    pub feed: Vec<Arc<FeedEvent>>,
    /// The desk's policy text, when this commit changed it.
    pub policy: Option<Box<str>>,
    pub kept: Vec<Kept>,
}

impl LedgerBatch {
    /// Whether nothing but the epoch would be written.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty()
            && self.deliveries.is_empty()
            && self.units.is_empty()
            && self.regions.is_empty()
            && self.feed.is_empty()
            && self.policy.is_none()
            && self.kept.is_empty()
    }
}

/// Where the ledger lives. One writer (the desk's thread); readers beside it see whole batches.
///
/// A commit need not be synced: what a power cut takes is written again, the same, from the journal.
pub trait Ledger: Send + Sync + 'static {
    /// Writes a batch in one piece. A batch whose epoch is not above [`Ledger::applied`] is ignored.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is full or fails; nothing of the batch was kept.
    fn commit(&self, batch: &LedgerBatch) -> Result<(), StoreError>;

    /// Epoch of the last batch; 0 for an empty ledger.
    fn applied(&self) -> Epoch;

    /// Cursor of the newest event; 0 for an empty feed.
    fn newest_cursor(&self) -> Cursor;

    /// Cursor of the oldest event still kept; `newest_cursor() + 1` for an empty feed.
    fn oldest_cursor(&self) -> Cursor;

    /// Up to `limit` events after `after`, in order.
    fn feed(&self, after: Cursor, limit: usize) -> Result<Vec<FeedEvent>, StoreError>;

    /// Every alert that is not closed, by id.
    fn open_alerts(&self) -> Result<Vec<Alert>, StoreError>;

    /// One alert, open or closed.
    fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError>;

    /// Up to `limit` alerts, newest raised first, whose epoch is below `before` (all for `None`).
    fn alerts(&self, before: Option<Epoch>, limit: usize) -> Result<Vec<Alert>, StoreError>;

    /// Alerts of one unit, newest first, up to `limit`.
    fn alerts_of_unit(&self, unit: UnitId, limit: usize) -> Result<Vec<Alert>, StoreError>;

    /// One delivery.
    fn delivery(&self, matter: Matter, id: &DeliveryId) -> Result<Option<Delivery>, StoreError>;

    /// Deliveries of one alert or order, oldest first.
    fn deliveries(&self, matter: Matter) -> Result<Vec<Delivery>, StoreError>;

    /// Every delivery that is owed or waits.
    fn owed(&self) -> Result<Vec<Delivery>, StoreError>;

    /// One unit's status; `None` for a unit never judged.
    fn unit(&self, unit: UnitId) -> Result<Option<UnitStatus>, StoreError>;

    /// Every unit's status, by id.
    fn units(&self) -> Result<Vec<UnitStatus>, StoreError>;

    /// Every region's status, by code.
    fn regions(&self) -> Result<Vec<RegionStatus>, StoreError>;

    /// The desk's policy text in force, if any was journalled.
    fn policy(&self) -> Result<Option<String>, StoreError>;

    /// Up to `limit` records of the desk with `after` < key (from the first for `None`), in the order of their keys.
    fn kept(&self, kind: KeptKind, after: Option<&[u8]>, limit: usize) -> Result<Vec<KeptRow>, StoreError>;

    /// One record of the desk.
    fn kept_one(&self, kind: KeptKind, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Up to `limit` quarantined messages whose number is below `before` (all for `None`), newest first, with their numbers.
    fn quarantine(&self, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Quarantined)>, StoreError>;
}

/// State that a stage keeps beside the journal, so that a restart replays a tail and not a year.
pub trait Checkpoints: Send + Sync + 'static {
    /// Keeps `bytes` as the state of `stage` after `epoch`; the [`KEPT`] newest of a stage stay.
    fn put(&self, stage: &str, epoch: Epoch, bytes: &[u8]) -> Result<(), StoreError>;

    /// The newest state of `stage` at or before `epoch`.
    fn newest(&self, stage: &str, at_most: Epoch) -> Result<Option<(Epoch, Vec<u8>)>, StoreError>;
}

/// Checkpoints kept of a stage.
pub const KEPT: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_record_is_among_all() {
        let place = |kind: KeptKind| match kind {
            KeptKind::Order => 0,
            KeptKind::Silence => 1,
            KeptKind::DutyGap => 2,
            KeptKind::Storm => 3,
            KeptKind::Late => 4,
            KeptKind::Asked => 5,
            KeptKind::DeafChannel => 6,
            KeptKind::Calendar => 7,
            KeptKind::DutyChange => 8,
            KeptKind::LastClosed => 9,
            KeptKind::HandOff => 10,
        };
        let places: Vec<usize> = KeptKind::ALL.into_iter().map(place).collect();
        assert_eq!(places, (0..KeptKind::ALL.len()).collect::<Vec<_>>());
    }
}
