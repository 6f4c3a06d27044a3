//! The ladder of a ring: whom it tells, and when.

use model::alert::Rung;
use model::roster::Post;
use model::{About, Alert, AlertState, Delivery, DeliveryId, DeliveryState, Family, FeedKind, PersonId};

use crate::people::{self, Asked};
use crate::policy::{Limits, Policy};
use crate::turn::Draft;

/// Which of the steps that wait are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those whose time has come.
    Due,
    /// All of them.
    Everybody,
}

/// Gives an alert that begins to ring the ladder of its colour. The alert keeps this copy: a policy that changes later
/// changes later rings.
pub(crate) fn set(alert: &mut Alert, policy: &Policy, now_ms: u64) {
    alert.rang_ms = now_ms;
    alert.ladder.clear();
    if alert.exercise && alert.drill.is_none() {
        return;
    }
    for step in policy.of(alert.family()).ladder.of(alert.colour) {
        let due_ms = now_ms + u64::from(step.after_s) * 1000;
        for post in &step.tell {
            alert.ladder.push(Rung { whom: post.word().into(), due_ms, told_ms: None, people: Vec::new() });
        }
    }
}

/// When the next step is to be told; `None` when none waits. Nothing waits once anybody has acknowledged the ring, nor
/// for a warning or fault that is over. A fire goes on: its detectors may have burnt.
pub(crate) fn next_due(alert: &Alert) -> Option<u64> {
    let over = match alert.state {
        AlertState::Closed | AlertState::Shelved | AlertState::OutOfService => true,
        AlertState::Restored | AlertState::RestoredUnacknowledged => alert.family() != Family::Fire,
        AlertState::Raised
        | AlertState::Acknowledged
        | AlertState::Arrived
        | AlertState::Verified
        | AlertState::InWork
        | AlertState::Checked => false,
    };
    if over || !alert.acknowledged.is_empty() {
        return None;
    }
    alert.ladder.iter().find(|rung| rung.told_ms.is_none()).map(|rung| rung.due_ms)
}

/// Tells the steps that are due: writes their deliveries down as owed. A step that finds nobody passes its turn to the
/// next one. Steps that were not due when the ring began are told on the feed, too.
pub(crate) fn climb(alert: &mut Alert, reach: Reach, limits: Limits, draft: &mut Draft<'_>) {
    let mut in_place_of_none = false;
    for at in 0..alert.ladder.len() {
        let rung = &alert.ladder[at];
        if rung.told_ms.is_some() {
            continue;
        }
        if rung.due_ms > draft.now_ms && reach == Reach::Due && !in_place_of_none {
            break;
        }
        in_place_of_none = !tell_rung(alert, at, limits, draft);
    }
}

/// Whether the step reached anybody (now or by a step before).
fn tell_rung(alert: &mut Alert, at: usize, limits: Limits, draft: &mut Draft<'_>) -> bool {
    let whom = alert.ladder[at].whom.clone();
    let unit = alert.id.unit;
    let grid = draft.roster.unit(unit).map_or(alert.grid, |unit| unit.grid);
    let asked = Asked {
        roster: draft.roster,
        unit,
        grid,
        now_ms: draft.now_ms,
        stations_max: limits.micro_stations.into(),
        urgent: people::is_urgent(alert.family(), alert.colour),
    };
    let named = Post::from_word(&whom).map_or_else(Vec::new, |post| people::named(&asked, post));
    let not_themselves = people::words(&named, draft.roster);
    let mut named: Vec<PersonId> = named.into_iter().map(|named| named.person).collect();
    let left_out = named.len().saturating_sub(limits.people_per_step.into());
    named.truncate(limits.people_per_step.into());

    let mut reached = 0;
    for &person in &named {
        let already = alert.ladder.iter().any(|rung| rung.told_ms.is_some() && rung.people.contains(&person));
        if already || owe(alert, at, person, draft) {
            reached += 1;
        }
    }
    let later = alert.ladder[at].due_ms > alert.rang_ms;
    let note = match (reached, named.len()) {
        (0, 0) => {
            Some(format!("nobody on {} for {whom}: the next step is told at once", people::missing(&asked, &whom)))
        }
        (0, _) => Some(format!("nobody of {whom} has a channel: the next step is told at once")),
        _ if left_out > 0 => Some(format!("{whom}: {reached} told, {left_out} more than the policy's limit")),
        _ if later || not_themselves.is_some() => Some(format!("{whom}: {reached} told")),
        _ => None,
    };
    let note = note.map(|note| not_themselves.iter().fold(note, |note, words| format!("{note} ({words})")));
    let rung = &mut alert.ladder[at];
    rung.told_ms = Some(draft.now_ms);
    rung.people = named;
    if let Some(note) = note {
        draft.record(alert, FeedKind::AlertEscalated, "desk", Some(note.into()));
    }
    if later && reached > 0 {
        draft.tell(FeedKind::AlertEscalated, alert, Some(whom));
    }
    reached > 0
}

/// Owes a person the alert, once in each of their channels; whether they have any.
fn owe(alert: &Alert, rung: usize, person: PersonId, draft: &mut Draft<'_>) -> bool {
    let roster = draft.roster;
    let Some(row) = roster.person(person) else { return false };
    let whom = &alert.ladder[rung].whom;
    for (at, channel) in row.channels.iter().enumerate() {
        if row.channels[..at].contains(channel) {
            continue;
        }
        let id = format!("{}.{}.{rung}.{}.{channel}", alert.id, alert.ring, person.0);
        draft.owe(Delivery {
            id: DeliveryId::from(id.as_str()),
            matter: alert.id.into(),
            about: About::Alert(alert.summary()),
            whom: whom.clone(),
            person,
            person_code: row.code.clone(),
            person_name: row.name.clone(),
            channel: channel.clone(),
            owed_ms: draft.now_ms,
            state: DeliveryState::Owed,
            attempts: Vec::new(),
            attempt_count: 0,
            read_ms: None,
        });
    }
    !row.channels.is_empty()
}
