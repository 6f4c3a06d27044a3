//! Carries the responders to the station's HTTP interface: the open alerts once, then the feed from that cursor on, and back again
//! after whatever breaks.

use crate::{
    clock::{Steady, Timebase},
    plan::{Atlas, Plan, Truth},
    responders::{Action, AlertSummary, Outcome, Responders},
    sse::SseParser,
    stats::Counters,
};
use anyhow::{Context, Result, anyhow, bail};
use rand::Rng;
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet, time::timeout};

/// Requests in flight at a time.
const REQUESTS_MAX: usize = 8;
/// A request other than the feed takes no longer.
const REQUEST_MAX: Duration = Duration::from_secs(10);
/// The feed sends a heartbeat every 15 s; this long without a byte and it counts as broken.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How often due actions are looked for.
const TICK: Duration = Duration::from_millis(250);

/// Where and as whom.
#[derive(Debug, Clone)]
pub struct Access {
    /// For example `http://127.0.0.1:8080`.
    pub base: String,
    /// `<name>.<secret>`.
    pub token: String,
}

/// What the people know beforehand.
pub struct Duty {
    pub responders: Responders,
    pub plan: Plan,
    pub atlas: Arc<Atlas>,
    pub time: Timebase,
    pub clock: Steady,
}

#[derive(Deserialize)]
struct Bootstrap {
    cursor: u64,
    alerts: Vec<AlertSummary>,
}

#[derive(Deserialize)]
struct FeedEvent {
    #[serde(rename = "type")]
    kind: String,
    alert: Option<AlertSummary>,
}

/// The cursor is older than what the station keeps.
#[derive(Debug, thiserror::Error)]
#[error("the station no longer has events from that cursor on")]
struct Expired;

/// Serves until `stop` turns true.
pub async fn serve(access: Access, duty: Duty, counters: Arc<Counters>, mut stop: watch::Receiver<bool>) -> Result<()> {
    let client = Client::builder().connect_timeout(Duration::from_secs(5)).build().context("cannot set up HTTP")?;
    let mut people =
        People { client, access, duty, counters, truth: Truth::default(), cursor: None, requests: JoinSet::new() };
    let mut failures = 0u32;
    loop {
        let ended = tokio::select! {
            ended = people.follow() => ended,
            _ = stop.wait_for(|s| *s) => return Ok(()),
        };
        let Err(error) = ended;
        if error.is::<Expired>() {
            people.cursor = None;
        }
        failures = if people.was_well() { 0 } else { (failures + 1).min(6) };
        tracing::warn!(error = format!("{error:#}"), "responders lost the station; trying again");
        let wait = rand::rng().random_range(300..=600u64 << failures);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait)) => {}
            _ = stop.wait_for(|s| *s) => return Ok(()),
        }
    }
}

struct People {
    client: Client,
    access: Access,
    duty: Duty,
    counters: Arc<Counters>,
    truth: Truth,
    /// Where to go on reading; none: begin with the open alerts.
    cursor: Option<String>,
    requests: JoinSet<(Action, Outcome)>,
}

impl People {
    fn was_well(&self) -> bool {
        self.cursor.is_some()
    }

    fn now_ms(&self) -> i64 {
        self.duty.time.city_ms(self.duty.clock.now_ms())
    }

    /// Follows the feed and acts, until something breaks.
    async fn follow(&mut self) -> Result<std::convert::Infallible> {
        if self.cursor.is_none() {
            self.bootstrap().await?;
        }
        let mut feed = self.open_feed().await?;
        let mut parser = SseParser::default();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut heard = tokio::time::Instant::now();
        loop {
            tokio::select! {
                chunk = feed.chunk() => {
                    let chunk = chunk.context("the feed broke")?.ok_or_else(|| anyhow!("the station ended the feed"))?;
                    heard = tokio::time::Instant::now();
                    for event in parser.feed(&chunk)? {
                        self.observe(&event.event, &event.data);
                    }
                    if let Some(id) = parser.last_id() {
                        self.cursor = Some(id.into());
                    }
                }
                _ = tick.tick() => {
                    if heard.elapsed() > SILENCE_MAX {
                        bail!("nothing on the feed for {} s, not even a heartbeat", SILENCE_MAX.as_secs());
                    }
                    self.act();
                }
                Some(done) = self.requests.join_next() => {
                    let (action, outcome) = done.context("a request ended badly")?;
                    let counter = if outcome == Outcome::Done { &self.counters.actions } else { &self.counters.refused };
                    counter.fetch_add(1, Relaxed);
                    let now_ms = self.now_ms();
                    self.duty.responders.outcome(now_ms, &action, outcome);
                }
            }
        }
    }

