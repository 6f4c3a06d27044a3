//! PUBLISH and its acknowledgements, both ways.

use crate::conform::{Client, End, Faults, Hello, Peer, Publish, fresh, message, properties, text};
use crate::support::packet;

#[tokio::test]
async fn a_message_arrives_with_the_lesser_qos() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let mut publisher = peer.plain(v5, "qos-publisher").await;
        let mut subscriber = peer.plain(v5, "qos-subscriber").await;
        for granted in 0..=2 {
            subscriber.subscribe("relay/qos", granted).await;
            for published in 0..=2u8 {
                let payload = format!("{published} at {granted}");
                publisher.publish_through(&message("relay/qos", &payload).qos(published, 9)).await;
                let got = subscriber.take().await;
                assert_eq!((got.payload, got.qos), (payload, published.min(granted)), "MQTT-3.8.4-8");
                assert!(!got.dup && !got.retain, "MQTT-3.3.1-9");
            }
        }
        subscriber.quiet().await;
    }
}

#[tokio::test]
async fn a_client_hears_itself() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let mut client = peer.plain(v5, "itself").await;
        client.subscribe("relay/itself", 2).await;
        for qos in 0..=2u8 {
            client.publish(&message("relay/itself", "x").qos(qos, 5)).await;
            // Acknowledgements and the message may come in any order: PUBACK; PUBREC, PUBCOMP, PUBREL.
            let mut expected = match qos {
                0 => vec![],
                1 => vec![0x40],
                _ => vec![0x50, 0x70, 0x62],
            };
            let mut heard = false;
            while !(expected.is_empty() && heard) {
                let packet = client.packet().await;
                if packet.first >> 4 == 3 {
                    assert_eq!(packet.first, 0x30 | qos << 1);
                    heard = true;
                    let at = 2 + "relay/itself".len();
                    match qos {
                        0 => {}
                        1 => client.puback(u16::from_be_bytes([packet.body[at], packet.body[at + 1]])).await,
                        _ => client.pubrec(u16::from_be_bytes([packet.body[at], packet.body[at + 1]])).await,
                    }
                    continue;
                }
                let index = expected.iter().position(|first| *first == packet.first);
                expected.remove(index.unwrap_or_else(|| panic!("{packet:?}")));
                let id = u16::from_be_bytes([packet.body[0], packet.body[1]]);
                match packet.first {
                    0x50 => client.pubrel(id).await,
                    0x62 => client.pubcomp(id).await,
                    _ => {}
                }
            }
        }
    }
}

#[tokio::test]
async fn an_empty_payload_and_a_large_one_arrive() {
    let peer = Peer::start().await;
    let mut client = peer.plain(false, "payloads").await;
    client.subscribe("relay/payload", 0).await;
    for length in [0, 1, 127, 128, 16_383, 16_384, 60_000] {
        let payload = "x".repeat(length);
        client.publish(&message("relay/payload", &payload)).await;
        assert_eq!(client.got().await.payload.len(), length);
    }
}

#[tokio::test]
async fn topics_are_any_utf8_and_case_counts() {
    let peer = Peer::start().await;
    let mut client = peer.plain(true, "topics").await;
    client.subscribe("relay/topics/#", 0).await;
    for topic in [
        "relay/topics",
        "relay/topics/",
        "relay/topics//",
        "relay/topics/Ab",
        "relay/topics/ab c",
        "relay/topics/楼宇/台/\u{1F525}",
        "relay/topics/\u{FEFF}x",
    ] {
        client.publish(&message(topic, "1")).await;
        assert_eq!(client.got().await.topic, topic, "MQTT-4.7.3-4, MQTT-1.5.4-3");
    }
    client.subscribe("relay/Topics/a", 0).await;
    client.publish(&message("relay/Topics/A", "1")).await;
    client.quiet().await;
}

/// Sends what must end the connection.
async fn fatal(peer: &Peer, faults: &mut Faults, v5: bool, what: &str, bytes: &[u8], codes: &[u8]) {
    let mut client = peer.plain(v5, &fresh("fatal")).await;
    client.send(bytes).await;
    let end = client.end_soon().await;
    let allowed = match end {
        End::Closed => true,
        End::Told(code) => codes.contains(&code),
        End::Other(_) | End::Open => false,
    };
    faults.check(allowed, || format!("{what} (v5: {v5}): {end:x?}"));
}

