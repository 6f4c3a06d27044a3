//! `gas` by threshold, `co` by dose.

use model::Quantity;

use super::history::{History, Moment};
use super::threshold::{Asks, Calm, Pace, holds};

fn asks(moment: &Moment) -> Asks {
    let set = &moment.settings.gas;
    Asks { samples: set.confirm_samples, hold_s: set.confirm_s, lone_s: set.lone_s, clear_s: set.clear_s }
}

pub fn conditions(history: &History) -> Vec<&'static str> {
    let gas = holds(history.of(Quantity::GasLelPct), asks, |moment, value| {
        let set = &moment.settings.gas;
        (value >= set.alarm_lel_pct, value < set.clear_lel_pct)
    });
    [gas.then_some("gas"), co(history).then_some("co")].into_iter().flatten().collect()
}

/// Holds once a level lasted for its time.
fn co(history: &History) -> bool {
    let (mut holds, mut pace, mut calm) = (false, Pace::default(), Calm::default());
    let mut samples: Vec<(&Moment, f32)> = Vec::new();
    for (moment, sample) in history.of(Quantity::CoPpm) {
        if let Some(value) = sample {
            pace.0.push(moment.at_ms);
            samples.push((moment, value));
        }
        if let (true, Some(value)) = (holds, sample) {
            if calm.ends(moment.at_ms, value < moment.settings.gas.co_clear_ppm, asks(moment), &pace) {
                (holds, calm) = Default::default();
            }
            continue;
        }
        let wait_ms = if pace.speaks_soon(moment) { pace.expected_ms(moment) * 3 / 2 } else { 0 };
        for level in 0..3 {
            let of = |moment: &Moment| {
                let set = &moment.settings.gas;
                let ppm = [set.co_low_ppm, set.co_middle_ppm, set.co_high_ppm][level];
                (ppm, u64::from([set.co_low_s, set.co_middle_s, set.co_high_s][level]) * 1000)
            };
            let run = samples.iter().rev().take_while(|(moment, value)| *value >= of(moment).0);
            if let Some((first, _)) = run.last() {
                holds |= first.at_ms + of(moment).1.max(wait_ms) <= moment.now_ms;
            }
        }
    }
    holds
}
