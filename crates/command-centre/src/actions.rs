//! What the command centre asks of the station. Nothing is changed here: an act goes into the journal and comes back
//! as what the desk made of it.

use async_trait::async_trait;
use model::{Command, CommandOutcome, DeviceId, Epoch, Order, OrderOutcome, RegionCode, Sighting};
use serde::Serialize;

/// Carries acts to the journal.
#[async_trait]
pub trait Actions: Send + Sync + 'static {
    /// Journals an operator's act and waits for what the desk made of it, after the [`crate::View`] has been told. A
    /// command whose id was seen before has the outcome of the first and changes nothing.
    ///
    /// # Errors
    /// [`ActionError`] when it could not be journalled.
    async fn submit(&self, command: Command) -> Result<CommandOutcome, ActionError>;

    /// As [`Actions::submit`], for an order.
    ///
    /// # Errors
    /// [`ActionError`] when it could not be journalled.
    async fn order(&self, order: Order) -> Result<OrderOutcome, ActionError>;

    /// Journals a command to a device and sends it.
    ///
    /// # Errors
    /// [`ActionError`] when it could not be journalled; a device that is not connected is no error.
    async fn device_command(&self, order: DeviceOrder) -> Result<DeviceSent, ActionError>;

    /// Journals a person's report of a unit; the commit that holds it. What follows comes over the feed.
    ///
    /// # Errors
    /// [`ActionError`] when it could not be journalled.
    async fn sighting(&self, sighting: Sighting) -> Result<Epoch, ActionError>;

    /// Reads the roster folder again and journals what changed.
    ///
    /// # Errors
    /// [`ActionError::Invalid`] with every fault of the folder, of which then nothing is taken.
    async fn reload_roster(&self, by: &str) -> Result<RosterReloaded, ActionError>;
}

/// Why an act was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// The station cannot take it now. Answered 503.
    #[error("{0}")]
    Unavailable(String),
    /// What was asked cannot be done as it stands. Answered 422.
    #[error("{detail}")]
    Invalid {
        detail: String,
        /// Each fault with its place, e.g. `units.csv:17: …`.
        faults: Vec<String>,
    },
}

/// A command to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceOrder {
    pub device: DeviceId,
    /// Person or service whose act it is.
    pub by: Box<str>,
    /// The device's own word for it: "mute", "self_test"…
    pub command: Box<str>,
    /// A JSON value; "null" where there is nothing to add.
    pub args_json: Box<str>,
}

/// Whether a device command went out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceSent {
    pub sent: bool,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a reload of the roster changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RosterReloaded {
    /// Journal commit that made the roster in force.
    pub version: u64,
    /// Rows of all tables.
    pub added: u64,
    pub changed: u64,
    pub retired: u64,
}

/// Knows how devices are. [`crate::View`] does, from what the evaluator told; the station may put a fresher source in
/// its place.
pub trait Devices: Send + Sync + 'static {
    fn status(&self, device: DeviceId) -> DeviceStatus;
}

/// Knows how the standing risk of regions moved. The station asks the evaluator.
pub trait RiskHistory: Send + Sync + 'static {
    /// Version of the weights in force; empty before it is known.
    fn version(&self) -> String;

    /// Ends of past days of a region, oldest first; the last is today as it stands. Days of which nothing is known are left
    /// out.
    fn days(&self, region: RegionCode) -> Vec<RiskDay>;
}

/// The mean index of a region's units at the end of a day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RiskDay {
    /// When the day began, ms since 1970.
    pub begins_ms: u64,
    /// Units that had an index. Count.
    pub units: u32,
    /// `None` for no unit.
    pub mean: Option<f64>,
}

impl RiskDay {
    /// Length of a day, ms.
    pub const MS: u64 = 86_400_000;
}

/// Liveness of a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceStatus {
    /// `None`: never judged.
    pub alive: Option<bool>,
    /// Last heard of, ms since 1970; `None`: never, as far as known.
    pub last_seen_ms: Option<u64>,
}

impl DeviceStatus {
    /// "online", "lost" or "unknown".
    pub fn word(self) -> &'static str {
        match self.alive {
            Some(true) => "online",
            Some(false) => "lost",
            None => "unknown",
        }
    }
}
