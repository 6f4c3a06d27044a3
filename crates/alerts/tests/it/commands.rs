//! Commands that come twice, too late, or for nothing.

use model::Alert;

use crate::world::World;

const RAISED: &str = "
    > 0 began U3 lost_contact/7 yellow
    1 alert.raised fault-3-1 yellow raised ring 1
    ";

#[test]
fn a_person_acknowledges_once_in_a_ring() {
    let mut world = World::new();
    world.play(RAISED);
    world.play(
        "
        > 1 ack fault-3-1 G1; ack fault-3-1 G1; ack fault-3-1 O0
        done: fault-3-1 is acknowledged
        done: fault-3-1 is acknowledged
        done: fault-3-1 is acknowledged
        2 alert.acknowledged fault-3-1 yellow acknowledged ring 1 [G1]
        3 alert.acknowledged fault-3-1 yellow acknowledged ring 1 [O0]
        > 2 arrive fault-3-1 V2; arrive fault-3-1 V2
        done: fault-3-1 is arrived
        done: fault-3-1 is arrived
        4 alert.arrived fault-3-1 yellow arrived ring 1 [V2]
        ",
    );
    assert_eq!(world.alert("fault-3-1").history.len(), 4);
}

#[test]
fn a_command_sent_again_does_nothing_again() {
    let mut world = World::new();
    world.play(RAISED);
    world.play(
        "
        > 1 real fault-3-1 G1 key=one
        done: fault-3-1 is verified
        2 alert.verified fault-3-1 yellow verified ring 1 real [G1]
        > 2 false fault-3-1 V2 key=two
        done: fault-3-1 is verified
        3 alert.verified fault-3-1 yellow verified ring 1 false [V2]
        ",
    );
    world.restart();
    world.play(
        "
        > 3 real fault-3-1 G1 key=one
        done: fault-3-1 is verified
        > 4 real fault-3-1 G1 key=three
        done: fault-3-1 is verified
        4 alert.verified fault-3-1 yellow verified ring 1 real [G1]
        > 5 close fault-3-1 V2 key=four
        done: fault-3-1 is closed
        5 alert.closed fault-3-1 yellow closed ring 1 real [V2]
        > 6 close fault-3-1 V2 key=four
        done: fault-3-1 is closed
        > 7 close fault-3-1 V2 key=five; close fault-3-1 G1 key=four; test fault-3-1 V2
        refused: alert fault-3-1 was closed by V2: a new finding in the unit raises a new alert
        refused: alert fault-3-1 was closed by V2: a new finding in the unit raises a new alert
        refused: alert fault-3-1 was closed by V2: a new finding in the unit raises a new alert
        ",
    );
    world.restart();
    world.play(
        "
        > 8 close fault-3-1 V2 key=four; ack fault-3-1 V2
        done: fault-3-1 is closed
        refused: alert fault-3-1 was closed by V2: a new finding in the unit raises a new alert
        ",
    );
}

#[test]
fn an_acknowledgement_sent_again_does_not_answer_the_next_ring() {
    let mut world = World::new();
    world.play(RAISED);
    world.play(
        "
        > 1 ack fault-3-1 G1 key=one
        done: fault-3-1 is acknowledged
        2 alert.acknowledged fault-3-1 yellow acknowledged ring 1 [G1]
        > 2 continued U3 lost_contact/7 red
        3 alert.updated fault-3-1 red raised ring 2
        > 3 ack fault-3-1 G1 key=one
        done: fault-3-1 is raised
        > 4 ack fault-3-1 G1 key=two
        done: fault-3-1 is acknowledged
        4 alert.acknowledged fault-3-1 red acknowledged ring 2 [G1]
        ",
    );
}

#[test]
fn there_must_be_such_an_alert() {
    let mut world = World::new();
    world.play(RAISED);
    world.play(
        "
        > 1 ack fault-3-2 G1; ack fire-3-1 G1; close fault-2-1 G1
        refused: there is no alert fault-3-2
        refused: there is no alert fire-3-1
        refused: there is no alert fault-2-1
        ",
    );
}

#[test]
fn people_who_acknowledge_are_bounded() {
    let mut world = World::new();
    world.play(RAISED);
    for n in 0..256 {
        world.play(&format!(
            "
            > {n} ack fault-3-1 P{n}
            done: fault-3-1 is acknowledged
            {} alert.acknowledged fault-3-1 yellow acknowledged ring 1 [P{n}]
            ",
            n + 2
        ));
    }
    world.play(
        "
        > 300 ack fault-3-1 P256; ack fault-3-1 P0
        refused: 256 people have done so already
        done: fault-3-1 is acknowledged
        ",
    );
}

#[test]
fn a_detector_that_chatters_does_not_wash_away_what_people_did() {
    let mut world = World::new();
    world.play(RAISED);
    world.play(
        "
        > 1 ack fault-3-1 G1 note=mine
        done: fault-3-1 is acknowledged
        2 alert.acknowledged fault-3-1 yellow acknowledged ring 1 [G1]
        ",
    );
    for n in 0..200 {
        let (cursor, ring) = (3 + 2 * n, n + 2);
        let (before, rang) = (ring - 1, cursor + 1);
        let state = if n == 0 { "restored" } else { "restored_unacknowledged" };
        world.play(&format!(
            "
            > {n} ended U3 lost_contact/7 yellow; began U3 lost_contact/7 yellow
            {cursor} alert.restored fault-3-1 yellow {state} ring {before}
            {rang} alert.rang_again fault-3-1 yellow raised ring {ring}
            "
        ));
    }
    let history = world.alert("fault-3-1").history;
    assert_eq!(history.len(), Alert::HISTORY_MAX);
    assert_eq!(&*history[0].what, "alert.raised");
    assert_eq!(history[1].note.as_deref(), Some("mine"));
    assert!(history[1].command.is_some());
    assert_eq!(history.last().unwrap().note.as_deref(), Some("ring 201, yellow"));
}
