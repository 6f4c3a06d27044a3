//! The standing risk of a unit: how likely and how grave a fire is there, over days. An index from 0 to 100.
//!
//! The index is a weighted sum of indicators ([`indicators`]), each from 0 (nothing) to 1 (as bad as it counts). Weights and
//! the points at which indicators are full are the table `[risk]` of the rules, which carries a version; the version is shown
//! with every score. What a fire alarm means now is not its business: that is the unit's severity.
//!
//! When it is computed: by a sweep over all units which takes a minute ([`Sweep`]), for those whose conditions, devices or
//! verdicts changed, after other rules or another roster for all, and for each unit about once an hour, so that ages and time
//! shares move. Never for a reading, and for no unit twice within [`Settings::recompute_least_s`]. It is told when it moved by
//! [`Settings::told_step_points`] at least.
//!
//! What is kept of a unit is its [`History`]: fault and blind time, alarms, verdicts, 64 bytes. What is kept of a grid is a mean
//! a day ([`trend`]). Everything else follows from conditions, devices and the roster.

mod board;
mod history;
pub mod indicators;
mod places;
mod seen;
mod settings;
mod trend;

use model::{Epoch, Roster, UnitId};
use serde::{Deserialize, Serialize};

pub use board::Board;
pub use history::History;
pub(crate) use places::Places;
pub use seen::{Reach, Seen, Water};
pub use settings::{Settings, Weights};
pub use trend::{DAYS_MAX, Day, Trends, day_of, trend};

use crate::rules::Rules;
use crate::state::State;
use crate::why::Part;
use indicators::INDICATORS;

/// What is kept of a unit for its index.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// When the index was computed, s since 1970.
    pub computed_s: u32,
    /// Roster and rules that it was computed with, see [`Sweep::generation`].
    pub generation: u32,
    /// Something changed since.
    pub stale: bool,
    /// Made when there is something to remember; most units have it, as they were blind before their devices first spoke.
    pub history: Option<History>,
}

impl Standing {
    fn history_mut(&mut self, at_ms: u64) -> &mut History {
        self.history.get_or_insert_with(|| History::new(seconds(at_ms)))
    }

    /// A detector of the unit began to see fire.
    pub fn alarm(&mut self, at_ms: u64) {
        self.history_mut(at_ms).alarm(seconds(at_ms));
    }

    /// Somebody found a fire alarm real, false, or a test; `was_real`: before, it had been found real.
    pub fn verdict(&mut self, verdict: model::Verdict, was_real: bool, at_ms: u64) {
        self.history_mut(at_ms).verdict(seconds(at_ms), verdict, was_real);
    }

    /// The unit is in fault, or blind, from now on; or no longer.
    pub fn account(&mut self, faulty: bool, blind: bool, at_ms: u64) {
        self.history_mut(at_ms).account(seconds(at_ms), faulty, blind);
    }

    /// Whether [`Standing::account`] would change anything.
    pub fn accounts_as(&self, faulty: bool, blind: bool) -> bool {
        self.history.as_ref().map_or((false, false), |history| history.flags()) == (faulty, blind)
    }
}

/// Where the sweep over all units stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// The next unit.
    pub next: u32,
    /// When units were last visited, ms since 1970.
    pub swept_ms: u64,
    /// What is left of a visit: units × ms, below [`ROUND_MS`].
    pub owed: u64,
    /// Counts rosters and rules: an index of another generation is stale.
    pub generation: u32,
}

/// The sweep passes every unit once in so long, where [`Settings::visits_per_tick_max`] allows it.
pub const ROUND_MS: u64 = 60_000;

impl Sweep {
    /// How many of `units` are to be visited at this tick.
    pub(crate) fn visits(&mut self, units: u32, now_ms: u64, settings: &Settings) -> u32 {
        let passed_ms = now_ms.saturating_sub(self.swept_ms).min(ROUND_MS);
        self.swept_ms = self.swept_ms.max(now_ms);
        let owed = self.owed + u64::from(units) * passed_ms;
        self.owed = owed % ROUND_MS;
        u32::try_from(owed / ROUND_MS).unwrap_or(u32::MAX).min(units).min(settings.visits_per_tick_max)
    }
}

/// Whether the sweep computes the unit's index.
pub(crate) fn is_due(id: u32, standing: &Standing, generation: u32, now_ms: u64, settings: &Settings) -> bool {
    let passed_s = seconds(now_ms).saturating_sub(standing.computed_s);
    if passed_s < settings.recompute_least_s {
        return false;
    }
    // all were computed together when the roster came; they drift apart
    let spread_s = settings.refresh_every_s / 6 * (id % 61) / 60;
    standing.stale || standing.generation != generation || passed_s >= settings.refresh_every_s - spread_s
}

/// The index to tell, after one that was told.
pub(crate) fn told(before: Option<u8>, exact: f64, settings: &Settings) -> u8 {
    match before {
        Some(before) if (exact - f64::from(before)).abs() < settings.told_step_points => before,
        _ => exact.round().clamp(0.0, 100.0) as u8,
    }
}

/// Why a unit's index is what it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RiskWhy {
    /// As last told; as it would be, for a unit that was never told of.
    pub index: u8,
    /// As it is at this moment, before rounding. The points of the parts sum up to it.
    pub exact: f64,
    /// Of the weights.
    pub version: String,
    /// One for each indicator, those that add most first.
    pub parts: Vec<Part>,
}

/// Why a unit's index is what it is; `None` for a unit that is not on the roster, or not of this share.
pub fn why(state: &State, rules: &Rules, roster: &Roster, id: UnitId, now_ms: u64) -> Option<RiskWhy> {
    let settings = &rules.settings().risk;
    let unit = state.units.get(id.index()).filter(|unit| unit.current)?;
    let places = Places::of_village(roster, unit.grid);
    let seen = Seen::of(state, settings, roster, &places, id, now_ms)?;
    let part = |indicator: &indicators::Indicator| {
        let (value, weight) = ((indicator.value)(&seen, settings), (indicator.weight)(&settings.weights));
        let words = (indicator.words)(&seen, settings);
        Part { name: indicator.name.into(), words, value, weight, points: 100.0 * weight * value }
    };
    let mut parts: Vec<Part> = INDICATORS.iter().map(part).collect();
    let exact = score(&seen, settings);
    parts.sort_by(|a, b| b.points.total_cmp(&a.points));
    let index = unit.risk_told.unwrap_or_else(|| told(None, exact, settings));
    Some(RiskWhy { index, exact, version: settings.version.clone(), parts })
}

/// The index before rounding, 0 to 100.
pub fn score(seen: &Seen<'_>, settings: &Settings) -> f64 {
    let each = INDICATORS.iter().map(|of| (of.weight)(&settings.weights) * (of.value)(seen, settings));
    100.0 * each.sum::<f64>()
}

/// Seconds since 1970.
pub(crate) fn seconds(at_ms: u64) -> u32 {
    u32::try_from(at_ms / 1000).unwrap_or(u32::MAX)
}

/// The roster that places were taken from.
pub(crate) fn places_for<'a>(places: &'a mut Places, roster: &Roster) -> &'a Places {
    let version: Epoch = roster.version();
    if places.version != version {
        *places = Places::of(roster);
    }
    places
}

#[cfg(test)]
mod tests;
