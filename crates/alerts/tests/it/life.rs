//! From the first finding to the closing.

use model::{Colour, Ledger};

use crate::world::World;

#[test]
fn an_alert_from_raise_to_close() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U0 smoke/7 orange a-1
        1 alert.raised fire-0-1 orange raised ring 1 [a-1]
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        owes micro_station M4 as 1.2.4.mqtt
        > 20 ack fire-0-1 G1 note=going
        done: fire-0-1 is acknowledged
        2 alert.acknowledged fire-0-1 orange acknowledged ring 1 [G1]
        > 90 arrive fire-0-1 G1; arrive fire-0-1 M4 by=desk
        done: fire-0-1 is arrived
        done: fire-0-1 is arrived
        3 alert.arrived fire-0-1 orange arrived ring 1 [G1]
        4 alert.arrived fire-0-1 orange arrived ring 1 [M4]
        > 120 close fire-0-1 G1
        refused: fire fire-0-1 is arrived and not verified: verify it as real, false or test, then close it
        > 130 false fire-0-1 G1 note=wok
        done: fire-0-1 is verified
        5 alert.verified fire-0-1 orange verified ring 1 false [G1]
        > 140 ended U0 smoke/7 orange
        6 alert.restored fire-0-1 orange verified ring 1 false
        > 150 receipt fire-0-1.1.0.0.mqtt delivered; receipt fire-0-1.1.1.1.mqtt delivered
        fire-0-1.1.0.0.mqtt delivered after 1: Delivered
        fire-0-1.1.1.1.mqtt delivered after 1: Delivered
        > 200 close fire-0-1 V2
        done: fire-0-1 is closed
        7 alert.closed fire-0-1 orange closed ring 1 false [V2]
        fire-0-1.1.1.1.console failed after 1: the alert was closed before it was delivered
        fire-0-1.1.2.4.mqtt failed after 1: the alert was closed before it was delivered
        > 201 ack fire-0-1 O0
        refused: alert fire-0-1 was closed by V2: a new finding in the unit raises a new alert
        > 202 began U0 smoke/7 orange a-2
        8 alert.raised fire-0-10 orange raised ring 1 [a-2]
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        owes micro_station M4 as 1.2.4.mqtt
        ",
    );
    let alert = world.alert("fire-0-1");
    let people = |marks: &[model::alert::Mark]| marks.iter().map(|mark| mark.person.to_string()).collect::<Vec<_>>();
    assert_eq!(people(&alert.acknowledged), ["G1", "M4"]);
    assert_eq!(people(&alert.arrived), ["G1", "M4"]);
    assert_eq!(alert.acknowledged[0].note.as_deref(), Some("going"));
    let history: Vec<String> = alert
        .history
        .iter()
        .map(|item| {
            let note = item.note.as_deref().unwrap_or_default();
            format!("{} {} {note}", item.what, item.by).trim().to_owned()
        })
        .collect();
    assert_eq!(
        history,
        [
            "alert.raised smoke",
            "alert.acknowledged G1 going",
            "alert.arrived G1",
            "alert.arrived M4 entered by desk",
            "alert.verified G1 false; wok",
            "alert.restored smoke",
            "alert.closed V2",
        ]
    );
}

#[test]
fn two_triggers_three_milliseconds_apart_are_one_alert() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U0 smoke/7 orange a-1
        1 alert.raised fire-0-1 orange raised ring 1 [a-1]
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        owes micro_station M4 as 1.2.4.mqtt
        > 0.003 began U0 heat/8 orange b-1; continued U0 smoke/7 orange a-2
        2 alert.updated fire-0-1 orange raised ring 1 [b-1]
        3 alert.updated fire-0-1 orange raised ring 1 [a-2]
        > 5 ended U0 smoke/7 orange
        4 alert.updated fire-0-1 orange raised ring 1
        > 6 ended U0 heat/8 orange b-1
        5 alert.restored fire-0-1 orange restored_unacknowledged ring 1 [b-1]
        ",
    );
    assert_eq!(world.alert("fire-0-1").evidence_count, 3);
    assert_eq!(world.books.open_alerts().unwrap().len(), 1);
}

