//! Who is at the listener: connections, sessions, subscriptions.
//!
//! Clients belong to no region, so only a caller who sees the whole city is shown them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::Level;
use serde::{Deserialize, Serialize};

use crate::access::Caller;
use crate::clients::{ClientSession, Clients};
use crate::extract::{InPath, Params, page_limit};
use crate::problem::{Kind, Problem};
use crate::shared::Shared;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// `next` of the page before.
    after: Option<String>,
    /// Sessions of the page.
    limit: Option<usize>,
    identity: Option<String>,
}

#[derive(Serialize)]
struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Connection {
    client_id: Arc<str>,
    identity: Arc<str>,
    class: &'static str,
    protocol: &'static str,
    peer: String,
    since_ms: u64,
}

#[derive(Serialize)]
struct Session {
    client_id: Arc<str>,
    identity: Arc<str>,
    connected: bool,
    protocol: &'static str,
    expiry_s: u32,
    subscriptions: usize,
    waiting: usize,
    in_flight: usize,
}

#[derive(Serialize)]
struct Subscription {
    client_id: Arc<str>,
    identity: Arc<str>,
    filter: String,
}

/// `GET /api/v1/mqtt/connections`
pub(crate) async fn connections(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    page(&shared, &caller, asked, |session| {
        let Some(connection) = session.connection else { return Vec::new() };
        let protocol = protocol(&session);
        vec![Connection {
            client_id: session.client_id,
            identity: session.identity,
            class: connection.class,
            protocol,
            peer: connection.peer.to_string(),
            since_ms: connection.since_ms,
        }]
    })
    .await
}

/// `GET /api/v1/mqtt/sessions`
pub(crate) async fn sessions(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    page(&shared, &caller, asked, |session| {
        let protocol = protocol(&session);
        vec![Session {
            connected: session.connection.is_some(),
            protocol,
            expiry_s: session.session_expiry_s,
            subscriptions: session.subscriptions.len(),
            waiting: session.waiting,
            in_flight: session.in_flight,
            client_id: session.client_id,
            identity: session.identity,
        }]
    })
    .await
}

/// `GET /api/v1/mqtt/subscriptions`
pub(crate) async fn subscriptions(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    page(&shared, &caller, asked, |session| {
        let ClientSession { client_id, identity, subscriptions, .. } = session;
        let subscription =
            |filter| Subscription { client_id: Arc::clone(&client_id), identity: Arc::clone(&identity), filter };
        subscriptions.into_iter().map(subscription).collect()
    })
    .await
}

/// `DELETE /api/v1/mqtt/connections/{client_id}`
pub(crate) async fn disconnect(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(client_id): InPath<String>,
) -> Result<Response, Problem> {
    check_scope(&caller)?;
    if !shared.parts.clients.disconnect(&client_id) {
        return Err(Problem::new(Kind::NotFound, format!("no client {client_id:?} is connected")));
    }
    tracing::info!(client_id, by = &*caller.subject, "a connection was ended on request");
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn protocol(session: &ClientSession) -> &'static str {
    if session.v5 { "5.0" } else { "3.1.1" }
}

fn check_scope(caller: &Caller) -> Result<(), Problem> {
    if caller.scope.is_none_or(|scope| scope.level() == Level::City) {
        return Ok(());
    }
    Err(Problem::new(Kind::Forbidden, "the listener's clients belong to no region: ask with a token of the whole city"))
}

/// A page of what `rows` makes of each session, of so many sessions as the limit says. A page may be empty and not the last.
async fn page<T: Serialize + Send + 'static>(
    shared: &Arc<Shared>,
    caller: &Caller,
    asked: Asked,
    rows: impl Fn(ClientSession) -> Vec<T> + Send + 'static,
) -> Result<Response, Problem> {
    check_scope(caller)?;
    let settings = &shared.parts.settings;
    let limit = page_limit(asked.limit, settings.page_default, settings.page_max)?;
    let scan_max = settings.scan_max;
    let clients = Arc::clone(&shared.parts.clients);
    let page = shared.read(move |_| Ok(collect(&*clients, &asked, limit, scan_max, rows))).await?;
    Ok(Json(page).into_response())
}

fn collect<T>(
    clients: &dyn Clients,
    asked: &Asked,
    limit: usize,
    scan_max: usize,
    rows: impl Fn(ClientSession) -> Vec<T>,
) -> Page<T> {
    let mut page = Page { items: Vec::new(), next: asked.after.clone() };
    let (mut scanned, mut taken) = (0, 0);
    while scanned < scan_max {
        let sessions = clients.page(page.next.as_deref(), limit);
        let is_last = sessions.len() < limit;
        scanned += sessions.len();
        for session in sessions {
            page.next = Some(session.client_id.to_string());
            if asked.identity.as_deref().is_none_or(|asked| asked == &*session.identity) {
                let of_session = rows(session);
                taken += usize::from(!of_session.is_empty());
                page.items.extend(of_session);
            }
            if taken == limit {
                return page;
            }
        }
        if is_last {
            page.next = None;
            return page;
        }
    }
    page
}
