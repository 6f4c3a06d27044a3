//! The feed over a WebSocket (RFC 6455): the same events and cursor, one text message each, and credit for whoever wants to
//! count what it takes.
//!
//! Without credit the window is the socket's own buffer, as for the stream. A consumer that asks for `?credit=n`, or sends
//! `{"credit": n}`, is told so many events and then waits for more credit; heartbeats cost none. Every end has a close frame
//! whose reason is JSON with the cursor to resume at: `{"resume": 4711, "why": "…"}`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use model::{Colour, Cursor, RegionCode};
use serde::Deserialize;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::follow::{End, Follower, Next};
use super::format_of;
use crate::access::Caller;
use crate::api::session::{self, Token};
use crate::extract::{Params, region_limit};
use crate::outward::{Filter, Format, Kinds, min_colour};
use crate::problem::{Kind, Problem};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::view::Told;

/// Heartbeats without a sign of life from the consumer before it is given up.
const SILENT_BEATS: u32 = 3;
/// The consumer's own close frame is waited for so long.
const GOODBYE: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedSocket {
    region: Option<RegionCode>,
    #[serde(default, deserialize_with = "min_colour")]
    min: Option<Colour>,
    #[serde(default)]
    kinds: Kinds,
    format: Option<Format>,
    after: Option<Cursor>,
    /// Events that may be sent before the consumer sends credit.
    credit: Option<u64>,
}

/// `GET /api/v1/feed/ws`
pub(crate) async fn socket(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Extension(token): Extension<Token>,
    Params(asked): Params<AskedSocket>,
    mut request: Request,
) -> Result<Response, Problem> {
    session::guard_socket(request.headers())?;
    let key = handshake_key(request.headers())?;
    let upgrade = request.extensions_mut().remove::<OnUpgrade>().ok_or_else(upgrade_required)?;
    let filter = Filter { region: region_limit(&caller, asked.region)?, min: asked.min, kinds: asked.kinds };
    let format = format_of(asked.format, request.headers());
    let follower = Follower::new(Arc::clone(&shared), caller, token, filter, asked.after)?;
    let settings = &shared.parts.settings;
    let credit = asked.credit.map(|credit| credit.min(settings.feed_credit_max_events));
    let limit_bytes = settings.feed_message_limit_bytes;
    shared.sockets.spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                let config =
                    WebSocketConfig::default().max_message_size(Some(limit_bytes)).max_frame_size(Some(limit_bytes));
                let io = TokioIo::new(upgraded);
                let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
                Talk { stream, follower, format, credit, starved_since: None, unanswered: 0 }.run().await;
            }
            Err(error) => tracing::debug!(%error, "a consumer left before its socket was open"),
        }
    });
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, key),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response())
}

/// The answer to the request's key, when it is one for a WebSocket.
fn handshake_key(headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let has = |name: HeaderName, word: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
    };
    let is_websocket = has(header::CONNECTION, "upgrade")
        && has(header::UPGRADE, "websocket")
        && has(header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| is_websocket).ok_or_else(upgrade_required)?;
    Ok(HeaderValue::from_str(&derive_accept_key(key.as_bytes())).expect("base64 is valid in a header"))
}

fn upgrade_required() -> Problem {
    let detail = "open a WebSocket (RFC 6455, version 13) here; the same events without one are at GET /api/v1/feed";
    Problem::new(Kind::UpgradeRequired, detail)
        .header(header::UPGRADE, HeaderValue::from_static("websocket"))
        .header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
}

/// Why the station ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    End(End),
    /// Events wait and no credit came in time.
    Starved,
    /// Nothing was heard of the consumer for [`SILENT_BEATS`] heartbeats.
    Silent,
    /// It sent what is no credit.
    Unreadable,
    /// It left by itself.
    Left,
}

impl Farewell {
    /// Close code (4000 and above are the feed's own), and why.
    fn words(self) -> (u16, &'static str) {
        match self {
            Farewell::Left => (1000, "bye"),
            Farewell::End(End::Shutdown) => (1001, "the station stops"),
            Farewell::Unreadable => (1008, "send {credit: n} as JSON"),
            Farewell::End(End::Token) => (4401, "the token changed"),
            Farewell::Starved => (4408, "no credit in time"),
            Farewell::Silent => (4408, "no pong in time"),
            Farewell::End(End::Behind) => (4410, "cursor too old"),
        }
    }
}

/// What a consumer may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    credit: u64,
}