#[tokio::test]
async fn a_malformed_publish_ends_the_connection() {
    let peer = Peer::start().await;
    let mut faults = Faults::default();
    let publish = |first: u8, topic: &[u8], rest: &[u8]| {
        let length = u16::try_from(topic.len()).unwrap().to_be_bytes();
        packet(first, &[&length[..], topic, rest].concat())
    };
    let good = b"relay/bad";
    // first byte, topic, what follows the topic in v3.1.1 (v5 puts its properties behind the packet id)
    let rows: [(&str, u8, &[u8], &[u8]); 10] = [
        ("MQTT-3.3.1-4 QoS 3", 0x36, good, &[0, 1]),
        ("MQTT-3.3.1-4 QoS 3 with DUP", 0x3E, good, &[0, 1]),
        ("MQTT-3.3.1-2 DUP with QoS 0", 0x38, good, &[]),
        ("MQTT-2.2.1-3 id 0 with QoS 1", 0x32, good, &[0, 0]),
        ("MQTT-2.2.1-3 id 0 with QoS 2", 0x34, good, &[0, 0]),
        ("MQTT-3.3.2-2 #", 0x30, b"relay/#", &[]),
        ("MQTT-3.3.2-2 +", 0x30, b"relay/+/x", &[]),
        ("MQTT-1.5.4-1 not UTF-8", 0x30, b"relay/\xC3\x28", &[]),
        ("MQTT-1.5.4-1 surrogate", 0x30, b"relay/\xED\xA0\x80", &[]),
        ("MQTT-1.5.4-2 NUL", 0x30, b"relay/\0", &[]),
    ];
    for (what, first, topic, rest) in rows {
        fatal(&peer, &mut faults, false, what, &publish(first, topic, rest), &[]).await;
        let v5 = publish(first, topic, &[rest, &[0]].concat());
        fatal(&peer, &mut faults, true, what, &v5, &[0x81, 0x82, 0x90, 0x9B]).await;
    }
    fatal(&peer, &mut faults, false, "MQTT-4.7.3-1 empty topic", &publish(0x30, b"", b"x"), &[]).await;
    fatal(
        &peer,
        &mut faults,
        true,
        "3.3.2.1 empty topic without alias",
        &publish(0x30, b"", &[0]),
        &[0x81, 0x82, 0x90],
    )
    .await;
    fatal(&peer, &mut faults, false, "cut in the topic", &packet(0x30, &[0, 9, b'a']), &[]).await;
    fatal(&peer, &mut faults, false, "cut before the id", &packet(0x32, &[0, 1, b'a', 0]), &[]).await;
    fatal(&peer, &mut faults, true, "cut before the properties", &packet(0x30, &[0, 1, b'a']), &[0x81]).await;
    fatal(&peer, &mut faults, true, "properties beyond the end", &packet(0x30, &[0, 1, b'a', 9, 1]), &[0x81]).await;
}

#[tokio::test]
async fn a_publish_with_wrong_properties_ends_the_connection() {
    let peer = Peer::start().await;
    let mut faults = Faults::default();
    let rows: [(&str, &[u8], &[u8]); 13] = [
        ("3.3.2.3.2 payload format 2", &[0x01, 2], &[0x81, 0x82]),
        ("3.3.2.3.2 payload format twice", &[0x01, 0, 0x01, 0], &[0x82, 0x81]),
        ("3.3.2.3.3 expiry twice", &[0x02, 0, 0, 0, 1, 0x02, 0, 0, 0, 1], &[0x82, 0x81]),
        ("3.3.2.3.3 expiry cut", &[0x02, 0, 0], &[0x81]),
        ("MQTT-3.3.2-8 alias 0", &[0x23, 0, 0], &[0x94]),
        ("MQTT-3.3.2-9 alias above all maxima", &[0x23, 0xFF, 0xFF], &[0x94]),
        ("3.3.2.3.4 alias twice", &[0x23, 0, 1, 0x23, 0, 1], &[0x82, 0x81]),
        ("3.3.2.3.5 response topic twice", &[0x08, 0, 1, b'a', 0x08, 0, 1, b'a'], &[0x82, 0x81]),
        ("MQTT-3.3.2-14 response topic with wildcard", &[0x08, 0, 1, b'#'], &[0x82, 0x81, 0x90]),
        ("3.3.2.3.6 correlation data twice", &[0x09, 0, 1, 1, 0x09, 0, 1, 1], &[0x82, 0x81]),
        ("MQTT-3.3.4-6 subscription identifier", &[0x0B, 1], &[0x82, 0x81]),
        ("2.2.2.2 not its property", &[0x11, 0, 0, 0, 1], &[0x82, 0x81]),
        ("2.2.2.2 unknown property", &[0x7A, 1], &[0x82, 0x81]),
    ];
    for (what, props, codes) in rows {
        let bytes = message("relay/bad", "x").with(props).bytes(true);
        fatal(&peer, &mut faults, true, what, &bytes, codes).await;
    }
    let unknown = packet(0x30, &[&text("")[..], &properties(&[0x23, 0, 1]), b"x"].concat());
    fatal(&peer, &mut faults, true, "3.3.2.3.4 alias never set", &unknown, &[0x82, 0x81, 0x94]).await;
}

