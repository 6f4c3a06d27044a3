//! How much one client, one address and all together may ask for. Who asks for more is served more
//! slowly; nothing that was sent is dropped.

mod address;
mod bucket;
mod takeovers;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::address::{Address, Addresses};
use self::bucket::{Bucket, Rate};
pub(crate) use self::takeovers::Takeovers;
use crate::lock;
use crate::settings::Settings;

/// The limits of one listener and what they have counted so far.
pub(crate) struct Limits {
    client: (Rate, Rate),
    per_address: (Rate, Rate),
    connects: Rate,
    connects_of_address: Rate,
    failures: Rate,
    failure_delay_max: Duration,
    half_open_max: usize,
    half_open_of_address_max: usize,
    all_connects: std::sync::Mutex<Bucket>,
    half_open: AtomicUsize,
    addresses: Addresses,
    delayed: Semaphore,
    pub(crate) takeovers: Takeovers,
}

/// Why a connection was closed as soon as it was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    HalfOpen,
    HalfOpenOfAddress,
    Fast,
    FastOfAddress,
}

impl TurnedAway {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            TurnedAway::HalfOpen => "too many connections without a login (half_open_max)",
            TurnedAway::HalfOpenOfAddress => {
                "too many connections of one address without a login (half_open_per_address_max)"
            }
            TurnedAway::Fast => "connections come too fast (connects_per_s)",
            TurnedAway::FastOfAddress => {
                "connections of one address come too fast (connects_per_address_per_s, unlimited_addresses)"
            }
        }
    }
}

impl Limits {
    pub(crate) fn new(settings: &Settings, now: Instant) -> Limits {
        const SECOND: Duration = Duration::from_secs(1);
        let with_burst_s = |per_s: u64| Rate::new(per_s, SECOND, per_s.saturating_mul(settings.rate_burst_s));
        Limits {
            client: (with_burst_s(settings.packets_per_s), with_burst_s(settings.bytes_per_s)),
            per_address: (with_burst_s(settings.address_packets_per_s), with_burst_s(settings.address_bytes_per_s)),
            connects: Rate::new(settings.connects_per_s, SECOND, settings.connects_burst),
            connects_of_address: Rate::new(
                settings.connects_per_address_per_s,
                SECOND,
                settings.connects_per_address_burst,
            ),
            failures: Rate::new(
                settings.login_failures_per_minute.into(),
                Duration::from_secs(60),
                settings.login_failures_per_minute.into(),
            ),
            failure_delay_max: Duration::from_millis(settings.login_delay_max_ms),
            half_open_max: settings.half_open_max,
            half_open_of_address_max: settings.half_open_per_address_max,
            all_connects: std::sync::Mutex::new(Bucket::full(now)),
            half_open: AtomicUsize::new(0),
            addresses: Addresses::new(settings.addresses_max, &settings.unlimited_addresses, now),
            delayed: Semaphore::new(settings.login_delays_max),
            takeovers: Takeovers::new(settings.takeovers_per_minute, Duration::from_millis(settings.takeover_pause_ms)),
        }
    }

    /// Whether a connection that was just accepted may go on: asked before it costs anything.
    pub(crate) fn arrive(self: &Arc<Limits>, from: IpAddr, now: Instant) -> Result<HalfOpen, TurnedAway> {
        if self.half_open.load(Ordering::Relaxed) >= self.half_open_max {
            return Err(TurnedAway::HalfOpen);
        }
        let address = self.addresses.get(from, now);
        if let Some(address) = &address {
            if address.half_open.load(Ordering::Relaxed) >= self.half_open_of_address_max {
                return Err(TurnedAway::HalfOpenOfAddress);
            }
            if !address.connect(self.connects_of_address, now) {
                return Err(TurnedAway::FastOfAddress);
            }
        }
        if !lock(&self.all_connects).take(self.connects, now) {
            return Err(TurnedAway::Fast);
        }
        self.half_open.fetch_add(1, Ordering::Relaxed);
        if let Some(address) = &address {
            address.half_open.fetch_add(1, Ordering::Relaxed);
        }
        Ok(HalfOpen { limits: self.clone(), address })
    }

    /// Connections that have not logged in yet.
    pub(crate) fn half_open(&self) -> usize {
        self.half_open.load(Ordering::Relaxed)
    }

    /// Notes a failed login and holds its answer back for the longer, the more of them an address has sent. Only
    /// answers to failures wait, and a bounded number of them; true if this one did.
    pub(crate) async fn brake(&self, from: IpAddr) -> bool {
        let now = Instant::now();
        let Some(delay) = self.addresses.get(from, now).and_then(|address| address.fail(self.failures, now)) else {
            return false;
        };
        let Ok(_place) = self.delayed.try_acquire() else { return false };
        tokio::time::sleep(delay.min(self.failure_delay_max)).await;
        true
    }
}

