//! Tokens: as a bearer, or in a cookie that a browser's scripts cannot read.
//!
//! The cookie holds the token itself (base64url), so that nothing is kept for a session and a restart signs nobody
//! out; `HttpOnly` keeps it from scripts and `SameSite=Strict` from other sites. What a cookie authenticates must
//! moreover come from our own pages: its `Sec-Fetch-Site` or `Origin` says so, and what changes something is JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::access::{Caller, Role};
use crate::extract::{InBody, Peer, is_json};
use crate::problem::{Kind, Problem};
use crate::shared::Shared;

const COOKIE: &str = "fenghuo_session";

/// The token that a request was let in with; a feed checks it again while it runs.
#[derive(Clone)]
pub(crate) struct Token(pub Arc<str>);

#[derive(Serialize)]
struct Me<'a> {
    subject: &'a str,
    name: &'a str,
    role: Role,
    /// Empty: everything.
    scope: String,
}

impl<'a> Me<'a> {
    fn new(caller: &'a Caller) -> Me<'a> {
        let scope = caller.scope.map_or_else(String::new, |scope| scope.to_string());
        Me { subject: &caller.subject, name: &caller.name, role: caller.role, scope }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    token: String,
}

/// `GET /api/v1/me`
pub(crate) async fn me(Extension(caller): Extension<Caller>) -> Response {
    Json(Me::new(&caller)).into_response()
}

/// `POST /api/v1/session`
pub(crate) async fn sign_in(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    InBody(body): InBody<SignIn>,
) -> Result<Response, Problem> {
    if origin(&headers) == Origin::Foreign {
        return Err(Problem::new(Kind::CrossSite, "sign in from the station's own page"));
    }
    let caller = admit(&shared, peer, &body.token)?;
    let value = URL_SAFE_NO_PAD.encode(body.token.trim());
    let cookie = set_cookie(&shared, &value, "");
    Ok(([(header::SET_COOKIE, cookie)], Json(Me::new(&caller))).into_response())
}

/// `DELETE /api/v1/session`
pub(crate) async fn sign_out(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Result<Response, Problem> {
    if origin(&headers) == Origin::Foreign {
        return Err(Problem::new(Kind::CrossSite, "sign out from the station's own page"));
    }
    let cookie = set_cookie(&shared, "", "; Max-Age=0");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

fn set_cookie(shared: &Shared, value: &str, more: &str) -> HeaderValue {
    let secure = if shared.parts.settings.cookie_secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}");
    HeaderValue::from_str(&cookie).expect("base64url and fixed words are valid in a header")
}

/// Lets a request in that has a token with at least `role`; its handler finds a [`Caller`] and a [`Token`].
pub(crate) async fn authorise(
    State((shared, role)): State<(Arc<Shared>, Role)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let peer = request.extensions().get::<Peer>().copied().expect("the server sets the peer of every request");
    let token = match bearer(request.headers())? {
        Some(token) => token,
        None => {
            let token = cookie(request.headers()).ok_or_else(|| {
                let detail = "send Authorization: Bearer <token>, or sign in with POST /api/v1/session";
                Problem::new(Kind::Unauthenticated, detail)
            })?;
            guard_cookie(request.method(), request.headers())?;
            token
        }
    };
    let caller = admit(&shared, peer, &token)?;
    check_role(&caller, role)?;
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(Token(token.into()));
    Ok(next.run(request).await)
}

pub(super) fn check_role(caller: &Caller, role: Role) -> Result<(), Problem> {
    if caller.role >= role {
        return Ok(());
    }
    let detail = format!("this needs the role {}, the token's is {}", role.word(), caller.role.word());
    Err(Problem::new(Kind::Forbidden, detail))
}

fn admit(shared: &Shared, peer: Peer, token: &str) -> Result<Caller, Problem> {
    shared.parts.access.caller(token.trim()).ok_or_else(|| failed(shared, peer))
}

/// Counts a failed sign-in and says so.
pub(super) fn failed(shared: &Shared, Peer(address): Peer) -> Problem {
    metrics::counter!("fenghuo_command_centre_sign_in_failures_total").increment(1);
    match shared.failures.count(address, Instant::now()) {
        None => Problem::new(Kind::Unauthenticated, "the token is not known; ask whoever keeps credentials.csv"),
        Some(wait) => {
            let seconds = wait.as_secs() + 1;
            tracing::warn!(%address, "many sign-ins failed");
            let detail = format!("too many unknown tokens came from {address}; a valid token is still taken");
            Problem::new(Kind::TooManyFailures, detail).header(header::RETRY_AFTER, seconds)
        }
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    // a token's name may be Chinese, which a header carries as UTF-8 bytes
    let value = std::str::from_utf8(value.as_bytes()).ok();
    let token =
        value.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match token {
        Some((_, token)) => Ok(Some(token.trim().to_owned())),
        None => Err(Problem::new(Kind::Unauthenticated, "the Authorization header must be: Bearer <token>")),
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, value)| *name == COOKIE && !value.is_empty())?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(value).ok()?).ok()
}

/// Where a request says that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Own,
    Foreign,
    /// It does not say, as no browser's request to change something does.
    Untold,
}

fn origin(headers: &HeaderMap) -> Origin {
    if let Some(site) = headers.get("sec-fetch-site") {
        return if site == "same-origin" { Origin::Own } else { Origin::Foreign };
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Origin::Untold };
    let authority =
        origin.to_str().ok().and_then(|text| text.parse::<Uri>().ok()?.authority().map(ToString::to_string));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if authority.is_some() && authority.as_deref() == host { Origin::Own } else { Origin::Foreign }
}

fn guard_cookie(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    if origin(headers) != Origin::Own {
        let detail = "what a session cookie changes must come from the station's own page; scripts use Authorization: \
                      Bearer <token>";
        return Err(Problem::new(Kind::CrossSite, detail));
    }
    if !is_json(headers) {
        return Err(Problem::new(Kind::MediaType, "send the body with Content-Type: application/json"));
    }
    Ok(())
}

/// A socket that a cookie opens must come from the station's own page: browsers let any page open one.
pub(super) fn guard_socket(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(header::AUTHORIZATION) || origin(headers) == Origin::Own {
        return Ok(());
    }
    let detail = "a socket with a session cookie must be opened by the station's own page; scripts use Authorization: \
                  Bearer <token>";
    Err(Problem::new(Kind::CrossSite, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs =
            pairs.iter().map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn origins_are_told_apart() {
        for (pairs, expected) in [
            (&[][..], Origin::Untold),
            (&[("sec-fetch-site", "same-origin")], Origin::Own),
            (&[("sec-fetch-site", "same-site")], Origin::Foreign),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://h:1"), ("host", "h:1")], Origin::Foreign),
            (&[("origin", "http://h:1"), ("host", "h:1")], Origin::Own),
            (&[("origin", "https://h"), ("host", "h")], Origin::Own),
            (&[("origin", "http://h:2"), ("host", "h:1")], Origin::Foreign),
            (&[("origin", "null"), ("host", "h:1")], Origin::Foreign),
            (&[("origin", "http://h:1")], Origin::Foreign),
        ] {
            assert_eq!(origin(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn cookies_are_found_among_others() {
        let value = "a=b; fenghuo_session=T3BzLnM; c=d";
        assert_eq!(cookie(&headers(&[("cookie", value)])).as_deref(), Some("Ops.s"));
        for bad in ["", "fenghuo_session=", "fenghuo_session=%%%", "other=T3BzLnM"] {
            assert_eq!(cookie(&HeaderMap::from_iter([(header::COOKIE, bad.parse().expect("valid"))])), None, "{bad}");
        }
    }
}
