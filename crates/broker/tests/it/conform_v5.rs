//! What MQTT 5 adds: properties passed on, aliases, packet sizes.

use crate::conform::{Client, End, Hello, Peer, message, message_expiry, properties, text, user};
use crate::support::packet;

#[tokio::test]
async fn properties_are_passed_on_unaltered_and_in_order() {
    let peer = Peer::start().await;
    let mut subscriber = peer.plain(true, "forward-subscriber").await;
    subscriber.subscribe("relay/forward", 2).await;
    let mut old = peer.plain(false, "forward-v3").await;
    old.subscribe("relay/forward", 2).await;
    let mut publisher = peer.plain(true, "forward").await;
    let users = [user("z", "1"), user("a", "2"), user("z", "1"), user("", ""), user("楼", "台")];
    let rows: Vec<(&str, u8, Vec<u8>)> = vec![
        ("MQTT-3.3.2-4 payload format", 0x01, vec![1]),
        ("MQTT-3.3.2-4 payload format 0", 0x01, vec![0]),
        ("MQTT-3.3.2-20 content type", 0x03, text("application/json; 火")),
        ("MQTT-3.3.2-20 empty content type", 0x03, text("")),
        ("MQTT-3.3.2-15 response topic", 0x08, text("relay/answer/楼")),
        ("MQTT-3.3.2-16 correlation data", 0x09, [&[0, 4][..], &[0, 255, 1, 2]].concat()),
        ("MQTT-3.3.2-16 empty correlation data", 0x09, vec![0, 0]),
    ];
    for (what, id, value) in rows {
        for qos in 0..=2 {
            let props = [&[id][..], &value].concat();
            publisher.publish_through(&message("relay/forward", "x").qos(qos, 1).with(&props)).await;
            assert_eq!(subscriber.take().await.properties, [(id, value.clone())], "{what}");
            assert_eq!(old.take().await.payload, "x");
        }
    }
    let all: Vec<u8> = users.concat();
    publisher.publish_through(&message("relay/forward", "x").with(&all)).await;
    let got = subscriber.take().await;
    let expected: Vec<&[u8]> = users.iter().map(|user| &user[1..]).collect();
    assert_eq!(got.all(0x26), expected, "MQTT-3.3.2-17, 18");
    old.take().await;
    // From a v3.1.1 publisher: none.
    let mut plain = peer.plain(false, "forward-plain").await;
    plain.publish_through(&message("relay/forward", "x").qos(1, 1)).await;
    assert!(subscriber.take().await.properties.is_empty());
}

#[tokio::test]
async fn the_expiry_is_passed_on_as_what_is_left() {
    let peer = Peer::start().await;
    let mut client = peer.plain(true, "left").await;
    client.subscribe("relay/left", 0).await;
    client.publish(&message("relay/left", "x").with(&message_expiry(60))).await;
    let left = client.got().await.number(0x02);
    assert!(left.is_some_and(|left| (58..=60).contains(&left)), "MQTT-3.3.2-6: {left:?}");
    client.publish(&message("relay/left", "x").with(&message_expiry(u32::MAX))).await;
    assert!(client.got().await.number(0x02).is_some_and(|left| left >= u64::from(u32::MAX) - 2));
}

#[tokio::test]
async fn a_client_may_name_topics_by_alias() {
    let peer = Peer::start().await;
    let (mut client, connack) = peer.welcome(&Hello::new(true, "alias")).await;
    let maximum = connack.number(0x22).unwrap_or(0);
    if maximum < 2 {
        return; // takes none
    }
    let mut subscriber = peer.plain(true, "alias-subscriber").await;
    subscriber.subscribe("relay/alias/#", 1).await;
    let alias = |number: u64| [&[0x23][..], &u16::try_from(number).unwrap().to_be_bytes()].concat();
    let rows = [
        ("relay/alias/a", 1, "relay/alias/a"),
        ("", 1, "relay/alias/a"),
        ("relay/alias/b", maximum, "relay/alias/b"),
        ("", 1, "relay/alias/a"),
        ("", maximum, "relay/alias/b"),
        ("relay/alias/c", 1, "relay/alias/c"), // MQTT 5 3.3.2.3.4: set anew
        ("", 1, "relay/alias/c"),
    ];
    for (topic, number, expected) in rows {
        for qos in 0..=2 {
            client.publish_through(&message(topic, "x").qos(qos, 1).with(&alias(number))).await;
            let got = subscriber.take().await;
            assert_eq!((&*got.topic, got.number(0x23)), (expected, None), "MQTT-3.3.2-7, MQTT-3.3.2-12");
        }
    }
    // They are the connection's own (MQTT-3.3.2-10).
    client.goodbye().await;
    let mut client = peer.plain(true, "alias").await;
    client.send(&message("", "x").with(&alias(1)).bytes(true)).await;
    assert!(matches!(client.end().await, End::Closed | End::Told(0x82 | 0x81 | 0x94)));
    let mut client = peer.plain(true, "alias").await;
    client.send(&message("relay/alias/d", "x").with(&alias(maximum + 1)).bytes(true)).await;
    assert!(matches!(client.end().await, End::Closed | End::Told(0x94)), "MQTT-3.3.2-9");
}

