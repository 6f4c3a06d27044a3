//! What a detector feels, and when its own electronics call it an alarm.
//!
//! | class | alarm | source |
//! |---|---|---|
//! | smoke | 0.10–0.16 dB/m, three looks running | inside the 0.05–0.20 dB/m of GB 20517 and EN 14604 |
//! | heat | 57.2 °C, or 8.3 °C/min over 30 s and 5 K above the start | 135 °F and 15 °F/min, usual detectors |
//! | co | 50 ppm for 75 min, 100 ppm for 19 min, 300 ppm for 2 min: time counts with the square of the reading | inside EN 50291's windows |
//! | gas | 10 % LEL | GB 15322, households 5–25 % |
//! | electrical | 300, 400 or 500 mA for 30 s; 70 °C | GB 50116 (9.2.3), GB 14287 |
//! | water | below 0.07 MPa; tank below 0.8 m | GB 50974 (5.2.2) |
//! | panel | smoke on its loop, on the centre's desk within 10 s | GB 26875.1 |
//!
//! A heat detector follows the ceiling jet with its response time index, `dT/dt = √u/RTI · (T_jet − T)`; smoke enters a chamber
//! with a lag that shortens with the speed of the jet.

use super::readings;
use crate::{ambient::Air, roster::Class, wire::AlarmKind};

/// (m·s)^½; a quick point detector.
const RTI: f64 = 40.0;
/// Looks that must agree.
const LOOKS: u8 = 3;
/// Looks kept: 30 s at one every 2 s.
const TRAIL: usize = 16;
/// Minutes at 50 ppm.
const CO_DOSE_MIN: f64 = 75.0;
/// A detector of plastic does not survive this, °C.
const DESTROYED_C: f64 = 150.0;
/// Clear for this long before the alarm is taken back, s.
const CLEAR_S: f64 = 20.0;

/// The inside of a detector while something goes on.
#[derive(Debug, Clone)]
pub struct Watch {
    pub temperature_c: f64,
    pub smoke_db_m: f64,
    pub cable_c: f64,
    /// When values were last reported, ms of city time.
    pub reported_ms: i64,
    start_c: f64,
    start_leak_ma: f64,
    co_dose_min: f64,
    over: u8,
    leaking_s: f64,
    clear_s: f64,
    at_ms: i64,
    trail_c: [f64; TRAIL],
    looks: usize,
}

impl Watch {
    /// At rest in this air.
    pub fn new(class: Class, air: &Air, now_ms: i64) -> Self {
        let quick = matches!(class, Class::Electrical | Class::Water);
        Self {
            temperature_c: if quick { air.temperature_c } else { air.temperature_c.min(45.0) },
            smoke_db_m: air.smoke_db_m.min(0.02),
            cable_c: readings::cable_c(&Air { contact: 1.0, ..*air }),
            reported_ms: 0,
            start_c: air.temperature_c.min(45.0),
            start_leak_ma: air.leak_ma,
            co_dose_min: 0.0,
            over: 0,
            leaking_s: 0.0,
            clear_s: 0.0,
            at_ms: now_ms,
            trail_c: [air.temperature_c.min(45.0); TRAIL],
            looks: 0,
        }
    }

    /// Takes in the time since the last look.
    pub fn feel(&mut self, class: Class, air: &Air, now_ms: i64) {
        // after a long sleep the sensor is at rest again
        let dt = ((now_ms - self.at_ms) as f64 / 1_000.0).clamp(0.0, 30.0);
        self.at_ms = now_ms;
        let toward = |tau: f64| 1.0 - (-dt / tau).exp();
        self.temperature_c += (air.jet_c - self.temperature_c) * toward(RTI / air.jet_m_s.max(0.1).sqrt());
        self.smoke_db_m += (air.smoke_db_m - self.smoke_db_m) * toward(4.0 + 2.0 / air.jet_m_s.max(0.1));
        self.cable_c += (readings::cable_c(air) - self.cable_c) * toward(240.0);
        self.co_dose_min =
            if air.co_ppm > 30.0 { self.co_dose_min + (air.co_ppm / 50.0).powi(2) * dt / 60.0 } else { 0.0 };
        if class == Class::Heat || class == Class::Combined {
            self.trail_c[self.looks % TRAIL] = self.temperature_c;
            self.looks += 1;
        }
    }

    /// °C/min over the last 30 s.
    fn rise_c_min(&self) -> f64 {
        let oldest = self.trail_c[self.looks % TRAIL];
        (self.temperature_c - oldest) * 60.0 / 30.0
    }

    /// True when the heat has ended the detector.
    pub fn destroyed(&self, class: Class) -> bool {
        self.temperature_c > DESTROYED_C
            && !matches!(class, Class::Panel | Class::Water | Class::Electrical | Class::Manual)
    }

