//! What vendors may ask of the station themselves.

use async_trait::async_trait;
use serde::Serialize;

/// Knows what was refused to a vendor's clients, and registers devices.
#[async_trait]
pub trait Vendors: Send + Sync + 'static {
    /// Up to `limit` refusals of a vendor with a `seq` below `before`, newest first. Quick, from memory.
    fn refusals(&self, vendor: &str, before: Option<u64>, limit: usize) -> Vec<Refusal>;

    /// Refusals of a vendor since the start, by reason.
    fn refusal_counts(&self, vendor: &str) -> Vec<(&'static str, u64)>;

    /// Gives a device of a vendor a credential, where the operator allows it. `as_vendor`: the vendor asks itself, by the
    /// account with this name.
    ///
    /// # Errors
    /// [`RegisterError`].
    async fn register(&self, vendor: &str, device: &str, as_vendor: Option<&str>) -> Result<Registered, RegisterError>;
}

/// Something that the listener refused, and how often in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Grows with every refusal.
    pub seq: u64,
    pub first_ms: u64,
    pub last_ms: u64,
    pub count: u64,
    /// The credential, or the name that was claimed.
    pub who: Option<Box<str>>,
    /// Whether `who` was proved.
    pub proved: bool,
    pub client_id: Option<Box<str>>,
    /// Address that the last one came from.
    pub peer: Option<String>,
    /// "connect", "publish", "subscribe" or "connection".
    pub attempt: &'static str,
    pub topic: Option<Box<str>>,
    /// MQTT 5 reason code, and the standard's name for it.
    pub code: u8,
    pub reason: &'static str,
    /// What is wrong and what to do.
    pub detail: Box<str>,
}

/// A device that may come in now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Registered {
    /// User name to log in with.
    pub name: String,
    /// Told this once.
    pub secret: String,
    /// Whether the roster has the device; until then what it sends goes to the quarantine.
    pub on_roster: bool,
}

/// Why a device was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Answered 403.
    #[error("{0}")]
    NotAllowed(String),
    /// Answered 409.
    #[error("{0}")]
    Exists(String),
    /// Answered 422.
    #[error("{0}")]
    Invalid(String),
    /// Answered 429, with the seconds until it may be tried again.
    #[error("{detail}")]
    TooMany { detail: String, retry_after_s: u64 },
    /// Answered 503.
    #[error("{0}")]
    Unavailable(String),
}
