//! What was refused at the listener, for whoever has to mend it: the newest refusals of each vendor, in memory.
//!
//! Whoever can reach the port can provoke refusals. So everything is bounded: refusals of a vendor, vendors, lengths of
//! texts, lines in the log; the same refusal again only counts; and what came under an unproved name never pushes out more
//! than half of what the vendor's own proved clients caused.

mod sentences;

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use broker::{Attempt, Refused};

use crate::config::MqttAccess;
use crate::credentials::{Credentials, NOBODY};

pub use sentences::name_of;

/// Characters kept of a text that a client sent.
const TEXT_CHARS_MAX: usize = 200;

/// Codes that say nothing about the client: unavailable, busy, shutting down. The log tells of these in other words.
const OURS: [u8; 3] = [0x88, 0x89, 0x8B];

/// One refusal, and how often it happened in the same way.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Grows with every refusal.
    pub seq: u64,
    pub first_ms: u64,
    pub last_ms: u64,
    pub count: u64,
    /// The credential, or the name that was claimed.
    pub who: Option<Box<str>>,
    pub proved: bool,
    pub client_id: Option<Box<str>>,
    /// Address of the last one.
    pub peer: Option<IpAddr>,
    /// "connect", "publish", "subscribe" or "connection".
    pub attempt: &'static str,
    pub topic: Option<Box<str>>,
    /// MQTT 5 reason code.
    pub code: u8,
    /// What is wrong and what to do.
    pub detail: Box<str>,
    key: u64,
}

#[derive(Default)]
struct Ring {
    /// Oldest first.
    entries: VecDeque<Entry>,
    counts: BTreeMap<u8, u64>,
}

#[derive(Default)]
struct Kept {
    seq: u64,
    rings: HashMap<Box<str>, Ring>,
    /// When the next line about an identity may be written, by the hash of its name.
    log_after_ms: HashMap<u64, u64>,
    muted: u64,
}

/// Refusals by vendor.
pub struct Refusals {
    pub settings: MqttAccess,
    random: RandomState,
    kept: Mutex<Kept>,
}

impl Refusals {
    pub fn new(settings: MqttAccess) -> Refusals {
        Refusals { settings, random: RandomState::new(), kept: Mutex::default() }
    }

    /// Keeps a refusal, and tells the log unless it heard of this identity a moment ago.
    pub fn note(&self, refused: &Refused<'_>, credentials: &Credentials, now_ms: u64) {
        let (attempt, topic) = match refused.what {
            Attempt::Connect => ("connect", None),
            Attempt::Publish(topic) => ("publish", Some(topic)),
            Attempt::Subscribe(filter) => ("subscribe", Some(filter)),
            Attempt::Connection => ("connection", None),
        };
        let vendor = vendor_of(refused, credentials);
        let key = self.random.hash_one((refused.who, refused.client_id, attempt, topic, refused.code, refused.proved));
        let identity = self.random.hash_one(refused.who);
        let mut kept = self.lock();
        kept.seq += 1;
        let seq = kept.seq;
        let fits = kept.rings.contains_key(vendor) || kept.rings.len() < self.settings.refusal_vendors_max;
        let vendor = if fits { vendor } else { NOBODY };
        if !kept.rings.contains_key(vendor) {
            kept.rings.insert(vendor.into(), Ring::default());
        }
        let ring = kept.rings.get_mut(vendor).expect("was put there a moment ago");
        *ring.counts.entry(refused.code).or_default() += 1;
        let known = ring.entries.iter().rposition(|entry| entry.key == key);
        let entry = match known.and_then(|at| ring.entries.remove(at)) {
            Some(entry) => Entry { seq, last_ms: now_ms, count: entry.count + 1, ..entry },
            None => Entry {
                seq,
                first_ms: now_ms,
                last_ms: now_ms,
                count: 1,
                who: refused.who.map(shortened),
                proved: refused.proved,
                client_id: refused.client_id.map(shortened),
                peer: None,
                attempt,
                topic: topic.map(shortened),
                code: refused.code,
                detail: sentences::explain(refused, credentials).into(),
                key,
            },
        };
        ring.make_room(self.settings.refusals_per_vendor.max(1));
        ring.entries.push_back(Entry { peer: refused.peer.map(|peer| peer.ip()), ..entry });
        let last = ring.entries.back().cloned();
        let is_theirs = !OURS.contains(&refused.code);
        let muted = if is_theirs { kept.may_log(identity, now_ms, &self.settings) } else { None };
        let vendor: Box<str> = vendor.into();
        drop(kept);
        if let (Some(entry), Some(muted)) = (last, muted) {
            tell(&vendor, &entry, muted);
        }
    }

