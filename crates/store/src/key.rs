//! Byte layouts of keys. Numbers are big-endian, so that the order of bytes is the order of numbers.
//!
//! | family        | key                                  | value                                         |
//! |---------------|--------------------------------------|-----------------------------------------------|
//! | journal.DAY   | epoch 8                              | `wire` of a `Commit`                          |
//! | alerts        | alert 13: epoch 8, unit 4, family 1  | `wire` of an `Alert`                          |
//! | open          | alert 13                             | nothing                                       |
//! | alerts_by_unit| unit 4, epoch 8, family 1            | nothing                                       |
//! | deliveries    | alert or order 13, delivery id       | `wire` of a `Delivery`                        |
//! | owed          | alert or order 13, delivery id       | nothing                                       |
//! | units         | unit 4                               | `wire` of a `UnitStatus`                      |
//! | regions       | region 8                             | `wire` of a `RegionStatus`                    |
//! | feed          | cursor 8                             | `wire` of a `FeedEvent`                       |
//! | kept          | kind 1, the record's key             | the desk's                                    |
//! | quarantine    | number 8                             | bytes of all items up to this one 8, `wire` of a `Quarantined` |
//! | meta          | a word                               | number 8, or text                             |
//! | mqtt          | the front door's own                 | the front door's own                          |

use model::{AlertId, DeliveryId, Family, KeptKind, Matter, UnitId};

/// Bytes of an alert's key.
pub(crate) const ALERT_LEN: usize = 13;
/// Bytes of a key of the index by unit.
pub(crate) const BY_UNIT_LEN: usize = 13;

/// Stands where an alert has its family.
const ORDER: u8 = 255;

/// Words of the family `meta`.
pub(crate) mod meta {
    pub(crate) const LAYOUT: &[u8] = b"layout";
    pub(crate) const APPLIED: &[u8] = b"applied";
    pub(crate) const NEWEST_CURSOR: &[u8] = b"newest_cursor";
    pub(crate) const POLICY: &[u8] = b"policy";
    pub(crate) const QUARANTINED: &[u8] = b"quarantined";
    pub(crate) const QUARANTINED_BYTES: &[u8] = b"quarantined_bytes";
}

pub(crate) fn alert(id: AlertId) -> [u8; ALERT_LEN] {
    let mut key = [0; ALERT_LEN];
    key[..8].copy_from_slice(&id.epoch.to_be_bytes());
    key[8..12].copy_from_slice(&id.unit.0.to_be_bytes());
    key[12] = family_byte(id.family);
    key
}

pub(crate) fn alert_by_unit(id: AlertId) -> [u8; BY_UNIT_LEN] {
    let mut key = [0; BY_UNIT_LEN];
    key[..4].copy_from_slice(&id.unit.0.to_be_bytes());
    key[4..12].copy_from_slice(&id.epoch.to_be_bytes());
    key[12] = family_byte(id.family);
    key
}

/// The alert's key that a key of the index by unit stands for; `None` where the key is not one.
pub(crate) fn alert_of_unit_key(key: &[u8]) -> Option<[u8; ALERT_LEN]> {
    let key: &[u8; BY_UNIT_LEN] = key.try_into().ok()?;
    let mut alert = [0; ALERT_LEN];
    alert[..8].copy_from_slice(&key[4..12]);
    alert[8..12].copy_from_slice(&key[..4]);
    alert[12] = key[12];
    Some(alert)
}

/// As an alert's key: an order has its place for the unit, and a family of its own.
pub(crate) fn matter(matter: Matter) -> [u8; ALERT_LEN] {
    match matter {
        Matter::Alert(id) => alert(id),
        Matter::Order(id) => {
            let mut key = [ORDER; ALERT_LEN];
            key[..8].copy_from_slice(&id.epoch.to_be_bytes());
            key[8..12].copy_from_slice(&id.at.to_be_bytes());
            key
        }
    }
}

