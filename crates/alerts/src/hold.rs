//! Which ladders wait, and why: silences, inhibition, incidents.
//!
//! What holds an alert is looked at whenever its ladder is about to be climbed ([`look`]), and at the end of each commit for
//! what changed in it ([`Holds::asked`], [`settle`]). It follows from the open alerts, the roster in force and the desk's
//! records alone, so that it is the same after a restart.
//!
//! Never held: a fire, anything red, what a person found to be real.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::alert::Verdict;
use model::finding::Words;
use model::{
    Alert, AlertId, AlertState, Colour, Epoch, Family, FeedKind, Held, HeldBy, KeptKind, Ledger, RegionCode, Roster,
    StoreError, UnitId,
};
use rustc_hash::FxHashMap;

use crate::deliveries::Owed;
use crate::flood::FloodWatch;
use crate::inhibit::{self, Place};
use crate::ladder;
use crate::policy::{Policy, StormsPolicy};
use crate::silence::Silences;
use crate::storm::{self, Storms};
use crate::turn::Draft;

/// Everything that holds ladders.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    pub policy: Arc<StormsPolicy>,
    /// Of the roster that the tables follow from; `None`: they are to be made.
    roster: Option<Epoch>,
    pub silences: Silences,
    pub storms: Storms,
    pub flood: FloodWatch,
    notes: FxHashMap<AlertId, Note>,
    causes: FxHashMap<(usize, Place), BTreeSet<AlertId>>,
    held_by: FxHashMap<HeldBy, BTreeSet<AlertId>>,
    relook: BTreeSet<(UnitId, Family)>,
    relook_all: bool,
}

/// What the tables say of an open alert.
#[derive(Debug, Default)]
struct Note {
    causes: Vec<(usize, Place)>,
    held: Option<HeldBy>,
}

impl Holds {
    pub fn restore(policy: &Policy, ledger: &dyn Ledger) -> Result<Holds, StoreError> {
        Ok(Holds {
            policy: Arc::new(policy.storms.clone()),
            silences: Silences::restore(ledger)?,
            storms: Storms::restore(ledger)?,
            flood: FloodWatch::restore(ledger)?,
            ..Holds::default()
        })
    }

