//! What the indicators look at, gathered from the state and the roster.

use std::sync::LazyLock;

use model::roster::{DeviceClass, MicroStation, UnitProfile};
use model::{Colour, Family, Roster, UnitId};
use smallvec::SmallVec;

use super::places::{Places, Point, village};
use super::{Settings, indicators, seconds};
use crate::rule;
use crate::state::{Device, NO_DEVICE, State, Unit};

/// Conditions that make a device untrustworthy, one bit each.
static DISTRUSTING: LazyLock<u64> = LazyLock::new(|| rule::bits(|condition| condition.distrusts));
/// Conditions that are hazards, one bit each.
static WARNINGS: LazyLock<u64> = LazyLock::new(|| rule::bits(|condition| condition.family == Family::Warning));

/// Conditions that other indicators speak of: that a unit has no device, or none to be trusted.
const SAID_ELSEWHERE: [&str; 2] = ["no_device", "blind"];

/// The micro station that helps most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach {
    /// `None`: of the same village, where one of the two has no position.
    pub distance_m: Option<f64>,
    pub members: u32,
}

/// Water for fighting a fire, as far as it is monitored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Water {
    /// The unit's own shows a warning.
    OwnInTrouble,
    /// Some that is in order; `None`: in the same village, where one of the two has no position.
    Within(Option<f64>),
    /// All that is within reach shows a warning or is not heard of.
    InTrouble(u32),
    /// None within reach is monitored.
    NotKnown,
}

/// What the indicators look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen<'a> {
    /// Open hazards, those that are orange twice.
    pub hazards: u32,
    /// Open hazards, count.
    pub open: u32,
    /// Those of them that are overdue.
    pub overdue: u32,
    /// Age of the oldest open hazard, days.
    pub oldest_days: f64,
    /// Share of 30 days, 0 to 1.
    pub fault_share: f64,
    /// Share of 30 days, 0 to 1.
    pub blind_share: f64,
    /// Of 30 days.
    pub alarms: u32,
    /// Of 30 days.
    pub falses: u32,
    /// On one day of the last 30.
    pub alarms_of_worst_day: u32,
    pub days_since_fire: Option<u32>,
    pub category: &'a str,
    pub profile: UnitProfile,
    /// Classes that the category must have, count.
    pub required: u32,
    /// Of them, those that the unit has not.
    pub missing: SmallVec<[DeviceClass; 6]>,
    /// Of them, those that it has, but none that can be trusted.
    pub dead: SmallVec<[DeviceClass; 6]>,
    pub station: Option<Reach>,
    pub water: Water,
}

impl<'a> Seen<'a> {
    /// `None` for a unit that is not there.
    pub(crate) fn of(
        state: &State,
        settings: &Settings,
        roster: &'a Roster,
        places: &Places,
        id: UnitId,
        now_ms: u64,
    ) -> Option<Seen<'a>> {
        let unit = state.units.get(id.index())?;
        let row = roster.unit(id)?;
        let history = unit.standing.history.as_ref().map(|history| history.until(seconds(now_ms)));
        let mut seen = Seen {
            hazards: 0,
            open: 0,
            overdue: 0,
            oldest_days: 0.0,
            fault_share: history.map_or(0.0, |history| history.fault_share()),
            blind_share: history.map_or(0.0, |history| history.blind_share()),
            alarms: history.map_or(0, |history| history.alarms()),
            falses: history.map_or(0, |history| history.falses()),
            alarms_of_worst_day: history.map_or(0, |history| history.alarms_of_worst_day()),
            days_since_fire: history.and_then(|history| history.days_since_fire()),
            category: &row.category,
            profile: row.profile,
            required: 0,
            missing: SmallVec::new(),
            dead: SmallVec::new(),
            station: best_station(settings, roster.stations(), row),
            water: water(state, settings, places.water(row.grid), unit, id, row.position_m),
        };
        seen.see_hazards(unit, settings, now_ms);
        let devices = roster.devices_of(id).iter().filter_map(|device| state.devices.get(device.index()));
        seen.see_coverage(settings.required(&row.category), devices);
        Some(seen)
    }

    fn see_hazards(&mut self, unit: &Unit, settings: &Settings, now_ms: u64) {
        for held in unit.held.iter().filter(|held| !held.muted) {
            let condition = rule::condition(held.condition);
            if condition.family != Family::Warning || SAID_ELSEWHERE.contains(&condition.name) {
                continue;
            }
            let days = now_ms.saturating_sub(held.since_ms) as f64 / 86_400_000.0;
            self.open += 1;
            self.hazards += if matches!(held.colour, Colour::Orange | Colour::Red) { 2 } else { 1 };
            self.overdue += u32::from(days > settings.overdue_after_days);
            self.oldest_days = self.oldest_days.max(days);
        }
    }

    fn see_coverage<'b>(&mut self, required: &[DeviceClass], devices: impl Iterator<Item = &'b Device> + Clone) {
        let devices = devices.filter(|device| device.facts.current);
        self.required = required.len() as u32;
        for class in required {
            let mut of_class = devices.clone().filter(|device| covers(device.facts.class, *class)).peekable();
            if of_class.peek().is_none() {
                self.missing.push(*class);
            } else if !of_class.any(is_trusted) {
                self.dead.push(*class);
            }
        }
    }
}

