//! What people do with an alert. Nothing is decided here: the act is journalled, the desk says what it made of it.

use std::future::Future;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use model::alert::{Action, Cause, Refused};
use model::{AlertId, Command, Verdict};
use serde::{Deserialize, Serialize};

use super::story::{alert_id, no_alert};
use crate::access::Caller;
use crate::extract::{InBody, InPath};
use crate::problem::{Kind, Problem};
use crate::settings::Settings;
use crate::shapes::AlertShape;
use crate::shared::Shared;

/// Characters of an idempotency key.
const KEY_CHARS_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Act {
    pub note: Option<Box<str>>,
    /// Code of the person whose act it is, where somebody else enters it.
    pub person: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verification {
    verdict: Verdict,
    cause: Option<Cause>,
    note: Option<Box<str>>,
    person: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assigning {
    /// Code of the person who is to do something about it.
    to: Box<str>,
    note: Option<Box<str>>,
    person: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checking {
    in_order: bool,
    note: Option<Box<str>>,
    person: Option<Box<str>>,
}

/// Words are what it is about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Writing {
    note: Box<str>,
    person: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shelving {
    until_ms: u64,
    note: Box<str>,
    person: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TakingOut {
    until_ms: Option<u64>,
    note: Box<str>,
    person: Option<Box<str>>,
}

#[derive(Serialize)]
struct Answer<'a> {
    alert: AlertShape<'a>,
}

/// An act that is asked for with nothing but perhaps words.
macro_rules! plain_act {
    ($(#[$doc:meta])* $name:ident, $action:expr) => {
        $(#[$doc])*
        pub(crate) async fn $name(
            State(shared): State<Arc<Shared>>,
            Extension(caller): Extension<Caller>,
            InPath(id): InPath<String>,
            headers: HeaderMap,
            InBody(act): InBody<Act>,
        ) -> Result<Response, Problem> {
            submit(&shared, caller, &id, &headers, $action, act).await
        }
    };
}

/// An act whose body says what is done.
macro_rules! told_act {
    ($(#[$doc:meta])* $name:ident, $body:ty, $split:expr) => {
        $(#[$doc])*
        pub(crate) async fn $name(
            State(shared): State<Arc<Shared>>,
            Extension(caller): Extension<Caller>,
            InPath(id): InPath<String>,
            headers: HeaderMap,
            InBody(body): InBody<$body>,
        ) -> Result<Response, Problem> {
            let split: fn(&Shared, $body) -> Result<(Action, Act), Problem> = $split;
            let (action, act) = split(&shared, body)?;
            submit(&shared, caller, &id, &headers, action, act).await
        }
    };
}

plain_act!(
    /// `POST /api/v1/alerts/{id}/acknowledge`
    acknowledge,
    Action::Acknowledge
);
plain_act!(
    /// `POST /api/v1/alerts/{id}/arrive`
    arrive,
    Action::Arrive
);
plain_act!(
    /// `POST /api/v1/alerts/{id}/close`
    close,
    Action::Close
);
plain_act!(
    /// `POST /api/v1/alerts/{id}/begin-work`
    begin_work,
    Action::BeginWork
);
plain_act!(
    /// `POST /api/v1/alerts/{id}/finish-work`
    finish_work,
    Action::FinishWork
);
plain_act!(
    /// `POST /api/v1/alerts/{id}/unshelve`
    unshelve,
    Action::Unshelve
);
plain_act!(
    /// `POST /api/v1/alerts/{id}/return-to-service`
    return_to_service,
    Action::ReturnToService
);
told_act!(
    /// `POST /api/v1/alerts/{id}/verify`
    verify,
    Verification,
    |_, body| {
        let action = Action::Verify(body.verdict, body.cause.unwrap_or(Cause::Unknown));
        Ok((action, Act { note: body.note, person: body.person }))
    }
);
told_act!(
    /// `POST /api/v1/alerts/{id}/assign`
    assign,
    Assigning,
    |shared, body| {
        let person = shared.parts.view.roster().person_by_code(&body.to);
        let nobody = || Problem::field("to", format!("to: there is nobody with the code {} on the roster", body.to));
        Ok((Action::Assign(person.ok_or_else(nobody)?), Act { note: body.note, person: body.person }))
    }
);
told_act!(
    /// `POST /api/v1/alerts/{id}/check`
    check,
    Checking,
    |_, body| Ok((Action::Check { in_order: body.in_order }, Act { note: body.note, person: body.person }))
);
told_act!(
    /// `POST /api/v1/alerts/{id}/notes`
    note,
    Writing,
    |_, body| Ok((Action::Note, words(body.note, body.person)?))
);
told_act!(
    /// `POST /api/v1/alerts/{id}/shelve`
    shelve,
    Shelving,
    |_, body| Ok((Action::Shelve { until_ms: body.until_ms }, words(body.note, body.person)?))
);
told_act!(
    /// `POST /api/v1/alerts/{id}/out-of-service`
    out_of_service,
    TakingOut,
    |_, body| Ok((Action::TakeOutOfService { until_ms: body.until_ms }, words(body.note, body.person)?))
);

fn words(note: Box<str>, person: Option<Box<str>>) -> Result<Act, Problem> {
    if note.trim().is_empty() {
        return Err(Problem::field("note", "note: must have words".to_owned()));
    }
    Ok(Act { note: Some(note), person })
}

pub(super) async fn submit(
    shared: &Shared,
    caller: Caller,
    id: &str,
    headers: &HeaderMap,
    action: Action,
    act: Act,
) -> Result<Response, Problem> {
    let id = alert_id(id)?;
    let key = idempotency_key(headers)?;
    check_act(shared, &act)?;
    check_in_sight(shared, &caller, id).await?;
    let command_id = shared.command_id(&caller.subject, key);
    let person = act.person.unwrap_or_else(|| caller.subject.clone());
    let entered_by = (person != caller.subject).then_some(caller.subject);
    let command = Command { id: command_id, person, entered_by, alert: id, action, note: act.note };
    let outcome = within_deadline(shared, shared.parts.actions.submit(command)).await??;
    match outcome.result {
        Ok(summary) if summary.id != id => {
            let detail = format!("this Idempotency-Key was used before, for alert {}: take a new one", summary.id);
            Err(Problem::new(Kind::Invalid, detail).with("field", "Idempotency-Key"))
        }
        Ok(summary) => {
            let roster = shared.parts.view.roster();
            Ok(Json(Answer { alert: AlertShape::new(&summary, &roster) }).into_response())
        }
        Err(Refused::Unknown(id)) => Err(no_alert(id)),
        Err(Refused::Forbidden(why)) => Err(Problem::new(Kind::Conflict, why)),
    }
}

/// Refuses words that are too long, or that a terminal, an XML reader or a printer would take for something else.
pub(crate) fn check_note(shared: &Shared, note: &str) -> Result<(), Problem> {
    let limit = shared.parts.settings.note_limit_chars;
    if note.chars().count() > limit {
        return Err(Problem::field("note", format!("note: must have {limit} characters at most")));
    }
    if note.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Problem::field("note", "note: must have no control characters but line breaks and tabs"));
    }
    Ok(())
}

pub(super) fn check_act(shared: &Shared, act: &Act) -> Result<(), Problem> {
    if let Some(note) = &act.note {
        check_note(shared, note)?;
    }
    match &act.person {
        Some(code) if shared.parts.view.roster().person_by_code(code).is_none() => {
            Err(Problem::field("person", format!("person: there is nobody with the code {code} on the roster")))
        }
        _ => Ok(()),
    }
}

/// 404 for an alert that the caller does not see.
pub(crate) async fn check_in_sight(shared: &Shared, caller: &Caller, id: AlertId) -> Result<(), Problem> {
    let grid = match shared.parts.view.open_alert(id) {
        Some(alert) => Some(alert.grid),
        None => shared.read(move |ledger| ledger.alert(id)).await?.map(|alert| alert.grid),
    };
    if grid.is_some_and(|grid| caller.sees(grid)) { Ok(()) } else { Err(no_alert(id)) }
}

pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().map(str::trim).filter(|key| (1..=KEY_CHARS_MAX).contains(&key.len()));
    key.map(Some).ok_or_else(|| {
        let detail = format!("Idempotency-Key must be 1 to {KEY_CHARS_MAX} characters of visible ASCII");
        Problem::new(Kind::BadRequest, detail).with("field", "Idempotency-Key")
    })
}

/// Waits for an act as long as the settings allow.
pub(crate) async fn within_deadline<T>(shared: &Shared, act: impl Future<Output = T>) -> Result<T, Problem> {
    let deadline_ms = shared.parts.settings.action_deadline_ms;
    tokio::time::timeout(Settings::ms(deadline_ms), act).await.map_err(|_| {
        tracing::error!(deadline_ms, "an act did not pass journal and desk in time");
        let detail = format!(
            "not done within {deadline_ms} ms; it may still take effect: ask again with the same Idempotency-Key"
        );
        Problem::new(Kind::Deadline, detail)
    })
}
