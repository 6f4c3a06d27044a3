//! The gate before new rules: none that would lose a fire which people verified as real comes into force by oversight.
//!
//! The ledger names the fires; the journal is judged around each of them, by the rules in force and by the new ones. What
//! the rules in force do not find from the record either (their memory reaches further back than the gate looks) says
//! nothing about the new ones, and is told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use evaluator::Rules;
use model::{AlertId, Checkpoints, Epoch, Family, Journal, Ledger, Level, RegionCode, Roster, Verdict};
use serde::Serialize;

use crate::replay::{self, Plan, Side};

/// The record is judged from so long before a fire, ms; its last part by the new rules.
const BEFORE_MS: u64 = 2 * 3_600_000;
const TRIED_MS: u64 = 3_600_000;
/// Alerts read at a time.
const PAGE: usize = 512;
const DAY_MS: u64 = 86_400_000;

/// Limits of the gate.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Fires of so many days count.
    pub days: u32,
    /// It looks for so long.
    pub time: Duration,
}

/// What the gate found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Passage {
    /// Fires that people verified as real within the days.
    pub real_fires: usize,
    /// Of them, those that both rules were tried on.
    pub tried: usize,
    /// Those that the rules in force find and the new ones do not, or only after people had verified them.
    pub lost: Vec<Fire>,
    /// Those that the rules in force do not find from the part of the record that was judged.
    pub not_reproduced: usize,
    /// Those that the time did not suffice for, or whose record is no longer kept.
    pub skipped: usize,
    pub took_ms: u64,
}

/// A fire that people verified as real.
#[derive(Debug, Clone, Serialize)]
pub struct Fire {
    pub id: AlertId,
    pub unit: String,
    pub unit_name: String,
    pub raised_ms: u64,
    pub verified_ms: u64,
    #[serde(skip)]
    grid: RegionCode,
}

impl Passage {
    /// For the log, in one line.
    pub fn told(&self) -> String {
        format!(
            "{} verified fires: {} tried, {} lost, {} not reproduced, {} skipped, in {} ms",
            self.real_fires,
            self.tried,
            self.lost.len(),
            self.not_reproduced,
            self.skipped,
            self.took_ms
        )
    }
}

/// What the gate stands on.
pub struct Record<'a> {
    pub journal: &'a dyn Journal,
    pub ledger: &'a dyn Ledger,
    pub checkpoints: &'a dyn Checkpoints,
    pub roster: Arc<Roster>,
    /// Rules in force.
    pub rules: Rules,
}

/// Tries new rules on the fires that people verified as real, the newest first.
///
/// # Errors
/// A journal or ledger that cannot be read.
pub fn pass(record: &Record<'_>, new: &Rules, limits: Limits) -> Result<Passage> {
    let began = Instant::now();
    let mut fires = real_fires(record, limits.days)?;
    let mut passage = Passage { real_fires: fires.len(), ..Passage::default() };
    fires.sort_by_key(|fire| std::cmp::Reverse(fire.raised_ms));
    for together in windows(fires) {
        let left = limits.time.saturating_sub(began.elapsed());
        let first_ms = together.iter().map(|fire| fire.raised_ms).min().unwrap_or(0);
        let kept = replay::epoch_at(record.journal, first_ms)? > record.journal.first_epoch();
        if left.is_zero() || !kept {
            passage.skipped += together.len();
            continue;
        }
        try_on(record, new, &together, left, &mut passage)?;
    }
    passage.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(passage)
}

fn real_fires(record: &Record<'_>, days: u32) -> Result<Vec<Fire>> {
    let Some(last) = record.journal.read(record.journal.last_epoch().max(1)).next().transpose()? else {
        return Ok(Vec::new());
    };
    let from_ms = last.at_ms.saturating_sub(u64::from(days) * DAY_MS);
    let mut fires = Vec::new();
    let mut before: Option<Epoch> = None;
    loop {
        let alerts = record.ledger.alerts(before, PAGE)?;
        for alert in alerts.iter().filter(|alert| alert.id.family == Family::Fire && !alert.exercise) {
            let Some((Verdict::Real, mark)) = &alert.verdict else { continue };
            let unit = record.roster.unit(alert.id.unit);
            fires.push(Fire {
                id: alert.id,
                unit: unit.map_or_else(String::new, |unit| unit.code.to_string()),
                unit_name: unit.map_or_else(String::new, |unit| unit.name.to_string()),
                raised_ms: alert.raised_ms,
                verified_ms: mark.at_ms,
                grid: alert.grid,
            });
        }
        match alerts.last() {
            Some(oldest) if alerts.len() == PAGE && oldest.raised_ms >= from_ms => before = Some(oldest.id.epoch),
            _ => break,
        }
    }
    fires.retain(|fire| fire.raised_ms >= from_ms);
    Ok(fires)
}

/// Fires whose parts of the record overlap, together; in the order given, which is newest first.
fn windows(fires: Vec<Fire>) -> Vec<Vec<Fire>> {
    let mut windows: Vec<Vec<Fire>> = Vec::new();
    for fire in fires {
        match windows.last_mut() {
            Some(last) if last.last().is_some_and(|later| later.raised_ms <= fire.verified_ms + BEFORE_MS) => {
                last.push(fire);
            }
            _ => windows.push(vec![fire]),
        }
    }
    windows
}

fn try_on(record: &Record<'_>, new: &Rules, fires: &[Fire], limit: Duration, passage: &mut Passage) -> Result<()> {
    let first_ms = fires.iter().map(|fire| fire.raised_ms).min().unwrap_or(0);
    let mut plan = Plan::new(new.clone());
    plan.from_ms = first_ms.saturating_sub(TRIED_MS).max(1);
    plan.warm_up_ms = BEFORE_MS - TRIED_MS;
    plan.to_ms = fires.iter().map(|fire| fire.verified_ms).max().unwrap_or(0);
    plan.limit = Some(limit);
    plan.known = Some((Arc::clone(&record.roster), record.rules.clone()));
    plan.villages = fires.iter().filter_map(|fire| fire.grid.at(Level::Village)).collect::<BTreeSet<_>>();
    let played = replay::play(record.journal, record.checkpoints, &plan)?;
    for fire in fires {
        let reached = played.run.whole || fire.verified_ms <= played.run.to_ms;
        match (reached, finds(&played.before, fire), finds(&played.after, fire)) {
            (false, ..) => passage.skipped += 1,
            (true, _, true) => passage.tried += 1,
            (true, true, false) => {
                passage.tried += 1;
                passage.lost.push(fire.clone());
            }
            (true, false, false) => passage.not_reproduced += 1,
        }
    }
    Ok(())
}

/// Whether a side raised the fire before people verified it.
fn finds(side: &Side, fire: &Fire) -> bool {
    side.raised.values().any(|raised| {
        (raised.id.unit, raised.id.family) == (fire.id.unit, Family::Fire)
            && raised.raised_ms <= fire.verified_ms
            && !raised.exercise
    })
}
