//! Colours of both sides, by time.

use std::collections::BTreeMap;

use model::{Colour, Evaluated, UnitId};

/// A unit's colours on both sides since a time.
#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    before: Option<Colour>,
    after: Option<Colour>,
    since_ms: u64,
}

/// How long units had which colours.
#[derive(Debug, Default)]
pub struct Colours {
    units: Vec<Pair>,
    /// Since when it counts.
    from_ms: Option<u64>,
    /// Time that all units together had a colour, ms: before, after.
    pub shares_ms: BTreeMap<Colour, [u64; 2]>,
    /// Time that units had one colour before and another one after, ms.
    pub changed_ms: BTreeMap<(Colour, Colour), u64>,
    /// The same by unit.
    pub units_ms: BTreeMap<UnitId, u64>,
}

impl Colours {
    /// What both sides begin with.
    pub fn begin(
        before: impl Iterator<Item = (UnitId, Colour)>,
        after: impl Iterator<Item = (UnitId, Colour)>,
    ) -> Colours {
        let mut colours = Colours::default();
        for (unit, colour) in before {
            colours.change(unit, 0).before = Some(colour);
        }
        for (unit, colour) in after {
            colours.change(unit, 0).after = Some(colour);
        }
        colours
    }

    /// Takes in what both sides said of one commit.
    pub fn take(&mut self, at_ms: u64, counts: bool, before: &Evaluated, after: &Evaluated) {
        if counts {
            self.from_ms.get_or_insert(at_ms);
        }
        for status in &before.units {
            self.change(status.unit, at_ms).before = Some(status.colour);
        }
        for status in &after.units {
            self.change(status.unit, at_ms).after = Some(status.colour);
        }
    }

    /// Counts to the end.
    pub fn end(&mut self, at_ms: u64) {
        for unit in 0..self.units.len() {
            self.change(UnitId(unit as u32), at_ms);
        }
    }

    /// Closes what a unit had until now; what it has from now on is to be said.
    fn change(&mut self, unit: UnitId, at_ms: u64) -> &mut Pair {
        if self.units.len() <= unit.index() {
            self.units.resize(unit.index() + 1, Pair::default());
        }
        let pair = &mut self.units[unit.index()];
        let counted_ms = self.from_ms.map_or(0, |from_ms| at_ms.saturating_sub(pair.since_ms.max(from_ms)));
        if let (Some(before), Some(after), true) = (pair.before, pair.after, counted_ms > 0) {
            self.shares_ms.entry(before).or_default()[0] += counted_ms;
            self.shares_ms.entry(after).or_default()[1] += counted_ms;
            if before != after {
                *self.changed_ms.entry((before, after)).or_default() += counted_ms;
                *self.units_ms.entry(unit).or_default() += counted_ms;
            }
        }
        pair.since_ms = at_ms;
        pair
    }
}
