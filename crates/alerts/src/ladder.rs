//! The ladder of a ring: whom it tells, when, and when again.
//!
//! | what happens | who did it | others who were told | steps and turns that wait |
//! |---|---|---|---|
//! | nobody acknowledges | | told again every `repeat_s`, `repeats` times at most | told at their time |
//! | acknowledged | told no more while it lasts (`acknowledged_for_s`), then again | told again as before | stand still while it lasts |
//! | arrived | told no more in this ring | told again as before | stand still until the deadline of verification (where there is none, for this ring), at least while an acknowledgement would last |
//! | at work | told no more in this ring | told again as before | stand still until the deadline of the work (where there is none, for this ring), at least while an acknowledgement would last |
//! | verified as real | told no more in this ring | told again as before | told at once (`real_tells_all`), else stand still while an acknowledgement lasts |
//! | verified as false or test | told no more | told no more | told no more |
//! | restored | told no more, unless a fire | told no more, unless a fire | told no more, unless a fire |
//! | shelved, out of service | told no more; it rings again after that | the same | the same |
//! | closed | told no more; what is owed is withdrawn | the same | told no more |
//! | rings again | told anew | told anew | a new ladder, from the beginning |
//!
//! What stands still keeps its distance: a step that had 10 s to go is told 10 s after the acknowledgement has expired.
//! Every time is kept as the moment at which it comes if nothing else happens, so that a restart has nothing to work out.
//! Repeats have a clock of their own for each person. Deadlines ([`crate::deadlines`]) are not held by anything.

use model::alert::{Call, Mark, Rung, Stage};
use model::roster::Post;
use model::{Action, Alert, AlertState, Command, Family, FeedKind, PersonId, Roster, Verdict};

use crate::deadlines;
use crate::deliveries::Owed;
use crate::hold;
use crate::people::{self, Asked};
use crate::policy::{Limits, Policy};
use crate::tell::{self, Telling};
use crate::turn::Draft;

/// Which of the steps that wait are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those whose time has come.
    Due,
    /// All of them.
    Everybody,
}

/// Gives an alert that begins to ring the ladder, deadlines and terms of its family and colour, at this hour, in its grid.
/// The alert keeps this copy: a policy that changes later changes later rings.
pub(crate) fn set(alert: &mut Alert, policy: &Policy, draft: &Draft<'_>) {
    let now_ms = draft.now_ms;
    alert.rang_ms = now_ms;
    alert.held_until_ms = 0;
    alert.ladder.clear();
    alert.calls.clear();
    alert.deadlines.clear();
    let (family, when) = policy.at(alert.family(), alert.grid, now_ms, draft.roster.utc_offset());
    alert.terms = family.terms(alert.colour, when.into());
    if alert.exercise && alert.drill.is_none() {
        return;
    }
    for step in family.ladder.of(alert.colour) {
        let due_ms = now_ms + u64::from(step.after_s) * 1000;
        for post in &step.tell {
            alert.ladder.push(Rung {
                whom: post.word().into(),
                due_ms,
                told_ms: None,
                people: Vec::new(),
                in_turn_ms: u64::from(step.in_turn_s) * 1000,
                reached: 0,
                next_ms: None,
            });
        }
    }
    deadlines::set(alert, &family.deadlines);
}

/// Whether nobody is told of the present ring any more. A fire goes on when it is restored: its detectors may have burnt.
pub(crate) fn is_over(alert: &Alert) -> bool {
    let is_nothing = matches!(alert.verdict, Some((Verdict::False | Verdict::Test, _)));
    is_nothing
        || match alert.state {
            AlertState::Closed | AlertState::Shelved | AlertState::OutOfService => true,
            AlertState::Restored | AlertState::RestoredUnacknowledged => alert.family() != Family::Fire,
            AlertState::Raised
            | AlertState::Acknowledged
            | AlertState::Arrived
            | AlertState::Verified
            | AlertState::InWork
            | AlertState::Checked => false,
        }
}

/// Whether steps and turns stand still for the rest of the ring: somebody is there, or at work, and there is no deadline at
/// which the ladder would ask what came of it.
fn stands(alert: &Alert) -> bool {
    let is_there = alert.arrived.iter().any(|mark| mark.at_ms > alert.rang_ms);
    let is_worked_on = alert.work.iter().any(|work| work.ring == alert.ring);
    let has = |stage| deadlines::by_ms(alert, stage).is_some();
    is_there && !has(Stage::Verify) || is_worked_on && !has(Stage::Work)
}

