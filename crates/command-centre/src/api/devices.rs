//! Commands to devices, and the roster that names them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::alerts::within_deadline;
use crate::access::Caller;
use crate::actions::DeviceOrder;
use crate::extract::{InBody, InPath};
use crate::problem::{Kind, Problem};
use crate::shared::Shared;

/// Characters of a device command's word.
const COMMAND_CHARS_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    command: Box<str>,
    #[serde(default)]
    args: Value,
}

/// `POST /api/v1/devices/{vendor}/{device}/command`
pub(crate) async fn command(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath((vendor, device)): InPath<(String, String)>,
    InBody(body): InBody<Order>,
) -> Result<Response, Problem> {
    if !(1..=COMMAND_CHARS_MAX).contains(&body.command.chars().count()) {
        let detail = format!("command: must have 1 to {COMMAND_CHARS_MAX} characters");
        return Err(Problem::field("command", detail));
    }
    let roster = shared.parts.view.roster();
    let id = roster.device_by_key(&format!("{vendor}/{device}")).filter(|id| {
        let unit = roster.device(*id).and_then(|device| roster.unit(device.unit));
        unit.is_some_and(|unit| caller.sees(unit.grid))
    });
    let Some(id) = id else {
        let detail = format!("there is no device {vendor}/{device} within this token's scope");
        return Err(Problem::new(Kind::NotFound, detail));
    };
    let order = DeviceOrder {
        device: id,
        by: caller.subject,
        command: body.command,
        args_json: body.args.to_string().into_boxed_str(),
    };
    let sent = within_deadline(&shared, shared.parts.actions.device_command(order)).await??;
    Ok((StatusCode::ACCEPTED, Json(sent)).into_response())
}

/// `POST /api/v1/roster/reload`
pub(crate) async fn reload_roster(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InBody(Nothing {}): InBody<Nothing>,
) -> Result<Response, Problem> {
    let reloaded = shared.parts.actions.reload_roster(&caller.subject).await?;
    Ok(Json(reloaded).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}
