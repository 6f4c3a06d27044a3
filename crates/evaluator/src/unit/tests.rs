//! Units as a whole, as text.

use std::sync::Arc;

use model::roster::{DeviceClass, DeviceRow, RosterRows, UnitRow};
use model::{Action, AlertId, Command, Entry, Evaluated, Family, Roster, Sighting, SightingKind, UnitId, Verdict};

use crate::judge::{Judge, Share};
use crate::testing::{Bench, line};

mod colours;
mod evidence;
mod outages;
mod people;

/// A town of text: `code x,y: device[/promise][@gateway] …`, one unit a line; `-` for no position. Units stand in one grid,
/// those whose code begins with `w` in another village.
fn town_of(text: &str) -> Roster {
    let mut rows = RosterRows::default();
    let regions = ["331083", "331083001", "331083001001", "331083001002", "331083001001001", "331083001002001"];
    rows.regions = regions.iter().map(|code| (2, code.parse().expect("valid"), (*code).into())).collect();
    for row in text.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let (head, devices) = row.split_once(':').expect("a colon");
        let (code, at) = head.split_once(' ').expect("code and position");
        let position_m = at.split_once(',').map(|(x, y)| (x.parse().expect("metres"), y.parse().expect("metres")));
        let village = if code.starts_with('w') { 2 } else { 1 };
        rows.units.push((
            2,
            UnitRow {
                code: code.into(),
                name: "店".into(),
                category: "沿街商铺".into(),
                address: "".into(),
                grid: format!("331083001{village:03}001").parse().expect("valid"),
                owner: "".into(),
                position_m,
                profile: Default::default(),
            },
        ));
        for device in devices.split_whitespace() {
            let (device, gateway) = device.split_once('@').unwrap_or((device, ""));
            let (name, promise) = device.split_once('/').unwrap_or((device, "86400"));
            let class = if name.starts_with("cam") { DeviceClass::Camera } else { DeviceClass::Combined };
            rows.devices.push((
                2,
                DeviceRow {
                    vendor: "v".into(),
                    name: name.into(),
                    unit: code.into(),
                    class,
                    location: "".into(),
                    report_every_s: promise.parse().expect("seconds"),
                    gateway: gateway.into(),
                },
            ));
        }
    }
    let change = Roster::default().change_to(&rows).expect("the rows are sound");
    Roster::default().after(&change, 1)
}

/// What is looked at.
#[derive(Clone, Copy, PartialEq)]
enum Look {
    /// Findings: `began rule colour [alarm] unit`.
    Findings,
    /// Colours where they change: `unit colour`.
    Colours,
    /// Colours and reasons where either changes: `unit colour rule rule…`.
    Reasons,
}

struct Play {
    bench: Bench,
    look: Look,
    every_s: u64,
    before_s: Option<u64>,
    colours: std::collections::BTreeMap<UnitId, model::Colour>,
    /// The commit that opened the newest alert of each unit and family.
    alerts: std::collections::BTreeMap<(UnitId, Family), u64>,
    commands: usize,
}

impl Play {
    fn new(rules: &str, town: &str, look: Look) -> Play {
        let bench = Bench::new(rules, town_of(town));
        let (colours, alerts) = Default::default();
        Play { bench, look, every_s: 10, before_s: None, colours, alerts, commands: 0 }
    }

    fn unit(&self, code: &str) -> UnitId {
        self.bench.roster.unit_by_code(code).expect("the unit is in the town")
    }

    /// Beside what [`Bench::word`] knows: `see kind person id unit`, `verify verdict unit`, `close family unit`.
    fn entry(&mut self, word: &str) -> Option<Entry> {
        let parts: Vec<&str> = word.split_whitespace().collect();
        let (unit, family, action) = match parts.as_slice() {
            ["see", kind, by, id, unit] => {
                let kind = SightingKind::from_word(kind).expect("a kind");
                let (id, by, note) = ((*id).into(), (*by).into(), "三楼".into());
                return Some(Entry::Sighting(Sighting { id, unit: self.unit(unit), by, kind, note }));
            }
            ["verify", verdict, unit] => {
                let verdict = match *verdict {
                    "real" => Verdict::Real,
                    "false" => Verdict::False,
                    "test" => Verdict::Test,
                    _ => panic!("{verdict} is no verdict"),
                };
                (self.unit(unit), Family::Fire, Action::verified(verdict))
            }
            ["work", family, unit] => {
                (self.unit(unit), Family::from_word(family).expect("a family"), Action::BeginWork)
            }
            ["close", family, unit] => (self.unit(unit), Family::from_word(family).expect("a family"), Action::Close),
            _ => return None,
        };
        self.commands += 1;
        let alert = AlertId { epoch: self.alerts[&(unit, family)], unit, family };
        let id = format!("k{}", self.commands).as_str().into();
        let person = if action == Action::Close { "P2" } else { "P1" }.into();
        Some(Entry::Command(Command { id, person, entered_by: None, alert, action, note: None }))
    }

