//! Packets cut anywhere, glued together, in a hurry.

use crate::conform::{Client, End, Hello, Peer, message, text, will};
use crate::support::packet;

fn subscribe(v5: bool, filter: &str, options: u8) -> Vec<u8> {
    let props: &[u8] = if v5 { &[0] } else { &[] };
    packet(0x82, &[&[0, 77][..], props, &text(filter), &[options]].concat())
}

/// Reads up to the first packet of this kind; the kinds that came before.
async fn up_to(client: &mut Client, kind: u8) -> Vec<u8> {
    let mut before = Vec::new();
    loop {
        let packet = client.packet().await;
        if packet.first >> 4 == kind {
            return before;
        }
        before.push(packet.first >> 4);
    }
}

#[tokio::test]
async fn packets_may_come_one_byte_at_a_time() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let mut client = peer.open().await;
        client.v5 = v5;
        let all = [
            Hello::new(v5, "drip").bytes(),
            subscribe(v5, "relay/drip", 1),
            message("relay/drip", &"x".repeat(200)).qos(1, 1).bytes(v5),
        ]
        .concat();
        for byte in all {
            client.send(&[byte]).await;
        }
        assert_eq!(client.connack().await.code, 0);
        assert_eq!(client.packet().await.first, 0x90);
        let kinds = [client.packet().await.first >> 4, client.packet().await.first >> 4];
        assert!(kinds == [4, 3] || kinds == [3, 4], "PUBACK and PUBLISH: {kinds:?}");
    }
}

#[tokio::test]
async fn a_client_need_not_wait_for_the_connack() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let mut client = peer.open().await;
        client.v5 = v5;
        let all = [
            Hello::new(v5, "hurry").bytes(),
            subscribe(v5, "relay/hurry", 0),
            message("relay/hurry", "x").bytes(v5),
            message("relay/hurry", "x").qos(1, 1).bytes(v5),
            message("relay/hurry", "x").qos(2, 2).bytes(v5),
            packet(0x62, &[0, 2]),
            vec![0xC0, 0],
        ];
        client.send(&all.concat()).await;
        assert_eq!(client.connack().await.code, 0, "3.1.4: the server processes what follows");
        assert_eq!(client.packet().await.first, 0x90);
        let mut left = vec![3, 3, 3, 4, 5, 7, 13];
        while !left.is_empty() {
            let kind = client.packet().await.first >> 4;
            let index = left.iter().position(|expected| *expected == kind);
            left.remove(index.unwrap_or_else(|| panic!("{kind} is not one of {left:?}")));
        }
    }
}

#[tokio::test]
async fn what_came_before_a_disconnect_counts_and_what_came_after_does_not() {
    let peer = Peer::start().await;
    let mut watcher = peer.plain(true, "last-words-watcher").await;
    watcher.subscribe("relay/last-words/#", 2).await;
    for v5 in [false, true] {
        for qos in [0, 1] {
            let mut client = peer.client(&Hello::new(v5, "last-words").will(will("relay/last-words/will", "no"))).await;
            let all = [
                message("relay/last-words/before", "x").qos(qos, 1).bytes(v5),
                vec![0xE0, 0],
                message("relay/last-words/after", "x").qos(qos, 2).bytes(v5),
            ];
            client.send(&all.concat()).await;
            while crate::support::within(client.raw.try_packet()).await.is_some() {}
            assert_eq!(watcher.take().await.topic, "relay/last-words/before");
            watcher.quiet().await; // MQTT-3.14.4-2, MQTT-3.14.4-3
        }
    }
}

#[tokio::test]
async fn the_publishers_dup_flag_is_its_own() {
    let peer = Peer::start().await;
    let mut subscriber = peer.plain(false, "dup-subscriber").await;
    subscriber.subscribe("relay/dup", 2).await;
    let mut publisher = peer.plain(false, "dup").await;
    for qos in [1, 2] {
        publisher.publish_through(&message("relay/dup", "x").qos(qos, 3).again()).await;
        assert!(!subscriber.take().await.dup, "MQTT-3.3.1-3");
    }
}

#[tokio::test]
async fn a_half_packet_harms_nobody_else() {
    let peer = Peer::start().await;
    let mut other = peer.plain(false, "half-other").await;
    let mut half = peer.plain(false, "half").await;
    half.send(&[0x30, 100, 0, 5, b'r', b'e']).await;
    other.subscribe("relay/half", 0).await;
    other.publish(&message("relay/half", "x")).await;
    assert_eq!(other.got().await.payload, "x");
    half.cut().await;
    other.ping().await;
}

#[tokio::test]
async fn a_length_of_five_bytes_ends_the_connection() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let mut client = peer.plain(v5, "length").await;
        client.send(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]).await;
        let end = client.end_soon().await;
        assert!(matches!(end, End::Closed | End::Told(0x81 | 0x82 | 0x95)), "1.5.5: {end:?}");
    }
}

#[tokio::test]
async fn a_subscriber_that_reads_slowly_gets_it_all() {
    let peer = Peer::start().await;
    let mut subscriber = peer.plain(false, "slow").await;
    subscriber.subscribe("relay/slow", 1).await;
    let mut publisher = peer.plain(false, "slow-publisher").await;
    let payload = "x".repeat(1_000);
    for number in 0..200u16 {
        publisher.publish_through(&message("relay/slow", &format!("{number} {payload}")).qos(1, number + 1)).await;
    }
    for number in 0..200 {
        let got = subscriber.take().await;
        assert!(got.payload.starts_with(&format!("{number} ")), "in order, none missing");
    }
}

#[tokio::test]
async fn two_clients_talk_while_a_third_connects_and_goes() {
    let peer = Peer::start().await;
    let mut one = peer.plain(true, "talk-1").await;
    let mut two = peer.plain(false, "talk-2").await;
    one.subscribe("relay/talk/1", 2).await;
    two.subscribe("relay/talk/2", 2).await;
    for round in 0..20 {
        let third = peer.plain(round % 2 == 0, "talk-3").await;
        one.publish_through(&message("relay/talk/2", "question").qos(2, 1)).await;
        assert_eq!(two.take().await.payload, "question");
        third.cut().await;
        two.publish_through(&message("relay/talk/1", "answer").qos(2, 1)).await;
        assert_eq!(one.take().await.payload, "answer");
    }
    let kinds = {
        one.send(&[0xC0, 0]).await;
        up_to(&mut one, 13).await
    };
    assert!(kinds.is_empty(), "nothing else came: {kinds:?}");
}
