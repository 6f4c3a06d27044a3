//! What handlers take from a request, refused as problems that name what is wrong.

use std::net::IpAddr;
use std::sync::Arc;

use axum::RequestPartsExt;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use model::RegionCode;
use serde::de::DeserializeOwned;

use crate::access::Caller;
use crate::problem::{Kind, Problem};
use crate::shared::Shared;

/// Address of the other end of the connection.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub IpAddr);

/// Path of the route, decoded.
pub(crate) struct InPath<T>(pub T);

impl<T: DeserializeOwned + Send + 'static, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extract::<Path<T>>().await {
            Ok(Path(value)) => Ok(InPath(value)),
            Err(rejection) => Err(Problem::new(Kind::BadRequest, rejection.body_text())),
        }
    }
}

/// Query string; unknown parameters are refused by the `T`s.
pub(crate) struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Params(value)),
            Err(error) => Err(Problem::new(Kind::BadRequest, format!("the query does not fit: {}", reason_of(&error)))),
        }
    }
}

/// JSON body; nothing at all stands for `{}`.
pub(crate) struct InBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for InBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let limit_bytes = shared.parts.settings.body_limit_bytes;
        let is_json = is_json(request.headers());
        let bytes = read_body(request, limit_bytes).await?;
        if !bytes.is_empty() && !is_json {
            return Err(Problem::new(Kind::MediaType, "send the body with Content-Type: application/json"));
        }
        let bytes = if bytes.is_empty() { &b"{}"[..] } else { &bytes[..] };
        match axum::Json::<T>::from_bytes(bytes) {
            Ok(axum::Json(value)) => Ok(InBody(value)),
            Err(JsonRejection::JsonDataError(error)) => Err(Problem::new(Kind::Invalid, body_fault(&error))),
            Err(error) => Err(Problem::new(Kind::BadRequest, body_fault(&error))),
        }
    }
}

/// Reads a body of fields, JSON or form.
pub(crate) async fn read_fields<T: DeserializeOwned>(request: Request, limit_bytes: usize) -> Result<T, Problem> {
    let is_json = is_json(request.headers());
    let bytes = read_body(request, limit_bytes).await?;
    if is_json {
        return axum::Json::<T>::from_bytes(&bytes)
            .map(|axum::Json(value)| value)
            .map_err(|error| Problem::new(Kind::BadRequest, body_fault(&error)));
    }
    let unreadable = |reason: &dyn std::fmt::Display| {
        let detail = format!("the body does not fit: {reason}; send fields as JSON or as a form, encoded as for a URL");
        Problem::new(Kind::BadRequest, detail)
    };
    let text = std::str::from_utf8(&bytes).map_err(|error| unreadable(&error))?;
    let uri = format!("/?{text}").parse().map_err(|error: axum::http::uri::InvalidUri| unreadable(&error))?;
    Query::<T>::try_from_uri(&uri).map(|Query(value)| value).map_err(|error| unreadable(&reason_of(&error)))
}

fn body_fault(error: &dyn std::error::Error) -> String {
    format!("the body does not fit: {}", reason_of(error))
}

/// The error that names the field, without the framework's preface.
fn reason_of(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        // serde_path_to_error puts the path in front and has the bare reason as its source
        if source.source().is_none() && !innermost.to_string().starts_with("Failed to") {
            break;
        }
        innermost = source;
    }
    innermost.to_string()
}

/// The body's bytes; 413 above the limit.
pub(crate) async fn read_body(request: Request, limit_bytes: usize) -> Result<bytes::Bytes, Problem> {
    let too_large =
        || Problem::new(Kind::TooLarge, format!("the body is above {limit_bytes} bytes, the limit of this station"));
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > limit_bytes as u64) {
        return Err(too_large());
    }
    let body: Body = request.into_body();
    to_bytes(body, limit_bytes).await.map_err(|error| {
        let is_limit = std::error::Error::source(&error).is_some_and(|source| source.to_string().contains("limit"));
        if is_limit { too_large() } else { Problem::new(Kind::BadRequest, format!("the body broke off: {error}")) }
    })
}

/// Whether a body is announced as JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = value.split(';').next().unwrap_or("").trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Number of entries of a page: what was asked for within 1 to `max`, or `default`.
pub(crate) fn page_limit(asked: Option<usize>, default: usize, max: usize) -> Result<usize, Problem> {
    match asked {
        None => Ok(default),
        Some(limit) if (1..=max).contains(&limit) => Ok(limit),
        Some(limit) => {
            Err(Problem::new(Kind::BadRequest, format!("limit must be 1 to {max}, not {limit}")).with("field", "limit"))
        }
    }
}

/// The region that a caller's answer is limited to: the one asked for, as far as the caller sees it.
pub(crate) fn region_limit(caller: &Caller, asked: Option<RegionCode>) -> Result<Option<RegionCode>, Problem> {
    match asked {
        None => Ok(caller.scope),
        Some(region) => match caller.visible_part(region) {
            Some(visible) => Ok(Some(visible)),
            None => Err(out_of_scope(caller, region)),
        },
    }
}

/// 403 for a region apart from the caller's.
pub(crate) fn out_of_scope(caller: &Caller, region: RegionCode) -> Problem {
    let scope = caller.scope.map_or_else(String::new, |scope| scope.to_string());
    Problem::new(Kind::Forbidden, format!("region {region} is outside of this token's scope, which is {scope}"))
}
