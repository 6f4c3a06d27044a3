//! Scenarios with their indices, what must be monotone, and that counts, workers and restores agree.

use std::sync::Arc;

use model::roster::{DeviceClass, DeviceRow, RosterRows, StationRow, UnitProfile, UnitRow};
use model::{Action, AlertId, Command, CommandId, Commit, Entry, Family, Reading, Step, UnitId, Verdict};
use proptest::prelude::*;
use smallvec::SmallVec;

use super::*;
use crate::judge::{Judge, Share};
use crate::rollup::Rollup;
use crate::testing::{Bench, T0};

mod properties;
mod steps;

/// Sixty days: contact is not lost while a test lasts.
const PROMISE_S: u32 = 60 * 86_400;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

struct Place {
    category: &'static str,
    /// Of villages 1, 2…
    village: u32,
    position_m: Option<(f32, f32)>,
    profile: UnitProfile,
}

impl Place {
    fn new(category: &'static str, village: u32, at: (f32, f32)) -> Place {
        Place { category, village, position_m: Some(at), profile: UnitProfile::default() }
    }
}

/// Village, position, members.
type StationAt = (u32, Option<(f32, f32)>, usize);

/// Units `u0`, `u1`…, devices (name, class, unit), stations.
fn roster(places: &[Place], devices: &[(&str, DeviceClass, usize)], stations: &[StationAt]) -> Roster {
    let mut rows = RosterRows::default();
    let villages = 1..=places.iter().map(|place| place.village).max().unwrap_or(1);
    let of_each = villages.flat_map(|n| [format!("331083001{n:03}"), format!("331083001{n:03}001")]);
    let codes = ["331083", "331083001"].map(str::to_owned).into_iter().chain(of_each);
    rows.regions = codes.map(|code| (2, code.parse().expect("valid"), code.as_str().into())).collect();
    for (place, n) in places.iter().zip(0..) {
        let row = UnitRow {
            code: format!("u{n}").into(),
            name: "".into(),
            category: place.category.into(),
            address: "".into(),
            grid: format!("331083001{:03}001", place.village).parse().expect("valid"),
            owner: "".into(),
            position_m: place.position_m,
            profile: place.profile,
        };
        rows.units.push((2, row));
    }
    for (name, class, unit) in devices {
        let row = DeviceRow {
            vendor: "v".into(),
            name: (*name).into(),
            unit: format!("u{unit}").into(),
            class: *class,
            location: "".into(),
            report_every_s: PROMISE_S,
            gateway: "".into(),
        };
        rows.devices.push((2, row));
    }
    let mut member = 0;
    for ((village, position_m, members), n) in stations.iter().zip(0..) {
        let region = format!("331083001{village:03}").parse().expect("valid");
        let mut codes = Vec::new();
        for _ in 0..*members {
            member += 1;
            codes.push(format!("M{member}").into_boxed_str());
            let person = model::roster::PersonRow {
                code: format!("M{member}").into(),
                name: "".into(),
                phone: "".into(),
                post: model::roster::Post::MicroStation,
                region,
                channels: vec![],
                contact: Default::default(),
                deputy: "".into(),
            };
            rows.people.push((2, person));
        }
        let row = StationRow {
            code: format!("S{n}").into(),
            name: "".into(),
            region,
            position_m: *position_m,
            members: codes,
            ready: true,
        };
        rows.stations.push((2, row));
    }
    let change = Roster::default().change_to(&rows).expect("the rows are sound");
    Roster::default().after(&change, 1)
}

/// A small town: a shop with what it must have, a home for the aged with a smoke detector alone, a boat without anything.
fn town() -> Roster {
    let mut shop = Place::new("沿街商铺", 1, (0.0, 0.0));
    shop.profile = UnitProfile { people: Some(10), vulnerable: Some(0), storeys: Some(1), area_m2: Some(40) };
    let mut home = Place::new("养老院", 1, (100.0, 0.0));
    home.profile = UnitProfile { people: Some(80), vulnerable: Some(70), storeys: Some(5), area_m2: None };
    let boat = Place { position_m: None, ..Place::new("船", 2, (0.0, 0.0)) };
    let devices = [
        ("a", DeviceClass::Smoke, 0),
        ("b", DeviceClass::Electrical, 0),
        ("c", DeviceClass::Smoke, 1),
        ("w", DeviceClass::Water, 1),
    ];
    roster(&[shop, home, boat], &devices, &[(1, Some((0.0, 200.0)), 5)])
}

fn begun(rules: &str) -> Bench {
    let mut bench = Bench::new(rules, town());
    for device in ["a", "b", "c", "w"] {
        bench.word(0, &format!("{device} presence=0"));
    }
    bench.word(120, "tick");
    bench
}

