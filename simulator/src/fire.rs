//! A fire in one room: what burns, how it grows, and what reaches the detectors.
//!
//! One room with a well-mixed upper half, and the rooms beside it. What is taken from where:
//!
//! * Growth `Q = α·t²` with the classes of NFPA 72 (annex B) and NFPA 92: slow, medium, fast, ultra-fast reach 1,055 kW in
//!   600, 300, 150, 75 s.
//! * Smouldering before flames: mass loss `0.10·t + 0.0185·t²` g/min, t in minutes, after Quintiere et al., "An analysis of
//!   smoldering fires in closed compartments" (1982), coefficients as handbooks quote them.
//! * Ceiling jet: Alpert (1972), `ΔT = 16.9 Q^⅔ H^−5⁄₃` over the plume (r ≤ 0.18 H), else `5.38 (Q/r)^⅔ / H`; velocity
//!   `0.947 (Q/H)^⅓` (r ≤ 0.15 H), else `0.197 Q^⅓ H^½ r^−5⁄₆`. Steady-state correlations of an unconfined ceiling; the hot layer
//!   of a small room comes on top as the room's mean.
//! * Smoke: mass-specific extinction 8.7 m²/g for flames (Mulholland and Croarkin, 2000), 4.4 m²/g smouldering (Seader and
//!   Einhorn); obscuration in dB/m is `10·log10(e)` times extinction.
//! * Yields and heats of combustion: order of magnitude from Tewarson's tables in the SFPE Handbook.
//!
//! Left out on purpose: flashover, sprinklers, the next unit, stratification. This is for trying an alerting system, not for
//! the design of a building.

use rand::Rng;

/// Lower end of "there is fire": below this heat release nothing flames, kW.
const FLAME_KW: f64 = 0.5;
/// m²/g.
const EXTINCTION_FLAMING: f64 = 8.7;
const EXTINCTION_SMOULDER: f64 = 4.4;
/// dB/m of an extinction of 1/m.
pub const DB_PER_EXTINCTION: f64 = 4.342_944_819;
/// ppm of 1 g/m³ of carbon monoxide at 20 °C: 24.05 l/mol, 28.01 g/mol.
const CO_PPM_PER_G_M3: f64 = 24.05e3 / 28.01;

/// A scenario.
#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// Shortest and longest time of smouldering or heating up before flames, s.
    pub smoulder_s: (f64, f64),
    /// Growth, kW/s².
    pub alpha: f64,
    /// Fuel and air limit it here, kW.
    pub peak_kw: (f64, f64),
    /// Grams of soot per gram burnt: smouldering, flaming.
    pub soot: (f64, f64),
    /// Grams of carbon monoxide per gram burnt: smouldering, flaming.
    pub co: (f64, f64),
    /// kJ/g of flaming fuel.
    pub heat_kj_g: f64,
    /// Minutes of electrical signs before it; (0, 0): none.
    pub precursor_min: (f64, f64),
}

/// Slow, medium, fast and ultra-fast growth, kW/s².
pub const SLOW: f64 = 0.00293;
/// 1,055 kW in 300 s.
pub const MEDIUM: f64 = 0.01172;
/// 1,055 kW in 150 s.
pub const FAST: f64 = 0.0469;
/// 1,055 kW in 75 s.
pub const ULTRA_FAST: f64 = 0.1876;

