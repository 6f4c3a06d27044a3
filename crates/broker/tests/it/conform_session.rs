//! Sessions that outlive their connection, and what is sent again.

use std::time::Duration;

use crate::conform::{End, Hello, Peer, disconnect, expiry, message, message_expiry};
use crate::support::packet;

#[tokio::test]
async fn session_present_says_what_is_there() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let id = format!("present-{v5}");
        let lasting = Hello::lasting(v5, &id);
        let expect =
            |connack: crate::conform::Connack, present| assert_eq!(connack.present, present, "MQTT-3.2.2-2, 3");
        let (client, connack) = peer.welcome(&lasting.clone().clean()).await;
        expect(connack, false);
        client.goodbye().await;
        if v5 {
            let (client, connack) = peer.welcome(&lasting).await;
            expect(connack, true);
            client.cut().await;
        } else {
            // A clean v3.1.1 session ends with its connection.
            let (client, connack) = peer.welcome(&lasting).await;
            expect(connack, false);
            client.cut().await;
        }
        let (client, connack) = peer.welcome(&lasting).await;
        expect(connack, true);
        client.goodbye().await;
        let (client, connack) = peer.welcome(&Hello::new(v5, &id)).await;
        expect(connack, false);
        client.goodbye().await;
        let (client, connack) = peer.welcome(&lasting).await;
        expect(connack, false); // the clean one ended it, and left none of its own
        client.goodbye().await;
        peer.plain(v5, &id).await.goodbye().await;
    }
}

#[tokio::test]
async fn messages_wait_for_a_client_that_is_away() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let id = format!("away-{v5}");
        let topic = format!("relay/{id}");
        let hello = Hello::lasting(v5, &id);
        let mut client = peer.client(&hello).await;
        client.subscribe(&topic, 2).await;
        client.goodbye().await;
        let mut publisher = peer.plain(v5, "away-publisher").await;
        for (number, qos) in [(1u16, 1), (2, 2), (3, 1), (4, 2)] {
            publisher.publish_through(&message(&topic, &number.to_string()).qos(qos, number)).await;
        }
        let (mut client, connack) = peer.welcome(&hello).await;
        assert!(connack.present);
        for (number, qos) in [("1", 1), ("2", 2), ("3", 1), ("4", 2)] {
            let got = client.take().await;
            assert_eq!((&*got.payload, got.qos, got.dup), (number, qos, false), "MQTT-3.1.2-5, MQTT-4.6.0-6");
        }
        client.quiet().await;
        client.goodbye().await;
        peer.plain(v5, &id).await.goodbye().await;
        // Discarded: nothing is there, nor the subscription (MQTT-3.1.2-4).
        publisher.publish_through(&message(&topic, "lost").qos(1, 1)).await;
        let mut client = peer.client(&hello).await;
        client.quiet().await;
        client.goodbye().await;
        peer.plain(v5, &id).await.goodbye().await;
    }
}

#[tokio::test]
async fn unsubscribed_while_here_stays_unsubscribed() {
    let peer = Peer::start().await;
    let hello = Hello::lasting(false, "flipflop");
    for round in 0..3 {
        let mut client = peer.client(&hello).await;
        client.subscribe("relay/flipflop", 1).await;
        client.cut().await;
        let mut client = peer.client(&hello).await;
        client.unsubscribe(&["relay/flipflop"]).await;
        client.goodbye().await;
        let mut publisher = peer.plain(false, "flipflop-publisher").await;
        publisher.publish_through(&message("relay/flipflop", &round.to_string()).qos(1, 1)).await;
        let mut client = peer.client(&hello).await;
        client.quiet().await;
        client.goodbye().await;
    }
    peer.plain(false, "flipflop").await.goodbye().await;
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again_with_the_same_id() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        for qos in [1, 2] {
            let id = format!("again-{v5}-{qos}");
            let topic = format!("relay/{id}");
            let hello = Hello::lasting(v5, &id);
            let mut client = peer.client(&hello).await;
            client.subscribe(&topic, qos).await;
            let mut publisher = peer.plain(v5, "again-publisher").await;
            let mut ids = Vec::new();
            for payload in ["1", "2", "3"] {
                publisher.publish_through(&message(&topic, payload).qos(qos, 1)).await;
                ids.push(client.got().await.id);
            }
            client.cut().await;
            let mut client = peer.client(&hello).await;
            for (payload, id) in ["1", "2", "3"].iter().zip(&ids) {
                let got = client.got().await;
                assert_eq!(
                    (&*got.payload, got.id, got.qos, got.dup),
                    (*payload, *id, qos, true),
                    "MQTT-4.4.0-1, MQTT-3.3.1-1"
                );
            }
            for id in &ids {
                if qos == 1 {
                    client.puback(*id).await;
                } else {
                    client.pubrec(*id).await;
                    assert_eq!(client.ack().await.0, (0x62, *id));
                }
            }
            client.ping().await;
            client.cut().await;
            let mut client = peer.client(&hello).await;
            if qos == 2 {
                for id in &ids {
                    assert_eq!(client.ack().await.0, (0x62, *id), "MQTT-4.4.0-1: PUBREL again");
                    client.pubcomp(*id).await;
                }
            }
            client.quiet().await;
            client.goodbye().await;
            let mut client = peer.client(&hello).await;
            client.quiet().await;
            client.goodbye().await;
            peer.plain(v5, &id).await.goodbye().await;
        }
    }
}

