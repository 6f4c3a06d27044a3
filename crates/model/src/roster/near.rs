//! What is near a unit: micro stations that can come, hydrants.

use super::{MicroStation, Roster};
use crate::ids::{Level, RegionCode, UnitId};

/// A micro station that can come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearStation {
    /// Place in [`Roster::stations`].
    pub station: usize,
    /// As the crow flies, m; `None` where unit or station has no position.
    pub distance_m: Option<f32>,
    /// People on duty there. Count, at least 1.
    pub on_duty: usize,
}

/// A hydrant near a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearHydrant {
    /// Place in [`Roster::hydrants`].
    pub hydrant: usize,
    /// As the crow flies, m; `None` where the unit has no position.
    pub distance_m: Option<f32>,
}

impl Roster {
    /// Up to `max` micro stations that are ready and have somebody on duty at that moment, nearest first; those at an
    /// unknown distance last, and only when they belong to the unit's township. Of equal ones, those with the lower code.
    pub fn nearest_stations(&self, unit: UnitId, at_ms: u64, max: usize) -> Vec<NearStation> {
        let Some(unit) = self.unit(unit) else { return Vec::new() };
        let township = unit.grid.at(Level::Township);
        let known = self.stations.iter().enumerate().filter(|(_, station)| station.ready);
        let mut near: Vec<(f32, usize)> = known
            .filter_map(|(at, station)| match distance_m(unit.position_m, station.position_m) {
                Some(distance_m) => Some((distance_m, at)),
                None => {
                    township.is_some_and(|township| township.contains(station.region)).then_some((f32::INFINITY, at))
                }
            })
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| self.stations[a.1].code.cmp(&self.stations[b.1].code)));
        let available = near.into_iter().filter_map(|(distance_m, station)| {
            let on_duty = self.station_duty(station).map_or(0, |duty| self.on_duty(duty, at_ms).len());
            let distance_m = distance_m.is_finite().then_some(distance_m);
            (on_duty > 0).then_some(NearStation { station, distance_m, on_duty })
        });
        available.take(max).collect()
    }

    /// Up to `max` hydrants, nearest first, of equal ones by their place in the table. For a unit without a position, those
    /// of its grid, then of its village.
    pub fn nearest_hydrants(&self, unit: UnitId, max: usize) -> Vec<NearHydrant> {
        let Some(unit) = self.unit(unit) else { return Vec::new() };
        let mut near: Vec<(f32, usize)> = match unit.position_m {
            Some(place) => {
                let distance_m = |at: (f32, f32)| distance_m(Some(place), Some(at)).unwrap_or(f32::INFINITY);
                self.hydrants.iter().map(|hydrant| distance_m(hydrant.position_m)).zip(0..).collect()
            }
            None => {
                let within = |level, region: RegionCode| unit.grid.at(level).is_some_and(|at| at.contains(region));
                let there = self.hydrants.iter().zip(0..);
                let there = there.filter(|(hydrant, _)| within(Level::Village, hydrant.region));
                there.map(|(hydrant, at)| (if within(Level::Grid, hydrant.region) { 0.0 } else { 1.0 }, at)).collect()
            }
        };
        let order = |a: &(f32, usize), b: &(f32, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if max > 0 && near.len() > max {
            near.select_nth_unstable_by(max - 1, order);
        }
        near.truncate(max);
        near.sort_by(order);
        let known = unit.position_m.is_some();
        near.into_iter()
            .map(|(distance_m, hydrant)| NearHydrant { hydrant, distance_m: known.then_some(distance_m) })
            .collect()
    }
}

impl MicroStation {
    /// As the crow flies from a place, m; `None` where one of them has no position.
    pub fn distance_m(&self, place: Option<(f32, f32)>) -> Option<f32> {
        distance_m(place, self.position_m)
    }
}

fn distance_m(a: Option<(f32, f32)>, b: Option<(f32, f32)>) -> Option<f32> {
    let ((a_east, a_north), (b_east, b_north)) = (a?, b?);
    Some((a_east - b_east).hypot(a_north - b_north))
}
