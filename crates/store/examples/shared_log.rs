//! What the journal's appends and the front door's writes cost each other: both are synced, on one write-ahead log.
//!
//! `cargo run -p store --example shared_log -- [folder]`: each alone for three seconds, then both together.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use model::{Commit, DeviceId, Journal, Mark, Quantity, Reading};
use store::{Settings, Store};

const PERIOD: Duration = Duration::from_secs(3);
const READINGS: u32 = 1_000;
const RECORDS: u64 = 100;
const RECORD_BYTES: usize = 250;

fn main() {
    let parent = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = parent.join(format!("shared-log-{}", std::process::id()));
    let store = Store::open(&folder, Settings::default()).unwrap();
    report("journal alone", appends(&store, &stop_after()));
    report("door alone", writes(&store, &stop_after()));
    let stop = stop_after();
    std::thread::scope(|scope| {
        let door = scope.spawn(|| writes(&store, &stop));
        report("journal beside the door", appends(&store, &stop));
        report("door beside the journal", door.join().unwrap());
    });
    drop(store);
    std::fs::remove_dir_all(folder).unwrap();
}

/// True from [`PERIOD`] after now on.
fn stop_after() -> impl Fn() -> bool + Sync {
    let (end, stopped) = (Instant::now() + PERIOD, AtomicBool::new(false));
    move || {
        if Instant::now() >= end {
            stopped.store(true, Ordering::Relaxed);
        }
        stopped.load(Ordering::Relaxed)
    }
}

/// Commits of 1,000 readings with 50 marks, one after the other; the time that each took.
fn appends(store: &Store, stop: &dyn Fn() -> bool) -> Vec<Duration> {
    let reading = |n: u32| Reading {
        device: DeviceId(n),
        quantity: Quantity::ALL[0],
        value: n as f32,
        at_ms: 1_795_305_600_000,
        skew_ms: None,
        seq: Some(n),
    };
    let readings: Vec<_> = (0..READINGS).map(reading).collect();
    let mut took = Vec::new();
    while !stop() {
        let epoch = store.last_epoch() + 1;
        let commit = Commit { epoch, at_ms: 1_795_305_600_000, entries: Vec::new(), readings: readings.clone() };
        let mark = |n: u64| Mark { key: (epoch * 100 + n).to_be_bytes().into(), value: Some([1].into()) };
        let marks: Vec<_> = (0..50).map(mark).collect();
        let begun = Instant::now();
        store.append(&commit, &[], &marks).unwrap();
        took.push(begun.elapsed());
    }
    took
}

/// Writes of 100 records of 250 bytes, each of which removes those of the write before; the time that each took.
fn writes(store: &Store, stop: &dyn Fn() -> bool) -> Vec<Duration> {
    let value = vec![7; RECORD_BYTES];
    let mut took = Vec::new();
    while !stop() {
        let first = took.len() as u64 * RECORDS + 1_000_000_000_000;
        let new: Vec<_> = (first..first + RECORDS).map(u64::to_be_bytes).collect();
        let old: Vec<_> = (first - RECORDS..first).map(u64::to_be_bytes).collect();
        let old = old.iter().map(|key| (&key[..], None));
        let changes: Vec<store::FrontChange<'_>> =
            old.chain(new.iter().map(|key| (&key[..], Some(&value[..])))).collect();
        let begun = Instant::now();
        store.front_write(&changes).unwrap();
        took.push(begun.elapsed());
    }
    took
}

fn report(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let rate = took.len() as f64 / PERIOD.as_secs_f64();
    println!("{what:24} {rate:6.0} writes/s, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.99), at(1.0));
}
