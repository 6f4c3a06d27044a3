//! A village with its people, and scripts that say what happens in it.
//!
//! A script is a text. A line `> 12.5 tick; ack fire-0-1 G1` is one commit, at 12.5 s; [`World::play`] writes below it what
//! the desk answered, and a test compares the whole.
//!
//! ```text
//! began|continued|ended UNIT RULE/DEVICE COLOUR [ALARM-ID] [drill]
//! ack|arrive|real|false|test|close|begin|finish|check|uncheck|note|unshelve|return ALERT PERSON [key=K] [by=P] [note=words]
//! assign ALERT PERSON to=4         photo ALERT PERSON sha=7       shelve|out ALERT PERSON for=SECONDS note=words
//! receipt DELIVERY delivered|retry|failed|read
//! unit UNIT COLOUR                                                       tick
//! ```

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use alerts::{Desk, Policy, Turn};
use model::alert::{Media, Photo, ReceiptOutcome};
use model::finding::{ColourCounts, Words};
use model::roster::{PersonRow, Post, RosterRows, StationRow, UnitRow};
use model::{
    Action, Alert, AlertId, Cause, Colour, Command, Commit, DeliveryId, DeliveryState, DeviceId, Entry, Evaluated,
    Family, Finding, Ledger, LedgerBatch, PersonId, Phase, Receipt, RegionCode, RegionStatus, Roster, Step, UnitId,
    UnitStatus, Verdict,
};

use crate::books::Books;

/// 2026-01-01.
pub const START_MS: u64 = 1_767_225_600_000;
pub const GRID: &str = "331083001001001";

pub fn code(text: &str) -> RegionCode {
    text.parse().unwrap()
}

fn region(text: &str) -> (usize, RegionCode, Box<str>) {
    (0, code(text), text.into())
}

pub fn person(name: &str, post: Post, at: &str, channels: &[&str]) -> (usize, PersonRow) {
    let channels = channels.iter().map(|channel| Box::from(*channel)).collect();
    let name: Box<str> = name.into();
    (
        0,
        PersonRow {
            code: name.clone(),
            name,
            phone: "".into(),
            post,
            region: code(at),
            channels,
            contact: Default::default(),
            deputy: "".into(),
        },
    )
}

pub fn unit(name: &str, grid: &str, owner: &str, position_m: Option<(f32, f32)>) -> (usize, UnitRow) {
    let blank: Box<str> = "".into();
    let row = UnitRow {
        code: name.into(),
        name: name.into(),
        category: blank.clone(),
        address: blank,
        grid: code(grid),
        owner: owner.into(),
        position_m,
        profile: Default::default(),
    };
    (0, row)
}

pub fn station(name: &str, at: &str, position_m: Option<(f32, f32)>, members: &[&str]) -> (usize, StationRow) {
    let members = members.iter().map(|member| Box::from(*member)).collect();
    (0, StationRow { code: name.into(), name: name.into(), region: code(at), position_m, members, ready: true })
}

/// Township 001 with two villages. Everything is in order in the first (units U0 and U1); the second (U2, U3) has
/// neither grid worker nor chief nor station, and U2 no owner. Person numbers are those of the names' order here.
pub fn rows() -> RosterRows {
    let regions = ["331083", "331083001", "331083001001", GRID, "331083001002", "331083001002001"].map(region).to_vec();
    let other = "331083001002001";
    RosterRows {
        regions,
        people: vec![
            person("O0", Post::Owner, GRID, &["mqtt"]),
            person("G1", Post::GridWorker, GRID, &["mqtt", "console"]),
            person("V2", Post::VillageChief, "331083001001", &["mqtt"]),
            person("T3", Post::TownshipChief, "331083001", &["mqtt"]),
            person("M4", Post::MicroStation, "331083001001", &["mqtt"]),
            person("C5", Post::Commander, "331083", &["webhook:brigade"]),
            person("O6", Post::Owner, other, &[]),
        ],
        units: vec![
            unit("U0", GRID, "O0", None),
            unit("U1", GRID, "O0", None),
            unit("U2", other, "", Some((0.0, 0.0))),
            unit("U3", other, "O6", None),
        ],
        stations: vec![station("S1", "331083001001", Some((500.0, 0.0)), &["M4"])],
        ..RosterRows::default()
    }
}

