//! `water_low`: too little pressure.

use model::Quantity;

use super::history::{History, Moment};
use super::threshold::{Asks, holds};

pub fn conditions(history: &History) -> Vec<&'static str> {
    let asks = |moment: &Moment| {
        let set = &moment.settings.water_pressure;
        Asks { samples: set.confirm_samples, hold_s: set.confirm_s, lone_s: set.lone_s, clear_s: set.clear_s }
    };
    let low = holds(history.of(Quantity::WaterPressureMpa), asks, |moment, value| {
        let set = &moment.settings.water_pressure;
        (value < set.minimum_mpa, value >= set.clear_mpa)
    });
    low.then_some("water_low").into_iter().collect()
}
