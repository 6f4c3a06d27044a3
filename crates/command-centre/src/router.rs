//! The table of routes, and what holds for all of them: role, deadline, headers, measures.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use tokio::time::Instant;

use crate::access::Role;
use crate::api::{
    alerts, callbacks, cap, devices, duty, feed, health, map, mqtt, orders, quarantine, regions, risk, session,
    sightings, silences, statistics, storms, trail, units, vendors, why,
};
use crate::problem::{Kind, Problem};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::{api, screen};

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// No token.
    Nothing,
    /// A token with this role, or one above it.
    Role(Role),
    /// The account of the vendor in the path, or a token with this role, or one above it.
    Vendor(Role),
}

/// One operation of the API.
#[derive(Clone, Copy)]
pub struct Route {
    pub method: &'static str,
    /// As in the OpenAPI document.
    pub path: &'static str,
    pub need: Need,
    handler: fn() -> MethodRouter<Arc<Shared>>,
}

const fn route(
    method: &'static str,
    path: &'static str,
    need: Need,
    handler: fn() -> MethodRouter<Arc<Shared>>,
) -> Route {
    Route { method, path, need, handler }
}

const ANYONE: Need = Need::Nothing;
const VIEWER: Need = Need::Role(Role::Viewer);
const OPERATOR: Need = Need::Role(Role::Operator);
const ADMIN: Need = Need::Role(Role::Admin);

