//! The wall clock, read nowhere else.

use std::time::{SystemTime, UNIX_EPOCH};

use model::Clock;

/// Tells the time of the machine.
pub struct WallClock;

impl Clock for WallClock {
    #[allow(clippy::disallowed_methods)] // this is the one place
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
