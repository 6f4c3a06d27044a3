//! Exact counts: how many units of each colour lie in each grid, village, township and city.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Colour, ColourCounts, Evaluated, RegionCode, RegionStatus};
use rustc_hash::FxHashMap;

use crate::judge::{Delta, Judged};

/// Units by colour, of every region that has any.
#[derive(Debug, Default)]
pub struct Rollup {
    counts: FxHashMap<RegionCode, ColourCounts>,
}

impl Rollup {
    /// Counts units anew.
    pub fn of(units: impl Iterator<Item = (RegionCode, Colour)>) -> Rollup {
        let mut rollup = Rollup::default();
        for (grid, colour) in units {
            for region in grid.ancestry() {
                *rollup.counts.entry(region).or_default().of(colour) += 1;
            }
        }
        rollup
    }

    /// The units of a region, counted; `None` where it has none.
    #[cfg(test)]
    pub fn count(&self, region: RegionCode) -> Option<ColourCounts> {
        self.counts.get(&region).copied()
    }

    /// Takes changes in; the regions whose counts differ after them, ordered by code.
    pub fn apply(&mut self, deltas: &[Delta]) -> Vec<RegionStatus> {
        let mut before: BTreeMap<RegionCode, ColourCounts> = BTreeMap::new();
        for delta in deltas {
            // the one that comes is counted before the one that goes: no count falls below zero on the way
            for (grid, colour, comes) in [(delta.to, true), (delta.from, false)]
                .into_iter()
                .filter_map(|(at, comes)| at.map(|(g, c)| (g, c, comes)))
            {
                for region in grid.ancestry() {
                    let counts = self.counts.entry(region).or_default();
                    before.entry(region).or_insert(*counts);
                    let count = counts.of(colour);
                    *count = if comes { *count + 1 } else { *count - 1 };
                }
            }
        }
        let mut changed = Vec::new();
        for (region, was) in before {
            let counts = self.counts.get(&region).copied().unwrap_or_default();
            if counts.total() == 0 {
                self.counts.remove(&region);
            }
            if counts != was {
                changed.push(RegionStatus { region, counts });
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
    use super::*;

    #[test]
    fn counts_follow_units_that_come_change_move_and_go() {
        let grid = |text: &str| text.parse::<RegionCode>().expect("valid");
        let (one, two) = (grid("331083001001001"), grid("331083001002001"));
        let mut rollup = Rollup::default();
        let came = rollup.apply(&[
            Delta { from: None, to: Some((one, Colour::Blind)) },
            Delta { from: None, to: Some((one, Colour::Blue)) },
        ]);
        assert_eq!(came.len(), 4);
        assert!(came.iter().all(|status| status.counts.total() == 2 && status.counts.blind == 1));
        let moved = rollup.apply(&[Delta { from: Some((one, Colour::Blind)), to: Some((two, Colour::Blind)) }]);
        let codes: Vec<String> = moved.iter().map(|status| status.region.to_string()).collect();
        assert_eq!(codes, ["331083001001", "331083001002", "331083001001001", "331083001002001"]);
        let gone = rollup.apply(&[Delta { from: Some((two, Colour::Blind)), to: None }]);
        assert_eq!(gone.len(), 4);
        assert_eq!(gone.iter().find(|status| status.region == two).expect("told").counts.total(), 0);
        assert_eq!(rollup.counts, Rollup::of([(one, Colour::Blue)].into_iter()).counts);
    }
}
