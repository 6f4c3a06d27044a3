//! A journal and checkpoints in memory, a small city, and a stage around them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use broker::{AckHandle, Inbound, Inlets, Message, Reason, SessionEvent, Topic};
use ingest::{Admission, Draft, Ingest, Intake, Parts, Settings};
use model::journal::{Commit, Entry, Journal, Mark, Quarantined, Step};
use model::report::{Body, Report};
use model::roster::{DeviceClass, DeviceRow, Roster, RosterRows, UnitRow};
use model::{Checkpoints, DeviceId, Epoch, StoreError};
use tokio::sync::mpsc;

/// Everything that is waited for comes sooner, or the test fails.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// 2025-11-22.
pub const NOW_MS: u64 = 1_763_798_400_000;

#[derive(Clone, Default)]
struct Kept {
    commits: Vec<Commit>,
    quarantined: Vec<Quarantined>,
    attempts: u64,
    blocked: bool,
    failures_left: u64,
    checkpoints: BTreeMap<(String, Epoch), Vec<u8>>,
}

/// Journal and checkpoints; appends can be made to wait or to fail.
#[derive(Default)]
pub struct FakeStore {
    kept: Mutex<Kept>,
    changed: Condvar,
}

impl FakeStore {
    /// What a kill at this moment leaves behind.
    pub fn killed(&self) -> Arc<FakeStore> {
        let kept = self.kept.lock().unwrap().clone();
        Arc::new(FakeStore { kept: Mutex::new(kept), changed: Condvar::new() })
    }

    pub fn block(&self) {
        self.kept.lock().unwrap().blocked = true;
    }

    pub fn unblock(&self) {
        self.kept.lock().unwrap().blocked = false;
        self.changed.notify_all();
    }

    /// The next `count` appends fail.
    pub fn fail(&self, count: u64) {
        self.kept.lock().unwrap().failures_left = count;
    }

    pub fn commits(&self) -> Vec<Commit> {
        self.kept.lock().unwrap().commits.clone()
    }

    pub fn quarantined(&self) -> Vec<Quarantined> {
        self.kept.lock().unwrap().quarantined.clone()
    }

    pub fn attempts(&self) -> u64 {
        self.kept.lock().unwrap().attempts
    }

    /// Alarms, events and states in the journal.
    pub fn reports(&self) -> Vec<Report> {
        let entries = self.commits().into_iter().flat_map(|commit| commit.entries);
        entries.filter_map(|entry| if let Entry::Report(report) = entry { Some(report) } else { None }).collect()
    }

    pub fn checkpoint_epochs(&self, stage: &str) -> Vec<Epoch> {
        let kept = self.kept.lock().unwrap();
        kept.checkpoints.keys().filter(|(name, _)| name == stage).map(|(_, epoch)| *epoch).collect()
    }

    pub fn forget_checkpoints_after(&self, stage: &str, last: Epoch) {
        self.kept.lock().unwrap().checkpoints.retain(|(name, epoch), _| name != stage || *epoch <= last);
    }

    pub fn forget_commits_before(&self, epoch: Epoch) {
        self.kept.lock().unwrap().commits.retain(|commit| commit.epoch >= epoch);
    }

    /// Waits until so many appends were begun.
    pub fn wait_for_attempts(&self, count: u64) {
        self.wait(|kept| kept.attempts >= count);
    }

    /// Waits until so many messages are in the quarantine.
    pub fn wait_for_quarantined(&self, count: usize) {
        self.wait(|kept| kept.quarantined.len() >= count);
    }

    fn wait(&self, until: impl Fn(&Kept) -> bool) {
        let begun = Instant::now();
        let mut kept = self.kept.lock().unwrap();
        while !until(&kept) {
            let left = DEADLINE.checked_sub(begun.elapsed()).expect("what is waited for comes in time");
            kept = self.changed.wait_timeout(kept, left).unwrap().0;
        }
    }
}