    /// Up to `limit` refusals of a vendor with a `seq` below `before`, newest first.
    pub fn page(&self, vendor: &str, before: Option<u64>, limit: usize) -> Vec<Entry> {
        let kept = self.lock();
        let entries = kept.rings.get(vendor).into_iter().flat_map(|ring| ring.entries.iter().rev());
        entries.filter(|entry| before.is_none_or(|before| entry.seq < before)).take(limit).cloned().collect()
    }

    /// How often each code was given to a vendor since the start.
    pub fn counts(&self, vendor: &str) -> Vec<(u8, u64)> {
        let kept = self.lock();
        kept.rings.get(vendor).map(|ring| ring.counts.iter().map(|(code, n)| (*code, *n)).collect()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn make_room(&mut self, limit: usize) {
        while self.entries.len() >= limit {
            let unproved = self.entries.iter().filter(|entry| !entry.proved).count();
            let crowded = unproved > limit / 2;
            let oldest = self.entries.iter().position(|entry| !crowded || !entry.proved);
            self.entries.remove(oldest.unwrap_or(0));
        }
    }
}

impl Kept {
    /// `Some(lines kept back since the last one)` if a line about this identity may be written now.
    fn may_log(&mut self, identity: u64, now_ms: u64, settings: &MqttAccess) -> Option<u64> {
        if self.log_after_ms.len() >= settings.refusal_log_identities_max {
            self.log_after_ms.retain(|_, after_ms| *after_ms > now_ms);
        }
        let is_full = self.log_after_ms.len() >= settings.refusal_log_identities_max;
        let slot = if is_full { 0 } else { identity };
        let after_ms = self.log_after_ms.entry(slot).or_default();
        if *after_ms > now_ms {
            self.muted += 1;
            return None;
        }
        *after_ms = now_ms + settings.refusal_log_every_s.saturating_mul(1000);
        Some(std::mem::take(&mut self.muted))
    }
}

fn tell(vendor: &str, entry: &Entry, muted: u64) {
    let (who, client) = (entry.who.as_deref().unwrap_or(""), entry.client_id.as_deref().unwrap_or(""));
    let (peer, topic) = (entry.peer.map(|peer| peer.to_string()), entry.topic.as_deref().unwrap_or(""));
    let (peer, code) = (peer.as_deref().unwrap_or(""), format!("0x{:02x}", entry.code));
    let (attempt, why) = (entry.attempt, &*entry.detail);
    tracing::warn!(vendor, who, proved = entry.proved, client, peer, attempt, topic, code, muted, "refused: {why}");
}

/// Under which vendor a refusal is filed.
fn vendor_of<'a>(refused: &Refused<'a>, credentials: &'a Credentials) -> &'a str {
    let Some(who) = refused.who else { return NOBODY };
    if let Some(vendor) = credentials.get(who).and_then(|credential| credential.vendor()) {
        return vendor;
    }
    match who.split_once('/') {
        Some((vendor, _)) if credentials.knows_vendor(vendor) => vendor,
        None if credentials.knows_vendor(who) => who,
        _ => NOBODY,
    }
}

fn shortened(text: &str) -> Box<str> {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests;
