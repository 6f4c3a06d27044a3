//! Duty: who is told when not everybody is there, and holes of the plans that are found before they come.
//!
//! The world begins on Thursday, 2026-01-01, at 08:00 local time.

use std::sync::Arc;

use alerts::{Desk, Policy};
use model::roster::{AbsenceRow, DutyChange, DutyGap, Post, RosterRows, ShiftRow};
use model::{Entry, Evaluated, KeptKind, Ledger, Roster, wire};

use crate::books::{Books, bytes_of};
use crate::world::{GRID, START_MS, World, code, person, rows, station};

const HOUR_MS: u64 = 3_600_000;
const VILLAGE: &str = "331083001001";

/// `G1 daily 08:00-20:00`
fn shift(post: Post, region: &str, text: &str) -> (usize, ShiftRow) {
    let words: Vec<&str> = text.split(' ').collect();
    let (from, to) = words[2].split_once('-').unwrap();
    let row = ShiftRow {
        post,
        region: code(region),
        person: words[0].into(),
        days: words[1].parse().unwrap(),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        first_day: None,
        last_day: None,
    };
    (2, row)
}

/// Absent on the first day, from one time to another.
fn absent(person: &str, from: &str, until: &str, substitute: &str) -> (usize, AbsenceRow) {
    let moment = |clock: &str| format!("2026-01-01 {clock}").parse().unwrap();
    let row = AbsenceRow {
        person: person.into(),
        from: moment(from),
        until: moment(until),
        substitute: substitute.into(),
        reason: "".into(),
    };
    (2, row)
}

/// The day's people are G1, V2, M4, those of the night G7 and M8; the chief V2 has no plan.
fn planned() -> RosterRows {
    let mut rows = rows();
    rows.people.push(person("G7", Post::GridWorker, GRID, &["mqtt"]));
    rows.people.push(person("M8", Post::MicroStation, VILLAGE, &["mqtt"]));
    rows.stations = vec![station("S1", VILLAGE, Some((500.0, 0.0)), &["M4", "M8"])];
    rows.shifts = vec![
        shift(Post::GridWorker, GRID, "G1 daily 08:00-20:00"),
        shift(Post::GridWorker, GRID, "G7 daily 20:00-08:00"),
        shift(Post::MicroStation, VILLAGE, "M4 daily 08:00-20:00"),
        shift(Post::MicroStation, VILLAGE, "M8 daily 20:00-08:00"),
    ];
    rows
}

fn notes(world: &World, alert: &str) -> Vec<String> {
    world.alert(alert).history.iter().filter_map(|item| item.note.as_deref().map(str::to_owned)).collect()
}

#[test]
fn those_on_duty_are_told() {
    let mut world = World::with(&planned(), Policy::default());
    world.play(
        "
        > 0 began U0 smoke/7 orange
        1 alert.raised fire-0-1 orange raised ring 1
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        owes micro_station M4 as 1.2.4.mqtt
        > 43199.999 began U1 smoke/9 yellow
        2 alert.raised fire-1-2 yellow raised ring 1
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        > 43200 continued U1 smoke/9 orange
        3 alert.updated fire-1-2 orange raised ring 2
        owes owner O0 as 2.0.0.mqtt
        owes grid_worker G7 as 2.1.7.mqtt
        owes micro_station M8 as 2.2.8.mqtt
        ",
    );
}

#[test]
fn the_absent_are_replaced_by_who_stands_in() {
    let mut rows = planned();
    rows.absences = vec![
        absent("O0", "08:00", "12:00", "V2"),
        absent("G1", "08:00", "12:00", "G7"),
        absent("G7", "09:00", "12:00", "V2"),
        absent("M4", "09:00", "12:00", ""),
    ];
    rows.people[4].1.deputy = "T3".into();
    let mut world = World::with(&rows, Policy::default());
    world.play(
        "
        > 1 began U0 smoke/7 orange
        1 alert.raised fire-0-1 orange raised ring 1
        owes owner V2 as 1.0.2.mqtt
        owes grid_worker G7 as 1.1.7.mqtt
        owes micro_station M4 as 1.2.4.mqtt
        > 3600 began U1 smoke/8 orange
        2 alert.raised fire-1-2 orange raised ring 1
        owes owner V2 as 1.0.2.mqtt
        owes micro_station T3 as 1.2.3.mqtt
        ",
    );
    assert_eq!(
        notes(&world, "fire-0-1")[..2],
        ["owner: 1 told (V2 in place of O0)", "grid_worker: 1 told (G7 in place of G1)"]
    );
    let ladder = world.alert("fire-1-2").ladder;
    let people: Vec<_> =
        ladder.iter().take(3).map(|rung| rung.people.iter().map(|id| id.0).collect::<Vec<_>>()).collect();
    assert_eq!(people, [vec![2], vec![2], vec![3]], "the alert keeps who was responsible then");
}

