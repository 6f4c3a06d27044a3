//! What is no fire, and looks like one in a quantity or two: a library of nuisances, made here from the figures of the
//! field. Used by the tests of detection and by `load fires`.
//!
//! A case is a day of one detector: temperature, smoke, carbon monoxide and humidity as functions of the time, with events
//! whose strength differs from detector to detector and from time to time.
#![allow(dead_code)]

use model::Quantity;

/// A generator that is the same everywhere; uniform in -1..1.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Uniform between two bounds.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (self.roll() + 1.0) / 2.0 * (high - low)
    }
}

/// What the air is like at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Air {
    pub temperature_c: f32,
    pub smoke_db_m: f32,
    pub co_ppm: f32,
    pub humidity_pct: f32,
}

impl Air {
    pub fn of(&self, quantity: Quantity) -> f32 {
        match quantity {
            Quantity::TemperatureC => self.temperature_c,
            Quantity::SmokeDbM => self.smoke_db_m,
            Quantity::CoPpm => self.co_ppm,
            _ => self.humidity_pct,
        }
    }
}

/// What happens again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    Quiet,
    Cooking,
    Steam,
    Candles,
    Toast,
    Heating,
    Sun,
    HotAir,
    Door,
    Dust,
    Insects,
    PowerCycling,
    Stuck,
    Spikes,
    Fog,
    Frying,
    Shower,
    GasCooker,
    Cigarette,
    Incense,
    Welding,
    Spray,
    Airing,
    Chamber,
}

