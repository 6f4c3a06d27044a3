//! Incidents of many alerts, and floods.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use model::finding::Words;
use model::hold::{StormKind, key};
use model::{AlertId, Colour, Family, KeptKind, Ledger, OrderId, RegionCode, Roster, StoreError, Storm};
use serde::{Deserialize, Serialize};

use super::silences::decode;
use crate::access::Caller;
use crate::extract::{InPath, Params, page_limit};
use crate::problem::{Kind, Problem};
use crate::shapes::{AlertShape, Heads, region_name};
use crate::shared::Shared;

/// Incidents read at most: the desk keeps fewer.
const ALL_MAX: usize = 2048;

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Which {
    #[default]
    Open,
    All,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(default)]
    state: Which,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MembersAsked {
    limit: Option<usize>,
    /// `next` of the page before.
    #[serde(default)]
    from: usize,
}

/// `Storm`.
#[derive(Serialize)]
struct StormShape<'a> {
    id: OrderId,
    kind: StormKind,
    region: RegionCode,
    region_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    address: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    rule: &'a str,
    family: Family,
    colour: Colour,
    began_ms: u64,
    joined_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into: Option<OrderId>,
    members: u32,
    villages: Vec<Village<'a>>,
    confirmed: bool,
    /// People who were told of it.
    told: usize,
    tellings: u16,
    summary_zh: &'a str,
    summary_en: &'a str,
}

#[derive(Serialize)]
struct Village<'a> {
    code: RegionCode,
    name: &'a str,
    members: u32,
}

impl<'a> StormShape<'a> {
    fn new(storm: &'a Storm, caller: &Caller, roster: &'a Roster) -> StormShape<'a> {
        let Words { zh, en } = &storm.words;
        let villages = storm.villages.iter().filter(|(code, _)| caller.visible_part(*code).is_some());
        StormShape {
            id: storm.id,
            kind: storm.kind,
            region: storm.region,
            region_name: region_name(roster, storm.region),
            address: &storm.address,
            rule: &storm.rule,
            family: storm.family,
            colour: storm.colour,
            began_ms: storm.began_ms,
            joined_ms: storm.joined_ms,
            ended_ms: storm.ended_ms,
            merged_into: storm.merged_into,
            members: storm.members,
            villages: villages
                .map(|(code, members)| Village { code: *code, name: region_name(roster, *code), members: *members })
                .collect(),
            confirmed: storm.confirmed,
            told: storm.told.len(),
            tellings: storm.tellings,
            summary_zh: zh,
            summary_en: en,
        }
    }
}

/// `Flood`.
#[derive(Serialize)]
pub(super) struct FloodShape {
    since_ms: u64,
    /// New alerts in the policy's window.
    alerts: u32,
}

impl FloodShape {
    pub(super) fn of(shared: &Shared) -> Option<FloodShape> {
        let (since_ms, alerts) = shared.parts.view.flood()?;
        Some(FloodShape { since_ms, alerts })
    }
}

#[derive(Serialize)]
struct Page<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    flood: Option<FloodShape>,
    storms: Vec<StormShape<'a>>,
}

#[derive(Serialize)]
struct One<'a> {
    storm: StormShape<'a>,
    /// As they are now, in the order in which they joined.
    alerts: Vec<AlertShape<'a>>,
    next: Option<usize>,
}

/// `GET /api/v1/storms`, newest first.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let mut storms = shared.read(all).await?;
    storms.retain(|storm| caller.visible_part(storm.region).is_some());
    storms.retain(|storm| asked.state == Which::All || storm.ended_ms.is_none());
    let roster = shared.parts.view.roster();
    let shapes = storms.iter().rev().map(|storm| StormShape::new(storm, &caller, &roster)).collect();
    Ok(Json(Page { flood: FloodShape::of(&shared), storms: shapes }).into_response())
}

fn all(ledger: &dyn Ledger) -> Result<Vec<Storm>, StoreError> {
    let mut storms = Vec::new();
    let rows = ledger.kept(KeptKind::Storm, Some(key::STORMS), ALL_MAX)?;
    for (_, value) in rows.iter().take_while(|(key, _)| key.as_slice() < key::STORMS_END) {
        storms.push(decode(value)?);
    }
    Ok(storms)
}

/// `GET /api/v1/storms/{storm}`
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
    Params(asked): Params<MembersAsked>,
) -> Result<Response, Problem> {
    let settings = &shared.parts.settings;
    let limit = page_limit(asked.limit, settings.page_default, settings.page_max)?;
    let none = || Problem::new(Kind::NotFound, format!("there is no incident {id} within this token's scope"));
    let storm: OrderId = id.parse().map_err(|_| none())?;
    let from = asked.from;
    let found = shared.read(move |ledger| members(ledger, storm, from, limit)).await?;
    let (storm, alerts) = found.filter(|(storm, _)| caller.visible_part(storm.region).is_some()).ok_or_else(none)?;
    let roster = shared.parts.view.roster();
    let heads = Heads::of(alerts.iter().filter(|alert| caller.sees(alert.grid)));
    let next = from.saturating_add(limit);
    let next = (next < storm.members as usize).then_some(next);
    Ok(Json(One { storm: StormShape::new(&storm, &caller, &roster), alerts: heads.shapes(&roster), next })
        .into_response())
}

type Found = Option<(Storm, Vec<Arc<model::Alert>>)>;

/// An incident, and up to `limit` of its alerts from the one numbered `from` on.
fn members(ledger: &dyn Ledger, id: OrderId, from: usize, limit: usize) -> Result<Found, StoreError> {
    let Some(value) = ledger.kept_one(KeptKind::Storm, &key::storm(id))? else { return Ok(None) };
    let storm: Storm = decode(&value)?;
    let page_len = Storm::PAGE as usize;
    let mut ids: Vec<AlertId> = Vec::new();
    for page in key::all_members(&storm).skip(from / page_len).take(limit / page_len + 2) {
        if let Some(value) = ledger.kept_one(KeptKind::Storm, &page)? {
            ids.extend(decode::<Vec<AlertId>>(&value)?);
        }
    }
    let mut alerts = Vec::new();
    for id in ids.into_iter().skip(from % page_len).take(limit) {
        alerts.extend(ledger.alert(id)?.map(Arc::new));
    }
    Ok(Some((storm, alerts)))
}
