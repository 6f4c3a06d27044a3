//! kill -9 at random moments under load. Every acknowledged alarm is on the feed exactly once, every delivery owed
//! arrives at least once under one id, and the journal replays to the same state.
//!
//! FENGHUO_KILL_ROUNDS sets the rounds; the suite runs a few, `make kill-long` some hundred.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use rumqttc::QoS;

use crate::device::{Client, Heard};
use crate::feed::Feed;
use crate::rig::{Rig, fenghuo};

const UNITS: usize = 400;

pub fn rounds() -> usize {
    std::env::var("FENGHUO_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// A small generator of its own: rounds differ, runs with one seed do not.
pub struct Lcg(pub u64);

impl Lcg {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_under_load_nothing_acknowledged_is_lost() {
    let mut rig = Rig::start(UNITS).await;
    let mut random = Lcg(std::env::var("FENGHUO_KILL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1));
    let mut acknowledged = BTreeSet::new();
    // delivery id → how often the person's phone got it
    let told: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let mut serial = 0usize;
    for round in 0..rounds() {
        let phone = phone(&rig, round, Arc::clone(&told));
        let noise = noise(&rig, round);
        let mut vendor = Client::connect(&rig, "acme", "alarms");
        let life = Duration::from_millis(150 + random.below(1200));
        let end = tokio::time::Instant::now() + life;
        let mut in_flight = BTreeMap::new();
        let mut next_ack = 0usize;
        loop {
            while in_flight.len() < 8 {
                // each alarm of a unit and detector of its own as long as they last, then again with new ids
                let unit = serial % UNITS + 1;
                let detector = ["a", "b"][serial / UNITS % 2];
                let id = format!("k-{serial}");
                let payload = format!(r#"{{"id":"{id}","kind":"smoke"}}"#);
                vendor
                    .mqtt
                    .publish(format!("fire/v1/acme/s{unit}{detector}/alarm"), QoS::AtLeastOnce, false, payload)
                    .await
                    .unwrap();
                in_flight.insert(serial, id);
                serial += 1;
            }
            match tokio::time::timeout_at(end, vendor.heard()).await {
                Err(_) => break,
                Ok(Heard::Acknowledged) => {
                    // one connection and one lane: acknowledgements come in order
                    while !in_flight.contains_key(&next_ack) {
                        next_ack += 1;
                    }
                    acknowledged.insert(in_flight.remove(&next_ack).unwrap());
                }
                Ok(Heard::Failed(error)) => panic!("round {round}: {error}"),
                Ok(_) => {}
            }
        }
        rig.kill();
        drop(vendor);
        noise.abort();
        phone.abort();
        rig.spawn().await;
    }
    assert!(acknowledged.len() > rounds() * 5, "the load was no load: {} alarms", acknowledged.len());
    check_feed(&mut rig, &acknowledged).await;
    check_deliveries(&mut rig, &told).await;
    assert!(rig.stop().await.success());
    let audit = Command::new(fenghuo()).args(["audit", "--config"]).arg(rig.config_path()).output().unwrap();
    let said = String::from_utf8_lossy(&audit.stdout).into_owned() + &String::from_utf8_lossy(&audit.stderr);
    assert!(audit.status.success(), "the journal replays to another state:\n{said}");
    eprintln!(
        "{} rounds, {} alarms acknowledged, {} deliveries; {}",
        rounds(),
        acknowledged.len(),
        told.lock().unwrap().len(),
        said.trim()
    );
}

/// Every acknowledged alarm stands on the feed exactly once.
async fn check_feed(rig: &mut Rig, acknowledged: &BTreeSet<String>) {
    let mut feed = Feed::open(rig, Some(0)).await;
    let newest = rig.get("/api/v1/bootstrap").await["cursor"].as_u64().unwrap();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    while feed.cursor.unwrap_or(0) < newest {
        let event = feed.next().await.unwrap();
        let alert = event["type"].as_str().unwrap().starts_with("alert.");
        if let (true, Some(id)) = (alert, event["detail"].as_str().filter(|id| id.starts_with("k-"))) {
            *seen.entry(id.to_owned()).or_default() += 1;
        }
    }
    let lost: Vec<_> = acknowledged.iter().filter(|id| !seen.contains_key(*id)).collect();
    let doubled: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(lost.is_empty() && doubled.is_empty(), "lost {lost:?}, more than once {doubled:?}");
}

/// Every delivery to the grid worker's phone arrives at least once, under ids that the ledger knows.
async fn check_deliveries(rig: &mut Rig, told: &Arc<Mutex<BTreeMap<String, usize>>>) {
    let phone = phone(rig, usize::MAX, Arc::clone(told));
    let alerts = rig.get("/api/v1/alerts?state=open&limit=500").await;
    let alerts: Vec<String> =
        alerts["alerts"].as_array().unwrap().iter().map(|alert| alert["id"].as_str().unwrap().to_owned()).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        rig.until("deliveries to G1 are delivered", async |rig| {
            let alert = rig.get(&format!("/api/v1/alerts/{alert}")).await;
            let deliveries = alert["deliveries"].as_array().unwrap();
            let mine: Vec<_> = deliveries
                .iter()
                .filter(|delivery| delivery["id"].as_str().unwrap().contains("mqtt") && delivery["person"] == "G1")
                .collect();
            let told = told.lock().unwrap();
            mine.iter().all(|delivery| told.contains_key(delivery["id"].as_str().unwrap())).then_some(())
        })
        .await;
    }
    phone.abort();
}

/// The grid worker's phone: notes the id of each delivery that comes.
fn phone(rig: &Rig, round: usize, told: Arc<Mutex<BTreeMap<String, usize>>>) -> tokio::task::JoinHandle<()> {
    let mut client = Client::connect(rig, "G1", &format!("phone-{round}"));
    tokio::spawn(async move {
        client.mqtt.subscribe("people/v1/G1/alert", QoS::AtLeastOnce).await.unwrap();
        loop {
            match client.heard().await {
                Heard::Message { payload, .. } => {
                    let message: serde_json::Value = serde_json::from_slice(&payload).unwrap();
                    *told.lock().unwrap().entry(message["delivery"].as_str().unwrap().to_owned()).or_default() += 1;
                }
                Heard::Failed(_) => return,
                _ => {}
            }
        }
    })
}

/// Telemetry beside the alarms.
fn noise(rig: &Rig, round: usize) -> tokio::task::JoinHandle<()> {
    let mut client = Client::connect(rig, "acme", &format!("noise-{round}"));
    tokio::spawn(async move {
        for message in 0usize.. {
            let topic = format!("fire/v1/acme/h{}/telemetry", message % UNITS + 1);
            let payload = format!(
                r#"{{"seq":{},"values":{{"temperature_c":2{}.5}}}}"#,
                round * 100_000 + message / UNITS,
                message % 4
            );
            if client.mqtt.publish(topic, QoS::AtLeastOnce, false, payload).await.is_err() {
                return;
            }
            if message % 32 == 31 && matches!(client.heard().await, Heard::Failed(_)) {
                return;
            }
        }
    })
}
