//! Sessions and subscriptions as an operator sees them.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::lock;
use crate::session::Session;

/// A client subscribed to something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// Who it is.
    pub identity: Arc<str>,
    /// Its session.
    pub client_id: Arc<str>,
    /// The filter, as sent.
    pub filter: Arc<str>,
}

/// A session as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// Its session's name.
    pub client_id: Arc<str>,
    /// Who it is.
    pub identity: Arc<str>,
    /// The connection; none while the client is away.
    pub connection: Option<ConnectionInfo>,
    /// Whether it spoke MQTT 5 (rather than 3.1.1) last.
    pub v5: bool,
    /// Seconds that the session outlives its connection; `u32::MAX` for ever.
    pub session_expiry_s: u32,
    /// Messages waiting to be sent.
    pub waiting: usize,
    /// Messages sent and not acknowledged.
    pub in_flight: usize,
    /// Topic filters, as subscribed.
    pub subscriptions: Vec<String>,
}

/// A client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// [`crate::Grant::class`].
    pub class: &'static str,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// [`crate::Access::now_ms`] at CONNECT.
    pub since_ms: u64,
}

/// A session as it is now.
pub(crate) fn info(session: &Session) -> ClientInfo {
    let state = lock(&session.state);
    ClientInfo {
        client_id: session.client_id.clone(),
        identity: session.identity.clone(),
        connection: state.card.as_deref().map(|card| ConnectionInfo {
            class: card.class,
            peer: card.peer,
            since_ms: card.since_ms,
        }),
        v5: state.v5,
        session_expiry_s: state.expiry_s,
        waiting: state.outgoing.waiting(),
        in_flight: state.outgoing.in_flight(),
        subscriptions: state.subscriptions.iter().map(|held| held.filter.to_string()).collect(),
    }
}