#[test]
fn a_fire_never_falls_into_a_hole_of_the_plan() {
    let mut rows = planned();
    rows.absences = vec![absent("G1", "08:00", "12:00", ""), absent("M4", "08:00", "12:00", "")];
    let mut world = World::with(&rows, Policy::default());
    // of a post that nobody is on duty for, whoever is not away; of a station whose only one on duty is away, the others
    world.play(
        "
        > 1 began U0 smoke/7 orange
        1 alert.raised fire-0-1 orange raised ring 1
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G7 as 1.1.7.mqtt
        owes micro_station M8 as 1.2.8.mqtt
        > 2 began U0 electrical/9 orange
        2 alert.raised warning-0-2 orange raised ring 1
        3 alert.escalated warning-0-2 orange raised ring 1 [village_chief]
        owes owner O0 as 1.0.0.mqtt
        owes village_chief V2 as 1.2.2.mqtt
        > 3 began U1 smoke/8 yellow
        4 alert.raised fire-1-3 yellow raised ring 1
        5 alert.escalated fire-1-3 yellow raised ring 1 [village_chief]
        owes owner O0 as 1.0.0.mqtt
        owes village_chief V2 as 1.3.2.mqtt
        ",
    );
    assert_eq!(notes(&world, "fire-0-1")[0], "grid_worker: 1 told (nobody on duty, 1 off duty told)");
    assert_eq!(notes(&world, "warning-0-2")[0], "nobody on duty for grid_worker: the next step is told at once");
    // all of them away: all of them, rather than nobody
    rows.absences.extend([absent("G7", "08:00", "12:00", ""), absent("M8", "08:00", "12:00", "")]);
    rows.absences.push(absent("O0", "08:00", "12:00", ""));
    let mut world = World::with(&rows, Policy::default());
    world.play(
        "
        > 1 began U0 smoke/7 orange
        1 alert.raised fire-0-1 orange raised ring 1
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        owes grid_worker G7 as 1.1.7.mqtt
        owes micro_station M4 as 1.2.4.mqtt
        owes micro_station M8 as 1.2.8.mqtt
        ",
    );
}

#[test]
fn a_station_that_cannot_turn_out_is_passed_over_while_another_can() {
    let mut rows = planned();
    rows.regions.push((0, code("331083001003"), "".into()));
    rows.people.push(person("M9", Post::MicroStation, "331083001003", &["mqtt"]));
    rows.stations.push(station("S2", "331083001003", None, &["M9"]));
    rows.stations[0].1.ready = false;
    let raised = |rows: &RosterRows| {
        let mut world = World::with(rows, Policy::default());
        let turn = world.step(
            0,
            Vec::new(),
            vec![crate::world::finding(&["began", "U0", "smoke/7", "orange"], START_MS)],
            Vec::new(),
        );
        let codes = turn.batch.deliveries.iter().filter(|delivery| &*delivery.whom == "micro_station");
        codes.map(|delivery| delivery.person_code.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(raised(&rows), ["M9"], "the next one of the township");
    rows.stations[1].1.ready = false;
    assert_eq!(raised(&rows), ["M4", "M8"], "none can: those of the village, rather than nobody");
}

/// The grid is without anybody from 18:00 to 20:00, the station from 13:00 to 15:00.
fn holed() -> RosterRows {
    let mut rows = planned();
    rows.shifts[0] = shift(Post::GridWorker, GRID, "G1 daily 08:00-18:00");
    rows.absences = vec![absent("M4", "13:00", "15:00", "")];
    rows
}

fn gaps_kept(books: &Books) -> Vec<DutyGap> {
    let rows = books.kept(KeptKind::DutyGap, None, 100).unwrap();
    rows.iter().map(|(_, value)| wire::decode(value).unwrap()).collect()
}

#[test]
fn a_hole_is_told_an_hour_before_and_when_it_is_over() {
    let mut world = World::with(&holed(), Policy::default());
    world.play(
        "
        > 0 tick
        > 14399.999 tick
        > 14400 tick
        1 duty.gap [S1 微型消防站 2026-01-01 13:00 至 2026-01-01 15:00 无人值班 / no micro station on duty at S1, 2026-01-01 13:00 to 2026-01-01 15:00]
        > 14401 tick
        > 14460 tick
        > 18000 tick
        > 18060 tick
        ",
    );
    let kept = gaps_kept(&world.books);
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].from_ms, kept[0].until_ms), (START_MS + 5 * HOUR_MS, Some(START_MS + 7 * HOUR_MS)));
    assert_eq!((&*kept[0].station, kept[0].found_ms), ("S1", START_MS + 4 * HOUR_MS));
    world.restart();
    world.play(
        "
        > 20000 tick
        > 25200 tick
        2 duty.filled [S1 微型消防站 2026-01-01 13:00 至 2026-01-01 15:00 无人值班 / no micro station on duty at S1, 2026-01-01 13:00 to 2026-01-01 15:00]
        > 32400 tick
        3 duty.gap [331083001001001 网格员 2026-01-01 18:00 至 2026-01-01 20:00 无人值班 / no grid worker on duty at 331083001001001, 2026-01-01 18:00 to 2026-01-01 20:00]
        ",
    );
    assert_eq!(world.batches.last().unwrap().feed[0].grid, code(GRID));
    // somebody takes it over: told in the same minute
    let mut rows = holed();
    rows.shifts.push(shift(Post::GridWorker, GRID, "V2 thu 18:00-20:00"));
    world.roster = Arc::new(world.roster.after(&world.roster.change_to(&rows).unwrap(), 99));
    world.play(
        "
        > 32401 tick
        4 duty.filled [331083001001001 网格员 2026-01-01 18:00 至 2026-01-01 20:00 无人值班 / no grid worker on duty at 331083001001001, 2026-01-01 18:00 to 2026-01-01 20:00]
        ",
    );
    assert_eq!(gaps_kept(&world.books), []);
}

