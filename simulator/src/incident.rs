//! What befalls a unit, and what it does to the air, the wiring and the pipes there.
//!
//! Nuisance alarms keep to what has been seen of them: cooking brings smoke with less than 10 ppm of carbon monoxide and one or two
//! kelvin; steam brings humidity from about 50 to 85 % and next to no carbon monoxide; dust and insects bring a short spike of
//! obscuration and nothing else. Real fires bring smoke, carbon monoxide and heat together, in the order of their kind.
//!
//! Precursors: leakage that climbs past the 300–500 mA at which GB 50116-2013 (9.2.3) alarms, a contact that heats with the
//! square of the current, gas that gathers, a main that loses its pressure. Some electrical fires are preceded by the first two.

use crate::{
    ambient::Air,
    fire::{Burning, Course, Exposure},
};

/// What kind of false alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nuisance {
    Cooking,
    Steam,
    Dust,
    Cigarette,
    /// Sparks that a camera takes for flames.
    Welding,
}

/// What kind of hazard without fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Leakage current rises.
    Insulation,
    /// A contact heats up.
    Contact,
    GasLeak,
    PressureLoss,
}

/// What happens; `strength` in 0..1 places it between mild and severe.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Fire {
        course: Course,
        /// Seconds of electrical signs before ignition.
        precursor_s: f64,
    },
    Nuisance {
        kind: Nuisance,
        strength: f64,
    },
    Trouble {
        kind: Trouble,
        strength: f64,
        /// When somebody repairs it, s after its beginning.
        repaired_s: f64,
    },
    /// Somebody tests the detector, with test aerosol.
    Drill,
}

/// What a responder finds on the spot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Real,
    False,
    Test,
}

impl Verdict {
    /// As the HTTP interface calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::False => "false",
            Self::Test => "test",
        }
    }
}

impl What {
    /// What a responder finds.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Fire { .. } | Self::Trouble { .. } => Verdict::Real,
            Self::Nuisance { .. } => Verdict::False,
            Self::Drill => Verdict::Test,
        }
    }

    /// For logs.
    pub fn name(&self) -> String {
        match self {
            Self::Fire { course, .. } => format!("fire {}", crate::fire::SCENARIOS[course.scenario].name),
            Self::Nuisance { kind, .. } => format!("nuisance {kind:?}"),
            Self::Trouble { kind, .. } => format!("trouble {kind:?}"),
            Self::Drill => "drill".into(),
        }
    }
}

/// Where a device stands against the incident.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    /// Horizontal distance from the source, m.
    pub radius_m: f64,
    /// In the room where it happens.
    pub in_origin: bool,
    /// Sees the source; matters to cameras.
    pub in_view: bool,
}

/// An incident in progress.
#[derive(Debug, Clone)]
pub struct Active {
    pub what: What,
    pub began_ms: i64,
    burning: Option<Burning>,
}

/// Somebody presses the call point from this heat release on, where there is one, kW.
const PRESSED_FROM_KW: f64 = 40.0;

impl Active {
    /// At its beginning.
    pub fn new(what: What, began_ms: i64) -> Self {
        Self { what, began_ms, burning: None }
    }

    fn seconds(&self, now_ms: i64) -> f64 {
        ((now_ms - self.began_ms) as f64 / 1_000.0).max(0.0)
    }

    /// Lets it go on until now; times must not go back.
    pub fn advance(&mut self, now_ms: i64) {
        let t = self.seconds(now_ms);
        if let What::Fire { course, precursor_s } = &self.what {
            let burning = self.burning.get_or_insert_with(|| Burning::new(course.clone()));
            burning.advance(t - precursor_s);
        }
    }

    /// True when nothing of it is left.
    pub fn over(&self, now_ms: i64) -> bool {
        let t = self.seconds(now_ms);
        match &self.what {
            // whatever still lingers after two hours is aired out by then
            What::Fire { course, precursor_s } => {
                t > precursor_s + course.fought_s
                    && (self.burning.as_ref().is_some_and(Burning::over) || t > precursor_s + course.fought_s + 7_200.0)
            }
            What::Nuisance { .. } => t > 1_500.0,
            What::Trouble { repaired_s, .. } => t > repaired_s + 900.0,
            What::Drill => t > 120.0,
        }
    }

