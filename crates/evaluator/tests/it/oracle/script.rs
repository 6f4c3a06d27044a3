//! Random days of a small town, for tests that compare the evaluator with something: what is said, when, and what changes.
//! A script shrinks, prints itself, and gives the same commits for the same answers of the evaluator.

use std::sync::Arc;

use model::report::Body;
use model::roster::{DeviceClass, DeviceRow, RosterRows, UnitRow};
use model::{
    Action, AlarmKind, AlertId, Command, Commit, DeviceId, DeviceState, Entry, Evaluated, EventKind, Phase, Quantity,
    Reading, Report, Roster, Sighting, SightingKind, Step, UnitId, Verdict,
};
use proptest::prelude::*;

use crate::kit::T0;

/// What happens one after another.
#[derive(Debug, Clone)]
pub enum Act {
    /// Time goes by, with a tick so often.
    Pass { s: u32, tick_s: u32 },
    /// A commit of entries and of readings as they come: shuffled, late, doubled.
    Commit { gap_ms: u32, entries: Vec<Say>, readings: Vec<Read>, tick: bool },
    /// One quantity of a device at some levels, one commit each.
    Series { device: u8, of: Quantity, levels: Vec<u8>, every_ms: u32, tick: bool },
    /// A temperature that rises (or falls).
    Ramp { device: u8, from_c: f32, k_min: f32, samples: u8, every_ms: u32 },
    /// The operator writes the tables anew.
    Roster(Vec<Change>),
    /// Other rules; see [`RULES`].
    Rules(u8),
    /// Somebody acts on one of the alerts so far.
    Order { pick: u8, action: u8, again: bool },
}

/// What a device or a person says.
#[derive(Debug, Clone)]
pub enum Say {
    Alarm { device: u8, kind: u8, active: bool },
    Event { device: u8, kind: u8 },
    State { device: u8, state: u8, next_s: u32, will: bool },
    Sight { unit: u8, kind: u8, id: u8 },
}

/// A reading, received so long before its commit.
#[derive(Debug, Clone)]
pub struct Read {
    pub device: u8,
    pub of: Quantity,
    pub level: u8,
    pub late_ms: u32,
}

#[derive(Debug, Clone)]
pub enum Change {
    Unit { unit: u8, village: u8 },
    UnitOff { unit: u8 },
    Device { device: u8, unit: u8, promise_s: u32 },
    DeviceOff { device: u8 },
}

/// A town and its day.
#[derive(Debug, Clone)]
pub struct Script {
    /// Village of each unit.
    pub units: Vec<u8>,
    /// Unit and promise of each device, s.
    pub devices: Vec<(u8, u32)>,
    pub acts: Vec<Act>,
}

/// Texts of [`Act::Rules`]; the last is refused.
pub const RULES: [&str; 5] = [
    "",
    "[smoke]\nthreshold_db_m = 0.3\nconfirm_samples = 2\nconfirm_s = 0\n",
    "[heat_fixed]\nthreshold_c = 62.0\n[gas]\nalarm_lel_pct = 20.0\nclear_lel_pct = 8.0\n",
    "[lost_contact]\nfactor_pct = 150\n[battery]\nlow_pct = 15.0\n[electrical]\nresidual_ma = 250.0\n",
    "nonsense = 1\n",
];

/// Values of a quantity from calm to grave, around the rules' defaults.
fn value(of: Quantity, level: u8) -> f32 {
    let values: [f32; 8] = match of {
        Quantity::SmokeDbM => [0.0, 0.05, 0.09, 0.12, 0.15, 0.2, 0.35, 0.8],
        Quantity::TemperatureC => [20.0, 35.0, 50.0, 53.0, 57.2, 60.0, 80.0, 130.0],
        Quantity::GasLelPct => [0.0, 3.0, 6.0, 9.9, 10.0, 15.0, 25.0, 60.0],
        Quantity::CoPpm => [0.0, 10.0, 29.0, 40.0, 60.0, 120.0, 310.0, 1000.0],
        Quantity::ResidualCurrentMa => [0.0, 100.0, 269.0, 280.0, 300.0, 400.0, 500.0, 900.0],
        Quantity::CableTemperatureC => [20.0, 40.0, 62.0, 65.0, 70.0, 80.0, 90.0, 120.0],
        Quantity::WaterPressureMpa => [0.3, 0.25, 0.2, 0.15, 0.12, 0.11, 0.09, 0.0],
        Quantity::BatteryPct => [100.0, 60.0, 25.0, 20.0, 15.0, 11.0, 10.0, 0.0],
        _ => [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, f32::NAN],
    };
    values[usize::from(level) % 8]
}

