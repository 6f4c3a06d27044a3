//! The standing risk of a region: how its units are distributed, how their mean moved, and which are the worst.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use model::{Colour, Cursor, RegionCode};
use serde::Serialize;

use super::map::units_bytes;
use crate::access::Caller;
use crate::actions::RiskDay;
use crate::encoding;
use crate::extract::{InPath, out_of_scope};
use crate::problem::{Kind, Problem};
use crate::shapes::{UnitShape, region_name};
use crate::shared::Shared;
use crate::view::UnitsNow;

/// Units told of a region, worst first.
const WORST_MAX: usize = 20;

#[derive(Serialize)]
struct RegionRisk<'a> {
    code: RegionCode,
    name: &'a str,
    cursor: Cursor,
    at_ms: u64,
    /// Of the weights; empty where it is not known yet.
    version: String,
    /// Units that have an index.
    units: u32,
    mean: Option<f64>,
    bands: [u32; 10],
    change_1d: Option<f64>,
    change_30d: Option<f64>,
    days: Vec<RiskDay>,
    worst: Vec<UnitShape<'a>>,
}

/// `GET /api/v1/regions/{code}/risk`
pub(crate) async fn region(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(code): InPath<String>,
) -> Result<Response, Problem> {
    let code: RegionCode =
        code.parse().map_err(|error: model::ids::IdError| Problem::new(Kind::NotFound, error.to_string()))?;
    let Some(visible) = caller.visible_part(code) else {
        return Err(out_of_scope(&caller, code));
    };
    let (now, bands) = shared.parts.view.units_of(visible);
    if !now.roster.regions().contains_key(&code) {
        return Err(Problem::new(Kind::NotFound, format!("there is no region {code} on the roster")));
    }
    let risk = Arc::clone(&shared.parts.risk);
    let body = shared
        .read(move |_| {
            let (version, days) = (risk.version(), risk.days(visible));
            let mean = bands.mean().map(f64::from);
            let before = |passed: u64| {
                let today = days.last()?.begins_ms;
                let day = days.iter().find(|day| day.begins_ms + passed * RiskDay::MS == today)?;
                Some(mean? - day.mean?)
            };
            let shape = RegionRisk {
                code,
                name: region_name(&now.roster, code),
                cursor: now.cursor,
                at_ms: now.at_ms,
                version,
                units: bands.units.iter().sum(),
                mean,
                bands: bands.units,
                change_1d: before(1),
                change_30d: before(30),
                worst: worst(&now, visible),
                days: days.clone(),
            };
            Ok(serde_json::to_vec(&shape).expect("a shape has string keys only"))
        })
        .await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The units with the highest index; of equal ones, those with the lower number.
fn worst(now: &UnitsNow, region: RegionCode) -> Vec<UnitShape<'_>> {
    let units = now.roster.units().iter().zip(0_usize..);
    let there = units.filter(|(slot, _)| slot.current && region.contains(slot.row.grid));
    let mut worst: Vec<(u8, usize)> = there.filter_map(|(_, at)| Some((now.risk(at)?, at))).collect();
    let order = |(index, at): &(u8, usize)| (Reverse(*index), *at);
    if worst.len() > WORST_MAX {
        worst.select_nth_unstable_by_key(WORST_MAX - 1, order);
        worst.truncate(WORST_MAX);
    }
    worst.sort_unstable_by_key(order);
    let shape = |(_, at): &(u8, usize)| {
        let byte = now.colours.get(*at).copied().unwrap_or(0);
        let colour = Colour::ALL.into_iter().find(|colour| colour.byte() == byte);
        let since_ms = now.since_ms.get(*at).copied().unwrap_or(0);
        UnitShape::new(&now.roster.units()[*at].row, colour.map(|colour| (colour, since_ms)), now.risk(*at))
    };
    worst.iter().map(shape).collect()
}

/// `GET /api/v1/map/risk`
pub(crate) async fn map(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    let body = units_bytes(&caller, &shared.parts.view.risks());
    let fixed = [(header::CONTENT_TYPE, "application/octet-stream"), (header::VARY, "accept-encoding")];
    if encoding::takes_gzip(&headers) {
        let packed = encoding::gzip(&body, Compression::fast());
        return (fixed, [(header::CONTENT_ENCODING, "gzip")], packed).into_response();
    }
    (fixed, body).into_response()
}
