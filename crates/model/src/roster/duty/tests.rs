//! Plans as people write them, and who is there when. A table is a text:
//!
//! ```text
//! shift PERSON DAYS FROM-TO [FIRST..LAST] [POST@REGION]     deputy PERSON OF-WHOM
//! absent PERSON DAY CLOCK DAY CLOCK [SUBSTITUTE]            retired PERSON
//! DAY CLOCK [DUTY]: who is there; `B(A)`: B stands in for A
//! ```
//! 2026-01-05 is a Monday.

use super::*;
use crate::roster::{AbsenceRow, DutyChange, PersonRow, RosterFault, RosterRows, ShiftRow, StationRow};

const GRID: &str = "331083001001001";
const VILLAGE: &str = "331083001001";

fn code(text: &str) -> RegionCode {
    text.parse().expect("a code")
}

fn person(name: &str, post: Post, region: &str) -> (usize, PersonRow) {
    let row = PersonRow {
        code: name.into(),
        name: name.into(),
        phone: "".into(),
        post,
        region: code(region),
        channels: vec!["mqtt".into()],
        contact: Contact::All,
        deputy: "".into(),
    };
    (2, row)
}

/// A grid with the workers A, B and D, its village with the chief V and the station S of M1, M2 and M3; O is an owner.
fn people() -> RosterRows {
    let regions = ["331083", "331083001", VILLAGE, GRID, "331083001001002"];
    let members = ["M1", "M2", "M3"];
    let mut people = vec![person("O", Post::Owner, GRID)];
    people.extend(["A", "B", "D"].map(|name| person(name, Post::GridWorker, GRID)));
    people.push(person("V", Post::VillageChief, VILLAGE));
    people.extend(members.map(|name| person(name, Post::MicroStation, VILLAGE)));
    let station = StationRow {
        code: "S".into(),
        name: "S".into(),
        region: code(VILLAGE),
        position_m: None,
        members: members.map(Into::into).to_vec(),
        ready: true,
    };
    RosterRows {
        regions: regions.map(|region| (2, code(region), region.into())).to_vec(),
        people,
        stations: vec![(2, station)],
        ..RosterRows::default()
    }
}

fn shift(words: &[&str]) -> ShiftRow {
    let [person, days, hours, rest @ ..] = words else { panic!("no shift: {words:?}") };
    let (from, to) = hours.split_once('-').expect("from-to");
    let range = rest.iter().find_map(|word| word.split_once(".."));
    let day = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(|text| text.parse().expect("a day"));
    let place = rest.iter().find_map(|word| word.split_once('@')).unwrap_or(("grid_worker", GRID));
    ShiftRow {
        post: Post::from_word(place.0).expect("a post"),
        region: code(place.1),
        person: (*person).into(),
        days: days.parse().expect("days"),
        from: from.parse().expect("a time"),
        to: to.parse().expect("a time"),
        first_day: day(range.map(|range| range.0)),
        last_day: day(range.map(|range| range.1)),
    }
}

fn plan(lines: &str) -> RosterRows {
    let mut rows = people();
    for (line, text) in
        lines.lines().zip(1..).map(|(text, line)| (line, text.trim())).filter(|(_, text)| !text.is_empty())
    {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[0] {
            "shift" => rows.shifts.push((line, shift(&words[1..]))),
            "absent" => {
                let moment = |at: usize| format!("{} {}", words[at], words[at + 1]).parse().expect("a moment");
                let substitute = words.get(6).copied().unwrap_or("");
                let row = AbsenceRow {
                    person: words[1].into(),
                    from: moment(2),
                    until: moment(4),
                    substitute: substitute.into(),
                    reason: "".into(),
                };
                rows.absences.push((line, row));
            }
            "deputy" => {
                let row = rows.people.iter_mut().find(|(_, row)| *row.code == *words[2]).expect("is there");
                row.1.deputy = words[1].into();
            }
            other => panic!("no such word: {other}"),
        }
    }
    rows
}