#[test]
fn restored_and_firing_again_rings_again_and_keeps_what_people_wrote() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U0 smoke/7 yellow
        1 alert.raised fire-0-1 yellow raised ring 1
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        > 5 arrive fire-0-1 G1 note=smell
        done: fire-0-1 is arrived
        2 alert.arrived fire-0-1 yellow arrived ring 1 [G1]
        > 10 ended U0 smoke/7 yellow
        3 alert.restored fire-0-1 yellow restored ring 1
        > 20 ack fire-0-1 O0
        done: fire-0-1 is restored
        4 alert.acknowledged fire-0-1 yellow restored ring 1 [O0]
        > 999999 tick
        > 1000000 began U0 smoke/7 yellow a-9
        5 alert.rang_again fire-0-1 yellow raised ring 2 [a-9]
        owes owner O0 as 2.0.0.mqtt
        owes grid_worker G1 as 2.1.1.mqtt
        owes grid_worker G1 as 2.1.1.console
        ",
    );
    let alert = world.alert("fire-0-1");
    assert!(alert.acknowledged.is_empty() && alert.arrived.is_empty());
    assert!(alert.history.iter().any(|item| item.note.as_deref() == Some("smell")));
}

#[test]
fn a_verdict_does_not_silence_what_comes_after_it() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U3 smoke/7 yellow
        1 alert.raised fire-3-1 yellow raised ring 1
        2 alert.escalated fire-3-1 yellow raised ring 1 [micro_station]
        owes micro_station M4 as 1.2.4.mqtt
        > 1 false fire-3-1 M4
        done: fire-3-1 is verified
        3 alert.verified fire-3-1 yellow verified ring 1 false [M4]
        > 2 continued U3 smoke/7 yellow a-2
        4 alert.updated fire-3-1 yellow verified ring 1 false [a-2]
        > 3 continued U3 smoke/7 orange a-3
        5 alert.updated fire-3-1 orange raised ring 2 [a-3]
        owes micro_station M4 as 2.2.4.mqtt
        > 4 false fire-3-1 M4
        done: fire-3-1 is verified
        6 alert.verified fire-3-1 orange verified ring 2 false [M4]
        > 5 ended U3 smoke/7 orange
        7 alert.restored fire-3-1 orange verified ring 2 false
        > 6 began U3 smoke/7 yellow a-4
        8 alert.rang_again fire-3-1 orange raised ring 3 [a-4]
        owes micro_station M4 as 3.2.4.mqtt
        > 7 close fire-3-1 M4
        refused: fire fire-3-1 is raised and not verified: verify it as real, false or test, then close it
        > 8 real fire-3-1 M4
        done: fire-3-1 is verified
        9 alert.verified fire-3-1 orange verified ring 3 real [M4]
        10 alert.escalated fire-3-1 orange verified ring 3 real [township_chief]
        11 alert.escalated fire-3-1 orange verified ring 3 real [commander]
        owes township_chief T3 as 3.4.3.mqtt
        owes commander C5 as 3.5.5.webhook:brigade
        > 9 began U3 heat/8 red a-5
        12 alert.updated fire-3-1 red verified ring 4 real [a-5]
        owes micro_station M4 as 4.2.4.mqtt
        owes township_chief T3 as 4.4.3.mqtt
        owes commander C5 as 4.5.5.webhook:brigade
        ",
    );
}

