//! Silences: lists, and what operators order. The desk decides; a fire cannot be silenced.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use model::alert::Refused;
use model::hold::{SilenceOrder, SilenceScope, key};
use model::{Family, KeptKind, Ledger, Order, OrderBody, OrderId, RegionCode, Roster, Silence, StoreError, wire};
use serde::{Deserialize, Serialize};

use super::alerts::{idempotency_key, within_deadline};
use crate::access::Caller;
use crate::extract::{InBody, InPath, Params, out_of_scope, region_limit};
use crate::problem::{Kind, Problem};
use crate::shapes::{device_key, person_name};
use crate::shared::Shared;

/// Silences read at most: the desk keeps fewer.
const ALL_MAX: usize = 4096;

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Which {
    #[default]
    InForce,
    All,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(default)]
    state: Which,
    region: Option<RegionCode>,
}

/// `NewSilence`: one of region, unit and device; one of `for_s` and `until_ms`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    region: Option<RegionCode>,
    unit: Option<Box<str>>,
    device: Option<Box<str>>,
    family: Family,
    #[serde(default)]
    rules: Vec<Box<str>>,
    for_s: Option<u64>,
    until_ms: Option<u64>,
    reason: Box<str>,
    /// Code of the person who is told before its end; absent: whose order it is.
    owner: Option<Box<str>>,
    person: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    person: Option<Box<str>>,
}

/// `Silence`.
#[derive(Serialize)]
struct SilenceShape<'a> {
    id: OrderId,
    in_force: bool,
    region: RegionCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    family: Family,
    rules: &'a [Box<str>],
    reason: &'a str,
    owner: &'a str,
    owner_name: &'a str,
    by: &'a str,
    from_ms: u64,
    until_ms: u64,
    /// Alerts held, counted.
    held: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<&'a str>,
}

impl<'a> SilenceShape<'a> {
    fn new(silence: &'a Silence, roster: &'a Roster, now_ms: u64) -> SilenceShape<'a> {
        let order = &silence.order;
        let (unit, device) = match order.scope {
            SilenceScope::Region(_) => (None, None),
            SilenceScope::Unit(unit) => (roster.unit(unit).map(|unit| &*unit.code), None),
            SilenceScope::Device(device) => (None, device_key(roster, Some(device))),
        };
        SilenceShape {
            id: silence.id,
            in_force: silence.is_in_force(now_ms),
            region: order.region,
            unit,
            device,
            family: order.family,
            rules: &order.rules,
            reason: &order.reason,
            owner: &order.owner,
            owner_name: person_name(roster, &order.owner),
            by: &silence.by,
            from_ms: silence.from_ms,
            until_ms: order.until_ms,
            held: silence.held,
            ended_ms: silence.ended.as_ref().map(|end| end.at_ms),
            ended_by: silence.ended.as_ref().and_then(|end| end.by.as_deref()),
        }
    }
}

#[derive(Serialize)]
struct Page<'a> {
    at_ms: u64,
    silences: Vec<SilenceShape<'a>>,
}

#[derive(Serialize)]
struct Done {
    id: OrderId,
}

/// `GET /api/v1/silences`, newest first.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let region = region_limit(&caller, asked.region)?;
    let (now_ms, roster) = (shared.parts.view.at_ms(), shared.parts.view.roster());
    let mut silences = shared.read(all).await?;
    silences.retain(|silence| region.is_none_or(|region| region.contains(silence.order.region)));
    silences.retain(|silence| asked.state == Which::All || silence.is_in_force(now_ms));
    let silences = silences.iter().rev().map(|silence| SilenceShape::new(silence, &roster, now_ms)).collect();
    Ok(Json(Page { at_ms: now_ms, silences }).into_response())
}

fn all(ledger: &dyn Ledger) -> Result<Vec<Silence>, StoreError> {
    let rows = ledger.kept(KeptKind::Silence, None, ALL_MAX)?;
    rows.iter().map(|(_, value)| decode(value)).collect()
}

pub(super) fn decode<T: serde::de::DeserializeOwned>(value: &[u8]) -> Result<T, StoreError> {
    let damaged = |error: wire::WireError| StoreError::Damaged { doing: "reading records", reason: error.to_string() };
    wire::decode(value).map_err(damaged)
}

