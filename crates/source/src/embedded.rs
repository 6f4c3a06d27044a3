//! A rumqttd inside this process.
//!
//! It has threads of its own: one for its router and one for its sockets. Its router ends when it meets a bug, and with
//! it the whole broker; that is noticed within [`LOOK_EVERY`], told, and a new one is started on the same port.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use rumqttd::protocol::v4::V4;
use rumqttd::{ConnectionSettings, LinkType, Router, RouterConfig, Server, ServerSettings};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::backoff::BackOff;
use crate::settings::{Mqtt, Protocol, SettingsError};

/// The name of the source that reads from it.
pub(crate) const NAME: &str = "embedded";
/// How often its router is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often it is tried until it listens for the first time.
const FIRST_LOOK_EVERY: Duration = Duration::from_millis(5);
/// rumqttd's log is cut into so many pieces; the oldest is dropped when a new one is begun.
const SEGMENTS: usize = 16;
/// rumqttd has no more than this unacknowledged towards one client.
const WINDOW: u16 = 100;

/// What can be set of the embedded broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Embedded {
    /// Where it listens for MQTT 3.1.1; a loopback address. Default 127.0.0.1:1884.
    pub listen: SocketAddr,
    /// User name and password that every client gives; none: everybody comes in. Default none.
    pub users: HashMap<String, String>,
    /// Clients at a time. Default 1000.
    pub connections_max: usize,
    /// Largest packet, bytes. Default 65,536.
    pub packet_limit_bytes: usize,
    /// Memory for messages on their way, bytes; what the station has not read by then is lost. Default 268,435,456.
    pub memory_limit_bytes: usize,
    /// Connections with which the station reads from it. Default 1.
    pub connections: usize,
}

impl Default for Embedded {
    fn default() -> Embedded {
        Embedded {
            listen: ([127, 0, 0, 1], 1884).into(),
            users: HashMap::new(),
            connections_max: 1000,
            packet_limit_bytes: 65_536,
            memory_limit_bytes: 268_435_456,
            connections: 1,
        }
    }
}

/// Why it did not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The port is taken, or not ours to take.
    #[error("the embedded rumqttd cannot listen on {listen}: {source}; free the port or set [source.embedded] listen")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// No thread to be had.
    #[error("the embedded rumqttd got no thread: {0}")]
    Thread(std::io::Error),
}

impl Embedded {
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        if !self.listen.ip().is_loopback() || self.listen.port() == 0 {
            return Err(SettingsError::Embedded(self.listen));
        }
        let limits = [
            ("embedded.connections_max", self.connections_max, 2..=1_000_000, "2 to 1,000,000"),
            ("embedded.packet_limit_bytes", self.packet_limit_bytes, 1024..=1 << 28, "1024 to 268,435,456 bytes"),
            ("embedded.memory_limit_bytes", self.memory_limit_bytes, 1 << 20..=1 << 40, "1 MiB to 1 TiB"),
        ];
        for (key, value, range, words) in limits {
            if !range.contains(&value) {
                let (name, value) = (NAME.to_owned(), value as u64);
                return Err(SettingsError::OutOfRange { name, key, value, range: words });
            }
        }
        self.client().check()
    }

    /// How the station reads from it.
    pub(crate) fn client(&self) -> Mqtt {
        let login = self.users.iter().min();
        Mqtt {
            name: NAME.to_owned(),
            host: self.listen.ip().to_string(),
            port: self.listen.port(),
            protocol: Protocol::V311,
            user: login.map(|(user, _)| user.clone()),
            password: login.map(|(_, password)| password.clone()),
            connections: self.connections,
            receive_window: WINDOW,
            back_off_max_ms: 2000,
            ..Mqtt::default()
        }
    }

    fn server(&self) -> ServerSettings {
        ServerSettings {
            name: "rumqttd".to_owned(),
            listen: self.listen,
            tls: None,
            next_connection_delay_ms: 0,
            connections: ConnectionSettings {
                connection_timeout_ms: 5000,
                max_payload_size: self.packet_limit_bytes,
                max_inflight_count: WINDOW.into(),
                auth: (!self.users.is_empty()).then(|| self.users.clone()),
                external_auth: None,
                dynamic_filters: true,
            },
        }
    }

    fn router(&self) -> Router {
        let config = RouterConfig {
            max_connections: self.connections_max,
            max_outgoing_packet_count: 200,
            max_segment_size: self.memory_limit_bytes / SEGMENTS,
            max_segment_count: SEGMENTS,
            ..RouterConfig::default()
        };
        Router::new(0, config)
    }
}

