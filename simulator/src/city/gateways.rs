//! Which devices speak through a gateway: one radio gateway serves its maker's wireless alarms of a village, one bus coupler a
//! unit's wired detectors.

use crate::roster::Roster;
use std::collections::BTreeMap;

/// Devices that one radio gateway serves.
const DEVICES_MAX: usize = 40;

/// Fills the gateways of `roster.devices`.
pub fn build(roster: &mut Roster) {
    let village: BTreeMap<&str, &str> = roster.units.iter().map(|u| (u.code.as_str(), &u.grid[..12])).collect();
    let mut served: BTreeMap<&str, usize> = BTreeMap::new();
    for device in &mut roster.devices {
        device.gateway = match device.vendor.as_str() {
            "zhixun" => {
                let village = village[device.unit.as_str()];
                let number = served.entry(village).or_default();
                *number += 1;
                format!("ZW{village}-{}", (*number - 1) / DEVICES_MAX + 1)
            }
            "tonglian" => format!("TB{}", device.unit),
            _ => String::new(),
        };
    }
}
