//! Which messages there are of an alert, and how it stood when each was sent.

use std::collections::{BTreeMap, BTreeSet};

use model::finding::Words;
use model::{Alert, AlertId, AlertSummary, Cursor, Epoch, FeedKind, Ledger, StoreError};

use super::terms::{Exercise, MsgType, is_over};
use crate::outward::kind_of;

/// Earlier messages that one refers to at most; the first is always among them.
const REFERENCES_MAX: usize = 64;
/// Events read at a time while one is looked for.
const EVENTS: usize = 256;

/// How an alert stood after a commit.
pub(crate) struct Message {
    pub(crate) epoch: Epoch,
    pub(crate) sent_ms: u64,
    pub(crate) kind: MsgType,
    /// Commits and times of the messages before it, oldest first.
    pub(crate) references: Vec<(Epoch, u64)>,
    pub(crate) summary: AlertSummary,
    pub(crate) exercise: Option<Exercise>,
}

/// Whether a kind of event changes what others were told of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tells {
    Always,
    /// The first of its kind since the alert rang or an acknowledgement expired; what more people do the same changes nothing.
    First,
    Never,
}

/// The one place to say it for a new kind. Whatever changes an alert's colour or state must not be `Never`.
fn tells(kind: FeedKind) -> Tells {
    match kind {
        FeedKind::AlertRaised
        | FeedKind::AlertUpdated
        | FeedKind::AlertRangAgain
        | FeedKind::AlertVerified
        | FeedKind::AlertRestored
        | FeedKind::AlertWorkBegun
        | FeedKind::AlertWorkFinished
        | FeedKind::AlertChecked
        | FeedKind::AlertCheckFailed
        | FeedKind::AlertShelved
        | FeedKind::AlertUnshelved
        | FeedKind::AlertOutOfService
        | FeedKind::AlertReturnedToService
        | FeedKind::AlertAcknowledgementExpired
        | FeedKind::AlertClosed => Tells::Always,
        FeedKind::AlertAcknowledged | FeedKind::AlertArrived => Tells::First,
        // an inner matter of those who are told
        FeedKind::AlertEscalated
        | FeedKind::AlertOverdue
        | FeedKind::AlertAssigned
        | FeedKind::AlertNoted
        | FeedKind::AlertPhotographed
        | FeedKind::AlertHeld
        | FeedKind::AlertReleased => Tells::Never,
        // no alert's
        FeedKind::UnitColour
        | FeedKind::DutyGap
        | FeedKind::DutyFilled
        | FeedKind::OrderGiven
        | FeedKind::OrderReceipt
        | FeedKind::OrderClosed
        | FeedKind::ChannelFailed
        | FeedKind::SilenceBegan
        | FeedKind::SilenceEnding
        | FeedKind::SilenceEnded
        | FeedKind::StormBegan
        | FeedKind::StormUpdated
        | FeedKind::StormEnded
        | FeedKind::FloodBegan
        | FeedKind::FloodEnded => Tells::Never,
    }
}

/// Whether what people did before counts no longer after a kind of event.
fn begins_anew(kind: FeedKind) -> bool {
    matches!(
        kind,
        FeedKind::AlertRaised
            | FeedKind::AlertUpdated
            | FeedKind::AlertRangAgain
            | FeedKind::AlertUnshelved
            | FeedKind::AlertAcknowledgementExpired
    )
}

/// Commits that a message was sent for, with their times, oldest first; the first is that of the raising.
///
/// Evidence that changed neither colour nor state stands in no alert's history, so none of it is here.
fn sent(alert: &Alert) -> Vec<(Epoch, u64)> {
    let mut sent = vec![(alert.id.epoch, alert.raised_ms)];
    let mut heard: Vec<FeedKind> = Vec::new();
    for item in &alert.history {
        let Some(kind) = kind_of(&item.what) else { continue };
        if begins_anew(kind) {
            heard.clear();
        }
        let is_told = match tells(kind) {
            Tells::Always => true,
            Tells::First => !heard.contains(&kind),
            Tells::Never => false,
        };
        heard.push(kind);
        if is_told && sent.last().is_some_and(|(epoch, _)| *epoch < item.epoch) {
            sent.push((item.epoch, item.at_ms));
        }
    }
    sent
}

/// Whether a message may have been sent for such events.
pub(crate) fn may_tell(kinds: &[FeedKind]) -> bool {
    kinds.iter().any(|kind| tells(*kind) != Tells::Never)
}

/// Whether a message was sent for what happened to an alert in a commit. Where the alert's history may have lost it, in doubt
/// there was.
pub(crate) fn is_told(alert: Option<&Alert>, epoch: Epoch, kinds: &[FeedKind]) -> bool {
    let known = alert.is_some_and(|alert| sent(alert).iter().any(|(sent, _)| *sent == epoch));
    known || (epoch < known_from(alert) && may_tell(kinds))
}

