//! A listener that keeps sessions: a vault in memory that holds only what was written, a clock to be set, a log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use broker::{
    Access, Broker, Change, Grant, Inlets, Log, LogEntry, Login, Page, Parts, Refusal, Refused, Route, Settings,
    TopicFilter, Vault, VaultError,
};
use bytes::Bytes;
use tokio::sync::watch;

use crate::support::{Gatehouse, packet, settings};

/// [`Gatehouse`] with a clock to be set and a memory of refusals.
#[derive(Default)]
pub struct Hall {
    gatehouse: Gatehouse,
    pub now_ms: AtomicU64,
    pub refused: Mutex<Vec<(u8, String)>>,
    /// Who was refused, and whether that was proved.
    pub accused: Mutex<Vec<(Option<String>, bool)>>,
}

impl Access for Hall {
    fn authenticate(&self, login: &Login<'_>) -> Result<Grant, Refusal> {
        self.gatehouse.authenticate(login)
    }

    fn route(&self, topic: &str) -> Route {
        self.gatehouse.route(topic)
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn refused(&self, refused: &Refused<'_>) {
        self.refused.lock().unwrap().push((refused.code, refused.detail.to_owned()));
        self.accused.lock().unwrap().push((refused.who.map(str::to_owned), refused.proved));
    }
}

type Values = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// What was written is there; nothing else is.
#[derive(Default)]
pub struct Drawer {
    values: Mutex<Values>,
    pub writes: AtomicU64,
    /// Of keys and values, ever.
    pub bytes: AtomicU64,
    /// Refuses writes.
    pub is_full: AtomicBool,
}

impl Vault for Drawer {
    fn load(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), VaultError> {
        self.values.lock().unwrap().iter().for_each(|(key, value)| each(key, value));
        Ok(())
    }

    fn write(&self, changes: &[Change]) -> Result<(), VaultError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(VaultError("no space left".to_owned()));
        }
        let mut values = self.values.lock().unwrap();
        for Change { key, value } in changes {
            let bytes = key.len() + value.as_ref().map_or(0, |value| value.len());
            self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            match value {
                Some(value) => values.insert(key.clone(), value.clone()),
                None => values.remove(key),
            };
        }
        self.writes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Drawer {
    pub fn len(&self) -> usize {
        self.values.lock().unwrap().len()
    }
}

/// A numbered list under `feed/#`.
pub struct List {
    filter: TopicFilter,
    entries: Mutex<Vec<LogEntry>>,
    newest: watch::Sender<u64>,
    pub reads: AtomicU64,
}

impl Default for List {
    fn default() -> List {
        List {
            filter: TopicFilter::parse("feed/#").unwrap(),
            entries: Mutex::default(),
            newest: watch::channel(0).0,
            reads: AtomicU64::new(0),
        }
    }
}

impl List {
    pub fn push(&self, topic: &str, payload: &str) {
        let mut entries = self.entries.lock().unwrap();
        let number = entries.len() as u64 + 1;
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        entries.push(LogEntry { number, topic: topic.into(), payload, content_type: None });
        self.newest.send_replace(number);
    }
}

impl Log for List {
    fn filter(&self) -> &TopicFilter {
        &self.filter
    }

    fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn read(&self, after: u64, limit: usize) -> Result<Page, String> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let entries = self.entries.lock().unwrap();
        let entries: Vec<_> = entries.iter().skip(after as usize).take(limit).cloned().collect();
        let read_to = after + entries.len() as u64;
        Ok(Page { entries, read_to, lost: 0 })
    }
}

/// A house whose listener may end and begin again.
pub struct House {
    pub hall: Arc<Hall>,
    pub vault: Arc<Drawer>,
    pub list: Arc<List>,
    pub settings: Settings,
}

impl House {
    pub fn new() -> House {
        let hall = Arc::new(Hall::default());
        hall.now_ms.store(1_000_000, Ordering::Relaxed);
        House { hall, vault: Arc::default(), list: Arc::default(), settings: settings() }
    }

    pub async fn start(&self) -> (Broker, Inlets) {
        let parts = Parts {
            access: self.hall.clone(),
            vault: Some(self.vault.clone()),
            log: Some(self.list.clone()),
            closed_at_first: false,
        };
        broker::start(self.settings.clone(), parts).await.unwrap()
    }

    /// The house as a crash at this moment leaves it: what an old listener does later is lost.
    pub fn crashed(&self) -> House {
        let values = Mutex::new(self.vault.values.lock().unwrap().clone());
        House {
            hall: self.hall.clone(),
            vault: Arc::new(Drawer { values, ..Drawer::default() }),
            list: self.list.clone(),
            settings: self.settings.clone(),
        }
    }
}

/// A PUBLISH with QoS 2.
pub fn publish_2(v5: bool, topic: &str, id: u16, payload: &str, dup: bool) -> Vec<u8> {
    let mut body = (topic.len() as u16).to_be_bytes().to_vec();
    body.extend_from_slice(topic.as_bytes());
    body.extend_from_slice(&id.to_be_bytes());
    if v5 {
        body.push(0);
    }
    body.extend_from_slice(payload.as_bytes());
    packet(0x34 | u8::from(dup) << 3, &body)
}

/// PUBREC, PUBREL or PUBCOMP.
pub const PUBREC: u8 = 0x50;
pub const PUBREL: u8 = 0x62;
pub const PUBCOMP: u8 = 0x70;

pub fn step(first: u8, id: u16) -> Vec<u8> {
    packet(first, &id.to_be_bytes())
}