/// Steps alone: nobody is told again, no deadline runs out. What is tested beside the ladder need not count with more.
pub const PLAIN: &str = "
    [fire]
    acknowledged_for_s = { red = 300, orange = 900, yellow = 3600, blue = 14400 }
    repeat_s = { red = 0, orange = 0, yellow = 0 }
    repeats = { red = 0, orange = 0, yellow = 0 }
    [fire.deadlines]
    accept = { red = 0, orange = 0, yellow = 0, blue = 0 }
    arrive = { red = 0, orange = 0, yellow = 0, blue = 0 }
    verify = { red = 0, orange = 0, yellow = 0, blue = 0 }
    work = { red = 0, orange = 0, yellow = 0, blue = 0 }
    check = { red = 0, orange = 0, yellow = 0, blue = 0 }
    [warning]
    acknowledged_for_s = { red = 300, orange = 900, yellow = 3600, blue = 14400 }
    repeat_s = { red = 0, orange = 0 }
    repeats = { red = 0, orange = 0 }
    [warning.deadlines]
    accept = { red = 0, orange = 0, yellow = 0 }
    arrive = { red = 0, orange = 0, yellow = 0 }
    verify = { red = 0, orange = 0, yellow = 0 }
    work = { red = 0, orange = 0, yellow = 0 }
    check = { red = 0, orange = 0, yellow = 0 }
    [fault]
    acknowledged_for_s = { red = 300, orange = 900, yellow = 3600, blue = 14400 }
    ";

pub struct World {
    pub desk: Desk,
    pub books: Books,
    pub roster: Arc<Roster>,
    /// Everything that went in, and came out.
    pub evaluated: Vec<Evaluated>,
    pub batches: Vec<LedgerBatch>,
    policy: Policy,
}

impl World {
    /// With [`PLAIN`].
    pub fn new() -> World {
        World::with(&rows(), Policy::parse(PLAIN).unwrap())
    }

    pub fn with(rows: &RosterRows, policy: Policy) -> World {
        let change = Roster::default().change_to(rows).unwrap();
        let roster = Arc::new(Roster::default().after(&change, 1));
        let books = Books::default();
        let desk = Desk::restore(policy.clone(), &books).unwrap();
        World { desk, books, roster, evaluated: Vec::new(), batches: Vec::new(), policy }
    }

    /// One commit, `at_ms` after the start.
    pub fn step(&mut self, at_ms: u64, entries: Vec<Entry>, findings: Vec<Finding>, units: Vec<UnitStatus>) -> Turn {
        let epoch = self.evaluated.len() as u64 + 1;
        let commit = Commit { epoch, at_ms: START_MS + at_ms, entries, readings: Vec::new() };
        let counts = ColourCounts { blue: u32::try_from(epoch).unwrap(), ..ColourCounts::default() };
        let evaluated = Evaluated {
            step: Step { commit: Arc::new(commit), roster: self.roster.clone() },
            findings,
            regions: units
                .iter()
                .map(|_| RegionStatus { region: code(GRID), counts, blind: 0, risk: Default::default() })
                .take(1)
                .collect(),
            units,
            devices: Arc::new([]),
        };
        let turn = self.desk.step(&evaluated);
        assert_eq!((turn.batch.epoch, turn.batch.at_ms), (epoch, START_MS + at_ms));
        self.books.commit(&turn.batch).unwrap();
        self.batches.push(turn.batch.clone());
        self.evaluated.push(evaluated);
        turn
    }

    /// Forgets everything but the ledger.
    pub fn restart(&mut self) {
        self.desk = Desk::restore(self.policy.clone(), &self.books).unwrap();
    }

