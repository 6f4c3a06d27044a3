//! Where the monitored water is: by village, from the roster.

use model::roster::DeviceClass;
use model::{DeviceId, Epoch, Level, RegionCode, Roster, UnitId};
use rustc_hash::FxHashMap;

/// A hydrant, sprinkler or tank with a device.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub device: DeviceId,
    pub unit: UnitId,
    pub position_m: Option<(f32, f32)>,
}

/// What of a roster is looked up for every index.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub version: Epoch,
    water: FxHashMap<RegionCode, Vec<Point>>,
}

impl Places {
    pub fn of(roster: &Roster) -> Places {
        Places::of_some(roster, |_| true)
    }

    /// Of one village alone.
    pub fn of_village(roster: &Roster, grid: RegionCode) -> Places {
        let village = village(grid);
        Places::of_some(roster, |other| other == village)
    }

    fn of_some(roster: &Roster, looked_at: impl Fn(RegionCode) -> bool) -> Places {
        let mut places = Places { version: roster.version(), water: FxHashMap::default() };
        for (slot, id) in roster.devices().iter().zip(0..) {
            if !slot.current || slot.row.class != DeviceClass::Water {
                continue;
            }
            let unit = slot.row.unit;
            let Some(row) = roster.units().get(unit.index()).filter(|unit| unit.current) else { continue };
            let village = village(row.row.grid);
            if looked_at(village) {
                let point = Point { device: DeviceId(id), unit, position_m: row.row.position_m };
                places.water.entry(village).or_default().push(point);
            }
        }
        places
    }

    /// The water of the village that the grid lies in.
    pub fn water(&self, grid: RegionCode) -> &[Point] {
        self.water.get(&village(grid)).map_or(&[], Vec::as_slice)
    }
}

/// The village that a grid lies in.
pub(crate) fn village(grid: RegionCode) -> RegionCode {
    grid.at(Level::Village).unwrap_or(grid)
}
