//! What a unit comes to as a whole: coverage, evidence, and what time does to both. Only units that something happened in,
//! or whose timer is due, are looked at.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use model::finding::Phase;
use model::report::SightingKind;
use model::{Colour, Family, Level, Roster, UnitId};

use super::Judge;
use crate::rule::coverage::{BLIND, NO_DEVICE as NO_DEVICES};
use crate::rule::{self, Note, RuleSettings, Told};
use crate::state::{Gap, NEVER, NO_DEVICE, State, Traces, Unit};
use crate::unit::evidence::{self, Weighed};
use crate::unit::{self, Eyes};
use crate::why::Part;

/// While evidence fades, it is weighed anew so often, ms.
const WEIGH_EVERY_MS: u64 = 30_000;
/// A report is remembered for so long, so that it counts once when it comes again, ms.
const SEEN_KEPT_MS: u64 = 86_400_000;
/// Time constants after which faded evidence is forgotten.
const FADED: u64 = 6;
const HOUR_MS: u64 = 3_600_000;

/// Timers of units by due time; those of equal time in the order of the units. One counts for each unit.
#[derive(Debug, Default)]
pub(super) struct UnitTimers {
    heap: BinaryHeap<Reverse<(u64, u32)>>,
}

impl UnitTimers {
    /// Takes the timers back in after a restore.
    pub fn restore(state: &State) -> UnitTimers {
        let armed = state.units.iter().zip(0..).filter(|(unit, _)| unit.armed_ms != NEVER);
        UnitTimers { heap: armed.map(|(unit, id)| Reverse((unit.armed_ms, id))).collect() }
    }

    /// Fires the unit's timer at `at_ms`, or when it was to fire, whichever is earlier.
    fn arm(&mut self, id: UnitId, unit: &mut Unit, at_ms: u64) {
        if at_ms < unit.armed_ms {
            unit.armed_ms = at_ms;
            self.heap.push(Reverse((at_ms, id.0)));
        }
    }

    /// Takes in the timer of a unit that came from another worker.
    pub fn take_over(&mut self, id: UnitId, unit: &Unit) {
        if unit.armed_ms != NEVER {
            self.heap.push(Reverse((unit.armed_ms, id.0)));
        }
    }

    fn pop(&mut self, now_ms: u64) -> Option<(u64, u32)> {
        let &Reverse((due_ms, _)) = self.heap.peek()?;
        (due_ms <= now_ms).then(|| self.heap.pop().expect("it was there a moment ago").0)
    }
}

impl Judge {
    /// See [`unit::why`].
    pub fn unit_parts(&self, roster: &Roster, id: UnitId) -> (Vec<Part>, Vec<Part>) {
        unit::why(&self.state, &self.rules, roster, id, self.state.at_ms)
    }

