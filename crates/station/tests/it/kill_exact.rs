//! kill -9 under publishers that keep MQTT's promises: every QoS 2 publish is in the journal exactly once, every QoS 1 alarm
//! once at least (and, having an id, once). Nothing here could be told apart by what is in a message: the readings have
//! no sequence number, so what keeps a second copy out is the protocol alone.
//!
//! FENGHUO_KILL_ROUNDS sets the rounds.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use model::{Entry, Journal};
use tokio::time::{Instant, timeout, timeout_at};

use crate::kill::{Lcg, rounds};
use crate::raw::{Login, Packet, Raw};
use crate::rig::{DEADLINE, Rig, fenghuo};

const UNITS: usize = 400;
/// Publishes under way of one client at one time.
const WINDOW: usize = 8;
/// Packet identifiers are taken from so many: each is used again soon.
const IDS: u16 = 12;

/// Given to all publishers.
#[derive(Default)]
pub struct Plan {
    pub serial: AtomicUsize,
    /// Nothing new is begun; what was begun is brought to its end.
    pub finish: AtomicBool,
}

/// Topic and payload of the publish with a number.
pub type Message = fn(usize) -> (String, String);

/// How far a publish has come.
#[derive(Clone, Copy)]
enum Step {
    Sent,
    /// PUBREC came, PUBREL went.
    Released,
    /// PUBREL went again: the first may have been heard, and then the identifier is not known any more (reason 0x92).
    ReleasedAgain,
}

/// A publisher and what it must remember across connections (MQTT-4.1.0-1).
pub struct Publisher {
    login: Login,
    qos: u8,
    message: Message,
    /// Packet identifier, what is published with it, how far it came; in the order of sending.
    under_way: VecDeque<(u16, usize, Step)>,
    known: bool,
    random: Lcg,
    /// Publishes that were confirmed to the end.
    pub done: usize,
    /// Connections that it had.
    connections: usize,
}

impl Publisher {
    pub fn new(name: &str, client_id: &str, v5: bool, (qos, message): (u8, Message), seed: u64) -> Publisher {
        let login = Login { name: name.into(), client_id: client_id.into(), v5, expiry_s: 3_600 };
        Publisher {
            login,
            qos,
            message,
            under_way: VecDeque::new(),
            known: false,
            random: Lcg(seed),
            done: 0,
            connections: 0,
        }
    }

