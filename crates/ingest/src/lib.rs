//! From MQTT batches to the synced journal.
//!
//! Before this room: the broker, whose [`broker::Inlets`] bring batches of publishes, each with the handle that
//! answers it. After it: the evaluator, which takes a [`model::Step`] per commit, in order, from a bounded channel.
//! The one entry is [`start`], given what [`restore`] brought back.
//!
//! One thread gathers whatever waits (alarms first), decodes it, admits it, appends it as one synced
//! [`model::Commit`], answers the senders and hands the commit on; then it begins again. The next commit starts when
//! the last one returned, so that load makes commits larger and not later.
//!
//! Invariants
//! - A sender is answered only after the append that holds its message returned. A message that repeats one already
//!   in the journal is answered without a new append.
//! - Nothing is lost silently: what cannot be decoded or admitted is kept in the quarantine with its bytes, sender and
//!   a sentence that says what to do, or (in a flood) counted there.
//! - An alarm of a known device whose payload can be read at all is admitted, however badly it is spelt.
//! - While the journal cannot be written the same commit is tried again, nothing is answered, and the full inlets hold
//!   the sockets back.
//! - What admission remembers follows from the journal alone: live and after a replay it is the same.
//! - Vendors' formats are an open set: one file under `vendor/` and one line in [`vendor::VENDORS`].
//!
//! Never here: a threshold, a judgement of danger, a RocksDB type, a wall clock (time comes from [`model::Clock`] and
//! from the broker's stamp on each message).

mod admission;
mod checkpoint;
mod flaw;
mod intake;
mod quarantine;
mod settings;
mod spelling;
mod stage;
mod submission;
mod tally;
mod topic;
pub mod vendor;

pub use admission::{Admission, Verdict};
pub use checkpoint::{ADMISSION_STAGE, ROSTER_STAGE, RestoreError, Restored, restore, roster_at};
pub use flaw::{Fault, Flaw, Reject};
pub use intake::{Draft, Intake};
pub use settings::{Settings, SettingsError};
pub use stage::{Ingest, IngestError, Parts, Progress, start};
pub use submission::{IngestHandle, Submission, SubmitError};
pub use topic::{Address, Kind, lane};
