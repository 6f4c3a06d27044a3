//! Whom the roster names for a post.

use std::cmp::Ordering;

use model::roster::{MicroStation, Post};
use model::{Level, PersonId, RegionCode, Roster, UnitId};

/// Everybody who holds `post` for a unit in `grid`, in the order of the roster; each once.
pub(crate) fn named(roster: &Roster, unit: UnitId, grid: RegionCode, post: Post, stations_max: usize) -> Vec<PersonId> {
    let at = |level| grid.at(level).map_or(&[][..], |region| roster.people_at(region, post));
    let holders = match post {
        Post::Owner => {
            let owner = roster.unit(unit).and_then(|unit| unit.owner);
            return owner.filter(|&person| is_current(roster, person)).into_iter().collect();
        }
        Post::GridWorker => at(Level::Grid),
        Post::VillageChief => at(Level::Village),
        Post::TownshipChief => at(Level::Township),
        Post::Commander => at(Level::City),
        Post::MicroStation => return station_members(roster, unit, grid, stations_max),
    };
    holders.to_vec()
}

fn is_current(roster: &Roster, person: PersonId) -> bool {
    roster.people().get(person.index()).is_some_and(|slot| slot.current)
}

/// Members of all stations of the unit's village (the village itself and its grids); where there are none, of the
/// nearest `stations_max` of its township.
fn station_members(roster: &Roster, unit: UnitId, grid: RegionCode, stations_max: usize) -> Vec<PersonId> {
    let has_members = |station: &&MicroStation| station.members.iter().any(|&person| is_current(roster, person));
    let within = |level| {
        let region = grid.at(level);
        roster.stations().iter().filter(move |station| region.is_some_and(|region| region.contains(station.region)))
    };
    let mut stations: Vec<&MicroStation> = within(Level::Village).filter(has_members).collect();
    if stations.is_empty() {
        stations = within(Level::Township).filter(has_members).collect();
        let place = roster.unit(unit).and_then(|unit| unit.position_m);
        stations.sort_by(|a, b| by_distance(place, a, b));
        stations.truncate(stations_max);
    }
    let mut people = Vec::new();
    for &person in stations.iter().flat_map(|station| &station.members) {
        if is_current(roster, person) && !people.contains(&person) {
            people.push(person);
        }
    }
    people
}

/// Nearest first; a station whose distance is unknown comes last; equal ones by code.
fn by_distance(place: Option<(f32, f32)>, a: &MicroStation, b: &MicroStation) -> Ordering {
    let square = |station: &MicroStation| match (place, station.position_m) {
        (Some((x, y)), Some((station_x, station_y))) => {
            f64::from(x - station_x).powi(2) + f64::from(y - station_y).powi(2)
        }
        _ => f64::INFINITY,
    };
    square(a).total_cmp(&square(b)).then_with(|| a.code.cmp(&b.code))
}
