//! Which devices are lost together: those behind one gateway, and one vendor's of a village that have no gateway.

use model::{Level, RegionCode, Roster, UnitId};
use rustc_hash::FxHashMap;

use crate::state::GroupKey;

/// Devices that are lost together.
#[derive(Debug)]
pub struct Group {
    pub key: GroupKey,
    /// The gateway's own device, where it is on the roster and in the village.
    pub own: Option<u32>,
    /// The others, by number.
    pub members: Vec<u32>,
}

impl Group {
    /// Whom an outage is told of.
    pub fn anchor(&self) -> u32 {
        self.own.or_else(|| self.members.first().copied()).unwrap_or(NONE)
    }

    pub fn is_gateway(&self) -> bool {
        !self.key.gateway.is_empty()
    }

    /// All of it.
    pub fn devices(&self) -> impl Iterator<Item = u32> {
        self.own.iter().chain(&self.members).copied()
    }
}

/// Every group of the share. Made anew with each roster; nothing of it is kept.
#[derive(Debug, Default)]
pub struct Groups {
    groups: Vec<Group>,
    /// By device; [`NONE`] for one without a group.
    of: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Groups {
    /// Groups of all current devices in grids that are `ours`.
    pub fn of(roster: &Roster, ours: impl Fn(RegionCode) -> bool) -> Groups {
        let village = |unit: UnitId| {
            let grid = roster.unit(unit).map(|unit| unit.grid).filter(|grid| ours(*grid))?;
            Some(grid.at(Level::Village).unwrap_or(grid))
        };
        let mut groups: Vec<Group> = Vec::new();
        let mut of = vec![NONE; roster.devices().len()];
        let mut numbers: FxHashMap<(RegionCode, &str, &str), u32> = FxHashMap::default();
        // those behind gateways first, so that a gateway's own device is known as such
        for behind in [true, false] {
            for (slot, device) in roster.devices().iter().zip(0_u32..) {
                let row = &slot.row;
                let Some(village) = village(row.unit).filter(|_| slot.current && row.gateway.is_empty() != behind)
                else {
                    continue;
                };
                let key = (village, &*row.vendor, &*row.gateway);
                if !behind && let Some(number) = numbers.get(&(village, &*row.vendor, &*row.name)) {
                    groups[*number as usize].own = Some(device);
                    of[device as usize] = *number;
                    continue;
                }
                let number = *numbers.entry(key).or_insert(groups.len() as u32);
                if number as usize == groups.len() {
                    let key = GroupKey { village, vendor: row.vendor.clone(), gateway: row.gateway.clone() };
                    groups.push(Group { key, own: None, members: Vec::new() });
                }
                groups[number as usize].members.push(device);
                of[device as usize] = number;
            }
        }
        Groups { groups, of }
    }

    /// The device's group.
    pub fn number(&self, device: u32) -> Option<u32> {
        self.of.get(device as usize).copied().filter(|number| *number != NONE)
    }

    pub fn get(&self, number: u32) -> Option<&Group> {
        self.groups.get(number as usize)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }
}
