//! What alarm systems are judged by (ISA-18.2): how many alerts for each seat, which few make most of them, which chatter,
//! which stand for days. Counted from the ledger when asked for; exercises are left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use model::{Alert, AlertId, Colour, DeviceId, Family, Ledger, RegionCode, Roster, StoreError, UnitId};
use serde::{Deserialize, Serialize};

use crate::access::Caller;
use crate::extract::{Params, region_limit};
use crate::problem::{Kind, Problem};
use crate::shapes::device_key;
use crate::shared::Shared;

/// Rows of each list.
const TOP: usize = 10;
const HOUR_MS: u64 = 3_600_000;
const TEN_MINUTES_MS: u64 = 600_000;
/// An alert that is open for longer is a standing one, ms.
const STANDING_MS: u64 = 24 * HOUR_MS;
/// A condition that was found so often within a minute chatters.
const CHATTER_TIMES: usize = 3;
const CHATTER_MS: u64 = 60_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(default = "a_day")]
    hours: u64,
    #[serde(default = "three")]
    seats: u32,
    region: Option<RegionCode>,
}

fn a_day() -> u64 {
    24
}

fn three() -> u32 {
    3
}

/// `AlarmStatistics`.
#[derive(Serialize)]
struct Statistics<'a> {
    from_ms: u64,
    to_ms: u64,
    seats: u32,
    /// Whether all alerts of that time were looked at.
    complete: bool,
    alerts: usize,
    families: BTreeMap<&'static str, usize>,
    colours: BTreeMap<&'static str, usize>,
    /// Mean over the time, and the worst ten minutes.
    per_seat_10_min: f64,
    per_seat_10_min_max: f64,
    units: Vec<Actor<'a>>,
    devices: Vec<DeviceActor>,
    /// Share of the ten units with most alerts, of all alerts.
    units_share: f64,
    chattering: Vec<Chatter<'a>>,
    /// Open for more than a day, oldest first; their number.
    standing: Vec<Standing<'a>>,
    standing_count: usize,
}

#[derive(Serialize)]
struct Actor<'a> {
    unit: &'a str,
    unit_name: &'a str,
    alerts: usize,
}

#[derive(Serialize)]
struct DeviceActor {
    device: String,
    alerts: usize,
}

#[derive(Serialize)]
struct Chatter<'a> {
    alert: AlertId,
    unit: &'a str,
    rings: u16,
}

#[derive(Serialize)]
struct Standing<'a> {
    alert: AlertId,
    unit: &'a str,
    colour: Colour,
    raised_ms: u64,
}

/// `GET /api/v1/statistics/alarms`
pub(crate) async fn alarms(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    if !(1..=24 * 31).contains(&asked.hours) || !(1..=1000).contains(&asked.seats) {
        return Err(Problem::new(Kind::BadRequest, "hours must be 1 to 744, seats 1 to 1000"));
    }
    let region = region_limit(&caller, asked.region)?;
    let to_ms = shared.parts.view.at_ms();
    let from_ms = to_ms.saturating_sub(asked.hours * HOUR_MS);
    let scan_max = shared.parts.settings.scan_max;
    let (mut alerts, complete) = shared.read(move |ledger| since(ledger, from_ms, scan_max)).await?;
    let counts = |alert: &Alert| !alert.exercise && region.is_none_or(|region| region.contains(alert.grid));
    alerts.retain(counts);
    let (_, roster, mut open) = shared.parts.view.open_alerts(region);
    open.retain(|alert| counts(alert) && alert.raised_ms + STANDING_MS < to_ms);
    let statistics =
        Statistics { complete, seats: asked.seats, ..of(&alerts, &open, (from_ms, to_ms), asked.seats, &roster) };
    Ok(Json(statistics).into_response())
}

/// Alerts raised since then, and whether those are all.
fn since(ledger: &dyn Ledger, from_ms: u64, scan_max: usize) -> Result<(Vec<Alert>, bool), StoreError> {
    let mut limit = scan_max.min(1000);
    loop {
        let mut alerts = ledger.alerts(None, limit)?;
        let is_end = alerts.len() < limit || alerts.last().is_some_and(|alert| alert.raised_ms < from_ms);
        if is_end || limit >= scan_max {
            alerts.retain(|alert| alert.raised_ms >= from_ms);
            return Ok((alerts, is_end));
        }
        limit = limit.saturating_mul(4).min(scan_max);
    }
}

