//! From a TCP accept to a stream of bytes: who may try, TLS handshakes and WebSocket requests.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::Acceptor;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, info, warn};

use crate::broker::Broker;
use crate::hub::Hub;
use crate::limits::{HalfOpen, Limits};
use crate::meter::Gate;
use crate::settings::Settings;
use crate::stream::{Stream, Transport};
use crate::tls::{Tls, TlsError};
use crate::websocket::{self, Carrier};

/// What the ports of a listener share.
pub(crate) struct Door {
    pub(crate) limits: Arc<Limits>,
    pub(crate) tls: Option<Tls>,
    handshakes: Semaphore,
    handshake_failed: Gate,
    pub(crate) throttled: Gate,
    pub(crate) turned_away: Gate,
}

impl Door {
    pub(crate) fn new(settings: &Settings) -> Result<Door, TlsError> {
        Ok(Door {
            limits: Arc::new(Limits::new(settings, Instant::now())),
            tls: Tls::open(settings)?,
            handshakes: Semaphore::new(settings.tls_handshakes_max),
            handshake_failed: Gate::new(),
            throttled: Gate::new(),
            turned_away: Gate::new(),
        })
    }

    /// Reads the certificates again.
    pub(crate) fn reload_tls(&self) -> Result<(), TlsError> {
        say(self.tls.as_ref().ok_or(TlsError::NoTls)?.reload())
    }

    /// Reads the certificates again if a file has changed; true if others are in force now.
    pub(crate) fn look_at_certificates(&self) -> bool {
        let outcome = self.tls.as_ref().and_then(Tls::reload_if_changed);
        outcome.is_some_and(|outcome| say(outcome).is_ok()) // said; else the certificates of before stay
    }

    /// See [`Tls::version`].
    pub(crate) fn tls_version(&self) -> u64 {
        self.tls.as_ref().map_or(0, Tls::version)
    }
}

impl Broker {
    /// The address of the plain listener.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr(Transport::Plain).expect("a listener has a plain port")
    }

    /// The address of the TLS listener, if there is one.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.addr(Transport::Tls)
    }

    /// The address of the WebSocket listener, if there is one.
    pub fn websocket_addr(&self) -> Option<SocketAddr> {
        self.addr(Transport::WebSocket)
    }

    /// The address of the WebSocket listener with TLS, if there is one.
    pub fn websocket_tls_addr(&self) -> Option<SocketAddr> {
        self.addr(Transport::WebSocketTls)
    }

    fn addr(&self, wanted: Transport) -> Option<SocketAddr> {
        self.addresses.iter().find(|(transport, _)| *transport == wanted).map(|(_, address)| *address)
    }

    /// Reads certificates, keys, authorities and revocation lists again. Nothing is resumed from before. Open connections
    /// stay, but for those whose certificate is revoked or of an authority that is not trusted any more.
    ///
    /// # Errors
    /// See [`TlsError`]; what was in use stays in use.
    pub fn reload_tls(&self) -> Result<(), TlsError> {
        self.hub.door.reload_tls()?;
        self.hub.registry.wake_all();
        Ok(())
    }
}

fn say(outcome: Result<(), TlsError>) -> Result<(), TlsError> {
    match &outcome {
        Ok(()) => info!("TLS certificates read again"),
        Err(error) => warn!(%error, "TLS certificates not changed: those of before stay in use; correct the file"),
    }
    outcome
}

/// A socket that was accepted.
pub(crate) struct Arrival {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) transport: Transport,
    /// When its CONNECT must be there.
    pub(crate) connect_by: Instant,
    pub(crate) half_open: HalfOpen,
    /// There are enough already: it is told so and closed.
    pub(crate) is_surplus: bool,
}

/// Brings the stream of bytes about; `None` if the client failed to in time.
pub(crate) async fn open(
    hub: &Hub,
    stream: TcpStream,
    transport: Transport,
    peer: SocketAddr,
    by: Instant,
) -> Option<Stream> {
    if transport == Transport::Plain {
        return Some(Stream::Plain(stream));
    }
    let opening = timeout_at(by, Box::pin(shake_hands(hub, stream, transport)));
    let outcome = tokio::select! {
        outcome = opening => outcome,
        () = hub.draining.cancelled() => return None,
    };
    let error = match outcome {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => error,
        Err(_) => io::Error::new(io::ErrorKind::TimedOut, "not finished in time (connect_deadline_ms)"),
    };
    hub.meters.handshakes_failed.add(1);
    let transport = transport.as_str();
    if error.kind() == io::ErrorKind::UnexpectedEof {
        debug!(%peer, transport, "closed before the end of the handshake"); // health checks and port scans
    } else if let Some(muted) = hub.door.handshake_failed.pass() {
        warn!(%peer, transport, %error, muted, "handshake failed; see the client's certificate, CA and protocol");
    }
    None
}

async fn shake_hands(hub: &Hub, stream: TcpStream, transport: Transport) -> io::Result<Stream> {
    let settings = &hub.settings;
    let websocket = |opened| Stream::WebSocket(Box::new(opened));
    match transport {
        Transport::Plain => Ok(Stream::Plain(stream)),
        Transport::Tls => Ok(Stream::Tls(Box::new(secure(hub, stream).await?))),
        Transport::WebSocket => websocket::open(Carrier::Plain(stream), settings).await.map(websocket),
        Transport::WebSocketTls => {
            let tls = Box::new(secure(hub, stream).await?);
            websocket::open(Carrier::Tls(tls), settings).await.map(websocket)
        }
    }
}

/// The TLS handshake. A turn is asked for only once the client has said hello in full, and kept only for a while: who
/// opens sockets and says nothing keeps nobody out.
async fn secure(hub: &Hub, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let Some(tls) = &hub.door.tls else { return Err(io::Error::other("no certificate")) };
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let turn = hub.door.handshakes.acquire().await.map_err(io::Error::other)?;
    let mut handshake = hello.into_stream(tls.config());
    let length = Duration::from_millis(hub.settings.tls_handshake_turn_ms);
    let done = match timeout(length, &mut handshake).await {
        Ok(done) => done?,
        Err(_) => {
            drop(turn);
            handshake.await?
        }
    };
    hub.meters.handshakes.add(1);
    Ok(done)
}
