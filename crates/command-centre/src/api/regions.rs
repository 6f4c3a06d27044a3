//! Regions with their counts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use model::RegionCode;
use serde::Serialize;

use crate::access::Caller;
use crate::extract::{InPath, out_of_scope};
use crate::problem::{Kind, Problem};
use crate::shapes::RegionShape;
use crate::shared::Shared;
use crate::view::Picture;

#[derive(Serialize)]
struct RegionWithChildren<'a> {
    #[serde(flatten)]
    region: RegionShape<'a>,
    children: Vec<RegionShape<'a>>,
}

/// `GET /api/v1/regions/{code}`
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(code): InPath<String>,
) -> Result<Response, Problem> {
    let code: RegionCode =
        code.parse().map_err(|error: model::ids::IdError| Problem::new(Kind::NotFound, error.to_string()))?;
    let picture = picture(&shared, &caller, Some(code), false)?;
    let region = RegionShape::new(&picture.region, &picture.roster);
    let children = picture.children.iter().map(|child| RegionShape::new(child, &picture.roster)).collect();
    Ok(Json(RegionWithChildren { region, children }).into_response())
}

/// What the view has of a region, or why it cannot be shown.
pub(crate) fn picture(
    shared: &Shared,
    caller: &Caller,
    region: Option<RegionCode>,
    with_alerts: bool,
) -> Result<Picture, Problem> {
    if let Some(code) = region.filter(|code| caller.visible_part(*code).is_none()) {
        return Err(out_of_scope(caller, code));
    }
    shared.parts.view.picture(caller, region, with_alerts).ok_or_else(|| match region.or(caller.scope) {
        Some(code) => Problem::new(Kind::NotFound, format!("there is no region {code} on the roster")),
        None => Problem::new(Kind::Unavailable, "the roster is empty: import the roster folder first"),
    })
}