impl Case {
    pub const ALL: [Case; 24] = [
        Case::Quiet,
        Case::Cooking,
        Case::Steam,
        Case::Candles,
        Case::Toast,
        Case::Heating,
        Case::Sun,
        Case::HotAir,
        Case::Door,
        Case::Dust,
        Case::Insects,
        Case::PowerCycling,
        Case::Stuck,
        Case::Spikes,
        Case::Fog,
        Case::Frying,
        Case::Shower,
        Case::GasCooker,
        Case::Cigarette,
        Case::Incense,
        Case::Welding,
        Case::Spray,
        Case::Airing,
        Case::Chamber,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Case::Quiet => "quiet",
            Case::Cooking => "cooking",
            Case::Steam => "steam",
            Case::Candles => "candles",
            Case::Toast => "toast",
            Case::Heating => "heating",
            Case::Sun => "sun",
            Case::HotAir => "hot air",
            Case::Door => "door in winter",
            Case::Dust => "dust",
            Case::Insects => "insects",
            Case::PowerCycling => "power cycling",
            Case::Stuck => "stuck values",
            Case::Spikes => "spikes",
            Case::Fog => "fog",
            Case::Frying => "frying",
            Case::Shower => "shower",
            Case::GasCooker => "gas cooker",
            Case::Cigarette => "cigarettes",
            Case::Incense => "incense",
            Case::Welding => "welding",
            Case::Spray => "spray",
            Case::Airing => "airing",
            Case::Chamber => "dirty chamber",
        }
    }

    /// What happens, in words and figures.
    pub fn meaning(self) -> &'static str {
        match self {
            Case::Quiet => {
                "a day's and a heater's temperature, noise 0.3 K and 0.01 dB/m, offsets of the zero up to ±0.05"
            }
            Case::Cooking => {
                "10 to 20 min: +1 to 2 K, 2 to 9 ppm, smoke 0.03 to 0.12 dB/m with puffs of 4 to 8 s up to 0.4"
            }
            Case::Steam => {
                "3 to 10 min: humidity 45 to 70-85 %, +1 to 2 K, smoke 0.03 to 0.13 dB/m, the door's gust of 8 s up to 0.3"
            }
            Case::Candles => {
                "2 to 4 h: +0.5 to 1.5 K, 1 to 4 ppm, smoke up to 0.03 dB/m, a puff of 0.1 for 10 s when put out"
            }
            Case::Toast => "2 to 4 min: smoke 0.05 to 0.13 dB/m, 3 to 9 ppm, +0.3 to 1 K, puffs of 4 to 8 s up to 0.5",
            Case::Heating => "+6 to 12 K at 2 to 4 K/min, each two hours",
            Case::Sun => "+8 to 15 K at 1 to 3 K/min, clouds between",
            Case::HotAir => {
                "an outlet near the sensor: +2 to 3.5 K within 30 s, for 10 min; people under it: +5 K for 5 s"
            }
            Case::Door => "to the frost for 20 to 90 s: -5 to -12 K, and back within a minute",
            Case::Dust => "a step of 0.02 to 0.07 dB/m that stays, sweeping with 0.1 dB/m for 20 s",
            Case::Insects => "0.2 to 1.5 dB/m for one or two samples, again and again",
            Case::PowerCycling => "each hour off for 30 to 300 s; the first samples are 0 °C or 85 °C, smoke 0",
            Case::Stuck => "each quantity stays at its last value for an hour, then goes on",
            Case::Spikes => "one sample of a thousand wrong, by up to ±80 K, 1 dB/m or 200 ppm",
            Case::Fog => "humidity 97 %, smoke 0.02 to 0.07 dB/m for a night",
            Case::Frying => {
                "10 to 30 min at the device: +3 to 8 K within 4 to 8 min, 2 to 9 ppm, smoke 0.03, and peaks of 1 to 4 min of 0.1 to 0.6 dB/m"
            }
            Case::Shower => "2 to 8 min: humidity +30 to 45, +1 to 4 K within 20 to 60 s, steam of 0.2 to 0.8 dB/m",
            Case::GasCooker => "20 to 60 min: 5 to 30 ppm, +2 to 5 K within 10 min, smoke 0.02 to 0.10 dB/m",
            Case::Cigarette => "3 to 8 min: smoke 0.03 to 0.12 dB/m, 1 to 3 ppm, puffs of 4 to 8 s up to 0.3",
            Case::Incense => "1 to 3 h: smoke 0.04 to 0.13 dB/m, 3 to 9 ppm, +0.5 K",
            Case::Welding => "10 to 30 min: puffs of 4 to 8 s of 0.1 to 0.5 dB/m, 2 to 12 ppm, +0 to 2 K",
            Case::Spray => "0.3 to 1 dB/m at once, gone with 15 to 40 s",
            Case::Airing => "a window for 5 to 15 min: -4 to -10 K, and back with 150 to 400 s",
            Case::Chamber => "a zero of 0.08 to 0.25 dB/m with noise of 0.02, and spikes of up to three samples",
        }
    }

    /// Whether devices of these quantities see just what smouldering shows, so that nothing can tell it apart.
    pub fn is_beyond(self, quantities: &[Quantity]) -> bool {
        let knows = |quantity| quantities.contains(&quantity);
        match self {
            Case::Frying | Case::Spray => !knows(Quantity::CoPpm),
            Case::Shower => !knows(Quantity::HumidityPct),
            _ => false,
        }
    }
}

/// One detector's day.
pub struct Day {
    case: Case,
    dice: Dice,
    /// Of the detector: zero of smoke, temperature of the room.
    zero_db_m: f32,
    room_c: f32,
    /// The event in progress: begin, length, strength and a second strength from 0 to 1; the next one's begin.
    began_s: f32,
    lasts_s: f32,
    strength: [f32; 3],
    next_s: f32,
    /// A puff: until when, and how dense.
    puff_until_s: f32,
    puff_db_m: f32,
    step_db_m: f32,
    /// What lies in a dirty chamber.
    dirt_db_m: f32,
    held: Option<Air>,
    since_wrong: u32,
}

