//! `residual_current` and `cable_temperature`: two stages each, one calm for both.

use model::Quantity;

use super::history::{History, Moment};
use super::threshold::{Asks, Calm, Pace, Pending};

pub fn conditions(history: &History) -> Vec<&'static str> {
    let of = |moment: &Moment| {
        let set = &moment.settings.electrical;
        ([set.residual_ma, set.residual_high_ma], [set.cable_c, set.cable_high_c])
    };
    let residual = stage(history, Quantity::ResidualCurrentMa, |moment| of(moment).0) > 0;
    let cable = stage(history, Quantity::CableTemperatureC, |moment| of(moment).1) > 0;
    [residual.then_some("residual_current"), cable.then_some("cable_temperature")].into_iter().flatten().collect()
}

/// The stage reached, 0 to 2.
fn stage(history: &History, quantity: Quantity, stages: impl Fn(&Moment) -> [f32; 2]) -> usize {
    let (mut reached, mut pace) = (0, Pace::default());
    let (mut pending, mut calm) = ([Pending::default(), Pending::default()], Calm::default());
    for (moment, sample) in history.of(quantity) {
        let set = &moment.settings.electrical;
        let asks =
            Asks { samples: set.confirm_samples, hold_s: set.confirm_s, lone_s: set.lone_s, clear_s: set.clear_s };
        let before = reached;
        let Some(value) = sample else {
            for (stage, pending) in pending.iter().enumerate().skip(before) {
                if pending.is_due(moment, asks, &pace) {
                    reached = stage + 1;
                }
            }
            continue;
        };
        pace.0.push(moment.at_ms);
        for (stage, pending) in pending.iter_mut().enumerate().skip(before) {
            if value < stages(moment)[stage] {
                pending.0.clear();
            } else if pending.confirms(moment.at_ms, asks) {
                reached = stage + 1;
            }
        }
        let is_calm = value < stages(moment)[0] * set.clear_pct / 100.0;
        if reached > 0 && calm.ends(moment.at_ms, is_calm, asks, &pace) {
            (reached, pending, calm) = Default::default();
        }
    }
    reached
}
