//! QoS 2 to subscribers: each message once, whatever gets lost.

use crate::hall::{House, PUBCOMP, PUBREC, PUBREL, publish_2, step};
use crate::support::{Connect, Packet, Raw, packet, settings, start_accepting, subscribe, until};

fn id_of(packet: &Packet, first: u8) -> u16 {
    assert_eq!(packet.first, first, "{packet:?}");
    packet.publish(true).1
}

fn expect(packet: &Packet, first: u8, id: u16) {
    assert_eq!((packet.first, &packet.body[..2]), (first, &id.to_be_bytes()[..]), "{packet:?}");
}

async fn send_2(publisher: &mut Raw, id: u16, payload: &str) {
    publisher.send(&publish_2(true, "relay/x", id, payload, false)).await;
    expect(&publisher.packet().await, PUBREC, id);
    publisher.send(&step(PUBREL, id)).await;
    expect(&publisher.packet().await, PUBCOMP, id);
}

#[tokio::test]
async fn every_step_is_repeated_until_it_is_answered() {
    let house = House::new();
    let (broker, inlets) = house.start().await;
    tokio::spawn(crate::support::accept_everything(inlets));
    for connect in [Connect::lasting("s", "all", 600), Connect { clean: false, ..Connect::v3("s3", "all") }] {
        let v5 = connect.v5;
        let mut publisher = Raw::login(&broker, &Connect::v5("p", "all").bytes()).await;
        let mut raw = Raw::login(&broker, &connect.bytes()).await;
        raw.send(&subscribe(v5, 1, &[("relay/#", 2)])).await;
        assert_eq!(raw.packet().await.body.last(), Some(&2));
        send_2(&mut publisher, 1, "one").await;
        let first = raw.packet().await;
        let (_, id, payload) = first.publish(v5);
        assert_eq!((first.first, &payload[..]), (0x34, &b"one"[..]));
        // The PUBREC is lost: PUBLISH again with DUP.
        drop(raw);
        let mut raw = Raw::login(&broker, &connect.bytes()).await;
        let again = raw.packet().await;
        assert_eq!((again.first, again.publish(v5).1), (0x3C, id));
        raw.send(&step(PUBREC, id)).await;
        expect(&raw.packet().await, PUBREL, id);
        // The PUBREL or the PUBCOMP is lost: PUBREL again.
        drop(raw);
        let mut raw = Raw::login(&broker, &connect.bytes()).await;
        expect(&raw.packet().await, PUBREL, id);
        raw.send(&step(PUBREC, id)).await;
        expect(&raw.packet().await, PUBREL, id);
        raw.send(&step(PUBCOMP, id)).await;
        raw.ping().await;
        // A PUBREC for nothing is told so.
        raw.send(&step(PUBREC, 999)).await;
        let pubrel = raw.packet().await;
        assert_eq!((pubrel.first, pubrel.body.get(2)), (PUBREL, v5.then_some(&0x92)));
        drop(raw);
        let mut raw = Raw::login(&broker, &connect.bytes()).await;
        raw.ping().await;
        raw.send(&packet(
            0xA2,
            &if v5 { vec![0, 2, 0, 0, 7] } else { vec![0, 2, 0, 7] }.into_iter().chain(*b"relay/#").collect::<Vec<_>>(),
        ))
        .await;
        assert_eq!(raw.packet().await.first, 0xB0);
    }
}

#[tokio::test]
async fn a_pubrec_that_refuses_ends_the_exchange() {
    let broker = start_accepting(settings()).await;
    let mut publisher = Raw::login(&broker, &Connect::v5("p", "all").bytes()).await;
    let mut connect = Connect::v5("s", "all");
    connect.properties = vec![0x21, 0, 1];
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.send(&subscribe(true, 1, &[("relay/#", 2)])).await;
    raw.packet().await;
    for payload in ["one", "two"] {
        send_2(&mut publisher, 1, payload).await;
    }
    let id = id_of(&raw.packet().await, 0x34);
    raw.ping().await; // the window is one
    raw.send(&packet(PUBREC, &[(id >> 8) as u8, id as u8, 0x97])).await;
    let second = raw.packet().await;
    assert_eq!(&second.publish(true).2[..], b"two");
    let id = id_of(&second, 0x34);
    raw.send(&step(PUBREC, id)).await;
    expect(&raw.packet().await, PUBREL, id);
    send_2(&mut publisher, 1, "three").await;
    raw.ping().await; // not before PUBCOMP
    raw.send(&step(PUBCOMP, id)).await;
    assert_eq!(&raw.packet().await.publish(true).2[..], b"three");
}

