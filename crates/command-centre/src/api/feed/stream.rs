//! The feed as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use model::{Colour, Cursor, RegionCode};
use serde::Deserialize;

use super::follow::{Follower, Next};
use super::format_of;
use crate::access::Caller;
use crate::api::session::Token;
use crate::extract::{Params, region_limit};
use crate::outward::{Filter, Format, Kinds, min_colour};
use crate::problem::{Kind, Problem};
use crate::shared::Shared;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedFeed {
    region: Option<RegionCode>,
    #[serde(default, deserialize_with = "min_colour")]
    min: Option<Colour>,
    #[serde(default)]
    kinds: Kinds,
    format: Option<Format>,
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
    let filter = Filter { region: region_limit(&caller, asked.region)?, min: asked.min, kinds: asked.kinds };
    let after = last_event_id(&headers)?.or(asked.after);
    let follower = Follower::new(shared, caller, token, filter, after)?;
    let reader = Reader { follower, format: format_of(asked.format, &headers), has_begun: false };
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

struct Reader {
    follower: Follower,
    format: Format,
    has_begun: bool,
}

impl Reader {
    /// `None` ends the stream; the consumer comes back with its last id and is told what is the matter.
    async fn next_chunk(&mut self) -> Option<Bytes> {
        if !self.has_begun {
            self.has_begun = true;
            // tells a consumer without a cursor where it stands, and the browser how soon to come back
            let retry = format!("retry: {}\n", self.follower.shared.parts.settings.feed_retry_ms);
            return Some([retry.into_bytes(), self.heartbeat()].concat().into());
        }
        let chunk_events = self.follower.shared.parts.settings.feed_chunk_events;
        match self.follower.next(chunk_events).await.ok()? {
            Next::Beat => Some(self.heartbeat().into()),
            Next::Events(events) => {
                let parts = &self.follower.shared.parts;
                let roster = parts.view.roster();
                let mut chunk = Vec::new();
                for told in events {
                    let json = self.format.json(&told, &roster, &parts.settings.feed_source);
                    frame(&mut chunk, told.event.cursor, told.event.kind.word(), &json);
                }
                Some(chunk.into())
            }
        }
    }

    fn heartbeat(&mut self) -> Vec<u8> {
        let data = format!("{{{}}}", self.follower.beat());
        let mut chunk = Vec::with_capacity(128);
        frame(&mut chunk, self.follower.position(), "heartbeat", data.as_bytes());
        chunk
    }
}

/// One server-sent event; `json` has no line break.
fn frame(chunk: &mut Vec<u8>, cursor: Cursor, kind: &str, json: &[u8]) {
    chunk.extend_from_slice(format!("id: {cursor}\nevent: {kind}\ndata: ").as_bytes());
    chunk.extend_from_slice(json);
    chunk.extend_from_slice(b"\n\n");
}
