//! Failed sign-ins by address. A valid token is never refused here, however many failures came from its address:
//! behind a proxy all callers share one, and nobody may lock a command centre out. Secrets have 128 random bits, so
//! this limit is not what keeps a guesser out; it makes one visible and cheap.

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use crate::settings::Settings;

pub(crate) struct FailedSignIns {
    failures_max: u32,
    window: Duration,
    addresses_max: usize,
    addresses: Mutex<FxHashMap<IpAddr, Window>>,
}

#[derive(Clone, Copy)]
struct Window {
    began: Instant,
    failures: u32,
}

impl FailedSignIns {
    pub(crate) fn new(settings: &Settings) -> FailedSignIns {
        FailedSignIns {
            failures_max: settings.sign_in_failures_max,
            window: Settings::ms(settings.sign_in_window_ms),
            addresses_max: settings.sign_in_addresses_max,
            addresses: Mutex::default(),
        }
    }

    /// Counts a failure. `Some` when the address has used up its failures: time until they are forgotten.
    pub(crate) fn count(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let mut addresses = self.addresses.lock().expect("no holder of this lock panics");
        if addresses.len() >= self.addresses_max && !addresses.contains_key(&address) {
            addresses.retain(|_, window| now.duration_since(window.began) < self.window);
            if addresses.len() >= self.addresses_max {
                let oldest = addresses.iter().min_by_key(|(_, window)| window.began).map(|(address, _)| *address);
                oldest.map(|oldest| addresses.remove(&oldest));
            }
        }
        let window = addresses.entry(address).or_insert(Window { began: now, failures: 0 });
        if now.duration_since(window.began) >= self.window {
            *window = Window { began: now, failures: 0 };
        }
        window.failures = window.failures.saturating_add(1);
        let left = self.window.saturating_sub(now.duration_since(window.began));
        (window.failures > self.failures_max).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn failures_are_limited_by_address_and_forgotten() {
        let settings = Settings { sign_in_failures_max: 2, sign_in_window_ms: 1000, ..Settings::default() };
        let failures = FailedSignIns::new(&settings);
        let start = Instant::now();
        assert_eq!(failures.count(address(1), start), None);
        assert_eq!(failures.count(address(1), start), None);
        assert_eq!(failures.count(address(1), start + Duration::from_millis(400)), Some(Duration::from_millis(600)));
        assert_eq!(failures.count(address(2), start), None);
        assert_eq!(failures.count(address(1), start + Duration::from_millis(1000)), None);
    }

    #[test]
    fn no_more_addresses_are_kept_than_allowed() {
        let settings = Settings { sign_in_addresses_max: 3, ..Settings::default() };
        let failures = FailedSignIns::new(&settings);
        let start = Instant::now();
        for (last, after_ms) in (0..=200).zip(0..) {
            failures.count(address(last), start + Duration::from_millis(after_ms));
            assert!(failures.addresses.lock().expect("not poisoned").len() <= 3);
        }
    }
}
