//! The front door's records: whole writes, in order, beside the journal and with it.

use std::collections::BTreeMap;

use model::{Journal, Ledger, Mark};
use store::Store;

use crate::fixture::*;

/// All records.
pub fn records(store: &Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut records = BTreeMap::new();
    let mut last: Option<Vec<u8>> = None;
    store
        .front_load(&mut |key, value| {
            assert!(last.as_deref() < Some(key), "in the order of the keys, each once");
            last = Some(key.to_vec());
            records.insert(key.to_vec(), value.to_vec());
        })
        .unwrap();
    records
}

/// The mark of a commit.
pub fn mark(epoch: u64) -> Mark {
    Mark { key: mark_key(epoch).into(), value: Some(epoch.to_le_bytes().into()) }
}

/// Its key.
pub fn mark_key(epoch: u64) -> Vec<u8> {
    [b"m", &epoch.to_be_bytes()[..]].concat()
}

/// Commits that have their mark.
pub fn marked(records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u64> {
    let marks = records.iter().filter(|(key, _)| key[0] == b'm');
    marks
        .map(|(key, value)| {
            let epoch = u64::from_be_bytes(key[1..].try_into().unwrap());
            assert_eq!(value, &epoch.to_le_bytes());
            epoch
        })
        .collect()
}

/// Writes the `n`th pair of records: both or neither are there.
pub fn keep_pair(store: &Store, n: u64) -> Result<(), model::StoreError> {
    let (left, right) = ([b"l", &n.to_be_bytes()[..]].concat(), [b"r", &n.to_be_bytes()[..]].concat());
    store.front_write(&[(&left, Some(b"left")), (&right, Some(b"right"))])
}

/// Numbers of the pairs that are there; each is whole.
pub fn pairs(records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u64> {
    let of = |letter: u8| {
        let keys = records.keys().filter(move |key| key[0] == letter);
        keys.map(|key| u64::from_be_bytes(key[1..].try_into().unwrap())).collect::<Vec<_>>()
    };
    let left = of(b'l');
    assert_eq!(left, of(b'r'), "half a write");
    left
}

#[test]
fn writes_are_kept_in_their_order_and_across_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert!(records(&store).is_empty());
    store.front_write(&[]).unwrap();
    store.front_write(&[(b"b", Some(b"1")), (b"a", Some(b"2")), (b"b", Some(b"3")), (b"c", Some(b"4"))]).unwrap();
    // a key may be set and removed in one write: the last word counts
    store.front_write(&[(b"c", None), (b"d", Some(b"5")), (b"d", None), (b"e", None), (b"e", Some(b""))]).unwrap();
    let expected: BTreeMap<Vec<u8>, Vec<u8>> =
        [("a", "2"), ("b", "3"), ("e", "")].map(|(key, value)| (key.into(), value.into())).into();
    assert_eq!(records(&store), expected);
    drop(store);
    assert_eq!(records(&open(folder.path())), expected);
}

#[test]
fn marks_are_written_with_their_commit() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.front_write(&[(b"x", Some(b"1"))]).unwrap();
    let removed = Mark { key: (*b"x").into(), value: None };
    store.append(&commit(1, START_MS), &[], &[mark(1), removed]).unwrap();
    assert_eq!(marked(&records(&store)), [1]);
    assert_eq!(records(&store).len(), 1);
    // a commit that is refused leaves no mark
    store.append(&commit(7, START_MS), &[], &[mark(7)]).unwrap_err();
    drop(store);
    assert_eq!(marked(&records(&open(folder.path()))), [1]);
}

#[test]
fn a_store_of_before_gets_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for epoch in 1..=20 {
        store.append(&commit(epoch, START_MS + epoch), &[], &[]).unwrap();
    }
    drop(store);
    let db = folder.path().join("db");
    let families = rocksdb::DB::list_cf(&rocksdb::Options::default(), &db).unwrap();
    let mut plain = rocksdb::DB::open_cf(&rocksdb::Options::default(), &db, families).unwrap();
    plain.drop_cf("mqtt").unwrap();
    drop(plain);
    let store = open(folder.path());
    assert_eq!(all(&store).len(), 20);
    assert!(records(&store).is_empty());
    keep_pair(&store, 1).unwrap();
    store.append(&commit(21, START_MS + 21), &[], &[mark(21)]).unwrap();
    drop(store);
    let records = records(&open(folder.path()));
    assert_eq!((pairs(&records), marked(&records)), (vec![1], vec![21]));
}

#[test]
fn retention_and_backup_take_them_along() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("copy");
    let store =
        Store::open(folder.path().join("data"), store::Settings { journal_retention_days: 1, ..small() }).unwrap();
    for epoch in 1..=10 {
        store.append(&commit(epoch, START_MS + epoch * DAY_MS), &[], &[mark(epoch)]).unwrap();
        store.commit(&batch(epoch, epoch)).unwrap();
        keep_pair(&store, epoch).unwrap();
    }
    let gone = store.retain(START_MS + 10 * DAY_MS, 11).unwrap();
    assert!(gone.days > 0);
    store.backup(&to).unwrap();
    keep_pair(&store, 11).unwrap();
    let copy = records(&open(&to));
    assert_eq!((pairs(&copy), marked(&copy)), ((1..=10).collect(), (1..=10).collect()));
    assert_eq!(pairs(&records(&store)).len(), 11);
}

/// Journal and door write at the same time, as they do when the house is busy; neither sees half of the other's.
#[test]
fn appends_and_writes_run_beside_each_other() {
    const EACH: u64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    std::thread::scope(|scope| {
        scope.spawn(|| (1..=EACH).for_each(|n| keep_pair(&store, n).unwrap()));
        for epoch in 1..=EACH {
            store.append(&commit(epoch, START_MS + epoch), &[], &[mark(epoch)]).unwrap();
        }
    });
    drop(store);
    let store = open(folder.path());
    let records = records(&store);
    assert_eq!((pairs(&records), marked(&records)), ((1..=EACH).collect(), (1..=EACH).collect()));
    assert_eq!(store.last_epoch(), EACH);
}
