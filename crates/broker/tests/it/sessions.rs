//! Takeover, ownership of client ids, and sessions that outlive their connection.

use std::time::Duration;

use broker::{DownCause, Outcome, SessionEvent, Settings};
use bytes::Bytes;

use crate::hall::House;
use crate::support::{
    Connect, PATIENCE, Raw, accept_everything, next_down, next_up, packet, puback, publish, settings, start,
    start_accepting, subscribe, until, within,
};

#[tokio::test]
async fn the_same_identity_takes_its_session_over() {
    let (broker, mut inlets) = start(settings()).await;
    let mut old = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    let up = next_up(&mut inlets).await;
    assert!(matches!(up, SessionEvent::Up { ref identity, .. } if &**identity == "dev"));
    let mut new = Raw::login(&broker, &Connect::v3("c", "dev").bytes()).await;
    old.disconnected(0x8E).await;
    assert_eq!(next_down(&mut inlets).await, DownCause::TakenOver);
    next_up(&mut inlets).await;
    new.ping().await;
    drop(new);
    assert_eq!(next_down(&mut inlets).await, DownCause::ConnectionLost);
    until("no session is left", || broker.sessions() == 0).await;
    assert!(inlets.sessions.try_recv().is_err(), "one end for each connection");
}

#[tokio::test]
async fn another_identity_is_refused_a_client_id_in_use() {
    let broker = start_accepting(settings()).await;
    let mut owner = Raw::login(&broker, &Connect::lasting("c", "dev", 600).bytes()).await;
    for (v5, code) in [(true, 0x85), (false, 2)] {
        let mut thief = Raw::open(&broker).await;
        thief.send(&Connect { v5, ..Connect::v3("c", "other") }.bytes()).await;
        assert_eq!(thief.packet().await.body[1], code);
        thief.closed().await;
    }
    owner.ping().await;
    // Also while the owner is away.
    drop(owner);
    until("the owner is away", || broker.connections() == 0).await;
    let mut thief = Raw::open(&broker).await;
    thief.send(&Connect::v5("c", "other").bytes()).await;
    assert_eq!(thief.packet().await.body[1], 0x85);
}

#[tokio::test]
async fn a_session_keeps_subscriptions_and_messages_while_its_client_is_away() {
    let broker = start_accepting(settings()).await;
    let connect = Connect::lasting("c", "a", 600);
    let (mut raw, connack) = Raw::login_with_connack(&broker, &connect.bytes()).await;
    assert_eq!(connack.body[0], 0, "nothing was there before");
    raw.send(&subscribe(true, 1, &[("down/a/x", 1)])).await;
    raw.packet().await;
    // One in flight and unacknowledged, one with QoS 0 that is lost, two while away.
    let short = Duration::from_millis(20);
    let outcome = broker.publish("down/a/x", Bytes::from("1"), 1, None, short).await;
    assert_eq!(outcome, Outcome::TimedOut);
    let (_, id, _) = raw.packet().await.publish(true);
    drop(raw);
    until("the client is away", || broker.connections() == 0).await;
    assert_eq!(broker.publish("down/a/x", Bytes::new(), 0, None, short).await, Outcome::NoSubscriber);
    for n in ["2", "3"] {
        let outcome = broker.publish("down/a/x", Bytes::from(n), 1, None, PATIENCE).await;
        assert_eq!(outcome, Outcome::Queued);
    }
    let (mut raw, connack) = Raw::login_with_connack(&broker, &connect.bytes()).await;
    assert_eq!(connack.body[0], 1, "session present");
    let again = raw.packet().await;
    assert_eq!(again.first, 0x3A, "QoS 1 with DUP");
    assert_eq!(again.publish(true).1, id);
    raw.send(&puback(id)).await;
    for n in ["2", "3"] {
        let packet = raw.packet().await;
        assert_eq!((packet.first, &packet.publish(true).2[..]), (0x32, n.as_bytes()));
        raw.send(&puback(packet.publish(true).1)).await;
    }
    raw.ping().await;
    // A clean start forgets it all.
    let (mut raw, connack) = Raw::login_with_connack(&broker, &Connect { clean: true, ..connect }.bytes()).await;
    assert_eq!(connack.body[0], 0);
    let outcome = broker.publish("down/a/x", Bytes::new(), 1, None, PATIENCE).await;
    assert_eq!(outcome, Outcome::NoSubscriber);
    raw.ping().await;
}

