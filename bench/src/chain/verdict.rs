//! Whether everything came, once, and in order; and how fast.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::receiver::Got;
use super::township::{TOLD, Township};
use crate::report::histogram;

/// What the receiver's notes come to.
pub struct Verdict {
    /// Different delivery ids.
    pub ids: usize,
    /// Requests beyond the first of each id.
    pub repeated: usize,
    /// From the second detector's planned alarm to the first, and to the last, who was told that it is red.
    pub red_first: Histogram<u64>,
    pub red_last: Histogram<u64>,
    /// From the begin to the last delivery.
    pub last: Duration,
    /// What is wrong, in words.
    faults: Vec<String>,
}

impl Verdict {
    /// # Errors
    /// A body that is not the station's.
    pub fn of(got: &[Got], begin: &Instant, second_after: Duration, town: &Township) -> Result<Verdict> {
        let mut verdict = Verdict {
            ids: 0,
            repeated: 0,
            red_first: histogram(),
            red_last: histogram(),
            last: Duration::ZERO,
            faults: Vec::new(),
        };
        let mut ids: HashSet<&str> = HashSet::new();
        // by alert, ring and step: there is one person for each step
        let mut told: HashMap<(String, u64, String), &str> = HashMap::new();
        let mut rings: HashMap<(String, String), u64> = HashMap::new();
        let mut reds: HashMap<String, (usize, Vec<Duration>)> = HashMap::new();
        for one in got {
            verdict.last = verdict.last.max(one.at.saturating_duration_since(*begin));
            if !ids.insert(&one.id) {
                verdict.repeated += 1;
                continue;
            }
            let body: serde_json::Value = serde_json::from_slice(&one.body).context("a delivery that is no JSON")?;
            let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            let (alert, whom, ring) = (text("alert"), text("whom"), body["ring"].as_u64().unwrap_or(0));
            if let Some(other) = told.insert((alert.clone(), ring, whom.clone()), &one.id) {
                verdict.faults.push(format!("{whom} was told of ring {ring} of {alert} as {other} and as {}", one.id));
            }
            let newest = rings.entry((alert.clone(), whom.clone())).or_insert(ring);
            if ring < *newest {
                verdict.faults.push(format!("{whom} heard of ring {ring} of {alert} after ring {newest}"));
            }
            *newest = ring.max(*newest);
            if text("colour") == "red" {
                let unit = body["unit"]["code"].as_str().and_then(|code| code.strip_prefix('U')?.parse().ok());
                let unit: usize = unit.context("a delivery without its unit")?;
                let planned = *begin + Duration::from_secs(1) / u32::try_from(town.units)? * unit as u32 + second_after;
                let red = reds.entry(alert).or_insert((unit, Vec::new()));
                red.1.push(one.at.saturating_duration_since(planned));
            }
        }
        verdict.ids = ids.len();
        if reds.len() != town.red {
            verdict.faults.push(format!("{} alerts became red, not {}", reds.len(), town.red));
        }
        for (unit, times) in reds.values() {
            if times.len() != TOLD {
                verdict.faults.push(format!("unit {unit}: {} people heard of red, not {TOLD}", times.len()));
            }
            let micros = |time: Option<&Duration>| time.map_or(0, |time| time.as_micros() as u64);
            verdict.red_first.saturating_record(micros(times.iter().min()));
            verdict.red_last.saturating_record(micros(times.iter().max()));
        }
        Ok(verdict)
    }

    /// # Errors
    /// What is missing or wrong.
    pub fn check(&self, owed: usize) -> Result<()> {
        if self.ids != owed {
            bail!("{} deliveries came, {owed} are owed", self.ids);
        }
        if let Some(first) = self.faults.first() {
            bail!("{} faults, the first: {first}", self.faults.len());
        }
        Ok(())
    }
}