    /// See [`unit::judged`].
    pub(crate) fn judged<'a>(&self, roster: &Roster, id: UnitId, of: &'a Unit) -> unit::Judgement<'a> {
        unit::judged(&self.state, &self.rules, roster, id, of, self.state.at_ms).0
    }

    #[cfg(test)]
    pub(crate) fn set_risk(&mut self, id: UnitId, risk: Option<u8>) {
        self.state.units.get_mut(id.index()).expect("a unit of the town").risk = risk;
        self.draft.touched.push(id.0);
    }

    /// Units whose timer is due are to be looked at.
    pub(super) fn tick_units(&mut self) {
        while let Some((due_ms, id)) = self.unit_timers.pop(self.state.at_ms) {
            match self.state.units.get_mut(id as usize) {
                Some(unit) if unit.armed_ms == due_ms => unit.armed_ms = NEVER,
                _ => continue,
            }
            self.draft.touched.push(id);
        }
    }

    /// Units to be looked at, by number.
    pub(super) fn take_touched(&mut self) -> Vec<u32> {
        let mut touched = std::mem::take(&mut self.draft.touched);
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// A device of the unit can be trusted from now on, or no longer.
    pub(super) fn trust_changed(&mut self, id: model::DeviceId) {
        let device = self.state.devices.get(id.index()).filter(|device| device.facts.current && !self.draft.adopting);
        if let Some(device) = device {
            self.settle_coverage(device.facts.unit, false);
        }
    }

    /// Something that speaks for a fire began or ended in the unit: also its neighbours' evidence is another.
    pub(super) fn evidence_changed(&mut self, id: UnitId) {
        if !self.state.units.get(id.index()).is_some_and(|unit| unit.current) {
            return;
        }
        self.settle_evidence(id);
        let settings = self.rules.settings();
        let near = self.neighbourhood.fires(settings, &self.state, &self.roster, id, self.state.at_ms);
        for neighbour in near {
            self.draft.touched.push(neighbour.unit);
            self.settle_evidence(UnitId(neighbour.unit));
        }
    }

    /// What follows for the unit as a whole: its devices counted, its evidence weighed. Time does its part at ticks only.
    pub(super) fn settle_unit(&mut self, id: UnitId, ticked: bool) {
        if !self.state.units.get(id.index()).is_some_and(|unit| unit.current) {
            self.leave_unit(id);
            return;
        }
        if ticked {
            self.tell_due(id);
            self.end_sightings(id);
            self.forget(id);
            self.settle_evidence(id);
        }
        self.settle_coverage(id, ticked);
    }

    /// The unit's devices, counted.
    pub(super) fn eyes(&self, id: UnitId) -> Eyes {
        let rows = self.roster.devices_of(id).iter().filter_map(|device| self.state.devices.get(device.index()));
        unit::eyes(rows, self.distrusting)
    }

    /// What speaks for a fire in the unit.
    pub(super) fn weigh(&self, id: UnitId) -> Option<Weighed> {
        let unit = self.state.units.get(id.index()).filter(|unit| !unit.held.is_empty() || unit.traces.is_some())?;
        let (settings, now_ms) = (self.rules.settings(), self.state.at_ms);
        let speaks = evidence::speaks(unit);
        let neighbours =
            if speaks { self.neighbourhood.fires(settings, &self.state, &self.roster, id, now_ms) } else { Vec::new() };
        evidence::weigh(&settings.evidence, unit, &self.state.devices, &neighbours, now_ms)
    }

    /// Arms the unit's timer, after it was judged.
    pub(super) fn arm_unit(&mut self, id: UnitId, weighed: Option<&Weighed>) {
        let Some(unit) = self.state.units.get(id.index()) else { return };
        let now_ms = self.state.at_ms;
        let mut wake_ms = wakes_ms(unit, self.settings(), id, now_ms);
        if weighed.is_some_and(Weighed::fades) {
            wake_ms = wake_ms.min(now_ms + WEIGH_EVERY_MS);
        }
        let unit = self.state.units.get_mut(id.index()).expect("it was there a moment ago");
        self.unit_timers.arm(id, unit, wake_ms);
    }

    /// A unit that is off the roster has no conditions of its own any longer.
    fn leave_unit(&mut self, id: UnitId) {
        let Some(unit) = self.state.units.get_mut(id.index()) else { return };
        (unit.traces, unit.gap, unit.risky) = (None, None, false);
        let of_unit = unit.held.iter().filter(|held| held.device == NO_DEVICE).map(|held| held.condition);
        for condition in of_unit.collect::<Vec<u8>>() {
            self.unit_told(id, condition, None, Note::default());
        }
    }

    fn unit_told(&mut self, id: UnitId, condition: u8, holds: Option<Colour>, note: Note) {
        let told = Told { condition, holds, note, alarm: None, again: false, sign: None };
        self.told_of(id, None, told, (None, None), 0);
    }

    /// Tells what was held back and has waited long enough.
    fn tell_due(&mut self, id: UnitId) {
        let now_ms = self.state.at_ms;
        loop {
            let Some(unit) = self.state.units.get_mut(id.index()) else { return };
            let Some(at) = unit.held.iter().position(|held| held.untold_ms != 0 && held.untold_ms <= now_ms) else {
                return;
            };
            let mut held = unit.held.remove(at);
            (held.untold_ms, held.in_incident) = (0, true);
            super::findings::incident_hears(unit, &held, Phase::Began, self.state.epoch, now_ms);
            let (condition, colour, note) = (held.condition, held.colour, held.note);
            let device = Some(model::DeviceId(held.device));
            unit.held.push(held);
            self.draft.finding(now_ms, id, device, condition, colour, Phase::Began, (note, (None, None)), None);
        }
    }

    /// Ends people's reports that nobody repeated for long.
    fn end_sightings(&mut self, id: UnitId) {
        let Some(unit) = self.state.units.get(id.index()) else { return };
        let (settings, now_ms) = (&self.settings().sighting, self.state.at_ms);
        let over = sightings(unit).filter(|(_, kind, last_ms)| last_ms + settings.holds_ms(*kind) <= now_ms);
        let over: Vec<(u8, SightingKind)> = over.map(|(condition, kind, _)| (condition, kind)).collect();
        for (condition, kind) in over {
            self.unit_told(id, condition, None, Note::default());
            if matches!(kind, SightingKind::Fire | SightingKind::Smoke) {
                self.ask_unit(id);
            }
        }
    }

    /// Forgets what counts no longer.
    fn forget(&mut self, id: UnitId) {
        let now_ms = self.state.at_ms;
        let settings = self.rules.settings();
        let Some(unit) = self.state.units.get_mut(id.index()) else { return };
        let Some(traces) = &mut unit.traces else { return };
        traces.ended.retain(|ended| now_ms < ended.at_ms + kept_ms(settings, ended.condition));
        traces.seen.retain(|seen| now_ms < seen.at_ms + SEEN_KEPT_MS);
        if traces.ended.is_empty() && traces.seen.is_empty() {
            unit.traces = None;
        }
    }

    fn settle_coverage(&mut self, id: UnitId, ticked: bool) {
        let eyes = self.eyes(id);
        let now_ms = self.state.at_ms;
        let Some(unit) = self.state.units.get_mut(id.index()) else { return };
        let no_device = match eyes {
            Eyes { devices: 0, .. } => Some(true),
            Eyes { trusted: 0, awaited: 0, .. } => Some(false),
            _ => None,
        };
        unit.gap = no_device.map(|no_device| {
            let same = unit.gap.filter(|gap| gap.no_device == no_device);
            same.unwrap_or(Gap { since_ms: now_ms, no_device })
        });
        let gap = unit.gap;
        let base = rule::of_units().coverage;
        for (within, of_no_device) in [(BLIND, false), (NO_DEVICES, true)] {
            let over = gap.is_none_or(|gap| gap.no_device != of_no_device);
            if over && holds(unit, base + within) {
                self.unit_told(id, base + within, None, Note::default());
                return self.settle_coverage(id, ticked);
            }
        }
        let Some(gap) = gap.filter(|_| ticked) else { return };
        let condition = base + if gap.no_device { NO_DEVICES } else { BLIND };
        let due_ms = gap_due_ms(self.settings(), gap, id);
        let Some(unit) = self.state.units.get(id.index()) else { return };
        if due_ms > now_ms || holds(unit, condition) || explained(unit) || !self.may_tell_gap(id, gap.no_device) {
            return;
        }
        let settings = &self.settings().coverage;
        let cap = if gap.no_device { settings.no_device_per_hour } else { settings.blind_per_hour };
        let waited_h = (now_ms - due_ms) / HOUR_MS;
        let minutes = ((now_ms - gap.since_ms) / 60_000).clamp(1, u64::from(u32::MAX));
        let note = Note { a: waited_h as f32, b: f32::from(cap), c: 0.0, n: minutes as u32 };
        self.unit_told(id, condition, Some(Colour::Yellow), note);
    }

    /// Takes one of the places that the unit's village has in this hour.
    fn may_tell_gap(&mut self, id: UnitId, no_device: bool) -> bool {
        let hour = (self.state.at_ms / HOUR_MS) as u32;
        let settings = &self.rules.settings().coverage;
        let Some(unit) = self.state.units.get(id.index()) else { return false };
        let village = unit.grid.at(Level::Village).unwrap_or(unit.grid);
        let told = self.state.gaps_told.entry(village).or_default();
        if told.hour != hour {
            *told = crate::state::GapsTold { hour, ..Default::default() };
        }
        let (count, cap) = if no_device {
            (&mut told.no_device, settings.no_device_per_hour)
        } else {
            (&mut told.blind, settings.blind_per_hour)
        };
        let may = *count < cap;
        *count += u16::from(may);
        may
    }

    fn settle_evidence(&mut self, id: UnitId) {
        let own = rule::of_units().evidence;
        let held = self.state.units.get(id.index()).is_some_and(|unit| holds(unit, own));
        let weighed = self.weigh(id);
        let red = self.settings().evidence.red();
        match weighed {
            Some(weighed) if !held && weighed.log_odds >= red => {
                let n = weighed.pieces.len() as u32;
                let note = Note { a: weighed.probability() as f32, b: 0.0, c: 0.0, n };
                self.unit_told(id, own, Some(Colour::Red), note);
            }
            Some(weighed) if weighed.log_odds >= red - EVIDENCE_FALLS_BY => {}
            _ if held => self.unit_told(id, own, None, Note::default()),
            _ => {}
        }
    }
}