    /// The alarm that this look completes.
    pub fn over(&mut self, class: Class, air: &Air, offset: f64) -> Option<AlarmKind> {
        let hot = self.temperature_c >= 57.2 || (self.rise_c_min() >= 8.3 && self.temperature_c > self.start_c + 5.0);
        let smoky = self.smoke_db_m >= smoke_threshold(offset);
        let leaking = readings::natural_leak_ma(offset, air.load) + air.leak_ma >= leak_threshold_ma(offset);
        self.leaking_s = if leaking { self.leaking_s + 2.0 } else { 0.0 };
        let (now, kind) = match class {
            Class::Smoke => (smoky, AlarmKind::Smoke),
            Class::Heat => (hot, AlarmKind::Heat),
            Class::Combined if hot => (true, AlarmKind::Heat),
            Class::Combined => (smoky, AlarmKind::Smoke),
            Class::Co => (self.co_dose_min >= CO_DOSE_MIN, AlarmKind::Co),
            Class::Gas => (air.gas_lel_pct >= 10.0, AlarmKind::Gas),
            Class::Electrical => (self.leaking_s >= 30.0 || self.cable_c >= 70.0, AlarmKind::Electrical),
            Class::Water if readings::tank(offset) => (readings::water_level_m(air) < 0.8, AlarmKind::Water),
            Class::Water => (readings::water_mpa(offset, air) < 0.07, AlarmKind::Water),
            Class::Panel => (smoky, AlarmKind::Fire),
            Class::Manual => (air.pressed, AlarmKind::Manual),
            Class::Camera => (air.flame_kw >= 30.0, AlarmKind::Flame),
        };
        self.over = if now { self.over.saturating_add(1) } else { 0 };
        (self.over >= LOOKS).then_some(kind)
    }

    /// True when the cause has been gone long enough.
    pub fn restored(&mut self, class: Class, air: &Air, offset: f64) -> bool {
        let still = match class {
            Class::Smoke | Class::Panel => self.smoke_db_m > smoke_threshold(offset) * 0.5,
            Class::Heat => self.temperature_c > 45.0 || self.rise_c_min() > 3.0,
            Class::Combined => self.smoke_db_m > smoke_threshold(offset) * 0.5 || self.temperature_c > 45.0,
            Class::Co => air.co_ppm > 30.0,
            Class::Gas => air.gas_lel_pct > 5.0,
            Class::Electrical => self.leaking_s > 0.0 || self.cable_c > 60.0,
            Class::Water if readings::tank(offset) => readings::water_level_m(air) < 1.2,
            Class::Water => readings::water_mpa(offset, air) < 0.12,
            Class::Manual => air.lively, // reset with its key afterwards
            Class::Camera => air.flame_kw > 5.0,
        };
        self.clear_s = if still { 0.0 } else { self.clear_s + 2.0 };
        self.clear_s >= CLEAR_S
    }

    /// True when the reading is far enough from rest to be worth reporting early.
    pub fn changed(&self, class: Class, air: &Air) -> bool {
        match class {
            Class::Smoke => self.smoke_db_m > 0.04 || self.temperature_c > self.start_c + 3.0,
            Class::Combined => self.smoke_db_m > 0.04 || self.temperature_c > self.start_c + 3.0 || air.co_ppm > 10.0,
            Class::Heat => self.temperature_c > self.start_c + 2.0,
            Class::Co => air.co_ppm > 10.0,
            Class::Gas => air.gas_lel_pct > 2.0,
            Class::Electrical => air.leak_ma > self.start_leak_ma + 30.0 || self.cable_c > 50.0,
            Class::Water => air.pressure < 0.7,
            Class::Panel | Class::Manual | Class::Camera => false,
        }
    }

    /// What the alarm says about it, with its unit.
    pub fn value(&self, class: Class, air: &Air) -> Option<(f64, &'static str)> {
        match class {
            Class::Smoke | Class::Combined => Some((self.smoke_db_m, "dB/m")),
            Class::Heat => Some((self.temperature_c, "°C")),
            Class::Co => Some((air.co_ppm, "ppm")),
            Class::Gas => Some((air.gas_lel_pct, "%LEL")),
            Class::Electrical | Class::Water | Class::Panel | Class::Manual | Class::Camera => None,
        }
    }
}

fn smoke_threshold(offset: f64) -> f64 {
    0.13 + 0.03 * offset
}

fn leak_threshold_ma(offset: f64) -> f64 {
    match offset {
        o if o < -0.5 => 300.0,
        o if o < 0.5 => 400.0,
        _ => 500.0,
    }
}
