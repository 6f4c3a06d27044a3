//! Batches of one lane that the consumer had no room for yet.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::{SendError, TrySendError};

use crate::inbound::Inbound;

type Permit = mpsc::OwnedPermit<Inbound>;
type Turn = Pin<Box<dyn Future<Output = Result<Permit, SendError<()>>> + Send>>;

/// A queue in front of a full lane. Its turn is kept across polls, so that connections get room in
/// the order in which they asked.
#[derive(Default)]
pub(super) struct Waiting {
    queue: VecDeque<Inbound>,
    /// Topic and payload bytes of the queue.
    bytes: usize,
    turn: Option<Turn>,
}

/// The consumer is gone.
pub(super) struct Gone;

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Hands a batch over, or gives it back if it has to wait.
    pub(super) fn offer(&self, lane: &mpsc::Sender<Inbound>, batch: Inbound) -> Result<Option<Inbound>, Gone> {
        if !self.queue.is_empty() {
            return Ok(Some(batch)); // those before it go first
        }
        match lane.try_send(batch) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(batch)) => Ok(Some(batch)),
            Err(TrySendError::Closed(batch)) => {
                batch.ack.forget();
                Err(Gone)
            }
        }
    }

    /// Topic and payload bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, batch: Inbound) {
        self.bytes += bytes(&batch);
        self.queue.push_back(batch);
    }

    /// Hands over what there is room for.
    pub(super) fn poll(&mut self, lane: &mpsc::Sender<Inbound>, cx: &mut Context<'_>) -> Result<(), Gone> {
        while let Some(batch) = self.queue.pop_front() {
            let turn = self.turn.get_or_insert_with(|| Box::pin(lane.clone().reserve_owned()));
            match turn.as_mut().poll(cx) {
                Poll::Ready(Ok(permit)) => {
                    self.turn = None;
                    self.bytes -= bytes(&batch);
                    permit.send(batch);
                }
                Poll::Ready(Err(_)) => {
                    self.turn = None;
                    batch.ack.forget();
                    return Err(Gone);
                }
                Poll::Pending => {
                    self.queue.push_front(batch);
                    return Ok(());
                }
            }
        }
        if self.queue.capacity() > 0 {
            *self = Waiting::default();
        }
        Ok(())
    }

    /// Hands over all, waiting as long as it takes.
    pub(super) async fn finish(mut self, lane: &mpsc::Sender<Inbound>) {
        self.turn = None;
        for batch in std::mem::take(&mut self.queue) {
            if let Err(SendError(batch)) = lane.send(batch).await {
                batch.ack.forget();
            }
        }
    }

    /// Forgets all: they are not acknowledged and come again after a reconnect.
    pub(super) fn forget(&mut self) {
        self.turn = None;
        self.bytes = 0;
        for batch in self.queue.drain(..) {
            batch.ack.forget();
        }
    }
}

fn bytes(batch: &Inbound) -> usize {
    batch.messages.iter().map(|message| message.topic.len() + message.payload.len()).sum()
}
