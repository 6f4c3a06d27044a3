//! A ledger, a desk and a broker in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dispatcher::{Dispatcher, Handle, MqttOutcome, MqttPublisher, Parts, ReceiptSink, Settings, SinkClosed};
use model::alert::{Attempt, ReceiptOutcome};
use model::finding::Words;
use model::*;
use tokio::time::Instant;

pub const START_MS: u64 = 1_795_305_600_000;

/// The ledger, as far as the dispatcher reads it.
#[derive(Default)]
pub struct Memory {
    pub deliveries: Mutex<BTreeMap<DeliveryId, Delivery>>,
    pub failing: AtomicBool,
    /// What `owed` says is as old as the moment of the call; so many times it was called.
    pub scans: Mutex<u32>,
}

impl Memory {
    pub fn put(&self, deliveries: &[Arc<Delivery>]) {
        let mut kept = self.deliveries.lock().unwrap();
        kept.extend(deliveries.iter().map(|delivery| (delivery.id.clone(), delivery.as_ref().clone())));
    }

    pub fn get(&self, id: &str) -> Delivery {
        self.deliveries.lock().unwrap()[&DeliveryId::from(id)].clone()
    }

    pub fn count(&self, state: DeliveryState) -> usize {
        self.deliveries.lock().unwrap().values().filter(|delivery| delivery.state == state).count()
    }
}

type Read<T> = Result<T, StoreError>;

impl Ledger for Memory {
    fn commit(&self, _: &LedgerBatch) -> Read<()> {
        unreachable!("the dispatcher writes nothing")
    }
    fn applied(&self) -> Epoch {
        0
    }
    fn newest_cursor(&self) -> Cursor {
        0
    }
    fn oldest_cursor(&self) -> Cursor {
        1
    }
    fn feed(&self, _: Cursor, _: usize) -> Read<Vec<FeedEvent>> {
        Ok(Vec::new())
    }
    fn open_alerts(&self) -> Read<Vec<Alert>> {
        Ok(Vec::new())
    }
    fn alert(&self, _: AlertId) -> Read<Option<Alert>> {
        Ok(None)
    }
    fn alerts(&self, _: Option<Epoch>, _: usize) -> Read<Vec<Alert>> {
        Ok(Vec::new())
    }
    fn alerts_of_unit(&self, _: UnitId, _: usize) -> Read<Vec<Alert>> {
        Ok(Vec::new())
    }
    fn delivery(&self, _: Matter, id: &DeliveryId) -> Read<Option<Delivery>> {
        Ok(self.deliveries.lock().unwrap().get(id).cloned())
    }
    fn deliveries(&self, _: Matter) -> Read<Vec<Delivery>> {
        Ok(Vec::new())
    }
    fn owed(&self) -> Read<Vec<Delivery>> {
        *self.scans.lock().unwrap() += 1;
        if self.failing.load(Ordering::SeqCst) {
            return Err(StoreError::Disk { doing: "read", reason: "as the test wants".into() });
        }
        let deliveries = self.deliveries.lock().unwrap();
        Ok(deliveries.values().filter(|delivery| delivery.state == DeliveryState::Owed).cloned().collect())
    }
    fn unit(&self, _: UnitId) -> Read<Option<UnitStatus>> {
        Ok(None)
    }
    fn units(&self) -> Read<Vec<UnitStatus>> {
        Ok(Vec::new())
    }
    fn regions(&self) -> Read<Vec<RegionStatus>> {
        Ok(Vec::new())
    }
    fn policy(&self) -> Read<Option<String>> {
        Ok(None)
    }
    fn kept(&self, _: KeptKind, _: Option<&[u8]>, _: usize) -> Read<Vec<KeptRow>> {
        Ok(Vec::new())
    }
    fn kept_one(&self, _: KeptKind, _: &[u8]) -> Read<Option<Vec<u8>>> {
        Ok(None)
    }
    fn quarantine(&self, _: Option<u64>, _: usize) -> Read<Vec<(u64, Quarantined)>> {
        Ok(Vec::new())
    }
}

/// Journal and desk: receipts change the ledger.
pub struct Desk {
    pub ledger: Arc<Memory>,
    pub journal: Mutex<Vec<Receipt>>,
    pub closed: AtomicBool,
    /// Never answers.
    pub stuck: AtomicBool,
    /// Journals, but changes nothing in the ledger yet.
    pub lagging: AtomicBool,
    clock: Arc<dyn Clock>,
}