impl Journal for FakeStore {
    fn append(&self, commit: &Commit, quarantined: &[Quarantined], _marks: &[Mark]) -> Result<(), StoreError> {
        self.kept.lock().unwrap().attempts += 1;
        self.changed.notify_all();
        self.wait(|kept| !kept.blocked);
        let mut kept = self.kept.lock().unwrap();
        if kept.failures_left > 0 {
            kept.failures_left -= 1;
            return Err(StoreError::Disk { doing: "append", reason: "No space left on device".into() });
        }
        let expected = kept.commits.last().map_or(0, |last| last.epoch) + 1;
        if commit.epoch != expected {
            return Err(StoreError::OutOfOrder { given: commit.epoch, expected });
        }
        assert!(kept.commits.last().is_none_or(|last| last.at_ms <= commit.at_ms), "time went back");
        kept.commits.push(commit.clone());
        kept.quarantined.extend_from_slice(quarantined);
        self.changed.notify_all();
        Ok(())
    }

    fn last_epoch(&self) -> Epoch {
        self.kept.lock().unwrap().commits.last().map_or(0, |last| last.epoch)
    }

    fn first_epoch(&self) -> Epoch {
        self.kept.lock().unwrap().commits.first().map_or(1, |first| first.epoch)
    }

    fn read(&self, from: Epoch) -> Box<dyn Iterator<Item = Result<Commit, StoreError>> + '_> {
        Box::new(self.commits().into_iter().filter(move |commit| commit.epoch >= from).map(Ok))
    }
}

impl Checkpoints for FakeStore {
    fn put(&self, stage: &str, epoch: Epoch, bytes: &[u8]) -> Result<(), StoreError> {
        self.kept.lock().unwrap().checkpoints.insert((stage.into(), epoch), bytes.into());
        self.changed.notify_all();
        Ok(())
    }

    fn newest(&self, stage: &str, at_most: Epoch) -> Result<Option<(Epoch, Vec<u8>)>, StoreError> {
        let kept = self.kept.lock().unwrap();
        let range = (stage.to_owned(), 0)..=(stage.to_owned(), at_most);
        Ok(kept.checkpoints.range(range).next_back().map(|((_, epoch), bytes)| (*epoch, bytes.clone())))
    }
}

/// Devices of the small city, by number.
pub const DEVICES: [(&str, &str); 3] = [("acme", "a1"), ("海湾", "烟感-7号"), ("acme", "a2")];
pub const A1: DeviceId = DeviceId(0);

pub fn rows(devices: &[(&str, &str)]) -> RosterRows {
    let regions = ["331083", "331083001", "331083001001", "331083001001001"];
    let unit = UnitRow {
        code: "U1".into(),
        name: "店".into(),
        category: "沿街商铺".into(),
        address: "".into(),
        grid: "331083001001001".parse().unwrap(),
        owner: "".into(),
        position_m: None,
        profile: Default::default(),
    };
    let device = |(vendor, name): &(&str, &str)| DeviceRow {
        vendor: (*vendor).into(),
        name: (*name).into(),
        unit: "U1".into(),
        class: DeviceClass::Smoke,
        location: "厨房".into(),
        report_every_s: 60,
        gateway: "".into(),
    };
    RosterRows {
        regions: regions.iter().zip(2..).map(|(code, line)| (line, code.parse().unwrap(), (*code).into())).collect(),
        units: vec![(2, unit)],
        devices: devices.iter().zip(2..).map(|(row, line)| (line, device(row))).collect(),
        ..RosterRows::default()
    }
}

pub fn city() -> Arc<Roster> {
    let empty = Roster::default();
    Arc::new(empty.after(&empty.change_to(&rows(&DEVICES)).unwrap(), 0))
}

pub fn message(topic: &str, payload: impl AsRef<[u8]>) -> Message {
    Message {
        topic: Topic::new(topic).unwrap(),
        payload: bytes::Bytes::copy_from_slice(payload.as_ref()),
        qos: 1,
        retain: false,
        dup: false,
        content_type: None,
        received_ms: NOW_MS,
        is_will: false,
    }
}

/// A draft of one message, as the stage would make it.
pub fn take(payload_kind: &str, payload: impl AsRef<[u8]>) -> (Reason, Draft) {
    take_message(&message(&format!("fire/v1/acme/a1/{payload_kind}"), payload))
}

pub fn take_message(message: &Message) -> (Reason, Draft) {
    let settings = Settings::default();
    let mut intake = Intake::new(&settings, city(), Admission::new(&settings));
    let mut draft = Draft::default();
    draft.commit.at_ms = NOW_MS;
    let reason = intake.take(&"acme".into(), message, &mut draft);
    (reason, draft)
}

