//! Retained messages.

use crate::conform::{Client, Got, Hello, Peer, fresh, message, message_expiry};

/// Publishes through, with retain.
async fn keep(client: &mut Client, topic: &str, payload: &str, qos: u8) {
    client.publish_through(&message(topic, payload).retained().qos(qos, 1)).await;
}

/// Topic, payload, QoS and retain flag of all that a new subscription gets at once, sorted.
async fn on_subscribe(peer: &Peer, v5: bool, filter: &str, options: u8) -> Vec<(String, String, u8, bool)> {
    let mut client = peer.plain(v5, &fresh("retain-reader")).await;
    client.subscribe(filter, options).await;
    let mut found =
        all(&mut client).await.into_iter().map(|got| (got.topic, got.payload, got.qos, got.retain)).collect::<Vec<_>>();
    found.sort();
    found
}

/// What comes before a marker that the client sends to itself.
async fn all(client: &mut Client) -> Vec<Got> {
    let marker = format!("relay/marker/{}", fresh("m"));
    client.subscribe_after(&marker).await;
    client.publish(&message(&marker, "end")).await;
    let mut found = Vec::new();
    loop {
        let got = client.take().await;
        if got.topic == marker {
            return found;
        }
        found.push(got);
    }
}

#[tokio::test]
async fn the_last_retained_message_of_a_topic_is_kept() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let topic = format!("relay/last-{v5}");
        let mut publisher = peer.plain(v5, "last").await;
        for qos in 0..=2 {
            for payload in ["old", "new"] {
                keep(&mut publisher, &topic, payload, qos).await;
            }
            let found = on_subscribe(&peer, v5, &topic, 2).await;
            assert_eq!(found, [(topic.clone(), "new".into(), qos, true)], "MQTT-3.3.1-5, MQTT-3.3.1-8");
        }
        // Not retained: leaves what is kept (MQTT-3.3.1-8).
        publisher.publish_through(&message(&topic, "passing").qos(1, 1)).await;
        assert_eq!(on_subscribe(&peer, v5, &topic, 0).await, [(topic.clone(), "new".into(), 0, true)]);
        // Kept although the publisher is gone.
        publisher.goodbye().await;
        assert_eq!(on_subscribe(&peer, !v5, &topic, 1).await, [(topic.clone(), "new".into(), 1, true)]);
        let mut publisher = peer.plain(v5, "last").await;
        for qos in 0..=2 {
            keep(&mut publisher, &topic, "again", qos).await;
            keep(&mut publisher, &topic, "", qos).await;
            assert_eq!(on_subscribe(&peer, v5, &topic, 2).await, [], "MQTT-3.3.1-6");
        }
    }
}

#[tokio::test]
async fn wildcards_find_all_that_is_kept() {
    let peer = Peer::start().await;
    let mut publisher = peer.plain(true, "wild").await;
    let topics = ["relay/wild", "relay/wild/a", "relay/wild/b/c", "relay/wild/b/d", "relay/wild/楼/c"];
    for topic in topics {
        keep(&mut publisher, topic, "x", 1).await;
    }
    let rows: [(&str, &[usize]); 5] = [
        ("relay/wild/#", &[0, 1, 2, 3, 4]),
        ("relay/wild/+", &[1]),
        ("relay/wild/+/c", &[2, 4]),
        ("relay/+/b/#", &[2, 3]),
        ("relay/wild/b", &[]),
    ];
    for (filter, expected) in rows {
        let found: Vec<String> = on_subscribe(&peer, true, filter, 0).await.into_iter().map(|found| found.0).collect();
        let expected: Vec<String> = expected.iter().map(|index| topics[*index].to_owned()).collect();
        assert_eq!(found, expected, "{filter}");
    }
    for topic in topics {
        keep(&mut publisher, topic, "", 1).await;
    }
    assert_eq!(on_subscribe(&peer, true, "relay/wild/#", 0).await, []);
}

#[tokio::test]
async fn a_live_subscriber_sees_the_flag_only_if_it_asked_for_it() {
    let peer = Peer::start().await;
    let mut plain = peer.plain(true, "flag-plain").await;
    let mut old = peer.plain(false, "flag-v3").await;
    let mut published = peer.plain(true, "flag-published").await;
    plain.subscribe("relay/flag", 1).await;
    old.subscribe("relay/flag", 1).await;
    published.subscribe("relay/flag", 8 | 1).await;
    let mut publisher = peer.plain(true, "flag").await;
    for (payload, retain) in [("1", true), ("2", false), ("", true)] {
        let sent = message("relay/flag", payload).qos(1, 1);
        let sent = if retain { sent.retained() } else { sent };
        publisher.publish_through(&sent).await;
        for (client, expected) in [(&mut plain, false), (&mut old, false), (&mut published, retain)] {
            let got = client.take().await;
            assert_eq!((&*got.payload, got.retain), (payload, expected), "MQTT-3.3.1-12, MQTT-3.3.1-13");
        }
    }
}

