//! The nouns of the house.
//!
//! Every stage (broker aside) speaks in these types, and no stage knows another: `ingest` makes a [`Commit`] of
//! what came from outside, the [`Journal`] keeps it, the evaluator turns a [`Step`] into an [`Evaluated`], the desk
//! turns that into a [`LedgerBatch`], the [`Ledger`] keeps it, dispatcher and command centre read it.
//!
//! Invariants
//! - Nothing here does IO, knows a runtime or reads a wall clock: time comes in through [`Clock`] or as data.
//! - Every type that is stored has one encoding ([`wire`]), versioned by a leading byte.
//! - Ids follow from their cause, so that a replay of the journal makes the same ones.
//!
//! Never here: a type that only one crate uses, an async function, a threshold.

pub mod alert;
pub mod chain;
pub mod clock;
pub mod finding;
pub mod hold;
pub mod ids;
pub mod journal;
pub mod ladder;
pub mod ledger;
pub mod measure;
pub mod order;
pub mod report;
pub mod roster;
pub mod wire;

pub use alert::{
    About, Action, Alert, AlertState, AlertSummary, Cause, Command, CommandOutcome, Delivery, DeliveryState, Receipt,
    Verdict,
};
pub use clock::Clock;
pub use finding::{
    Colour, ColourCounts, Evaluated, Family, Finding, Phase, Reason, RegionStatus, RiskBands, UnitStatus,
};
pub use hold::{Flood, Held, HeldBy, Silence, Storm};
pub use ids::{AlertId, CommandId, DeliveryId, DeviceId, Epoch, Level, Matter, OrderId, PersonId, RegionCode, UnitId};
pub use journal::{Commit, Entry, Journal, Mark, Quarantined, Step};
pub use ledger::{Checkpoints, Cursor, FeedEvent, FeedKind, Kept, KeptKind, KeptRow, Ledger, LedgerBatch, StoreError};
pub use measure::Quantity;
pub use order::{Order, OrderBody, OrderOutcome, OrderSummary};
pub use report::{AlarmKind, DeviceState, EventKind, Reading, Report, Sighting, SightingKind};
pub use roster::{Roster, RosterChange};