    /// Before a commit: makes the tables anew where the roster is another one.
    pub fn prepare<'a>(&mut self, open: impl Iterator<Item = &'a Alert>, roster: &Roster) {
        if self.roster != Some(roster.version()) {
            self.rebuild(open, roster);
        }
    }

    /// Another policy is in force.
    pub fn adopt<'a>(&mut self, policy: &Policy, open: impl Iterator<Item = &'a Alert>, roster: &Roster) {
        self.policy = Arc::new(policy.storms.clone());
        self.rebuild(open, roster);
        self.relook_all = true;
    }

    fn rebuild<'a>(&mut self, open: impl Iterator<Item = &'a Alert>, roster: &Roster) {
        let (relook, relook_all) = (std::mem::take(&mut self.relook), self.relook_all);
        self.roster = Some(roster.version());
        self.notes.clear();
        self.causes.clear();
        self.held_by.clear();
        self.storms.forget_alerts();
        for alert in open {
            // an alert that is known is no new one
            self.notes.insert(alert.id, Note::default());
            self.note(alert, roster, alert.rang_ms);
        }
        (self.relook, self.relook_all) = (relook, relook_all);
    }

    /// Takes in what an open alert has become.
    pub fn note(&mut self, alert: &Alert, roster: &Roster, now_ms: u64) {
        let before = self.notes.remove(&alert.id);
        if before.is_none() && !alert.exercise {
            self.flood.count(alert, now_ms, self.policy.flood);
        }
        let causes = inhibit::causes(&self.policy.inhibit, alert, roster);
        let before = before.unwrap_or_default();
        for cause in before.causes.iter().filter(|cause| !causes.contains(cause)) {
            self.cause_ended(alert.id, cause);
        }
        for cause in causes.iter().filter(|cause| !before.causes.contains(cause)) {
            self.causes.entry(cause.clone()).or_default().insert(alert.id);
            match &cause.1 {
                Place::Unit(unit) => self.relook.extend(Family::ALL.map(|family| (*unit, family))),
                Place::Region(_) | Place::Line(_) => self.relook_all = true,
            }
        }
        let held = alert.held.as_ref().map(|held| held.by);
        self.move_held(alert.id, before.held, held);
        self.storms.note(alert, roster);
        self.notes.insert(alert.id, Note { causes, held });
    }

    /// An alert was closed.
    pub fn forget(&mut self, alert: &Alert) {
        if let Some(note) = self.notes.remove(&alert.id) {
            for cause in &note.causes {
                self.cause_ended(alert.id, cause);
            }
            self.move_held(alert.id, note.held, None);
        }
        self.storms.forget(alert);
    }

    fn cause_ended(&mut self, id: AlertId, cause: &(usize, Place)) {
        if let Some(alerts) = self.causes.get_mut(cause) {
            alerts.remove(&id);
            if alerts.is_empty() {
                self.causes.remove(cause);
            }
        }
        self.relook_held(HeldBy::Alert(id));
    }

    fn move_held(&mut self, id: AlertId, before: Option<HeldBy>, held: Option<HeldBy>) {
        if before == held {
            return;
        }
        if let Some(before) = before
            && let Some(alerts) = self.held_by.get_mut(&before)
        {
            alerts.remove(&id);
            if alerts.is_empty() {
                self.held_by.remove(&before);
            }
        }
        if let Some(held) = held {
            self.held_by.entry(held).or_default().insert(id);
        }
    }

    /// What `by` holds is to be looked at again.
    pub fn relook_held(&mut self, by: HeldBy) {
        let held = self.held_by.get(&by).into_iter().flatten();
        self.relook.extend(held.map(|id| (id.unit, id.family)));
    }

    /// Alerts in a place are to be looked at again.
    pub fn relook_unit(&mut self, unit: UnitId, family: Family) {
        self.relook.insert((unit, family));
    }

    /// All open alerts are to be looked at again.
    pub fn relook_all(&mut self) {
        self.relook_all = true;
    }

    /// Alerts that are to be looked at; `None`: all that are open.
    pub fn asked(&mut self) -> Option<BTreeSet<(UnitId, Family)>> {
        let asked = std::mem::take(&mut self.relook);
        (!std::mem::take(&mut self.relook_all)).then_some(asked)
    }

    /// What holds an alert at that moment.
    pub fn holder(&self, alert: &Alert, now_ms: u64, roster: &Roster) -> Option<HeldBy> {
        if !may_wait(alert) {
            return None;
        }
        if let Some(silence) = self.silences.holder(alert, now_ms) {
            return Some(HeldBy::Silence(silence));
        }
        for (at, rule) in self.policy.inhibit.iter().enumerate().filter(|(_, rule)| inhibit::is_effect(rule, alert)) {
            for place in inhibit::places(rule.scope, alert, roster) {
                let causes = self.causes.get(&(at, place)).into_iter().flatten();
                if let Some(&cause) = causes.into_iter().find(|cause| **cause != alert.id) {
                    return Some(HeldBy::Alert(cause));
                }
            }
        }
        self.storms.holder(alert).map(HeldBy::Storm)
    }

    fn held(&self, by: HeldBy, now_ms: u64) -> Held {
        let (until_ms, words) = match by {
            HeldBy::Silence(id) => self.silences.words(id),
            HeldBy::Alert(id) => {
                (None, both(format!("因 {id} 未结束，暂不通知"), format!("waits while {id} explains it")))
            }
            HeldBy::Storm(id) => (
                None,
                both(format!("属于事件 {id}，只通知业主"), format!("part of incident {id}: only its owner is told")),
            ),
        };
        Held { by, since_ms: now_ms, until_ms, words }
    }
}

fn both(zh: String, en: String) -> Words {
    Words { zh: zh.into(), en: en.into() }
}

/// Whether an alert's ladder may wait at all.
pub(crate) fn may_wait(alert: &Alert) -> bool {
    let is_real = matches!(alert.verdict, Some((Verdict::Real, _)));
    alert.family() != Family::Fire && alert.colour != Colour::Red && !alert.exercise && !is_real
}

/// Whether a step waits because of what holds the alert.
pub(crate) fn waits(alert: &Alert, whom: &str) -> bool {
    match alert.held.as_ref().map(|held| held.by) {
        None => false,
        Some(HeldBy::Silence(_) | HeldBy::Alert(_)) => true,
        Some(HeldBy::Storm(_)) => whom != "owner",
    }
}

/// Looks at what holds an alert whose ladder is about to be climbed; it may begin or join an incident by this.
pub(crate) fn look(alert: &mut Alert, draft: &mut Draft<'_>) {
    if alert.exercise {
        return;
    }
    let mut holds = std::mem::take(&mut draft.holds);
    holds.note(alert, draft.roster, draft.now_ms);
    storm::gather(&mut holds, alert, draft);
    let by = holds.holder(alert, draft.now_ms, draft.roster);
    mark(&mut holds, alert, by, draft);
    draft.holds = holds;
}

/// Whether [`settle`] would change nothing.
pub(crate) fn is_settled(alert: &Alert, draft: &mut Draft<'_>) -> bool {
    // what the tables say may follow from an incident that is over
    draft.holds.note(alert, draft.roster, draft.now_ms);
    let by = draft.holds.holder(alert, draft.now_ms, draft.roster);
    let joined = draft.holds.storms.joined(alert.id).is_some_and(|id| alert.storm != Some(id));
    !joined && alert.held.as_ref().map(|held| held.by) == by
}

