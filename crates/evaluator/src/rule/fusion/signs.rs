//! Signs: what one device has too little of for a condition of its own, taken together with another device's.

use model::Quantity;
use serde::{Deserialize, Serialize};

use super::{Above, Memory, SMOKE_HEAT, Settings};
use crate::ring::{Stamp, between, stamp};
use crate::rule::Scene;
use crate::state::Sign;

/// A sign as it was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    pub above: f32,
    pub at: Stamp,
}

/// A sign that lasts is told again after this time, ms.
const AGAIN_MS: u32 = 10_000;
/// One that grew by this factor is told again at once.
const GREW: f32 = 1.2;
/// The quantities of signs, in the order in which they are remembered.
const SIGNS: [Quantity; 4] = [Quantity::TemperatureC, Quantity::SmokeDbM, Quantity::CoPpm, Quantity::HumidityPct];

/// A fire of signs of different quantities of different devices.
pub(super) fn together(settings: &Settings, signs: &[Sign], now_ms: u64) -> Option<(u32, Above)> {
    let window_ms = u64::from(settings.together_s) * 1000;
    let fresh = |sign: &&Sign| sign.at_ms + window_ms >= now_ms;
    let steam = signs.iter().filter(fresh).any(|sign| sign.quantity == Quantity::HumidityPct);
    let of = |sign: &Sign, quantity| if sign.quantity == quantity { sign.above } else { 0.0 };
    for (at, one) in signs.iter().enumerate().filter(|(_, sign)| fresh(sign)) {
        for other in signs[at + 1..].iter().filter(fresh) {
            if one.device == other.device || one.quantity == other.quantity {
                continue;
            }
            let [heat_k, smoke_db_m, co_ppm] = [Quantity::TemperatureC, Quantity::SmokeDbM, Quantity::CoPpm]
                .map(|quantity| of(one, quantity).max(of(other, quantity)));
            let above = Above { heat_k, smoke_db_m, co_ppm, steam };
            let lasted_ms = now_ms.saturating_sub(one.since_ms.max(other.since_ms));
            let hold_ms = u64::from(settings.co_hold_s) * 1000;
            let found = above.fire(settings).filter(|which| *which == SMOKE_HEAT || lasted_ms >= hold_ms);
            if let Some(which) = found {
                return Some((which, above));
            }
        }
    }
    None
}

impl Memory {
    /// Tells what is above its floor as a sign, when it grew or lasts, and when it is gone.
    pub(super) fn tell(&mut self, settings: &Settings, above: &Above, at_ms: u64, scene: &mut Scene<'_>) {
        let now = stamp(at_ms);
        let steam = if above.steam { settings.steam_pct } else { 0.0 };
        let floors = [settings.heat_k, settings.smoke_db_m, settings.co_ppm, settings.steam_pct];
        let values = [above.heat_k, above.smoke_db_m, above.co_ppm, steam];
        if self.signs.is_none() && values.iter().zip(floors).all(|(value, floor)| *value < floor) {
            return;
        }
        for (at, told) in self.signs.get_or_insert_default().iter_mut().enumerate() {
            let (value, past_ms) = (values[at], between(told.at, now));
            if value >= floors[at] {
                if told.above == 0.0 || value >= told.above * GREW || past_ms >= AGAIN_MS {
                    *told = Told { above: value, at: now };
                    scene.sign(SIGNS[at], value);
                }
            } else if told.above > 0.0 && past_ms >= settings.clear_s.saturating_mul(1000) {
                *told = Told::default();
                scene.sign(SIGNS[at], 0.0);
            }
        }
    }
}
