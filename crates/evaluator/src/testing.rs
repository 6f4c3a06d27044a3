//! A small town and scenarios as text, for tests.

use std::sync::Arc;

use model::roster::{DeviceClass, DeviceRow, Roster, RosterRows, UnitRow};
use model::{Commit, DeviceId, Entry, Evaluated, Finding, Reading, Step};

use crate::judge::{Judge, Judged, Share};
use crate::rollup::Rollup;
use crate::rules::Rules;
pub use crate::scenario::T0;
pub(crate) use crate::scenario::line;
use crate::scenario::parse;

/// A roster of units `u0`, `u1`… in grids of two villages, each with its devices: (name, class, unit number, promise).
pub fn town(units: usize, devices: &[(&str, DeviceClass, usize, u32)]) -> Roster {
    let mut rows = RosterRows::default();
    let codes = ["331083", "331083001"];
    let villages = (1..=2).map(|village| format!("331083001{village:03}"));
    let grids = (1..=2).map(|village| format!("331083001{village:03}001"));
    let codes = codes.iter().map(ToString::to_string).chain(villages).chain(grids);
    rows.regions = codes.map(|code| (2, code.parse().expect("valid"), code.as_str().into())).collect();
    for unit in 0..units {
        let row = UnitRow {
            code: format!("u{unit}").into(),
            name: "店".into(),
            category: "沿街商铺".into(),
            address: "".into(),
            grid: format!("331083001{:03}001", unit % 2 + 1).parse().expect("valid"),
            owner: "".into(),
            position_m: None,
            profile: Default::default(),
        };
        rows.units.push((2, row));
    }
    for (name, class, unit, report_every_s) in devices {
        let row = DeviceRow {
            vendor: "v".into(),
            name: (*name).into(),
            unit: format!("u{unit}").into(),
            class: *class,
            location: "".into(),
            report_every_s: *report_every_s,
            gateway: "".into(),
        };
        rows.devices.push((2, row));
    }
    let change = Roster::default().change_to(&rows).expect("the rows are sound");
    Roster::default().after(&change, 1)
}

/// One judge with its roll-up, fed with commits.
pub struct Bench {
    pub judge: Judge,
    rollup: Rollup,
    pub roster: Arc<Roster>,
    epoch: u64,
}

