//! Judging on the caller's thread, one commit after the other: for replays that ask "what if".

use model::{Colour, Epoch, Evaluated, Step, UnitId};

use crate::judge::{Judge, RestoreError, Share};
use crate::rollup::Rollup;
use crate::rules::Rules;

/// An evaluator without threads: the same judging, the same outputs.
pub struct Solo {
    judge: Judge,
    rollup: Rollup,
}

impl Solo {
    /// One that has seen nothing; `rules` are in force before the first commit.
    pub fn new(rules: Rules) -> Solo {
        Solo { judge: Judge::new(rules, Share::ALL), rollup: Rollup::default() }
    }

    /// One that goes on from a checkpoint, with its rules.
    ///
    /// # Errors
    /// [`RestoreError`]
    pub fn restore(checkpoint: &[u8]) -> Result<Solo, RestoreError> {
        let judge = Judge::restore(checkpoint, Share::ALL)?;
        let rollup = Rollup::of(judge.counted());
        Ok(Solo { judge, rollup })
    }

    /// Last commit that was judged; 0 for none.
    pub fn epoch(&self) -> Epoch {
        self.judge.epoch()
    }

    /// What follows from the next commit.
    pub fn step(&mut self, step: Step) -> Evaluated {
        let judged = self.judge.apply(step);
        self.rollup.join(vec![judged]).expect("one part was given")
    }

    /// Units on the roster with their colours, as last told.
    pub fn colours(&self) -> impl Iterator<Item = (UnitId, Colour)> {
        let units = self.judge.state().units.iter().zip(0_u32..).filter(|(unit, _)| unit.current);
        units.filter_map(|(unit, id)| Some((UnitId(id), unit.colour?)))
    }

    /// The text of the rules in force.
    pub fn rules(&self) -> &str {
        &self.judge.state().rules
    }
}