    async fn bootstrap(&mut self) -> Result<()> {
        let answer = self.get("/api/v1/bootstrap", None, Some(REQUEST_MAX)).await?;
        let open: Bootstrap = timeout(REQUEST_MAX, answer.json())
            .await
            .context("the open alerts take too long")?
            .context("the open alerts are not as expected")?;
        let now_ms = self.now_ms();
        tracing::info!(open = open.alerts.len(), cursor = open.cursor, "responders are on duty");
        for alert in &open.alerts {
            self.duty.responders.observe(now_ms, alert, false);
        }
        self.cursor = Some(open.cursor.to_string());
        Ok(())
    }

    async fn open_feed(&self) -> Result<Response> {
        let after = self.cursor.as_deref().unwrap_or("0");
        self.get(&format!("/api/v1/feed?after={after}"), Some(after), None).await
    }

    async fn get(&self, path: &str, last_event_id: Option<&str>, limit: Option<Duration>) -> Result<Response> {
        let mut request = self.client.get(format!("{}{path}", self.access.base)).bearer_auth(&self.access.token);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id).header("accept", "text/event-stream");
        }
        if let Some(limit) = limit {
            request = request.timeout(limit);
        }
        let answer = timeout(REQUEST_MAX, request.send())
            .await
            .context("the station does not answer")?
            .with_context(|| format!("GET {path}"))?;
        match answer.status() {
            status if status.is_success() => Ok(answer),
            StatusCode::GONE => Err(Expired.into()),
            status => bail!("GET {path}: the station answers {status}"),
        }
    }

    fn observe(&mut self, kind: &str, data: &str) {
        let Ok(event) = serde_json::from_str::<FeedEvent>(data) else {
            if kind != "heartbeat" {
                tracing::debug!(kind, "an event that responders do not understand");
            }
            return;
        };
        if let Some(alert) = event.alert {
            let now_ms = self.now_ms();
            self.duty.responders.observe(now_ms, &alert, event.kind == "alert.rang_again");
        }
    }

    /// Posts what is due, as far as there is room.
    fn act(&mut self) {
        let now_ms = self.now_ms();
        self.truth.advance(&mut self.duty.plan, &self.duty.atlas, now_ms);
        if self.requests.len() >= REQUESTS_MAX {
            return;
        }
        let truth = &self.truth;
        let room = REQUESTS_MAX - self.requests.len();
        for action in self.duty.responders.due(now_ms, room, &|unit| truth.verdict(unit)) {
            let request = self
                .client
                .post(format!("{}/api/v1/alerts/{}/{}", self.access.base, action.alert, action.verb.name()))
                .bearer_auth(&self.access.token)
                .header("idempotency-key", &action.key)
                .timeout(REQUEST_MAX)
                .json(&body(&action));
            self.requests.spawn(async move {
                let outcome = match request.send().await.map(|r| r.status()) {
                    Ok(status) if status.is_success() => Outcome::Done,
                    Ok(StatusCode::NOT_FOUND) => Outcome::Unknown,
                    Ok(StatusCode::CONFLICT) => Outcome::Forbidden,
                    Ok(status) => {
                        tracing::warn!(alert = action.alert, verb = action.verb.name(), %status, "the station refuses an action");
                        Outcome::Failed
                    }
                    Err(_) => Outcome::Failed,
                };
                (action, outcome)
            });
        }
    }
}

/// The body of an action.
pub fn body(action: &Action) -> serde_json::Value {
    let mut body = serde_json::Map::new();
    if !action.person.is_empty() {
        body.insert("person".into(), action.person.as_str().into());
    }
    if let Some(verdict) = action.verdict {
        body.insert("verdict".into(), verdict.name().into());
    }
    body.into()
}
