//! Units: lists by region, colour and words, and one unit with all that explains its colour.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use model::roster::Unit;
use model::{Alert, Colour, Reason, RegionCode, Roster, UnitId, UnitStatus};
use serde::{Deserialize, Serialize};

use crate::access::Caller;
use crate::extract::{InPath, Params, page_limit, region_limit};
use crate::problem::{Kind, Problem};
use crate::shapes::{AlertShape, Heads, PersonShape, ReasonShape, UnitShape, region_name};
use crate::shared::Shared;

/// Alerts shown of a unit, newest first.
const ALERTS_OF_UNIT: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    region: Option<RegionCode>,
    colour: Option<Colour>,
    /// Part of code, name, category or address.
    q: Option<String>,
    /// Standing risk index, at least.
    risk_min: Option<u8>,
    limit: Option<usize>,
    /// `next` of the page before.
    after: Option<u32>,
}

#[derive(Serialize)]
struct Page<'a> {
    units: Vec<UnitShape<'a>>,
    next: Option<u32>,
}

/// `GET /api/v1/units`
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let settings = &shared.parts.settings;
    let limit = page_limit(asked.limit, settings.page_default, settings.page_max)?;
    let region = region_limit(&caller, asked.region)?;
    let now = shared.parts.view.units();
    let body = shared
        .read(move |_| {
            let words = asked.q.as_deref().map(str::to_lowercase).filter(|words| !words.is_empty());
            let fits = |unit: &Unit, byte: u8, risk: Option<u8>| {
                region.is_none_or(|region| region.contains(unit.grid))
                    && asked.colour.is_none_or(|colour| colour.byte() == byte)
                    && asked.risk_min.is_none_or(|least| risk.is_some_and(|risk| risk >= least))
                    && words.as_deref().is_none_or(|words| mentions(unit, words))
            };
            let first = asked.after.map_or(0, |after| after.saturating_add(1));
            let mut page = Page { units: Vec::new(), next: None };
            for (slot, id) in now.roster.units().iter().zip(0u32..).skip(first as usize) {
                let byte = now.colours.get(id as usize).copied().unwrap_or(0);
                let risk = now.risk(id as usize);
                if !slot.current || !fits(&slot.row, byte, risk) {
                    continue;
                }
                if page.units.len() == limit {
                    break;
                }
                let colour = Colour::ALL.into_iter().find(|colour| colour.byte() == byte);
                let since_ms = now.since_ms.get(id as usize).copied().unwrap_or(0);
                page.units.push(UnitShape::new(&slot.row, colour.map(|colour| (colour, since_ms)), risk));
                page.next = Some(id);
            }
            if page.units.len() < limit {
                page.next = None;
            }
            Ok(serde_json::to_vec(&page).expect("a shape has string keys only"))
        })
        .await?;
    Ok(([(axum::http::header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn mentions(unit: &Unit, words: &str) -> bool {
    [&unit.code, &unit.name, &unit.address, &unit.category].iter().any(|text| text.to_lowercase().contains(words))
}

#[derive(Serialize)]
struct UnitDetail<'a> {
    #[serde(flatten)]
    head: UnitShape<'a>,
    owner: Option<PersonShape<'a>>,
    path: Vec<Step<'a>>,
    reasons: Vec<ReasonShape<'a>>,
    devices: Vec<DeviceShape<'a>>,
    cameras: Vec<CameraShape<'a>>,
    alerts: Vec<AlertShape<'a>>,
}

#[derive(Serialize)]
struct Step<'a> {
    code: RegionCode,
    name: &'a str,
}

#[derive(Serialize)]
struct DeviceShape<'a> {
    vendor: &'a str,
    device: &'a str,
    class: &'static str,
    location: &'a str,
    status: &'static str,
    last_seen_ms: Option<u64>,
    report_every_s: u32,
}

#[derive(Serialize)]
struct CameraShape<'a> {
    code: &'a str,
    location: &'a str,
    stream: &'a str,
}

/// `GET /api/v1/units/{code}`
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(code): InPath<String>,
) -> Result<Response, Problem> {
    let roster = shared.parts.view.roster();
    let found = roster.unit_by_code(&code).and_then(|id| Some((id, roster.unit(id)?)));
    let Some((id, unit)) = found.filter(|(_, unit)| caller.sees(unit.grid)) else {
        return Err(Problem::new(Kind::NotFound, format!("there is no unit {code} within this token's scope")));
    };
    let (status, alerts) =
        shared.read(move |ledger| Ok((ledger.unit(id)?, ledger.alerts_of_unit(id, ALERTS_OF_UNIT)?))).await?;
    Ok(Json(detail(&shared, &roster, id, unit, status.as_ref(), &Heads::of(alerts.iter().map(Borrowed))))
        .into_response())
}

/// Lets a plain alert stand where a shared one may.
struct Borrowed<'a>(&'a Alert);

impl AsRef<Alert> for Borrowed<'_> {
    fn as_ref(&self) -> &Alert {
        self.0
    }
}

fn detail<'a>(
    shared: &Shared,
    roster: &'a Roster,
    id: UnitId,
    unit: &'a Unit,
    status: Option<&'a UnitStatus>,
    alerts: &'a Heads,
) -> UnitDetail<'a> {
    let mut path: Vec<Step<'_>> =
        unit.grid.ancestry().map(|code| Step { code, name: region_name(roster, code) }).collect();
    path.reverse();
    let devices = roster.devices_of(id).iter().filter_map(|id| Some((*id, roster.device(*id)?)));
    let cameras = roster.cameras().iter().filter(|camera| camera.unit == id);
    UnitDetail {
        head: UnitShape::new(
            unit,
            status.map(|status| (status.colour, status.since_ms)),
            status.and_then(|status| status.risk),
        ),
        owner: unit.owner.and_then(|owner| roster.person(owner)).map(PersonShape::new),
        path,
        reasons: reasons(status.map_or(&[], |status| &status.reasons), roster),
        devices: devices
            .map(|(id, device)| {
                let status = shared.parts.devices.status(id);
                DeviceShape {
                    vendor: &device.vendor,
                    device: &device.name,
                    class: device.class.word(),
                    location: &device.location,
                    status: status.word(),
                    last_seen_ms: status.last_seen_ms,
                    report_every_s: device.report_every_s,
                }
            })
            .collect(),
        cameras: cameras
            .map(|camera| CameraShape { code: &camera.code, location: &camera.location, stream: &camera.stream })
            .collect(),
        alerts: alerts.shapes(roster),
    }
}

pub(crate) fn reasons<'a>(reasons: &'a [Reason], roster: &Roster) -> Vec<ReasonShape<'a>> {
    reasons.iter().map(|reason| ReasonShape::new(reason, roster)).collect()
}