/// What burns in the city. Electric bicycles and wiring lead, as they do in rented houses.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "电气线路",
        smoulder_s: (60.0, 420.0),
        alpha: MEDIUM,
        peak_kw: (150.0, 900.0),
        soot: (0.06, 0.10),
        co: (0.08, 0.04),
        heat_kj_g: 18.0,
        precursor_min: (8.0, 30.0),
    },
    Scenario {
        name: "电动自行车",
        smoulder_s: (10.0, 40.0),
        alpha: ULTRA_FAST,
        peak_kw: (600.0, 1_400.0),
        soot: (0.10, 0.10),
        co: (0.10, 0.04),
        heat_kj_g: 22.0,
        precursor_min: (0.0, 0.0),
    },
    Scenario {
        name: "厨房油锅",
        smoulder_s: (60.0, 200.0),
        alpha: FAST,
        peak_kw: (80.0, 500.0),
        soot: (0.04, 0.05),
        co: (0.01, 0.02),
        heat_kj_g: 37.0,
        precursor_min: (0.0, 0.0),
    },
    Scenario {
        name: "卧具阴燃",
        smoulder_s: (600.0, 2_100.0),
        alpha: MEDIUM,
        peak_kw: (300.0, 1_500.0),
        soot: (0.09, 0.10),
        co: (0.13, 0.03),
        heat_kj_g: 19.0,
        precursor_min: (0.0, 0.0),
    },
    Scenario {
        name: "堆放杂物",
        smoulder_s: (30.0, 400.0),
        alpha: MEDIUM,
        peak_kw: (200.0, 1_200.0),
        soot: (0.05, 0.02),
        co: (0.10, 0.01),
        heat_kj_g: 13.0,
        precursor_min: (0.0, 0.0),
    },
    Scenario {
        name: "货架仓储",
        smoulder_s: (20.0, 200.0),
        alpha: FAST,
        peak_kw: (1_500.0, 4_000.0),
        soot: (0.06, 0.06),
        co: (0.10, 0.02),
        heat_kj_g: 20.0,
        precursor_min: (0.0, 0.0),
    },
];

/// The room in which it burns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    pub area_m2: f64,
    pub height_m: f64,
}

/// One fire, fixed before it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Index into [`SCENARIOS`].
    pub scenario: usize,
    pub smoulder_s: f64,
    pub peak_kw: f64,
    /// Seconds after ignition of the first fuel at which somebody begins to put it out.
    pub fought_s: f64,
    pub room: Room,
}

impl Course {
    /// Draws one. About half of the fires are caught early by whoever is there; the rest wait for the micro station.
    pub fn draw(scenario: usize, room: Room, rng: &mut impl Rng) -> Self {
        let s = &SCENARIOS[scenario];
        let smoulder_s = rng.random_range(s.smoulder_s.0..=s.smoulder_s.1);
        let peak_kw = rng.random_range(s.peak_kw.0..=s.peak_kw.1);
        let early = rng.random_bool(0.5);
        let fought_s =
            smoulder_s + if early { rng.random_range(60.0..180.0) } else { rng.random_range(360.0..1_000.0) };
        Self { scenario, smoulder_s, peak_kw, fought_s, room }
    }

    /// Heat release `t` seconds after ignition, kW; extinguishing takes it away with a time constant of 60 s.
    pub fn heat_kw(&self, t: f64) -> f64 {
        let growth = |t: f64| {
            let flaming = (t - self.smoulder_s).max(0.0);
            (SCENARIOS[self.scenario].alpha * flaming * flaming).min(self.peak_kw)
        };
        if t <= self.fought_s { growth(t) } else { growth(self.fought_s) * (-(t - self.fought_s) / 60.0).exp() }
    }

    /// Fuel lost without flames, g/s.
    fn smoulder_g_s(&self, t: f64) -> f64 {
        let minutes = t.min(self.smoulder_s) / 60.0;
        let loss = (0.10 * minutes + 0.0185 * minutes * minutes) / 60.0;
        if t <= self.fought_s { loss } else { loss * (-(t - self.fought_s) / 60.0).exp() }
    }
}

/// Smoke and gas in one space.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Space {
    /// Extinction, 1/m.
    extinction: f64,
    co_g_m3: f64,
    /// Above the unit's own temperature, K.
    warmer_k: f64,
}

/// A fire as it burns: integrates once a second.
#[derive(Debug, Clone, PartialEq)]
pub struct Burning {
    pub course: Course,
    t: f64,
    origin: Space,
    beside: Space,
}

/// What one detector meets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exposure {
    pub smoke_db_m: f64,
    pub co_ppm: f64,
    /// Air around the detector above the quiet temperature, K.
    pub warmer_k: f64,
    pub jet_m_s: f64,
    pub flame_kw: f64,
}

impl Burning {
    /// At ignition.
    pub fn new(course: Course) -> Self {
        Self { course, t: 0.0, origin: Space::default(), beside: Space::default() }
    }

