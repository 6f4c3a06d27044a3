//! What the evaluator costs: readings a second, latency at a steady rate, state a sensor, the pause of a checkpoint, replay
//! after a restart. Prints a table in Markdown.
//!
//! `cargo run --release -p evaluator --example speed [-- throughput latency state pause replay]`
#![allow(clippy::print_stdout, missing_docs)]

mod city;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use city::{City, DEVICES, Order};
use evaluator::judge::{Judge, Share};
use evaluator::{Evaluator, Handle, Rules, Settings};
use model::{Checkpoints, Epoch, Evaluated, StoreError};

/// Takes checkpoints and forgets them: the disk is measured elsewhere.
struct Nowhere;

impl Checkpoints for Nowhere {
    fn put(&self, _: &str, _: Epoch, _: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }

    fn newest(&self, _: &str, _: Epoch) -> Result<Option<(Epoch, Vec<u8>)>, StoreError> {
        Ok(None)
    }
}

fn start(workers: usize, checkpoint_every_s: u64, out: Box<dyn FnMut(Evaluated) + Send>) -> Handle {
    let settings = Settings { workers, checkpoint_every_s, ..Settings::default() };
    Evaluator::start(settings, Rules::default(), None, out, Arc::new(Nowhere)).expect("it starts")
}

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    println!("| what | how | figure |\n|---|---|---|");
    if is_asked("throughput") {
        throughput();
    }
    if is_asked("latency") {
        latency();
    }
    if is_asked("state") {
        state();
    }
    if is_asked("pause") {
        pause();
    }
    if is_asked("replay") {
        replay();
    }
}

/// Waits until everything that was taken in is out.
fn drain(handle: &Handle) {
    while handle.in_flight() > 0 {
        std::thread::yield_now();
    }
}

/// CPU time of this process's threads of a name, ns. What else the machine does hardly changes it.
fn cpu_ns(name: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let of_name = tasks.filter(|task| read(task.path().join("comm")).trim_end().starts_with(name));
    let spent = of_name.map(|task| read(task.path().join("schedstat")));
    spent.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum()
}

/// Readings a second through the whole stage, commits one after another in flight, by the clock and by the CPU time of the
/// workers. Steps are made before the clock starts.
fn throughput() {
    for (workers, order, readings) in
        [(1, Order::Turn, 900), (1, Order::Turn, 3_000), (1, Order::Promise, 3_000), (2, Order::Turn, 3_000)]
    {
        let mut city = City::new(order);
        let handle = start(workers, 3600, Box::new(drop));
        let name = if workers == 1 { "evaluator" } else { "timely:work" };
        let (mut rates, mut costs) = (Vec::new(), Vec::new());
        for round in 0..8 {
            let steps: Vec<_> = (0..900_000 / readings).map(|_| city.step(readings, readings as u64 / 70)).collect();
            let count: usize = steps.iter().map(|step| step.commit.readings.len()).sum();
            let (begun, before) = (Instant::now(), cpu_ns(name));
            for step in steps {
                handle.submit(step).expect("it runs");
            }
            drain(&handle);
            // the first rounds make the devices' memories
            if round >= 2 {
                rates.push(count as f64 / begun.elapsed().as_secs_f64() / 1e6);
                costs.push((cpu_ns(name) - before) as f64 / count as f64);
            }
        }
        handle.finish().expect("it ends");
        rates.sort_by(f64::total_cmp);
        costs.sort_by(f64::total_cmp);
        let cost = costs[costs.len() / 2];
        let (least, median, most) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
        println!(
            "| readings/s, {workers} worker(s) | {}, {readings} a commit | **{median:.2} M** by the clock ({least:.2} to {most:.2}), **{:.2} M** a core by CPU time ({cost:.0} ns each) |",
            order.words(),
            1e3 / cost
        );
    }
}

