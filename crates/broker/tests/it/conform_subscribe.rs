//! SUBSCRIBE, UNSUBSCRIBE, topic filters, shared subscriptions.

use crate::conform::{End, Faults, Hello, Peer, message, text};
use crate::support::packet;

#[tokio::test]
async fn filters_match_as_the_standard_says() {
    let peer = Peer::start().await;
    let mut publisher = peer.plain(false, "match-publisher").await;
    // filter, topics it stands for, topics it does not stand for
    let rows: [(&str, &[&str], &[&str]); 14] = [
        ("relay/m", &["relay/m"], &["relay/m/", "relay/M", "relay", "relay/mm"]),
        ("relay/m/#", &["relay/m", "relay/m/", "relay/m/a", "relay/m/a/b"], &["relay/n", "relay/mm"]),
        ("relay/m/+", &["relay/m/a", "relay/m/"], &["relay/m", "relay/m/a/b"]),
        ("relay/+/b", &["relay/m/b", "relay//b"], &["relay/b", "relay/m/m/b"]),
        ("relay/+/+", &["relay/m/b", "relay//"], &["relay/b", "relay/a/b/c"]),
        ("relay/+/#", &["relay/m/b", "relay/m", "relay/"], &["relay"]),
        ("+/m/c", &["relay/m/c"], &["relay/m", "/relay/m/c"]),
        ("+/+/d", &["relay/m/d"], &["relay/d"]),
        ("relay//e", &["relay//e"], &["relay/e", "relay///e"]),
        ("relay/m/f/", &["relay/m/f/"], &["relay/m/f"]),
        ("relay/+/g/#", &["relay/m/g", "relay/m/g/h"], &["relay/m/h/g"]),
        ("relay/+x", &[], &[]),
        ("relay/楼/+/警", &["relay/楼/台/警"], &["relay/楼/警"]),
        ("relay/a b/+", &["relay/a b/c"], &["relay/ab/c"]),
    ];
    for (filter, matching, others) in rows {
        if filter == "relay/+x" {
            continue; // not a filter: see below
        }
        let mut subscriber = peer.plain(false, "match").await;
        subscriber.subscribe(filter, 0).await;
        for topic in others.iter().chain(matching) {
            publisher.publish(&message(topic, "x")).await;
        }
        publisher.ping().await;
        for topic in matching {
            assert_eq!(subscriber.got().await.topic, *topic, "4.7: {filter}");
        }
        subscriber.ping().await;
    }
}

#[tokio::test]
async fn a_bad_filter_is_refused() {
    let peer = Peer::start().await;
    let mut faults = Faults::default();
    for filter in [
        "relay/#/a",
        "relay/a#",
        "relay/+a",
        "relay/a+/b",
        "#/relay",
        "++",
        "",
        "$share//relay",
        "$share/a",
        "$share/a/",
        "$share/a+/relay",
    ] {
        for v5 in [false, true] {
            if !v5 && filter.starts_with('$') {
                continue; // a plain filter in MQTT 3.1.1
            }
            let mut client = peer.plain(v5, "bad-filter").await;
            let mut body = vec![0, 77];
            if v5 {
                body.push(0);
            }
            body.extend_from_slice(&text(filter));
            body.push(0);
            client.send(&packet(0x82, &body)).await;
            // Against the grammar, so against the protocol: a code in the SUBACK is for filters that are well-formed.
            let end = client.end_soon().await;
            let allowed = matches!(end, End::Closed | End::Told(0x81 | 0x82 | 0x8F));
            faults.check(allowed, || format!("MQTT-4.7.1: {filter} (v5: {v5}): {end:x?}"));
        }
    }
}

