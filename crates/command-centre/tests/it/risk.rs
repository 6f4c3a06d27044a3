//! The standing risk: of units, of regions, and as the map's second plane.

use std::io::Read;

use reqwest::Method;
use serde_json::{Value, json};

use crate::city::{self, UNITS, UNITS_PER_GRID};
use crate::station::{LOCAL, Station, VIEWER};

#[tokio::test]
async fn a_region_tells_its_distribution_trend_and_worst_units() {
    let station = Station::start().await;
    for (unit, index) in [(0, 9), (1, 10), (2, 95), (3, 100), (UNITS as u32 - 1, 56)] {
        station.desk.risk(unit, index);
    }
    let city = station.get(VIEWER, "/api/v1/regions/331083/risk").await.ok();
    assert_eq!((&city["version"], &city["units"], &city["mean"]), (&json!("2026-11"), &json!(5), &json!(54.0)));
    assert_eq!(city["bands"], json!([1, 1, 0, 0, 0, 1, 0, 0, 0, 2]));
    assert_eq!((&city["change_1d"], &city["change_30d"]), (&json!(4.0), &json!(14.0)));
    assert_eq!(city["days"].as_array().unwrap().len(), 3);
    let worst: Vec<_> = city["worst"].as_array().unwrap().iter().map(|unit| (&unit["code"], &unit["risk"])).collect();
    assert_eq!(worst[0], (&json!("U0003"), &json!(100)));
    assert_eq!(worst.iter().map(|(_, risk)| risk.as_u64().unwrap()).collect::<Vec<_>>(), [100, 95, 56, 10, 9]);
    // a region of which only the present is known
    let township = station.get(VIEWER, "/api/v1/regions/331083002/risk").await.ok();
    assert_eq!(
        (&township["units"], &township["mean"], &township["change_1d"]),
        (&json!(1), &json!(56.0), &Value::Null)
    );
    // where no unit has an index
    let grid = station.get(VIEWER, "/api/v1/regions/331083001002001/risk").await.ok();
    assert_eq!((&grid["units"], &grid["mean"], &grid["worst"]), (&json!(0), &Value::Null, &json!([])));
    station.get(VIEWER, "/api/v1/regions/331083999/risk").await.problem(404);
    station.get(VIEWER, "/api/v1/regions/12/risk").await.problem(404);
    station.stop().await;
}

#[tokio::test]
async fn a_caller_is_told_of_their_own_part() {
    let station = Station::start().await;
    station.desk.risk(0, 20);
    station.desk.risk(UNITS as u32 - 1, 80);
    let city = station.get(LOCAL, "/api/v1/regions/331083/risk").await.ok();
    assert_eq!((&city["units"], &city["mean"], &city["days"]), (&json!(1), &json!(20.0), &json!([])));
    assert_eq!(city["worst"].as_array().unwrap().len(), 1);
    station.get(LOCAL, "/api/v1/regions/331083002/risk").await.problem(403);
    let plane = station.get(LOCAL, "/api/v1/map/risk").await.body;
    assert_eq!((plane[12], plane[12 + UNITS - 1]), (21, 0));
    station.stop().await;
}

#[tokio::test]
async fn at_most_twenty_worst_units_are_told() {
    let station = Station::start().await;
    for unit in 0..UNITS as u32 {
        station.desk.risk(unit, (unit * 7 % 50) as u8);
    }
    let city = station.get(VIEWER, "/api/v1/regions/331083/risk").await.ok();
    let told: Vec<u64> = city["worst"].as_array().unwrap().iter().map(|unit| unit["risk"].as_u64().unwrap()).collect();
    let mut all: Vec<u64> = (0..UNITS as u64).map(|unit| unit * 7 % 50).collect();
    all.sort_by_key(|index| std::cmp::Reverse(*index));
    assert_eq!(told, all[..20]);
    station.stop().await;
}

#[tokio::test]
async fn units_lists_and_regions_show_it() {
    let station = Station::start().await;
    for (unit, index) in [(0, 30), (1, 61), (2, 60)] {
        station.desk.risk(unit, index);
    }
    let unit = station.get(VIEWER, "/api/v1/units/U0001").await.ok();
    assert_eq!(unit["risk"], 61);
    assert_eq!(station.get(VIEWER, "/api/v1/units/U0009").await.ok()["risk"], Value::Null);
    let page = station.get(VIEWER, "/api/v1/units?risk_min=60").await.ok();
    let codes: Vec<_> = page["units"].as_array().unwrap().iter().map(|unit| &unit["code"]).collect();
    assert_eq!(codes, ["U0001", "U0002"]);
    station.get(VIEWER, "/api/v1/units?risk_min=much").await.problem(400);
    let grid = station.get(VIEWER, &format!("/api/v1/regions/{}", city::grids()[0])).await.ok();
    assert!((grid["risk_mean"].as_f64().unwrap() - 151.0 / 3.0).abs() < 1e-4, "{grid}");
    const { assert!(UNITS_PER_GRID > 3, "the three are of one grid") };
    station.stop().await;
}

#[tokio::test]
async fn the_map_has_it_as_a_second_plane() {
    let station = Station::start().await;
    station.desk.risk(7, 0);
    station.desk.risk(8, 100);
    let plane = station.get(VIEWER, "/api/v1/map/risk").await.body;
    assert_eq!(plane.len(), 12 + UNITS);
    assert_eq!(u64::from_le_bytes(plane[..8].try_into().unwrap()), station.desk.view.cursor());
    assert_eq!(u32::from_le_bytes(plane[8..12].try_into().unwrap()) as usize, UNITS);
    assert_eq!((plane[12 + 7], plane[12 + 8]), (1, 101));
    assert_eq!(plane[12..].iter().filter(|byte| **byte != 0).count(), 2);
    let bearer = format!("Bearer {VIEWER}");
    let gzip = [("authorization", &*bearer), ("accept-encoding", "gzip")];
    let packed = station.ask(Method::GET, "/api/v1/map/risk", &gzip, None).await;
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, plane);
    station.stop().await;
}