#[tokio::test]
async fn retain_handling_decides_what_a_subscription_gets() {
    let peer = Peer::start().await;
    let mut publisher = peer.plain(true, "handling").await;
    keep(&mut publisher, "relay/handling", "kept", 1).await;
    let always = 0;
    let if_new = 0x10;
    let never = 0x20;
    // options of the first and of the second subscription, what each brings
    for (first, second, expected) in [
        (always, always, [1, 1]),
        (if_new, if_new, [1, 0]),
        (never, never, [0, 0]),
        (never, always, [0, 1]),
        (never, if_new, [0, 0]),
    ] {
        let mut client = peer.plain(true, "handling-reader").await;
        client.subscribe("relay/handling", first).await;
        let one = all(&mut client).await.len();
        client.subscribe("relay/handling", second).await;
        let two = all(&mut client).await.len();
        assert_eq!([one, two], expected, "MQTT-3.3.1-9 to 11: {first:#x} {second:#x}");
        client.unsubscribe(&["relay/handling"]).await;
        client.subscribe("relay/handling", if_new).await;
        assert_eq!(all(&mut client).await.len(), 1, "new again");
    }
    // v3.1.1: each SUBSCRIBE brings them again (MQTT-3.8.4-3).
    let mut old = peer.plain(false, "handling-v3").await;
    for _ in 0..2 {
        old.subscribe("relay/handling", 0).await;
        let got = all(&mut old).await;
        assert_eq!((got.len(), got[0].retain), (1, true));
    }
    // A session that comes back is not a new subscription.
    let hello = Hello::lasting(true, "handling-lasting");
    let mut client = peer.client(&hello.clone().clean()).await;
    client.subscribe("relay/handling", 1).await;
    assert_eq!(all(&mut client).await.len(), 1);
    client.cut().await;
    let mut client = peer.client(&hello).await;
    client.quiet().await;
    client.goodbye().await;
    peer.plain(true, "handling-lasting").await.goodbye().await;
    keep(&mut publisher, "relay/handling", "", 1).await;
}

#[tokio::test]
async fn a_shared_subscription_gets_nothing_retained() {
    let peer = Peer::start().await;
    let mut client = peer.plain(true, "shared-retain").await;
    keep(&mut client, "relay/shared-retain", "x", 0).await;
    client.subscribe("$share/g/relay/shared-retain", 0).await;
    client.quiet().await; // 4.8.2
    keep(&mut client, "relay/shared-retain", "", 0).await;
}

#[tokio::test]
async fn retained_messages_keep_their_properties_and_expire() {
    let peer = Peer::start().await;
    let mut publisher = peer.plain(true, "properties").await;
    let props = [&message_expiry(1)[..], &[0x03, 0, 1, b'c'], &[0x26, 0, 1, b'k', 0, 1, b'v']].concat();
    publisher.publish_through(&message("relay/expiring", "x").retained().qos(1, 1).with(&props)).await;
    let props = [&message_expiry(100)[..], &[0x08, 0, 1, b'r', 0x09, 0, 1, 7]].concat();
    publisher.publish_through(&message("relay/lasting", "x").retained().qos(1, 1).with(&props)).await;
    let mut reader = peer.plain(true, "properties-reader").await;
    reader.subscribe("relay/expiring", 1).await;
    let got = reader.take().await;
    assert_eq!((got.all(0x03), got.all(0x26)), (vec![&[0, 1, b'c'][..]], vec![&[0, 1, b'k', 0, 1, b'v'][..]]));
    assert!(got.number(0x02).is_some_and(|left| left <= 1), "{got:?}");
    until_expired(&peer, "relay/expiring").await;
    reader.subscribe("relay/lasting", 1).await;
    let got = reader.take().await;
    assert_eq!((got.all(0x08), got.all(0x09)), (vec![&[0, 1, b'r'][..]], vec![&[0, 1, 7][..]]));
    assert!(got.number(0x02).is_some_and(|left| (1..=100).contains(&left)), "MQTT-3.3.2-6: {got:?}");
    keep(&mut publisher, "relay/lasting", "", 0).await;
}

/// Waits until a retained message is not handed out any more; peers look at their clocks once a second or so.
async fn until_expired(peer: &Peer, topic: &str) {
    let waiting = async {
        while !on_subscribe(peer, true, topic, 0).await.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), waiting).await.expect("MQTT-3.3.2-5: it expires");
}
