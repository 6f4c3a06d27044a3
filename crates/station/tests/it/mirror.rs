//! Evaluator and desk know the same fires: each repeats the other's rule for verdicts and closings, and here they live
//! through the same towns. The desk is the authority.

use std::collections::BTreeMap;
use std::sync::Arc;

use alerts::{Desk, Policy, Turn};
use evaluator::Rules;
use evaluator::judge::{Judge, Share};
use model::alert::{Media, Photo};
use model::report::{Body, DeviceState, EventKind};
use model::roster::{DeviceClass, DeviceRow, RosterRows, UnitRow};
use model::{
    Action, AlarmKind, Alert, AlertId, Cause, Colour, Command, Commit, DeviceId, Entry, Evaluated, Family, Journal,
    Ledger, PersonId, Quantity, Reading, Report, Roster, Sighting, SightingKind, Step, UnitId, UnitStatus, Verdict,
};
use store::Store;

const T0: u64 = 1_763_798_400_000;
const UNITS: u32 = 4;
const DEVICES: u32 = 12;

/// Numbers that follow from a seed (an MMIX linear congruential generator).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn of<T: Copy>(&mut self, table: &[T]) -> T {
        table[self.below(table.len())]
    }
}

/// Four units of three devices; `moved` devices are in the next unit.
fn rows(moved: u32) -> RosterRows {
    let mut rows = RosterRows::default();
    let grid = "331083001001001";
    for code in ["331083", "331083001", "331083001001", grid] {
        rows.regions.push((2, code.parse().unwrap(), code.into()));
    }
    for unit in 0..UNITS {
        let code = format!("u{unit}").into();
        let (name, category, address, owner) = ("店".into(), "沿街商铺".into(), "".into(), "".into());
        let row = UnitRow {
            code,
            name,
            category,
            address,
            grid: grid.parse().unwrap(),
            owner,
            position_m: None,
            profile: Default::default(),
        };
        rows.units.push((2, row));
    }
    for device in 0..DEVICES {
        let unit = (device + u32::from(device < moved)) % UNITS;
        let row = DeviceRow {
            vendor: "v".into(),
            name: format!("d{device}").into(),
            unit: format!("u{unit}").into(),
            class: DeviceClass::Combined,
            location: "".into(),
            // some break their promise now and then
            report_every_s: if device % 3 == 0 { 60 } else { 1_000_000 },
            gateway: "".into(),
        };
        rows.devices.push((2, row));
    }
    rows
}

/// Evaluator and desk, fed with the same commits, and what they said.
struct Town {
    dice: Dice,
    judge: Judge,
    desk: Desk,
    store: Store,
    /// Whether the store has all of it, so that the desk can be restored. Each commit costs a synced write.
    keeps: bool,
    _folder: tempfile::TempDir,
    roster: Arc<Roster>,
    epoch: u64,
    at_ms: u64,
    units: BTreeMap<UnitId, UnitStatus>,
    alerts: BTreeMap<AlertId, Alert>,
    commands: Vec<Command>,
    tally: Tally,
}

/// What has been met, so that the test cannot pass by meeting nothing.
#[derive(Debug, Default)]
struct Tally {
    fires: usize,
    real: usize,
    no_fire: usize,
    closed: usize,
    refused: usize,
    repeated: usize,
    unverified: usize,
    /// Closings refused for want of a second person.
    alone: usize,
    /// Closings by a second person while something held.
    second: usize,
}

