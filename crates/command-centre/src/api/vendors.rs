//! For vendors: what was refused to their clients, and why; and new devices, where the operator lets them register any.
//!
//! A vendor asks with the account of its gateways, by HTTP Basic or as the bearer `<name>.<secret>`; it sees itself alone.

use std::sync::Arc;

use axum::Json;
use axum::RequestPartsExt;
use axum::extract::{Extension, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Level, Quarantined};
use serde::{Deserialize, Serialize};

use super::quarantine::{is_of_vendor, place_of};
use super::session;
use crate::access::{Caller, Role};
use crate::extract::{InBody, InPath, Params, Peer, page_limit};
use crate::problem::{Kind, Problem};
use crate::shared::Shared;
use crate::vendors::{Refusal, RegisterError, Registered};

/// Where refusals are filed that are no vendor's.
const NOBODY: &str = "unknown";

/// Name of the vendor's account that a request was let in with.
#[derive(Clone)]
pub(crate) struct Account(Arc<str>);

/// Lets the vendor of the path in, and tokens with at least `role`; those who look for refusals that are no vendor's must
/// be administrators.
pub(crate) async fn authorise(
    State((shared, role)): State<(Arc<Shared>, Role)>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let peer = request.extensions().get::<Peer>().copied().expect("the server sets the peer of every request");
    let (mut parts, body) = request.into_parts();
    let Path(vendor) = parts
        .extract::<Path<String>>()
        .await
        .map_err(|rejection| Problem::new(Kind::BadRequest, rejection.body_text()))?;
    let mut request = Request::from_parts(parts, body);
    if let Some((name, secret)) = login(request.headers())
        && let Some(of) = shared.parts.access.vendor(&name, &secret)
    {
        if *of != *vendor {
            return Err(Problem::new(
                Kind::Forbidden,
                format!("this account is of vendor {of} and sees that one alone"),
            ));
        }
        request.extensions_mut().insert(Account(name.into()));
        return Ok(next.run(request).await);
    }
    if is_basic(request.headers()) {
        return Err(session::failed(&shared, peer));
    }
    let role = if vendor == NOBODY { Role::Admin } else { role };
    session::authorise(State((shared, role)), request, next).await
}

