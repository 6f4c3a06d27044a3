//! A disk that is full: told, nothing kept, and going on once there is room again.

use std::path::Path;
use std::process::Command;

use model::{Checkpoints, Journal, Ledger, StoreError};

use crate::fixture::*;
use crate::front::{keep_pair, mark, marked, pairs, records};

const FOLDER: &str = "FENGHUO_STORE_SMALL_DISK";

/// Runs on a file system of 32 MB that nothing else uses.
#[test]
#[ignore = "the process that a_full_disk_is_survived starts on a small disk"]
fn child() {
    let folder = std::env::var(FOLDER).expect("set by the parent");
    let folder = Path::new(&folder);
    let ballast = folder.join("ballast");
    let store = open(&folder.join("data"));
    let mut next = 1;
    for (round, ballast_mib) in [16, 8, 4].into_iter().enumerate() {
        std::fs::write(&ballast, vec![1; ballast_mib * 1024 * 1024]).unwrap();
        let refused = loop {
            match append(&store, next) {
                Ok(()) => next += 1,
                Err(error) => break error,
            }
            assert!(next < 100_000, "the disk never filled");
        };
        assert!(matches!(refused, StoreError::Disk { .. }), "{refused}");
        assert!(refused.to_string().contains("free space"), "{refused}");
        for _ in 0..3 {
            append(&store, next).unwrap_err();
            keep_pair(&store, next).unwrap_err();
            store.retain(START_MS, 1).unwrap_err();
        }
        assert!(store.put("desk", 1, &vec![0; 40 * 1024 * 1024]).is_err());
        assert_eq!(store.last_epoch(), next - 1);
        assert_eq!(marked(&records(&store)), (1..next).collect::<Vec<_>>());
        // whoever reads goes on
        assert_eq!(all(&store).len() as u64, next - 1);
        assert_eq!(store.alert(alert_id(1, 1)).unwrap().map(|alert| alert.id.epoch), Some(1));

        std::fs::remove_file(&ballast).unwrap();
        // the front door may be the first to find that there is room again
        keep_pair(&store, next).unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(marked(&records(&store)), (1..next).collect::<Vec<_>>(), "the mark of the refused commit is gone");
        append(&store, next).unwrap_or_else(|error| panic!("round {round}: {error}"));
        next += 1;
        check(&store, next - 1);
    }
    drop(store);
    check(&open(&folder.join("data")), next - 1);
}

fn append(store: &store::Store, epoch: u64) -> Result<(), StoreError> {
    let mut large = commit(epoch, START_MS);
    large.entries.push(model::Entry::Policy(noise(epoch).into()));
    store.append(&large, &[quarantined(epoch, 1000)], &[mark(epoch)])?;
    match keep_pair(store, epoch) {
        Ok(()) | Err(StoreError::Disk { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    let applied = store.applied();
    for missing in applied + 1..=epoch {
        match store.commit(&batch(missing, missing)) {
            Ok(()) => {}
            // written again after the next append
            Err(StoreError::Disk { .. }) => break,
            Err(error) => panic!("{error}"),
        }
    }
    Ok(())
}

/// 16 KB that do not pack.
fn noise(seed: u64) -> String {
    let mut dice = Dice::new(seed);
    (0..16_384).map(|_| char::from(b' ' + dice.below(95) as u8)).collect()
}

fn check(store: &store::Store, last: u64) {
    assert_eq!(store.last_epoch(), last);
    let read = all(store);
    assert_eq!(read.iter().map(|commit| commit.epoch).collect::<Vec<_>>(), (1..=last).collect::<Vec<_>>());
    for (commit_read, epoch) in read.iter().zip(1..) {
        assert_eq!(commit_read.readings, commit(epoch, START_MS).readings);
    }
    let quarantine = store.quarantine(None, usize::MAX).unwrap();
    assert_eq!(quarantine.iter().map(|(n, _)| *n).rev().collect::<Vec<_>>(), (1..=last).collect::<Vec<_>>());
    let records = records(store);
    assert_eq!(marked(&records), (1..=last).collect::<Vec<_>>());
    assert!(pairs(&records).len() as u64 + 3 >= last);
    assert_eq!(store.newest_cursor(), store.applied());
    assert_eq!(store.feed(0, usize::MAX).unwrap().len() as u64, store.applied());
}

#[test]
fn a_full_disk_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    // a mount of its own kind of namespace: it is gone with the process, whatever happens
    let spaces = [vec!["--mount"], vec!["--user", "--map-root-user", "--mount"]];
    let mounts = |space: &&Vec<&str>| {
        let mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "none"];
        let tried = Command::new("unshare").args(*space).args(mount).arg(folder.path()).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let Some(space) = spaces.iter().find(mounts) else {
        println!("skipped: neither root nor a user namespace may mount a small disk here");
        return;
    };
    let output = Command::new("unshare")
        .args(space)
        .args(["sh", "-c", "mount -t tmpfs -o size=32m none \"$0\" && exec \"$@\""])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "disk_full::child", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}
