//! What the process decides about clients: who comes in, what they may do, which lane a topic takes.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::topic::TopicFilter;

/// Decides who may come in and what they may do.
///
/// Called from connection tasks, often: implementations answer from memory and do no IO. A panic in
/// one of these calls ends the connection that caused it and nothing else.
pub trait Access: Send + Sync + 'static {
    /// Checks the credentials of one CONNECT.
    ///
    /// # Errors
    /// The refusal that the client is told in CONNACK.
    fn authenticate(&self, login: &Login<'_>) -> Result<Grant, Refusal>;

    /// Where publishes to this topic go.
    fn route(&self, topic: &str) -> Route;

    /// Whether a topic (or a filter) is reached only by filters that name its first level, as topics that begin with `$`
    /// are (MQTT-4.7.2-1): `#` and `+/…` neither grant nor match it.
    fn reserved(&self, topic: &str) -> bool {
        let _ = topic;
        false
    }

    /// Sessions that whoever was given `grant` may have, if not as many as [`crate::Settings::sessions_per_identity`] says.
    fn sessions_max(&self, grant: &Grant) -> Option<usize> {
        let _ = grant;
        None
    }

    /// Grows when [`Access::authenticate`] may have begun to say something else, before connections are ended for it: a client
    /// that is just coming in is asked again.
    fn version(&self) -> u64 {
        0
    }

    /// Whether an identity may still leave retained messages at a topic. Those of one that may not are not handed out.
    fn may_retain(&self, identity: &str, topic: &str) -> bool {
        let _ = (identity, topic);
        true
    }

    /// Milliseconds since the epoch; stamped on each message when it is read from the socket.
    fn now_ms(&self) -> u64;

    /// Told of everything that was refused, so that whoever sent it can look up why. The log is the implementation's to
    /// write, and what it keeps its to bound: this is called for each refusal.
    fn refused(&self, refused: &Refused<'_>) {
        let _ = refused;
    }
}

/// What a CONNECT brings along.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// What the client sent or, when it sent none, the id assigned to it.
    pub client_id: &'a str,
    /// User name of CONNECT.
    pub username: Option<&'a str>,
    /// Password of CONNECT.
    pub password: Option<&'a [u8]>,
    /// The client's X.509 certificate (DER), which the TLS handshake has verified against the CA bundle.
    pub certificate: Option<&'a [u8]>,
    /// Where it comes from.
    pub peer: SocketAddr,
}

/// One thing refused to a client.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The identity if it was let in; else the user name that it claimed, if any.
    pub who: Option<&'a str>,
    /// Whether `who` was proved.
    pub proved: bool,
    /// Client id, if one was read.
    pub client_id: Option<&'a str>,
    /// Where it comes from.
    pub peer: Option<SocketAddr>,
    /// What it tried.
    pub what: Attempt<'a>,
    /// MQTT 5 reason code.
    pub code: u8,
    /// What is wrong and what to do, as a sentence.
    pub detail: &'a str,
}

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt<'a> {
    /// CONNECT, or what came instead of it.
    Connect,
    /// PUBLISH to a topic.
    Publish(&'a str),
    /// SUBSCRIBE to a filter.
    Subscribe(&'a str),
    /// Anything else that ended the connection.
    Connection,
}

/// What an authenticated client may do, for as long as its connection lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who it is; comes with every publish and owns the client id.
    pub identity: Arc<str>,
    /// Kind of credential, for metrics: "device", "vendor"…
    pub class: &'static str,
    /// Topics it may publish to; shared by all connections of a credential.
    pub publish: Arc<[TopicFilter]>,
    /// Filters that a requested subscription must be covered by; shared likewise.
    pub subscribe: Arc<[TopicFilter]>,
    /// Whether its retained messages are kept. If not, the retain flag is passed on and nothing is stored.
    pub retain: bool,
}

/// Where a publish goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// To the consumer, and to nobody else.
    Consumer(Lane),
    /// To the clients that are subscribed, as brokers do.
    Relay,
}

/// Why a CONNECT is refused (MQTT 5 table 3-1, MQTT 3.1.1 table 3.1). All but bad credentials and busy say that the client
/// has proved who it is.
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

    pub(crate) fn is_of_somebody_known(self) -> bool {
        !matches!(self, Refusal::BadCredentials | Refusal::Busy)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Refusal::BadCredentials => "bad user name or password: compare them with the credential, also for spaces",
            Refusal::NotAuthorised => "not authorised: the credential is known but may not connect like this",
            Refusal::Banned => "banned by the operator: ask for the reason",
            Refusal::ClientIdNotValid => "client id not valid for this user: use one that the credential permits",
            Refusal::Busy => "server busy: try again later, with a growing pause",
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
