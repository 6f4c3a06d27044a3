//! Holes of the duty plans, found before they come; and the record of who was responsible when.
//!
//! At the first tick of a minute, and at the first after roster or policy changed, plans and absences of the coming
//! `duty.look_ahead_s` seconds are looked through. Duties that they leave without anybody are kept as
//! records and told on the feed, each once, and again when it is filled or over. What is looked for depends on the minute
//! only, and looking twice changes nothing: a desk that was restarted between two ticks finds the same.

use std::collections::BTreeMap;

use model::ledger::Kept;
use model::roster::{DutyChange, DutyGap, Gap, Post, RosterChange, UtcOffset};
use model::{Epoch, FeedKind, KeptKind, Ledger, RegionCode, Roster, StoreError, wire};

use crate::turn::Draft;

/// Records read from the ledger at a time.
const PAGE: usize = 1024;

/// Region, post, station and beginning.
type Key = (RegionCode, Post, Box<str>, u64);

/// The holes that are known.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    known: BTreeMap<Key, DutyGap>,
    /// Minute, roster and seconds that were looked at last.
    looked: Option<(u64, Epoch, u32)>,
}

impl Gaps {
    pub fn restore(ledger: &dyn Ledger) -> Result<Gaps, StoreError> {
        let mut known = BTreeMap::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = ledger.kept(KeptKind::DutyGap, after.as_deref(), PAGE)?;
            for (key, value) in &rows {
                let gap: DutyGap = wire::decode(value).map_err(|error| StoreError::Damaged {
                    doing: "reading the holes of duty plans",
                    reason: format!("record {key:02x?}: {error}"),
                })?;
                known.insert(key_of(&gap), gap);
            }
            match rows.last() {
                Some((key, _)) if rows.len() == PAGE => after = Some(key.clone()),
                _ => return Ok(Gaps { known, looked: None }),
            }
        }
    }

    /// Looks through the plans, unless that was done for this minute.
    pub fn look(&mut self, look_ahead_s: u32, draft: &mut Draft<'_>) {
        let roster = draft.roster;
        let minute = draft.now_ms / 60_000;
        let looked = Some((minute, roster.version(), look_ahead_s));
        if self.looked == looked {
            return;
        }
        self.looked = looked;
        let from_ms = minute * 60_000;
        let found = roster.duty_gaps(from_ms, from_ms + u64::from(look_ahead_s) * 1000);
        let mut now = BTreeMap::new();
        for gap in &found {
            let gap = self.record(gap, from_ms, draft.now_ms, roster);
            now.insert(key_of(&gap), gap);
        }
        let before = std::mem::take(&mut self.known);
        for (_, gap) in before.iter().filter(|(key, _)| !now.contains_key(key)) {
            draft.kept.push(Kept { kind: KeptKind::DutyGap, key: gap.key(), value: None });
            draft.tell_place(FeedKind::DutyFilled, gap.region, words(gap, roster));
        }
        for (key, gap) in &now {
            let known = before.get(key);
            if known == Some(gap) {
                continue;
            }
            let value = Some(wire::encode(gap).into());
            draft.kept.push(Kept { kind: KeptKind::DutyGap, key: gap.key(), value });
            if known.is_none() {
                draft.tell_place(FeedKind::DutyGap, gap.region, words(gap, roster));
            }
        }
        if before != now {
            tracing::info!(holes = now.len(), "holes in the duty plans ahead");
            metrics::gauge!("fenghuo_alerts_duty_gaps").set(now.len() as f64);
        }
        self.known = now;
    }

    /// As it is kept: one that is already there keeps its beginning.
    fn record(&self, gap: &Gap, window_ms: u64, now_ms: u64, roster: &Roster) -> DutyGap {
        let Gap { duty, from_ms, until_ms } = *gap;
        let station = duty.station.and_then(|at| roster.stations().get(at as usize));
        let station: Box<str> = station.map_or("".into(), |station| station.code.clone());
        let last = (duty.region, duty.post, station, from_ms);
        let known = self.known.range((last.0, last.1, last.2.clone(), 0)..=last.clone()).next_back();
        let goes_on = |known: &DutyGap| {
            known.from_ms == from_ms || (from_ms == window_ms && known.until_ms.is_none_or(|until| until > window_ms))
        };
        let known = known.map(|(_, known)| known).filter(|known| goes_on(known));
        DutyGap {
            region: last.0,
            post: last.1,
            station: last.2,
            from_ms: known.map_or(from_ms, |known| known.from_ms),
            until_ms,
            found_ms: known.map_or(now_ms, |known| known.found_ms),
        }
    }
}

fn key_of(gap: &DutyGap) -> Key {
    (gap.region, gap.post, gap.station.clone(), gap.from_ms)
}

/// Keeps what a new roster means for duties.
pub(crate) fn record(change: &RosterChange, draft: &mut Draft<'_>) {
    if let Some(change) = DutyChange::of(change, draft.epoch, draft.now_ms) {
        let value = Some(wire::encode(&change).into());
        draft.kept.push(Kept { kind: KeptKind::DutyChange, key: change.key(), value });
    }
}

/// Chinese first, English beside it.
fn words(gap: &DutyGap, roster: &Roster) -> Box<str> {
    let (zh, en) = match gap.post {
        Post::Owner => ("业主", "owner"),
        Post::GridWorker => ("网格员", "grid worker"),
        Post::VillageChief => ("村（社区）负责人", "village chief"),
        Post::TownshipChief => ("镇街负责人", "township chief"),
        Post::MicroStation => ("微型消防站", "micro station"),
        Post::Commander => ("指挥长", "commander"),
    };
    let station = roster.stations().iter().find(|station| !gap.station.is_empty() && station.code == gap.station);
    let place = station.map_or_else(|| roster.region_name(gap.region), |station| station.name.to_string());
    let clock = |offset: UtcOffset, at_ms: u64| offset.local(at_ms).to_string();
    let offset = roster.utc_offset();
    let from = clock(offset, gap.from_ms);
    match gap.until_ms {
        Some(until_ms) => {
            let until = clock(offset, until_ms);
            format!("{place} {zh} {from} 至 {until} 无人值班 / no {en} on duty at {place}, {from} to {until}")
        }
        None => format!("{place} {zh} 自 {from} 起无人值班 / no {en} on duty at {place} from {from} on"),
    }
    .into()
}
