//! What people do with an alert, and what they may.

use model::alert::{Actor, Assignment, Cause, HistoryItem, Mark, PhotoMark, Shelf, Work};
use model::{Action, Alert, Command, Family, FeedKind, Verdict};

use crate::ladder::{self, Reach};
use crate::policy::Policy;
use crate::turn::Draft;
use crate::{closing, marks};

/// Why an action on an open alert is refused, and what to do; `None` when it is allowed.
///
/// Of these only the rules for verdicts, for beginning to work and for closing decide anything outside of the desk
/// (whoever judges colours must know which fires are judged and closed).
pub(crate) fn refusal(alert: &Alert, command: &Command, draft: &Draft<'_>) -> Option<String> {
    let person: &str = &command.person;
    let full = |marks: &[Mark]| {
        let is_new = marks.iter().all(|mark| &*mark.person != person);
        (is_new && marks.len() >= Alert::PEOPLE_MAX)
            .then(|| format!("{} people have done so already", Alert::PEOPLE_MAX))
    };
    match command.action {
        Action::Acknowledge => full(&alert.acknowledged),
        Action::Arrive => full(&alert.arrived),
        Action::BeginWork => {
            let is_new = alert.work.iter().all(|work| work.mark.actor() != Actor::of(command));
            let is_full = is_new && alert.work.len() >= Alert::PEOPLE_MAX;
            is_full.then(|| format!("{} people have worked on it already", Alert::PEOPLE_MAX))
        }
        Action::Verify(verdict, cause) => (!cause.fits(verdict)).then(|| {
            let (cause, verdict, fitting) = (cause.word(), verdict.word(), Cause::fitting(verdict));
            format!("the cause {cause} does not go with the verdict {verdict}: say one of {fitting}")
        }),
        Action::Close => closing::refusal(alert, command),
        Action::Assign(id) => draft
            .roster
            .person(id)
            .is_none()
            .then(|| "the person is not on the roster any longer: assign somebody who is".to_owned()),
        Action::FinishWork => {
            let is_working = alert.work.iter().any(|work| &*work.mark.person == person && work.done_ms.is_none());
            (!is_working).then(|| format!("{person} is not at work on {}: begin the work first", alert.id))
        }
        Action::Check { in_order } => check_refusal(alert, command, in_order),
        Action::Note if command.note.is_none() => Some("a note needs words".into()),
        Action::Note => (alert.notes.len() >= Alert::NOTES_MAX)
            .then(|| format!("{} has {} notes already, no more are kept", alert.id, Alert::NOTES_MAX)),
        Action::Photo(photo) => {
            let is_new = alert.photos.iter().all(|known| known.photo.sha256 != photo.sha256);
            (is_new && alert.photos.len() >= Alert::PHOTOS_MAX)
                .then(|| format!("{} has {} photos already, no more are kept", alert.id, Alert::PHOTOS_MAX))
        }
        Action::Shelve { until_ms } => {
            aside_refusal(alert, command, "shelved", Some(until_ms), marks::SHELF_MS_MAX, draft.now_ms)
        }
        Action::TakeOutOfService { until_ms } => {
            let longest_ms = marks::OUT_OF_SERVICE_MS_MAX;
            aside_refusal(alert, command, "taken out of service", until_ms, longest_ms, draft.now_ms)
        }
        Action::Unshelve => alert.shelved.is_none().then(|| format!("{} is not shelved", alert.id)),
        Action::ReturnToService => {
            alert.out_of_service.is_none().then(|| format!("{} is not out of service", alert.id))
        }
    }
}

fn check_refusal(alert: &Alert, command: &Command, in_order: bool) -> Option<String> {
    let closer = Actor::of(command);
    if alert.work.is_empty() {
        return Some(format!("nobody has worked on {}: there is nothing to check", alert.id));
    }
    if let Some(working) = alert.work.iter().find(|work| work.done_ms.is_none()) {
        return Some(format!("{} is still at work on {}: check it when that is done", working.mark.person, alert.id));
    }
    if alert.work.iter().any(|work| !closer.is_second_to(work.mark.actor())) {
        let who = &command.person;
        return Some(format!("{who} worked on {} (or entered that): have another person check it", alert.id));
    }
    (!in_order && command.note.is_none()).then(|| "say in the note what is not in order".into())
}

fn aside_refusal(
    alert: &Alert,
    command: &Command,
    what: &str,
    until_ms: Option<u64>,
    longest_ms: u64,
    now_ms: u64,
) -> Option<String> {
    let hours = longest_ms / 3_600_000;
    if alert.family() == Family::Fire {
        return Some(format!("a fire alarm is never {what}: have somebody go there and verify it"));
    }
    if command.note.is_none() {
        return Some(format!("{} is {what} with a reason only: say it in the note", alert.id));
    }
    match until_ms {
        Some(until_ms) if until_ms <= now_ms => Some("the time until when is over already".into()),
        Some(until_ms) if until_ms > now_ms + longest_ms => Some(format!("it can be {what} for {hours} h at most")),
        _ => None,
    }
}