/// Everything that happened to an alert from this commit on stands in its history. A full one gives up the oldest, never the
/// raising: of what people did and of what the station noted apart.
fn known_from(alert: Option<&Alert>) -> Epoch {
    let Some(alert) = alert else { return Epoch::MAX };
    let strand = |trimmed: u32, is_person: bool| {
        let oldest = alert.history.iter().skip(1).find(|item| item.command.is_some() == is_person);
        if trimmed == 0 { 0 } else { oldest.map_or(Epoch::MAX, |item| item.epoch) }
    };
    strand(alert.trims.people.count, true).max(strand(alert.trims.station.count, false))
}

/// Commit and time of an alert's newest message.
fn latest(alert: &Alert) -> (Epoch, u64) {
    sent(alert).last().copied().expect("the first is always there")
}

impl Message {
    /// The message of a commit; `summary` is the alert after it.
    pub(crate) fn new(alert: Option<&Alert>, epoch: Epoch, sent_ms: u64, summary: AlertSummary) -> Message {
        let mut before = alert.map_or_else(|| vec![(summary.id.epoch, summary.raised_ms)], sent);
        before.retain(|(sent, _)| *sent < epoch);
        let kind = match epoch {
            raised if raised == summary.id.epoch => MsgType::Alert,
            _ if is_over(&summary) => MsgType::Cancel,
            _ => MsgType::Update,
        };
        if before.len() > REFERENCES_MAX {
            before.drain(1..=before.len() - REFERENCES_MAX);
        }
        let is_drill = alert.is_some_and(|alert| alert.drill.is_some());
        let exercise = summary.exercise.then_some(if is_drill { Exercise::Drill } else { Exercise::Test });
        Message { epoch, sent_ms, kind, references: before, summary, exercise }
    }
}

/// The newest messages of alerts, in their order.
///
/// # Errors
/// [`StoreError`] when the ledger cannot be read.
pub(crate) fn heads<A: AsRef<Alert>>(ledger: &dyn Ledger, alerts: &[A]) -> Result<Vec<Message>, StoreError> {
    let mut wanted: BTreeMap<Epoch, BTreeSet<AlertId>> = BTreeMap::new();
    for alert in alerts.iter().map(AsRef::as_ref) {
        let (epoch, _) = latest(alert);
        if alert.evidence.iter().any(|evidence| evidence.epoch > epoch) {
            wanted.entry(epoch).or_default().insert(alert.id);
        }
    }
    let mut told = BTreeMap::new();
    for (epoch, ids) in &wanted {
        told.extend(told_in(ledger, *epoch, ids)?);
    }
    let message = |alert: &Alert| {
        let (epoch, sent_ms) = latest(alert);
        let summary = told.remove(&alert.id).unwrap_or_else(|| stood(alert, epoch));
        Message::new(Some(alert), epoch, sent_ms, summary)
    };
    Ok(alerts.iter().map(AsRef::as_ref).map(message).collect())
}

/// The alert as it was after a commit that was its last but for evidence: with the words of that time, as far as they are kept.
fn stood(alert: &Alert, epoch: Epoch) -> AlertSummary {
    let mut summary = alert.summary();
    if alert.evidence.iter().any(|evidence| evidence.epoch > epoch) {
        let known = alert.evidence.iter().filter(|evidence| evidence.epoch <= epoch);
        // `max_by_key` returns the last of equal maxima: the newest
        let worst = known.max_by_key(|evidence| evidence.colour);
        summary.words = worst.map_or(Words { zh: "".into(), en: "".into() }, |evidence| evidence.words.clone());
    }
    summary
}

/// What the feed told of these alerts last in a commit, as far as it is kept.
fn told_in(
    ledger: &dyn Ledger,
    epoch: Epoch,
    ids: &BTreeSet<AlertId>,
) -> Result<BTreeMap<AlertId, AlertSummary>, StoreError> {
    let mut told = BTreeMap::new();
    let mut after = before_commit(ledger, epoch)?;
    loop {
        let events = ledger.feed(after, EVENTS)?;
        let is_end = events.len() < EVENTS || events.last().is_some_and(|event| event.epoch > epoch);
        after = events.last().map_or(after, |event| event.cursor);
        for event in events.into_iter().filter(|event| event.epoch == epoch) {
            if let Some(alert) = event.alert.filter(|alert| ids.contains(&alert.id)) {
                told.insert(alert.id, *alert);
            }
        }
        if is_end {
            return Ok(told);
        }
    }
}

/// Cursor of the last event kept from before a commit: the feed's epochs rise with its cursors.
fn before_commit(ledger: &dyn Ledger, epoch: Epoch) -> Result<Cursor, StoreError> {
    let mut low = ledger.oldest_cursor().saturating_sub(1);
    let mut high = ledger.newest_cursor();
    // what is at or below `low` comes before the commit, what is above `high` does not
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        match ledger.feed(middle - 1, 1)?.first() {
            Some(event) if event.epoch < epoch => low = event.cursor.max(middle).min(high),
            _ => high = middle - 1,
        }
    }
    Ok(low)
}
