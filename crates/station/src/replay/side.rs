//! One side of a comparison: evaluator and desk, and what they raised.

use std::collections::{BTreeMap, HashMap};

use alerts::{Desk, Policy};
use anyhow::Result;
use evaluator::Solo;
use model::finding::Words;
use model::{Alert, AlertId, Colour, Command, Evaluated, Family, Phase, Step, UnitId, Verdict};

use super::nothing::Nothing;

/// An alert, as far as it is compared.
#[derive(Debug, Clone)]
pub struct Raised {
    pub id: AlertId,
    pub raised_ms: u64,
    /// `None`: open at the end.
    pub closed_ms: Option<u64>,
    pub colour: Colour,
    pub exercise: bool,
    /// Rule of its first evidence.
    pub rule: String,
    pub evidence: Option<Words>,
    pub verdict: Option<Verdict>,
    pub verified_ms: Option<u64>,
}

pub struct Side {
    solo: Solo,
    desk: Desk,
    pub raised: BTreeMap<AlertId, Raised>,
    pub open: HashMap<(UnitId, Family), AlertId>,
    /// Findings that began, by rule.
    pub began: BTreeMap<String, u64>,
}

impl Side {
    pub fn new(solo: Solo, policy: Policy) -> Result<Side> {
        let desk = Desk::restore(policy, &Nothing)?;
        Ok(Side { solo, desk, raised: BTreeMap::new(), open: HashMap::new(), began: BTreeMap::new() })
    }

    /// Units' colours now.
    pub fn colours(&self) -> impl Iterator<Item = (UnitId, Colour)> {
        self.solo.colours()
    }

    /// Takes a commit in; what it raises is remembered where it counts.
    pub fn step(&mut self, step: Step, counts: bool) -> Evaluated {
        let evaluated = self.solo.step(step);
        let turn = self.desk.step(&evaluated);
        for alert in &turn.batch.alerts {
            self.take(alert, counts);
        }
        for finding in evaluated.findings.iter().filter(|finding| counts && finding.phase == Phase::Began) {
            *self.began.entry(finding.rule.to_string()).or_default() += 1;
        }
        evaluated
    }

    fn take(&mut self, alert: &Alert, counts: bool) {
        let key = (alert.id.unit, alert.id.family);
        if alert.state.is_open() {
            self.open.insert(key, alert.id);
        } else if self.open.get(&key) == Some(&alert.id) {
            self.open.remove(&key);
        }
        let raised = match self.raised.get_mut(&alert.id) {
            Some(raised) => raised,
            None if !counts => return,
            None => {
                let first = alert.evidence.first();
                self.raised.entry(alert.id).or_insert_with(|| Raised {
                    id: alert.id,
                    raised_ms: alert.raised_ms,
                    closed_ms: None,
                    colour: alert.colour,
                    exercise: alert.exercise,
                    rule: first.map_or_else(String::new, |evidence| evidence.rule.to_string()),
                    evidence: first.map(|evidence| evidence.words.clone()),
                    verdict: None,
                    verified_ms: None,
                })
            }
        };
        (raised.colour, raised.exercise) = (alert.colour, alert.exercise);
        raised.closed_ms = (!alert.state.is_open()).then_some(alert.updated_ms);
        if let Some((verdict, mark)) = &alert.verdict {
            (raised.verdict, raised.verified_ms) = (Some(*verdict), Some(mark.at_ms));
        }
    }
}

/// The alert of the other side that a recorded act counts for: the same one, or the one that is open in its place.
pub fn acts_on(command: &Command, before: &Side, after: &Side) -> AlertId {
    let key = (command.alert.unit, command.alert.family);
    let is_of_now = before.open.get(&key) == Some(&command.alert);
    after.open.get(&key).copied().filter(|_| is_of_now).unwrap_or(command.alert)
}
