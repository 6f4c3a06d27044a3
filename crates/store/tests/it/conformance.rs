//! What every implementation of the three traits keeps. A further place for the journal runs [`suite`] too.

use std::sync::Arc;

use model::finding::ColourCounts;
use model::*;

use crate::fixture::*;

/// A place that a store can be opened in, again and again.
pub trait Place {
    type Store: Journal + Ledger + Checkpoints;

    /// Opens what is there; whatever was opened before has been dropped.
    fn open(&self) -> Self::Store;
}

/// A check, and what it is about.
type Check<P> = (&'static str, fn(&P));

/// Runs every check, each in a new place.
pub fn suite<P: Place>(new_place: impl Fn() -> P) {
    let checks: [Check<P>; 15] = [
        ("an empty store", empty),
        ("commits are read back", reads_back),
        ("commits are read from the middle", reads_from_the_middle),
        ("days follow each other", crosses_days),
        ("a clock that goes back", clock_goes_back),
        ("out of order", refuses_out_of_order),
        ("a large commit", large_commit),
        ("quarantine", keeps_quarantine),
        ("a batch is whole and only once", batch_once),
        ("alerts and their indexes", alerts),
        ("deliveries", deliveries),
        ("feed", feed),
        ("units, regions, policy", statuses),
        ("records of the desk", records),
        ("checkpoints", checkpoints),
    ];
    for (name, check) in checks {
        eprintln!("{name}");
        check(&new_place());
    }
}

fn append_up_to(store: &impl Journal, last: Epoch) {
    for epoch in store.last_epoch() + 1..=last {
        store.append(&commit(epoch, START_MS + epoch), &[], &[]).unwrap();
    }
}

fn empty<P: Place>(place: &P) {
    for _ in 0..2 {
        let store = place.open();
        assert_eq!((store.first_epoch(), store.last_epoch(), store.applied()), (1, 0, 0));
        assert_eq!((store.oldest_cursor(), store.newest_cursor()), (1, 0));
        assert_eq!(store.read(0).count() + store.read(1).count(), 0);
        assert!(store.feed(0, 10).unwrap().is_empty() && store.owed().unwrap().is_empty());
        assert!(store.open_alerts().unwrap().is_empty() && store.alerts(None, 10).unwrap().is_empty());
        assert!(store.units().unwrap().is_empty() && store.regions().unwrap().is_empty());
        assert_eq!(store.policy().unwrap(), None);
        assert_eq!(store.unit(UnitId(0)).unwrap(), None);
        assert!(store.quarantine(None, 10).unwrap().is_empty());
        assert_eq!(store.newest("evaluator", u64::MAX).unwrap(), None);
    }
}

fn reads_back<P: Place>(place: &P) {
    let store = place.open();
    append_up_to(&store, 300);
    let expected: Vec<_> = (1..=300).map(|epoch| commit(epoch, START_MS + epoch)).collect();
    assert_eq!(all(&store), expected);
    drop(store);
    let store = place.open();
    assert_eq!((store.first_epoch(), store.last_epoch()), (1, 300));
    assert_eq!(all(&store), expected);
    append_up_to(&store, 301);
    assert_eq!(all(&store).len(), 301);
}

fn reads_from_the_middle<P: Place>(place: &P) {
    let store = place.open();
    append_up_to(&store, 40);
    let read = |from| store.read(from).map(|item| item.unwrap().epoch).collect::<Vec<_>>();
    assert_eq!(read(17), (17..=40).collect::<Vec<_>>());
    assert_eq!(read(40), [40]);
    assert!(read(41).is_empty() && read(u64::MAX).is_empty());
    // the end is as of the call
    let mut begun = store.read(39);
    append_up_to(&store, 45);
    assert_eq!(begun.by_ref().map(|item| item.unwrap().epoch).collect::<Vec<_>>(), [39, 40]);
}

fn crosses_days<P: Place>(place: &P) {
    let at = |epoch: Epoch| START_MS + epoch * DAY_MS / 3;
    {
        let store = place.open();
        for epoch in 1..=30 {
            store.append(&commit(epoch, at(epoch)), &[], &[]).unwrap();
        }
        // nothing for a week
        store.append(&commit(31, at(31) + 7 * DAY_MS), &[], &[]).unwrap();
    }
    let store = place.open();
    assert_eq!(store.last_epoch(), 31);
    for from in 1..=31 {
        let read: Vec<_> = store.read(from).map(|item| item.unwrap().epoch).collect();
        assert_eq!(read, (from..=31).collect::<Vec<_>>());
    }
}

fn clock_goes_back<P: Place>(place: &P) {
    {
        let store = place.open();
        for (epoch, at_ms) in [(1, START_MS + 2 * DAY_MS), (2, START_MS), (3, START_MS + 3 * DAY_MS), (4, START_MS)] {
            store.append(&commit(epoch, at_ms), &[], &[]).unwrap();
        }
    }
    let store = place.open();
    store.append(&commit(5, START_MS - DAY_MS), &[], &[]).unwrap();
    assert_eq!(all(&store).iter().map(|commit| commit.epoch).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

fn refuses_out_of_order<P: Place>(place: &P) {
    let store = place.open();
    append_up_to(&store, 3);
    for epoch in [0, 3, 5] {
        let error = store.append(&commit(epoch, START_MS), &[quarantined(1, 4)], &[]).unwrap_err();
        assert!(matches!(error, StoreError::OutOfOrder { given, expected: 4 } if given == epoch), "{error}");
    }
    assert_eq!(store.last_epoch(), 3);
    assert!(store.quarantine(None, 10).unwrap().is_empty());
    append_up_to(&store, 4);
}

fn large_commit<P: Place>(place: &P) {
    let large = Commit { entries: vec![Entry::Policy("x".repeat(9_000_000).into())], ..commit(1, START_MS) };
    {
        let store = place.open();
        store.append(&large, &[], &[]).unwrap();
        append_up_to(&store, 3);
    }
    let read = all(&place.open());
    assert!(read[0] == large && read[2] == commit(3, START_MS + 3));
}

fn keeps_quarantine<P: Place>(place: &P) {
    {
        let store = place.open();
        store.append(&commit(1, START_MS), &[quarantined(1, 0), quarantined(2, 100)], &[]).unwrap();
        append_up_to(&store, 2);
        store.append(&commit(3, START_MS), &[quarantined(3, 70_000)], &[]).unwrap();
    }
    let store = place.open();
    store.append(&commit(4, START_MS), &[quarantined(4, 1)], &[]).unwrap();
    let expected: Vec<_> = [(4, 1), (3, 70_000), (2, 100), (1, 0)].map(|(n, len)| (n, quarantined(n, len))).into();
    assert_eq!(store.quarantine(None, 100).unwrap(), expected);
    assert_eq!(store.quarantine(None, 2).unwrap(), expected[..2]);
    assert_eq!(store.quarantine(Some(3), 100).unwrap(), expected[2..]);
    assert!(store.quarantine(Some(1), 100).unwrap().is_empty());
}

fn batch_once<P: Place>(place: &P) {
    {
        let store = place.open();
        append_up_to(&store, 5);
        store.commit(&batch(2, 1)).unwrap();
        assert_eq!((store.applied(), store.newest_cursor(), store.oldest_cursor()), (2, 1, 1));
        // an epoch that is not above is ignored, whatever it says
        for epoch in [1, 2] {
            store.commit(&LedgerBatch { policy: Some("other".into()), ..batch(epoch, 1) }).unwrap();
        }
        assert_eq!(store.policy().unwrap(), None);
        store.commit(&LedgerBatch { epoch: 4, ..LedgerBatch::default() }).unwrap();
        // nothing is ahead of the journal, and the feed has no gap
        store.commit(&batch(6, 2)).unwrap_err();
        store.commit(&batch(5, 3)).unwrap_err();
        assert_eq!((store.applied(), store.newest_cursor()), (4, 1));
    }
    let store = place.open();
    assert_eq!((store.applied(), store.newest_cursor(), store.oldest_cursor()), (4, 1, 1));
    store.commit(&batch(2, 1)).unwrap();
    store.commit(&batch(5, 2)).unwrap();
    assert_eq!(store.feed(0, 10).unwrap(), [event(1, 2), event(2, 5)]);
}

fn alerts<P: Place>(place: &P) {
    let of = |epoch, unit, state| Arc::new(alert(alert_id(epoch, unit), state));
    {
        let store = place.open();
        append_up_to(&store, 280);
        let raised = vec![of(1, 7, AlertState::Raised), of(1, 8, AlertState::Raised)];
        store.commit(&LedgerBatch { epoch: 1, alerts: raised, ..LedgerBatch::default() }).unwrap();
        let more = vec![of(270, 7, AlertState::Raised), of(1, 7, AlertState::Closed)];
        store.commit(&LedgerBatch { epoch: 270, alerts: more, ..LedgerBatch::default() }).unwrap();
        let more = vec![of(280, 7, AlertState::Restored), of(280, 0x0700_0000, AlertState::Acknowledged)];
        store.commit(&LedgerBatch { epoch: 280, alerts: more, ..LedgerBatch::default() }).unwrap();
    }
    let store = place.open();
    let ids = |alerts: Vec<Alert>| alerts.iter().map(|alert| (alert.id.epoch, alert.id.unit.0)).collect::<Vec<_>>();
    assert_eq!(ids(store.open_alerts().unwrap()), [(1, 8), (270, 7), (280, 7), (280, 0x0700_0000)]);
    assert_eq!(ids(store.alerts(None, 100).unwrap()), [(280, 0x0700_0000), (280, 7), (270, 7), (1, 8), (1, 7)]);
    assert_eq!(ids(store.alerts(Some(280), 2).unwrap()), [(270, 7), (1, 8)]);
    assert_eq!(ids(store.alerts_of_unit(UnitId(7), 100).unwrap()), [(280, 7), (270, 7), (1, 7)]);
    assert_eq!(ids(store.alerts_of_unit(UnitId(7), 1).unwrap()), [(280, 7)]);
    assert!(store.alerts_of_unit(UnitId(6), 9).unwrap().is_empty());
    assert_eq!(store.alert(alert_id(1, 7)).unwrap(), Some(alert(alert_id(1, 7), AlertState::Closed)));
    assert_eq!(store.alert(alert_id(2, 7)).unwrap(), None);
}

fn deliveries<P: Place>(place: &P) {
    let (first, second) = (alert_id(1, 7), alert_id(1, 8));
    let owed = |id, name: &str, at| Arc::new(delivery(id, name, DeliveryState::Owed, at));
    {
        let store = place.open();
        append_up_to(&store, 9);
        let deliveries = vec![owed(first, "z", 10), owed(first, "b", 20), owed(second, "a", 5), owed(first, "a", 20)];
        store.commit(&LedgerBatch { epoch: 1, deliveries, ..LedgerBatch::default() }).unwrap();
        let done = vec![
            Arc::new(delivery(first, "b", DeliveryState::Delivered, 20)),
            Arc::new(delivery(second, "a", DeliveryState::Failed, 5)),
        ];
        store.commit(&LedgerBatch { epoch: 2, deliveries: done, ..LedgerBatch::default() }).unwrap();
    }
    let store = place.open();
    let names = |deliveries: Vec<Delivery>| deliveries.iter().map(|d| d.id.to_string()).collect::<Vec<_>>();
    assert_eq!(names(store.deliveries(first.into()).unwrap()), ["fire-7-1.z", "fire-7-1.a", "fire-7-1.b"]);
    assert_eq!(names(store.owed().unwrap()), ["fire-7-1.a", "fire-7-1.z"]);
    let found = store.delivery(second.into(), &"fire-8-1.a".into()).unwrap();
    assert_eq!(found, Some(delivery(second, "a", DeliveryState::Failed, 5)));
    assert_eq!(store.delivery(second.into(), &"fire-8-1.b".into()).unwrap(), None);
    assert!(store.deliveries(alert_id(3, 7).into()).unwrap().is_empty());
}

fn feed<P: Place>(place: &P) {
    {
        let store = place.open();
        append_up_to(&store, 100);
        let mut cursor = 0;
        for epoch in 1..=100 {
            let events = (0..epoch % 4).map(|_| {
                cursor += 1;
                Arc::new(event(cursor, epoch))
            });
            store.commit(&LedgerBatch { epoch, feed: events.collect(), ..LedgerBatch::default() }).unwrap();
        }
        assert_eq!(store.newest_cursor(), 150);
    }
    let store = place.open();
    assert_eq!((store.newest_cursor(), store.oldest_cursor()), (150, 1));
    let cursors = |after, limit| store.feed(after, limit).unwrap().iter().map(|e| e.cursor).collect::<Vec<_>>();
    assert_eq!(cursors(0, 1000), (1..=150).collect::<Vec<_>>());
    assert_eq!(cursors(140, 4), [141, 142, 143, 144]);
    assert!(cursors(150, 10).is_empty() && cursors(u64::MAX, 10).is_empty() && cursors(0, 0).is_empty());
}

fn statuses<P: Place>(place: &P) {
    let region = |code: &str, red| RegionStatus {
        region: code.parse().unwrap(),
        counts: ColourCounts { red, ..ColourCounts::default() },
        blind: red,
        risk: RiskBands { units: [red; 10], sum: 7 },
    };
    {
        let store = place.open();
        append_up_to(&store, 2);
        let batch = LedgerBatch {
            epoch: 1,
            units: [300, 2, 70_000].map(|unit| Arc::new(unit_status(unit, Colour::Blue))).into(),
            regions: vec![region("331083001001007", 1), region("331083", 1), region("331083001", 1)],
            policy: Some("一".into()),
            ..LedgerBatch::default()
        };
        store.commit(&batch).unwrap();
        let batch = LedgerBatch {
            epoch: 2,
            units: vec![Arc::new(unit_status(300, Colour::Red))],
            regions: vec![region("331083", 2)],
            policy: Some("二".into()),
            ..LedgerBatch::default()
        };
        store.commit(&batch).unwrap();
    }
    let store = place.open();
    let units: Vec<_> = store.units().unwrap().iter().map(|status| (status.unit.0, status.colour)).collect();
    assert_eq!(units, [(2, Colour::Blue), (300, Colour::Red), (70_000, Colour::Blue)]);
    assert_eq!(store.unit(UnitId(300)).unwrap(), Some(unit_status(300, Colour::Red)));
    assert_eq!(store.regions().unwrap(), [region("331083", 2), region("331083001", 1), region("331083001001007", 1)]);
    assert_eq!(store.policy().unwrap().as_deref(), Some("二"));
}

fn records<P: Place>(place: &P) {
    let kept = |kind, key: &[u8], value: Option<&[u8]>| Kept { kind, key: key.into(), value: value.map(Into::into) };
    {
        let store = place.open();
        append_up_to(&store, 2);
        let put = [b"b", b"a", b"c"].map(|key| kept(KeptKind::Silence, key, Some(key))).to_vec();
        let other = vec![kept(KeptKind::Order, &[255; 12], Some(b"x")), kept(KeptKind::DutyGap, b"", Some(b"y"))];
        store.commit(&LedgerBatch { epoch: 1, kept: [put, other].concat(), ..LedgerBatch::default() }).unwrap();
        let changed = vec![kept(KeptKind::Silence, b"b", None), kept(KeptKind::Silence, b"a", Some(b"new"))];
        store.commit(&LedgerBatch { epoch: 2, kept: changed, ..LedgerBatch::default() }).unwrap();
    }
    let store = place.open();
    let row = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    assert_eq!(store.kept(KeptKind::Silence, None, 9).unwrap(), [row(b"a", b"new"), row(b"c", b"c")]);
    assert_eq!(store.kept(KeptKind::Silence, None, 1).unwrap(), [row(b"a", b"new")]);
    assert_eq!(store.kept(KeptKind::Silence, Some(b"a"), 9).unwrap(), [row(b"c", b"c")]);
    assert_eq!(store.kept(KeptKind::Order, None, 9).unwrap(), [row(&[255; 12], b"x")]);
    assert_eq!(store.kept_one(KeptKind::DutyGap, b"").unwrap(), Some(b"y".to_vec()));
    assert_eq!(store.kept_one(KeptKind::Silence, b"b").unwrap(), None);
    assert!(store.kept(KeptKind::Late, None, 9).unwrap().is_empty());
}

fn checkpoints<P: Place>(place: &P) {
    {
        let store = place.open();
        append_up_to(&store, 50);
        store.put("evaluator", 51, b"ahead").unwrap_err();
        for epoch in [10, 20, 30, 40] {
            store.put("evaluator", epoch, format!("state {epoch}").as_bytes()).unwrap();
        }
        store.put("evaluator_b", 50, b"another stage").unwrap();
        store.put("desk", 5, &vec![7; 3_000_000]).unwrap();
    }
    let store = place.open();
    let newest = |at_most| store.newest("evaluator", at_most).unwrap().map(|(epoch, _)| epoch);
    assert_eq!(store.newest("evaluator", u64::MAX).unwrap(), Some((40, b"state 40".to_vec())));
    assert_eq!([newest(40), newest(39), newest(20), newest(19)], [Some(40), Some(30), Some(20), None]);
    assert_eq!(store.newest("desk", 5).unwrap(), Some((5, vec![7; 3_000_000])));
    store.put("evaluator", 40, b"again").unwrap();
    assert_eq!(store.newest("evaluator", 50).unwrap(), Some((40, b"again".to_vec())));
}

struct Folder(tempfile::TempDir);

impl Place for Folder {
    type Store = store::Store;

    fn open(&self) -> store::Store {
        open(self.0.path())
    }
}

#[test]
fn rocksdb_conforms() {
    suite(|| Folder(tempfile::tempdir().unwrap()));
}
