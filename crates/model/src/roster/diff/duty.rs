//! Plans, absences and substitutes: rows and their checks.

use rustc_hash::FxHashMap;

use super::super::duty::{Absence, SUBSTITUTES_MAX, Shift};
use super::super::local::{Clock, DAY_MIN, Day, LocalTime, Weekdays};
use super::super::{MicroStation, Person, Post};
use super::{Numbering, Regions, RosterFault, RosterRows};
use crate::ids::{PersonId, RegionCode};

/// A row of shifts.csv.
#[derive(Debug, Clone)]
pub struct ShiftRow {
    pub post: Post,
    pub region: RegionCode,
    /// Person code.
    pub person: Box<str>,
    pub days: Weekdays,
    pub from: Clock,
    /// Below `from`: on the next day.
    pub to: Clock,
    pub first_day: Option<Day>,
    pub last_day: Option<Day>,
}

/// A row of absences.csv.
#[derive(Debug, Clone)]
pub struct AbsenceRow {
    /// Person code.
    pub person: Box<str>,
    pub from: LocalTime,
    pub until: LocalTime,
    /// Person code; empty for the standing deputy.
    pub substitute: Box<str>,
    pub reason: Box<str>,
}

/// Fills in who stands in for whom. Two people may stand in for each other.
pub(super) fn set_deputies(
    rows: &RosterRows,
    people: &Numbering<'_>,
    numbered: &mut [(u32, Person)],
    faults: &mut Vec<RosterFault>,
) {
    let posts: FxHashMap<u32, Post> = numbered.iter().map(|(id, person)| (*id, person.post)).collect();
    let places: FxHashMap<u32, usize> = numbered.iter().enumerate().map(|(at, (id, _))| (*id, at)).collect();
    for (line, row) in rows.people.iter().filter(|(_, row)| !row.deputy.is_empty()) {
        let mut fault = |what| faults.push(RosterFault { file: "people.csv", line: *line, what });
        let Some(deputy) = people.current(&row.deputy) else {
            fault(format!("deputy {} of person {} is not in people.csv", row.deputy, row.code));
            continue;
        };
        if row.deputy == row.code {
            fault(format!("person {} cannot be their own deputy: name somebody else, or nobody", row.code));
        } else if row.post != Post::Owner && posts.get(&deputy) == Some(&Post::Owner) {
            fault(owner_stands_in("deputy", &row.deputy, &row.code));
        } else if let Some(&at) = people.current(&row.code).and_then(|id| places.get(&id)) {
            numbered[at].1.deputy = Some(PersonId(deputy));
        }
    }
}

fn owner_stands_in(what: &str, code: &str, whom: &str) -> String {
    format!("{what} {code} of {whom} is an owner and holds no post: name somebody who holds one")
}

/// What codes mean.
pub(super) struct Names<'a> {
    people: &'a Numbering<'a>,
    posts: FxHashMap<u32, Post>,
    regions: &'a Regions,
    stations: &'a [MicroStation],
}

