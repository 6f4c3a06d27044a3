//! What is remembered of the addresses that clients come from: a bounded table.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::{Bucket, Rate};
use crate::lock;

/// One source address.
pub(crate) struct Address {
    pub(crate) half_open: AtomicUsize,
    accounts: Mutex<Accounts>,
}

struct Accounts {
    connects: Bucket,
    failures: Bucket,
    packets: Bucket,
    bytes: Bucket,
}

impl Address {
    fn new(now: Instant) -> Address {
        let full = Bucket::full(now);
        let accounts = Accounts { connects: full, failures: full, packets: full, bytes: full };
        Address { half_open: AtomicUsize::new(0), accounts: Mutex::new(accounts) }
    }

    /// Whether one more connection may come.
    pub(super) fn connect(&self, rate: Rate, now: Instant) -> bool {
        lock(&self.accounts).connects.take(rate, now)
    }

    /// Notes a failed login; how far it is beyond what is tolerated.
    pub(super) fn fail(&self, rate: Rate, now: Instant) -> Option<Duration> {
        lock(&self.accounts).failures.spend(rate, 1, now)
    }

    /// Counts what one of its connections read; how long that one is not to be read from.
    pub(super) fn spend(&self, rates: (Rate, Rate), packets: usize, bytes: usize, now: Instant) -> Option<Duration> {
        let mut accounts = lock(&self.accounts);
        let wait = accounts.packets.spend(rates.0, packets, now);
        wait.max(accounts.bytes.spend(rates.1, bytes, now))
    }

    fn is_forgettable(self: &Arc<Address>, now: Instant) -> bool {
        let accounts = lock(&self.accounts);
        let all = [accounts.connects, accounts.failures, accounts.packets, accounts.bytes];
        Arc::strong_count(self) == 1
            && self.half_open.load(Ordering::Relaxed) == 0
            && all.iter().all(|bucket| bucket.is_full(now))
    }
}

/// Addresses by key; those that came when it was full share one entry.
pub(crate) struct Addresses {
    known: Mutex<Known>,
    others: Arc<Address>,
    unlimited: HashSet<IpAddr>,
    max: usize,
}

struct Known {
    by_key: HashMap<IpAddr, Arc<Address>>,
    cleared_at: Option<Instant>,
}

/// A full table is searched for entries to forget at most this often.
const CLEARING: Duration = Duration::from_secs(1);

impl Addresses {
    pub(super) fn new(max: usize, unlimited: &[IpAddr], now: Instant) -> Addresses {
        Addresses {
            known: Mutex::new(Known { by_key: HashMap::new(), cleared_at: None }),
            others: Arc::new(Address::new(now)),
            unlimited: unlimited.iter().map(IpAddr::to_canonical).collect(),
            max,
        }
    }

    /// The entry of an address; `None` for one without limits.
    pub(super) fn get(&self, from: IpAddr, now: Instant) -> Option<Arc<Address>> {
        if self.unlimited.contains(&from.to_canonical()) {
            return None;
        }
        let key = key(from);
        let mut known = lock(&self.known);
        if let Some(address) = known.by_key.get(&key) {
            return Some(address.clone());
        }
        if known.by_key.len() >= self.max && known.cleared_at.is_none_or(|at| now >= at + CLEARING) {
            known.cleared_at = Some(now);
            known.by_key.retain(|_, address| !address.is_forgettable(now));
        }
        if known.by_key.len() >= self.max {
            return Some(self.others.clone());
        }
        let address = Arc::new(Address::new(now));
        known.by_key.insert(key, address.clone());
        Some(address)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        lock(&self.known).by_key.len()
    }
}

/// A site has a /64 of IPv6 at the least, and may come from any address in it.
fn key(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_table_stays_bounded_and_forgets_who_is_at_rest() {
        let now = Instant::now();
        let table = Addresses::new(2, &[], now);
        let rate = Rate::new(1, Duration::from_secs(1), 1);
        let busy = table.get(ip("10.0.0.1"), now).unwrap();
        assert!(busy.connect(rate, now));
        table.get(ip("10.0.0.2"), now).unwrap();
        let third = table.get(ip("10.0.0.3"), now).unwrap(); // the second was at rest
        assert_eq!(table.len(), 2);
        assert!(Arc::ptr_eq(&busy, &table.get(ip("10.0.0.1"), now).unwrap()));
        let fourth = table.get(ip("10.0.0.4"), now).unwrap();
        let fifth = table.get(ip("10.0.0.5"), now).unwrap();
        assert!(Arc::ptr_eq(&fourth, &fifth) && !Arc::ptr_eq(&third, &fourth), "latecomers share");
        assert_eq!(table.len(), 2);
        drop((busy, third));
        let later = now + Duration::from_secs(5);
        let own = table.get(ip("10.0.0.6"), later).unwrap();
        assert!(!Arc::ptr_eq(&own, &fourth) && table.len() == 1);
    }

    #[test]
    fn one_site_is_one_address_and_some_have_no_limit() {
        let now = Instant::now();
        let table = Addresses::new(10, &[ip("10.0.0.9")], now);
        let site = table.get(ip("2001:db8:1:2::5"), now).unwrap();
        assert!(Arc::ptr_eq(&site, &table.get(ip("2001:db8:1:2:ffff::1"), now).unwrap()));
        assert!(!Arc::ptr_eq(&site, &table.get(ip("2001:db8:1:3::5"), now).unwrap()));
        let v4 = table.get(ip("10.0.0.1"), now).unwrap();
        assert!(Arc::ptr_eq(&v4, &table.get(ip("::ffff:10.0.0.1"), now).unwrap()));
        assert!(table.get(ip("10.0.0.9"), now).is_none() && table.get(ip("::ffff:10.0.0.9"), now).is_none());
    }
}
