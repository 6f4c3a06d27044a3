//! What is near a fire, for those who command or turn out: micro stations that can come, the unit's cameras, hydrants; and for a
//! member of a micro station, how far and in which direction from there.

use std::sync::{Arc, Mutex, PoisonError};

use model::roster::{Post, Roster};
use model::{Delivery, Family, PersonId, UnitId};
use rustc_hash::FxHashMap;
use serde::Serialize;
use smallvec::SmallVec;

use crate::wording::Lines;

/// Of each kind so many are told.
const EACH_MAX: usize = 3;
/// Who is on duty is looked up again after this, ms.
const FRESH_MS: u64 = 60_000;
/// Units remembered.
const UNITS_MAX: usize = 4096;

/// What is near a unit.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Nearby {
    stations: Vec<NearStation>,
    hydrants: Vec<NearHydrant>,
    cameras: Vec<NearCamera>,
}

/// Without its stream, whose address may hold a password: the camera's code names it.
#[derive(Debug, Serialize)]
struct NearCamera {
    code: Box<str>,
    location: Box<str>,
}

#[derive(Debug, Serialize)]
struct NearStation {
    code: Box<str>,
    name: Box<str>,
    /// As the crow flies, m.
    distance_m: Option<f32>,
    /// People on duty there, count.
    on_duty: usize,
}

#[derive(Debug, Serialize)]
struct NearHydrant {
    code: Box<str>,
    /// As the crow flies, m.
    distance_m: Option<f32>,
    note: Box<str>,
}

/// The way from a micro station to a unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct FromStation {
    station: Box<str>,
    distance_m: f32,
    direction: &'static str,
    #[serde(skip)]
    direction_zh: &'static str,
}

/// What one person is told of it.
#[derive(Debug, Serialize)]
pub(crate) struct Near {
    #[serde(flatten)]
    nearby: Arc<Nearby>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_station: Option<FromStation>,
}

/// The same in words; empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NearWords {
    pub(crate) stations: Lines,
    pub(crate) hydrants: Lines,
    pub(crate) cameras: Lines,
    pub(crate) from_station: Lines,
}

/// Remembers what is near units, as long as the roster is the same.
#[derive(Debug, Default)]
pub(crate) struct Surroundings(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    roster_version: u64,
    cameras_of: FxHashMap<UnitId, SmallVec<[usize; 2]>>,
    units: FxHashMap<UnitId, (u64, Arc<Nearby>)>,
}

impl Surroundings {
    /// What the person of a delivery is told; `None`: it is no fire, or not for them.
    pub(crate) fn of(&self, delivery: &Delivery, roster: &Roster, now_ms: u64) -> Option<Near> {
        let alert = delivery.about.alert().filter(|alert| alert.id.family == Family::Fire)?;
        match roster.person(delivery.person)?.post {
            Post::Commander | Post::TownshipChief | Post::VillageChief => {
                Some(Near { nearby: self.nearby(alert.unit, roster, now_ms), from_station: None })
            }
            Post::MicroStation => {
                let from_station = from_station(delivery.person, alert.unit, roster);
                Some(Near { nearby: self.nearby(alert.unit, roster, now_ms), from_station })
            }
            Post::Owner | Post::GridWorker => None,
        }
    }

    fn nearby(&self, unit: UnitId, roster: &Roster, now_ms: u64) -> Arc<Nearby> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.roster_version != roster.version() || (known.cameras_of.is_empty() && !roster.cameras().is_empty()) {
            *known = Known { roster_version: roster.version(), ..Known::default() };
            for (at, camera) in roster.cameras().iter().enumerate() {
                known.cameras_of.entry(camera.unit).or_default().push(at);
            }
        }
        if let Some((at_ms, nearby)) = known.units.get(&unit)
            && now_ms.saturating_sub(*at_ms) < FRESH_MS
        {
            return Arc::clone(nearby);
        }
        let cameras = known.cameras_of.get(&unit).map_or(&[][..], |cameras| cameras.as_slice());
        let nearby = Arc::new(look(unit, cameras, roster, now_ms));
        if known.units.len() >= UNITS_MAX {
            known.units.clear();
        }
        known.units.insert(unit, (now_ms, Arc::clone(&nearby)));
        nearby
    }
}

