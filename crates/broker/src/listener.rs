//! The port: accepts sockets, runs one task for each, and looks after what falls due.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::{debug, info, warn};

use crate::broker::Hub;
use crate::connection;
use crate::inbound::Outlets;
use crate::link::Link;
use crate::settings::Settings;

/// Opens the port.
pub(crate) fn bind(settings: &Settings) -> io::Result<TcpListener> {
    let socket = match settings.listen.is_ipv4() {
        true => TcpSocket::new_v4()?,
        false => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?; // a restart does not wait for old sockets to be forgotten
    socket.bind(settings.listen)?;
    socket.listen(settings.listen_backlog)
}

/// Runs until the listener is told to drain and all connections have ended.
pub(crate) async fn run(hub: Arc<Hub>, outlets: Arc<Outlets>, listener: TcpListener) {
    let _finished = hub.finished.clone().drop_guard();
    let mut tasks = JoinSet::new();
    let mut port = Port { listener: Some(listener), pause: PAUSE_MIN, not_before: None };
    let mut clock = interval(SWEEP);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = hub.draining.cancelled() => break,
            () = hub.accepting.cancelled(), if port.listener.is_some() => port.listener = None,
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => note(&hub, ended),
            _ = clock.tick() => sweep(&hub, &outlets, &mut tasks),
            accepted = port.accept() => match accepted {
                Ok((stream, peer)) => admit(&hub, &outlets, stream, peer, &mut tasks),
                Err(error) => {
                    hub.meters.accept_errors.add(1);
                    if let Some(muted) = hub.gates.accept.pass() {
                        warn!(%error, muted, "cannot accept a connection; raise the open files limit");
                    }
                }
            },
        }
    }
    drop(port);
    drain(&hub, &mut tasks).await;
}

struct Port {
    listener: Option<TcpListener>,
    /// How long to wait after the next failure.
    pause: Duration,
    not_before: Option<Instant>,
}

impl Port {
    /// The next socket. After a failure it waits a while first: what failed, such as running out of
    /// file descriptors, would fail again at once. Never ready when the port is closed.
    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let Some(listener) = &self.listener else { return std::future::pending().await };
        if let Some(at) = self.not_before {
            sleep_until(at).await;
        }
        match listener.accept().await {
            Ok(accepted) => {
                (self.pause, self.not_before) = (PAUSE_MIN, None);
                Ok(accepted)
            }
            Err(error) => {
                use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
                // These say something about the one socket that was not accepted, not about us.
                if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
                    self.not_before = Some(Instant::now() + self.pause);
                    self.pause = (self.pause * 2).min(PAUSE_MAX);
                }
                Err(error)
            }
        }
    }
}

/// First pause after a failed accept.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// Longest pause after failed accepts.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// How often expired sessions and delayed wills are looked for, and gauges are set.
const SWEEP: Duration = Duration::from_millis(250);

fn admit(hub: &Arc<Hub>, outlets: &Arc<Outlets>, stream: TcpStream, peer: SocketAddr, tasks: &mut JoinSet<()>) {
    hub.meters.accepted.add(1);
    if hub.registry.connections() >= hub.settings.max_connections {
        hub.meters.turned_away.add(1);
        if let Some(muted) = hub.gates.accept.pass() {
            let max = hub.settings.max_connections;
            warn!(max, muted, "too many connections; a new one was closed (max_connections)");
        }
        return;
    }
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a socket died before it was looked at");
        return;
    }
    let link = Arc::new(Link::default());
    let presence = Presence::new(hub.clone(), link.clone());
    let (hub, outlets) = (hub.clone(), outlets.clone());
    tasks.spawn(async move {
        let _presence = presence;
        connection::run(hub, outlets, link, stream, peer).await;
    });
}

/// Counts a connection for as long as its task lives, however the task ends.
struct Presence {
    hub: Arc<Hub>,
    number: u64,
}

impl Presence {
    fn new(hub: Arc<Hub>, link: Arc<Link>) -> Presence {
        let number = hub.registry.number();
        hub.registry.add_link(number, link);
        metrics::gauge!("fenghuo_broker_connections").increment(1);
        Presence { hub, number }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.hub.registry.remove_link(self.number);
        metrics::gauge!("fenghuo_broker_connections").decrement(1);
    }
}

fn note(hub: &Hub, ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        hub.meters.panics.add(1);
        warn!("a connection's task panicked at its end; please report the backtrace above");
    }
}

/// Says how full things are, ends sessions whose time has come, and publishes wills that are due,
/// in tasks of their own: the consumer may have no room.
fn sweep(hub: &Arc<Hub>, outlets: &Arc<Outlets>, tasks: &mut JoinSet<()>) {
    let waiting = |queue, used: usize| {
        metrics::gauge!("fenghuo_broker_inlet_waiting", "inlet" => queue).set(used as f64);
    };
    waiting("urgent", outlets.urgent.max_capacity() - outlets.urgent.capacity());
    waiting("normal", outlets.normal.max_capacity() - outlets.normal.capacity());
    waiting("sessions", outlets.sessions.max_capacity() - outlets.sessions.capacity());
    metrics::gauge!("fenghuo_broker_sessions").set(hub.registry.sessions() as f64);
    hub.expire_retained();
    for due in hub.registry.due(Instant::now()) {
        hub.meters.expired.add(usize::from(due.expired));
        if let Some(will) = due.will {
            let (hub, outlets) = (hub.clone(), outlets.clone());
            tasks.spawn(async move {
                connection::publish_will(&hub, &outlets, &due.session, *will).await;
            });
        }
    }
}

/// Lets every connection finish what it has, then cuts what is left.
async fn drain(hub: &Hub, tasks: &mut JoinSet<()>) {
    let deadline = Instant::now() + Duration::from_millis(hub.settings.drain_deadline_ms);
    info!(connections = hub.registry.connections(), "draining");
    hub.registry.drain_all();
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(ended) => note(hub, ended),
                None => break,
            },
            () = sleep_until(deadline) => {
                warn!(left = tasks.len(), "drain deadline passed; connections are cut");
                tasks.shutdown().await;
                break;
            }
        }
    }
    info!("all connections ended");
}
