//! One MQTT 3.1.1 connection that does not give up: sends in order, keeps what is owed a PUBACK until it comes, and sends it
//! again over the next connection.
//!
//! rumqttc forgets what was in flight when the station has no session for it, so the link keeps its own account: what it
//! handed over, what went out under which packet id, what came back. Retries wait exponentially longer, with jitter, so that a
//! city does not return all at once.

use crate::{stats::Counters, wire::Publish};
use rand::Rng;
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, LastWill, MqttOptions, Outgoing, QoS};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::timeout,
};

/// Messages waiting in front of one link.
pub const QUEUE_MAX: usize = 1_024;
/// Messages without PUBACK on one connection.
pub const WINDOW_MAX: u16 = 64;
/// Largest packet either way, bytes.
pub const PACKET_MAX_BYTES: usize = 64 * 1024;
/// First and longest wait before a new attempt, ms.
const BACKOFF_MS: (u64, u64) = (500, 30_000);
/// How long a link that is closed waits for what it is owed.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);
/// A device that loses power has this long for its last words.
const LAST_WORDS_MAX: Duration = Duration::from_secs(2);

/// Where the station listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub host: String,
    pub port: u16,
}

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = parts.ok_or_else(|| format!("{text:?} is not HOST:PORT, for example 127.0.0.1:1883"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Ok(Self { host: if host.is_empty() { "127.0.0.1" } else { host }.into(), port })
    }
}

/// Where messages from the station go: topic and payload.
pub type Inbox = mpsc::Sender<(String, Vec<u8>)>;

/// Who connects.
#[derive(Debug, Clone)]
pub struct Account {
    pub client_id: String,
    pub name: String,
    pub secret: String,
    /// Topic and payload that the station publishes when the connection breaks.
    pub will: Option<(String, Vec<u8>)>,
    /// Topic filter to subscribe to, and where what comes goes. What finds no room there is dropped.
    pub commands: Option<(String, Inbox)>,
    /// Tell of lost connections in the log; off where there are thousands.
    pub loud: bool,
}

/// For a link, in order.
#[derive(Debug)]
pub enum Command {
    Send(Publish),
    /// Break the connection without a word.
    Hang,
    /// Connect again after a `Hang`.
    Return,
}

/// The near end of a link.
#[derive(Debug)]
pub struct Link {
    pub tx: mpsc::Sender<Command>,
    /// Ends, after the sender has been dropped, when all that was owed has been acknowledged or [`DRAIN_MAX`] has passed.
    pub task: JoinHandle<()>,
}

#[derive(Default)]
struct Ledger {
    connected: bool,
    hung: bool,
    closing: bool,
    /// To be handed to rumqttc, oldest first.
    queue: VecDeque<Publish>,
    /// Handed over, packet id not yet known.
    submitted: VecDeque<Publish>,
    /// Out, PUBACK owed.
    in_flight: VecDeque<(u16, Publish)>,
    /// Held back by rumqttc because its packet id is still taken.
    held: Option<Publish>,
}

impl Ledger {
    fn outstanding(&self) -> usize {
        self.submitted.len() + self.in_flight.len() + usize::from(self.held.is_some())
    }

    /// The connection has ended: what is owed goes back to the head of the queue, in its order. Returns how much.
    fn rewind(&mut self) -> usize {
        self.connected = false;
        let flying = self.in_flight.drain(..).map(|(_, p)| p);
        let mut again: VecDeque<Publish> = flying.chain(self.held.take()).collect();
        let repeated = again.len();
        again.extend(self.submitted.drain(..));
        again.append(&mut self.queue);
        self.queue = again;
        repeated
    }
}

struct Shared {
    state: Mutex<Ledger>,
    /// Something has changed: room, connection, hang.
    changed: Notify,
    counters: Arc<Counters>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits until the condition holds.
    async fn until<T>(&self, mut condition: impl FnMut(&mut Ledger) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(value) = condition(&mut self.lock()) {
                return value;
            }
            changed.await;
        }
    }
}

impl Link {
    /// Opens a link; it connects by itself, and again whenever it has to.
    pub fn open(account: Account, target: &Target, counters: Arc<Counters>) -> Self {
        let (tx, rx) = mpsc::channel(QUEUE_MAX);
        let mut options = MqttOptions::new(&account.client_id, &target.host, target.port);
        options.set_credentials(&account.name, &account.secret);
        options.set_keep_alive(Duration::from_secs(60));
        options.set_inflight(WINDOW_MAX);
        options.set_max_packet_size(PACKET_MAX_BYTES, PACKET_MAX_BYTES);
        if let Some((topic, payload)) = &account.will {
            options.set_last_will(LastWill::new(topic, payload.clone(), QoS::AtLeastOnce, false));
        }
        let (client, eventloop) = AsyncClient::new(options, usize::from(WINDOW_MAX) + 8);
        let shared = Shared { state: Mutex::default(), changed: Notify::new(), counters };
        let task = tokio::spawn(async move {
            tokio::select! {
                () = poll(&shared, eventloop, &client, &account) => {}
                () = feed(&shared, &client, rx) => {}
            }
            if shared.lock().connected {
                shared.counters.connected.fetch_sub(1, Relaxed);
            }
        });
        Self { tx, task }
    }
}

