//! What others hold of a live connection: a place for acknowledgements and orders, and its waker.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use futures::task::AtomicWaker;

use crate::lock;

/// One live connection as seen from outside its task.
#[derive(Default)]
pub(crate) struct Link {
    out: Mutex<Outgoing>,
    dirty: AtomicBool,
    waker: AtomicWaker,
}

#[derive(Default)]
struct Outgoing {
    acks: Vec<u8>,
    done: Done,
    order: Option<Order>,
    draining: bool,
}

/// What of a connection's business others have finished.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// Publishes answered: PUBACK or PUBREC.
    pub(crate) answered: usize,
    /// Exchanges over, of those that count against the receive maximum: PUBACK, PUBCOMP or a PUBREC that refuses.
    pub(crate) closed: usize,
    /// Writes to the vault that something of this connection waited for.
    pub(crate) settled: usize,
    /// Such writes that kept back what the session has to send.
    pub(crate) opened: usize,
}

impl Done {
    /// So many publishes answered for good.
    pub(crate) fn finished(count: usize) -> Done {
        Done { answered: count, closed: count, ..Done::default() }
    }

    /// One write is on the disk.
    pub(crate) fn settled() -> Done {
        Done { settled: 1, ..Done::default() }
    }

    fn add(&mut self, more: Done) {
        self.answered += more.answered;
        self.closed += more.closed;
        self.settled += more.settled;
        self.opened += more.opened;
    }
}

/// An order to end; the first one given stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    TakenOver,
    SlowReader,
    Abandoned,
    Revoked,
    /// By an operator's wish.
    Dismissed,
}

/// What [`Link::take`] found beside the acknowledgements.
pub(crate) struct Taken {
    pub(crate) done: Done,
    pub(crate) order: Option<Order>,
    pub(crate) draining: bool,
}

impl Link {
    /// Adds packets for the client; `encode` writes them and says what they finish.
    pub(crate) fn acknowledge(&self, encode: impl FnOnce(&mut Vec<u8>) -> Done) {
        let mut out = lock(&self.out);
        let done = encode(&mut out.acks);
        out.done.add(done);
        drop(out);
        self.nudge();
    }

    /// Tells the connection to end.
    pub(crate) fn order(&self, order: Order) {
        lock(&self.out).order.get_or_insert(order);
        self.wake();
    }

    /// Wakes the connection's task in any case: one that cannot send leaves the flag up and would miss a nudge.
    pub(crate) fn wake(&self) {
        self.dirty.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// The order given, if any; for a connection that cannot take acknowledgements at the moment.
    pub(crate) fn order_given(&self) -> Option<Order> {
        if self.is_dirty() { lock(&self.out).order } else { None }
    }

    /// Whether somebody nudged since the last [`Link::take`].
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    /// Whether [`Link::drain`] was called.
    pub(crate) fn is_draining(&self) -> bool {
        lock(&self.out).draining
    }

    /// Tells the connection to take nothing more in and to end when all it took in is answered.
    pub(crate) fn drain(&self) {
        lock(&self.out).draining = true;
        self.nudge();
    }

    /// Wakes the connection's task: there is something to take or to send.
    pub(crate) fn nudge(&self) {
        if !self.dirty.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// To be called by the connection's task before [`Link::take`].
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Moves acknowledgements to `into`. `None` if nobody nudged since the last call.
    pub(crate) fn take(&self, into: &mut Vec<u8>) -> Option<Taken> {
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return None;
        }
        let mut out = lock(&self.out);
        into.append(&mut out.acks);
        if out.acks.capacity() > ACKS_KEPT_BYTES {
            out.acks = Vec::new();
        }
        Some(Taken { done: std::mem::take(&mut out.done), order: out.order, draining: out.draining })
    }
}

/// Capacity that an idle connection keeps for acknowledgements.
const ACKS_KEPT_BYTES: usize = 512;
