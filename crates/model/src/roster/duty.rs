//! Who is on duty, when, and in whose place: a pure function of the roster and a moment.
//!
//! - Whoever holds a post in a region (people.csv) and has no shift for it is on duty always. Whoever has a shift for a
//!   post in a region is on duty there within those shifts only, whatever their own post: a village's night duty may be
//!   done by any of its people.
//! - A member of a micro station is on duty always, or, with shifts of the post `micro_station` in the station's region,
//!   within those.
//! - In place of somebody absent stands the substitute that the absence names, else their standing deputy; when that one
//!   is absent, too, the next one, [`SUBSTITUTES_MAX`] deep. Who stands in does so outside of their own shifts as well.

use serde::{Deserialize, Serialize};

use super::local::{Clock, DAY_MIN, Day, LocalTime, Weekdays};
use super::{MicroStation, Post, Roster};
use crate::ids::{PersonId, RegionCode};

/// Substitutes of substitutes that are asked, one after the other.
pub const SUBSTITUTES_MAX: usize = 4;
/// How far the end of a gap is looked for, days: a week's plan comes round once.
const GAP_END_DAYS: i64 = 8;

/// How a person's channels are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contact {
    /// All at once.
    #[default]
    All,
    /// The first one first, the next one when that fails or brings no receipt.
    InTurn,
}

impl Contact {
    pub fn word(self) -> &'static str {
        match self {
            Contact::All => "all",
            Contact::InTurn => "in_turn",
        }
    }

    pub fn from_word(word: &str) -> Option<Contact> {
        [Contact::All, Contact::InTurn].into_iter().find(|contact| contact.word() == word)
    }
}

/// A line of a duty plan: somebody is on duty on some days of the week, between two times.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shift {
    pub post: Post,
    pub region: RegionCode,
    pub person: PersonId,
    /// Days on which it begins.
    pub days: Weekdays,
    pub from: Clock,
    /// After [`Shift::from`], 24 hours at most; 24:00 and more is on the next day.
    pub to: Clock,
    /// First and last day on which it begins; `None`: no limit.
    pub first_day: Option<Day>,
    pub last_day: Option<Day>,
}

impl Shift {
    fn begins_on(&self, day: Day) -> bool {
        self.days.has(day)
            && self.first_day.is_none_or(|first| first <= day)
            && self.last_day.is_none_or(|last| day <= last)
    }

    /// Whether it runs in a local minute.
    pub fn runs_at(&self, at: LocalTime) -> bool {
        let minute = at.0.rem_euclid(DAY_MIN);
        let within = |minute: i64| (i64::from(self.from.0)..i64::from(self.to.0)).contains(&minute);
        let today = day_of(at.0);
        (within(minute) && self.begins_on(today)) || (within(minute + DAY_MIN) && self.begins_on(Day(today.0 - 1)))
    }

    /// Adds the local minutes after `from` and up to `until` at which it begins or ends.
    fn edges(&self, from: i64, until: i64, edges: &mut Vec<i64>) {
        for day in day_of(from).0 - 1..=day_of(until).0 {
            if self.begins_on(Day(day)) {
                let midnight = i64::from(day) * DAY_MIN;
                for edge in [midnight + i64::from(self.from.0), midnight + i64::from(self.to.0)] {
                    if from < edge && edge <= until {
                        edges.push(edge);
                    }
                }
            }
        }
    }
}

fn day_of(local_min: i64) -> Day {
    Day(i32::try_from(local_min.div_euclid(DAY_MIN)).unwrap_or(i32::MAX - 1))
}

/// Somebody is away for a while.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Absence {
    pub person: PersonId,
    /// First local minute of it.
    pub from: LocalTime,
    /// First local minute after it.
    pub until: LocalTime,
    /// Who stands in; `None`: the standing deputy.
    pub substitute: Option<PersonId>,
    pub reason: Box<str>,
}

impl Absence {
    fn holds_at(&self, at: LocalTime) -> bool {
        self.from <= at && at < self.until
    }
}

/// Something that somebody is to be on duty for: a post in a region, or a micro station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duty {
    pub region: RegionCode,
    pub post: Post,
    /// Place in the roster's table of stations, for [`Post::MicroStation`].
    pub station: Option<u32>,
}

/// Somebody who is on duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnDuty {
    pub person: PersonId,
    /// Who is absent, where this person stands in.
    pub in_place_of: Option<PersonId>,
}

/// A time at which nobody is on duty, though there is a plan or somebody who holds the post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    pub duty: Duty,
    /// When it begins, ms since 1970, or the minute from which it was looked for.
    pub from_ms: u64,
    /// When somebody is on duty again; `None`: not within a week.
    pub until_ms: Option<u64>,
}