#[tokio::test]
async fn a_publisher_takes_its_qos_2_exchange_up_again() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let id = format!("taken-up-{v5}");
        let topic = format!("relay/{id}");
        let mut subscriber = peer.plain(v5, "taken-up-subscriber").await;
        subscriber.subscribe(&topic, 2).await;
        let hello = Hello::lasting(v5, &id);
        let mut publisher = peer.client(&hello).await;
        publisher.publish(&message(&topic, "x").qos(2, 21)).await;
        assert_eq!(publisher.ack().await.0, (0x50, 21));
        publisher.cut().await;
        let mut publisher = peer.client(&hello).await;
        publisher.pubrel(21).await;
        assert_eq!(publisher.ack().await, ((0x70, 21), 0), "MQTT-4.4.0-1");
        assert_eq!(subscriber.take().await.payload, "x");
        subscriber.quiet().await;
        publisher.goodbye().await;
        peer.plain(v5, &id).await.goodbye().await;
    }
}

#[tokio::test]
async fn a_session_lives_as_long_as_it_asked() {
    let peer = Peer::start().await;
    let id = "expiring";
    let asked = |seconds| Hello { clean: false, ..Hello::new(true, id).with(&expiry(seconds)) };
    // Without an expiry it ends with the connection, even if it was not asked to start clean (MQTT-3.1.2-23).
    for hello in [asked(0), Hello { clean: false, ..Hello::new(true, id) }] {
        peer.client(&hello).await.goodbye().await;
        let (client, connack) = peer.welcome(&asked(0)).await;
        assert!(!connack.present);
        client.goodbye().await;
    }
    peer.client(&asked(1)).await.goodbye().await;
    until_gone(&peer, &asked(1)).await;
    // DISCONNECT sets it anew.
    let mut client = peer.client(&asked(1)).await;
    client.send(&disconnect(0, &expiry(600))).await;
    assert_eq!(client.end().await, End::Closed);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let (mut client, connack) = peer.welcome(&asked(600)).await;
    assert!(connack.present, "3.14.2.2.2");
    client.send(&disconnect(0, &expiry(0))).await;
    assert_eq!(client.end().await, End::Closed);
    let (mut client, connack) = peer.welcome(&asked(0)).await;
    assert!(!connack.present, "ended at once");
    client.send(&disconnect(0, &expiry(5))).await;
    assert!(matches!(client.end().await, End::Closed | End::Told(0x82)), "MQTT-3.14.2-2");
    // For ever.
    peer.client(&asked(u32::MAX)).await.goodbye().await;
    let (client, connack) = peer.welcome(&asked(0)).await;
    assert!(connack.present);
    client.goodbye().await;
}

/// Looks again and again, each time letting the session rest a little longer than it lives.
async fn until_gone(peer: &Peer, hello: &Hello) {
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(2_200)).await;
        let (client, connack) = peer.welcome(hello).await;
        client.goodbye().await;
        if !connack.present {
            return;
        }
    }
    panic!("MQTT-4.1.0-2: the session outlives its expiry");
}

#[tokio::test]
async fn messages_expire_while_the_client_is_away() {
    let peer = Peer::start().await;
    let hello = Hello::lasting(true, "stale");
    let mut client = peer.client(&hello).await;
    client.subscribe("relay/stale", 2).await;
    client.goodbye().await;
    let mut publisher = peer.plain(true, "stale-publisher").await;
    for (payload, qos, seconds) in [("short 1", 1, 1), ("short 2", 2, 1), ("long 1", 1, 60), ("long 2", 2, 60)] {
        publisher.publish_through(&message("relay/stale", payload).qos(qos, 1).with(&message_expiry(seconds))).await;
    }
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let mut client = peer.client(&hello).await;
    for payload in ["long 1", "long 2"] {
        let got = client.take().await;
        assert_eq!(got.payload, payload, "MQTT-3.3.2-5");
        assert!(got.number(0x02).is_some_and(|left| (50..60).contains(&left)), "MQTT-3.3.2-6: {got:?}");
    }
    client.quiet().await;
    client.goodbye().await;
    peer.plain(true, "stale").await.goodbye().await;
}

