//! The feed over MQTT: each alert event of the ledger's feed, at `feed/v1/{township}/{village}/{grid}/{alert}` with QoS 1.
//!
//! From now on when the dispatcher starts: who must see what was before, or must miss nothing, reads the HTTP feed, which
//! resumes. Here a subscriber that does not confirm in time is not waited for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use model::{
    AlertId, AlertState, AlertSummary, Colour, Cursor, Family, FeedEvent, Ledger, Level, RegionCode, Roster, Verdict,
};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::channel::mqtt::{MqttOutcome, MqttPublisher};
use crate::dispatcher::RosterNow;
use crate::settings::Settings;

/// What the follower works with.
pub(crate) struct Follower {
    pub(crate) settings: Arc<Settings>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) mqtt: Arc<dyn MqttPublisher>,
    pub(crate) roster: RosterNow,
    pub(crate) stop: CancellationToken,
}

impl Follower {
    /// Publishes what comes after the newest event of now, until it is stopped or the ledger's owner is gone.
    pub(crate) async fn follow(self, mut newest: watch::Receiver<Cursor>) {
        let mut at = *newest.borrow_and_update();
        let stop = self.stop.clone();
        let work = async {
            loop {
                while at < *newest.borrow_and_update() {
                    at = self.publish_from(at).await;
                }
                if newest.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    /// Publishes a batch of events after `after`; returns the cursor of the last one.
    async fn publish_from(&self, after: Cursor) -> Cursor {
        let (ledger, limit) = (Arc::clone(&self.ledger), self.settings.feed_batch_max);
        let read = tokio::task::spawn_blocking(move || ledger.feed(after, limit)).await;
        let events = match read {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => {
                tracing::error!(%error, "the feed cannot be read for MQTT; it is tried again");
                sleep(Duration::from_millis(self.settings.journal_pause_max_ms.max(1))).await;
                return after;
            }
            // only when the runtime ends
            Err(_) => return after,
        };
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            // woken before the ledger shows it
            sleep(Duration::from_millis(5)).await;
            return after;
        };
        if first.cursor > after + 1 {
            let lost = first.cursor - after - 1;
            tracing::warn!(lost, "the feed over MQTT fell behind what the ledger keeps and leaves a gap");
        }
        let roster = (self.roster)();
        let limit = Duration::from_millis(self.settings.feed_limit_ms);
        let messages: Vec<_> = events.iter().filter_map(|event| to_publish(event, &roster)).collect();
        let publish = |(topic, payload)| self.publish(topic, payload, limit);
        let publishes = messages.into_iter().map(publish);
        let mut publishes = futures::stream::iter(publishes).buffered(self.settings.feed_in_flight_max);
        let (mut sent, mut unconfirmed) = (0, 0);
        while let Some(outcome) = publishes.next().await {
            sent += 1;
            unconfirmed += u64::from(outcome == MqttOutcome::TimedOut);
        }
        metrics::counter!("fenghuo_dispatcher_feed_events_total").increment(sent);
        metrics::counter!("fenghuo_dispatcher_feed_unconfirmed_total").increment(unconfirmed);
        last.cursor
    }
}

impl Follower {
    async fn publish(&self, topic: String, payload: Bytes, limit: Duration) -> MqttOutcome {
        self.mqtt.publish(&topic, payload, limit).await
    }
}

/// Topic and payload of an alert event; `None` for the others.
fn to_publish(event: &FeedEvent, roster: &Roster) -> Option<(String, Bytes)> {
    let alert = event.alert.as_deref()?;
    let township = event.grid.at(Level::Township)?;
    let village = event.grid.at(Level::Village)?;
    let topic = format!("feed/v1/{township}/{village}/{}/{}", event.grid, alert.id);
    let body = EventBody {
        cursor: event.cursor,
        kind: event.kind.word(),
        at_ms: event.at_ms,
        region: event.grid,
        alert: AlertBody::new(alert, roster, (township, village)),
        detail: event.detail.as_deref(),
    };
    let json = serde_json::to_vec(&body).expect("strings, numbers and names of variants are always JSON");
    Some((topic, json.into()))
}

/// `FeedEvent` of the HTTP API's contract, for the alert kinds.
#[derive(Serialize)]
struct EventBody<'a> {
    cursor: Cursor,
    #[serde(rename = "type")]
    kind: &'static str,
    at_ms: u64,
    region: RegionCode,
    alert: AlertBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

/// `AlertSummary` of the HTTP API's contract.
#[derive(Serialize)]
struct AlertBody<'a> {
    id: AlertId,
    family: Family,
    colour: Colour,
    state: AlertState,
    unit: &'a str,
    unit_name: &'a str,
    address: &'a str,
    grid: RegionCode,
    village: RegionCode,
    village_name: String,
    township: RegionCode,
    township_name: String,
    raised_ms: u64,
    updated_ms: u64,
    ring: u16,
    summary_zh: &'a str,
    summary_en: &'a str,
    acknowledged_by: &'a [Box<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    evidence_count: u32,
    exercise: bool,
}

impl<'a> AlertBody<'a> {
    fn new(
        summary: &'a AlertSummary,
        roster: &'a Roster,
        (township, village): (RegionCode, RegionCode),
    ) -> AlertBody<'a> {
        let unit = roster.unit(summary.unit);
        let name = |code| roster.regions().get(&code).map(ToString::to_string).unwrap_or_default();
        AlertBody {
            id: summary.id,
            family: summary.id.family,
            colour: summary.colour,
            state: summary.state,
            unit: unit.map_or("", |unit| &unit.code),
            unit_name: unit.map_or("", |unit| &unit.name),
            address: unit.map_or("", |unit| &unit.address),
            grid: summary.grid,
            village,
            village_name: name(village),
            township,
            township_name: name(township),
            raised_ms: summary.raised_ms,
            updated_ms: summary.updated_ms,
            ring: summary.ring,
            summary_zh: &summary.words.zh,
            summary_en: &summary.words.en,
            acknowledged_by: &summary.acknowledged_by,
            verdict: summary.verdict,
            evidence_count: summary.evidence_count,
            exercise: summary.exercise,
        }
    }
}
