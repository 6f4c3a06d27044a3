//! What people may do with an alert in each of its states, and what comes of it.

use std::collections::BTreeSet;
use std::fmt::Write;

use model::alert::{Mark, Refused};
use model::{Alert, AlertState, chain};

use crate::world::{START_MS, World};

const ID: &str = "warning-0-1";

/// A way into each state. G1 verifies and works; nobody else does anything but V2, who checks.
const WAYS: [(AlertState, &str); 11] = [
    (AlertState::Raised, ""),
    (AlertState::Acknowledged, "ack"),
    (AlertState::Arrived, "arrive"),
    (AlertState::Verified, "real"),
    (AlertState::RestoredUnacknowledged, "ended"),
    (AlertState::Restored, "ack ended"),
    (AlertState::InWork, "real begin finish"),
    (AlertState::Checked, "real begin finish check"),
    (AlertState::Closed, "real ended close"),
    (AlertState::Shelved, "real shelve"),
    (AlertState::OutOfService, "real out"),
];

const ACTS: [&str; 18] = [
    "ack", "arrive", "real", "false", "test", "assign", "begin", "finish", "check", "uncheck", "note", "photo",
    "shelve", "unshelve", "out", "return", "close", "ended",
];

fn op(word: &str, person: &str) -> String {
    let more = match word {
        "ended" => return "ended U0 water/5 yellow".into(),
        "assign" => " to=4",
        "uncheck" | "note" => " note=words",
        "photo" => " sha=7",
        "shelve" => " for=3600 note=works",
        "out" => " note=works",
        _ => "",
    };
    format!("{word} {ID} {person}{more}")
}

fn in_state(way: &str) -> World {
    let mut world = World::new();
    world.run("0 began U0 water/5 yellow");
    for (n, word) in way.split_whitespace().enumerate() {
        let person = if word == "check" { "V2" } else { "G1" };
        let turn = world.run(&format!("{} {}", n + 1, op(word, person)));
        assert!(turn.outcomes.iter().all(|outcome| outcome.result.is_ok()), "{way}: {turn:?}");
    }
    world
}

/// The state after an act, `=` where it stays, or `-` where the act is refused.
fn after(way: &str, word: &str, person: &str) -> &'static str {
    let mut world = in_state(way);
    let before = world.alert(ID).state;
    let turn = world.run(&format!("100 {}", op(word, person)));
    match turn.outcomes.first().map(|outcome| &outcome.result) {
        Some(Err(refused)) => {
            let Refused::Forbidden(why) = refused else { panic!("{refused}") };
            assert!(why.len() > 20, "a refusal says why: {why}");
            assert!(turn.batch.is_empty(), "what is refused changes nothing");
            "-"
        }
        _ => match world.alert(ID).state {
            state if state == before => "=",
            state => state.word(),
        },
    }
}

fn table(person: &str) -> String {
    let mut table = String::new();
    for (state, way) in WAYS {
        assert_eq!(in_state(way).alert(ID).state, state, "{way}");
        write!(table, "{}:", state.word()).unwrap();
        for word in ACTS {
            write!(table, " {word} {},", after(way, word, person)).unwrap();
        }
        table.pop();
        table.push('\n');
    }
    table
}

#[track_caller]
fn compare(found: &str, expected: &str) {
    let lines = |text: &str| text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    assert!(lines(found) == lines(expected), "found:\n{found}\nexpected:\n{expected}");
}

