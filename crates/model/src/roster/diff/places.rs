//! Micro stations, cameras and hydrants: rows and their checks.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::{Camera, Hydrant, MicroStation};
use super::{Numbering, Regions, RosterFault, RosterRows};
use crate::ids::{DeviceId, PersonId, RegionCode, UnitId};

/// A row of hydrants.csv.
#[derive(Debug, Clone)]
pub struct HydrantRow {
    pub code: Box<str>,
    pub region: RegionCode,
    pub position_m: (f32, f32),
    /// `vendor/device`; empty for none.
    pub device: Box<str>,
    pub note: Box<str>,
}

pub(super) fn stations(
    rows: &RosterRows,
    regions: &Regions,
    people: &Numbering<'_>,
    faults: &mut Vec<RosterFault>,
) -> Vec<MicroStation> {
    let mut stations = Vec::with_capacity(rows.stations.len());
    let mut codes = FxHashSet::default();
    for (line, row) in &rows.stations {
        let mut fault = |what| faults.push(RosterFault { file: "stations.csv", line: *line, what });
        if !regions.contains_key(&row.region) {
            fault(format!("region {} of station {} is not in regions.csv", row.region, row.code));
        }
        if !codes.insert(&*row.code) {
            fault(format!("station {} stands here twice", row.code));
        }
        let mut members = Vec::with_capacity(row.members.len());
        for code in &row.members {
            match people.current(code) {
                Some(id) => members.push(PersonId(id)),
                None => fault(format!("member {code} of station {} is not in people.csv", row.code)),
            }
        }
        stations.push(MicroStation {
            code: row.code.clone(),
            name: row.name.clone(),
            region: row.region,
            position_m: row.position_m,
            members,
            ready: row.ready,
        });
    }
    stations
}

pub(super) fn cameras(rows: &RosterRows, units: &Numbering<'_>, faults: &mut Vec<RosterFault>) -> Vec<Camera> {
    let mut cameras = Vec::with_capacity(rows.cameras.len());
    for (line, row) in &rows.cameras {
        let Some(unit) = units.current(&row.unit) else {
            let what = format!("unit {} of camera {} is not in units.csv", row.unit, row.code);
            faults.push(RosterFault { file: "cameras.csv", line: *line, what });
            continue;
        };
        cameras.push(Camera {
            code: row.code.clone(),
            unit: UnitId(unit),
            location: row.location.clone(),
            stream: row.stream.clone(),
        });
    }
    cameras
}

pub(super) fn hydrants(
    rows: &RosterRows,
    regions: &Regions,
    devices: &Numbering<'_>,
    faults: &mut Vec<RosterFault>,
) -> Vec<Hydrant> {
    let mut hydrants = Vec::with_capacity(rows.hydrants.len());
    let mut lines: FxHashMap<&str, usize> = FxHashMap::default();
    for (line, row) in &rows.hydrants {
        let mut fault = |what| faults.push(RosterFault { file: "hydrants.csv", line: *line, what });
        if !regions.contains_key(&row.region) {
            fault(format!("region {} of hydrant {} is not in regions.csv", row.region, row.code));
        }
        if lines.insert(&row.code, *line).is_some() {
            fault(format!("hydrant {} stands here twice", row.code));
        }
        let device = devices.current(&row.device).map(DeviceId);
        if device.is_none() && !row.device.is_empty() {
            fault(format!("device {} of hydrant {} is not in devices.csv (vendor/device)", row.device, row.code));
        }
        hydrants.push(Hydrant {
            code: row.code.clone(),
            region: row.region,
            position_m: row.position_m,
            device,
            note: row.note.clone(),
        });
    }
    hydrants
}
