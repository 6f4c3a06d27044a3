//! What carries the bytes of a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::settings::Settings;
use crate::websocket::WebSocket;

/// How clients reach a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    Tls,
    WebSocket,
    WebSocketTls,
}

impl Transport {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Transport::Plain => "tcp",
            Transport::Tls => "tls",
            Transport::WebSocket => "websocket",
            Transport::WebSocketTls => "websocket_tls",
        }
    }
}

/// An open connection. Small when plain, since there are many of those.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    WebSocket(Box<WebSocket>),
}

impl Stream {
    /// The client's certificate (DER), which the handshake has verified.
    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        self.certificates().first().map(|certificate| certificate.as_ref())
    }

    /// The client was let in.
    pub(crate) fn admitted(&mut self, settings: &Settings) {
        if let Stream::WebSocket(websocket) = self {
            websocket.admitted(settings);
        }
    }

    /// The same and those between it and its authority, as the client sent them.
    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        match self {
            Stream::Plain(_) => &[],
            Stream::Tls(tls) => chain(tls),
            Stream::WebSocket(websocket) => websocket.certificates(),
        }
    }
}

pub(crate) fn chain(tls: &TlsStream<TcpStream>) -> &[CertificateDer<'static>] {
    tls.get_ref().1.peer_certificates().unwrap_or_default()
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Stream::Tls(tls) => Pin::new(&mut **tls).poll_read(cx, buffer),
            Stream::WebSocket(websocket) => websocket.poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Stream::Tls(tls) => Pin::new(&mut **tls).poll_write(cx, bytes),
            Stream::WebSocket(websocket) => websocket.poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(_) => Poll::Ready(Ok(())), // nothing is held back
            Stream::Tls(tls) => Pin::new(&mut **tls).poll_flush(cx),
            Stream::WebSocket(websocket) => websocket.poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(&mut **tls).poll_shutdown(cx),
            Stream::WebSocket(websocket) => websocket.poll_close(cx),
        }
    }
}
