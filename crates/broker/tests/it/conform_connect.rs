//! CONNECT, CONNACK, DISCONNECT, PINGREQ.

use std::time::Instant;

use crate::conform::{Client, End, Faults, Hello, Peer, disconnect, expiry, message, properties, text, will};
use crate::support::packet;

/// A CONNECT body from its parts.
fn connect(name: &str, level: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
    packet(0x10, &[&text(name)[..], &[level, flags, 0, 60], rest].concat())
}

fn credentials() -> Vec<u8> {
    [text("all"), text("pw-all")].concat()
}

/// Sends first bytes; the code of the CONNACK, if one came, before the end.
async fn first_bytes(peer: &Peer, v5: bool, bytes: &[u8]) -> Option<u8> {
    let mut client = peer.open().await;
    client.v5 = v5;
    client.try_send(bytes).await;
    let Ok(found) = tokio::time::timeout(std::time::Duration::from_secs(4), client.raw.try_packet()).await else {
        return Some(0xFF); // neither answered nor closed
    };
    let found = found?;
    match found.first {
        0x20 => {
            if found.body[1] != 0 {
                assert_eq!(client.end_soon().await, End::Closed, "MQTT-3.2.2-7: closed after a refusal");
            }
            Some(found.body[1])
        }
        0xE0 => Some(found.body.first().copied().unwrap_or(0)),
        _ => panic!("{found:?}"),
    }
}

#[tokio::test]
async fn the_first_packet_must_be_a_connect() {
    let peer = Peer::start().await;
    let rows: [(&str, Vec<u8>); 16] = [
        ("reserved type 0", packet(0x00, &[])),
        ("CONNACK", packet(0x20, &[0, 0])),
        ("PUBLISH", message("relay/a", "1").bytes(false)),
        ("PUBACK", packet(0x40, &[0, 1])),
        ("PUBREC", packet(0x50, &[0, 1])),
        ("PUBREL", packet(0x62, &[0, 1])),
        ("PUBCOMP", packet(0x70, &[0, 1])),
        ("SUBSCRIBE", packet(0x82, &[0, 1, 0, 1, b'a', 0])),
        ("SUBACK", packet(0x90, &[0, 1, 0])),
        ("UNSUBSCRIBE", packet(0xA2, &[0, 1, 0, 1, b'a'])),
        ("UNSUBACK", packet(0xB0, &[0, 1])),
        ("PINGREQ", packet(0xC0, &[])),
        ("PINGRESP", packet(0xD0, &[])),
        ("DISCONNECT", packet(0xE0, &[])),
        ("AUTH", packet(0xF0, &[])),
        ("length of five bytes", vec![0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]),
    ];
    for (what, bytes) in rows {
        assert_eq!(first_bytes(&peer, true, &bytes).await, None, "MQTT-3.1.0-1: {what}");
    }
}

#[tokio::test]
async fn a_second_connect_ends_the_connection() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let hello = Hello::new(v5, "connect-twice");
        let mut client = peer.client(&hello).await;
        client.send(&hello.bytes()).await;
        let end = client.end().await;
        assert!(matches!(end, End::Closed | End::Told(0x82)), "MQTT-3.1.0-2: {end:?}");
    }
}