/// The condition ends when the evidence is so much below what made it begin: log-odds.
const EVIDENCE_FALLS_BY: f64 = 1.0;

fn holds(unit: &Unit, condition: u8) -> bool {
    unit.held.iter().any(|held| held.condition == condition && held.device == NO_DEVICE)
}

/// An outage that is told elsewhere is why nothing watches the unit.
fn explained(unit: &Unit) -> bool {
    unit.held.iter().any(|held| held.untold_ms == NEVER)
}

/// When the unit's gap is to be told. After an import the hazards of many units would be due at one moment.
fn gap_due_ms(settings: &RuleSettings, gap: Gap, id: UnitId) -> u64 {
    let spread_ms = u64::from(id.0) % 3600 * 1000;
    if gap.no_device {
        gap.since_ms + u64::from(settings.coverage.no_device_after_s) * 1000 + spread_ms
    } else {
        gap.since_ms + u64::from(settings.coverage.blind_after_s) * 1000
    }
}

/// People's reports that hold, with their kind and when the last of them came.
fn sightings(unit: &Unit) -> impl Iterator<Item = (u8, SightingKind, u64)> {
    let held = unit.held.iter().filter(|held| held.device == NO_DEVICE && rule::is_sighting(held.condition));
    held.filter_map(|held| {
        let kind = rule::sighting::kind(held.condition - rule::of_units().sighting)?;
        let seen = unit.traces.iter().flat_map(|traces| &traces.seen).filter(|seen| seen.kind == kind);
        Some((held.condition, kind, seen.map(|seen| seen.at_ms).max().unwrap_or(held.since_ms)))
    })
}

