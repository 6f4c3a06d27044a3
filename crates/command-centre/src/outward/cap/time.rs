//! Dates as text, from milliseconds since 1970.

const DAY_MS: i64 = 86_400_000;

/// RFC 3339 in UTC with milliseconds: `2026-11-22T06:30:05.250Z`.
pub(crate) fn utc(at_ms: u64) -> String {
    format!("{}.{:03}Z", clock(at_ms, 0), at_ms % 1000)
}

/// As CAP 1.2 has it (section 3.3.2): local time without fractions and its distance from UTC, `-00:00` for none:
/// `2026-11-22T14:30:05+08:00`.
pub(crate) fn local(at_ms: u64, offset_min: i32) -> String {
    let sign = if offset_min > 0 { '+' } else { '-' };
    let distance = offset_min.unsigned_abs();
    format!("{}{sign}{:02}:{:02}", clock(at_ms, offset_min), distance / 60, distance % 60)
}

fn clock(at_ms: u64, offset_min: i32) -> String {
    let local_ms = i64::try_from(at_ms).unwrap_or(i64::MAX / 2).saturating_add(i64::from(offset_min) * 60_000);
    let (day, second) = (local_ms.div_euclid(DAY_MS), local_ms.rem_euclid(DAY_MS) / 1000);
    let (year, month, day) = date(day);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Year, month and day of a number of days since 1970-01-01, by the Gregorian calendar: counted in years that begin in March,
/// so that the leap day is a year's last.
fn date(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let since = days + 719_468;
    let (era, day_of_era) = (since.div_euclid(ERA), since.rem_euclid(ERA));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (at_ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (1_445_412_480_000, "2015-10-21T07:28:00.000Z"),
            (1_763_798_400_001, "2025-11-22T08:00:00.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(utc(at_ms), expected);
        }
        assert_eq!(local(1_763_798_400_999, 480), "2025-11-22T16:00:00+08:00");
        assert_eq!(local(1_763_798_400_000, -570), "2025-11-21T22:30:00-09:30");
        assert_eq!(local(0, 0), "1970-01-01T00:00:00-00:00");
    }
}