/// Whether a device of a class does what one of another must: a panel speaks for the detectors and call points behind it.
fn covers(class: DeviceClass, required: DeviceClass) -> bool {
    class == required
        || match class {
            DeviceClass::Combined => matches!(required, DeviceClass::Smoke | DeviceClass::Heat),
            DeviceClass::Panel => matches!(required, DeviceClass::Smoke | DeviceClass::Heat | DeviceClass::Manual),
            _ => false,
        }
}

fn is_trusted(device: &Device) -> bool {
    device.heard() && device.holding & *DISTRUSTING == 0
}

fn distance_m(a: (f32, f32), b: (f32, f32)) -> f64 {
    let (east, north) = (f64::from(a.0) - f64::from(b.0), f64::from(a.1) - f64::from(b.1));
    (east * east + north * north).sqrt()
}

/// Not beyond `far_m` along either axis: for most of a city's places, this decides.
fn near_axes(a: (f32, f32), b: (f32, f32), far_m: f32) -> bool {
    (a.0 - b.0).abs() <= far_m && (a.1 - b.1).abs() <= far_m
}

/// The station that adds least to the index, by distance and readiness; the first of equal ones.
fn best_station(settings: &Settings, stations: &[MicroStation], unit: &model::roster::Unit) -> Option<Reach> {
    let home = village(unit.grid);
    let mut best: Option<(f64, Reach)> = None;
    for station in stations {
        let distance_m = match (unit.position_m, station.position_m) {
            (Some(here), Some(there)) if !near_axes(here, there, settings.station_far_m as f32 + 1.0) => continue,
            (Some(here), Some(there)) => Some(distance_m(here, there)),
            _ if home.contains(station.region) => None,
            _ => continue,
        };
        if distance_m.is_some_and(|distance_m| distance_m >= settings.station_far_m) {
            continue;
        }
        let reach = Reach { distance_m, members: u32::try_from(station.members.len()).unwrap_or(u32::MAX) };
        let cost = indicators::station_cost(&reach, settings);
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, reach));
        }
    }
    best.map(|(_, reach)| reach)
}

fn water(
    state: &State,
    settings: &Settings,
    points: &[Point],
    unit: &Unit,
    id: UnitId,
    position_m: Option<(f32, f32)>,
) -> Water {
    let is_water = |number: u32| {
        number != NO_DEVICE
            && state.devices.get(number as usize).is_some_and(|device| device.facts.class == DeviceClass::Water)
    };
    let own_warns = |held: &&crate::state::Held| {
        !held.muted && rule::condition(held.condition).family == Family::Warning && is_water(held.device)
    };
    if unit.held.iter().any(|held| own_warns(&held)) {
        return Water::OwnInTrouble;
    }
    let (mut best, mut in_trouble) = (None::<Option<f64>>, 0);
    let far = settings.water_far_m as f32 + 1.0;
    for point in points {
        let distance_m = match (position_m, point.position_m) {
            _ if point.unit == id => Some(0.0),
            (Some(here), Some(there)) if !near_axes(here, there, far) => continue,
            (Some(here), Some(there)) => Some(distance_m(here, there)),
            _ => None,
        };
        if distance_m.is_some_and(|distance_m| distance_m >= settings.water_far_m) {
            continue;
        }
        let Some(device) = state.devices.get(point.device.index()) else { continue };
        if !is_trusted(device) || device.holding & *WARNINGS != 0 {
            in_trouble += 1;
            continue;
        }
        let value = |distance_m| indicators::water_value(&Water::Within(distance_m), settings);
        if best.is_none_or(|best| value(distance_m) < value(best)) {
            best = Some(distance_m);
        }
    }
    match best {
        Some(distance_m) => Water::Within(distance_m),
        None if in_trouble > 0 => Water::InTrouble(in_trouble),
        None => Water::NotKnown,
    }
}