#[test]
fn every_act_in_every_state_by_a_second_person() {
    assert_eq!(WAYS.map(|(state, _)| state).into_iter().collect::<Vec<_>>(), AlertState::ALL);
    compare(&table("M4"), "
        raised: ack acknowledged, arrive arrived, real verified, false verified, test verified, assign =, begin in_work, finish -, check -, uncheck -, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close -, ended restored_unacknowledged
        acknowledged: ack =, arrive arrived, real verified, false verified, test verified, assign =, begin in_work, finish -, check -, uncheck -, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close -, ended restored
        arrived: ack =, arrive =, real verified, false verified, test verified, assign =, begin in_work, finish -, check -, uncheck -, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close -, ended restored
        verified: ack =, arrive =, real =, false =, test =, assign =, begin in_work, finish -, check -, uncheck -, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close closed, ended =
        restored_unacknowledged: ack restored, arrive restored, real verified, false verified, test verified, assign =, begin in_work, finish -, check -, uncheck -, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close closed, ended =
        restored: ack =, arrive =, real verified, false verified, test verified, assign =, begin in_work, finish -, check -, uncheck -, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close closed, ended =
        in_work: ack =, arrive =, real =, false =, test =, assign =, begin =, finish -, check checked, uncheck =, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close closed, ended =
        checked: ack =, arrive =, real =, false =, test =, assign =, begin in_work, finish -, check =, uncheck in_work, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close closed, ended =
        closed: ack -, arrive -, real -, false -, test -, assign -, begin -, finish -, check -, uncheck -, note -, photo -, shelve -, unshelve -, out -, return -, close -, ended =
        shelved: ack =, arrive =, real =, false =, test =, assign =, begin =, finish -, check -, uncheck -, note =, photo =, shelve =, unshelve verified, out out_of_service, return -, close closed, ended =
        out_of_service: ack =, arrive =, real =, false =, test =, assign =, begin =, finish -, check -, uncheck -, note =, photo =, shelve =, unshelve -, out =, return verified, close closed, ended =
        ");
}

#[test]
fn every_act_in_every_state_by_who_verified_and_worked() {
    compare(&table("G1"), "
        raised: ack acknowledged, arrive arrived, real verified, false verified, test verified, assign =, begin in_work, finish -, check -, uncheck -, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close -, ended restored_unacknowledged
        acknowledged: ack =, arrive arrived, real verified, false verified, test verified, assign =, begin in_work, finish -, check -, uncheck -, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close -, ended restored
        arrived: ack =, arrive =, real verified, false verified, test verified, assign =, begin in_work, finish -, check -, uncheck -, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close -, ended restored
        verified: ack =, arrive =, real =, false =, test =, assign =, begin in_work, finish -, check -, uncheck -, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close -, ended =
        restored_unacknowledged: ack restored, arrive restored, real verified, false verified, test verified, assign =, begin in_work, finish -, check -, uncheck -, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close closed, ended =
        restored: ack =, arrive =, real verified, false verified, test verified, assign =, begin in_work, finish -, check -, uncheck -, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close closed, ended =
        in_work: ack =, arrive =, real =, false =, test =, assign =, begin =, finish -, check -, uncheck -, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close -, ended =
        checked: ack =, arrive =, real =, false =, test =, assign =, begin in_work, finish -, check -, uncheck -, note =, photo =, shelve shelved, unshelve -, out out_of_service, return -, close -, ended =
        closed: ack -, arrive -, real -, false -, test -, assign -, begin -, finish -, check -, uncheck -, note -, photo -, shelve -, unshelve -, out -, return -, close -, ended =
        shelved: ack =, arrive =, real =, false =, test =, assign =, begin =, finish -, check -, uncheck -, note =, photo =, shelve =, unshelve verified, out out_of_service, return -, close -, ended =
        out_of_service: ack =, arrive =, real =, false =, test =, assign =, begin =, finish -, check -, uncheck -, note =, photo =, shelve =, unshelve -, out =, return verified, close -, ended =
        ");
}

/// A state follows from the facts alone: of all facts together the order of precedence is as it is documented.
#[test]
fn the_state_follows_from_the_facts() {
    let mark = || Mark::by("G1", 1);
    let mut alert = in_state("").alert(ID);
    let mut seen = vec![alert.standing()];
    let steps: [fn(&mut Alert, Mark); 10] = [
        |alert, mark| alert.acknowledged.push(mark),
        |alert, mark| alert.arrived.push(mark),
        |alert, _| alert.conditions.clear(),
        |alert, _| alert.acknowledged.clear(),
        |alert, mark| alert.verdict = Some((model::Verdict::Real, mark)),
        |alert, mark| {
            alert.acknowledged.push(mark.clone());
            alert.work.push(model::alert::Work { mark, done_ms: None, ring: 1 });
        },
        |alert, mark| alert.checked = Some(mark),
        |alert, by| alert.shelved = Some(model::alert::Shelf { by, until_ms: 2, colour: alert.colour }),
        |alert, by| alert.out_of_service = Some(model::alert::Shelf { by, until_ms: 2, colour: alert.colour }),
        |alert, mark| alert.closed = Some(mark),
    ];
    for step in steps {
        step(&mut alert, mark());
        seen.push(alert.standing());
    }
    use AlertState::*;
    let expected = [
        Raised,
        Acknowledged,
        Arrived,
        Restored,
        RestoredUnacknowledged,
        Verified,
        InWork,
        Checked,
        Shelved,
        OutOfService,
        Closed,
    ];
    assert_eq!(seen, expected);
    assert_eq!(seen.iter().map(|state| state.word()).collect::<BTreeSet<_>>().len(), AlertState::ALL.len());
}

#[test]
fn a_fire_is_closed_by_a_second_person_or_when_its_sensors_are_quiet() {
    let mut world = World::new();
    for line in ["0 began U3 smoke/7 orange; began U3 heat/8 orange", "1 false fire-3-1 M4 cause=cooking"] {
        world.run(line);
    }
    let refusal = |world: &mut World, line: &str| match &world.run(line).outcomes[0].result {
        Ok(alert) => alert.state.word().to_owned(),
        Err(refused) => refused.to_string(),
    };
    let alone = "have another person close it";
    for (line, what) in [
        ("2 close fire-3-1 M4", "smoke and 1 more conditions still hold, and M4 verified fire-3-1"),
        ("3 close fire-3-1 M4 by=app", alone),
        // who entered it for them is not a second person either, nor is somebody whose act they enter
        ("4 close fire-3-1 G1 by=M4", alone),
        ("5 begin fire-3-1 G1 by=V2", "in_work"),
        ("6 close fire-3-1 G1", alone),
        ("7 close fire-3-1 V2", alone),
        ("8 close fire-3-1 V2 by=app", alone),
        ("9 close fire-3-1 T3 by=G1", alone),
        ("10 ended U3 smoke/7 orange; close fire-3-1 G1", alone),
        ("11 close fire-3-1 T3 by=app", "closed"),
    ] {
        let found = refusal(&mut world, line);
        assert!(found.contains(what), "{line}: {found}");
    }
    // quiet sensors are evidence enough, but not instead of a verdict
    world.run("20 began U3 smoke/7 orange");
    let id = world.books_open()[0].clone();
    world.run("21 ended U3 smoke/7 orange");
    assert!(refusal(&mut world, &format!("22 close {id} M4")).contains("not verified"));
    world.run(&format!("23 real {id} M4 cause=battery"));
    assert_eq!(refusal(&mut world, &format!("24 close {id} M4")), "closed");
}

#[test]
fn a_cause_must_go_with_the_verdict() {
    let mut world = World::new();
    world.run("0 began U3 smoke/7 orange");
    let turn = world.run("1 real fire-3-1 M4 cause=drill");
    let refused = turn.outcomes[0].result.as_ref().unwrap_err().to_string();
    assert!(refused.contains("drill does not go with the verdict real") && refused.contains("wiring"), "{refused}");
    assert!(world.alert("fire-3-1").verdict.is_none());
    world.run("2 test fire-3-1 M4 cause=drill note=monthly");
    let alert = world.alert("fire-3-1");
    assert_eq!(alert.cause, Some(model::Cause::Drill));
    assert_eq!(alert.history.last().unwrap().note.as_deref(), Some("test: drill; monthly"));
}

#[test]
fn an_acknowledgement_expires_for_each_person_and_only_while_nothing_follows() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U3 lost_contact/7 red; began U1 lost_contact/8 red
        1 alert.raised fault-3-1 red raised ring 1
        2 alert.raised fault-1-1 red raised ring 1
        > 100 ack fault-3-1 G1; ack fault-1-1 G1
        done: fault-3-1 is acknowledged
        done: fault-1-1 is acknowledged
        3 alert.acknowledged fault-3-1 red acknowledged ring 1 [G1]
        4 alert.acknowledged fault-1-1 red acknowledged ring 1 [G1]
        > 200 ack fault-3-1 V2; arrive fault-1-1 V2
        done: fault-3-1 is acknowledged
        done: fault-1-1 is arrived
        5 alert.acknowledged fault-3-1 red acknowledged ring 1 [V2]
        6 alert.arrived fault-1-1 red arrived ring 1 [V2]
        > 399 tick
        > 400 tick
        7 alert.acknowledgement_expired fault-3-1 red acknowledged ring 1 [G1]
        > 499 ack fault-3-1 G1
        done: fault-3-1 is acknowledged
        8 alert.acknowledged fault-3-1 red acknowledged ring 1 [G1]
        > 500 tick
        9 alert.acknowledgement_expired fault-3-1 red acknowledged ring 1 [V2]
        > 799 tick
        10 alert.acknowledgement_expired fault-3-1 red raised ring 1 [G1]
        > 99999 tick
        ",
    );
    let alert = world.alert("fault-3-1");
    assert!(alert.history.iter().any(|item| {
        let note = format!("acknowledged at {}, and nothing followed", START_MS + 100_000);
        *item.by == *"G1" && item.note.as_deref() == Some(&*note)
    }));
    let marks = world.alert("fault-1-1").acknowledged;
    assert_eq!(marks.len(), 2, "somebody is there: what was acknowledged stays so, for months");
}

