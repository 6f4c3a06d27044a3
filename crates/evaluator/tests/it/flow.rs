//! Threads: order, back-pressure, the end, panics and stand-still, checkpoints and restarts.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evaluator::{Abort, Evaluator, Rules, Settings};
use model::{Commit, DeviceId, Entry, Evaluated, Quantity, Reading, Step};
use proptest::prelude::*;

use crate::kit::{Dice, Kept, T0, roster, start};

const DEADLINE: Duration = Duration::from_secs(30);

/// Commits each half a second, some empty, some with readings that go up and down.
fn steps(count: u64, seed: u64) -> Vec<Step> {
    let roster = roster(8, 4, 5);
    let mut dice = Dice(seed);
    (1..=count)
        .map(|epoch| {
            let at_ms = T0 + epoch * 500;
            let mut readings = Vec::new();
            for device in 0..8 {
                if dice.roll() > 0.6 {
                    let (quantity, value) = match device % 3 {
                        0 => (Quantity::TemperatureC, 45.0 + 30.0 * dice.roll()),
                        1 => (Quantity::SmokeDbM, 0.12 + 0.12 * dice.roll()),
                        _ => (Quantity::GasLelPct, 8.0 + 8.0 * dice.roll()),
                    };
                    readings.push(Reading {
                        device: DeviceId(device),
                        quantity,
                        value,
                        at_ms,
                        skew_ms: None,
                        seq: None,
                    });
                }
            }
            let entries = if epoch % 2 == 0 { vec![Entry::Tick] } else { Vec::new() };
            let commit = Commit { epoch, at_ms, entries, readings };
            Step { commit: Arc::new(commit), roster: Arc::clone(&roster) }
        })
        .collect()
}

fn shown(outs: &[Evaluated]) -> Vec<String> {
    outs.iter()
        .map(|out| {
            format!("{} {:?} {:?} {:?} {:?}", out.step.commit.epoch, out.findings, out.units, out.regions, out.devices)
        })
        .collect()
}

/// Runs steps, perhaps from a checkpoint; what came out, as text, and the checkpoints.
fn run(steps: &[Step], restore: Option<(u64, Vec<u8>)>) -> (Vec<String>, Arc<Kept>) {
    let kept = Arc::<Kept>::default();
    let settings = Settings { checkpoint_every_s: 1, ..Settings::default() };
    let (handle, outs) = start(settings, restore, Arc::clone(&kept));
    for step in steps {
        handle.submit(step.clone()).unwrap();
    }
    handle.finish().unwrap();
    let outs = shown(&outs.lock().unwrap());
    (outs, kept)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Same journal, same output: also from any checkpoint, and the state ends in the same bytes.
    #[test]
    fn the_same_steps_give_the_same_outputs(seed in any::<u64>(), pick in any::<prop::sample::Index>()) {
        let steps = steps(200, seed);
        let (whole, kept) = run(&steps, None);
        prop_assert_eq!(whole.len(), 200);
        let (again, _) = run(&steps, None);
        prop_assert_eq!(&again, &whole);
        let kept = kept.0.lock().unwrap();
        let (&epoch, bytes) = kept.iter().nth(pick.index(kept.len())).unwrap();
        let (tail, later) = run(&steps[epoch as usize..], Some((epoch, bytes.clone())));
        prop_assert_eq!(&tail[..], &whole[epoch as usize..]);
        let later = later.0.lock().unwrap();
        prop_assert_eq!(later.get(&200), kept.get(&200));
    }
}

#[test]
fn every_commit_comes_out_once_in_order_also_when_empty() {
    let (outs, kept) = run(&steps(500, 3), None);
    for (out, epoch) in outs.iter().zip(1..) {
        assert!(out.starts_with(&format!("{epoch} ")), "{out}");
    }
    assert_eq!(outs.len(), 500);
    assert!(kept.0.lock().unwrap().contains_key(&500), "the last state is kept");
}

