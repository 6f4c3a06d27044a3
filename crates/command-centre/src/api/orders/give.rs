//! Giving orders, within the caller's scope.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use model::roster::Post;
use model::{AlertId, Colour, Family, Order, OrderBody, RegionCode};
use serde::{Deserialize, Serialize};

use super::shapes::OrderShape;
use super::{check_line, submit};
use crate::access::Caller;
use crate::api::alerts::{alert_id, check_in_sight, idempotency_key};
use crate::extract::{InBody, InPath, out_of_scope};
use crate::problem::Problem;
use crate::shared::Shared;

/// An instruction's life where nothing is asked, s: a day.
const EXPIRES_S: u32 = 86_400;
/// After this the silent are told once more, s, by the urgency of the instruction: red, and others.
const REMIND_S: [u32; 2] = [120, 900];
/// Time to answer a roll-call, s.
const WINDOW_S: u32 = 120;
/// Time that the channels of a test have, s.
const TEST_S: u32 = 300;
/// How long a drill lasts, s.
const DRILL_S: u32 = 1_800;
/// Time that the brigade has to answer, s.
const ANSWER_S: u32 = 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Instruction {
    region: RegionCode,
    #[serde(default)]
    posts: Vec<Post>,
    text: Box<str>,
    colour: Option<Colour>,
    alert: Option<AlertId>,
    expires_s: Option<u32>,
    remind_after_s: Option<u32>,
    #[serde(default)]
    exercise: bool,
    person: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asking {
    region: RegionCode,
    #[serde(default)]
    posts: Vec<Post>,
    window_s: Option<u32>,
    #[serde(default)]
    exercise: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Testing {
    region: RegionCode,
    #[serde(default)]
    posts: Vec<Post>,
    window_s: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drilling {
    region: RegionCode,
    /// Codes of units.
    #[serde(default)]
    units: Vec<Box<str>>,
    family: Option<Family>,
    colour: Option<Colour>,
    note: Box<str>,
    lasts_s: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Offer {
    to: Box<str>,
    answer_within_s: Option<u32>,
    note: Option<Box<str>>,
}

/// `OrderTaken`.
#[derive(Serialize)]
pub(super) struct Taken<'a> {
    pub order: OrderShape<'a>,
}

/// `POST /api/v1/orders`
pub(crate) async fn instruct(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    InBody(asked): InBody<Instruction>,
) -> Result<Response, Problem> {
    check_region(&shared, &caller, asked.region)?;
    check_line("text", &asked.text)?;
    if let Some(alert) = asked.alert {
        check_in_sight(&shared, &caller, alert).await?;
    }
    let colour = asked.colour.unwrap_or(Colour::Orange);
    let expires_s = asked.expires_s.unwrap_or(EXPIRES_S);
    let remind_s = REMIND_S[usize::from(colour != Colour::Red)].min(expires_s);
    let body = OrderBody::Instruct {
        region: asked.region,
        posts: asked.posts,
        text: asked.text,
        alert: asked.alert,
        colour,
        expires_s,
        remind_after_s: asked.remind_after_s.unwrap_or(remind_s),
        exercise: asked.exercise,
    };
    give(&shared, caller, &headers, asked.person, body).await
}

/// `POST /api/v1/roll-calls`
pub(crate) async fn roll_call(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    InBody(asked): InBody<Asking>,
) -> Result<Response, Problem> {
    check_region(&shared, &caller, asked.region)?;
    let Asking { region, posts, window_s, exercise } = asked;
    let body = OrderBody::RollCall { region, posts, window_s: window_s.unwrap_or(WINDOW_S), exercise };
    give(&shared, caller, &headers, None, body).await
}

/// `POST /api/v1/channel-tests`
pub(crate) async fn channel_test(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    InBody(asked): InBody<Testing>,
) -> Result<Response, Problem> {
    check_region(&shared, &caller, asked.region)?;
    let Testing { region, posts, window_s } = asked;
    let body = OrderBody::ChannelTest { region, posts, window_s: window_s.unwrap_or(TEST_S) };
    give(&shared, caller, &headers, None, body).await
}

/// `POST /api/v1/drills`
pub(crate) async fn drill(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    InBody(asked): InBody<Drilling>,
) -> Result<Response, Problem> {
    check_region(&shared, &caller, asked.region)?;
    check_line("note", &asked.note)?;
    if asked.units.len() > Order::DRILL_UNITS_MAX {
        let detail = format!("units: {} are more than {}", asked.units.len(), Order::DRILL_UNITS_MAX);
        return Err(Problem::field("units", detail));
    }
    let roster = shared.parts.view.roster();
    let mut units = Vec::with_capacity(asked.units.len());
    for code in &asked.units {
        let unit = roster.unit_by_code(code);
        let Some(unit) = unit.filter(|id| roster.unit(*id).is_some_and(|unit| asked.region.contains(unit.grid))) else {
            return Err(Problem::field("units", format!("units: there is no unit {code} in region {}", asked.region)));
        };
        units.push(unit);
    }
    let body = OrderBody::Drill {
        region: asked.region,
        units,
        family: asked.family.unwrap_or(Family::Fire),
        colour: asked.colour.unwrap_or(Colour::Orange),
        note: asked.note,
        lasts_s: asked.lasts_s.unwrap_or(DRILL_S),
    };
    give(&shared, caller, &headers, None, body).await
}

/// `POST /api/v1/alerts/{id}/hand-offs`
pub(crate) async fn hand_off(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
    headers: HeaderMap,
    InBody(asked): InBody<Offer>,
) -> Result<Response, Problem> {
    let alert = alert_id(&id)?;
    check_in_sight(&shared, &caller, alert).await?;
    if let Some(note) = &asked.note {
        check_line("note", note)?;
    }
    check_addressee(&shared.parts.webhooks, &asked.to)?;
    let answer_within_s = asked.answer_within_s.unwrap_or(ANSWER_S);
    let body = OrderBody::HandOff { alert, to: asked.to, answer_within_s, note: asked.note };
    give(&shared, caller, &headers, None, body).await
}

/// Refuses a webhook that nobody set up: the offer would stand there and reach nobody.
fn check_addressee(webhooks: &[Box<str>], to: &str) -> Result<(), Problem> {
    let Some(name) = to.strip_prefix("webhook:").filter(|name| webhooks.iter().all(|known| **known != **name)) else {
        return Ok(());
    };
    let known = if webhooks.is_empty() { "none is".to_owned() } else { format!("there are {}", webhooks.join(", ")) };
    Err(Problem::field(
        "to",
        format!(
            "to: no webhook {name} is set up, {known}: name one of [[dispatcher.webhook]] of the configuration, or the code of a person"
        ),
    ))
}

async fn give(
    shared: &Shared,
    caller: Caller,
    headers: &HeaderMap,
    person: Option<Box<str>>,
    body: OrderBody,
) -> Result<Response, Problem> {
    let id = shared.command_id(&caller.subject, idempotency_key(headers)?);
    let roster = shared.parts.view.roster();
    if let Some(code) = person.as_ref().filter(|code| roster.person_by_code(code).is_none()) {
        return Err(Problem::field("person", format!("person: there is nobody with the code {code} on the roster")));
    }
    let person = person.unwrap_or_else(|| caller.subject.clone());
    let entered_by = (person != caller.subject).then_some(caller.subject);
    let record = submit(shared, Order { id, person, entered_by, body }).await?;
    let roster = shared.parts.view.roster();
    Ok(Json(Taken { order: OrderShape::new(&record, &roster, true) }).into_response())
}

/// A caller orders within their own scope only, and in regions that there are.
fn check_region(shared: &Shared, caller: &Caller, region: RegionCode) -> Result<(), Problem> {
    if !caller.sees(region) {
        return Err(out_of_scope(caller, region));
    }
    if !shared.parts.view.roster().regions().contains_key(&region) {
        return Err(Problem::field("region", format!("region: there is no region {region} on the roster")));
    }
    Ok(())
}
