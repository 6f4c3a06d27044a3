//! What crosses the seam to the consumer: batches of publishes with their acknowledgement, and the
//! gain and loss of sessions.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::sync::mpsc;

use crate::access::Lane;
use crate::link::{Done, Link, Order};
use crate::registry::WillFate;
use crate::session::Session;
use crate::settings::Settings;
use crate::topic::Topic;
use crate::vault::Change;
use crate::wire::encode::{self, AckKind};

/// The publishes of one lane that came with one read of one connection's socket.
#[derive(Debug)]
pub struct Inbound {
    /// Who sent them, as [`crate::Grant::identity`] said.
    pub identity: Arc<str>,
    /// The session they came through.
    pub client_id: Arc<str>,
    /// In the order of arrival; at least one.
    pub messages: Vec<Message>,
    /// Answers them, one reason per message.
    pub ack: AckHandle,
    /// What the consumer writes to the [`crate::Vault`] in the same atomic write as its own record of the message with
    /// this index, if it accepts that message (reason below 0x80): that a QoS 2 publish was taken in.
    pub marks: Vec<(usize, Change)>,
}

/// One publish. Topic and payload share the read buffer: copy what you keep for long.
#[derive(Clone, Debug)]
pub struct Message {
    /// A valid topic name that the sender may publish to; an alias is already resolved.
    pub topic: Topic,
    /// The application message.
    pub payload: Bytes,
    /// 0, 1 or 2.
    pub qos: u8,
    /// The retain flag as sent. Nothing is stored for it on this way.
    pub retain: bool,
    /// The client says it sent this before (MQTT 3.3.1.1).
    pub dup: bool,
    /// MQTT 5 content type.
    pub content_type: Option<Box<str>>,
    /// [`crate::Access::now_ms`] when the socket was read.
    pub received_ms: u64,
    /// The will of a session that ended abnormally, rather than a PUBLISH.
    pub is_will: bool,
}

/// What a PUBACK or PUBREC says (MQTT 5 tables 3-4 and 3-5). A v3.1.1 client gets a plain one for each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Accepted.
    Success = 0x00,
    /// Accepted, nobody listens.
    NoMatchingSubscribers = 0x10,
    /// Refused, no further reason.
    Unspecified = 0x80,
    /// Refused for a reason of our own.
    ImplementationSpecific = 0x83,
    /// The sender may not publish this.
    NotAuthorised = 0x87,
    /// The topic has no meaning here.
    TopicNameInvalid = 0x90,
    /// Beyond a limit set for the sender.
    QuotaExceeded = 0x97,
    /// The payload is not what its format promises.
    PayloadFormatInvalid = 0x99,
}

/// Acknowledges one batch. QoS 0 messages need no answer and get none; QoS 1 is answered with PUBACK, QoS 2 with PUBREC.
///
/// Dropped without [`complete`](AckHandle::complete), the batch is never acknowledged and its
/// connection is closed, so that the client sends it again after it has reconnected.
#[derive(Debug)]
pub struct AckHandle(Route);

enum Route {
    Nowhere,
    Link {
        link: Arc<Link>,
        v5: bool,
        ids: PacketIds,
    },
    /// With QoS 2 in it.
    Session(Box<Exact>),
    Observer {
        to: SyncSender<Vec<Reason>>,
        messages: usize,
    },
    Call {
        then: Answer,
        messages: usize,
    },
}

/// A batch with QoS 2: the answers to those go to the connection that the session has by then.
struct Exact {
    link: Arc<Link>,
    session: Arc<Session>,
    v5: bool,
    ids: PacketIds,
    /// Packet identifiers of QoS 2; also in `ids`.
    exact: SmallVec<[u16; 8]>,
}

/// Told the reasons, one per message, or `None` when the handle was dropped unanswered.
pub type Answer = Box<dyn FnOnce(Option<&[Reason]>) + Send>;

/// Packet identifiers of a batch, 0 where the message is QoS 0.
pub(crate) type PacketIds = SmallVec<[u16; 16]>;

impl AckHandle {
    pub(crate) fn new(link: Arc<Link>, v5: bool, ids: PacketIds) -> AckHandle {
        if ids.iter().all(|id| *id == 0) {
            return AckHandle::nowhere();
        }
        AckHandle(Route::Link { link, v5, ids })
    }

    /// For a batch that holds QoS 2 messages: those with an identifier in `exact`.
    pub(crate) fn exact(
        link: Arc<Link>,
        session: Arc<Session>,
        v5: bool,
        ids: PacketIds,
        exact: SmallVec<[u16; 8]>,
    ) -> AckHandle {
        AckHandle(Route::Session(Box::new(Exact { link, session, v5, ids, exact })))
    }

