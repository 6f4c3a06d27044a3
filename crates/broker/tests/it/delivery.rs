//! From the process to subscribers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use broker::{Broker, Outcome, Settings};
use bytes::Bytes;
use tokio::net::TcpSocket;

use crate::support::{
    Connect, PATIENCE, Raw, packet, puback, publish, settings, start_accepting, subscribe, until, within,
};

async fn subscriber(broker: &Broker, connect: &Connect, filter: &str, qos: u8) -> Raw {
    let mut raw = Raw::login(broker, &connect.bytes()).await;
    raw.send(&subscribe(connect.v5, 1, &[(filter, qos)])).await;
    let suback = raw.packet().await;
    assert_eq!(suback.body.last(), Some(&qos), "{suback:?}");
    raw
}

#[tokio::test]
async fn a_message_reaches_its_subscribers_and_the_outcome_is_told() {
    let broker = start_accepting(settings()).await;
    let publish = |topic: &'static str, qos| {
        let broker = broker.clone();
        async move { broker.publish(topic, Bytes::from("hello"), qos, None, PATIENCE).await }
    };
    assert_eq!(publish("down/a/x", 1).await, Outcome::NoSubscriber);
    assert_eq!(publish("down/+/x", 1).await, Outcome::NoSubscriber);
    let mut v5 = subscriber(&broker, &Connect::v5("1", "a"), "down/a/+", 2).await;
    let mut v3 = subscriber(&broker, &Connect::v3("2", "a"), "down/a/x", 1).await;
    let mut qos_0 = subscriber(&broker, &Connect::v3("3", "a"), "down/a/#", 0).await;
    let sending = tokio::spawn(publish("down/a/x", 1));
    let (topic, id, payload) = v5.packet().await.publish(true);
    assert_eq!((topic.as_str(), &payload[..]), ("down/a/x", &b"hello"[..]));
    let (topic, _, payload) = v3.packet().await.publish(false);
    assert_eq!((topic.as_str(), &payload[..]), ("down/a/x", &b"hello"[..]));
    assert_eq!(qos_0.packet().await.publish(false).1, 0);
    assert!(!sending.is_finished(), "nobody has acknowledged");
    v5.send(&puback(id)).await;
    assert_eq!(within(sending).await.unwrap(), Outcome::Acked { subscribers: 3 });
    assert_eq!(publish("down/a/y/z", 1).await, Outcome::Sent);
    assert_eq!(qos_0.packet().await.publish(false).0, "down/a/y/z");
    assert_eq!(broker.counts().delivered, 4);
}

#[tokio::test]
async fn the_outcome_of_silence_is_timed_out_and_of_a_lost_subscriber_none() {
    let broker = start_accepting(settings()).await;
    let mut raw = subscriber(&broker, &Connect::v5("1", "a"), "down/a/x", 1).await;
    let short = Duration::from_millis(50);
    let outcome = broker.publish("down/a/x", Bytes::new(), 1, None, short).await;
    assert_eq!(outcome, Outcome::TimedOut);
    let (_, id, _) = raw.packet().await.publish(true);
    raw.send(&packet(0x40, &[0, id as u8, 0x97])).await; // refused: not acknowledged
    let patient = {
        let broker = broker.clone();
        tokio::spawn(async move { broker.publish("down/a/x", Bytes::new(), 1, None, PATIENCE).await })
    };
    raw.packet().await;
    drop(raw);
    assert_eq!(within(patient).await.unwrap(), Outcome::NoSubscriber);
}

#[tokio::test]
async fn content_type_and_unsubscribe() {
    let broker = start_accepting(settings()).await;
    let mut raw = subscriber(&broker, &Connect::v5("1", "a"), "down/a/+", 0).await;
    let json = Some("application/json");
    broker.publish("down/a/x", Bytes::from("{}"), 0, json, PATIENCE).await;
    let body = raw.packet().await.body;
    assert!(body.ends_with(b"\x13\x03\x00\x10application/json{}"), "{body:?}");
    raw.send(&packet(0xA2, b"\x00\x02\x00\x00\x08down/a/+\x00\x01z")).await;
    let unsuback = raw.packet().await;
    assert_eq!((unsuback.first, &unsuback.body[..]), (0xB0, &[0, 2, 0, 0, 0x11][..]));
    let outcome = broker.publish("down/a/x", Bytes::new(), 0, None, PATIENCE).await;
    assert_eq!(outcome, Outcome::NoSubscriber);
}

