//! What waits for all sessions together.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of messages that wait for their receivers, and how many may.
pub(crate) struct Stock {
    bytes: AtomicUsize,
    limit_bytes: usize,
}

impl Stock {
    pub(crate) fn new(limit_bytes: usize) -> Stock {
        Stock { bytes: AtomicUsize::new(0), limit_bytes }
    }

    /// A session that had `before` has `after` now.
    pub(crate) fn change(&self, before: usize, after: usize) {
        if after >= before {
            self.bytes.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.bytes.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes() >= self.limit_bytes
    }
}
