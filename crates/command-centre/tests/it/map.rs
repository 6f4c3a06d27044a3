//! Geometry and snapshot.

use std::io::Read;

use model::Colour;
use reqwest::Method;

use crate::city::{self, UNITS};
use crate::desk::Desk;
use crate::station::{Station, VIEWER};

#[tokio::test]
async fn geometry_and_snapshot_speak_of_the_same_units() {
    let station = Station::start().await;
    station.desk.paint(7, Colour::Orange);
    let geometry = station.get(VIEWER, "/api/v1/map/geometry").await.ok();
    let snapshot = station.get(VIEWER, "/api/v1/map/snapshot").await.body;
    assert_eq!(snapshot.len(), 12 + UNITS);
    assert_eq!(u64::from_le_bytes(snapshot[..8].try_into().unwrap()), 1);
    assert_eq!(u32::from_le_bytes(snapshot[8..12].try_into().unwrap()) as usize, UNITS);
    assert_eq!(geometry["units"]["code"].as_array().unwrap().len(), UNITS);
    let at = geometry["units"]["code"].as_array().unwrap().iter().position(|code| code == "U0007").unwrap();
    assert_eq!(snapshot[12 + at], 3);
    assert_eq!(snapshot[12..].iter().filter(|byte| **byte != 0).count(), 1);
    let grid = geometry["units"]["grid"][at].as_u64().unwrap() as usize;
    assert_eq!(geometry["grids"][grid], city::grids()[7 / city::UNITS_PER_GRID]);
    station.stop().await;
}

#[tokio::test]
async fn geometry_is_kept_by_clients_until_the_roster_changes() {
    let station = Station::start().await;
    let bearer = format!("Bearer {VIEWER}");
    let first = station.get(VIEWER, "/api/v1/map/geometry").await;
    let etag = first.headers["etag"].to_str().unwrap().to_owned();
    let conditional = [("authorization", &*bearer), ("if-none-match", &*etag)];
    let again = station.ask(Method::GET, "/api/v1/map/geometry", &conditional, None).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));

    let gzip = [("authorization", &*bearer), ("accept-encoding", "gzip")];
    let packed = station.ask(Method::GET, "/api/v1/map/geometry", &gzip, None).await;
    assert_eq!(packed.headers["content-encoding"], "gzip");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, first.body);
    assert_eq!(packed.headers["etag"], *etag);

    retire_last_unit(&station.desk);
    let changed = station.ask(Method::GET, "/api/v1/map/geometry", &conditional, None).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.headers["etag"], *etag);
    assert_eq!(changed.json()["units"]["code"][UNITS - 1], "");
    // a retired unit keeps its place and loses its colour
    let snapshot = station.get(VIEWER, "/api/v1/map/snapshot").await.body;
    assert_eq!((snapshot.len(), snapshot[12 + UNITS - 1]), (12 + UNITS, 0));
    station.stop().await;
}

fn retire_last_unit(desk: &Desk) {
    desk.paint(UNITS as u32 - 1, Colour::Red);
    let mut rows = city::rows();
    rows.units.pop();
    rows.devices.pop();
    let roster = city::roster();
    let roster = std::sync::Arc::new(roster.after(&roster.change_to(&rows).unwrap(), 99));
    let batch = model::LedgerBatch { epoch: 99, ..model::LedgerBatch::default() };
    desk.view.apply(&batch, &roster, &[]);
}