    /// Puts its effect on what a device meets. Call [`Active::advance`] before.
    pub fn apply(&self, now_ms: i64, spot: Spot, air: &mut Air) {
        let t = self.seconds(now_ms);
        air.lively = true;
        match &self.what {
            What::Fire { course, precursor_s } => {
                if *precursor_s > 0.0 && t < precursor_s + course.smoulder_s {
                    let ripening = (t / precursor_s).min(1.0);
                    air.leak_ma += 450.0 * ripening * ripening;
                    air.contact += 5.0 * ripening;
                }
                if let Some(burning) = &self.burning {
                    expose(air, burning.exposure(spot.radius_m, spot.in_origin), spot);
                }
            }
            What::Nuisance { kind, strength } => nuisance(*kind, *strength, t, spot, air),
            What::Trouble { kind, strength, repaired_s } => trouble(*kind, *strength, t, *repaired_s, air),
            What::Drill => {
                if spot.in_origin && t < 40.0 {
                    air.smoke_db_m += 0.5 * (t / 5.0).min(1.0);
                }
            }
        }
    }
}

fn expose(air: &mut Air, e: Exposure, spot: Spot) {
    air.smoke_db_m += e.smoke_db_m;
    air.co_ppm += e.co_ppm;
    air.jet_c += e.warmer_k;
    air.temperature_c += e.warmer_k;
    air.jet_m_s = air.jet_m_s.max(e.jet_m_s);
    air.humidity_pct += (e.co_ppm / 200.0).min(10.0);
    if spot.in_view {
        air.flame_kw = air.flame_kw.max(e.flame_kw);
    }
    air.pressed |= spot.in_view && e.flame_kw > PRESSED_FROM_KW;
}

/// Up within `rise_s`, level until `hold_s`, then away with the time constant `fall_s`.
fn swell(t: f64, rise_s: f64, hold_s: f64, fall_s: f64) -> f64 {
    if t < rise_s {
        t / rise_s
    } else if t < hold_s {
        1.0
    } else {
        (-(t - hold_s) / fall_s).exp()
    }
}

fn nuisance(kind: Nuisance, strength: f64, t: f64, spot: Spot, air: &mut Air) {
    let near = if spot.in_origin { 1.0 } else { 0.15 };
    let between = |mild: f64, severe: f64| mild + (severe - mild) * strength;
    match kind {
        Nuisance::Cooking => {
            let s = near * swell(t, 90.0, between(120.0, 360.0), 150.0);
            air.smoke_db_m += s * between(0.10, 0.50);
            air.co_ppm += s * between(2.0, 6.0);
            air.humidity_pct += s * 8.0;
            warm(air, s * between(1.0, 2.0));
        }
        Nuisance::Steam => {
            let s = near * swell(t, 60.0, between(180.0, 480.0), 120.0);
            air.smoke_db_m += s * between(0.08, 0.35);
            air.humidity_pct += s * between(18.0, 30.0);
            warm(air, s * 1.0);
        }
        Nuisance::Dust => air.smoke_db_m += near * between(0.15, 0.8) * swell(t, 6.0, 30.0, 25.0),
        Nuisance::Cigarette => {
            let s = near * swell(t, 120.0, 300.0, 200.0);
            air.smoke_db_m += s * between(0.05, 0.18);
            air.co_ppm += s * between(1.0, 5.0);
        }
        Nuisance::Welding => {
            let s = near * swell(t, 5.0, between(120.0, 600.0), 20.0);
            air.smoke_db_m += s * 0.05;
            if spot.in_view && (t / 7.0).fract() < 0.8 {
                air.flame_kw += s * 60.0;
            }
        }
    }
    air.humidity_pct = air.humidity_pct.min(99.0);
}

fn warm(air: &mut Air, kelvin: f64) {
    air.temperature_c += kelvin;
    air.jet_c += kelvin;
}

fn trouble(kind: Trouble, strength: f64, t: f64, repaired_s: f64, air: &mut Air) {
    let between = |mild: f64, severe: f64| mild + (severe - mild) * strength;
    let left = if t > repaired_s { (-(t - repaired_s) / 120.0).exp() } else { 1.0 };
    match kind {
        Trouble::Insulation => air.leak_ma += left * between(150.0, 600.0) * (t / between(1_800.0, 600.0)).min(1.0),
        Trouble::Contact => air.contact += left * between(2.0, 10.0) * (t / 900.0).min(1.0),
        Trouble::GasLeak => air.gas_lel_pct += left * between(6.0, 60.0) * (1.0 - (-t / between(900.0, 300.0)).exp()),
        Trouble::PressureLoss => air.pressure *= 1.0 - left * between(0.5, 0.92) * (1.0 - (-t / 300.0).exp()),
    }
}
