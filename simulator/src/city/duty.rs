//! Duty plans: day and night in the grids, weekdays in the micro stations, leave with substitutes; and hydrants.
//!
//! In a grid with two workers one has the day and one the night. In the other grids the worker has the day, and at night the
//! village's workers take turns, each for all of them. A member of a micro station has a free day or two a week. Everybody
//! takes some leave in 2026 and 2027; pairs of workers stand in for each other (AB 岗), so that now and then both are away,
//! and nobody is on duty.

use super::{Settings, regions::Land};
use crate::roster::{Absence, Hydrant, Roster, Shift};
use rand::Rng;
use std::collections::{BTreeMap, HashMap};

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Fills `roster.shifts`, `roster.absences` and `roster.hydrants`, and names people's deputies.
pub fn build(settings: &Settings, land: &Land, roster: &mut Roster) {
    let mut workers: HashMap<String, Vec<String>> = HashMap::new();
    for person in roster.people.iter().filter(|person| person.post == "grid_worker") {
        workers.entry(person.region.clone()).or_default().push(person.code.clone());
    }
    let mut deputies: HashMap<String, String> = HashMap::new();
    for (code, _, first, count) in &land.villages {
        let grids: Vec<&str> = land.grids[*first..first + count].iter().map(|grid| grid.code.as_str()).collect();
        plan_grids(&grids, &workers, &mut roster.shifts);
        let there: Vec<&String> = grids.iter().flat_map(|grid| &workers[*grid]).collect();
        for pair in there.chunks_exact(2) {
            deputies.insert(pair[0].clone(), pair[1].clone());
            deputies.insert(pair[1].clone(), pair[0].clone());
        }
        let chief = roster.people.iter().find(|person| person.post == "village_chief" && person.region == *code);
        if let Some(chief) = chief {
            deputies.insert(chief.code.clone(), there[0].clone());
        }
    }
    let mut rng = settings.rng(11);
    let mut substitutes: HashMap<&str, &str> = HashMap::new();
    for station in &roster.stations {
        let members: Vec<&str> = station.members.split(';').collect();
        for (at, member) in members.iter().enumerate() {
            let days = WEEKDAYS.iter().enumerate().filter(|(day, _)| day % members.len() != at);
            let days: Vec<&str> = days.map(|(_, day)| *day).collect();
            roster.shifts.push(Shift::new("micro_station", &station.region, member, &days.join(";"), "08:00", "32:00"));
        }
        substitutes.extend(members.windows(2).map(|two| (two[0], two[1])));
    }
    for person in roster.people.iter().filter(|person| person.post != "owner") {
        let month = rng.random_range(1..=4);
        for leave in 0..rng.random_range(0..=6) {
            let (year, month) = (2026 + leave / 3, month + leave % 3 * 4);
            let (day, length) = (rng.random_range(1..=23), rng.random_range(2..=5));
            roster.absences.push(Absence {
                person: person.code.clone(),
                from: format!("{year}-{month:02}-{day:02} 08:00"),
                until: format!("{year}-{month:02}-{:02} 08:00", day + length),
                substitute: substitutes.get(person.code.as_str()).map_or_else(String::new, |code| (*code).into()),
                reason: "年休".into(),
            });
        }
    }
    for person in &mut roster.people {
        person.deputy = deputies.remove(&person.code).unwrap_or_default();
    }
    for (at, grid) in land.grids.iter().enumerate() {
        roster.hydrants.push(Hydrant {
            code: format!("H{:05}", at + 1),
            region: grid.code.clone(),
            x: grid.x + rng.random_range(-250..250),
            y: grid.y + rng.random_range(-250..250),
            device: String::new(),
            note: if rng.random_bool(0.05) { "出水慢".into() } else { String::new() },
        });
    }
}

/// Shifts of the grids of one village.
fn plan_grids(grids: &[&str], workers: &HashMap<String, Vec<String>>, shifts: &mut Vec<Shift>) {
    let alone: Vec<(&str, &str)> = grids
        .iter()
        .filter(|grid| workers[**grid].len() == 1)
        .map(|grid| (*grid, workers[*grid][0].as_str()))
        .collect();
    for grid in grids {
        match &workers[*grid][..] {
            [only] if alone.len() == 1 => {
                shifts.push(Shift::new("grid_worker", grid, only, "daily", "00:00", "24:00"));
            }
            [only] => {
                shifts.push(Shift::new("grid_worker", grid, only, "daily", "08:00", "18:00"));
                let mut nights: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
                for (day, name) in WEEKDAYS.iter().enumerate() {
                    nights.entry(alone[day % alone.len()].1).or_default().push(name);
                }
                for (worker, days) in nights {
                    shifts.push(Shift::new("grid_worker", grid, worker, &days.join(";"), "18:00", "08:00"));
                }
            }
            [day, night, ..] => {
                shifts.push(Shift::new("grid_worker", grid, day, "daily", "06:00", "18:00"));
                shifts.push(Shift::new("grid_worker", grid, night, "daily", "18:00", "06:00"));
            }
            [] => {}
        }
    }
}
