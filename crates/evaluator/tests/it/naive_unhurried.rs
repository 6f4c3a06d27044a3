//! Thresholds that wait for a second sample, against a model that looks at the whole history each time.

use std::sync::Arc;

use evaluator::Rules;
use evaluator::judge::{Judge, Share};
use model::finding::Phase;
use model::{Commit, DeviceId, Quantity, Reading, Step};
use proptest::prelude::*;

use crate::kit::{self, T0};

/// A threshold: beyond it, well within, how long samples must span to begin it and to end it, ms.
pub struct Threshold {
    pub beyond: fn(f32) -> bool,
    pub calm: fn(f32) -> bool,
    pub hold_ms: u64,
    pub clear_ms: u64,
}

/// The samples (time in ms, value) at which it begins (true) and ends (false). It begins with the last of at least two
/// samples beyond it, one after another, that span the time; it ends with the last of samples well within that span the
/// time, or with the first of these after a silence that is longer.
pub fn unhurried(threshold: &Threshold, samples: &[(u64, f32)]) -> Vec<(u64, bool)> {
    let mut turns: Vec<(u64, bool)> = Vec::new();
    // samples before this one do not count any longer
    let mut from = 0;
    for (at, (now_ms, _)) in samples.iter().enumerate() {
        let holds = turns.last().is_some_and(|(_, began)| *began);
        let counts = if holds { threshold.calm } else { threshold.beyond };
        let run = samples[from..=at].iter().rev().take_while(|(_, value)| counts(*value)).count();
        if run == 0 {
            continue;
        }
        let spans_ms = now_ms - samples[at + 1 - run].0;
        let silence_ms = at.checked_sub(1).map_or(0, |before| now_ms - samples[before].0);
        let turned = match holds {
            false => run >= 2 && spans_ms >= threshold.hold_ms,
            true => spans_ms >= threshold.clear_ms || silence_ms > threshold.clear_ms,
        };
        if turned {
            turns.push((*now_ms, !holds));
            from = at + 1;
        }
    }
    turns
}

/// What the evaluator finds of one condition of one device, sample by sample.
fn found(rules: &str, condition: &str, quantity: Quantity, samples: &[(u64, f32)]) -> Vec<(u64, bool)> {
    let roster = kit::roster(1, 1, 60);
    let mut judge = Judge::new(Rules::parse(rules).expect("sound rules"), Share::ALL);
    let mut turns = Vec::new();
    // pressure first: frost is judged of devices of water alone
    let first = (Quantity::WaterPressureMpa, (T0 - 1000, 0.3));
    let readings = std::iter::once(first).chain(samples.iter().map(|sample| (quantity, *sample)));
    for ((quantity, (at_ms, value)), epoch) in readings.zip(1..) {
        let reading = Reading { device: DeviceId(0), quantity, value, at_ms, skew_ms: None, seq: None };
        let commit = Commit { epoch, at_ms, entries: Vec::new(), readings: vec![reading] };
        let judged = judge.apply(Step { commit: Arc::new(commit), roster: Arc::clone(&roster) });
        for (_, finding) in judged.findings.iter().filter(|(_, finding)| finding.rule == condition) {
            turns.push((at_ms, finding.phase == Phase::Began));
        }
    }
    turns
}

/// Samples of few levels, at few distances, so that every limit is met exactly now and then.
fn samples(levels: &'static [f32]) -> impl Strategy<Value = Vec<(u64, f32)>> {
    let gap_s = prop::sample::select(vec![0_u64, 1, 10, 20, 60, 120, 121, 300, 301, 900, 1800, 7200]);
    prop::collection::vec((gap_s, prop::sample::select(levels)), 1..60).prop_map(|gaps| {
        let mut at_ms = T0;
        let taken = gaps.into_iter().map(|(gap_s, value)| {
            at_ms += gap_s * 1000;
            (at_ms, value)
        });
        taken.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn pressure_too_high(samples in samples(&[0.3, 1.49, 1.5, 1.59, 1.6, 2.0])) {
        let limit = Threshold { beyond: |v| v >= 1.6, calm: |v| v < 1.5, hold_ms: 20_000, clear_ms: 120_000 };
        let found = found("", "water_high", Quantity::WaterPressureMpa, &samples);
        prop_assert_eq!(found, unhurried(&limit, &samples));
    }

    #[test]
    fn frost(samples in samples(&[-20.0, 1.9, 2.0, 3.9, 4.0, 25.0])) {
        let limit = Threshold { beyond: |v| v < 2.0, calm: |v| v >= 4.0, hold_ms: 1_800_000, clear_ms: 120_000 };
        let found = found("", "water_frost", Quantity::TemperatureC, &samples);
        prop_assert_eq!(found, unhurried(&limit, &samples));
    }

    #[test]
    fn a_tank_that_overflows(samples in samples(&[0.0, 2.9, 3.0, 3.2])) {
        let limit = Threshold { beyond: |v| v >= 3.0, calm: |v| v < 3.0, hold_ms: 20_000, clear_ms: 300_000 };
        let found = found("[water_level]\nmaximum_m = 3.0", "level_overflows", Quantity::WaterLevelM, &samples);
        prop_assert_eq!(found, unhurried(&limit, &samples));
    }
}
