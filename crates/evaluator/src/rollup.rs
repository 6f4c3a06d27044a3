//! Exact counts: how many units of each colour, how many blind ones and what standing risk lie in each grid, village,
//! township and city.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{ColourCounts, Evaluated, RegionCode, RegionStatus, RiskBands};
use rustc_hash::FxHashMap;

use crate::judge::{Counted, Delta, Judged};

/// Units of every region that has any, counted.
#[derive(Debug, Default)]
pub struct Rollup {
    counts: FxHashMap<RegionCode, Counts>,
}

/// Units of one region, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub colours: ColourCounts,
    pub blind: u32,
    pub risk: RiskBands,
}

impl Counts {
    fn count(&mut self, unit: &Counted, comes: bool) {
        let add = |count: &mut u32| *count = if comes { *count + 1 } else { *count - 1 };
        add(self.colours.of(unit.colour));
        if unit.blind {
            add(&mut self.blind);
        }
        if let Some(index) = unit.risk {
            self.risk.count(index, comes);
        }
    }
}

impl Rollup {
    /// Counts units anew.
    pub fn of(units: impl Iterator<Item = Counted>) -> Rollup {
        let mut rollup = Rollup::default();
        for unit in units {
            for region in unit.grid.ancestry() {
                rollup.counts.entry(region).or_default().count(&unit, true);
            }
        }
        rollup
    }

    /// The units of a region, counted; `None` where it has none.
    #[cfg(test)]
    pub fn count(&self, region: RegionCode) -> Option<ColourCounts> {
        self.counts.get(&region).map(|counts| counts.colours)
    }

    /// Every region with its counts, by code.
    #[cfg(test)]
    pub fn all(&self) -> BTreeMap<RegionCode, Counts> {
        self.counts.iter().map(|(region, counts)| (*region, *counts)).collect()
    }

    /// Takes changes in; the regions whose counts differ after them, ordered by code.
    pub fn apply(&mut self, deltas: &[Delta]) -> Vec<RegionStatus> {
        let mut before: BTreeMap<RegionCode, Counts> = BTreeMap::new();
        for delta in deltas {
            // the one that comes is counted before the one that goes: no count falls below zero on the way
            let of_delta = [(delta.to, true), (delta.from, false)];
            for (unit, comes) in of_delta.into_iter().filter_map(|(at, comes)| Some((at?, comes))) {
                for region in unit.grid.ancestry() {
                    let counts = self.counts.entry(region).or_default();
                    before.entry(region).or_insert(*counts);
                    counts.count(&unit, comes);
                }
            }
        }
        let mut changed = Vec::new();
        for (region, was) in before {
            let counts = self.counts.get(&region).copied().unwrap_or_default();
            if counts.colours.total() == 0 {
                self.counts.remove(&region);
            }
            if counts != was {
                let Counts { colours, blind, risk } = counts;
                changed.push(RegionStatus { region, counts: colours, blind, risk });
            }
        }
        changed
    }

    /// Joins what all shares found in one commit.
    pub fn join(&mut self, mut parts: Vec<Judged>) -> Option<Evaluated> {
        let mut all = parts.pop()?;
        for part in parts {
            all.findings.extend(part.findings);
            all.units.extend(part.units);
            all.deltas.extend(part.deltas);
            all.devices.extend(part.devices);
        }
        // also for a single share, so that the order does not depend on how many there are
        all.findings.sort_by_key(|(place, finding)| (*place, finding.unit));
        all.units.sort_by_key(|status| status.unit);
        all.devices.sort_by_key(|change| change.device);
        Some(Evaluated {
            step: all.step,
            findings: all.findings.into_iter().map(|(_, finding)| finding).collect(),
            units: all.units,
            regions: self.apply(&all.deltas),
            devices: Arc::from(all.devices),
        })
    }
}

#[cfg(test)]
mod tests {
    use model::Colour;

    use super::*;

    fn unit(grid: RegionCode, colour: Colour, risk: u8) -> Option<Counted> {
        Some(Counted { grid, colour, blind: colour == Colour::Blind, risk: Some(risk) })
    }

    #[test]
    fn counts_follow_units_that_come_change_move_and_go() {
        let grid = |text: &str| text.parse::<RegionCode>().expect("valid");
        let (one, two) = (grid("331083001001001"), grid("331083001002001"));
        let mut rollup = Rollup::default();
        let came = rollup.apply(&[
            Delta { from: None, to: unit(one, Colour::Blind, 70) },
            Delta { from: None, to: unit(one, Colour::Blue, 20) },
        ]);
        assert_eq!(came.len(), 4);
        assert!(came.iter().all(|status| status.counts.total() == 2 && status.counts.blind == 1 && status.blind == 1));
        assert!(came.iter().all(|status| status.risk.mean() == Some(45.0) && status.risk.units[7] == 1));
        let moved = rollup.apply(&[Delta { from: unit(one, Colour::Blind, 70), to: unit(two, Colour::Blind, 70) }]);
        let codes: Vec<String> = moved.iter().map(|status| status.region.to_string()).collect();
        assert_eq!(codes, ["331083001001", "331083001002", "331083001001001", "331083001002001"]);
        let seen = rollup.apply(&[Delta { from: unit(two, Colour::Blind, 70), to: unit(two, Colour::Yellow, 100) }]);
        let status = seen.iter().find(|status| status.region == two).expect("told");
        assert_eq!((status.blind, status.counts.yellow, status.risk.units[9]), (0, 1, 1));
        let gone = rollup.apply(&[Delta { from: unit(two, Colour::Yellow, 100), to: None }]);
        assert_eq!(gone.len(), 4);
        assert_eq!(gone.iter().find(|status| status.region == two).expect("told").counts.total(), 0);
        assert_eq!(rollup.counts, Rollup::of(unit(one, Colour::Blue, 20).into_iter()).counts);
    }
}