#[test]
fn what_people_wrote_survives_a_ring() {
    let mut world = World::new();
    world.run("0 began U3 smoke/7 yellow");
    world.run("1 note fire-3-1 G1 note=key-at-the-neighbour; photo fire-3-1 G1 sha=3; assign fire-3-1 V2 to=4");
    world.run("2 begin fire-3-1 G1; real fire-3-1 G1");
    world.run("3 ended U3 smoke/7 yellow");
    world.run("4 began U3 smoke/7 yellow");
    let alert = world.alert("fire-3-1");
    assert_eq!((alert.state, alert.ring), (AlertState::Raised, 2));
    assert_eq!(alert.notes[0].note.as_deref(), Some("key-at-the-neighbour"));
    assert_eq!((alert.photos.len(), &*alert.assigned.as_ref().unwrap().person), (1, "M4"));
    assert_eq!(alert.work.len(), 1, "who worked on it may still not close it alone");
    world.run("5 photo fire-3-1 V2 sha=3");
    assert_eq!(world.alert("fire-3-1").photos.len(), 1, "the same photo once");
    for n in 0..25 {
        world.run(&format!("6 photo fire-3-1 V2 sha={}", n + 10));
    }
    assert_eq!(world.alert("fire-3-1").photos.len(), Alert::PHOTOS_MAX);
    let alert = world.alert("fire-3-1");
    chain::verify(alert.id, &alert.history, &alert.trims).unwrap();
}