    /// A handle that answers nobody: for messages that did not come from a connection.
    pub fn nowhere() -> AckHandle {
        AckHandle(Route::Nowhere)
    }

    /// A handle that hands its reasons to `to`: for tests of the consumer. Reasons that do not fit
    /// into the channel are dropped.
    pub fn observed(to: SyncSender<Vec<Reason>>, messages: usize) -> AckHandle {
        AckHandle(Route::Observer { to, messages })
    }

    /// A handle that calls `then` once: for messages that did not come through the listener's sockets.
    pub fn calling(then: Answer, messages: usize) -> AckHandle {
        AckHandle(Route::Call { then, messages })
    }

    /// Acknowledges message `i` of the batch with `reasons[i]`. A message beyond the end of
    /// `reasons` is treated as if the handle had been dropped.
    pub fn complete(mut self, reasons: &[Reason]) {
        match std::mem::replace(&mut self.0, Route::Nowhere) {
            Route::Nowhere => {}
            Route::Observer { to, .. } => drop(to.try_send(reasons.to_vec())),
            Route::Call { then, .. } => then(Some(reasons)),
            Route::Link { link, v5, ids } => {
                link.acknowledge(|out| acks(out, v5, ids.iter().copied().zip(reasons)));
                if ids.iter().skip(reasons.len()).any(|id| *id != 0) {
                    link.order(Order::Abandoned);
                }
            }
            Route::Session(exact) => exact.complete(reasons),
        }
    }

    /// Acknowledges the whole batch with [`Reason::Success`].
    pub fn accept_all(mut self) {
        match std::mem::replace(&mut self.0, Route::Nowhere) {
            Route::Nowhere => {}
            Route::Observer { to, messages } => {
                drop(to.try_send(vec![Reason::Success; messages]));
            }
            Route::Call { then, messages } => then(Some(&vec![Reason::Success; messages])),
            Route::Link { link, v5, ids } => {
                link.acknowledge(|out| acks(out, v5, ids.iter().map(|id| (*id, &Reason::Success))))
            }
            Route::Session(exact) => {
                let reasons = vec![Reason::Success; exact.ids.len()];
                exact.complete(&reasons);
            }
        }
    }

    /// Forgets the batch without closing its connection.
    pub(crate) fn forget(mut self) {
        if let Route::Session(exact) = std::mem::replace(&mut self.0, Route::Nowhere) {
            exact.forget(0);
        }
    }

    /// Forgets the QoS 0 messages of the batch, which were dropped from it.
    pub(crate) fn retain_answerable(&mut self) {
        match &mut self.0 {
            Route::Link { ids, .. } => ids.retain(|id| *id != 0),
            Route::Session(exact) => exact.ids.retain(|id| *id != 0),
            _ => {}
        }
    }
}

impl Exact {
    fn complete(&self, reasons: &[Reason]) {
        let is_exact = |id: u16| id != 0 && self.exact.contains(&id);
        let pairs = || self.ids.iter().copied().zip(reasons);
        if pairs().any(|(id, _)| id != 0 && !is_exact(id)) {
            self.link.acknowledge(|out| acks(out, self.v5, pairs().filter(|(id, _)| !is_exact(*id))));
        }
        let answers: SmallVec<[(u16, u8); 8]> =
            pairs().filter(|(id, _)| is_exact(*id)).map(|(id, reason)| (id, *reason as u8)).collect();
        self.session.taken_in(&answers, &self.link);
        if self.ids.iter().skip(reasons.len()).any(|id| *id != 0) {
            self.forget(reasons.len());
            self.link.order(Order::Abandoned);
        }
    }

    /// The QoS 2 messages from index `from` on were not taken in: the client may send them again.
    fn forget(&self, from: usize) {
        let gone = self.ids.iter().skip(from).filter(|id| self.exact.contains(id));
        self.session.not_taken_in(gone.copied());
    }
}

fn acks<'a>(out: &mut Vec<u8>, v5: bool, pairs: impl Iterator<Item = (u16, &'a Reason)>) -> Done {
    let mut count = 0;
    for (id, reason) in pairs.filter(|(id, _)| *id != 0) {
        encode::ack(out, AckKind::Puback, id, if v5 { *reason as u8 } else { 0 });
        count += 1;
    }
    Done::finished(count)
}

impl Drop for AckHandle {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.0, Route::Nowhere) {
            Route::Link { link, .. } => link.order(Order::Abandoned),
            Route::Session(exact) => {
                exact.forget(0);
                exact.link.order(Order::Abandoned);
            }
            Route::Call { then, .. } => then(None),
            Route::Nowhere | Route::Observer { .. } => {}
        }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Route::Nowhere => f.write_str("nowhere"),
            Route::Link { ids, .. } => write!(f, "packets {ids:?}"),
            Route::Session(exact) => write!(f, "packets {:?} of session {}", exact.ids, exact.session.number),
            Route::Observer { messages, .. } | Route::Call { messages, .. } => write!(f, "observer of {messages}"),
        }
    }
}

