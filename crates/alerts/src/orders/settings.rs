//! What the policy says of orders: limits, and what the desk orders by the calendar.

use serde::Deserialize;

use model::roster::Post;

/// Limits of orders: the table `[orders]` of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrderLimits {
    /// People that one order asks; default 20,000, at most 100,000.
    pub people_max: u32,
    /// Orders open at a time; default 256, at most 4,096.
    pub open_max: u32,
    /// People of all open orders together; default 100,000, at most 1,000,000.
    pub asked_max: u32,
}

impl Default for OrderLimits {
    fn default() -> OrderLimits {
        OrderLimits { people_max: 20_000, open_max: 256, asked_max: 100_000 }
    }
}

/// What the desk orders in all the city at certain times of the day: the tables `[roll_call]` and `[channel_test]` of a
/// policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calendar {
    /// Local times, `["09:00", "21:30"]`; default none, at most [`Calendar::TIMES_MAX`].
    pub at: Vec<TimeOfDay>,
    /// Local time before UTC, minutes; default 480 (China), from -840 to 840.
    pub utc_offset_min: i32,
    /// It begins up to so much later, another lapse each day, so that nobody waits for it; seconds, default 600, at most
    /// 3,600.
    pub jitter_s: u32,
    /// Time to answer in, seconds; default 120, from 10 to 3,600.
    pub window_s: u32,
    /// Who is asked; default none, which is everybody of the chain, the owners not.
    pub posts: Vec<Post>,
}

impl Default for Calendar {
    fn default() -> Calendar {
        Calendar { at: Vec::new(), utc_offset_min: 480, jitter_s: 600, window_s: 120, posts: Vec::new() }
    }
}

/// Minutes of the day, written as `21:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeOfDay(u16);

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<TimeOfDay, String> {
        let parse = || {
            let (hour, minute) = text.split_once(':')?;
            let two = |digits: &str| (digits.len() == 2).then(|| digits.parse::<u16>().ok())?;
            let (hour, minute) = (two(hour)?, two(minute)?);
            (hour < 24 && minute < 60).then_some(TimeOfDay(hour * 60 + minute))
        };
        parse().ok_or_else(|| format!("{text:?} is no time of day: write it as 21:30"))
    }
}

const DAY_MS: u64 = 86_400_000;

impl Calendar {
    /// Times of a day.
    pub const TIMES_MAX: usize = 24;
    /// What could not begin in time begins up to so much later, ms; later than that it is left out for the day.
    pub const LATE_MAX_MS: u64 = 600_000;

    /// The newest time at or before `now_ms` at which something was to begin, ms since 1970. A function of the settings
    /// and the day's number alone; `of` sets apart calendars that are equal.
    pub(crate) fn newest_due_ms(&self, of: u64, now_ms: u64) -> Option<u64> {
        let offset_ms = i64::from(self.utc_offset_min) * 60_000;
        let today = now_ms.saturating_add_signed(offset_ms) / DAY_MS;
        // a lapse may pass midnight
        let days = [today.checked_sub(1), Some(today)];
        let begins = days.into_iter().flatten().flat_map(|day| {
            self.at.iter().enumerate().map(move |(slot, time)| {
                let lapse_ms = scatter((day << 8) ^ ((slot as u64) << 2) ^ of) % (u64::from(self.jitter_s) + 1) * 1000;
                let local_ms = day * DAY_MS + u64::from(time.0) * 60_000 + lapse_ms;
                local_ms.saturating_add_signed(-offset_ms)
            })
        });
        begins.filter(|&begins_ms| begins_ms <= now_ms).max()
    }

    /// What is wrong with a setting, as its name and a sentence.
    pub(crate) fn fault(&self) -> Option<(&'static str, String)> {
        let within = |name, value: i64, least: i64, most: i64| {
            (!(least..=most).contains(&value)).then(|| (name, format!("{value} is not between {least} and {most}")))
        };
        within("utc_offset_min", self.utc_offset_min.into(), -840, 840)
            .or_else(|| within("jitter_s", self.jitter_s.into(), 0, 3_600))
            .or_else(|| within("window_s", self.window_s.into(), 10, 3_600))
            .or_else(|| {
                let many = self.at.len() > Calendar::TIMES_MAX;
                many.then(|| ("at", format!("{} times are more than {}", self.at.len(), Calendar::TIMES_MAX)))
            })
    }
}

impl OrderLimits {
    /// What is wrong with a limit, as its name and a sentence.
    pub(crate) fn fault(&self) -> Option<(&'static str, String)> {
        let limits = [
            ("people_max", self.people_max, 100_000),
            ("open_max", self.open_max, 4_096),
            ("asked_max", self.asked_max, 1_000_000),
        ];
        let wrong = limits.into_iter().find(|(_, value, most)| !(1..=*most).contains(value));
        wrong.map(|(name, value, most)| (name, format!("{value} is not between 1 and {most}")))
    }
}

/// Spreads a number over all 64 bits (the finaliser of SplitMix64, Steele, Lea and Flood 2014).
fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDNIGHT_MS: u64 = 1_767_225_600_000 - 8 * 3_600_000; // 2026-01-01 00:00 in China

    fn calendar(text: &str) -> Calendar {
        toml::from_str(text).expect("reads")
    }

    #[test]
    fn it_begins_at_the_local_time_and_a_lapse() {
        let plain = calendar("at = [\"09:00\", \"21:30\"]\njitter_s = 0");
        let at = |minutes: u64| MIDNIGHT_MS + minutes * 60_000;
        assert_eq!(plain.newest_due_ms(0, at(540) - 1), Some(at(21 * 60 + 30) - DAY_MS), "yesterday's last");
        assert_eq!(plain.newest_due_ms(0, at(540)), Some(at(540)));
        assert_eq!(plain.newest_due_ms(0, at(1290)), Some(at(1290)));
        assert_eq!(calendar("").newest_due_ms(0, at(540)), None);

        let scattered = calendar("at = [\"23:59\"]");
        let mut lapses = std::collections::BTreeSet::new();
        for day in 0..50 {
            let due_ms = scattered.newest_due_ms(0, at(1439) + 600_000 + day * DAY_MS).expect("was due");
            let lapse_ms = due_ms - (at(1439) + day * DAY_MS);
            assert!(lapse_ms <= 600_000);
            lapses.insert(lapse_ms);
        }
        assert!(lapses.len() > 30, "another lapse each day: {lapses:?}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, fault) in [
            ("jitter_s = 3601", "3601 is not between 0 and 3600"),
            ("window_s = 9", "9 is not between 10"),
            ("utc_offset_min = 841", "841 is not between -840"),
        ] {
            assert!(calendar(text).fault().expect(text).1.contains(fault), "{text}");
        }
        for text in ["at = [\"24:00\"]", "at = [\"9:00\"]", "at = [\"09:60\"]", "on = [\"09:00\"]"] {
            toml::from_str::<Calendar>(text).expect_err(text);
        }
        assert!(OrderLimits { people_max: 0, ..OrderLimits::default() }.fault().is_some());
    }
}
