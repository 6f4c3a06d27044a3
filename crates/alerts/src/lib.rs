//! The desk: the single writer of alerts.
//!
//! Before it, the evaluator says what follows from a journal commit for units ([`model::Evaluated`]: findings, colours,
//! counts). After it, the ledger keeps what the desk decided ([`model::LedgerBatch`]: alerts, deliveries owed, feed), and
//! the dispatcher carries the deliveries. The one entry is [`Desk::step`], called for every commit in order.
//!
//! # Life of an alert
//!
//! ```text
//!            finding                acknowledge, arrive           verify
//!   (none) ──────────▶ Raised ───────────────────▶ Acknowledged ─────────▶ Verified
//!                       ▲  │ └──────────────────────────┼──────────────────▶  │ │
//!                       │  ▼ all conditions ended       ▼                     │ │
//!                       └── Restored ◀──────────────────┘                     │ │ close
//!                 finding   │   └── verify ──────────────────────────────▶    │ ▼
//!                 again     └── close; time, unless a fire ─────────────▶ Closed
//! ```
//!
//! - All findings of one family in one unit are one alert while it is open. A finding that begins or goes on where no
//!   alert is open raises one, also when a person closed the last one while its detectors still alarmed.
//! - It *rings* when it is raised, when its colour rises, when a finding comes after all its conditions had ended, and
//!   when a drill turns out to be none. A ring begins the ladder anew and needs its own acknowledgement. A ring after
//!   quiet also needs its own verdict; a rising colour takes back a verdict of false or test, and leaves one of real.
//! - A fire is closed by people only, after a verdict of the present ring. Warnings and faults close by themselves some
//!   time after they were restored.
//! - Arriving and verifying imply that the person has received the alert: they count as acknowledgements.
//! - An acknowledgement stops what its own person would still be told, and holds the steps of the ladder that wait, both for
//!   as long as it lasts; it takes back nothing that is owed to others. A fire verified as real tells all who still wait (unless the policy says otherwise). Closing withdraws what is
//!   still owed: nobody is called to a place where all is over.
//!
//! # Who is responsible
//!
//! A step of the ladder tells those who are on duty for its post at that moment, by the plans of the roster in force, and who
//! stands in for the absent (`people.rs`; the plans themselves are read in `model::roster`). The alert keeps whom it told. Where
//! nobody is on duty, a red or orange fire is told to everybody who holds the post. Holes of the plans are looked for ahead,
//! kept as records and told on the feed; and with each new roster the part that says who was responsible is kept (`duty.rs`).
//!
//! # What decides whether a fire may be closed
//!
//! Unit colours depend on which fires people have judged and closed, so that whoever judges colours repeats this rule:
//!
//! 1. Of one commit, commands come first, then findings, each in their order.
//! 2. The alert that a command names must be open: raised by the commit in its id, in that unit and family.
//! 3. A verdict is allowed on every open alert; the last one counts. Closing a fire needs one.
//! 4. A finding that begins or goes on takes the verdict back when none of the alert's conditions held any more, when it
//!    is the first that is no drill, or when its colour is above all before and the verdict was not real. A drill in an
//!    alert that is none does nothing of this; it is no condition of the alert.
//! 5. A command whose id, person and action the alert's history has already does nothing.
//!
//! # Commands given twice
//!
//! A command changes an alert once: the history item that it made keeps its tag ([`model::Command::tag`], of its id and
//! action) beside its person. A repeated one is answered with the alert as it is
//! now. The memory is thus the alert's history: stored, the same after a restart, bounded by
//! [`model::Alert::HISTORY_MAX`], where items made by people are the last to go.
//!
//! # Invariants
//! - A pure function: the same sequence of [`model::Evaluated`] makes the same batches, byte for byte, also with a restart
//!   from the ledger between any two of them. Time is the commit's; people are those of the roster in force with it.
//! - An alert and the deliveries it owes are in one batch. Ids follow from their cause.
//! - Every finding with a device's alarm id that begins or goes on makes exactly one feed event with that id.
//! - Feed cursors have no gaps. At most one alert is open for a unit and family.
//!
//! Never here: a clock, a random number, a socket, a file, a channel's name, the wording of a message, the order of a
//! hash map.

mod act;
mod before;
mod closing;
mod deadlines;
mod deliveries;
mod desk;
mod duty;
mod ladder;
mod life;
mod marks;
mod orders;
mod people;
mod policy;
mod tell;
mod turn;

pub use desk::{Desk, DeskError};
pub use orders::{Calendar, OrderLimits, TimeOfDay};
pub use policy::{
    ByColour, Channels, DEFAULT_POLICY, Deadlines, DutyPolicy, FamilyPolicy, LadderStep, Ladders, Limits, Policy,
    PolicyError, When,
};
pub use turn::Turn;