#[tokio::test]
async fn the_clients_window_and_packet_size_are_respected() {
    let broker = start_accepting(settings()).await;
    let mut connect = Connect::v5("1", "a");
    connect.properties = vec![0x21, 0, 2, 0x27, 0, 0, 0, 100];
    let mut raw = subscriber(&broker, &connect, "down/a/#", 1).await;
    let large = broker.publish("down/a/x", Bytes::from(vec![0; 200]), 1, None, PATIENCE).await;
    assert_eq!(large, Outcome::NoSubscriber);
    let mut sending = Vec::new();
    for n in 0..5 {
        let broker = broker.clone();
        let payload = Bytes::from(vec![n]);
        let publish = async move { broker.publish("down/a/x", payload, 1, None, PATIENCE).await };
        sending.push(tokio::spawn(publish));
    }
    let first = raw.packet().await.publish(true).1;
    let second = raw.packet().await.publish(true).1;
    raw.ping().await; // no third one on its way
    raw.send(&puback(second)).await;
    let third = raw.packet().await.publish(true).1;
    raw.ping().await;
    for id in [first, third] {
        raw.send(&puback(id)).await;
        let id = raw.packet().await.publish(true).1;
        raw.send(&puback(id)).await;
    }
    for one in sending {
        assert_eq!(within(one).await.unwrap(), Outcome::Acked { subscribers: 1 });
    }
}

#[tokio::test]
async fn a_slow_reader_loses_qos_0_and_is_cut_off_for_qos_1() {
    let settings =
        Settings { outbound_queue_messages: 50, write_deadline_ms: 60_000, packet_limit_bytes: 1 << 20, ..settings() };
    let broker = start_accepting(settings).await;
    let _slow = never_takes(&broker, 1).await;
    let mut quick = subscriber(&broker, &Connect::v3("q", "a"), "down/a/x", 0).await;
    let taken = Arc::new(AtomicU64::new(0));
    let counter = taken.clone();
    tokio::spawn(async move {
        while quick.try_packet().await.is_some_and(|packet| packet.first == 0x30) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let block = Bytes::from(vec![7; 16 * 1024]);
    let mut sent = 0;
    let flooding = async {
        while broker.counts().undelivered < 20 {
            broker.publish("down/a/x", block.clone(), 0, None, PATIENCE).await;
            sent += 1;
            until("the quick one has it", || taken.load(Ordering::Relaxed) >= sent).await;
        }
    };
    within(flooding).await;
    assert!(sent > 50, "the quick one was served all along");
    assert_eq!((broker.counts().slow_readers, broker.connections()), (0, 2), "what may be lost cuts nobody off");
    broker.publish("down/a/x", block.clone(), 1, None, Duration::from_millis(1)).await;
    until("the slow one is gone", || broker.connections() == 1).await;
    assert_eq!(broker.counts().slow_readers, 1);
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off_by_the_write_deadline() {
    let settings = Settings {
        write_deadline_ms: 200,
        outbound_queue_messages: 100_000,
        outbound_queue_bytes: 1 << 30,
        packet_limit_bytes: 1 << 20,
        ..settings()
    };
    let broker = start_accepting(settings).await;
    let _slow = never_takes(&broker, 0).await;
    let block = Bytes::from(vec![7; 512 * 1024]);
    for _ in 0..40 {
        broker.publish("down/a/x", block.clone(), 0, None, PATIENCE).await;
    }
    until("it is cut off", || broker.counts().slow_readers == 1 && broker.connections() == 0).await;
}

/// A subscriber with a small receive buffer that never takes anything from it.
async fn never_takes(broker: &Broker, qos: u8) -> Raw {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let stream = within(socket.connect(broker.local_addr())).await.unwrap();
    let mut raw = Raw { stream };
    raw.send(&Connect::v3("slow", "a").bytes()).await;
    raw.packet().await;
    raw.send(&subscribe(false, 1, &[("down/a/x", qos)])).await;
    raw.packet().await;
    raw
}

/// What came before a SUBSCRIBE is not for its subscription, also when both come with one read.
#[tokio::test]
async fn a_client_does_not_get_what_it_published_before_it_subscribed() {
    let broker = start_accepting(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "all").bytes()).await;
    let before = publish(true, "relay/x", 1, b"before");
    let after = publish(true, "relay/x", 2, b"after");
    raw.send(&[before, subscribe(true, 3, &[("relay/#", 0)]), after].concat()).await;
    let mut heard = Vec::new();
    let mut answered = 0;
    while answered < 3 || heard.is_empty() {
        let packet = raw.packet().await;
        match packet.first & 0xF0 {
            0x30 => heard.push(packet.publish(true).2),
            _ => answered += 1,
        }
    }
    raw.ping().await;
    assert_eq!(heard, [b"after".to_vec()]);
}
