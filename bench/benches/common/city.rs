//! A city of the user's size, as the benches need it: 76,000 units, 81,400 devices `acme/d{number}`.

use std::sync::Arc;

use model::Roster;
use model::roster::{DeviceClass, DeviceRow, RosterRows, UnitRow};

pub const UNITS: usize = 76_000;
pub const DEVICES: usize = 81_400;

/// 11 townships, 221 villages, 1,326 grids.
pub fn roster() -> Arc<Roster> {
    let mut rows = RosterRows::default();
    let mut region = |code: &str| rows.regions.push((0, code.parse().expect("a region code"), code.into()));
    region("331083");
    let mut grids = Vec::new();
    for village in 0..221 {
        let township = format!("331083{:03}", village % 11 + 1);
        if village < 11 {
            region(&township);
        }
        let village = format!("{township}{:03}", village / 11 + 1);
        region(&village);
        for grid in 1..=6 {
            let grid = format!("{village}{grid:03}");
            region(&grid);
            grids.push(grid);
        }
    }
    let unit = |number: usize| UnitRow {
        code: format!("U{number}").into(),
        name: "店".into(),
        category: "沿街商铺".into(),
        address: "".into(),
        grid: grids[number % grids.len()].parse().expect("a region code"),
        owner: "".into(),
        position_m: None,
        profile: Default::default(),
    };
    rows.units = (0..UNITS).map(|number| (0, unit(number))).collect();
    let device = |number: usize| DeviceRow {
        vendor: "acme".into(),
        name: format!("d{number}").into(),
        unit: format!("U{}", number % UNITS).into(),
        class: DeviceClass::Combined,
        location: "".into(),
        report_every_s: 60,
        gateway: "".into(),
    };
    rows.devices = (0..DEVICES).map(|number| (0, device(number))).collect();
    let empty = Roster::default();
    Arc::new(empty.after(&empty.change_to(&rows).expect("no faults"), 1))
}
