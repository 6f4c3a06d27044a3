//! The only wall clock of the simulator, and the city's own time beside it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall clock, milliseconds since 1970-01-01 UTC.
#[allow(clippy::disallowed_methods)] // a load generator's messages carry the real time
pub fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// City time against real time: `city = start + (real - start) * speed`.
///
/// The station trusts its own clock, so messages carry real time; at a speed other than 1 rates of rise look
/// `speed` times as steep to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timebase {
    /// The moment at which both clocks agree, ms since epoch.
    pub start_ms: i64,
    /// City seconds per real second; above 0.
    pub speed: f64,
}

impl Timebase {
    /// City time at a real time.
    pub fn city_ms(&self, real_ms: i64) -> i64 {
        self.start_ms + ((real_ms - self.start_ms) as f64 * self.speed) as i64
    }

    /// Real time at a city time.
    pub fn real_ms(&self, city_ms: i64) -> i64 {
        self.start_ms + ((city_ms - self.start_ms) as f64 / self.speed) as i64
    }
}

/// Real time that cannot step back while a run lasts: the wall clock once, the monotonic clock from then on.
#[derive(Debug, Clone, Copy)]
pub struct Steady {
    origin: Instant,
    origin_ms: i64,
}

impl Steady {
    /// Starts now.
    #[allow(clippy::disallowed_methods)]
    pub fn start() -> Self {
        Self { origin: Instant::now(), origin_ms: wall_ms() }
    }

    /// Milliseconds since epoch.
    pub fn now_ms(&self) -> i64 {
        self.origin_ms + i64::try_from(self.origin.elapsed().as_millis()).unwrap_or(0)
    }
}
