//! QoS 2 from clients to the consumer: once, whatever gets lost.

use std::time::Duration;

use broker::{Inbound, Inlets, Reason, Vault};

use crate::hall::{House, PUBCOMP, PUBREC, PUBREL, publish_2, step};
use crate::support::{Connect, Raw, packet, payloads, publish, settings, start, until, within};

/// Accepts a batch as a consumer with a journal does: its marks are written with it.
fn accept(house: &House, batch: Inbound) {
    let changes: Vec<_> = batch.marks.iter().map(|(_, change)| change.clone()).collect();
    house.vault.write(&changes).unwrap();
    batch.ack.accept_all();
}

async fn next(inlets: &mut Inlets) -> Inbound {
    within(inlets.normal.recv()).await.unwrap()
}

fn expect(raw: &crate::support::Packet, first: u8, id: u16) {
    assert_eq!((raw.first, &raw.body[..2]), (first, &id.to_be_bytes()[..]), "{raw:?}");
}

#[tokio::test]
async fn an_exchange_runs_through_and_its_identifier_is_free_again() {
    for v5 in [true, false] {
        let (broker, mut inlets) = start(settings()).await;
        let mut raw = Raw::login(&broker, &Connect { v5, ..Connect::v3("c", "dev") }.bytes()).await;
        for round in 0..3 {
            raw.send(&publish_2(v5, "up/dev/x", 7, &round.to_string(), false)).await;
            let batch = next(&mut inlets).await;
            assert_eq!((payloads(&batch), batch.messages[0].qos), (vec![round.to_string()], 2));
            assert!(batch.marks.is_empty(), "nothing of this session is kept");
            // Again before it is answered, and after: not handed over again.
            raw.send(&publish_2(v5, "up/dev/x", 7, "again", true)).await;
            raw.ping().await;
            batch.ack.accept_all();
            expect(&raw.packet().await, PUBREC, 7);
            raw.send(&publish_2(v5, "up/dev/x", 7, "again", true)).await;
            expect(&raw.packet().await, PUBREC, 7);
            raw.send(&step(PUBREL, 7)).await;
            expect(&raw.packet().await, PUBCOMP, 7);
        }
        raw.send(&step(PUBREL, 7)).await;
        let pubcomp = raw.packet().await;
        assert_eq!(pubcomp.body.get(2), v5.then_some(&0x92), "an identifier that is not in use");
        assert!(inlets.normal.try_recv().is_err());
    }
}

