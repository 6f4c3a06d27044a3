//! Colours of units, from what was told: which conditions hold and linger, which fires are open, who judged them. A list a
//! unit, walked through at every commit.

use std::collections::{BTreeMap, BTreeSet};

use evaluator::Rules;
use evaluator::rule::RULES;
use model::{
    Action, Colour, Command, DeviceId, Entry, Evaluated, Family, Finding, Phase, Roster, UnitId, UnitStatus, Verdict,
};

const LOST: &str = "lost_contact";
/// Ended conditions that a unit remembers, and openings of an incident.
const ENDED_MAX: usize = 16;
const OPENINGS_MAX: usize = 8;

#[derive(Debug, Clone)]
struct Held {
    device: Option<DeviceId>,
    rule: String,
    family: Family,
    colour: Colour,
    /// Judged by a person: counts no longer.
    muted: bool,
    /// The incident of its family has it.
    in_incident: bool,
    told: bool,
}

#[derive(Debug, Clone)]
struct Ended {
    of: Held,
    at_ms: u64,
}

#[derive(Debug, Clone)]
struct Incident {
    openings: Vec<u64>,
    colour: Colour,
    latched: Colour,
    verdict: Option<Verdict>,
    /// Who gave a verdict, the last one last; and who worked on it.
    verifiers: Vec<String>,
    workers: Vec<(u64, String)>,
    real: bool,
    unjudged: bool,
    seen: BTreeSet<u64>,
}

#[derive(Debug, Clone, Default)]
struct Unit {
    held: Vec<Held>,
    ended: Vec<Ended>,
    incidents: BTreeMap<&'static str, Incident>,
    /// The colour that was told last.
    told: Option<Colour>,
}

/// Every unit's colour, worked out anew.
#[derive(Default)]
pub struct Colours {
    rules: Option<Rules>,
    units: BTreeMap<UnitId, Unit>,
    /// Units of the devices on the roster.
    places: BTreeMap<DeviceId, UnitId>,
    statuses: BTreeMap<UnitId, UnitStatus>,
}

impl Colours {
    /// Takes in what a commit told, and compares.
    pub fn take(&mut self, out: &Evaluated, alive: impl Fn(DeviceId) -> Option<bool>) {
        let (commit, roster) = (&out.step.commit, &out.step.roster);
        for entry in &commit.entries {
            match entry {
                Entry::Rules(text) => self.rules = Rules::parse(text).ok().or(self.rules.take()),
                Entry::Roster(_) => self.rehouse(roster),
                Entry::Command(command) => self.units.entry(command.alert.unit).or_default().command(command),
                _ => {}
            }
        }
        for finding in &out.findings {
            let here = finding.device.is_none_or(|device| self.places.get(&device) == Some(&finding.unit));
            self.units.entry(finding.unit).or_default().finding(finding, commit.epoch, commit.at_ms, here);
        }
        for (&device, &place) in &self.places {
            let unit = self.units.entry(place).or_default();
            unit.contact(device, alive(device) == Some(false), commit.at_ms);
        }
        for status in &out.units {
            self.statuses.insert(status.unit, status.clone());
        }
        let ticked = commit.entries.contains(&Entry::Tick);
        let rules = self.rules.clone().unwrap_or_default();
        for (slot, id) in roster.units().iter().zip(0..).filter(|(slot, _)| slot.current) {
            let status = &self.statuses[&UnitId(id)];
            let unit = self.units.entry(UnitId(id)).or_default();
            if ticked {
                unit.forget(&rules, commit.at_ms);
            }
            let expected = unit.colour(&rules, status, commit.at_ms);
            // time does its part at ticks only
            let waits = !ticked && unit.told == Some(status.colour);
            assert!(
                waits || status.colour == expected,
                "commit {}: {} is {:?} and not {expected:?}: {unit:#?}\n{:?}",
                commit.epoch,
                slot.row.code,
                status.colour,
                status.reasons
            );
            unit.told = Some(status.colour);
        }
    }

