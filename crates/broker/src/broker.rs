//! The handle on a running listener, and how it is started.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::info;

use crate::access::{Access, Grant};
use crate::inbound::{self, Inlets, Outlets};
use crate::listener;
use crate::log::Log;
use crate::meter::{Counts, Gate, Meters};
use crate::outbound::{Outbound, Parcel};
use crate::registry::Registry;
use crate::session::{Offer, QueueLimits};
use crate::settings::{Settings, SettingsError};
use crate::topic::{Topic, TopicError, TopicFilter};
use crate::vault::Vault;
use crate::wire::encode;

/// What all connections of a listener share.
pub(crate) struct Hub {
    pub(crate) settings: Settings,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) registry: Registry,
    pub(crate) meters: Meters,
    pub(crate) gates: Gates,
    pub(crate) accepting: CancellationToken,
    pub(crate) draining: CancellationToken,
    pub(crate) finished: CancellationToken,
    random: RandomState,
}

/// Brakes for log lines that clients can provoke.
pub(crate) struct Gates {
    pub(crate) refused: Gate,
    pub(crate) forbidden: Gate,
    pub(crate) ended: Gate,
    pub(crate) accept: Gate,
}

impl Hub {
    /// An id for a client that sent none; nobody can tell the next one from it.
    pub(crate) fn assign_client_id(&self) -> String {
        let number = self.registry.number();
        format!("auto-{number}-{:016x}", self.random.hash_one(number))
    }

    pub(crate) fn topic_within_limits(&self, topic: &str) -> bool {
        topic.len() <= self.settings.topic_bytes
            && topic.bytes().filter(|byte| *byte == b'/').count() < self.settings.topic_levels
    }

    /// `$` topics are the server's own (MQTT-4.7.2-1).
    pub(crate) fn may_publish(&self, grant: &Grant, topic: &str) -> bool {
        !topic.starts_with('$')
            && grant.publish.iter().any(|filter| filter.matches(topic) && self.reaches(filter, topic))
    }

    pub(crate) fn may_subscribe(&self, grant: &Grant, wanted: &TopicFilter) -> bool {
        grant.subscribe.iter().any(|filter| filter.covers(wanted) && self.reaches(filter, wanted.as_str()))
    }

    fn reaches(&self, granted: &TopicFilter, topic: &str) -> bool {
        !granted.as_str().starts_with(['#', '+']) || !self.access.reserved(topic)
    }
}

/// Why the listener did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is out of range.
    #[error("the listener's settings cannot be used: {0}")]
    Settings(#[from] SettingsError),
    /// The port could not be opened.
    #[error("cannot listen on {listen}: {source}; free the port or set another")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What the listener works with.
pub struct Parts {
    /// Who comes in.
    pub access: Arc<dyn Access>,
    /// Where sessions are kept; without it they end with the process.
    pub vault: Option<Arc<dyn Vault>>,
    /// Topics served from a log.
    pub log: Option<Arc<dyn Log>>,
}

impl Parts {
    /// Nothing kept, nothing from a log.
    pub fn new(access: Arc<dyn Access>) -> Parts {
        Parts { access, vault: None, log: None }
    }
}

/// Opens the port and starts to let clients in. Install the metrics recorder before.
///
/// # Errors
/// See [`StartError`].
pub async fn start(settings: Settings, parts: Parts) -> Result<(Broker, Inlets), StartError> {
    settings.check()?;
    let Parts { access, .. } = parts;
    let listen = settings.listen;
    let failed = |source| StartError::Listen { listen, source };
    let socket = listener::bind(&settings).map_err(failed)?;
    let local_addr = socket.local_addr().map_err(failed)?;
    let (outlets, inlets) = inbound::channels(&settings);
    let gates = Gates { refused: Gate::new(), forbidden: Gate::new(), ended: Gate::new(), accept: Gate::new() };
    let hub = Arc::new(Hub {
        registry: Registry::new(settings.sessions_max),
        settings,
        access,
        meters: Meters::new(),
        gates,
        accepting: CancellationToken::new(),
        draining: CancellationToken::new(),
        finished: CancellationToken::new(),
        random: RandomState::new(),
    });
    let outlets = Arc::new(outlets);
    let task = tokio::spawn(listener::run(hub.clone(), outlets.clone(), socket));
    let life = Life { _task: task, _end: hub.draining.clone().drop_guard(), outlets: Arc::downgrade(&outlets) };
    info!(%local_addr, "listening for MQTT 3.1.1 and 5.0");
    Ok((Broker { hub, local_addr, life: Arc::new(life) }, inlets))
}

/// A handle on a running listener. Clones are alike; when the last one goes, the listener shuts
/// down.
#[derive(Clone)]
pub struct Broker {
    hub: Arc<Hub>,
    local_addr: SocketAddr,
    life: Arc<Life>,
}

/// The listener's task, which ends when the last handle goes.
struct Life {
    _task: JoinHandle<()>,
    _end: DropGuard,
    outlets: Weak<Outlets>,
}

/// What became of a message given to [`Broker::publish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody is subscribed, or nobody who could take it: every subscriber's queue is full, the
    /// message is larger than they accept, or they went away before they acknowledged.
    NoSubscriber,
    /// A subscriber acknowledged it (QoS 1).
    Acked {
        /// How many sessions it was queued for.
        subscribers: usize,
    },
    /// On its way to connected subscribers that take it with QoS 0: nobody will say so.
    Sent,
    /// No subscriber acknowledged it in time. It stays queued and may still arrive.
    TimedOut,
    /// Kept for sessions that are away at the moment.
    Queued,
}