#[tokio::test]
async fn a_refusal_ends_a_v5_exchange() {
    let (broker, mut inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    for _ in 0..2 {
        raw.send(&[publish_2(true, "up/dev/x", 1, "bad", false), publish(true, "up/dev/x", 2, b"good")].concat()).await;
        let batch = next(&mut inlets).await;
        batch.ack.complete(&[Reason::PayloadFormatInvalid, Reason::Success]);
        expect(&raw.packet().await, 0x40, 2);
        let pubrec = raw.packet().await;
        expect(&pubrec, PUBREC, 1);
        assert_eq!(pubrec.body[2], 0x99);
    }
    raw.send(&publish_2(true, "up/other/x", 1, "x", false)).await;
    assert_eq!(raw.packet().await.body[2], 0x87);
    // Four exchanges were refused; none of them counts against the receive maximum.
    for id in 1..=64 {
        raw.send(&publish_2(true, "up/dev/x", id, "x", false)).await;
        next(&mut inlets).await.ack.accept_all();
        expect(&raw.packet().await, PUBREC, id);
    }
    raw.send(&publish_2(true, "up/dev/x", 65, "x", false)).await;
    raw.disconnected(0x93).await;
}

#[tokio::test]
async fn a_batch_left_unanswered_may_come_again() {
    let (broker, mut inlets) = start(settings()).await;
    let connect = Connect::lasting("c", "dev", 600);
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.send(&publish_2(true, "up/dev/x", 1, "x", false)).await;
    drop(next(&mut inlets).await);
    raw.disconnected(0x83).await;
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.send(&publish_2(true, "up/dev/x", 1, "x", true)).await;
    next(&mut inlets).await.ack.accept_all();
    expect(&raw.packet().await, PUBREC, 1);
}

#[tokio::test]
async fn the_answer_goes_to_the_connection_that_the_session_has_by_then() {
    let (broker, mut inlets) = start(settings()).await;
    let connect = Connect::lasting("c", "dev", 600);
    let mut old = Raw::login(&broker, &connect.bytes()).await;
    old.send(&publish_2(true, "up/dev/x", 9, "x", false)).await;
    let batch = next(&mut inlets).await;
    let mut new = Raw::login(&broker, &connect.bytes()).await;
    old.disconnected(0x8E).await;
    new.send(&publish_2(true, "up/dev/x", 9, "x", true)).await;
    new.ping().await;
    batch.ack.accept_all();
    expect(&new.packet().await, PUBREC, 9);
    new.send(&step(PUBREL, 9)).await;
    expect(&new.packet().await, PUBCOMP, 9);
    assert!(inlets.normal.try_recv().is_err());
}

#[tokio::test]
async fn what_was_taken_in_is_not_taken_in_again_after_a_restart() {
    let house = House::new();
    let (broker, mut inlets) = house.start().await;
    for v5 in [true, false] {
        let connect = match v5 {
            true => Connect::lasting("c", "dev", 600),
            false => Connect { clean: false, ..Connect::v3("c3", "dev") },
        };
        let mut raw = Raw::login(&broker, &connect.bytes()).await;
        raw.send(&publish_2(v5, "up/dev/x", 5, "one", false)).await;
        let batch = next(&mut inlets).await;
        assert_eq!(batch.marks.len(), 1);
        // Crash before the journal has it: it comes again.
        let before = house.crashed();
        accept(&house, batch);
        expect(&raw.packet().await, PUBREC, 5);
        {
            let (broker, mut inlets) = before.start().await;
            let (mut raw, connack) = Raw::login_with_connack(&broker, &connect.bytes()).await;
            assert_eq!(connack.body[0], 1, "session present");
            raw.send(&publish_2(v5, "up/dev/x", 5, "one", true)).await;
            assert_eq!(payloads(&next(&mut inlets).await), ["one"]);
        }
        // Crash after: PUBREC again, and nothing is handed over.
        let after = house.crashed();
        {
            let (broker, mut inlets) = after.start().await;
            let mut raw = Raw::login(&broker, &connect.bytes()).await;
            raw.send(&publish_2(v5, "up/dev/x", 5, "one", true)).await;
            expect(&raw.packet().await, PUBREC, 5);
            raw.send(&step(PUBREL, 5)).await;
            expect(&raw.packet().await, PUBCOMP, 5);
            assert!(inlets.normal.try_recv().is_err());
            // PUBCOMP said that the identifier is free: after another crash it is.
            let (broker, mut inlets) = after.crashed().start().await;
            let mut raw = Raw::login(&broker, &connect.bytes()).await;
            raw.send(&publish_2(v5, "up/dev/x", 5, "two", false)).await;
            assert_eq!(payloads(&next(&mut inlets).await), ["two"]);
        }
    }
}

#[tokio::test]
async fn marks_of_a_session_that_is_gone_are_removed() {
    let house = House::new();
    let (broker, mut inlets) = house.start().await;
    let connect = Connect::lasting("c", "dev", 600);
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.send(&publish_2(true, "up/dev/x", 5, "one", false)).await;
    let batch = next(&mut inlets).await;
    raw.send(&packet(0xE0, &[0, 5, 0x11, 0, 0, 0, 0])).await;
    raw.closed().await;
    until("the session is gone", || broker.sessions() == 0).await;
    accept(&house, batch);
    until("nothing is left of it", || house.vault.len() == 0).await;
}

#[tokio::test]
async fn a_v3_client_may_send_many_before_it_releases_one() {
    let (broker, mut inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v3("c", "dev").bytes()).await;
    tokio::spawn(async move {
        while let Some(batch) = inlets.normal.recv().await {
            batch.ack.accept_all();
        }
    });
    for id in 1..=300 {
        raw.send(&publish_2(false, "up/dev/x", id, "x", false)).await;
    }
    for id in 1..=300 {
        expect(&raw.packet().await, PUBREC, id);
    }
    for id in 1..=300 {
        raw.send(&step(PUBREL, id)).await;
        expect(&raw.packet().await, PUBCOMP, id);
    }
    tokio::time::timeout(Duration::from_millis(1), raw.try_packet()).await.unwrap_err();
}
