//! Gathering, appending, answering, handing on.

use broker::{DownCause, Reason, SessionEvent};
use ingest::{IngestError, Settings, Submission, SubmitError};
use model::Roster;
use model::journal::Entry;

use crate::fake::{Bench, DEADLINE, DEVICES, NOW_MS, message, quiet, rows};

const ALARM: &str = "fire/v1/acme/a1/alarm";
const TELEMETRY: &str = "fire/v1/acme/a1/telemetry";
const STATE: &str = "fire/v1/acme/a1/state";

fn telemetry(seq: u32) -> broker::Message {
    message(TELEMETRY, format!(r#"{{"seq":{seq},"values":{{"temperature_c":24.1,"smoke_db_m":0.03}}}}"#))
}

fn alarm(id: &str) -> broker::Message {
    message(ALARM, format!(r#"{{"id":"{id}","kind":"smoke"}}"#))
}

#[test]
fn no_answer_before_the_append_returned() {
    let bench = Bench::with_city(quiet());
    bench.store.block();
    bench.send(vec![telemetry(1), alarm_on_normal_lane()]);
    bench.store.wait_for_attempts(bench.store.commits().len() as u64 + 1);
    assert!(bench.acked.try_recv().is_err(), "answered before the disk had it");
    bench.store.unblock();
    assert_eq!(bench.ack(), [Reason::Success, Reason::Success]);
    assert_eq!(bench.ingest.progress().committed(), bench.store.commits().len() as u64);
}

/// A batch is of one lane in life; the stage does not depend on it.
fn alarm_on_normal_lane() -> broker::Message {
    alarm("n")
}

#[test]
fn a_failing_disk_delays_and_loses_and_doubles_nothing() {
    let bench = Bench::with_city(quiet());
    let before = (bench.store.commits().len(), bench.store.attempts());
    bench.store.fail(5);
    bench.send(vec![alarm("a-1")]);
    bench.store.wait_for_attempts(before.1 + 3);
    bench.send(vec![alarm("a-2")]);
    assert_eq!(bench.ack(), [Reason::Success]);
    assert_eq!(bench.ack(), [Reason::Success]);
    assert!(bench.ingest.progress().writable());
    let commits = bench.store.commits();
    // the first alone: what came meanwhile had to wait
    assert_eq!(commits[before.0].entries.len(), 1);
    assert_eq!(bench.store.reports().len(), 2);
    assert_eq!(bench.store.attempts(), before.1 + 5 + 2);
    let steps: Vec<_> = (0..commits.len()).map(|_| bench.steps.recv_timeout(DEADLINE).unwrap().commit.epoch).collect();
    assert_eq!(steps, (1..=commits.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_disk_that_stays_broken_does_not_stop_the_shutdown_and_answers_nobody() {
    let bench = Bench::with_city(quiet());
    let reports = bench.store.reports().len();
    bench.store.fail(u64::MAX);
    let attempts = bench.store.attempts();
    bench.send(vec![alarm("a-1")]);
    bench.store.wait_for_attempts(attempts + 2);
    assert!(!bench.ingest.progress().writable());
    let (store, result, acks) = bench.close();
    assert!(matches!(result, Err(IngestError::ShutDownUnwritten(_))), "{result:?}");
    assert_eq!((store.reports().len(), acks), (reports, vec![]));
}

#[test]
fn alarms_overtake_the_telemetry_that_waits() {
    let bench = Bench::with_city(Settings { batch_messages_max: 1, ..quiet() });
    bench.store.block();
    let attempts = bench.store.attempts();
    bench.send(vec![telemetry(0)]);
    bench.store.wait_for_attempts(attempts + 1);
    // while that is being written
    for seq in 1..=5 {
        bench.send(vec![telemetry(seq)]);
    }
    bench.send(vec![alarm("a-1"), alarm("a-2")]);
    let before = bench.store.commits().len();
    bench.store.unblock();
    let answers: Vec<usize> = (0..7).map(|_| bench.ack().len()).collect();
    assert_eq!(answers, [1, 2, 1, 1, 1, 1, 1], "the alarms are answered right after what was being written");
    let next = &bench.store.commits()[before + 1];
    assert_eq!((next.entries.len(), next.readings.len()), (2, 2));
}

#[test]
fn what_waits_goes_into_one_commit() {
    let bench = Bench::with_city(quiet());
    bench.store.block();
    let attempts = bench.store.attempts();
    bench.send(vec![telemetry(0)]);
    bench.store.wait_for_attempts(attempts + 1);
    let before = bench.store.commits().len();
    for first in (1..=50).step_by(10) {
        bench.send((first..first + 10).map(telemetry).collect());
    }
    bench.store.unblock();
    for _ in 0..6 {
        bench.ack();
    }
    let commits = bench.store.commits();
    assert_eq!(commits.len(), before + 2);
    assert_eq!(commits[before + 1].readings.len(), 100);
}

#[test]
fn an_idle_station_ticks_and_time_never_goes_back() {
    let bench = Bench::on(Default::default(), Settings { tick_ms: 1, ..quiet() });
    for epoch in 1..=5 {
        let step = bench.steps.recv_timeout(DEADLINE).unwrap();
        assert_eq!((step.commit.epoch, step.commit.entries.as_slice()), (epoch, [Entry::Tick].as_slice()));
        assert!(step.commit.at_ms >= NOW_MS);
        // a clock put back by an hour: the fake journal refuses times that go back
        bench.now_ms.fetch_sub(3_600_000, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn submissions_are_told_their_commit() {
    let bench = Bench::with_city(quiet());
    let epoch = bench.submit(Submission::Rules("[smoke]".into())).unwrap();
    let commit = bench.store.commits().pop().unwrap();
    assert_eq!((commit.epoch, commit.entries), (epoch, vec![Entry::Rules("[smoke]".into())]));
}

#[test]
fn a_roster_change_holds_for_the_messages_of_its_own_commit() {
    let bench = Bench::on(Default::default(), quiet());
    let first = bench.steps.recv_timeout(DEADLINE).unwrap();
    assert_eq!(first.roster.version(), 0);
    bench.store.block();
    bench.send(vec![message(STATE, r#"{"state":"online"}"#)]);
    bench.store.wait_for_attempts(2);
    // both wait while the state of a device that is not on the roster goes to the quarantine
    bench.send(vec![alarm("a-1")]);
    let change = Box::new(Roster::default().change_to(&rows(&DEVICES)).unwrap());
    let handle = bench.ingest.handle().clone();
    let submitter = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(handle.post(Submission::Roster { base: 0, change })).unwrap();
    });
    submitter.join().unwrap();
    bench.store.unblock();
    assert_eq!(bench.ack(), [Reason::ImplementationSpecific]);
    assert_eq!(bench.ack(), [Reason::Success]);
    let commit = bench.store.commits().pop().unwrap();
    assert!(matches!(commit.entries.as_slice(), [Entry::Roster(_), Entry::Report(_)]), "{:?}", commit.entries);
    let steps: Vec<_> = (1..commit.epoch).map(|_| bench.steps.recv_timeout(DEADLINE).unwrap()).collect();
    let versions: Vec<_> = steps.iter().map(|step| step.roster.version()).collect();
    assert_eq!(versions, [0, commit.epoch]);
}

#[test]
fn a_roster_change_against_an_older_roster_is_refused() {
    let bench = Bench::with_city(quiet());
    let now = bench.store.commits().last().unwrap().epoch;
    let change = Box::new(Roster::default().change_to(&rows(&DEVICES)).unwrap());
    let refused = bench.submit(Submission::Roster { base: 0, change });
    assert_eq!(refused, Err(SubmitError::StaleRoster { base: 0, now }));
    assert_eq!(bench.store.commits().last().unwrap().epoch, now);
}

#[test]
fn sessions_come_and_go_in_the_journal() {
    let bench = Bench::with_city(quiet());
    let before = bench.store.commits().len();
    bench.send_session(SessionEvent::Down {
        identity: "acme".into(),
        client_id: "c1".into(),
        at_ms: NOW_MS,
        cause: DownCause::KeepAliveTimeout,
    });
    let (store, result, _) = bench.close();
    result.unwrap();
    let entries = store.commits().split_off(before).into_iter().flat_map(|commit| commit.entries);
    let expected = Entry::Session {
        identity: "acme".into(),
        client_id: "c1".into(),
        up: false,
        cause: "keep_alive_timeout".into(),
    };
    assert_eq!(entries.collect::<Vec<_>>(), [expected]);
}

#[test]
fn a_shutdown_commits_and_answers_what_waits() {
    let bench = Bench::with_city(quiet());
    bench.store.block();
    let attempts = bench.store.attempts();
    bench.send(vec![telemetry(1)]);
    bench.store.wait_for_attempts(attempts + 1);
    for n in 0..20 {
        bench.send(vec![telemetry(2 + n), telemetry(100 + n)]);
        bench.send(vec![alarm(&format!("a-{n}"))]);
    }
    let handle = bench.ingest.handle().clone();
    bench.store.unblock();
    let (store, result, acks) = bench.close();
    result.unwrap();
    assert_eq!(acks.iter().map(Vec::len).sum::<usize>(), 61);
    assert_eq!(store.reports().len(), 20);
    assert_eq!(store.checkpoint_epochs(ingest::ADMISSION_STAGE).last(), Some(&store.commits().last().unwrap().epoch));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(handle.submit(Submission::Policy("".into()))), Err(SubmitError::Closed));
}

#[test]
fn an_evaluator_that_is_gone_ends_the_stage() {
    let mut bench = Bench::with_city(quiet());
    // what came before has been handed on
    while bench.steps.recv_timeout(DEADLINE).unwrap().roster.version() == 0 {}
    let (_, gone) = std::sync::mpsc::sync_channel(1);
    drop(std::mem::replace(&mut bench.steps, gone));
    bench.send(vec![alarm("a-1")]);
    // it is on the disk, so it is answered
    assert_eq!(bench.ack(), [Reason::Success]);
    let (_, result, _) = bench.close();
    assert!(matches!(result, Err(IngestError::DownstreamGone)), "{result:?}");
}

/// What is to happen after a while happens also when the machine's clock is put back, and what came stays fresh.
#[test]
fn time_goes_on_while_the_clock_is_behind() {
    const HOUR_MS: u64 = 3_600_000;
    let bench = Bench::with_city(Settings { tick_ms: 1, ..quiet() });
    bench.now_ms.fetch_sub(HOUR_MS, std::sync::atomic::Ordering::Relaxed);
    let begun = std::time::Instant::now();
    let time_ms = || {
        let step = bench.steps.recv_timeout(DEADLINE).unwrap();
        step.commit.at_ms
    };
    while time_ms() < NOW_MS + 20 {
        assert!(begun.elapsed() < DEADLINE, "the journal's time stands still");
    }
    assert!(begun.elapsed() >= std::time::Duration::from_millis(40), "at half the speed");
    let stamped = broker::Message { received_ms: NOW_MS - HOUR_MS, ..telemetry(0) };
    bench.ask(vec![stamped]);
    let commits = bench.store.commits();
    let commit = commits.iter().rev().find(|commit| !commit.readings.is_empty()).unwrap();
    assert!(commit.readings[0].at_ms + 1_000 >= commit.at_ms, "{} in {}", commit.readings[0].at_ms, commit.at_ms);
    // the clock has come back: its time counts again
    bench.now_ms.store(NOW_MS + HOUR_MS, std::sync::atomic::Ordering::Relaxed);
    while time_ms() != NOW_MS + HOUR_MS {
        assert!(begun.elapsed() < DEADLINE);
    }
}