/// Every operation. The order is that of `openapi.json`.
pub const ROUTES: &[Route] = &[
    route("GET", "/livez", ANYONE, || get(health::live)),
    route("GET", "/readyz", ANYONE, || get(health::ready)),
    route("GET", "/metrics", ANYONE, || get(health::metrics)),
    route("GET", "/api/v1/openapi.json", ANYONE, || get(health::openapi)),
    route("POST", "/api/v1/session", ANYONE, || post(session::sign_in)),
    route("DELETE", "/api/v1/session", ANYONE, || delete(session::sign_out)),
    route("GET", "/api/v1/me", VIEWER, || get(session::me)),
    route("GET", "/api/v1/bootstrap", VIEWER, || get(feed::bootstrap)),
    route("GET", "/api/v1/feed", VIEWER, || get(feed::feed)),
    route("GET", "/api/v1/feed/ws", VIEWER, || get(feed::socket)),
    route("GET", "/api/v1/events", VIEWER, || get(feed::events)),
    route("GET", "/api/v1/alerts", VIEWER, || get(alerts::list)),
    route("GET", "/api/v1/alerts/{id}", VIEWER, || get(alerts::one)),
    route("GET", "/api/v1/alerts/{id}/trail", VIEWER, || get(trail::one)),
    route("GET", "/api/v1/alerts/{id}/cap", VIEWER, || get(cap::one)),
    route("GET", "/api/v1/cap", VIEWER, || get(cap::list)),
    route("POST", "/api/v1/alerts/{id}/acknowledge", OPERATOR, || post(alerts::acknowledge)),
    route("POST", "/api/v1/alerts/{id}/arrive", OPERATOR, || post(alerts::arrive)),
    route("POST", "/api/v1/alerts/{id}/verify", OPERATOR, || post(alerts::verify)),
    route("POST", "/api/v1/alerts/{id}/close", OPERATOR, || post(alerts::close)),
    route("POST", "/api/v1/alerts/{id}/assign", OPERATOR, || post(alerts::assign)),
    route("POST", "/api/v1/alerts/{id}/begin-work", OPERATOR, || post(alerts::begin_work)),
    route("POST", "/api/v1/alerts/{id}/finish-work", OPERATOR, || post(alerts::finish_work)),
    route("POST", "/api/v1/alerts/{id}/check", OPERATOR, || post(alerts::check)),
    route("POST", "/api/v1/alerts/{id}/notes", OPERATOR, || post(alerts::note)),
    route("POST", "/api/v1/alerts/{id}/photos", OPERATOR, || post(alerts::photos::add)),
    route("GET", "/api/v1/alerts/{id}/photos/{sha256}", VIEWER, || get(alerts::photos::one)),
    route("POST", "/api/v1/alerts/{id}/shelve", OPERATOR, || post(alerts::shelve)),
    route("POST", "/api/v1/alerts/{id}/unshelve", OPERATOR, || post(alerts::unshelve)),
    route("POST", "/api/v1/alerts/{id}/out-of-service", OPERATOR, || post(alerts::out_of_service)),
    route("POST", "/api/v1/alerts/{id}/return-to-service", OPERATOR, || post(alerts::return_to_service)),
    route("GET", "/api/v1/alerts/{id}/case", VIEWER, || get(alerts::case)),
    route("POST", "/api/v1/alerts/{id}/hand-offs", OPERATOR, || post(orders::hand_off)),
    route("GET", "/api/v1/orders", VIEWER, || get(orders::list)),
    route("POST", "/api/v1/orders", OPERATOR, || post(orders::instruct)),
    route("GET", "/api/v1/orders/{id}", VIEWER, || get(orders::one)),
    route("POST", "/api/v1/orders/{id}/read", VIEWER, || post(orders::read)),
    route("POST", "/api/v1/orders/{id}/arrived", VIEWER, || post(orders::arrived)),
    route("POST", "/api/v1/orders/{id}/done", VIEWER, || post(orders::done)),
    route("POST", "/api/v1/orders/{id}/cannot", VIEWER, || post(orders::cannot)),
    route("POST", "/api/v1/orders/{id}/end", OPERATOR, || post(orders::end)),
    route("GET", "/api/v1/roll-calls", VIEWER, || get(orders::roll_calls)),
    route("POST", "/api/v1/roll-calls", OPERATOR, || post(orders::roll_call)),
    route("GET", "/api/v1/channel-tests", VIEWER, || get(orders::channel_tests)),
    route("POST", "/api/v1/channel-tests", OPERATOR, || post(orders::channel_test)),
    route("POST", "/api/v1/drills", OPERATOR, || post(orders::drill)),
    route("POST", "/api/v1/hand-offs/{id}/accepted", VIEWER, || post(orders::accepted)),
    route("POST", "/api/v1/hand-offs/{id}/rejected", VIEWER, || post(orders::rejected)),
    route("POST", "/api/v1/hand-offs/{id}/dispatched", VIEWER, || post(orders::dispatched)),
    route("POST", "/api/v1/hand-offs/{id}/arrived", VIEWER, || post(orders::brigade_arrived)),
    route("POST", "/api/v1/hand-offs/{id}/closed", VIEWER, || post(orders::closed)),
    route("GET", "/api/v1/regions/{code}", VIEWER, || get(regions::one)),
    route("GET", "/api/v1/regions/{code}/risk", VIEWER, || get(risk::region)),
    route("GET", "/api/v1/regions/{code}/duty", VIEWER, || get(duty::region)),
    route("GET", "/api/v1/duty/gaps", VIEWER, || get(duty::gaps)),
    route("GET", "/api/v1/units", VIEWER, || get(units::list)),
    route("GET", "/api/v1/units/{code}", VIEWER, || get(units::one)),
    route("POST", "/api/v1/units/{code}/sightings", OPERATOR, || post(sightings::report)),
    route("GET", "/api/v1/silences", VIEWER, || get(silences::list)),
    route("POST", "/api/v1/silences", OPERATOR, || post(silences::begin)),
    route("POST", "/api/v1/silences/{silence}/end", OPERATOR, || post(silences::end)),
    route("GET", "/api/v1/storms", VIEWER, || get(storms::list)),
    route("GET", "/api/v1/storms/{storm}", VIEWER, || get(storms::one)),
    route("GET", "/api/v1/statistics/alarms", VIEWER, || get(statistics::alarms)),
    route("GET", "/api/v1/quarantine", ADMIN, || get(quarantine::list)),
    route("GET", "/api/v1/mqtt/connections", OPERATOR, || get(mqtt::connections)),
    route("DELETE", "/api/v1/mqtt/connections/{client_id}", OPERATOR, || delete(mqtt::disconnect)),
    route("GET", "/api/v1/mqtt/sessions", OPERATOR, || get(mqtt::sessions)),
    route("GET", "/api/v1/mqtt/subscriptions", OPERATOR, || get(mqtt::subscriptions)),
    route("GET", "/api/v1/vendors/{vendor}/refusals", Need::Vendor(Role::Operator), || get(vendors::refusals)),
    route("POST", "/api/v1/vendors/{vendor}/devices", Need::Vendor(Role::Admin), || post(vendors::register)),
    route("GET", "/api/v1/map/geometry", VIEWER, || get(map::geometry)),
    route("GET", "/api/v1/map/snapshot", VIEWER, || get(map::snapshot)),
    route("GET", "/api/v1/map/risk", VIEWER, || get(risk::map)),
    route("POST", "/api/v1/devices/{vendor}/{device}/command", OPERATOR, || post(devices::command)),
    route("GET", "/api/v1/devices/{vendor}/{device}/why", VIEWER, || get(why::device)),
    route("GET", "/api/v1/units/{code}/why", VIEWER, || get(why::unit)),
    route("GET", "/api/v1/alerts/{id}/why", VIEWER, || get(why::alert)),
    route("GET", "/api/v1/regions/{code}/why", VIEWER, || get(why::region)),
    route("GET", "/api/v1/rules", OPERATOR, || get(why::rules)),
    route("POST", "/api/v1/rules/reload", ADMIN, || post(why::reload_rules)),
    route("POST", "/api/v1/roster/reload", ADMIN, || post(devices::reload_roster)),
    route("POST", "/api/v1/callbacks/voice", ANYONE, || post(callbacks::voice)),
    route("GET", "/r/{token}", ANYONE, || get(callbacks::show)),
    route("POST", "/r/{token}", ANYONE, || post(callbacks::press)),
];

