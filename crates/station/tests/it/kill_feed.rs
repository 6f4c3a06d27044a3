//! Subscribers with a persistent session across absences and kill -9: everybody who may hear it gets every alert event of the
//! feed, in order, none lost, however long they are away; with QoS 2 each once.
//!
//! FENGHUO_KILL_ROUNDS sets the rounds, 100 at most: every subscriber remembers all that it heard.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use crate::device::Client;
use crate::kill::{Lcg, rounds};
use crate::raw::{Login, Packet, Raw};
use crate::rig::{DEADLINE, Rig};

const UNITS: usize = 40;
/// Alarms of a round: many times what a queue holds.
const ALARMS: usize = 120;
const QUEUE: &str = "[mqtt]\noutbound_queue_messages = 16\nreceive_maximum = 16\n";

/// A subscriber and what it must remember across connections.
pub struct Subscriber {
    pub login: Login,
    filter: String,
    qos: u8,
    known: bool,
    /// QoS 2 packet identifiers received and not yet released (MQTT-4.3.3-10).
    received: BTreeSet<u16>,
    /// What it got, in order, without what was marked as a repetition of something that it had.
    pub heard: Vec<String>,
    random: Lcg,
    /// Waits so long before each acknowledgement, at most, ms.
    slow_ms: u64,
}

impl Subscriber {
    pub fn new(name: &str, client_id: &str, v5: bool, filter: &str, qos: u8, slow_ms: u64) -> Subscriber {
        Subscriber {
            login: Login { name: name.into(), client_id: client_id.into(), v5, expiry_s: 3_600 },
            filter: filter.into(),
            qos,
            known: false,
            received: BTreeSet::new(),
            heard: Vec::new(),
            random: Lcg(slow_ms + 7),
            slow_ms,
        }
    }