#[tokio::test]
async fn a_malformed_subscribe_or_unsubscribe_ends_the_connection() {
    let peer = Peer::start().await;
    let mut faults = Faults::default();
    let sub = |v5: bool, first: u8, props: &[u8], rest: &[u8]| {
        let props = if v5 { crate::conform::properties(props) } else { Vec::new() };
        packet(first, &[&[0, 1][..], &props, rest].concat())
    };
    let a = text("relay/a");
    let with = |options: u8| [&a[..], &[options]].concat();
    // what, only in this version, first byte, properties, payload
    #[allow(clippy::type_complexity)]
    let rows: Vec<(&str, Option<bool>, u8, &[u8], Vec<u8>)> = vec![
        ("MQTT-3.8.1-1 flags", None, 0x80, &[], with(0)),
        ("MQTT-3.8.1-1 flags", None, 0x8F, &[], with(0)),
        ("MQTT-3.8.3-2 no filter", None, 0x82, &[], vec![]),
        ("MQTT-3.8.3-4 QoS 3", None, 0x82, &[], with(3)),
        ("MQTT-3-8.3-4 reserved bits", None, 0x82, &[], with(0xC0)),
        ("MQTT-3-8.3-4 v3.1.1 reserved bits", Some(false), 0x82, &[], with(0x04)),
        ("3.8.3 options cut", None, 0x82, &[], a.clone()),
        ("3.8.3 filter cut", None, 0x82, &[], vec![0, 9, b'a']),
        ("3.8.3 filter not UTF-8", None, 0x82, &[], vec![0, 2, 0xC3, 0x28, 0]),
        ("3.8.3 filter with NUL", None, 0x82, &[], vec![0, 2, b'a', 0, 0]),
        ("3.8.3.1 retain handling 3", Some(true), 0x82, &[], with(0x30)),
        ("MQTT-3.8.3-4 no local on shared", Some(true), 0x82, &[], [&text("$share/g/relay/a")[..], &[4]].concat()),
        ("3.8.2.1.2 identifier 0", Some(true), 0x82, &[0x0B, 0], with(0)),
        ("3.8.2.1.2 identifier twice", Some(true), 0x82, &[0x0B, 1, 0x0B, 2], with(0)),
        ("3.8.2.1 not its property", Some(true), 0x82, &[0x23, 0, 1], with(0)),
        ("MQTT-3.10.1-1 flags", None, 0xA0, &[], a.clone()),
        ("MQTT-3.10.3-2 no filter", None, 0xA2, &[], vec![]),
        ("3.10.3 filter cut", None, 0xA2, &[], vec![0, 9, b'a']),
        ("3.10.2.1 not its property", Some(true), 0xA2, &[0x0B, 1], a.clone()),
    ];
    for (what, only, first, props, rest) in rows {
        for v5 in [false, true] {
            if only.is_some_and(|only| only != v5) {
                continue;
            }
            let mut client = peer.plain(v5, "bad-subscribe").await;
            client.send(&sub(v5, first, props, &rest)).await;
            let end = client.end_soon().await;
            let allowed = matches!(end, End::Closed | End::Told(0x81 | 0x82 | 0x8F));
            faults.check(allowed, || format!("{what} (v5: {v5}): {end:x?}"));
        }
    }
    for first in [0x82, 0xA2] {
        for v5 in [false, true] {
            let mut client = peer.plain(v5, "bad-subscribe").await;
            let props: &[u8] = if v5 { &[0] } else { &[] };
            let options: &[u8] = if first == 0x82 { &[0] } else { &[] };
            client.send(&packet(first, &[&[0, 0][..], props, &a, options].concat())).await;
            let end = client.end_soon().await;
            let allowed = matches!(end, End::Closed | End::Told(0x81 | 0x82));
            faults.check(allowed, || format!("MQTT-2.2.1-3 id 0 (v5: {v5}): {end:x?}"));
        }
    }
}

#[tokio::test]
async fn each_filter_of_a_subscribe_is_answered_in_its_place() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let mut client = peer.plain(v5, "many").await;
        let filters = [("relay/many/a", 2), ("relay/many/b", 0), ("relay/many/+", 1), ("relay/many/a", 1)];
        assert_eq!(client.subscribe_with(&[], &filters).await, [2, 0, 1, 1], "MQTT-3.8.4-6, MQTT-3.9.3-1");
        let codes = client.unsubscribe(&["relay/many/a", "relay/many/none", "relay/many/+"]).await;
        assert_eq!(codes, if v5 { vec![0, 0x11, 0] } else { vec![] }, "MQTT-3.11.3-1");
        client.publish(&message("relay/many/a", "x")).await;
        client.quiet().await;
        client.publish(&message("relay/many/b", "x")).await;
        assert_eq!(client.got().await.topic, "relay/many/b");
    }
}