    fn told(&mut self, out: &Evaluated) -> Vec<String> {
        for finding in &out.findings {
            if finding.phase == model::Phase::Began {
                self.alerts.entry((finding.unit, finding.family)).or_insert(self.bench.epoch());
            }
        }
        let code = |unit: UnitId| self.bench.roster.unit(unit).expect("known").code.to_string();
        let mut told = Vec::new();
        if self.look == Look::Findings {
            told.extend(out.findings.iter().map(|finding| format!("{} {}", line(finding), code(finding.unit))));
        }
        for status in &out.units {
            let before = self.colours.insert(status.unit, status.colour);
            let (code, colour) = (code(status.unit), status.colour.word());
            match self.look {
                Look::Colours if before != Some(status.colour) => told.push(format!("{code} {colour}")),
                Look::Reasons => {
                    let rules: Vec<&str> = status.reasons.iter().map(|reason| &*reason.rule).collect();
                    told.push(format!("{code} {colour} {}", rules.join(" ")).trim().to_owned());
                }
                Look::Colours | Look::Findings => {}
            }
        }
        told
    }

    fn word(&mut self, at_s: u64, word: &str) -> Evaluated {
        if word.starts_with("close ") {
            // by a second person, which there is only where another has looked after it
            let worked = self.entry(&word.replace("close", "work"));
            self.bench.commit(at_s, worked.into_iter().collect(), vec![]);
        }
        if let Some(entry) = self.entry(word) {
            let closes = matches!(&entry, Entry::Command(Command { action: Action::Close, .. }));
            let out = self.bench.commit(at_s, vec![entry, Entry::Tick], vec![]);
            if closes {
                self.alerts.clear();
            }
            return out;
        }
        match word.strip_prefix("all ") {
            None => self.bench.word(at_s, word),
            Some(what) => {
                let names: Vec<String> =
                    self.bench.roster.devices().iter().map(|slot| slot.row.name.to_string()).collect();
                let mut outs: Vec<Evaluated> =
                    names.iter().map(|name| self.bench.word(at_s, &format!("{name} {what}"))).collect();
                let mut last = outs.pop().expect("there are devices");
                for out in outs.into_iter().rev() {
                    last.findings.splice(0..0, out.findings);
                    last.units.splice(0..0, out.units);
                }
                last
            }
        }
    }

    /// Each line: seconds, a word, and after `=>` all that is told in that commit, by `;`. Between lines the clock ticks, and
    /// nothing is told. `*` after `=>`: not looked at.
    fn run(&mut self, table: &str) -> Vec<Evaluated> {
        let first = self.bench.roster.devices().first().map_or("a".to_owned(), |slot| slot.row.name.to_string());
        let mut outs = Vec::new();
        for text in table.lines().map(str::trim).filter(|text| !text.is_empty()) {
            let (given, expected) = text.split_once("=>").unwrap_or((text, ""));
            let (at_s, word) = given.trim().split_once(' ').expect("seconds, then a word");
            let at_s: u64 = at_s.parse().expect("seconds");
            let from_s = self.before_s.map_or(at_s, |before_s| before_s + self.every_s);
            for tick_s in (from_s..at_s).step_by(self.every_s as usize) {
                let out = self.word(tick_s, &format!("{first} tick"));
                let told = self.told(&out);
                assert!(told.is_empty(), "{tick_s} s, before {text:?}: {told:?}");
            }
            let word = word.trim();
            let out = self.word(at_s, if word == "tick" { "all tick" } else { word });
            let told = self.told(&out);
            let expected: Vec<&str> = expected.split(';').map(str::trim).filter(|text| !text.is_empty()).collect();
            if expected != ["*"] {
                assert_eq!(told, expected, "at {text:?}");
            }
            self.before_s = Some(at_s);
            outs.push(out);
        }
        outs
    }
}

fn play(rules: &str, town: &str, look: Look, table: &str) -> Vec<Evaluated> {
    Play::new(rules, town, look).run(table)
}

/// The evidence reason of a unit, in English.
fn evidence_en(out: &Evaluated) -> String {
    let reasons = out.units.iter().flat_map(|status| &status.reasons);
    reasons.filter(|reason| reason.rule == "evidence").map(|reason| reason.evidence.en.to_string()).collect()
}
