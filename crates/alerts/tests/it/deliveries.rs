//! What is owed, and what its receipts do.

use model::{Delivery, DeliveryId, DeliveryState, Ledger};

use crate::world::World;

const RAISED: &str = "
    > 0 began U2 smoke/7 orange
    1 alert.raised fire-2-1 orange raised ring 1
    owes micro_station M4 as 1.2.4.mqtt
    ";

#[test]
fn a_delivery_says_what_was_known_when_it_became_owed() {
    let mut world = World::new();
    world.play(RAISED);
    world.play(
        "
        > 1 began U2 heat/8 orange
        2 alert.updated fire-2-1 orange raised ring 1
        > 2 receipt fire-2-1.1.2.4.mqtt retry; receipt fire-2-1.1.2.4.mqtt delivered; receipt fire-2-1.1.2.4.mqtt retry
        fire-2-1.1.2.4.mqtt delivered after 2: Delivered
        > 3 receipt fire-2-1.1.2.4.mqtt failed; receipt fire-2-1.1.0.9.mqtt failed; receipt fire-2-9.1.0.9.mqtt failed
        ",
    );
    let id = DeliveryId::from("fire-2-1.1.2.4.mqtt");
    let delivery = world.books.delivery("fire-2-1".parse().unwrap(), &id).unwrap().unwrap();
    assert_eq!(delivery.about.alert().unwrap().evidence_count, 1);
    assert_eq!((&*delivery.person_code, &*delivery.person_name), ("M4", "M4"));
    assert_eq!(delivery.state, DeliveryState::Delivered);
    assert!(world.books.owed().unwrap().is_empty());
}

#[test]
fn attempts_are_bounded_and_counted() {
    let mut world = World::new();
    world.play(RAISED);
    for n in 1..=40 {
        if n == 20 {
            world.restart();
        }
        world.play(&format!(
            "
            > {n} receipt fire-2-1.1.2.4.mqtt retry
            fire-2-1.1.2.4.mqtt owed after {n}: Retry
            "
        ));
    }
    let owed = world.books.owed().unwrap();
    assert_eq!(owed.len(), 1);
    assert_eq!((owed[0].attempts.len(), owed[0].attempt_count), (Delivery::ATTEMPTS_MAX, 40));
    assert_eq!(owed[0].attempts[0].at_ms, crate::world::START_MS + 9_000);
}

#[test]
fn closing_withdraws_also_what_became_owed_in_the_same_commit() {
    let mut world = World::new();
    world.play(RAISED);
    world.play(
        "
        > 1 real fire-2-1 M4; close fire-2-1 G1
        done: fire-2-1 is verified
        done: fire-2-1 is closed
        2 alert.verified fire-2-1 orange verified ring 1 real [M4]
        3 alert.escalated fire-2-1 orange verified ring 1 real [township_chief]
        4 alert.escalated fire-2-1 orange verified ring 1 real [commander]
        5 alert.closed fire-2-1 orange closed ring 1 real [G1]
        fire-2-1.1.4.3.mqtt failed after 1: the alert was closed before it was delivered
        fire-2-1.1.5.5.webhook:brigade failed after 1: the alert was closed before it was delivered
        fire-2-1.1.2.4.mqtt failed after 1: the alert was closed before it was delivered
        ",
    );
    assert!(world.books.owed().unwrap().is_empty());
}

#[test]
fn what_a_person_has_read_is_kept_once_and_also_after_it_was_delivered_or_given_up() {
    let mut world = World::new();
    world.play(
        "
        > 0 began U0 smoke/7 red
        1 alert.raised fire-0-1 red raised ring 1
        owes owner O0 as 1.0.0.mqtt
        owes grid_worker G1 as 1.1.1.mqtt
        owes grid_worker G1 as 1.1.1.console
        owes micro_station M4 as 1.2.4.mqtt
        owes village_chief V2 as 1.3.2.mqtt
        owes township_chief T3 as 1.4.3.mqtt
        owes commander C5 as 1.5.5.webhook:brigade
        > 1 receipt fire-0-1.1.0.0.mqtt delivered; receipt fire-0-1.1.1.1.mqtt failed
        fire-0-1.1.0.0.mqtt delivered after 1: Delivered
        fire-0-1.1.1.1.mqtt failed after 1: Failed
        > 2 receipt fire-0-1.1.0.0.mqtt read; receipt fire-0-1.1.1.1.mqtt read; receipt fire-0-1.1.3.2.mqtt read
        fire-0-1.1.0.0.mqtt delivered after 2: Read
        fire-0-1.1.1.1.mqtt delivered after 2: Read
        fire-0-1.1.3.2.mqtt delivered after 1: Read
        > 3 receipt fire-0-1.1.3.2.mqtt delivered; receipt fire-0-1.1.3.2.mqtt read; receipt fire-0-1.1.0.99.mqtt read
        ",
    );
    world.restart();
    world.play(
        "
        > 4 receipt fire-0-1.1.0.0.mqtt read
        > 5 receipt fire-0-1.1.1.1.console delivered
        fire-0-1.1.1.1.console delivered after 1: Delivered
        ",
    );
    world.restart();
    world.play(
        "
        > 6 receipt fire-0-1.1.1.1.console read
        fire-0-1.1.1.1.console delivered after 2: Read
        ",
    );
    let read_ms = |id: &str| {
        let kept = world.books.delivery("fire-0-1".parse::<model::AlertId>().unwrap().into(), &id.into()).unwrap();
        kept.unwrap().read_ms.map(|at_ms| at_ms - crate::world::START_MS)
    };
    assert_eq!(read_ms("fire-0-1.1.0.0.mqtt"), Some(2_000));
    assert_eq!(read_ms("fire-0-1.1.1.1.console"), Some(6_000));
    assert_eq!(read_ms("fire-0-1.1.2.4.mqtt"), None);
}
