#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::lock;
use crate::vault::{Vault, VaultError};

fn texts() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[a-z楼/ ]{1,12}").unwrap()
}

fn filters() -> impl Strategy<Value = SharedFilter> {
    (any::<bool>(), texts(), prop_oneof![Just(""), Just("/+"), Just("/#")])
        .prop_map(|(shared, text, end)| format!("{}{text}{end}", if shared { "$share/g/" } else { "" }))
        .prop_map(|text| SharedFilter::parse(&text).unwrap())
}

fn forwards() -> impl Strategy<Value = Option<Forward>> {
    proptest::option::of(texts()).prop_map(|text| text.and_then(|text| Forward::of_content_type(&text)))
}

fn payloads() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn parcels() -> impl Strategy<Value = Arc<Parcel>> {
    (texts(), payloads(), forwards(), any::<bool>(), any::<Option<u64>>()).prop_map(
        |(topic, payload, forward, retain, expires_at_ms)| {
            Arc::new(Parcel { topic: topic.into(), payload, forward, retain, expires_at_ms })
        },
    )
}

fn messages() -> impl Strategy<Value = QueuedMessage> {
    let identifiers = proptest::collection::vec(any::<u32>(), 0..4);
    (parcels(), 0u8..3, any::<bool>(), identifiers, proptest::option::of(filters())).prop_map(
        |(parcel, qos, retain, identifiers, shared)| QueuedMessage {
            parcel,
            qos,
            retain,
            identifiers: identifiers.into(),
            shared,
        },
    )
}

fn wills() -> impl Strategy<Value = Will> {
    (texts(), payloads(), 0u8..3, any::<bool>(), any::<u32>(), any::<Option<u32>>(), forwards()).prop_map(
        |(topic, payload, qos, retain, delay_s, expiry_s, properties)| Will {
            topic: Topic::new(&topic).unwrap(),
            payload,
            qos,
            retain,
            delay_s,
            expiry_s,
            properties,
        },
    )
}

fn subscriptions() -> impl Strategy<Value = SubscriptionRecord> {
    (filters(), 0u8..3, any::<bool>(), any::<bool>(), 0u8..3, any::<u32>()).prop_map(
        |(filter, qos, no_local, retain_as_published, retain_handling, identifier)| {
            let options = Options { qos, no_local, retain_as_published, retain_handling };
            SubscriptionRecord { filter, options, identifier }
        },
    )
}

fn records() -> impl Strategy<Value = SessionRecord> {
    (
        texts(),
        texts(),
        any::<u32>(),
        any::<Option<u64>>(),
        proptest::option::of(wills()),
        any::<Option<u64>>(),
        proptest::collection::vec(subscriptions(), 0..4),
    )
        .prop_map(|(client_id, identity, expiry_s, expires_at_ms, will, will_at_ms, subscriptions)| {
            SessionRecord {
                client_id: client_id.into(),
                identity: identity.into(),
                expiry_s,
                expires_at_ms,
                will: will.map(Box::new),
                will_at_ms,
                subscriptions,
            }
        })
}

fn kepts() -> impl Strategy<Value = Kept> {
    (any::<u64>(), parcels(), 0u8..3, texts()).prop_map(|(number, parcel, qos, identity)| Kept {
        number,
        parcel,
        qos,
        identity: identity.into(),
    })
}

fn value(change: &Change) -> &[u8] {
    change.value.as_deref().unwrap()
}

/// What Debug shows is all there is.
fn shown(what: &impl std::fmt::Debug) -> String {
    format!("{what:?}")
}

