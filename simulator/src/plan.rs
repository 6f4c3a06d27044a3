//! What happens when and where, from a seed alone: a Poisson stream for each kind of incident.
//!
//! Every process of a run draws the same plan over the whole city and carries out its own units' part; whoever plays the
//! responders reads from it what was real.

use crate::{
    category::{self, CATEGORIES, Category, Day},
    fire::{Course, Room, SCENARIOS},
    incident::{Nuisance, Trouble, Verdict, What},
    roster::{Class, DeviceRow, Roster},
    wire::EventKind,
};
use anyhow::{Context, Result};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{collections::HashMap, ops::Range};

/// A unit as the simulator sees it.
#[derive(Debug)]
pub struct Site {
    pub code: String,
    pub category: &'static Category,
    /// Index of the village.
    pub village: usize,
    /// Its devices in [`Atlas::devices`].
    pub devices: Range<usize>,
}

/// The roster, indexed.
#[derive(Debug)]
pub struct Atlas {
    pub sites: Vec<Site>,
    /// Ordered by unit.
    pub devices: Vec<DeviceRow>,
    /// Site of each device.
    pub site_of: Vec<usize>,
    /// Number of villages.
    pub villages: usize,
}

impl Atlas {
    /// Indexes a roster; its devices must name units that exist.
    pub fn new(roster: &Roster) -> Result<Self> {
        let by_code: HashMap<&str, usize> =
            roster.units.iter().enumerate().map(|(i, u)| (u.code.as_str(), i)).collect();
        let mut villages: HashMap<&str, usize> = HashMap::new();
        let mut sites: Vec<Site> = Vec::with_capacity(roster.units.len());
        for unit in &roster.units {
            let village = unit
                .grid
                .get(..12)
                .with_context(|| format!("unit {}: the grid code {:?} has not 15 digits", unit.code, unit.grid))?;
            let next = villages.len();
            let village = *villages.entry(village).or_insert(next);
            sites.push(Site {
                code: unit.code.clone(),
                category: category::find(&unit.category),
                village,
                devices: 0..0,
            });
        }
        let mut rows: Vec<(usize, &DeviceRow)> = Vec::with_capacity(roster.devices.len());
        for row in &roster.devices {
            let site = *by_code.get(row.unit.as_str()).with_context(|| {
                format!(
                    "device {}/{} stands in unit {}, which units.csv does not have",
                    row.vendor, row.device, row.unit
                )
            })?;
            rows.push((site, row));
        }
        rows.sort_by_key(|(site, _)| *site);
        for (i, (site, _)) in rows.iter().enumerate() {
            let range = &mut sites[*site].devices;
            range.start = if range.end == 0 { i } else { range.start };
            range.end = i + 1;
        }
        Ok(Self {
            sites,
            site_of: rows.iter().map(|(site, _)| *site).collect(),
            devices: rows.into_iter().map(|(_, row)| row.clone()).collect(),
            villages: villages.len(),
        })
    }

    fn has(&self, site: &Site, classes: &[Class]) -> bool {
        self.devices[site.devices.clone()].iter().any(|d| classes.contains(&d.class))
    }
}

/// Incidents an hour over the whole city.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Rates {
    /// Fires an hour in units with a detector. A real city of this size sees a few a month; the default is for watching.
    #[arg(long, default_value_t = 4.0)]
    pub fires_per_hour: f64,
    /// Nuisance alarms an hour (cooking, steam, dust, smoking, welding); about 7 would be usual for 70,000 devices.
    #[arg(long, default_value_t = 12.0)]
    pub nuisance_per_hour: f64,
    /// Hazards an hour without fire: leakage current, hot contacts, leaking gas, lost water pressure.
    #[arg(long, default_value_t = 4.0)]
    pub troubles_per_hour: f64,
    /// Power cuts an hour, each of one village.
    #[arg(long, default_value_t = 0.5)]
    pub power_cuts_per_hour: f64,
    /// Device faults an hour: fault, opened housing, low battery.
    #[arg(long, default_value_t = 6.0)]
    pub faults_per_hour: f64,
    /// Devices an hour that fall silent without a word.
    #[arg(long, default_value_t = 1.0)]
    pub deaths_per_hour: f64,
    /// Detector tests an hour.
    #[arg(long, default_value_t = 2.0)]
    pub drills_per_hour: f64,
}

impl Rates {
    /// Nothing happens.
    pub const QUIET: Self = Self {
        fires_per_hour: 0.0,
        nuisance_per_hour: 0.0,
        troubles_per_hour: 0.0,
        power_cuts_per_hour: 0.0,
        faults_per_hour: 0.0,
        deaths_per_hour: 0.0,
        drills_per_hour: 0.0,
    };

