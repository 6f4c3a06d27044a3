//! The feed: a bootstrap exact at a cursor, the stream from a cursor on, and the same events in pages.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use model::{Cursor, RegionCode};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError, watch};
use tokio::time::Instant;

use super::regions::picture;
use super::session::Token;
use crate::access::Caller;
use crate::extract::{Params, page_limit, region_limit};
use crate::problem::{Kind, Problem};
use crate::settings::Settings;
use crate::shapes::{AlertShape, Heads, RegionShape};
use crate::shared::Shared;

/// Pages of events are so many times as long as others.
const LONG_PAGE: usize = 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedRegion {
    region: Option<RegionCode>,
}

#[derive(Serialize)]
struct Bootstrap<'a> {
    cursor: Cursor,
    at_ms: u64,
    alerts: Vec<AlertShape<'a>>,
    region: RegionShape<'a>,
    children: Vec<RegionShape<'a>>,
}

/// `GET /api/v1/bootstrap`
pub(crate) async fn bootstrap(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<AskedRegion>,
) -> Result<Response, Problem> {
    let picture = picture(&shared, &caller, asked.region, true)?;
    let heads = Heads::of(&picture.alerts);
    let answer = Bootstrap {
        cursor: picture.cursor,
        at_ms: picture.at_ms,
        alerts: heads.shapes(&picture.roster),
        region: RegionShape::new(&picture.region, &picture.roster),
        children: picture.children.iter().map(|child| RegionShape::new(child, &picture.roster)).collect(),
    };
    Ok(Json(answer).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedEvents {
    region: Option<RegionCode>,
    after: Option<Cursor>,
    limit: Option<usize>,
}

/// `GET /api/v1/events`
pub(crate) async fn events(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<AskedEvents>,
) -> Result<Response, Problem> {
    let settings = &shared.parts.settings;
    let limit = page_limit(asked.limit, settings.page_default, settings.page_max * LONG_PAGE)?;
    let region = region_limit(&caller, asked.region)?;
    let from_oldest = || shared.parts.ledger.oldest_cursor().saturating_sub(1).min(shared.parts.view.cursor());
    let mut next = asked.after.unwrap_or_else(from_oldest);
    shared.check_cursor(next)?;
    let roster = shared.parts.view.roster();
    let mut body = b"{\"events\":[".to_vec();
    let mut taken = 0;
    let mut scanned = 0;
    while taken < limit && scanned < settings.scan_max * LONG_PAGE {
        let Some(events) = shared.events_after(next, limit.max(settings.feed_chunk_events)).await? else {
            // what was there a moment ago has been given up meanwhile
            shared.check_cursor(next)?;
            break;
        };
        if events.is_empty() {
            break;
        }
        for told in events {
            if taken == limit {
                break;
            }
            next = told.event.cursor;
            scanned += 1;
            if region.is_none_or(|region| region.contains(told.event.grid)) {
                if taken > 0 {
                    body.push(b',');
                }
                body.extend_from_slice(told.json(&roster));
                taken += 1;
            }
        }
    }
    body.extend_from_slice(format!("],\"next\":{next}}}").as_bytes());
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedFeed {
    region: Option<RegionCode>,
    after: Option<Cursor>,
}

/// `GET /api/v1/feed`
pub(crate) async fn feed(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Extension(token): Extension<Token>,
    Params(asked): Params<AskedFeed>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let region = region_limit(&caller, asked.region)?;
    let after = last_event_id(&headers)?.or(asked.after);
    if let Some(after) = after {
        shared.check_cursor(after)?;
    }
    let permit = Arc::clone(&shared.consumers).try_acquire_owned().map_err(|error| match error {
        TryAcquireError::NoPermits | TryAcquireError::Closed => {
            tracing::warn!("a feed consumer was refused: feed_consumers_max follow already");
            let detail = "this station has as many feed consumers as it is set to take; try again, or raise \
                          http.feed_consumers_max";
            Problem::new(Kind::Unavailable, detail).header(header::RETRY_AFTER, HeaderValue::from_static("5"))
        }
    })?;
    let newest = shared.parts.view.follow();
    let position = after.unwrap_or_else(|| shared.parts.view.cursor());
    let heartbeat_every = Settings::ms(shared.parts.settings.feed_heartbeat_ms);
    let reader = Reader {
        region,
        caller,
        token,
        position,
        newest,
        heartbeat_every,
        heartbeat_at: Instant::now() + heartbeat_every,
        has_begun: false,
        _consumer: Consumer::new(permit),
        shared,
    };
    let chunks = stream::unfold(reader, async |mut reader| {
        let chunk = reader.next_chunk().await?;
        Some((Ok::<Bytes, Infallible>(chunk), reader))
    });
    let fixed = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // reverse proxies that buffer would hold events back
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((fixed, Body::from_stream(chunks)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Cursor>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    match value.to_str().ok().map(str::trim) {
        Some("") => Ok(None),
        Some(text) if text.parse::<Cursor>().is_ok() => Ok(text.parse().ok()),
        _ => Err(Problem::new(Kind::BadRequest, "Last-Event-ID must be a cursor of this feed, a decimal number")),
    }
}

/// A place among the feed's consumers.
struct Consumer {
    _permit: OwnedSemaphorePermit,
}

impl Consumer {
    fn new(permit: OwnedSemaphorePermit) -> Consumer {
        metrics::gauge!("fenghuo_command_centre_feed_consumers").increment(1.0);
        Consumer { _permit: permit }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        metrics::gauge!("fenghuo_command_centre_feed_consumers").decrement(1.0);
    }
}

/// One consumer's place on the feed. It is asked for a chunk only when its socket has taken the last.
struct Reader {
    shared: Arc<Shared>,
    region: Option<RegionCode>,
    caller: Caller,
    token: Token,
    /// Everything up to here was sent, or is none of this consumer's business.
    position: Cursor,
    newest: watch::Receiver<Cursor>,
    heartbeat_every: Duration,
    heartbeat_at: Instant,
    has_begun: bool,
    _consumer: Consumer,
}

impl Reader {
    /// `None` ends the stream; the consumer comes back with its last id and is told what is the matter.
    async fn next_chunk(&mut self) -> Option<Bytes> {
        if !self.has_begun {
            self.has_begun = true;
            // tells a consumer without a cursor where it stands, and the browser how soon to come back
            let retry = format!("retry: {}\n", self.shared.parts.settings.feed_retry_ms);
            return Some([retry.into_bytes(), self.heartbeat()].concat().into());
        }
        loop {
            if self.shared.shutdown.is_cancelled() {
                return None;
            }
            let newest = *self.newest.borrow_and_update();
            if self.position < newest {
                let chunk = self.take_events().await?;
                if !chunk.is_empty() {
                    self.heartbeat_at = Instant::now() + self.heartbeat_every;
                    return Some(chunk.into());
                }
                if Instant::now() < self.heartbeat_at {
                    continue;
                }
            } else {
                tokio::select! {
                    () = self.shared.shutdown.cancelled() => return None,
                    changed = self.newest.changed() => {
                        changed.ok()?;
                        continue;
                    }
                    () = tokio::time::sleep_until(self.heartbeat_at) => {}
                }
            }
            if self.shared.parts.access.caller(&self.token.0).as_ref() != Some(&self.caller) {
                tracing::info!(subject = %self.caller.subject, "a feed ended: its token is no longer what it was");
                return None;
            }
            return Some(self.heartbeat().into());
        }
    }

    /// The next events as frames; empty when none of them is this consumer's business.
    async fn take_events(&mut self) -> Option<Vec<u8>> {
        let limit = self.shared.parts.settings.feed_chunk_events;
        let Ok(Some(events)) = self.shared.events_after(self.position, limit).await else {
            tracing::warn!(position = self.position, "a feed consumer fell behind what is kept");
            return None;
        };
        let roster = self.shared.parts.view.roster();
        let mut chunk = Vec::new();
        let mut sent = 0;
        for told in events {
            self.position = told.event.cursor;
            if self.region.is_none_or(|region| region.contains(told.event.grid)) {
                frame(&mut chunk, told.event.cursor, told.event.kind.word(), told.json(&roster));
                sent += 1;
            }
        }
        metrics::counter!("fenghuo_command_centre_feed_events_total").increment(sent);
        Some(chunk)
    }

    fn heartbeat(&mut self) -> Vec<u8> {
        self.heartbeat_at = Instant::now() + self.heartbeat_every;
        let data = format!("{{\"cursor\":{},\"at_ms\":{}}}", self.position, self.shared.parts.view.at_ms());
        let mut chunk = Vec::with_capacity(128);
        frame(&mut chunk, self.position, "heartbeat", data.as_bytes());
        chunk
    }
}

/// One server-sent event; `json` has no line break.
fn frame(chunk: &mut Vec<u8>, cursor: Cursor, kind: &str, json: &[u8]) {
    chunk.extend_from_slice(format!("id: {cursor}\nevent: {kind}\ndata: ").as_bytes());
    chunk.extend_from_slice(json);
    chunk.extend_from_slice(b"\n\n");
}