/// Keeps the connection; ends after a wanted disconnect.
async fn poll(shared: &Shared, mut eventloop: EventLoop, client: &AsyncClient, account: &Account) {
    let mut failures = 0u32;
    loop {
        if shared.lock().hung {
            shared.until(|s| (!s.hung).then_some(())).await;
        }
        let event = tokio::select! {
            event = eventloop.poll() => event.map_err(|e| e.to_string()),
            () = shared.until(|s| s.hung.then_some(())) => Err("power lost".into()),
        };
        match event {
            Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                failures = 0;
                shared.lock().connected = true;
                shared.counters.connected.fetch_add(1, Relaxed);
                shared.changed.notify_waiters();
                if account.loud {
                    tracing::info!(client = account.client_id, "connected");
                }
                if let Some((filter, _)) = &account.commands
                    && client.try_subscribe(filter, QoS::AtLeastOnce).is_err()
                {
                    tracing::warn!(client = account.client_id, "no room to ask for commands on this connection");
                }
            }
            Ok(Event::Incoming(Incoming::Publish(command))) => {
                if let Some((_, inbox)) = &account.commands {
                    let _ = inbox.try_send((command.topic, command.payload.to_vec()));
                }
            }
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
            Ok(event) => take(shared, &mut shared.lock(), &event),
            Err(reason) => {
                let (wanted, closing) = broken(shared, &mut eventloop);
                if closing && failures > 0 {
                    return; // nobody is there to say goodbye to
                }
                if wanted {
                    continue;
                }
                failures += 1;
                if account.loud && failures.is_power_of_two() {
                    tracing::warn!(client = account.client_id, reason, failures, "no connection; trying again");
                }
                tokio::time::sleep(backoff(failures)).await;
            }
        }
    }
}

/// Cleans up after a connection; says whether it was cut on purpose and whether the link is being closed.
fn broken(shared: &Shared, eventloop: &mut EventLoop) -> (bool, bool) {
    let mut state = shared.lock();
    if state.connected {
        shared.counters.connected.fetch_sub(1, Relaxed);
    }
    // what arrived with the end of the connection still counts
    for event in std::mem::take(&mut eventloop.state.events) {
        take(shared, &mut state, &event);
    }
    let repeated = state.rewind();
    shared.counters.repeated.fetch_add(repeated as u64, Relaxed);
    // the link's own account is the only one: rumqttc shall forget
    eventloop.clean();
    eventloop.pending.clear();
    eventloop.state.collision = None;
    if !state.hung {
        shared.counters.failures.fetch_add(1, Relaxed);
    }
    shared.changed.notify_waiters();
    (state.hung, state.closing)
}

/// Books an event of the connection.
fn take(shared: &Shared, state: &mut Ledger, event: &Event) {
    match event {
        Event::Outgoing(Outgoing::Publish(id)) => {
            let message = state.held.take().or_else(|| state.submitted.pop_front());
            // packet id 0: QoS 0, nothing is owed
            if let (1.., Some(message)) = (*id, message) {
                state.in_flight.push_back((*id, message));
            }
        }
        Event::Outgoing(Outgoing::AwaitAck(_)) => state.held = state.submitted.pop_front(),
        Event::Incoming(Incoming::PubAck(ack)) => {
            if let Some(at) = state.in_flight.iter().position(|(id, _)| *id == ack.pkid) {
                state.in_flight.remove(at);
                shared.counters.acknowledged.fetch_add(1, Relaxed);
            }
        }
        _ => return,
    }
    shared.changed.notify_waiters();
}

/// Exponential, with full spread: a thousand devices that were cut off together come back apart.
fn backoff(failures: u32) -> Duration {
    let longest = (BACKOFF_MS.0 << failures.min(6)).min(BACKOFF_MS.1);
    Duration::from_millis(rand::rng().random_range(BACKOFF_MS.0 / 2..=longest))
}

/// Hands messages to the connection while there is one and it has room; ends when all is done.
async fn feed(shared: &Shared, client: &AsyncClient, mut rx: mpsc::Receiver<Command>) {
    loop {
        if shared.lock().queue.is_empty() {
            match rx.recv().await {
                None => break,
                Some(Command::Send(message)) => {
                    let mut state = shared.lock();
                    if !state.hung {
                        state.queue.push_back(message);
                    }
                }
                Some(Command::Hang) => {
                    let _ = timeout(LAST_WORDS_MAX, shared.until(|s| (s.outstanding() == 0).then_some(()))).await;
                    let mut state = shared.lock();
                    state.hung = true;
                    state.queue.clear();
                    shared.changed.notify_waiters();
                }
                Some(Command::Return) => {
                    shared.lock().hung = false;
                    shared.changed.notify_waiters();
                }
            }
            continue;
        }
        shared.until(|s| hand_over(s, client)).await;
    }
    shared.lock().closing = true;
    let drained = |s: &mut Ledger| {
        while hand_over(s, client).is_some() {}
        (s.hung || s.queue.is_empty() && s.outstanding() == 0).then_some(())
    };
    let _ = timeout(DRAIN_MAX, shared.until(drained)).await;
    if shared.lock().connected && client.try_disconnect().is_ok() {
        // `poll` ends when the goodbye is out
        let _ = timeout(LAST_WORDS_MAX, std::future::pending::<()>()).await;
    }
}

/// One message from the queue to rumqttc, if it may go.
fn hand_over(state: &mut Ledger, client: &AsyncClient) -> Option<()> {
    if !state.connected || state.hung || state.outstanding() >= usize::from(WINDOW_MAX) {
        return None;
    }
    let message = state.queue.pop_front()?;
    let qos = if message.qos1 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
    match client.try_publish(message.topic.as_str(), qos, false, message.payload.as_slice()) {
        Ok(()) => {
            state.submitted.push_back(message);
            Some(())
        }
        Err(_) => {
            state.queue.push_front(message);
            None
        }
    }
}
