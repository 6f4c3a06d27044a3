//! What the process decides about clients: who comes in, what they may do, which lane a topic takes.

use std::sync::Arc;

use crate::topic::TopicFilter;

/// Decides who may come in and what they may do.
///
/// Called from connection tasks, often: implementations answer from memory and do no IO. A panic in
/// one of these calls ends the connection that caused it and nothing else.
pub trait Access: Send + Sync + 'static {
    /// Checks the credentials of one CONNECT. `client_id` is what the client sent or, when it sent
    /// none, the id assigned to it.
    ///
    /// # Errors
    /// The refusal that the client is told in CONNACK.
    fn authenticate(&self, client_id: &str, username: Option<&str>, password: Option<&[u8]>) -> Result<Grant, Refusal>;

    /// Which lane publishes to this topic take.
    fn lane(&self, topic: &str) -> Lane;

    /// Milliseconds since the epoch; stamped on each message when it is read from the socket.
    fn now_ms(&self) -> u64;
}

/// What an authenticated client may do, for as long as its connection lives.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Who it is; comes with every publish and owns the client id.
    pub identity: Arc<str>,
    /// Topics it may publish to.
    pub publish: Vec<TopicFilter>,
    /// Filters that a requested subscription must be covered by.
    pub subscribe: Vec<TopicFilter>,
}

/// Why a CONNECT is refused (MQTT 5 table 3-1, MQTT 3.1.1 table 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Unknown user or wrong password: 0x86, v3.1.1 0x04.
    BadCredentials,
    /// Known, but not allowed in: 0x87, v3.1.1 0x05.
    NotAuthorised,
    /// Barred by an operator: 0x8A, v3.1.1 0x05.
    Banned,
    /// This client id is not this user's: 0x85, v3.1.1 0x02.
    ClientIdNotValid,
    /// Come back later: 0x89, v3.1.1 0x03.
    Busy,
}

impl Refusal {
    pub(crate) fn code(self) -> u8 {
        match self {
            Refusal::BadCredentials => 0x86,
            Refusal::NotAuthorised => 0x87,
            Refusal::Banned => 0x8A,
            Refusal::ClientIdNotValid => 0x85,
            Refusal::Busy => 0x89,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Refusal::BadCredentials => "bad user name or password",
            Refusal::NotAuthorised => "not authorised",
            Refusal::Banned => "banned",
            Refusal::ClientIdNotValid => "client id not valid",
            Refusal::Busy => "server busy",
        }
    }
}

/// The two ways from socket to consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Never dropped: the connection waits for room.
    Urgent,
    /// Dropped (QoS 0, counted) or held back (QoS 1) when the consumer is behind.
    Normal,
}
