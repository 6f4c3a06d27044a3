//! Times as people write them. Without an offset they are China Standard Time, UTC+8.

use anyhow::{Context, Result, bail};

const CHINA_MS: i64 = 8 * 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// `2026-11-22 16:05:09`, China Standard Time.
pub fn shown(at_ms: u64) -> String {
    let local_ms = at_ms as i64 + CHINA_MS;
    let (year, month, day) = civil(local_ms.div_euclid(DAY_MS));
    let of_day = local_ms.rem_euclid(DAY_MS) / 1000;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// `2026-11-22`, `2026-11-22T16:05`, `2026-11-22 16:05:09Z`, `…+08:00`; `90m`, `24h`, `7d` before `end_ms`; or ms since 1970.
///
/// # Errors
/// Anything else.
pub fn parse(text: &str, end_ms: u64) -> Result<u64> {
    let text = text.trim();
    let meant = || format!("{text:?} is no time: write 2026-11-22T16:05, or 24h for so long before the record's end");
    if let Ok(at_ms) = text.parse::<u64>() {
        return Ok(at_ms);
    }
    if let Some((number, unit_ms)) = [("m", 60_000), ("h", 3_600_000), ("d", 86_400_000_u64)]
        .iter()
        .find_map(|(unit, unit_ms)| Some((text.strip_suffix(unit)?.parse::<u64>().ok()?, *unit_ms)))
    {
        return Ok(end_ms.saturating_sub(number.saturating_mul(unit_ms)));
    }
    let (date, rest) = text.split_at_checked(10).with_context(meant)?;
    let date: Vec<i64> = date.split('-').map(str::parse).collect::<Result<_, _>>().with_context(meant)?;
    let [year, month, day] = date[..] else { bail!(meant()) };
    let (clock, offset_ms) = offset(rest).with_context(meant)?;
    let clock = clock.trim_start_matches(['T', ' ']);
    let parts: Vec<i64> = if clock.is_empty() {
        vec![0, 0, 0]
    } else {
        clock.split(':').map(str::parse).collect::<Result<_, _>>().with_context(meant)?
    };
    let (hour, minute, second) = match parts[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => bail!(meant()),
    };
    let sound = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..61).contains(&second);
    if !sound {
        bail!(meant());
    }
    let local_ms = days(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000;
    u64::try_from(local_ms - offset_ms).with_context(meant)
}

/// The clock's part, and the offset behind it, ms.
fn offset(rest: &str) -> Option<(&str, i64)> {
    if let Some(clock) = rest.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = rest.rfind(['+', '-']) else { return Some((rest, CHINA_MS)) };
    let (hours, minutes) = rest[at + 1..].split_once(':')?;
    let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    let sign = if rest[at..].starts_with('-') { -1 } else { 1 };
    Some((&rest[..at], sign * minutes * 60_000))
}

/// Days since 1970 of a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // years begin in March, so that a leap day is the last of its year
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let from_march = days + 719_468;
    let (era, of_era) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown() {
        let at_ms = 1_795_334_709_000; // 2026-11-22T08:05:09Z
        assert_eq!(shown(at_ms), "2026-11-22 16:05:09");
        for text in [
            "2026-11-22 16:05:09",
            "2026-11-22T16:05:09",
            "2026-11-22T08:05:09Z",
            "2026-11-22T10:05:09+02:00",
            "2026-11-22T03:05:09-05:00",
            "1795334709000",
        ] {
            assert_eq!(parse(text, 0).unwrap(), at_ms, "{text}");
        }
        assert_eq!(parse("2026-11-22T16:05", 0).unwrap(), at_ms - 9_000);
        assert_eq!(parse("90m", at_ms).unwrap(), at_ms - 5_400_000);
        assert_eq!(parse("2024-02-29", 0).unwrap() + 86_400_000, parse("2024-03-01", 0).unwrap());
        for bad in ["", "yesterday", "2026-13-01", "2026-11-22T25:00", "2026/11/22", "24x"] {
            assert!(parse(bad, at_ms).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_day_has_its_date() {
        for day in (-1000..60_000).step_by(7) {
            let (year, month, day_of_month) = civil(day);
            assert_eq!(days(year, month, day_of_month), day);
        }
    }
}
