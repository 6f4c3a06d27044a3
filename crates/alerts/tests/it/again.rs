//! People told again, told in turn, told elsewhere; and superiors told of what is overdue.

use alerts::Policy;
use model::roster::{Contact, Post};
use model::{Entry, Ledger};

use crate::world::{GRID, PLAIN, World, person, rows};

/// Keys of [`PLAIN`] that a test sets otherwise.
fn without(line: &str) -> String {
    PLAIN.replacen(line, "", 1)
}

const OWNER_THEN_COMMANDER: &str = "
    [fire.ladder]
    orange = [{ after_s = 0, tell = [\"owner\", \"grid_worker\"] }, { after_s = 100, tell = [\"commander\"] }]
    ";

#[test]
fn who_does_not_answer_is_told_again_and_who_does_is_not() {
    let text = without("repeat_s = { red = 0, orange = 0, yellow = 0 }")
        .replacen(
            "repeats = { red = 0, orange = 0, yellow = 0 }",
            "repeat_s = { orange = 30 }\nrepeats = { orange = 2 }",
            1,
        )
        .replacen("orange = 900", "orange = 45", 1)
        + OWNER_THEN_COMMANDER;
    let mut world = World::with(&rows(), Policy::parse(&text).unwrap());
    world.play(
        "
        > 0 began U0 smoke/7 orange
        1 alert.raised fire-0-1 orange raised ring 1
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        > 1 receipt fire-0-1.1.0.0.mqtt delivered; receipt fire-0-1.1.1.1.mqtt delivered
        fire-0-1.1.0.0.mqtt delivered after 1: Delivered
        fire-0-1.1.1.1.mqtt delivered after 1: Delivered
        > 10 ack fire-0-1 G1
        done: fire-0-1 is acknowledged
        2 alert.acknowledged fire-0-1 orange acknowledged ring 1 [G1]
        > 29.999 tick
        > 30 tick
        owes owner O0 as 1.0.0r1.mqtt
        ",
    );
    world.restart();
    // the repeat is not delivered yet: the next one is left to it. The acknowledgement of 10 s ends at 55 s
    world.play(
        "
        > 54.999 tick
        > 55 tick
        3 alert.acknowledgement_expired fire-0-1 orange raised ring 1 [G1]
        owes grid_worker G1 as 1.1.1r1.mqtt
        > 60 tick
        > 61 receipt fire-0-1.1.0.0r1.mqtt delivered; receipt fire-0-1.1.1.1r1.mqtt delivered
        fire-0-1.1.0.0r1.mqtt delivered after 1: Delivered
        fire-0-1.1.1.1r1.mqtt delivered after 1: Delivered
        > 85 tick
        owes grid_worker G1 as 1.1.1r2.mqtt
        > 144.999 tick
        > 145 tick
        4 alert.escalated fire-0-1 orange raised ring 1 [commander]
        owes commander C5 as 1.2.5.webhook:brigade
        > 174 arrive fire-0-1 C5
        done: fire-0-1 is arrived
        5 alert.arrived fire-0-1 orange arrived ring 1 [C5]
        > 10000 tick
        ",
    );
}

#[test]
fn a_late_tick_makes_up_for_one_telling_only() {
    let text = without("repeat_s = { red = 0, orange = 0, yellow = 0 }").replacen(
        "repeats = { red = 0, orange = 0, yellow = 0 }",
        "repeat_s = { orange = 30 }\nrepeats = { orange = 9 }",
        1,
    ) + "[fire.ladder]\norange = [{ after_s = 0, tell = [\"owner\"] }]";
    let mut world = World::with(&rows(), Policy::parse(&text).unwrap());
    world.play(
        "
        > 0 began U0 smoke/7 orange
        1 alert.raised fire-0-1 orange raised ring 1
        owes owner O0 as 1.0.0.mqtt
        > 1 receipt fire-0-1.1.0.0.mqtt delivered
        fire-0-1.1.0.0.mqtt delivered after 1: Delivered
        > 200 tick
        owes owner O0 as 1.0.0r1.mqtt
        > 201 receipt fire-0-1.1.0.0r1.mqtt delivered
        fire-0-1.1.0.0r1.mqtt delivered after 1: Delivered
        > 229.999 tick
        > 230 tick
        owes owner O0 as 1.0.0r2.mqtt
        ",
    );
}

#[test]
fn people_of_a_post_are_told_in_turn_until_one_acknowledges() {
    let mut rows = rows();
    for name in ["G7", "G8", "G9"] {
        let channels: &[&str] = if name == "G7" { &[] } else { &["mqtt"] };
        rows.people.push(person(name, Post::GridWorker, GRID, channels));
    }
    let text = PLAIN.replacen("orange = 900", "orange = 50", 1)
        + "[fire.ladder]\norange = [{ after_s = 0, tell = [\"grid_worker\"], in_turn_s = 20 }]";
    let mut world = World::with(&rows, Policy::parse(&text).unwrap());
    world.play(
        "
        > 0 began U0 smoke/7 orange
        1 alert.raised fire-0-1 orange raised ring 1
        owes grid_worker G1 as 1.0.1.mqtt
        owes grid_worker G1 as 1.0.1.console
        > 19 tick
        > 20 tick
        owes grid_worker G8 as 1.0.8.mqtt
        > 35 ack fire-0-1 G8
        done: fire-0-1 is acknowledged
        2 alert.acknowledged fire-0-1 orange acknowledged ring 1 [G8]
        ",
    );
    world.restart();
    world.play(
        "
        > 40 tick
        > 89 tick
        3 alert.acknowledgement_expired fire-0-1 orange raised ring 1 [G8]
        > 90 tick
        owes grid_worker G9 as 1.0.9.mqtt
        > 1000 tick
        ",
    );
    let notes: Vec<_> =
        world.alert("fire-0-1").history.iter().filter_map(|item| item.note.as_deref().map(str::to_owned)).collect();
    assert_eq!(notes[0], "grid_worker: 1 told, 3 more in their turn");
}

#[test]
fn turns_that_were_missed_are_made_up_for_in_order_and_a_real_fire_waits_for_no_turn() {
    let mut rows = rows();
    for name in ["G7", "G8", "G9"] {
        rows.people.push(person(name, Post::GridWorker, GRID, &["mqtt"]));
    }
    let text = PLAIN.to_owned() + "[fire.ladder]\norange = [{ after_s = 0, tell = [\"grid_worker\"], in_turn_s = 20 }]";
    let mut world = World::with(&rows, Policy::parse(&text).unwrap());
    world.play(
        "
        > 0 began U0 smoke/7 orange; began U1 smoke/7 orange
        1 alert.raised fire-0-1 orange raised ring 1
        2 alert.raised fire-1-1 orange raised ring 1
        owes grid_worker G1 as 1.0.1.mqtt
        owes grid_worker G1 as 1.0.1.console
        owes grid_worker G1 as 1.0.1.mqtt
        owes grid_worker G1 as 1.0.1.console
        > 5 real fire-1-1 G9
        done: fire-1-1 is verified
        3 alert.verified fire-1-1 orange verified ring 1 real [G9]
        owes grid_worker G7 as 1.0.7.mqtt
        owes grid_worker G8 as 1.0.8.mqtt
        > 50 tick
        owes grid_worker G7 as 1.0.7.mqtt
        owes grid_worker G8 as 1.0.8.mqtt
        > 60 tick
        owes grid_worker G9 as 1.0.9.mqtt
        ",
    );
}

#[test]
fn the_next_channel_is_used_when_the_one_before_fails_or_brings_no_receipt() {
    let mut rows = rows();
    rows.people[1].1.channels = ["mqtt", "sms:1", "console"].map(Box::from).to_vec();
    rows.people[1].1.contact = Contact::InTurn;
    let text = PLAIN.to_owned() + "[fire.ladder]\norange = [{ after_s = 0, tell = [\"grid_worker\"] }]";
    let world = || World::with(&rows, Policy::parse(&text).unwrap());
    let raised = "
        > 0 began U0 smoke/7 orange
        1 alert.raised fire-0-1 orange raised ring 1
        owes grid_worker G1 as 1.0.1.mqtt
        fire-0-1.1.0.1.sms:1 waiting
        fire-0-1.1.0.1.console waiting
        ";
    let mut failed = world();
    failed.play(raised);
    failed.play(
        "
        > 1 receipt fire-0-1.1.0.1.sms:1 delivered; receipt fire-0-1.1.0.1.console failed
        > 5 receipt fire-0-1.1.0.1.mqtt failed
        fire-0-1.1.0.1.mqtt failed after 1: Failed
        owes grid_worker G1 as 1.0.1.sms:1
        fire-0-1.1.0.1.console waiting
        ",
    );
    failed.restart();
    failed.play(
        "
        > 34 tick
        > 34.999 receipt fire-0-1.1.0.1.mqtt failed
        > 35 tick
        owes grid_worker G1 as 1.0.1.console
        ",
    );

    let mut delivered = world();
    delivered.play(raised);
    delivered.play(
        "
        > 10 receipt fire-0-1.1.0.1.mqtt delivered
        fire-0-1.1.0.1.mqtt delivered after 1: Delivered
        fire-0-1.1.0.1.sms:1 waiting
        > 69 tick
        > 70 tick
        owes grid_worker G1 as 1.0.1.sms:1
        fire-0-1.1.0.1.console waiting
        > 71 ack fire-0-1 G1
        done: fire-0-1 is acknowledged
        2 alert.acknowledged fire-0-1 orange acknowledged ring 1 [G1]
        fire-0-1.1.0.1.console spared
        > 72 receipt fire-0-1.1.0.1.sms:1 failed
        fire-0-1.1.0.1.sms:1 failed after 1: Failed
        > 9999 tick
        3 alert.acknowledgement_expired fire-0-1 orange raised ring 1 [G1]
        ",
    );

    let mut closed = world();
    closed.play(raised);
    closed.play(
        "
        > 1 false fire-0-1 O0; close fire-0-1 V2
        done: fire-0-1 is verified
        done: fire-0-1 is closed
        2 alert.verified fire-0-1 orange verified ring 1 false [O0]
        3 alert.closed fire-0-1 orange closed ring 1 false [V2]
        fire-0-1.1.0.1.console spared
        fire-0-1.1.0.1.mqtt failed after 1: the alert was closed before it was delivered
        fire-0-1.1.0.1.sms:1 spared
        ",
    );
    assert!(closed.books.owed().unwrap().is_empty());
}

#[test]
fn delivered_is_enough_where_no_answer_is_asked_for() {
    let mut rows = rows();
    rows.people[1].1.contact = Contact::InTurn;
    let text = PLAIN.to_owned() + "[fire.ladder]\nyellow = [{ after_s = 0, tell = [\"grid_worker\"] }]";
    let mut world = World::with(&rows, Policy::parse(&text).unwrap());
    world.play(
        "
        > 0 began U0 smoke/7 yellow
        1 alert.raised fire-0-1 yellow raised ring 1
        owes grid_worker G1 as 1.0.1.mqtt
        fire-0-1.1.0.1.console waiting
        > 110 receipt fire-0-1.1.0.1.mqtt retry
        fire-0-1.1.0.1.mqtt owed after 1: Retry
        > 119 tick; receipt fire-0-1.1.0.1.mqtt delivered
        fire-0-1.1.0.1.mqtt delivered after 2: Delivered
        fire-0-1.1.0.1.console spared
        > 9999 tick
        ",
    );
}

const DEADLINES: &str = "
    [fire.ladder]
    orange = [{ after_s = 0, tell = [\"owner\", \"grid_worker\"] }]
    ";

fn with_deadlines(deadlines: &str) -> World {
    let lines = [
        "accept = { red = 0, orange = 0, yellow = 0, blue = 0 }",
        "arrive = { red = 0, orange = 0, yellow = 0, blue = 0 }",
        "verify = { red = 0, orange = 0, yellow = 0, blue = 0 }",
    ];
    let given = |line: &&&str| deadlines.contains(line.split(' ').next().unwrap());
    let text = lines.iter().filter(given).fold(PLAIN.to_owned(), |text, line| text.replacen(line, "", 1));
    let text = text.replacen("[fire.deadlines]", &format!("[fire.deadlines]\n{deadlines}"), 1);
    World::with(&rows(), Policy::parse(&(text + DEADLINES)).unwrap())
}

#[test]
fn what_is_overdue_is_told_to_one_superior_after_the_other() {
    let mut world = with_deadlines("accept = { orange = 90 }\narrive = { orange = 200 }\nverify = { orange = 900 }");
    world.play(
        "
        > 0 began U0 smoke/7 orange
        1 alert.raised fire-0-1 orange raised ring 1
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        > 89 tick
        > 90 tick
        2 alert.overdue fire-0-1 orange raised ring 1 [accept village_chief]
        owes village_chief V2 as 1.accept1.2.mqtt
        ",
    );
    assert_eq!(world.alert("fire-0-1").summary().due_ms, Some(crate::world::START_MS + 90_000));
    world.restart();
    world.play(
        "
        > 100 ack fire-0-1 V2
        done: fire-0-1 is acknowledged
        3 alert.acknowledged fire-0-1 orange acknowledged ring 1 [V2]
        > 199.999 tick
        > 200 tick
        4 alert.overdue fire-0-1 orange acknowledged ring 1 [arrive township_chief]
        owes township_chief T3 as 1.arrive2.3.mqtt
        > 499.999 tick
        > 500 tick
        5 alert.overdue fire-0-1 orange acknowledged ring 1 [arrive commander]
        owes commander C5 as 1.arrive3.5.webhook:brigade
        > 600 arrive fire-0-1 G1
        done: fire-0-1 is arrived
        6 alert.arrived fire-0-1 orange arrived ring 1 [G1]
        > 899 tick
        > 900 tick
        7 alert.overdue fire-0-1 orange arrived ring 1 [verify village_chief]
        owes village_chief V2 as 1.verify1.2.mqtt
        > 901 false fire-0-1 G1
        done: fire-0-1 is verified
        8 alert.verified fire-0-1 orange verified ring 1 false [G1]
        > 99999 tick
        ",
    );
    let alert = world.alert("fire-0-1");
    let met: Vec<_> =
        alert.deadlines.iter().map(|limit| (limit.stage.word(), limit.met_ms.map(|ms| ms - alert.rang_ms))).collect();
    assert_eq!(met, [("accept", Some(100_000)), ("arrive", Some(600_000)), ("verify", Some(901_000))]);
    let notes: Vec<_> = alert.history.iter().filter(|item| &*item.what == "alert.overdue").collect();
    assert_eq!(notes[0].note.as_deref(), Some("受理超时（accept overdue）督办: village_chief, 1 told"));
    let told = world.books.deliveries(alert.id.into()).unwrap();
    let told = told.iter().find(|delivery| delivery.id.as_str() == "fire-0-1.1.arrive2.3.mqtt").unwrap();
    let words = &told.about.alert().unwrap().words;
    assert_eq!(words.zh, "督办：响起 3 分钟，到场超时；began smoke/7");
    assert_eq!(words.en, "overdue (arrive): 3 min since it rang; began smoke/7");
}

#[test]
fn superiors_whom_nobody_is_pass_it_on_and_a_late_tick_tells_them_all_once() {
    let mut world = with_deadlines("arrive = { orange = 200 }\nverify = { orange = 900 }");
    // the second village has no chief
    world.play(
        "
        > 0 began U3 smoke/7 orange
        1 alert.raised fire-3-1 orange raised ring 1
        > 1000 tick
        2 alert.overdue fire-3-1 orange raised ring 1 [arrive township_chief]
        3 alert.overdue fire-3-1 orange raised ring 1 [arrive commander]
        4 alert.overdue fire-3-1 orange raised ring 1 [verify township_chief]
        owes township_chief T3 as 1.arrive2.3.mqtt
        owes commander C5 as 1.arrive3.5.webhook:brigade
        owes township_chief T3 as 1.verify2.3.mqtt
        > 1200 tick
        5 alert.overdue fire-3-1 orange raised ring 1 [verify commander]
        owes commander C5 as 1.verify3.5.webhook:brigade
        > 99999 tick
        ",
    );
    let notes: Vec<_> = world.alert("fire-3-1").history.iter().filter_map(|item| item.note.clone()).collect();
    assert_eq!(&*notes[2], "到场超时（arrive overdue）督办: nobody to reach for village_chief; township_chief, 1 told");
}

#[test]
fn an_alert_keeps_the_policy_of_its_ring() {
    let mut world = with_deadlines("arrive = { orange = 200 }");
    world.play(
        "
        > 0 began U0 smoke/7 orange
        1 alert.raised fire-0-1 orange raised ring 1
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        ",
    );
    let before = world.alert("fire-0-1");
    // from now on, at 08:00 local time and some seconds
    let text = "[[when]]\nname = \"breakfast\"\nhours = \"08:00-08:01\"\n[when.fire]\nrepeat_s = { orange = 10 }\n";
    world.step(1_000, vec![Entry::Policy(text.into())], vec![], vec![]);
    world.play(
        "> 2 continued U0 smoke/7 red\n2 alert.updated fire-0-1 red raised ring 2\n\
        owes owner O0 as 2.0.0.mqtt\nowes grid_worker G1 as 2.1.1.mqtt\nowes grid_worker G1 as 2.1.1.console\n\
        owes micro_station M4 as 2.2.4.mqtt\nowes village_chief V2 as 2.3.2.mqtt\n\
        owes township_chief T3 as 2.4.3.mqtt\nowes commander C5 as 2.5.5.webhook:brigade",
    );
    let after = world.alert("fire-0-1");
    assert_eq!((before.terms.repeat_ms, &*before.terms.when), (0, ""));
    assert_eq!((after.terms.repeat_ms, &*after.terms.when), (60_000, "breakfast"), "of red");
    assert_eq!(before.deadlines.len(), 1);
    assert_eq!(after.deadlines.len(), 5);
}
