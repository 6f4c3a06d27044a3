//! Why, and why not: what is told to people who ask.
//!
//! [`Inspector::ask`] carries a [`Question`] to the worker that has the unit; between two commits it makes an
//! [`Explanation`] from its state and the rules in force. Nothing depends on what was asked.

mod explain;
mod explanation;
mod inspect;

use std::borrow::Cow;

use model::finding::Words;
use serde::Serialize;

#[cfg(test)]
pub(crate) use explain::explain;
pub use explanation::{
    AlertWhy, AsOf, CountedCondition, DeviceShort, DeviceWhy, Ended, Explanation, Heard, HeldWhy, IncidentWhy,
    Question, RegionWhy, RuleWhy, RulesVersion, Timer, UnitShort, UnitWhy,
};
pub(crate) use inspect::Inquiries;
pub use inspect::{AskError, Inspector};

/// How near a condition is to holding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It holds.
    Holds,
    /// Something of what it asks for is there; the rest is counted or waited for.
    Forming,
    /// It was looked at, and nothing speaks for it.
    Calm,
    /// Nothing was received that it could be judged by.
    NoData,
}

/// What a rule looks at now, for one of its conditions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Watch {
    /// Name of the condition.
    pub condition: &'static str,
    pub standing: Standing,
    /// What was last seen, what is asked for, and what is missing.
    pub seen: Words,
    /// When a timer decides it if nothing else does, ms since 1970.
    pub due_ms: Option<u64>,
}

impl Watch {
    /// Of a condition that holds, of which something is there (`forming`), or for which nothing speaks.
    pub fn of(condition: &'static str, holds: bool, forming: bool, zh: String, en: String) -> Watch {
        let standing = match (holds, forming) {
            (true, _) => Standing::Holds,
            (false, true) => Standing::Forming,
            (false, false) => Standing::Calm,
        };
        Watch { condition, standing, seen: Words { zh: zh.into(), en: en.into() }, due_ms: None }
    }

    /// Of a device that gave nothing to judge by.
    pub fn no_data(condition: &'static str) -> Watch {
        let (zh, en) = ("从未收到可供判断的数据", "nothing was received that it could be judged by");
        Watch { condition, standing: Standing::NoData, seen: Words { zh: zh.into(), en: en.into() }, due_ms: None }
    }
}

/// One contribution to a number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Name of the indicator or piece of evidence.
    pub name: Cow<'static, str>,
    pub words: Words,
    /// What was seen, from 0 (nothing) to 1 (as bad as it counts), or a log-odds value.
    pub value: f64,
    pub weight: f64,
    /// What it adds: points of the index, or log-odds after decay.
    pub points: f64,
}