/// When a tick has something to tell next: a step, a turn, somebody again, or a superior.
pub(crate) fn next_due(alert: &Alert) -> Option<u64> {
    let overdue = deadlines::next_due(alert);
    if is_over(alert) {
        return overdue;
    }
    let goes_on = !stands(alert);
    let rungs = || alert.ladder.iter().filter(|rung| goes_on && !hold::waits(alert, &rung.whom));
    let step = rungs().find(|rung| rung.told_ms.is_none()).map(|rung| rung.due_ms);
    let turn = rungs().filter_map(|rung| rung.next_ms).min();
    let again = alert.calls.iter().filter(|call| !waits(alert, call)).filter_map(|call| call.next_ms).min();
    [step, turn, again, overdue].into_iter().flatten().min()
}

/// Whether somebody is not told again for now, because of what holds the alert.
fn waits(alert: &Alert, call: &Call) -> bool {
    let whom = alert.ladder.get(usize::from(call.rung)).map_or("", |rung| &*rung.whom);
    hold::waits(alert, whom)
}

/// Tells whatever is due.
pub(crate) fn tick(alert: &mut Alert, owed: &Owed, limits: Limits, draft: &mut Draft<'_>) {
    if !is_over(alert) {
        if !stands(alert) {
            climb(alert, Reach::Due, limits, draft);
        }
        call_again(alert, owed, draft);
    }
    deadlines::tick(alert, limits, draft);
}

/// Tells the steps that are due, and the next of those who are told in turn: writes their deliveries down as owed. A step
/// that finds nobody passes its turn to the next one. Steps that were not due when the ring began are told on the feed,
/// too. What rings while its fire is known to be real tells all at once.
pub(crate) fn climb(alert: &mut Alert, reach: Reach, limits: Limits, draft: &mut Draft<'_>) {
    let is_real = matches!(alert.verdict, Some((Verdict::Real, _))) && alert.terms.real_tells_all;
    let reach = if is_real { Reach::Everybody } else { reach };
    hold::look(alert, draft);
    let mut in_place_of_none = false;
    for at in 0..alert.ladder.len() {
        let rung = &alert.ladder[at];
        if reach == Reach::Due && hold::waits(alert, &rung.whom) {
            continue;
        }
        if rung.told_ms.is_some() {
            take_turns(alert, at, reach, draft);
            continue;
        }
        if rung.due_ms > draft.now_ms && reach == Reach::Due && !in_place_of_none {
            break;
        }
        in_place_of_none = !tell_rung(alert, at, reach, limits, draft);
    }
}

/// For what people are looked up on the roster, now.
pub(crate) fn asked<'a>(alert: &Alert, limits: Limits, draft: &Draft<'a>) -> Asked<'a> {
    let unit = alert.id.unit;
    Asked {
        roster: draft.roster,
        unit,
        grid: draft.roster.unit(unit).map_or(alert.grid, |unit| unit.grid),
        now_ms: draft.now_ms,
        stations_max: limits.micro_stations.into(),
        urgent: people::is_urgent(alert.family(), alert.colour),
    }
}

