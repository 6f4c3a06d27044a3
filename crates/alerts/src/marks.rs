//! What time does to the acts of people: acknowledgements expire, and what was put aside comes back.

use model::alert::{Mark, Shelf};
use model::{Alert, FeedKind, Verdict};

use crate::ladder;
use crate::policy::Policy;
use crate::turn::Draft;

/// Longest time on the shelf: a shift, ms.
pub(crate) const SHELF_MS_MAX: u64 = 8 * 3_600_000;
/// Longest time out of service, ms.
pub(crate) const OUT_OF_SERVICE_MS_MAX: u64 = 30 * 86_400_000;

/// When time next does something to the acts on an alert.
pub(crate) fn next_ms(alert: &Alert) -> Option<u64> {
    let shelves = [&alert.shelved, &alert.out_of_service].into_iter().flatten().map(|shelf| shelf.until_ms);
    let marks = alert.acknowledged.iter().filter(|_| may_expire(alert)).filter_map(|mark| mark.until_ms);
    shelves.chain(marks).min()
}

/// Whether acknowledgements of the alert expire: it is not put aside, somebody should do something, and nobody does.
fn may_expire(alert: &Alert) -> bool {
    let over = alert.conditions.is_empty() && alert.family() != model::Family::Fire;
    let aside = alert.shelved.is_some() || alert.out_of_service.is_some() || alert.closed.is_some();
    let done =
        !alert.arrived.is_empty() || alert.verdict.is_some() || alert.work.iter().any(|work| work.done_ms.is_none());
    !over && !aside && !done
}

/// Does what is due.
pub(crate) fn pass(alert: &mut Alert, policy: &Policy, draft: &mut Draft<'_>) {
    let now_ms = draft.now_ms;
    let is_over = |shelf: &Option<Shelf>| shelf.as_ref().is_some_and(|shelf| shelf.until_ms <= now_ms);
    if is_over(&alert.shelved) {
        alert.shelved = None;
        end(alert, FeedKind::AlertUnshelved, policy, draft);
    }
    if is_over(&alert.out_of_service) {
        alert.out_of_service = None;
        end(alert, FeedKind::AlertReturnedToService, policy, draft);
    }
    if !may_expire(alert) {
        return;
    }
    let expired = |mark: &Mark| mark.until_ms.is_some_and(|until_ms| until_ms <= now_ms);
    let gone: Vec<Mark> = alert.acknowledged.extract_if(.., |mark| expired(mark)).collect();
    for mark in gone {
        let note = format!("acknowledged at {}, and nothing followed", mark.at_ms);
        draft.record(alert, FeedKind::AlertAcknowledgementExpired, &mark.person, Some(note.into()));
        draft.tell(FeedKind::AlertAcknowledgementExpired, alert, Some(mark.person));
    }
}

fn end(alert: &mut Alert, kind: FeedKind, policy: &Policy, draft: &mut Draft<'_>) {
    draft.record(alert, kind, "desk", Some("its time is over".into()));
    draft.tell(kind, alert, None);
    come_back(alert, "desk", policy, draft);
}

/// What still holds after the time aside rings, unless a verdict says that it is nothing.
pub(crate) fn come_back(alert: &mut Alert, by: &str, policy: &Policy, draft: &mut Draft<'_>) {
    let found_nothing = matches!(alert.verdict, Some((Verdict::False | Verdict::Test, _)));
    let still_aside = alert.shelved.is_some() || alert.out_of_service.is_some();
    if alert.conditions.is_empty() || found_nothing || still_aside {
        return;
    }
    ring(alert, FeedKind::AlertRangAgain, by, policy, draft);
    draft.tell(FeedKind::AlertRangAgain, alert, None);
    ladder::climb(alert, ladder::Reach::Due, policy.limits, draft);
}

/// A further ring begins: it needs its own acknowledgement, and what was checked is to be checked again.
pub(crate) fn ring(alert: &mut Alert, kind: FeedKind, by: &str, policy: &Policy, draft: &Draft<'_>) {
    alert.ring = alert.ring.saturating_add(1);
    alert.acknowledged.clear();
    alert.checked = None;
    let note = format!("ring {}, {}", alert.ring, alert.colour.word());
    draft.record(alert, kind, by, Some(note.into()));
    ladder::set(alert, policy, draft);
}
