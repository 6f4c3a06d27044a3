//! Whom the roster names for a post at a moment: who is on duty then, and who stands in for the absent.
//!
//! Nobody may fall into a hole of the plan. Where a post is held and nobody is on duty, a red or orange fire is told to
//! everybody who holds it, as people who are off duty; any other message is told to nobody there, and the ladder goes on to
//! its next step at once.

use std::cmp::Ordering;

use model::roster::{Duty, MicroStation, OnDuty, Post};
use model::{Colour, Family, Level, PersonId, RegionCode, Roster, UnitId};

/// Somebody who is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    pub person: PersonId,
    pub how: How,
}

/// Why it is this person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    OnDuty,
    /// Stands in for somebody absent.
    InPlaceOf(PersonId),
    /// Nobody is on duty, and it is urgent.
    OffDuty,
}

/// For what, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub roster: &'a Roster,
    pub unit: UnitId,
    pub grid: RegionCode,
    pub now_ms: u64,
    /// Micro stations told where the village has none.
    pub stations_max: usize,
    /// See [`is_urgent`].
    pub urgent: bool,
}

/// Whether a message reaches those who are off duty, too, where nobody is on duty.
pub(crate) fn is_urgent(family: Family, colour: Colour) -> bool {
    family == Family::Fire && matches!(colour, Colour::Red | Colour::Orange)
}

/// Who is responsible for a post at that moment, each once, in the order of the roster.
pub(crate) fn named(asked: &Asked<'_>, post: Post) -> Vec<Named> {
    let roster = asked.roster;
    if post == Post::MicroStation {
        return of_stations(asked);
    }
    let Some(level) = post.level() else {
        let owner = roster.unit(asked.unit).and_then(|unit| unit.owner);
        return owner.map_or_else(Vec::new, |owner| of_owner(asked, owner));
    };
    let Some(region) = asked.grid.at(level) else { return Vec::new() };
    let duty = Duty { region, post, station: None };
    let there = told(roster.on_duty(duty, asked.now_ms));
    if there.is_empty() { off_duty(asked, roster.holders(duty)) } else { there }
}

/// Who stands in for whom, and who is off duty, in words; `None` where all are on duty themselves.
pub(crate) fn words(named: &[Named], roster: &Roster) -> Option<String> {
    let name = |person| roster.person(person).map_or("", |person| &*person.name);
    let mut parts: Vec<String> = named
        .iter()
        .filter_map(|named| match named.how {
            How::InPlaceOf(absent) => Some(format!("{} in place of {}", name(named.person), name(absent))),
            How::OnDuty | How::OffDuty => None,
        })
        .collect();
    let off_duty = named.iter().filter(|named| named.how == How::OffDuty).count();
    if off_duty > 0 {
        parts.push(format!("nobody on duty, {off_duty} off duty told"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Where there is nobody, when [`named`] names none: "the roster", or, where people hold the post, "duty".
pub(crate) fn missing(asked: &Asked<'_>, whom: &str) -> &'static str {
    let everybody = Asked { urgent: true, ..*asked };
    let is_held = Post::from_word(whom).is_some_and(|post| !named(&everybody, post).is_empty());
    if is_held { "duty" } else { "the roster" }
}

fn told(on_duty: Vec<OnDuty>) -> Vec<Named> {
    let how = |on: &OnDuty| on.in_place_of.map_or(How::OnDuty, How::InPlaceOf);
    on_duty.into_iter().map(|on| Named { person: on.person, how: how(&on) }).collect()
}

/// Those who hold a post that nobody is on duty for: none, or, when it is urgent, all but the absent; if all are absent, all.
fn off_duty(asked: &Asked<'_>, holders: Vec<PersonId>) -> Vec<Named> {
    if !asked.urgent {
        return Vec::new();
    }
    let is_present = |person: &PersonId| asked.roster.is_present(*person, asked.now_ms);
    let present: Vec<PersonId> = holders.iter().copied().filter(is_present).collect();
    let people = if present.is_empty() { holders } else { present };
    people.into_iter().map(|person| Named { person, how: How::OffDuty }).collect()
}

fn of_owner(asked: &Asked<'_>, owner: PersonId) -> Vec<Named> {
    if !asked.roster.is_current(owner) {
        return Vec::new();
    }
    match asked.roster.stands_for(owner, asked.now_ms) {
        Some(person) if person == owner => vec![Named { person, how: How::OnDuty }],
        Some(person) => vec![Named { person, how: How::InPlaceOf(owner) }],
        None => off_duty(asked, vec![owner]),
    }
}

/// People on duty at all stations of the unit's village (the village itself and its grids) that can turn out; where there
/// are none, at the nearest ones of its township.
fn of_stations(asked: &Asked<'_>) -> Vec<Named> {
    let roster = asked.roster;
    let on_duty = |at: usize| {
        let duty = roster.station_duty(at).filter(|_| roster.stations()[at].ready);
        duty.map_or_else(Vec::new, |duty| told(roster.on_duty(duty, asked.now_ms)))
    };
    let anybody = |at: usize| {
        let duty = roster.station_duty(at);
        duty.map_or_else(Vec::new, |duty| off_duty(asked, roster.holders(duty)))
    };
    let there = of_near_stations(asked, on_duty);
    if there.is_empty() { of_near_stations(asked, anybody) } else { there }
}

fn of_near_stations(asked: &Asked<'_>, people_of: impl Fn(usize) -> Vec<Named>) -> Vec<Named> {
    let roster = asked.roster;
    let within = |level| {
        let region = asked.grid.at(level);
        let there = roster.stations().iter().enumerate();
        let there = there.filter(move |(_, station)| region.is_some_and(|region| region.contains(station.region)));
        there.map(|(at, _)| at)
    };
    let mut people: Vec<Named> = within(Level::Village).flat_map(&people_of).collect();
    if people.is_empty() {
        let mut near: Vec<usize> = within(Level::Township).collect();
        let place = roster.unit(asked.unit).and_then(|unit| unit.position_m);
        near.sort_by(|a, b| by_distance(place, &roster.stations()[*a], &roster.stations()[*b]));
        let of_each = near.into_iter().map(people_of).filter(|people| !people.is_empty());
        people = of_each.take(asked.stations_max).flatten().collect();
    }
    let mut once: Vec<Named> = Vec::with_capacity(people.len());
    for named in people {
        if !once.iter().any(|known| known.person == named.person) {
            once.push(named);
        }
    }
    once
}

/// Nearest first; a station whose distance is unknown comes last; equal ones by code.
fn by_distance(place: Option<(f32, f32)>, a: &MicroStation, b: &MicroStation) -> Ordering {
    let far = |station: &MicroStation| station.distance_m(place).unwrap_or(f32::INFINITY);
    far(a).total_cmp(&far(b)).then_with(|| a.code.cmp(&b.code))
}
