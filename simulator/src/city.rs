//! Invents a city of the user's size on the real divisions of Yuhuan, and writes it as a roster folder.
//!
//! 11 townships, 221 villages, 1,336 grids, 76,000 units, 40,000 devices, 30,000 wireless alarms, 282 micro stations,
//! 11,400 cameras. The same settings give the same files, byte for byte. Positions are a rough sketch of the island and its
//! peninsula, good enough for distances; they are nobody's address.
//!
//! About a sixth of the units has no device: 70,000 devices do not reach 76,000 units, the more so as some units have several.
//! The station has to call those units blind, and that is right.

mod credentials;
mod devices;
mod duty;
mod gateways;
mod people;
mod premises;
mod profiles;
mod regions;

pub use credentials::hash as hash_secret;

use crate::roster::Roster;
use anyhow::{Result, ensure};
use rand::{SeedableRng, rngs::StdRng};
use rand_chacha::ChaCha8Rng;
use std::path::PathBuf;

/// The user's numbers.
pub const GRIDS: usize = 1_336;
/// Units of the full city.
pub const UNITS: usize = 76_000;
/// Micro fire stations of the full city.
pub const STATIONS: usize = 282;

/// What city to make.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Folder to write.
    #[arg(long)]
    pub out: PathBuf,
    /// Same seed, same city.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Size against the full city, above 0 up to 10; townships and villages stay.
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// Number of units; sets the scale of everything else too.
    #[arg(long, conflicts_with = "scale")]
    pub units: Option<usize>,
    /// How many devices get a credential of their own, beside their vendor's account.
    #[arg(long, default_value_t = 2_000)]
    pub device_credentials: usize,
    /// How many owners get an MQTT credential; the others are told on the console.
    #[arg(long, default_value_t = 2_000)]
    pub owner_credentials: usize,
    /// Draw the secrets from the system instead of the seed. A seeded city's secrets are as public as its seed: good for
    /// trying things out on one machine, wrong for a station that others can reach.
    #[arg(long)]
    pub random_secrets: bool,
}

impl Settings {
    /// A seeded city of a number of units, for tests.
    pub fn small(units: usize) -> Self {
        Self {
            out: PathBuf::new(),
            seed: 1,
            scale: 1.0,
            units: Some(units),
            device_credentials: 50,
            owner_credentials: 50,
            random_secrets: false,
        }
    }

    fn factor(&self) -> f64 {
        self.units.map_or(self.scale, |n| n as f64 / UNITS as f64)
    }

    /// A count of the full city at this scale, at least 1.
    fn scaled(&self, full: usize) -> usize {
        ((full as f64 * self.factor()).round() as usize).max(1)
    }

    /// Independent random numbers for one part of the city.
    fn rng(&self, part: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(part);
        rng
    }
}

/// Makes the city.
pub fn build(settings: &Settings) -> Result<Roster> {
    let factor = settings.factor();
    ensure!(factor > 0.0 && factor <= 10.0, "the scale must be above 0 and at most 10, it is {factor}");
    let land = regions::build(settings);
    let mut roster = Roster { regions: land.regions.clone(), ..Roster::default() };
    let owners = premises::build(settings, &land, &mut roster);
    profiles::build(settings, &mut roster);
    devices::build(settings, &mut roster);
    gateways::build(&mut roster);
    people::build(settings, &land, owners, &mut roster);
    duty::build(settings, &land, &mut roster);
    if settings.random_secrets {
        credentials::build(settings, &mut StdRng::from_os_rng(), &mut roster);
    } else {
        credentials::build(settings, &mut settings.rng(9), &mut roster);
    }
    Ok(roster)
}

/// Runs the sub-command: makes, writes and counts.
pub fn run(settings: &Settings) -> Result<String> {
    let roster = build(settings)?;
    roster.write(&settings.out)?;
    let wireless = roster.devices.iter().filter(|d| crate::vendor::is_wireless(&d.device)).count();
    let level = |digits| roster.regions.iter().filter(|r| r.code.len() == digits).count();
    let mut covered: Vec<&str> = roster.devices.iter().map(|d| d.unit.as_str()).collect();
    covered.sort_unstable();
    covered.dedup();
    Ok(format!(
        "{}: {} townships, {} villages, {} grids, {} units ({} without a device), {} devices, {} wireless alarms, {} cameras, \
         {} micro stations, {} people, {} credentials",
        settings.out.display(),
        level(9),
        level(12),
        level(15),
        roster.units.len(),
        roster.units.len() - covered.len(),
        roster.devices.len() - wireless - roster.cameras.len(),
        wireless,
        roster.cameras.len(),
        roster.stations.len(),
        roster.people.len(),
        roster.credentials.len(),
    ))
}

/// Splits `total` over weights so that the sum is exact and everybody gets at least `least` (largest remainders).
///
/// # Panics
/// Never for `total >= least * weights.len()`; with less, the first ones get what there is.
pub fn apportion(total: usize, weights: &[f64], least: usize) -> Vec<usize> {
    let sum: f64 = weights.iter().sum();
    let spare = total.saturating_sub(least * weights.len());
    let exact: Vec<f64> = weights.iter().map(|w| spare as f64 * w / sum).collect();
    let mut share: Vec<usize> = exact.iter().map(|e| e.floor() as usize + least).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| (exact[b].fract()).total_cmp(&exact[a].fract()).then(a.cmp(&b)));
    let mut given: usize = share.iter().sum();
    for &i in order.iter().cycle().take(weights.len() * 2) {
        if given >= total {
            break;
        }
        share[i] += 1;
        given += 1;
    }
    for i in (0..share.len()).rev() {
        let take = given.saturating_sub(total).min(share[i]);
        share[i] -= take;
        given -= take;
    }
    share
}
