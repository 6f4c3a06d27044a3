//! Ids: one type a noun, so that a unit cannot be passed where a device is meant.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::finding::Family;

/// Number of a journal commit, from 1, without gaps. Also the evaluator's logical time.
pub type Epoch = u64;

macro_rules! dense_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// Position in the roster's table of this noun.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

dense_id!(
    /// A device of the roster. Given once by the roster's import, never used again for another device.
    DeviceId
);
dense_id!(
    /// A unit (a registered place: shop, flat, workshop). Given once, never used again.
    UnitId
);
dense_id!(
    /// A person of the roster. Given once, never used again.
    PersonId
);

/// Level of the administrative tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    City,
    Township,
    Village,
    Grid,
}

/// Code of a region: GB/T 2260 and GB/T 10114 division codes, 6 digits (city), 9 (township), 12 (village), and 15 for a
/// grid (the village's 12 and a serial of 3). In JSON a string of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionCode(u64);

impl RegionCode {
    /// No region's code; for what lies nowhere.
    pub(crate) const NONE: RegionCode = RegionCode(0);

    /// The code as a number.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// Level, told by the number of digits.
    pub fn level(self) -> Level {
        match self.0 {
            0..=999_999 => Level::City,
            1_000_000..=999_999_999 => Level::Township,
            1_000_000_000..=999_999_999_999 => Level::Village,
            _ => Level::Grid,
        }
    }

    /// The region that this one lies in; `None` for a city.
    pub fn parent(self) -> Option<RegionCode> {
        (self.level() != Level::City).then_some(RegionCode(self.0 / 1000))
    }

    /// The region itself, then its parent, up to the city.
    pub fn ancestry(self) -> impl Iterator<Item = RegionCode> {
        std::iter::successors(Some(self), |code| code.parent())
    }

    /// Whether `other` is this region or lies in it.
    pub fn contains(self, other: RegionCode) -> bool {
        other.ancestry().any(|code| code == self)
    }

    /// The ancestor (or the region itself) at `level`; `None` when the region is larger than that.
    pub fn at(self, level: Level) -> Option<RegionCode> {
        self.ancestry().find(|code| code.level() == level)
    }
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is wrong with a code, and what it should look like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("region code {0:?} must have 6, 9, 12 or 15 digits and not begin with 0")]
    Region(String),
    #[error("alert id {0:?} must look like fire-17-4711 (family, unit number, epoch)")]
    Alert(String),
    #[error("order id {0:?} must look like order-0-4711 (place in the commit, epoch)")]
    Order(String),
}

impl FromStr for RegionCode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError::Region(text.chars().take(32).collect());
        let fits =
            matches!(text.len(), 6 | 9 | 12 | 15) && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        if !fits {
            return Err(error());
        }
        text.parse().map(RegionCode).map_err(|_| error())
    }
}

/// Serialises as text for people (JSON, TOML) and as a number in the store.
macro_rules! text_or_compact {
    ($name:ident, $compact:ty, $to:expr, $from:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    let to: fn(&$name) -> $compact = $to;
                    to(self).serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
                } else {
                    let from: fn($compact) -> $name = $from;
                    <$compact>::deserialize(deserializer).map(from)
                }
            }
        }
    };
}

text_or_compact!(RegionCode, u64, |code| code.0, RegionCode);

/// Names an alert by its cause: which unit, which family of message, and the journal commit that raised it.
/// As text `fire-17-4711`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId {
    /// Journal commit whose finding raised the alert.
    pub epoch: Epoch,
    pub unit: UnitId,
    pub family: Family,
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.family.word(), self.unit.0, self.epoch)
    }
}

impl FromStr for AlertId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parse = || {
            let mut parts = text.split('-');
            let family = Family::from_word(parts.next()?)?;
            let unit = UnitId(parts.next()?.parse().ok()?);
            let epoch = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(AlertId { epoch, unit, family })
        };
        parse().ok_or_else(|| IdError::Alert(text.chars().take(32).collect()))
    }
}

text_or_compact!(AlertId, (Epoch, UnitId, Family), |id| (id.epoch, id.unit, id.family), |(epoch, unit, family)| {
    AlertId { epoch, unit, family }
});

/// Names an order: the journal commit that holds it, and its place among the commit's entries. As text `order-0-4711`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId {
    pub epoch: Epoch,
    /// From 0.
    pub at: u32,
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order-{}-{}", self.at, self.epoch)
    }
}

