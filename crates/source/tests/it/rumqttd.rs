//! rumqttd as a process of its own: this test binary, started again with one test.

use std::process::Command;
use std::time::Duration;

use source::{Embedded, Mqtt, Protocol, Settings};

use crate::rig::{
    Process, Station, alarms, connected, free_port, hasty, names, only, plant, publish, telemetry, until,
};

const PORT: &str = "FENGHUO_TEST_RUMQTTD_PORT";

/// Not a test: the process of [`rumqttd`].
#[tokio::test]
#[ignore = "the broker that other tests start"]
async fn process() {
    let Ok(port) = std::env::var(PORT) else { return };
    let listen = ([127, 0, 0, 1], port.parse().unwrap()).into();
    let mut station = Station::new().await;
    // its own subscription beside those of the tests takes nothing away from them
    let embedded = Embedded { listen, ..Embedded::default() };
    let _sources = station.sources(Settings { mqtt: Vec::new(), embedded: Some(embedded) }).await;
    let life = async {
        loop {
            station.batch().await.ack.accept_all();
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(300), life).await;
}

async fn rumqttd() -> Process {
    let (port, this) = (free_port(), std::env::current_exe().unwrap());
    let command = move || {
        let mut command = Command::new(&this);
        command.args(["--ignored", "--exact", "rumqttd::process"]).env(PORT, port.to_string());
        command
    };
    Process::start(port, tempfile::tempdir().unwrap(), Box::new(command)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_comes_again_until_the_consumer_has_answered() {
    let broker = rumqttd().await;
    let mut station = Station::new().await;
    let sources = station.sources(hasty(plant(broker.port, Protocol::V311))).await;
    publish(broker.port, None, alarms("a", 20)).await;
    let first = station.batch().await;
    sources.shutdown().await;
    drop(first);
    let sources = station.sources(only(plant(broker.port, Protocol::V311))).await;
    station.accept(&names("a", 20)).await;
    // a thousand, of which rumqttd has a hundred under way, and in their order
    publish(broker.port, None, alarms("b", 1000)).await;
    let seen = station.accept(&names("b", 1000)).await;
    assert!(seen.values().all(|times| *times == 1));
    sources.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_is_found_again() {
    let mut broker = rumqttd().await;
    let mut station = Station::new().await;
    let sources = station.sources(only(plant(broker.port, Protocol::V311))).await;
    let health = sources.health();
    publish(broker.port, None, alarms("before", 20)).await;
    station.accept(&names("before", 20)).await;
    broker.kill();
    until("the loss is noticed", || health.connected().0 == 0).await;
    broker.restart().await;
    connected(&health).await;
    publish(broker.port, None, alarms("after", 20)).await;
    station.accept(&names("after", 20)).await;
    sources.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_share_the_load() {
    let broker = rumqttd().await;
    let mut station = Station::new().await;
    let settings = Mqtt { connections: 2, ..plant(broker.port, Protocol::V311) };
    let sources = station.sources(Settings { mqtt: vec![settings], embedded: None }).await;
    publish(broker.port, None, telemetry("a", 400)).await;
    let seen = station.accept(&names("a", 400)).await;
    assert!(seen.values().all(|times| *times == 1));
    sources.shutdown().await;
}
