//! What is different at some hours, on some days, in some regions.
//!
//! An alert takes its terms when it rings: from the family's table, over which are laid those of every `[[when]]` that fits
//! the moment and the alert's grid, the less particular first, so that the most particular has the last word on each key.
//! A smaller region is more particular than a larger one or none; of equal regions, hours are more particular than none;
//! then days; then what stands later in the file.

use std::borrow::Cow;

use serde::Deserialize;

use model::roster::{Clock, Day, UtcOffset, Weekdays};
use model::{Family, Level, RegionCode};

use super::family::{FamilyPolicy, FamilyText};
use super::{Policy, PolicyError};

/// Minutes of a day.
const DAY_MIN: i64 = 1440;

/// What is different, and when and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    pub name: Box<str>,
    /// It fits in these and below them; everywhere if empty.
    regions: Vec<RegionCode>,
    /// Minutes after local midnight, the second after the first; beyond 1,440 on the next day.
    hours: Option<(i64, i64)>,
    /// Days on which the hours begin.
    days: Option<Weekdays>,
    families: [FamilyText; 3],
}

/// How particular a fitting table is; greater is more.
type Particular = (Option<Level>, bool, bool);

impl When {
    /// How particular it is, where it fits.
    fn fits(&self, grid: RegionCode, local_min: i64) -> Option<Particular> {
        let level = self.regions.iter().filter(|region| region.contains(grid)).map(|region| region.level()).max();
        if level.is_none() && !self.regions.is_empty() {
            return None;
        }
        let (day, minute) = (local_min.div_euclid(DAY_MIN), local_min.rem_euclid(DAY_MIN));
        let has = |day: i64| {
            let day = i32::try_from(day).map(Day).unwrap_or(Day(i32::MAX));
            self.days.is_none_or(|days| days.has(day))
        };
        let now = match self.hours {
            None => has(day),
            Some((from, to)) => {
                (from..to).contains(&minute) && has(day) || (from..to).contains(&(minute + DAY_MIN)) && has(day - 1)
            }
        };
        now.then_some((level, self.hours.is_some(), self.days.is_some()))
    }

    fn text(&self, family: Family) -> &FamilyText {
        &self.families[match family {
            Family::Fire => 0,
            Family::Warning => 1,
            Family::Fault => 2,
        }]
    }

    pub(super) fn read(text: WhenText) -> Result<When, PolicyError> {
        let name = text.name;
        let wrong = |key: &str, what: String| Err(PolicyError::Value { key: format!("when {name:?}: {key}"), what });
        if name.is_empty() || name.chars().count() > 40 {
            return wrong("name", "give it a name of 1 to 40 characters: alerts carry it".into());
        }
        let hours = match text.hours.as_deref().map(read_hours) {
            None => None,
            Some(Ok(hours)) => Some(hours),
            Some(Err(what)) => return wrong("hours", what),
        };
        let days = match text.days.as_deref().map(str::parse::<Weekdays>) {
            None => None,
            Some(Ok(days)) => Some(days),
            Some(Err(error)) => return wrong("days", error.to_string()),
        };
        if text.regions.is_empty() && hours.is_none() && days.is_none() {
            return wrong(
                "regions",
                "it fits always: name regions, hours or days, or write it into the family itself".into(),
            );
        }
        let families = [text.fire, text.warning, text.fault];
        for (family, text) in Family::ALL.into_iter().zip(&families) {
            if text.auto_close_s.is_some() {
                let key = format!("{}.auto_close_s", family.word());
                return wrong(&key, "closing by itself is the same at all times and places; take the line out".into());
            }
        }
        Ok(When { name: name.into(), regions: text.regions, hours, days, families })
    }

    /// Whether every value can be, laid over the family's table alone.
    pub(super) fn check(&self, policy: &Policy) -> Result<(), PolicyError> {
        for family in Family::ALL {
            let mut laid = policy.of(family).clone();
            laid.take(self.text(family));
            laid.check(family, &format!("when {:?}: ", self.name))?;
        }
        Ok(())
    }
}

impl Policy {
    /// How an alert of `family` is carried that rings in `grid` at `at_ms`, and the names of the `[[when]]` tables in it.
    pub fn at(
        &self,
        family: Family,
        grid: RegionCode,
        at_ms: u64,
        clock: UtcOffset,
    ) -> (Cow<'_, FamilyPolicy>, String) {
        let local_min = clock.local_min(at_ms);
        let fitting =
            self.whens.iter().filter_map(|when| when.fits(grid, local_min).map(|particular| (particular, when)));
        let mut fitting: Vec<_> = fitting.collect();
        if fitting.is_empty() {
            return (Cow::Borrowed(self.of(family)), String::new());
        }
        // stable: of equally particular ones, the later in the file stays behind
        fitting.sort_by_key(|(particular, _)| *particular);
        let mut laid = self.of(family).clone();
        for (_, when) in &fitting {
            laid.take(when.text(family));
        }
        let names: Vec<&str> = fitting.iter().map(|(_, when)| &*when.name).collect();
        (Cow::Owned(laid), names.join(" + "))
    }
}

/// `22:00-06:00`: from the first minute on, up to but without the last; past midnight where the second is the smaller.
fn read_hours(text: &str) -> Result<(i64, i64), String> {
    let advice =
        || format!("{text:?} is not like \"22:00-06:00\" (local time; past midnight where the second is the smaller)");
    let (from, to) = text.split_once('-').ok_or_else(advice)?;
    let read =
        |clock: &str| clock.trim().parse::<Clock>().ok().map(|clock| i64::from(clock.0)).filter(|min| *min <= DAY_MIN);
    let (Some(from), Some(to)) = (read(from), read(to)) else { return Err(advice()) };
    if from == to || from == DAY_MIN {
        return Err(format!(
            "{text:?} is all day or no time at all: leave hours out, or write when they begin and end"
        ));
    }
    Ok((from, if to > from { to } else { to + DAY_MIN }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhenText {
    name: String,
    #[serde(default)]
    regions: Vec<RegionCode>,
    hours: Option<String>,
    days: Option<String>,
    #[serde(default)]
    fire: FamilyText,
    #[serde(default)]
    warning: FamilyText,
    #[serde(default)]
    fault: FamilyText,
}