impl Desk {
    pub fn outcomes(&self, id: &str) -> Vec<ReceiptOutcome> {
        let journal = self.journal.lock().unwrap();
        journal.iter().filter(|receipt| receipt.delivery.as_str() == id).map(|receipt| receipt.outcome).collect()
    }

    pub fn last_reason(&self, id: &str) -> String {
        let journal = self.journal.lock().unwrap();
        journal
            .iter()
            .rfind(|receipt| receipt.delivery.as_str() == id)
            .map(|receipt| receipt.reason.to_string())
            .unwrap_or_default()
    }
}

#[async_trait]
impl ReceiptSink for Desk {
    async fn submit(&self, receipt: Receipt) -> Result<(), SinkClosed> {
        if self.stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.closed.load(Ordering::SeqCst) {
            return Err(SinkClosed);
        }
        self.journal.lock().unwrap().push(receipt.clone());
        if !self.lagging.load(Ordering::SeqCst) {
            let mut deliveries = self.ledger.deliveries.lock().unwrap();
            let delivery = deliveries.get_mut(&receipt.delivery).unwrap();
            delivery.state = match receipt.outcome {
                ReceiptOutcome::Delivered | ReceiptOutcome::Read => DeliveryState::Delivered,
                ReceiptOutcome::Retry => DeliveryState::Owed,
                ReceiptOutcome::Failed => DeliveryState::Failed,
            };
            delivery.attempt_count += 1;
            let at_ms = self.clock.now_ms();
            delivery.attempts.push(Attempt { at_ms, outcome: receipt.outcome, reason: receipt.reason });
        }
        Ok(())
    }
}

/// How the broker answers.
#[derive(Clone, Copy)]
pub enum Answer {
    Now(MqttOutcome),
    After(Duration, MqttOutcome),
    Never,
    Panic,
}

type Script = Box<dyn Fn(&str, usize) -> Answer + Send + Sync>;

/// Answers as its script says, for a topic and the number of the publish to it (from 0).
pub struct Broker {
    script: Mutex<Script>,
    pub published: Mutex<Vec<(Instant, String, serde_json::Value)>>,
}

impl Broker {
    pub fn script(&self, script: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    /// Times of the publishes to a topic.
    pub fn times(&self, topic: &str) -> Vec<Instant> {
        let published = self.published.lock().unwrap();
        published.iter().filter(|(_, to, _)| to == topic).map(|(at, _, _)| *at).collect()
    }

    pub fn topics(&self) -> Vec<String> {
        self.published.lock().unwrap().iter().map(|(_, topic, _)| topic.clone()).collect()
    }
}

#[async_trait]
impl MqttPublisher for Broker {
    async fn publish(&self, topic: &str, payload: Bytes, deadline: Duration) -> MqttOutcome {
        let nth = self.times(topic).len();
        let json = serde_json::from_slice(&payload).unwrap();
        self.published.lock().unwrap().push((Instant::now(), topic.to_owned(), json));
        let answer = (self.script.lock().unwrap())(topic, nth);
        match answer {
            Answer::Now(outcome) => outcome,
            Answer::After(pause, _) if pause > deadline => {
                tokio::time::sleep(deadline).await;
                MqttOutcome::TimedOut
            }
            Answer::After(pause, outcome) => {
                tokio::time::sleep(pause).await;
                outcome
            }
            Answer::Never => std::future::pending().await,
            Answer::Panic => panic!("as the test wants"),
        }
    }
}

/// Everything around a dispatcher. The clock follows tokio's, paused or not.
pub struct Rig {
    pub ledger: Arc<Memory>,
    pub desk: Arc<Desk>,
    pub broker: Arc<Broker>,
    pub clock: Arc<dyn Clock>,
    pub settings: Settings,
    pub public_url: String,
}

impl Rig {
    pub fn new() -> Rig {
        let begun = Instant::now();
        let clock: Arc<dyn Clock> = Arc::new(move || START_MS + begun.elapsed().as_millis() as u64);
        let ledger = Arc::new(Memory::default());
        let desk = Desk {
            ledger: Arc::clone(&ledger),
            journal: Mutex::default(),
            closed: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
            lagging: AtomicBool::new(false),
            clock: Arc::clone(&clock),
        };
        let broker = Broker {
            script: Mutex::new(Box::new(|_, _| Answer::Now(MqttOutcome::Acknowledged))),
            published: Mutex::default(),
        };
        Rig {
            ledger,
            desk: Arc::new(desk),
            broker: Arc::new(broker),
            clock,
            settings: Settings::default(),
            public_url: String::new(),
        }
    }

