//! `heat_rise`, from its definition: all samples since the last long gap are kept, cleaned, cut into seconds and into means
//! of six seconds, each time anew.

use evaluator::rule::heat_rise::Settings;
use model::Quantity;

use super::history::History;
use super::threshold::Pace;

/// A value and the time that it stands for, ms.
type Spot = (u64, f32);

/// Samples that stand together, oldest first.
#[derive(Default)]
struct Stretch(Vec<Spot>);

impl Stretch {
    /// Of samples that follow each other closely, each is the median of it and the two before.
    fn cleaned(&self) -> Vec<Spot> {
        let at = |place: usize| self.0[place].1;
        (0..self.0.len())
            .map(|place| {
                let (now_ms, value) = self.0[place];
                let close = place > 0 && now_ms - self.0[place - 1].0 <= 1500;
                let mut three = [at(place.saturating_sub(2)), at(place.saturating_sub(1)), value];
                three.sort_by(f32::total_cmp);
                (now_ms, if close { three[1] } else { value })
            })
            .collect()
    }

    /// The lowest of each second.
    fn seconds(&self) -> Vec<Spot> {
        let cut = cut(&self.cleaned(), 1000);
        cut.iter().map(|part| (part[0].0, part.iter().map(|spot| spot.1).fold(f32::INFINITY, f32::min))).collect()
    }

    /// The mean of each six seconds.
    fn means(&self) -> Vec<Spot> {
        let mean = |part: &Vec<Spot>| {
            let mut mean = part[0].1;
            for (spot, count) in part[1..].iter().zip(2_u16..) {
                mean += (spot.1 - mean) / f32::from(count);
            }
            (part[0].0, mean)
        };
        cut(&self.cleaned(), 6000).iter().map(mean).collect()
    }

    /// What the last five minutes were like; `None` before the first mean is complete.
    fn calm(&self) -> Option<f32> {
        let means = self.means();
        let mut calm = None;
        for (pair, number) in means.windows(2).zip(0..) {
            let (mean, over_ms) = (pair[0].1, (pair[1].0 - pair[0].0) as f32);
            calm = Some(match (calm, number) {
                (None, _) => mean,
                (Some(before), 1) => f32::max(before, mean),
                (Some(before), _) => before + ((mean - before) * (over_ms / (over_ms + 300_000.0))).clamp(-1.0, 1.0),
            });
        }
        calm
    }

    /// The largest fall from one full mean to the next; it fades.
    fn unrest(&self) -> f32 {
        let means = self.means();
        let mut unrest = 0.0_f32;
        for place in 0..means.len().saturating_sub(1) {
            let fell = if place == 0 { 0.0 } else { means[place - 1].1 - means[place].1 };
            let over_ms = (means[place + 1].0 - means[place].0) as u32 as f32;
            unrest = (unrest * 300_000.0 / (300_000.0 + over_ms)).max(fell);
        }
        unrest
    }

    /// The level of the seconds before those from `from` on, where three such stretches rise one after the other.
    fn grown(&self, set: &Settings, seconds: &[Spot], from: usize) -> Option<f32> {
        let length = seconds.len() - from;
        let (middle, first) = (from.checked_sub(length)?, from.checked_sub(2 * length)?);
        let levels = [&seconds[first..middle], &seconds[middle..from], &seconds[from..]].map(lowest);
        let least = (set.rise_k * 0.25).max(self.unrest() * 2.0);
        let rises = |before: usize, after: usize, place: usize| {
            let over_ms = seconds[after].0 - seconds[before].0;
            let asked = least.max(set.rate_k_min * over_ms as f32 / 60_000.0);
            over_ms >= 2000 && levels[place + 1] - levels[place] >= asked
        };
        (rises(first, middle, 0) && rises(middle, from, 1)).then_some(levels[1])
    }

