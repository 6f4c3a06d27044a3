//! The desk: the single writer of alerts.
//!
//! Before it, the evaluator says what follows from a journal commit for units ([`model::Evaluated`]: findings, colours,
//! counts). After it, the ledger keeps what the desk decided ([`model::LedgerBatch`]: alerts, deliveries owed, feed), and
//! the dispatcher carries the deliveries. The one entry is [`Desk::step`], called for every commit in order.
//!
//! # Life of an alert
//!
//! ```text
//!    finding
//!       │          acknowledge      arrive        verify        begin work       check        close
//!       ▼             受理                                          处置           核查         结案
//!    Raised ─────▶ Acknowledged ─▶ Arrived ─▶ Verified ─────▶ InWork ─────▶ Checked ─────▶ Closed
//!     ▲  │  ◀─ expired ─┘ │           │           ▲  ▲           │ ▲           │             ▲
//!     │  ▼ all conditions ended       │           │  └───────────┼─┴─ not in order          │ second person,
//!     │ RestoredUnacknowledged ─▶ Restored ───────┘              │                         │ or sensors quiet
//!     └── finding again ─┴────────────┴───────────────────────────┘   time, unless a fire ───┘
//!
//!    any open state but a fire's ─▶ Shelved, OutOfService ─▶ back to what the facts say; rings if it still holds
//! ```
//!
//! - The state is no field that acts move: it follows from the alert's facts by one function, [`model::Alert::standing`]. What
//!   it says first goes before what it says later: closed, out of service, shelved, checked, in work, verified, restored
//!   (acknowledged or not), arrived, acknowledged, raised. Before a ring is acknowledged neither work nor arrival of an
//!   earlier ring shows: a ring is always seen.
//! - All findings of one family in one unit are one alert while it is open. A finding that begins or goes on where no
//!   alert is open raises one, also when a person closed the last one while its detectors still alarmed; it says which
//!   alert it follows where that was closed within six hours.
//! - It *rings* when it is raised, when its colour rises, when a finding comes after all its conditions had ended, and
//!   when a drill turns out to be none. A ring begins the ladder anew and needs its own acknowledgement and check. A ring
//!   after quiet also needs its own verdict; a rising colour takes back a verdict of false or test, and leaves one of real.
//!   Notes, photos, who is assigned, who worked, and the history stay through all rings.
//! - Received, arrived and verified are three acts of each person, and each is kept. Arriving, verifying and beginning to
//!   work imply that the person has received the alert: they count as acknowledgements.
//! - An acknowledgement lasts for a time that the policy gives by colour, while nobody arrives, verifies or works; then it
//!   expires, for this person alone, and stays in the history. While it lasts its person is told no more, and the steps of
//!   the ladder that wait stand still; it takes back nothing that is owed to others, and silences none of them (`ladder.rs`). What is over
//!   (a restored warning or fault) does not wake anybody by an expiry. A fire verified as real tells all who still wait
//!   (unless the policy says otherwise). Closing withdraws what is still owed: nobody is called to a place where all is over.
//! - A verdict has a coded cause, which must go with it ([`model::Cause::fits`]).
//! - Work is checked by somebody who did not do it; what is found not in order goes back to work.
//! - *The shelf* is for hours, with a reason, and never for a fire; what is more urgent than what was put there ends it, and
//!   so does time. *Out of service* is for weeks (building works): all that is found of this family in this unit meanwhile
//!   joins the alert, and rings nobody unless it is red. Neither changes the unit's colour: nothing is hidden.
//! - A fire is closed by people only. Warnings and faults close by themselves some time after they were restored, unless
//!   people have begun to deal with them.
//!
//! # History
//!
//! Each item is chained to those before by SHA-256 ([`model::chain`]); the seal of the whole stands on the alert's page.
//!
//! # Who is responsible
//!
//! A step of the ladder tells those who are on duty for its post at that moment, by the plans of the roster in force, and who
//! stands in for the absent (`people.rs`; the plans themselves are read in `model::roster`). The alert keeps whom it told. Where
//! nobody is on duty, a red or orange fire is told to everybody who holds the post. Holes of the plans are looked for ahead,
//! kept as records and told on the feed; and with each new roster the part that says who was responsible is kept (`duty.rs`).
//!
//! # What decides whether an alert may be closed
//!
//! Unit colours depend on which fires people have judged and closed, so that whoever judges colours repeats this rule:
//!
//! 1. Of one commit, commands come first, then findings, each in their order; also what a new roster ends comes after them.
//! 2. The alert that a command names must be open: raised by the commit in its id, in that unit and family.
//! 3. A verdict is allowed on every open alert if its cause fits; the last one counts. Closing a fire needs one.
//! 4. A finding that begins or goes on takes the verdict back when none of the alert's conditions held any more, when it
//!    is the first that is no drill, or when its colour is above all before and the verdict was not real. A drill in an
//!    alert that is none does nothing of this; it is no condition of the alert.
//! 5. While a condition holds, closing needs a second person: somebody gave the verdict in force or has ever worked on the
//!    alert, and whoever closes is none of these, did not enter what these did, and does not have one of these enter it
//!    ([`model::alert::Actor::may_close`]). When no condition holds, the sensors are evidence enough.
//! 6. A command whose id, person and action the alert's history has already does nothing.
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
mod audit;
mod before;
mod closing;
mod deadlines;
mod deliveries;
mod desk;
mod duty;
mod flood;
mod hold;
mod inhibit;
mod ladder;
mod life;
mod marks;
mod notice;
mod orders;
mod people;
mod policy;
mod silence;
mod storm;
mod tell;
mod turn;

pub use audit::{AuditLimits, Late, LateKind, audit};
pub use desk::{Desk, DeskError};
pub use orders::{Calendar, OrderLimits, TimeOfDay};
pub use policy::{
    ByColour, Cause, Channels, DEFAULT_POLICY, Deadlines, DutyPolicy, Effect, FamilyPolicy, FloodPolicy, Inhibit,
    LadderStep, Ladders, Limits, Policy, PolicyError, Scope, SilencePolicy, StormPolicy, StormsPolicy, When,
};
pub use turn::Turn;