#[test]
fn an_alert_says_which_one_it_follows() {
    let mut world = World::new();
    world.run("0 began U3 smoke/7 yellow");
    world.run("1 false fire-3-1 G1; close fire-3-1 V2");
    world.restart();
    world.run("21600 ended U3 smoke/7 yellow; began U3 smoke/7 yellow");
    let first = world.alert("fire-3-3");
    assert_eq!(first.follows.map(|id| id.to_string()).as_deref(), Some("fire-3-1"));
    assert_eq!(first.history[0].note.as_deref(), Some("follows fire-3-1"));
    world.run("21601 ended U3 smoke/7 yellow; real fire-3-3 G1");
    world.run("21602 close fire-3-3 G1");
    world.run("43203 began U3 smoke/7 yellow");
    assert_eq!(world.alert("fire-3-6").follows, None, "that was long ago");
}

#[test]
fn the_shelf_is_for_some_hours_and_gives_way_to_what_is_more_urgent() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U3 water/5 yellow
        1 alert.raised warning-3-1 yellow raised ring 1
        > 1 shelve warning-3-1 G1 for=28801 note=works
        refused: it can be shelved for 8 h at most
        > 2 shelve warning-3-1 G1 for=3600
        refused: warning-3-1 is shelved with a reason only: say it in the note
        > 3 shelve warning-3-1 G1 for=0 note=works
        refused: the time until when is over already
        > 4 shelve warning-3-1 G1 for=3600 note=works
        done: warning-3-1 is shelved
        2 alert.shelved warning-3-1 yellow shelved ring 1 [G1]
        > 10 ended U3 water/5 yellow; began U3 water/5 yellow a-2; began U3 water/6 yellow
        3 alert.restored warning-3-1 yellow shelved ring 1
        4 alert.updated warning-3-1 yellow shelved ring 1 [a-2]
        5 alert.updated warning-3-1 yellow shelved ring 1
        > 3603 tick
        > 3604 tick
        6 alert.unshelved warning-3-1 yellow raised ring 1
        7 alert.rang_again warning-3-1 yellow raised ring 2
        > 3605 shelve warning-3-1 G1 for=3600 note=works
        done: warning-3-1 is shelved
        8 alert.shelved warning-3-1 yellow shelved ring 2 [G1]
        > 3606 continued U3 water/5 orange
        9 alert.unshelved warning-3-1 orange raised ring 2
        10 alert.updated warning-3-1 orange raised ring 3
        > 3607 out warning-3-1 G1 for=2592001 note=works
        refused: it can be taken out of service for 720 h at most
        > 3608 out warning-3-1 G1 note=works
        done: warning-3-1 is out_of_service
        11 alert.out_of_service warning-3-1 orange out_of_service ring 3 [G1]
        > 3609 ended U3 water/5 orange; ended U3 water/6 orange
        12 alert.updated warning-3-1 orange out_of_service ring 3
        13 alert.restored warning-3-1 orange out_of_service ring 3
        > 9999 tick; began U3 water/5 orange
        14 alert.updated warning-3-1 orange out_of_service ring 3
        > 10000 began U3 water/6 red
        15 alert.returned_to_service warning-3-1 red raised ring 3
        16 alert.updated warning-3-1 red raised ring 4
        owes micro_station M4 as 4.2.4.mqtt
        > 10001 shelve warning-3-1 G1 for=3600 note=works; unshelve warning-3-1 G1
        done: warning-3-1 is shelved
        done: warning-3-1 is raised
        17 alert.shelved warning-3-1 red shelved ring 4 [G1]
        18 alert.unshelved warning-3-1 red raised ring 4 [G1]
        19 alert.rang_again warning-3-1 red raised ring 5
        owes micro_station M4 as 5.2.4.mqtt
        > 10002 unshelve warning-3-1 G1; return warning-3-1 G1
        refused: warning-3-1 is not shelved
        refused: warning-3-1 is not out of service
        ",
    );
    world.run("20000 began U3 smoke/7 yellow");
    for word in ["shelve", "out"] {
        let turn = world.run(&format!("20001 {word} fire-3-18 G1 for=60 note=works"));
        let refused = turn.outcomes[0].result.as_ref().unwrap_err().to_string();
        assert!(refused.contains("a fire alarm is never"), "{refused}");
    }
}

