//! From what rules say to findings, conditions that hold, and incidents.

use model::finding::{ConditionKey, Phase};
use model::report::Body;
use model::{Colour, DeviceId, Family, Finding, Quantity, Report, Step, UnitId, Verdict};

use super::Judge;
use crate::rule::{self, Memory, Scene, Told, UnitView};
use crate::state::{Ended, Held, Incident, NEVER, NO_DEVICE, Sign, State, Traces, Unit};
use crate::unit;

/// A sign that lasts is told again and again; one that was not for so long is of a device that says nothing any longer, ms.
const SIGN_KEPT_MS: u64 = 600_000;

impl Judge {
    /// A rule said something of a device.
    pub(super) fn found(&mut self, id: DeviceId, told: Told) {
        if let Some((quantity, above)) = told.sign {
            self.signed(id, quantity, above);
            return;
        }
        let bit = 1_u64 << told.condition;
        if bit == rule::lost_bit() {
            self.stir(id);
        }
        let at_ms = self.state.at_ms;
        let Some(device) = self.state.devices.get_mut(id.index()) else { return };
        device.holding = if told.holds.is_some() { device.holding | bit } else { device.holding & !bit };
        if bit == rule::lost_bit() {
            device.facts.silent = told.holds.is_some();
        }
        let since = |event_ms: u64, window_s: u32| {
            let passed_s = at_ms.saturating_sub(event_ms) / 1000;
            (event_ms != 0 && passed_s <= u64::from(window_s)).then_some(passed_s as u32)
        };
        let windows = &self.rules.settings().device_event;
        let family = rule::condition(told.condition).family;
        let mut after = (None, None);
        if family == Family::Fire {
            after.0 = since(device.facts.test_ms, windows.test_window_s);
            after.1 = since(device.facts.muted_ms, windows.mute_window_s);
        }
        let unit = device.facts.unit;
        let mut untold_ms = 0;
        if bit == rule::lost_bit() {
            self.stir_group(id);
            untold_ms = self.untold_ms(id);
        }
        self.told_of(unit, Some(id), told, after, untold_ms);
        if bit & self.distrusting != 0 {
            self.trust_changed(id);
        }
        if family == Family::Fire {
            self.ask_unit(unit);
        }
        if family != Family::Fault {
            self.evidence_changed(unit);
        }
    }

    /// A device gave a sign.
    fn signed(&mut self, id: DeviceId, quantity: Quantity, above: f32) {
        let Some(device) = self.state.devices.get(id.index()) else { return };
        let of_unit = device.facts.unit;
        let at_ms = self.state.at_ms;
        self.keep_signs(of_unit, |sign| sign.at_ms + SIGN_KEPT_MS >= at_ms);
        if let Some(unit) = self.state.units.get_mut(of_unit.index()) {
            unit.sign(Sign { device: id.0, quantity, above, at_ms: self.state.at_ms, since_ms: self.state.at_ms });
            self.ask_unit(of_unit);
        }
    }

    /// Forgets signs but those that `keep` says; what was made of them is over when none is left.
    pub(super) fn keep_signs(&mut self, id: UnitId, keep: impl Fn(&Sign) -> bool) {
        let Some(unit) = self.state.units.get(id.index()) else { return };
        if unit.signs.as_ref().is_none_or(|signs| signs.iter().all(&keep)) {
            return;
        }
        let Some(unit) = self.state.units.get_mut(id.index()) else { return };
        unit.signs.as_mut().expect("there was one a moment ago").retain(|sign| keep(sign));
        if unit.signs.as_ref().is_some_and(|signs| signs.is_empty()) {
            unit.signs = None;
            self.ask_unit(id);
        }
    }

    /// Asks the rules that look at several devices.
    pub(super) fn ask_unit(&mut self, id: UnitId) {
        let Some(unit) = self.state.units.get(id.index()) else { return };
        let of_unit = unit.held.iter().filter(|held| held.device == NO_DEVICE);
        let holding = of_unit.fold(0, |bits, held| bits | 1 << held.condition);
        let mut told = Vec::new();
        let nobody = no_device(id);
        let mut scene = Scene {
            now_ms: self.state.at_ms,
            device: &nobody,
            deaf: &self.state.deaf,
            holding,
            base: 0,
            told: &mut told,
            wake_ms: NEVER,
        };
        let people = super::sightings::people(unit, self.state.at_ms, self.rules.settings().sighting.window_s);
        let signs = unit.signs.as_deref().map_or(&[][..], |signs| signs);
        let view = UnitView { held: &unit.held, ended: &unit.fire_ended, people: &people, signs };
        Memory::unit(self.rules.settings(), &view, &mut scene);
        for told in told {
            self.told_of(id, None, told, (None, None), 0);
        }
    }

