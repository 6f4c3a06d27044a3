//! The map: what stands where, once for each roster, and every unit's colour in a byte.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use model::{Epoch, Level, RegionCode, Roster};
use rustc_hash::FxHashMap;
use serde::Serialize;
use tokio::sync::Mutex;

use crate::access::Caller;
use crate::encoding;
use crate::problem::Problem;
use crate::shapes::region_name;
use crate::shared::Shared;
use crate::view::UnitBytes;

/// Geometries of one roster, by scope.
pub(crate) struct GeometryCache {
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    roster: Epoch,
    by_scope: FxHashMap<Option<RegionCode>, Arc<Geometry>>,
}

struct Geometry {
    gzip: Bytes,
    etag: String,
}

impl GeometryCache {
    pub(crate) fn new(limit: usize) -> GeometryCache {
        GeometryCache { limit, kept: Mutex::default() }
    }
}

#[derive(Serialize)]
struct GeometryShape<'a> {
    version: Epoch,
    regions: Vec<RegionLine<'a>>,
    grids: Vec<RegionCode>,
    units: UnitColumns<'a>,
}

#[derive(Serialize)]
struct RegionLine<'a> {
    code: RegionCode,
    name: &'a str,
    parent: Option<RegionCode>,
    level: Level,
}

/// By unit number. A unit that the caller does not see, or that is gone, has an empty code and name and grid -1.
#[derive(Serialize)]
struct UnitColumns<'a> {
    code: Vec<&'a str>,
    name: Vec<&'a str>,
    grid: Vec<i32>,
}

/// `GET /api/v1/map/geometry`
pub(crate) async fn geometry(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let geometry = find_or_make(&shared, &caller).await?;
    let fixed = [
        (header::ETAG, geometry.etag.as_str()),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::VARY, "accept-encoding, authorization, cookie"),
    ];
    if encoding::client_has(&headers, &geometry.etag) {
        return Ok((StatusCode::NOT_MODIFIED, fixed).into_response());
    }
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    if encoding::takes_gzip(&headers) {
        let coding = [(header::CONTENT_ENCODING, "gzip")];
        return Ok((fixed, content_type, coding, geometry.gzip.clone()).into_response());
    }
    let packed = geometry.gzip.clone();
    let plain = shared.read(move |_| Ok(encoding::gunzip(&packed))).await?;
    Ok((fixed, content_type, plain).into_response())
}

async fn find_or_make(shared: &Shared, caller: &Caller) -> Result<Arc<Geometry>, Problem> {
    // held while one is made, so that a hundred screens that load after a restart have it made once
    let mut kept = shared.geometry.kept.lock().await;
    let roster = shared.parts.view.roster();
    if kept.roster != roster.version() {
        *kept = Kept { roster: roster.version(), by_scope: FxHashMap::default() };
    }
    if let Some(geometry) = kept.by_scope.get(&caller.scope) {
        return Ok(Arc::clone(geometry));
    }
    if kept.by_scope.len() >= shared.geometry.limit {
        kept.by_scope.clear();
    }
    let asked_by = caller.clone();
    let geometry = shared.read(move |_| Ok(Arc::new(make(&roster, &asked_by)))).await?;
    kept.by_scope.insert(caller.scope, Arc::clone(&geometry));
    Ok(geometry)
}

fn make(roster: &Roster, caller: &Caller) -> Geometry {
    let seen = roster.regions().keys().copied().filter(|code| caller.visible_part(*code).is_some());
    let regions = seen.clone().map(|code| RegionLine {
        code,
        name: region_name(roster, code),
        parent: code.parent(),
        level: code.level(),
    });
    let grids: Vec<RegionCode> = seen.clone().filter(|code| code.level() == Level::Grid).collect();
    let place: FxHashMap<RegionCode, i32> = grids.iter().copied().zip(0..).collect();
    let count = roster.units().len();
    let mut units = UnitColumns {
        code: Vec::with_capacity(count),
        name: Vec::with_capacity(count),
        grid: Vec::with_capacity(count),
    };
    for slot in roster.units() {
        let grid = place.get(&slot.row.grid).filter(|_| slot.current);
        units.code.push(grid.map_or("", |_| &slot.row.code));
        units.name.push(grid.map_or("", |_| &slot.row.name));
        units.grid.push(grid.copied().unwrap_or(-1));
    }
    let shape = GeometryShape { version: roster.version(), regions: regions.collect(), grids, units };
    let plain = serde_json::to_vec(&shape).expect("a shape has string keys only");
    Geometry { etag: encoding::etag_of(&plain), gzip: encoding::gzip(&plain, Compression::default()) }
}

/// `GET /api/v1/map/snapshot`
pub(crate) async fn snapshot(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    let body = units_bytes(&caller, &shared.parts.view.colours());
    let fixed = [(header::CONTENT_TYPE, "application/octet-stream"), (header::VARY, "accept-encoding")];
    if encoding::takes_gzip(&headers) {
        let packed = encoding::gzip(&body, Compression::fast());
        return (fixed, [(header::CONTENT_ENCODING, "gzip")], packed).into_response();
    }
    (fixed, body).into_response()
}

/// 8 bytes cursor and 4 bytes count of units, little-endian, then a byte a unit: 0 for one that is gone, was never
/// judged or that the caller does not see.
pub(crate) fn units_bytes(caller: &Caller, of_units: &UnitBytes) -> Vec<u8> {
    let units = of_units.roster.units();
    let count = u32::try_from(units.len()).expect("units are numbered with 32 bits");
    let mut body = Vec::with_capacity(12 + units.len());
    body.extend_from_slice(&of_units.cursor.to_le_bytes());
    body.extend_from_slice(&count.to_le_bytes());
    let shown = units.iter().map(|slot| slot.current && caller.sees(slot.row.grid));
    body.extend(shown.zip(&of_units.bytes).map(|(shown, byte)| if shown { *byte } else { 0 }));
    body
}
