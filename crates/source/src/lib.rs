//! Device traffic from an MQTT broker that is there already (EMQX, Mosquitto, NanoMQ, rumqttd).
//!
//! Before this room: that broker. After it: the same [`broker::Outlets`] that the listener's sockets use, so that the
//! consumer sees one stream. The one entry is [`start`].
//!
//! Each connection subscribes with QoS 1 in a session that outlives it. A publish is acknowledged to the broker only
//! when the consumer has answered for it; what is unanswered when a connection or this process ends is sent again by
//! the broker: at least once. The consumer removes the repetitions.
//!
//! Invariants
//! - No acknowledgement before the consumer's. Acknowledgements leave in the order in which the publishes came
//!   (MQTT-4.6.0-2; rumqttd ends a connection that does otherwise).
//! - Batches cross the seam: what one wake-up finds, one [`broker::Inbound`] a lane, urgent first.
//! - Urgent messages never depend on a shared subscription alone: brokers lose what is shared more easily.
//! - A message that the consumer refuses is acknowledged all the same: it would come again for ever. A batch that the
//!   consumer drops unanswered ends the connection, and the next one gets it again.
//! - QoS 0 messages of the normal lane are dropped and counted when the consumer is behind; nothing else is.
//! - The external broker has checked who its clients are and what they may publish. Messages carry the identity
//!   `source:<name>`, and the topic alone says which device speaks.
//!
//! Never here: a topic's meaning (which lane it takes is told from outside), a disk, a wall clock.

mod backoff;
mod brake;
mod connection;
mod embedded;
mod health;
mod settings;
mod sources;
mod tls;
mod window;
mod wire;

pub use embedded::Embedded;
pub use health::Health;
pub use settings::{Mqtt, Protocol, Settings, SettingsError, Tls};
pub use sources::{Parts, Sources, StartError, start};

/// A lock whose holder panicked still guards valid data here: no invariant spans a call out of this crate.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