#[tokio::test]
async fn unsubscribe_takes_the_same_filter_and_no_other() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let mut client = peer.plain(v5, "unsubscribe").await;
        client.subscribe("relay/un/+/x", 0).await;
        client.subscribe("relay/un/a", 0).await;
        for other in ["relay/un/#", "relay/un/A", "relay/un/+", "relay/un/a/"] {
            client.unsubscribe(&[other]).await; // MQTT-3.10.4-1: compared character by character
        }
        for topic in ["relay/un/a", "relay/un/b/x"] {
            client.publish(&message(topic, "x")).await;
            assert_eq!(client.got().await.topic, topic);
        }
        client.unsubscribe(&["relay/un/+/x"]).await;
        client.publish(&message("relay/un/b/x", "x")).await;
        client.quiet().await; // MQTT-3.10.4-2
        client.unsubscribe(&["relay/un/a"]).await;
        client.publish(&message("relay/un/a", "x")).await;
        client.quiet().await;
    }
}

#[tokio::test]
async fn overlapping_subscriptions_deliver_with_the_highest_qos() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let mut client = peer.plain(v5, "overlap").await;
        let filters = [("relay/overlap/#", 2), ("relay/overlap/+", 1)];
        assert_eq!(client.subscribe_with(&[], &filters).await, [2, 1]);
        let mut publisher = peer.plain(v5, "overlap-publisher").await;
        publisher.publish_through(&message("relay/overlap/a", "x").qos(2, 1)).await;
        publisher.publish_through(&message("relay/overlap/b/c", "end").qos(0, 0)).await;
        let mut copies = Vec::new();
        loop {
            let got = client.take().await;
            if got.payload == "end" {
                break;
            }
            copies.push(got.qos);
        }
        // One copy with the highest QoS, or one for each subscription (MQTT-3.3.4-2, MQTT-3.3.5-1).
        copies.sort_unstable();
        assert!(copies == [2] || copies == [1, 2], "MQTT-3.3.4-2: {copies:?} (v5: {v5})");
    }
}

#[tokio::test]
async fn a_subscription_made_again_replaces_the_old_one() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let mut client = peer.plain(v5, "replace").await;
        let mut publisher = peer.plain(v5, "replace-publisher").await;
        for qos in [2, 0, 1] {
            client.subscribe("relay/replace", qos).await;
            publisher.publish_through(&message("relay/replace", "x").qos(2, 1)).await;
            assert_eq!(client.take().await.qos, qos, "MQTT-3.8.4-3");
            client.quiet().await;
        }
    }
}

#[tokio::test]
async fn no_local_keeps_a_clients_own_messages_from_it() {
    let peer = Peer::start().await;
    let mut one = peer.plain(true, "no-local-1").await;
    let mut other = peer.plain(true, "no-local-2").await;
    for client in [&mut one, &mut other] {
        assert_eq!(client.subscribe_with(&[], &[("relay/no-local", 4 | 1)]).await, [1]);
    }
    one.publish_through(&message("relay/no-local", "x").qos(1, 1)).await;
    assert_eq!(other.take().await.payload, "x");
    one.quiet().await; // MQTT-3.8.3-3
    assert_eq!(one.subscribe_with(&[], &[("relay/no-local", 0)]).await, [0]);
    one.publish(&message("relay/no-local", "y")).await;
    assert_eq!(one.got().await.payload, "y", "replaced by a subscription without no-local");
}

