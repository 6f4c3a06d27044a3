//! What one commit means: plain sequential code over [`State`], without threads, channels or clocks.

mod adopt;
mod commands;
mod crossing;
mod findings;
mod gateways;
mod readings;
mod reports;
mod sightings;
mod standing;
mod units;

use std::sync::Arc;

use model::finding::DeviceChange;
use model::{Colour, Commit, DeviceId, Entry, Epoch, Finding, RegionCode, Roster, Step, UnitId, UnitStatus};

use crate::risk::Places;
use crate::rule::{self, Memory, RuleSettings, Scene, Told};
use crate::rules::Rules;
use crate::state::{Device, NEVER, State, Unit};
use crate::timers::Timers;
use crate::unit::groups::Groups;
use crate::unit::neighbours::Neighbourhood;

pub(crate) use crossing::{Crossing, joined, owner};

/// Which villages are this worker's: all of them, where it is the only one. A unit, its devices and its village are one
/// worker's, so that workers need nothing of each other before the roll-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub worker: usize,
    pub workers: usize,
}

impl Share {
    pub const ALL: Share = Share { worker: 0, workers: 1 };

    /// Whether a unit in this grid is of the share.
    pub fn has(self, grid: RegionCode) -> bool {
        self.owner(grid) == self.worker
    }

    /// Which of the workers has the units in this grid.
    pub fn owner(self, grid: RegionCode) -> usize {
        let village = grid.at(model::Level::Village).unwrap_or(grid);
        // villages are numbered in steps of 1 to 100: mix before dividing
        let mixed = village.as_u64().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        (mixed % self.workers as u64) as usize
    }
}

/// How a unit counts in its regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub grid: RegionCode,
    pub colour: Colour,
    pub blind: bool,
    pub risk: Option<u8>,
}

/// A unit that came, went, moved or counts otherwise than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delta {
    pub from: Option<Counted>,
    pub to: Option<Counted>,
}

/// What follows from one commit for one share of the villages.
#[derive(Debug, Clone)]
pub struct Judged {
    pub step: Step,
    /// With the place in the commit that each follows from.
    pub findings: Vec<(u32, Finding)>,
    /// Ordered by unit.
    pub units: Vec<UnitStatus>,
    pub deltas: Vec<Delta>,
    /// Ordered by device.
    pub devices: Vec<DeviceChange>,
    /// Devices whose liveness may have changed.
    pub stirred: Vec<DeviceId>,
}

/// A copy of a judge's state, see [`Judge::snapshot`].
pub struct Snapshot(State);

