//! "What if": the recorded journal, judged once by the rules that were in force and once by others, and what would have
//! differed. Both sides are evaluator and desk as they run in the station; commits are streamed, never held.
//!
//! People act on alerts that they see. Where the other rules raise a fire some seconds earlier or later, its alert has
//! another id than the one that people acted on: what they did counts for the alert of that unit and family that is open.

mod colours;
mod compare;
mod nothing;
mod report;
mod side;
mod start;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use evaluator::{Rules, Solo};
use model::{Checkpoints, Commit, Entry, Epoch, Journal, RegionCode, Roster, Step};

pub use report::{AlertShape, Report};

use colours::Colours;
pub use side::Side;
use side::acts_on;

/// Progress is told, and the limit looked at, once in so many commits.
const LOOK_EVERY: u64 = 256;

/// What to replay.
pub struct Plan {
    /// The rules to try.
    pub rules: Rules,
    /// They are in force from then on, and only what happens from then on is compared, ms since 1970; 0: from the first
    /// commit kept.
    pub from_ms: u64,
    /// Nothing after it is looked at, ms since 1970; [`u64::MAX`]: to the end.
    pub to_ms: u64,
    /// Both sides see so much before `from_ms`, so that their memories are warm, ms.
    pub warm_up_ms: u64,
    /// It ends after this time, wherever it is then.
    pub limit: Option<Duration>,
    /// The roster and rules to begin with, where the nearest are good enough; else those of that moment, which costs a look
    /// through all of the journal before it.
    pub known: Option<(Arc<Roster>, Rules)>,
    /// Only readings of these villages are judged; all, where there are none named.
    pub villages: BTreeSet<RegionCode>,
    /// Told how far it is: time of the commit, ms since 1970.
    pub progress: Box<dyn Fn(u64) + Send>,
}

impl Plan {
    pub fn new(rules: Rules) -> Plan {
        Plan {
            rules,
            from_ms: 0,
            to_ms: u64::MAX,
            warm_up_ms: 24 * 3_600_000,
            limit: None,
            known: None,
            villages: BTreeSet::new(),
            progress: Box::new(|_| {}),
        }
    }
}

/// Both sides of a comparison.
struct Both {
    before: Side,
    after: Side,
    colours: Colours,
    /// The rules to try are in force.
    trying: bool,
}

/// Both sides after a replay.
pub struct Played {
    pub before: Side,
    pub after: Side,
    pub roster: Arc<Roster>,
    pub run: report::Run,
    pub notes: Vec<report::Note>,
    colours: Colours,
}

/// Replays, and tells what would have differed.
///
/// # Errors
/// A journal that cannot be read.
pub fn run(journal: &dyn Journal, checkpoints: &dyn Checkpoints, plan: &Plan) -> Result<Report> {
    let Played { before, after, colours, roster, run, notes } = play(journal, checkpoints, plan)?;
    Ok(compare::report(&before, &after, &colours, &roster, run, notes))
}

/// Replays.
///
/// # Errors
/// A journal that cannot be read.
pub fn play(journal: &dyn Journal, checkpoints: &dyn Checkpoints, plan: &Plan) -> Result<Played> {
    let began = Instant::now();
    let start = start::find(journal, checkpoints, plan)?;
    let mut notes = start.notes;
    let before = Side::new(start.evaluator.get()?, start.policy.clone())?;
    let after = Side::new(start.evaluator.get()?, start.policy)?;
    let colours = Colours::begin(before.colours(), after.colours());
    let mut both = Both { before, after, colours, trying: false };
    let mut roster = start.roster;
    let mut run = report::Run {
        from_ms: plan.from_ms,
        to_ms: 0,
        commits: 0,
        readings: 0,
        took_ms: 0,
        whole: true,
        rules: evaluator::rules::hash(plan.rules.text()),
    };
    for commit in journal.read(start.from) {
        let mut commit = commit.context("reading the journal")?;
        if commit.at_ms > plan.to_ms {
            break;
        }
        if run.commits.is_multiple_of(LOOK_EVERY) {
            (plan.progress)(commit.at_ms);
            if plan.limit.is_some_and(|limit| began.elapsed() > limit) {
                run.whole = false;
                notes.push(report::cut(commit.at_ms, plan.to_ms.min(start.last_ms)));
                break;
            }
        }
        roster = roster_after(roster, &commit);
        if !plan.villages.is_empty() {
            keep_villages(&mut commit, &roster, &plan.villages);
        }
        if !both.trying && commit.at_ms >= plan.from_ms {
            run.from_ms = commit.at_ms;
        }
        (run.commits, run.to_ms) = (run.commits + 1, commit.at_ms);
        run.readings += commit.readings.len() as u64;
        both.step(commit, &roster, plan);
    }
    let Both { before, after, mut colours, .. } = both;
    colours.end(run.to_ms);
    run.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Played { before, after, roster, run, notes, colours })
}