#[tokio::test]
async fn subscription_identifiers_come_with_the_messages() {
    let peer = Peer::start().await;
    let mut client = peer.plain(true, "identifiers").await;
    let identifier = |id: &[u8]| [&[0x0B][..], id].concat();
    assert_eq!(client.subscribe_with(&identifier(&[7]), &[("relay/id/a", 0)]).await, [0]);
    assert_eq!(client.subscribe_with(&identifier(&[0xFF, 0xFF, 0xFF, 0x7F]), &[("relay/id/+", 0)]).await, [0]);
    assert_eq!(client.subscribe_with(&[], &[("relay/id/none", 0)]).await, [0]);
    client.publish(&message("relay/id/b", "x")).await;
    assert_eq!(client.got().await.all(0x0B), [&[0xFF, 0xFF, 0xFF, 0x7F][..]], "MQTT-3.3.4-3");
    client.publish(&message("relay/id/a", "x")).await;
    let mut seen: Vec<Vec<u8>> = client.got().await.all(0x0B).into_iter().map(<[u8]>::to_vec).collect();
    if seen.len() == 1 {
        seen.extend(client.got().await.all(0x0B).into_iter().map(<[u8]>::to_vec)); // one copy for each, MQTT-3.3.4-4
    }
    seen.sort();
    assert_eq!(seen, [vec![7], vec![0xFF, 0xFF, 0xFF, 0x7F]], "MQTT-3.3.4-5");
    // Made again without: none.
    client.unsubscribe(&["relay/id/+"]).await;
    assert_eq!(client.subscribe_with(&[], &[("relay/id/a", 0)]).await, [0]);
    client.publish(&message("relay/id/a", "x")).await;
    assert!(client.got().await.all(0x0B).is_empty());
    // A v3.1.1 subscriber of the same topic is told nothing.
    let mut old = peer.plain(false, "identifiers-v3").await;
    old.subscribe("relay/id/a", 0).await;
    client.publish(&message("relay/id/a", "x")).await;
    assert_eq!(old.got().await.payload, "x");
}

#[tokio::test]
async fn a_shared_subscription_gives_each_message_to_one_member() {
    let peer = Peer::start().await;
    for v5 in [false, true] {
        let group = format!("$share/g{v5}/relay/shared/+");
        let mut members = [peer.plain(v5, "shared-1").await, peer.plain(v5, "shared-2").await];
        for member in &mut members {
            member.subscribe(&group, 1).await;
        }
        let mut other_group = peer.plain(v5, "shared-3").await;
        other_group.subscribe(&format!("$share/h{v5}/relay/shared/#"), 0).await;
        let mut publisher = peer.plain(v5, "shared-publisher").await;
        for number in 1..=20u16 {
            publisher.publish_through(&message("relay/shared/x", &number.to_string()).qos(1, number)).await;
        }
        for number in 1..=20 {
            assert_eq!(other_group.got().await.payload, number.to_string(), "4.8.2: another group gets them all");
        }
        let mut seen = Vec::new();
        for member in &mut members {
            member.send(&[0xC0, 0]).await;
            loop {
                let packet = member.packet().await;
                if packet.first == 0xD0 {
                    break;
                }
                let at = 2 + "relay/shared/x".len();
                let payload = &packet.body[at + 2 + usize::from(v5)..];
                seen.push(std::str::from_utf8(payload).unwrap().parse::<u16>().unwrap());
                member.puback(u16::from_be_bytes([packet.body[at], packet.body[at + 1]])).await;
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=20).collect::<Vec<_>>(), "each once");
        // The one that leaves gets nothing more; the other gets all.
        let [mut one, mut two] = members;
        let codes = one.unsubscribe(&[&group]).await;
        assert_eq!(codes, if v5 { vec![0] } else { vec![] });
        for id in 1..=4 {
            publisher.publish_through(&message("relay/shared/x", "late").qos(1, id)).await;
            assert_eq!(two.take().await.payload, "late");
        }
        one.quiet().await;
    }
}

#[tokio::test]
async fn a_shared_member_that_is_also_subscribed_alone_gets_both() {
    let peer = Peer::start().await;
    let mut client = peer.plain(true, "shared-both").await;
    client.subscribe("$share/both/relay/both", 0).await;
    client.subscribe("relay/both", 0).await;
    client.publish(&message("relay/both", "x")).await;
    assert_eq!((client.got().await.payload, client.got().await.payload), ("x".into(), "x".into()), "4.8.2");
    client.quiet().await;
}

#[tokio::test]
async fn many_subscriptions_stay_apart() {
    let peer = Peer::start().await;
    let mut client = peer.client(&Hello::new(true, "many-filters")).await;
    for number in 0..50 {
        client.subscribe(&format!("relay/filters/{number}/+"), 0).await;
    }
    for number in [0, 7, 49] {
        client.publish(&message(&format!("relay/filters/{number}/x"), "x")).await;
        assert_eq!(client.got().await.topic, format!("relay/filters/{number}/x"));
    }
    client.publish(&message("relay/filters/50/x", "x")).await;
    client.quiet().await;
}
