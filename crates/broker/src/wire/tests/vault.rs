//! Fuzz target of what is read back from the vault: damaged keys and values are counted and left out, the rest is
//! understood, and what was understood is kept in the same way again.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::fuzz::{inputs, mutate, over};
use crate::layout::{self, QueueEntry, QueuedMessage, Restored, SessionRecord, SubscriptionRecord};
use crate::outbound::Parcel;
use crate::retained::Kept;
use crate::topic::{SharedFilter, Topic};
use crate::vault::{Change, Vault, VaultError};
use crate::wire::control::Options;
use crate::wire::hello::Will;
use crate::wire::publish::Forward;

/// Keys and values as they are given.
struct Shelf(Vec<Change>);

impl Vault for Shelf {
    fn load(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), VaultError> {
        for Change { key, value } in &self.0 {
            each(key, value.as_deref().unwrap_or_default());
        }
        Ok(())
    }

    fn write(&self, _changes: &[Change]) -> Result<(), VaultError> {
        Ok(())
    }
}

fn parcel(topic: &str) -> Arc<Parcel> {
    let forward = Forward::decode(b"\x01\x01\x03\x00\x04json\x26\x00\x01k\x00\x01v").unwrap();
    let payload = Bytes::from_static(b"payload");
    Arc::new(Parcel { topic: topic.into(), payload, forward: Some(forward), retain: true, expires_at_ms: Some(7) })
}

/// One of everything that is kept, and some twice.
fn kept() -> Vec<Change> {
    let filter = |text| SharedFilter::parse(text).unwrap();
    let subscription = |text, identifier| SubscriptionRecord {
        filter: filter(text),
        options: Options { qos: 2, no_local: false, retain_as_published: true, retain_handling: 1 },
        identifier,
    };
    let will = Will {
        topic: Topic::new("楼宇/A座").unwrap(),
        payload: Bytes::from_static(b"gone"),
        qos: 1,
        retain: true,
        delay_s: 5,
        expiry_s: Some(60),
        properties: Forward::of_content_type("text/plain"),
    };
    let record = SessionRecord {
        client_id: "c".into(),
        identity: "who".into(),
        expiry_s: 3_600,
        expires_at_ms: Some(1),
        will: Some(Box::new(will)),
        will_at_ms: Some(2),
        subscriptions: vec![subscription("a/+", 0), subscription("$share/g/b/#", 268_435_455)],
    };
    let plain = SessionRecord { will: None, client_id: "d".into(), subscriptions: Vec::new(), ..record.clone() };
    let message = QueuedMessage {
        parcel: parcel("a/b"),
        qos: 2,
        retain: false,
        identifiers: SmallVec::from_slice(&[1, 2, 3]),
        shared: Some(filter("$share/g/b/#")),
    };
    let retained = |number| Kept { number, parcel: parcel("a/b"), qos: 1, identity: "who".into() };
    vec![
        layout::keep_session(1, &record),
        layout::keep_session(2, &plain),
        layout::keep_session(3, &plain),
        layout::keep_message(1, 9, &message),
        layout::keep_message(1, 8, &message),
        layout::keep_released(1, 7),
        layout::keep_received(1, 0xFFFF),
        layout::keep_cursor(1, 1_000),
        layout::keep_message(4, 1, &message),
        layout::keep_retained(&retained(1)),
        layout::keep_retained(&retained(2)),
    ]
}

fn restore(changes: Vec<Change>) -> Restored {
    layout::restore(&Shelf(changes)).expect("the shelf can be read")
}

/// All that was understood, as it would be kept.
fn keep(restored: &Restored) -> Vec<Change> {
    let mut changes = Vec::new();
    for session in &restored.sessions {
        let number = session.number;
        changes.push(layout::keep_session(number, &session.record));
        for (sequence, entry) in &session.queue {
            changes.push(match entry {
                QueueEntry::Message(message) => layout::keep_message(number, *sequence, message),
                QueueEntry::Released => layout::keep_released(number, *sequence),
            });
        }
        changes.extend(session.received.iter().map(|packet_id| layout::keep_received(number, *packet_id)));
        changes.extend(session.cursor.map(|read_to| layout::keep_cursor(number, read_to)));
    }
    changes.extend(restored.retained.iter().map(layout::keep_retained));
    changes
}

#[test]
fn what_is_kept_is_restored() {
    let restored = restore(kept());
    assert_eq!((restored.sessions.len(), restored.retained.len(), restored.damaged), (2, 1, 0));
    assert_eq!(restored.leftovers.len(), 3, "an older session of the same client, a message of none, an older topic");
    assert_eq!(keep(&restored).len(), 8);
}

#[test]
fn fuzz_vault_records() {
    let seeds = kept().into_iter().map(|change| [&change.key, &*change.value.unwrap_or_default()].concat()).collect();
    let lengths: Vec<usize> = kept().iter().map(|change| change.key.len()).collect();
    over!(seeds, |bytes: &[u8]| {
        // The changed record beside good ones, its key cut off where keys of some kind end.
        let sum = bytes.iter().fold(0usize, |sum, byte| sum + usize::from(*byte));
        let (key, value) = bytes.split_at(lengths[sum % lengths.len()].min(bytes.len()));
        let changed = Change { key: key.into(), value: Some(value.into()) };
        let restored = restore(vec![kept().swap_remove(sum % lengths.len()), changed]);
        assert!(restored.damaged <= 1 && restored.sessions.len() + restored.retained.len() <= 2);
        let again = restore(keep(&restored));
        assert_eq!((again.damaged, again.leftovers.len()), (0, 0));
        assert_eq!(format!("{:?}", again.sessions), format!("{:?}", restored.sessions));
        assert_eq!(format!("{:?}", again.retained), format!("{:?}", restored.retained));
        assert!(again.next_session <= restored.next_session && again.next_retained <= restored.next_retained);
    });
}

#[test]
fn a_cut_record_is_damaged() {
    for change in kept() {
        let value = change.value.clone().unwrap_or_default();
        for cut in 0..value.len() {
            let key = change.key.clone();
            let is_mark = key[0] == b'r'; // says all by its key
            let restored = restore(vec![Change { key, value: Some(value[..cut].into()) }]);
            assert_eq!(restored.damaged, usize::from(!is_mark), "{:?} cut at {cut}", change.key);
        }
    }
    assert_eq!(mutate(b"k", &[], &[]), b"k");
}
