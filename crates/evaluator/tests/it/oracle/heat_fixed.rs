//! `heat_fixed`: as other thresholds, but silence confirms only what speaks soon, and of the others one very hot sample does.

use model::Quantity;

use super::history::History;
use super::threshold::{Asks, Calm, Pace, Pending};

pub fn conditions(history: &History) -> Vec<&'static str> {
    let (mut holds, mut pace, mut started_ms) = (false, Pace::default(), 0);
    let (mut pending, mut calm) = (Pending::default(), Calm::default());
    for (moment, sample) in history.of(Quantity::TemperatureC) {
        let set = &moment.settings.heat_fixed;
        let asks = Asks { samples: set.confirm_samples, hold_s: 0, lone_s: set.lone_s, clear_s: set.clear_s };
        let Some(value) = sample else {
            holds |= pace.speaks_soon(moment) && pending.is_due(moment, asks, &pace);
            continue;
        };
        if pace.starts(moment.at_ms, moment.promise_s) {
            started_ms = moment.at_ms;
        }
        pace.0.push(moment.at_ms);
        if holds {
            if calm.ends(moment.at_ms, value < set.threshold_c - set.clear_k, asks, &pace) {
                (holds, pending, calm) = Default::default();
            }
        } else if value < set.threshold_c {
            pending.0.clear();
        } else {
            let is_start = moment.at_ms - started_ms < u64::from(set.start_s) * 1000;
            let confirmed = pending.confirms(moment.at_ms, asks) && !is_start;
            let very_hot = value >= set.threshold_c + set.lone_margin_k;
            holds = confirmed || very_hot && !pace.speaks_soon(moment);
        }
    }
    holds.then_some("heat_fixed").into_iter().collect()
}
