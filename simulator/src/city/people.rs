//! Grid workers, chiefs, the commander, and the micro fire stations with their members.

use super::{STATIONS, Settings, apportion, regions::Land};
use crate::{
    names,
    roster::{Person, Roster, Station},
};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

struct Book<'a> {
    rng: ChaCha8Rng,
    people: &'a mut Vec<Person>,
}

impl Book<'_> {
    fn add(&mut self, code: String, post: &str, region: &str, channels: &str) -> String {
        self.people.push(Person {
            code: code.clone(),
            name: names::person(&mut self.rng),
            phone: names::phone(&mut self.rng),
            post: post.into(),
            region: region.into(),
            channels: channels.into(),
            contact: String::new(),
            deputy: String::new(),
        });
        code
    }
}

/// Fills `roster.people` (owners first) and `roster.stations`.
pub fn build(settings: &Settings, land: &Land, owners: Vec<Person>, roster: &mut Roster) {
    roster.people = owners;
    let mut book = Book { rng: settings.rng(4), people: &mut roster.people };
    book.add("C00001".into(), "commander", &land.city, "mqtt;console");
    for (i, (code, _)) in land.townships.iter().enumerate() {
        book.add(format!("T{:05}", i + 1), "township_chief", code, "mqtt;console");
    }
    for (i, (code, ..)) in land.villages.iter().enumerate() {
        book.add(format!("V{:05}", i + 1), "village_chief", code, "mqtt");
    }
    let mut worker = 0;
    for grid in &land.grids {
        // large grids have a second worker
        let pair = usize::from(book.rng.random_bool(0.2));
        for _ in 0..=pair {
            worker += 1;
            book.add(format!("G{worker:05}"), "grid_worker", &grid.code, "mqtt");
        }
    }
    let weights: Vec<f64> = land.villages.iter().map(|v| v.3 as f64).collect();
    // every village of the full city has one before any has two
    let total = settings.scaled(STATIONS);
    let per_village = apportion(total, &weights, usize::from(total >= weights.len()));
    let mut member = 0;
    for ((code, name, first_grid, grids), &count) in land.villages.iter().zip(&per_village) {
        for nth in 1..=count {
            let size = book.rng.random_range(3..=6);
            let members: Vec<String> = (0..size)
                .map(|_| {
                    member += 1;
                    book.add(format!("M{member:05}"), "micro_station", code, "mqtt")
                })
                .collect();
            let grid = &land.grids[first_grid + (nth - 1) % grids];
            let number = roster.stations.len() + 1;
            roster.stations.push(Station {
                code: format!("S{number:04}"),
                name: format!("{name}第{nth}微型消防站"),
                region: code.clone(),
                x: grid.x,
                y: grid.y,
                members: members.join(";"),
            });
        }
    }
}