fn of<'a>(
    alerts: &[Alert],
    open: &[Arc<Alert>],
    (from_ms, to_ms): (u64, u64),
    seats: u32,
    roster: &'a Roster,
) -> Statistics<'a> {
    let (mut families, mut colours) = (BTreeMap::new(), BTreeMap::new());
    let mut units: BTreeMap<UnitId, usize> = BTreeMap::new();
    let mut devices: BTreeMap<DeviceId, usize> = BTreeMap::new();
    let mut times: BTreeMap<u64, usize> = BTreeMap::new();
    for alert in alerts {
        *families.entry(Family::word(alert.family())).or_default() += 1;
        *colours.entry(alert.colour.word()).or_default() += 1;
        *units.entry(alert.id.unit).or_default() += 1;
        *times.entry(alert.raised_ms / TEN_MINUTES_MS).or_default() += 1;
        let mut of_alert: Vec<DeviceId> = alert.evidence.iter().filter_map(|evidence| evidence.device).collect();
        of_alert.sort_unstable();
        of_alert.dedup();
        for device in of_alert {
            *devices.entry(device).or_default() += 1;
        }
    }
    let unit_code = |unit: UnitId| roster.unit(unit).map_or("", |unit| &*unit.code);
    let top_units = top(units);
    let by_top: usize = top_units.iter().map(|(_, alerts)| alerts).sum();
    let spans = (to_ms - from_ms) as f64 / TEN_MINUTES_MS as f64;
    let per_seat = |alerts: f64| alerts / f64::from(seats);
    Statistics {
        from_ms,
        to_ms,
        seats,
        complete: true,
        alerts: alerts.len(),
        families,
        colours,
        per_seat_10_min: per_seat(alerts.len() as f64 / spans),
        per_seat_10_min_max: per_seat(times.values().max().copied().unwrap_or(0) as f64),
        units_share: if alerts.is_empty() { 0.0 } else { by_top as f64 / alerts.len() as f64 },
        units: top_units
            .into_iter()
            .map(|(unit, alerts)| Actor {
                unit: unit_code(unit),
                unit_name: roster.unit(unit).map_or("", |unit| &unit.name),
                alerts,
            })
            .collect(),
        devices: top(devices)
            .into_iter()
            .filter_map(|(device, alerts)| Some(DeviceActor { device: device_key(roster, Some(device))?, alerts }))
            .collect(),
        chattering: {
            let mut chattering: Vec<&Alert> = alerts.iter().filter(|alert| chatters(alert)).collect();
            chattering.sort_by_key(|alert| (std::cmp::Reverse(alert.ring), alert.id));
            let shape = |alert: &Alert| Chatter { alert: alert.id, unit: unit_code(alert.id.unit), rings: alert.ring };
            chattering.into_iter().take(TOP).map(shape).collect()
        },
        standing: {
            let mut standing: Vec<&Arc<Alert>> = open.iter().collect();
            standing.sort_by_key(|alert| (alert.raised_ms, alert.id));
            let shape = |alert: &Arc<Alert>| Standing {
                alert: alert.id,
                unit: unit_code(alert.id.unit),
                colour: alert.colour,
                raised_ms: alert.raised_ms,
            };
            standing.into_iter().take(TOP).map(shape).collect()
        },
        standing_count: open.len(),
    }
}

/// The ten with most, those first.
fn top<K: Ord + Copy>(counts: BTreeMap<K, usize>) -> Vec<(K, usize)> {
    let mut counts: Vec<(K, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(key, count)| (std::cmp::Reverse(*count), *key));
    counts.truncate(TOP);
    counts
}

/// Whether one condition of the alert was found three times within a minute, as far as its evidence is kept.
fn chatters(alert: &Alert) -> bool {
    let mut times: BTreeMap<(&str, Option<DeviceId>), Vec<u64>> = BTreeMap::new();
    for evidence in &alert.evidence {
        times.entry((&evidence.rule, evidence.device)).or_default().push(evidence.at_ms);
    }
    times.into_values().any(|mut times| {
        times.sort_unstable();
        times.windows(CHATTER_TIMES).any(|window| window[CHATTER_TIMES - 1] - window[0] <= CHATTER_MS)
    })
}
