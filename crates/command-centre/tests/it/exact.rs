//! What states a cursor is the state at that cursor, while the desk goes on committing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::Colour;
use serde_json::Value;

use crate::city::UNITS;
use crate::desk::Desk;
use crate::station::{LOCAL, Station, VIEWER};

/// A small generator: the same run for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Raises, closes and paints at random until told to stop, then a little more.
fn keep_busy(desk: &Desk, seed: u64, stop: &AtomicBool) {
    let mut random = Random(seed);
    let mut open = Vec::new();
    let mut left = 50;
    while left > 0 {
        if stop.load(Ordering::SeqCst) {
            left -= 1;
        }
        match random.below(4) {
            0 => open.extend(desk.raise_all(&[random.below(UNITS) as u32])),
            1 if !open.is_empty() => desk.close(open.swap_remove(random.below(open.len()))),
            _ => desk.paint(random.below(UNITS) as u32, Colour::ALL[random.below(5)]),
        }
        std::thread::yield_now();
    }
}

/// Open alerts by id and colours by unit, as a consumer keeps them.
#[derive(Debug, Default, PartialEq)]
struct Kept {
    alerts: BTreeMap<String, Value>,
    colours: BTreeMap<u64, String>,
}

impl Kept {
    fn take_alerts(&mut self, bootstrap: &Value) {
        for alert in bootstrap["alerts"].as_array().unwrap() {
            self.alerts.insert(alert["id"].as_str().unwrap().to_owned(), alert.clone());
        }
    }

    fn take_snapshot(&mut self, bytes: &[u8]) -> u64 {
        for (unit, byte) in bytes[12..].iter().enumerate().filter(|(_, byte)| **byte != 0) {
            let colour = Colour::ALL.into_iter().find(|colour| colour.byte() == *byte).unwrap();
            self.colours.insert(unit as u64, colour.word().to_owned());
        }
        u64::from_le_bytes(bytes[..8].try_into().unwrap())
    }

    fn take(&mut self, event: &Value) {
        if let Some(unit) = event.get("unit") {
            self.colours.insert(unit["id"].as_u64().unwrap(), unit["colour"].as_str().unwrap().to_owned());
        }
        if let Some(alert) = event.get("alert") {
            let id = alert["id"].as_str().unwrap().to_owned();
            if alert["state"] == "closed" {
                assert!(self.alerts.remove(&id).is_some(), "{id} was closed but never open: an event was missed");
            } else {
                let before = self.alerts.insert(id.clone(), alert.clone());
                assert!(event["type"] != "alert.raised" || before.is_none(), "{id} was raised twice");
            }
        }
    }
}

async fn state_now(station: &Station, token: &str) -> (u64, Kept) {
    let mut kept = Kept::default();
    let bootstrap = station.get(token, "/api/v1/bootstrap").await.ok();
    kept.take_alerts(&bootstrap);
    let cursor = kept.take_snapshot(&station.get(token, "/api/v1/map/snapshot").await.body);
    assert_eq!(bootstrap["cursor"], cursor, "nothing changes any more");
    (cursor, kept)
}

/// Follows alerts from a bootstrap and colours from a snapshot until `until`, each from its own cursor.
async fn follow(station: &Station, token: &str, rounds: usize) -> (Kept, u64) {
    let mut kept = Kept::default();
    let mut reached = 0;
    for _ in 0..rounds {
        kept = Kept::default();
        let bootstrap = station.get(token, "/api/v1/bootstrap").await.ok();
        let alerts_at = bootstrap["cursor"].as_u64().unwrap();
        kept.take_alerts(&bootstrap);
        let colours_at = kept.take_snapshot(&station.get(token, "/api/v1/map/snapshot").await.body);
        assert!(colours_at >= alerts_at);
        let mut follower = station.follow(token, &format!("?after={alerts_at}"), None).await;
        reached = alerts_at;
        for _ in 0..40 {
            let frame = follower.event().await;
            assert!(frame.id > reached);
            reached = frame.id;
            let mut event = frame.data;
            if frame.id <= colours_at {
                event.as_object_mut().unwrap().remove("unit");
            }
            kept.take(&event);
        }
    }
    (kept, reached)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootstrap_and_the_events_after_it_make_the_state() {
    // a ring far smaller than the run, so that readers come from memory and from the ledger
    let station = Arc::new(Station::start_with(|settings| settings.feed_ring_events = 64).await);
    let stop = Arc::new(AtomicBool::new(false));
    let busy = {
        let (station, stop) = (Arc::clone(&station), Arc::clone(&stop));
        std::thread::spawn(move || keep_busy(&station.desk, 7, &stop))
    };
    let consumers = [VIEWER, LOCAL, VIEWER].map(|token| {
        let station = Arc::clone(&station);
        tokio::spawn(async move { (token, follow(&station, token, 8).await) })
    });
    let mut followed = Vec::new();
    for consumer in consumers {
        followed.push(consumer.await.unwrap());
    }
    stop.store(true, Ordering::SeqCst);
    busy.join().unwrap();

    for (token, (mut kept, mut reached)) in followed {
        let (cursor, expected) = state_now(&station, token).await;
        while reached < cursor {
            let page = station.get(token, &format!("/api/v1/events?after={reached}&limit=500")).await.ok();
            page["events"].as_array().unwrap().iter().for_each(|event| kept.take(event));
            reached = page["next"].as_u64().unwrap();
        }
        assert_eq!(kept, expected, "{token}");
        assert!(!expected.colours.is_empty());
    }
    Arc::into_inner(station).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_and_open_alerts_of_one_bootstrap_agree() {
    let station = Arc::new(Station::start().await);
    let stop = Arc::new(AtomicBool::new(false));
    let busy = {
        let (station, stop) = (Arc::clone(&station), Arc::clone(&stop));
        std::thread::spawn(move || keep_busy(&station.desk, 11, &stop))
    };
    for _ in 0..200 {
        let bootstrap = station.get(VIEWER, "/api/v1/bootstrap").await.ok();
        let open = bootstrap["alerts"].as_array().unwrap().len() as u64;
        assert_eq!(bootstrap["region"]["open_alerts"], open);
        let children = bootstrap["children"].as_array().unwrap();
        assert_eq!(children.iter().map(|child| child["open_alerts"].as_u64().unwrap()).sum::<u64>(), open);
        for colour in ["red", "orange", "yellow", "blue", "blind"] {
            let sum: u64 = children.iter().map(|child| child["counts"][colour].as_u64().unwrap()).sum();
            assert_eq!(bootstrap["region"]["counts"][colour], sum, "{colour}");
        }
    }
    stop.store(true, Ordering::SeqCst);
    busy.join().unwrap();
    Arc::into_inner(station).unwrap().stop().await;
}
