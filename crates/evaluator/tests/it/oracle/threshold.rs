//! Confirmation of a threshold with plain lists: which samples wait to be confirmed, since when it is calm.

use super::history::Moment;

/// What a rule asks for, as of a moment.
#[derive(Debug, Clone, Copy)]
pub struct Asks {
    pub samples: u8,
    pub hold_s: u32,
    pub lone_s: u32,
    pub clear_s: u32,
}

/// Times of a quantity's samples, ms since 1970.
#[derive(Debug, Default)]
pub struct Pace(pub Vec<u64>);

impl Pace {
    /// Time between the last two; 0 for fewer, ms.
    pub fn gap_ms(&self) -> u64 {
        self.0.windows(2).next_back().map_or(0, |pair| (pair[1] - pair[0]).max(1))
    }

    /// The shorter of the last two times between samples; where there is none, what the roster promises.
    pub fn expected_ms(&self, promise_s: u32) -> u64 {
        let gaps = self.0.windows(2).rev().take(2).map(|pair| (pair[1] - pair[0]).max(1));
        gaps.min().unwrap_or(u64::from(promise_s) * 1000)
    }

    /// Whether a sample now is the first, or the first after a while.
    pub fn starts(&self, at_ms: u64, promise_s: u32) -> bool {
        self.0.last().is_none_or(|last_ms| at_ms - last_ms > (3 * self.expected_ms(promise_s)).max(20_000))
    }

    pub fn speaks_soon(&self, moment: &Moment) -> bool {
        (1..=60_000).contains(&self.expected_ms(moment.promise_s))
    }
}

/// Samples beyond a threshold that nothing contradicted.
#[derive(Debug, Default)]
pub struct Pending(pub Vec<u64>);

impl Pending {
    /// Whether a sample beyond the threshold confirms those before it.
    pub fn confirms(&mut self, at_ms: u64, asks: Asks) -> bool {
        self.lasts(at_ms, asks, u64::from(asks.hold_s) * 1000)
    }

    /// The same, where the samples must span another time.
    pub fn lasts(&mut self, at_ms: u64, asks: Asks, hold_ms: u64) -> bool {
        self.0.push(at_ms);
        let span_ms = at_ms - self.0[0];
        let enough = self.0.len() >= usize::from(asks.samples) && span_ms >= hold_ms;
        enough || self.0.len() >= 2 && span_ms >= hold_ms.max(u64::from(asks.lone_s) * 1000)
    }

    /// Whether silence confirms them.
    pub fn is_due(&self, moment: &Moment, asks: Asks, pace: &Pace) -> bool {
        let lone_ms = u64::from(asks.lone_s) * 1000;
        let soon_ms = if pace.speaks_soon(moment) { pace.expected_ms(moment.promise_s) * 3 / 2 } else { 0 };
        self.0.first().is_some_and(|first_ms| first_ms + lone_ms.max(soon_ms) <= moment.now_ms)
    }
}

/// Calm samples in a row.
#[derive(Debug, Default)]
pub struct Calm(Vec<u64>);

impl Calm {
    /// Whether a sample ends what holds.
    pub fn ends(&mut self, at_ms: u64, calm: bool, asks: Asks, pace: &Pace) -> bool {
        if !calm {
            self.0.clear();
            return false;
        }
        self.0.push(at_ms);
        let clear_ms = u64::from(asks.clear_s) * 1000;
        at_ms - self.0[0] >= clear_ms || pace.gap_ms() > clear_ms
    }
}

/// Whether a threshold with confirmation and hysteresis holds after all of the samples and ticks. `sides` tells of a sample
/// whether it is beyond the threshold and whether it is calm.
pub fn holds<'a>(
    moments: impl Iterator<Item = (&'a Moment, Option<f32>)>,
    asks: impl Fn(&Moment) -> Asks,
    sides: impl Fn(&Moment, f32) -> (bool, bool),
) -> bool {
    let (mut holds, mut pace) = (false, Pace::default());
    let (mut pending, mut calm) = (Pending::default(), Calm::default());
    for (moment, sample) in moments {
        let asks = asks(moment);
        let Some(value) = sample else {
            holds |= pending.is_due(moment, asks, &pace);
            continue;
        };
        pace.0.push(moment.at_ms);
        let (beyond, is_calm) = sides(moment, value);
        if holds {
            if calm.ends(moment.at_ms, is_calm, asks, &pace) {
                (holds, pending, calm) = Default::default();
            }
        } else if beyond {
            holds = pending.confirms(moment.at_ms, asks);
        } else {
            pending.0.clear();
        }
    }
    holds
}