impl FromStr for OrderId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parse = || {
            let (at, epoch) = text.strip_prefix("order-")?.split_once('-')?;
            Some(OrderId { epoch: epoch.parse().ok()?, at: at.parse().ok()? })
        };
        parse().ok_or_else(|| IdError::Order(text.chars().take(32).collect()))
    }
}

text_or_compact!(OrderId, (Epoch, u32), |id| (id.epoch, id.at), |(epoch, at)| OrderId { epoch, at });

/// What people are told of: an alert or an order. As text, the id of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Matter {
    Alert(AlertId),
    Order(OrderId),
}

impl Matter {
    /// The alert, where it is one.
    pub fn alert(self) -> Option<AlertId> {
        match self {
            Matter::Alert(id) => Some(id),
            Matter::Order(_) => None,
        }
    }
}

impl From<AlertId> for Matter {
    fn from(id: AlertId) -> Self {
        Matter::Alert(id)
    }
}

impl From<OrderId> for Matter {
    fn from(id: OrderId) -> Self {
        Matter::Order(id)
    }
}

impl fmt::Display for Matter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Matter::Alert(id) => id.fmt(f),
            Matter::Order(id) => id.fmt(f),
        }
    }
}

impl FromStr for Matter {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.starts_with("order-") { text.parse().map(Matter::Order) } else { text.parse().map(Matter::Alert) }
    }
}

text_or_compact!(
    Matter,
    Result<AlertId, OrderId>,
    |matter| match *matter {
        Matter::Alert(id) => Ok(id),
        Matter::Order(id) => Err(id),
    },
    |named| named.map_or_else(Matter::Order, Matter::Alert)
);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                $name(text.into())
            }
        }
    };
}

text_id!(
    /// Names a delivery by its cause: alert (or order), ring, step of the ladder, person, channel. The same after a replay.
    DeliveryId
);
text_id!(
    /// Names an operator's command: the caller's idempotency key within the caller's name, or one that the API made.
    CommandId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_codes_know_their_place() {
        let grid: RegionCode = "331083001001007".parse().expect("valid");
        assert_eq!(grid.level(), Level::Grid);
        assert_eq!(grid.at(Level::Village).expect("has one").to_string(), "331083001001");
        assert_eq!(grid.at(Level::Township).expect("has one").to_string(), "331083001");
        assert_eq!(grid.at(Level::City).expect("has one").to_string(), "331083");
        let township: RegionCode = "331083001".parse().expect("valid");
        assert!(township.contains(grid) && !grid.contains(township));
        assert_eq!(township.at(Level::Grid), None);
    }

    #[test]
    fn bad_codes_say_what_a_code_looks_like() {
        for bad in ["", "33108", "0331083", "33108300100x", "331083001001007001"] {
            let error = bad.parse::<RegionCode>().expect_err(bad);
            assert!(error.to_string().contains("6, 9, 12 or 15 digits"));
        }
    }

    #[test]
    fn alert_ids_read_back() {
        let id = AlertId { epoch: 4711, unit: UnitId(17), family: Family::Fire };
        assert_eq!(id.to_string(), "fire-17-4711");
        assert_eq!("fire-17-4711".parse::<AlertId>().expect("valid"), id);
        for bad in ["fire-17", "smoke-1-2", "fire-1-2-3", "fire--1"] {
            bad.parse::<AlertId>().expect_err(bad);
        }
        let stored = crate::wire::encode(&id);
        assert_eq!(crate::wire::decode::<AlertId>(&stored).expect("valid"), id);
    }

    #[test]
    fn matters_read_back() {
        let alert = AlertId { epoch: 4711, unit: UnitId(17), family: Family::Fire };
        for (matter, text) in
            [(Matter::Alert(alert), "fire-17-4711"), (Matter::Order(OrderId { epoch: 4711, at: 2 }), "order-2-4711")]
        {
            assert_eq!((matter.to_string().as_str(), text.parse()), (text, Ok(matter)));
            assert_eq!(crate::wire::decode::<Matter>(&crate::wire::encode(&matter)).expect("valid"), matter);
        }
        for bad in ["order-1", "order--1", "order-1-2-3", "fire-17"] {
            bad.parse::<Matter>().expect_err(bad);
        }
    }
}
