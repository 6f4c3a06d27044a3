//! MQTT over WebSocket (MQTT 5 section 6): packets in binary frames, which need not begin and end where packets do.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::{Sink, Stream};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::settings::Settings;
use crate::stream::chain;

/// What lies under the frames.
pub(crate) enum Carrier {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A WebSocket as a stream of bytes.
pub(crate) struct WebSocket {
    inner: WebSocketStream<Rationed>,
    /// What of the last frame was not read yet.
    rest: Bytes,
    /// The client has broken the protocol; what it still sends is thrown away.
    failed: bool,
    allowance: usize,
    refilled_at: Instant,
}

/// Bytes read from the socket at a time.
const READ_BYTES: usize = 4 * 1024;
/// Bytes sent in one frame.
const FRAME_BYTES: usize = 32 * 1024;
/// What a byte of MQTT may cost on the wire: a frame around each byte takes seven.
const WIRE_BYTES_PER_BYTE: usize = 8;
/// What may come beside MQTT, such as pings and empty frames, bytes a second and bytes at once.
const BARREN_BYTES_PER_S: usize = 4 * 1024;
const BARREN_BYTES: usize = 64 * 1024;
/// Frames without a byte of MQTT before others get their turn.
const BARREN_FRAMES_PER_POLL: usize = 64;
/// The name of MQTT among WebSocket protocols (MQTT-6.0.0-3).
const PROTOCOL: &str = "mqtt";

/// Takes the opening request and answers it.
pub(crate) async fn open(carrier: Carrier, settings: &Settings) -> io::Result<WebSocket> {
    let limit = settings.packet_limit_bytes.max(settings.connect_limit_bytes);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    let stream = Rationed { carrier, left: settings.websocket_request_bytes };
    let mut inner = tokio_tungstenite::accept_hdr_async_with_config(stream, choose, Some(config))
        .await
        .map_err(|error| io::Error::other(error.to_string()))?;
    let allowance = settings.connect_limit_bytes + BARREN_BYTES;
    inner.get_mut().left = allowance;
    Ok(WebSocket { inner, rest: Bytes::new(), failed: false, allowance, refilled_at: Instant::now() })
}

/// Only clients that ask for MQTT are served (MQTT-6.0.0-3).
#[expect(clippy::result_large_err, reason = "the handshake's own signature")]
fn choose(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get_all("Sec-WebSocket-Protocol");
    let wanted = offered.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    if !wanted.map(str::trim).any(|protocol| protocol == PROTOCOL) {
        let mut refusal = ErrorResponse::new(Some("ask for the WebSocket protocol \"mqtt\"\n".to_owned()));
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        return Err(refusal);
    }
    response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(PROTOCOL));
    Ok(response)
}

impl WebSocket {
    /// The client was let in: its packets may be as long as any.
    pub(crate) fn admitted(&mut self, settings: &Settings) {
        self.allowance = settings.packet_limit_bytes.max(settings.connect_limit_bytes) + BARREN_BYTES;
        self.inner.get_mut().left = self.allowance;
    }

    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        match &self.inner.get_ref().carrier {
            Carrier::Plain(_) => &[],
            Carrier::Tls(tls) => chain(tls),
        }
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.failed {
            return Pin::new(&mut self.inner.get_mut().carrier).poll_read(cx, buffer);
        }
        for _ in 0..BARREN_FRAMES_PER_POLL {
            if !self.rest.is_empty() {
                let count = self.rest.len().min(buffer.remaining());
                buffer.put_slice(&self.rest[..count]);
                self.rest.advance(count);
                self.refill(count);
                if self.rest.is_empty() {
                    self.rest = Bytes::new();
                }
                return Poll::Ready(Ok(()));
            }
            self.refill(0);
            match ready!(Pin::new(&mut self.inner).poll_next(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                Some(Ok(Message::Text(_))) => {
                    return Poll::Ready(Err(self.fail(CloseCode::Unsupported, "MQTT comes in binary frames")));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_))) => {}
                Some(Err(Error::Capacity(_))) => {
                    return Poll::Ready(Err(self.fail(CloseCode::Size, "frame beyond the packet limit")));
                }
                Some(Err(Error::Io(error))) if error.kind() == io::ErrorKind::QuotaExceeded => {
                    return Poll::Ready(Err(self.fail(CloseCode::Policy, "too much beside MQTT")));
                }
                Some(Err(Error::Io(error))) => return Poll::Ready(Err(error)),
                Some(Err(_)) => return Poll::Ready(Err(self.fail(CloseCode::Protocol, "not WebSocket"))),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.inner).poll_ready(cx)).map_err(into_io)?;
        let bytes = &bytes[..bytes.len().min(FRAME_BYTES)];
        let frame = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.inner).start_send(frame).map_err(into_io)?;
        Poll::Ready(Ok(bytes.len()))
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx).map_err(into_io)
    }

    /// Says goodbye in WebSocket's own terms.
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.failed {
            ready!(self.poll_flush(cx))?;
            return Pin::new(&mut self.inner.get_mut().carrier).poll_shutdown(cx);
        }
        Pin::new(&mut self.inner).poll_close(cx).map_err(into_io)
    }

    /// MQTT pays for the bytes that bring it; the rest comes out of a small ration.
    fn refill(&mut self, count: usize) {
        let mut earned = count * WIRE_BYTES_PER_BYTE;
        if self.refilled_at.elapsed() >= REFILL {
            let elapsed_s = usize::try_from(self.refilled_at.elapsed().as_secs()).unwrap_or(usize::MAX);
            earned = earned.saturating_add(elapsed_s.saturating_mul(BARREN_BYTES_PER_S));
            self.refilled_at = Instant::now();
        }
        let left = &mut self.inner.get_mut().left;
        *left = left.saturating_add(earned).min(self.allowance);
    }

    fn fail(&mut self, code: CloseCode, reason: &'static str) -> io::Error {
        self.failed = true;
        let last_words = CloseFrame { code, reason: reason.into() };
        // If it cannot be queued the client is not listening.
        drop(Pin::new(&mut self.inner).start_send(Message::Close(Some(last_words))));
        io::Error::new(io::ErrorKind::InvalidData, reason)
    }
}

/// How often time adds to the ration.
const REFILL: Duration = Duration::from_secs(1);

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// A carrier from which so many bytes may be read.
struct Rationed {
    carrier: Carrier,
    left: usize,
}

impl AsyncRead for Rationed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
        }
        let room = buffer.remaining().min(this.left);
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        ready!(Pin::new(&mut this.carrier).poll_read(cx, &mut part))?;
        let count = part.filled().len();
        this.left -= count;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rationed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.carrier).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.carrier).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.carrier).poll_shutdown(cx)
    }
}

impl AsyncRead for Carrier {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Carrier::Tls(tls) => Pin::new(&mut **tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Carrier {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Carrier::Tls(tls) => Pin::new(&mut **tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Carrier::Tls(tls) => Pin::new(&mut **tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Carrier::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Carrier::Tls(tls) => Pin::new(&mut **tls).poll_shutdown(cx),
        }
    }
}
