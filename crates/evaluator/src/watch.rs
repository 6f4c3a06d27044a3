//! Making a [`Watch`]: the same for every rule.

use model::finding::Words;

use crate::rule::{Condition, Watching};
use crate::why::{Standing, Watch};

/// How near a condition that does not hold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Near {
    /// Nothing was received that it could be judged by.
    NoData,
    /// Nothing speaks for it.
    Calm,
    /// It forms; where a timer decides it, when, ms since 1970.
    Forming(Option<u64>),
}

impl Near {
    /// Forming where `forms`, else calm.
    pub(crate) fn forming(forms: bool) -> Near {
        if forms { Near::Forming(None) } else { Near::Calm }
    }
}

/// The watch of the `condition`th of a rule's `conditions`.
pub(crate) fn watch(
    watching: &Watching<'_>,
    conditions: &'static [Condition],
    condition: usize,
    near: Near,
    seen: Words,
) -> Watch {
    let (standing, due_ms) = match near {
        _ if watching.holds(condition) => (Standing::Holds, None),
        Near::NoData => (Standing::NoData, None),
        Near::Calm => (Standing::Calm, None),
        Near::Forming(due_ms) => (Standing::Forming, due_ms),
    };
    Watch { condition: conditions[condition].name, standing, seen, due_ms }
}

/// Where nothing was received that it could be judged by.
pub(crate) fn no_data(watching: &Watching<'_>, conditions: &'static [Condition], condition: usize) -> Watch {
    let seen = crate::rule::words("从未收到可供判断的数据", "nothing was received that it could be judged by");
    watch(watching, conditions, condition, Near::NoData, seen)
}

/// Seconds of a time in ms, for memories that need no more: enough until 2106.
pub(crate) fn seconds(at_ms: u64) -> u32 {
    (at_ms / 1000) as u32
}
