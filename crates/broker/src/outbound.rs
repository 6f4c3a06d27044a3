//! Messages from the process to subscribers.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

/// A message, shared by all its subscribers.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Bytes,
    pub(crate) content_type: Option<Box<str>>,
}

/// A message on its way to one subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    pub(crate) parcel: Arc<Parcel>,
    pub(crate) qos: u8,
    /// Told when the subscriber acknowledges. That all its clones are gone tells the publisher
    /// that nobody will.
    pub(crate) receipt: Option<mpsc::Sender<()>>,
}

impl Outbound {
    /// What it takes from a queue's byte limit.
    pub(crate) fn bytes(&self) -> usize {
        self.parcel.topic.len() + self.parcel.payload.len()
    }
}
