//! `heat_fixed`: as other thresholds, but silence confirms only what speaks soon, and of the others one very hot sample does.

use model::Quantity;

use super::history::History;
use super::threshold::{Asks, Calm, Pace, Pending};

pub fn conditions(history: &History) -> Vec<&'static str> {
    let (mut holds, mut pace) = (false, Pace::default());
    let (mut pending, mut calm) = (Pending::default(), Calm::default());
    for (moment, sample) in history.of(Quantity::TemperatureC) {
        let set = &moment.settings.heat_fixed;
        let asks = Asks { samples: set.confirm_samples, hold_s: 0, lone_s: set.lone_s, clear_s: set.clear_s };
        let Some(value) = sample else {
            holds |= pace.speaks_soon(moment) && pending.is_due(moment, asks, &pace);
            continue;
        };
        pace.0.push(moment.at_ms);
        if holds {
            if calm.ends(moment.at_ms, value < set.threshold_c - set.clear_k, asks, &pace) {
                (holds, pending, calm) = Default::default();
            }
        } else if value < set.threshold_c {
            pending.0.clear();
        } else {
            let confirmed = pending.confirms(moment.at_ms, asks);
            let very_hot = value >= set.threshold_c + set.lone_margin_k;
            holds = confirmed || very_hot && !pace.speaks_soon(moment);
        }
    }
    holds.then_some("heat_fixed").into_iter().collect()
}