fn import(rows: &RosterRows) -> Roster {
    let empty = Roster::default();
    empty.after(&empty.change_to(rows).expect("no faults"), 1)
}

fn roster(lines: &str) -> Roster {
    import(&plan(lines))
}

fn at(roster: &Roster, text: &str) -> u64 {
    roster.utc_offset().at_ms(text.parse::<LocalTime>().expect(text).0)
}

fn duty(roster: &Roster, name: &str) -> Duty {
    match name {
        "station" => roster.station_duty(0).expect("is there"),
        region => roster.duty_of(code(region)),
    }
}

fn who(roster: &Roster, duty: Duty, at_ms: u64) -> String {
    let name = |id| roster.person(id).expect("is there").code.to_string();
    let shown = roster.on_duty(duty, at_ms).into_iter().map(|on| match on.in_place_of {
        Some(absent) => format!("{}({})", name(on.person), name(absent)),
        None => name(on.person),
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn check(lines: &str, asked: &str) {
    let roster = roster(lines);
    for line in asked.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (question, answer) = line.rsplit_once(':').expect("a question");
        let mut words = question.split_whitespace();
        let (day, clock) = (words.next().expect("a day"), words.next().expect("a time"));
        let duty = duty(&roster, words.next().unwrap_or(GRID));
        assert_eq!(who(&roster, duty, at(&roster, &format!("{day} {clock}"))), answer.trim(), "{line}");
    }
}

#[test]
fn without_a_plan_everybody_is_on_duty_always() {
    check(
        "",
        "2026-01-05 03:00: A B D
         2026-01-05 03:00 station: M1 M2 M3
         2026-01-05 03:00 331083001001: V
         2026-01-05 03:00 331083001:",
    );
}

#[test]
fn a_shift_runs_on_its_days_between_its_times() {
    check(
        "shift A mon-fri 08:00-17:30
         shift B sat;sun 00:00-24:00
         shift D daily 12:00-12:01",
        "2026-01-05 07:59:
         2026-01-05 08:00: A
         2026-01-05 12:00: A D
         2026-01-05 17:29: A
         2026-01-05 17:30:
         2026-01-09 23:59:
         2026-01-10 00:00: B
         2026-01-11 23:59: B
         2026-01-12 00:00:",
    );
}

#[test]
fn a_shift_passes_midnight_and_the_end_of_the_week() {
    check(
        "shift A sun 20:00-08:00
         shift B mon 08:00-32:00
         shift D wed 22:00-26:00",
        "2026-01-04 19:59:
         2026-01-04 20:00: A
         2026-01-05 07:59: A
         2026-01-05 08:00: B
         2026-01-06 07:59: B
         2026-01-06 08:00:
         2026-01-08 01:59: D
         2026-01-08 02:00:",
    );
}

#[test]
fn a_plan_holds_from_its_first_to_its_last_day() {
    check(
        "shift A daily 20:00-08:00 2026-01-05..2026-01-06
         shift B daily 00:00-24:00 2026-02-01..
         shift D daily 00:00-24:00 ..2026-01-01",
        "2026-01-01 23:59: D
         2026-01-02 00:00:
         2026-01-05 07:00:
         2026-01-05 20:00: A
         2026-01-07 07:59: A
         2026-01-07 08:00:
         2026-01-07 20:00:
         2026-02-01 00:00: B
         2036-02-01 00:00: B",
    );
}

#[test]
fn a_shift_elsewhere_takes_nobody_from_their_post() {
    check(
        "shift A daily 18:00-08:00 grid_worker@331083001001002
         shift B daily 18:00-08:00 village_chief@331083001001
         shift V daily 08:00-18:00 village_chief@331083001001",
        "2026-01-05 19:00: A B D
         2026-01-05 19:00 331083001001002: A
         2026-01-05 09:00 331083001001002:
         2026-01-05 19:00 331083001001: B
         2026-01-05 09:00 331083001001: V",
    );
}

#[test]
fn the_absent_are_replaced_and_the_replaced_who_are_absent_too() {
    check(
        "shift A daily 00:00-24:00
         shift B daily 22:00-23:00
         shift D daily 22:00-23:00
         deputy V A
         deputy B V
         absent A 2026-01-05 08:00 2026-01-08 08:00
         absent V 2026-01-06 08:00 2026-01-07 08:00
         absent B 2026-01-06 20:00 2026-01-07 08:00 D
         absent D 2026-01-07 00:00 2026-01-07 08:00",
        "2026-01-05 07:59: A
         2026-01-05 08:00: V(A)
         2026-01-05 22:00: V(A) B D
         2026-01-06 08:00: B(A)
         2026-01-06 19:59: B(A)
         2026-01-06 20:00: D(A)
         2026-01-06 22:30: D
         2026-01-06 23:30: D(A)
         2026-01-07 00:00:
         2026-01-07 08:00: V(A)
         2026-01-08 08:00: A",
    );
}

#[test]
fn two_who_stand_in_for_each_other_and_are_both_away_are_nobody() {
    check(
        "deputy A B
         deputy B A
         shift D daily 00:00-24:00 ..2026-01-01
         absent A 2026-01-05 08:00 2026-01-05 18:00
         absent B 2026-01-05 12:00 2026-01-05 20:00",
        "2026-01-05 07:00: A B
         2026-01-05 08:00: B
         2026-01-05 12:00:
         2026-01-05 18:00: A",
    );
}

#[test]
fn a_station_is_its_members() {
    let station = "micro_station@331083001001";
    check(
        &format!(
            "shift M1 daily 08:00-20:00 {station}
             shift M2 daily 20:00-08:00 {station}
             absent M3 2026-01-05 08:00 2026-01-06 08:00 V
             absent M1 2026-01-06 00:00 2026-01-07 00:00 M3"
        ),
        "2026-01-05 07:00 station: M2 M3
         2026-01-05 09:00 station: M1 V(M3)
         2026-01-06 09:00 station: M3",
    );
}

#[test]
fn a_retired_person_is_nobody_and_nobody_stands_in_for_them() {
    let mut rows = plan("deputy V A\nabsent A 2026-01-05 08:00 2026-01-08 08:00");
    let first = import(&rows);
    rows.people.retain(|(_, row)| !matches!(&*row.code, "A" | "M3"));
    rows.absences.clear();
    rows.stations[0].1.members.truncate(2);
    let second = first.after(&first.change_to(&rows).expect("no faults"), 2);
    let now_ms = at(&second, "2026-01-05 09:00");
    assert_eq!(who(&first, duty(&first, GRID), now_ms), "V(A) B D");
    assert_eq!(who(&second, duty(&second, GRID), now_ms), "B D");
    assert_eq!(who(&second, duty(&second, "station"), now_ms), "M1 M2");
    let a = first.person_by_code("A").expect("was there");
    assert_eq!((first.stands_for(a, 0), second.stands_for(a, 0)), (Some(a), None));
    assert!(first.is_present(a, 0) && !first.is_present(a, now_ms) && !second.is_present(a, 0));
}

fn gaps(roster: &Roster, from: &str, until: &str) -> Vec<String> {
    let shown = |at_ms: u64| roster.utc_offset().local(at_ms).to_string();
    let place =
        |duty: Duty| duty.station.map_or(duty.region.to_string(), |at| roster.stations()[at as usize].code.to_string());
    let gaps = roster.duty_gaps(at(roster, from), at(roster, until)).into_iter();
    gaps.map(|gap| {
        let until = gap.until_ms.map_or("open".to_owned(), shown);
        format!("{} {} to {until}", place(gap.duty), shown(gap.from_ms))
    })
    .collect()
}

#[test]
fn holes_of_a_plan_are_found_before_they_come() {
    let roster = roster(
        "shift A mon-fri 08:00-18:00
         shift B mon-fri 18:00-08:00
         shift D mon 07:00-09:00
         shift M1 daily 08:00-20:00 micro_station@331083001001
         shift M2 daily 20:00-06:00 micro_station@331083001001
         shift M3 daily 05:00-07:00 micro_station@331083001001 2026-01-01..2026-01-31
         absent B 2026-01-06 22:00 2026-01-07 02:00
         absent M1 2026-01-05 08:00 2026-01-05 12:00",
    );
    let none: [&str; 0] = [];
    assert_eq!(gaps(&roster, "2026-01-05 17:00", "2026-01-06 06:59"), none);
    assert_eq!(gaps(&roster, "2026-01-06 06:30", "2026-01-06 07:00"), ["S 2026-01-06 07:00 to 2026-01-06 08:00"]);
    // found in the minute in which it comes into sight, with its end beyond; two on the way are told apart
    assert_eq!(gaps(&roster, "2026-01-06 20:59", "2026-01-06 21:59"), none);
    assert_eq!(
        gaps(&roster, "2026-01-06 21:00", "2026-01-06 22:00"),
        [format!("{GRID} 2026-01-06 22:00 to 2026-01-07 02:00")]
    );
    assert_eq!(
        gaps(&roster, "2026-01-06 23:00", "2026-01-07 01:00"),
        [format!("{GRID} 2026-01-06 23:00 to 2026-01-07 02:00")]
    );
    // after Friday's night shift, until Monday's early one
    assert_eq!(
        gaps(&roster, "2026-01-10 08:00", "2026-01-10 08:10"),
        [format!("{GRID} 2026-01-10 08:00 to 2026-01-12 07:00")]
    );
    assert_eq!(
        gaps(&roster, "2026-02-06 00:00", "2026-02-06 23:00"),
        ["S 2026-02-06 06:00 to 2026-02-06 08:00"],
        "the third shift ended with January"
    );
    assert_eq!(
        gaps(&roster, "2026-01-05 06:00", "2026-01-05 23:59"),
        [format!("{GRID} 2026-01-05 06:00 to 2026-01-05 07:00"), "S 2026-01-05 07:00 to 2026-01-05 12:00".to_owned()]
    );
}

#[test]
fn a_plan_that_has_run_out_is_a_hole_without_end() {
    let roster = roster(&["A", "B", "D"].map(|name| format!("shift {name} daily 00:00-24:00 ..2026-01-05\n")).concat());
    assert_eq!(gaps(&roster, "2026-01-05 23:00", "2026-01-06 00:00"), [format!("{GRID} 2026-01-06 00:00 to open")]);
    assert_eq!(roster.planned_duties().count(), 1);
    assert_eq!(roster.duties().count(), 6, "city, township, village, two grids, a station");
}

#[test]
fn an_absence_alone_makes_a_hole_where_nobody_stands_in() {
    let absent = "absent V 2026-01-06 08:00 2026-01-07 08:00";
    let hole = [format!("{VILLAGE} 2026-01-06 08:00 to 2026-01-07 08:00")];
    assert_eq!(gaps(&roster(absent), "2026-01-06 07:30", "2026-01-06 08:30"), hole);
    assert_eq!(gaps(&roster(&format!("{absent} A")), "2026-01-06 07:30", "2026-01-06 08:30").len(), 0);
    // others hold the post
    assert_eq!(
        gaps(&roster("absent A 2026-01-06 08:00 2026-01-07 08:00"), "2026-01-06 07:30", "2026-01-06 08:30").len(),
        0
    );
}

#[test]
fn until_when_somebody_is_on_duty() {
    let roster = roster(
        "shift A daily 08:00-18:00
         deputy V A
         absent A 2026-01-05 12:00 2026-01-05 14:00",
    );
    let until = |name: &str, moment: &str| {
        let person = roster.person_by_code(name).expect("is there");
        let until = roster.on_duty_until(duty(&roster, GRID), person, at(&roster, moment));
        until.map(|at_ms| roster.utc_offset().local(at_ms).to_string())
    };
    assert_eq!(until("A", "2026-01-05 09:00").as_deref(), Some("2026-01-05 12:00"));
    assert_eq!(until("V", "2026-01-05 12:30").as_deref(), Some("2026-01-05 14:00"));
    assert_eq!(until("A", "2026-01-05 14:00").as_deref(), Some("2026-01-05 18:00"));
    assert_eq!(until("B", "2026-01-05 14:00"), None, "always");
}

fn faults(lines: &str) -> Vec<String> {
    let faults = Roster::default().change_to(&plan(lines)).expect_err("has faults");
    faults.iter().map(RosterFault::to_string).collect()
}

#[test]
fn a_plan_that_cannot_be_is_told_by_line() {
    for (lines, expected) in [
        ("shift X daily 08:00-09:00", "shifts.csv:1: person X is not in people.csv"),
        ("shift O daily 08:00-09:00", "shifts.csv:1: O is an owner and holds no post"),
        ("shift A daily 08:00-09:00 owner@331083001001001", "shifts.csv:1: owners have no shifts"),
        (
            "shift A daily 08:00-09:00 grid_worker@331083001001",
            "shifts.csv:1: a grid_worker has no duty in 331083001001,",
        ),
        ("shift A daily 08:00-09:00 grid_worker@331083001001009", "shifts.csv:1: region 331083001001009 is not in"),
        ("shift A daily 08:00-09:00 micro_station@331083001001", "shifts.csv:1: A is no member of a station in"),
        ("shift A daily 08:00-08:00", "shifts.csv:1: from and to are both 08:00: for 24 hours write to as 32:00"),
        ("shift A daily 08:00-33:00", "shifts.csv:1: from 08:00 to 33:00 is more than 24 hours"),
        ("shift A daily 24:00-25:00", "shifts.csv:1: from 24:00 is no time of a day"),
        ("shift A daily 08:00-09:00 2026-01-02..2026-01-01", "shifts.csv:1: last_day 2026-01-01 is before first_day"),
        (
            "shift A mon 08:00-09:00\nshift A daily 08:30-10:00",
            "shifts.csv:2: this shift of A overlaps the one in line 1",
        ),
        (
            "shift A sun 20:00-08:00\nshift A mon 07:59-09:00",
            "shifts.csv:2: this shift of A overlaps the one in line 1",
        ),
        (
            "shift A daily 08:00-09:00 ..2026-02-01\nshift A sun 08:00-09:00 2026-01-27..",
            "shifts.csv:2: this shift of A overlaps the one in line 1",
        ),
        ("absent X 2026-01-05 08:00 2026-01-06 08:00", "absences.csv:1: person X is not in people.csv"),
        ("absent A 2026-01-05 08:00 2026-01-05 08:00", "absences.csv:1: until 2026-01-05 08:00 is not after from"),
        ("absent A 2026-01-05 08:00 2026-01-06 08:00 X", "absences.csv:1: substitute X of A is not in people.csv"),
        ("absent A 2026-01-05 08:00 2026-01-06 08:00 A", "absences.csv:1: A cannot stand in for themselves"),
        ("absent A 2026-01-05 08:00 2026-01-06 08:00 O", "absences.csv:1: substitute O of A is an owner"),
        (
            "absent A 2026-01-05 08:00 2026-01-06 08:00\nabsent A 2026-01-06 07:59 2026-01-07 08:00",
            "absences.csv:2: this absence of A overlaps the one in line 1",
        ),
        (
            "absent A 2026-01-05 08:00 2026-01-07 08:00 B\nabsent B 2026-01-06 08:00 2026-01-09 08:00 D\n\
             absent D 2026-01-06 09:00 2026-01-06 10:00 A",
            "absences.csv:3: the substitutes of D form a circle on 2026-01-06 09:00",
        ),
        ("deputy X A", "people.csv:2: deputy X of person A is not in people.csv"),
        ("deputy A A", "people.csv:2: person A cannot be their own deputy"),
        ("deputy O A", "people.csv:2: deputy O of A is an owner"),
    ] {
        let told = faults(lines);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{lines}\n{told:#?}");
    }
}

#[test]
fn what_only_looks_like_a_clash_is_taken() {
    roster(
        "shift A mon 08:00-09:00
         shift A mon 09:00-10:00
         shift A tue 08:00-09:00
         shift A sun 20:00-08:00
         shift A mon 08:00-09:00 grid_worker@331083001001002
         shift B daily 08:00-09:00 ..2026-01-31
         shift B daily 08:00-09:00 2026-02-01..
         shift D daily 08:00-09:00 ..2026-01-31
         shift D sun 08:00-09:00 2026-01-26..2026-01-31
         absent A 2026-01-05 08:00 2026-01-06 08:00 B
         absent A 2026-01-06 08:00 2026-01-07 08:00 B
         absent B 2026-01-07 08:00 2026-01-08 08:00 A",
    );
}

#[test]
fn who_was_responsible_then_follows_from_the_changes_alone() {
    let mut rows = plan("shift A daily 00:00-24:00\ndeputy B A");
    let mut changes = Vec::new();
    let mut rosters = vec![Roster::default()];
    let mut step = |rows: &RosterRows| {
        let last = rosters.last().expect("one at least");
        let version = rosters.len() as u64 * 10;
        let change = last.change_to(rows).expect("no faults");
        let kept = DutyChange::of(&change, version, version * 1000);
        let next = last.after(&change, version);
        rosters.push(next);
        kept.is_some_and(|kept| {
            let stored = crate::wire::encode(&kept);
            changes.push(crate::wire::decode::<DutyChange>(&stored).expect("reads back"));
            true
        })
    };
    assert!(step(&rows));
    assert!(!step(&rows), "nothing changed");
    rows.people.push(person("E", Post::GridWorker, GRID));
    rows.absences = plan("absent A 2026-01-05 08:00 2026-01-08 08:00").absences;
    assert!(step(&rows));
    rows.people.retain(|(_, row)| &*row.code != "B");
    rows.people.iter_mut().for_each(|(_, row)| row.deputy = "".into());
    rows.people.iter_mut().filter(|(_, row)| &*row.code == "E").for_each(|(_, row)| row.post = Post::Owner);
    rows.shifts.clear();
    assert!(step(&rows));
    let now = "2026-01-05 09:00";
    let expected = ["A B D", "B D E", "D"];
    for (upto, expected) in (1..=3).zip(expected) {
        let then = DutyChange::roster(&changes[..upto]);
        assert_eq!(who(&then, duty(&then, GRID), at(&then, now)), expected);
        let whole = rosters.iter().find(|roster| roster.version() == then.version()).expect("the same version");
        for minute in (0..7 * 1440).step_by(60) {
            let at_ms = at(&then, now) + minute * 60_000;
            for (then_duty, duty) in then.duties().zip(whole.duties()) {
                assert_eq!(who(&then, then_duty, at_ms), who(whole, duty, at_ms));
            }
        }
    }
}

#[test]
fn shifts_that_meet_leave_no_hole_anywhere() {
    let mut rows = people();
    for grid in 10..999 {
        let grid = format!("{VILLAGE}{grid:03}");
        rows.regions.push((2, code(&grid), grid.as_str().into()));
        for (day, worker) in ["1", "2", "3", "4", "5", "6", "7"].iter().zip(["A", "B", "D"].iter().cycle()) {
            rows.shifts.push((2, shift(&[worker, day, "08:00-32:00", &format!("grid_worker@{grid}")])));
        }
    }
    let roster = import(&rows);
    assert_eq!(roster.planned_duties().count(), 989);
    let from_ms = at(&roster, "2026-01-05 07:30");
    assert_eq!(roster.duty_gaps(from_ms, from_ms + 7 * 86_400_000), []);
    rows.shifts.pop();
    let gaps = import(&rows).duty_gaps(from_ms, from_ms + 7 * 86_400_000);
    assert_eq!(gaps.len(), 2, "the last of Sunday's night, and the next Sunday");
}
