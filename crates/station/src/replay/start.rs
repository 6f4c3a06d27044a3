//! Where a replay begins, and what was in force there.

use std::sync::Arc;

use alerts::Policy;
use anyhow::{Context, Result};
use evaluator::{Rules, Solo};
use model::{Checkpoints, Entry, Epoch, Journal, Roster};

use super::report::{Note, note};
use super::{Plan, epoch_at, roster_after};

/// What both sides begin with.
pub struct Start {
    /// The first commit that is judged.
    pub from: Epoch,
    /// Time of the journal's last commit, ms since 1970.
    pub last_ms: u64,
    pub evaluator: Beginning,
    pub policy: Policy,
    pub roster: Arc<Roster>,
    pub notes: Vec<Note>,
}

/// The evaluator's state at the beginning.
pub enum Beginning {
    Checkpoint(Vec<u8>),
    Rules(Box<Rules>),
}

impl Beginning {
    pub fn get(&self) -> Result<Solo> {
        match self {
            Beginning::Checkpoint(bytes) => Solo::restore(bytes).context("the evaluator's checkpoint"),
            Beginning::Rules(rules) => Ok(Solo::new((**rules).clone())),
        }
    }
}

pub fn find(journal: &dyn Journal, checkpoints: &dyn Checkpoints, plan: &Plan) -> Result<Start> {
    let (first, last) = (journal.first_epoch(), journal.last_epoch());
    let last_ms = if last < first {
        0
    } else {
        journal.read(last).next().context("the journal's last commit is missing")??.at_ms
    };
    let mut notes = Vec::new();
    let wanted = if plan.from_ms == 0 || last < first {
        first
    } else {
        epoch_at(journal, plan.from_ms.saturating_sub(plan.warm_up_ms))?
    };
    if let Some((roster, rules)) = &plan.known {
        let (evaluator, roster) = (Beginning::Rules(Box::new(rules.clone())), Arc::clone(roster));
        return Ok(Start { from: wanted.max(1), last_ms, evaluator, policy: Policy::default(), roster, notes });
    }
    // the whole journal from its first commit on needs nothing else
    if wanted <= 1 {
        let evaluator = Beginning::Rules(Box::default());
        let (policy, roster) = (Policy::default(), Arc::default());
        return Ok(Start { from: 1, last_ms, evaluator, policy, roster, notes });
    }
    if let Some((epoch, bytes)) = checkpoints.newest(evaluator::STAGE, wanted.saturating_sub(1))?
        && Solo::restore(&bytes).is_ok()
        && let Ok(roster) = ingest::roster_at(journal, checkpoints, epoch)
    {
        notes.push(note(
            format!("从第 {epoch} 次提交的检查点开始；此前仍未关闭的警情不在比较之内"),
            format!("begins with the checkpoint of commit {epoch}; alerts open before that are not compared"),
        ));
        let evaluator = Beginning::Checkpoint(bytes);
        return Ok(Start { from: epoch + 1, last_ms, evaluator, policy: Policy::default(), roster, notes });
    }
    let mut start = survey(journal, checkpoints, wanted, last_ms)?;
    start.notes.push(note(
        format!("从第 {wanted} 次提交开始，设备记忆为空，经预热后比较；此前仍未关闭的警情不在比较之内"),
        format!("begins with commit {wanted} and empty memories, which warm up first; alerts open before that are not compared"),
    ));
    Ok(start)
}

/// Reads what comes before the beginning, without judging it: roster, rules and policy.
fn survey(journal: &dyn Journal, checkpoints: &dyn Checkpoints, wanted: Epoch, last_ms: u64) -> Result<Start> {
    let first = journal.first_epoch();
    let mut notes = Vec::new();
    let (mut roster, mut rules, mut policy) = (Arc::<Roster>::default(), Rules::default(), Policy::default());
    let from = if first > 1 {
        // what made the roster is no longer kept: the present one is the nearest there is
        roster = ingest::roster_at(journal, checkpoints, journal.last_epoch()).context("the roster")?;
        notes.push(note(
            "日志开头已清理：开始时使用现行名册".to_owned(),
            "the journal's beginning is no longer kept: it begins with the present roster".to_owned(),
        ));
        first.max(wanted)
    } else {
        for commit in journal.read(first) {
            let commit = commit.context("reading the journal")?;
            if commit.epoch >= wanted {
                break;
            }
            roster = roster_after(roster, &commit);
            for entry in &commit.entries {
                match entry {
                    Entry::Rules(text) => rules = Rules::parse(text).unwrap_or(rules),
                    Entry::Policy(text) => policy = Policy::parse(text).unwrap_or(policy),
                    _ => {}
                }
            }
        }
        wanted
    };
    Ok(Start { from, last_ms, evaluator: Beginning::Rules(Box::new(rules)), policy, roster, notes })
}
