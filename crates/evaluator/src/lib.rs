//! The evaluator: what every journal commit means for units, regions and devices.
//!
//! Before it, ingest has made a journal commit of what came from outside ([`model::Step`]: the commit and the roster in
//! force after it). After it, the desk makes alerts of what it found ([`model::Evaluated`]: findings, unit colours with
//! reasons, counts of regions, liveness of devices). The one entry is [`Evaluator::start`]; [`Handle::submit`] takes every
//! commit, in order, and exactly one [`model::Evaluated`] comes out for each, in the same order.
//!
//! # How it works
//!
//! ```text
//!  submit ─▶ Commits ──exchange by village──▶ Units ──exchange to one──▶ Rollup ──▶ Sink ─▶ out
//!            (source)   device memory, rules,        exact counts by colour,   one Evaluated
//!                       unit colours and reasons     unit→grid→…→city          an epoch
//! ```
//!
//! A timely dataflow whose logical time is the journal's epoch ([`dataflow`]). One worker: a second one doubles latency
//! at a city's load. The parts of a commit are routed by village, so that with several workers a unit's devices and
//! state stay on one of them ([`judge::Share`]); what the `Units` operator does is plain sequential code ([`judge`]).
//! A rule is one file under `rule/` and one line in the table of [`rule`]; its author never sees timely.
//!
//! # What one commit does, in this order
//!
//! 1. a changed roster, and rules brought by the commit;
//! 2. operators' commands: they act on what stood before the commit, as they do at the desk;
//! 3. reports and readings, in the order of the commit;
//! 4. timers that are due, if the commit carries a tick;
//! 5. colours and reasons of the units that were touched, then counts of their regions.
//!
//! # Invariants
//!
//! - A pure function of the steps (and of the rules in force before the first of them): no wall clock, no random number,
//!   no order of a hash map decides anything. The same steps give the same outputs, byte for byte, also when the state is
//!   restored from a checkpoint in between.
//! - Time is the commit's and the reading's time of receipt. Timers are judged at ticks only.
//! - Every alarm message that was admitted is named by a finding.
//! - A unit none of whose devices can be trusted is blind, never blue. An unverified fire never falls by itself.
//! - A panic on the worker, or a commit that is not done within its limit, ends the process: a stage that stands still
//!   silently is worse than a restart.
//!
//! Beside the outputs, [`Liveness`] shows when each device was last heard of, and an [`Inspector`] answers why a unit has its
//! colour and why a rule did not fire ([`why`]); nothing depends on either.
//!
//! Never here: a wall clock that decides anything, knowledge of who is told, a socket, a file.

pub mod checkpoint;
mod confirm;
mod dataflow;
mod ferry;
mod handle;
pub mod judge;
mod liveness;
mod ring;
pub mod risk;
mod rollup;
pub mod rule;
pub mod rules;
pub mod scenario;
mod settings;
mod solo;
mod state;
mod table;
#[cfg(test)]
mod testing;
mod timers;
mod trend;
mod unit;
mod watch;
mod watchdog;
pub mod why;
mod zero;

pub use handle::{Evaluator, EvaluatorError, Handle, Stopped};
pub use liveness::Liveness;
pub use rules::{Rules, RulesError};
pub use settings::Settings;
pub use solo::Solo;
pub use watchdog::Abort;
pub use why::{AskError, Explanation, Inspector, Question};

/// Stage name of the evaluator's checkpoints.
pub const STAGE: &str = "evaluator";
