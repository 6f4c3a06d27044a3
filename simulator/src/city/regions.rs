//! City, townships, villages from the official codes; grids invented within the villages.

use super::{GRIDS, Settings, apportion};
use crate::{
    divisions::{self, spoken},
    roster::Region,
};
use rand::Rng;

/// A grid as the later steps need it.
#[derive(Debug, Clone)]
pub struct Grid {
    pub code: String,
    /// Township and village as people say them.
    pub place: String,
    /// Share of the units.
    pub weight: f64,
    /// Centre, metres.
    pub x: i32,
    pub y: i32,
}

/// The tree of regions, and its leaves in detail.
#[derive(Debug)]
pub struct Land {
    pub regions: Vec<Region>,
    /// In order of code.
    pub grids: Vec<Grid>,
    /// Villages: code, spoken name, index of the first grid, number of grids.
    pub villages: Vec<(String, String, usize, usize)>,
    /// Townships: code and name.
    pub townships: Vec<(String, String)>,
    pub city: String,
}

/// Roughly how populous a township is, and where it lies: metres east and north of the town hall.
fn township(code: &str) -> (f64, i32, i32) {
    match code {
        "331083001" => (1.30, 0, 0),           // 玉城, the seat
        "331083002" => (1.10, 4_000, -5_000),  // 坎门, the harbour
        "331083003" => (0.95, -8_000, -1_500), // 大麦屿, the port
        "331083101" => (1.05, -3_000, 16_000), // 清港
        "331083102" => (1.25, 3_500, 15_000),  // 楚门
        "331083103" => (0.75, 12_500, 9_000),  // 干江
        "331083105" => (0.85, 11_500, 17_500), // 沙门
        "331083106" => (0.70, -4_000, 8_500),  // 芦浦
        "331083107" => (0.75, 7_500, 11_000),  // 龙溪
        "331083201" => (0.25, 14_500, -3_500), // 鸡山, an island
        "331083202" => (0.25, -10_500, 9_500), // 海山, an island
        _ => (0.8, 0, 6_000),
    }
}

/// Builds the tree.
pub fn build(settings: &Settings) -> Land {
    let mut rng = settings.rng(1);
    let d = divisions::yuhuan();
    let mut regions = vec![Region { code: d.county.code.clone(), name: d.county.name.clone(), parent: String::new() }];
    for t in &d.townships {
        regions.push(Region { code: t.code.clone(), name: t.name.clone(), parent: d.county.code.clone() });
    }
    for v in &d.villages {
        regions.push(Region { code: v.code.clone(), name: v.name.clone(), parent: v.township.clone() });
    }
    let weights: Vec<f64> = d
        .villages
        .iter()
        .map(|v| {
            let community = if v.name.ends_with("社区") { 1.6 } else { 1.0 };
            township(&v.township).0 * community * rng.random_range(0.6..1.6)
        })
        .collect();
    let total = settings.scaled(GRIDS).max(d.villages.len()).min(999 * d.villages.len());
    let counts = apportion(total, &weights, 1);
    let mut grids = Vec::with_capacity(total);
    let mut villages = Vec::with_capacity(d.villages.len());
    for ((village, &count), &weight) in d.villages.iter().zip(&counts).zip(&weights) {
        let (_, east, north) = township(&village.township);
        let (vx, vy) = (east + rng.random_range(-3_000..3_000), north + rng.random_range(-2_500..2_500));
        let name = spoken(&village.name);
        let place = d.townships.iter().find(|t| t.code == village.township).map_or("", |t| t.name.as_str());
        villages.push((village.code.clone(), name.clone(), grids.len(), count));
        for n in 1..=count {
            let code = format!("{}{n:03}", village.code);
            regions
                .push(Region { code: code.clone(), name: format!("{name}第{n}网格"), parent: village.code.clone() });
            grids.push(Grid {
                code,
                place: format!("{place}{name}"),
                weight: weight / count as f64 * rng.random_range(0.7..1.3),
                x: vx + rng.random_range(-600..600),
                y: vy + rng.random_range(-600..600),
            });
        }
    }
    let townships = d.townships.into_iter().map(|t| (t.code, t.name)).collect();
    Land { regions, grids, villages, townships, city: d.county.code }
}