/// One consumer's socket.
struct Talk {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    follower: Follower,
    format: Format,
    /// Events that may still be sent; `None`: not counted.
    credit: Option<u64>,
    /// Since when an event waits for credit.
    starved_since: Option<Instant>,
    /// Pings since the consumer was last heard of.
    unanswered: u32,
}

impl Talk {
    async fn run(mut self) {
        match self.talk().await {
            Ok(farewell) => self.close(farewell).await,
            // the deadline of writing cut it, or it broke off: its last cursor is where it resumes
            Err(error) => tracing::debug!(%error, position = self.follower.position(), "a feed's socket broke off"),
        }
    }

    /// Until one of both ends it.
    async fn talk(&mut self) -> Result<Farewell, Error> {
        self.beat().await?;
        let settings = self.follower.shared.parts.settings.clone();
        let starved_after = Settings::ms(settings.feed_credit_deadline_ms);
        loop {
            let chunk = settings.feed_chunk_events;
            let limit = self.credit.map_or(chunk, |credit| usize::try_from(credit).unwrap_or(chunk).min(chunk));
            self.starved_since = self.follower.holds().then(|| self.starved_since.unwrap_or_else(Instant::now));
            let cut_at = self.starved_since.map(|since| since + starved_after);
            tokio::select! {
                said = self.stream.next() => {
                    self.unanswered = 0;
                    if let Some(farewell) = self.hear(said, settings.feed_credit_max_events)? {
                        return Ok(farewell);
                    }
                }
                next = self.follower.next(limit) => match next {
                    Ok(Next::Events(events)) => self.tell(&events).await?,
                    Ok(Next::Beat) if self.unanswered >= SILENT_BEATS => return Ok(Farewell::Silent),
                    Ok(Next::Beat) => self.beat().await?,
                    Err(end) => return Ok(Farewell::End(end)),
                },
                () = tokio::time::sleep_until(cut_at.unwrap_or_else(Instant::now)), if cut_at.is_some() => {
                    return Ok(Farewell::Starved);
                }
            }
        }
    }

    fn hear(&mut self, said: Option<Result<Message, Error>>, most: u64) -> Result<Option<Farewell>, Error> {
        match said {
            None | Some(Ok(Message::Close(_))) => Ok(Some(Farewell::Left)),
            Some(Ok(Message::Text(text))) => match serde_json::from_str::<Said>(&text) {
                Ok(Said { credit }) => {
                    self.credit = Some(self.credit.unwrap_or(0).saturating_add(credit).min(most));
                    Ok(None)
                }
                Err(_) => Ok(Some(Farewell::Unreadable)),
            },
            Some(Ok(Message::Binary(_))) => Ok(Some(Farewell::Unreadable)),
            // pings are answered by the protocol's own layer
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
            Some(Err(Error::Capacity(_) | Error::Utf8(_))) => Ok(Some(Farewell::Unreadable)),
            Some(Err(error)) => Err(error),
        }
    }

    async fn tell(&mut self, events: &[Arc<Told>]) -> Result<(), Error> {
        let parts = &self.follower.shared.parts;
        let roster = parts.view.roster();
        for told in events {
            let json = self.format.json(told, &roster, &parts.settings.feed_source);
            let text = Utf8Bytes::try_from(json).expect("JSON is UTF-8");
            self.stream.feed(Message::Text(text)).await?;
        }
        self.stream.flush().await?;
        self.credit = self.credit.map(|credit| credit.saturating_sub(events.len() as u64));
        Ok(())
    }

    async fn beat(&mut self) -> Result<(), Error> {
        let text = format!("{{\"type\":\"heartbeat\",{}}}", self.follower.beat());
        self.stream.feed(Message::text(text)).await?;
        self.stream.feed(Message::Ping(Bytes::new())).await?;
        self.unanswered += 1;
        self.stream.flush().await
    }

    /// Says where to resume, and waits a moment for the other end to say goodbye.
    async fn close(&mut self, farewell: Farewell) {
        let (code, why) = farewell.words();
        let resume = self.follower.position();
        if !matches!(farewell, Farewell::Left | Farewell::End(End::Shutdown)) {
            tracing::info!(code, why, resume, "a feed's socket is closed");
            metrics::counter!("fenghuo_command_centre_feed_sockets_closed_total", "why" => why).increment(1);
        }
        let reason = Cow::from(format!("{{\"resume\":{resume},\"why\":\"{why}\"}}"));
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.as_ref().into() };
        let goodbye = async {
            // whoever is gone already needs no farewell
            if self.stream.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        if timeout(GOODBYE, goodbye).await.is_err() {
            tracing::debug!(why, "a consumer did not answer its close frame");
        }
    }
}
