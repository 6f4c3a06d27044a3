//! The city's local time, in minutes. Plans are written in it.
//!
//! The offset from UTC is fixed and part of the roster, so that what a plan means follows from the journal alone: no
//! time zone database, no setting of the machine. A place with daylight saving imports its roster anew when the clocks
//! change.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Minutes of a day.
pub const DAY_MIN: i64 = 1440;

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write {0}")]
pub struct LocalTimeError(&'static str);

/// How far the city's clocks are ahead of UTC, in minutes. Default +480: China, all year. As text `+08:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UtcOffset(i16);

impl Default for UtcOffset {
    fn default() -> UtcOffset {
        UtcOffset(480)
    }
}

impl UtcOffset {
    /// Minutes ahead of UTC, -720 to 840.
    pub fn minutes(self) -> i16 {
        self.0
    }

    /// Local minutes since 1970-01-01 00:00, rounded down.
    pub fn local_min(self, at_ms: u64) -> i64 {
        i64::try_from(at_ms / 60_000).unwrap_or(i64::MAX / 2) + i64::from(self.0)
    }

    /// When a local minute begins, ms since 1970 (UTC); 0 for what was before.
    pub fn at_ms(self, local_min: i64) -> u64 {
        u64::try_from(local_min - i64::from(self.0)).unwrap_or(0).saturating_mul(60_000)
    }

    /// A moment as people there write it.
    pub fn local(self, at_ms: u64) -> LocalTime {
        LocalTime(self.local_min(at_ms))
    }
}

impl fmt::Display for UtcOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", self.0.abs() / 60, self.0.abs() % 60)
    }
}

impl FromStr for UtcOffset {
    type Err = LocalTimeError;

    fn from_str(text: &str) -> Result<UtcOffset, LocalTimeError> {
        let error = LocalTimeError("an offset from UTC between -12:00 and +14:00, like +08:00");
        let (sign, clock) = match text.split_at_checked(1) {
            Some(("+", clock)) => (1, clock),
            Some(("-", clock)) => (-1, clock),
            _ => return Err(error),
        };
        let (hours, minutes) = hours_and_minutes(clock).ok_or(error.clone())?;
        let offset = sign * i16::try_from(hours * 60 + minutes).map_err(|_| error.clone())?;
        if (-720..=840).contains(&offset) { Ok(UtcOffset(offset)) } else { Err(error) }
    }
}

/// A time of day, in minutes after midnight; 24:00 and more is on the next day, 48:00 at most. As text `08:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Clock(pub u16);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl FromStr for Clock {
    type Err = LocalTimeError;

    fn from_str(text: &str) -> Result<Clock, LocalTimeError> {
        let minutes = hours_and_minutes(text).map(|(hours, minutes)| hours * 60 + minutes);
        minutes.filter(|minutes| *minutes <= 2880).map(Clock).ok_or(LocalTimeError(
            "a time like 08:30; hours above 24 are on the next day: 32:00 is 08:00 of the next morning",
        ))
    }
}

/// A local date, in days since 1970-01-01. As text `2026-11-22`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i32);

impl Day {
    /// 0 for Monday to 6 for Sunday.
    pub fn weekday(self) -> u8 {
        // 1970-01-01 was a Thursday
        u8::try_from((i64::from(self.0) + 3).rem_euclid(7)).expect("is below 7")
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(i64::from(self.0));
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Day {
    type Err = LocalTimeError;

    fn from_str(text: &str) -> Result<Day, LocalTimeError> {
        let error = LocalTimeError("a date of the calendar like 2026-11-22");
        let mut parts = text.split('-').map(number);
        let parts = (parts.next().flatten(), parts.next().flatten(), parts.next().flatten(), parts.next());
        let (Some(year), Some(month), Some(day), None) = parts else { return Err(error) };
        if !(1..=12).contains(&month) || !(1970..=9999).contains(&year) {
            return Err(error);
        }
        let since = days(year, month, day);
        if civil(since) != (year, month, day) {
            return Err(error);
        }
        i32::try_from(since).map(Day).map_err(|_| error)
    }
}

/// A local moment, in minutes since 1970-01-01 00:00. As text `2026-11-22 08:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LocalTime(pub i64);

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.div_euclid(DAY_MIN));
        let minute = self.0.rem_euclid(DAY_MIN);
        write!(f, "{year:04}-{month:02}-{day:02} {:02}:{:02}", minute / 60, minute % 60)
    }
}

impl FromStr for LocalTime {
    type Err = LocalTimeError;

    fn from_str(text: &str) -> Result<LocalTime, LocalTimeError> {
        let error = || LocalTimeError("a local time like 2026-11-22 08:30");
        let (day, clock) = text.split_once([' ', 'T']).ok_or_else(error)?;
        let (Ok(day), Ok(clock)) = (day.parse::<Day>(), clock.parse::<Clock>()) else { return Err(error()) };
        if i64::from(clock.0) > DAY_MIN {
            return Err(error());
        }
        Ok(LocalTime(i64::from(day.0) * DAY_MIN + i64::from(clock.0)))
    }
}

/// Days of the week, Monday first. As text `daily`, or days and ranges separated by `;`: `mon-fri;sun`, `1-5;7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Weekdays(u8);