#[tokio::test]
async fn malformed_acknowledgements_end_the_connection() {
    let peer = Peer::start().await;
    let mut faults = Faults::default();
    let rows: [(&str, bool, Vec<u8>); 17] = [
        ("PUBACK flags", false, packet(0x41, &[0, 1])),
        ("PUBREC flags", false, packet(0x52, &[0, 1])),
        ("MQTT-3.6.1-1 PUBREL flags", false, packet(0x60, &[0, 1])),
        ("PUBCOMP flags", false, packet(0x71, &[0, 1])),
        ("PUBACK without id", false, packet(0x40, &[])),
        ("PUBREC of one byte", false, packet(0x50, &[0])),
        ("PUBREL without id", false, packet(0x62, &[])),
        ("PUBCOMP of one byte", false, packet(0x70, &[0])),
        ("PUBREL id 0", false, packet(0x62, &[0, 0])),
        ("PUBACK flags v5", true, packet(0x41, &[0, 1])),
        ("PUBREL flags v5", true, packet(0x60, &[0, 1])),
        ("PUBACK not its reason", true, packet(0x40, &[0, 1, 0x04])),
        ("PUBREL not its reason", true, packet(0x62, &[0, 1, 0x10])),
        ("PUBCOMP not its reason", true, packet(0x70, &[0, 1, 0x80])),
        ("PUBACK not its property", true, packet(0x40, &[0, 1, 0, 3, 0x23, 0, 1])),
        ("PUBREC reason string twice", true, packet(0x50, &[0, 1, 0, 8, 0x1F, 0, 1, b'a', 0x1F, 0, 1, b'a'])),
        ("PUBACK properties cut", true, packet(0x40, &[0, 1, 0, 9, 0x1F])),
    ];
    for (what, v5, bytes) in rows {
        fatal(&peer, &mut faults, v5, what, &bytes, &[0x81, 0x82]).await;
    }
}

#[tokio::test]
async fn qos_2_is_delivered_once_however_often_it_is_sent_before_the_release() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let mut subscriber = peer.plain(v5, "once-subscriber").await;
        subscriber.subscribe("relay/once", 2).await;
        let mut publisher = peer.plain(v5, "once-publisher").await;
        let sent = message("relay/once", "first").qos(2, 12);
        publisher.publish(&sent).await;
        assert_eq!(publisher.ack().await.0, (0x50, 12), "MQTT-4.3.3-8");
        for _ in 0..3 {
            publisher.publish(&sent.clone().again()).await;
            assert_eq!(publisher.ack().await.0, (0x50, 12), "MQTT-4.3.3-10 (v5: {v5})");
        }
        publisher.pubrel(12).await;
        assert_eq!(publisher.ack().await, ((0x70, 12), 0), "MQTT-4.3.3-11");
        assert_eq!(subscriber.take().await.payload, "first");
        subscriber.quiet().await;
        // The id is free again: another message, even with DUP (MQTT-4.3.3-12, MQTT-3.3.1-3).
        publisher.publish_through(&message("relay/once", "second").qos(2, 12)).await;
        assert_eq!(subscriber.take().await.payload, "second");
    }
}