    /// Publishes across the station's deaths and its own, until the plan is finished and everything is confirmed.
    pub async fn run(mut self, address: SocketAddr, plan: Arc<Plan>) -> Publisher {
        let mut last_progress = (Instant::now(), 0);
        while !(plan.finish.load(Ordering::SeqCst) && self.under_way.is_empty()) {
            match timeout(Duration::from_secs(5), Raw::connect(address, &self.login)).await {
                Ok(Ok((mut raw, present))) => {
                    assert!(present || !self.known, "{}: the station forgot a session", self.login.client_id);
                    self.known = true;
                    self.connections += 1;
                    // ends with the station, or when this client cuts itself off
                    let _ = self.converse(&mut raw, &plan).await;
                }
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
            if self.done > last_progress.1 {
                last_progress = (Instant::now(), self.done);
            }
            assert!(last_progress.0.elapsed() < DEADLINE, "{}: nothing is confirmed any more", self.login.client_id);
        }
        self
    }

    async fn converse(&mut self, raw: &mut Raw, plan: &Plan) -> std::io::Result<()> {
        for (id, serial, step) in &mut self.under_way {
            match step {
                Step::Sent => {
                    let (topic, payload) = (self.message)(*serial);
                    raw.publish(&topic, payload.as_bytes(), self.qos, *id, true).await?;
                }
                Step::Released | Step::ReleasedAgain => {
                    *step = Step::ReleasedAgain;
                    raw.pubrel(*id).await?;
                }
            }
        }
        // one connection in three is cut by the client, in the middle of things
        let cut = Duration::from_millis(20 + self.random.below(300));
        let end = Instant::now() + if self.random.below(3) == 0 { cut } else { DEADLINE };
        loop {
            while self.under_way.len() < WINDOW && !plan.finish.load(Ordering::SeqCst) {
                let id = (1..=IDS).find(|id| self.under_way.iter().all(|(used, ..)| used != id)).unwrap();
                let serial = plan.serial.fetch_add(1, Ordering::SeqCst);
                self.under_way.push_back((id, serial, Step::Sent));
                let (topic, payload) = (self.message)(serial);
                raw.publish(&topic, payload.as_bytes(), self.qos, id, false).await?;
            }
            if self.under_way.is_empty() {
                return Ok(());
            }
            let Ok(packet) = timeout_at(end, raw.next()).await else { return Ok(()) };
            match packet? {
                Packet::Pubrec { id, reason: 0 } => {
                    let publish = self.under_way.iter_mut().find(|(used, ..)| *used == id).expect("PUBREC for nothing");
                    publish.2 = Step::Released;
                    raw.pubrel(id).await?;
                }
                Packet::Pubcomp { id, reason: reason @ (0 | 0x92) } | Packet::Puback { id, reason: reason @ 0 } => {
                    let at = self.under_way.iter().position(|(used, ..)| *used == id).expect("confirmed for nothing");
                    let (_, serial, step) = self.under_way.remove(at).expect("found");
                    assert!(reason == 0 || matches!(step, Step::ReleasedAgain), "{serial} was forgotten");
                    self.done += 1;
                }
                other => panic!("{}: {other:?}", self.login.client_id),
            }
        }
    }
}

/// A reading without a sequence number; no two of a device are alike.
fn reading(serial: usize) -> (String, String) {
    let value = -200.0 + (serial / UNITS) as f32 * (1.0 / 1024.0);
    assert!(value < 50.0, "more messages than values");
    let topic = format!("fire/v1/acme/h{}/telemetry", serial % UNITS + 1);
    (topic, format!(r#"{{"values":{{"signal_dbm":{value}}}}}"#))
}

fn alarm(serial: usize) -> (String, String) {
    (format!("fire/v1/acme/s{}a/alarm", serial % UNITS + 1), format!(r#"{{"id":"x-{serial}","kind":"smoke"}}"#))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_every_qos_2_publish_is_in_the_journal_once() {
    let mut rig = Rig::start(UNITS).await;
    let seed = std::env::var("FENGHUO_KILL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut random = Lcg(seed);
    let (readings, alarms) = (Arc::<Plan>::default(), Arc::<Plan>::default());
    let publishers = [("exact-0", true, 2), ("exact-1", true, 2), ("exact-2", false, 2), ("alarms-0", true, 1)];
    let tasks: Vec<_> = publishers
        .into_iter()
        .zip(1..)
        .map(|((client_id, v5, qos), number)| {
            let (plan, message) = if qos == 2 { (&readings, reading as Message) } else { (&alarms, alarm as Message) };
            let publisher = Publisher::new("acme", client_id, v5, (qos, message), seed * 1_000 + number);
            tokio::spawn(publisher.run(rig.mqtt, Arc::clone(plan)))
        })
        .collect();
    for _ in 0..rounds() {
        tokio::time::sleep(Duration::from_millis(150 + random.below(1_200))).await;
        rig.kill();
        rig.spawn().await;
    }
    for plan in [&readings, &alarms] {
        plan.finish.store(true, Ordering::SeqCst);
    }
    let mut done = BTreeMap::new();
    for task in tasks {
        let publisher = task.await.unwrap();
        *done.entry(publisher.qos).or_insert(0) += publisher.done;
        eprintln!("{}: {} in {} connections", publisher.login.client_id, publisher.done, publisher.connections);
    }
    assert!(rig.stop().await.success());
    let sent = readings.serial.load(Ordering::SeqCst);
    assert!(sent > rounds() * 20, "the load was no load: {sent} readings");
    assert_eq!((done[&2], done[&1]), (sent, alarms.serial.load(Ordering::SeqCst)));
    check_journal(&rig, sent, done[&1]);
    let audit = Command::new(fenghuo()).args(["audit", "--config"]).arg(rig.config_path()).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
}

/// Every reading once, every alarm once.
fn check_journal(rig: &Rig, readings: usize, alarms: usize) {
    let store = store::Store::open(rig.folder.path().join("store"), store::Settings::default()).unwrap();
    let mut read: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    let mut rang: BTreeMap<String, usize> = BTreeMap::new();
    for commit in store.read(1) {
        let commit = commit.unwrap();
        for reading in commit.readings {
            *read.entry((reading.device.0, reading.value.to_bits())).or_default() += 1;
        }
        for entry in commit.entries {
            if let Entry::Report(model::Report { body: model::report::Body::Alarm { id, .. }, .. }) = entry {
                *rang.entry(id.into()).or_default() += 1;
            }
        }
    }
    let twice: Vec<_> = read.iter().filter(|(_, times)| **times > 1).take(20).collect();
    assert!(twice.is_empty(), "in the journal more than once: {twice:?}");
    assert_eq!(read.len(), readings, "readings are missing in the journal");
    assert_eq!(rang.len(), alarms, "alarms are missing in the journal");
    assert!(rang.values().all(|times| *times == 1));
    let mut records = 0;
    store.front_load(&mut |_, _| records += 1).unwrap();
    // four sessions; no mark is left of what was confirmed to the end
    assert!((4..=8).contains(&records), "{records} records of the front door are left");
}