impl<'a> Names<'a> {
    pub(super) fn new(
        numbered: &[(u32, Person)],
        people: &'a Numbering<'a>,
        regions: &'a Regions,
        stations: &'a [MicroStation],
    ) -> Names<'a> {
        let posts = numbered.iter().map(|(id, person)| (*id, person.post)).collect();
        Names { people, posts, regions, stations }
    }

    pub(super) fn shifts(&self, rows: &RosterRows, faults: &mut Vec<RosterFault>) -> Vec<Shift> {
        let mut shifts: Vec<Shift> = Vec::with_capacity(rows.shifts.len());
        let mut known: FxHashMap<(u32, RegionCode, Post), Vec<(usize, usize)>> = FxHashMap::default();
        for (line, row) in &rows.shifts {
            let shift = match self.shift(row) {
                Ok(shift) => shift,
                Err(what) => {
                    faults.push(RosterFault { file: "shifts.csv", line: *line, what });
                    continue;
                }
            };
            let same = known.entry((shift.person.0, shift.region, shift.post)).or_default();
            if let Some((other, _)) = same.iter().find(|(_, at)| overlap(&shifts[*at], &shift)) {
                let what = format!("this shift of {} overlaps the one in line {other}: join them", row.person);
                faults.push(RosterFault { file: "shifts.csv", line: *line, what });
                continue;
            }
            same.push((*line, shifts.len()));
            shifts.push(shift);
        }
        shifts
    }

    fn shift(&self, row: &ShiftRow) -> Result<Shift, String> {
        let ShiftRow { post, region, person, from, to, first_day, last_day, .. } = row;
        let id = self.people.current(person).ok_or_else(|| format!("person {person} is not in people.csv"))?;
        if !self.regions.contains_key(region) {
            return Err(format!("region {region} is not in regions.csv"));
        }
        let is_member = |station: &MicroStation| station.region == *region && station.members.contains(&PersonId(id));
        match post.level() {
            _ if self.posts.get(&id) == Some(&Post::Owner) => {
                return Err(format!("{person} is an owner and holds no post: owners have no shifts"));
            }
            None if *post == Post::Owner => return Err("owners have no shifts".to_owned()),
            None if !self.stations.iter().any(is_member) => {
                return Err(format!("{person} is no member of a station in {region}: see stations.csv"));
            }
            Some(level) if level != region.level() => {
                return Err(format!("a {} has no duty in {region}, which is of another level", post.word()));
            }
            _ => {}
        }
        if from.0 >= 1440 {
            return Err(format!("from {from} is no time of a day: a shift begins before 24:00"));
        }
        let to = if to < from { Clock(to.0 + 1440) } else { *to };
        let length = i64::from(to.0) - i64::from(from.0);
        if length == 0 {
            return Err(format!("from and to are both {from}: for 24 hours write to as {}", Clock(from.0 + 1440)));
        }
        if length > DAY_MIN {
            return Err(format!("from {from} to {to} is more than 24 hours: write a row for each day"));
        }
        if let (Some(first), Some(last)) = (first_day, last_day)
            && last < first
        {
            return Err(format!("last_day {last} is before first_day {first}"));
        }
        let (first_day, last_day) = (*first_day, *last_day);
        Ok(Shift {
            post: *post,
            region: *region,
            person: PersonId(id),
            days: row.days,
            from: *from,
            to,
            first_day,
            last_day,
        })
    }

    pub(super) fn absences(&self, rows: &RosterRows, faults: &mut Vec<RosterFault>) -> Vec<Absence> {
        let mut absences: Vec<Absence> = Vec::with_capacity(rows.absences.len());
        let mut known: FxHashMap<PersonId, Vec<(usize, usize)>> = FxHashMap::default();
        for (line, row) in &rows.absences {
            let mut fault = |what| faults.push(RosterFault { file: "absences.csv", line: *line, what });
            let absence = match self.absence(row) {
                Ok(absence) => absence,
                Err(what) => {
                    fault(what);
                    continue;
                }
            };
            let same = known.entry(absence.person).or_default();
            let other = same.iter().find(|(_, at)| {
                let other = &absences[*at];
                other.from < absence.until && absence.from < other.until
            });
            if let Some((other, _)) = other {
                fault(format!("this absence of {} overlaps the one in line {other}: join them", row.person));
                continue;
            }
            same.push((*line, absences.len()));
            absences.push(absence);
        }
        for (line, row) in &rows.absences {
            if let Some(person) = self.people.current(&row.person).map(PersonId)
                && is_cycle(person, row.from, &known, &absences)
            {
                let what = format!(
                    "the substitutes of {} form a circle on {}: each of them is absent then, name somebody who is there",
                    row.person, row.from
                );
                faults.push(RosterFault { file: "absences.csv", line: *line, what });
            }
        }
        absences
    }

    fn absence(&self, row: &AbsenceRow) -> Result<Absence, String> {
        let AbsenceRow { person, from, until, substitute, reason } = row;
        let known = |code: &str| self.people.current(code).map(PersonId);
        let id = known(person).ok_or_else(|| format!("person {person} is not in people.csv"))?;
        let stands = match &**substitute {
            "" => None,
            code => Some(known(code).ok_or_else(|| format!("substitute {code} of {person} is not in people.csv"))?),
        };
        if until <= from {
            return Err(format!("until {until} is not after from {from}"));
        }
        if stands == Some(id) {
            return Err(format!("{person} cannot stand in for themselves: name somebody else, or nobody"));
        }
        let post = |id: PersonId| self.posts.get(&id.0).copied();
        if post(id) != Some(Post::Owner) && stands.and_then(post) == Some(Post::Owner) {
            return Err(owner_stands_in("substitute", substitute, person));
        }
        Ok(Absence { person: id, from: *from, until: *until, substitute: stands, reason: reason.clone() })
    }
}

/// Whether the substitutes that absences name lead back to a person at a moment. A circle begins when the last of its
/// absences does, so that it is enough to ask at the beginning of each.
fn is_cycle(
    person: PersonId,
    at: LocalTime,
    known: &FxHashMap<PersonId, Vec<(usize, usize)>>,
    absences: &[Absence],
) -> bool {
    let mut stands = person;
    for _ in 0..=SUBSTITUTES_MAX {
        let mut of_person = known.get(&stands).into_iter().flatten().map(|(_, place)| &absences[*place]);
        let now = of_person.find(|absence| absence.from <= at && at < absence.until);
        match now.and_then(|absence| absence.substitute) {
            Some(next) if next == person => return true,
            Some(next) => stands = next,
            None => return false,
        }
    }
    false
}

/// Whether two shifts of one person for one duty ever run at the same time.
fn overlap(a: &Shift, b: &Shift) -> bool {
    let minutes = |shift: &Shift| (i64::from(shift.from.0), i64::from(shift.to.0));
    let ((a_from, a_to), (b_from, b_to)) = (minutes(a), minutes(b));
    // b begins on the day before a does, on the same one, or on the day after
    (-1..=1_i32).any(|later| {
        let shift_min = i64::from(later) * DAY_MIN;
        if a_to <= b_from + shift_min || b_to + shift_min <= a_from {
            return false;
        }
        let first = |shift: &Shift| shift.first_day.map_or(-1_000_000_000, |day| day.0);
        let last = |shift: &Shift| shift.last_day.map_or(1_000_000_000, |day| day.0);
        let begins = first(a).max(first(b) - later);
        let ends = last(a).min(last(b) - later).min(begins + 6);
        (begins..=ends).any(|day| a.days.has(Day(day)) && b.days.has(Day(day + later)))
    })
}