    pub fn alert(&self, id: &str) -> Alert {
        self.books.alert(id.parse().unwrap()).unwrap().unwrap()
    }

    /// Plays the `>` lines of a script, and compares what came of them with the lines below each.
    pub fn play(&mut self, script: &str) {
        let script: Vec<&str> = script.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let mut played = String::new();
        for line in script.iter().filter_map(|line| line.strip_prefix("> ")) {
            writeln!(played, "> {line}").unwrap();
            self.play_line(line, &mut played);
        }
        let script = script.join("\n") + "\n";
        assert!(played == script, "expected:\n{script}\nplayed:\n{played}");
    }

    fn play_line(&mut self, line: &str, played: &mut String) {
        let turn = self.run(line);
        write_turn(&turn, played);
    }

    /// Ids of the open alerts.
    pub fn books_open(&self) -> Vec<String> {
        self.books.open_alerts().unwrap().iter().map(|alert| alert.id.to_string()).collect()
    }

    /// One line of a script, without its `>`.
    pub fn run(&mut self, line: &str) -> Turn {
        let (at_s, ops) = line.split_once(' ').unwrap();
        let at_ms = (at_s.parse::<f64>().unwrap() * 1000.0).round() as u64;
        let (mut entries, mut findings, mut units) = (Vec::new(), Vec::new(), Vec::new());
        for op in ops.split("; ") {
            let words: Vec<&str> = op.split(' ').collect();
            match words[0] {
                "tick" => entries.push(Entry::Tick),
                "began" | "continued" | "ended" => findings.push(finding(&words, START_MS + at_ms)),
                "unit" => units.push(status(words[1], words[2], START_MS + at_ms)),
                "receipt" => entries.push(Entry::Receipt(receipt(words[1], words[2]))),
                _ => {
                    let key = format!("key-{}-{}", self.evaluated.len(), entries.len());
                    entries.push(Entry::Command(command(&words, &key, START_MS + at_ms)));
                }
            }
        }
        self.step(at_ms, entries, findings, units)
    }
}

fn write_turn(turn: &Turn, played: &mut String) {
    for outcome in &turn.outcomes {
        match &outcome.result {
            Ok(alert) => writeln!(played, "done: {} is {}", alert.id, alert.state.word()).unwrap(),
            Err(refused) => writeln!(played, "refused: {refused}").unwrap(),
        }
    }
    for event in &turn.batch.feed {
        write!(played, "{} {}", event.cursor, event.kind.word()).unwrap();
        if let Some(alert) = &event.alert {
            let (colour, state) = (alert.colour.word(), alert.state.word());
            write!(played, " {} {colour} {state} ring {}", alert.id, alert.ring).unwrap();
            if let Some(verdict) = alert.verdict {
                write!(played, " {}", verdict.word()).unwrap();
            }
        }
        if let Some(unit) = event.unit {
            write!(played, " U{} {}", unit.unit.0, unit.colour.word()).unwrap();
        }
        if let Some(detail) = &event.detail {
            write!(played, " [{detail}]").unwrap();
        }
        played.push('\n');
    }
    for delivery in &turn.batch.deliveries {
        if delivery.state == DeliveryState::Owed && delivery.attempts.is_empty() {
            let short = delivery.id.as_str().strip_prefix(&format!("{}.", delivery.matter)).unwrap();
            writeln!(played, "owes {} {} as {short}", delivery.whom, delivery.person_code).unwrap();
        } else if matches!(delivery.state, DeliveryState::Waiting | DeliveryState::Spared) {
            let state = format!("{:?}", delivery.state).to_lowercase();
            writeln!(played, "{} {state}", delivery.id).unwrap();
        } else {
            let reason = &delivery.attempts.last().unwrap().reason;
            let state = format!("{:?}", delivery.state).to_lowercase();
            writeln!(played, "{} {state} after {}: {reason}", delivery.id, delivery.attempt_count).unwrap();
        }
    }
}

