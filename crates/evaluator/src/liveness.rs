//! When each device was last heard of, for whoever asks while the worker runs.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{DeviceId, Entry};

use crate::judge::{self, Judged, Share};
use crate::rule;
use crate::state::{Device, State};

/// Rows of the first block; each further block has twice those of the one before.
const FIRST: u32 = 64;

/// Blocks that hold every number a device can have.
const BLOCKS: usize = 27;

const ALIVE: u64 = 1;
const LOST: u64 = 2;

/// A copy of what the worker knows of each device's liveness, one word a device, as of about the last commit judged.
///
/// It decides nothing and is no part of the outputs: a row is written with a plain store when a commit names its device,
/// and may be read at any time. It is filled from the checkpoint when the evaluator starts, and grows with the roster.
#[derive(Debug, Default)]
pub struct Liveness {
    /// Time last heard of, ms since 1970, times 4, plus [`ALIVE`], [`LOST`] or neither. Blocks are never moved, so that
    /// readers need no lock.
    blocks: [OnceLock<Box<[AtomicU64]>>; BLOCKS],
}

impl Liveness {
    /// When the device was last heard of, ms since 1970; `None` for never, and for a device that was taken off the roster.
    pub fn last_seen_ms(&self, device: DeviceId) -> Option<u64> {
        Some(self.word(device) >> 2).filter(|at_ms| *at_ms != 0)
    }

    /// Whether the device keeps its reporting promise; `None` when it was never heard of and its time is not over yet.
    pub fn alive(&self, device: DeviceId) -> Option<bool> {
        match self.word(device) & 3 {
            ALIVE => Some(true),
            LOST => Some(false),
            _ => None,
        }
    }

    fn word(&self, device: DeviceId) -> u64 {
        let (block, row) = place(device);
        self.blocks[block].get().map_or(0, |rows| rows[row].load(Ordering::Relaxed))
    }

    /// Takes in every device of a worker: at the start, and with a new roster.
    pub(crate) fn take_all(&self, state: &State, share: Share) {
        for (device, id) in state.devices.iter().zip(0..) {
            if judge::owner(&state.units, device, share) == share.worker {
                self.put(DeviceId(id), device);
            }
        }
    }

    /// Takes in the worker's devices that the commit just judged names, and those whose liveness it may have
    /// changed.
    pub(crate) fn take(&self, judged: &Judged, state: &State) {
        let commit = &judged.step.commit;
        let reported = commit.entries.iter().filter_map(|entry| match entry {
            Entry::Report(report) => Some(report.device),
            _ => None,
        });
        let read = commit.readings.chunk_by(|a, b| a.device == b.device).map(|readings| readings[0].device);
        for id in reported.chain(read).chain(judged.stirred.iter().copied()) {
            if let Some(device) = state.devices.get(id.index()).filter(|device| device.facts.current) {
                self.put(id, device);
            }
        }
    }

    fn put(&self, id: DeviceId, device: &Device) {
        let state = match (device.holding & rule::lost_bit() != 0, device.heard()) {
            (true, _) => LOST,
            (false, true) => ALIVE,
            (false, false) => 0,
        };
        let (block, row) = place(id);
        let rows = self.blocks[block].get_or_init(|| (0..FIRST << block).map(|_| AtomicU64::new(0)).collect());
        rows[row].store(device.facts.last_ms << 2 | state, Ordering::Relaxed);
    }
}

/// Block of a device's row, and its place there.
fn place(device: DeviceId) -> (usize, usize) {
    let from_first = u64::from(device.0) + u64::from(FIRST);
    let block = from_first.ilog2() - FIRST.ilog2();
    (block as usize, (from_first - (u64::from(FIRST) << block)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, T0, town};
    use model::roster::DeviceClass;

    #[test]
    fn every_number_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for id in 0..100_000 {
            assert_eq!(place(DeviceId(id)), expected, "{id}");
            expected.1 += 1;
            if expected.1 == (FIRST as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert_eq!(place(DeviceId(u32::MAX)).0, BLOCKS - 1);
    }

    #[test]
    fn it_follows_the_worker() {
        let devices = [("a", DeviceClass::Smoke, 0, 60), ("b", DeviceClass::Smoke, 0, 60)];
        let mut bench = Bench::new("", town(1, &devices));
        let (live, [a, b]) = (Liveness::default(), [DeviceId(0), DeviceId(1)]);
        let both = |live: &Liveness, id| (live.alive(id), live.last_seen_ms(id).map(|at_ms| at_ms - T0));
        assert_eq!(both(&live, b), (None, None), "before anything was judged");
        let mut play = |at_s, word| {
            let judged = bench.judged(at_s, word);
            live.take(&judged, bench.judge.state());
        };
        play(1, "a presence=0");
        assert_eq!((both(&live, a), both(&live, b)), ((Some(true), Some(1_000)), (None, None)));
        play(9, "a presence=0");
        assert_eq!(both(&live, a), (Some(true), Some(9_000)), "heard of again, alive as before");
        play(20, "b event:test");
        assert_eq!(both(&live, b), (Some(true), Some(20_000)));
        play(30, "b state:lost");
        assert_eq!(both(&live, b).1, Some(20_000), "its will is no sign of life");
        for at_s in (40..400).step_by(10) {
            play(at_s, "b tick");
        }
        assert_eq!(both(&live, b), (Some(false), Some(20_000)));
        let again = Liveness::default();
        again.take_all(bench.judge.state(), Share::ALL);
        assert_eq!([both(&again, a), both(&again, b)], [both(&live, a), both(&live, b)]);
    }
}
