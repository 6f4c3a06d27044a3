//! What a place is like when nothing happens: weather, warmth indoors, load on the mains, pressure in the pipes.
//!
//! Smooth functions of the hour, so that readings drift through the day as real ones do. Local time is UTC+8. The sensor's own
//! noise is added by the device.

use crate::category::{Category, Day};
use std::f64::consts::TAU;

const HOUR_MS: f64 = 3_600_000.0;
const DAY_MS: f64 = 24.0 * HOUR_MS;

/// Local hour, 0 ≤ h < 24.
pub fn hour(city_ms: i64) -> f64 {
    ((city_ms as f64 + 8.0 * HOUR_MS).rem_euclid(DAY_MS)) / HOUR_MS
}

/// Days since the turn of the year, near enough for the seasons.
fn day_of_year(city_ms: i64) -> f64 {
    (city_ms as f64 / DAY_MS).rem_euclid(365.2425)
}

/// Outdoor temperature of a place like Yuhuan, °C: about 8 in January and 28 in July, warmest at three in the afternoon.
pub fn outdoor_c(city_ms: i64) -> f64 {
    let season = -10.0 * (TAU * (day_of_year(city_ms) - 27.0) / 365.2425).cos();
    18.0 + season + 3.0 * (TAU * (hour(city_ms) - 15.0) / 24.0).cos()
}

/// A bump of height 1 around an hour, `width` hours wide.
fn bump(h: f64, centre: f64, width: f64) -> f64 {
    let away = ((h - centre + 36.0).rem_euclid(24.0) - 12.0) / width;
    (-away * away).exp()
}

/// Share of full activity (people, machines, current), 0..=1.
pub fn activity(day: Day, city_ms: i64) -> f64 {
    let h = hour(city_ms);
    let level = match day {
        Day::Home => 0.18 + 0.25 * bump(h, 7.2, 1.3) + 0.3 * bump(h, 12.0, 1.3) + 0.65 * bump(h, 19.8, 2.4),
        Day::Shop => 0.1 + 0.75 * bump(h, 14.5, 5.5),
        Day::Works => 0.12 + 0.8 * bump(h, 9.8, 2.2).max(bump(h, 15.0, 2.4)),
        Day::Always => 0.5 + 0.3 * bump(h, 19.0, 4.0),
    };
    level.clamp(0.0, 1.0)
}

/// What the air and the services of a unit are like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Air {
    pub temperature_c: f64,
    /// At the detector, °C: the ceiling jet where a fire burns.
    pub jet_c: f64,
    /// Speed of the ceiling jet, m/s; what warms a heat detector.
    pub jet_m_s: f64,
    /// Obscuration, dB/m.
    pub smoke_db_m: f64,
    pub co_ppm: f64,
    /// % of the lower explosive limit.
    pub gas_lel_pct: f64,
    pub humidity_pct: f64,
    /// Heat release in view of a camera, kW.
    pub flame_kw: f64,
    /// Share of rated current, 0..=1.
    pub load: f64,
    /// Leakage beyond the installation's natural one, mA.
    pub leak_ma: f64,
    /// Resistance of the worst contact against a sound one, 1 = sound.
    pub contact: f64,
    /// Pressure against normal, 1 = normal.
    pub pressure: f64,
    /// Mains are there.
    pub mains: bool,
    /// Somebody presses the call point.
    pub pressed: bool,
    /// Something goes on: the device looks every two seconds.
    pub lively: bool,
}

/// A quiet moment in a unit; `offset` in -1..=1 is how this unit differs from the others.
pub fn quiet(category: &Category, offset: f64, city_ms: i64) -> Air {
    let activity = activity(category.day, city_ms);
    let temperature_c = 21.0 + 0.55 * (outdoor_c(city_ms) - 21.0) + 1.5 * offset + 1.2 * activity;
    let meals = if category.kitchen { bump(hour(city_ms), 11.6, 0.6) + bump(hour(city_ms), 17.8, 0.8) } else { 0.0 };
    Air {
        temperature_c,
        jet_c: temperature_c,
        jet_m_s: 0.1,
        smoke_db_m: 0.004 + 0.006 * (1.0 + offset) * 0.5 + 0.01 * meals,
        co_ppm: 0.6 + 0.4 * offset + 2.0 * meals,
        gas_lel_pct: 0.05 + 0.15 * meals,
        humidity_pct: 68.0 + 8.0 * offset + 6.0 * meals - 0.8 * (temperature_c - 20.0),
        flame_kw: 0.0,
        load: activity * (0.75 + 0.2 * offset),
        leak_ma: 0.0,
        contact: 1.0,
        pressure: 1.0 - 0.10 * (bump(hour(city_ms), 7.3, 1.5) + bump(hour(city_ms), 19.0, 2.2)),
        mains: true,
        pressed: false,
        lively: false,
    }
}