/// A connection between accept and login; counted for as long as this lives.
pub(crate) struct HalfOpen {
    limits: Arc<Limits>,
    address: Option<Arc<Address>>,
}

impl HalfOpen {
    /// The client was let in.
    pub(crate) fn admitted(self) -> ClientLimits {
        let now = Instant::now();
        let shared = self.limits.per_address.0.is_limited() || self.limits.per_address.1.is_limited();
        ClientLimits {
            packets: Bucket::full(now),
            bytes: Bucket::full(now),
            address: self.address.clone().filter(|_| shared),
            paused_until: None,
        }
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.limits.half_open.fetch_sub(1, Ordering::Relaxed);
        if let Some(address) = &self.address {
            address.half_open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What one client has asked for lately.
pub(crate) struct ClientLimits {
    packets: Bucket,
    bytes: Bucket,
    address: Option<Arc<Address>>,
    paused_until: Option<Instant>,
}

impl ClientLimits {
    /// Counts what was read; how long not to read again if that was too much.
    pub(crate) fn spend(&mut self, limits: &Limits, packets: usize, bytes: usize, now: Instant) -> Option<Duration> {
        let own = self.packets.spend(limits.client.0, packets, now);
        let own = own.max(self.bytes.spend(limits.client.1, bytes, now));
        let shared = self.address.as_ref().and_then(|address| address.spend(limits.per_address, packets, bytes, now));
        let wait = own.max(shared);
        if let Some(wait) = wait {
            self.paused_until = Some(now + wait);
        }
        wait
    }

    /// Until when the client is not to be read from.
    pub(crate) fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Ends the pause if its time has come; true if it did.
    pub(crate) fn resume(&mut self, now: Instant) -> bool {
        let over = self.paused_until.is_some_and(|until| until <= now);
        if over {
            self.paused_until = None;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn limits(settings: Settings) -> Arc<Limits> {
        Arc::new(Limits::new(&settings, Instant::now()))
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn half_open_connections_are_bounded_in_all_and_per_address() {
        let limits = limits(Settings { half_open_max: 3, half_open_per_address_max: 2, ..Settings::default() });
        let now = Instant::now();
        let one = limits.arrive(ip(1), now).unwrap();
        let two = limits.arrive(ip(1), now).unwrap();
        assert_eq!(limits.arrive(ip(1), now).err(), Some(TurnedAway::HalfOpenOfAddress));
        let three = limits.arrive(ip(2), now).unwrap();
        assert_eq!(limits.arrive(ip(3), now).err(), Some(TurnedAway::HalfOpen));
        drop(one.admitted());
        assert_eq!(limits.half_open(), 2);
        assert!(limits.arrive(ip(1), now).is_ok());
        drop((two, three));
        assert_eq!(limits.half_open(), 0);
    }

    #[test]
    fn connects_are_bounded_in_all_and_per_address() {
        let limits = limits(Settings {
            connects_per_s: 1,
            connects_burst: 3,
            connects_per_address_per_s: 1,
            connects_per_address_burst: 2,
            unlimited_addresses: vec![ip(9)],
            ..Settings::default()
        });
        let now = Instant::now();
        let outcomes = [1, 1, 1, 9, 9].map(|from| limits.arrive(ip(from), now).err());
        let expected = [None, None, Some(TurnedAway::FastOfAddress), None, Some(TurnedAway::Fast)];
        assert_eq!(outcomes, expected);
    }

    #[test]
    fn connections_of_one_address_share_its_rates() {
        let limits = limits(Settings { address_packets_per_s: 100, rate_burst_s: 1, ..Settings::default() });
        let now = Instant::now();
        let mut first = limits.arrive(ip(1), now).unwrap().admitted();
        let mut second = limits.arrive(ip(1), now).unwrap().admitted();
        let mut other = limits.arrive(ip(2), now).unwrap().admitted();
        assert_eq!(first.spend(&limits, 90, 1, now), None);
        let wait = second.spend(&limits, 20, 1, now).unwrap();
        assert_eq!(wait, Duration::from_millis(100));
        assert_eq!(other.spend(&limits, 90, 1, now), None);
        assert!(!second.resume(now) && second.resume(now + wait) && second.paused_until().is_none());
    }

    #[tokio::test]
    async fn failed_logins_wait_longer_and_longer_but_not_for_ever_and_not_all() {
        let limits = limits(Settings {
            login_failures_per_minute: 2,
            login_delay_max_ms: 40,
            login_delays_max: 1,
            ..Settings::default()
        });
        let began = Instant::now();
        assert!(!limits.brake(ip(1)).await && !limits.brake(ip(1)).await);
        let (first, second) = tokio::join!(limits.brake(ip(1)), limits.brake(ip(1)));
        assert!(first && !second, "one place to wait");
        assert!(began.elapsed() >= Duration::from_millis(40));
        assert!(!limits.brake(ip(2)).await);
    }
}