pub(crate) fn delivery(of: Matter, id: &DeliveryId) -> Vec<u8> {
    [&matter(of)[..], id.as_str().as_bytes()].concat()
}

pub(crate) fn kept(kind: KeptKind, key: &[u8]) -> Vec<u8> {
    [&[kind as u8], key].concat()
}

pub(crate) fn unit(id: UnitId) -> [u8; 4] {
    id.0.to_be_bytes()
}

/// The least key that is greater than every key beginning with `prefix`; `None` when there is none (all bytes 255).
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut end = prefix[..=kept].to_vec();
    end[kept] += 1;
    Some(end)
}

/// A number that is a key or a value of 8 bytes.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

fn family_byte(family: Family) -> u8 {
    match family {
        Family::Fire => 0,
        Family::Warning => 1,
        Family::Fault => 2,
    }
}

/// A day in UTC, counted from 1970-01-01; a day's commits are one column family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(pub(crate) u32);

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const PREFIX: &str = "journal.";

impl Day {
    pub(crate) fn of(at_ms: u64) -> Day {
        // beyond the year 9999 the name would no longer sort
        Day(u32::try_from(at_ms / DAY_MS).unwrap_or(u32::MAX).min(2_932_896))
    }

    /// Name of the column family, `journal.20261122`.
    pub(crate) fn family(self) -> String {
        let (year, month, day) = civil(self.0);
        format!("{PREFIX}{year:04}{month:02}{day:02}")
    }

    /// The day of a column family; `None` for a family that holds no journal.
    pub(crate) fn of_family(name: &str) -> Option<Day> {
        let digits = name.strip_prefix(PREFIX)?;
        let date: u32 = (digits.len() == 8).then(|| digits.parse().ok())??;
        let day = Day(days(date / 10_000, date / 100 % 100, date % 100)?);
        (day.family() == name).then_some(day)
    }
}

/// Year, month, day of a day counted from 1970-01-01 (proleptic Gregorian; years begin in March to put the leap day last).
fn civil(days: u32) -> (u32, u32, u32) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u32::from(month <= 2), month, day)
}

/// Inverse of [`civil`]; `None` before 1970.
fn days(year: u32, month: u32, day: u32) -> Option<u32> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = year - u32::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    (era * 146_097 + of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_names_in_order() {
        assert_eq!(Day::of(0).family(), "journal.19700101");
        assert_eq!(Day::of(951_782_400_000).family(), "journal.20000229");
        assert_eq!(Day::of(1_795_305_600_000).family(), "journal.20261122");
        assert_eq!(Day::of(1_795_305_600_000 - 1).family(), "journal.20261121");
        let mut before = String::new();
        for day in 0..100_000 {
            let name = Day(day).family();
            assert!(name > before, "{name} follows {before}");
            assert_eq!(Day::of_family(&name), Some(Day(day)));
            before = name;
        }
        assert_eq!(Day::of(u64::MAX).family(), "journal.99991231");
    }

    #[test]
    fn other_families_are_no_days() {
        for name in
            ["alerts", "journal.", "journal.20261301", "journal.20260230", "journal.2026112", "journal.19691231"]
        {
            assert_eq!(Day::of_family(name), None, "{name}");
        }
    }

    #[test]
    fn prefixes_end() {
        assert_eq!(after_prefix(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(after_prefix(&[1, 255]), Some(vec![2]));
        assert_eq!(after_prefix(&[255, 255]), None);
    }

    #[test]
    fn keys_sort_as_ids() {
        let mut ids = Vec::new();
        for epoch in [1, 255, 256, u64::MAX] {
            for unit in [0, 1, 300] {
                for family in Family::ALL {
                    ids.push(AlertId { epoch, unit: UnitId(unit), family });
                }
            }
        }
        assert!(ids.is_sorted());
        let keys: Vec<_> = ids.iter().map(|id| alert(*id)).collect();
        assert!(keys.is_sorted());
        for id in ids {
            assert_eq!(alert_of_unit_key(&alert_by_unit(id)), Some(alert(id)));
        }
    }
}