    /// Devices that came, left or moved take nothing along; a unit that is off the roster forgets.
    fn rehouse(&mut self, roster: &Roster) {
        for (slot, id) in roster.devices().iter().zip(0..) {
            let device = DeviceId(id);
            let lives = roster.units()[slot.row.unit.index()].current;
            let place = (slot.current && lives).then_some(slot.row.unit);
            let before = match place {
                Some(place) => self.places.insert(device, place),
                None => self.places.remove(&device),
            };
            if before == place {
                continue;
            }
            if let Some(unit) = before.and_then(|before| self.units.get_mut(&before)) {
                unit.held.retain(|held| held.device != Some(device));
                unit.ended.retain(|ended| ended.of.device != Some(device));
            }
        }
        for (slot, id) in roster.units().iter().zip(0..) {
            if let Some(unit) = self.units.get_mut(&UnitId(id)).filter(|_| !slot.current) {
                unit.ended.clear();
                unit.held.retain(|held| held.device.is_some());
                unit.told = None;
                self.statuses.remove(&UnitId(id));
            }
        }
    }
}

impl Incident {
    /// Whether nobody but this person has verified it or worked on it, or this person did one of the two.
    fn is_alone(&self, command: &Command) -> bool {
        let verifier = self.verdict.and(self.verifiers.last());
        let of_alert = self.workers.iter().filter(|(epoch, _)| *epoch == command.alert.epoch);
        let mut did = of_alert.map(|(_, who)| who).chain(verifier).peekable();
        did.peek().is_none() || did.any(|who| **who == *command.person)
    }
}

impl Unit {
    fn command(&mut self, command: &Command) {
        let family = command.alert.family;
        let holds = self.held.iter().any(|held| held.family == family && held.in_incident);
        let Some(incident) = self.incidents.get_mut(family.word()) else { return };
        let named = match family {
            Family::Fire => incident.openings.first() == Some(&command.alert.epoch),
            Family::Warning | Family::Fault => incident.openings.contains(&command.alert.epoch),
        };
        if !named {
            return;
        }
        match command.action {
            Action::BeginWork => incident.workers.push((command.alert.epoch, command.person.to_string())),
            Action::Verify(verdict, _) => {
                if !incident.seen.insert(command.tag()) {
                    return;
                }
                (incident.verdict, incident.unjudged) = (Some(verdict), false);
                incident.verifiers.push(command.person.to_string());
                incident.real = verdict == Verdict::Real;
                if family == Family::Fire && verdict != Verdict::Real {
                    self.mute(family);
                }
            }
            Action::Close if family == Family::Fire && incident.verdict.is_none() => {}
            Action::Close if holds && incident.is_alone(command) => {}
            Action::Close => {
                self.incidents.remove(family.word());
                self.mute(family);
                self.held.iter_mut().filter(|held| held.family == family).for_each(|held| held.in_incident = false);
                self.held.retain(|held| held.family != family || of_rule(held) != "sighting");
            }
            _ => {}
        }
    }

    fn mute(&mut self, family: Family) {
        self.held.iter_mut().filter(|held| held.family == family && held.told).for_each(|held| held.muted = true);
        self.ended.retain(|ended| ended.of.family != family);
    }

    fn finding(&mut self, finding: &Finding, epoch: u64, at_ms: u64, here: bool) {
        let at = self.held.iter().position(|held| held.device == finding.device && held.rule == finding.rule);
        if finding.phase == Phase::Ended {
            if let Some(at) = at {
                let over = self.held.remove(at);
                self.linger(over, at_ms);
            }
            return;
        }
        let new = Held {
            device: finding.device,
            rule: finding.rule.to_string(),
            family: finding.family,
            colour: finding.colour,
            muted: false,
            in_incident: true,
            told: true,
        };
        let untold = at.is_some_and(|at| !self.held[at].told);
        if untold {
            self.held.remove(at.expect("it is there"));
        }
        self.hear(finding, epoch);
        if !here {
            // of a device that is not on the roster: it opens an incident, and holds nowhere
            return;
        }
        match at.filter(|_| !untold) {
            Some(at) => self.held[at] = new,
            None => {
                let same = |ended: &Ended| ended.of.device == new.device && ended.of.rule == new.rule;
                self.ended.retain(|ended| !same(ended));
                self.held.push(new);
            }
        }
    }

