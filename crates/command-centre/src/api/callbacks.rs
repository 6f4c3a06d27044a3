//! What people say by a token, without signing in: `POST /api/v1/callbacks/voice` for gateways of calls and short messages,
//! and the page `/r/{token}` for people who follow the link in a message.
//!
//! - Nothing happens by a GET: mail servers and chats fetch links to preview them.
//! - A token says the same thing once: pressed again, it changes nothing, and nothing is journalled.
//! - Whoever guesses learns nothing: a token that is not ours and one of a delivery that is gone are answered alike.
//! - Once the alert is closed, caller and page hear that it is over, and nothing else of it.

mod page;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use model::alert::{Receipt, ReceiptOutcome, Refused};
use model::order::Answer;
use model::{Action, Alert, Command, Delivery, Matter, Order, OrderBody};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub(crate) use page::{press, show};

use crate::api::alerts::within_deadline;
use crate::extract::{Peer, read_fields};
use crate::problem::{Kind, Problem};
use crate::shared::Shared;

/// What a gateway of calls or short messages tells; what it sends besides is not looked at.
#[derive(Deserialize)]
pub(crate) struct Pressed {
    /// What `{callback}` stood for.
    #[serde(alias = "token")]
    callback: String,
    /// The digit that was pressed, or the text of the reply.
    #[serde(alias = "digits", alias = "dtmf", alias = "reply")]
    digit: Digit,
}

/// Gateways write a digit as text or as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Digit {
    Text(String),
    Number(u64),
}

