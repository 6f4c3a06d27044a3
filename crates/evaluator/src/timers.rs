//! Timers by due time. A device has one that counts; a reading never touches it.
//!
//! What a device waits for moves on with every reading (it must be heard of again within its promise from now on). Its
//! timer is left where it is: when it fires too early, the rules are asked again and it is set anew. So a device costs one
//! operation a promise, not one a reading.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use model::DeviceId;

use crate::state::{Device, NEVER};

/// Timers within so many windows of the newest that was opened are kept by window: a city has tens of thousands of them.
const WINDOWS: u64 = 128;
/// A window is `1 << WINDOW_BITS` ms.
const WINDOW_BITS: u32 = 10;

/// Timers by due time; those of equal time in the order of the devices.
///
/// Nearly all timers fire within minutes. A heap of all of them would miss the processor's caches at every step; so those of
/// the next minutes wait in windows of a second, in no order, and are put in order when their window opens.
#[derive(Debug, Default)]
pub struct Timers {
    /// Those of the windows that were opened.
    open: BinaryHeap<Reverse<(u64, u32)>>,
    /// Those that were beyond the windows when they were armed.
    far: BinaryHeap<Reverse<(u64, u32)>>,
    /// By number of the window; all of them are after `opened`.
    windows: BTreeMap<u64, Vec<(u64, u32)>>,
    /// The newest window that was opened.
    opened: u64,
}

impl Timers {
    /// Fires the device's timer at `at_ms`, or when it was to fire, whichever is earlier.
    pub fn arm(&mut self, id: DeviceId, device: &mut Device, at_ms: u64) {
        if at_ms < device.armed_ms {
            device.armed_ms = at_ms;
            self.push(at_ms, id.0);
        }
    }

    /// Takes in the timer of a device that comes from another worker.
    pub fn take_over(&mut self, id: DeviceId, device: &Device) {
        if device.armed_ms != NEVER {
            self.push(device.armed_ms, id.0);
        }
    }

    /// Takes the timers back in after a restore.
    pub fn restore<'a>(devices: impl Iterator<Item = &'a Device>) -> Timers {
        let armed = devices.zip(0..).filter(|(device, _)| device.armed_ms != NEVER);
        let far = armed.map(|(device, id)| Reverse((device.armed_ms, id))).collect();
        Timers { far, ..Timers::default() }
    }

    fn push(&mut self, at_ms: u64, id: u32) {
        let window = at_ms >> WINDOW_BITS;
        if window <= self.opened {
            self.open.push(Reverse((at_ms, id)));
        } else if window <= self.opened + WINDOWS {
            self.windows.entry(window).or_default().push((at_ms, id));
        } else {
            self.far.push(Reverse((at_ms, id)));
        }
    }

    /// The next timer due at or before `now_ms`. It counts if the device is still armed for that time.
    pub fn pop(&mut self, now_ms: u64) -> Option<(u64, DeviceId)> {
        self.open_until(now_ms >> WINDOW_BITS);
        let first = |heap: &BinaryHeap<Reverse<(u64, u32)>>| heap.peek().map_or((NEVER, u32::MAX), |first| first.0);
        let (open, far) = (first(&self.open), first(&self.far));
        let (due_ms, id) = open.min(far);
        if due_ms > now_ms || due_ms == NEVER {
            return None;
        }
        if open <= far {
            self.open.pop()
        } else {
            self.far.pop()
        };
        Some((due_ms, DeviceId(id)))
    }

    /// Some of the devices that [`Timers::pop`] is about to name, in no order.
    pub fn due(&mut self, now_ms: u64) -> impl Iterator<Item = DeviceId> {
        self.open_until(now_ms >> WINDOW_BITS);
        let due = self.open.iter().filter(move |timer| timer.0.0 <= now_ms);
        due.map(|timer| DeviceId(timer.0.1))
    }

    fn open_until(&mut self, window: u64) {
        if window <= self.opened {
            return;
        }
        self.opened = window;
        while let Some(first) = self.windows.first_entry().filter(|first| *first.key() <= window) {
            self.open.extend(first.remove().into_iter().map(Reverse));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As one heap would give them.
        #[test]
        fn in_the_order_of_time_and_device(
            steps in prop::collection::vec((0..40_u64, prop::collection::vec((0..300_000_u64, 0..50_u32), 0..8)), 1..60),
        ) {
            let (mut timers, mut heap, mut now_ms) = (Timers::default(), BinaryHeap::new(), 1_763_798_400_000);
            for (passed, armed) in steps {
                now_ms += passed * passed * 200;
                for (ahead_ms, id) in armed {
                    // some are due already
                    let at_ms = now_ms + ahead_ms - 1_000;
                    timers.push(at_ms, id);
                    heap.push(Reverse((at_ms, id)));
                }
                let mut again = true;
                while let Some((due_ms, id)) = timers.pop(now_ms) {
                    prop_assert_eq!(heap.pop(), Some(Reverse((due_ms, id.0))));
                    if std::mem::take(&mut again) {
                        timers.push(now_ms - 5, 7);
                        heap.push(Reverse((now_ms - 5, 7)));
                    }
                }
                prop_assert!(heap.peek().is_none_or(|first| first.0.0 > now_ms));
            }
        }
    }
}