const QUANTITIES: [Quantity; 10] = [
    Quantity::SmokeDbM,
    Quantity::TemperatureC,
    Quantity::GasLelPct,
    Quantity::CoPpm,
    Quantity::ResidualCurrentMa,
    Quantity::CableTemperatureC,
    Quantity::WaterPressureMpa,
    Quantity::BatteryPct,
    Quantity::Presence,
    Quantity::HumidityPct,
];

const PROMISES_S: [u32; 5] = [5, 30, 60, 600, 86_400];

fn promise() -> impl Strategy<Value = u32> {
    prop::sample::select(&PROMISES_S[..])
}

fn say() -> impl Strategy<Value = Say> {
    let device = 0..9_u8;
    prop_oneof![
        4 => (device.clone(), 0..9_u8, prop::bool::weighted(0.7)).prop_map(|(device, kind, active)| Say::Alarm { device, kind, active }),
        3 => (device.clone(), any::<u8>()).prop_map(|(device, kind)| Say::Event { device, kind }),
        2 => (device, 0..3_u8, prop::sample::select(&[0_u32, 20, 120][..]), any::<bool>())
            .prop_map(|(device, state, next_s, will)| Say::State { device, state, next_s, will }),
        1 => (0..6_u8, any::<u8>(), 0..4_u8).prop_map(|(unit, kind, id)| Say::Sight { unit, kind, id }),
    ]
}

