//! Counters of a run, and the line that tells them every ten seconds.

use crate::wire::Kind;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// Counted since the start, by all links together.
#[derive(Debug, Default)]
pub struct Counters {
    pub alarms: AtomicU64,
    pub telemetry: AtomicU64,
    pub events: AtomicU64,
    pub states: AtomicU64,
    /// QoS 1 messages among them, each counted once however often it is sent.
    pub owed: AtomicU64,
    /// PUBACKs for them.
    pub acknowledged: AtomicU64,
    /// Sent a second time because the connection ended before the PUBACK.
    pub repeated: AtomicU64,
    /// Telemetry given up because a link's queue was full.
    pub dropped: AtomicU64,
    /// Anything else given up. Should be 0.
    pub lost: AtomicU64,
    /// Connections that ended or could not be made.
    pub failures: AtomicU64,
    /// Connections now.
    pub connected: AtomicI64,
    /// Actions of responders that the station accepted.
    pub actions: AtomicU64,
    /// Actions it refused.
    pub refused: AtomicU64,
}

impl Counters {
    /// Counts a message handed to a link.
    pub fn count(&self, kind: Kind, qos1: bool) {
        let counter = match kind {
            Kind::Alarm => &self.alarms,
            Kind::Telemetry => &self.telemetry,
            Kind::Event => &self.events,
            Kind::State => &self.states,
        };
        counter.fetch_add(1, Relaxed);
        if qos1 {
            self.owed.fetch_add(1, Relaxed);
        }
    }

    /// Messages of all kinds.
    pub fn sent(&self) -> u64 {
        [&self.alarms, &self.telemetry, &self.events, &self.states].iter().map(|c| c.load(Relaxed)).sum()
    }

    /// One line for the log. `per_s`: messages a second since the last line.
    pub fn line(&self, title: &str, per_s: f64, incidents: usize) {
        let get = |c: &AtomicU64| c.load(Relaxed);
        tracing::info!(
            per_s = per_s.round(),
            alarms = get(&self.alarms),
            telemetry = get(&self.telemetry),
            events = get(&self.events),
            states = get(&self.states),
            owed = get(&self.owed),
            acknowledged = get(&self.acknowledged),
            repeated = get(&self.repeated),
            dropped = get(&self.dropped),
            lost = get(&self.lost),
            connected = self.connected.load(Relaxed),
            failures = get(&self.failures),
            incidents,
            actions = get(&self.actions),
            refused = get(&self.refused),
            "{title}"
        );
    }
}