impl Weekdays {
    pub const DAILY: Weekdays = Weekdays(0x7f);
    const WORDS: [&'static str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    pub fn has(self, day: Day) -> bool {
        self.0 & (1 << day.weekday()) != 0
    }

    fn number(word: &str) -> Option<u8> {
        let at = Weekdays::WORDS.iter().position(|known| known.eq_ignore_ascii_case(word));
        let at = at.or_else(|| word.parse::<usize>().ok().filter(|day| (1..=7).contains(day)).map(|day| day - 1));
        at.and_then(|at| u8::try_from(at).ok())
    }
}

impl fmt::Display for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Weekdays::DAILY {
            return f.write_str("daily");
        }
        let named = Weekdays::WORDS.iter().zip(0..).filter(|(_, at)| self.0 & (1 << at) != 0);
        f.write_str(&named.map(|(word, _)| *word).collect::<Vec<_>>().join(";"))
    }
}

impl FromStr for Weekdays {
    type Err = LocalTimeError;

    fn from_str(text: &str) -> Result<Weekdays, LocalTimeError> {
        let error = || LocalTimeError("daily, or days of the week separated by ;, like mon-fri;sun or 1-5;7");
        if text == "daily" {
            return Ok(Weekdays::DAILY);
        }
        let mut bits = 0;
        for part in text.split(';').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first = Weekdays::number(first.trim()).ok_or_else(error)?;
            let last = Weekdays::number(last.trim()).ok_or_else(error)?;
            // a range may pass the end of the week: sat-mon
            let length = (last + 7 - first) % 7;
            (0..=length).for_each(|further| bits |= 1 << ((first + further) % 7));
        }
        Ok(Weekdays(bits))
    }
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn hours_and_minutes(text: &str) -> Option<(u16, u16)> {
    let (hours, minutes) = text.split_once(':')?;
    if hours.len() > 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60).then_some((u16::try_from(hours).ok()?, u16::try_from(minutes).ok()?))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day; the inverse of [`days`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read_back() {
        for text in ["1970-01-01", "2026-02-28", "2028-02-29", "2000-12-31", "9999-12-31"] {
            assert_eq!(text.parse::<Day>().expect(text).to_string(), text);
        }
        for text in ["2026-02-29", "2026-13-01", "2026-1-32", "26-01-01", "2026/01/01", "2026-01", "2026-01-01-01", ""]
        {
            text.parse::<Day>().expect_err(text);
        }
        for text in ["00:00", "08:30", "24:00", "32:00", "48:00"] {
            assert_eq!(text.parse::<Clock>().expect(text).to_string(), text);
        }
        for text in ["8", "8:3", "08:60", "48:01", "-1:00", "08:00:00", "a:00", ""] {
            text.parse::<Clock>().expect_err(text);
        }
        assert_eq!("2026-11-22T08:30".parse::<LocalTime>().expect("valid").to_string(), "2026-11-22 08:30");
        for text in ["2026-11-22", "2026-11-22 25:00", "2026-02-30 08:00"] {
            text.parse::<LocalTime>().expect_err(text);
        }
    }

    #[test]
    fn days_of_the_week_are_those_of_the_calendar() {
        let day = |text: &str| text.parse::<Day>().expect("valid");
        assert_eq!(
            (day("2026-11-23").weekday(), day("2026-11-22").weekday()),
            (0, 6),
            "a Monday, and the Sunday before"
        );
        for (text, shown) in [
            ("daily", "daily"),
            ("1-5", "mon;tue;wed;thu;fri"),
            ("Mon;sun", "mon;sun"),
            ("sat-mon", "mon;sat;sun"),
            ("7", "sun"),
            ("mon-sun", "daily"),
        ] {
            assert_eq!(text.parse::<Weekdays>().expect(text).to_string(), shown);
        }
        for text in ["", "0", "8", "mon,tue", "every", "mon-"] {
            text.parse::<Weekdays>().expect_err(text);
        }
        assert!("fri".parse::<Weekdays>().expect("valid").has(day("2026-11-27")));
    }

    #[test]
    fn local_minutes_and_moments_of_the_world_fit() {
        let china = UtcOffset::default();
        assert_eq!((china.minutes(), china.to_string().as_str()), (480, "+08:00"));
        let local = "2026-01-01 00:30".parse::<LocalTime>().expect("valid");
        let at_ms = china.at_ms(local.0);
        assert_eq!(at_ms, 1_767_225_600_000 - (8 * 60 - 30) * 60_000, "half past midnight there is 16:30 UTC");
        assert_eq!(china.local(at_ms + 59_999), local);
        assert_eq!(china.local(at_ms + 60_000).0, local.0 + 1);
        for (text, minutes) in [("-03:30", -210), ("+00:00", 0), ("+14:00", 840)] {
            let offset: UtcOffset = text.parse().expect(text);
            assert_eq!((offset.minutes(), offset.to_string().as_str()), (minutes, text));
            assert_eq!(offset.local_min(offset.at_ms(local.0)), local.0);
        }
        for text in ["8", "08:00", "+15:00", "-13:00", "+8", "+08:0"] {
            text.parse::<UtcOffset>().expect_err(text);
        }
    }
}
