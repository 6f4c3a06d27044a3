//! What is kept of refused and flawed messages, and how much of a flood.

use std::sync::Arc;

use broker::Message;
use model::{DeviceId, Quarantined};
use rustc_hash::FxHashMap;

use crate::admission::hash;
use crate::flaw::{Fault, Flaw, Reject};
use crate::settings::Settings;

/// Allowances of senders, and which flaws were told.
#[derive(Debug)]
pub(crate) struct Quarantine {
    settings: Settings,
    all: Bucket,
    senders: FxHashMap<Arc<str>, Sender>,
    /// Senders beyond `quarantine_senders_max` share this.
    others: Sender,
    /// When each flaw of each device was last written, ms since 1970.
    told: FxHashMap<(DeviceId, u64), u64>,
    summarised_ms: u64,
    /// When the tables, being full, may next be searched for what can be forgotten.
    sweep_senders_ms: u64,
    sweep_told_ms: u64,
}

/// One sender's allowance.
#[derive(Debug, Default)]
struct Sender {
    bucket: Bucket,
    suppressed: u64,
}

/// Thousandths of records that may be written now; `None` before the first.
#[derive(Debug, Default)]
struct Bucket {
    level_milli: Option<u64>,
    at_ms: u64,
}

impl Bucket {
    fn refill(&mut self, per_s: u64, burst: u64, now_ms: u64) -> u64 {
        let full = burst.saturating_mul(1_000);
        let level = match self.level_milli {
            None => full,
            Some(level) => level.saturating_add(now_ms.saturating_sub(self.at_ms).saturating_mul(per_s)).min(full),
        };
        self.level_milli = Some(level);
        self.at_ms = self.at_ms.max(now_ms);
        level
    }

    fn take(&mut self) {
        self.level_milli = self.level_milli.map(|level| level.saturating_sub(1_000));
    }
}

impl Quarantine {
    pub(crate) fn new(settings: &Settings) -> Quarantine {
        Quarantine {
            settings: settings.clone(),
            all: Bucket::default(),
            senders: FxHashMap::default(),
            others: Sender::default(),
            told: FxHashMap::default(),
            summarised_ms: 0,
            sweep_senders_ms: 0,
            sweep_told_ms: 0,
        }
    }

    /// Keeps a refused message, or counts it where its sender has had its share. Says whether it was kept.
    pub(crate) fn refused(
        &mut self,
        sender: &Arc<str>,
        message: &Message,
        reject: &Reject,
        at_ms: u64,
        into: &mut Vec<Quarantined>,
    ) -> bool {
        let kept = self.allow(sender, at_ms);
        if kept {
            into.push(self.record(sender, message, reject.fault, reject.detail.clone(), at_ms));
        }
        kept
    }

    /// Keeps a flawed message that was taken, once in a while for each flaw of a device.
    pub(crate) fn flawed(
        &mut self,
        sender: &Arc<str>,
        message: &Message,
        device: DeviceId,
        flaw: Flaw<'_>,
        at_ms: u64,
        into: &mut Vec<Quarantined>,
    ) {
        // what an implausible value was is told once for its quantity, not once for each number
        let about = flaw.subject.split(" = ").next().unwrap_or(flaw.subject);
        let key = (device, hash(&[flaw.fault.word().as_bytes(), about.as_bytes()]));
        let again_ms = self.settings.flaw_repeat_after_s.saturating_mul(1_000);
        let lately = |told_ms: &u64| at_ms.saturating_sub(*told_ms) < again_ms;
        if self.told.get(&key).is_some_and(lately) {
            return;
        }
        if self.told.len() >= self.settings.flaws_remembered_max && !self.told.contains_key(&key) {
            if at_ms >= self.sweep_told_ms {
                self.sweep_told_ms = at_ms + SWEEP_EVERY_MS;
                self.told.retain(|_, told_ms| lately(told_ms));
            }
            if self.told.len() >= self.settings.flaws_remembered_max {
                return;
            }
        }
        if self.allow(sender, at_ms) {
            self.told.insert(key, at_ms);
            into.push(self.record(sender, message, flaw.fault, flaw.detail(), at_ms));
        }
    }

    /// Writes one record for each sender whose messages were counted only.
    pub(crate) fn summarise(&mut self, at_ms: u64, into: &mut Vec<Quarantined>) {
        let every_ms = self.settings.quarantine_summary_every_s.saturating_mul(1_000);
        if at_ms.saturating_sub(self.summarised_ms) < every_ms {
            return;
        }
        self.summarised_ms = at_ms;
        let others: Arc<str> = Arc::from("(others)");
        let mut loud: Vec<(&Arc<str>, u64)> = Vec::new();
        for (name, sender) in self.senders.iter_mut().chain(std::iter::once((&others, &mut self.others))) {
            match std::mem::take(&mut sender.suppressed) {
                0 => {}
                count => loud.push((name, count)),
            }
        }
        loud.sort_unstable();
        for (name, count) in loud.into_iter().take(SUMMARIES_MAX) {
            let detail = format!(
                "{count} more messages of this sender were refused or flawed and only counted, because it sent more than \
                 {} such messages a second: correct what the records before this one say",
                self.settings.quarantine_sender_per_s
            );
            into.push(Quarantined {
                at_ms,
                sender: (&**name).into(),
                topic: "".into(),
                reason: Fault::Suppressed.word().into(),
                detail: detail.into(),
                payload: Box::default(),
            });
        }
    }

    fn allow(&mut self, name: &Arc<str>, at_ms: u64) -> bool {
        let Settings { quarantine_sender_per_s: per_s, quarantine_sender_burst: burst, .. } = self.settings;
        let all = self.all.refill(self.settings.quarantine_total_per_s, self.settings.quarantine_total_burst, at_ms);
        let full = self.senders.len() >= self.settings.quarantine_senders_max;
        if full && at_ms >= self.sweep_senders_ms && !self.senders.contains_key(name) {
            self.sweep_senders_ms = at_ms + SWEEP_EVERY_MS;
            // those who have been quiet long enough for a full allowance need not be remembered
            self.senders.retain(|_, sender| {
                sender.suppressed > 0 || sender.bucket.refill(per_s, burst, at_ms) < burst.saturating_mul(1_000)
            });
        }
        let room = self.senders.len() < self.settings.quarantine_senders_max;
        let sender = match self.senders.get_mut(name) {
            Some(sender) => sender,
            None if room => self.senders.entry(name.clone()).or_default(),
            None => &mut self.others,
        };
        let allowed = sender.bucket.refill(per_s, burst, at_ms) >= 1_000 && all >= 1_000;
        if allowed {
            sender.bucket.take();
            self.all.take();
        } else {
            sender.suppressed += 1;
        }
        allowed
    }

    fn record(&self, sender: &str, message: &Message, fault: Fault, mut detail: String, at_ms: u64) -> Quarantined {
        let whole = &message.payload;
        let kept = &whole[..whole.len().min(self.settings.quarantine_payload_bytes_max)];
        if kept.len() < whole.len() {
            detail.push_str(&format!(" (the first {} of {} bytes are kept)", kept.len(), whole.len()));
        }
        Quarantined {
            at_ms,
            sender: sender.into(),
            topic: message.topic.as_str().into(),
            reason: fault.word().into(),
            detail: detail.into(),
            payload: kept.into(),
        }
    }
}

/// Summaries written at once.
const SUMMARIES_MAX: usize = 256;

/// A flood from many senders must not search full tables for each message.
const SWEEP_EVERY_MS: u64 = 1_000;
