//! Who is told, and when.

use alerts::Policy;
use model::Entry;
use model::roster::{Post, RosterRows};

use crate::world::{PLAIN, World, finding, person, rows, station, unit};

/// [`PLAIN`] with acknowledgements of an orange fire that last so many seconds.
fn held_for(seconds: u32) -> String {
    PLAIN.replacen("orange = 900", &format!("orange = {seconds}"), 1)
}

const RAISED: &str = "
    > 0 began U0 smoke/7 orange
    1 alert.raised fire-0-1 orange raised ring 1
    owes owner O0 as 1.0.0.mqtt
    owes grid_worker G1 as 1.1.1.mqtt
    owes grid_worker G1 as 1.1.1.console
    owes micro_station M4 as 1.2.4.mqtt
    ";

#[test]
fn silence_goes_upward_step_by_step() {
    let mut world = World::new();
    world.play(RAISED);
    world.play(
        "
        > 59.999 tick
        > 60 began U0 heat/8 orange a-2
        2 alert.updated fire-0-1 orange raised ring 1 [a-2]
        > 60.001 tick
        3 alert.escalated fire-0-1 orange raised ring 1 [village_chief]
        owes village_chief V2 as 1.3.2.mqtt
        > 179 tick
        ",
    );
    world.restart();
    world.play(
        "
        > 400 tick
        4 alert.escalated fire-0-1 orange raised ring 1 [township_chief]
        5 alert.escalated fire-0-1 orange raised ring 1 [commander]
        owes township_chief T3 as 1.4.3.mqtt
        owes commander C5 as 1.5.5.webhook:brigade
        > 99999 tick
        ",
    );
    let ladder = world.alert("fire-0-1").ladder;
    let told: Vec<_> =
        ladder.iter().map(|rung| (rung.told_ms.unwrap() - ladder[0].due_ms, rung.people.len())).collect();
    assert_eq!(told, [(0, 1), (0, 1), (0, 1), (60_001, 1), (400_000, 1), (400_000, 1)]);
}

#[test]
fn an_acknowledgement_holds_what_waits_as_long_as_it_lasts_and_takes_back_nothing() {
    let mut world = World::with(&rows(), Policy::parse(&held_for(300)).unwrap());
    world.play(RAISED);
    world.play(
        "
        > 30 receipt fire-0-1.1.0.0.mqtt retry
        fire-0-1.1.0.0.mqtt owed after 1: Retry
        > 50 ack fire-0-1 G1
        done: fire-0-1 is acknowledged
        2 alert.acknowledged fire-0-1 orange acknowledged ring 1 [G1]
        > 150 ack fire-0-1 O0
        done: fire-0-1 is acknowledged
        3 alert.acknowledged fire-0-1 orange acknowledged ring 1 [O0]
        > 151 receipt fire-0-1.1.0.0.mqtt delivered
        fire-0-1.1.0.0.mqtt delivered after 2: Delivered
        > 459.999 tick
        4 alert.acknowledgement_expired fire-0-1 orange raised ring 1 [G1]
        5 alert.acknowledgement_expired fire-0-1 orange raised ring 1 [O0]
        ",
    );
    world.restart();
    // the village's step had 10 s to go when it was first held, the next ones 120 s more each
    world.play(
        "
        > 460 tick
        6 alert.escalated fire-0-1 orange raised ring 1 [village_chief]
        owes village_chief V2 as 1.3.2.mqtt
        > 579 tick
        > 580 tick
        7 alert.escalated fire-0-1 orange raised ring 1 [township_chief]
        owes township_chief T3 as 1.4.3.mqtt
        > 600 ack fire-0-1 G1
        done: fire-0-1 is acknowledged
        8 alert.acknowledged fire-0-1 orange acknowledged ring 1 [G1]
        > 601 arrive fire-0-1 G1
        done: fire-0-1 is arrived
        9 alert.arrived fire-0-1 orange arrived ring 1 [G1]
        > 1000 tick
        > 1001 tick
        > 31536000 tick
        > 31536001 receipt fire-0-1.1.2.4.mqtt delivered
        fire-0-1.1.2.4.mqtt delivered after 1: Delivered
        ",
    );
}