impl Broker {
    /// The address of the listener.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// A way to the consumer beside the sockets. `None` once the listener has shut down. The [`Inlets`] end only when
    /// every clone is gone.
    pub fn outlets(&self) -> Option<Outlets> {
        Some((*self.life.outlets.upgrade()?).clone())
    }

    /// Open sockets, logged in or not.
    pub fn connections(&self) -> usize {
        self.hub.registry.connections()
    }

    /// Sessions, with and without a connection.
    pub fn sessions(&self) -> usize {
        self.hub.registry.sessions()
    }

    /// What was counted since the start.
    pub fn counts(&self) -> Counts {
        self.hub.meters.counts()
    }

    /// Publishes to all matching subscribers. With QoS 1 it waits until the first subscriber
    /// acknowledges, at most `deadline`; the others get the message all the same.
    ///
    /// # Errors
    /// A topic that is not a topic name reaches nobody: [`Outcome::NoSubscriber`].
    pub async fn publish(
        &self,
        topic: &str,
        payload: Bytes,
        qos: u8,
        content_type: Option<&str>,
        deadline: Duration,
    ) -> Outcome {
        let content_type = content_type.filter(|text| text.len() <= usize::from(u16::MAX));
        let parcel = Arc::new(Parcel { topic: Arc::from(topic), payload, content_type: content_type.map(Box::from) });
        let valid: Result<Topic, TopicError> = Topic::new(topic);
        if valid.is_err() || encode::publish_bytes(&parcel) > self.hub.settings.packet_limit_bytes {
            return Outcome::NoSubscriber;
        }
        let (receipt, mut receipts) = mpsc::channel(1);
        let taken = self.fan_out(&parcel, qos.min(1), receipt);
        if taken.online_qos_1 > 0 {
            return match timeout(deadline, receipts.recv()).await {
                Ok(Some(())) => Outcome::Acked { subscribers: taken.subscribers() },
                Ok(None) if taken.queued > 0 => Outcome::Queued,
                Ok(None) => Outcome::NoSubscriber,
                Err(_) => Outcome::TimedOut,
            };
        }
        match taken {
            Taken { queued: 1.., .. } => Outcome::Queued,
            Taken { online_qos_0: 1.., .. } => Outcome::Sent,
            _ => Outcome::NoSubscriber,
        }
    }

    fn fan_out(&self, parcel: &Arc<Parcel>, qos: u8, receipt: mpsc::Sender<()>) -> Taken {
        let settings = &self.hub.settings;
        let limits = QueueLimits { messages: settings.outbound_queue_messages, bytes: settings.outbound_queue_bytes };
        let mut taken = Taken::default();
        let mut shed = 0;
        for (session, granted) in self.hub.registry.subscribers(&parcel.topic) {
            let qos = qos.min(granted);
            let receipt = (qos > 0).then(|| receipt.clone());
            match session.offer(Outbound { parcel: parcel.clone(), qos, receipt }, limits) {
                Offer::Online if qos > 0 => taken.online_qos_1 += 1,
                Offer::Online => taken.online_qos_0 += 1,
                Offer::Queued => taken.queued += 1,
                Offer::Shed => shed += 1,
                Offer::Absent => {}
            }
        }
        self.hub.meters.undelivered.add(shed);
        taken
    }

    /// Ends every connection of `identity`; how many there were.
    pub fn kick(&self, identity: &str) -> usize {
        self.hub.registry.kick(identity)
    }

    /// Closes the port. Connections stay.
    pub async fn stop_accepting(&self) {
        self.hub.accepting.cancel();
    }

    /// Ends gracefully: closes the port, takes nothing more from clients, waits until everything
    /// taken in is acknowledged by the consumer and the PUBACKs are sent, tells v5 clients 0x8B
    /// and closes, at the latest after `drain_deadline_ms`. Then the [`Inlets`] end.
    pub async fn shutdown(&self) {
        self.hub.draining.cancel();
        self.hub.finished.cancelled().await;
    }
}

/// How many sessions took a message, and how.
#[derive(Default)]
struct Taken {
    online_qos_1: usize,
    online_qos_0: usize,
    queued: usize,
}

impl Taken {
    fn subscribers(&self) -> usize {
        self.online_qos_1 + self.online_qos_0 + self.queued
    }
}