fn roster_after(mut roster: Arc<Roster>, commit: &Commit) -> Arc<Roster> {
    for entry in &commit.entries {
        if let Entry::Roster(change) = entry {
            roster = Arc::new(roster.after(change, commit.epoch));
        }
    }
    roster
}

fn keep_villages(commit: &mut Commit, roster: &Roster, villages: &BTreeSet<RegionCode>) {
    commit.readings.retain(|reading| {
        let unit = roster.device(reading.device).and_then(|device| roster.unit(device.unit));
        unit.and_then(|unit| unit.grid.at(model::Level::Village)).is_none_or(|village| villages.contains(&village))
    });
}

impl Both {
    fn step(&mut self, commit: Commit, roster: &Arc<Roster>, plan: &Plan) {
        let (at_ms, counts) = (commit.at_ms, commit.at_ms >= plan.from_ms);
        let begins = counts && !self.trying;
        self.trying |= counts;
        let other = self.otherwise(&commit, begins, plan);
        let recorded = Arc::new(commit);
        let other = other.map_or_else(|| Arc::clone(&recorded), Arc::new);
        let before = self.before.step(Step { commit: recorded, roster: Arc::clone(roster) }, counts);
        let after = self.after.step(Step { commit: other, roster: Arc::clone(roster) }, counts);
        self.colours.take(at_ms, counts, &before, &after);
    }

    /// The commit as the other side sees it, where that differs.
    fn otherwise(&self, commit: &Commit, begins: bool, plan: &Plan) -> Option<Commit> {
        let differs = |entry: &Entry| match entry {
            Entry::Rules(_) => true,
            Entry::Command(command) => acts_on(command, &self.before, &self.after) != command.alert,
            _ => false,
        };
        let tried = self.trying && commit.entries.iter().any(differs);
        if !begins && !tried {
            return None;
        }
        let mut other = commit.clone();
        other.entries.retain(|entry| !matches!(entry, Entry::Rules(_)));
        for entry in &mut other.entries {
            if let Entry::Command(command) = entry {
                command.alert = acts_on(command, &self.before, &self.after);
            }
        }
        if begins {
            other.entries.insert(0, Entry::Rules(plan.rules.text().into()));
        }
        Some(other)
    }
}

/// The rules in force at the journal's end.
///
/// # Errors
/// A journal that cannot be read.
pub fn rules_in_force(journal: &dyn Journal, checkpoints: &dyn Checkpoints) -> Result<Rules> {
    let last = journal.last_epoch();
    let kept = checkpoints.newest(evaluator::STAGE, last)?;
    let (from, mut text) = match kept.and_then(|(epoch, bytes)| Some((epoch, Solo::restore(&bytes).ok()?))) {
        Some((epoch, solo)) => (epoch + 1, Box::from(solo.rules())),
        None => (journal.first_epoch(), Box::<str>::default()),
    };
    if from <= last {
        for commit in journal.read(from) {
            for entry in commit.context("reading the journal")?.entries {
                if let Entry::Rules(newer) = entry {
                    text = newer;
                }
            }
        }
    }
    Rules::parse(&text).context("the rules in force")
}

/// The first commit at or after a time; the last one's successor where there is none.
pub fn epoch_at(journal: &dyn Journal, at_ms: u64) -> Result<Epoch> {
    let (mut low, mut high) = (journal.first_epoch(), journal.last_epoch() + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let commit = journal.read(middle).next().context("a commit within the journal is missing")??;
        if commit.at_ms < at_ms { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

#[cfg(test)]
mod tests;