/// The only report of a draft.
pub fn body(draft: &Draft) -> Body {
    match draft.commit.entries.as_slice() {
        [Entry::Report(report)] => report.body.clone(),
        other => panic!("not one report: {other:?}"),
    }
}

/// A running stage with a hand on every inlet.
pub struct Bench {
    pub store: Arc<FakeStore>,
    pub now_ms: Arc<AtomicU64>,
    pub ingest: Ingest,
    pub steps: Receiver<Step>,
    urgent: mpsc::Sender<Inbound>,
    normal: mpsc::Sender<Inbound>,
    sessions: mpsc::Sender<SessionEvent>,
    acks: SyncSender<Vec<Reason>>,
    pub acked: Receiver<Vec<Reason>>,
}

/// Only the first tick comes in a test's time.
pub fn quiet() -> Settings {
    Settings { tick_ms: 3_600_000, append_retry_min_ms: 1, append_retry_max_ms: 1, ..Settings::default() }
}

impl Bench {
    /// A stage on an empty store whose journal then holds the small city, in commit 1 or 2.
    pub fn with_city(settings: Settings) -> Bench {
        let bench = Bench::on(Arc::default(), settings);
        let change = Roster::default().change_to(&rows(&DEVICES)).unwrap();
        let submission = ingest::Submission::Roster { base: 0, change: Box::new(change) };
        bench.submit(submission).unwrap();
        bench
    }

    /// A stage that goes on where the store stands.
    pub fn on(store: Arc<FakeStore>, settings: Settings) -> Bench {
        let restored = ingest::restore(&*store, &*store, &settings).unwrap();
        let (urgent, urgent_in) = mpsc::channel(64);
        let (normal, normal_in) = mpsc::channel(64);
        let (sessions, sessions_in) = mpsc::channel(64);
        let (out, steps) = sync_channel(1_024);
        let (acks, acked) = sync_channel(1_024);
        let now_ms = Arc::new(AtomicU64::new(NOW_MS));
        let clock = now_ms.clone();
        let parts = Parts {
            settings,
            journal: store.clone(),
            checkpoints: store.clone(),
            clock: Arc::new(move || clock.load(Ordering::Relaxed)),
            restored,
            inlets: Inlets { urgent: urgent_in, normal: normal_in, sessions: sessions_in },
            out,
        };
        let ingest = ingest::start(parts).unwrap();
        Bench { store, now_ms, ingest, steps, urgent, normal, sessions, acks, acked }
    }

    /// Sends a batch down the lane of its topic.
    pub fn send(&self, messages: Vec<Message>) {
        let lane = ingest::lane(messages[0].topic.as_str());
        let ack = AckHandle::observed(self.acks.clone(), messages.len());
        let batch = Inbound { identity: "acme".into(), client_id: "c1".into(), messages, ack, marks: Vec::new() };
        match lane {
            broker::Lane::Urgent => self.urgent.blocking_send(batch).unwrap(),
            broker::Lane::Normal => self.normal.blocking_send(batch).unwrap(),
        }
    }

    pub fn send_session(&self, event: SessionEvent) {
        self.sessions.blocking_send(event).unwrap();
    }

    pub fn submit(&self, submission: ingest::Submission) -> Result<Epoch, ingest::SubmitError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let submitted = async { tokio::time::timeout(DEADLINE, self.ingest.handle().submit(submission)).await };
        runtime.block_on(submitted).expect("committed in time")
    }

    pub fn ack(&self) -> Vec<Reason> {
        self.acked.recv_timeout(DEADLINE).expect("acknowledged in time")
    }

    /// Sends one batch and waits for its answer.
    pub fn ask(&self, messages: Vec<Message>) -> Vec<Reason> {
        self.send(messages);
        self.ack()
    }

    /// Closes the inlets and waits for the end.
    pub fn close(self) -> (Arc<FakeStore>, Result<(), ingest::IngestError>, Vec<Vec<Reason>>) {
        let Bench { store, ingest, urgent, normal, sessions, acks, acked, steps, .. } = self;
        drop((urgent, normal, sessions, acks));
        let result = ingest.join();
        drop(steps);
        (store, result, acked.try_iter().collect())
    }
}
