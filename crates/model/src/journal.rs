//! The journal: everything that comes from outside, in one order, and the ground truth of all the rest.

mod encoding;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alert::{Command, Receipt};
use crate::ids::Epoch;
use crate::ledger::StoreError;
use crate::order::Order;
use crate::report::{Reading, Report, Sighting};
use crate::roster::{Roster, RosterChange};

/// One synced write of the journal. Its number is the logical time of everything that follows from it.
///
/// Within a commit, `entries` come before `readings`: alarms go first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    pub epoch: Epoch,
    /// Time of the commit, ms since 1970; never less than that of the commit before.
    pub at_ms: u64,
    pub entries: Vec<Entry>,
    pub readings: Vec<Reading>,
}

/// What is not a measured value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Entry {
    /// A device's alarm, event or state.
    Report(Report),
    /// The clock moved on; timers are judged at ticks only. One a second.
    Tick,
    /// A client came or went.
    Session { identity: Box<str>, client_id: Box<str>, up: bool, cause: Box<str> },
    /// An operator acted on an alert.
    Command(Command),
    /// A delivery was tried.
    Receipt(Receipt),
    /// The roster changed.
    Roster(Box<RosterChange>),
    /// The evaluator's settings changed; TOML, in the evaluator's schema.
    Rules(Box<str>),
    /// The desk's ladder policy changed; TOML, in the desk's schema.
    Policy(Box<str>),
    /// A command went down to a device.
    DeviceCommand { device: crate::ids::DeviceId, by: Box<str>, command: Box<str>, args_json: Box<str> },
    /// A person reported something of a unit.
    Sighting(Sighting),
    /// A person ordered something of many, or of the desk.
    Order(Box<Order>),
}

/// A message that could not be decoded or admitted, kept whole. Written with the commit that it arrived with, before
/// its acknowledgement, but no part of the journal: nothing follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    pub at_ms: u64,
    /// Credential that published it.
    pub sender: Box<str>,
    pub topic: Box<str>,
    /// One word for machines: "not_json", "unknown_device"…
    pub reason: Box<str>,
    /// A sentence for the vendor: what is wrong and what to do.
    pub detail: Box<str>,
    #[serde(with = "bytes")]
    pub payload: Box<[u8]>,
}

/// A change to the front door's own records, written with the commit that it belongs to and atomically with it: a
/// QoS 2 publish was taken in. No part of the journal: nothing follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub key: Box<[u8]>,
    /// `None` removes the key.
    pub value: Option<Box<[u8]>>,
}

mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[u8]>, D::Error> {
        Vec::<u8>::deserialize(deserializer).map(Vec::into_boxed_slice)
    }
}

/// A commit on its way through the stages, with the roster in force after it.
#[derive(Debug, Clone)]
pub struct Step {
    pub commit: Arc<Commit>,
    /// Changes only with a commit that has an [`Entry::Roster`]; compare by [`Roster::version`].
    pub roster: Arc<Roster>,
}

/// Where the journal lives.
///
/// One writer appends; readers may read beside it. An append that returned is on the disk; one that failed left
/// nothing behind.
pub trait Journal: Send + Sync + 'static {
    /// Writes one commit, what was quarantined with it, and its marks, all or nothing, synced. `commit.epoch` must be `last_epoch() + 1`.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is full or fails; nothing of the commit was kept and the same append may be tried again.
    fn append(&self, commit: &Commit, quarantined: &[Quarantined], marks: &[Mark]) -> Result<(), StoreError>;

    /// Number of the last commit; 0 for an empty journal.
    fn last_epoch(&self) -> Epoch;

    /// Number of the oldest commit still kept; `last_epoch() + 1` for an empty journal.
    fn first_epoch(&self) -> Epoch;

    /// The commits from `from` on, in order, to the end as of now.
    ///
    /// # Errors
    /// An item is an error when the commit cannot be read; nothing follows after it.
    fn read(&self, from: Epoch) -> Box<dyn Iterator<Item = Result<Commit, StoreError>> + '_>;
}
