//! Incidents: many alerts of one cause and place are told as one.
//!
//! - *Building*: fires of several units at one address that rang within some minutes. The chiefs (village, township, city)
//!   are told of the incident: when it begins, each time it has doubled, and when a person finds one of its fires to be
//!   real. A step of a member's ladder that names a chief who was told of the incident sends that person nothing more; it
//!   tells anybody else. Owners, grid workers and micro stations are told of each fire as ever.
//! - *Area*: warnings or faults of one rule in many units of a village or township, as a power cut makes them. Its chiefs
//!   are told once, and again each hour; of its members' ladders the owner's step goes on and the others wait until the
//!   incident is over. Whatever is red is no part of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::alert::Verdict;
use model::hold::{StormKind, key};
use model::{
    Alert, AlertId, AlertState, Family, FeedKind, HeldBy, KeptKind, Ledger, Level, OrderId, PersonId, RegionCode,
    Roster, StoreError, Storm,
};
use rustc_hash::FxHashMap;

use crate::hold::{self, Holds, put};
use crate::turn::Draft;

pub(crate) mod tell;

/// Ended incidents that are kept.
const ENDED_KEPT: usize = 500;

/// Every incident that is open, and the alerts that may become one.
#[derive(Debug, Default)]
pub(crate) struct Storms {
    open: BTreeMap<OrderId, Open>,
    by_key: FxHashMap<Key, OrderId>,
    /// Alerts of no incident, by where they might be one, in the order in which they rang.
    recent: FxHashMap<Key, BTreeSet<(u64, AlertId)>>,
    notes: FxHashMap<AlertId, Note>,
    /// Alerts that joined in this commit and are not changed yet.
    joined: BTreeMap<AlertId, OrderId>,
    changed: BTreeSet<OrderId>,
    /// With their pages of members.
    ended: VecDeque<(OrderId, u32)>,
}

#[derive(Debug)]
struct Open {
    storm: Storm,
    /// The page of members that is not full.
    page: Vec<AlertId>,
    /// Members that count: a fire that was not found to be none, any other that is open.
    live: BTreeSet<AlertId>,
    /// It has to be told at the end of this commit.
    news: bool,
    is_new: bool,
}

/// What makes alerts one incident.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// Village and address.
    Building(RegionCode, Box<str>),
    /// Rule, family, and a village or township.
    Area(Box<str>, Family, RegionCode),
}

#[derive(Debug, Default)]
struct Note {
    rang_ms: u64,
    keys: Vec<Key>,
    /// The open incident that it counts for.
    storm: Option<OrderId>,
}

impl Storms {
    pub fn restore(ledger: &dyn Ledger) -> Result<Storms, StoreError> {
        let mut storms = Storms::default();
        let mut after: Box<[u8]> = key::STORMS.into();
        loop {
            let rows = ledger.kept(KeptKind::Storm, Some(&after), 256)?;
            let Some(last) = rows.last() else { break };
            after = last.0.clone().into();
            for (_, value) in rows.iter().take_while(|(key, _)| key.as_slice() < key::STORMS_END) {
                let storm: Storm = hold::read("reading incidents", value)?;
                if storm.ended_ms.is_some() {
                    storms.ended.push_back((storm.id, storm.pages()));
                    continue;
                }
                let page = if storm.members.is_multiple_of(Storm::PAGE) {
                    Vec::new()
                } else {
                    let stored = ledger.kept_one(KeptKind::Storm, &key::members(storm.id, storm.pages() - 1))?;
                    stored
                        .map(|bytes| hold::read("reading an incident's alerts", &bytes))
                        .transpose()?
                        .unwrap_or_default()
                };
                storms.by_key.insert(key_of(&storm), storm.id);
                let open = Open { storm, page, live: BTreeSet::new(), news: false, is_new: false };
                storms.open.insert(open.storm.id, open);
            }
            if &*after >= key::STORMS_END {
                break;
            }
        }
        // in the order in which they ended, which is that of nothing stored: by id is as good, and the same each time
        Ok(storms)
    }

