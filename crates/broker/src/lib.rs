//! MQTT 3.1.1 and 5.0 over TCP, TLS and WebSocket.
//!
//! Before this room: sockets. After it: the [`Inlets`], from which one consumer takes batches of
//! publishes, and the [`Broker`] handle, through which the process publishes to subscribers. The
//! one entry is [`start`].
//!
//! Where a publish goes its topic decides ([`Access::route`]). Device traffic goes to the consumer and to nobody else,
//! with an [`AckHandle`]: its PUBACK or PUBREC leaves only when the consumer completes that handle. Other topics are
//! relayed among clients, as brokers do; there a PUBACK or PUBREC means that every persistent receiver's queue and the
//! retained message are on the disk. Topics of a [`Log`] come from there, by a cursor for each session. What the
//! process itself has to say it gives to [`Broker::publish`].
//!
//! Sessions that outlive their connection, their messages and retained messages are kept in a [`Vault`] and come back
//! before the port opens. Without one they live in memory.
//!
//! Invariants
//! - A QoS 1 or 2 publish is acknowledged by the consumer, by the disk or by a refusal, never on receipt.
//! - A QoS 2 publish is handed over once, whatever is sent again, across reconnects and restarts: that it was taken in
//!   is written in the same write as the consumer's own record of it ([`Inbound::marks`]) or as its receivers' queues.
//!   Its identifier is free again (PUBCOMP) when that is on the disk too.
//! - A QoS 2 message is sent to a persistent session only once it is in the vault, and its packet identifier follows
//!   from its place there, so that a restart sends it under the same one.
//! - The vault sees the changes of a session in the order in which they happened: they are given to the keeper while
//!   the session is locked. Lock order: sessions, one session, then one of timeline, subscriptions, link, keeper,
//!   follower. Nothing is locked across an await.
//! - A publish costs the sessions that match it, not the sessions there are.
//! - Batches cross the seam: one [`Inbound`] per socket read and [`Lane`], one lock per
//!   acknowledged batch, one write per wake-up.
//! - Every queue, packet, session and wait has a limit named in [`Settings`]. No buffer grows by
//!   what a length field claims, only by what arrived.
//! - Whatever a client sends ends at most its own connection. A panic inside a connection's task is
//!   caught, counted and ends that connection.
//! - [`Lane::Urgent`] waits for room; [`Lane::Normal`] QoS 0 is dropped and counted when its inlet
//!   is full; Normal QoS 1 and 2 are held while the connection goes on taking packets from its socket, so
//!   that an urgent publish behind them still gets through.
//! - A connection costs little until it has logged in: how many come, how fast, and how long they take is bounded before
//!   a byte is looked at. Who sends too fast is read from more slowly; nothing that was sent is dropped for it.
//! - A certificate that cannot be used changes nothing: those of before stay in force.
//! - A client id belongs to the identity that opened its session, for as long as the session lives. A session that is
//!   resumed keeps only the subscriptions that its credential still permits.
//!
//! Choices the standard leaves open
//! - On the consumer's way the retain flag is passed on in [`Message::retain`] and nothing is stored. Device vendors set
//!   it on state messages and wills, so it is tolerated rather than refused with 0x9A. A relayed message is stored if
//!   [`Grant::retain`] allows it; else it is passed on.
//! - A v3.1.1 client has no way to be told that a QoS 1 or 2 publish was not permitted: an acknowledgement would
//!   claim success, silence would have it resent for ever. Its connection is closed, except for topics that begin with
//!   `$`: to those nobody publishes what matters, and it is acknowledged and dropped.
//! - PUBACKs leave in the order in which the consumer completes batches. Within one lane that is
//!   the order of arrival (MQTT-4.6.0-2); an urgent publish may be acknowledged before normal ones
//!   that came earlier on the same connection. Clients match by packet identifier.
//! - Wills are published on abnormal end only. When this process itself ends, the wills of persistent sessions wait
//!   until after the restart, and at least `restart_grace_s`, for their clients to come back; the others are not
//!   published.
//! - An identity that has as many sessions as it may loses the oldest that is away, rather than being kept out. While all
//!   queues together are full, messages between clients are dropped and counted; the process's own and the log's are not.
//! - What waits for a session that its credential may not receive any more, and retained messages of whoever may not leave
//!   them any more, are not handed out.
//! - Messages that find a session's queue full are dropped and counted: the newest first. A connected client whose
//!   queue is full of what it must not lose is cut off, so that it comes back and is served again.
//! - After a restart every message that may have been sent before is sent with DUP.
//! - Shared subscriptions are there for v3.1.1 clients too, but not on topics of the log.
//! - A new subscription to topics of the log begins with what comes next; retained messages are not its business.
//! - Packets are decoded in place from the read buffer. `mqtt-protocol-core` copies each payload and topic and allocates
//!   per packet (`examples/codec.rs` measures both), refuses an MQTT 5 password without user name and takes what the
//!   standard refuses, such as a second subscription identifier. It serves the tests as the other side.
//!
//! Never here: a disk, a payload's meaning, a wall clock ([`Access::now_ms`] stamps messages).

mod access;
mod broker;
mod clients;
mod connection;
mod door;
mod follower;
mod hub;
mod inbound;
mod keeper;
mod layout;
mod limits;
mod link;
mod listener;
mod log;
mod meter;
mod outbound;
mod registry;
mod relay;
mod retained;
mod session;
mod settings;
mod stock;
mod stream;
mod subscriptions;
mod sys;
mod tls;
mod topic;
mod vault;
mod websocket;
mod wire;

pub use access::{Access, Attempt, Grant, Lane, Login, Refusal, Refused, Route};
pub use broker::{Broker, Outcome, Parts, StartError, start};
pub use clients::{ClientInfo, ConnectionInfo, Subscribed};
pub use inbound::{AckHandle, Answer, DownCause, Inbound, Inlets, Message, Outlets, Reason, SessionEvent};
pub use log::{Log, LogEntry, Page};
pub use meter::Counts;
pub use settings::{ClientCertificates, Settings, SettingsError};
pub use tls::TlsError;
pub use topic::{Topic, TopicError, TopicFilter};
pub use vault::{Change, Vault, VaultError};

/// What the examples measure and nothing else should use.
#[doc(hidden)]
pub mod measure {
    pub use crate::wire::publish::{Publish, parse};
}

/// A lock whose holder panicked still guards valid data here: no invariant spans a call out of this
/// crate, and [`Access`] is never called with a lock held.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