/// The running broker.
pub(crate) struct Running {
    stop: CancellationToken,
    thread: std::thread::JoinHandle<()>,
}

/// Starts it, and says what it does not promise.
pub(crate) fn start(settings: Embedded) -> Result<Running, EmbeddedError> {
    let listen = settings.listen;
    // rumqttd tells nobody when it gets no port
    std::net::TcpListener::bind(listen).map_err(|source| EmbeddedError::Listen { listen, source })?;
    tracing::warn!(
        %listen,
        "rumqttd runs inside this process. It acknowledges a message before anything has stored it and keeps nothing on \
         disk: what the station has not read when it ends, crashes or falls behind by memory_limit_bytes is lost, though \
         its sender was told otherwise. It checks no topic permissions, so any client may speak for any device. One \
         message with a topic that it cannot handle ends it for all clients until it is started again. Devices that \
         must not lose an alarm belong on the station's own listener, [mqtt] listen"
    );
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let thread = std::thread::Builder::new().name("rumqttd".to_owned()).spawn(move || supervise(&settings, &stopped));
    Ok(Running { stop, thread: thread.map_err(EmbeddedError::Thread)? })
}

impl Running {
    /// Closes its port and its connections.
    pub(crate) async fn shutdown(self) {
        self.stop.cancel();
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the thread of the embedded rumqttd panicked: report the panic in this log");
        }
    }
}

/// Waits until it takes connections, which it tells nobody.
pub(crate) async fn listens(listen: SocketAddr, stop: &CancellationToken) {
    let listening = async {
        while tokio::net::TcpStream::connect(listen).await.is_err() {
            tokio::time::sleep(FIRST_LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = listening => {}
        () = stop.cancelled() => {}
    }
}

/// How a run of the broker ended.
enum Ended {
    Stopped,
    Router,
    Listener(String),
}

/// Runs it until told to stop, again and again.
fn supervise(settings: &Embedded, stop: &CancellationToken) {
    let restarts = metrics::counter!("fenghuo_source_embedded_restarts_total");
    let mut back_off = BackOff::new(100, 5000);
    let mut router = settings.router().spawn();
    while !stop.is_cancelled() {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "the embedded rumqttd got no runtime and is not there: start the station again");
                return;
            }
        };
        let mut server = Server::new(settings.server(), router.clone(), V4);
        let run = async {
            tokio::select! {
                () = stop.cancelled() => Ended::Stopped,
                () = until(|| router.is_disconnected()) => Ended::Router,
                ended = server.start(LinkType::Remote) => Ended::Listener(match ended {
                    Ok(()) => "its listener ended".to_owned(),
                    Err(error) => error.to_string(),
                }),
            }
        };
        // it logs an error for every client that goes away
        let quiet = tracing::subscriber::NoSubscriber::default();
        match tracing::subscriber::with_default(quiet, || runtime.block_on(run)) {
            Ended::Stopped => return,
            Ended::Router => {
                tracing::error!(
                    "the router of the embedded rumqttd ended by a bug of its own: messages that it had acknowledged and \
                     the station had not read are lost; it is started again. Find the client that publishes odd topics, \
                     or let devices use the station's own listener"
                );
                router = settings.router().spawn();
            }
            Ended::Listener(error) => tracing::error!(
                listen = %settings.listen,
                "the embedded rumqttd cannot listen and takes no messages: {error}; it is tried again"
            ),
        }
        restarts.increment(1);
        let wait = back_off.wait();
        runtime.block_on(async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        });
    }
}

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