    /// Forgets what it knows of alerts, to be told of all of them anew.
    pub fn forget_alerts(&mut self) {
        self.recent.clear();
        self.notes.clear();
        for open in self.open.values_mut() {
            open.live.clear();
        }
    }

    /// Takes in what an open alert has become.
    pub fn note(&mut self, alert: &Alert, roster: &Roster) {
        self.remove(alert.id);
        let storm = alert.storm.filter(|id| self.is_open(*id)).filter(|_| counts(alert));
        let mut keys = if counts(alert) { keys_of(alert, roster) } else { Vec::new() };
        if let Some(open) = storm.and_then(|id| self.open.get(&id)) {
            // a village's incident may become part of its township's
            keys.retain(|key| open.storm.kind == StormKind::Area && is_larger(key, &open.storm));
        }
        for key in &keys {
            self.recent.entry(key.clone()).or_default().insert((alert.rang_ms, alert.id));
        }
        if let Some(open) = storm.and_then(|id| self.open.get_mut(&id)) {
            open.live.insert(alert.id);
            let is_real = matches!(alert.verdict, Some((Verdict::Real, _)));
            if is_real && open.storm.kind == StormKind::Building && !open.storm.confirmed {
                open.storm.confirmed = true;
                open.news = true;
                self.changed.insert(open.storm.id);
            }
        }
        self.notes.insert(alert.id, Note { rang_ms: alert.rang_ms, keys, storm });
    }

    /// An alert was closed.
    pub fn forget(&mut self, alert: &Alert) {
        self.remove(alert.id);
    }

    fn remove(&mut self, id: AlertId) {
        let Some(note) = self.notes.remove(&id) else { return };
        for key in note.keys {
            if let Some(recent) = self.recent.get_mut(&key) {
                recent.remove(&(note.rang_ms, id));
                if recent.is_empty() {
                    self.recent.remove(&key);
                }
            }
        }
        if let Some(open) = note.storm.and_then(|storm| self.open.get_mut(&storm)) {
            open.live.remove(&id);
        }
    }

    fn is_open(&self, id: OrderId) -> bool {
        self.open.get(&id).is_some_and(|open| open.storm.ended_ms.is_none())
    }

    /// The area's incident that holds an alert.
    pub fn holder(&self, alert: &Alert) -> Option<OrderId> {
        let open = self.open.get(&alert.storm.filter(|id| self.is_open(*id))?)?;
        (open.storm.kind == StormKind::Area).then_some(open.storm.id)
    }

    /// Whether a person was told of the building that an alert is part of.
    pub fn knows(&self, alert: &Alert, person: PersonId) -> bool {
        let open = alert.storm.and_then(|id| self.open.get(&id));
        open.is_some_and(|open| open.storm.kind == StormKind::Building && open.storm.told.contains(&person))
    }

    /// The incident that an alert joined in this commit, unless it knows.
    pub fn joined(&self, alert: AlertId) -> Option<OrderId> {
        self.joined.get(&alert).copied()
    }

    fn join(&mut self, id: OrderId, alert: AlertId, village: RegionCode, colour: model::Colour, draft: &mut Draft<'_>) {
        let Some(open) = self.open.get_mut(&id) else { return };
        let storm = &mut open.storm;
        open.page.push(alert);
        storm.members += 1;
        storm.joined_ms = draft.now_ms;
        storm.colour = storm.colour.max(colour);
        match storm.villages.binary_search_by_key(&village, |(code, _)| *code) {
            Ok(at) => storm.villages[at].1 += 1,
            Err(at) => storm.villages.insert(at, (village, 1)),
        }
        if open.page.len() == Storm::PAGE as usize {
            let page = key::members(id, storm.members / Storm::PAGE - 1);
            put(KeptKind::Storm, page, Some(&std::mem::take(&mut open.page)), draft);
        }
        self.changed.insert(id);
    }

