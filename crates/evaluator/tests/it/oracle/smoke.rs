//! `smoke`, from its definition: the detector's zero is followed anew from its first sample each time.

use evaluator::rule::smoke::Settings;
use model::Quantity;

use super::history::{History, Moment, What};
use super::threshold::{Asks, Calm, Pace, Pending};

/// The newest sample's distance from the zero, dB/m, of samples (ms, dB/m) with the promise and settings in force.
fn above_zero(samples: &[(u64, f32, u32, Settings)]) -> f32 {
    let (mut zero, mut noise, mut last, mut taken, mut above) = (0.0_f32, 0.0_f32, 0.0_f32, 0_u8, 0.0_f32);
    for (place, (at_ms, x, promise_s, set)) in samples.iter().enumerate() {
        let before = place.checked_sub(1).map_or(*at_ms, |before| samples[before].0);
        let past_s = ((at_ms - before) as f32 / 1000.0).min(86_400.0);
        let near_max = set.zero_max_db_m;
        let born_max = if *promise_s < 600 { set.threshold_db_m * 2.0 } else { near_max };
        above = x - zero;
        if *x < -near_max {
            continue;
        }
        match taken {
            0 => (zero, noise) = (x.min(0.0), 0.01),
            1 => zero = x.min(last),
            2 => zero = zero.min(*x),
            _ => {
                let near = 0.02_f32.max(3.0 * noise).min(near_max);
                let below = x.max(last) - zero;
                if below < -near {
                    zero += below * past_s / (past_s + 60.0);
                } else if above >= -near && above <= near {
                    let step = if taken < 16 {
                        above / f32::from(taken)
                    } else {
                        (above * past_s / (past_s + 86_400.0)).min(set.zero_rise_db_m_day * past_s / 86_400.0)
                    };
                    if step < 0.0 || zero < near_max {
                        zero += step;
                    }
                }
            }
        }
        zero = zero.clamp(-near_max, born_max);
        if taken > 0 {
            let fell = (2.0 * (last - x).max(0.0)).min(4.0 * noise + 5.0 * 0.02);
            noise += (fell * 0.886 - noise) / (4.0 + f32::from(taken)).min(32.0);
        }
        last = *x;
        taken = taken.saturating_add(1);
        above = x - zero;
    }
    above
}

/// How far a quantity is above what is usual, where it was heard of lately.
#[derive(Default)]
struct Witness(Option<(f32, f32, u64)>);

impl Witness {
    fn take(&mut self, at_ms: u64, value: f32, lower: bool) {
        let mut usual = value;
        if let Some((was, _, before_ms)) = self.0 {
            let past_s = (at_ms - before_ms) as f32 / 1000.0;
            usual = was + (value - was) * past_s / (past_s + 1800.0);
        }
        self.0 = Some((if lower { usual.min(value) } else { usual }, value, at_ms));
    }

    fn above(&self, at_ms: u64, within_s: u32) -> Option<f32> {
        let (usual, newest, heard_ms) = self.0?;
        (at_ms - heard_ms <= u64::from(within_s) * 1000).then_some(newest - usual)
    }
}

pub fn conditions(history: &History) -> Vec<&'static str> {
    let (mut holds, mut pace) = (false, Pace::default());
    let (mut pending, mut calm) = (Pending::default(), Calm::default());
    let (mut co, mut humidity) = (Witness::default(), Witness::default());
    let (mut samples, mut dense_ms, mut dose) = (Vec::new(), 0, 0.0);
    for moment in &history.moments {
        let set = &moment.settings.smoke;
        let asks =
            Asks { samples: set.confirm_samples, hold_s: set.confirm_s, lone_s: set.lone_s, clear_s: set.clear_s };
        let value = match moment.what {
            What::Tick => {
                holds |= !holds && is_due(&pending, &pace, moment, asks);
                continue;
            }
            What::Sample(Quantity::CoPpm, value) if value.is_finite() => {
                co.take(moment.at_ms, value, true);
                continue;
            }
            What::Sample(Quantity::HumidityPct, value) if value.is_finite() => {
                humidity.take(moment.at_ms, value, false);
                continue;
            }
            What::Sample(Quantity::SmokeDbM, value) if value.is_finite() => value,
            _ => continue,
        };
        let at_ms = moment.at_ms;
        let past_s = pace.0.last().map_or(0.0, |last_ms| (at_ms - last_ms) as f32 / 1000.0);
        pace.0.push(at_ms);
        samples.push((at_ms, value, moment.promise_s, set.clone()));
        let above = above_zero(&samples);
        if holds {
            if calm.ends(at_ms, above < set.clear_db_m, asks, &pace) {
                (holds, pending, calm) = Default::default();
            }
            continue;
        }
        let points = humidity.above(at_ms, set.witness_s).unwrap_or(0.0) / set.doubt_humidity_pct;
        let steam = if points < 1.0 { 1.0 } else { (set.steam_factor * points).min(set.steam_factor_max) };
        let factor = match co.above(at_ms, set.witness_s) {
            Some(ppm) if ppm < set.doubt_below_co_ppm => steam.max(set.doubtful_factor),
            Some(_) => 1.0,
            None => steam,
        };
        let threshold = set.threshold_db_m * factor;
        if above < set.clear_db_m || above < threshold && at_ms - dense_ms > u64::from(set.confirm_s) * 1000 {
            pending.0.clear();
        } else if above >= threshold {
            dense_ms = at_ms;
            dose = if pending.0.is_empty() { 0.0 } else { dose + above * above * past_s };
            let dense = set.dense_db_m.max(set.threshold_db_m) * factor;
            let hold_ms = ((set.confirm_s * 1000) as f32 * factor) as u64;
            holds = pending.lasts(at_ms, asks, hold_ms) && dose >= dense * dense * set.confirm_s as f32;
        }
    }
    holds.then_some("smoke").into_iter().collect()
}

/// Whether silence since the last sample confirms what waits.
fn is_due(pending: &Pending, pace: &Pace, moment: &Moment, asks: Asks) -> bool {
    let soon_ms = if pace.speaks_soon(moment) { pace.expected_ms(moment.promise_s) * 3 / 2 } else { 0 };
    let wait_ms = (u64::from(asks.lone_s) * 1000).max(soon_ms);
    !pending.0.is_empty() && pace.0.last().is_some_and(|last_ms| last_ms + wait_ms <= moment.now_ms)
}
