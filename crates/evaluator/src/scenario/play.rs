//! Plays a scenario and compares.

use std::sync::Arc;

use model::{
    Action, AlertId, Colour, Command, CommandId, Commit, Entry, Evaluated, Finding, Reading, Roster, Sighting, Step,
    UnitId,
};
use serde::Serialize;

use super::{Line, ScenarioError, T0, Test, words};
use crate::judge::{Judge, Share};
use crate::rollup::Rollup;
use crate::rules::Rules;

/// How a test went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    pub name: String,
    pub passed: bool,
    /// What was seen at each line, and at ticks where something was found that was not expected.
    pub moments: Vec<Moment>,
}

/// One moment of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    pub at_s: u64,
    /// The line; empty for a tick between two lines.
    pub line: String,
    pub expected: Vec<String>,
    /// Findings, and the colours that were asked about.
    pub found: Vec<String>,
    /// Evidence of what was found, Chinese and English.
    pub evidence: Vec<(String, String)>,
    pub passed: bool,
}

struct Stage<'a> {
    test: &'a Test,
    judge: Judge,
    rollup: Rollup,
    roster: Arc<Roster>,
    epoch: u64,
}

pub(super) fn play(test: &Test, rules: &Rules) -> Result<Outcome, ScenarioError> {
    let judge = Judge::new(rules.clone(), Share::ALL);
    let roster = Arc::new(test.roster()?);
    let mut stage = Stage { test, judge, rollup: Rollup::default(), roster, epoch: 0 };
    let mut moments = Vec::new();
    let mut now_s = None;
    for line in test.lines()? {
        let from_s = now_s.map_or(line.at_s, |now_s| now_s + test.ticks_s);
        if test.ticks_s > 0 {
            for tick_s in (from_s..line.at_s).step_by(test.ticks_s as usize) {
                let out = stage.commit(tick_s, Vec::new(), Vec::new());
                let found: Vec<&Finding> = stage.looked_at(&out).collect();
                if !found.is_empty() {
                    moments.push(moment(tick_s, "", &[], &found, &stage));
                }
            }
        }
        let out = stage.line(&line);
        let found: Vec<&Finding> = stage.looked_at(&out).collect();
        moments.push(moment(line.at_s, line.text, &line.expected, &found, &stage));
        now_s = Some(line.at_s);
    }
    Ok(Outcome { name: test.name.clone(), passed: moments.iter().all(|moment| moment.passed), moments })
}

fn moment(at_s: u64, text: &str, expected: &[&str], found: &[&Finding], stage: &Stage<'_>) -> Moment {
    let (colours, findings): (Vec<&str>, Vec<&str>) =
        expected.iter().copied().partition(|expected| words::colour(expected).is_some());
    let mut told: Vec<String> = found.iter().map(|finding| words::line(finding)).collect();
    let mut passed = findings.len() == found.len()
        && findings.iter().zip(found).all(|(expected, finding)| words::fits(expected, finding, &stage.roster));
    for expected in colours {
        let Some((unit, colour)) = words::colour(expected) else { continue };
        let is = stage.colour(unit.and_then(|unit| stage.roster.unit_by_code(unit)).unwrap_or(UnitId(0)));
        told.push(match unit {
            None => format!("colour {}", is.map_or("none", Colour::word)),
            Some(unit) => format!("colour {unit} {}", is.map_or("none", Colour::word)),
        });
        passed &= is == Some(colour);
    }
    Moment {
        at_s,
        line: text.to_owned(),
        expected: expected.iter().map(ToString::to_string).collect(),
        found: told,
        evidence: found
            .iter()
            .map(|finding| (finding.evidence.zh.to_string(), finding.evidence.en.to_string()))
            .collect(),
        passed,
    }
}

impl Stage<'_> {
    fn line(&mut self, line: &Line<'_>) -> Evaluated {
        let (mut entries, mut readings) = (Vec::new(), Vec::new());
        let at_ms = T0 + line.at_s * 1000;
        for word in &line.words {
            if words::is_of_unit(word) {
                entries.extend(self.of_unit(line.subject, word));
                continue;
            }
            let device = self.roster.device_by_key(&format!("v/{}", line.subject));
            // it was checked that the device is there and that the word means something
            let said = device.and_then(|device| words::parse(device, at_ms, word).ok());
            let (said, measured) = said.unwrap_or_default();
            entries.extend(said);
            readings.extend(measured);
        }
        self.commit(line.at_s, entries, readings)
    }

    /// What people do with the unit's open alert, or report of it.
    fn of_unit(&self, subject: &str, word: &str) -> Vec<Entry> {
        let Some(unit) = words::unit_of(subject, &self.roster) else { return Vec::new() };
        let number = self.epoch + 1;
        if let Some((kind, id)) = words::sighting(word) {
            return vec![Entry::Sighting(Sighting { id: id.into(), unit, by: "test".into(), kind, note: "".into() })];
        }
        let Some((family, action)) = words::act(word) else { return Vec::new() };
        let incident = self.judge.state().units.get(unit.index()).and_then(|unit| unit.incident(family));
        let Some(&epoch) = incident.and_then(|incident| incident.openings.first()) else { return Vec::new() };
        let alert = AlertId { epoch, unit, family };
        let act = |person: &str, action: Action| {
            let id = CommandId(format!("{person}-{number}-{word}").into());
            Entry::Command(Command { id, person: person.into(), entered_by: None, alert, action, note: None })
        };
        // one person looks after it, another closes it
        match action {
            Action::Close => vec![act("test", Action::BeginWork), act("test 2", Action::Close)],
            other => vec![act("test", other)],
        }
    }

    fn commit(&mut self, at_s: u64, mut entries: Vec<Entry>, readings: Vec<Reading>) -> Evaluated {
        self.epoch += 1;
        entries.push(Entry::Tick);
        let commit = Commit { epoch: self.epoch, at_ms: T0 + at_s * 1000, entries, readings };
        let judged = self.judge.apply(Step { commit: Arc::new(commit), roster: Arc::clone(&self.roster) });
        self.rollup.join(vec![judged]).expect("one part")
    }

    fn looked_at<'b>(&self, out: &'b Evaluated) -> impl Iterator<Item = &'b Finding> + use<'_, 'b> {
        let test = self.test;
        let named = |names: &[String], finding: &Finding| names.iter().any(|name| *name == finding.rule);
        out.findings.iter().filter(move |finding| {
            (test.only.is_empty() || named(&test.only, finding)) && !named(&test.ignore, finding)
        })
    }

    fn colour(&self, unit: UnitId) -> Option<Colour> {
        self.judge.state().units.get(unit.index())?.colour
    }
}
