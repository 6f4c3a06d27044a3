//! Who was told of an alert, in which way, and when each step of it was done: owed, sent, delivered, read, acknowledged.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use model::alert::{Attempt, ReceiptOutcome};
use model::{Alert, AlertId, Delivery, DeliveryState, FeedKind, Roster};
use serde::Serialize;

use crate::access::Caller;
use crate::api::alerts::{alert_id, no_alert};
use crate::extract::InPath;
use crate::problem::Problem;
use crate::shapes::person_name;
use crate::shared::Shared;

#[derive(Serialize)]
struct Trail<'a> {
    alert: AlertId,
    raised_ms: u64,
    /// In the order in which they were told; then those who acted without having been told.
    people: Vec<PersonTrail<'a>>,
}

#[derive(Serialize)]
struct PersonTrail<'a> {
    person: &'a str,
    person_name: &'a str,
    channels: Vec<ChannelTrail<'a>>,
    acknowledged: Option<Step<'a>>,
    arrived: Option<Step<'a>>,
    verified: Option<Step<'a>>,
}

#[derive(Serialize)]
struct ChannelTrail<'a> {
    delivery: &'a str,
    channel: &'a str,
    whom: &'a str,
    ring: u16,
    state: DeliveryState,
    owed: Step<'a>,
    /// The first try that is known.
    sent: Option<Step<'a>>,
    delivered: Option<Step<'a>>,
    read: Option<Step<'a>>,
    tries: u32,
    /// Of the last try.
    reason: &'a str,
}

/// A step, and how long after the alert was raised.
#[derive(Serialize)]
struct Step<'a> {
    at_ms: u64,
    after_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// `GET /api/v1/alerts/{id}/trail`
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let id = alert_id(&id)?;
    let read = move |ledger: &dyn model::Ledger| {
        let Some(alert) = ledger.alert(id)? else { return Ok(None) };
        Ok(Some((alert, ledger.deliveries(id.into())?)))
    };
    let kept = shared.read(read).await?.filter(|(alert, _)| caller.sees(alert.grid));
    let (alert, deliveries) = kept.ok_or_else(|| no_alert(id))?;
    let roster = shared.parts.view.roster();
    let people = people(&alert, &deliveries, &roster);
    Ok(Json(Trail { alert: alert.id, raised_ms: alert.raised_ms, people }).into_response())
}

fn people<'a>(alert: &'a Alert, deliveries: &'a [Delivery], roster: &'a Roster) -> Vec<PersonTrail<'a>> {
    let mut codes: Vec<(&str, &str)> = Vec::new();
    let told = deliveries.iter().map(|delivery| (&*delivery.person_code, &*delivery.person_name));
    let acts = [FeedKind::AlertAcknowledged, FeedKind::AlertArrived, FeedKind::AlertVerified];
    let acted = alert.history.iter().filter(|item| acts.iter().any(|act| act.word() == &*item.what));
    let acted = acted.map(|item| (&*item.by, person_name(roster, &item.by)));
    for (code, name) in told.chain(acted) {
        if !codes.iter().any(|(known, _)| *known == code) {
            codes.push((code, name));
        }
    }
    let trail = |(code, person_name): (&'a str, &'a str)| {
        // the first of each: a second ring does not hide how the first one went
        let act = |kind: FeedKind| {
            let item = alert.history.iter().find(|item| &*item.what == kind.word() && &*item.by == code)?;
            Some(step(alert, item.at_ms, item.note.as_deref()))
        };
        let own = deliveries.iter().filter(|delivery| &*delivery.person_code == code);
        PersonTrail {
            person: code,
            person_name,
            channels: own.map(|delivery| channel(alert, delivery)).collect(),
            acknowledged: act(FeedKind::AlertAcknowledged),
            arrived: act(FeedKind::AlertArrived),
            verified: act(FeedKind::AlertVerified),
        }
    };
    codes.into_iter().map(trail).collect()
}

fn channel<'a>(alert: &Alert, delivery: &'a Delivery) -> ChannelTrail<'a> {
    let first = |wanted: &[ReceiptOutcome]| delivery.attempts.iter().find(|attempt| wanted.contains(&attempt.outcome));
    let of = |attempt: &'a Attempt| step(alert, attempt.at_ms, Some(&attempt.reason));
    let read = first(&[ReceiptOutcome::Read]).map(|attempt| &*attempt.reason);
    ChannelTrail {
        delivery: delivery.id.as_str(),
        channel: &delivery.channel,
        whom: &delivery.whom,
        ring: delivery.about.alert().map_or(1, |alert| alert.ring),
        state: delivery.state,
        owed: step(alert, delivery.owed_ms, None),
        sent: first(&[ReceiptOutcome::Delivered, ReceiptOutcome::Retry]).map(of),
        delivered: first(&[ReceiptOutcome::Delivered]).map(of),
        read: delivery.read_ms.map(|at_ms| step(alert, at_ms, read)),
        tries: delivery.attempt_count,
        reason: delivery.attempts.last().map_or("", |attempt| &attempt.reason),
    }
}

fn step<'a>(alert: &Alert, at_ms: u64, reason: Option<&'a str>) -> Step<'a> {
    Step { at_ms, after_ms: at_ms.saturating_sub(alert.raised_ms), reason }
}