#[tokio::test]
async fn a_broken_connect_is_refused() {
    let peer = Peer::start().await;
    let id = text("broken");
    let v5 = |props: &[u8]| connect("MQTT", 5, 0xC2, &[properties(props), id.clone(), credentials()].concat());
    let v5_will = |flags: u8, props: &[u8], topic: &[u8]| {
        connect(
            "MQTT",
            5,
            0xC2 | flags,
            &[vec![0], id.clone(), properties(props), topic.to_vec(), text("p"), credentials()].concat(),
        )
    };
    let v3 = |flags: u8, rest: &[u8]| connect("MQTT", 4, flags, rest);
    let closed: &[Option<u8>] = &[None];
    let malformed: &[Option<u8>] = &[None, Some(0x81), Some(0x82)];
    #[rustfmt::skip]
    #[allow(clippy::type_complexity)]
    let rows: Vec<(&str, bool, Vec<u8>, &[Option<u8>])> = vec![
        ("MQTT-3.1.2-1 other protocol", false, connect("hj", 4, 0xC2, &[id.clone(), credentials()].concat()), closed),
        ("MQTT-3.1.2-1 lower case", false, connect("mqtt", 4, 0xC2, &[id.clone(), credentials()].concat()), closed),
        ("MQTT-3.1.2-2 level 6", true, connect("MQTT", 6, 0xC2, &[vec![0], id.clone(), credentials()].concat()), &[None, Some(0x84), Some(0x01)]),
        ("MQTT-3.1.2-2 level 0", false, connect("MQTT", 0, 0xC2, &[id.clone(), credentials()].concat()), &[None, Some(0x01)]),
        ("MQTT-3.1.2-3 reserved flag", false, v3(0xC3, &[id.clone(), credentials()].concat()), closed),
        ("MQTT-3.1.2-3 reserved flag v5", true, connect("MQTT", 5, 0xC3, &[vec![0], id.clone(), credentials()].concat()), malformed),
        ("MQTT-3.1.2-14 will QoS 3", false, v3(0xC2 | 0x1C, &[id.clone(), text("relay/w"), text("p"), credentials()].concat()), closed),
        ("MQTT-3.1.2-14 will QoS 3 v5", true, v5_will(0x1C, &[], &text("relay/w")), malformed),
        ("MQTT-3.1.2-13 will QoS without will", false, v3(0xC2 | 0x08, &[id.clone(), credentials()].concat()), closed),
        ("MQTT-3.1.2-15 will retain without will", false, v3(0xC2 | 0x20, &[id.clone(), credentials()].concat()), closed),
        ("MQTT-3.1.2-22 password without user", false, v3(0x42, &[id.clone(), text("pw-all")].concat()), &[None, Some(0x04), Some(0x05)]),
        ("MQTT-3.1.3-1 user missing", false, v3(0xC2, &id), closed),
        ("MQTT-3.1.3-1 nothing", false, packet(0x10, &[]), closed),
        ("MQTT-1.5.4-1 id not UTF-8", false, v3(0xC2, &[vec![0, 2, 0xC3, 0x28], credentials()].concat()), closed),
        ("MQTT-1.5.4-1 id with surrogate", false, v3(0xC2, &[vec![0, 3, 0xED, 0xA0, 0x80], credentials()].concat()), closed),
        ("MQTT-1.5.4-2 id with NUL", false, v3(0xC2, &[vec![0, 2, b'a', 0], credentials()].concat()), closed),
        ("MQTT-1.5.4-1 user not UTF-8", false, v3(0xC2, &[id.clone(), vec![0, 1, 0xFF], text("p")].concat()), &[None, Some(0x04)]),
        ("MQTT-3.1.3-8 empty id, session to keep", false, v3(0xC0, &[text(""), credentials()].concat()), &[Some(0x02)]),
        ("MQTT-3.1.3-11 will topic empty", false, v3(0xC6, &[id.clone(), text(""), text("p"), credentials()].concat()), &[None]),
        ("MQTT-3.1.3-11 will topic empty v5", true, v5_will(4, &[], &text("")), &[None, Some(0x81), Some(0x82), Some(0x90)]),
        ("MQTT-3.1.3-11 will topic not UTF-8", false, v3(0xC6, &[id.clone(), vec![0, 1, 0xFF], text("p"), credentials()].concat()), &[None]),
        ("MQTT-3.3.2-2 will topic with wildcard", true, v5_will(4, &[], &text("relay/#")), &[None, Some(0x81), Some(0x82), Some(0x90)]),
        ("3.1.3.2.2 will delay twice", true, v5_will(4, &[0x18, 0, 0, 0, 1, 0x18, 0, 0, 0, 1], &text("relay/w")), malformed),
        ("3.1.3.2 not a will property", true, v5_will(4, &[0x23, 0, 1], &text("relay/w")), malformed),
        ("3.1.2.11.1 properties longer than the packet", true, connect("MQTT", 5, 0xC2, &[vec![0x7F], id.clone()].concat()), malformed),
        ("2.2.2.2 unknown property", true, v5(&[0x7A, 0]), malformed),
        ("2.2.2.2 property of PUBLISH", true, v5(&[0x23, 0, 1]), malformed),
        ("3.1.2.11.2 expiry twice", true, v5(&[expiry(1), expiry(1)].concat()), malformed),
        ("3.1.2.11.3 receive maximum 0", true, v5(&[0x21, 0, 0]), malformed),
        ("3.1.2.11.3 receive maximum twice", true, v5(&[0x21, 0, 1, 0x21, 0, 1]), malformed),
        ("3.1.2.11.4 packet size 0", true, v5(&[0x27, 0, 0, 0, 0]), malformed),
        ("3.1.2.11.5 topic alias maximum twice", true, v5(&[0x22, 0, 1, 0x22, 0, 1]), malformed),
        ("3.1.2.11.6 response information 2", true, v5(&[0x19, 2]), malformed),
        ("3.1.2.11.7 problem information 2", true, v5(&[0x17, 2]), malformed),
        ("3.1.2.11.10 authentication data alone", true, v5(&[0x16, 0, 1, 0]), malformed),
        ("3.1.2.11.9 unknown authentication", true, v5(&[0x15, 0, 1, b'x']), &[Some(0x8C), Some(0x87)]),
    ];
    let mut faults = Faults::default();
    for (what, v5, bytes, allowed) in rows {
        let found = first_bytes(&peer, v5, &bytes).await;
        faults.check(allowed.contains(&found), || format!("{what}: {found:x?} and not one of {allowed:x?}"));
    }
}