    /// In the order of [`Stream`].
    fn all(&self) -> [f64; 7] {
        [
            self.fires_per_hour,
            self.nuisance_per_hour,
            self.troubles_per_hour,
            self.power_cuts_per_hour,
            self.faults_per_hour,
            self.deaths_per_hour,
            self.drills_per_hour,
        ]
    }
}

/// Something that is to happen.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    pub at_ms: i64,
    /// Different for every incident of a run; decides who stands where.
    pub number: u64,
    pub what: Befall,
}

/// To whom it happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Befall {
    Site { site: usize, what: What },
    PowerCut { village: usize, until_ms: i64 },
    Fault { device: usize, kind: EventKind, until_ms: i64 },
    Death { device: usize, until_ms: i64 },
}

/// The stream of all incidents, in order of time.
#[derive(Debug, Clone)]
pub struct Plan {
    rng: ChaCha8Rng,
    next_ms: [Option<i64>; 7],
    rates: [f64; 7],
    number: u64,
    /// Sites that can burn visibly with their summed weight, sites with smoke detectors, with cameras, by trouble.
    burnable: Vec<(f64, usize)>,
    smoky: Vec<usize>,
    filmed: Vec<usize>,
    troubled: [Vec<usize>; 4],
    villages: usize,
    devices: usize,
    categories: Vec<usize>,
}

const TROUBLES: [(Trouble, Class); 4] = [
    (Trouble::Insulation, Class::Electrical),
    (Trouble::Contact, Class::Electrical),
    (Trouble::GasLeak, Class::Gas),
    (Trouble::PressureLoss, Class::Water),
];

impl Plan {
    /// Draws from `seed`, beginning at `start_ms` (city time).
    pub fn new(atlas: &Atlas, rates: &Rates, seed: u64, start_ms: i64) -> Self {
        let with = |classes: &[Class]| -> Vec<usize> {
            (0..atlas.sites.len()).filter(|&i| atlas.has(&atlas.sites[i], classes)).collect()
        };
        let mut sum = 0.0;
        let detectors = [Class::Smoke, Class::Heat, Class::Co, Class::Combined, Class::Panel, Class::Camera];
        let burnable = with(&detectors)
            .into_iter()
            .map(|site| {
                sum += f64::from(atlas.sites[site].category.fire_weight);
                (sum, site)
            })
            .collect();
        let index = |c: &Category| CATEGORIES.iter().position(|k| std::ptr::eq(k, c)).unwrap_or(0);
        let mut plan = Self {
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x0066_6972_6573), // apart from the roster's own draws
            next_ms: [None; 7],
            rates: rates.all(),
            number: 0,
            burnable,
            smoky: with(&[Class::Smoke, Class::Combined, Class::Panel]),
            filmed: with(&[Class::Camera]),
            troubled: TROUBLES.map(|(_, class)| with(&[class])),
            villages: atlas.villages,
            devices: atlas.devices.len(),
            categories: atlas.sites.iter().map(|s| index(s.category)).collect(),
        };
        for stream in 0..plan.rates.len() {
            plan.next_ms[stream] = plan.arrival(stream, start_ms);
        }
        plan
    }

    fn arrival(&mut self, stream: usize, after_ms: i64) -> Option<i64> {
        let rate = self.rates[stream];
        let wait_h = -(1.0 - self.rng.random_range(0.0..1.0f64)).ln() / rate;
        (rate > 0.0).then(|| after_ms + (wait_h * 3_600_000.0) as i64)
    }

    /// The next incident that begins at or before `now_ms`.
    pub fn next_until(&mut self, now_ms: i64) -> Option<Due> {
        loop {
            let (stream, at_ms) = self
                .next_ms
                .iter()
                .enumerate()
                .filter_map(|(i, at)| at.map(|at| (i, at)))
                .min_by_key(|&(i, at)| (at, i))?;
            if at_ms > now_ms {
                return None;
            }
            self.next_ms[stream] = self.arrival(stream, at_ms);
            self.number += 1;
            if let Some(what) = self.draw(stream, at_ms) {
                return Some(Due { at_ms, number: self.number, what });
            }
        }
    }

    fn one_of(rng: &mut ChaCha8Rng, from: &[usize]) -> Option<usize> {
        (!from.is_empty()).then(|| from[rng.random_range(0..from.len())])
    }

    fn draw(&mut self, stream: usize, at_ms: i64) -> Option<Befall> {
        let minutes = |rng: &mut ChaCha8Rng, from: f64, to: f64| at_ms + (rng.random_range(from..to) * 60_000.0) as i64;
        let rng = &mut self.rng;
        match stream {
            0 => {
                let total = self.burnable.last()?.0;
                let at = rng.random_range(0.0..total);
                let site = self.burnable[self.burnable.partition_point(|b| b.0 <= at)].1;
                let what = fire(&CATEGORIES[self.categories[site]], rng);
                Some(Befall::Site { site, what })
            }
            1 => {
                let site = if rng.random_bool(0.08) {
                    Self::one_of(rng, &self.filmed)
                } else {
                    Self::one_of(rng, &self.smoky)
                }?;
                let kind = nuisance(&CATEGORIES[self.categories[site]], self.filmed.binary_search(&site).is_ok(), rng);
                Some(Befall::Site { site, what: What::Nuisance { kind, strength: rng.random_range(0.1..1.0) } })
            }
            2 => {
                let which = rng.random_range(0..TROUBLES.len());
                let site = Self::one_of(rng, &self.troubled[which])?;
                let (strength, repaired_s) = (rng.random_range(0.2..1.0), rng.random_range(1_500.0..5_400.0));
                Some(Befall::Site { site, what: What::Trouble { kind: TROUBLES[which].0, strength, repaired_s } })
            }
            3 if self.villages > 0 => Some(Befall::PowerCut {
                village: rng.random_range(0..self.villages),
                until_ms: minutes(rng, 4.0, 40.0),
            }),
            4 if self.devices > 0 => {
                let kind = [EventKind::Fault, EventKind::Tamper, EventKind::LowBattery][rng.random_range(0..3)];
                Some(Befall::Fault {
                    device: rng.random_range(0..self.devices),
                    kind,
                    until_ms: minutes(rng, 5.0, 240.0),
                })
            }
            5 if self.devices > 0 => {
                Some(Befall::Death { device: rng.random_range(0..self.devices), until_ms: minutes(rng, 60.0, 1_440.0) })
            }
            6 => Some(Befall::Site { site: Self::one_of(rng, &self.smoky)?, what: What::Drill }),
            _ => None,
        }
    }
}

