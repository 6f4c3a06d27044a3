//! Listening, connections and their limits, and the end.

mod socket;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use model::Ledger;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::Access;
use crate::actions::{Actions, Devices, RiskHistory};
use crate::callbacks::Callbacks;
use crate::clients::Clients;
use crate::extract::Peer;
use crate::judging::Judging;
use crate::photos::Photos;
use crate::router;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::vendors::Vendors;
use crate::view::View;
use socket::Socket;

/// Pause after a failed accept, as when the process has no file left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const BACKLOG: u32 = 1024;
/// Buffer of a connection in the process, bytes: of a head at most, and of what waits to be written.
const BUFFER_BYTES: usize = 64 * 1024;

/// Every check of readiness by name, with what is wrong.
pub type Checks = Vec<(&'static str, Result<(), String>)>;

/// What the command centre stands on; the station joins it.
pub struct Parts {
    pub settings: Settings,
    pub view: Arc<View>,
    pub ledger: Arc<dyn Ledger>,
    pub access: Arc<dyn Access>,
    pub actions: Arc<dyn Actions>,
    /// The view itself, or something fresher.
    pub devices: Arc<dyn Devices>,
    pub risk: Arc<dyn RiskHistory>,
    pub clients: Arc<dyn Clients>,
    pub vendors: Arc<dyn Vendors>,
    pub judging: Arc<dyn Judging>,
    pub callbacks: Arc<dyn Callbacks>,
    pub photos: Arc<dyn Photos>,
    /// Names of the webhooks that are set up, to which alerts can be handed off.
    pub webhooks: Arc<[Box<str>]>,
    /// Renders every metric of the process, as Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether every stage takes work; quick.
    pub ready: Arc<dyn Fn() -> Checks + Send + Sync>,
}

/// The HTTP server.
pub struct CommandCentre;

/// Why it could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(
        "cannot listen on {address} for HTTP: {source}. Is another station running? Set http.listen to a free address"
    )]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the command centre's settings cannot work: {0}")]
    Settings(String),
}

impl CommandCentre {
    /// Listens and serves until `shutdown` is cancelled; the task ends when the last connection has, at the latest
    /// [`Settings::shutdown_grace_ms`] later. Returns the address it listens on.
    ///
    /// # Errors
    /// [`ServeError`] when the settings cannot work or the address cannot be had.
    pub async fn serve(parts: Parts, shutdown: CancellationToken) -> Result<(SocketAddr, JoinHandle<()>), ServeError> {
        let faults = parts.settings.faults();
        if !faults.is_empty() {
            return Err(ServeError::Settings(faults.join("; ")));
        }
        let settings = parts.settings.clone();
        let address = settings.listen;
        let listener = listen(&settings).map_err(|source| ServeError::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
        let shared = Arc::new(Shared::new(parts, shutdown.clone()));
        let app = router::build(&shared);
        tracing::info!(%address, "the command centre listens");
        let task = tokio::spawn(accept(listener, app, settings, shutdown, shared.sockets.clone()));
        Ok((address, task))
    }
}

fn listen(settings: &Settings) -> std::io::Result<TcpListener> {
    let socket = if settings.listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // accepted sockets have the listener's buffer size
    socket.set_send_buffer_size(settings.send_buffer_bytes)?;
    socket.bind(settings.listen)?;
    socket.listen(BACKLOG)
}

async fn accept(
    listener: TcpListener,
    app: Router,
    settings: Settings,
    shutdown: CancellationToken,
    sockets: TaskTracker,
) {
    let settings = Arc::new(settings);
    let permits = Arc::new(Semaphore::new(settings.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                note_end(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match Arc::clone(&permits).try_acquire_owned() {
                Ok(permit) => {
                    let served =
                        connection(stream, peer.ip(), app.clone(), Arc::clone(&settings), shutdown.clone(), permit);
                    connections.spawn(served);
                    metrics::gauge!("fenghuo_command_centre_connections").set(connections.len() as f64);
                }
                Err(_) => refuse(&stream, peer.ip()),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let grace = Settings::ms(settings.shutdown_grace_ms);
    let all_ended = tokio::time::timeout(grace, async {
        while let Some(ended) = connections.join_next().await {
            note_end(ended);
        }
        sockets.close();
        sockets.wait().await;
    });
    if all_ended.await.is_err() {
        tracing::warn!(left = connections.len() + sockets.len(), "connections were cut at shutdown");
        connections.shutdown().await;
    }
    tracing::info!("the command centre has stopped");
}

fn note_end(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection of the command centre ended in a panic");
    }
}

/// Too many connections: says so as far as the socket takes it at once, and closes.
fn refuse(stream: &TcpStream, peer: IpAddr) {
    const ANSWER: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    metrics::counter!("fenghuo_command_centre_connections_refused_total").increment(1);
    let told = stream.try_write(ANSWER).is_ok();
    tracing::warn!(%peer, told, "a connection was refused: connections_max are open");
}

async fn connection(
    stream: TcpStream,
    peer: IpAddr,
    app: Router,
    settings: Arc<Settings>,
    shutdown: CancellationToken,
    permit: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a socket did not take TCP_NODELAY");
    }
    let socket = Socket::new(stream, Settings::ms(settings.feed_write_deadline_ms));
    let app = TowerToHyperService::new(app);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        app.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Settings::ms(settings.head_deadline_ms))
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection broke off");
    }
    drop(permit);
}
