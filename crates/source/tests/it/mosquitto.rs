//! Mosquitto, killed and restarted.

use std::collections::BTreeMap;
use std::time::Duration;

use broker::Reason;
use source::{Mqtt, Protocol};

use crate::rig::{
    Station, alarms, connected, hasty, mosquitto, names, only, payloads, plant, publish, telemetry, until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_comes_again_until_the_consumer_has_answered() {
    for protocol in [Protocol::V5, Protocol::V311] {
        let plant_broker = mosquitto("").await;
        let mut station = Station::new().await;
        let sources = station.sources(hasty(plant(plant_broker.port, protocol))).await;
        publish(plant_broker.port, None, alarms("a", 3)).await;
        let mut unanswered = Vec::new();
        let mut seen = 0;
        while seen < 3 {
            let batch = station.batch().await;
            assert_eq!(&*batch.identity, "source:plant");
            assert_eq!(&*batch.client_id, "fenghuo-plant-1");
            assert!(batch.messages.iter().all(|message| message.qos == 1 && message.received_ms == 7));
            seen += batch.messages.len();
            unanswered.push(batch);
        }
        // ends within its drain deadline, whatever the consumer does
        sources.shutdown().await;
        drop(unanswered);
        let sources = station.sources(only(plant(plant_broker.port, protocol))).await;
        let again = station.accept(&names("a", 3)).await;
        assert_eq!(again.len(), 3);
        sources.shutdown().await;
        let sources = station.sources(only(plant(plant_broker.port, protocol))).await;
        publish(plant_broker.port, None, alarms("b", 1)).await;
        let seen = station.accept(&names("b", 1)).await;
        assert_eq!(seen, BTreeMap::from([("b-0".to_owned(), 1)]), "what was answered does not come again");
        sources.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_broker_is_killed_and_restarted() {
    for protocol in [Protocol::V5, Protocol::V311] {
        let mut plant_broker = mosquitto("").await;
        let mut station = Station::new().await;
        let sources = station.sources(only(plant(plant_broker.port, protocol))).await;
        let health = sources.health();
        publish(plant_broker.port, None, alarms("before", 50)).await;
        station.accept(&names("before", 50)).await;
        // taken in, on Mosquitto's disk and not answered
        publish(plant_broker.port, None, alarms("during", 50)).await;
        let first = station.batch().await;
        plant_broker.save().await;
        plant_broker.kill();
        until("the loss is noticed", || health.connected().0 == 0).await;
        assert!(health.check().is_err());
        first.ack.accept_all();
        plant_broker.restart().await;
        connected(&health).await;
        publish(plant_broker.port, None, alarms("after", 50)).await;
        let mut wanted = names("during", 50);
        wanted.extend(names("after", 50));
        let seen = station.accept(&wanted).await;
        assert!(seen.keys().all(|payload| !payload.starts_with("before")), "{seen:?}");
        assert_eq!(health.check(), Ok(()));
        sources.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_published_while_we_were_away_waits() {
    let mut plant_broker = mosquitto("").await;
    let mut station = Station::new().await;
    station.sources(only(plant(plant_broker.port, Protocol::V5))).await.shutdown().await;
    publish(plant_broker.port, None, alarms("away", 100)).await;
    plant_broker.save().await;
    plant_broker.kill();
    plant_broker.restart().await;
    let sources = station.sources(only(plant(plant_broker.port, Protocol::V5))).await;
    let seen = station.accept(&names("away", 100)).await;
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    sources.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_batch_comes_again_on_a_new_connection() {
    let plant_broker = mosquitto("").await;
    let mut station = Station::new().await;
    let sources = station.sources(only(plant(plant_broker.port, Protocol::V5))).await;
    publish(plant_broker.port, None, alarms("a", 1)).await;
    drop(station.batch().await);
    let again = station.batch().await;
    assert_eq!(payloads(&again), ["a-0"]);
    assert!(again.messages[0].dup);
    again.ack.accept_all();
    sources.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_share_the_load() {
    let mut plant_broker = mosquitto("").await;
    let mut station = Station::new().await;
    let settings = Mqtt { connections: 3, ..plant(plant_broker.port, Protocol::V5) };
    let sources = station.sources(only(settings)).await;
    publish(plant_broker.port, None, telemetry("a", 300)).await;
    let (mut shares, mut seen) = (BTreeMap::<String, usize>::new(), 0);
    while seen < 300 {
        let batch = station.batch().await;
        *shares.entry(batch.client_id.to_string()).or_default() += batch.messages.len();
        seen += batch.messages.len();
        batch.ack.accept_all();
    }
    assert_eq!(seen, 300, "each came once");
    assert_eq!(shares.len(), 3, "{shares:?}");
    assert!(shares.values().all(|share| *share >= 50), "{shares:?}");
    sources.shutdown().await;
    // a restarted Mosquitto has forgotten what was shared, and alarms come all the same
    plant_broker.save().await;
    plant_broker.kill();
    plant_broker.restart().await;
    publish(plant_broker.port, None, alarms("away", 50)).await;
    let settings = Mqtt { connections: 3, ..plant(plant_broker.port, Protocol::V5) };
    let sources = station.sources(only(settings)).await;
    station.accept(&names("away", 50)).await;
    sources.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_consumer_refuses_and_what_cannot_be_read_is_not_sent_again() {
    let plant_broker = mosquitto("").await;
    let mut station = Station::new().await;
    let sources = station.sources(only(plant(plant_broker.port, Protocol::V5))).await;
    let odd = vec![("fire/v1/烽火/传感器-1/alarm".to_owned(), vec![0xFF, 0x00])];
    publish(plant_broker.port, None, odd).await;
    let batch = station.batch().await;
    assert_eq!(&*batch.messages[0].topic, "fire/v1/烽火/传感器-1/alarm");
    batch.ack.complete(&[Reason::PayloadFormatInvalid]);
    sources.shutdown().await;
    let sources = station.sources(only(plant(plant_broker.port, Protocol::V5))).await;
    publish(plant_broker.port, None, alarms("next", 1)).await;
    assert_eq!(payloads(&station.batch().await), ["next-0"]);
    sources.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alarms_pass_telemetry_that_waits() {
    let plant_broker = mosquitto("").await;
    let mut station = Station::new().await;
    let sources = station.sources(only(plant(plant_broker.port, Protocol::V5))).await;
    publish(plant_broker.port, None, telemetry("t", 900)).await;
    publish(plant_broker.port, None, alarms("fire", 1)).await;
    let urgent = tokio::time::timeout(Duration::from_secs(10), station.inlets.urgent.recv()).await;
    let urgent = urgent.expect("the alarm does not wait for telemetry").unwrap();
    assert_eq!(payloads(&urgent), ["fire-0"]);
    urgent.ack.accept_all();
    station.accept(&names("t", 900)).await;
    sources.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_says_what_to_correct() {
    let plant_broker = mosquitto("allow_anonymous false").await;
    let station = Station::new().await;
    let mut settings = plant(plant_broker.port, Protocol::V5);
    (settings.user, settings.password) = (Some("fenghuo".into()), Some("wrong".into()));
    let sources = station.try_sources(only(settings));
    let health = sources.health();
    until("the refusal is told", || health.check().is_err_and(|why| why.contains("password_file"))).await;
    sources.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_take_over_from_one() {
    let plant_broker = mosquitto("").await;
    let mut station = Station::new().await;
    station.sources(only(plant(plant_broker.port, Protocol::V5))).await.shutdown().await;
    let settings = Mqtt { connections: 2, ..plant(plant_broker.port, Protocol::V5) };
    let sources = station.sources(only(settings)).await;
    publish(plant_broker.port, None, telemetry("a", 100)).await;
    publish(plant_broker.port, None, telemetry("b", 1)).await;
    let mut wanted = names("a", 100);
    wanted.extend(names("b", 1));
    let seen = station.accept(&wanted).await;
    assert!(seen.values().all(|times| *times == 1), "the plain subscription of before is gone: {seen:?}");
    sources.shutdown().await;
}
