//! How an alert is carried upward: what the policy said when it rang, who is told again when, what is expected by when.

use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Verdict};
use crate::finding::Family;
use crate::ids::PersonId;

/// What the policy said when the present ring began. The alert keeps this copy, beside its ladder, calls and deadlines: a
/// policy that changes later changes later rings. Times in ms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Names of the policy's `[[when]]` tables that fitted, the most particular last, joined by " + "; empty for none.
    pub when: Box<str>,
    /// How long an acknowledgement holds what still waits.
    pub acknowledged_for_ms: u64,
    /// Who has not acknowledged is told again every so long; 0: never.
    pub repeat_ms: u64,
    /// So often at most.
    pub repeats: u16,
    /// A person's channels are used one after the other, also where the roster does not ask for it.
    pub in_turn: bool,
    /// The next channel is used so long after the one before had no delivered receipt; 0: only when it failed for good.
    pub failover_ms: u64,
    /// The next channel is used so long after the one before was delivered, without an acknowledgement; 0: never.
    pub unanswered_ms: u64,
    /// An overdue deadline is told to the next superior after so long; 0: to the first one only.
    pub supervise_ms: u64,
    /// Whether a verdict of real tells every step that still waits.
    pub real_tells_all: bool,
}

/// Somebody of a step that was told, and when they are told next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub person: PersonId,
    /// Place of the step in the ladder.
    pub rung: u8,
    /// How often they were told in this ring.
    pub told: u16,
    /// When they are told next; `None`: not any more.
    pub next_ms: Option<u64>,
}

/// A step of carrying an alert to its end, which has a time limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// 受理: somebody acknowledges.
    Accept,
    /// 派遣: somebody is put in charge.
    Assign,
    /// 到场: somebody is there.
    Arrive,
    /// 核实: somebody says what it is.
    Verify,
    /// 处置: the work is done.
    Work,
    /// 核查: what was done is checked.
    Check,
}

impl Stage {
    /// In their order.
    pub const ALL: [Stage; 6] = [Stage::Accept, Stage::Assign, Stage::Arrive, Stage::Verify, Stage::Work, Stage::Check];

    pub fn word(self) -> &'static str {
        match self {
            Stage::Accept => "accept",
            Stage::Assign => "assign",
            Stage::Arrive => "arrive",
            Stage::Verify => "verify",
            Stage::Work => "work",
            Stage::Check => "check",
        }
    }

    /// The term of the grid's flow.
    pub fn zh(self) -> &'static str {
        match self {
            Stage::Accept => "受理",
            Stage::Assign => "派遣",
            Stage::Arrive => "到场",
            Stage::Verify => "核实",
            Stage::Work => "处置",
            Stage::Check => "核查",
        }
    }
}

/// By when a stage is to be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    pub stage: Stage,
    pub due_ms: u64,
    /// When it was reached, or no longer asked for; `None` while it is open.
    pub met_ms: Option<u64>,
    /// Whom its breach was told (督办), in order.
    pub overdue: Vec<Overdue>,
    /// When a superior is told next; `None`: nobody any more.
    pub next_ms: Option<u64>,
}

/// A superior told of a breach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overdue {
    pub at_ms: u64,
    /// Post: "village_chief", "township_chief", "commander".
    pub whom: Box<str>,
    pub people: Vec<PersonId>,
}

impl Alert {
    /// Put aside for a time: shelved or out of service.
    pub fn is_aside(&self) -> bool {
        self.shelved.is_some() || self.out_of_service.is_some()
    }

    /// Whether a stage of the present ring is reached, or no longer asked for: what was found to be nothing needs no work, and
    /// a warning or fault that is restored nothing at all. Whoever works on it is there; whoever is there need not be sent.
    pub fn has_reached(&self, stage: Stage) -> bool {
        let is_quiet = self.standing().is_restored() && self.family() != Family::Fire;
        let is_closed = self.closed.is_some() || is_quiet;
        let is_nothing = matches!(self.verdict, Some((Verdict::False | Verdict::Test, _)));
        let is_verified = self.verdict.is_some() || is_closed;
        let work = || self.work.iter().filter(|work| work.done_ms.is_none() || work.ring == self.ring);
        let is_there = !self.arrived.is_empty() || is_verified || work().next().is_some();
        match stage {
            Stage::Accept => !self.acknowledged.is_empty() || is_there,
            Stage::Assign => self.assigned.is_some() || is_there,
            Stage::Arrive => is_there,
            Stage::Verify => is_verified,
            Stage::Work => {
                let is_done = work().next().is_some() && work().all(|work| work.done_ms.is_some());
                is_nothing || is_closed || self.checked.is_some() || is_done
            }
            Stage::Check => is_closed || self.checked.is_some(),
        }
    }

    /// When the next of its time limits runs out, or the first that did and is still not met; `None`: none is open, or it
    /// is put aside.
    pub fn due_ms(&self) -> Option<u64> {
        let is_open = |deadline: &&Deadline| !self.is_aside() && !self.has_reached(deadline.stage);
        self.deadlines.iter().filter(is_open).map(|deadline| deadline.due_ms).min()
    }
}
