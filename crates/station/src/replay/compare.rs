//! Which alerts of both sides are the same.

use std::collections::{BTreeMap, BTreeSet};

use model::{Family, Roster, UnitId, Verdict};

use super::colours::Colours;
use super::report::{
    AlertShape, Alerts, ColourChange, ColourReport, ColourShare, FamilyCount, Note, Report, RuleCount, Run, TOLD_MAX,
    UnitChange,
};
use super::side::{Raised, Side};

/// Alerts of one unit and family that begin within so long of each other are the same, also where one was closed before the
/// other began, ms.
const SAME_MS: u64 = 600_000;

const HOUR_MS: f64 = 3_600_000.0;

pub fn report(before: &Side, after: &Side, colours: &Colours, roster: &Roster, run: Run, notes: Vec<Note>) -> Report {
    let mut alerts = Alerts::default();
    let (mut lost_fires, mut real_fires) = (Vec::new(), 0);
    for (one, other) in pairs(before, after) {
        let later_ms = match (one, other) {
            (Some(one), Some(other)) => Some(other.raised_ms as i64 - one.raised_ms as i64),
            _ => None,
        };
        let Some(told) = one.or(other) else { continue };
        let shape = shape(told, later_ms, roster);
        if let Some(one) = one.filter(|one| one.id.family == Family::Fire && one.verdict == Some(Verdict::Real)) {
            real_fires += 1;
            let too_late = other.is_none_or(|other| one.verified_ms.is_some_and(|at_ms| other.raised_ms > at_ms));
            if too_late {
                lost_fires.push(shape.clone());
            }
        }
        let (count, list) = match (one, later_ms) {
            (_, Some(0)) => {
                alerts.same += 1;
                continue;
            }
            (_, Some(later_ms)) if later_ms > 0 => (&mut alerts.later_count, &mut alerts.later),
            (_, Some(_)) => (&mut alerts.earlier_count, &mut alerts.earlier),
            (Some(_), None) => (&mut alerts.lost_count, &mut alerts.lost),
            (None, None) => (&mut alerts.gained_count, &mut alerts.gained),
        };
        *count += 1;
        if list.len() < TOLD_MAX {
            list.push(shape);
        }
    }
    let count = |side: &Side, family| side.raised.keys().filter(|id| id.family == family).count();
    Report {
        run,
        notes,
        alerts,
        lost_fires,
        real_fires,
        families: Family::ALL
            .into_iter()
            .map(|family| FamilyCount { family, before: count(before, family), after: count(after, family) })
            .collect(),
        rules: rules(before, after),
        colours: colours_told(colours, roster),
    }
}

/// Alerts of one side by unit and family, by the time that they were raised.
fn by_place(side: &Side) -> BTreeMap<(UnitId, Family), Vec<&Raised>> {
    let mut by_place: BTreeMap<_, Vec<&Raised>> = BTreeMap::new();
    // ids begin with the commit: in order of time
    for raised in side.raised.values() {
        by_place.entry((raised.id.unit, raised.id.family)).or_default().push(raised);
    }
    by_place
}

/// Alerts of both sides, each with its counterpart where it has one, by time.
fn pairs<'a>(before: &'a Side, after: &'a Side) -> Vec<(Option<&'a Raised>, Option<&'a Raised>)> {
    let (ones, others) = (by_place(before), by_place(after));
    let places: BTreeSet<_> = ones.keys().chain(others.keys()).collect();
    let mut pairs = Vec::new();
    for place in places {
        let empty = Vec::new();
        let (ones, others) = (ones.get(place).unwrap_or(&empty), others.get(place).unwrap_or(&empty));
        let (mut i, mut j) = (0, 0);
        while i < ones.len() || j < others.len() {
            match (ones.get(i), others.get(j)) {
                (Some(one), Some(other)) if same(one, other) => {
                    pairs.push((Some(*one), Some(*other)));
                    (i, j) = (i + 1, j + 1);
                }
                (Some(one), other) if other.is_none_or(|other| one.raised_ms <= other.raised_ms) => {
                    pairs.push((Some(*one), None));
                    i += 1;
                }
                (_, other) => {
                    pairs.push((None, other.copied()));
                    j += 1;
                }
            }
        }
    }
    pairs.sort_by_key(|(one, other)| one.or(*other).map(|raised| (raised.raised_ms, raised.id)));
    pairs
}

/// They begin near each other, or one begins while the other is open.
fn same(one: &Raised, other: &Raised) -> bool {
    let near = one.raised_ms.abs_diff(other.raised_ms) <= SAME_MS;
    let open = |raised: &Raised, at_ms: u64| raised.closed_ms.is_none_or(|closed_ms| at_ms <= closed_ms);
    near || (open(one, other.raised_ms) && open(other, one.raised_ms))
}

fn shape(raised: &Raised, later_ms: Option<i64>, roster: &Roster) -> AlertShape {
    let unit = roster.unit(raised.id.unit);
    let words = raised.evidence.as_ref();
    AlertShape {
        id: raised.id,
        family: raised.id.family,
        unit: unit.map_or_else(String::new, |unit| unit.code.to_string()),
        unit_name: unit.map_or_else(String::new, |unit| unit.name.to_string()),
        raised_ms: raised.raised_ms,
        later_s: later_ms.map(|later_ms| later_ms as f64 / 1000.0),
        colour: raised.colour,
        rule: raised.rule.clone(),
        evidence_zh: words.map_or_else(String::new, |words| words.zh.to_string()),
        evidence_en: words.map_or_else(String::new, |words| words.en.to_string()),
        verdict: raised.verdict,
        exercise: raised.exercise,
    }
}

fn rules(before: &Side, after: &Side) -> Vec<RuleCount> {
    let names: BTreeSet<&String> = before.began.keys().chain(after.began.keys()).collect();
    let count = |side: &Side, rule: &String| side.began.get(rule).copied().unwrap_or(0);
    names
        .into_iter()
        .map(|rule| RuleCount { rule: rule.clone(), before: count(before, rule), after: count(after, rule) })
        .collect()
}

fn colours_told(colours: &Colours, roster: &Roster) -> ColourReport {
    let sum = |side: usize| colours.shares_ms.values().map(|shares| shares[side]).sum::<u64>().max(1) as f64;
    let sums = [sum(0), sum(1)];
    let share = |(colour, shares): (&model::Colour, &[u64; 2])| ColourShare {
        colour: *colour,
        before_pct: shares[0] as f64 * 100.0 / sums[0],
        after_pct: shares[1] as f64 * 100.0 / sums[1],
    };
    let mut units: Vec<(u64, UnitId)> = colours.units_ms.iter().map(|(unit, ms)| (*ms, *unit)).collect();
    units.sort_by_key(|(ms, unit)| (std::cmp::Reverse(*ms), *unit));
    units.truncate(TOLD_MAX);
    let unit_told = |(ms, id): (u64, UnitId)| {
        let unit = roster.unit(id);
        UnitChange {
            unit: unit.map_or_else(String::new, |unit| unit.code.to_string()),
            name: unit.map_or_else(String::new, |unit| unit.name.to_string()),
            hours: ms as f64 / HOUR_MS,
        }
    };
    ColourReport {
        shares: colours.shares_ms.iter().map(share).collect(),
        changed: colours
            .changed_ms
            .iter()
            .map(|((before, after), ms)| ColourChange {
                before: *before,
                after: *after,
                unit_hours: *ms as f64 / HOUR_MS,
            })
            .collect(),
        units_changed: colours.units_ms.len(),
        units: units.into_iter().map(unit_told).collect(),
    }
}