    /// A condition of a unit (or of a device in it) holds, goes on or ends. `untold_ms`: when it is told that it began, where
    /// not at once; see [`Held::untold_ms`].
    pub(super) fn told_of(
        &mut self,
        id: UnitId,
        device: Option<DeviceId>,
        told: Told,
        after: (Option<u32>, Option<u32>),
        untold_ms: u64,
    ) {
        let State { units, at_ms, epoch, .. } = &mut self.state;
        let Some(unit) = units.get_mut(id.index()) else { return };
        let family = rule::condition(told.condition).family;
        let number = device.map_or(NO_DEVICE, |device| device.0);
        let at = unit.held.iter().position(|held| held.condition == told.condition && held.device == number);
        let Some(colour) = told.holds else {
            self.over(id, device, told);
            return;
        };
        let evidence = (told.note, after);
        let held = Held {
            condition: told.condition,
            device: number,
            colour,
            muted: false,
            in_incident: untold_ms == 0,
            since_ms: *at_ms,
            untold_ms,
            note: told.note,
            after_test_s: after.0,
            after_mute_s: after.1,
        };
        if untold_ms != 0 && at.is_none() {
            unit.held.push(held);
            self.draft.touched.push(id.0);
            return;
        }
        let phase = match at {
            None => Phase::Began,
            Some(at) => {
                let was = &unit.held[at];
                if was.untold_ms != 0 {
                    return;
                }
                let louder = was.muted && colour > was.colour;
                if was.muted && (told.again || louder) {
                    // what a person judged is over; this is another occurrence
                    let was = unit.held.remove(at);
                    let over = (was.note, (None, None));
                    self.draft.finding(*at_ms, id, device, told.condition, was.colour, Phase::Ended, over, None);
                    Phase::Began
                } else if was.muted {
                    unit.held[at].colour = colour;
                    return;
                } else if told.again && (told.alarm.is_some() || told.note != was.note) || colour != was.colour {
                    Phase::Continued
                } else {
                    return;
                }
            }
        };
        if phase == Phase::Began && family == Family::Fire && number != NO_DEVICE && after.0.is_none() {
            unit.standing.alarm(*at_ms);
        }
        incident_hears(unit, &held, phase, *epoch, *at_ms);
        match at.filter(|_| phase == Phase::Continued) {
            Some(at) => {
                let was = &mut unit.held[at];
                *was = Held { since_ms: was.since_ms, muted: was.muted, ..held };
            }
            None => {
                if let Some(traces) = &mut unit.traces {
                    traces.ended.retain(|ended| (ended.condition, ended.device) != (told.condition, number));
                }
                unit.held.push(held);
            }
        }
        self.draft.touched.push(id.0);
        self.draft.finding(*at_ms, id, device, told.condition, colour, phase, evidence, told.alarm);
    }

    /// A condition of a unit (or of a device in it) holds no longer.
    fn over(&mut self, id: UnitId, device: Option<DeviceId>, told: Told) {
        let State { units, at_ms, .. } = &mut self.state;
        let Some(unit) = units.get_mut(id.index()) else { return };
        let family = rule::condition(told.condition).family;
        let number = device.map_or(NO_DEVICE, |device| device.0);
        let at = unit.held.iter().position(|held| held.condition == told.condition && held.device == number);
        let was = at.map(|at| unit.held.remove(at));
        if let Some(was) = &was {
            self.draft.touched.push(id.0);
            remember(unit, was, *at_ms);
            if was.untold_ms != 0 {
                return;
            }
            if family == Family::Fire && !was.muted && number != NO_DEVICE {
                if unit.fire_ended.len() == Unit::ENDED_MAX {
                    unit.fire_ended.remove(0);
                }
                unit.fire_ended.push((number, *at_ms));
            }
        }
        if was.is_some() || told.alarm.is_some() {
            let colour = was.map_or(Colour::Blue, |was| was.colour);
            let evidence = (told.note, (None, None));
            self.draft.finding(*at_ms, id, device, told.condition, colour, Phase::Ended, evidence, told.alarm);
        }
    }

    /// A report of a device that is not on the roster any longer. Nothing of it can hold in a unit; an alarm is told all
    /// the same.
    pub(super) fn of_no_device(&mut self, report: &Report, step: &Step) {
        self.draft.strangers += 1;
        let Body::Alarm { id, active: true, .. } = &report.body else { return };
        let Some(row) = step.roster.device(report.device) else {
            tracing::error!(device = report.device.0, alarm = %id, "an alarm of a device that the roster never had");
            return;
        };
        let unit_is_ours = step.roster.unit(row.unit).is_some_and(|unit| self.share.has(unit.grid));
        if !unit_is_ours {
            return;
        }
        tracing::error!(device = %row.key(), alarm = %id, "an alarm of a device that was taken off the roster");
        let mut told = Vec::new();
        let facts = no_device(row.unit);
        let mut scene = Scene {
            now_ms: self.state.at_ms,
            device: &facts,
            deaf: &Default::default(),
            holding: 0,
            base: 0,
            told: &mut told,
            wake_ms: NEVER,
        };
        Memory::default().report(self.rules.settings(), &report.body, &mut scene);
        for told in told.into_iter().filter(|told| told.alarm.is_some()) {
            let colour = told.holds.unwrap_or(Colour::Blue);
            if let Some(unit) = self.state.units.get_mut(row.unit.index()) {
                let held = Held {
                    condition: told.condition,
                    device: report.device.0,
                    colour,
                    muted: false,
                    in_incident: true,
                    since_ms: self.state.at_ms,
                    untold_ms: 0,
                    note: told.note,
                    after_test_s: None,
                    after_mute_s: None,
                };
                incident_hears(unit, &held, Phase::Began, self.state.epoch, self.state.at_ms);
                self.draft.touched.push(row.unit.0);
            }
            let evidence = (told.note, (None, None));
            let (at_ms, device) = (self.state.at_ms, Some(report.device));
            self.draft.finding(at_ms, row.unit, device, told.condition, colour, Phase::Began, evidence, told.alarm);
            self.draft.finding(at_ms, row.unit, device, told.condition, colour, Phase::Ended, evidence, None);
        }
    }
}

