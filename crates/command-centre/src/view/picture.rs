//! A region as one caller sees it, at one cursor.

use std::sync::Arc;

use model::{Alert, ColourCounts, Cursor, Level, RegionCode, Roster};

use super::state::State;
use crate::access::Caller;

/// A region, its children and its open alerts, exact at `cursor`.
pub(crate) struct Picture {
    pub cursor: Cursor,
    pub at_ms: u64,
    pub roster: Arc<Roster>,
    pub region: RegionFacts,
    /// In the order of their codes; those that the caller sees a part of.
    pub children: Vec<RegionFacts>,
    /// Newest first; empty unless asked for.
    pub alerts: Vec<Arc<Alert>>,
}

/// A region with its counts. Of a region larger than the caller's scope, the counts are those of the scope.
pub(crate) struct RegionFacts {
    pub code: RegionCode,
    pub units: u32,
    pub devices: u32,
    pub counts: ColourCounts,
    /// Mean standing risk index of the units that have one.
    pub risk_mean: Option<f32>,
    pub open_alerts: u32,
}

impl State {
    pub(super) fn picture(&self, caller: &Caller, region: Option<RegionCode>, with_alerts: bool) -> Option<Picture> {
        let code = region.or(caller.scope).or_else(|| self.roster.regions().keys().next().copied())?;
        if !self.roster.regions().contains_key(&code) {
            return None;
        }
        let facts = self.facts(caller, code)?;
        let visible = caller.visible_part(code)?;
        Some(Picture {
            cursor: self.cursor,
            at_ms: self.at_ms,
            roster: Arc::clone(&self.roster),
            region: facts,
            children: self.children(code).filter_map(|child| self.facts(caller, child)).collect(),
            alerts: if with_alerts { self.open_alerts(Some(visible)) } else { Vec::new() },
        })
    }

    fn facts(&self, caller: &Caller, code: RegionCode) -> Option<RegionFacts> {
        let visible = caller.visible_part(code)?;
        let status = self.regions.get(&visible);
        Some(RegionFacts {
            code,
            units: self.roster.units_in(visible),
            devices: self.roster.devices_in(visible),
            counts: status.map(|status| status.counts).unwrap_or_default(),
            risk_mean: status.and_then(|status| status.risk.mean()),
            open_alerts: self.open_in.get(&visible).copied().unwrap_or(0),
        })
    }

    /// Codes nest by three digits, so the children are one run of the codes in order.
    fn children(&self, code: RegionCode) -> impl Iterator<Item = RegionCode> {
        let end = |digits: &str| format!("{code}{digits}").parse::<RegionCode>().ok();
        let run = match code.level() {
            Level::Grid => None,
            _ => end("000").zip(end("999")),
        };
        run.into_iter().flat_map(|(first, last)| self.roster.regions().range(first..=last).map(|(code, _)| *code))
    }
}