#[test]
fn work_is_checked_by_somebody_who_did_not_do_it() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U3 lost_contact/7 yellow
        1 alert.raised fault-3-1 yellow raised ring 1
        > 1 check fault-3-1 V2; finish fault-3-1 G1; begin fault-3-1 G1
        refused: nobody has worked on fault-3-1: there is nothing to check
        refused: G1 is not at work on fault-3-1: begin the work first
        done: fault-3-1 is in_work
        2 alert.work_begun fault-3-1 yellow in_work ring 1 [G1]
        > 2 check fault-3-1 V2; finish fault-3-1 G1; check fault-3-1 G1; uncheck fault-3-1 V2
        refused: G1 is still at work on fault-3-1: check it when that is done
        done: fault-3-1 is in_work
        refused: G1 worked on fault-3-1 (or entered that): have another person check it
        refused: say in the note what is not in order
        3 alert.work_finished fault-3-1 yellow in_work ring 1 [G1]
        > 3 uncheck fault-3-1 V2 note=cable; check fault-3-1 V2
        done: fault-3-1 is in_work
        refused: G1 is still at work on fault-3-1: check it when that is done
        4 alert.check_failed fault-3-1 yellow in_work ring 1 [V2]
        > 4 finish fault-3-1 G1; check fault-3-1 V2
        done: fault-3-1 is in_work
        done: fault-3-1 is checked
        5 alert.work_finished fault-3-1 yellow in_work ring 1 [G1]
        6 alert.checked fault-3-1 yellow checked ring 1 [V2]
        > 5 continued U3 lost_contact/7 orange
        7 alert.updated fault-3-1 orange raised ring 2
        ",
    );
}