/// Open loop: 70,000 readings a second in commits of 1 ms; from the planned time of submit to out.
fn latency() {
    const COMMITS: u64 = 10_000;
    for (workers, checkpoint_every_s) in [(1, 3600), (1, 5), (2, 3600)] {
        let mut city = City::new(Order::Turn);
        let outs = Arc::new(Mutex::new(Vec::with_capacity(COMMITS as usize + 4000)));
        let told = Arc::clone(&outs);
        let out = Box::new(move |_| told.lock().expect("one writer").push(Instant::now()));
        let handle = start(workers, checkpoint_every_s, out);
        let mut warmed = 0;
        while warmed < 3_000 {
            handle.submit(city.step(150, 2)).expect("it runs");
            warmed += 1;
        }
        drain(&handle);
        outs.lock().expect("one writer").clear();
        let begun = Instant::now() + Duration::from_millis(5);
        let planned = |number: u64| begun + Duration::from_millis(number);
        for number in 0..COMMITS {
            let step = city.step(70, 1);
            wait_until(planned(number));
            handle.submit(step).expect("it runs");
        }
        handle.finish().expect("it ends");
        let outs = outs.lock().expect("one writer");
        let mut late_us: Vec<u64> =
            outs.iter().zip(0..).map(|(at, number)| at.duration_since(planned(number)).as_micros() as u64).collect();
        let mut of_seconds: Vec<u64> =
            late_us.chunks(1000).map(|second| at_share(&mut second.to_vec(), 0.99)).collect();
        let p99_usual = at_share(&mut of_seconds, 0.5);
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| at_share(&mut late_us, share));
        let most = late_us.last().copied().unwrap_or_default();
        println!(
            "| latency at 70,000/s, {workers} worker(s), checkpoint every {checkpoint_every_s} s | 1 ms commits, open loop, planned submit → out | p50 {p50} µs, p99 {p99} µs (median of seconds {p99_usual}), p99.9 {p999} µs, max {most} µs |"
        );
    }
}

/// Waits without keeping a core busy, but for the last moment.
fn wait_until(at: Instant) {
    const LAST: Duration = Duration::from_micros(150);
    loop {
        match at.checked_duration_since(Instant::now()) {
            None => return,
            Some(left) if left > LAST => std::thread::park_timeout(left - LAST),
            Some(_) => std::hint::spin_loop(),
        }
    }
}

