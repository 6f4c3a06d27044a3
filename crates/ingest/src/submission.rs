//! The internal lane: what the house itself has to write into the journal.

use model::{Command, DeviceId, Epoch, Order, Receipt, RosterChange, Sighting};
use tokio::sync::{mpsc, oneshot};

/// Something for the journal that does not come from a device.
#[derive(Debug, Clone, PartialEq)]
pub enum Submission {
    /// An operator acted.
    Command(Command),
    /// A delivery was tried.
    Receipt(Receipt),
    /// The roster changes. `base` is the [`model::Roster::version`] that the change was made against.
    Roster { base: Epoch, change: Box<RosterChange> },
    /// The evaluator's settings, TOML.
    Rules(String),
    /// The desk's ladder policy, TOML.
    Policy(String),
    /// A command went down to a device.
    DeviceCommand { device: DeviceId, by: Box<str>, command: Box<str>, args_json: Box<str> },
    /// A person reported something of a unit.
    Sighting(Sighting),
    /// A person ordered something of many, or of the desk.
    Order(Box<Order>),
}

/// Why a submission is not in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    #[error("the station shuts down and takes nothing more: submit it again after the restart")]
    Closed,
    #[error("the roster is at version {now} and the change was made against version {base}: make the change again")]
    StaleRoster { base: Epoch, now: Epoch },
}

/// A submission and who wants to know of its commit.
#[derive(Debug)]
pub(crate) struct Submitted {
    pub(crate) submission: Submission,
    pub(crate) reply: Option<oneshot::Sender<Result<Epoch, SubmitError>>>,
}

/// Submits to the journal from any task. A full lane makes the caller wait.
#[derive(Debug, Clone)]
pub struct IngestHandle {
    lane: mpsc::Sender<Submitted>,
}

impl IngestHandle {
    pub(crate) fn new(capacity: usize) -> (IngestHandle, mpsc::Receiver<Submitted>) {
        let (lane, inlet) = mpsc::channel(capacity);
        (IngestHandle { lane }, inlet)
    }

    /// Submits and waits until it is on the disk; returns the number of its commit.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was written. Dropping the future early leaves open whether it will be.
    pub async fn submit(&self, submission: Submission) -> Result<Epoch, SubmitError> {
        let (reply, told) = oneshot::channel();
        self.send(submission, Some(reply)).await?;
        told.await.unwrap_or(Err(SubmitError::Closed))
    }

    /// Submits and waits only until there is room for it in the lane.
    ///
    /// # Errors
    /// [`SubmitError::Closed`].
    pub async fn post(&self, submission: Submission) -> Result<(), SubmitError> {
        self.send(submission, None).await
    }

    async fn send(
        &self,
        submission: Submission,
        reply: Option<oneshot::Sender<Result<Epoch, SubmitError>>>,
    ) -> Result<(), SubmitError> {
        self.lane.send(Submitted { submission, reply }).await.map_err(|_| SubmitError::Closed)
    }
}