/// Looks at what holds an open alert at the end of a commit. One that waits no more, still holds and was received by nobody
/// rings: its ladder begins anew, once. Whether anything changed.
pub(crate) fn settle(alert: &mut Alert, policy: &Policy, owed: &Owed, draft: &mut Draft<'_>) -> bool {
    let joined = storm::enter_if_joined(alert, draft);
    let mut holds = std::mem::take(&mut draft.holds);
    holds.note(alert, draft.roster, draft.now_ms);
    let by = holds.holder(alert, draft.now_ms, draft.roster);
    let before = alert.held.as_ref().map(|held| held.by);
    mark(&mut holds, alert, by, draft);
    draft.holds = holds;
    if before == by {
        return joined;
    }
    let was_silent = matches!(before, Some(HeldBy::Silence(_) | HeldBy::Alert(_)));
    let is_unanswered = alert.state == AlertState::Raised && alert.acknowledged.is_empty();
    if by.is_none_or(|by| matches!(by, HeldBy::Storm(_))) && was_silent && is_unanswered && !alert.conditions.is_empty()
    {
        alert.ring = alert.ring.saturating_add(1);
        let note = format!("ring {}, {}: it waits no more", alert.ring, alert.colour.word());
        draft.record(alert, FeedKind::AlertRangAgain, "desk", Some(note.into()));
        ladder::set(alert, policy, draft);
        draft.tell(FeedKind::AlertRangAgain, alert, None);
    }
    if ladder::next_due(alert).is_some_and(|due_ms| due_ms <= draft.now_ms) {
        ladder::tick(alert, owed, policy.limits, draft);
    }
    true
}

/// Writes down what holds an alert, where that is new.
fn mark(holds: &mut Holds, alert: &mut Alert, by: Option<HeldBy>, draft: &mut Draft<'_>) {
    let before = alert.held.as_ref().map(|held| held.by);
    if before == by {
        return;
    }
    alert.held = by.map(|by| holds.held(by, draft.now_ms));
    let (kind, note) = match &alert.held {
        Some(held) => {
            let until = held.until_ms.map_or_else(String::new, |until_ms| format!(" until {}", utc(until_ms)));
            (FeedKind::AlertHeld, Some(format!("{}{until}", held.words.en).into()))
        }
        None => (FeedKind::AlertReleased, None),
    };
    if let Some(HeldBy::Silence(id)) = by {
        holds.silences.count(id);
    }
    draft.record(alert, kind, "desk", note);
    draft.tell(kind, alert, None);
    holds.note(alert, draft.roster, draft.now_ms);
}

/// Whether somebody was told of the alert's incident, so that this step needs no message of its own.
pub(crate) fn knows(alert: &Alert, whom: &str, person: model::PersonId, draft: &Draft<'_>) -> bool {
    matches!(whom, "village_chief" | "township_chief" | "commander") && draft.holds.storms.knows(alert, person)
}

/// The end of a commit, before alerts are looked at: silences and incidents that are over.
pub(crate) fn tick(draft: &mut Draft<'_>) {
    crate::silence::tick(draft);
    storm::finish(draft);
}

/// The end of a commit: tells what there is to tell of incidents and floods, and writes down what changed.
pub(crate) fn keep(ticked: bool, draft: &mut Draft<'_>) {
    storm::tell::news(ticked, draft);
    let mut holds = std::mem::take(&mut draft.holds);
    holds.flood.turn(holds.policy.flood, draft);
    holds.silences.keep(draft);
    holds.storms.keep(draft);
    holds.flood.keep(draft);
    draft.holds = holds;
}

/// Adds a record of the desk.
pub(crate) fn put<T: serde::Serialize>(kind: KeptKind, key: Box<[u8]>, value: Option<&T>, draft: &mut Draft<'_>) {
    let value = value.map(|value| model::wire::encode(value).into());
    draft.kept.push(model::Kept { kind, key, value });
}

/// Reads a record of the desk.
pub(crate) fn read<T: serde::de::DeserializeOwned>(doing: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    model::wire::decode(bytes).map_err(|error| StoreError::Damaged { doing, reason: error.to_string() })
}

/// A moment in words: `2026-01-01 08:00 UTC`.
pub(crate) fn utc(at_ms: u64) -> String {
    let (days, minutes) = (at_ms / 86_400_000, at_ms / 60_000 % 1440);
    // the civil calendar in eras of 400 years that begin with March
    let from_march = days + 719_468;
    let (era, day_of_era) = (from_march / 146_097, from_march % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// The region of the city, for what is about everything.
pub(crate) fn city(region: RegionCode) -> RegionCode {
    region.at(model::Level::City).unwrap_or(region)
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn moments_are_written_in_the_civil_calendar() {
        for (at_ms, expected) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399_999, "2000-02-28 23:59 UTC"),
            (951_782_400_000, "2000-02-29 00:00 UTC"),
            (1_767_225_600_000, "2026-01-01 00:00 UTC"),
            (1_798_761_599_000, "2026-12-31 23:59 UTC"),
        ] {
            assert_eq!(utc(at_ms), expected);
        }
    }
}
