//! `smoke`.

use model::Quantity;

use super::history::History;
use super::threshold::{Asks, holds};

pub fn conditions(history: &History) -> Vec<&'static str> {
    let asks = |moment: &super::history::Moment| {
        let set = &moment.settings.smoke;
        Asks { samples: set.confirm_samples, hold_s: set.confirm_s, lone_s: set.lone_s, clear_s: set.clear_s }
    };
    let smoke = holds(history.of(Quantity::SmokeDbM), asks, |moment, value| {
        let set = &moment.settings.smoke;
        (value >= set.threshold_db_m, value < set.clear_db_m)
    });
    smoke.then_some("smoke").into_iter().collect()
}
