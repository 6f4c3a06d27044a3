//! Why, and why not; and the rules by which it is judged.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::{RegionCode, Roster};
use serde::Deserialize;
use serde_json::json;

use super::alerts::{alert_id, no_alert};
use crate::access::Caller;
use crate::extract::{InBody, InPath, out_of_scope};
use crate::judging::{About, JudgingError};
use crate::problem::{Kind, Problem};
use crate::shared::Shared;

impl From<JudgingError> for Problem {
    fn from(error: JudgingError) -> Problem {
        match error {
            JudgingError::Unavailable(detail) => Problem::new(Kind::Unavailable, detail),
            JudgingError::Unknown(detail) => Problem::new(Kind::NotFound, detail),
        }
    }
}

async fn answer(shared: &Shared, about: About) -> Result<Response, Problem> {
    Ok(Json(shared.parts.judging.why(about).await?).into_response())
}

/// `GET /api/v1/devices/{vendor}/{device}/why`
pub(crate) async fn device(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath((vendor, device)): InPath<(String, String)>,
) -> Result<Response, Problem> {
    let roster = shared.parts.view.roster();
    let key = format!("{vendor}/{device}");
    let sees = |id: &model::DeviceId| {
        let unit = roster.device(*id).and_then(|device| roster.unit(device.unit));
        unit.is_some_and(|unit| caller.sees(unit.grid))
    };
    if let Some(id) = roster.device_by_key(&key).filter(sees) {
        return answer(&shared, About::Device(id)).await;
    }
    let names = Arc::clone(&roster);
    let near = shared.read(move |_| Ok(nearest(&key, device_names(&names, &caller)))).await?;
    Err(unknown("device", &format!("{vendor}/{device}"), near))
}

/// `GET /api/v1/units/{code}/why`
pub(crate) async fn unit(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(code): InPath<String>,
) -> Result<Response, Problem> {
    let roster = shared.parts.view.roster();
    let sees = |id: &model::UnitId| roster.unit(*id).is_some_and(|unit| caller.sees(unit.grid));
    if let Some(id) = roster.unit_by_code(&code).filter(sees) {
        return answer(&shared, About::Unit(id)).await;
    }
    let (names, asked) = (Arc::clone(&roster), code.clone());
    let near = shared.read(move |_| Ok(nearest(&asked, unit_names(&names, &caller)))).await?;
    Err(unknown("unit", &code, near))
}

/// `GET /api/v1/alerts/{id}/why`
pub(crate) async fn alert(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let id = alert_id(&id)?;
    let kept = shared.read(move |ledger| ledger.alert(id)).await?;
    kept.filter(|alert| caller.sees(alert.grid)).ok_or_else(|| no_alert(id))?;
    answer(&shared, About::Alert(id)).await
}

/// `GET /api/v1/regions/{code}/why`
pub(crate) async fn region(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(code): InPath<String>,
) -> Result<Response, Problem> {
    let code: RegionCode =
        code.parse().map_err(|error: model::ids::IdError| Problem::new(Kind::NotFound, error.to_string()))?;
    let visible = caller.visible_part(code).ok_or_else(|| out_of_scope(&caller, code))?;
    if !shared.parts.view.roster().regions().contains_key(&visible) {
        return Err(Problem::new(Kind::NotFound, format!("there is no region {code} on the roster")));
    }
    answer(&shared, About::Region(visible)).await
}

/// `GET /api/v1/rules`
pub(crate) async fn rules(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.parts.judging.rules()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reload {
    /// Also where the new rules would lose a fire that people verified as real.
    #[serde(default)]
    force: bool,
}

/// `POST /api/v1/rules/reload`
pub(crate) async fn reload_rules(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InBody(reload): InBody<Reload>,
) -> Result<Response, Problem> {
    let attempt = shared.parts.judging.reload_rules(&caller.subject, reload.force)?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "attempt": attempt }))).into_response())
}

fn device_names<'a>(roster: &'a Roster, caller: &'a Caller) -> impl Iterator<Item = String> + 'a {
    let seen = roster
        .devices()
        .iter()
        .filter(|slot| slot.current && roster.unit(slot.row.unit).is_some_and(|unit| caller.sees(unit.grid)));
    seen.map(|slot| slot.row.key())
}

fn unit_names<'a>(roster: &'a Roster, caller: &'a Caller) -> impl Iterator<Item = String> + 'a {
    let seen = roster.units().iter().filter(|slot| slot.current && caller.sees(slot.row.grid));
    seen.map(|slot| slot.row.code.to_string())
}

fn unknown(noun: &str, name: &str, near: Option<String>) -> Problem {
    let meant = near.as_ref().map_or_else(String::new, |near| format!("; did you mean {near}?"));
    let problem = Problem::new(Kind::NotFound, format!("there is no {noun} {name} within this token's scope{meant}"));
    match near {
        Some(near) => problem.with("nearest", near),
        None => problem,
    }
}

/// The name that is nearest to what was asked for, where one is near.
fn nearest(asked: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let most = asked.chars().count().div_ceil(3).min(4);
    // most names are told apart by their lengths alone
    let near = names.filter(|name| name.len().abs_diff(asked.len()) <= 4 * most);
    let far = near.map(|name| (strsim::damerau_levenshtein(asked, &name), name));
    far.min().filter(|(far, _)| *far <= most).map(|(_, name)| name)
}
