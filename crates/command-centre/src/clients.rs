//! What the command centre asks of the listener: who is there, and to end a connection.

use std::net::SocketAddr;
use std::sync::Arc;

/// Knows the listener's clients.
pub trait Clients: Send + Sync + 'static {
    /// Sessions in the order of their client ids: at most `limit` of those after `after`. Takes milliseconds; called off the
    /// connections' tasks.
    fn page(&self, after: Option<&str>, limit: usize) -> Vec<ClientSession>;

    /// Ends the connection of a client; its session stays. Whether there was one.
    fn disconnect(&self, client_id: &str) -> bool;
}

/// A session at the listener, with or without a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSession {
    pub client_id: Arc<str>,
    /// Name of the credential that it belongs to.
    pub identity: Arc<str>,
    /// `None` while the client is away.
    pub connection: Option<ClientConnection>,
    /// MQTT 5, rather than 3.1.1.
    pub v5: bool,
    /// How long the session outlives its connection, s; `u32::MAX`: for ever.
    pub session_expiry_s: u32,
    /// Messages that wait to be sent.
    pub waiting: usize,
    /// Messages sent and not yet acknowledged.
    pub in_flight: usize,
    /// Topic filters.
    pub subscriptions: Vec<String>,
}

/// A client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientConnection {
    /// Kind of its credential: "device", "vendor"…
    pub class: &'static str,
    pub peer: SocketAddr,
    /// Since when, ms since 1970.
    pub since_ms: u64,
}
