//! Duty: who is responsible for a region at a moment, also a past one, and where nobody will be.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use model::roster::{Clock, Day, Duty, DutyChange, DutyGap, Gap, OnDuty, Post, UtcOffset};
use model::{Epoch, KeptKind, Ledger, Level, PersonId, RegionCode, Roster, StoreError, wire};
use serde::{Deserialize, Serialize};

use crate::access::Caller;
use crate::extract::{InPath, Params, out_of_scope, region_limit};
use crate::problem::{Kind, Problem};
use crate::shapes::{PersonShape, region_name};
use crate::shared::Shared;

/// Records read from the ledger at a time.
const PAGE: usize = 256;
/// Seconds that gaps are looked for where nothing is asked.
const WITHIN_S: u64 = 3600;
/// Longest that may be asked: a week.
const WITHIN_S_MAX: u64 = 7 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct At {
    at: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Within {
    within_s: Option<u64>,
    region: Option<RegionCode>,
}

/// `RegionDuty`.
#[derive(Serialize)]
struct RegionDuty<'a> {
    code: RegionCode,
    name: &'a str,
    at_ms: u64,
    /// Journal commit that made the roster which was in force then.
    roster_version: Epoch,
    utc_offset: String,
    duties: Vec<DutyShape<'a>>,
}

/// `Duty`.
#[derive(Serialize)]
struct DutyShape<'a> {
    #[serde(flatten)]
    place: PlaceShape<'a>,
    /// Whether there is a plan for it.
    planned: bool,
    /// Whether the micro station can turn out.
    #[serde(skip_serializing_if = "Option::is_none")]
    ready: Option<bool>,
    /// Those on duty first.
    people: Vec<DutyPerson<'a>>,
}

#[derive(Serialize)]
struct PlaceShape<'a> {
    post: &'static str,
    region: RegionCode,
    region_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    station: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    station_name: Option<&'a str>,
}

impl<'a> PlaceShape<'a> {
    fn new(duty: Duty, roster: &'a Roster) -> PlaceShape<'a> {
        let station = duty.station.and_then(|at| roster.stations().get(at as usize));
        PlaceShape {
            post: duty.post.word(),
            region: duty.region,
            region_name: region_name(roster, duty.region),
            station: station.map(|station| &*station.code),
            station_name: station.map(|station| &*station.name),
        }
    }
}

#[derive(Serialize)]
struct DutyPerson<'a> {
    #[serde(flatten)]
    person: PersonShape<'a>,
    /// on_duty, in_place (of somebody absent), off_duty, away.
    duty: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_place_of: Option<PersonShape<'a>>,
    /// Until when on duty, where that ends within a week.
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
}

/// `GET /api/v1/regions/{code}/duty`
pub(crate) async fn region(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(code): InPath<String>,
    Params(asked): Params<At>,
) -> Result<Response, Problem> {
    let code: RegionCode =
        code.parse().map_err(|error: model::ids::IdError| Problem::new(Kind::NotFound, error.to_string()))?;
    if caller.visible_part(code).is_none() {
        return Err(out_of_scope(&caller, code));
    }
    let (now_ms, roster) = (shared.parts.view.at_ms(), shared.parts.view.roster());
    let at_ms = match asked.at.as_deref() {
        None => now_ms,
        Some(text) => moment(text, roster.utc_offset()).ok_or_else(|| no_moment(text))?,
    };
    let answer = shared
        .read(move |ledger| {
            let then = if at_ms < now_ms { roster_at(ledger, at_ms, roster)? } else { Some(roster) };
            Ok(then.map(|roster| {
                let known = roster.regions().contains_key(&code);
                known.then(|| {
                    let duties = duties_around(&roster, code).into_iter().filter(|duty| caller.sees(duty.region));
                    let shape = RegionDuty {
                        code,
                        name: region_name(&roster, code),
                        at_ms,
                        roster_version: roster.version(),
                        utc_offset: roster.utc_offset().to_string(),
                        duties: duties.map(|duty| duty_shape(duty, &roster, at_ms)).collect(),
                    };
                    serde_json::to_value(shape).expect("a shape has string keys only")
                })
            }))
        })
        .await?;
    match answer {
        Some(Some(body)) => Ok(Json(body).into_response()),
        Some(None) => Err(Problem::new(Kind::NotFound, format!("there was no region {code} on the roster then"))),
        None => Err(Problem::new(Kind::NotFound, "there was no roster then: the record of this station begins later")),
    }
}

fn no_moment(text: &str) -> Problem {
    let detail = format!("at {text:?} is no time: write 2026-11-22T08:30:00+08:00, or ms since 1970");
    Problem::new(Kind::BadRequest, detail).with("field", "at")
}

