//! Messages to subscribers.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::sync::mpsc;

use crate::topic::SharedFilter;
use crate::wire::publish::Forward;

/// A message, shared by all its subscribers.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Bytes,
    /// What the publisher said about it.
    pub(crate) forward: Option<Forward>,
    /// The publisher's retain flag.
    pub(crate) retain: bool,
    /// When it is of no use any more, by [`crate::Access::now_ms`].
    pub(crate) expires_at_ms: Option<u64>,
}

/// A message on its way to one subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    pub(crate) parcel: Arc<Parcel>,
    pub(crate) qos: u8,
    /// The retain flag that this subscriber sees.
    pub(crate) retain: bool,
    /// Of the subscriptions that brought it.
    pub(crate) identifiers: SmallVec<[u32; 2]>,
    /// The shared subscription through which it came.
    pub(crate) shared: Option<Box<SharedFilter>>,
    /// Told when the subscriber acknowledges. That all its clones are gone tells the publisher
    /// that nobody will.
    pub(crate) receipt: Option<mpsc::Sender<()>>,
}

/// What a message's place in a queue takes, bytes.
const PLACE_BYTES: usize = 128;

impl Outbound {
    /// What it takes from a queue's byte limit.
    pub(crate) fn bytes(&self) -> usize {
        let forward = self.parcel.forward.as_ref().map_or(0, Forward::bytes);
        self.parcel.topic.len() + self.parcel.payload.len() + forward
    }

    /// What it takes of what may wait for all sessions together.
    pub(crate) fn weight(&self) -> usize {
        PLACE_BYTES + self.bytes()
    }
}