fn look(unit: UnitId, cameras: &[usize], roster: &Roster, now_ms: u64) -> Nearby {
    let stations = roster.nearest_stations(unit, now_ms, EACH_MAX).into_iter().filter_map(|near| {
        let station = roster.stations().get(near.station)?;
        let (code, name) = (station.code.clone(), station.name.clone());
        Some(NearStation { code, name, distance_m: near.distance_m, on_duty: near.on_duty })
    });
    let hydrants = roster.nearest_hydrants(unit, EACH_MAX).into_iter().filter_map(|near| {
        let hydrant = roster.hydrants().get(near.hydrant)?;
        Some(NearHydrant { code: hydrant.code.clone(), distance_m: near.distance_m, note: hydrant.note.clone() })
    });
    let cameras = cameras.iter().take(EACH_MAX).filter_map(|&at| {
        let camera = roster.cameras().get(at)?;
        Some(NearCamera { code: camera.code.clone(), location: camera.location.clone() })
    });
    Nearby { stations: stations.collect(), hydrants: hydrants.collect(), cameras: cameras.collect() }
}

/// From the nearest station that the person is a member of; `None` where a position is not known.
fn from_station(person: PersonId, unit: UnitId, roster: &Roster) -> Option<FromStation> {
    const DIRECTIONS: [(&str, &str); 8] = [
        ("north", "北"),
        ("north-east", "东北"),
        ("east", "东"),
        ("south-east", "东南"),
        ("south", "南"),
        ("south-west", "西南"),
        ("west", "西"),
        ("north-west", "西北"),
    ];
    let place = roster.unit(unit)?.position_m?;
    let own = roster.stations().iter().filter(|station| station.members.contains(&person));
    let own = own.filter_map(|station| Some((station.distance_m(Some(place))?, station)));
    let (distance_m, station) = own.min_by(|a, b| a.0.total_cmp(&b.0))?;
    let (east, north) = station.position_m?;
    let degrees = (place.0 - east).atan2(place.1 - north).to_degrees().rem_euclid(360.0);
    let (direction, direction_zh) = DIRECTIONS[((degrees + 22.5) / 45.0) as usize % 8];
    Some(FromStation { station: station.name.clone(), distance_m, direction, direction_zh })
}

impl Near {
    pub(crate) fn words(&self) -> NearWords {
        let stations = self.nearby.stations.iter().map(|station| {
            let (zh, en) = away(station.distance_m);
            let (name, on_duty) = (&station.name, station.on_duty);
            (format!("{name}{zh}({on_duty}人)"), format!("{name}{en} ({on_duty} on duty)"))
        });
        let hydrants = self.nearby.hydrants.iter().map(|hydrant| {
            let (zh, en) = away(hydrant.distance_m);
            let around = |away: &str| if away.is_empty() { String::new() } else { format!("({})", away.trim()) };
            (format!("{}{}", hydrant.code, around(&zh)), format!("{}{}", hydrant.code, around(&en)))
        });
        let cameras = self.nearby.cameras.iter().map(|camera| {
            let shown = if camera.location.is_empty() { &camera.code } else { &camera.location };
            (shown.to_string(), shown.to_string())
        });
        let from_station = self.from_station.iter().map(|from| {
            let (zh, en) = away(Some(from.distance_m));
            (
                format!("距{}{zh}，{}方向", from.station, from.direction_zh),
                format!("{}{en} {}", from.station, from.direction),
            )
        });
        NearWords {
            stations: joined(stations),
            hydrants: joined(hydrants),
            cameras: joined(cameras),
            from_station: joined(from_station),
        }
    }
}

impl NearWords {
    /// One line for each kind that there is, Chinese and English; for messages that have room.
    pub(crate) fn shown(&self) -> Vec<String> {
        let of = |zh: &str, en: &str, lines: &Lines| {
            let en_too = if lines.zh == lines.en { String::new() } else { format!(" / {}", lines.en) };
            (!lines.zh.is_empty()).then(|| format!("{zh} {en}：{}{en_too}", lines.zh))
        };
        [
            of("位置", "from station", &self.from_station),
            of("最近微型站", "nearest stations", &self.stations),
            of("消火栓", "hydrants", &self.hydrants),
            of("摄像头", "cameras", &self.cameras),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn joined(words: impl Iterator<Item = (String, String)>) -> Lines {
    let (zh, en): (Vec<String>, Vec<String>) = words.unzip();
    Lines { zh: zh.join("、"), en: en.join(", ") }
}

/// A distance as people say it, to 10 m or 100 m; empty for none.
fn away(distance_m: Option<f32>) -> (String, String) {
    match distance_m {
        None => (String::new(), String::new()),
        Some(m) if m < 1000.0 => {
            let tens = (m / 10.0).round() * 10.0;
            (format!("{tens:.0}米"), format!(" {tens:.0} m"))
        }
        Some(m) => (format!("{:.1}公里", m / 1000.0), format!(" {:.1} km", m / 1000.0)),
    }
}

#[cfg(test)]
mod tests;
