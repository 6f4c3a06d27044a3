//! The graceful end.

use std::time::Duration;

use broker::{DownCause, SessionEvent, Settings};
use tokio::net::TcpStream;

use crate::support::{Connect, Raw, is_puback, next_down, next_up, packet, publish, settings, start, until, within};

#[tokio::test]
async fn what_was_taken_in_is_acknowledged_before_the_end() {
    let (broker, mut inlets) = start(settings()).await;
    let mut v5 = Raw::login(&broker, &Connect::v5("5", "dev").bytes()).await;
    let mut v3 = Raw::login(&broker, &Connect::v3("3", "dev").bytes()).await;
    let mut idle = Raw::login(&broker, &Connect::v5("i", "dev").bytes()).await;
    let mut half_open = Raw::open(&broker).await;
    v5.send(&[publish(true, "up/dev/a", 1, b"a"), publish(true, "up/dev/urgent", 2, b"b")].concat()).await;
    v3.send(&publish(false, "up/dev/a", 3, b"c")).await;
    let batches = [
        within(inlets.normal.recv()).await.unwrap(),
        within(inlets.normal.recv()).await.unwrap(),
        within(inlets.urgent.recv()).await.unwrap(),
    ];
    let ending = {
        let broker = broker.clone();
        tokio::spawn(async move { broker.shutdown().await })
    };
    idle.disconnected(0x8B).await;
    half_open.closed().await;
    until("two have publishes that are not acknowledged", || broker.connections() == 2).await;
    assert!(!ending.is_finished());
    // Sent after the order: not taken in, so not acknowledged; the client will send it again.
    v5.send(&publish(true, "up/dev/a", 9, b"late")).await;
    for batch in batches {
        batch.ack.accept_all();
    }
    let mut acknowledged = [v5.packet().await, v5.packet().await];
    acknowledged.sort_by_key(|packet| packet.body.clone());
    assert!(is_puback(&acknowledged[0], 1) && is_puback(&acknowledged[1], 2));
    v5.disconnected(0x8B).await;
    assert!(is_puback(&v3.packet().await, 3));
    v3.closed().await;
    within(ending).await.unwrap();
    assert!(within(inlets.normal.recv()).await.is_none(), "the inlets end");
    assert!(within(inlets.urgent.recv()).await.is_none());
    let mut down = 0;
    while let Some(event) = within(inlets.sessions.recv()).await {
        if let SessionEvent::Down { cause, .. } = event {
            assert_eq!(cause, DownCause::ShuttingDown);
            down += 1;
        }
    }
    assert_eq!(down, 3);
    assert!(TcpStream::connect(broker.local_addr()).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn a_consumer_that_never_answers_delays_the_end_up_to_the_deadline() {
    let (broker, mut inlets) = start(Settings { drain_deadline_ms: 150, ..settings() }).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    raw.send(&publish(true, "up/dev/a", 1, b"a")).await;
    let batch = within(inlets.normal.recv()).await.unwrap();
    within(broker.shutdown()).await;
    assert_eq!(broker.connections(), 0);
    batch.ack.accept_all(); // too late, and harmless
    raw.closed().await;
}

#[tokio::test]
async fn no_will_is_published_by_our_own_end() {
    let (broker, mut inlets) = start(settings()).await;
    let will = Some(("up/dev/state", "lost", Vec::new()));
    let _raw = Raw::login(&broker, &Connect { will, ..Connect::v3("c", "dev") }.bytes()).await;
    within(broker.shutdown()).await;
    assert!(within(inlets.normal.recv()).await.is_none());
}

#[tokio::test]
async fn stop_accepting_closes_the_port_and_keeps_the_connections() {
    let (broker, mut inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    next_up(&mut inlets).await;
    broker.stop_accepting().await;
    let refused = async {
        while TcpStream::connect(broker.local_addr()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    within(refused).await;
    raw.send(&publish(true, "up/dev/a", 1, b"a")).await;
    within(inlets.normal.recv()).await.unwrap().ack.accept_all();
    assert!(is_puback(&raw.packet().await, 1));
    raw.send(&packet(0xE0, &[])).await;
    assert_eq!(next_down(&mut inlets).await, DownCause::Disconnected);
}

#[tokio::test]
async fn the_last_handle_gone_is_the_end() {
    let (broker, mut inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    let other = broker.clone();
    drop(broker);
    raw.ping().await;
    drop(other);
    raw.disconnected(0x8B).await;
    assert!(within(inlets.urgent.recv()).await.is_none());
}

#[tokio::test]
async fn a_consumer_that_is_gone_ends_the_connections_that_need_it() {
    let (broker, inlets) = start(settings()).await;
    let mut raw = Raw::login(&broker, &Connect::v5("c", "dev").bytes()).await;
    drop(inlets);
    raw.send(&publish(true, "up/dev/a", 1, b"a")).await;
    raw.disconnected(0x8B).await;
    until("the connection is gone", || broker.connections() == 0).await;
    within(broker.shutdown()).await;
}