#[tokio::test]
async fn qos_2_is_not_delivered_again_when_it_is_sent_again_after_a_reconnect() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let name = format!("resent-{v5}");
        let topic = format!("relay/{name}");
        let mut subscriber = peer.plain(v5, "resent-subscriber").await;
        subscriber.subscribe(&topic, 2).await;
        let hello = Hello::lasting(v5, &name);
        let mut publisher = peer.client(&hello).await;
        publisher.publish(&message(&topic, "1").qos(2, 7)).await;
        assert_eq!(publisher.ack().await.0, (0x50, 7));
        publisher.cut().await;
        let (mut publisher, connack) = peer.welcome(&hello).await;
        assert!(connack.present, "MQTT-3.2.2-3");
        publisher.publish(&message(&topic, "1").qos(2, 7).again()).await;
        assert_eq!(publisher.ack().await.0, (0x50, 7));
        publisher.pubrel(7).await;
        assert_eq!(publisher.ack().await.0, (0x70, 7));
        // Delivered with the PUBLISH or with the PUBREL (figure 4.3), once.
        assert_eq!(subscriber.take().await.payload, "1");
        subscriber.quiet().await;
        // Released already: the second PUBREL is answered too.
        publisher.pubrel(7).await;
        let (which, reason) = publisher.ack().await;
        assert_eq!(which, (0x70, 7));
        assert!(matches!(reason, 0 | 0x92), "{reason:#x}");
        peer.plain(v5, &name).await.goodbye().await;
    }
}

#[tokio::test]
async fn an_unknown_packet_id_is_answered_or_borne() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let mut client = peer.plain(v5, "unknown-id").await;
        client.pubrel(4_321).await;
        let (which, reason) = client.ack().await;
        assert_eq!(which, (0x70, 4_321));
        assert!(matches!(reason, 0 | 0x92), "4.3.3: {reason:#x}");
        client.puback(99).await;
        client.pubcomp(98).await;
        client.ping().await;
    }
}

#[tokio::test]
async fn an_unacknowledged_message_waits_and_the_exchange_goes_step_by_step() {
    let peer = Peer::start().await;
    let mut subscriber = peer.plain(false, "steps-subscriber").await;
    subscriber.subscribe("relay/steps", 2).await;
    let mut publisher = peer.plain(false, "steps-publisher").await;
    publisher.publish_through(&message("relay/steps", "x").qos(2, 1)).await;
    let got = subscriber.got().await;
    subscriber.quiet().await; // MQTT-4.4.0-1: not sent again on the same connection
    subscriber.pubrec(got.id).await;
    assert_eq!(subscriber.ack().await.0, (0x62, got.id), "MQTT-4.3.3-5");
    subscriber.quiet().await;
    subscriber.pubrec(got.id).await;
    assert_eq!(subscriber.ack().await.0, (0x62, got.id), "a second PUBREC gets its PUBREL too");
    subscriber.pubcomp(got.id).await;
    subscriber.quiet().await;
}

#[tokio::test]
async fn messages_of_a_topic_keep_their_order() {
    let peer = Peer::start().await;
    for (v5, qos) in [(false, 0), (false, 1), (true, 1), (false, 2), (true, 2)] {
        let mut subscriber = peer.plain(v5, "order-subscriber").await;
        subscriber.subscribe("relay/order", qos).await;
        let mut publisher = peer.plain(v5, "order-publisher").await;
        for number in 1..=40u16 {
            publisher.publish(&message("relay/order", &number.to_string()).qos(qos, number)).await;
            acknowledge(&mut publisher, qos, number).await;
        }
        let mut payloads = Vec::new();
        for _ in 1..=40 {
            payloads.push(subscriber.take().await.payload.parse::<u16>().unwrap());
        }
        assert_eq!(payloads, (1..=40).collect::<Vec<_>>(), "MQTT-4.6.0-6");
    }
}

async fn acknowledge(publisher: &mut Client, qos: u8, id: u16) {
    match qos {
        0 => {}
        1 => assert_eq!(publisher.ack().await.0, (0x40, id), "MQTT-4.6.0-2"),
        _ => {
            assert_eq!(publisher.ack().await.0, (0x50, id), "MQTT-4.6.0-3");
            publisher.pubrel(id).await;
            assert_eq!(publisher.ack().await.0, (0x70, id));
        }
    }
}