fn fire(category: &Category, rng: &mut impl Rng) -> What {
    let chance = rng.random_range(0.0..1.0);
    let scenario = match category.day {
        _ if category.stores && chance < 0.45 => 5,
        Day::Home if chance < 0.25 => 1,
        Day::Home if chance < 0.45 => 3,
        _ if category.kitchen && chance < 0.7 => 2,
        _ if chance < 0.85 => 0,
        _ => 4,
    };
    let room = Room { area_m2: f64::from(category.area_m2), height_m: f64::from(category.height_m) };
    let (from, to) = SCENARIOS[scenario].precursor_min;
    let precursor_s = if to > 0.0 && rng.random_bool(0.7) { rng.random_range(from..to) * 60.0 } else { 0.0 };
    What::Fire { course: Course::draw(scenario, room, rng), precursor_s }
}

fn nuisance(category: &Category, filmed: bool, rng: &mut impl Rng) -> Nuisance {
    match rng.random_range(0..100) {
        _ if filmed && category.day == Day::Works && rng.random_bool(0.4) => Nuisance::Welding,
        0..=44 if category.kitchen => Nuisance::Cooking,
        0..=64 if category.day == Day::Home => Nuisance::Steam,
        65..=79 => Nuisance::Cigarette,
        _ => Nuisance::Dust,
    }
}

/// What was real: the incidents of the last day by unit, for those who play the people.
#[derive(Debug, Default)]
pub struct Truth {
    by_unit: HashMap<String, Vec<(i64, Verdict)>>,
}

/// An alert may be verified this long after its cause, ms of city time.
const REMEMBERED_MS: i64 = 24 * 3_600_000;

impl Truth {
    /// Takes in what the plan held up to `now_ms`, and forgets what is a day old.
    pub fn advance(&mut self, plan: &mut Plan, atlas: &Atlas, now_ms: i64) {
        let mut news = false;
        while let Some(due) = plan.next_until(now_ms) {
            if let Befall::Site { site, what } = due.what {
                self.by_unit.entry(atlas.sites[site].code.clone()).or_default().push((due.at_ms, what.verdict()));
                news = true;
            }
        }
        if news {
            self.by_unit.retain(|_, list| {
                list.retain(|(at, _)| now_ms - at < REMEMBERED_MS);
                !list.is_empty()
            });
        }
    }

    /// What one finds in a unit; where nothing was lit, the alarm was false.
    pub fn verdict(&self, unit: &str) -> Verdict {
        let list = self.by_unit.get(unit).map_or(&[][..], Vec::as_slice);
        if list.iter().any(|l| l.1 == Verdict::Real) {
            return Verdict::Real;
        }
        list.last().map_or(Verdict::False, |l| l.1)
    }
}