#[tokio::test]
async fn password_without_user_is_allowed_in_v5_and_flags_must_be_zero() {
    let peer = Peer::start().await;
    // MQTT 5 3.1.2.9: allowed by the protocol; whether it is let in is up to the broker.
    let bytes = connect("MQTT", 5, 0x42, &[vec![0], text("password-only"), text("pw-all")].concat());
    let mut client = peer.open().await;
    client.send(&bytes).await;
    let connack = client.connack().await;
    assert!(matches!(connack.code, 0 | 0x86 | 0x87), "{connack:?}");
    let mut flagged = Hello::new(true, "flagged").bytes();
    flagged[0] = 0x11;
    let found = first_bytes(&peer, true, &flagged).await;
    assert!(matches!(found, None | Some(0x81 | 0x82)), "MQTT-2.1.3-1: {found:?}");
}

#[tokio::test]
async fn a_client_without_id_gets_one() {
    let peer = Peer::start().await;
    for clean in [true, false] {
        let hello = Hello { clean, ..Hello::new(true, "") };
        let (client, connack) = peer.welcome(&hello).await;
        let assigned = connack.properties.iter().find(|(id, _)| *id == 0x12).expect("MQTT-3.2.2-16").1.clone();
        assert!(assigned.len() > 2 && !connack.present);
        let (other, connack) = peer.welcome(&hello).await;
        let second = &connack.properties.iter().find(|(id, _)| *id == 0x12).expect("MQTT-3.2.2-16").1;
        assert_ne!(second, &assigned, "MQTT-3.1.3-6: unique");
        client.goodbye().await;
        other.goodbye().await;
    }
    let (mut client, connack) = peer.welcome(&Hello::new(false, "")).await;
    assert!(!connack.present, "MQTT-3.1.3-7");
    client.ping().await;
    let (_, connack) = peer.welcome(&Hello::new(true, "with-id")).await;
    assert!(connack.properties.iter().all(|(id, _)| *id != 0x12), "none is assigned to who has one");
}

#[tokio::test]
async fn the_same_client_id_takes_over() {
    let peer = Peer::start().await;
    for (old_v5, new_v5) in [(false, false), (true, true), (true, false), (false, true)] {
        let mut old = peer.plain(old_v5, "takeover").await;
        let mut new = peer.plain(new_v5, "takeover").await;
        let end = old.end().await;
        assert!(end == End::Closed || (old_v5 && end == End::Told(0x8E)), "MQTT-3.1.4-3: {end:?}");
        new.ping().await;
        new.goodbye().await;
    }
}

#[tokio::test]
async fn client_ids_may_be_long_and_of_any_script() {
    let peer = Peer::start().await;
    for id in ["0123456789abcdefghijkmn", "消防-楼宇/+#", &"x".repeat(200), "a b\u{1F525}"] {
        for v5 in [false, true] {
            peer.plain(v5, id).await.goodbye().await; // MQTT-3.1.3-5
        }
    }
}

#[tokio::test]
async fn packets_that_only_a_server_sends_end_the_connection() {
    let peer = Peer::start().await;
    let rows: [(&str, Vec<u8>); 10] = [
        ("reserved type 0", packet(0x00, &[])),
        ("CONNACK", packet(0x20, &[0, 0])),
        ("CONNACK v5", packet(0x20, &[0, 0, 0])),
        ("SUBACK", packet(0x90, &[0, 1, 0])),
        ("SUBACK v5", packet(0x90, &[0, 1, 0, 0])),
        ("UNSUBACK", packet(0xB0, &[0, 1])),
        ("UNSUBACK v5", packet(0xB0, &[0, 1, 0, 0])),
        ("PINGRESP", packet(0xD0, &[])),
        ("AUTH", packet(0xF0, &[])),
        ("AUTH without method", packet(0xF0, &[0x18, 0])),
    ];
    let mut faults = Faults::default();
    for (what, bytes) in rows {
        for v5 in [false, true] {
            let mut client = peer.plain(v5, "server-packets").await;
            client.send(&bytes).await;
            let end = client.end_soon().await;
            let allowed = matches!(end, End::Closed | End::Told(0x81 | 0x82));
            faults.check(allowed, || format!("4.13: {what} (v5: {v5}): {end:?}"));
        }
    }
}