#[test]
fn a_slow_consumer_holds_the_producer_and_is_no_stand_still() {
    let settings = Settings { epochs_in_flight_max: 4, epoch_limit_ms: 100, ..Settings::default() };
    let (go, gate) = sync_channel::<()>(0);
    let out = Box::new(move |_| gate.recv().unwrap());
    let aborted = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&aborted);
    let abort: Abort = Arc::new(move |_| noted.store(true, Ordering::SeqCst));
    let handle = Evaluator::start_with(settings, Rules::default(), None, out, Arc::<Kept>::default(), abort).unwrap();
    let taken = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&taken);
    let producer = std::thread::spawn(move || {
        for step in steps(20, 1) {
            handle.submit(step).unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
        }
        handle.finish().unwrap();
    });
    let began = Instant::now();
    while taken.load(Ordering::SeqCst) < 4 {
        assert!(began.elapsed() < DEADLINE);
        std::thread::yield_now();
    }
    // longer than the limit of an epoch: the producer waits at four, and nobody aborts
    while began.elapsed() < Duration::from_millis(400) {
        assert!(taken.load(Ordering::SeqCst) <= 4);
        std::thread::yield_now();
    }
    for _ in 0..20 {
        go.send(()).unwrap();
    }
    producer.join().unwrap();
    assert!(!aborted.load(Ordering::SeqCst));
}

#[test]
fn a_panic_downstream_aborts() {
    let (told, why) = sync_channel(1);
    let told = Mutex::new(told);
    let abort: Abort = Arc::new(move |why| told.lock().unwrap().send(why.to_owned()).unwrap());
    let out = Box::new(|_| panic!("a test's panic"));
    let kept = Arc::<Kept>::default();
    let handle = Evaluator::start_with(Settings::default(), Rules::default(), None, out, kept, abort).unwrap();
    handle.submit(steps(1, 1).remove(0)).unwrap();
    assert_eq!(why.recv_timeout(DEADLINE).unwrap(), "the worker panicked");
    assert!(handle.finish().is_err());
}

#[test]
fn a_checkpoint_that_cannot_be_used_is_refused() {
    let kept = Arc::<Kept>::default();
    let result = Evaluator::start(
        Settings::default(),
        Rules::default(),
        Some((7, vec![1, 2, 3])),
        Box::new(|_| ()),
        Arc::clone(&kept) as Arc<dyn model::Checkpoints>,
    );
    assert!(result.is_err());
    let (_, kept) = run(&steps(10, 1), None);
    let bytes = kept.0.lock().unwrap()[&10].clone();
    let result = Evaluator::start(Settings::default(), Rules::default(), Some((9, bytes)), Box::new(|_| ()), kept);
    assert!(result.err().unwrap().to_string().contains("said to be of commit 9 and is of 10"));
}

#[test]
fn liveness_is_known_while_it_runs_and_after_a_restart() {
    let steps = steps(40, 7);
    let kept = Arc::<Kept>::default();
    let (handle, outs) = start(Settings::default(), None, Arc::clone(&kept));
    let liveness = handle.liveness();
    for step in &steps {
        handle.submit(step.clone()).unwrap();
    }
    let begun = Instant::now();
    while outs.lock().unwrap().len() < steps.len() {
        assert!(begun.elapsed() < DEADLINE, "the commits come out");
        std::thread::yield_now();
    }
    let last_ms = |device| {
        let readings = steps.iter().flat_map(|step| &step.commit.readings);
        readings.filter(|reading| reading.device == device).map(|reading| reading.at_ms).max()
    };
    let known = |liveness: &evaluator::Liveness| {
        (0..9).map(|id| (liveness.last_seen_ms(DeviceId(id)), liveness.alive(DeviceId(id)))).collect::<Vec<_>>()
    };
    let running = known(&liveness);
    for (id, (seen_ms, alive)) in (0..8).zip(&running) {
        assert_eq!((*seen_ms, alive.is_some()), (last_ms(DeviceId(id)), true), "device {id}");
    }
    assert_eq!(running[8], (None, None), "there is no such device");
    handle.finish().unwrap();
    let (epoch, bytes) = kept.0.lock().unwrap().last_key_value().map(|(epoch, bytes)| (*epoch, bytes.clone())).unwrap();
    assert_eq!(epoch, 40);
    let (again, _) = start(Settings::default(), Some((epoch, bytes)), kept);
    assert_eq!(known(&again.liveness()), running);
}