    /// Writes down what changed.
    pub fn keep(&mut self, draft: &mut Draft<'_>) {
        self.joined.clear();
        for id in std::mem::take(&mut self.changed) {
            let Some(open) = self.open.get_mut(&id) else { continue };
            open.is_new = false;
            if !open.page.is_empty() {
                let page = key::members(id, open.storm.pages() - 1);
                put(KeptKind::Storm, page, Some(&open.page), draft);
            }
            put(KeptKind::Storm, key::storm(id), Some(&open.storm), draft);
            if open.storm.ended_ms.is_some() {
                let ended = (id, open.storm.pages());
                let at = self.ended.partition_point(|known| known.0 < id);
                self.ended.insert(at, ended);
                self.open.remove(&id);
            }
        }
        while self.ended.len() > ENDED_KEPT {
            let Some((id, pages)) = self.ended.pop_front() else { break };
            for page in 0..pages {
                put::<Storm>(KeptKind::Storm, key::members(id, page), None, draft);
            }
            put::<Storm>(KeptKind::Storm, key::storm(id), None, draft);
        }
        metrics::gauge!("fenghuo_alerts_incidents").set(self.open.len() as f64);
    }
}

fn key_of(storm: &Storm) -> Key {
    match storm.kind {
        StormKind::Building => Key::Building(storm.region, storm.address.clone()),
        StormKind::Area => Key::Area(storm.rule.clone(), storm.family, storm.region),
    }
}

/// Whether an incident by this key would take that one in.
fn is_larger(key: &Key, storm: &Storm) -> bool {
    match key {
        Key::Area(rule, family, region) => {
            let is_same = *rule == storm.rule && *family == storm.family && storm.kind == StormKind::Area;
            is_same && *region != storm.region && region.contains(storm.region)
        }
        Key::Building(..) => false,
    }
}

/// Whether an open alert can be part of an incident.
fn counts(alert: &Alert) -> bool {
    let is_none = matches!(alert.verdict, Some((Verdict::False | Verdict::Test, _)));
    alert.state != AlertState::Closed
        && !alert.exercise
        && match alert.family() {
            Family::Fire => !is_none,
            Family::Warning | Family::Fault => hold::may_wait(alert) && !alert.conditions.is_empty(),
        }
}

/// Incidents that an alert could be part of: the largest last.
fn keys_of(alert: &Alert, roster: &Roster) -> Vec<Key> {
    let Some(village) = alert.grid.at(Level::Village) else { return Vec::new() };
    if alert.family() == Family::Fire {
        let address = roster.unit(alert.id.unit).map_or("", |unit| unit.address.trim());
        return if address.is_empty() { Vec::new() } else { vec![Key::Building(village, address.into())] };
    }
    let rule = alert.conditions.first().map_or("", |condition| &condition.rule);
    let regions = [Some(village), alert.grid.at(Level::Township)].into_iter().flatten();
    regions.map(|region| Key::Area(rule.into(), alert.family(), region)).collect()
}

/// Lets an alert that rings join the incident it is part of, or begin one with others.
pub(crate) fn gather(holds: &mut Holds, alert: &mut Alert, draft: &mut Draft<'_>) {
    let policy = holds.policy.storm;
    let storms = &mut holds.storms;
    if storms.joined.contains_key(&alert.id) || storms.notes.get(&alert.id).is_none_or(|note| note.storm.is_some()) {
        return;
    }
    let keys = storms.notes.get(&alert.id).map_or_else(Vec::new, |note| note.keys.clone());
    for key in keys.into_iter().rev() {
        let (least, window_s) = match &key {
            Key::Building(..) => (policy.building_units, policy.building_window_s),
            Key::Area(_, _, region) if region.level() == Level::Township => {
                (policy.township_alerts, policy.area_window_s)
            }
            Key::Area(..) => (policy.village_alerts, policy.area_window_s),
        };
        let id = match storms.by_key.get(&key) {
            Some(&id) => id,
            None => {
                let recent = storms.recent.entry(key.clone()).or_default();
                let from_ms = draft.now_ms.saturating_sub(u64::from(window_s) * 1000);
                while recent.first().is_some_and(|(rang_ms, _)| *rang_ms < from_ms) {
                    recent.pop_first();
                }
                if recent.len() < usize::from(least) {
                    continue;
                }
                begin(holds, &key, alert, draft)
            }
        };
        enter(holds, id, alert, draft);
        return;
    }
}

