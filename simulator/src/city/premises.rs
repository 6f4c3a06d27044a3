//! Units with name, kind, address, place and owner.

use super::{Settings, UNITS, apportion, regions::Land};
use crate::{
    category::CATEGORIES,
    names,
    roster::{Person, Roster, Unit},
};
use rand::{Rng, seq::SliceRandom};

/// One unit in this many belongs to the owner of the unit before it.
const SAME_OWNER: f64 = 0.12;

/// Fills `roster.units`; returns the owners.
pub fn build(settings: &Settings, land: &Land, roster: &mut Roster) -> Vec<Person> {
    let mut rng = settings.rng(2);
    let total = settings.units.unwrap_or_else(|| settings.scaled(UNITS));
    let shares: Vec<f64> = CATEGORIES.iter().map(|c| f64::from(c.share)).collect();
    let mut kinds: Vec<usize> =
        apportion(total, &shares, 0).iter().enumerate().flat_map(|(kind, &n)| std::iter::repeat_n(kind, n)).collect();
    kinds.shuffle(&mut rng);
    let weights: Vec<f64> = land.grids.iter().map(|g| g.weight).collect();
    let per_grid = apportion(total, &weights, usize::from(total >= land.grids.len()));
    let mut owners: Vec<Person> = Vec::with_capacity(total);
    for (grid, &count) in land.grids.iter().zip(&per_grid) {
        for nth in 0..count {
            let index = roster.units.len();
            let category = CATEGORIES[kinds[index]].name;
            if nth == 0 || !rng.random_bool(SAME_OWNER) {
                owners.push(Person {
                    code: format!("P{:06}", owners.len() + 1),
                    name: names::person(&mut rng),
                    phone: names::phone(&mut rng),
                    post: "owner".into(),
                    region: grid.code.clone(),
                    channels: "console".into(),
                    contact: String::new(),
                    deputy: String::new(),
                });
            }
            let owner = owners.last().expect("the first unit of a grid makes an owner");
            let door = names::street(&mut rng);
            roster.units.push(Unit {
                code: format!("U{:06}", index + 1),
                name: names::premises(&mut rng, category, &owner.name, &door),
                category: category.into(),
                address: format!("{}{door}", grid.place),
                grid: grid.code.clone(),
                owner: owner.code.clone(),
                x: grid.x + rng.random_range(-250..250),
                y: grid.y + rng.random_range(-250..250),
                people: None,
                vulnerable: None,
                storeys: None,
                area_m2: None,
            });
        }
    }
    // evenly over the city
    let (count, reachable) = (owners.len(), settings.owner_credentials.min(owners.len()));
    for i in 0..reachable {
        owners[i * count / reachable].channels = "mqtt".into();
    }
    owners
}