    pub fn parts(&self) -> Parts {
        let roster = Arc::new(roster());
        Parts {
            settings: self.settings.clone(),
            ledger: Arc::clone(&self.ledger) as _,
            receipts: Arc::clone(&self.desk) as _,
            mqtt: Arc::clone(&self.broker) as _,
            roster: Arc::new(move || Arc::clone(&roster)),
            clock: Arc::clone(&self.clock),
            public_url: self.public_url.clone(),
        }
    }

    pub fn start(&self) -> Handle {
        Dispatcher::start(self.parts()).unwrap()
    }

    /// Commits deliveries and tells the dispatcher.
    pub fn owe(&self, handle: &Handle, deliveries: Vec<Delivery>) {
        let deliveries: Vec<_> = deliveries.into_iter().map(Arc::new).collect();
        self.ledger.put(&deliveries);
        handle.owe(&deliveries);
    }

    /// A delivery to a person of the same name, owed now.
    pub fn delivery(&self, id: &str, channel: &str, colour: Colour) -> Delivery {
        let alert = AlertId { epoch: 4711, unit: UnitId(0), family: Family::Fire };
        Delivery {
            id: id.into(),
            matter: alert.into(),
            about: About::Alert(summary(alert, colour)),
            whom: "grid".into(),
            person: PersonId(0),
            person_code: id.into(),
            person_name: "王某".into(),
            channel: channel.into(),
            owed_ms: self.clock.now_ms(),
            state: DeliveryState::Owed,
            attempts: Vec::new(),
            attempt_count: 0,
            read_ms: None,
            turn: None,
        }
    }
}

/// The same delivery about an alert of its own.
pub fn of_alert(epoch: u64, mut delivery: Delivery) -> Delivery {
    let alert = alert_of(&mut delivery);
    alert.id.epoch = epoch;
    delivery.matter = alert.id.into();
    delivery
}

/// The alert that a delivery tells of.
pub fn alert_of(delivery: &mut Delivery) -> &mut AlertSummary {
    let About::Alert(alert) = &mut delivery.about else { unreachable!("made of an alert") };
    alert
}

pub fn summary(alert: AlertId, colour: Colour) -> AlertSummary {
    AlertSummary {
        id: alert,
        colour,
        state: AlertState::Raised,
        unit: alert.unit,
        grid: "331083001001003".parse().unwrap(),
        raised_ms: START_MS,
        updated_ms: START_MS,
        ring: 1,
        words: Words { zh: "烟雾报警".into(), en: "smoke alarm".into() },
        acknowledged_by: Vec::new(),
        verdict: None,
        evidence_count: 1,
        exercise: false,
        due_ms: None,
        held: None,
        storm: None,
    }
}

/// One unit with its regions.
pub fn roster() -> Roster {
    let regions =
        [("331083", "玉环市"), ("331083001", "玉城街道"), ("331083001001", "南门社区"), ("331083001001003", "3网格")];
    let unit = roster::Unit {
        code: "U1".into(),
        name: "兴旺旅馆".into(),
        category: "旅馆".into(),
        address: "城中路12号".into(),
        grid: "331083001001003".parse().unwrap(),
        owner: None,
        position_m: None,
        profile: Default::default(),
    };
    let person = roster::Person {
        code: "G1".into(),
        name: "王某".into(),
        phone: "+86 138-0000-0001".into(),
        post: roster::Post::GridWorker,
        region: "331083001001003".parse().unwrap(),
        channels: Default::default(),
        contact: Default::default(),
        deputy: None,
    };
    let change = RosterChange {
        regions: regions.map(|(code, name)| (code.parse().unwrap(), Some(name.into()))).into(),
        units: vec![(UnitId(0), roster::Slot { current: true, row: unit })],
        people: vec![(PersonId(0), roster::Slot { current: true, row: person })],
        ..RosterChange::default()
    };
    Roster::default().after(&change, 1)
}

/// Waits for a condition, a minute at most by tokio's clock.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
