//! The zero of a sensor whose true value is hardly ever below nothing: what it shows in clean air.
//!
//! Dust settles over months and shifts it; smoke and gas come within seconds to hours. So the zero follows what is near it,
//! slowly and no faster than dust settles, follows at once what is below it, and stands still while the value is above its
//! neighbourhood: a smouldering fire is never taken for dust. Its sum is capped. A sensor that came with a zero of its own
//! shows it with its first values.

use serde::{Deserialize, Serialize};

/// How a zero is followed. Values in the sensor's unit.
#[derive(Debug, Clone, Copy)]
pub struct Follow {
    /// Values no further away than this, or than three times the noise if that is more, are clean air,
    pub near: f32,
    /// but no further than this.
    pub near_max: f32,
    /// Time to follow what is near, s.
    pub slow_s: f32,
    /// It rises at most so fast, a day.
    pub rise_day: f32,
    /// It rises at most to this.
    pub cap: f32,
    /// What the first values show is taken up to this.
    pub born_max: f32,
}

/// Time to follow what is below, s.
const FALL_S: f32 = 60.0;
/// The zero of a sensor with fewer values is their mean.
const YOUNG: u8 = 16;
/// The noise of a new sensor is that of so many differences of half of what is near.
const PRIOR: f32 = 4.0;
/// A fall by more than so many times of what is near, beyond four times the noise, is a wrong value.
const WRONG: f32 = 5.0;
/// Differences that the noise is the mean of, about.
const NOISE_OF: f32 = 32.0;
/// Mean absolute difference of two values of normal noise to its standard deviation.
const DEVIATION: f32 = 0.886;
const DAY_S: f32 = 86_400.0;

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Zero {
    pub value: f32,
    /// Standard deviation from one value to the next.
    pub noise: f32,
    /// The value before.
    last: f32,
    /// Values taken in, up to 255.
    pub seen: u8,
}

impl Zero {
    /// Takes in a value, `past_s` after the one before; how far it is above the zero.
    pub fn take(&mut self, x: f32, past_s: f32, follow: Follow) -> f32 {
        let past_s = past_s.min(DAY_S);
        if x < -follow.near_max {
            // no zero is so far below nothing
            return x - self.value;
        }
        match self.seen {
            0 => (self.value, self.noise) = (x.min(0.0), follow.near / 2.0),
            1 => self.value = x.min(self.last),
            2 => self.value = self.value.min(x),
            _ => self.follow(x, past_s, follow),
        }
        self.value = self.value.clamp(-follow.near_max, follow.born_max);
        if self.seen > 0 {
            // noise falls as often as it rises, a fire rises
            let fell = (2.0 * (self.last - x).max(0.0)).min(4.0 * self.noise + WRONG * follow.near);
            self.noise += (fell * DEVIATION - self.noise) / (PRIOR + f32::from(self.seen)).min(NOISE_OF);
        }
        self.last = x;
        self.seen = self.seen.saturating_add(1);
        x - self.value
    }

    fn follow(&mut self, x: f32, past_s: f32, follow: Follow) {
        let above = x - self.value;
        let near = follow.near.max(3.0 * self.noise).min(follow.near_max);
        // one wrong value below is no new zero
        let below = x.max(self.last) - self.value;
        if below < -near {
            self.value += below * past_s / (past_s + FALL_S);
        } else if (-near..=near).contains(&above) {
            let step = if self.seen < YOUNG {
                above / f32::from(self.seen)
            } else {
                (above * past_s / (past_s + follow.slow_s)).min(follow.rise_day * past_s / DAY_S)
            };
            if step < 0.0 || self.value < follow.cap {
                self.value += step;
            }
        }
    }
}

/// The middle one of three.
pub fn median(a: f32, b: f32, c: f32) -> f32 {
    a.max(b).min(a.min(b).max(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMOKE: Follow =
        Follow { near: 0.02, near_max: 0.075, slow_s: 86_400.0, rise_day: 0.02, cap: 0.075, born_max: 0.3 };

    #[test]
    fn dust_is_followed_up_to_the_cap_and_smoke_is_not() {
        let (mut zero, mut above) = (Zero::default(), 0.0);
        for minute in 0..60 * 24 * 30 {
            above = zero.take(minute as f32 * 0.002 / 1440.0, 60.0, SMOKE);
        }
        assert!(above < 0.01, "{above}: 2 mdB/m a day is dust");
        for minute in 0..60 * 24 * 60 {
            above = zero.take(0.06 + minute as f32 * 0.002 / 1440.0, 60.0, SMOKE);
        }
        assert!(zero.value <= 0.0751 && above > 0.1, "{zero:?}");
        let mut zero = Zero::default();
        for minute in 0..60 * 6 {
            above = zero.take(minute as f32 * 0.15 / 360.0, 60.0, SMOKE);
        }
        assert!(above > 0.14, "{above}: six hours to the threshold are smouldering");
    }

    #[test]
    fn a_zero_of_its_own_is_taken_and_smoke_at_the_start_is_let_go() {
        let mut zero = Zero::default();
        let above: Vec<f32> = [0.233, 0.244, 0.233, 0.79].map(|x| zero.take(x, 5.0, SMOKE)).into();
        assert!(above[0] == 0.233 && above[1].abs() < 0.02 && above[2].abs() < 0.02 && above[3] > 0.5, "{above:?}");
        let mut zero = Zero::default();
        for _ in 0..60 {
            zero.take(0.2, 5.0, SMOKE);
        }
        for _ in 0..60 {
            zero.take(0.0, 5.0, SMOKE);
        }
        assert!(zero.value < 0.03, "{zero:?}");
    }

    #[test]
    fn a_wrong_value_is_no_zero() {
        for wrong_at in 0..40 {
            for wrong in [-0.5, 1.0] {
                let (mut zero, mut above) = (Zero::default(), 0.0);
                for at in 0..60 {
                    above = zero.take(if at == wrong_at { wrong } else { 0.03 }, 5.0, SMOKE);
                }
                assert!(above.abs() < 0.03, "{wrong} at {wrong_at}: {zero:?}");
            }
        }
    }

    #[test]
    fn noise_shifts_nothing() {
        let mut zero = Zero::default();
        for second in 0..86_400 {
            zero.take(if second % 2 == 0 { 0.02 } else { -0.02 }, 1.0, SMOKE);
        }
        assert!(zero.value.abs() < 0.005 && (0.02..0.05).contains(&zero.noise), "{zero:?}");
    }
}
