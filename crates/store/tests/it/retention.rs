//! What goes and what stays.

use std::time::Instant;

use model::{Journal, Ledger};
use store::{Retained, Settings, Store};

use crate::fixture::*;

fn with(folder: &std::path::Path, change: impl FnOnce(&mut Settings)) -> Store {
    let mut settings = small();
    change(&mut settings);
    Store::open(folder, settings).unwrap()
}

/// Two commits a day, and their ledger rows.
fn fill(store: &Store, days: u64) {
    for epoch in 1..=2 * days {
        store.append(&commit(epoch, START_MS + (epoch - 1) / 2 * DAY_MS), &[quarantined(epoch, 100)], &[]).unwrap();
        store.commit(&batch(epoch, epoch)).unwrap();
    }
}

#[test]
fn whole_days_go_but_none_that_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let open = || with(folder.path(), |settings| settings.journal_retention_days = 3);
    let store = open();
    fill(&store, 10);
    let now_ms = START_MS + 9 * DAY_MS + 5;
    // a restart would replay from commit 6, which is of the third day
    assert_eq!(store.retain(now_ms, 6).unwrap(), Retained { days: 2, ..Retained::default() });
    assert_eq!(store.first_epoch(), 5);
    assert_eq!(store.retain(now_ms, 6).unwrap(), Retained::default());
    let read: Vec<_> = store.read(0).map(|item| item.unwrap().epoch).collect();
    assert_eq!(read, (5..=20).collect::<Vec<_>>());
    let error = store.read(4).next().unwrap().unwrap_err();
    assert!(error.to_string().contains("no longer kept, the oldest is 5"), "{error}");
    assert_eq!(store.read(4).count(), 1);
    // the age decides where nothing else does: today and three days before it stay
    assert_eq!(store.retain(now_ms, u64::MAX).unwrap().days, 4);
    assert_eq!(store.first_epoch(), 13);
    drop(store);
    let store = open();
    assert_eq!((store.first_epoch(), store.last_epoch()), (13, 20));
    // the newest day stays, however old
    store.retain(now_ms + 1000 * DAY_MS, u64::MAX).unwrap();
    assert_eq!((store.first_epoch(), store.last_epoch()), (19, 20));
    store.append(&commit(21, now_ms + 1000 * DAY_MS), &[], &[]).unwrap();
    // the ledger has yet to apply commit 21
    store.retain(now_ms + 2000 * DAY_MS, u64::MAX).unwrap();
    assert_eq!(store.read(0).map(|item| item.unwrap().epoch).collect::<Vec<_>>(), [21]);
    drop(store);
    let store = open();
    assert_eq!((store.first_epoch(), store.last_epoch()), (21, 21));
    assert_eq!(store.alerts(None, 100).unwrap().len(), 20, "alerts stay");
}

#[test]
fn the_feed_keeps_its_newest_events() {
    let folder = tempfile::tempdir().unwrap();
    let open = || with(folder.path(), |settings| settings.feed_events_max = 7);
    let store = open();
    fill(&store, 5);
    assert_eq!(store.retain(START_MS, 1).unwrap().events, 3);
    let check = |store: &Store| {
        assert_eq!((store.oldest_cursor(), store.newest_cursor()), (4, 10));
        let cursors: Vec<_> = store.feed(0, 100).unwrap().iter().map(|event| event.cursor).collect();
        assert_eq!(cursors, (4..=10).collect::<Vec<_>>());
    };
    check(&store);
    assert_eq!(store.retain(START_MS, 1).unwrap().events, 0);
    drop(store);
    check(&open());
}

#[test]
fn the_quarantine_keeps_within_its_limits() {
    let folder = tempfile::tempdir().unwrap();
    let store = with(folder.path(), |settings| settings.quarantine_items_max = 6);
    fill(&store, 5);
    let numbers = |store: &Store| store.quarantine(None, 100).unwrap().iter().map(|(n, _)| *n).collect::<Vec<_>>();
    assert_eq!(store.retain(START_MS, 1).unwrap().quarantined, 4);
    assert_eq!(numbers(&store), [10, 9, 8, 7, 6, 5]);
    drop(store);
    let one = model::wire::encode(&quarantined(8, 100)).len() as u64;
    for (bytes, kept) in [(6 * one + 3, 6), (3 * one + 2, 3), (one + 1, 1), (10, 0)] {
        let store = with(folder.path(), |settings| settings.quarantine_bytes_max = bytes);
        store.retain(START_MS, 1).unwrap();
        assert_eq!(numbers(&store).len(), kept, "{bytes} bytes");
    }
    // numbers are never given twice
    let store = with(folder.path(), |_| {});
    store.append(&commit(11, START_MS + 9 * DAY_MS), &[quarantined(11, 5)], &[]).unwrap();
    assert_eq!(numbers(&store), [11]);
}

/// A hundred days are a hundred families. (400 were opened in 0.3 s where this was written.)
#[test]
fn a_season_of_days_opens_quickly() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for epoch in 1..=100 {
        store.append(&commit(epoch, START_MS + epoch * DAY_MS), &[], &[]).unwrap();
        if epoch % 20 == 0 {
            store.retain(START_MS + epoch * DAY_MS, epoch).unwrap();
        }
    }
    drop(store);
    let started = Instant::now();
    let store = open(folder.path());
    let opened = started.elapsed();
    println!("100 days opened in {opened:?}");
    assert!(opened.as_secs() < 5, "{opened:?}");
    assert_eq!(store.read(95).map(|item| item.unwrap().epoch).collect::<Vec<_>>(), (95..=100).collect::<Vec<_>>());
    let open_files = std::fs::read_dir("/proc/self/fd").map(Iterator::count).unwrap_or(0);
    assert!(open_files < 1000, "{open_files} files open");
}