/// Begins an incident with all that rang lately; those of smaller incidents in it come along.
fn begin(holds: &mut Holds, key: &Key, alert: &Alert, draft: &mut Draft<'_>) -> OrderId {
    let storms = &mut holds.storms;
    let id = draft.next_order();
    let storm = tell::new_storm(id, key, alert, draft);
    draft.tell_place(FeedKind::StormBegan, storm.region, id.to_string().into());
    tracing::info!(epoch = draft.epoch, %id, kind = storm.kind.word(), region = %storm.region, "an incident begins");
    let open = Open { storm, page: Vec::new(), live: BTreeSet::new(), news: true, is_new: true };
    storms.open.insert(id, open);
    storms.by_key.insert(key.clone(), id);
    let mut told: Vec<PersonId> = Vec::new();
    let mut others: BTreeSet<AlertId> = storms.recent.remove(key).into_iter().flatten().map(|(_, id)| id).collect();
    for open in storms.open.values_mut().filter(|open| open.storm.ended_ms.is_none() && is_larger(key, &open.storm)) {
        open.storm.ended_ms = Some(draft.now_ms);
        open.storm.merged_into = Some(id);
        others.append(&mut open.live);
        told.extend(open.storm.told.iter().filter(|person| !told.contains(person)).copied().collect::<Vec<_>>());
        storms.by_key.remove(&key_of(&open.storm));
        storms.changed.insert(open.storm.id);
        draft.tell_place(FeedKind::StormEnded, open.storm.region, open.storm.id.to_string().into());
    }
    if let Some(open) = storms.open.get_mut(&id) {
        open.storm.told = told;
    }
    others.remove(&alert.id);
    for other in others {
        holds.storms.joined.insert(other, id);
        holds.relook_unit(other.unit, other.family);
    }
    tell::name(holds, id, alert, draft);
    id
}

/// Takes an alert into an incident.
fn enter(holds: &mut Holds, id: OrderId, alert: &mut Alert, draft: &mut Draft<'_>) {
    alert.storm = Some(id);
    let village = alert.grid.at(Level::Village).unwrap_or(alert.grid);
    holds.storms.join(id, alert.id, village, alert.colour, draft);
    holds.storms.note(alert, draft.roster);
    draft.record(alert, FeedKind::StormUpdated, "desk", Some(format!("part of incident {id}").into()));
}

/// Lets an alert know the incident that it joined while another one rang; whether it did.
pub(crate) fn enter_if_joined(alert: &mut Alert, draft: &mut Draft<'_>) -> bool {
    let Some(id) = draft.holds.storms.joined(alert.id).filter(|id| alert.storm != Some(*id)) else { return false };
    let mut holds = std::mem::take(&mut draft.holds);
    enter(&mut holds, id, alert, draft);
    draft.holds = holds;
    true
}

/// Ends incidents that are over.
pub(crate) fn finish(draft: &mut Draft<'_>) {
    let mut holds = std::mem::take(&mut draft.holds);
    let policy = holds.policy.storm;
    let mut over = Vec::new();
    for (id, open) in &holds.storms.open {
        let storm = &open.storm;
        let is_over = match storm.kind {
            StormKind::Building => open.live.is_empty(),
            StormKind::Area => {
                let township = storm.region.level() == Level::Township;
                let began_with = if township { policy.township_alerts } else { policy.village_alerts };
                let is_quiet = storm.joined_ms + u64::from(policy.area_quiet_s) * 1000 <= draft.now_ms;
                is_quiet && open.live.len() * 2 < usize::from(began_with)
            }
        };
        if is_over {
            over.push(*id);
        }
    }
    for id in over {
        let Some(open) = holds.storms.open.get_mut(&id) else { continue };
        open.storm.ended_ms = Some(draft.now_ms);
        let live = std::mem::take(&mut open.live);
        let key = key_of(&open.storm);
        draft.tell_place(FeedKind::StormEnded, open.storm.region, id.to_string().into());
        holds.storms.by_key.remove(&key);
        holds.storms.changed.insert(id);
        for alert in live {
            holds.relook_unit(alert.unit, alert.family);
        }
        holds.relook_held(HeldBy::Storm(id));
    }
    draft.holds = holds;
}
