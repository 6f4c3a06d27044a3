//! The port: accepts sockets, runs one task for each, and looks after what falls due.

mod port;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::{debug, info, warn};

pub(crate) use self::port::Ports;
use self::port::{Accepted, Port};
use crate::broker::StartError;
use crate::connection;
use crate::door::Arrival;
use crate::hub::Hub;
use crate::inbound::Outlets;
use crate::limits::TurnedAway;
use crate::link::Link;
use crate::settings::Settings;
use crate::stream::Transport;

/// Opens all ports and says where they are.
pub(crate) fn bind(settings: &Settings) -> Result<(Ports, Vec<(Transport, SocketAddr)>), StartError> {
    let wanted = [
        (Transport::Plain, Some(settings.listen)),
        (Transport::Tls, settings.tls_listen),
        (Transport::WebSocket, settings.websocket_listen),
        (Transport::WebSocketTls, settings.websocket_tls_listen),
    ];
    let (mut ports, mut addresses) = (Vec::new(), Vec::new());
    for (transport, listen) in wanted {
        let Some(listen) = listen else { continue };
        let failed = |source| StartError::Listen { listen, source };
        let port = Port::open(listen, transport, settings).map_err(failed)?;
        let local_addr = port.local_addr().map_err(failed)?;
        info!(%local_addr, transport = transport.as_str(), "listening for MQTT 3.1.1 and 5.0");
        addresses.push((transport, local_addr));
        ports.push(port);
    }
    Ok((Ports::new(ports), addresses))
}

/// Runs until the listener is told to drain and all connections have ended.
pub(crate) async fn run(hub: Arc<Hub>, outlets: Arc<Outlets>, ports: Ports) {
    let _finished = hub.finished.clone().drop_guard();
    let mut tasks = JoinSet::new();
    let mut ports = ports;
    let (mut open, mut accepting) = (hub.open.is_cancelled(), true);
    let mut clock = interval(SWEEP);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut files = interval(Duration::from_secs(hub.settings.tls_reload_s.max(1)));
    files.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch_files = hub.settings.tls_reload_s > 0 && hub.door.tls.is_some();
    loop {
        tokio::select! {
            () = hub.draining.cancelled() => break,
            () = hub.open.cancelled(), if !open => open = true,
            () = hub.accepting.cancelled(), if accepting => {
                accepting = false;
                ports = Ports::new(Vec::new());
            }
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => note(&hub, ended),
            _ = clock.tick() => sweep(&hub, &outlets, &mut tasks),
            _ = files.tick(), if watch_files => look_at_files(&hub, &mut tasks),
            accepted = ports.accept(), if open => match accepted {
                Accepted::Socket(transport, stream, peer) => {
                    admit(&hub, &outlets, (stream, peer, transport), &mut tasks);
                }
                Accepted::Failed(error, shed) => {
                    hub.meters.accept_errors.add(1);
                    hub.meters.shed_no_file.add(shed);
                    if let Some(muted) = hub.gates.accept.pass() {
                        warn!(%error, shed, muted, "cannot accept connections; raise the open files limit");
                    }
                }
            },
        }
    }
    drop(ports);
    drain(&hub, &mut tasks).await;
}

/// Off this task, since a disk may take a while.
fn look_at_files(hub: &Arc<Hub>, tasks: &mut JoinSet<()>) {
    let hub = hub.clone();
    tasks.spawn_blocking(move || {
        if hub.door.look_at_certificates() {
            hub.registry.wake_all();
        }
    });
}

/// How often expired sessions and delayed wills are looked for, and gauges are set.
const SWEEP: Duration = Duration::from_millis(250);

/// Connections beyond `max_connections` whose CONNECT is read to tell the client why it is turned away.
const SURPLUS_HEARD: usize = 64;

type Socket = (TcpStream, SocketAddr, Transport);

fn admit(hub: &Arc<Hub>, outlets: &Arc<Outlets>, socket: Socket, tasks: &mut JoinSet<()>) {
    let (stream, peer, transport) = socket;
    let now = Instant::now();
    hub.meters.accepted.add(1);
    let surplus = (hub.registry.connections() + 1).saturating_sub(hub.settings.max_connections);
    if surplus > 0 {
        hub.meters.turned_away.add(1);
        if let Some(muted) = hub.gates.accept.pass() {
            let max = hub.settings.max_connections;
            warn!(max, muted, "too many connections; a new one was turned away (max_connections)");
        }
        if surplus > SURPLUS_HEARD || transport != Transport::Plain {
            return;
        }
    }
    let half_open = match hub.door.limits.arrive(peer.ip(), now) {
        Ok(half_open) => half_open,
        Err(why) => return turn_away(hub, peer, why),
    };
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a socket died before it was looked at");
        return;
    }
    let link = Arc::new(Link::default());
    let presence = Presence::new(hub.clone(), link.clone());
    let (hub, outlets) = (hub.clone(), outlets.clone());
    let connect_by = now + Duration::from_millis(hub.settings.connect_deadline_ms);
    let arrival = Arrival { stream, peer, transport, connect_by, half_open, is_surplus: surplus > 0 };
    tasks.spawn(async move {
        let _presence = presence;
        connection::run(hub, outlets, link, arrival).await;
    });
}

fn turn_away(hub: &Hub, peer: SocketAddr, why: TurnedAway) {
    match why {
        TurnedAway::Fast | TurnedAway::FastOfAddress => hub.meters.connects_too_fast.add(1),
        TurnedAway::HalfOpen | TurnedAway::HalfOpenOfAddress => hub.meters.half_open_full.add(1),
    }
    if let Some(muted) = hub.door.turned_away.pass() {
        warn!(%peer, why = why.as_str(), muted, "connection closed at once");
    }
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
    metrics::gauge!("fenghuo_broker_queued_bytes").set(hub.registry.stock.bytes() as f64);
    hub.expire_retained();
    metrics::gauge!("fenghuo_broker_connections_half_open").set(hub.door.limits.half_open() as f64);
    for due in hub.registry.due(Instant::now()) {
        hub.meters.expired.add(usize::from(due.expired));
        hub.pass_on(due.remains);
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