    /// Comes and goes until `stay` is set; then stays until `wanted` messages were heard.
    pub async fn run(mut self, address: SocketAddr, stay: Arc<AtomicBool>, wanted: Arc<AtomicU64>) -> Subscriber {
        let mut progress = (Instant::now(), 0);
        loop {
            let staying = stay.load(Ordering::SeqCst);
            let (heard, wanted) = (self.heard.len(), wanted.load(Ordering::SeqCst));
            if staying && heard as u64 >= wanted && self.received.is_empty() {
                return self;
            }
            if heard > progress.1 || !staying {
                progress = (Instant::now(), heard);
            }
            let who = &self.login.client_id;
            assert!(progress.0.elapsed() < DEADLINE, "{who}: no more than {heard} of {wanted} messages come");
            if staying {
                self.slow_ms = 0;
            }
            match timeout(Duration::from_secs(5), Raw::connect(address, &self.login)).await {
                Ok(Ok((mut raw, present))) => {
                    assert!(present || !self.known, "{}: the station forgot a session", self.login.client_id);
                    let span = if staying { 1_000 } else { self.random.below(600) };
                    // ends with the station or with this visit
                    let _ = self.visit(&mut raw, Instant::now() + Duration::from_millis(span)).await;
                    drop(raw);
                    if !staying {
                        tokio::time::sleep(Duration::from_millis(self.random.below(400))).await;
                    }
                }
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Subscribes, before anything happens.
    pub async fn enrol(&mut self, address: SocketAddr) {
        let (mut raw, _) = Raw::connect(address, &self.login).await.unwrap();
        let before = raw.subscribe(&self.filter, self.qos).await.unwrap();
        assert!(before.is_empty());
        self.known = true;
    }

    async fn visit(&mut self, raw: &mut Raw, end: Instant) -> std::io::Result<()> {
        loop {
            let Ok(packet) = timeout_at(end, raw.next()).await else { return Ok(()) };
            let packet = packet?;
            let pause = self.random.below(self.slow_ms + 1);
            if pause > 0 {
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            match packet {
                Packet::Publish { payload, qos, id, dup, .. } => {
                    assert_eq!(qos, self.qos);
                    if qos < 2 || self.received.insert(id) {
                        self.hear(payload, dup && qos < 2);
                    }
                    if qos == 1 {
                        raw.puback(id).await?;
                    } else {
                        raw.pubrec(id).await?;
                    }
                }
                Packet::Pubrel { id } => {
                    self.received.remove(&id);
                    raw.pubcomp(id).await?;
                }
                other => panic!("{}: {other:?}", self.login.client_id),
            }
        }
    }

    fn hear(&mut self, payload: Vec<u8>, may_repeat: bool) {
        let text = String::from_utf8(payload).unwrap();
        if !(may_repeat && self.heard.contains(&text)) {
            self.heard.push(text);
        }
    }
}

/// Every alert event that the station's feed holds, in a region.
async fn alert_events(rig: &Rig, region: &str) -> Vec<Value> {
    let mut events = Vec::new();
    let mut after = 0;
    loop {
        let page = rig.get(&format!("/api/v1/events?after={after}&limit=1000")).await;
        let rows = page["events"].as_array().unwrap();
        let mine = rows.iter().filter(|event| event["region"].as_str().unwrap().starts_with(region));
        events.extend(mine.filter(|event| event["type"].as_str().unwrap().starts_with("alert.")).cloned());
        let next = page["next"].as_u64().unwrap();
        if next == after {
            return events;
        }
        after = next;
    }
}

fn cursor(event: &Value) -> u64 {
    event["cursor"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_that_come_and_go_get_every_alert_event_in_order() {
    let mut rig = Rig::start_with(UNITS, QUEUE).await;
    let city = "feed/v1/#";
    let village = "feed/v1/331083001/331083001001/#";
    let mut subscribers = [
        (Subscriber::new("centre", "once-5", true, city, 1, 0), "331083"),
        (Subscriber::new("centre", "slow-5", true, city, 1, 3), "331083"),
        (Subscriber::new("centre", "exact-5", true, city, 2, 1), "331083"),
        (
            Subscriber::new("G1", "village-3", false, "feed/v1/331083001/331083001001/331083001001001/#", 1, 0),
            "331083001",
        ),
    ];
    // a credential's own grid is the largest part that it may hear
    let (mut refused, _) = Raw::connect(rig.mqtt, &subscribers[3].0.login).await.unwrap();
    assert!(refused.subscribe(village, 1).await.is_err());
    drop(refused);
    // who is away from the first alarm to the last
    let mut away = Subscriber::new("centre", "away-5", true, city, 1, 0);
    away.enrol(rig.mqtt).await;
    for (subscriber, _) in &mut subscribers {
        subscriber.enrol(rig.mqtt).await;
    }
    let stay = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = subscribers
        .into_iter()
        .map(|(subscriber, region)| {
            let wanted = Arc::new(AtomicU64::new(u64::MAX));
            let run = subscriber.run(rig.mqtt, Arc::clone(&stay), Arc::clone(&wanted));
            (tokio::spawn(run), wanted, region)
        })
        .collect();
    let mut random = Lcg(3);
    let mut serial = 0;
    let rounds = rounds().min(100);
    for _ in 0..rounds {
        alarms(&rig, &mut serial).await;
        tokio::time::sleep(Duration::from_millis(random.below(300))).await;
        rig.kill();
        rig.spawn().await;
    }
    // the ladder may still tell of a step: all that was told by now is wanted, what comes later is welcome
    let wanted_of = |events: &[Value], region: &str| {
        events.iter().filter(|event| event["region"].as_str().unwrap().starts_with(region)).count() as u64
    };
    let events = alert_events(&rig, "331083").await;
    assert!(events.len() >= rounds * ALARMS, "{} events", events.len());
    for (_, wanted, region) in &tasks {
        wanted.store(wanted_of(&events, region), Ordering::SeqCst);
    }
    stay.store(true, Ordering::SeqCst);
    for (task, _, region) in tasks {
        let subscriber = task.await.unwrap();
        check(&subscriber, &events, region);
    }
    let wanted = Arc::new(AtomicU64::new(events.len() as u64));
    check(&away.run(rig.mqtt, stay, wanted).await, &events, "331083");
    assert!(rig.stop().await.success());
}

/// Alarms of many detectors, each confirmed.
async fn alarms(rig: &Rig, serial: &mut usize) {
    let mut vendor = Client::connect(rig, "acme", "rings");
    for _ in 0..ALARMS {
        let (unit, detector) = (*serial % UNITS + 1, ["a", "b"][*serial / UNITS % 2]);
        let payload = format!(r#"{{"id":"f-{serial}","kind":"smoke"}}"#);
        vendor.say(&format!("fire/v1/acme/s{unit}{detector}/alarm"), &payload).await;
        *serial += 1;
    }
}

fn check(subscriber: &Subscriber, events: &[Value], region: &str) {
    let who = &subscriber.login.client_id;
    let heard: Vec<Value> = subscriber.heard.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let cursors: Vec<u64> = heard.iter().map(cursor).collect();
    assert!(cursors.is_sorted_by(|a, b| a < b), "{who}: out of order or twice: {cursors:?}");
    let expected = events.iter().filter(|event| event["region"].as_str().unwrap().starts_with(region));
    let lost: Vec<u64> = expected.clone().map(cursor).filter(|cursor| cursors.binary_search(cursor).is_err()).collect();
    assert!(lost.is_empty(), "{who}: lost {lost:?} of {} events, heard {}", events.len(), cursors.len());
    for (event, heard) in expected.zip(&heard) {
        assert_eq!(event, heard, "{who}: another text than over HTTP");
    }
}
