//! When units' standing risk is computed, and what is kept for it.

use model::{Family, Roster, Step, UnitId};

use super::{Delta, Judge};
use crate::risk::{self, Seen};
use crate::rule;
use crate::state::NO_DEVICE;

impl Judge {
    /// Marks the standing risk of units that were touched as stale, and computes at a tick that of the stale units that the
    /// sweep passes; those whose index moved are added to `touched`, which is ordered and without repetitions before and after.
    /// Nothing is computed between ticks, so that it does not matter how what happens is cut into commits.
    pub(super) fn stand(&mut self, touched: &mut Vec<u32>, step: &Step, ticked: bool) {
        for id in &*touched {
            let fresh = self.state.units.get(*id as usize).is_some_and(|unit| unit.current && !unit.standing.stale);
            if fresh && let Some(unit) = self.state.units.get_mut(*id as usize) {
                unit.standing.stale = true;
            }
        }
        if ticked {
            let before = touched.len();
            self.sweep(touched, &step.roster);
            if touched.len() > before {
                touched.sort_unstable();
                touched.dedup();
            }
            self.state.trends.tick(self.state.at_ms);
        }
    }

    /// Version of the weights in force.
    pub(crate) fn risk_version(&self) -> &str {
        &self.settings().risk.version
    }

    fn sweep(&mut self, moved: &mut Vec<u32>, roster: &Roster) {
        let units = u32::try_from(self.state.units.len()).unwrap_or(u32::MAX);
        let now_ms = self.state.at_ms;
        let visits = self.state.sweep.visits(units, now_ms, &self.rules.settings().risk);
        for _ in 0..visits {
            let id = self.state.sweep.next % units;
            self.state.sweep.next = (id + 1) % units;
            let Some(unit) = self.state.units.get(id as usize).filter(|unit| unit.current) else { continue };
            let generation = self.state.sweep.generation;
            if risk::is_due(id, &unit.standing, generation, now_ms, &self.rules.settings().risk)
                && self.compute(id, roster)
            {
                moved.push(id);
            }
        }
    }

    /// Computes a unit's index; whether it moved.
    fn compute(&mut self, id: u32, roster: &Roster) -> bool {
        let Judge { state, rules, places, .. } = self;
        let settings = &rules.settings().risk;
        let places = risk::places_for(places, roster);
        let Some(seen) = Seen::of(state, settings, roster, places, UnitId(id), state.at_ms) else { return false };
        let exact = risk::score(&seen, settings);
        let (generation, now_s) = (state.sweep.generation, risk::seconds(state.at_ms));
        let Some(unit) = state.units.get_mut(id as usize) else { return false };
        // other weights speak another language: no step is kept
        let before = unit.risk.filter(|_| unit.standing.generation == generation);
        let index = risk::told(before, exact, settings);
        (unit.standing.computed_s, unit.standing.generation, unit.standing.stale) = (now_s, generation, false);
        let moved = unit.risk != Some(index);
        unit.risk = Some(index);
        moved
    }

    /// Takes down since when units are in fault or blind, and how their regions' means move.
    pub(super) fn account(&mut self, touched: &[u32], deltas: &[Delta]) {
        let at_ms = self.state.at_ms;
        for id in touched {
            let Some(unit) = self.state.units.get(*id as usize).filter(|unit| unit.current) else { continue };
            let faults = unit.held.iter().filter(|held| held.device != NO_DEVICE);
            let faulty = faults.into_iter().any(|held| rule::condition(held.condition).family == Family::Fault);
            let blind = unit.blind_since_ms.is_some();
            if !unit.standing.accounts_as(faulty, blind)
                && let Some(unit) = self.state.units.get_mut(*id as usize)
            {
                unit.standing.account(faulty, blind, at_ms);
            }
        }
        for delta in deltas {
            self.state.trends.count(delta.from.as_ref(), delta.to.as_ref());
        }
    }
}