/// `2026-11-22T08:30`, with seconds and an offset or `Z` where given, else in the city's time; or ms since 1970. A `+` that
/// the query turned into a space is taken as one.
fn moment(text: &str, offset: UtcOffset) -> Option<u64> {
    if !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let (day, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', ' '])?;
    let zone = rest.find(['+', '-', ' ', 'Z']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone);
    let offset = match zone {
        "" => offset,
        "Z" => "+00:00".parse().ok()?,
        zone => zone.replace(' ', "+").parse().ok()?,
    };
    let (minutes, seconds) = clock.split_at_checked(5)?;
    let (day, minutes): (Day, Clock) = (day.parse().ok()?, minutes.parse().ok()?);
    let seconds: f64 = if seconds.is_empty() { 0.0 } else { seconds.strip_prefix(':')?.parse().ok()? };
    if minutes.0 > 1440 || !(0.0..61.0).contains(&seconds) {
        return None;
    }
    let local_min = i64::from(day.0) * 1440 + i64::from(minutes.0);
    Some(offset.at_ms(local_min) + (seconds * 1000.0) as u64)
}

/// The roster that was in force at a past moment, as far as duties go; `None` before the first.
fn roster_at(ledger: &dyn Ledger, at_ms: u64, now: Arc<Roster>) -> Result<Option<Arc<Roster>>, StoreError> {
    let mut changes: Vec<DutyChange> = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = ledger.kept(KeptKind::DutyChange, after.as_deref(), PAGE)?;
        for (key, value) in &rows {
            let change: DutyChange = decoded(key, value)?;
            if change.at_ms > at_ms {
                let then = (!changes.is_empty()).then(|| Arc::new(DutyChange::roster(&changes)));
                return Ok(then);
            }
            changes.push(change);
        }
        match rows.last() {
            Some((key, _)) if rows.len() == PAGE => after = Some(key.clone()),
            // nothing has changed since
            _ => return Ok((!changes.is_empty()).then_some(now)),
        }
    }
}

fn decoded<T: serde::de::DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    wire::decode(value).map_err(|error| StoreError::Damaged {
        doing: "reading the desk's records of duty",
        reason: format!("record {key:02x?}: {error}"),
    })
}

/// The region's own duty, those above and directly below it; from townships down, its micro stations, for a grid those of its
/// village.
fn duties_around(roster: &Roster, code: RegionCode) -> Vec<Duty> {
    let mut above: Vec<RegionCode> = code.ancestry().filter(|region| roster.regions().contains_key(region)).collect();
    above.reverse();
    let below = roster.regions().keys().copied().filter(|region| region.parent() == Some(code));
    let mut duties: Vec<Duty> = above.into_iter().chain(below).map(|region| roster.duty_of(region)).collect();
    let around = code.at(Level::Village).unwrap_or(code);
    if code.level() != Level::City {
        let stations = (0..roster.stations().len()).filter_map(|at| roster.station_duty(at));
        duties.extend(stations.filter(|duty| around.contains(duty.region)));
    }
    duties
}

fn duty_shape(duty: Duty, roster: &Roster, at_ms: u64) -> DutyShape<'_> {
    let on_duty = roster.on_duty(duty, at_ms);
    let row = |person: PersonId| roster.person(person);
    let there = on_duty.iter().filter_map(|OnDuty { person, in_place_of }| {
        let absent = in_place_of.and_then(row);
        Some(DutyPerson {
            person: PersonShape::new(row(*person)?),
            duty: if absent.is_some() { "in_place" } else { "on_duty" },
            in_place_of: absent.map(PersonShape::new),
            until_ms: roster.on_duty_until(duty, *person, at_ms),
        })
    });
    let others = roster.holders(duty).into_iter().filter(|person| on_duty.iter().all(|on| on.person != *person));
    let others = others.filter_map(|person| {
        let duty = if roster.is_present(person, at_ms) { "off_duty" } else { "away" };
        Some(DutyPerson { person: PersonShape::new(row(person)?), duty, in_place_of: None, until_ms: None })
    });
    let people = there.chain(others).collect();
    let station = duty.station.and_then(|at| roster.stations().get(at as usize));
    DutyShape {
        place: PlaceShape::new(duty, roster),
        planned: roster.is_planned(duty),
        ready: station.map(|station| station.ready),
        people,
    }
}

/// `DutyGaps`.
#[derive(Serialize)]
struct GapsShape<'a> {
    at_ms: u64,
    within_s: u64,
    gaps: Vec<GapShape<'a>>,
    without_plan: Vec<WithoutPlan<'a>>,
}

/// `DutyGap`.
#[derive(Serialize)]
struct GapShape<'a> {
    #[serde(flatten)]
    place: PlaceShape<'a>,
    from_ms: u64,
    until_ms: Option<u64>,
    /// When the desk found it; `None`: it looks less far ahead.
    found_ms: Option<u64>,
}

