//! For whoever looks after the station: alive, ready, measures, and the API's own description.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::OPENAPI;
use crate::problem::{Kind, Problem};
use crate::shared::Shared;

/// `GET /livez`: the process answers.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: every stage takes work; 503 names those that do not.
pub(crate) async fn ready(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let checks = (shared.parts.ready)();
    let failed: Vec<&str> = checks.iter().filter(|(_, result)| result.is_err()).map(|(name, _)| *name).collect();
    let mut told: Vec<Value> = checks
        .iter()
        .map(|(name, result)| match result {
            Ok(()) => json!({ "name": name, "ok": true }),
            Err(detail) => json!({ "name": name, "ok": false, "detail": detail }),
        })
        .collect();
    // the rules before it stay in force: worth telling, and no reason to take the station out of service
    told.extend(
        shared.parts.judging.rules_fault().map(|fault| json!({ "name": "rules", "ok": true, "detail": fault })),
    );
    if failed.is_empty() {
        return Ok(Json(json!({ "ready": true, "checks": told })).into_response());
    }
    Err(Problem::new(Kind::Unavailable, format!("not ready: {}", failed.join(", "))).with("checks", told))
}

/// `GET /metrics`: Prometheus text.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, (shared.parts.metrics)()).into_response()
}

/// `GET /api/v1/openapi.json`
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}
