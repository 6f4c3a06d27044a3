//! Floods: more alerts than people can answer. Declared, never acted upon: nothing is hidden or held by it.
//!
//! ISA-18.2: ten alarms in ten minutes for each operator are as many as one can answer.

use std::collections::BTreeMap;
use std::fmt::Write;

use model::hold::{FloodBucket, FloodCount, key};
use model::{Alert, Colour, Family, FeedKind, Flood, KeptKind, Ledger, RegionCode, StoreError};

use crate::hold::{city, put};
use crate::policy::FloodPolicy;
use crate::turn::Draft;

/// Counts new alerts.
#[derive(Debug, Default)]
pub(crate) struct FloodWatch {
    flood: Flood,
    /// Where the newest alert was.
    place: Option<RegionCode>,
    changed: bool,
}

impl FloodWatch {
    pub fn restore(ledger: &dyn Ledger) -> Result<FloodWatch, StoreError> {
        let stored = ledger.kept_one(KeptKind::Storm, key::FLOOD)?;
        let state: Option<(Flood, Option<RegionCode>)> =
            stored.map(|bytes| crate::hold::read("reading the flood", &bytes)).transpose()?;
        let (flood, place) = state.unwrap_or_default();
        Ok(FloodWatch { flood, place, changed: false })
    }

    /// Counts a new alert.
    pub fn count(&mut self, alert: &Alert, now_ms: u64, policy: FloodPolicy) {
        self.prune(now_ms, policy);
        let from_ms = now_ms - now_ms % Flood::BUCKET_MS;
        if self.flood.buckets.last().is_none_or(|bucket| bucket.from_ms != from_ms) {
            self.flood.buckets.push(FloodBucket { from_ms, counts: Vec::new() });
        }
        let bucket = self.flood.buckets.last_mut().expect("pushed if there was none");
        let rule = alert.conditions.first().map_or("", |condition| &condition.rule);
        let of = |count: &FloodCount| (count.family, count.colour);
        let this = (alert.family(), alert.colour);
        match bucket.counts.binary_search_by(|count| of(count).cmp(&this).then_with(|| (*count.rule).cmp(rule))) {
            Ok(at) => bucket.counts[at].alerts += 1,
            Err(at) => {
                bucket.counts.insert(at, FloodCount { family: this.0, colour: this.1, rule: rule.into(), alerts: 1 });
            }
        }
        self.place = Some(alert.grid);
        self.changed = true;
    }

    fn prune(&mut self, now_ms: u64, policy: FloodPolicy) {
        let from_ms = now_ms.saturating_sub(u64::from(policy.window_s) * 1000);
        let old = self.flood.buckets.iter().take_while(|bucket| bucket.from_ms + Flood::BUCKET_MS <= from_ms).count();
        if old > 0 {
            self.flood.buckets.drain(..old);
            self.changed = true;
        }
    }

    /// Declares a flood, or its end.
    pub fn turn(&mut self, policy: FloodPolicy, draft: &mut Draft<'_>) {
        if !self.changed && self.flood.since_ms.is_none() {
            return;
        }
        self.prune(draft.now_ms, policy);
        let alerts = self.flood.alerts();
        let Some(place) = self.place else { return };
        let seats = u32::from(policy.seats);
        match self.flood.since_ms {
            None if alerts > seats * u32::from(policy.alerts) => {
                self.flood.since_ms = Some(draft.now_ms);
                let words = words(&self.flood, policy);
                tracing::info!(epoch = draft.epoch, "a flood of alerts: {words}");
                draft.tell_place(FeedKind::FloodBegan, city(place), words.into());
            }
            Some(_) if alerts < seats * u32::from(policy.over_alerts) => {
                self.flood.since_ms = None;
                draft.tell_place(FeedKind::FloodEnded, city(place), words(&self.flood, policy).into());
            }
            None | Some(_) => return,
        }
        self.changed = true;
        metrics::gauge!("fenghuo_alerts_flood").set(if self.flood.since_ms.is_some() { 1.0 } else { 0.0 });
    }

    pub fn keep(&mut self, draft: &mut Draft<'_>) {
        if std::mem::take(&mut self.changed) {
            put(KeptKind::Storm, key::FLOOD.into(), Some(&(&self.flood, self.place)), draft);
        }
    }
}

/// `43 in 600 s at 3 seats; fire 1, fault 42; red 1, yellow 42; power_lost 40, lost_contact 2, smoke 1`.
fn words(flood: &Flood, policy: FloodPolicy) -> String {
    let mut families = [0u32; Family::ALL.len()];
    let mut colours: BTreeMap<std::cmp::Reverse<Colour>, u32> = BTreeMap::new();
    let mut rules: BTreeMap<&str, u32> = BTreeMap::new();
    for count in flood.counts() {
        families[count.family as usize] += count.alerts;
        *colours.entry(std::cmp::Reverse(count.colour)).or_default() += count.alerts;
        *rules.entry(&count.rule).or_default() += count.alerts;
    }
    let mut words = format!("{} in {} s at {} seats", flood.alerts(), policy.window_s, policy.seats);
    let mut list = |items: Vec<(&str, u32)>| {
        let items: Vec<String> = items.into_iter().map(|(word, alerts)| format!("{word} {alerts}")).collect();
        if !items.is_empty() {
            let _ = write!(words, "; {}", items.join(", "));
        }
    };
    list(Family::ALL.into_iter().map(|f| (f.word(), families[f as usize])).filter(|(_, n)| *n > 0).collect());
    list(colours.iter().map(|(colour, alerts)| (colour.0.word(), *alerts)).collect());
    let mut causes: Vec<(&str, u32)> = rules.into_iter().collect();
    causes.sort_by_key(|(_, alerts)| std::cmp::Reverse(*alerts));
    causes.truncate(5);
    list(causes);
    words
}