#[tokio::test]
async fn several_messages_in_flight_are_acknowledged_in_their_order() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let mut publisher = peer.plain(v5, "pipeline").await;
        let burst: Vec<u8> = (1..=10).flat_map(|id| message("relay/pipeline", "x").qos(1, id).bytes(v5)).collect();
        publisher.send(&burst).await;
        for id in 1..=10 {
            assert_eq!(publisher.ack().await.0, (0x40, id), "MQTT-4.6.0-2");
        }
        let burst: Vec<u8> = (1..=10).flat_map(|id| message("relay/pipeline", "x").qos(2, id).bytes(v5)).collect();
        publisher.send(&burst).await;
        for id in 1..=10 {
            assert_eq!(publisher.ack().await.0, (0x50, id), "MQTT-4.6.0-3");
        }
        for id in 1..=10 {
            publisher.pubrel(id).await;
        }
        for id in 1..=10 {
            assert_eq!(publisher.ack().await.0, (0x70, id));
        }
    }
}

#[tokio::test]
async fn a_client_that_publishes_to_dollar_topics_reaches_nobody() {
    let peer = Peer::start().await;
    let mut watcher = peer.plain(true, "dollar-watcher").await;
    watcher.subscribe("#", 0).await;
    watcher.subscribe("+/relay", 0).await;
    for v5 in [false, true] {
        let mut client = peer.plain(v5, "dollar").await;
        client.publish(&message("$SYS/relay", "x").qos(1, 3)).await;
        let (which, reason) = client.ack().await;
        assert_eq!(which, (0x40, 3));
        assert!(!v5 || reason >= 0x10, "not permitted or heard by nobody: {reason:#x}");
        client.ping().await;
    }
    while let Ok(Some(packet)) =
        tokio::time::timeout(std::time::Duration::from_millis(300), watcher.raw.try_packet()).await
    {
        assert_ne!(&packet.body[2..5], b"$SY", "MQTT-4.7.2-1");
    }
}

#[tokio::test]
async fn nobody_listens_and_v5_says_so() {
    let peer = Peer::start().await;
    let mut client = peer.plain(true, "nobody").await;
    client.publish(&message("relay/nobody/at/all", "x").qos(1, 3)).await;
    assert_eq!(client.ack().await, ((0x40, 3), 0x10), "3.4.2.1");
    client.publish(&message("relay/nobody/at/all", "x").qos(2, 4)).await;
    let (which, reason) = client.ack().await;
    assert_eq!(which, (0x50, 4));
    assert!(matches!(reason, 0 | 0x10), "3.5.2.1: {reason:#x}");
    client.pubrel(4).await;
    assert_eq!(client.ack().await, ((0x70, 4), 0));
}

#[tokio::test]
async fn a_refused_qos_2_message_is_not_released() {
    let peer = Peer::start().await;
    let mut subscriber = peer.plain(true, "refuses").await;
    subscriber.subscribe("relay/refused", 2).await;
    let mut publisher = peer.plain(true, "refused-publisher").await;
    publisher.publish_through(&message("relay/refused", "1").qos(2, 1)).await;
    let got = subscriber.got().await;
    subscriber.send(&packet(0x50, &[&got.id.to_be_bytes()[..], &[0x80]].concat())).await;
    subscriber.quiet().await; // 4.3.3: a PUBREC of 0x80 and above ends the exchange
    publisher.publish_through(&message("relay/refused", "2").qos(2, 2)).await;
    assert_eq!(subscriber.take().await.payload, "2");
}

#[tokio::test]
async fn every_way_to_write_an_acknowledgement_is_understood() {
    let peer = Peer::start().await;
    let mut subscriber = peer.client(&Hello::new(true, "ack-forms").with(&[0x21, 0, 1])).await;
    subscriber.subscribe("relay/forms", 2).await;
    let mut publisher = peer.plain(true, "ack-forms-publisher").await;
    let reason = [&[0x1F, 0, 2, b'o', b'k'][..], &[0x26, 0, 1, b'k', 0, 1, b'v']].concat();
    let forms: [&[u8]; 3] = [&[], &[0], &[&[0][..], &properties(&reason)].concat()];
    for form in forms {
        for qos in [1, 2] {
            publisher.publish_through(&Publish { ..message("relay/forms", "x").qos(qos, 1) }).await;
            let got = subscriber.got().await;
            let ack = |first: u8| packet(first, &[&got.id.to_be_bytes()[..], form].concat());
            if qos == 1 {
                subscriber.send(&ack(0x40)).await;
            } else {
                subscriber.send(&ack(0x50)).await;
                assert_eq!(subscriber.ack().await, ((0x62, got.id), 0));
                subscriber.send(&ack(0x70)).await;
            }
        }
    }
    subscriber.quiet().await;
}