impl Town {
    fn new(seed: u64, keeps: bool) -> Town {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), store::Settings::default()).unwrap();
        let mut town = Town {
            dice: Dice(seed),
            judge: Judge::new(Rules::default(), Share::ALL),
            desk: Desk::restore(Policy::default(), &store).unwrap(),
            store,
            keeps,
            _folder: folder,
            roster: Arc::default(),
            epoch: 0,
            at_ms: T0,
            units: BTreeMap::new(),
            alerts: BTreeMap::new(),
            commands: Vec::new(),
            tally: Tally::default(),
        };
        town.roster = town.moved(0);
        town
    }

    fn moved(&self, moved: u32) -> Arc<Roster> {
        let change = self.roster.change_to(&rows(moved)).unwrap();
        Arc::new(self.roster.after(&change, self.epoch + 1))
    }

    /// One commit through both; the units that the evaluator told of, and the desk's turn.
    fn commit(&mut self, entries: Vec<Entry>, readings: Vec<Reading>) -> (Vec<UnitStatus>, Turn) {
        self.epoch += 1;
        let commit = Arc::new(Commit { epoch: self.epoch, at_ms: self.at_ms, entries, readings });
        if self.keeps {
            self.store.append(&commit, &[], &[]).unwrap();
        }
        let mut judged = self.judge.apply(Step { commit, roster: Arc::clone(&self.roster) });
        judged.findings.sort_by_key(|(place, finding)| (*place, finding.unit));
        let evaluated = Evaluated {
            step: judged.step,
            findings: judged.findings.into_iter().map(|(_, finding)| finding).collect(),
            units: judged.units,
            regions: Vec::new(),
            devices: Arc::from(judged.devices),
        };
        let turn = self.desk.step(&evaluated);
        if self.keeps {
            self.store.commit(&turn.batch).unwrap();
        }
        for status in &evaluated.units {
            self.units.insert(status.unit, status.clone());
        }
        for alert in &turn.batch.alerts {
            self.alerts.insert(alert.id, Alert::clone(alert));
        }
        (evaluated.units, turn)
    }

    fn live(&mut self) {
        self.at_ms += self.dice.of(&[0, 500, 2_000, 2_000, 10_000, 61_000, 400_000]);
        match self.dice.below(40) {
            0 => self.restart(),
            1 => {
                let moved = self.dice.of(&[0, 1, 3]);
                self.roster = self.moved(moved);
                // commands of the same commit come before what the new roster ends
                let commands = [self.command(), self.command()].into_iter().flatten().map(Entry::Command);
                let entries = commands.chain([Entry::Tick]).collect();
                self.commit(entries, Vec::new());
            }
            2..15 => self.one_command(),
            _ => {
                let (entries, readings) = self.anything();
                self.commit(entries, readings);
            }
        }
        self.compare();
    }

    fn restart(&mut self) {
        self.judge = Judge::restore(&self.judge.encode(), Share::ALL).unwrap();
        if self.keeps {
            self.desk = Desk::restore(Policy::default(), &self.store).unwrap();
        }
    }

    fn anything(&mut self) -> (Vec<Entry>, Vec<Reading>) {
        let mut entries = Vec::new();
        if self.dice.one_in(2) {
            entries.push(Entry::Tick);
        }
        for _ in 0..self.dice.of(&[0, 0, 1, 1, 3]) {
            entries.push(Entry::Report(self.report()));
        }
        if self.dice.one_in(8) {
            entries.push(Entry::Sighting(self.sighting()));
        }
        for _ in 0..self.dice.of(&[0, 0, 0, 1, 2]) {
            entries.extend(self.command().map(Entry::Command));
        }
        let readings = (0..self.dice.below(4)).map(|_| self.reading()).collect();
        (entries, readings)
    }

    /// What one of two people sees; now and then for the second time.
    fn sighting(&mut self) -> Sighting {
        let kinds = [SightingKind::Fire, SightingKind::Smoke, SightingKind::Hazard, SightingKind::AllClear];
        let id = format!("s{}", self.epoch / 3).into();
        let by = self.dice.of(&["P1", "P2"]).into();
        let unit = UnitId(self.dice.below(UNITS as usize) as u32);
        Sighting { id, unit, by, kind: self.dice.of(&kinds), note: "".into() }
    }

    fn report(&mut self) -> Report {
        let kinds = [AlarmKind::Smoke, AlarmKind::Heat, AlarmKind::Manual, AlarmKind::Gas, AlarmKind::Water];
        let events = [EventKind::Test, EventKind::Muted, EventKind::Fault, EventKind::Restored, EventKind::Tamper];
        let body = match self.dice.below(10) {
            0..7 => Body::Alarm {
                id: format!("a{}", self.dice.below(3)).into(),
                kind: self.dice.of(&kinds),
                active: !self.dice.one_in(2),
                value: None,
                unit: "".into(),
            },
            7..9 => Body::Event { id: "e".into(), kind: self.dice.of(&events) },
            _ => {
                let state = self.dice.of(&[DeviceState::Online, DeviceState::Lost]);
                Body::State { state, next_report_s: None, will: state == DeviceState::Lost }
            }
        };
        Report { device: self.device(), at_ms: self.at_ms, skew_ms: None, body }
    }

    fn reading(&mut self) -> Reading {
        let (quantity, value) = self.dice.of(&[
            (Quantity::SmokeDbM, 0.3),
            (Quantity::SmokeDbM, 0.0),
            (Quantity::TemperatureC, 80.0),
            (Quantity::TemperatureC, 20.0),
            (Quantity::GasLelPct, 30.0),
            (Quantity::GasLelPct, 0.0),
        ]);
        Reading { device: self.device(), quantity, value, at_ms: self.at_ms, skew_ms: None, seq: None }
    }

    fn device(&mut self) -> DeviceId {
        DeviceId(self.dice.below(DEVICES as usize) as u32)
    }

    /// A command on a fire, mostly one that is open: perhaps one that was given before, perhaps one that names none. Three
    /// people and a service act, for themselves or in another's name.
    fn command(&mut self) -> Option<Command> {
        if !self.commands.is_empty() && self.dice.one_in(6) {
            let back = self.dice.below(self.commands.len().min(12));
            return Some(self.commands[self.commands.len() - 1 - back].clone());
        }
        let fires = self.alerts.values().filter(|alert| alert.family() == Family::Fire);
        let is_late = self.dice.0 >> 60 == 0;
        let ids: Vec<AlertId> = fires.filter(|alert| is_late || alert.state.is_open()).map(|alert| alert.id).collect();
        if ids.is_empty() {
            return None;
        }
        let judged: Vec<AlertId> = ids.iter().copied().filter(|id| self.alerts[id].verdict.is_some()).collect();
        let of = if !judged.is_empty() && !self.dice.one_in(3) { &judged } else { &ids };
        let mut alert = self.dice.of(of);
        if self.dice.one_in(20) {
            alert.epoch += 1;
        }
        let (verdict, cause) = self.dice.of(&[
            (Verdict::Real, Cause::Unknown),
            (Verdict::Real, Cause::Wiring),
            (Verdict::False, Cause::Unknown),
            (Verdict::Test, Cause::Drill),
            // refused: nothing real has such a cause, and nothing false
            (Verdict::Real, Cause::Drill),
            (Verdict::False, Cause::Arson),
        ]);
        let other = self.dice.of(&[
            Action::Acknowledge,
            Action::Arrive,
            Action::FinishWork,
            Action::Check { in_order: true },
            Action::Check { in_order: false },
            Action::Assign(PersonId(0)),
            Action::Note,
            Action::Shelve { until_ms: self.at_ms + 60_000 },
            Action::Unshelve,
            Action::TakeOutOfService { until_ms: None },
            Action::ReturnToService,
            Action::Photo(Photo { sha256: [1; 32], media: Media::Png, bytes: 9 }),
        ]);
        let is_judged = self.alerts.get(&alert).is_some_and(|alert| alert.verdict.is_some());
        let action = match self.dice.below(8) {
            _ if is_judged && self.dice.one_in(2) => Action::Close,
            0..3 => Action::Verify(verdict, cause),
            3..6 => Action::Close,
            6 => Action::BeginWork,
            _ => other,
        };
        let id = format!("k{}", self.commands.len()).as_str().into();
        let person = self.dice.of(&["P1", "P2", "P3"]).into();
        let entered_by = self.dice.of(&[None, None, Some("P1"), Some("P2"), Some("app")]).map(Box::from);
        let command = Command { id, person, entered_by, alert, action, note: Some("…".into()) };
        self.commands.push(command.clone());
        Some(command)
    }

    /// A commit of one command and nothing else: what it does at the desk, it does to the colour.
    fn one_command(&mut self) {
        let Some(command) = self.command() else { return };
        let unit = command.alert.unit;
        let (told, turn) = self.commit(vec![Entry::Command(command.clone())], Vec::new());
        let result = &turn.outcomes[0].result;
        let is_done = result.is_ok() && !turn.batch.alerts.is_empty();
        self.tally.refused += usize::from(result.is_err());
        let alone = |refused: &model::alert::Refused| refused.to_string().contains("have another person close it");
        self.tally.alone += usize::from(result.as_ref().is_err_and(alone));
        self.tally.repeated += usize::from(result.is_ok() && !is_done);
        match command.action {
            Action::Verify(Verdict::Real, _) if is_done => {
                self.tally.real += 1;
                assert_eq!(self.units[&unit].colour, Colour::Red, "{command:?}: found real");
            }
            Action::Verify(Verdict::False | Verdict::Test, _) if is_done => {
                self.tally.no_fire += 1;
                assert!(!self.shows_fire(unit), "{command:?}: found to be none, but {:?}", self.units[&unit]);
            }
            Action::Close if is_done => {
                self.tally.closed += 1;
                self.tally.second += usize::from(!self.alerts[&command.alert].conditions.is_empty());
                assert!(!self.shows_fire(unit), "{command:?}: closed, but {:?}", self.units[&unit]);
            }
            Action::Acknowledge
            | Action::Arrive
            | Action::Verify(..)
            | Action::Close
            | Action::Assign(_)
            | Action::BeginWork
            | Action::FinishWork
            | Action::Check { .. }
            | Action::Note
            | Action::Photo(_)
            | Action::Shelve { .. }
            | Action::Unshelve
            | Action::TakeOutOfService { .. }
            | Action::ReturnToService => {
                assert!(told.is_empty(), "{command:?} was answered with {result:?} and changed {told:?}");
            }
        }
    }

    fn shows_fire(&self, unit: UnitId) -> bool {
        self.units.get(&unit).is_some_and(|status| status.reasons.iter().any(|reason| reason.family == Family::Fire))
    }

    /// What must hold between open fires and colours after every commit.
    fn compare(&mut self) {
        for unit in (0..UNITS).map(UnitId) {
            let mut open = self.alerts.values().filter(|alert| alert.id.unit == unit && alert.state.is_open());
            let Some(fire) = open.find(|alert| alert.family() == Family::Fire) else {
                assert!(!self.shows_fire(unit), "no fire is open, but {:?}", self.units.get(&unit));
                continue;
            };
            let status = &self.units[&unit];
            self.tally.fires += 1;
            match fire.verdict.as_ref().map(|(verdict, _)| *verdict) {
                None => {
                    self.tally.unverified += 1;
                    let least = urgency(fire.colour).max(urgency(Colour::Orange));
                    let found = urgency(status.colour);
                    assert!(found >= least, "{} is {:?} and unverified, but {status:?}", fire.id, fire.colour);
                    assert!(self.shows_fire(unit), "{} is unverified, but {status:?}", fire.id);
                }
                Some(Verdict::Real) => assert_eq!(status.colour, Colour::Red, "{} is real, but {status:?}", fire.id),
                Some(Verdict::False | Verdict::Test) => {}
            }
        }
    }
}

/// Rank of a unit's colour: blind is more than yellow, for it is not safe, and less than a fire.
fn urgency(colour: Colour) -> u8 {
    match colour {
        Colour::Blue => 0,
        Colour::Yellow => 1,
        Colour::Blind => 2,
        Colour::Orange => 3,
        Colour::Red => 4,
    }
}

#[test]
fn evaluator_and_desk_know_the_same_fires() {
    let mut met = Vec::new();
    for seed in 0..6_u64 {
        let mut town = Town::new(seed * 7919 + 1, seed == 0);
        for step in 0..1_500 {
            let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| town.live()));
            if let Err(panic) = lived {
                eprintln!("seed {seed}, step {step}, commit {}", town.epoch);
                std::panic::resume_unwind(panic);
            }
        }
        let Tally { fires, real, no_fire, closed, refused, repeated, unverified, alone, second } = town.tally;
        met.push([fires, unverified, real, no_fire, closed, refused, repeated, alone, second]);
    }
    for what in 0..9 {
        let total: usize = met.iter().map(|tally| tally[what]).sum();
        assert!(total > 50, "too little was met: {met:?}");
    }
}
