//! The rumqttd inside this process.

use rumqttc::{AsyncClient, MqttOptions, QoS};
use source::{Embedded, Settings};

use crate::rig::{Station, alarms, connected, free_port, names, publish, until};

fn embedded(port: u16) -> Settings {
    let embedded = Embedded {
        listen: ([127, 0, 0, 1], port).into(),
        users: [("gateway".to_owned(), "secret".to_owned())].into(),
        ..Embedded::default()
    };
    Settings { mqtt: Vec::new(), embedded: Some(embedded) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_of_the_embedded_broker_are_heard() {
    let port = free_port();
    let mut station = Station::new().await;
    let sources = station.sources(embedded(port)).await;
    publish(port, Some(("gateway", "secret")), alarms("a", 100)).await;
    let seen = station.accept(&names("a", 100)).await;
    assert!(seen.values().all(|times| *times == 1));
    sources.shutdown().await;
    assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok(), "the port is free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_ends_is_replaced() {
    let port = free_port();
    let mut station = Station::new().await;
    let sources = station.sources(embedded(port)).await;
    let health = sources.health();
    // rumqttd cuts the first byte off a topic to see whether it is `$`, which panics within a longer character
    let mut options = MqttOptions::new("odd", "127.0.0.1", port);
    options.set_credentials("gateway", "secret");
    let (client, mut events) = AsyncClient::new(options, 4);
    client.publish("烽火", QoS::AtLeastOnce, false, "x").await.unwrap();
    let odd = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    until("the router's end is noticed", || health.connected().0 == 0).await;
    odd.abort();
    drop(client);
    connected(&health).await;
    publish(port, Some(("gateway", "secret")), alarms("after", 10)).await;
    station.accept(&names("after", 10)).await;
    sources.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_told_at_the_start() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let station = Station::new().await;
    let error = station.start(embedded(taken.local_addr().unwrap().port())).err().unwrap().to_string();
    assert!(error.contains("free the port"), "{error}");
}
