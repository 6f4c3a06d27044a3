//! A link keeps its word over broken connections.

use crate::fake_station::{FakeStation, Mood, PATIENCE, Seen};
use simulator::{
    link::{Account, Command, Link, Target},
    stats::Counters,
    wire::{Kind, Publish},
};
use std::sync::{Arc, atomic::Ordering::Relaxed};

fn open(station: &FakeStation, counters: &Arc<Counters>) -> Link {
    let account = Account {
        client_id: "sim-test".into(),
        name: "vendor-test".into(),
        secret: "secret".into(),
        will: Some(("fire/v1/v/d/state".into(), b"lost".to_vec())),
        commands: None,
        loud: true,
    };
    Link::open(account, &Target { host: "127.0.0.1".into(), port: station.port }, counters.clone())
}

fn message(number: usize, qos1: bool) -> Command {
    Command::Send(Publish { topic: format!("fire/v1/v/d/{number}"), payload: vec![b'x'; 20], qos1, kind: Kind::Alarm })
}

async fn closed(link: Link) {
    drop(link.tx);
    tokio::time::timeout(PATIENCE, link.task).await.expect("the link ends").unwrap();
}

#[tokio::test]
async fn everything_arrives_in_order_and_the_link_says_goodbye() {
    let mut station = FakeStation::start(vec![]).await;
    let counters = Arc::new(Counters::default());
    let link = open(&station, &counters);
    for number in 0..500 {
        link.tx.send(message(number, number % 3 != 0)).await.unwrap();
    }
    closed(link).await;
    let first = station.next().await;
    let want = Seen::Connect {
        client: "sim-test".into(),
        user: "vendor-test".into(),
        will: Some("fire/v1/v/d/state lost".into()),
    };
    assert_eq!(first, want);
    for number in 0..500 {
        assert_eq!(station.next_publish().await.0, format!("fire/v1/v/d/{number}"));
    }
    assert_eq!(station.next().await, Seen::Disconnect);
    assert_eq!(counters.acknowledged.load(Relaxed), 333);
    assert_eq!(counters.connected.load(Relaxed), 0);
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again_in_its_order() {
    let mut station = FakeStation::start(vec![Mood::HangUpAfter(5), Mood::HangUpAfter(1)]).await;
    let counters = Arc::new(Counters::default());
    let link = open(&station, &counters);
    for number in 0..20 {
        link.tx.send(message(number, true)).await.unwrap();
    }
    closed(link).await;
    let mut order = Vec::new();
    while let Ok(seen) = station.seen.try_recv() {
        if let Seen::Publish { topic, .. } = seen {
            order.push(topic.rsplit('/').next().unwrap().parse::<usize>().unwrap());
        }
    }
    // 0 to 4 without an acknowledgement for 4; then 4 alone, again without; then 4 to 19
    let want: Vec<usize> = (0..5).chain([4]).chain(4..20).collect();
    assert_eq!(order, want);
    assert_eq!(counters.acknowledged.load(Relaxed), 20);
    assert!(counters.repeated.load(Relaxed) >= 2);
}

#[tokio::test]
async fn a_device_that_loses_power_breaks_off_after_its_last_words_and_returns() {
    let mut station = FakeStation::start(vec![]).await;
    let counters = Arc::new(Counters::default());
    let link = open(&station, &counters);
    link.tx.send(message(1, true)).await.unwrap();
    link.tx.send(Command::Hang).await.unwrap();
    link.tx.send(message(2, true)).await.unwrap();
    assert!(matches!(station.next().await, Seen::Connect { .. }));
    assert_eq!(station.next_publish().await.0, "fire/v1/v/d/1");
    assert_eq!(station.next().await, Seen::Broken, "no goodbye: the will is due");
    link.tx.send(Command::Return).await.unwrap();
    link.tx.send(message(3, true)).await.unwrap();
    assert_eq!(station.next_publish().await.0, "fire/v1/v/d/3", "what was said without power was not heard");
    closed(link).await;
    assert_eq!(counters.failures.load(Relaxed), 0, "a power cut is not a failure");
}

#[test]
fn targets() {
    let parse = |text: &str| text.parse::<Target>();
    assert_eq!(parse("127.0.0.1:1883").unwrap(), Target { host: "127.0.0.1".into(), port: 1883 });
    assert_eq!(parse("[::1]:1883").unwrap().host, "::1");
    assert!(parse("localhost").unwrap_err().contains("HOST:PORT"));
}
