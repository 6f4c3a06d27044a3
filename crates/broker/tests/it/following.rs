//! Topics of the log: by cursor, whatever the queue's limits are.

use std::sync::atomic::Ordering;

use broker::Settings;

use crate::hall::House;
use crate::support::{Connect, Raw, puback, settings, subscribe, until};

#[tokio::test]
async fn a_session_away_gets_all_of_the_log_with_a_small_queue() {
    const ENTRIES: usize = 10_000;
    let mut house = House::new();
    house.settings = Settings { outbound_queue_messages: 100, ..settings() };
    let (broker, _inlets) = house.start().await;
    house.list.push("feed/a", "before");
    let connect = Connect::lasting("s", "all", 600);
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    raw.send(&subscribe(true, 1, &[("feed/a", 1)])).await;
    raw.packet().await;
    drop(raw);
    until("it is away", || broker.connections() == 0).await;
    for n in 0..ENTRIES {
        house.list.push("feed/a", &n.to_string());
        if n % 10 == 0 {
            house.list.push("feed/b", "not for this one");
        }
    }
    let reads = house.list.reads.load(Ordering::Relaxed);
    assert_eq!(reads, 0, "nothing is read for who is away");
    let mut house = house;
    let mut raw = Raw::login(&broker, &connect.bytes()).await;
    let mut broker = broker;
    let mut unacked = Vec::new();
    let mut expected = 0;
    while expected < ENTRIES {
        let packet = raw.packet().await;
        let (_, id, payload) = packet.publish(true);
        let n: usize = String::from_utf8(payload.to_vec()).unwrap().parse().unwrap();
        assert!(n <= expected, "in order and without a gap: {n} after {expected}");
        expected = expected.max(n + 1);
        unacked.push(id);
        if unacked.len() == 16 {
            let acks: Vec<u8> = unacked.drain(..).flat_map(puback).collect();
            raw.send(&acks).await;
        }
        if expected == ENTRIES / 2 && unacked.len() == 3 {
            // A crash in the middle: what was not acknowledged comes again, and the rest after it.
            house = house.crashed();
            broker = house.start().await.0;
            raw = Raw::login(&broker, &connect.bytes()).await;
            unacked.clear();
        }
    }
    assert_eq!(broker.counts().undelivered, 0);
    assert!(broker.clients(None, 1)[0].waiting <= 100);
}

#[tokio::test]
async fn subscribers_of_the_moment_get_what_comes_from_now_on() {
    let house = House::new();
    let (broker, _inlets) = house.start().await;
    house.list.push("feed/a", "before");
    let mut plain = Raw::login(&broker, &Connect::v3("v3", "all").bytes()).await;
    plain.send(&subscribe(false, 1, &[("feed/+", 0)])).await;
    assert_eq!(plain.packet().await.first, 0x90);
    let mut wide = Raw::login(&broker, &Connect::v5("v5", "all").bytes()).await;
    wide.send(&subscribe(true, 1, &[("#", 1)])).await;
    assert_eq!(wide.packet().await.first, 0x90);
    for n in ["1", "2"] {
        house.list.push("feed/a", n);
        assert_eq!(&plain.packet().await.publish(false).2[..], n.as_bytes());
        let packet = wide.packet().await;
        assert_eq!((packet.first, &packet.publish(true).2[..]), (0x32, n.as_bytes()));
        wide.send(&puback(packet.publish(true).1)).await;
    }
    // Nobody publishes into the log from outside, and it is not shared.
    wide.send(&crate::support::publish(true, "feed/a", 1, b"forged")).await;
    assert_eq!(wide.packet().await.body[2], 0x87);
    wide.send(&subscribe(true, 2, &[("$share/g/feed/#", 1)])).await;
    assert_eq!(wide.packet().await.body.last(), Some(&0x9E));
    plain.ping().await;
    assert!(house.hall.refused.lock().unwrap().iter().any(|(code, _)| *code == 0x87));
}