#[test]
fn what_begins_beside_a_false_alarm_rings_and_needs_a_verdict_of_its_own() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U3 smoke/7 red
        1 alert.raised fire-3-1 red raised ring 1
        owes micro_station M4 as 1.2.4.mqtt
        owes township_chief T3 as 1.4.3.mqtt
        owes commander C5 as 1.5.5.webhook:brigade
        > 1 false fire-3-1 M4
        done: fire-3-1 is verified
        2 alert.verified fire-3-1 red verified ring 1 false [M4]
        > 2 began U3 heat/8 orange a-2
        3 alert.rang_again fire-3-1 orange raised ring 2 [a-2]
        owes micro_station M4 as 2.2.4.mqtt
        > 3 close fire-3-1 M4
        refused: fire fire-3-1 is raised and not verified: verify it as real, false or test, then close it
        > 4 real fire-3-1 M4
        done: fire-3-1 is verified
        4 alert.verified fire-3-1 orange verified ring 2 real [M4]
        5 alert.escalated fire-3-1 orange verified ring 2 real [township_chief]
        6 alert.escalated fire-3-1 orange verified ring 2 real [commander]
        owes township_chief T3 as 2.4.3.mqtt
        owes commander C5 as 2.5.5.webhook:brigade
        > 5 began U3 co/9 orange a-3
        7 alert.updated fire-3-1 orange verified ring 2 real [a-3]
        ",
    );
}

#[test]
fn warnings_and_faults_close_by_themselves_and_fires_do_not() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U0 water/5 yellow; began U0 lost_contact/6 yellow; began U0 smoke/7 blue
        1 alert.raised warning-0-1 yellow raised ring 1
        2 alert.raised fault-0-1 yellow raised ring 1
        3 alert.raised fire-0-1 blue raised ring 1
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        > 10 ended U0 water/5 yellow; ended U0 lost_contact/6 yellow; ended U0 smoke/7 blue
        4 alert.restored warning-0-1 yellow restored_unacknowledged ring 1
        5 alert.restored fault-0-1 yellow restored_unacknowledged ring 1
        6 alert.restored fire-0-1 blue restored_unacknowledged ring 1
        > 309 tick
        > 310 tick
        7 alert.closed fault-0-1 yellow closed ring 1
        > 800 ack warning-0-1 G1
        done: warning-0-1 is restored
        8 alert.acknowledged warning-0-1 yellow restored ring 1 [G1]
        > 801 ack fire-0-1 G1
        done: fire-0-1 is restored
        9 alert.acknowledged fire-0-1 blue restored ring 1 [G1]
        > 2599 tick
        > 2600 tick
        10 alert.closed warning-0-1 yellow closed ring 1
        warning-0-1.1.0.0.mqtt failed after 1: the alert was closed before it was delivered
        warning-0-1.1.1.1.console failed after 1: the alert was closed before it was delivered
        warning-0-1.1.1.1.mqtt failed after 1: the alert was closed before it was delivered
        > 99999999 tick
        11 alert.acknowledgement_expired fire-0-1 blue restored_unacknowledged ring 1 [G1]
        12 alert.escalated fire-0-1 blue restored_unacknowledged ring 1 [village_chief]
        owes village_chief V2 as 1.2.2.mqtt
        ",
    );
    let open = world.books.open_alerts().unwrap();
    assert_eq!(open.iter().map(|alert| alert.id.to_string()).collect::<Vec<_>>(), ["fire-0-1"]);
}

#[test]
fn a_detector_that_still_alarms_after_the_closing_raises_a_new_alert() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U3 lost_contact/7 yellow a-1
        1 alert.raised fault-3-1 yellow raised ring 1 [a-1]
        > 1 real fault-3-1 V2; close fault-3-1 G1
        done: fault-3-1 is verified
        done: fault-3-1 is closed
        2 alert.verified fault-3-1 yellow verified ring 1 real [V2]
        3 alert.closed fault-3-1 yellow closed ring 1 real [G1]
        > 2 ended U3 lost_contact/8 yellow
        > 3 continued U3 lost_contact/7 yellow a-2
        4 alert.raised fault-3-4 yellow raised ring 1 [a-2]
        > 4 began U3 lost_contact/7 yellow a-3; ended U3 lost_contact/7 yellow a-4
        5 alert.updated fault-3-4 yellow raised ring 1 [a-3]
        6 alert.restored fault-3-4 yellow restored_unacknowledged ring 1 [a-4]
        ",
    );
}

