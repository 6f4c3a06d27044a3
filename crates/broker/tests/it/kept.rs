//! Sessions, queues, wills and retained messages across restarts.

use std::sync::atomic::Ordering;

use broker::{Outcome, SessionEvent, Settings};
use bytes::Bytes;

use crate::hall::House;
use crate::support::{
    Connect, PATIENCE, Raw, accept_everything, is_puback, packet, payloads, puback, publish, settings, subscribe,
    until, within,
};

#[tokio::test]
async fn what_was_sent_while_away_arrives_after_a_restart() {
    let house = House::new();
    let connect = Connect::lasting("s", "a", 600);
    let (broker, _inlets) = house.start().await;
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.send(&subscribe(true, 1, &[("down/a/#", 1)])).await;
    raw.packet().await;
    // SUBACK was sent: a crash now keeps the subscription.
    let house = house.crashed();
    let (broker, _inlets) = house.start().await;
    for n in ["1", "2", "3"] {
        let outcome = broker.publish("down/a/x", Bytes::from(n), 1, Some("text/plain"), PATIENCE).await;
        assert_eq!(outcome, Outcome::Queued);
    }
    let house = house.crashed();
    let (broker, _inlets) = house.start().await;
    assert_eq!(broker.sessions(), 1);
    let (mut raw, connack) = Raw::login_with_connack(&broker, &connect.bytes()).await;
    assert_eq!(connack.body[0], 1);
    let mut ids = Vec::new();
    for n in ["1", "2", "3"] {
        let packet = raw.packet().await;
        let (topic, id, payload) = packet.publish(true);
        assert_eq!((topic.as_str(), &payload[..]), ("down/a/x", n.as_bytes()));
        assert!(packet.body.windows(10).any(|bytes| bytes == b"text/plain"));
        ids.push(id);
    }
    raw.send(&puback(ids[1])).await;
    until("the acknowledged one is forgotten", || house.vault.len() == 3).await;
    // Those not acknowledged keep their identifiers and their order.
    let (broker, _inlets) = house.crashed().start().await;
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    for (n, id) in [("1", ids[0]), ("3", ids[2])] {
        let packet = raw.packet().await;
        assert_eq!((packet.first, packet.publish(true).1), (0x3A, id), "DUP");
        assert_eq!(&packet.publish(true).2[..], n.as_bytes());
    }
    raw.ping().await;
    // An unsubscription is kept too, and a clean start forgets all.
    raw.send(&packet(0xA2, b"\x00\x02\x00\x00\x08down/a/#")).await;
    assert_eq!(raw.packet().await.first, 0xB0);
    let mut raw = Raw::login(&broker, &Connect { clean: true, ..connect.clone() }.bytes()).await;
    raw.ping().await;
    drop(raw);
    until("it is away", || broker.connections() == 0).await;
    let outcome = broker.publish("down/a/x", Bytes::new(), 1, None, PATIENCE).await;
    assert_eq!(outcome, Outcome::NoSubscriber);
}

#[tokio::test]
async fn a_session_ends_when_its_time_has_come_while_we_were_down() {
    let house = House::new();
    let (broker, inlets) = house.start().await;
    tokio::spawn(accept_everything(inlets));
    let mut connect = Connect::lasting("s", "dev", 10);
    connect.will = Some(("up/dev/state", "gone", vec![0x18, 0, 0, 0, 100]));
    drop(Raw::login(&broker, &connect.bytes()).await);
    let mut longer = Connect::lasting("l", "dev", 1_000);
    longer.will = Some(("up/dev/state", "late", vec![0x18, 0, 0, 0, 100]));
    drop(Raw::login(&broker, &longer.bytes()).await);
    until("both are away", || broker.connections() == 0 && broker.clients(None, 9).len() == 2).await;
    broker.shutdown().await;
    // Eleven seconds later the first has expired, which publishes its will; the second goes on waiting.
    house.hall.now_ms.fetch_add(11_000, Ordering::Relaxed);
    let house = house.crashed();
    let (broker, mut inlets) = house.start().await;
    assert_eq!(broker.sessions(), 2);
    assert_eq!(payloads(&within(inlets.normal.recv()).await.unwrap()), ["gone"]);
    until("it is gone", || broker.sessions() == 1).await;
    assert!(inlets.normal.try_recv().is_err());
    broker.shutdown().await;
    house.hall.now_ms.fetch_add(90_000, Ordering::Relaxed);
    let (broker, mut inlets) = house.crashed().start().await;
    assert_eq!(payloads(&within(inlets.normal.recv()).await.unwrap()), ["late"]);
    assert_eq!(broker.sessions(), 1);
}