#[tokio::test]
async fn a_client_gets_only_aliases_that_it_can_resolve() {
    let peer = Peer::start().await;
    let mut publisher = peer.plain(true, "alias-publisher").await;
    for maximum in [0u16, 1, 3] {
        let props = [&[0x22][..], &maximum.to_be_bytes()].concat();
        let mut client = peer.client(&Hello::new(true, "alias-client").with(&props)).await;
        client.subscribe("relay/resolve/#", 0).await;
        let mut known = std::collections::BTreeMap::<u64, String>::new();
        for number in 0..12 {
            let topic = format!("relay/resolve/{}", number % 4);
            publisher.publish_through(&message(&topic, &topic)).await;
            let got = client.got().await;
            let alias = got.number(0x23);
            assert!(alias.is_none_or(|alias| alias > 0 && alias <= u64::from(maximum)), "MQTT-3.1.2-26: {alias:?}");
            let resolved = match (got.topic.is_empty(), alias) {
                (true, alias) => known[&alias.expect("MQTT-3.3.2-8: an alias for an empty topic")].clone(),
                (false, Some(alias)) => {
                    known.insert(alias, got.topic.clone());
                    got.topic
                }
                (false, None) => got.topic,
            };
            assert_eq!(resolved, got.payload);
        }
    }
}

#[tokio::test]
async fn a_client_gets_no_packet_larger_than_it_takes() {
    let peer = Peer::start().await;
    for qos in 0..=2 {
        let mut client = peer.client(&Hello::new(true, "small").with(&[0x27, 0, 0, 0, 60])).await;
        client.subscribe("relay/small", qos).await;
        let mut publisher = peer.plain(true, "small-publisher").await;
        for payload in ["x".repeat(200), "fits".into(), "y".repeat(60), "too".into()] {
            publisher.publish_through(&message("relay/small", &payload).qos(qos, 1)).await;
        }
        for payload in ["fits", "too"] {
            assert_eq!(client.take().await.payload, payload, "MQTT-3.1.2-24, 25");
        }
        client.quiet().await;
    }
}

#[tokio::test]
async fn a_packet_larger_than_we_take_ends_the_connection() {
    let peer = Peer::start().await;
    let (mut client, connack) = peer.welcome(&Hello::new(true, "large")).await;
    let Some(maximum) = connack.number(0x27).filter(|maximum| *maximum < 10_000_000) else { return };
    let payload = vec![b'x'; usize::try_from(maximum).unwrap()];
    client.try_send(&packet(0x30, &[&text("relay/large")[..], &[0], &payload].concat())).await;
    let end = client.end().await;
    assert!(matches!(end, End::Closed | End::Told(0x95)), "MQTT-3.2.2-15: {end:?}");
}

/// The next packet, whatever it is.
async fn next(client: &mut Client) -> crate::support::Packet {
    client.packet().await
}

#[tokio::test]
async fn without_problem_information_no_reason_string_comes() {
    let peer = Peer::start().await;
    let mut client = peer.client(&Hello::new(true, "terse").with(&[0x17, 0])).await;
    client.publish(&message("relay/terse/nobody", "x").qos(1, 1)).await;
    let puback = next(&mut client).await;
    assert_eq!(puback.first, 0x40);
    assert!(puback.body.len() <= 4, "MQTT-3.1.2-29: neither reason string nor user properties: {puback:?}");
    let body = [&[0, 77, 0][..], &text("relay/#/x"), &[0]].concat();
    client.send(&packet(0x82, &body)).await;
    let answer = next(&mut client).await;
    if answer.first == 0x90 {
        assert_eq!(answer.body[2], 0, "{answer:?}");
    }
}

#[tokio::test]
async fn empty_and_repeated_user_properties_are_fine_everywhere() {
    let peer = Peer::start().await;
    let users = [user("k", "1"), user("k", "1"), user("", "")].concat();
    let mut client = peer.client(&Hello::new(true, "users").with(&users)).await;
    assert_eq!(client.subscribe_with(&users, &[("relay/users", 1)]).await, [1]);
    client.publish(&message("relay/users", "x").qos(1, 1).with(&users)).await;
    assert_eq!(client.ack().await.0, (0x40, 1));
    assert_eq!(client.take().await.all(0x26).len(), 3);
    let body = [&[0, 77][..], &properties(&users), &text("relay/users")].concat();
    client.send(&packet(0xA2, &body)).await;
    assert_eq!(next(&mut client).await.first, 0xB0);
    client.send(&crate::conform::disconnect(0, &users)).await;
    assert_eq!(client.end().await, End::Closed);
}

#[tokio::test]
async fn reauthentication_without_a_method_is_refused() {
    let peer = Peer::start().await;
    let mut client = peer.plain(true, "auth").await;
    let auth = packet(0xF0, &[&[0x19][..], &properties(&[0x15, 0, 1, b'x'])].concat());
    client.send(&auth).await;
    let end = client.end().await;
    assert!(matches!(end, End::Closed | End::Told(0x82 | 0x8C | 0x81)), "MQTT-4.12.0-7: {end:?}");
}