impl Snapshot {
    /// As [`Judge::encode`] at that moment.
    pub fn encode(&self) -> Vec<u8> {
        model::wire::encode(&self.0)
    }
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("the checkpoint cannot be read ({0}); start without it: the journal holds everything")]
    Damaged(#[from] model::wire::WireError),
    #[error("the checkpoint was made by a build with other rules; start without it: the journal holds everything")]
    Layout,
    #[error("the rules in the checkpoint are refused by this build ({0}); start without it, with rules that it reads")]
    Rules(#[from] crate::RulesError),
}

/// The judge of a share of the villages.
pub struct Judge {
    state: State,
    rules: Rules,
    share: Share,
    timers: Timers,
    unit_timers: units::UnitTimers,
    /// Conditions that make a device untrustworthy, one bit each.
    distrusting: u64,
    /// Of the roster in force.
    places: Places,
    roster: Arc<Roster>,
    neighbourhood: Neighbourhood,
    groups: Groups,
    draft: Draft,
    told: Vec<Told>,
    /// Devices of the share, one bit each; empty where it is the only worker.
    ours: Vec<u64>,
}

/// What one commit changes, in the making.
#[derive(Default)]
struct Draft {
    place: u32,
    findings: Vec<(u32, Finding)>,
    /// Units to be judged at the end; with repetitions.
    touched: Vec<u32>,
    /// A roster is being taken in: its units are looked at when all of it is there.
    adopting: bool,
    /// Groups of devices of which one was lost; with repetitions.
    groups: Vec<u32>,
    /// Devices whose liveness may have changed, and whether they were alive before the commit; with repetitions.
    stirred: Vec<(u32, bool)>,
    deltas: Vec<Delta>,
    /// Names to tell which readings and reports were of no use.
    strangers: u64,
}

impl Judge {
    /// A judge that has seen nothing.
    pub fn new(rules: Rules, share: Share) -> Judge {
        let state = State { layout: rule::layout(), rules: rules.text().into(), ..State::default() };
        Judge::of(state, rules, share, Timers::default())
    }

    /// A judge as [`Judge::state`] left it, from its encoding. Its rules are those of the state.
    ///
    /// # Errors
    /// [`RestoreError`] when the bytes are damaged or of a build with other rules.
    pub fn restore(bytes: &[u8], share: Share) -> Result<Judge, RestoreError> {
        let (state, rules) = Judge::read(bytes)?;
        Ok(Judge::of_share(state, rules, share))
    }

    fn read(bytes: &[u8]) -> Result<(State, Rules), RestoreError> {
        let state: State = model::wire::decode(bytes)?;
        if state.layout != rule::layout() {
            return Err(RestoreError::Layout);
        }
        let rules = Rules::parse(&state.rules)?;
        Ok((state, rules))
    }

    fn of_share(mut state: State, rules: Rules, share: Share) -> Judge {
        crossing::keep_share(&mut state, share);
        let timers = Timers::restore(state.devices.iter());
        let mut judge = Judge::of(state, rules, share, timers);
        judge.note_ours();
        judge
    }

    fn of(state: State, rules: Rules, share: Share, timers: Timers) -> Judge {
        let distrusting = rule::bits(|condition| condition.distrusts);
        let unit_timers = units::UnitTimers::restore(&state);
        let (places, neighbourhood, groups) = (Places::default(), Neighbourhood::default(), Groups::default());
        let (draft, told, ours) = (Draft::default(), Vec::new(), Vec::new());
        Judge {
            state,
            rules,
            share,
            timers,
            unit_timers,
            distrusting,
            places,
            roster: Arc::default(),
            neighbourhood,
            groups,
            draft,
            told,
            ours,
        }
    }

    /// The state after the last commit. A copy of it is cheap.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// The state after the last commit, encoded.
    pub fn encode(&self) -> Vec<u8> {
        model::wire::encode(&self.state)
    }

    /// A copy of the state after the last commit, as checkpoints are made of; cheap.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.state.clone())
    }

    /// Last commit that was judged; 0 for none.
    pub fn epoch(&self) -> Epoch {
        self.state.epoch
    }

    /// The current units, as last told.
    pub fn counted(&self) -> impl Iterator<Item = Counted> {
        self.state.units.iter().filter(|unit| unit.current).filter_map(Unit::counted)
    }

    /// Judges the next commit.
    pub fn apply(&mut self, step: Step) -> Judged {
        let commit = Arc::clone(&step.commit);
        self.begin(&commit);
        self.look_around(&step.roster);
        // before anything that this commit ends or begins, as at the desk: also what a new roster ends
        for entry in &commit.entries {
            if let Entry::Command(command) = entry {
                self.command(command);
            }
        }
        let roster = self.state.roster;
        self.adopt(&step);
        if self.state.roster != roster {
            self.note_ours();
        }
        let mut ticked = false;
        for entry in &commit.entries {
            match entry {
                Entry::Report(report) => self.report(report, &step),
                Entry::Sighting(sighting) => self.sighting(sighting),
                Entry::Tick => ticked = true,
                Entry::Command(_)
                | Entry::Rules(_)
                | Entry::Roster(_)
                | Entry::Session { .. }
                | Entry::Receipt(_)
                | Entry::Policy(_)
                | Entry::Order(_)
                | Entry::DeviceCommand { .. } => {}
            }
            self.draft.place += 1;
        }
        self.readings(&commit.readings);
        if ticked {
            self.tick();
            self.tick_units();
        }
        self.finish(step, ticked)
    }

    fn begin(&mut self, commit: &Commit) {
        let deaf_ms = u64::from(self.settings().lost_contact.deaf_after_s) * 1000;
        let state = &mut self.state;
        if commit.at_ms.saturating_sub(state.at_ms) >= deaf_ms {
            state.deaf.note(state.at_ms, commit.at_ms);
        }
        state.at_ms = commit.at_ms.max(state.at_ms);
        state.epoch = commit.epoch;
    }

    /// The rules in force.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn settings(&self) -> &RuleSettings {
        self.rules.settings()
    }

    /// Conditions that make a device untrustworthy, one bit each.
    pub(crate) fn distrusting(&self) -> u64 {
        self.distrusting
    }

    /// Calls one function of every rule for a device, and does what they say.
    fn ask(&mut self, id: DeviceId, call: impl FnOnce(&mut Memory, &RuleSettings, &mut Scene<'_>)) {
        let Some(device) = self.state.devices.get_mut(id.index()) else { return };
        let Device { facts, holding, memory, .. } = device;
        let mut scene = Scene {
            now_ms: self.state.at_ms,
            device: facts,
            deaf: &self.state.deaf,
            holding: *holding,
            base: 0,
            told: &mut self.told,
            wake_ms: NEVER,
        };
        call(memory, self.rules.settings(), &mut scene);
        let wake_ms = scene.wake_ms;
        self.follow(id, wake_ms);
    }

    fn follow(&mut self, id: DeviceId, wake_ms: u64) {
        if let Some(device) = self.state.devices.get_mut(id.index()) {
            self.timers.arm(id, device, wake_ms);
        }
        let mut told = std::mem::take(&mut self.told);
        for told in told.drain(..) {
            let (place, held) = (told.condition, self.holds(id, told.condition));
            self.found(id, told);
            if self.holds(id, place) != held {
                let turn = rule::Turn { condition: rule::condition(place), began: !held };
                self.ask(id, |memory, settings, scene| memory.turned(settings, turn, scene));
            }
        }
        self.told = told;
    }

    fn holds(&self, id: DeviceId, condition: u8) -> bool {
        self.state.devices.get(id.index()).is_some_and(|device| device.holding >> condition & 1 == 1)
    }

    fn tick(&mut self) {
        let now_ms = self.state.at_ms;
        self.look_at_due(now_ms);
        while let Some((due_ms, id)) = self.timers.pop(now_ms) {
            match self.state.devices.get_mut(id.index()) {
                Some(device) if device.armed_ms == due_ms => device.armed_ms = NEVER,
                _ => continue,
            }
            if self.state.devices.get(id.index()).is_some_and(|device| device.facts.current) {
                self.ask(id, |memory, settings, scene| memory.tick(settings, scene));
            }
        }
    }

    /// Notes whether the device was alive before the commit.
    fn stir(&mut self, id: DeviceId) {
        let alive = self.is_alive(id);
        self.draft.stirred.push((id.0, alive));
    }

    fn is_alive(&self, id: DeviceId) -> bool {
        let lost = rule::lost_bit();
        self.state.devices.get(id.index()).is_some_and(|device| device.heard() && device.holding & lost == 0)
    }

    fn finish(&mut self, step: Step, ticked: bool) -> Judged {
        self.settle_groups(ticked);
        let mut touched = self.take_touched();
        for id in &touched {
            self.settle_unit(UnitId(*id), ticked);
        }
        self.stand(&mut touched, &step, ticked);
        let (mut units, mut deltas) = (Vec::new(), std::mem::take(&mut self.draft.deltas));
        for id in &touched {
            units.extend(self.judge_unit(UnitId(*id), &mut deltas));
        }
        self.account(&touched, &deltas);
        let mut draft = std::mem::take(&mut self.draft);
        self.keep_ours(&mut draft.findings);
        // the first note of a device is the one from before the commit
        draft.stirred.sort_by_key(|(id, _)| *id);
        draft.stirred.dedup_by_key(|(id, _)| *id);
        let changed = draft.stirred.iter().filter(|(id, was)| self.is_alive(DeviceId(*id)) != *was);
        let devices = changed
            .map(|(id, was)| {
                let device = self.state.devices.get(*id as usize);
                let last_seen_ms = device.map_or(0, |device| device.facts.last_ms);
                DeviceChange { device: DeviceId(*id), alive: !was, last_seen_ms }
            })
            .collect();
        if draft.strangers > 0 {
            metrics::counter!("fenghuo_evaluator_strangers_total").increment(draft.strangers);
        }
        let stirred = draft.stirred.iter().map(|(id, _)| DeviceId(*id)).collect();
        Judged { step, findings: draft.findings, units, deltas, devices, stirred }
    }

    fn judge_unit(&mut self, id: UnitId, deltas: &mut Vec<Delta>) -> Option<UnitStatus> {
        let (eyes, weighed) = (self.eyes(id), self.weigh(id));
        self.arm_unit(id, weighed.as_ref());
        let at_ms = self.state.at_ms;
        let unit = self.state.units.get(id.index())?;
        if !unit.current {
            return None;
        }
        let judgement = crate::unit::judge(self.rules.settings(), unit, eyes, weighed, at_ms);
        let risky = judgement.risky;
        let (colour, told, risk) = (judgement.colour, judgement.fingerprint, unit.risk);
        let blind_since_ms = judgement.blind.then(|| unit.blind_since_ms.unwrap_or(at_ms));
        let same = unit.blind_since_ms == blind_since_ms && unit.risk_told == risk;
        if unit.colour == Some(colour) && unit.told == told && same {
            return None;
        }
        let since_ms = if unit.colour == Some(colour) { unit.since_ms } else { at_ms };
        let reasons = judgement.reasons(since_ms);
        let status = UnitStatus { unit: id, colour, since_ms, blind_since_ms, risk, reasons };
        let unit = self.state.units.get_mut(id.index()).expect("it was there a moment ago");
        let from = unit.counted();
        unit.risky = risky;
        (unit.told, unit.colour, unit.since_ms) = (told, Some(colour), since_ms);
        (unit.blind_since_ms, unit.risk_told) = (blind_since_ms, risk);
        let to = unit.counted();
        if from != to {
            deltas.push(Delta { from, to });
        }
        Some(status)
    }
}

#[cfg(test)]
mod tests;
