//! `gas` by threshold, `co` by dose.

use model::Quantity;

use super::history::{History, Moment};
use super::threshold::{Asks, Calm, Pace, Pending};

fn asks(moment: &Moment) -> Asks {
    let set = &moment.settings.gas;
    Asks { samples: set.confirm_samples, hold_s: set.confirm_s, lone_s: set.lone_s, clear_s: set.clear_s }
}

pub fn conditions(history: &History) -> Vec<&'static str> {
    [lel(history).then_some("gas"), co(history).then_some("co")].into_iter().flatten().collect()
}

/// Holds when there is much of it, or a little of it stays; one calm ends both.
fn lel(history: &History) -> bool {
    let (mut little, mut much, mut pace) = (false, false, Pace::default());
    let (mut pending, mut staying, mut calm) = (Pending::default(), Pending::default(), Calm::default());
    for (moment, sample) in history.of(Quantity::GasLelPct) {
        let (set, asks) = (&moment.settings.gas, asks(moment));
        let Some(value) = sample else {
            much |= pending.is_due(moment, asks, &pace);
            continue;
        };
        pace.0.push(moment.at_ms);
        if (little || much) && calm.ends(moment.at_ms, value < set.clear_lel_pct, asks, &pace) {
            (little, much) = (false, false);
            (pending, staying, calm) = Default::default();
        }
        if !much && value < set.alarm_lel_pct {
            pending.0.clear();
        } else if !much {
            much = pending.confirms(moment.at_ms, asks);
        }
        if little || much {
            continue;
        }
        if value < set.little_lel_pct {
            staying.0.clear();
        } else {
            staying.0.push(moment.at_ms);
            little = staying.0.len() >= 2 && moment.at_ms - staying.0[0] >= u64::from(set.little_s) * 1000;
        }
    }
    little || much
}

/// Holds once a level lasted for its time; the lower ones ask for two samples.
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
        let wait_ms = if pace.speaks_soon(moment) { pace.expected_ms(moment.promise_s) * 3 / 2 } else { 0 };
        for level in 0..3 {
            let of = |moment: &Moment| {
                let set = &moment.settings.gas;
                let ppm = [set.co_low_ppm, set.co_middle_ppm, set.co_high_ppm][level];
                (ppm, u64::from([set.co_low_s, set.co_middle_s, set.co_high_s][level]) * 1000)
            };
            let run = samples.iter().rev().take_while(|(moment, value)| *value >= of(moment).0);
            let low = samples.iter().rev().take_while(|(moment, value)| *value >= moment.settings.gas.co_low_ppm);
            let believed = level == 2 || low.count() >= 2;
            if let Some((first, _)) = run.last().filter(|_| believed) {
                holds |= first.at_ms + of(moment).1.max(wait_ms) <= moment.now_ms;
            }
        }
    }
    holds
}
