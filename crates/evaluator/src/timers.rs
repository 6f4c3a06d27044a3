//! Timers by due time. A device has one that counts; a reading never touches it.
//!
//! What a device waits for moves on with every reading (it must be heard of again within its promise from now on). Its
//! timer is left where it is: when it fires too early, the rules are asked again and it is set anew. So a device costs one
//! operation a promise, not one a reading.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use model::DeviceId;

use crate::state::{Device, NEVER};

/// Timers by due time; those of equal time in the order of the devices.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Timers {
    /// Fires the device's timer at `at_ms`, or when it was to fire, whichever is earlier.
    pub fn arm(&mut self, id: DeviceId, device: &mut Device, at_ms: u64) {
        if at_ms < device.armed_ms {
            device.armed_ms = at_ms;
            self.heap.push(Reverse((at_ms, id.0)));
        }
    }

    /// Takes in the timer of a device that comes from another worker.
    pub fn take_over(&mut self, id: DeviceId, device: &Device) {
        if device.armed_ms != NEVER {
            self.heap.push(Reverse((device.armed_ms, id.0)));
        }
    }

    /// Takes the timers back in after a restore.
    pub fn restore<'a>(devices: impl Iterator<Item = &'a Device>) -> Timers {
        let armed = devices.zip(0..).filter(|(device, _)| device.armed_ms != NEVER);
        Timers { heap: armed.map(|(device, id)| Reverse((device.armed_ms, id))).collect() }
    }

    /// The next timer due at or before `now_ms`. It counts if the device is still armed for that time.
    pub fn pop(&mut self, now_ms: u64) -> Option<(u64, DeviceId)> {
        let &Reverse((due_ms, id)) = self.heap.peek()?;
        if due_ms > now_ms {
            return None;
        }
        self.heap.pop();
        Some((due_ms, DeviceId(id)))
    }
}