/// Name and secret of HTTP Basic, or of a bearer `<name>.<secret>`.
fn login(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = std::str::from_utf8(headers.get(header::AUTHORIZATION)?.as_bytes()).ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        let (name, secret) = rest.trim().split_once('.')?;
        return Some((name.to_owned(), secret.as_bytes().to_vec()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = STANDARD.decode(rest.trim()).ok()?;
    let colon = plain.iter().position(|byte| *byte == b':')?;
    Some((String::from_utf8(plain[..colon].to_vec()).ok()?, plain[colon + 1..].to_vec()))
}

fn is_basic(headers: &HeaderMap) -> bool {
    let value = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
    value.and_then(|value| value.get(..6)).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// `next` of the page before.
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Page {
    items: Vec<Item>,
    /// Refusals at the listener since the start, by reason.
    counts: Vec<Counted>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Counted {
    reason: &'static str,
    count: u64,
}

#[derive(Serialize)]
struct Item {
    at_ms: u64,
    first_ms: u64,
    count: u64,
    who: Option<Box<str>>,
    proved: bool,
    client_id: Option<Box<str>>,
    peer: Option<String>,
    attempt: &'static str,
    topic: Option<Box<str>>,
    code: Option<u8>,
    reason: Box<str>,
    detail: Box<str>,
    quarantine_id: Option<u64>,
}

impl From<Refusal> for Item {
    fn from(refusal: Refusal) -> Item {
        Item {
            at_ms: refusal.last_ms,
            first_ms: refusal.first_ms,
            count: refusal.count,
            who: refusal.who,
            proved: refusal.proved,
            client_id: refusal.client_id,
            peer: refusal.peer,
            attempt: refusal.attempt,
            topic: refusal.topic,
            code: Some(refusal.code),
            reason: refusal.reason.into(),
            detail: refusal.detail,
            quarantine_id: None,
        }
    }
}

impl Item {
    fn of_payload(id: u64, message: Quarantined) -> Item {
        Item {
            at_ms: message.at_ms,
            first_ms: message.at_ms,
            count: 1,
            who: Some(message.sender),
            proved: true,
            client_id: None,
            peer: None,
            attempt: "payload",
            topic: Some(message.topic),
            code: None,
            reason: message.reason,
            detail: message.detail,
            quarantine_id: Some(id),
        }
    }
}

/// How far the pages have come in both sources: only what is below the numbers is still to be shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Position {
    refusal: Option<u64>,
    message: Option<u64>,
}

impl Position {
    fn parse(text: &str) -> Option<Position> {
        let part = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
        let (refusal, message) = text.split_once('-')?;
        Some(Position { refusal: part(refusal)?, message: part(message)? })
    }

    fn text(self) -> String {
        let part = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
        format!("{}-{}", part(self.refusal), part(self.message))
    }
}

/// `GET /api/v1/vendors/{vendor}/refusals`, newest first.
pub(crate) async fn refusals(
    State(shared): State<Arc<Shared>>,
    caller: Option<Extension<Caller>>,
    InPath(vendor): InPath<String>,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let settings = &shared.parts.settings;
    let limit = page_limit(asked.limit, settings.page_default, settings.page_max)?;
    let from = match asked.after.as_deref().map(Position::parse) {
        None => Position::default(),
        Some(Some(position)) => position,
        Some(None) => return Err(Problem::new(Kind::BadRequest, "after must be `next` of the page before")),
    };
    let within = caller.and_then(|Extension(caller)| caller.scope).filter(|scope| scope.level() != Level::City);
    let roster = shared.parts.view.roster();
    let shown = move |topic: Option<&str>| {
        within.is_none_or(|scope| topic.and_then(|topic| place_of(topic, &roster)).is_some_and(|at| scope.contains(at)))
    };
    let mut refused = shared.parts.vendors.refusals(&vendor, from.refusal, usize::MAX);
    refused.retain(|refusal| shown(refusal.topic.as_deref()));
    let counts = if within.is_some() { Vec::new() } else { shared.parts.vendors.refusal_counts(&vendor) };
    let scan_max = settings.scan_max;
    let messages = match from.message {
        Some(0) => Found { rows: Vec::new(), scanned_to: 0 },
        before => shared.read(move |ledger| of_vendor(ledger, &vendor, before, limit, scan_max, &shown)).await?,
    };
    let (items, next) = merge(refused, messages, limit, from);
    let counts = counts.into_iter().map(|(reason, count)| Counted { reason, count }).collect();
    Ok(Json(Page { items, counts, next: next.map(Position::text) }).into_response())
}

/// Quarantined messages, and down to which number the quarantine was looked through: 0 is its end.
struct Found {
    rows: Vec<(u64, Quarantined)>,
    scanned_to: u64,
}

fn of_vendor(
    ledger: &dyn model::Ledger,
    vendor: &str,
    before: Option<u64>,
    limit: usize,
    scan_max: usize,
    shown: &dyn Fn(Option<&str>) -> bool,
) -> Result<Found, model::StoreError> {
    let (mut found, mut scanned, mut at) = (Vec::new(), 0, before);
    loop {
        let rows = ledger.quarantine(at, limit)?;
        let is_last = rows.len() < limit;
        scanned += rows.len();
        for (id, message) in rows {
            at = Some(id);
            if is_of_vendor(&message, vendor) && shown(Some(&message.topic)) {
                found.push((id, message));
                if found.len() == limit {
                    return Ok(Found { rows: found, scanned_to: id });
                }
            }
        }
        if is_last {
            return Ok(Found { rows: found, scanned_to: 0 });
        }
        if scanned >= scan_max {
            return Ok(Found { rows: found, scanned_to: at.unwrap_or(0) });
        }
    }
}

/// The newest `limit` of both, and where the next page begins; `None` on the last.
fn merge(refused: Vec<Refusal>, messages: Found, limit: usize, from: Position) -> (Vec<Item>, Option<Position>) {
    let (mut refused, mut rows) = (refused.into_iter().peekable(), messages.rows.into_iter().peekable());
    let (mut items, mut next) = (Vec::new(), from);
    while items.len() < limit {
        let refusal_first = match (refused.peek(), rows.peek()) {
            (None, None) => break,
            (Some(refusal), Some((_, message))) => refusal.last_ms >= message.at_ms,
            (refusal, _) => refusal.is_some(),
        };
        if refusal_first {
            items.extend(refused.next().map(|refusal| {
                next.refusal = Some(refusal.seq);
                Item::from(refusal)
            }));
        } else {
            items.extend(rows.next().map(|(id, message)| {
                next.message = Some(id);
                Item::of_payload(id, message)
            }));
        }
    }
    let (more_refused, more_rows) = (refused.peek().is_some(), rows.peek().is_some());
    if !more_rows {
        next.message = Some(messages.scanned_to);
    }
    if !more_refused {
        // 0 is below every number: there are none left, and those that come later are newer than this page
        next.refusal = Some(0);
    }
    let is_done = !more_refused && !more_rows && messages.scanned_to == 0;
    (items, (!is_done).then_some(next))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDevice {
    device: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    vendor: &'a str,
    device: &'a str,
    #[serde(flatten)]
    registered: Registered,
}

/// `POST /api/v1/vendors/{vendor}/devices`
pub(crate) async fn register(
    State(shared): State<Arc<Shared>>,
    account: Option<Extension<Account>>,
    InPath(vendor): InPath<String>,
    InBody(asked): InBody<NewDevice>,
) -> Result<Response, Problem> {
    let account = account.as_ref().map(|Extension(account)| &*account.0);
    let registered = shared.parts.vendors.register(&vendor, &asked.device, account).await?;
    Ok((StatusCode::CREATED, Json(Answer { vendor: &vendor, device: &asked.device, registered })).into_response())
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Problem {
        match error {
            RegisterError::NotAllowed(detail) => Problem::new(Kind::Forbidden, detail),
            RegisterError::Exists(detail) => Problem::new(Kind::Conflict, detail),
            RegisterError::Invalid(detail) => Problem::field("device", detail),
            RegisterError::TooMany { detail, retry_after_s } => {
                Problem::new(Kind::TooMany, detail).header(header::RETRY_AFTER, retry_after_s)
            }
            RegisterError::Unavailable(detail) => Problem::new(Kind::Unavailable, detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(seq: u64, last_ms: u64) -> Refusal {
        Refusal {
            seq,
            first_ms: 0,
            last_ms,
            count: 1,
            who: None,
            proved: false,
            client_id: None,
            peer: None,
            attempt: "connect",
            topic: None,
            code: 0x86,
            reason: "",
            detail: "".into(),
        }
    }

    fn message(id: u64, at_ms: u64) -> (u64, Quarantined) {
        let empty = Box::<str>::default;
        let payload = Box::default();
        (id, Quarantined { at_ms, sender: empty(), topic: empty(), reason: empty(), detail: empty(), payload })
    }

    #[test]
    fn pages_go_through_both_sources_and_end() {
        let refused = [refusal(9, 90), refusal(5, 50), refusal(1, 10)];
        let messages = [message(8, 80), message(4, 40), message(2, 20)];
        let (mut times, mut position) = (Vec::new(), Position::default());
        for _ in 0..4 {
            let below = |number: u64, limit: Option<u64>| limit.is_none_or(|limit| number < limit);
            let left = refused.iter().filter(|it| below(it.seq, position.refusal)).cloned().collect();
            let rows: Vec<_> =
                messages.iter().filter(|(id, _)| below(*id, position.message)).take(2).cloned().collect();
            let scanned_to = if rows.len() < 2 { 0 } else { rows[1].0 };
            let (items, next) = merge(left, Found { rows, scanned_to }, 2, position);
            times.extend(items.iter().map(|item| item.at_ms));
            let Some(next) = next else { break };
            position = Position::parse(&next.text()).unwrap();
        }
        assert_eq!(times, [90, 80, 50, 40, 20, 10]);
    }

    #[test]
    fn positions_are_read_as_they_are_written() {
        for position in [Position::default(), Position { refusal: Some(7), message: Some(0) }] {
            assert_eq!(Position::parse(&position.text()), Some(position));
        }
        for bad in ["", "7", "a-1", "1-2-3"] {
            assert_eq!(Position::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn vendors_log_in_with_basic_or_bearer() {
        let headers = |value: &str| HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        let basic = format!("Basic {}", STANDARD.encode("acme:a:b.c"));
        assert_eq!(login(&headers(&basic)), Some(("acme".to_owned(), b"a:b.c".to_vec())));
        assert_eq!(login(&headers("Bearer acme.s.x")), Some(("acme".to_owned(), b"s.x".to_vec())));
        for bad in ["Basic", "Basic %%%", "Digest x", "Bearer acme"] {
            assert_eq!(login(&headers(bad)), None, "{bad}");
        }
    }
}