/// A session's connection came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// A client was let in.
    Up {
        /// Who it is.
        identity: Arc<str>,
        /// Its session.
        client_id: Arc<str>,
        /// [`crate::Access::now_ms`] at CONNECT.
        at_ms: u64,
    },
    /// Its connection ended; the session may live on.
    Down {
        /// Who it was.
        identity: Arc<str>,
        /// Its session.
        client_id: Arc<str>,
        /// [`crate::Access::now_ms`] at the end.
        at_ms: u64,
        /// Why.
        cause: DownCause,
    },
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DownCause {
    /// The client said goodbye.
    Disconnected,
    /// The client said goodbye and asked for its will to be published (v5 reason other than 0x00).
    DisconnectedWithWill,
    /// The socket closed or failed.
    ConnectionLost,
    /// Nothing heard for one and a half keep-alive periods (MQTT-3.1.2-24), or a packet that was
    /// begun and not finished.
    KeepAliveTimeout,
    /// The same identity connected again with this client id.
    TakenOver,
    /// The client broke the protocol or a limit it was told.
    ProtocolError,
    /// A v3.1.1 client published where it may not.
    NotPermitted,
    /// The client did not take what it was sent.
    SlowReader,
    /// The credential was revoked.
    Revoked,
    /// The consumer dropped a batch unanswered, or is gone.
    Abandoned,
    /// A bug of ours in this connection's task.
    Panicked,
    /// This process shuts down.
    ShuttingDown,
}

impl DownCause {
    /// A short name for logs and the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            DownCause::Disconnected => "disconnected",
            DownCause::DisconnectedWithWill => "disconnected_with_will",
            DownCause::ConnectionLost => "connection_lost",
            DownCause::KeepAliveTimeout => "keep_alive_timeout",
            DownCause::TakenOver => "taken_over",
            DownCause::ProtocolError => "protocol_error",
            DownCause::NotPermitted => "not_permitted",
            DownCause::SlowReader => "slow_reader",
            DownCause::Revoked => "revoked",
            DownCause::Abandoned => "abandoned",
            DownCause::Panicked => "panicked",
            DownCause::ShuttingDown => "shutting_down",
        }
    }

    /// What becomes of the session's will (MQTT 5 section 3.1.2.5).
    pub(crate) fn will_fate(self) -> WillFate {
        match self {
            DownCause::Disconnected => WillFate::Discard,
            DownCause::ShuttingDown => WillFate::Keep,
            _ => WillFate::Publish,
        }
    }
}

/// The consumer's ends of the three bounded queues. They close when the listener has shut down.
#[derive(Debug)]
pub struct Inlets {
    /// To be emptied first.
    pub urgent: mpsc::Receiver<Inbound>,
    /// Everything else.
    pub normal: mpsc::Receiver<Inbound>,
    /// Gains and losses of sessions. Never dropped: when this queue is full, logins and goodbyes
    /// wait, so take from it however busy the lanes are.
    pub sessions: mpsc::Receiver<SessionEvent>,
}

/// The connections' ends; also for messages that come by another way than the listener, see
/// [`crate::Broker::outlets`].
#[derive(Clone, Debug)]
pub struct Outlets {
    pub(crate) urgent: mpsc::Sender<Inbound>,
    pub(crate) normal: mpsc::Sender<Inbound>,
    pub(crate) sessions: mpsc::Sender<SessionEvent>,
}

impl Outlets {
    /// Hands a batch to the consumer, waiting for room. False if the consumer is gone: the batch was dropped
    /// unanswered.
    pub async fn send(&self, lane: Lane, batch: Inbound) -> bool {
        self.lane(lane).send(batch).await.is_ok()
    }

    /// Tells the consumer of a session's gain or loss, waiting for room. False if the consumer is gone.
    pub async fn tell(&self, event: SessionEvent) -> bool {
        self.sessions.send(event).await.is_ok()
    }

    pub(crate) fn lane(&self, lane: Lane) -> &mpsc::Sender<Inbound> {
        match lane {
            Lane::Urgent => &self.urgent,
            Lane::Normal => &self.normal,
        }
    }
}

pub(crate) fn channels(settings: &Settings) -> (Outlets, Inlets) {
    let (urgent, urgent_in) = mpsc::channel(settings.inbound_queue_batches_urgent);
    let (normal, normal_in) = mpsc::channel(settings.inbound_queue_batches_normal);
    let (sessions, sessions_in) = mpsc::channel(settings.session_events_queue);
    let inlets = Inlets { urgent: urgent_in, normal: normal_in, sessions: sessions_in };
    (Outlets { urgent, normal, sessions }, inlets)
}