    /// Goes on to `t` seconds after ignition.
    pub fn advance(&mut self, t: f64) {
        while self.t + 1.0 <= t {
            self.second();
            self.t += 1.0;
        }
    }

    fn second(&mut self) {
        let scenario = &SCENARIOS[self.course.scenario];
        let heat_kw = self.course.heat_kw(self.t);
        let flaming_g = heat_kw / scenario.heat_kj_g;
        let smoulder_g = if heat_kw > 50.0 { 0.0 } else { self.course.smoulder_g_s(self.t) };
        let room = self.course.room;
        let volume = room.area_m2 * room.height_m * 0.5;
        // air changes: leakage, plus what the fire drives through the door
        let fought = self.t > self.course.fought_s;
        let exchange =
            2.0 / 3_600.0 + 0.9 / volume * (heat_kw / 400.0).min(1.0).cbrt() + if fought { 0.006 } else { 0.0 };
        let o = &mut self.origin;
        let b = &mut self.beside;
        let mixing = exchange * 0.4; // the space beside is larger
        b.extinction += mixing * (o.extinction - b.extinction) - 0.003 * b.extinction;
        b.co_g_m3 += mixing * (o.co_g_m3 - b.co_g_m3) - 0.003 * b.co_g_m3;
        b.warmer_k += mixing * (o.warmer_k - b.warmer_k) - 0.01 * b.warmer_k;
        let soot =
            EXTINCTION_SMOULDER * scenario.soot.0 * smoulder_g + EXTINCTION_FLAMING * scenario.soot.1 * flaming_g;
        o.extinction += soot / volume - o.extinction * exchange;
        o.co_g_m3 += (scenario.co.0 * smoulder_g + scenario.co.1 * flaming_g) / volume - o.co_g_m3 * exchange;
        // the layer keeps a third of the convective heat (0.7 Q), walls and door take the rest; air 1.2 kJ/(m³·K)
        o.warmer_k += 0.7 * heat_kw * 0.33 / (volume * 1.2) - o.warmer_k * (exchange + 0.02);
        o.warmer_k = o.warmer_k.min(900.0);
    }

    /// What a detector meets `radius_m` from the plume's axis, in the room of origin or beside it.
    pub fn exposure(&self, radius_m: f64, in_origin: bool) -> Exposure {
        let space = if in_origin { self.origin } else { self.beside };
        let mut heat_kw = self.course.heat_kw(self.t);
        if heat_kw < FLAME_KW {
            heat_kw = 0.0;
        }
        let (jet_k, jet_m_s) =
            if in_origin { ceiling_jet(heat_kw, self.course.room.height_m, radius_m) } else { (0.0, 0.3) };
        Exposure {
            smoke_db_m: space.extinction * DB_PER_EXTINCTION,
            co_ppm: space.co_g_m3 * CO_PPM_PER_G_M3,
            warmer_k: (jet_k + 0.5 * space.warmer_k).min(900.0),
            jet_m_s: jet_m_s.max(0.1),
            flame_kw: heat_kw,
        }
    }

    /// True when nothing burns and the smoke has gone.
    pub fn over(&self) -> bool {
        self.t > self.course.fought_s + 300.0
            && self.origin.extinction * DB_PER_EXTINCTION < 0.02
            && self.course.heat_kw(self.t) < 1.0
    }
}

/// Alpert's ceiling jet: temperature above ambient (K) and velocity (m/s).
pub fn ceiling_jet(heat_kw: f64, height_m: f64, radius_m: f64) -> (f64, f64) {
    if heat_kw <= 0.0 {
        return (0.0, 0.0);
    }
    let rise = if radius_m <= 0.18 * height_m {
        16.9 * heat_kw.powf(2.0 / 3.0) / height_m.powf(5.0 / 3.0)
    } else {
        5.38 * (heat_kw / radius_m).powf(2.0 / 3.0) / height_m
    };
    let speed = if radius_m <= 0.15 * height_m {
        0.947 * (heat_kw / height_m).cbrt()
    } else {
        0.197 * heat_kw.cbrt() * height_m.sqrt() / radius_m.powf(5.0 / 6.0)
    };
    (rise.min(900.0), speed)
}