    /// The incident of the finding's family opens, or takes it in.
    fn hear(&mut self, finding: &Finding, epoch: u64) {
        let (family, colour) = (finding.family, finding.colour);
        let was_quiet = !self.held.iter().any(|held| held.family == family && held.in_incident);
        let incident = self.incidents.entry(family.word()).or_insert_with(|| Incident {
            openings: vec![epoch],
            colour,
            latched: colour,
            verdict: None,
            verifiers: Vec::new(),
            workers: Vec::new(),
            real: false,
            unjudged: true,
            seen: BTreeSet::new(),
        });
        if was_quiet {
            // it rings again, in the most urgent colour that it ever had
            incident.verdict = None;
            incident.latched = incident.colour;
            incident.unjudged |= !incident.real;
            if incident.openings.len() == OPENINGS_MAX {
                incident.openings.remove(1);
            }
            if incident.openings.last() != Some(&epoch) {
                incident.openings.push(epoch);
            }
        } else if colour > incident.colour && incident.verdict != Some(Verdict::Real) {
            incident.verdict = None;
        }
        if finding.phase == Phase::Began && !incident.unjudged && !incident.real {
            // what was judged false is over, and this is something else
            (incident.unjudged, incident.verdict) = (true, None);
            (incident.latched, incident.colour) = (colour, colour);
        }
        incident.latched = incident.latched.max(colour);
        incident.colour = incident.colour.max(colour);
    }

    fn linger(&mut self, over: Held, at_ms: u64) {
        if over.muted || over.device.is_none() || of_rule(&over) == "gateway" {
            return;
        }
        if self.ended.len() == ENDED_MAX {
            let of = |family| self.ended.iter().position(|ended| ended.of.family == family);
            let goes = of(Family::Fault).or_else(|| of(Family::Warning)).unwrap_or(0);
            self.ended.remove(goes);
        }
        self.ended.push(Ended { of: over, at_ms });
    }

    /// Lost contact holds from the moment on that it is lost, and may be told later, or never.
    fn contact(&mut self, device: DeviceId, lost: bool, at_ms: u64) {
        let at = self.held.iter().position(|held| held.device == Some(device) && held.rule == LOST);
        match at {
            None if lost => {
                let (rule, colour) = (LOST.to_owned(), Colour::Yellow);
                let (muted, in_incident, told) = (false, false, false);
                let device = Some(device);
                self.held.push(Held { device, rule, family: Family::Fault, colour, muted, in_incident, told });
            }
            Some(at) if !lost && !self.held[at].told => {
                let over = self.held.remove(at);
                self.linger(over, at_ms);
            }
            _ => {}
        }
    }

    /// What is remembered for nothing any longer.
    fn forget(&mut self, rules: &Rules, now_ms: u64) {
        let settings = rules.settings();
        let fades_ms = u64::from(settings.evidence.fades_s) * 6000;
        self.ended.retain(|ended| {
            let lingers_ms = settings.colour.hold_ms(ended.of.family);
            let kept_ms = match ended.of.family {
                Family::Fire => fades_ms.max(u64::from(settings.neighbours.within_s) * 1000),
                Family::Warning => lingers_ms.max(fades_ms),
                Family::Fault => lingers_ms,
            };
            now_ms < ended.at_ms + kept_ms
        });
    }

    fn colour(&self, rules: &Rules, status: &UnitStatus, now_ms: u64) -> Colour {
        let settings = &rules.settings().colour;
        let holding = self.held.iter().filter(|held| !held.muted && of_rule(held) != "coverage");
        let lingering = self.ended.iter().filter(|ended| now_ms < ended.at_ms + settings.hold_ms(ended.of.family));
        let fire = self.incidents.get(Family::Fire.word());
        let kept =
            fire.and_then(|fire| if fire.real { Some(Colour::Red) } else { fire.unjudged.then_some(fire.latched) });
        let blind = status.blind_since_ms.map(|_| Colour::Blind);
        let all =
            holding.map(|held| held.colour).chain(lingering.map(|ended| ended.of.colour)).chain(kept).chain(blind);
        all.min_by_key(|colour| RANK.iter().position(|of| of == colour)).unwrap_or(Colour::Blue)
    }
}

/// The most urgent first.
const RANK: [Colour; 5] = [Colour::Red, Colour::Orange, Colour::Blind, Colour::Yellow, Colour::Blue];

fn of_rule(held: &Held) -> &'static str {
    let rule = RULES.iter().find(|rule| rule.conditions.iter().any(|condition| condition.name == held.rule));
    rule.map_or("", |rule| rule.name)
}
