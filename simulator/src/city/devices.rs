//! Devices and cameras, dealt out so that every model's count is exact.

use super::Settings;
use crate::{
    category::{self, Category},
    roster::{Camera, Class, DeviceRow, Roster},
    vendor::MODELS,
};
use rand::{Rng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Share of the units that have at least one device.
const COVERED: f64 = 0.82;
/// Draws before a device goes to whichever unit comes next.
const DRAWS_MAX: usize = 200;

/// Fills `roster.devices` (cameras included) and `roster.cameras`.
pub fn build(settings: &Settings, roster: &mut Roster) {
    let mut rng = settings.rng(3);
    let kinds: Vec<&'static Category> = roster.units.iter().map(|u| category::find(&u.category)).collect();
    let mut left: Vec<usize> = MODELS.iter().map(|m| settings.scaled(m.count)).collect();
    let mut order: Vec<usize> = (0..kinds.len()).collect();
    order.shuffle(&mut rng);
    order.truncate(((kinds.len() as f64 * COVERED).round() as usize).max(1));
    let mut placed: Vec<(usize, usize)> = Vec::new(); // unit, model
    for &unit in &order {
        if let Some(model) = first_device(kinds[unit], &left, &mut rng) {
            left[model] -= 1;
            placed.push((unit, model));
        }
    }
    for (model, count) in left.iter().enumerate() {
        for _ in 0..*count {
            placed.push((another(&kinds, &order, MODELS[model].class, &mut rng), model));
        }
    }
    placed.sort_unstable();
    let mut numbers = vec![0usize; MODELS.len()];
    for (unit, model) in placed {
        let m = &MODELS[model];
        numbers[model] += 1;
        let places = category::locations(m.class);
        let row = DeviceRow {
            vendor: m.vendor.into(),
            device: format!("{}{:07}", m.prefix, numbers[model]),
            unit: roster.units[unit].code.clone(),
            class: m.class,
            location: places[rng.random_range(0..places.len())].into(),
            report_every_s: m.report_every_s,
            gateway: String::new(),
        };
        if m.class == Class::Camera {
            roster.cameras.push(Camera {
                code: row.device.clone(),
                unit: row.unit.clone(),
                location: row.location.clone(),
                stream: format!("rtsp://127.0.0.1:8554/{}", row.device),
            });
        }
        roster.devices.push(row);
    }
}

/// The model of a unit's first device: what suits it, of what is left. Cameras and call points come beside others.
fn first_device(kind: &Category, left: &[usize], rng: &mut ChaCha8Rng) -> Option<usize> {
    let weight = |model: usize| {
        let class = MODELS[model].class;
        let beside = matches!(class, Class::Camera | Class::Manual);
        if beside { 0.0 } else { f64::from(category::affinity(kind, class)) * left[model] as f64 }
    };
    let total: f64 = (0..left.len()).map(weight).sum();
    if total <= 0.0 {
        return None;
    }
    let mut at = rng.random_range(0.0..total);
    for model in 0..left.len() {
        at -= weight(model);
        if at < 0.0 {
            return Some(model);
        }
    }
    left.iter().position(|&n| n > 0)
}

/// A covered unit that a further device of this class suits; large premises attract several times as many.
fn another(kinds: &[&Category], order: &[usize], class: Class, rng: &mut ChaCha8Rng) -> usize {
    let mut unit = order[0];
    for _ in 0..DRAWS_MAX {
        unit = order[rng.random_range(0..order.len())];
        let many = if kinds[unit].many { 1.0 } else { 0.15 };
        if rng.random_range(0.0..12.0f32) < category::affinity(kinds[unit], class) * many {
            break;
        }
    }
    unit
}
