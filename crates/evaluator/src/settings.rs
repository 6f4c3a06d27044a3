//! Limits of the stage. What decides about fire is in [`crate::Rules`], which the journal carries.

use serde::{Deserialize, Serialize};

/// Limits of the stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Worker threads that share the villages among them, 1 to [`Settings::WORKERS_MAX`]. Outputs and checkpoints are the
    /// same for any number; one is enough for two million readings a second. Count.
    pub workers: usize,
    /// Commits taken in and not yet out, at most; [`crate::Handle::submit`] waits above it. Count.
    pub epochs_in_flight_max: usize,
    /// A commit taken in is out within this time, or the process ends; time that downstream takes is not counted. ms.
    pub epoch_limit_ms: u64,
    /// The state is checkpointed every so many seconds of commit time. s.
    pub checkpoint_every_s: u64,
}

impl Settings {
    pub const WORKERS_MAX: usize = 64;
}

impl Default for Settings {
    fn default() -> Self {
        Settings { workers: 1, epochs_in_flight_max: 64, epoch_limit_ms: 10_000, checkpoint_every_s: 10 }
    }
}