#[tokio::test]
async fn a_session_may_change_its_version() {
    let peer = Peer::start().await;
    let mut client = peer.client(&Hello::lasting(false, "version")).await;
    client.subscribe("relay/version", 1).await;
    client.cut().await;
    let mut publisher = peer.plain(true, "version-publisher").await;
    publisher.publish_through(&message("relay/version", "x").qos(1, 1)).await;
    let (mut client, connack) = peer.welcome(&Hello::lasting(true, "version")).await;
    assert!(connack.present);
    assert_eq!(client.take().await.payload, "x");
    client.goodbye().await;
    peer.plain(true, "version").await.goodbye().await;
}

#[tokio::test]
async fn a_client_gets_no_more_at_a_time_than_it_takes() {
    let peer = Peer::start().await;
    for qos in [1, 2] {
        for maximum in [1u8, 3] {
            let mut client = peer.client(&Hello::new(true, "window").with(&[0x21, 0, maximum])).await;
            client.subscribe("relay/window", qos).await;
            let mut publisher = peer.plain(true, "window-publisher").await;
            for number in 1..=6u16 {
                publisher.publish_through(&message("relay/window", &number.to_string()).qos(qos, number)).await;
            }
            publisher.publish_through(&message("relay/window", "0")).await;
            let mut open = Vec::new();
            let mut payloads = Vec::new();
            for _ in 0..maximum {
                let got = client.got().await;
                open.push(got.id);
                payloads.push(got.payload);
            }
            // QoS 0 may pass, nothing else (MQTT-3.3.4-9, MQTT-4.9.0-2).
            while let Ok(found) = tokio::time::timeout(Duration::from_millis(250), client.raw.try_packet()).await {
                assert_eq!(found.expect("still open").first, 0x30);
            }
            while let Some(id) = open.pop() {
                if qos == 1 {
                    client.puback(id).await;
                } else {
                    client.pubrec(id).await;
                    assert_eq!(client.ack().await.0, (0x62, id));
                    client.pubcomp(id).await;
                }
                if payloads.len() < 6 {
                    let got = client.got().await;
                    if got.qos > 0 {
                        open.insert(0, got.id);
                        payloads.push(got.payload);
                    }
                }
            }
            assert_eq!(payloads.iter().filter(|payload| *payload != "0").count(), 6);
        }
    }
}

#[tokio::test]
async fn a_client_that_sends_more_than_we_take_is_told_so() {
    let peer = Peer::start().await;
    let (mut client, connack) = peer.welcome(&Hello::new(true, "too-many")).await;
    let maximum = connack.number(0x21).unwrap_or(65_535);
    if maximum > 1_000 {
        return; // takes them all
    }
    // QoS 2 without PUBREL: each holds its place.
    for id in 1..=maximum + 1 {
        let id = u16::try_from(id).unwrap();
        client.try_send(&message("relay/too-many", "x").qos(2, id).bytes(true)).await;
    }
    loop {
        let found = client.packet().await;
        if found.first == 0xE0 {
            assert_eq!(found.body[0], 0x93, "MQTT-3.3.4-7");
            return;
        }
        assert_eq!(found.first, 0x50);
    }
}

#[tokio::test]
async fn the_same_exchange_over_and_over_leaves_the_window_open() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let mut client = peer.plain(v5, "turnover").await;
        for round in 0..150u16 {
            client.publish_through(&message("relay/turnover", "x").qos(2, round % 7 + 1)).await;
            client.publish_through(&message("relay/turnover", "x").qos(1, round % 5 + 1)).await;
        }
        client.ping().await;
    }
}

#[tokio::test]
async fn a_takeover_keeps_the_session() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let id = format!("resume-{v5}");
        let topic = format!("relay/{id}");
        let hello = Hello::lasting(v5, &id);
        let mut old = peer.client(&hello).await;
        old.subscribe(&topic, 1).await;
        let mut publisher = peer.plain(v5, "resume-publisher").await;
        publisher.publish_through(&message(&topic, "1").qos(1, 1)).await;
        let first = old.got().await;
        let (mut new, connack) = peer.welcome(&hello).await;
        assert!(connack.present);
        let again = new.got().await;
        assert_eq!((again.id, &*again.payload, again.dup), (first.id, "1", true));
        new.puback(again.id).await;
        old.try_send(&packet(0x40, &first.id.to_be_bytes())).await;
        publisher.publish_through(&message(&topic, "2").qos(1, 1)).await;
        assert_eq!(new.take().await.payload, "2");
        new.goodbye().await;
        peer.plain(v5, &id).await.goodbye().await;
    }
}