/// A post that some regions have no plan for.
#[derive(Serialize)]
struct WithoutPlan<'a> {
    post: &'static str,
    /// Regions, or micro stations. Count.
    count: u32,
    /// Of them, those where nobody holds the post at all.
    without_anybody: Vec<PlaceShape<'a>>,
}

/// `GET /api/v1/duty/gaps`
pub(crate) async fn gaps(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<Within>,
) -> Result<Response, Problem> {
    let within_s = asked.within_s.unwrap_or(WITHIN_S);
    if !(60..=WITHIN_S_MAX).contains(&within_s) {
        let detail = format!("within_s must be 60 to {WITHIN_S_MAX}, not {within_s}");
        return Err(Problem::new(Kind::BadRequest, detail).with("field", "within_s"));
    }
    let region = region_limit(&caller, asked.region)?;
    let (at_ms, roster) = (shared.parts.view.at_ms(), shared.parts.view.roster());
    let body = shared
        .read(move |ledger| {
            let is_asked = |duty: &Duty| region.is_none_or(|region| region.contains(duty.region));
            let kept = kept_gaps(ledger)?;
            let from_ms = at_ms - at_ms % 60_000;
            let gaps = roster.duty_gaps(from_ms, at_ms + within_s * 1000);
            let shape = GapsShape {
                at_ms,
                within_s,
                gaps: gaps
                    .iter()
                    .filter(|gap| is_asked(&gap.duty))
                    .map(|gap| gap_shape(gap, &kept, &roster, from_ms))
                    .collect(),
                without_plan: without_plan(&roster, is_asked),
            };
            Ok(serde_json::to_vec(&shape).expect("a shape has string keys only"))
        })
        .await?;
    Ok(([(axum::http::header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn kept_gaps(ledger: &dyn Ledger) -> Result<Vec<DutyGap>, StoreError> {
    let mut gaps = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = ledger.kept(KeptKind::DutyGap, after.as_deref(), PAGE)?;
        for (key, value) in &rows {
            gaps.push(decoded(key, value)?);
        }
        match rows.last() {
            Some((key, _)) if rows.len() == PAGE => after = Some(key.clone()),
            _ => return Ok(gaps),
        }
    }
}

/// One that has begun is shown from its beginning on, as far as the desk has seen it.
fn gap_shape<'a>(gap: &Gap, kept: &[DutyGap], roster: &'a Roster, window_ms: u64) -> GapShape<'a> {
    let place = PlaceShape::new(gap.duty, roster);
    let station = place.station.unwrap_or("");
    let is_known = |kept: &&DutyGap| {
        (kept.region, kept.post, &*kept.station) == (gap.duty.region, gap.duty.post, station)
            && (kept.from_ms == gap.from_ms
                || gap.from_ms == window_ms
                    && kept.from_ms < window_ms
                    && kept.until_ms.is_none_or(|until| until > window_ms))
    };
    let known = kept.iter().find(is_known);
    GapShape {
        place,
        from_ms: known.map_or(gap.from_ms, |known| known.from_ms),
        until_ms: gap.until_ms,
        found_ms: known.map(|known| known.found_ms),
    }
}

fn without_plan(roster: &Roster, is_asked: impl Fn(&Duty) -> bool) -> Vec<WithoutPlan<'_>> {
    let mut by_post: BTreeMap<Post, WithoutPlan<'_>> = BTreeMap::new();
    for duty in roster.duties().filter(|duty| is_asked(duty) && !roster.is_planned(*duty)) {
        let of_post = by_post.entry(duty.post).or_insert_with(|| WithoutPlan {
            post: duty.post.word(),
            count: 0,
            without_anybody: Vec::new(),
        });
        of_post.count += 1;
        if roster.holders(duty).is_empty() {
            of_post.without_anybody.push(PlaceShape::new(duty, roster));
        }
    }
    by_post.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_and_programs_write_them() {
        let china = UtcOffset::default();
        let expected = Some(1_767_225_600_000);
        for text in [
            "2026-01-01T08:00",
            "2026-01-01 08:00:00",
            "2026-01-01T08:00:00+08:00",
            "2026-01-01T08:00:00 08:00",
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00Z",
            "2025-12-31T23:00:00.000-01:00",
            "1767225600000",
        ] {
            assert_eq!(moment(text, china), expected, "{text}");
        }
        assert_eq!(moment("2026-01-01T08:00:01.5", china), Some(1_767_225_601_500));
        for text in [
            "",
            "now",
            "2026-01-01",
            "2026-02-30T08:00",
            "2026-01-01T8:00",
            "2026-01-01T08:00:99",
            "2026-01-01T08:00+9",
            "-1",
        ] {
            assert_eq!(moment(text, china), None, "{text}");
        }
    }
}