/// Whether the step reached anybody (now or by a step before).
fn tell_rung(alert: &mut Alert, at: usize, reach: Reach, limits: Limits, draft: &mut Draft<'_>) -> bool {
    let whom = alert.ladder[at].whom.clone();
    let asked = asked(alert, limits, draft);
    let named = Post::from_word(&whom).map_or_else(Vec::new, |post| people::named(&asked, post));
    let not_themselves = people::words(&named, draft.roster);
    let mut named: Vec<PersonId> = named.into_iter().map(|named| named.person).collect();
    let left_out = named.len().saturating_sub(limits.people_per_step.into());
    named.truncate(limits.people_per_step.into());

    let later = alert.ladder[at].due_ms > alert.rang_ms;
    let rung = &mut alert.ladder[at];
    // turns begin at the step's time, also when the tick comes late
    let from_ms = if reach == Reach::Due { rung.due_ms.min(draft.now_ms) } else { draft.now_ms };
    rung.told_ms = Some(draft.now_ms);
    rung.people = named;
    let people = rung.people.len();
    let reached = if rung.in_turn_ms > 0 && reach == Reach::Due {
        rung.next_ms = Some(from_ms);
        take_turns(alert, at, reach, draft)
    } else {
        rung.reached = u16::try_from(people).unwrap_or(u16::MAX);
        (0..people).filter(|&place| tell_first(alert, at, place, draft) != First::Unreachable).count()
    };
    let waits = people - usize::from(alert.ladder[at].reached);
    let note = match (reached, people) {
        (0, 0) => {
            Some(format!("nobody on {} for {whom}: the next step is told at once", people::missing(&asked, &whom)))
        }
        (0, _) => Some(format!("nobody of {whom} has a channel: the next step is told at once")),
        _ if waits > 0 => Some(format!("{whom}: {reached} told, {waits} more in their turn")),
        _ if left_out > 0 => Some(format!("{whom}: {reached} told, {left_out} more than the policy's limit")),
        _ if later || not_themselves.is_some() => Some(format!("{whom}: {reached} told")),
        _ => None,
    };
    let note = note.map(|note| not_themselves.iter().fold(note, |note, words| format!("{note} ({words})")));
    if let Some(note) = note {
        draft.record(alert, FeedKind::AlertEscalated, "desk", Some(note.into()));
    }
    if later && reached > 0 {
        draft.tell(FeedKind::AlertEscalated, alert, Some(whom));
    }
    reached > 0
}

/// What became of telling somebody for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Told,
    /// By a step before, or because they have answered.
    Knows,
    Unreachable,
}

/// Tells those of a step whose turn has come, one a turn; how many know of it by now. Whom nothing reaches, and who knows
/// already, passes the turn on at once.
fn take_turns(alert: &mut Alert, at: usize, reach: Reach, draft: &mut Draft<'_>) -> usize {
    let mut know = 0;
    while let Some(next_ms) = alert.ladder[at].next_ms {
        if next_ms > draft.now_ms && reach == Reach::Due {
            break;
        }
        let rung = &mut alert.ladder[at];
        let place = usize::from(rung.reached);
        if place >= rung.people.len() {
            rung.next_ms = None;
            break;
        }
        rung.reached += 1;
        let first = tell_first(alert, at, place, draft);
        know += usize::from(first != First::Unreachable);
        if first == First::Told {
            alert.ladder[at].next_ms = Some(next_ms + alert.ladder[at].in_turn_ms);
        }
        let rung = &mut alert.ladder[at];
        if usize::from(rung.reached) >= rung.people.len() {
            rung.next_ms = None;
        }
    }
    know
}

/// Tells one person of a step for the first time.
fn tell_first(alert: &mut Alert, rung: usize, place: usize, draft: &mut Draft<'_>) -> First {
    let person = alert.ladder[rung].people[place];
    if alert.calls.iter().any(|call| call.person == person) {
        return First::Knows;
    }
    if hold::knows(alert, &alert.ladder[rung].whom, person, draft) {
        return First::Knows;
    }
    let mut call = Call { person, rung: u8::try_from(rung).unwrap_or(u8::MAX), told: 0, next_ms: None };
    let until_ms = answered_until(alert, person, draft.roster);
    if until_ms > draft.now_ms {
        // told when their acknowledgement expires, unless they arrive before
        call.next_ms = (until_ms < u64::MAX).then_some(until_ms);
        alert.calls.push(call);
        return First::Knows;
    }
    let whom = alert.ladder[rung].whom.clone();
    let telling = Telling { step: rung_step(&call), whom: &whom, person, about: alert.summary() };
    if !tell::owe(alert, &telling, draft) {
        return First::Unreachable;
    }
    call.told = 1;
    if alert.terms.repeats > 0 {
        call.next_ms = Some(draft.now_ms + alert.terms.repeat_ms);
    }
    alert.calls.push(call);
    First::Told
}

