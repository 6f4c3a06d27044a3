//! What people do with an alert, and what they may.

use model::alert::{HistoryItem, Mark};
use model::{Action, Alert, AlertState, Command, Family, FeedKind, Verdict};

use crate::ladder::{self, Reach};
use crate::policy::Policy;
use crate::turn::Draft;

/// People who may acknowledge or arrive at one ring of an alert.
pub(crate) const MARKS_MAX: usize = 256;

/// Why an action on an open alert is refused; `None` when it is allowed.
///
/// Of these only the rule for closing decides anything outside of the desk (whoever judges colours must know which fires
/// are closed): a fire is closed only with a verdict.
pub(crate) fn refusal(alert: &Alert, command: &Command) -> Option<String> {
    let full = |marks: &[Mark]| {
        let known = marks.iter().any(|mark| mark.person == command.person);
        (!known && marks.len() >= MARKS_MAX).then(|| format!("{MARKS_MAX} people have done so already"))
    };
    match command.action {
        Action::Acknowledge => full(&alert.acknowledged),
        Action::Arrive => full(&alert.arrived),
        Action::Verify(_) => None,
        Action::Close if alert.family() == Family::Fire && alert.verdict.is_none() => Some(format!(
            "fire {} is {} and not verified: verify it as real, false or test, then close it",
            alert.id,
            alert.state.word()
        )),
        Action::Close => None,
    }
}

/// Does what the command asks, which [`refusal`] allows. Whether anything changed: a person's second acknowledgement or
/// arrival at one ring changes nothing.
pub(crate) fn apply(alert: &mut Alert, command: &Command, policy: &Policy, draft: &mut Draft<'_>) -> bool {
    let person: &str = &command.person;
    let mark = Mark { person: command.person.clone(), at_ms: draft.now_ms, note: command.note.clone() };
    let is_in = |marks: &[Mark]| marks.iter().any(|mark| &*mark.person == person);
    let kind = match command.action {
        Action::Acknowledge => {
            if is_in(&alert.acknowledged) {
                return false;
            }
            acknowledge(alert, mark);
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
        Action::Verify(verdict) => {
            acknowledge(alert, mark.clone());
            alert.verdict = Some((verdict, mark));
            alert.state = AlertState::Verified;
            FeedKind::AlertVerified
        }
        Action::Close => {
            alert.state = AlertState::Closed;
            FeedKind::AlertClosed
        }
    };
    draft.record_act(alert, kind, command, note_of(command));
    draft.tell(kind, alert, Some(person.into()));
    let family_policy = policy.of(alert.family());
    if command.action == Action::Verify(Verdict::Real) && family_policy.real_tells_all {
        ladder::climb(alert, Reach::Everybody, policy.limits, draft);
    }
    true
}

fn acknowledge(alert: &mut Alert, mark: Mark) {
    let known = alert.acknowledged.iter().any(|known| known.person == mark.person);
    if !known && alert.acknowledged.len() < MARKS_MAX {
        alert.acknowledged.push(mark);
    }
    alert.state = match alert.state {
        AlertState::Raised | AlertState::Acknowledged => AlertState::Acknowledged,
        other @ (AlertState::Verified | AlertState::Restored | AlertState::Closed) => other,
    };
}

/// Whether the command already made one of these changes.
pub(crate) fn is_done(history: &[HistoryItem], command: &Command) -> bool {
    let tag = Some(command.tag());
    history.iter().rev().any(|item| item.command == tag && *item.by == *command.person)
}

/// What stands in the history: verdict, who entered it, the person's words.
fn note_of(command: &Command) -> Option<Box<str>> {
    let mut parts: Vec<String> = Vec::with_capacity(3);
    if let Action::Verify(verdict) = command.action {
        parts.push(verdict.word().into());
    }
    if let Some(entered_by) = command.entered_by.as_ref().filter(|by| **by != command.person) {
        parts.push(format!("entered by {entered_by}"));
    }
    parts.extend(command.note.as_deref().map(str::to_owned));
    (!parts.is_empty()).then(|| parts.join("; ").into())
}