/// Does what the command asks, which [`refusal`] allows. Whether anything changed: a person's second acknowledgement or
/// arrival at one ring changes nothing.
pub(crate) fn apply(alert: &mut Alert, command: &Command, policy: &Policy, draft: &mut Draft<'_>) -> bool {
    let person: &str = &command.person;
    let mark = Mark::of(command, draft.now_ms);
    let is_in = |marks: &[Mark]| marks.iter().any(|mark| &*mark.person == person);
    let mut detail: Box<str> = person.into();
    let kind = match command.action {
        Action::Acknowledge => {
            let lasts = |own: &Mark| *own.person == *person && ladder::lasts(own, draft.now_ms);
            if alert.acknowledged.iter().any(lasts) {
                return false;
            }
            // one that has expired is given anew
            alert.acknowledged.retain(|own| *own.person != *person);
            let until_ms = draft.now_ms + alert.terms.acknowledged_for_ms;
            acknowledge(alert, Mark { until_ms: Some(until_ms), ..mark });
            FeedKind::AlertAcknowledged
        }
        Action::Arrive => {
            if is_in(&alert.arrived) {
                return false;
            }
            alert.arrived.push(mark.clone());
            acknowledge(alert, mark);
            FeedKind::AlertArrived
        }
        Action::Verify(verdict, cause) => {
            acknowledge(alert, mark.clone());
            (alert.verdict, alert.cause) = (Some((verdict, mark)), Some(cause));
            FeedKind::AlertVerified
        }
        Action::Close => {
            (alert.shelved, alert.out_of_service) = (None, None);
            alert.closed = Some(mark);
            FeedKind::AlertClosed
        }
        Action::Assign(id) => {
            let Some(row) = draft.roster.person(id) else { return false };
            detail = row.code.clone();
            alert.assigned = Some(Assignment { person: row.code.clone(), by: mark });
            FeedKind::AlertAssigned
        }
        Action::BeginWork => {
            begin_work(alert, mark);
            FeedKind::AlertWorkBegun
        }
        Action::FinishWork => {
            let mine = |work: &&mut Work| &*work.mark.person == person;
            alert.work.iter_mut().filter(mine).for_each(|work| work.done_ms = Some(draft.now_ms));
            FeedKind::AlertWorkFinished
        }
        Action::Check { in_order: true } => {
            alert.checked = Some(mark);
            FeedKind::AlertChecked
        }
        Action::Check { in_order: false } => {
            alert.checked = None;
            alert.work.iter_mut().for_each(|work| (work.done_ms, work.ring) = (None, alert.ring));
            FeedKind::AlertCheckFailed
        }
        Action::Note => {
            alert.notes.push(mark);
            FeedKind::AlertNoted
        }
        Action::Photo(photo) => {
            if alert.photos.iter().any(|known| known.photo.sha256 == photo.sha256) {
                return false;
            }
            detail = photo.name().into();
            alert.photos.push(PhotoMark { photo, by: mark });
            FeedKind::AlertPhotographed
        }
        Action::Shelve { until_ms } => {
            alert.shelved = Some(Shelf { by: mark, until_ms, colour: alert.colour });
            FeedKind::AlertShelved
        }
        Action::TakeOutOfService { until_ms } => {
            let until_ms = until_ms.unwrap_or(draft.now_ms + marks::OUT_OF_SERVICE_MS_MAX);
            alert.out_of_service = Some(Shelf { by: mark, until_ms, colour: alert.colour });
            FeedKind::AlertOutOfService
        }
        Action::Unshelve => {
            alert.shelved = None;
            FeedKind::AlertUnshelved
        }
        Action::ReturnToService => {
            alert.out_of_service = None;
            FeedKind::AlertReturnedToService
        }
    };
    draft.record_act(alert, kind, command, note_of(command, &detail));
    draft.tell(kind, alert, Some(detail));
    if matches!(command.action, Action::Unshelve | Action::ReturnToService) {
        marks::come_back(alert, person, policy, draft);
    }
    ladder::answered(alert, command, draft);
    if matches!(command.action, Action::Verify(Verdict::Real, _)) && alert.terms.real_tells_all {
        ladder::climb(alert, Reach::Everybody, policy.limits, draft);
    }
    true
}

fn acknowledge(alert: &mut Alert, mark: Mark) {
    let known = alert.acknowledged.iter().position(|known| known.person == mark.person);
    match known {
        // who was there and knows more acknowledges for good
        Some(at) => alert.acknowledged[at].until_ms = None,
        None if alert.acknowledged.len() < Alert::PEOPLE_MAX => alert.acknowledged.push(mark),
        None => {}
    }
}

fn begin_work(alert: &mut Alert, mark: Mark) {
    acknowledge(alert, mark.clone());
    alert.checked = None;
    let ring = alert.ring;
    match alert.work.iter_mut().find(|work| work.mark.actor() == mark.actor()) {
        Some(work) => (work.done_ms, work.ring) = (None, ring),
        None => alert.work.push(Work { mark, done_ms: None, ring }),
    }
}

/// Whether the command already made one of these changes.
pub(crate) fn is_done(history: &[HistoryItem], command: &Command) -> bool {
    let tag = Some(command.tag());
    history.iter().rev().any(|item| item.command == tag && *item.by == *command.person)
}

/// What stands in the history: verdict and cause, whom or what it is about, who entered it, the person's words.
fn note_of(command: &Command, detail: &str) -> Option<Box<str>> {
    let mut parts: Vec<String> = Vec::with_capacity(3);
    match command.action {
        Action::Verify(verdict, Cause::Unknown) => parts.push(verdict.word().into()),
        Action::Verify(verdict, cause) => parts.push(format!("{}: {}", verdict.word(), cause.word())),
        Action::Assign(_) => parts.push(format!("to {detail}")),
        Action::Photo(photo) => parts.push(format!("{} {}", photo.media.mime(), photo.name())),
        Action::Shelve { until_ms } | Action::TakeOutOfService { until_ms: Some(until_ms) } => {
            parts.push(format!("until {until_ms}"));
        }
        _ => {}
    }
    if let Some(entered_by) = command.entered_by.as_ref().filter(|by| **by != command.person) {
        parts.push(format!("entered by {entered_by}"));
    }
    parts.extend(command.note.as_deref().map(str::to_owned));
    (!parts.is_empty()).then(|| parts.join("; ").into())
}