/// Tells those again who have not answered. Late ticks make up for no more than one telling.
fn call_again(alert: &mut Alert, owed: &Owed, draft: &mut Draft<'_>) {
    for at in 0..alert.calls.len() {
        let call = alert.calls[at].clone();
        let due_ms = call.next_ms.filter(|next_ms| *next_ms <= draft.now_ms && !waits(alert, &call));
        let Some(due_ms) = due_ms else { continue };
        let whom = alert.ladder.get(usize::from(call.rung)).map_or_else(|| "".into(), |rung| rung.whom.clone());
        let telling = Telling { step: rung_step(&call), whom: &whom, person: call.person, about: alert.summary() };
        let before: Vec<Box<str>> = (0..call.told).map(|told| rung_step(&Call { told, ..call.clone() })).collect();
        tell::owe_again(alert, &telling, &before, owed, draft);
        let call = &mut alert.calls[at];
        call.told += 1;
        let in_time_ms = due_ms + alert.terms.repeat_ms;
        let next_ms = if in_time_ms > draft.now_ms { in_time_ms } else { draft.now_ms + alert.terms.repeat_ms };
        call.next_ms = (call.told <= alert.terms.repeats).then_some(next_ms);
    }
}

/// The part of a delivery's id that names who is told by which step, and for the how-manieth time: `2.17`, `2.17r1`.
fn rung_step(call: &Call) -> Box<str> {
    let (rung, person) = (call.rung, call.person.0);
    if call.told == 0 { format!("{rung}.{person}") } else { format!("{rung}.{person}r{}", call.told) }.into()
}

/// Whether an act says that its person has the alert before them.
pub(crate) fn is_answer(action: Action) -> bool {
    matches!(action, Action::Acknowledge | Action::Arrive | Action::Verify(..) | Action::BeginWork)
}

/// What a person's answer does to the ladder. Call it when their act was taken in.
pub(crate) fn answered(alert: &mut Alert, command: &Command, draft: &mut Draft<'_>) {
    let lasts_ms = draft.now_ms + alert.terms.acknowledged_for_ms;
    let (hold_ms, own_ms) = match command.action {
        Action::Acknowledge => (lasts_ms, Some(lasts_ms)),
        Action::Arrive => (lasts_ms.max(deadlines::by_ms(alert, Stage::Verify).unwrap_or(0)), None),
        Action::BeginWork => (lasts_ms.max(deadlines::by_ms(alert, Stage::Work).unwrap_or(0)), None),
        Action::Verify(..) => (lasts_ms, None),
        _ => return,
    };
    hold(alert, hold_ms, draft.now_ms);
    for call in alert.calls.iter_mut().filter(|call| is_called(draft.roster, call.person, &command.person)) {
        call.next_ms = call.next_ms.zip(own_ms).map(|(next_ms, own_ms)| next_ms.max(own_ms));
    }
}

/// Moves everything that waits by as long as it is held longer than before. What no tick has told yet though its time has
/// come has nothing to go: it comes when the hold is over.
fn hold(alert: &mut Alert, until_ms: u64, now_ms: u64) {
    let from_ms = alert.held_until_ms.max(now_ms);
    if until_ms <= from_ms {
        return;
    }
    alert.held_until_ms = until_ms;
    let held = |due_ms: u64| due_ms.max(from_ms) + (until_ms - from_ms);
    for rung in &mut alert.ladder {
        if rung.told_ms.is_none() {
            rung.due_ms = held(rung.due_ms);
        }
        rung.next_ms = rung.next_ms.map(held);
    }
}

/// Until when a person need not be told, by their own acts on this ring: 0 for who did nothing, [`u64::MAX`] for who is there.
/// Acts before the ring do not count: commands come before what rings in one commit.
fn answered_until(alert: &Alert, person: PersonId, roster: &Roster) -> u64 {
    let is_own = |mark: &&Mark| mark.at_ms > alert.rang_ms && is_called(roster, person, &mark.person);
    let verified = alert.verdict.as_ref().map(|(_, mark)| mark);
    if alert.arrived.iter().chain(verified).any(|mark| is_own(&mark)) {
        return u64::MAX;
    }
    let lasts = alert.acknowledged.iter().filter(is_own).map(|mark| mark.until_ms.unwrap_or(u64::MAX));
    lasts.max().unwrap_or(0)
}

/// Whether a person's acknowledgement of this ring still lasts at `now_ms`.
pub(crate) fn lasts(mark: &Mark, now_ms: u64) -> bool {
    mark.until_ms.is_none_or(|until_ms| until_ms > now_ms)
}

fn is_called(roster: &Roster, person: PersonId, code: &str) -> bool {
    roster.person(person).is_some_and(|row| *row.code == *code)
}
