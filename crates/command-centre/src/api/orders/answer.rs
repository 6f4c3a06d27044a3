//! Answers of people who were asked, of the brigade, and ending an order.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use model::order::{Answer, Asked, OrderRecord, Stage};
use model::{KeptKind, Order, OrderBody, OrderId};
use serde::Deserialize;

use super::give::Taken;
use super::shapes::OrderShape;
use super::{check_line, decode, is_operator, no_order, order_id, record, submit};
use crate::access::Caller;
use crate::api::alerts::idempotency_key;
use crate::extract::{InBody, InPath};
use crate::problem::{Kind, Problem};
use crate::shared::Shared;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    note: Option<Box<str>>,
    /// Code of the person who answers, where an operator enters it.
    person: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ending {
    reason: Box<str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    reason: Option<Box<str>>,
}

macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident: $answer:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) async fn $name(
            State(shared): State<Arc<Shared>>,
            Extension(caller): Extension<Caller>,
            InPath(id): InPath<String>,
            headers: HeaderMap,
            InBody(said): InBody<Said>,
        ) -> Result<Response, Problem> {
            answer(&shared, caller, &id, &headers, $answer, said).await
        }
    )*};
}

answers! {
    /// `POST /api/v1/orders/{id}/read`
    read: Answer::Read;
    /// `POST /api/v1/orders/{id}/arrived`
    arrived: Answer::Arrived;
    /// `POST /api/v1/orders/{id}/done`
    done: Answer::Done;
    /// `POST /api/v1/orders/{id}/cannot`
    cannot: Answer::Cannot;
}

macro_rules! stages {
    ($($(#[$doc:meta])* $name:ident: $stage:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) async fn $name(
            State(shared): State<Arc<Shared>>,
            Extension(caller): Extension<Caller>,
            InPath(id): InPath<String>,
            headers: HeaderMap,
            InBody(progress): InBody<Progress>,
        ) -> Result<Response, Problem> {
            advance(&shared, caller, &id, &headers, $stage, progress).await
        }
    )*};
}

stages! {
    /// `POST /api/v1/hand-offs/{id}/accepted`
    accepted: Stage::Accepted;
    /// `POST /api/v1/hand-offs/{id}/rejected`
    rejected: Stage::Rejected;
    /// `POST /api/v1/hand-offs/{id}/dispatched`
    dispatched: Stage::Dispatched;
    /// `POST /api/v1/hand-offs/{id}/arrived`
    brigade_arrived: Stage::Arrived;
    /// `POST /api/v1/hand-offs/{id}/closed`
    closed: Stage::Closed;
}

async fn answer(
    shared: &Shared,
    caller: Caller,
    id: &str,
    headers: &HeaderMap,
    what: Answer,
    said: Said,
) -> Result<Response, Problem> {
    let id = order_id(id)?;
    let key = idempotency_key(headers)?;
    if let Some(note) = &said.note {
        check_line("note", note)?;
    }
    if what == Answer::Cannot && said.note.is_none() {
        return Err(Problem::field("note", "note: say why it cannot be done"));
    }
    let person = said.person.unwrap_or_else(|| caller.subject.clone());
    let own = person == caller.subject;
    if !own && !is_operator(&caller) {
        let detail = "this token answers for its own person; for others the role operator is needed";
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    let roster = shared.parts.view.roster();
    let number = roster.person_by_code(&person);
    let read = move |ledger: &dyn model::Ledger| {
        let Some(found) = record(ledger, id)? else { return Ok(None) };
        let row = match number {
            Some(number) => ledger.kept_one(KeptKind::Asked, &Asked::key(id, number))?,
            None => None,
        };
        let asked = row.map(|bytes| decode::<Asked>(&bytes)).transpose()?;
        Ok(Some((found, asked)))
    };
    let (found, asked) = shared.read(read).await?.ok_or_else(|| no_order(id))?;
    let sees = caller.visible_part(found.region).is_some();
    let Some(asked) = asked else {
        let not_asked = || Problem::new(Kind::Conflict, format!("{person} was not asked by {id}"));
        return Err(if sees { not_asked() } else { no_order(id) });
    };
    if !own && !caller.sees(asked.region) {
        return Err(no_order(id));
    }
    // given before, perhaps by a request whose answer was lost: done
    if asked.answered(what).is_some() {
        return Ok(taken(shared, &caller, &found));
    }
    let command_id = shared.command_id(&caller.subject, key);
    let entered_by = (!own).then(|| caller.subject.clone());
    let body = OrderBody::Answer { order: id, answer: what, note: said.note };
    let now = submit(shared, Order { id: command_id, person, entered_by, body }).await?;
    Ok(taken(shared, &caller, &now))
}

async fn advance(
    shared: &Shared,
    caller: Caller,
    id: &str,
    headers: &HeaderMap,
    stage: Stage,
    progress: Progress,
) -> Result<Response, Problem> {
    let id = order_id(id)?;
    let key = idempotency_key(headers)?;
    if let Some(reason) = &progress.reason {
        check_line("reason", reason)?;
    } else if matches!(stage, Stage::Rejected | Stage::Closed) {
        return Err(Problem::field("reason", format!("reason: say why it is {}", stage.word())));
    }
    let found = shared.read(move |ledger| record(ledger, id)).await?.ok_or_else(|| no_order(id))?;
    let OrderBody::HandOff { to, .. } = &found.order.body else { return Err(no_order(id)) };
    let addressee = *to == caller.subject || to.strip_prefix("webhook:") == Some(&*caller.subject);
    let may = addressee || (is_operator(&caller) && caller.sees(found.region));
    if !may {
        return Err(no_order(id));
    }
    if found.stage == Some(stage) {
        return Ok(taken(shared, &caller, &found));
    }
    let command_id = shared.command_id(&caller.subject, key);
    let body = OrderBody::Progress { order: id, stage, reason: progress.reason };
    let order = Order { id: command_id, person: caller.subject.clone(), entered_by: None, body };
    let now = submit(shared, order).await?;
    Ok(taken(shared, &caller, &now))
}

/// `POST /api/v1/orders/{id}/end`
pub(crate) async fn end(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
    headers: HeaderMap,
    InBody(ending): InBody<Ending>,
) -> Result<Response, Problem> {
    let id: OrderId = order_id(&id)?;
    let key = idempotency_key(&headers)?;
    check_line("reason", &ending.reason)?;
    let found = shared.read(move |ledger| record(ledger, id)).await?;
    let found = found.filter(|found| caller.sees(found.region)).ok_or_else(|| no_order(id))?;
    if !found.is_open() {
        return Ok(taken(&shared, &caller, &found));
    }
    let command_id = shared.command_id(&caller.subject, key);
    let body = OrderBody::End { order: id, reason: ending.reason };
    let order = Order { id: command_id, person: caller.subject.clone(), entered_by: None, body };
    let now = submit(&shared, order).await?;
    Ok(taken(&shared, &caller, &now))
}

fn taken(shared: &Shared, caller: &Caller, record: &OrderRecord) -> Response {
    let roster = shared.parts.view.roster();
    Json(Taken { order: OrderShape::new(record, &roster, caller.sees(record.region)) }).into_response()
}