#[test]
fn a_policy_says_how_far_ahead() {
    let mut world = World::with(&holed(), Policy::default());
    let policy = |text: &str| vec![Entry::Policy(text.into()), Entry::Tick];
    assert_eq!(world.step(0, vec![Entry::Tick], Vec::new(), Vec::new()).batch.feed, []);
    let turn = world.step(1, policy("[duty]\nlook_ahead_s = 43200"), Vec::new(), Vec::new());
    let told: Vec<_> = turn.batch.feed.iter().map(|event| event.kind.word()).collect();
    assert_eq!(told, ["duty.gap", "duty.gap"]);
    let turn = world.step(2, policy(""), Vec::new(), Vec::new());
    assert_eq!(turn.batch.feed.iter().filter(|event| event.kind.word() == "duty.filled").count(), 2, "out of sight");
}

#[test]
fn a_desk_taken_up_between_any_two_commits_finds_the_same_holes() {
    let mut world = World::with(&holed(), Policy::default());
    let mut pages = vec![world.books.pages()];
    let mut other = holed();
    other.shifts.pop();
    let tables = [holed(), planned(), other];
    for n in 0..240_u64 {
        let mut entries = vec![Entry::Tick];
        if n % 13 == 12 {
            let change = world.roster.change_to(&tables[(n / 13) as usize % 3]).unwrap();
            world.roster = Arc::new(world.roster.after(&change, n + 1));
            entries = if n % 2 == 0 {
                vec![Entry::Roster(Box::new(change))]
            } else {
                vec![Entry::Roster(Box::new(change)), Entry::Tick]
            };
        }
        // ticks of several a minute, and a longer pause
        world.step(3 * HOUR_MS + n * 47_000 + (n / 20) * HOUR_MS, entries, Vec::new(), Vec::new());
        pages.push(world.books.pages());
    }
    let batches: Vec<Vec<u8>> = world.batches.iter().map(bytes_of).collect();
    let told: usize = world.batches.iter().map(|batch| batch.feed.len()).sum();
    assert!(told >= 8, "{told} holes told and filled are too few to say anything");
    for stopped in 0..=world.evaluated.len() {
        let books = Books::with(pages[stopped].clone());
        let mut desk = Desk::restore(Policy::default(), &books).unwrap();
        let rest: &[Evaluated] = &world.evaluated[stopped..];
        for (evaluated, expected) in rest.iter().zip(&batches[stopped..]).take(6) {
            let turn = desk.step(evaluated);
            assert!(bytes_of(&turn.batch) == *expected, "stopped after {stopped}, commit {}", turn.batch.epoch);
            books.commit(&turn.batch).unwrap();
        }
    }
}

#[test]
fn who_was_responsible_when_is_kept_with_each_roster() {
    let mut world = World::new();
    let empty = Roster::default();
    let first = empty.change_to(&rows()).unwrap();
    world.step(0, vec![Entry::Roster(Box::new(first.clone()))], Vec::new(), Vec::new());
    world.roster = Arc::new(empty.after(&first, 1));
    let second = world.roster.change_to(&planned()).unwrap();
    world.step(9000, vec![Entry::Roster(Box::new(second))], Vec::new(), Vec::new());
    let unit = planned().units.remove(0);
    let mut third = planned();
    third.units[0] = (unit.0, model::roster::UnitRow { name: "new".into(), ..unit.1 });
    let third = empty.after(&empty.change_to(&planned()).unwrap(), 2).change_to(&third).unwrap();
    world.step(9001, vec![Entry::Roster(Box::new(third))], Vec::new(), Vec::new());
    let kept = world.books.kept(KeptKind::DutyChange, None, 100).unwrap();
    let changes: Vec<DutyChange> = kept.iter().map(|(_, value)| wire::decode(value).unwrap()).collect();
    let moments: Vec<_> = changes.iter().map(|change| (change.version, change.at_ms - START_MS)).collect();
    assert_eq!(moments, [(1, 0), (2, 9000)], "a unit's new name changes nobody's duty");
    let who = |upto: usize| {
        let roster = DutyChange::roster(&changes[..upto]);
        let on = roster.on_duty(roster.duty_of(code(GRID)), START_MS);
        on.iter().map(|on| roster.person(on.person).unwrap().code.to_string()).collect::<Vec<_>>()
    };
    assert_eq!((who(1), who(2)), (vec!["G1".to_owned()], vec!["G1".to_owned()]));
    let night = DutyChange::roster(&changes);
    assert_eq!(night.on_duty(night.duty_of(code(GRID)), START_MS + 12 * HOUR_MS).len(), 1);
}