#[tokio::test]
async fn the_queue_of_an_absent_client_is_bounded() {
    let broker = start_accepting(Settings { outbound_queue_messages: 3, ..settings() }).await;
    let connect = Connect::lasting("c", "a", 600);
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.send(&subscribe(true, 1, &[("down/a/x", 1)])).await;
    raw.packet().await;
    drop(raw);
    until("the client is away", || broker.connections() == 0).await;
    let mut outcomes = Vec::new();
    for n in 0..5u8 {
        outcomes.push(broker.publish("down/a/x", Bytes::from(vec![n]), 1, None, PATIENCE).await);
    }
    assert_eq!(outcomes[..3], [Outcome::Queued; 3]);
    assert_eq!(outcomes[3..], [Outcome::NoSubscriber; 2], "what is not kept is not claimed");
    assert_eq!(broker.counts().undelivered, 2);
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    for n in 0..3u8 {
        assert_eq!(raw.packet().await.publish(true).2[..], [n]);
    }
    raw.ping().await;
}

#[tokio::test]
async fn sessions_expire_when_they_said_so() {
    let broker = start_accepting(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::lasting("c", "a", 1).bytes()).await;
    raw.send(&subscribe(true, 1, &[("down/a/x", 1)])).await;
    raw.packet().await;
    drop(raw);
    until("it expires", || broker.counts().expired == 1 && broker.sessions() == 0).await;
    let outcome = broker.publish("down/a/x", Bytes::new(), 1, None, PATIENCE).await;
    assert_eq!(outcome, Outcome::NoSubscriber);
    // A v3.1.1 session to keep ends early when the client cannot be away that long.
    let away = start_accepting(Settings { session_expiry_max_s: 0, ..settings() }).await;
    let connect = Connect { clean: false, ..Connect::v3("c", "a") };
    drop(Raw::login(&away, &connect.bytes()).await);
    until("no session is kept", || away.sessions() == 0).await;
}

#[tokio::test]
async fn a_v5_goodbye_may_change_the_expiry_but_not_from_zero() {
    let (broker, mut inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::lasting("c", "a", 600).bytes()).await;
    next_up(&mut inlets).await;
    raw.send(&packet(0xE0, &[0, 5, 0x11, 0, 0, 0, 0])).await;
    raw.closed().await;
    assert_eq!(next_down(&mut inlets).await, DownCause::Disconnected);
    until("the session ended with the goodbye", || broker.sessions() == 0).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "a").bytes()).await;
    next_up(&mut inlets).await;
    raw.send(&packet(0xE0, &[0, 5, 0x11, 0, 0, 0, 9])).await;
    raw.disconnected(0x82).await;
    assert_eq!(next_down(&mut inlets).await, DownCause::ProtocolError);
}

#[tokio::test]
async fn the_number_of_sessions_is_bounded() {
    let broker = start_accepting(Settings { sessions_max: 2, ..settings() }).await;
    let _a = Raw::login(&broker, &Connect::v5("1", "a").bytes()).await;
    let _b = Raw::login(&broker, &Connect::v5("2", "a").bytes()).await;
    for (v5, code) in [(true, 0x97), (false, 3)] {
        let mut raw = Raw::open(&broker).await;
        raw.send(&Connect { v5, ..Connect::v3("3", "a") }.bytes()).await;
        assert_eq!(raw.packet().await.body[1], code);
    }
    within(Raw::login(&broker, &Connect::v5("2", "a").bytes())).await; // its own is no new one
}