pub fn family_of(rule: &str) -> Family {
    match rule {
        "water" | "electrical" => Family::Warning,
        "lost_contact" => Family::Fault,
        _ => Family::Fire,
    }
}

fn unit_id(word: &str) -> UnitId {
    UnitId(word.strip_prefix('U').unwrap().parse().unwrap())
}

pub fn finding(words: &[&str], at_ms: u64) -> Finding {
    let (rule, device) = words[2].split_once('/').unwrap();
    let said = format!("{} {}", words[0], words[2]);
    Finding {
        at_ms,
        unit: unit_id(words[1]),
        device: (device != "-").then(|| DeviceId(device.parse().unwrap())),
        rule: Cow::Owned(rule.to_owned()),
        family: family_of(rule),
        colour: Colour::from_word(words[3]).unwrap(),
        phase: match words[0] {
            "began" => Phase::Began,
            "continued" => Phase::Continued,
            _ => Phase::Ended,
        },
        evidence: Words { zh: said.clone().into(), en: said.into() },
        would_change: Words { zh: "".into(), en: "".into() },
        alarm: words[4..].iter().find(|word| **word != "drill").map(|word| Box::from(*word)),
        exercise: words[4..].contains(&"drill"),
    }
}

pub fn status(unit: &str, colour: &str, since_ms: u64) -> UnitStatus {
    UnitStatus {
        unit: unit_id(unit),
        colour: Colour::from_word(colour).unwrap(),
        since_ms,
        blind_since_ms: None,
        risk: None,
        reasons: Vec::new(),
    }
}

fn receipt(delivery: &str, outcome: &str) -> Receipt {
    let alert: AlertId = delivery.split('.').next().unwrap().parse().unwrap();
    let outcome = match outcome {
        "delivered" => ReceiptOutcome::Delivered,
        "retry" => ReceiptOutcome::Retry,
        "read" => ReceiptOutcome::Read,
        _ => ReceiptOutcome::Failed,
    };
    Receipt {
        delivery: DeliveryId::from(delivery),
        matter: alert.into(),
        outcome,
        reason: format!("{outcome:?}").into(),
    }
}

fn command(words: &[&str], key: &str, now_ms: u64) -> Command {
    let value = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
    let number = |name: &str| value(name).map(|value| value.parse::<u64>().unwrap());
    let cause = Cause::ALL.into_iter().find(|cause| Some(cause.word()) == value("cause="));
    let cause = cause.unwrap_or(Cause::Unknown);
    let until_ms = number("for=").map(|seconds| now_ms + seconds * 1000);
    Command {
        id: value("key=").unwrap_or(key).into(),
        person: words[2].into(),
        entered_by: value("by=").map(Box::from),
        alert: words[1].parse().unwrap(),
        action: match words[0] {
            "ack" => Action::Acknowledge,
            "arrive" => Action::Arrive,
            "real" => Action::Verify(Verdict::Real, cause),
            "false" => Action::Verify(Verdict::False, cause),
            "test" => Action::Verify(Verdict::Test, cause),
            "close" => Action::Close,
            "assign" => Action::Assign(PersonId(number("to=").unwrap() as u32)),
            "begin" => Action::BeginWork,
            "finish" => Action::FinishWork,
            "check" => Action::Check { in_order: true },
            "uncheck" => Action::Check { in_order: false },
            "note" => Action::Note,
            "photo" => {
                let sha256 = [number("sha=").unwrap() as u8; 32];
                Action::Photo(Photo { sha256, media: Media::Jpeg, bytes: 1000 })
            }
            "shelve" => Action::Shelve { until_ms: until_ms.unwrap() },
            "unshelve" => Action::Unshelve,
            "out" => Action::TakeOutOfService { until_ms },
            "return" => Action::ReturnToService,
            other => panic!("no such word in a script: {other}"),
        },
        note: value("note=").map(Box::from),
    }
}