#[tokio::test]
async fn exchanges_go_on_after_a_restart_where_they_stopped() {
    let house = House::new();
    let connect = Connect::lasting("s", "all", 600);
    let (broker, _inlets) = house.start().await;
    let mut publisher = Raw::login(&broker, &Connect::v5("p", "all").bytes()).await;
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.send(&subscribe(true, 1, &[("relay/#", 2)])).await;
    raw.packet().await;
    for (id, payload) in [(1, "one"), (2, "two")] {
        send_2(&mut publisher, id, payload).await;
    }
    let one = id_of(&raw.packet().await, 0x34);
    let two = id_of(&raw.packet().await, 0x34);
    raw.send(&step(PUBREC, two)).await;
    expect(&raw.packet().await, PUBREL, two);
    // A crash now: one is sent again, two is known to be received.
    let house = house.crashed();
    let (broker, _inlets) = house.start().await;
    let (mut raw, connack) = Raw::login_with_connack(&broker, &connect.bytes()).await;
    assert_eq!(connack.body[0], 1);
    let mut seen = [raw.packet().await, raw.packet().await];
    seen.sort_by_key(|packet| packet.first);
    assert_eq!((id_of(&seen[0], 0x3C), &seen[0].publish(true).2[..]), (one, &b"one"[..]));
    expect(&seen[1], PUBREL, two);
    raw.send(&step(PUBREC, one)).await;
    expect(&raw.packet().await, PUBREL, one);
    for id in [two, one] {
        raw.send(&step(PUBCOMP, id)).await;
    }
    raw.ping().await;
    until("the queue is empty in the vault too", || house.vault.len() == 1).await;
    let (broker, _inlets) = house.crashed().start().await;
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.ping().await;
}

#[tokio::test]
async fn a_publisher_with_qos_2_reaches_every_queue_once_across_a_crash() {
    let house = House::new();
    let (broker, _inlets) = house.start().await;
    let (publisher, subscriber) = (Connect::lasting("p", "all", 600), Connect::lasting("s", "all", 600));
    let mut raw = Raw::login(&broker, &subscriber.bytes()).await;
    raw.send(&subscribe(true, 1, &[("relay/#", 1)])).await;
    raw.packet().await;
    drop(raw);
    let mut raw = Raw::login(&broker, &publisher.bytes()).await;
    raw.send(&publish_2(true, "relay/x", 3, "once", false)).await;
    expect(&raw.packet().await, PUBREC, 3);
    // PUBREC was sent, so that the message and the mark of its publisher are in the vault.
    let (broker, _inlets) = house.crashed().start().await;
    let mut raw = Raw::login(&broker, &publisher.bytes()).await;
    raw.send(&publish_2(true, "relay/x", 3, "once", true)).await;
    expect(&raw.packet().await, PUBREC, 3);
    let mut raw = Raw::login(&broker, &subscriber.bytes()).await;
    assert_eq!(&raw.packet().await.publish(true).2[..], b"once");
    raw.ping().await;
}

#[tokio::test]
async fn an_acknowledgement_of_another_qos_ends_the_connection() {
    let broker = start_accepting(settings()).await;
    for (qos, wrong) in [(1, 0x70), (1, 0x50), (2, 0x40), (2, 0x70)] {
        let mut publisher = Raw::login(&broker, &Connect::v5("p", "all").bytes()).await;
        let mut raw = Raw::login(&broker, &Connect::v5("s", "all").bytes()).await;
        raw.send(&subscribe(true, 1, &[("relay/#", qos)])).await;
        assert_eq!(raw.packet().await.body.last(), Some(&qos));
        send_2(&mut publisher, 1, "one").await;
        let id = raw.packet().await.publish(true).1;
        raw.send(&step(wrong, id)).await;
        let told = raw.packet().await;
        assert_eq!((told.first, told.body[0]), (0xE0, 0x82), "QoS {qos} answered with {wrong:#x}");
        raw.closed().await;
    }
}
