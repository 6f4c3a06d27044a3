//! Wills.

use std::time::{Duration, Instant};

use crate::conform::{Client, End, Hello, Peer, Will, disconnect, expiry, message_expiry, user, will, will_delay};
use crate::support::packet;

async fn watcher(peer: &Peer, topic: &str) -> Client {
    let mut watcher = peer.plain(true, &format!("watch-{}", topic.replace('/', "-"))).await;
    watcher.subscribe(topic, 2).await;
    watcher
}

#[tokio::test]
async fn a_will_is_sent_when_the_connection_breaks_and_not_after_a_goodbye() {
    let peer = Peer::start().await;
    let topic = "relay/will/ends";
    let mut watcher = watcher(&peer, topic).await;
    for v5 in [false, true] {
        for qos in 0..=2 {
            let hello = Hello::new(v5, "mortal").will(Will { qos, ..will(topic, "gone") });
            peer.client(&hello).await.goodbye().await;
            watcher.quiet().await; // MQTT-3.14.4-3
            peer.client(&hello).await.cut().await;
            let got = watcher.take().await;
            assert_eq!((&*got.payload, got.qos, got.retain), ("gone", qos, false), "MQTT-3.1.2-8");
            let mut client = peer.client(&hello).await;
            client.try_send(&packet(0x36, &[0, 1, b'a', 0, 1])).await;
            assert!(matches!(client.end().await, End::Closed | End::Told(_)));
            assert_eq!(watcher.take().await.payload, "gone", "after a protocol error too");
        }
    }
    watcher.quiet().await;
}

#[tokio::test]
async fn a_v5_client_may_ask_for_its_will_when_it_leaves() {
    let peer = Peer::start().await;
    let topic = "relay/will/asked";
    let mut watcher = watcher(&peer, topic).await;
    for (reason, expected) in [(0x04, true), (0x00, false), (0x80, true)] {
        let mut client = peer.client(&Hello::new(true, "asks").will(will(topic, "gone"))).await;
        client.send(&disconnect(reason, &[])).await;
        assert_eq!(client.end().await, End::Closed);
        if expected {
            assert_eq!(watcher.take().await.payload, "gone", "3.14.2.1: {reason:#x}");
        } else {
            watcher.quiet().await;
        }
    }
}

#[tokio::test]
async fn a_will_may_be_empty_retained_and_carry_properties() {
    let peer = Peer::start().await;
    let topic = "relay/will/properties";
    let mut watcher = watcher(&peer, topic).await;
    peer.client(&Hello::new(false, "empty-will").will(will(topic, ""))).await.cut().await;
    assert_eq!(watcher.take().await.payload, "");
    let properties = [
        &[0x01, 1][..],
        &message_expiry(60),
        &[0x03, 0, 4, b't', b'e', b'x', b't'],
        &[0x08, 0, 1, b'r', 0x09, 0, 2, 1, 2],
        &user("b", "1"),
        &user("a", "2"),
        &user("b", "3"),
    ]
    .concat();
    let retained = Will { retain: true, qos: 1, properties, ..will(topic, "kept") };
    peer.client(&Hello::new(true, "rich-will").will(retained)).await.cut().await;
    let got = watcher.take().await;
    let mut late = peer.plain(true, "late").await;
    late.subscribe(topic, 1).await;
    let kept = late.take().await;
    assert_eq!((got.retain, kept.retain), (false, true), "MQTT-3.1.2-15");
    for got in [got, kept] {
        assert_eq!(got.number(0x01), Some(1), "3.1.3.2");
        assert!(got.number(0x02).is_some_and(|left| left <= 60));
        assert_eq!(got.all(0x03), [&[0, 4, b't', b'e', b'x', b't'][..]]);
        assert_eq!((got.all(0x08), got.all(0x09)), (vec![&[0, 1, b'r'][..]], vec![&[0, 2, 1, 2][..]]));
        let users = [user("b", "1"), user("a", "2"), user("b", "3")];
        assert_eq!(got.all(0x26), users.iter().map(|user| &user[1..]).collect::<Vec<_>>(), "MQTT-3.1.3-10: in order");
        assert!(got.all(0x18).is_empty(), "the delay is not passed on");
    }
    let mut cleaner = peer.plain(true, "cleaner").await;
    cleaner.publish_through(&crate::conform::message(topic, "").retained()).await;
}

#[tokio::test]
async fn a_will_waits_for_its_delay_unless_the_client_comes_back() {
    let peer = Peer::start().await;
    let topic = "relay/will/delay";
    let mut watcher = watcher(&peer, topic).await;
    let hello = |delay, seconds| {
        let will = Will { properties: will_delay(delay), ..will(topic, "late") };
        Hello { clean: false, ..Hello::new(true, "delayed").with(&expiry(seconds)) }.will(will)
    };
    let begin = Instant::now();
    peer.client(&hello(2, 60)).await.cut().await;
    watcher.quiet().await;
    assert_eq!(watcher.take().await.payload, "late", "3.1.3.2.2");
    assert!(begin.elapsed() >= Duration::from_millis(1_900), "{:?}", begin.elapsed());
    // Back in time: not sent (MQTT-3.1.3-9).
    peer.client(&hello(2, 60)).await.cut().await;
    let (client, connack) = peer.welcome(&Hello::lasting(true, "delayed")).await;
    assert!(connack.present);
    tokio::time::sleep(Duration::from_millis(3_000)).await;
    watcher.quiet().await;
    client.goodbye().await;
    // The session ends before the delay: sent then.
    let begin = Instant::now();
    peer.client(&hello(60, 1)).await.cut().await;
    assert_eq!(watcher.take().await.payload, "late", "3.1.2.5: at the end of the session");
    assert!(begin.elapsed() >= Duration::from_millis(900));
    peer.client(&hello(60, 0)).await.cut().await;
    assert_eq!(watcher.take().await.payload, "late", "at once without a session");
    // Started anew: the old session is over, so is the delay.
    peer.client(&hello(60, 60)).await.cut().await;
    let client = peer.plain(true, "delayed").await;
    assert_eq!(watcher.take().await.payload, "late", "3.1.2.5");
    client.goodbye().await;
    watcher.quiet().await;
}

#[tokio::test]
async fn a_takeover_sends_the_will_of_the_connection_that_died() {
    let peer = Peer::start().await;
    let topic = "relay/will/takeover";
    let mut watcher = watcher(&peer, topic).await;
    for v5 in [false, true] {
        let old = peer.client(&Hello::new(v5, "taken").will(will(topic, "old"))).await;
        let new = peer.client(&Hello::new(v5, "taken").will(will(topic, "new"))).await;
        assert_eq!(watcher.take().await.payload, "old", "MQTT-3.1.4-3, 3.1.2.5");
        drop(old);
        watcher.quiet().await;
        new.goodbye().await;
        watcher.quiet().await;
    }
}

#[tokio::test]
async fn a_client_hears_the_will_of_its_former_connection() {
    let peer = Peer::start().await;
    let topic = "relay/will/own";
    let hello = Hello::lasting(false, "own-will");
    let mut client = peer.client(&hello).await;
    client.subscribe(topic, 1).await;
    client.goodbye().await;
    peer.client(&hello.clone().will(Will { qos: 1, ..will(topic, "gone") })).await.cut().await;
    let mut client = peer.client(&hello).await;
    assert_eq!(client.take().await.payload, "gone");
    client.goodbye().await;
    peer.plain(false, "own-will").await.goodbye().await;
}
