//! The handle on a running listener, and how it is started.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::DropGuard;
use tracing::info;

use crate::access::Access;
use crate::clients::{self, ClientInfo, Subscribed};
use crate::hub::{self, Hub};
use crate::inbound::{self, Inlets, Outlets};
use crate::listener;
use crate::log::Log;
use crate::meter::Counts;
use crate::outbound::Parcel;
use crate::relay::{Round, Taken};
use crate::settings::{Settings, SettingsError};
use crate::stream::Transport;
use crate::sys;
use crate::tls::TlsError;
use crate::topic::Topic;
use crate::vault::{Vault, VaultError};
use crate::wire::encode::{self, Sending};
use crate::wire::publish::Forward;

/// Why the listener did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is out of range.
    #[error("the listener's settings cannot be used: {0}")]
    Settings(#[from] SettingsError),
    /// The sessions that were kept could not be read.
    #[error("the kept sessions cannot be read: {0}; see to the disk")]
    Vault(#[from] VaultError),
    /// No thread for keeping sessions.
    #[error("no thread to keep sessions with: {0}; raise the limit of threads")]
    Thread(#[source] std::io::Error),
    /// The port could not be opened.
    #[error("cannot listen on {listen}: {source}; free the port or set another")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificates cannot be used.
    #[error("the TLS ports cannot be opened: {0}")]
    Tls(#[from] TlsError),
}

/// What the listener works with.
pub struct Parts {
    /// Who comes in.
    pub access: Arc<dyn Access>,
    /// Where sessions are kept; without it they end with the process.
    pub vault: Option<Arc<dyn Vault>>,
    /// Topics served from a log.
    pub log: Option<Arc<dyn Log>>,
    /// Clients wait in the ports' backlog until [`Broker::open`].
    pub closed_at_first: bool,
}

impl Parts {
    /// Nothing kept, nothing from a log.
    pub fn new(access: Arc<dyn Access>) -> Parts {
        Parts { access, vault: None, log: None, closed_at_first: false }
    }
}

/// Brings kept sessions back, opens the port and starts to let clients in. Install the metrics recorder before.
///
/// # Errors
/// See [`StartError`].
pub async fn start(settings: Settings, parts: Parts) -> Result<(Broker, Inlets), StartError> {
    settings.check()?;
    let closed_at_first = parts.closed_at_first;
    let hub = Arc::new(hub::build(settings, parts)?);
    if !closed_at_first {
        hub.open.cancel();
    }
    let (ports, addresses) = listener::bind(&hub.settings)?;
    let (outlets, inlets) = inbound::channels(&hub.settings);
    let outlets = Arc::new(outlets);
    let follows = hub.follower.clone().map(|follower| tokio::spawn(follower.run(hub.clone())));
    let survey = tokio::spawn(sys::run(hub.clone()));
    let task = tokio::spawn(listener::run(hub.clone(), outlets.clone(), ports));
    let life = Life {
        _task: task,
        _follows: follows,
        _survey: survey,
        _end: hub.draining.clone().drop_guard(),
        outlets: Arc::downgrade(&outlets),
    };
    info!(sessions = hub.registry.sessions(), "sessions that were kept are back");
    Ok((Broker { hub, addresses, life: Arc::new(life) }, inlets))
}

/// A handle on a running listener. Clones are alike; when the last one goes, the listener shuts
/// down.
#[derive(Clone)]
pub struct Broker {
    pub(crate) hub: Arc<Hub>,
    pub(crate) addresses: Vec<(Transport, SocketAddr)>,
    life: Arc<Life>,
}

/// The listener's task, which ends when the last handle goes.
struct Life {
    _task: JoinHandle<()>,
    _follows: Option<JoinHandle<()>>,
    _survey: JoinHandle<()>,
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

    /// Sessions in the order of their client ids: at most `limit` of those after `after`.
    pub fn clients(&self, after: Option<&str>, limit: usize) -> Vec<ClientInfo> {
        self.hub.registry.page(after, limit).iter().map(|session| clients::info(session)).collect()
    }

    /// Ends all connections of an identity (DISCONNECT 0x87), because its credential was revoked or changed. Returns
    /// how many. Its sessions stay until they expire: who may not come in cannot use them.
    pub fn kick(&self, identity: &str) -> usize {
        self.hub.registry.kick(identity)
    }

    /// Ends the connection of a client (DISCONNECT 0x98); its session stays and it may come back. False if it has none.
    pub fn disconnect(&self, client_id: &str) -> bool {
        self.hub.registry.dismiss(client_id)
    }

    /// Subscriptions from now on. A listener that is behind by more than 1,024 loses the oldest and is told.
    pub fn subscribed(&self) -> broadcast::Receiver<Subscribed> {
        self.hub.subscribed.subscribe()
    }

    /// Publishes to all matching subscribers. With QoS 1 (2 counts as 1) it waits until the first subscriber
    /// acknowledges, at most `deadline`; the others get the message all the same. What is queued for subscribers that
    /// are away is on the disk when this returns [`Outcome::Queued`], if sessions are kept at all.
    ///
    /// # Errors
    /// A topic that is not a topic name, or that comes from the log, reaches nobody: [`Outcome::NoSubscriber`].
    pub async fn publish(
        &self,
        topic: &str,
        payload: Bytes,
        qos: u8,
        content_type: Option<&str>,
        deadline: Duration,
    ) -> Outcome {
        let deadline = Instant::now() + deadline;
        let forward = content_type.and_then(Forward::of_content_type);
        let parcel = Parcel { topic: Arc::from(topic), payload, forward, retain: false, expires_at_ms: None };
        let bytes = encode::publish_bytes(&parcel, Sending { qos: 1, v5: true, ..Sending::default() });
        let from_log = self.hub.follower.as_ref().is_some_and(|follower| follower.owns(topic));
        if from_log || Topic::new(topic).is_err() || bytes > self.hub.settings.packet_limit_bytes {
            return Outcome::NoSubscriber;
        }
        let (receipt, mut receipts) = mpsc::channel(1);
        let mut round = Round::new(&self.hub, false);
        round.ours = true;
        let taken = self.hub.spread(&Arc::new(parcel), qos.min(1), None, Some(&receipt), &mut round);
        drop(receipt);
        let (kept, on_disk) = oneshot::channel();
        round.finish(&self.hub, move || {
            let _gone = kept.send(()); // nobody waits any more
        });
        let queued = |reached: bool| if reached { Outcome::Queued } else { Outcome::TimedOut };
        if taken.online_qos_1 > 0 {
            return match timeout_at(deadline, receipts.recv()).await {
                Ok(Some(())) => Outcome::Acked { subscribers: taken.subscribers() },
                Ok(None) if taken.queued > 0 => queued(matches!(timeout_at(deadline, on_disk).await, Ok(Ok(())))),
                Ok(None) => Outcome::NoSubscriber,
                Err(_) => Outcome::TimedOut,
            };
        }
        match taken {
            Taken { queued: 1.., .. } => queued(matches!(timeout_at(deadline, on_disk).await, Ok(Ok(())))),
            Taken { online_qos_0: 1.., .. } => Outcome::Sent,
            _ => Outcome::NoSubscriber,
        }
    }

    /// Lets in who waits and who comes, for [`Parts::closed_at_first`].
    pub fn open(&self) {
        self.hub.open.cancel();
    }

    /// Closes the port. Connections stay.
    pub async fn stop_accepting(&self) {
        self.hub.accepting.cancel();
    }

    /// Ends gracefully: closes the port, takes nothing more from clients, waits until everything
    /// taken in is acknowledged by the consumer and the PUBACKs are sent, tells v5 clients 0x8B
    /// and closes, at the latest after `drain_deadline_ms`. Then the [`Inlets`] end. What sessions keep is on the disk
    /// when this returns.
    pub async fn shutdown(&self) {
        self.hub.draining.cancel();
        self.hub.finished.cancelled().await;
        let keeper = self.hub.keeper.clone();
        // Ends with an error only if the runtime ends, which leaves the rest to the keeper's own thread.
        drop(tokio::task::spawn_blocking(move || keeper.close()).await);
    }
}