    /// The base of a rise that is seen now.
    fn rise(&self, set: &Settings) -> Option<f32> {
        let (calm, now_ms) = (self.calm()?, self.0.last()?.0);
        let (seconds, means) = (newest(self.seconds(), 12), newest(self.means(), 10));
        let draught = means.iter().chain(&seconds).any(|spot| calm - spot.1 >= set.rise_k * 0.2);
        for from in (0..seconds.len()).rev() {
            let level = lowest(&seconds[from..]);
            let held_ms = now_ms - seconds[from].0;
            if level - calm < set.rise_k {
                break;
            }
            let grown = if draught { None } else { self.grown(set, &seconds, from) };
            if grown.is_none() && (held_ms < 2000 || from + 1 == seconds.len()) {
                continue;
            }
            for base in (1..means.len().saturating_sub(1)).rev() {
                if now_ms - means[base + 1].0 < held_ms {
                    continue;
                }
                let base_c = f32::max(means[base - 1].1, means[base].1);
                let (rose_k, over_ms) = (level - base_c, (now_ms - means[base].0 - held_ms) as f32);
                let counts_k = rose_k.min(level - calm);
                let share = set.rise_k / counts_k;
                let settled = means[base].0 - self.0[0].0 >= u64::from(set.settle_s) * 1000 || level >= set.settle_c;
                let fast = rose_k * 60_000.0 >= set.rate_k_min * over_ms;
                let stays = held_ms >= 2000 && held_ms as f32 >= set.hold_s * 1000.0 * share * share;
                let grows = grown.is_some_and(|middle| middle - base_c >= set.rise_k * 0.5);
                if counts_k >= set.rise_k && settled && fast && (stays || grows) {
                    return Some(base_c);
                }
            }
        }
        None
    }
}

fn lowest(spots: &[Spot]) -> f32 {
    spots.iter().map(|spot| spot.1).fold(f32::INFINITY, f32::min)
}

/// Cuts into parts that begin at their first spot and are shorter than `length_ms`.
fn cut(spots: &[Spot], length_ms: u64) -> Vec<Vec<Spot>> {
    let mut parts: Vec<Vec<Spot>> = Vec::new();
    for spot in spots {
        match parts.last_mut() {
            Some(part) if spot.0 - part[0].0 < length_ms => part.push(*spot),
            _ => parts.push(vec![*spot]),
        }
    }
    parts
}

fn newest(mut spots: Vec<Spot>, count: usize) -> Vec<Spot> {
    spots.drain(..spots.len().saturating_sub(count));
    spots
}

pub fn conditions(history: &History) -> Vec<&'static str> {
    let (mut stretch, mut pace, mut started_ms) = (Stretch::default(), Pace::default(), 0);
    // base, and when the rise was last seen
    let mut rising: Option<(f32, u64)> = None;
    for (moment, sample) in history.of(Quantity::TemperatureC) {
        let (Some(value), set) = (sample, &moment.settings.heat_rise) else { continue };
        if pace.starts(moment.at_ms, 0) {
            started_ms = moment.at_ms;
        }
        pace.0.push(moment.at_ms);
        if stretch.0.last().is_some_and(|last| moment.at_ms - last.0 > u64::from(set.gap_s) * 1000) {
            stretch.0.clear();
        }
        if !stretch.0.is_empty() && moment.at_ms - started_ms < u64::from(set.start_s) * 1000 {
            continue;
        }
        stretch.0.push((moment.at_ms, value));
        let rise = stretch.rise(set);
        match &mut rising {
            None => rising = rise.map(|base_c| (base_c, moment.at_ms)),
            Some((base_c, seen_ms)) => {
                if rise.is_some() {
                    *seen_ms = moment.at_ms;
                }
                let back_c = *base_c + set.rise_k / 2.0;
                let seconds = newest(stretch.seconds(), 3);
                let is_back = seconds.len() == 3 && seconds.iter().all(|spot| spot.1 < back_c);
                if is_back || moment.at_ms - *seen_ms >= u64::from(set.clear_s) * 1000 {
                    rising = None;
                }
            }
        }
    }
    rising.map(|_| "heat_rise").into_iter().collect()
}