/// How long an ended condition is remembered, ms.
fn kept_ms(settings: &RuleSettings, condition: u8) -> u64 {
    let family = rule::condition(condition).family;
    let lingers_ms = settings.colour.hold_ms(family);
    let fades_ms = u64::from(settings.evidence.fades_s) * 1000 * FADED;
    match family {
        Family::Fire => fades_ms.max(u64::from(settings.neighbours.within_s) * 1000),
        Family::Warning => lingers_ms.max(fades_ms),
        Family::Fault => lingers_ms,
    }
}

/// When time next does something to the unit, apart from its evidence.
fn wakes_ms(unit: &Unit, settings: &RuleSettings, id: UnitId, now_ms: u64) -> u64 {
    if !unit.current {
        return NEVER;
    }
    let mut wake_ms = NEVER;
    let mut at = |at_ms: u64| wake_ms = wake_ms.min(if at_ms > now_ms { at_ms } else { NEVER });
    for held in &unit.held {
        if held.untold_ms != 0 {
            at(held.untold_ms.max(now_ms.saturating_add(1)));
        }
        if rule::condition(held.condition).family == Family::Warning && settings.colour.overdue_s > 0 {
            at(held.since_ms + u64::from(settings.colour.overdue_s) * 1000);
        }
    }
    for (_, kind, last_ms) in sightings(unit) {
        at(last_ms + settings.sighting.holds_ms(kind));
    }
    if let Some(Traces { ended, seen }) = unit.traces.as_deref() {
        for ended in ended {
            at(ended.at_ms + settings.colour.hold_ms(rule::condition(ended.condition).family));
            at(ended.at_ms + kept_ms(settings, ended.condition));
        }
        for seen in seen {
            at(seen.at_ms + SEEN_KEPT_MS);
        }
    }
    let base = rule::of_units().coverage;
    if let Some(gap) = unit.gap
        && !holds(unit, base + if gap.no_device { NO_DEVICES } else { BLIND })
    {
        let due_ms = gap_due_ms(settings, gap, id);
        // not now: its village has had its share of this hour, or an outage explains it, whose end is an occasion
        let next_hour_ms = (now_ms / HOUR_MS + 1) * HOUR_MS + u64::from(id.0) % 3600 * 1000;
        at(if due_ms > now_ms { due_ms } else { next_hour_ms });
    }
    wake_ms
}
