//! What is remembered across a restart, however the last run ended.

use broker::Reason;
use ingest::{ADMISSION_STAGE, ROSTER_STAGE, RestoreError, Settings, Submission};
use model::{Journal, Quantity, Roster};

use crate::fake::{A1, Bench, DEADLINE, DEVICES, FakeStore, message, quiet, rows};

fn alarm(id: &str) -> broker::Message {
    message("fire/v1/acme/a1/alarm", format!(r#"{{"id":"{id}","kind":"smoke"}}"#))
}

fn telemetry(seq: u32) -> broker::Message {
    message("fire/v1/acme/a1/telemetry", format!(r#"{{"seq":{seq},"values":{{"co_ppm":2}}}}"#))
}

#[test]
fn what_was_committed_and_not_answered_is_not_taken_twice() {
    let bench = Bench::with_city(quiet());
    bench.ask(vec![telemetry(1), telemetry(2)]);
    bench.ask(vec![alarm("a-1")]);
    // killed before the answers left: no checkpoint, only the journal
    let bench = Bench::on(bench.store.killed(), quiet());
    let again = bench.ask(vec![alarm("a-1"), alarm("a-2")]);
    assert_eq!(again, [Reason::Success, Reason::Success]);
    assert_eq!(bench.ask(vec![telemetry(1), telemetry(2), telemetry(3)]), [Reason::Success; 3]);
    assert_eq!(bench.store.reports().len(), 2);
    let readings: Vec<_> = bench.store.commits().into_iter().flat_map(|commit| commit.readings).collect();
    assert_eq!(readings.iter().map(|reading| reading.seq.unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(readings.iter().all(|reading| reading.device == A1 && reading.quantity == Quantity::CoPpm));
}

#[test]
fn nothing_but_repetitions_is_answered_without_a_commit() {
    let bench = Bench::with_city(quiet());
    bench.ask(vec![alarm("a-1")]);
    let commits = bench.store.commits().len();
    bench.store.fail(u64::MAX);
    assert_eq!(bench.ask(vec![alarm("a-1"), alarm("a-1")]), [Reason::Success, Reason::Success]);
    assert_eq!(bench.store.commits().len(), commits);
    bench.store.fail(0);
}

#[test]
fn a_checkpoint_and_the_tail_give_the_same_as_the_whole_journal() {
    let bench = Bench::with_city(Settings { tick_ms: 1, ..quiet() });
    bench.ask(vec![alarm("a-1")]);
    let (store, result, _) = bench.close();
    result.unwrap();
    let checkpointed = store.last_epoch();
    let bench = Bench::on(store.clone(), quiet());
    let mut more = DEVICES.to_vec();
    more.push(("acme", "a3"));
    let base = bench.steps.recv_timeout(DEADLINE).unwrap().roster;
    let change = Box::new(base.change_to(&rows(&more)).unwrap());
    let changed = bench.submit(Submission::Roster { base: base.version(), change }).unwrap();
    bench.ask(vec![alarm("a-2"), message("fire/v1/acme/a3/alarm", r#"{"id":"1","kind":"heat"}"#)]);
    let store = bench.store.killed();
    store.forget_checkpoints_after(ADMISSION_STAGE, checkpointed);

    let settings = Settings::default();
    let restored = ingest::restore(&*store, &*store, &settings).unwrap();
    assert_eq!(store.checkpoint_epochs(ADMISSION_STAGE).last(), Some(&checkpointed));
    assert_eq!(restored.roster.version(), changed);
    assert!(restored.roster.device_by_key("acme/a3").is_some());
    assert_eq!(restored.at_ms, store.commits().last().unwrap().at_ms);
    let before = ingest::roster_at(&*store, &*store, checkpointed).unwrap();
    assert_eq!((before.version(), before.device_by_key("acme/a3")), (base.version(), None));
    assert_eq!(ingest::roster_at(&*store, &*store, changed).unwrap().version(), changed);
    assert_eq!(ingest::roster_at(&*store, &*store, 0).unwrap().version(), 0);

    store.forget_checkpoints_after(ADMISSION_STAGE, 0);
    let without_memory = ingest::restore(&*store, &*store, &settings).unwrap();
    assert_eq!(without_memory.roster.version(), changed);
    store.forget_checkpoints_after(ROSTER_STAGE, 0);
    let replayed = ingest::restore(&*store, &*store, &settings).unwrap();
    assert_eq!(replayed.admission, restored.admission);
    assert_eq!(replayed.roster.version(), changed);
    assert_eq!((replayed.epoch, replayed.at_ms), (restored.epoch, restored.at_ms));
}

#[test]
fn a_journal_whose_beginning_is_gone_needs_a_checkpoint() {
    let bench = Bench::with_city(quiet());
    bench.ask(vec![alarm("a-1")]);
    let (store, result, _) = bench.close();
    result.unwrap();
    store.forget_commits_before(store.last_epoch());
    let restored = ingest::restore(&*store, &*store, &Settings::default()).unwrap();
    assert_eq!(restored.roster.devices().len(), DEVICES.len());
    store.forget_checkpoints_after(ADMISSION_STAGE, 0);
    store.forget_checkpoints_after(ROSTER_STAGE, 0);
    let error = ingest::restore(&*store, &*store, &Settings::default()).unwrap_err();
    assert!(matches!(error, RestoreError::Gap { needed: 1, .. }), "{error}");
}

#[test]
fn an_empty_store_gives_an_empty_house() {
    let store = FakeStore::default();
    let restored = ingest::restore(&store, &store, &Settings::default()).unwrap();
    assert_eq!((restored.epoch, restored.at_ms, restored.roster.version()), (0, 0, Roster::default().version()));
}
