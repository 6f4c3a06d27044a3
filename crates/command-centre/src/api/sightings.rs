//! What people report of a unit: 随手拍, a grid worker's finding, a phone call.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::{Epoch, Sighting, SightingKind};
use serde::{Deserialize, Serialize};

use super::alerts::{check_note, within_deadline};
use crate::access::Caller;
use crate::extract::{InBody, InPath};
use crate::problem::{Kind, Problem};
use crate::shared::Shared;

/// Characters of a report's id, and of who saw it.
const NAME_CHARS_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    /// The caller's own name for it; one that comes again counts once.
    id: Box<str>,
    kind: SightingKind,
    #[serde(default)]
    note: Box<str>,
    /// Who saw it, where somebody else enters it: a person's code, or a name or number that a caller gave.
    person: Option<Box<str>>,
}

#[derive(Serialize)]
struct Taken {
    /// Journal commit that holds it.
    epoch: Epoch,
}

/// `POST /api/v1/units/{code}/sightings`
pub(crate) async fn report(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(code): InPath<String>,
    InBody(body): InBody<Report>,
) -> Result<Response, Problem> {
    for (name, text) in [("id", Some(&body.id)), ("person", body.person.as_ref())] {
        if text.is_some_and(|text| !(1..=NAME_CHARS_MAX).contains(&text.chars().count())) {
            return Err(Problem::field(name, format!("{name}: must have 1 to {NAME_CHARS_MAX} characters")));
        }
    }
    check_note(&shared, &body.note)?;
    let roster = shared.parts.view.roster();
    let unit = roster.unit_by_code(&code).filter(|id| roster.unit(*id).is_some_and(|unit| caller.sees(unit.grid)));
    let Some(unit) = unit else {
        return Err(Problem::new(Kind::NotFound, format!("there is no unit {code} within this token's scope")));
    };
    // an id is its caller's own
    let id = format!("{}/{}", caller.subject, body.id).into();
    let by = body.person.unwrap_or(caller.subject);
    let sighting = Sighting { id, unit, by, kind: body.kind, note: body.note };
    let epoch = within_deadline(&shared, shared.parts.actions.sighting(sighting)).await??;
    Ok((StatusCode::ACCEPTED, Json(Taken { epoch })).into_response())
}