/// A client with another id at every start loses its oldest sessions; it is not locked out and takes nobody's place.
#[tokio::test]
async fn one_identity_has_a_bounded_number_of_sessions() {
    let broker = start_accepting(Settings { sessions_per_identity: 3, ..settings() }).await;
    let mut first = Connect::lasting("1", "dev", 600);
    first.will = Some(("relay/dev", "gone", vec![0x18, 0, 0, 1, 0]));
    let mut watcher = Raw::login(&broker, &Connect::v5("watcher", "all").bytes()).await;
    watcher.send(&subscribe(true, 1, &[("relay/#", 0)])).await;
    assert_eq!(watcher.packet().await.first, 0x90);
    drop(Raw::login(&broker, &Connect { user: "all", password: Some("pw-all".into()), ..first }.bytes()).await);
    until("it is away", || broker.connections() == 1).await;
    let _two = Raw::login(&broker, &Connect::lasting("2", "all", 600).bytes()).await;
    let _three = Raw::login(&broker, &Connect::lasting("3", "all", 600).bytes()).await;
    assert_eq!(watcher.packet().await.publish(true).2, "gone", "its session has ended, and so its will is due");
    let ids: Vec<String> = broker.clients(None, 9).iter().map(|client| client.client_id.to_string()).collect();
    assert_eq!(ids, ["2", "3", "watcher"]);
    for (v5, code) in [(true, 0x97), (false, 3)] {
        let mut raw = Raw::open(&broker).await;
        raw.send(&Connect { v5, ..Connect::v3("4", "all") }.bytes()).await;
        assert_eq!(raw.packet().await.body[1], code, "all of them are in use");
    }
    Raw::login(&broker, &Connect::v5("3", "all").bytes()).await; // its own is no new one
    Raw::login(&broker, &Connect::v5("other", "dev").bytes()).await;
    assert_eq!(broker.counts().evicted, 1);
}

/// What waits for all sessions together is bounded; what the process itself has to say is not held back by it.
#[tokio::test]
async fn what_waits_for_all_sessions_is_bounded() {
    let house = House { settings: Settings { outbound_total_bytes: 20_000, ..settings() }, ..House::new() };
    let (broker, inlets) = house.start().await;
    tokio::spawn(accept_everything(inlets));
    for id in ["1", "2", "3", "4"] {
        let mut raw = Raw::login(&broker, &Connect::lasting(id, "all", 600).bytes()).await;
        raw.send(&subscribe(true, 1, &[("#", 1)])).await;
        assert_eq!(raw.packet().await.first, 0x90);
    }
    until("they are away", || broker.connections() == 0).await;
    let waiting = || broker.clients(None, 9).iter().map(|client| client.waiting).sum::<usize>();
    let mut publisher = Raw::login(&broker, &Connect::v5("p", "all").bytes()).await;
    for id in 1..=20 {
        publisher.send(&publish(true, "relay/x", id, &[b'x'; 1_000])).await;
        assert_eq!(publisher.packet().await.first, 0x40);
    }
    let held = waiting();
    assert_eq!(held, 18, "of 80");
    assert_eq!(broker.counts().over_total, 62);
    assert_eq!(broker.publish("down/x", Bytes::from("for all"), 1, None, PATIENCE).await, Outcome::Queued);
    assert_eq!(waiting(), held + 4);
    // What a restart brings back counts too, and what was taken or has ended does not.
    let house = house.crashed();
    let (broker, _inlets) = house.start().await;
    let mut publisher = Raw::login(&broker, &Connect::v5("p", "all").bytes()).await;
    publisher.send(&publish(true, "relay/x", 1, b"x")).await;
    publisher.packet().await;
    assert_eq!(broker.counts().over_total, 4);
    let mut one = Raw::login(&broker, &Connect::lasting("1", "all", 600).bytes()).await;
    for _ in 0..broker.clients(None, 1)[0].waiting + broker.clients(None, 1)[0].in_flight {
        let (_, id, _) = one.packet().await.publish(true);
        one.send(&puback(id)).await;
    }
    one.ping().await;
    Raw::login(&broker, &Connect::v5("2", "all").bytes()).await; // a clean start
    publisher.send(&publish(true, "relay/x", 2, b"x")).await;
    publisher.packet().await;
    assert_eq!(broker.counts().over_total, 4, "there is room again");
}
