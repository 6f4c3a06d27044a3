//! Owing a person an alert: one delivery for each of their channels, at once or one after the other.

use model::alert::ChannelTurn;
use model::roster::Contact;
use model::{About, Alert, AlertSummary, Delivery, DeliveryId, DeliveryState, PersonId};

use crate::deliveries::Owed;
use crate::turn::Draft;

/// Who is told what, and by what.
#[derive(Debug)]
pub(crate) struct Telling<'a> {
    /// Names the cause within the ring, person included: part of the deliveries' ids.
    pub step: Box<str>,
    /// Post of the step.
    pub whom: &'a str,
    pub person: PersonId,
    pub about: AlertSummary,
}

/// Owes a person the alert in their channels, each once; whether they have any.
pub(crate) fn owe(alert: &Alert, telling: &Telling<'_>, draft: &mut Draft<'_>) -> bool {
    owe_but(alert, telling, |_| false, draft)
}

/// As [`owe`], for somebody who was told before by the steps `before`: a channel that still tries to bring them an earlier
/// telling is left to that, and so are all of them where they are used one after the other.
pub(crate) fn owe_again(alert: &Alert, telling: &Telling<'_>, before: &[Box<str>], owed: &Owed, draft: &mut Draft<'_>) {
    let Some(row) = draft.roster.person(telling.person) else { return };
    let channels = row.channels.clone();
    let is_under_way =
        |channel: &str| before.iter().any(|step| owed.is_pending(alert.id.into(), &id_of(alert, step, channel), draft));
    let under_way: Vec<bool> = channels.iter().map(|channel| is_under_way(channel)).collect();
    if is_in_turn(alert, telling.person, draft) && under_way.contains(&true) {
        return;
    }
    owe_but(alert, telling, |at| under_way[at], draft);
}

fn owe_but(alert: &Alert, telling: &Telling<'_>, skip: impl Fn(usize) -> bool, draft: &mut Draft<'_>) -> bool {
    let roster = draft.roster;
    let Some(row) = roster.person(telling.person) else { return false };
    let in_turn = is_in_turn(alert, telling.person, draft);
    let terms = &alert.terms;
    let mut place = 0;
    for (at, channel) in row.channels.iter().enumerate() {
        if row.channels[..at].contains(channel) || skip(at) {
            continue;
        }
        let turn = in_turn.then(|| ChannelTurn {
            place,
            at_ms: match place {
                0 => draft.now_ms,
                1 if terms.failover_ms > 0 => draft.now_ms + terms.failover_ms,
                _ => u64::MAX,
            },
            failover_ms: terms.failover_ms,
            unanswered_ms: terms.unanswered_ms,
        });
        let waits = in_turn && place > 0;
        place = place.saturating_add(1);
        draft.owe(Delivery {
            id: id_of(alert, &telling.step, channel),
            matter: alert.id.into(),
            about: About::Alert(telling.about.clone()),
            whom: telling.whom.into(),
            person: telling.person,
            person_code: row.code.clone(),
            person_name: row.name.clone(),
            channel: channel.clone(),
            owed_ms: draft.now_ms,
            state: if waits { DeliveryState::Waiting } else { DeliveryState::Owed },
            attempts: Vec::new(),
            attempt_count: 0,
            read_ms: None,
            turn,
        });
    }
    !row.channels.is_empty()
}

fn is_in_turn(alert: &Alert, person: PersonId, draft: &Draft<'_>) -> bool {
    let asks = draft.roster.person(person).is_some_and(|row| row.contact == Contact::InTurn);
    asks || alert.terms.in_turn
}

fn id_of(alert: &Alert, step: &str, channel: &str) -> DeliveryId {
    DeliveryId::from(format!("{}.{}.{step}.{channel}", alert.id, alert.ring).as_str())
}