/// A [`Gap`] as the desk keeps and tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyGap {
    pub region: RegionCode,
    pub post: Post,
    /// Code of the micro station; empty for a region's post.
    pub station: Box<str>,
    pub from_ms: u64,
    /// When somebody is on duty again; `None`: not within a week.
    pub until_ms: Option<u64>,
    /// When it was found, ms since 1970.
    pub found_ms: u64,
}

impl DutyGap {
    /// Key of its record: region, post, beginning, station.
    pub fn key(&self) -> Box<[u8]> {
        let mut key = self.region.as_u64().to_be_bytes().to_vec();
        key.push(self.post as u8);
        key.extend(self.from_ms.to_be_bytes());
        key.extend(self.station.as_bytes());
        key.into()
    }
}

impl Roster {
    /// The duty of a region itself.
    pub fn duty_of(&self, region: RegionCode) -> Duty {
        Duty { region, post: Post::of_level(region.level()), station: None }
    }

    /// The duty at a micro station, by its place in the table.
    pub fn station_duty(&self, at: usize) -> Option<Duty> {
        let station = self.stations.get(at)?;
        let number = u32::try_from(at).ok()?;
        Some(Duty { region: station.region, post: Post::MicroStation, station: Some(number) })
    }

    /// Every duty there is: regions by code, then stations in the order of their table.
    pub fn duties(&self) -> impl Iterator<Item = Duty> + '_ {
        let regions = self.regions.keys().map(|&region| self.duty_of(region));
        regions.chain((0..self.stations.len()).filter_map(|at| self.station_duty(at)))
    }

    /// Duties of regions and stations that shifts are planned for, in a fixed order.
    pub fn planned_duties(&self) -> impl Iterator<Item = Duty> + '_ {
        let by_region = self.index.shifts_at.keys().filter(|(_, post)| *post != Post::MicroStation);
        let by_region = by_region.map(|&(region, post)| Duty { region, post, station: None });
        let stations = (0..self.stations.len()).filter_map(|at| self.station_duty(at));
        by_region.chain(stations.filter(|duty| self.is_planned(*duty)))
    }

    /// Duties without a plan that an absence can leave without anybody.
    fn unplanned_with_absences(&self) -> impl Iterator<Item = Duty> + '_ {
        let is_absent = |person: &PersonId| self.index.absences_of.contains_key(person);
        self.duties().filter(move |duty| !self.is_planned(*duty) && self.holders(*duty).iter().any(is_absent))
    }

    /// Whether there are shifts for it, of whatever time.
    pub fn is_planned(&self, duty: Duty) -> bool {
        let mut shifts = self.shifts_of(duty);
        match self.station(duty) {
            Some(station) => shifts.any(|shift| station.members.contains(&shift.person)),
            None => shifts.next().is_some(),
        }
    }

    fn station(&self, duty: Duty) -> Option<&MicroStation> {
        duty.station.and_then(|at| self.stations.get(at as usize))
    }

    fn shifts_of(&self, duty: Duty) -> impl Iterator<Item = &Shift> + '_ {
        let at = self.index.shifts_at.get(&(duty.region, duty.post));
        at.into_iter().flatten().filter_map(|&at| self.shifts.get(at as usize))
    }

    /// Everybody who has it at some time, each once: those who hold the post, then those with a shift for it.
    pub fn holders(&self, duty: Duty) -> Vec<PersonId> {
        let mut people: Vec<PersonId> = Vec::new();
        let mut add = |person: PersonId| {
            if self.is_current(person) && !people.contains(&person) {
                people.push(person);
            }
        };
        if let Some(station) = self.station(duty) {
            station.members.iter().for_each(|&person| add(person));
        } else {
            self.people_at(duty.region, duty.post).iter().for_each(|&person| add(person));
            self.shifts_of(duty).for_each(|shift| add(shift.person));
        }
        people
    }

    /// Who is on duty, each once, in the order of [`Roster::holders`]; nobody for an empty answer.
    pub fn on_duty(&self, duty: Duty, at_ms: u64) -> Vec<OnDuty> {
        self.on_duty_at(duty, self.utc_offset.local(at_ms))
    }

    fn on_duty_at(&self, duty: Duty, at: LocalTime) -> Vec<OnDuty> {
        let mut there: Vec<OnDuty> = Vec::new();
        for person in self.holders(duty) {
            let mut shifts = self.shifts_of(duty).filter(|shift| shift.person == person).peekable();
            if shifts.peek().is_some() && !shifts.any(|shift| shift.runs_at(at)) {
                continue;
            }
            let Some(stands) = self.stands_at(person, at) else { continue };
            let in_place_of = (stands != person).then_some(person);
            match there.iter_mut().find(|known| known.person == stands) {
                // who is on duty anyway is so in their own right
                Some(known) if in_place_of.is_none() => known.in_place_of = None,
                Some(_) => {}
                None => there.push(OnDuty { person: stands, in_place_of }),
            }
        }
        there
    }

    /// Who is there for a person: themselves, or, when they are absent, who stands in; `None` for nobody.
    pub fn stands_for(&self, person: PersonId, at_ms: u64) -> Option<PersonId> {
        self.stands_at(person, self.utc_offset.local(at_ms))
    }

    fn stands_at(&self, person: PersonId, at: LocalTime) -> Option<PersonId> {
        let mut stands = person;
        // a cycle of absent people ends here, too: all of them are absent
        for _ in 0..=SUBSTITUTES_MAX {
            match self.absences_of(stands).find(|absence| absence.holds_at(at)) {
                None => return self.is_current(stands).then_some(stands),
                Some(absence) => stands = self.substitute_in(absence)?,
            }
        }
        None
    }

    fn absences_of(&self, person: PersonId) -> impl Iterator<Item = &Absence> + '_ {
        let at = self.index.absences_of.get(&person);
        at.into_iter().flatten().filter_map(|&at| self.absences.get(at as usize))
    }

    fn substitute_in(&self, absence: &Absence) -> Option<PersonId> {
        absence.substitute.or_else(|| self.person(absence.person).and_then(|person| person.deputy))
    }

    /// Whether somebody is on the roster and not away.
    pub fn is_present(&self, person: PersonId, at_ms: u64) -> bool {
        let at = self.utc_offset.local(at_ms);
        self.is_current(person) && !self.absences_of(person).any(|absence| absence.holds_at(at))
    }

    /// Whether a person is on the roster in force.
    pub fn is_current(&self, person: PersonId) -> bool {
        self.people.get(person.index()).is_some_and(|slot| slot.current)
    }

    /// Until when a person stays on duty; `None`: for a week at least.
    pub fn on_duty_until(&self, duty: Duty, person: PersonId, at_ms: u64) -> Option<u64> {
        let from = self.utc_offset.local_min(at_ms);
        let is_on = |at: &i64| self.on_duty_at(duty, LocalTime(*at)).iter().any(|on| on.person == person);
        let until = self.edges(duty, from, from + GAP_END_DAYS * DAY_MIN).into_iter().find(|at| !is_on(at));
        until.map(|at| self.utc_offset.at_ms(at))
    }

    /// Times within `from_ms` to `until_ms` at which nobody is on duty: holes of plans by duty, then those that absences
    /// alone make; each by time. A post without a plan that nobody holds has none.
    pub fn duty_gaps(&self, from_ms: u64, until_ms: u64) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for duty in self.planned_duties().chain(self.unplanned_with_absences()) {
            self.gaps_of(duty, from_ms, until_ms, &mut gaps);
        }
        gaps
    }

    fn gaps_of(&self, duty: Duty, from_ms: u64, until_ms: u64, gaps: &mut Vec<Gap>) {
        let (from, until) = (self.utc_offset.local_min(from_ms), self.utc_offset.local_min(until_ms));
        let is_empty = |at: i64| self.on_duty_at(duty, LocalTime(at)).is_empty();
        let mut began = is_empty(from).then_some(from);
        let gap = |from: i64, until: Option<i64>| Gap {
            duty,
            from_ms: self.utc_offset.at_ms(from),
            until_ms: until.map(|until| self.utc_offset.at_ms(until)),
        };
        for at in self.edges(duty, from, until) {
            match (began, is_empty(at)) {
                (None, true) => began = Some(at),
                (Some(since), false) => {
                    gaps.push(gap(since, Some(at)));
                    began = None;
                }
                _ => {}
            }
        }
        if let Some(since) = began {
            let later = self.edges(duty, until, until + GAP_END_DAYS * DAY_MIN);
            gaps.push(gap(since, later.into_iter().find(|at| !is_empty(*at))));
        }
    }

    /// Local minutes after `from` and up to `until` at which it may change who is on duty, in order.
    fn edges(&self, duty: Duty, from: i64, until: i64) -> Vec<i64> {
        let mut edges = Vec::new();
        self.shifts_of(duty).for_each(|shift| shift.edges(from, until, &mut edges));
        let mut people = self.holders(duty);
        let mut at = 0;
        // whoever may stand in for them, and for those
        while let Some(&person) = people.get(at) {
            at += 1;
            for absence in self.absences_of(person).filter(|absence| absence.until.0 > from && absence.from.0 <= until)
            {
                edges.extend(
                    [absence.from.0, absence.until.0].into_iter().filter(|edge| from < *edge && *edge <= until),
                );
                if let Some(substitute) = self.substitute_in(absence).filter(|person| !people.contains(person)) {
                    people.push(substitute);
                }
            }
        }
        edges.sort_unstable();
        edges.dedup();
        edges
    }
}

#[cfg(test)]
mod tests;
