//! How many messages a second come through a broker with a consumer that answers at once.
//!
//! `throughput embedded` starts a rumqttd inside this process; `throughput PORT [CONNECTIONS] [5|3.1.1]` uses a broker
//! that listens there. Four publishers send 120-byte telemetry at QoS 1.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::{Access, Grant, Lane, Login, Refusal, Route};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use source::{Embedded, Mqtt, Protocol, Settings};

const PUBLISHERS: usize = 4;
const MESSAGES: usize = 100_000;

struct Nobody;

impl Access for Nobody {
    fn authenticate(&self, _: &Login<'_>) -> Result<Grant, Refusal> {
        Err(Refusal::NotAuthorised)
    }

    fn route(&self, _: &str) -> Route {
        Route::Relay
    }

    fn now_ms(&self) -> u64 {
        0
    }
}

fn settings() -> (Settings, u16) {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().unwrap_or_else(|| "embedded".into());
    if port == "embedded" {
        let embedded = Embedded::default();
        let port = embedded.listen.port();
        return (Settings { mqtt: Vec::new(), embedded: Some(embedded) }, port);
    }
    let port = port.parse().expect("a port");
    let connections = arguments.next().map_or(1, |count| count.parse().expect("a number"));
    let protocol = if arguments.next().as_deref() == Some("3.1.1") { Protocol::V311 } else { Protocol::V5 };
    let mqtt = Mqtt { name: "bench".into(), port, connections, protocol, ..Mqtt::default() };
    (Settings { mqtt: vec![mqtt], embedded: None }, port)
}

async fn publish(port: u16, number: usize) {
    let mut options = MqttOptions::new(format!("publisher-{number}"), "127.0.0.1", port);
    options.set_inflight(100);
    let (client, mut events) = AsyncClient::new(options, 1000);
    let feed = tokio::spawn(async move {
        let payload = format!("{{\"seq\":1,\"values\":{{\"temperature_c\":21.5}},\"pad\":\"{}\"}}", "x".repeat(70));
        for message in 0..MESSAGES / PUBLISHERS {
            let topic = format!("fire/v1/acme/d{}/telemetry", message % 1000);
            client.publish(topic, QoS::AtLeastOnce, false, payload.clone()).await.unwrap();
        }
        client
    });
    let mut acknowledged = 0;
    while acknowledged < MESSAGES / PUBLISHERS {
        if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
            acknowledged += 1;
        }
    }
    drop(feed.await.unwrap());
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let listen = broker::Settings { listen: ([127, 0, 0, 1], 0).into(), ..broker::Settings::default() };
    let (listener, mut inlets) = broker::start(listen, broker::Parts::new(Arc::new(Nobody))).await.unwrap();
    let (settings, port) = settings();
    let parts = source::Parts {
        settings,
        outlets: listener.outlets().unwrap(),
        route: Arc::new(|_| Lane::Normal),
        now_ms: Arc::new(|| 0),
    };
    let sources = source::start(parts).unwrap();
    let health = sources.health();
    let watch = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if health.connected().0 < health.connected().1 {
                println!("not connected: {:?}", health.faults());
            }
        }
    });
    while sources.health().connected().0 < sources.health().connected().1 {
        // what an earlier run left behind
        if let Ok(Some(batch)) = tokio::time::timeout(Duration::from_millis(20), inlets.normal.recv()).await {
            batch.ack.accept_all();
        }
    }
    let begun = Instant::now();
    let publishers: Vec<_> = (0..PUBLISHERS).map(|number| tokio::spawn(publish(port, number))).collect();
    let (mut messages, mut batches) = (0, 0);
    while messages < MESSAGES {
        let Ok(Some(batch)) = tokio::time::timeout(Duration::from_secs(5), inlets.normal.recv()).await else { break };
        messages += batch.messages.len();
        batches += 1;
        batch.ack.accept_all();
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{messages} messages in {seconds:.2} s: {:.0} a second, {:.1} a batch",
        messages as f64 / seconds,
        messages as f64 / f64::from(batches)
    );
    watch.abort();
    for publisher in publishers {
        publisher.abort();
    }
    sources.shutdown().await;
}