fn index(bench: &Bench, unit: u32) -> u8 {
    bench.judge.state().units.get(unit as usize).and_then(|unit| unit.risk_told).expect("was computed")
}

fn explain(bench: &Bench, unit: u32) -> RiskWhy {
    let state = bench.judge.state();
    why(state, &Rules::parse(&state.rules).expect("sound"), &bench.roster, UnitId(unit), state.at_ms).expect("there")
}

fn points(why: &RiskWhy, name: &str) -> f64 {
    why.parts.iter().find(|part| part.name == name).expect("every indicator is told").points
}

/// Verifies the newest fire of a unit.
fn verdict(bench: &mut Bench, at_s: u64, unit: u32, epoch: Epoch, verdict: Verdict) {
    let alert = AlertId { epoch, unit: UnitId(unit), family: Family::Fire };
    let id = CommandId::from(format!("{at_s}").as_str());
    let (person, action) = ("P1".into(), Action::verified(verdict));
    let command = Command { id, person, entered_by: None, alert, action, note: None };
    bench.commit(at_s, vec![Entry::Command(command), Entry::Tick], vec![]);
}

/// Plays lines of "seconds word => index of each unit"; the index is looked at two minutes later.
fn plays(bench: &mut Bench, table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (given, expected) = line.split_once("=>").expect("an index is expected");
        let (at_s, word) = given.trim().split_once(' ').expect("seconds, then a word");
        let at_s: u64 = at_s.parse().expect("seconds");
        bench.word(at_s, word.trim());
        for passed_s in [60, 120] {
            bench.word(at_s + passed_s, "tick");
        }
        let told: Vec<String> = (0..3).map(|unit| index(bench, unit).to_string()).collect();
        assert_eq!(told.join(" "), expected.trim(), "at {line:?}: {:#?}", explain(bench, 0));
    }
}

#[test]
fn an_index_for_every_course_of_things() {
    let mut bench = begun("");
    // 沿街商铺: category 4.86, people 0.9; 养老院 lacks two of four classes; 船: nothing is known of it. The shop sees its
    // neighbour's water when it is looked at again, within the hour
    plays(
        &mut bench,
        "
        300 tick                          => 6 25 38
        600 a event:tamper                => 10 25 38
        900 b alarm:electrical:1          => 17 25 38
        1200 b !alarm:electrical:1        => 10 25 38
        1500 w water_pressure_mpa=0.01    => 10 37 38
        5400 tick                         => 18 37 38
        5600 w water_pressure_mpa=0.3     => 18 25 38
        9600 tick                         => 10 25 38
        9900 a event:restored             => 6 25 38
        ",
    );
}

#[test]
fn time_makes_hazards_overdue_and_faults_heavy() {
    let mut bench = begun("");
    bench.word(200, "a event:tamper");
    bench.word(200, "c event:fault");
    bench.word(400, "tick");
    let (shop, home) = (index(&bench, 0), index(&bench, 1));
    let said = explain(&bench, 1);
    let coverage = said.parts.iter().find(|part| part.name == "coverage").expect("told");
    assert!(coverage.words.zh.contains("感烟探测器 失联或故障"), "{:?}", coverage.words);
    for hour in 1..8 * 24 {
        bench.word(hour * HOUR, "tick");
    }
    // a hazard is overdue after seven days; a fault is full after three days, blindness after six
    assert_eq!(index(&bench, 0), shop + 5, "{:#?}", explain(&bench, 0));
    let why = explain(&bench, 1);
    assert_eq!(points(&why, "fault_time"), 4.0, "{why:#?}");
    assert!(index(&bench, 1) >= home + 4);
    bench.word(8 * DAY, "a event:restored");
    bench.word(8 * DAY, "c event:restored");
    for hour in 1..31 * 24 {
        bench.word(8 * DAY + hour * HOUR, "tick");
    }
    assert_eq!((index(&bench, 0), index(&bench, 1)), (6, 25));
}

