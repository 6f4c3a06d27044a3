//! Alerts: lists, one with its whole story, and what people do with it.

mod acts;
mod case;
mod people;
pub(crate) mod photos;
mod rank;
mod story;

use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use model::{Alert, AlertId, Cursor, Epoch, Family, Ledger, RegionCode, StoreError, UnitId};
use serde::{Deserialize, Serialize};

pub(crate) use acts::{
    acknowledge, arrive, assign, begin_work, check, check_in_sight, check_note, close, finish_work, idempotency_key,
    note, out_of_service, return_to_service, shelve, unshelve, verify, within_deadline,
};
pub(crate) use case::case;
pub(crate) use story::{alert_id, no_alert, one};

use super::storms::FloodShape;
use crate::access::Caller;
use crate::extract::{Params, page_limit, region_limit};
use crate::problem::{Kind, Problem};
use crate::shapes::{AlertShape, Heads};
use crate::shared::Shared;

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
    region: Option<RegionCode>,
    limit: Option<usize>,
    /// `next` of the page before: an alert's id. A bare number is a journal commit.
    before: Option<String>,
    /// Absent: newest first, and by rank while there is a flood.
    order: Option<By>,
}

#[derive(Deserialize, Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum By {
    Newest,
    Rank,
}

#[derive(Serialize)]
struct Page<'a> {
    cursor: Cursor,
    alerts: Vec<AlertShape<'a>>,
    order: By,
    #[serde(skip_serializing_if = "Option::is_none")]
    flood: Option<FloodShape>,
    next: Option<String>,
}

/// `GET /api/v1/alerts`, newest raised first, or what matters most first.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let settings = &shared.parts.settings;
    let limit = page_limit(asked.limit, settings.page_default, settings.page_max)?;
    let region = region_limit(&caller, asked.region)?;
    let view = &shared.parts.view;
    let flood = FloodShape::of(&shared);
    let ranked_before = asked.before.as_deref().and_then(|before| before.strip_prefix(rank::PREFIX));
    let by_rank = asked.before.is_none()
        && asked.state == Which::Open
        && asked.order.map_or(flood.is_some(), |order| order == By::Rank);
    if by_rank || ranked_before.is_some() {
        let (cursor, roster, alerts) = view.open_alerts(region);
        let (heads, next) = rank::page(alerts, ranked_before, limit)?;
        let page = Page { cursor, alerts: heads.shapes(&roster), order: By::Rank, flood, next };
        return Ok(Json(page).into_response());
    }
    let before = asked.before.as_deref().map(boundary).transpose()?;
    let (cursor, roster, heads, next) = match asked.state {
        Which::Open => {
            let (cursor, roster, alerts) = view.open_alerts(region);
            let older: Vec<_> =
                alerts.into_iter().filter(|alert| before.is_none_or(|before| alert.id < before)).collect();
            let next = older.get(limit.wrapping_sub(1)).filter(|_| older.len() > limit).map(|last| last.id);
            (cursor, roster, Heads::of(older.iter().take(limit)), next)
        }
        Which::All => {
            // the cursor first: the list then holds everything up to it, perhaps more
            let (cursor, roster) = (view.cursor(), view.roster());
            let scan_max = settings.scan_max;
            let (alerts, next) =
                shared.read(move |ledger| page_of_all(ledger, region, before, limit, scan_max)).await?;
            (cursor, roster, Heads::of(&alerts), next)
        }
    };
    let next = next.map(|next| next.to_string());
    Ok(Json(Page { cursor, alerts: heads.shapes(&roster), order: By::Newest, flood, next }).into_response())
}

/// Everything below it is on the page.
fn boundary(text: &str) -> Result<AlertId, Problem> {
    if let Ok(epoch) = text.parse::<Epoch>() {
        return Ok(AlertId { epoch, unit: UnitId(0), family: Family::Fire });
    }
    AlertId::from_str(text).map_err(|error| Problem::new(Kind::BadRequest, format!("before: {error}")))
}

/// A page of all alerts below `before`, and where the next begins.
///
/// The ledger pages by epoch and several alerts may share one, so an epoch that a read cuts in two is read again.
fn page_of_all(
    ledger: &dyn Ledger,
    region: Option<RegionCode>,
    before: Option<AlertId>,
    limit: usize,
    scan_max: usize,
) -> Result<(Vec<Arc<Alert>>, Option<AlertId>), StoreError> {
    let mut page = Vec::new();
    let mut boundary = before;
    let mut read_limit = limit + 1;
    let mut scanned = 0;
    loop {
        let below_epoch = boundary.map(|id| id.epoch.saturating_add(1));
        let mut alerts = ledger.alerts(below_epoch, read_limit)?;
        let is_end = alerts.len() < read_limit;
        scanned += alerts.len();
        if !is_end {
            let cut = alerts.last().map(|alert| alert.id.epoch);
            let whole = alerts.iter().filter(|alert| Some(alert.id.epoch) != cut).count();
            alerts.truncate(whole);
        }
        alerts.retain(|alert| boundary.is_none_or(|boundary| alert.id < boundary));
        alerts.sort_by_key(|alert| std::cmp::Reverse(alert.id));
        if alerts.is_empty() && !is_end {
            // all of one epoch, or all of it shown before: look further at once
            read_limit = read_limit.saturating_mul(2);
            continue;
        }
        for alert in alerts {
            boundary = Some(alert.id);
            if region.is_none_or(|region| region.contains(alert.grid)) {
                page.push(Arc::new(alert));
                if page.len() == limit {
                    return Ok((page, boundary));
                }
            }
        }
        if is_end {
            return Ok((page, None));
        }
        if scanned >= scan_max {
            return Ok((page, boundary));
        }
    }
}