#[test]
fn an_old_acknowledged_alarm_does_not_wake_months_later() {
    let mut world = World::with(&rows(), Policy::default());
    world.play(RAISED);
    world.play(
        "
        > 30 ack fire-0-1 G1
        done: fire-0-1 is acknowledged
        2 alert.acknowledged fire-0-1 orange acknowledged ring 1 [G1]
        ",
    );
    let mut told = 0;
    for second in 31..=3 * 86_400 {
        // every second of the first hours, then every minute
        if second < 7_200 || second % 60 == 0 {
            told += world.step(second * 1_000, vec![Entry::Tick], vec![], vec![]).batch.deliveries.len();
        }
    }
    assert!(told > 0, "nobody came: it went upward");
    world.restart();
    for day in 4..400 {
        let turn = world.step(day * 86_400_000, vec![Entry::Tick], vec![], vec![]);
        assert!(turn.batch.is_empty(), "day {day}: {:?}", turn.batch.feed);
    }
}

#[test]
fn a_restored_fire_that_nobody_looked_after_still_goes_upward() {
    let mut world = World::new();
    world.play(RAISED);
    world.play(
        "
        > 10 ended U0 smoke/7 orange
        2 alert.restored fire-0-1 orange restored_unacknowledged ring 1
        > 60 tick
        3 alert.escalated fire-0-1 orange restored_unacknowledged ring 1 [village_chief]
        owes village_chief V2 as 1.3.2.mqtt
        ",
    );
}

#[test]
fn a_restored_warning_does_not() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U0 water/7 orange
        1 alert.raised warning-0-1 orange raised ring 1
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        > 1000 ended U0 water/7 orange
        2 alert.restored warning-0-1 orange restored_unacknowledged ring 1
        > 1900 tick
        > 1901 began U0 water/7 orange
        3 alert.rang_again warning-0-1 orange raised ring 2
        owes owner O0 as 2.0.0.mqtt
        owes grid_worker G1 as 2.1.1.mqtt
        owes grid_worker G1 as 2.1.1.console
        > 3700 tick
        > 3701 tick
        4 alert.escalated warning-0-1 orange raised ring 2 [village_chief]
        owes village_chief V2 as 2.2.2.mqtt
        ",
    );
}

#[test]
fn a_step_without_people_passes_its_turn_to_the_next() {
    let mut world = World::new();
    // no owner, no grid worker; the nearest station stands in the other village
    world.play(
        "
        > 0 began U2 smoke/7 orange
        1 alert.raised fire-2-1 orange raised ring 1
        owes micro_station M4 as 1.2.4.mqtt
        > 60 tick
        2 alert.escalated fire-2-1 orange raised ring 1 [township_chief]
        owes township_chief T3 as 1.4.3.mqtt
        > 180 tick
        > 300 tick
        3 alert.escalated fire-2-1 orange raised ring 1 [commander]
        owes commander C5 as 1.5.5.webhook:brigade
        ",
    );
    let alert = world.alert("fire-2-1");
    let notes: Vec<_> = alert.history.iter().filter_map(|item| item.note.as_deref()).collect();
    assert_eq!(
        notes,
        [
            "nobody on the roster for owner: the next step is told at once",
            "nobody on the roster for grid_worker: the next step is told at once",
            "nobody on the roster for village_chief: the next step is told at once",
            "township_chief: 1 told",
            "commander: 1 told",
        ]
    );

    // an owner whom nothing reaches is none
    world.step(301_000, vec![], vec![finding(&["began", "U3", "smoke/9", "orange"], 0)], vec![]);
    let alert = world.alert("fire-3-5");
    assert_eq!(alert.ladder[0].people, [model::PersonId(6)]);
    assert_eq!(alert.history[1].note.as_deref(), Some("nobody of owner has a channel: the next step is told at once"));
}

#[test]
fn somebody_who_holds_two_posts_is_told_once_in_a_ring() {
    let mut rows = rows();
    rows.units.push(unit("U4", crate::world::GRID, "T3", None));
    let mut world = World::with(&rows, Policy::default());
    world.play(
        "
        > 0 began U4 smoke/7 red
        1 alert.raised fire-4-1 red raised ring 1
        owes owner T3 as 1.0.3.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        owes micro_station M4 as 1.2.4.mqtt
        owes village_chief V2 as 1.3.2.mqtt
        owes commander C5 as 1.5.5.webhook:brigade
        > 1 real fire-4-1 T3
        done: fire-4-1 is verified
        2 alert.verified fire-4-1 red verified ring 1 real [T3]
        ",
    );
}