#[test]
fn false_alarms_and_fires_are_remembered() {
    let mut bench = begun("");
    let calm = index(&bench, 0);
    for (at_s, kind) in [(DAY, Verdict::False), (2 * DAY, Verdict::Test), (3 * DAY, Verdict::Real)] {
        bench.word(at_s, "a alarm:smoke:1");
        let epoch = bench.epoch();
        verdict(&mut bench, at_s + 60, 0, epoch, kind);
        bench.word(at_s + 120, "a !alarm:smoke:1");
        let alert = AlertId { epoch, unit: UnitId(0), family: Family::Fire };
        let id = CommandId::from(format!("close {at_s}").as_str());
        let command = Command { id, person: "P2".into(), entered_by: None, alert, action: Action::Close, note: None };
        bench.commit(at_s + 180, vec![Entry::Command(command), Entry::Tick], vec![]);
        bench.word(at_s + 300, "tick");
        bench.word(at_s + 400, "tick");
    }
    let why = explain(&bench, 0);
    assert!((points(&why, "nuisance") - 8.5 / 5.0).abs() < 1e-9, "{why:#?}");
    assert!((points(&why, "recent_fire") - 7.0).abs() < 1e-9);
    assert_eq!(u32::from(index(&bench, 0)), u32::from(calm) + 8, "{why:#?}");
    // six alarms on one day: a chronic source
    for n in 0..6 {
        bench.word(5 * DAY + n * 600, "a alarm:heat:1");
        bench.word(5 * DAY + n * 600 + 60, "a !alarm:heat:1");
    }
    let why = explain(&bench, 0);
    assert!((points(&why, "nuisance") - 8.5).abs() < 1e-9, "{why:#?}");
}

#[test]
fn every_part_has_words_in_both_languages_and_they_sum_up() {
    let mut bench = begun("[risk]\nversion = \"2026-11\"\n");
    bench.word(300, "a event:tamper");
    bench.word(500, "tick");
    for unit in 0..3 {
        let why = explain(&bench, unit);
        assert_eq!((why.version.as_str(), why.parts.len()), ("2026-11", INDICATORS.len()));
        let sum: f64 = why.parts.iter().map(|part| part.points).sum();
        assert!((sum - why.exact).abs() < 1e-9 && (why.exact - f64::from(why.index)).abs() < 1.0, "{why:#?}");
        assert!(why.parts.iter().all(|part| !part.words.zh.is_ascii() && !part.words.en.is_empty()), "{why:#?}");
        assert!(why.parts.windows(2).all(|pair| pair[0].points >= pair[1].points));
    }
    let unknown = explain(&bench, 2).parts.iter().filter(|part| part.words.zh.contains("未知")).count();
    assert_eq!(unknown, 4, "people, vulnerable, storeys, water");
    assert!(why(bench.judge.state(), &Rules::default(), &bench.roster, UnitId(9), T0).is_none());
}

#[test]
fn other_weights_reach_every_unit_within_a_minute_and_are_told_once() {
    let mut bench = begun("");
    let before: Vec<u8> = (0..3).map(|unit| index(&bench, unit)).collect();
    let rules = "[risk]\nversion = \"2\"\n[risk.weights]\nnuisance = 0.005\ncategory = 0.161\n";
    bench.word(199, "tick");
    let mut told = bench.commit(200, vec![Entry::Rules(rules.into()), Entry::Tick], vec![]).units.len();
    for second in 201..270 {
        let out = bench.word(second, "tick");
        told += out.units.len();
    }
    let after: Vec<u8> = (0..3).map(|unit| index(&bench, unit)).collect();
    assert!(after.iter().zip(&before).all(|(after, before)| after != before), "{before:?} {after:?}");
    assert_eq!(told, 3);
    assert_eq!(explain(&bench, 0).version, "2");
}

#[test]
fn a_flapping_condition_moves_the_index_once_a_minute_at_most() {
    let mut bench = begun("");
    let mut told = Vec::new();
    for second in 200..1400 {
        let word = if second / 25 % 2 == 0 { "a event:tamper" } else { "a event:restored" };
        let before = index(&bench, 0);
        bench.word(second, word);
        if index(&bench, 0) != before {
            told.push(second);
        }
    }
    assert!(told.len() >= 2, "{told:?}");
    assert!(told.windows(2).all(|pair| pair[1] - pair[0] >= 60), "{told:?}");
}

#[test]
fn the_told_index_keeps_still_while_it_is_less_than_a_step_off() {
    let settings = Settings::default();
    assert_eq!(told(None, 34.5, &settings), 35);
    assert_eq!(told(Some(35), 34.26, &settings), 35);
    assert_eq!(told(Some(35), 34.25, &settings), 34);
    assert_eq!(told(Some(35), 36.0, &settings), 36);
    assert_eq!(told(None, 100.0000001, &settings), 100);
}

#[test]
fn a_large_city_is_passed_in_portions() {
    let settings = Settings::default();
    let mut sweep = Sweep { swept_ms: T0, ..Sweep::default() };
    let visits: u32 = (1..=60).map(|second| sweep.visits(76_000, T0 + second * 1000, &settings)).sum();
    assert_eq!(visits, 76_000);
    assert_eq!(sweep.visits(76_000, T0 + 600_000, &settings), settings.visits_per_tick_max);
    assert_eq!(sweep.visits(0, T0 + 700_000, &settings), 0);
}