fn read() -> impl Strategy<Value = Read> {
    let late_ms = prop_oneof![3 => Just(0_u32), 1 => 0..9000_u32];
    (0..9_u8, prop::sample::select(&QUANTITIES[..]), 0..8_u8, late_ms).prop_map(|(device, of, level, late_ms)| Read {
        device,
        of,
        level,
        late_ms,
    })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (0..7_u8, 0..5_u8).prop_map(|(unit, village)| Change::Unit { unit, village }),
        1 => (0..7_u8).prop_map(|unit| Change::UnitOff { unit }),
        3 => (0..9_u8, 0..7_u8, promise()).prop_map(|(device, unit, promise_s)| Change::Device { device, unit, promise_s }),
        1 => (0..9_u8).prop_map(|device| Change::DeviceOff { device }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let every_ms = || prop::sample::select(&[500_u32, 1000, 4000, 10_000, 30_000, 60_000, 70_000][..]);
    prop_oneof![
        3 => (1..900_u32, prop::sample::select(&[1_u32, 10, 60][..])).prop_map(|(s, tick_s)| Act::Pass { s, tick_s }),
        6 => (0..20_000_u32, prop::collection::vec(say(), 0..4), prop::collection::vec(read(), 0..9), any::<bool>())
            .prop_map(|(gap_ms, entries, readings, tick)| Act::Commit { gap_ms, entries, readings, tick }),
        5 => (0..9_u8, prop::sample::select(&QUANTITIES[..7]), prop::collection::vec(0..8_u8, 1..12), every_ms(), any::<bool>())
            .prop_map(|(device, of, levels, every_ms, tick)| Act::Series { device, of, levels, every_ms, tick }),
        2 => (0..9_u8, 15.0..50.0_f32, -20.0..60.0_f32, 3..40_u8, prop::sample::select(&[1000_u32, 4000, 10_000][..]))
            .prop_map(|(device, from_c, k_min, samples, every_ms)| Act::Ramp { device, from_c, k_min, samples, every_ms }),
        1 => prop::collection::vec(change(), 1..4).prop_map(Act::Roster),
        1 => (0..RULES.len() as u8).prop_map(Act::Rules),
        3 => (any::<u8>(), 0..6_u8, prop::bool::weighted(0.2)).prop_map(|(pick, action, again)| Act::Order { pick, action, again }),
    ]
}

/// Towns of up to six units in up to five villages, and up to `acts` things that happen.
pub fn script(acts: usize) -> impl Strategy<Value = Script> {
    let units = prop::collection::vec(0..5_u8, 1..6);
    let devices = prop::collection::vec((0..6_u8, promise()), 1..8);
    (units, devices, prop::collection::vec(act(), 1..acts)).prop_map(|(units, devices, acts)| Script {
        units,
        devices,
        acts,
    })
}

/// Two units with three devices that raise alarms and end them, and people who judge and close, one thing soon after another.
pub fn dispute(acts: usize) -> impl Strategy<Value = Script> {
    let alarm = (0..3_u8, 0..3_u8, any::<bool>()).prop_map(|(device, kind, active)| Act::Commit {
        gap_ms: 3000,
        entries: vec![Say::Alarm { device, kind, active }],
        readings: Vec::new(),
        tick: active,
    });
    let act = prop_oneof![
        4 => alarm,
        2 => (1..90_u32).prop_map(|s| Act::Pass { s, tick_s: 5 }),
        4 => (0..3_u8, 0..4_u8, prop::bool::weighted(0.1)).prop_map(|(pick, action, again)| Act::Order { pick, action, again }),
    ];
    prop::collection::vec(act, 1..acts).prop_map(|acts| Script {
        units: vec![0, 0],
        devices: vec![(0, 600), (0, 600), (1, 600)],
        acts,
    })
}

/// Makes steps of a script; some depend on what the evaluator found before.
pub struct Player {
    town: Town,
    roster: Arc<Roster>,
    epoch: u64,
    at_ms: u64,
    /// Alerts that there may be.
    alerts: Vec<AlertId>,
    commands: Vec<Command>,
    spoken: u32,
}

/// The operator's tables.
struct Town {
    units: Vec<Option<u8>>,
    devices: Vec<Option<(u8, u32)>>,
}

impl Town {
    fn rows(&self) -> RosterRows {
        let mut rows = RosterRows::default();
        let mut region = |code: String| rows.regions.push((0, code.parse().unwrap(), code.as_str().into()));
        region("331083".into());
        for village in 0..5 {
            if village < 2 {
                region(format!("33108300{}", village + 1));
            }
            region(village_code(village));
            region(format!("{}001", village_code(village)));
        }
        for (unit, village) in self.units.iter().enumerate().filter_map(|(unit, village)| Some((unit, (*village)?))) {
            let row = UnitRow {
                code: format!("u{unit}").into(),
                name: "店".into(),
                category: "沿街商铺".into(),
                address: "".into(),
                grid: format!("{}001", village_code(village)).parse().unwrap(),
                owner: "".into(),
                position_m: None,
                profile: Default::default(),
            };
            rows.units.push((0, row));
        }
        for (device, row) in self.devices.iter().enumerate() {
            let Some((unit, report_every_s)) = *row else { continue };
            if self.units.get(usize::from(unit)).copied().flatten().is_none() {
                continue;
            }
            let row = DeviceRow {
                vendor: "v".into(),
                name: format!("d{device}").into(),
                unit: format!("u{unit}").into(),
                class: [DeviceClass::Combined, DeviceClass::Smoke, DeviceClass::Electrical][device % 3],
                location: "".into(),
                report_every_s,
                gateway: ["", "g1", "g2"][device % 3].into(),
            };
            rows.devices.push((0, row));
        }
        rows
    }

    fn change(&mut self, change: &Change) {
        fn at<T: Clone>(rows: &mut Vec<Option<T>>, place: u8) -> &mut Option<T> {
            let place = usize::from(place).min(rows.len());
            if place == rows.len() {
                rows.push(None);
            }
            &mut rows[place]
        }
        match change {
            Change::Unit { unit, village } => *at(&mut self.units, *unit) = Some(*village),
            Change::UnitOff { unit } => *at(&mut self.units, *unit) = None,
            Change::Device { device, unit, promise_s } => *at(&mut self.devices, *device) = Some((*unit, *promise_s)),
            Change::DeviceOff { device } => *at(&mut self.devices, *device) = None,
        }
    }
}

fn village_code(village: u8) -> String {
    format!("33108300{}00{}", village % 2 + 1, village / 2 + 1)
}

impl Player {
    pub fn new(script: &Script) -> Player {
        let units = script.units.iter().map(|village| Some(*village)).collect::<Vec<_>>();
        let count = units.len() as u8;
        let devices = script.devices.iter().map(|(unit, promise_s)| Some((unit % count, *promise_s))).collect();
        Player {
            town: Town { units, devices },
            roster: Arc::default(),
            epoch: 0,
            at_ms: T0,
            alerts: Vec::new(),
            commands: Vec::new(),
            spoken: 0,
        }
    }

    /// Plays the script to `judge`, which answers each step.
    pub fn play(&mut self, script: &Script, judge: &mut dyn FnMut(Step) -> Evaluated) {
        let mut judge = |step: Step, alerts: &mut Vec<AlertId>| {
            let epoch = step.commit.epoch;
            for finding in judge(step).findings.iter().filter(|finding| finding.phase == Phase::Began) {
                let id = AlertId { epoch, unit: finding.unit, family: finding.family };
                if !alerts.contains(&id) {
                    alerts.push(id);
                }
            }
        };
        let first = self.roster(&[]);
        judge(first, &mut self.alerts);
        for act in &script.acts {
            let begun_ms = self.at_ms;
            let mut number = 0;
            while let Some(step) = self.step(act, number, begun_ms) {
                judge(step, &mut self.alerts);
                number += 1;
            }
        }
    }

    /// The step of this number that an act makes; `None` after its last.
    fn step(&mut self, act: &Act, number: u32, begun_ms: u64) -> Option<Step> {
        let once = (number == 0).then_some(());
        match act {
            Act::Pass { s, tick_s } => {
                let tick_s = (*tick_s).max(s / 40);
                self.at_ms = begun_ms + u64::from((number + 1) * tick_s) * 1000;
                ((number + 1) * tick_s <= *s).then(|| self.commit(vec![Entry::Tick], Vec::new()))
            }
            Act::Commit { gap_ms, entries, readings, tick } => {
                once?;
                self.at_ms += u64::from(*gap_ms);
                let mut entries: Vec<Entry> = entries.iter().filter_map(|say| self.say(say)).collect();
                entries.extend(tick.then_some(Entry::Tick));
                let readings = readings.iter().filter_map(|read| self.read(read)).collect();
                Some(self.commit(entries, readings))
            }
            Act::Series { device, of, levels, every_ms, tick } => {
                let level = levels.get(number as usize)?;
                self.at_ms += u64::from(*every_ms);
                let read = Read { device: *device, of: *of, level: *level, late_ms: 0 };
                let readings = self.read(&read).into_iter().collect();
                Some(self.commit(tick.then_some(Entry::Tick).into_iter().collect(), readings))
            }
            Act::Ramp { device, from_c, k_min, samples, every_ms } => {
                (number < u32::from(*samples)).then_some(())?;
                self.at_ms += u64::from(*every_ms);
                let value = from_c + k_min * (number * every_ms) as f32 / 60_000.0;
                let read = Read { device: *device, of: Quantity::TemperatureC, level: 0, late_ms: 0 };
                let readings = self.read(&read).map(|reading| Reading { value, ..reading });
                Some(self.commit(vec![Entry::Tick], readings.into_iter().collect()))
            }
            Act::Roster(changes) => once.map(|()| self.roster(changes)),
            Act::Rules(which) => {
                once.map(|()| self.commit(vec![Entry::Rules(RULES[usize::from(*which)].into())], vec![]))
            }
            Act::Order { pick, action, again } => {
                once?;
                let command = if *again && !self.commands.is_empty() {
                    self.commands[usize::from(*pick) % self.commands.len()].clone()
                } else {
                    (!self.alerts.is_empty()).then_some(())?;
                    let alert = self.alerts[self.alerts.len() - 1 - usize::from(*pick) % self.alerts.len().min(8)];
                    let verdicts = [Verdict::Real, Verdict::False, Verdict::Test].map(Action::verified);
                    let action = verdicts
                        .into_iter()
                        .chain([Action::Close, Action::Acknowledge, Action::BeginWork])
                        .nth((*action).into())?;
                    let id = format!("c{}", self.commands.len()).as_str().into();
                    let person = ["P1", "P2", "P2"][self.commands.len() % 3].into();
                    Command { id, person, entered_by: None, alert, action, note: None }
                };
                self.commands.push(command.clone());
                Some(self.commit(vec![Entry::Command(command)], Vec::new()))
            }
        }
    }

    fn commit(&mut self, entries: Vec<Entry>, readings: Vec<Reading>) -> Step {
        self.epoch += 1;
        let commit = Commit { epoch: self.epoch, at_ms: self.at_ms, entries, readings };
        Step { commit: Arc::new(commit), roster: Arc::clone(&self.roster) }
    }

    fn roster(&mut self, changes: &[Change]) -> Step {
        changes.iter().for_each(|change| self.town.change(change));
        let change = self.roster.change_to(&self.town.rows()).unwrap();
        if change.is_empty() {
            return self.commit(Vec::new(), Vec::new());
        }
        self.roster = Arc::new(self.roster.after(&change, self.epoch + 1));
        self.commit(vec![Entry::Roster(Box::new(change))], Vec::new())
    }

    /// Numbers of devices that there are, and at times one that there is not.
    fn device(&self, device: u8) -> Option<DeviceId> {
        let count = self.roster.devices().len() as u32;
        (count > 0).then(|| DeviceId(u32::from(device) % (count + u32::from(device == 8))))
    }

    fn say(&mut self, say: &Say) -> Option<Entry> {
        self.spoken += 1;
        let (device, body) = match say {
            Say::Alarm { device, kind, active } => {
                let kind = AlarmKind::from_word(AlarmKind::WORDS[usize::from(*kind) % AlarmKind::WORDS.len()]).unwrap();
                let id = format!("a{}", self.spoken).into();
                (device, Body::Alarm { id, kind, active: *active, value: None, unit: "".into() })
            }
            Say::Event { device, kind } => {
                let kind = EventKind::from_word(EventKind::WORDS[usize::from(*kind) % EventKind::WORDS.len()]).unwrap();
                (device, Body::Event { id: "e".into(), kind })
            }
            Say::State { device, state, next_s, will } => {
                let state = [DeviceState::Online, DeviceState::Sleeping, DeviceState::Lost][usize::from(*state)];
                (device, Body::State { state, next_report_s: (*next_s > 0).then_some(*next_s), will: *will })
            }
            Say::Sight { unit, kind, id } => {
                let units = self.roster.units().len() as u32;
                let kinds = SightingKind::WORDS;
                let kind = SightingKind::from_word(kinds[usize::from(*kind) % kinds.len()]).unwrap();
                let (id, note) = (format!("s{id}").into(), "".into());
                let unit = UnitId(u32::from(*unit) % units.max(1));
                return Some(Entry::Sighting(Sighting { id, unit, by: "P2".into(), kind, note }));
            }
        };
        let device = self.device(*device)?;
        Some(Entry::Report(Report { device, at_ms: self.at_ms, skew_ms: None, body }))
    }

    fn read(&self, read: &Read) -> Option<Reading> {
        let device = self.device(read.device)?;
        let at_ms = self.at_ms - u64::from(read.late_ms).min(self.at_ms - T0);
        Some(Reading { device, quantity: read.of, value: value(read.of, read.level), at_ms, skew_ms: None, seq: None })
    }
}
