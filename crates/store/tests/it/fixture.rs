//! Commits, alerts and deliveries that follow from a number, so that what is read can be told from what was written.

use std::path::Path;
use std::sync::Arc;

use model::alert::Attempt;
use model::finding::Words;
use model::ledger::UnitColour;
use model::report::Body;
use model::*;
use store::{Settings, Store};

pub const DAY_MS: u64 = 86_400_000;
/// 2026-11-22 00:00 UTC.
pub const START_MS: u64 = 1_795_305_600_000;

/// Small buffers, so that little data meets every path.
pub fn small() -> Settings {
    Settings {
        journal_write_buffer_bytes: 64 * 1024,
        ledger_write_buffer_bytes: 64 * 1024,
        write_buffers_bytes_max: 1024 * 1024,
        block_cache_bytes: 1024 * 1024,
        wal_bytes_max: 512 * 1024,
        open_files_max: 64,
        stall_limit_ms: 1_000,
        recovery_pause_ms: 0,
        recovery_space_bytes: 1024 * 1024,
        ..Settings::default()
    }
}

pub fn open(folder: &Path) -> Store {
    Store::open(folder, small()).unwrap()
}

/// Numbers that look random and are the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

pub fn words(text: &str) -> Words {
    Words { zh: text.to_owned().into(), en: text.to_owned().into() }
}

/// The commit with this number: three entries and some readings that follow from it.
pub fn commit(epoch: Epoch, at_ms: u64) -> Commit {
    let reading = |n: u32| Reading {
        device: DeviceId(n * 31 % 40_000),
        quantity: Quantity::ALL[n as usize % Quantity::ALL.len()],
        value: n as f32 / 7.0,
        at_ms,
        skew_ms: n.is_multiple_of(3).then_some(n as i32 - 50),
        seq: n.is_multiple_of(2).then_some(n),
    };
    let count = 1 + (epoch % 97) as u32;
    let report = Report {
        device: DeviceId(epoch as u32),
        at_ms,
        skew_ms: None,
        body: Body::Alarm {
            id: format!("a-{epoch}").into(),
            kind: AlarmKind::Smoke,
            active: true,
            value: None,
            unit: "".into(),
        },
    };
    Commit {
        epoch,
        at_ms,
        entries: vec![Entry::Report(report), Entry::Tick, Entry::Rules(format!("# {epoch}").into())],
        readings: (0..count).map(|n| reading(n + epoch as u32)).collect(),
    }
}

pub fn quarantined(n: u64, payload_len: usize) -> Quarantined {
    Quarantined {
        at_ms: START_MS + n,
        sender: "acme".into(),
        topic: format!("fire/v1/acme/{n}/telemetry").into(),
        reason: "not_json".into(),
        detail: "the payload is not JSON".into(),
        payload: vec![n as u8; payload_len].into(),
    }
}

pub fn alert_id(epoch: Epoch, unit: u32) -> AlertId {
    AlertId { epoch, unit: UnitId(unit), family: Family::Fire }
}

pub fn alert(id: AlertId, state: AlertState) -> Alert {
    let grid = "331083001001007".parse().unwrap();
    Alert { state, ..Alert::new(id, Colour::Red, grid, START_MS + id.epoch) }
}

pub fn delivery(alert_id: AlertId, name: &str, state: DeliveryState, owed_ms: u64) -> Delivery {
    Delivery {
        id: format!("{alert_id}.{name}").as_str().into(),
        matter: alert_id.into(),
        about: About::Alert(alert(alert_id, AlertState::Raised).summary()),
        whom: "grid".into(),
        person: PersonId(7),
        person_code: "P7".into(),
        person_name: "王".into(),
        channel: "console".into(),
        owed_ms,
        state,
        attempts: vec![Attempt { at_ms: owed_ms, outcome: model::alert::ReceiptOutcome::Retry, reason: "away".into() }],
        attempt_count: 1,
        read_ms: None,
        turn: None,
    }
}

pub fn event(cursor: Cursor, epoch: Epoch) -> FeedEvent {
    FeedEvent {
        cursor,
        epoch,
        at_ms: START_MS + epoch,
        kind: FeedKind::UnitColour,
        grid: "331083001001007".parse().unwrap(),
        alert: None,
        unit: Some(UnitColour { unit: UnitId(cursor as u32), colour: Colour::Orange, since_ms: START_MS }),
        detail: Some(format!("event {cursor}").into()),
        order: None,
    }
}

pub fn unit_status(unit: u32, colour: Colour) -> UnitStatus {
    UnitStatus {
        unit: UnitId(unit),
        colour,
        since_ms: START_MS,
        blind_since_ms: Some(START_MS - 1),
        risk: Some(40),
        reasons: vec![Reason {
            rule: "smoke".into(),
            device: Some(DeviceId(unit)),
            family: Family::Fire,
            colour,
            since_ms: START_MS,
            evidence: words("smoke"),
            would_change: words("no smoke"),
        }],
    }
}

/// A batch that tells one event and raises one alert with one delivery.
pub fn batch(epoch: Epoch, cursor: Cursor) -> LedgerBatch {
    let id = alert_id(epoch, epoch as u32 % 10);
    LedgerBatch {
        epoch,
        at_ms: START_MS + epoch,
        alerts: vec![Arc::new(alert(id, AlertState::Raised))],
        deliveries: vec![Arc::new(delivery(id, "a", DeliveryState::Owed, START_MS + epoch))],
        units: vec![Arc::new(unit_status(epoch as u32 % 10, Colour::Red))],
        regions: Vec::new(),
        feed: vec![Arc::new(event(cursor, epoch))],
        policy: None,
        kept: vec![Kept { kind: KeptKind::Order, key: epoch.to_be_bytes().into(), value: Some(vec![7; 3].into()) }],
    }
}

pub fn all(store: &impl Journal) -> Vec<Commit> {
    store.read(0).collect::<Result<_, _>>().unwrap()
}
