//! Neighbours: fire spreads, and smoke is seen next door. A fire in another unit of the same village is evidence here, see
//! [`crate::rule::evidence`]. Units of other villages are not looked at: a village is one worker's.

use model::{Epoch, Level, RegionCode, Roster, UnitId};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::evidence::{Neighbour, burning_ms};
use crate::rule::RuleSettings;
use crate::state::State;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Units no further apart than this are neighbours, m. 50; 0 for none.
    pub radius_m: f32,
    /// A neighbour's fire that ended still counts for so long, s. 1800.
    pub within_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { radius_m: 50.0, within_s: 1800 }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), String> {
        if (0.0..=1000.0).contains(&self.radius_m) { Ok(()) } else { Err("radius_m must be 0 to 1000".into()) }
    }
}

/// Side of a cell of the map, m.
const CELL_M: f32 = 50.0;

/// Where units are. Made anew with each roster; nothing of it is kept.
#[derive(Debug, Default)]
pub struct Neighbourhood {
    /// Roster that it was made of.
    pub version: Epoch,
    cells: FxHashMap<(RegionCode, i32, i32), SmallVec<[u32; 4]>>,
    /// Units of a grid, those without a position apart.
    grids: FxHashMap<RegionCode, (Vec<u32>, Vec<u32>)>,
}

type Metres = (f32, f32);

impl Neighbourhood {
    /// All current units in the villages that `ours` names by one of their grids.
    pub fn of(roster: &Roster, ours: impl Fn(RegionCode) -> bool) -> Neighbourhood {
        let mut places = Neighbourhood { version: roster.version(), ..Neighbourhood::default() };
        for (slot, id) in roster.units().iter().zip(0..) {
            if !slot.current || !ours(slot.row.grid) {
                continue;
            }
            let (placed, unplaced) = places.grids.entry(slot.row.grid).or_default();
            match position(&slot.row) {
                Some(at) => {
                    placed.push(id);
                    let (x, y) = cell(at);
                    places.cells.entry((village(slot.row.grid), x, y)).or_default().push(id);
                }
                None => unplaced.push(id),
            }
        }
        places
    }

    /// The units of one unit's village.
    pub fn around(roster: &Roster, id: UnitId) -> Neighbourhood {
        let of = roster.unit(id).map(|unit| village(unit.grid));
        Neighbourhood::of(roster, |grid| Some(village(grid)) == of)
    }

    /// Fires of neighbours that count now, by unit.
    pub fn fires(
        &self,
        settings: &RuleSettings,
        state: &State,
        roster: &Roster,
        id: UnitId,
        now_ms: u64,
    ) -> Vec<Neighbour> {
        let Settings { radius_m, within_s } = settings.neighbours;
        let Some(unit) = roster.unit(id).filter(|_| radius_m > 0.0) else { return Vec::new() };
        let mut fires = Vec::new();
        let mut look = |other: u32, near: bool| {
            let burning = state.units.get(other as usize).and_then(|unit| burning_ms(unit, now_ms));
            if other != id.0
                && let Some(age_ms) = burning.filter(|age_ms| *age_ms <= u64::from(within_s) * 1000)
            {
                fires.push(Neighbour { unit: other, near, age_ms });
            }
        };
        let here = position(unit);
        if let Some(at) = here {
            self.within(roster, village(unit.grid), at, radius_m, |other| look(other, true));
        }
        if let Some((placed, unplaced)) = self.grids.get(&unit.grid) {
            unplaced.iter().for_each(|other| look(*other, false));
            placed.iter().filter(|_| here.is_none()).for_each(|other| look(*other, false));
        }
        fires.sort_unstable();
        fires
    }

    fn within(&self, roster: &Roster, village: RegionCode, at: Metres, radius_m: f32, mut found: impl FnMut(u32)) {
        let (from, to) = (cell((at.0 - radius_m, at.1 - radius_m)), cell((at.0 + radius_m, at.1 + radius_m)));
        for x in from.0..=to.0 {
            for y in from.1..=to.1 {
                for other in self.cells.get(&(village, x, y)).into_iter().flatten() {
                    let there = roster.unit(UnitId(*other)).and_then(position);
                    if there.is_some_and(|there| (there.0 - at.0).hypot(there.1 - at.1) <= radius_m) {
                        found(*other);
                    }
                }
            }
        }
    }
}

fn position(unit: &model::roster::Unit) -> Option<Metres> {
    unit.position_m.filter(|(x, y)| x.is_finite() && y.is_finite())
}

fn cell(at: Metres) -> (i32, i32) {
    // saturating: what lies beyond the map shares its last cell
    ((at.0 / CELL_M).floor() as i32, (at.1 / CELL_M).floor() as i32)
}

fn village(grid: RegionCode) -> RegionCode {
    grid.at(Level::Village).unwrap_or(grid)
}