impl Day {
    pub fn new(case: Case, seed: u64) -> Day {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ case as u64);
        for _ in 0..4 {
            dice.roll();
        }
        let (zero_db_m, room_c) = (dice.between(-0.03, 0.05), dice.between(16.0, 27.0));
        let next_s = dice.between(600.0, 3000.0);
        let dirt_db_m = if case == Case::Chamber { dice.between(0.08, 0.25) } else { 0.0 };
        Day {
            case,
            dice,
            zero_db_m,
            room_c,
            began_s: -1e9,
            lasts_s: 0.0,
            strength: [0.0; 3],
            next_s,
            puff_until_s: -1.0,
            puff_db_m: 0.0,
            step_db_m: 0.0,
            dirt_db_m,
            held: None,
            since_wrong: 0,
        }
    }

    fn begin(&mut self, at_s: f32) {
        let (lasts, pause) = match self.case {
            Case::Cooking => ((600.0, 1200.0), (3600.0, 10_800.0)),
            Case::Steam => ((180.0, 600.0), (3600.0, 14_400.0)),
            Case::Candles => ((7200.0, 14_400.0), (3600.0, 14_400.0)),
            Case::Toast => ((120.0, 240.0), (3600.0, 14_400.0)),
            Case::Heating => ((1800.0, 3600.0), (3600.0, 5400.0)),
            Case::Sun => ((1200.0, 7200.0), (1200.0, 7200.0)),
            Case::HotAir => ((600.0, 600.0), (1200.0, 3600.0)),
            Case::Door => ((20.0, 90.0), (600.0, 3600.0)),
            Case::Dust => ((20.0, 20.0), (7200.0, 20_000.0)),
            Case::Insects => ((1.0, 1.0), (60.0, 1800.0)),
            Case::PowerCycling => ((30.0, 300.0), (3600.0, 3600.0)),
            Case::Stuck => ((3600.0, 3600.0), (3600.0, 7200.0)),
            Case::Fog => ((20_000.0, 30_000.0), (20_000.0, 40_000.0)),
            Case::Frying => ((600.0, 1800.0), (5400.0, 14_400.0)),
            Case::Shower => ((120.0, 480.0), (7200.0, 20_000.0)),
            Case::GasCooker => ((1200.0, 3600.0), (5400.0, 14_400.0)),
            Case::Cigarette => ((180.0, 480.0), (1800.0, 7200.0)),
            Case::Incense => ((3600.0, 10_800.0), (7200.0, 20_000.0)),
            Case::Welding => ((600.0, 1800.0), (3600.0, 7200.0)),
            Case::Spray => ((3.0, 8.0), (3600.0, 14_400.0)),
            Case::Airing => ((300.0, 900.0), (3600.0, 10_800.0)),
            Case::Chamber => ((1.0, 3.0), (300.0, 3600.0)),
            Case::Quiet | Case::Spikes => ((0.0, 0.0), (1e9, 1e9)),
        };
        self.began_s = at_s;
        self.lasts_s = self.dice.between(lasts.0, lasts.1);
        self.strength = [0; 3].map(|_| self.dice.between(0.0, 1.0));
        self.next_s = at_s + self.lasts_s + self.dice.between(pause.0, pause.1);
        if self.case == Case::Dust {
            self.step_db_m = self.dice.between(0.02, 0.07);
        }
    }

    /// The air at a time, s since the beginning of the day; `None` while the device has no power. Times never go back.
    pub fn at(&mut self, at_s: f32) -> Option<Air> {
        if at_s >= self.next_s {
            self.begin(at_s);
        }
        let day_c = 3.0 * (at_s / 86_400.0 * std::f32::consts::TAU).sin();
        let mut air = Air {
            temperature_c: self.room_c + day_c + 0.3 * self.dice.roll(),
            smoke_db_m: self.zero_db_m + 0.01 * self.dice.roll(),
            co_ppm: 1.0 + self.dice.roll(),
            humidity_pct: 45.0 + self.dice.roll(),
        };
        let within_s = at_s - self.began_s;
        let on = within_s < self.lasts_s;
        let after_s = (within_s - self.lasts_s).max(0.0);
        // rises within `rise_s` of the event, and falls with `fall_s` after it
        let share = |rise_s: f32, fall_s: f32| {
            let reached = (within_s.min(self.lasts_s) / rise_s).clamp(0.0, 1.0);
            reached * (-after_s / fall_s).exp()
        };
        let [a, b, _] = self.strength;
        self.burning(&mut air, share);
        self.clouds(&mut air, share);
        match self.case {
            Case::Heating => {
                let rate = (2.0 + 2.0 * b) / 60.0;
                let rise_k = 6.0 + 6.0 * a;
                air.temperature_c += rise_k * share(rise_k / rate, 2400.0);
            }
            Case::Sun => {
                let rate = (1.0 + 2.0 * b) / 60.0;
                let rise_k = 8.0 + 7.0 * a;
                // a cloud comes and goes within four minutes
                let cloud = 1.0 - 0.3 * (1.0 - ((within_s / 240.0) % 3.0 - 1.0).abs()).max(0.0);
                air.temperature_c += rise_k * cloud * share(rise_k / rate, 900.0);
            }
            Case::HotAir => {
                air.temperature_c += (2.0 + 1.5 * a) * share(30.0, 60.0);
                if on && (within_s / 100.0).fract() < 0.05 && within_s > 100.0 {
                    air.temperature_c += 3.0 + 2.0 * b;
                }
            }
            Case::Door => air.temperature_c -= (5.0 + 7.0 * a) * share(self.lasts_s.min(30.0), 25.0),
            Case::Dust => {
                air.smoke_db_m += self.step_db_m + if on { 0.1 * share(5.0, 5.0) } else { 0.0 };
            }
            Case::Insects => air.smoke_db_m += if on { 0.2 + 1.3 * a } else { 0.0 },
            Case::PowerCycling => {
                if on {
                    return None;
                }
                if after_s < 2.0 {
                    air = Air { temperature_c: if a > 0.5 { 0.0 } else { 85.0 }, smoke_db_m: 0.0, co_ppm: 0.0, ..air };
                }
            }
            Case::Stuck => {
                let held = *self.held.get_or_insert(air);
                if on {
                    air = held;
                } else {
                    self.held = None;
                }
            }
            Case::Spikes => self.wrong(&mut air),
            Case::Airing => air.temperature_c -= (4.0 + 6.0 * a) * share(200.0, 150.0 + 250.0 * b),
            Case::Chamber => {
                air.smoke_db_m += self.dirt_db_m + 0.02 * self.dice.roll() + if on { 0.2 + a } else { 0.0 };
            }
            _ => {}
        }
        self.puffs(at_s, on, &mut air);
        air.humidity_pct = air.humidity_pct.clamp(0.0, 100.0);
        Some(air)
    }

    /// Fumes and steam.
    fn clouds(&self, air: &mut Air, share: impl Fn(f32, f32) -> f32) {
        let [a, b, c] = self.strength;
        match self.case {
            Case::Cooking => {
                air.temperature_c += (1.0 + a) * share(300.0, 600.0);
                air.co_ppm += (2.0 + 6.0 * b) * share(200.0, 300.0);
                air.smoke_db_m += (0.03 + 0.09 * c) * share(120.0, 120.0);
                air.humidity_pct += 10.0 * a * share(200.0, 600.0);
            }
            Case::Steam => {
                air.temperature_c += (1.0 + a) * share(40.0, 120.0);
                air.humidity_pct += (25.0 + 15.0 * b) * share(30.0, 200.0);
                air.smoke_db_m += (0.03 + 0.10 * c) * share(30.0, 60.0);
            }
            Case::Candles => {
                air.temperature_c += (0.5 + a) * share(900.0, 900.0);
                air.co_ppm += (1.0 + 3.0 * b) * share(900.0, 900.0);
                air.smoke_db_m += 0.03 * c * share(600.0, 300.0);
            }
            Case::Toast => {
                air.temperature_c += (0.3 + 0.7 * a) * share(60.0, 120.0);
                air.co_ppm += (2.0 + 6.0 * b) * share(90.0, 120.0);
                air.smoke_db_m += (0.05 + 0.08 * c) * share(60.0, 60.0);
            }
            Case::Fog => {
                air.humidity_pct += 52.0 * share(3000.0, 3000.0);
                air.smoke_db_m += (0.02 + 0.05 * a) * share(3000.0, 3000.0);
            }
            Case::Shower => {
                let rise_s = 20.0 + 40.0 * b;
                air.temperature_c += (1.0 + 3.0 * a) * share(rise_s, 120.0);
                air.humidity_pct += (30.0 + 15.0 * b) * share(20.0, 200.0);
                air.smoke_db_m += (0.2 + 0.6 * c) * share(rise_s, 40.0);
            }
            Case::Spray => air.smoke_db_m += (0.3 + 0.7 * c) * share(2.0, 15.0 + 25.0 * b),
            _ => {}
        }
    }

    /// What burns without being a fire.
    fn burning(&self, air: &mut Air, share: impl Fn(f32, f32) -> f32) {
        let [a, b, c] = self.strength;
        let (kelvin, rise_s, ppm, db_m) = match self.case {
            Case::Frying => (3.0 + 5.0 * a, 240.0 + 240.0 * c, 2.0 + 7.0 * b, 0.03),
            Case::GasCooker => (2.0 + 3.0 * a, 600.0, 5.0 + 25.0 * b, 0.02 + 0.08 * c),
            Case::Cigarette => (0.0, 60.0, 1.0 + 2.0 * b, 0.03 + 0.09 * c),
            Case::Incense => (0.5, 600.0, 3.0 + 6.0 * b, 0.04 + 0.09 * c),
            Case::Welding => (2.0 * a, 120.0, 2.0 + 10.0 * b, 0.0),
            _ => return,
        };
        air.temperature_c += kelvin * share(rise_s, 300.0);
        air.co_ppm += ppm * share(rise_s, 300.0);
        air.smoke_db_m += db_m * share(60.0, 60.0);
    }

    fn wrong(&mut self, air: &mut Air) {
        self.since_wrong += 1;
        if self.since_wrong > 5 && self.dice.roll() > 0.998 {
            self.since_wrong = 0;
            match (self.dice.between(0.0, 3.0)) as u32 {
                0 => air.temperature_c += 80.0 * self.dice.roll(),
                1 => air.smoke_db_m += (1.0 * self.dice.roll()).max(-0.5),
                _ => air.co_ppm += (200.0 * self.dice.roll()).max(-20.0),
            }
        }
    }

    /// Short dense smoke: of a pan, a gust of steam, a slice of bread.
    fn puffs(&mut self, at_s: f32, on: bool, air: &mut Air) {
        let (dense, likely) = match self.case {
            Case::Cooking => ((0.1, 0.4), 0.01),
            Case::Steam => ((0.1, 0.3), 0.005),
            Case::Toast => ((0.1, 0.5), 0.01),
            Case::Candles => ((0.05, 0.1), 0.0005),
            Case::Cigarette => ((0.1, 0.3), 0.01),
            Case::Welding => ((0.1, 0.5), 0.02),
            Case::Frying => ((0.1, 0.6), 0.005),
            _ => return,
        };
        if on && at_s > self.puff_until_s + 60.0 && self.dice.between(0.0, 1.0) < likely {
            let lasts_s = if self.case == Case::Frying { (60.0, 240.0) } else { (4.0, 8.0) };
            self.puff_until_s = at_s + self.dice.between(lasts_s.0, lasts_s.1);
            self.puff_db_m = self.dice.between(dense.0, dense.1);
        }
        if at_s < self.puff_until_s {
            air.smoke_db_m += self.puff_db_m;
        }
    }
}