pub(crate) fn build(shared: &Arc<Shared>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let handler = match route.need {
            Need::Nothing => (route.handler)(),
            Need::Role(role) => {
                (route.handler)().route_layer(from_fn_with_state((Arc::clone(shared), role), api::session::authorise))
            }
            Need::Vendor(role) => {
                let state = (Arc::clone(shared), role);
                (route.handler)().route_layer(from_fn_with_state(state, vendors::authorise))
            }
        };
        router = router.route(route.path, handler);
    }
    router
        .method_not_allowed_fallback(async |method: Method, request: Request| {
            let path = request.uri().path();
            Problem::new(
                Kind::MethodNotAllowed,
                format!("{path} does not take {method}; the Allow header says what it takes"),
            )
        })
        .route_layer(from_fn(label))
        .fallback(screen::serve)
        .layer(from_fn_with_state(Arc::clone(shared), envelope))
        .with_state(Arc::clone(shared))
}

/// The route's path, for the measures.
#[derive(Clone)]
struct Label(MatchedPath);

async fn label(path: MatchedPath, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(Label(path));
    response
}

/// Deadline, security headers, measures.
async fn envelope(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let is_api = screen::is_api(request.uri().path());
    let deadline_ms = shared.parts.settings.request_deadline_ms;
    let mut response = match tokio::time::timeout(Settings::ms(deadline_ms), next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!(deadline_ms, "a request was given up at its deadline");
            let detail = format!("no answer within {deadline_ms} ms; the station is overloaded, try again");
            Problem::new(Kind::Deadline, detail).into_response()
        }
    };
    let fixed = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::REFERRER_POLICY, "no-referrer")];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    // a page of its own may have a stricter one
    let policy = HeaderValue::from_static(screen::CONTENT_SECURITY_POLICY);
    response.headers_mut().entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    if is_api {
        response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    let route =
        response.extensions().get::<Label>().map_or_else(|| "other".to_owned(), |label| label.0.as_str().to_owned());
    let status = response.status().as_u16().to_string();
    metrics::counter!("fenghuo_command_centre_requests_total", "route" => route.clone(), "status" => status)
        .increment(1);
    metrics::histogram!("fenghuo_command_centre_answer_seconds", "route" => route)
        .record(began.elapsed().as_secs_f64());
    response
}