#[test]
fn the_end_follows_the_beginning_within_one_commit() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U3 lost_contact/7 yellow a-1; ended U3 lost_contact/7 yellow a-2; began U3 lost_contact/7 yellow a-3
        1 alert.raised fault-3-1 yellow raised ring 1 [a-1]
        2 alert.restored fault-3-1 yellow restored_unacknowledged ring 1 [a-2]
        3 alert.rang_again fault-3-1 yellow raised ring 2 [a-3]
        ",
    );
}

#[test]
fn a_drill_calls_nobody_until_it_is_none() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U0 smoke/7 red t-1 drill
        1 alert.raised fire-0-1 red raised ring 1 [t-1]
        > 600 tick
        > 601 began U0 smoke/8 blue a-1
        2 alert.rang_again fire-0-1 red raised ring 2 [a-1]
        owes owner O0 as 2.0.0.mqtt
        owes grid_worker G1 as 2.1.1.mqtt
        owes grid_worker G1 as 2.1.1.console
        owes micro_station M4 as 2.2.4.mqtt
        owes village_chief V2 as 2.3.2.mqtt
        owes township_chief T3 as 2.4.3.mqtt
        owes commander C5 as 2.5.5.webhook:brigade
        > 602 ended U0 smoke/7 red; ended U0 smoke/8 blue
        3 alert.updated fire-0-1 red raised ring 2
        4 alert.restored fire-0-1 red restored_unacknowledged ring 2
        > 603 began U0 smoke/7 red t-2 drill
        5 alert.updated fire-0-1 red restored_unacknowledged ring 2 [t-2]
        > 604 began U1 smoke/9 yellow t-3 drill; continued U1 smoke/9 orange t-4 drill
        6 alert.raised fire-1-6 yellow raised ring 1 [t-3]
        7 alert.updated fire-1-6 orange raised ring 2 [t-4]
        ",
    );
    assert!(!world.alert("fire-0-1").exercise);
    assert!(world.alert("fire-1-6").exercise);
}

#[test]
fn a_units_colour_is_told_when_it_changes_and_not_the_first_time() {
    let mut world = World::new();
    world.play(
        "
        > 0 unit U0 blue; unit U3 blind
        > 1 unit U0 blue; unit U3 blue
        1 unit.colour U3 blue
        > 2 unit U0 red
        2 unit.colour U0 red
        ",
    );
    world.restart();
    world.play(
        "
        > 3 unit U0 red; unit U1 blue; unit U3 yellow
        3 unit.colour U3 yellow
        ",
    );
    assert_eq!(world.batches[0].units.len(), 2);
    assert_eq!(world.batches[0].regions.len(), 1);
    let status = world.books.unit(model::UnitId(3)).unwrap().unwrap();
    assert_eq!(status.colour, Colour::Yellow);
}

#[test]
fn evidence_is_bounded_and_keeps_what_speaks_for_the_alert() {
    let mut world = World::new();
    let mut script = vec![
        "> 0 began U3 lost_contact/7 yellow".to_owned(),
        "1 alert.raised fault-3-1 yellow raised ring 1".to_owned(),
        "> 1 continued U3 lost_contact/7 red".to_owned(),
        "2 alert.updated fault-3-1 red raised ring 2".to_owned(),
    ];
    for n in 3..200 {
        script.push(format!("> {n} began U3 lost_contact/{n} yellow"));
        script.push(format!("{n} alert.updated fault-3-1 red raised ring 2"));
    }
    world.play(&script.join("\n"));
    let alert = world.alert("fault-3-1");
    assert_eq!((alert.evidence.len(), alert.evidence_count), (64, 199));
    assert_eq!(alert.summary().words.en, "continued lost_contact/7");
}
