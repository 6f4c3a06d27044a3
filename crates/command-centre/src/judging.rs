//! What the command centre asks of the judge: why, and which rules are in force.

use async_trait::async_trait;
use model::{AlertId, DeviceId, RegionCode, UnitId};
use serde_json::Value;

/// Knows why things are as they are, and looks after the rules.
#[async_trait]
pub trait Judging: Send + Sync + 'static {
    /// What is known of it now, as JSON.
    ///
    /// # Errors
    /// [`JudgingError`]
    async fn why(&self, about: About) -> Result<Value, JudgingError>;

    /// The rules in force, and what became of the last attempt to change them. Quick.
    fn rules(&self) -> Value;

    /// Why the rules' file is not what is in force, where it was refused. Quick.
    fn rules_fault(&self) -> Option<String>;

    /// Begins to load the rules' file; [`Judging::rules`] tells what becomes of it. Its number. `force`: also where the new
    /// rules would lose a fire that people verified as real.
    ///
    /// # Errors
    /// [`JudgingError`]
    fn reload_rules(&self, by: &str, force: bool) -> Result<u64, JudgingError>;
}

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Device(DeviceId),
    Unit(UnitId),
    Alert(AlertId),
    Region(RegionCode),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JudgingError {
    /// Answered 503.
    #[error("{0}")]
    Unavailable(String),
    /// Answered 404.
    #[error("{0}")]
    Unknown(String),
}
