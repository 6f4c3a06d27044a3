//! Opening: one process at a time, layouts, damaged checkpoints; and copies.

use model::{Checkpoints, Journal, Ledger};
use store::{OpenError, Settings, Store};

use crate::fixture::*;

#[test]
fn a_second_opening_says_that_the_store_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let error = Store::open(folder.path(), small()).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    assert!(error.to_string().contains("in use by another process"));
    drop(store);
    open(folder.path());
}

#[test]
fn a_backup_made_under_load_opens_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("copies").join("one");
    let store = open(&folder.path().join("data"));
    for epoch in 1..=50 {
        store.append(&commit(epoch, START_MS + epoch), &[quarantined(epoch, 10)], &[]).unwrap();
        store.commit(&batch(epoch, epoch)).unwrap();
    }
    store.put("desk", 50, b"state").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for epoch in 51..=300 {
                store.append(&commit(epoch, START_MS + epoch), &[], &[]).unwrap();
                store.commit(&batch(epoch, epoch)).unwrap();
            }
        });
        store.backup(&to).unwrap();
    });
    store.backup(&to).unwrap_err();
    let copy = open(&to);
    let last = copy.last_epoch();
    assert!((50..=300).contains(&last), "{last}");
    assert_eq!(all(&copy), all(&store)[..last as usize]);
    assert_eq!(copy.newest_cursor(), copy.applied());
    assert_eq!(copy.newest("desk", last).unwrap(), Some((50, b"state".to_vec())));
    copy.append(&commit(last + 1, START_MS + last + 1), &[], &[]).unwrap();
    assert_eq!(all(&store).len(), 300, "the copy is a copy");
}

#[test]
fn the_store_is_read_beside_the_process_that_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Store::open_read_only(folder.path(), small()), Err(OpenError::Nothing(_))));
    let store = open(folder.path());
    let append = |epoch: u64| {
        store.append(&commit(epoch, START_MS + epoch * 60_000), &[], &[]).unwrap();
        store.commit(&batch(epoch, epoch)).unwrap();
    };
    (1..=200).for_each(append);
    store.put("desk", 200, b"state").unwrap();
    let writing = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (201..=1500).for_each(append);
            writing.store(false, std::sync::atomic::Ordering::Release);
        });
        let mut read = 0;
        while writing.load(std::sync::atomic::Ordering::Acquire) || read == 0 {
            let reader = Store::open_read_only(folder.path(), small()).unwrap();
            let last = reader.last_epoch();
            assert!((200..=1500).contains(&last) && last >= read, "{last}");
            assert_eq!(reader.read(1).filter(Result::is_ok).count() as u64, last, "whole, and without a gap");
            assert!(reader.applied() <= last);
            assert_eq!(reader.newest("desk", last).unwrap(), Some((200, b"state".to_vec())));
            read = last;
        }
    });
    let reader = Store::open_read_only(folder.path(), small()).unwrap();
    let refused = reader.append(&commit(1501, START_MS + 200_000_000), &[], &[]).unwrap_err().to_string();
    assert!(refused.contains("reading alone"), "{refused}");
    reader.commit(&batch(1501, 1501)).unwrap_err();
    reader.put("desk", 1500, b"other").unwrap_err();
    append(1501);
    assert_eq!((store.last_epoch(), reader.last_epoch()), (1501, 1500));
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for epoch in 1..=3 {
        store.append(&commit(epoch, START_MS), &[], &[]).unwrap();
        store.put("desk", epoch, &[epoch as u8; 100]).unwrap();
    }
    let checkpoints = folder.path().join("checkpoints");
    let newest = checkpoints.join(format!("desk.{:020}", 3));
    let mut bytes = std::fs::read(&newest).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&newest, bytes).unwrap();
    let cut = checkpoints.join(format!("desk.{:020}", 2));
    std::fs::write(&cut, b"fh").unwrap();
    std::fs::write(checkpoints.join("desk.00000000000000000009.part"), b"unfinished").unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.newest("desk", 3).unwrap(), Some((1, vec![1; 100])));
    assert_eq!(std::fs::read_dir(checkpoints).unwrap().count(), 3);
    store.put("no/such", 1, b"").unwrap_err();
}

#[test]
fn settings_have_defaults_and_refuse_unknown_keys() {
    let settings: Settings = toml::from_str("journal_retention_days = 30\ncompression = \"none\"").unwrap();
    assert_eq!(settings.journal_retention_days, 30);
    assert_eq!(settings.open_files_max, 512);
    let error = toml::from_str::<Settings>("retention = 3").unwrap_err();
    assert!(error.to_string().contains("retention"), "{error}");
}