#[tokio::test]
async fn ping_is_answered_and_its_flags_are_checked() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let mut client = peer.plain(v5, "ping").await;
        for _ in 0..3 {
            client.ping().await; // MQTT-3.12.4-1
        }
        client.send(&[0xC1, 0]).await;
        let end = client.end_soon().await;
        assert!(matches!(end, End::Closed | End::Told(0x81 | 0x82)), "MQTT-2.1.3-1: {end:?}");
    }
}

#[tokio::test]
async fn disconnect_is_read_strictly() {
    let peer = Peer::start().await;
    let rows: [(&str, Vec<u8>, &[End]); 7] = [
        ("plain", vec![0xE0, 0], &[End::Closed]),
        ("reason", vec![0xE0, 1, 0], &[End::Closed]),
        ("with reason string", disconnect(0, &[&[0x1F][..], &text("bye")].concat()), &[End::Closed]),
        ("flags", vec![0xE1, 0], &[End::Closed, End::Told(0x81), End::Told(0x82)]),
        (
            "expiry twice",
            disconnect(0, &[expiry(0), expiry(0)].concat()),
            &[End::Closed, End::Told(0x81), End::Told(0x82)],
        ),
        ("not its property", disconnect(0, &[0x23, 0, 1]), &[End::Closed, End::Told(0x81), End::Told(0x82)]),
        ("0 made longer", disconnect(0, &expiry(60)), &[End::Closed, End::Told(0x82)]),
    ];
    let mut faults = Faults::default();
    for (what, bytes, allowed) in rows {
        let mut client = peer.plain(true, "disconnect").await;
        client.send(&bytes).await;
        let end = client.end_soon().await;
        faults.check(allowed.contains(&end), || format!("3.14: {what}: {end:?}"));
    }
}

async fn silent_for(mut client: Client) -> (End, f64) {
    let begin = Instant::now();
    let end = client.end().await;
    (end, begin.elapsed().as_secs_f64())
}

#[tokio::test]
async fn silence_beyond_the_keep_alive_ends_the_connection() {
    let peer = Peer::start().await;
    let hello = |v5, id: &str, seconds| Hello { keep_alive_s: seconds, ..Hello::new(v5, id) };
    let mut watcher = peer.plain(false, "keep-watcher").await;
    watcher.subscribe("relay/keep/will", 0).await;
    let dying = peer.client(&hello(false, "keep-v3", 1).will(will("relay/keep/will", "gone"))).await;
    let dying_v5 = peer.client(&hello(true, "keep-v5", 1)).await;
    let mut immortal = peer.client(&hello(false, "keep-none", 0)).await;
    let ((end, seconds), (end_v5, seconds_v5)) = tokio::join!(silent_for(dying), silent_for(dying_v5));
    assert_eq!(end, End::Closed);
    assert!(matches!(end_v5, End::Closed | End::Told(0x8D)), "{end_v5:?}");
    assert!(seconds >= 1.4 && seconds_v5 >= 1.4, "MQTT-3.1.2-22: one and a half: {seconds} {seconds_v5}");
    assert_eq!(watcher.got().await.payload, "gone", "MQTT-3.1.2-8");
    immortal.ping().await;
}

#[tokio::test]
async fn what_the_connack_says_is_consistent() {
    let peer = Peer::start().await;
    let (_, connack) = peer.welcome(&Hello::lasting(true, "connack").clean()).await;
    assert!(!connack.present, "MQTT-3.2.2-2");
    for (id, _) in &connack.properties {
        let count = connack.properties.iter().filter(|(other, _)| other == id).count();
        assert!(*id == 0x26 || count == 1, "{id:#x} once");
    }
    assert_ne!(connack.number(0x21), Some(0), "receive maximum");
    assert_ne!(connack.number(0x27), Some(0), "packet size");
    assert_eq!(connack.number(0x24), None, "3.2.2.3.4: QoS 2 is there, so the property is absent");
    assert!(!matches!(connack.number(0x25), Some(0)), "retain available");
    assert!(!matches!(connack.number(0x28), Some(0)), "wildcards available");
    assert!(!matches!(connack.number(0x29), Some(0)), "identifiers available");
    assert!(!matches!(connack.number(0x2A), Some(0)), "shared subscriptions available");
    assert!(connack.number(0x11).is_none_or(|seconds| seconds <= 600));
}
