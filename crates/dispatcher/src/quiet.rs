//! Hours in which people are not woken for what can wait. A fire is never held, whatever its colour; nor is anything red; nor a
//! warning that is orange.

use std::time::Duration;

use model::{Colour, Delivery, Family};

use crate::channel::Manner;
use crate::dispatcher::StartError;
use crate::settings::Settings;

const DAY_MIN: u32 = 24 * 60;
/// What is held is looked at again after this at the latest, so that a clock that is set changes little.
const LOOK_AGAIN: Duration = Duration::from_secs(900);
/// Kinds of channels that can be quiet.
const KINDS: [&str; 8] = ["console", "mqtt", "webhook", "email", "dingtalk", "wecom", "sms", "voice"];

/// See the head of this file.
#[derive(Debug, Clone)]
pub(crate) struct Quiet {
    /// Minutes of the day, from and until; `None`: no quiet hours.
    hours: Option<(u32, u32)>,
    offset_min: i32,
    kinds: Box<[Box<str>]>,
}

impl Quiet {
    /// # Errors
    /// Times that are none, kinds that there are not.
    pub(crate) fn new(settings: &Settings) -> Result<Quiet, StartError> {
        let wrong = |key, reason| StartError::Setting { key, reason };
        let (from, until) = (&settings.quiet_from, &settings.quiet_until);
        let hours = if from.is_empty() && until.is_empty() {
            None
        } else {
            let from = minute_of_day(from).map_err(|reason| wrong("quiet_from", reason))?;
            let until = minute_of_day(until).map_err(|reason| wrong("quiet_until", reason))?;
            (from != until).then_some((from, until))
        };
        if settings.utc_offset_min.unsigned_abs() > 14 * 60 {
            return Err(wrong("utc_offset_min", "must be from -840 to 840 minutes".into()));
        }
        for kind in &settings.quiet_kinds {
            if !KINDS.contains(&kind.as_str()) {
                return Err(wrong("quiet_kinds", format!("{kind:?} is none of {}", KINDS.join(", "))));
            }
        }
        let kinds = settings.quiet_kinds.iter().map(|kind| kind.as_str().into()).collect();
        Ok(Quiet { hours, offset_min: settings.utc_offset_min, kinds })
    }

    /// How long a delivery must wait before it is looked at again; `None`: it may go.
    pub(crate) fn hold(&self, delivery: &Delivery, manner: Manner, now_ms: u64) -> Option<Duration> {
        let (from, until) = self.hours?;
        let can_wait = match (delivery.about.family(), delivery.about.colour()) {
            (Some(Family::Fire), _) | (_, Colour::Red) => false,
            (Some(Family::Warning) | None, colour) => colour != Colour::Orange,
            (Some(Family::Fault), _) => true,
        };
        if !can_wait || !self.kinds.iter().any(|kind| **kind == *manner.kind) {
            return None;
        }
        let local_ms = now_ms.saturating_add_signed(i64::from(self.offset_min) * 60_000);
        let of_day_ms = local_ms % (u64::from(DAY_MIN) * 60_000);
        let minute = u32::try_from(of_day_ms / 60_000).unwrap_or(0);
        let quiet = if from < until { (from..until).contains(&minute) } else { minute >= from || minute < until };
        if !quiet {
            return None;
        }
        let until_ms = u64::from((until + DAY_MIN - minute) % DAY_MIN) * 60_000 - of_day_ms % 60_000;
        Some(Duration::from_millis(until_ms).min(LOOK_AGAIN))
    }
}

/// `22:00` as minutes of the day.
fn minute_of_day(text: &str) -> Result<u32, String> {
    let parse = || {
        let (hour, minute) = text.split_once(':')?;
        let two = |digits: &str| (digits.len() == 2).then(|| digits.parse::<u32>().ok())?;
        let (hour, minute) = (two(hour)?, two(minute)?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    parse().ok_or_else(|| format!("{text:?} is no time of day: write it as 22:00"))
}

#[cfg(test)]
mod tests;