fn at_share(values: &mut [u64], share: f64) -> u64 {
    values.sort_unstable();
    values
        .get(((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// Resident memory of this process, bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4096
}

/// A judge of a city that spoke for a while: twenty messages a device.
fn warm(city: &mut City) -> Judge {
    let mut judge = Judge::new(Rules::default(), Share::ALL);
    for _ in 0..DEVICES * 20 * 5 / 2 / 3_000 {
        judge.apply(city.step(3_000, 1_000));
    }
    judge
}

/// Memory is measured on copies read back from a checkpoint, four of them: what was freed before is used up by the first.
fn state() {
    const COPIES: u64 = 4;
    let mut city = City::new(Order::Turn);
    let judge = warm(&mut city);
    let begun = Instant::now();
    let bytes = judge.encode();
    let encoding = begun.elapsed();
    let mut copies = vec![Judge::restore(&bytes, Share::ALL).expect("it reads back")];
    let before = resident();
    let begun = Instant::now();
    copies.extend((0..COPIES).map(|_| Judge::restore(&bytes, Share::ALL).expect("it reads back")));
    let decoding = begun.elapsed() / COPIES as u32;
    let grown = (resident() - before) / COPIES;
    assert!(copies.iter().all(|copy| copy.epoch() == judge.epoch()));
    println!(
        "| state a sensor | 81,400 devices, 76,000 units, 20 messages each | **{} bytes resident**, {} encoded |",
        grown / DEVICES as u64,
        bytes.len() / DEVICES
    );
    println!(
        "| checkpoint | {} MB | {} ms to encode, {} ms to read back |",
        bytes.len() / 1_000_000,
        encoding.as_millis(),
        decoding.as_millis()
    );
}

/// What a checkpoint costs the worker: the copy, then the commits that follow while it is being written.
fn pause() {
    let mut city = City::new(Order::Turn);
    let mut judge = warm(&mut city);
    let apply = |city: &mut City, judge: &mut Judge, commits: usize, readings: usize| {
        let mut took_us = Vec::new();
        for _ in 0..commits {
            let step = city.step(readings, 1);
            let begun = Instant::now();
            judge.apply(step);
            took_us.push(begun.elapsed().as_micros() as u64);
        }
        took_us
    };
    let rank = |values: &mut Vec<u64>| [0.5, 0.99, 1.0].map(|share| at_share(values, share));
    for (commits, readings) in [(400, 70), (30, 3_000)] {
        let (mut copies, mut usual, mut after) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..15 {
            usual.extend(apply(&mut city, &mut judge, commits, readings));
            let begun = Instant::now();
            let copy = judge.snapshot();
            copies.push(begun.elapsed().as_micros() as u64);
            after.extend(apply(&mut city, &mut judge, commits, readings));
            drop(copy);
        }
        let [[copy, _, copy_most], [p50, p99, most], [p50_after, p99_after, most_after]] =
            [&mut copies, &mut usual, &mut after].map(rank);
        println!(
            "| pause of a checkpoint | the copy; then {commits} commits of {readings} readings while it is written | {copy} µs, longest {copy_most}; p50 {p50_after} µs, p99 {p99_after}, max {most_after} (otherwise {p50}, {p99}, {most}) |"
        );
    }
}

/// An hour's tail by the devices' promises, one commit each 100 ms.
fn replay() {
    replay_with(1);
    replay_with(2);
    let mut city = City::new(Order::Promise);
    let mut judge = Judge::new(Rules::default(), Share::ALL);
    let (begun_ms, mut readings, mut took) = (city.at_ms(), [0_usize; 2], [Duration::ZERO; 2]);
    let mut ticks = 0_u32;
    while city.at_ms() < begun_ms + 3_600_000 {
        let steps: Vec<_> = (0..500).map(|_| city.step(860, 0)).collect();
        for step in steps {
            let ticked = usize::from(!step.commit.entries.is_empty());
            let count = step.commit.readings.len();
            let begun = Instant::now();
            judge.apply(step);
            let passed = begun.elapsed();
            // the first minute makes the devices' memories
            if city.at_ms() > begun_ms + 60_000 {
                readings[ticked] += count;
                took[ticked] += passed;
                ticks += ticked as u32;
            }
        }
    }
    let of_reading = took[0].as_nanos() as f64 / readings[0] as f64;
    let of_tick = (took[1].as_nanos() as f64 - of_reading * readings[1] as f64) / f64::from(ticks);
    println!(
        "| the judge alone, by promise | commits of 860 readings without and with a tick | {of_reading:.0} ns a reading, {:.0} µs a tick |",
        of_tick / 1e3
    );
}

fn replay_with(workers: usize) {
    let mut city = City::new(Order::Promise);
    let handle = start(workers, 3600, Box::new(drop));
    let (begun_ms, mut readings, mut took) = (city.at_ms(), 0_usize, Duration::ZERO);
    while city.at_ms() < begun_ms + 3_600_000 {
        let steps: Vec<_> = (0..500).map(|_| city.step(860, 0)).collect();
        readings += steps.iter().map(|step| step.commit.readings.len()).sum::<usize>();
        let begun = Instant::now();
        for step in steps {
            handle.submit(step).expect("it runs");
        }
        drain(&handle);
        took += begun.elapsed();
    }
    handle.finish().expect("it ends");
    println!(
        "| replay of an hour by promise, {workers} worker(s) | {:.1} M readings | **{:.2} s** ({:.2} M/s) |",
        readings as f64 / 1e6,
        took.as_secs_f64(),
        readings as f64 / 1e6 / took.as_secs_f64()
    );
}
