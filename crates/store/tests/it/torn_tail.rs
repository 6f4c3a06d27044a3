//! What a power cut leaves of the write-ahead log: any prefix of it, with or without garbage behind.

use std::path::{Path, PathBuf};

use model::{Journal, Ledger};
use store::{OpenError, Store};

use crate::fixture::*;
use crate::front::{keep_pair, mark, marked, pairs, records};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn log_of(folder: &Path) -> PathBuf {
    let logs = std::fs::read_dir(folder.join("db")).unwrap().map(|entry| entry.unwrap().path());
    let logs = logs.filter(|path| path.extension().is_some_and(|ext| ext == "log"));
    logs.max_by_key(|path| path.metadata().unwrap().len()).expect("there is a write-ahead log")
}

/// What is there is a prefix of what was written, and the ledger is not ahead.
fn check(folder: &Path, written: u64) -> u64 {
    let store = match Store::open(folder, small()) {
        Ok(store) => store,
        Err(error @ OpenError::JournalLost { .. }) => panic!("the ledger is ahead: {error}"),
        Err(error) => panic!("{error}"),
    };
    let last = store.last_epoch();
    assert!(last <= written);
    let expected: Vec<_> = (1..=last).map(|epoch| commit(epoch, START_MS + epoch)).collect();
    assert_eq!(all(&store), expected);
    let applied = store.applied();
    assert!(applied <= last && applied + 1 >= last, "applied {applied}, journal {last}");
    assert_eq!(store.newest_cursor(), applied);
    assert_eq!(store.feed(0, 10_000).unwrap().len() as u64, applied);
    assert_eq!(store.open_alerts().unwrap().len() as u64, applied);
    assert_eq!(store.quarantine(None, 10_000).unwrap().len() as u64, last);
    let records = records(&store);
    assert_eq!(marked(&records), (1..=last).collect::<Vec<_>>(), "a mark for each commit, none without");
    let pairs = pairs(&records).len() as u64;
    assert!(
        pairs <= last && pairs + 1 >= last,
        "{pairs} writes of the front door, {last} commits before and after them"
    );
    // and life goes on
    store.append(&commit(last + 1, START_MS + last + 1), &[], &[]).unwrap();
    last
}

#[test]
fn a_torn_log_leaves_a_prefix() {
    const WRITTEN: u64 = 40;
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    {
        let store = open(&whole);
        for epoch in 1..=WRITTEN {
            store.append(&commit(epoch, START_MS + epoch), &[quarantined(epoch, 20)], &[mark(epoch)]).unwrap();
            keep_pair(&store, epoch).unwrap();
            store.commit(&batch(epoch, epoch)).unwrap();
        }
    }
    let len = log_of(&whole).metadata().unwrap().len();
    let mut dice = Dice::new(1);
    let mut lasts = Vec::new();
    for round in 0..40 {
        let torn = folder.path().join(format!("torn{round}"));
        copy(&whole, &torn);
        let log = log_of(&torn);
        let mut bytes = std::fs::read(&log).unwrap();
        let cut = dice.below(len) as usize;
        match round % 3 {
            0 => bytes.truncate(cut),
            1 => bytes[cut] ^= 1 << dice.below(8),
            // blocks that were allocated but never written
            _ => bytes[cut..].fill(0),
        }
        std::fs::write(&log, bytes).unwrap();
        lasts.push(check(&torn, WRITTEN));
        std::fs::remove_dir_all(torn).unwrap();
    }
    assert!(lasts.iter().any(|last| *last < WRITTEN / 2) && lasts.iter().any(|last| *last > WRITTEN / 2));
    assert_eq!(check(&whole, WRITTEN), WRITTEN);
}
