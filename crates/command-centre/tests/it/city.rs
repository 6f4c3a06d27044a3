//! A small city: 2 townships of 2 villages of 2 grids of [`UNITS_PER_GRID`] units with a device each.

use std::sync::Arc;

use model::roster::{CameraRow, DeviceClass, DeviceRow, PersonRow, Post, RosterRows, UnitRow};
use model::{RegionCode, Roster};

pub const UNITS_PER_GRID: usize = 5;
pub const UNITS: usize = 8 * UNITS_PER_GRID;
pub const CITY: &str = "331083";
pub const TOWNSHIP: &str = "331083001";
pub const OTHER_TOWNSHIP: &str = "331083002";

pub fn code(text: &str) -> RegionCode {
    text.parse().unwrap()
}

/// Grids in order of their codes; the units of grid `n` are `n * UNITS_PER_GRID` and on.
pub fn grids() -> Vec<String> {
    let mut grids = Vec::new();
    for township in 1..=2 {
        for village in 1..=2 {
            for grid in 1..=2 {
                grids.push(format!("{CITY}00{township}00{village}00{grid}"));
            }
        }
    }
    grids
}

pub fn rows() -> RosterRows {
    let mut rows = RosterRows::default();
    let mut regions = vec![(CITY.to_owned(), "玉环市".to_owned())];
    for township in 1..=2 {
        regions.push((format!("{CITY}00{township}"), format!("第{township}街道")));
        for village in 1..=2 {
            regions.push((format!("{CITY}00{township}00{village}"), format!("第{village}村")));
        }
    }
    regions.extend(grids().into_iter().map(|grid| (grid.clone(), format!("{}网格", &grid[12..]))));
    rows.regions = regions.iter().map(|(region, name)| (2, code(region), name.as_str().into())).collect();
    for (person, name, post, region) in [
        ("P1", "王业主", Post::Owner, grids()[0].as_str()),
        ("P2", "李网格", Post::GridWorker, grids()[0].as_str()),
        ("P3", "陈镇长", Post::TownshipChief, TOWNSHIP),
    ] {
        rows.people.push((2, person_row(person, name, post, region)));
    }
    for at in 0..UNITS {
        let grid = code(&grids()[at / UNITS_PER_GRID]);
        let unit: Box<str> = format!("U{at:04}").into();
        rows.units.push((
            2,
            UnitRow {
                code: unit.clone(),
                name: format!("{at}号店").into(),
                category: if at % 2 == 0 { "沿街商铺" } else { "出租房" }.into(),
                address: format!("Harbour Road {at}").into(),
                grid,
                owner: "P1".into(),
                position_m: None,
                profile: Default::default(),
            },
        ));
        rows.devices.push((
            2,
            DeviceRow {
                vendor: "acme".into(),
                name: format!("烟感{at}").into(),
                unit: unit.clone(),
                class: DeviceClass::Smoke,
                location: "厨房".into(),
                report_every_s: 60,
                gateway: "".into(),
            },
        ));
    }
    rows.cameras.push((
        2,
        CameraRow { code: "C1".into(), unit: "U0000".into(), location: "门口".into(), stream: "rtsp://x/1".into() },
    ));
    rows
}

fn person_row(person: &str, name: &str, post: Post, region: &str) -> PersonRow {
    PersonRow {
        code: person.into(),
        name: name.into(),
        phone: "13800000000".into(),
        post,
        region: code(region),
        channels: vec!["mqtt".into()],
        contact: Default::default(),
        deputy: "".into(),
    }
}

pub fn roster() -> Arc<Roster> {
    let empty = Roster::default();
    Arc::new(empty.after(&empty.change_to(&rows()).unwrap(), 1))
}