/// Every beginning of a value is refused, and so is one byte more.
fn refused_when_cut<T>(value: &[u8], decode: impl Fn(&[u8]) -> Result<T, Damaged>) {
    for end in 0..value.len() {
        assert!(decode(&value[..end]).is_err(), "cut at {end} of {}", value.len());
    }
    let mut longer = value.to_vec();
    longer.push(0);
    assert!(decode(&longer).is_err(), "one byte more");
    let mut later = value.to_vec();
    later[0] = VERSION + 1;
    assert!(decode(&later).is_err(), "a later version");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_message_comes_back_as_it_was(message in messages()) {
        let change = keep_message(1, 2, &message);
        let QueueEntry::Message(back) = QueueEntry::decode(value(&change)).unwrap() else { panic!("a message") };
        prop_assert_eq!(shown(&back), shown(&message));
        refused_when_cut(value(&change), QueueEntry::decode);
    }

    #[test]
    fn a_session_comes_back_as_it_was(record in records()) {
        let change = keep_session(1, &record);
        prop_assert_eq!(shown(&SessionRecord::decode(value(&change)).unwrap()), shown(&record));
        refused_when_cut(value(&change), SessionRecord::decode);
    }

    #[test]
    fn a_retained_message_comes_back_as_it_was(kept in kepts()) {
        let change = keep_retained(&kept);
        let decode = |value: &[u8]| decode_retained(kept.number, value);
        prop_assert_eq!(shown(&decode(value(&change)).unwrap()), shown(&kept));
        refused_when_cut(value(&change), decode);
    }

    #[test]
    fn a_changed_byte_never_panics(record in records(), message in messages(), kept in kepts(), at: prop::sample::Index, to: u8) {
        for change in [keep_session(1, &record), keep_message(1, 2, &message), keep_retained(&kept)] {
            let mut bytes = value(&change).to_vec();
            let index = at.index(bytes.len());
            bytes[index] = to;
            let _ = (SessionRecord::decode(&bytes), QueueEntry::decode(&bytes), decode_retained(1, &bytes));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_an_error_or_a_value_and_never_a_panic(
        kind in prop::sample::select(&b"cqrstx"[..]),
        key in proptest::collection::vec(any::<u8>(), 0..20),
        mut bytes in proptest::collection::vec(any::<u8>(), 0..64),
        versioned: bool,
    ) {
        if versioned && !bytes.is_empty() {
            bytes[0] = VERSION;
        }
        let _ = (SessionRecord::decode(&bytes), QueueEntry::decode(&bytes), decode_retained(1, &bytes), decode_cursor(&bytes));
        let vault = Shelf::default();
        let key: Box<[u8]> = std::iter::once(kind).chain(key).collect();
        vault.write(&[Change { key, value: Some(bytes.into()) }]).unwrap();
        restore(&vault).unwrap();
    }
}

/// A vault in memory.
#[derive(Default)]
struct Shelf(Mutex<Content>);

type Content = BTreeMap<Box<[u8]>, Box<[u8]>>;

impl Vault for Shelf {
    fn load(&self, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), VaultError> {
        lock(&self.0).iter().for_each(|(key, value)| each(key, value));
        Ok(())
    }

    fn write(&self, changes: &[Change]) -> Result<(), VaultError> {
        let mut content = lock(&self.0);
        for Change { key, value } in changes {
            match value {
                Some(value) => content.insert(key.clone(), value.clone()),
                None => content.remove(key),
            };
        }
        Ok(())
    }
}

fn record(client_id: &str) -> SessionRecord {
    SessionRecord {
        client_id: client_id.into(),
        identity: "i".into(),
        expiry_s: 60,
        expires_at_ms: None,
        will: None,
        will_at_ms: None,
        subscriptions: Vec::new(),
    }
}

fn message(topic: &str) -> QueuedMessage {
    let parcel =
        Parcel { topic: topic.into(), payload: Bytes::new(), forward: None, retain: false, expires_at_ms: None };
    QueuedMessage { parcel: Arc::new(parcel), qos: 1, retain: false, identifiers: SmallVec::new(), shared: None }
}

fn kept(number: u64, topic: &str, payload: &'static str) -> Kept {
    let payload = Bytes::from_static(payload.as_bytes());
    let parcel = Parcel { topic: topic.into(), payload, forward: None, retain: true, expires_at_ms: None };
    Kept { number, parcel: Arc::new(parcel), qos: 1, identity: "i".into() }
}

#[test]
fn all_that_belongs_to_a_session_is_found_again() {
    let vault = Shelf::default();
    let mut changes = vec![keep_session(3, &record("c")), keep_session(500, &record("d")), keep_cursor(3, 77)];
    changes.extend([300, 2, 70_000].map(|sequence| keep_message(3, sequence, &message("a"))));
    changes.extend([keep_message(3, 9, &message("b")), keep_released(3, 9)]);
    changes.extend([keep_received(3, 65_535), keep_received(3, 1), keep_received(3, 2), drop_received(3, 2)]);
    changes.extend([keep_retained(&kept(4, "t", "1")), keep_retained(&kept(5, "u", "1")), drop_retained(5)]);
    changes.extend([keep_message(500, 1, &message("a")), drop_entry(500, 1), keep_cursor(500, 1), drop_cursor(500)]);
    vault.write(&changes).unwrap();
    let restored = restore(&vault).unwrap();
    assert_eq!((restored.damaged, restored.leftovers.len()), (0, 0));
    assert_eq!((restored.next_session, restored.next_retained), (501, 5));
    assert_eq!(restored.retained.len(), 1);
    let [c, d] = &restored.sessions[..] else { panic!("two sessions") };
    assert_eq!((c.number, &*c.record.client_id, c.cursor), (3, "c", Some(77)));
    assert_eq!(c.queue.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), [2, 9, 300, 70_000]);
    assert!(matches!(c.queue[1].1, QueueEntry::Released));
    assert_eq!(c.received, [1, 65_535]);
    assert_eq!((d.number, d.queue.len(), d.received.len(), d.cursor), (500, 0, 0, None));
}

#[test]
fn damage_is_counted_and_harms_nothing_else() {
    let vault = Shelf::default();
    let put = |key: &[u8], value: &[u8]| Change { key: key.into(), value: Some(value.into()) };
    let mut half = keep_message(7, 5, &message("a"));
    half.value = Some(value(&half)[..4].into());
    let mut unreadable = keep_session(900, &record("later version"));
    unreadable.value.as_mut().unwrap()[0] = 99;
    let changes = [
        keep_session(7, &record("c")),
        keep_message(7, 4, &message("a")),
        half,
        unreadable,
        keep_message(900, 1, &message("a")),
        put(b"", b""),
        put(b"q", b""),
        put(b"zzzzzzzzzzzz", b"\x01"),
        put(b"tXXXXXXXX", b"\x01"),
    ];
    vault.write(&changes).unwrap();
    let restored = restore(&vault).unwrap();
    assert_eq!(restored.sessions.len(), 1);
    assert_eq!(restored.sessions[0].queue.len(), 1);
    assert_eq!(restored.damaged, 6);
    assert!(restored.leftovers.is_empty(), "what cannot be read stays: {:?}", restored.leftovers);
    assert!(restored.next_session > 900, "nobody else gets the number");
}

#[test]
fn what_belongs_to_no_session_is_to_be_removed() {
    let vault = Shelf::default();
    let orphans = [keep_message(9, 1, &message("a")), keep_received(9, 1), keep_cursor(9, 1)];
    let older = [keep_session(1, &record("c")), keep_message(1, 1, &message("a"))];
    let newer = [keep_session(2, &record("c")), keep_message(2, 1, &message("a"))];
    let retained = [keep_retained(&kept(1, "t", "old")), keep_retained(&kept(2, "t", "new"))];
    for changes in [&orphans[..], &older, &newer, &retained] {
        vault.write(changes).unwrap();
    }
    let restored = restore(&vault).unwrap();
    assert_eq!(restored.sessions.iter().map(|session| session.number).collect::<Vec<_>>(), [2]);
    assert_eq!(&*restored.retained[0].parcel.payload, b"new");
    assert_eq!(restored.retained.len(), 1);
    assert_eq!(restored.leftovers.len(), 3 + 2 + 1);
    vault.write(&restored.leftovers).unwrap();
    let again = restore(&vault).unwrap();
    assert_eq!((again.sessions.len(), again.retained.len(), again.leftovers.len()), (1, 1, 0));
    assert_eq!(lock(&vault.0).len(), 3);
}

#[test]
fn keys_lie_in_the_order_of_their_numbers() {
    let keys = [drop_entry(1, 255), drop_entry(1, 256), drop_entry(2, 0), drop_entry(256, 0), drop_received(0, 1)];
    assert!(keys.windows(2).all(|pair| pair[0].key < pair[1].key));
    assert!(keys.iter().all(|change| change.key.len() <= 17 && change.value.is_none()));
}