#[test]
fn a_fire_that_is_real_tells_all_who_wait() {
    let mut world = World::new();
    world.play(RAISED);
    world.play(
        "
        > 20 ack fire-0-1 O0
        done: fire-0-1 is acknowledged
        2 alert.acknowledged fire-0-1 orange acknowledged ring 1 [O0]
        > 30 real fire-0-1 G1
        done: fire-0-1 is verified
        3 alert.verified fire-0-1 orange verified ring 1 real [G1]
        4 alert.escalated fire-0-1 orange verified ring 1 real [village_chief]
        5 alert.escalated fire-0-1 orange verified ring 1 real [township_chief]
        6 alert.escalated fire-0-1 orange verified ring 1 real [commander]
        owes village_chief V2 as 1.3.2.mqtt
        owes township_chief T3 as 1.4.3.mqtt
        owes commander C5 as 1.5.5.webhook:brigade
        > 31 real fire-0-1 V2
        done: fire-0-1 is verified
        7 alert.verified fire-0-1 orange verified ring 1 real [V2]
        ",
    );
}

#[test]
fn stations_of_the_village_come_first_then_the_nearest_of_the_township() {
    let mut rows = rows();
    let village = "331083001002";
    for (name, x) in [("F7", 300.0), ("F8", 100.0), ("F9", 200.0)] {
        rows.people.push(person(name, Post::MicroStation, "331083001", &["mqtt"]));
        rows.stations.push(station(name, "331083001001", Some((x, 0.0)), &[name]));
    }
    let nearest = |rows: &RosterRows, stations: u16| {
        let text = format!(
            "[limits]\nmicro_stations = {stations}\n[fire.ladder]\nred = [{{ after_s = 0, tell = [\"micro_station\"] }}]"
        );
        let mut world = World::with(rows, Policy::parse(&text).unwrap());
        world.step(0, vec![], vec![finding(&["began", "U2", "smoke/7", "red"], 0)], vec![]);
        let people = world.alert("fire-2-1").ladder[0].people.clone();
        people.iter().map(|id| world.roster.person(*id).unwrap().code.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(nearest(&rows, 2), ["F8", "F9"]);
    rows.stations.push(station("S9", village, None, &["M4", "F7", "M4"]));
    assert_eq!(nearest(&rows, 2), ["M4", "F7"]);
}

#[test]
fn more_people_than_the_limit_are_counted() {
    let mut rows = rows();
    rows.people.push(person("G7", Post::GridWorker, crate::world::GRID, &["mqtt"]));
    rows.people.push(person("G8", Post::GridWorker, crate::world::GRID, &["mqtt"]));
    let mut world = World::with(&rows, Policy::parse("[limits]\npeople_per_step = 2").unwrap());
    world.step(0, vec![], vec![finding(&["began", "U0", "smoke/7", "orange"], 0)], vec![]);
    let alert = world.alert("fire-0-1");
    assert_eq!(alert.ladder[1].people.len(), 2);
    assert_eq!(alert.history[1].note.as_deref(), Some("grid_worker: 2 told, 1 more than the policy's limit"));
}

#[test]
fn another_policy_is_in_force_for_later_rings() {
    let mut world = World::new();
    world.play(RAISED);
    let text = "[fire.ladder]\norange = [{ after_s = 0, tell = [\"owner\"] }, { after_s = 5, tell = [\"commander\"] }]";
    let turn = world.step(1_000, vec![Entry::Policy(text.into())], vec![], vec![]);
    assert_eq!(turn.batch.policy.as_deref(), Some(text));
    let turn = world.step(1_500, vec![Entry::Policy("[fire]\nnonsense = 1".into())], vec![], vec![]);
    assert_eq!(turn.batch.policy, None, "a policy that cannot be read changes nothing");
    world.restart();
    world.play(
        "
        > 2 began U1 smoke/9 orange
        2 alert.raised fire-1-4 orange raised ring 1
        owes owner O0 as 1.0.0.mqtt
        > 7 tick
        3 alert.escalated fire-1-4 orange raised ring 1 [commander]
        owes commander C5 as 1.1.5.webhook:brigade
        > 60 tick
        4 alert.escalated fire-0-1 orange raised ring 1 [village_chief]
        owes village_chief V2 as 1.3.2.mqtt
        ",
    );
}

#[test]
fn another_policy_moves_the_closing_of_what_is_restored() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U3 lost_contact/7 yellow
        1 alert.raised fault-3-1 yellow raised ring 1
        > 1 ended U3 lost_contact/7 yellow
        2 alert.restored fault-3-1 yellow restored_unacknowledged ring 1
        ",
    );
    world.step(2_000, vec![Entry::Policy("[fault]\nauto_close_s = 10".into())], vec![], vec![]);
    world.play(
        "
        > 11 tick
        3 alert.closed fault-3-1 yellow closed ring 1
        ",
    );
}
