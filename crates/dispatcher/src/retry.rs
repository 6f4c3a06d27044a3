//! When to try again, and when to stop.

use std::time::Duration;

use model::{Colour, Delivery};
use rand::Rng;

use crate::settings::Settings;

/// What follows after a try that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try again after this pause.
    After(Duration),
    /// The delivery is too old to be tried once more.
    GiveUp,
}

/// What follows after try number `tries` (from 1) failed at `now_ms`; `asked` is the pause that the receiver asked for.
pub(crate) fn next(delivery: &Delivery, tries: u32, now_ms: u64, asked: Option<Duration>, settings: &Settings) -> Next {
    let colour = delivery.about.colour();
    let pause = jittered(pause(colour, tries, settings), settings.retry_jitter_pct);
    let asked = asked.unwrap_or_default().min(Duration::from_secs(settings.retry_after_max_s));
    let pause = pause.max(asked);
    let due_ms = now_ms.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
    if due_ms > delivery.owed_ms.saturating_add(settings.give_up_ms(colour)) {
        Next::GiveUp
    } else {
        Next::After(pause)
    }
}

/// Whether a delivery is past the age at which it is given up.
pub(crate) fn is_too_old(delivery: &Delivery, now_ms: u64, settings: &Settings) -> bool {
    now_ms > delivery.owed_ms.saturating_add(settings.give_up_ms(delivery.about.colour()))
}

/// The reason of the last receipt of a delivery that is given up.
pub(crate) fn given_up(delivery: &Delivery, tries: u32, now_ms: u64, reason: &str) -> String {
    let age_s = now_ms.saturating_sub(delivery.owed_ms) / 1000;
    format!("given up after {tries} tries in {age_s} s: {reason}")
}

/// The pause before the try that follows `tries` tries, without chance.
pub(crate) fn pause(colour: Colour, tries: u32, settings: &Settings) -> Duration {
    let ladder = if colour == Colour::Red { &settings.retry_red_s } else { &settings.retry_s };
    let at = usize::try_from(tries).unwrap_or(usize::MAX);
    let seconds = ladder.get(at).or(ladder.last()).copied().unwrap_or(1);
    // a ladder of zeros would try without a pause for ever
    if tries == 0 { Duration::from_secs(seconds.into()) } else { Duration::from_secs(seconds.max(1).into()) }
}

/// So long to wait at most before the job of a delivery that was tried before this process began.
pub(crate) fn remaining(delivery: &Delivery, now_ms: u64, settings: &Settings) -> Duration {
    let Some(last) = delivery.attempts.last() else { return Duration::ZERO };
    let pause = pause(delivery.about.colour(), delivery.attempt_count, settings);
    let passed = Duration::from_millis(now_ms.saturating_sub(last.at_ms));
    pause.saturating_sub(passed)
}

/// `base`, longer or shorter by up to `percent` of it, so that what failed together is not tried together.
pub(crate) fn jittered(base: Duration, percent: u32) -> Duration {
    let share = f64::from(percent.min(100)) / 100.0;
    base.mul_f64(rand::rng().random_range(1.0 - share..=1.0 + share))
}