impl Bench {
    pub fn new(rules: &str, roster: Roster) -> Bench {
        let rules = Rules::parse(rules).expect("sound rules");
        let judge = Judge::new(rules, Share::ALL);
        Bench { judge, rollup: Rollup::default(), roster: Arc::new(roster), epoch: 0 }
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn commit(&mut self, at_s: u64, entries: Vec<Entry>, readings: Vec<Reading>) -> Evaluated {
        let judged = self.judge_commit(at_s, entries, readings);
        self.rollup.join(vec![judged]).expect("one part")
    }

    fn judge_commit(&mut self, at_s: u64, entries: Vec<Entry>, readings: Vec<Reading>) -> Judged {
        self.epoch += 1;
        let commit = Commit { epoch: self.epoch, at_ms: T0 + at_s * 1000, entries, readings };
        self.judge.apply(Step { commit: Arc::new(commit), roster: Arc::clone(&self.roster) })
    }

    /// As [`Bench::word`], before the roll-up.
    pub fn judged(&mut self, at_s: u64, word: &str) -> Judged {
        let (entries, readings) = self.parse(at_s, word);
        self.judge_commit(at_s, entries, readings)
    }

    /// A commit of one word (see [`scenario`]) with a tick.
    pub fn word(&mut self, at_s: u64, word: &str) -> Evaluated {
        let (entries, readings) = self.parse(at_s, word);
        self.commit(at_s, entries, readings)
    }

    /// A tick alone, also in a town without devices.
    pub fn word_of_clock(&mut self, at_s: u64) -> Evaluated {
        self.commit(at_s, vec![Entry::Tick], Vec::new())
    }

    fn parse(&self, at_s: u64, word: &str) -> (Vec<Entry>, Vec<Reading>) {
        let (device, what) = word.split_once(' ').unwrap_or(("a", word));
        let device = self.roster.device_by_key(&format!("v/{device}")).expect("the device is in the town");
        let (mut entries, mut readings) = (vec![], vec![]);
        for word in what.split_whitespace() {
            let (said, measured) = parse(device, T0 + at_s * 1000, word).expect("a word of the language");
            entries.extend(said);
            readings.extend(measured);
        }
        entries.push(Entry::Tick);
        (entries, readings)
    }
}

/// That nothing is heard of something.
const LOSSES: [&str; 5] = ["late_reports", "lost_contact", "blind", "gateway_lost", "network_lost"];

/// Plays a scenario in a unit of three devices `a`, `b`, `c` and checks what is found.
///
/// A line of `table`: seconds, a word (with a device before it, else `a`), and after `=>` the findings expected in that
/// commit, none where it is missing. Between lines the clock ticks every ten seconds. `setting`, lines of `key = value`:
/// `only` (one condition is looked at), `quiet` (lost contact and what follows from it are not looked at; true), `sparse` (no ticks between lines),
/// `promise_s` (60); all else is rules.
pub fn scenario(setting: &str, table: &str) -> Vec<Evaluated> {
    play(setting, table, |at_s, text, found| {
        let Some(text) = text else {
            assert!(found.is_empty(), "at {at_s} s, between lines: {found:?}");
            return;
        };
        let expected = text.split_once("=>").map_or("", |(_, expected)| expected);
        let expected: Vec<&str> = expected.split(',').map(str::trim).filter(|text| !text.is_empty()).collect();
        assert_eq!(found, expected, "at {text:?}");
    })
}

/// As [`scenario`]: what is found, each with its second, without expectations.
pub fn told(setting: &str, table: &str) -> Vec<String> {
    let mut all = Vec::new();
    play(setting, table, |at_s, _, found| all.extend(found.into_iter().map(|line| format!("{at_s} {line}"))));
    all
}

/// Plays a scenario; `take` gets the second, the line (none between lines) and what is found.
fn play(setting: &str, table: &str, mut take: impl FnMut(u64, Option<&str>, Vec<String>)) -> Vec<Evaluated> {
    let (mut only, mut quiet, mut sparse, mut promise_s, mut rules) = (None, true, false, 60, String::new());
    for text in setting.lines() {
        match text.split_once(" = ") {
            Some(("only", name)) => only = Some(name.trim_matches('"').to_owned()),
            Some(("quiet", value)) => quiet = value == "true",
            Some(("sparse", value)) => sparse = value == "true",
            Some(("promise_s", value)) => promise_s = value.parse().expect("seconds"),
            _ => rules.push_str(&format!("{text}\n")),
        }
    }
    let devices = ["a", "b", "c"].map(|name| (name, DeviceClass::Combined, 0, promise_s));
    let mut bench = Bench::new(&rules, town(1, &devices));
    let looked_at = |finding: &&Finding| match &only {
        Some(name) => finding.rule == name.as_str(),
        None if quiet => !LOSSES.contains(&&*finding.rule),
        None => finding.rule != "blind" && finding.device.is_none_or(|device| device == DeviceId(0)),
    };
    let mut outs = Vec::new();
    let mut before_s = None;
    for text in table.lines().map(str::trim).filter(|text| !text.is_empty()) {
        let given = text.split_once("=>").map_or(text, |(given, _)| given);
        let (at_s, word) = given.trim().split_once(' ').expect("seconds, then a word");
        let at_s: u64 = at_s.parse().expect("seconds");
        let from_s = before_s.map_or(at_s, |before_s| before_s + 10);
        for tick_s in (from_s..at_s).step_by(10).filter(|_| !sparse) {
            let out = bench.word(tick_s, "tick");
            take(tick_s, None, out.findings.iter().filter(looked_at).map(line).collect());
            outs.push(out);
        }
        let out = bench.word(at_s, word.trim());
        take(at_s, Some(text), out.findings.iter().filter(looked_at).map(line).collect());
        outs.push(out);
        before_s = Some(at_s);
    }
    outs
}