/// `POST /api/v1/silences`
pub(crate) async fn begin(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    InBody(new): InBody<New>,
) -> Result<Response, Problem> {
    let roster = shared.parts.view.roster();
    let (scope, region) = place(&new, &caller, &roster)?;
    let until_ms = match (new.until_ms, new.for_s) {
        (Some(until_ms), None) => until_ms,
        (None, Some(for_s)) => shared.parts.view.at_ms().saturating_add(for_s.saturating_mul(1000)),
        _ => return Err(Problem::field("for_s", "for_s: name either for_s or until_ms")),
    };
    let person = person(new.person, &caller, &roster)?;
    let owner = new.owner.unwrap_or_else(|| person.clone());
    let (family, rules, reason) = (new.family, new.rules, new.reason);
    let asked = SilenceOrder { scope, region, family, rules, until_ms, reason, owner };
    order(&shared, &caller, &headers, person, OrderBody::Silence(Box::new(asked))).await
}

/// `POST /api/v1/silences/{silence}/end`
pub(crate) async fn end(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
    headers: HeaderMap,
    InBody(body): InBody<End>,
) -> Result<Response, Problem> {
    let none = || Problem::new(Kind::NotFound, format!("there is no silence {id} within this token's scope"));
    let silence: OrderId = id.parse().map_err(|_| none())?;
    let stored = shared
        .read(move |ledger| {
            let stored = ledger.kept_one(KeptKind::Silence, &key::silence(silence))?;
            stored.map(|value| decode::<Silence>(&value)).transpose()
        })
        .await?;
    stored.filter(|stored| caller.sees(stored.order.region)).ok_or_else(none)?;
    let person = person(body.person, &caller, &shared.parts.view.roster())?;
    order(&shared, &caller, &headers, person, OrderBody::EndSilence(silence)).await
}

/// The place that a silence covers; it must lie within the caller's scope.
fn place(new: &New, caller: &Caller, roster: &Roster) -> Result<(SilenceScope, RegionCode), Problem> {
    let missing = |what: &str, code: &str| {
        Problem::field(what, format!("{what}: there is no {what} {code} within this token's scope"))
    };
    let grid_of = |unit| roster.unit(unit).map(|unit| unit.grid).filter(|grid| caller.sees(*grid));
    match (new.region, &new.unit, &new.device) {
        (Some(region), None, None) if caller.sees(region) => Ok((SilenceScope::Region(region), region)),
        (Some(region), None, None) => Err(out_of_scope(caller, region)),
        (None, Some(code), None) => {
            let unit = roster.unit_by_code(code).and_then(|unit| Some((SilenceScope::Unit(unit), grid_of(unit)?)));
            unit.ok_or_else(|| missing("unit", code))
        }
        (None, None, Some(key)) => {
            let device = roster.device_by_key(key).and_then(|id| Some((id, roster.device(id)?)));
            let place = device.and_then(|(id, device)| Some((SilenceScope::Device(id), grid_of(device.unit)?)));
            place.ok_or_else(|| missing("device", key))
        }
        _ => Err(Problem::field("region", "region: name exactly one of region, unit and device")),
    }
}

fn person(given: Option<Box<str>>, caller: &Caller, roster: &Roster) -> Result<Box<str>, Problem> {
    match given {
        Some(code) if roster.person_by_code(&code).is_none() => {
            Err(Problem::field("person", format!("person: there is nobody with the code {code} on the roster")))
        }
        Some(code) => Ok(code),
        None => Ok(caller.subject.clone()),
    }
}

async fn order(
    shared: &Shared,
    caller: &Caller,
    headers: &HeaderMap,
    person: Box<str>,
    body: OrderBody,
) -> Result<Response, Problem> {
    let id = shared.command_id(&caller.subject, idempotency_key(headers)?);
    let entered_by = (person != caller.subject).then(|| caller.subject.clone());
    let order = Order { id, person, entered_by, body };
    let outcome = within_deadline(shared, shared.parts.actions.order(order)).await??;
    match outcome.result {
        Ok(id) => Ok(Json(Done { id }).into_response()),
        Err(Refused::Unknown(alert)) => Err(super::alerts::no_alert(alert)),
        Err(Refused::Forbidden(why)) => Err(Problem::new(Kind::Conflict, why)),
    }
}