/// An ended condition lingers in the colour, and its evidence fades. What a person judged does neither; nor do conditions
/// that were summed of others.
fn remember(unit: &mut Unit, was: &Held, at_ms: u64) {
    let own = rule::of_units();
    let summed = was.device == NO_DEVICE;
    if was.muted || summed || was.condition >= own.gateway && was.condition < own.gateway + 2 {
        return;
    }
    let traces = unit.traces.get_or_insert_default();
    if traces.ended.len() == Traces::ENDED_MAX {
        // the oldest fault goes, else the oldest warning: what spoke for a fire stays as long as it can
        let of_family =
            |family| traces.ended.iter().position(|ended| rule::condition(ended.condition).family == family);
        let goes = of_family(Family::Fault).or_else(|| of_family(Family::Warning)).unwrap_or(0);
        traces.ended.remove(goes);
    }
    let Held { condition, device, colour, since_ms, note, .. } = *was;
    let after = (was.after_test_s.is_some(), was.after_mute_s.is_some());
    traces.ended.push(Ended { condition, device, colour, since_ms, at_ms, note, after });
}

/// Facts for rules that look at no single device.
fn no_device(unit: UnitId) -> crate::state::Facts {
    crate::state::Facts {
        unit,
        class: model::roster::DeviceClass::Panel,
        current: true,
        silent: false,
        report_every_s: 0,
        next_report_s: 0,
        since_ms: 0,
        last_ms: 0,
        lost_said_ms: 0,
        test_ms: 0,
        muted_ms: 0,
    }
}

/// The unit's incident of the family opens, or takes the finding in, as the desk's alert does: a finding after quiet, or
/// a louder one that nobody found real, needs a verdict of its own.
pub(super) fn incident_hears(unit: &mut Unit, held: &Held, phase: Phase, epoch: u64, at_ms: u64) {
    let family = rule::condition(held.condition).family;
    let of_family = unit.held.iter().filter(|held| rule::condition(held.condition).family == family);
    let was_quiet = !of_family.clone().any(|held| held.in_incident);
    let Some(incident) = unit.incident_mut(family) else {
        let incident = Incident {
            openings: [epoch].into_iter().collect(),
            opened_ms: at_ms,
            colour: held.colour,
            verdict: None,
            verifier: None,
            worked: Vec::new(),
            real: false,
            unjudged: true,
            latched: held.colour,
            verdicts: Default::default(),
        };
        unit.set_incident(family, Some(incident));
        return;
    };
    if was_quiet {
        // the desk's alert rings again, in the most urgent colour that it ever had
        incident.verdict = None;
        incident.latched = incident.colour;
        incident.unjudged |= !incident.real;
        if incident.openings.len() == Incident::OPENINGS_MAX {
            incident.openings.remove(1);
        }
        if incident.openings.last() != Some(&epoch) {
            incident.openings.push(epoch);
        }
    } else if held.colour > incident.colour && incident.verdict != Some(Verdict::Real) {
        incident.verdict = None;
    }
    if phase == Phase::Began && !incident.unjudged && !incident.real {
        // what was judged false is over: this is what nobody has judged, and it rings at the desk
        (incident.unjudged, incident.latched) = (true, held.colour);
        (incident.verdict, incident.colour) = (None, held.colour);
    }
    incident.latched = incident.latched.max(held.colour);
    incident.colour = incident.colour.max(held.colour);
}

impl super::Draft {
    #[expect(clippy::too_many_arguments, reason = "the fields of a finding, in their order")]
    pub(super) fn finding(
        &mut self,
        at_ms: u64,
        unit: UnitId,
        device: Option<DeviceId>,
        condition: u8,
        colour: Colour,
        phase: Phase,
        (note, after): (rule::Note, (Option<u32>, Option<u32>)),
        alarm: Option<Box<str>>,
    ) {
        let key = ConditionKey { rule: rule::condition(condition).name.into(), device };
        let (evidence, would_change) = rule::words_of(condition, &note);
        let finding = Finding {
            at_ms,
            unit,
            device,
            rule: key.rule,
            family: rule::condition(condition).family,
            colour,
            phase,
            evidence: unit::annotated(evidence, after),
            would_change,
            alarm,
            exercise: false,
        };
        self.findings.push((self.place, finding));
    }
}
