//! Plays samples through the judge in virtual time: the code that the station runs, without its threads.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use evaluator::Rules;
use evaluator::judge::{Judge, Share};
use model::roster::{DeviceClass, DeviceRow, Roster, RosterRows, UnitRow};
use model::{Commit, DeviceId, Entry, Family, Phase, Quantity, Reading, Step};

/// A sample: ms since the beginning, device, quantity, value.
pub type Sample = (i64, u32, Quantity, f32);

/// When it begins, ms since 1970: long before the first sample, so that the devices are known and silent.
const ORIGIN_MS: u64 = 1_763_802_000_000;

/// One finding of fire or warning that began.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub at_ms: i64,
    pub rule: String,
    pub fire: bool,
    pub unit: u32,
    /// None of the unit's fire conditions held before: an alert opens.
    pub opens: bool,
}

/// A judge with devices of which number `n` is in the unit `unit_of[n]`.
pub struct Play {
    judge: Judge,
    roster: Arc<Roster>,
    epoch: u64,
    /// Fire conditions that hold: unit, rule, device.
    holding: BTreeSet<(u32, String, Option<u32>)>,
    pub found: Vec<Found>,
    pub readings: u64,
}

impl Play {
    pub fn new(unit_of: &[u32], report_every_s: u32, rules: &Rules) -> Result<Play> {
        let roster = roster(unit_of, report_every_s)?;
        let judge = Judge::new(rules.clone(), Share::ALL);
        Ok(Play { judge, roster, epoch: 0, holding: BTreeSet::new(), found: Vec::new(), readings: 0 })
    }

    /// A commit of the samples of one moment, with a tick.
    pub fn moment(&mut self, at_ms: i64, samples: &[Sample]) {
        self.epoch += 1;
        let now_ms = ORIGIN_MS.saturating_add_signed(at_ms);
        let reading = |(_, device, quantity, value): &Sample| Reading {
            device: DeviceId(*device),
            quantity: *quantity,
            value: *value,
            at_ms: now_ms,
            skew_ms: None,
            seq: None,
        };
        let readings: Vec<Reading> = samples.iter().map(reading).collect();
        self.readings += readings.len() as u64;
        let commit = Commit { epoch: self.epoch, at_ms: now_ms, entries: vec![Entry::Tick], readings };
        let judged = self.judge.apply(Step { commit: Arc::new(commit), roster: Arc::clone(&self.roster) });
        for (_, finding) in judged.findings {
            if finding.family == Family::Fault {
                continue;
            }
            let fire = finding.family == Family::Fire;
            let (unit, rule) = (finding.unit.0, finding.rule.to_string());
            let key = (unit, rule.clone(), finding.device.map(|device| device.0));
            match finding.phase {
                Phase::Began => {
                    let opens = fire && !self.holding.iter().any(|(of, _, _)| *of == unit);
                    if fire {
                        self.holding.insert(key);
                    }
                    self.found.push(Found { at_ms, rule, fire, unit, opens });
                }
                Phase::Ended => {
                    self.holding.remove(&key);
                }
                Phase::Continued => {}
            }
        }
    }

    /// Plays samples in order of time, with a tick each second for 20 s after each moment and each ten seconds after that.
    pub fn run(&mut self, samples: &[Sample]) {
        let mut last_ms = None;
        for moment in samples.chunk_by(|a, b| a.0 == b.0) {
            let at_ms = moment[0].0;
            let from_ms = last_ms.unwrap_or(at_ms);
            let quick = (from_ms + 1000..=from_ms + 20_000).step_by(1000);
            let slow = (from_ms + 30_000..at_ms).step_by(10_000);
            for tick_ms in quick.chain(slow).take_while(|tick_ms| *tick_ms < at_ms) {
                self.moment(tick_ms, &[]);
            }
            self.moment(at_ms, moment);
            last_ms = Some(at_ms);
        }
    }
}

fn roster(unit_of: &[u32], report_every_s: u32) -> Result<Arc<Roster>> {
    let mut rows = RosterRows::default();
    let grid = "331083001001001";
    for code in ["331083", "331083001", "331083001001", grid] {
        rows.regions.push((2, code.parse()?, code.into()));
    }
    for unit in 0..=unit_of.iter().copied().max().unwrap_or(0) {
        let row = UnitRow {
            code: format!("u{unit}").into(),
            name: "店".into(),
            category: "沿街商铺".into(),
            address: "".into(),
            grid: grid.parse()?,
            owner: "".into(),
            position_m: None,
            profile: Default::default(),
        };
        rows.units.push((2, row));
    }
    for (device, unit) in unit_of.iter().enumerate() {
        let row = DeviceRow {
            vendor: "v".into(),
            name: format!("d{device}").into(),
            unit: format!("u{unit}").into(),
            class: DeviceClass::Combined,
            location: "".into(),
            report_every_s,
            gateway: "".into(),
        };
        rows.devices.push((2, row));
    }
    let empty = Roster::default();
    let change = empty.change_to(&rows).ok().context("the rows of the table's roster have faults")?;
    Ok(Arc::new(empty.after(&change, 1)))
}
