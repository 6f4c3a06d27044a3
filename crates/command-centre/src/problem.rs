//! Refusals: RFC 9457 `application/problem+json`, each with a sentence that says what to do.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::actions::ActionError;

/// What kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    BadRequest,
    Unauthenticated,
    Forbidden,
    CrossSite,
    NotFound,
    MethodNotAllowed,
    Conflict,
    CursorAhead,
    CursorTooOld,
    TooLarge,
    MediaType,
    PhotoType,
    Invalid,
    TooManyFailures,
    TooMany,
    StoreFailed,
    Unavailable,
    Deadline,
    UpgradeRequired,
}

impl Kind {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Kind::BadRequest => (StatusCode::BAD_REQUEST, "bad-request", "The request cannot be read"),
            Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "A valid token is needed"),
            Kind::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "The token does not allow this"),
            Kind::CrossSite => (StatusCode::FORBIDDEN, "cross-site", "The request comes from another site"),
            Kind::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is no such thing"),
            Kind::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The method does not fit here")
            }
            Kind::Conflict => (StatusCode::CONFLICT, "conflict", "The present state forbids it"),
            Kind::CursorAhead => (StatusCode::CONFLICT, "cursor-ahead", "The cursor is ahead of the feed"),
            Kind::CursorTooOld => (StatusCode::GONE, "cursor-too-old", "The cursor is too old"),
            Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
            Kind::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "The body must be application/json"),
            Kind::PhotoType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "photo-type", "The body must be a photo"),
            Kind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", "The request cannot be done as it stands"),
            Kind::TooManyFailures => (StatusCode::TOO_MANY_REQUESTS, "too-many-failures", "Too many failed sign-ins"),
            Kind::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too-many", "The limit of today is reached"),
            Kind::StoreFailed => (StatusCode::INTERNAL_SERVER_ERROR, "store-failed", "The store failed"),
            Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The station cannot do this now"),
            Kind::UpgradeRequired => {
                (StatusCode::UPGRADE_REQUIRED, "upgrade-required", "Only a WebSocket can be opened here")
            }
            Kind::Deadline => (StatusCode::GATEWAY_TIMEOUT, "deadline", "It took too long"),
        }
    }
}

/// A refusal.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    extra: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        Problem { kind, detail: detail.into(), extra: Map::new(), headers: Vec::new() }
    }

    /// Adds a member to the problem.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Problem {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Problem {
        self.headers.push((name, value.into()));
        self
    }

    /// 422 that names the field at fault.
    pub(crate) fn field(field: &str, detail: impl Into<String>) -> Problem {
        Problem::new(Kind::Invalid, detail).with("field", field)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, name, title) = self.kind.parts();
        let mut body = self.extra;
        body.insert("type".into(), format!("urn:fenghuo:problem:{name}").into());
        body.insert("title".into(), title.into());
        body.insert("status".into(), status.as_u16().into());
        body.insert("detail".into(), self.detail.into());
        let fixed = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (status, fixed, json!(body).to_string()).into_response();
        if self.kind == Kind::Unauthenticated {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<model::StoreError> for Problem {
    fn from(error: model::StoreError) -> Problem {
        tracing::error!(%error, "the ledger could not be read for a request");
        Problem::new(Kind::StoreFailed, error.to_string())
    }
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Problem {
        match error {
            ActionError::Unavailable(detail) => Problem::new(Kind::Unavailable, detail),
            ActionError::Invalid { detail, faults } => Problem::new(Kind::Invalid, detail).with("faults", faults),
        }
    }
}