#[tokio::test]
async fn a_client_connected_at_the_crash_has_a_while_to_come_back_before_its_will() {
    let mut house = House::new();
    house.settings = Settings { restart_grace_s: 1, ..settings() };
    let (broker, _inlets) = house.start().await;
    let mut connect = Connect::lasting("s", "dev", 600);
    connect.will = Some(("up/dev/state", "gone", Vec::new()));
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.ping().await;
    let house = house.crashed();
    let (broker, mut inlets) = house.start().await;
    let back = Raw::login(&broker, &connect.bytes()).await;
    assert!(matches!(within(inlets.sessions.recv()).await.unwrap(), SessionEvent::Up { .. }));
    assert!(inlets.normal.try_recv().is_err(), "back in time: no will");
    let (_broker_2, mut inlets_2) = house.crashed().start().await;
    assert_eq!(payloads(&within(inlets_2.normal.recv()).await.unwrap()), ["gone"], "not back in time");
    drop(back);
    assert_eq!(payloads(&within(inlets.normal.recv()).await.unwrap()), ["gone"], "the will of the new connection");
}

#[tokio::test]
async fn retained_messages_come_back_and_a_puback_means_that_they_are_kept() {
    let house = House::new();
    let (broker, _inlets) = house.start().await;
    let mut raw = Raw::login(&broker, &Connect::v5("p", "all").bytes()).await;
    let mut retained = publish(true, "relay/房间/1", 1, b"on");
    retained[0] |= 1;
    raw.send(&retained).await;
    assert!(is_puback(&raw.packet().await, 1));
    let house = house.crashed();
    let (broker, _inlets) = house.start().await;
    let mut raw = Raw::login(&broker, &Connect::v5("s", "all").bytes()).await;
    raw.send(&subscribe(true, 1, &[("relay/+/1", 1)])).await;
    assert_eq!(raw.packet().await.first, 0x90);
    let packet = raw.packet().await;
    assert_eq!((packet.first, packet.publish(true).0.as_str()), (0x33, "relay/房间/1"));
    raw.send(&{
        let mut clear = publish(true, "relay/房间/1", 2, b"");
        clear[0] |= 1;
        clear
    })
    .await;
    until("it is forgotten", || house.vault.len() == 0).await;
}

#[tokio::test]
async fn the_memory_of_sessions_is_all_given_back() {
    let house = House::new();
    let (broker, inlets) = house.start().await;
    tokio::spawn(accept_everything(inlets));
    let connect = Connect::lasting("s", "all", 600);
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.send(&subscribe(true, 1, &[("relay/#", 2), ("feed/#", 1)])).await;
    raw.packet().await;
    house.list.push("feed/x", "one");
    raw.packet().await;
    drop(raw);
    let mut publisher = Raw::login(&broker, &Connect::v5("p", "all").bytes()).await;
    for id in 1..=10 {
        publisher.send(&publish(true, "relay/x", id, b"x")).await;
        publisher.packet().await;
    }
    assert!(house.vault.len() > 10);
    let mut raw = Raw::login(&broker, &Connect { clean: true, ..Connect::v5("s", "all") }.bytes()).await;
    raw.ping().await;
    until("nothing is left", || house.vault.len() == 0).await;
}
