//! What devices say, after decoding and admission.

use serde::{Deserialize, Serialize};

use crate::ids::DeviceId;
use crate::measure::Quantity;

/// One measured value of one device. A message with three values makes three readings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub device: DeviceId,
    pub quantity: Quantity,
    pub value: f32,
    /// Time of receipt, ms since 1970: authoritative.
    pub at_ms: u64,
    /// Device clock minus time of receipt, ms, where the device has a clock (saturating).
    pub skew_ms: Option<i32>,
    /// The device's own count of its telemetry messages, where it keeps one.
    pub seq: Option<u32>,
}

/// Anything but measured values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub device: DeviceId,
    /// Time of receipt, ms since 1970: authoritative.
    pub at_ms: u64,
    /// Device clock minus time of receipt, ms, where the device has a clock (saturating).
    pub skew_ms: Option<i32>,
    pub body: Body,
}

/// Body of a [`Report`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Body {
    Alarm {
        /// Names the alarm among the device's alarms.
        id: Box<str>,
        kind: AlarmKind,
        /// false: the device says that it is over.
        active: bool,
        /// Value and unit as the device gave them, for people.
        value: Option<f32>,
        unit: Box<str>,
    },
    Event {
        id: Box<str>,
        kind: EventKind,
    },
    State {
        state: DeviceState,
        /// Heard again within so many seconds, the device promises.
        next_report_s: Option<u32>,
        /// Published by the broker on the device's behalf, as its will.
        will: bool,
    },
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($variant,)*
        }

        impl $name {
            /// Every variant's word in the JSON contract.
            pub const WORDS: &'static [&'static str] = &[$($word,)*];

            /// The word of the JSON contract.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            /// The variant with this word.
            pub fn from_word(word: &str) -> Option<$name> {
                match word { $($word => Some($name::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// What a device's own alarm is about.
    AlarmKind {
        Smoke = "smoke",
        Heat = "heat",
        Gas = "gas",
        Co = "co",
        Flame = "flame",
        Manual = "manual",
        Electrical = "electrical",
        Water = "water",
        Fire = "fire",
    }
}

words! {
    /// What a device's event is about.
    EventKind {
        Test = "test",
        Tamper = "tamper",
        LowBattery = "low_battery",
        Fault = "fault",
        Muted = "muted",
        PowerLost = "power_lost",
        Restored = "restored",
        Tilt = "tilt",
        Discharge = "discharge",
        Impact = "impact",
        EndOfLife = "end_of_life",
        Contaminated = "contaminated",
    }
}

words! {
    /// What a device says of itself (or its will says for it).
    DeviceState {
        Online = "online",
        Sleeping = "sleeping",
        Lost = "lost",
    }
}

/// What a person reports of a unit: a passer-by's photo (随手拍), a grid worker's finding, a phone call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Names it; one that comes twice counts once.
    pub id: Box<str>,
    pub unit: crate::ids::UnitId,
    /// Code of the person or service account.
    pub by: Box<str>,
    pub kind: SightingKind,
    /// In the person's own words; may be empty.
    pub note: Box<str>,
}

words! {
    /// What was seen. A fire in a person's eyes is evidence of a detector's rank; `AllClear`: nothing of it is there, or no longer.
    SightingKind {
        Fire = "fire",
        Smoke = "smoke",
        Gas = "gas",
        Hazard = "hazard",
        AllClear = "all_clear",
    }
}