impl Digit {
    /// 1: has received it; 2: has arrived, which also says that it was received.
    fn action(&self) -> Option<Action> {
        let text = match self {
            Digit::Text(text) => text.trim().trim_end_matches('#').to_owned(),
            Digit::Number(number) => number.to_string(),
        };
        match text.as_str() {
            "1" => Some(Action::Acknowledge),
            "2" => Some(Action::Arrive),
            _ => None,
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Heard {
    Received,
    Arrived,
    /// The alert is closed.
    Over,
    /// No digit that means anything.
    NotUnderstood,
}

impl Heard {
    /// What the gateway says to the person.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Heard::Received => ("已记录您收到，谢谢", "Recorded as received. Thank you."),
            Heard::Arrived => ("已记录您到场，谢谢", "Recorded as arrived. Thank you."),
            Heard::Over => ("该警情已结束，无需处置", "This alert is over. There is nothing to do."),
            Heard::NotUnderstood => ("收到请按1，已到场请按2", "Press 1 for received, 2 for arrived."),
        }
    }
}

#[derive(Serialize)]
struct Reply {
    result: Heard,
    text_zh: &'static str,
    text_en: &'static str,
}

/// `POST /api/v1/callbacks/voice`
pub(crate) async fn voice(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Problem> {
    let pressed: Pressed = read_fields(request, shared.parts.settings.body_limit_bytes).await?;
    let told = find(&shared, peer, &pressed.callback).await?;
    let heard = match pressed.digit.action() {
        Some(action) => say(&shared, &told, action).await?,
        None => Heard::NotUnderstood,
    };
    let (text_zh, text_en) = heard.words();
    Ok(Json(Reply { result: heard, text_zh, text_en }).into_response())
}

/// A delivery, and the alert as it is now where it is about one.
struct Told {
    delivery: Delivery,
    alert: Option<Alert>,
}

impl Told {
    fn is_over(&self) -> bool {
        match self.delivery.matter {
            Matter::Alert(_) => self.alert.as_ref().is_none_or(|alert| !alert.state.is_open()),
            Matter::Order(_) => false,
        }
    }
}

/// What a token names.
async fn find(shared: &Shared, Peer(address): Peer, token: &str) -> Result<Told, Problem> {
    let named = shared.parts.callbacks.named(token.trim());
    let told = match named {
        Some((matter, id)) => {
            let read = move |ledger: &dyn model::Ledger| {
                let Some(delivery) = ledger.delivery(matter, &id)? else { return Ok(None) };
                let alert = matter.alert().map(|alert| ledger.alert(alert)).transpose()?.flatten();
                Ok(Some(Told { delivery, alert }))
            };
            shared.read(read).await?
        }
        None => None,
    };
    told.ok_or_else(|| {
        metrics::counter!("fenghuo_command_centre_unknown_callbacks_total").increment(1);
        let unknown = "this token is not known; send what {callback} or the link stood for, unchanged";
        match shared.guesses.count(address, Instant::now()) {
            None => Problem::new(Kind::NotFound, unknown),
            Some(wait) => {
                tracing::warn!(%address, "many callbacks with unknown tokens");
                let detail = format!("too many unknown tokens came from {address}; one that is known is still taken");
                Problem::new(Kind::TooManyFailures, detail).header(header::RETRY_AFTER, wait.as_secs() + 1)
            }
        }
    })
}

/// Journals what a person said, unless it was said before.
async fn say(shared: &Shared, told: &Told, action: Action) -> Result<Heard, Problem> {
    if told.is_over() {
        return Ok(Heard::Over);
    }
    let delivery = &told.delivery;
    if delivery.read_ms.is_none() {
        let receipt = Receipt {
            delivery: delivery.id.clone(),
            matter: delivery.matter,
            outcome: ReceiptOutcome::Read,
            reason: "the person confirmed it".into(),
        };
        within_deadline(shared, shared.parts.callbacks.read(receipt)).await??;
    }
    let heard = if action == Action::Arrive { Heard::Arrived } else { Heard::Received };
    let Some(alert) = &told.alert else { return answer(shared, delivery, heard).await };
    let command = Command {
        id: format!("callback/{}", delivery.id).as_str().into(),
        person: delivery.person_code.clone(),
        entered_by: Some(channel_of(delivery).into()),
        alert: alert.id,
        action,
        note: None,
    };
    let tag = Some(command.tag());
    if alert.history.iter().any(|item| item.command == tag && item.by == delivery.person_code) {
        return Ok(heard);
    }
    let outcome = within_deadline(shared, shared.parts.actions.submit(command)).await??;
    match outcome.result {
        Ok(_) => Ok(heard),
        // closed since it was looked at, or refused for a reason that the person can do nothing about
        Err(Refused::Unknown(_)) => Ok(Heard::Over),
        Err(Refused::Forbidden(why)) => match shared.parts.view.open_alert(alert.id) {
            None => Ok(Heard::Over),
            Some(_) => Err(Problem::new(Kind::Conflict, why)),
        },
    }
}

/// As [`say`], for an order.
async fn answer(shared: &Shared, delivery: &Delivery, heard: Heard) -> Result<Heard, Problem> {
    let Matter::Order(order) = delivery.matter else { return Ok(heard) };
    let answer = if heard == Heard::Arrived { Answer::Arrived } else { Answer::Read };
    let given = Order {
        id: format!("callback/{}/{}", delivery.id, if heard == Heard::Arrived { 2 } else { 1 }).as_str().into(),
        person: delivery.person_code.clone(),
        entered_by: Some(channel_of(delivery).into()),
        body: OrderBody::Answer { order, answer, note: None },
    };
    let outcome = within_deadline(shared, shared.parts.actions.order(given)).await??;
    // what is refused has ended, or is no order that is answered: a report, a reminder's own
    Ok(if outcome.result.is_ok() { heard } else { Heard::Over })
}

/// The channel without its target, which is a telephone number or an address.
fn channel_of(delivery: &Delivery) -> &str {
    delivery.channel.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_understood_as_gateways_write_them() {
        let pressed = |body: &str| serde_json::from_str::<Pressed>(body).unwrap().digit.action();
        for (body, expected) in [
            (r#"{"callback": "t", "digit": "1"}"#, Some(Action::Acknowledge)),
            (r#"{"token": "t", "dtmf": 1, "call_id": "c"}"#, Some(Action::Acknowledge)),
            (r#"{"callback": "t", "reply": " 2# "}"#, Some(Action::Arrive)),
            (r#"{"callback": "t", "digits": "12"}"#, None),
            (r#"{"callback": "t", "digit": ""}"#, None),
        ] {
            assert_eq!(pressed(body), expected, "{body}");
        }
    }
}
