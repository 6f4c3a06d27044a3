//! MQTT 3.1.1 and 5.0 on one TCP port.
//!
//! Before this room: sockets. After it: the [`Inlets`], from which one consumer takes batches of
//! publishes, and the [`Broker`] handle, through which the process publishes to subscribers. The
//! one entry is [`start`].
//!
//! A client's publish is never forwarded to other clients. It goes to the consumer with an
//! [`AckHandle`]; the PUBACK leaves only when the consumer completes that handle. What subscribers
//! receive is what the process itself gives to [`Broker::publish`].
//!
//! Invariants
//! - A QoS 1 publish is acknowledged by the consumer or by a refusal, never on receipt.
//! - Batches cross the seam: one [`Inbound`] per socket read and [`Lane`], one lock per
//!   acknowledged batch, one write per wake-up.
//! - Every queue, packet, session and wait has a limit named in [`Settings`]. No buffer grows by
//!   what a length field claims, only by what arrived.
//! - Whatever a client sends ends at most its own connection. A panic inside a connection's task is
//!   caught, counted and ends that connection.
//! - [`Lane::Urgent`] waits for room; [`Lane::Normal`] QoS 0 is dropped and counted when its inlet
//!   is full; Normal QoS 1 is held while the connection goes on taking packets from its socket, so
//!   that an urgent publish behind it still gets through.
//! - A client id belongs to the identity that opened its session, for as long as the session lives.
//!
//! Choices the standard leaves open
//! - QoS 2 is not offered: CONNACK says Maximum QoS 1, a QoS 2 PUBLISH ends the connection (v5 with
//!   DISCONNECT 0x9B), a QoS 2 subscription is granted as 1. A v3.1.1 will with QoS 2 counts as 1.
//! - The retain flag is passed on in [`Message::retain`] and nothing is stored. Device vendors set
//!   it on state messages and wills, so it is tolerated rather than refused with 0x9A.
//! - A v3.1.1 client has no way to be told that a QoS 1 publish was not permitted: a PUBACK would
//!   claim success, silence would have it resent for ever. Its connection is closed.
//! - PUBACKs leave in the order in which the consumer completes batches. Within one lane that is
//!   the order of arrival (MQTT-4.6.0-2); an urgent publish may be acknowledged before normal ones
//!   that came earlier on the same connection. Clients match by packet identifier.
//! - Wills are published on abnormal end only, and not when this process itself shuts down.
//! - Packets are decoded in place from the read buffer. `mqtt-protocol-core` copies each payload and topic and allocates
//!   per packet (`examples/codec.rs` measures both), refuses an MQTT 5 password without user name and takes what the
//!   standard refuses, such as a second subscription identifier. It serves the tests as the other side.
//!
//! Never here: a disk, a payload's meaning, a wall clock ([`Access::now_ms`] stamps messages).

mod access;
mod broker;
mod connection;
mod door;
mod follower;
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
mod stream;
mod subscriptions;
mod tls;
mod topic;
mod vault;
mod websocket;
mod wire;

pub use access::{Access, Attempt, Grant, Lane, Login, Refusal, Refused, Route};
pub use broker::{Broker, ClientInfo, ConnectionInfo, Outcome, Parts, StartError, Subscribed, start};
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
