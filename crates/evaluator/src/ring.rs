//! The newest few samples of a device.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Low 32 bits of a time in ms: enough for differences of up to 49 days.
pub type Stamp = u32;

/// A time as a stamp.
pub fn stamp(at_ms: u64) -> Stamp {
    at_ms as u32
}

/// Milliseconds from `earlier` to `later`.
pub fn between(earlier: Stamp, later: Stamp) -> u32 {
    later.wrapping_sub(earlier)
}

/// A value at a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spot {
    pub at: Stamp,
    pub value: f32,
}

/// The newest `N` spots, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ring<const N: usize>
where
    [Spot; N]: smallvec::Array<Item = Spot>,
{
    spots: SmallVec<[Spot; N]>,
}

impl<const N: usize> Default for Ring<N>
where
    [Spot; N]: smallvec::Array<Item = Spot>,
{
    fn default() -> Self {
        Ring { spots: SmallVec::new() }
    }
}

impl<const N: usize> Ring<N>
where
    [Spot; N]: smallvec::Array<Item = Spot>,
{
    pub fn push(&mut self, spot: Spot) {
        if self.spots.len() == N {
            self.spots.remove(0);
        }
        self.spots.push(spot);
    }

    /// Reads something of it, see [`crate::rule::Rule::look`].
    pub fn look(&self) -> u64 {
        let ends = self.spots.first().zip(self.spots.last());
        ends.map_or(0, |(first, last)| u64::from(first.at ^ last.at))
    }

    pub fn last_mut(&mut self) -> Option<&mut Spot> {
        self.spots.last_mut()
    }

    pub fn as_slice(&self) -> &[Spot] {
        &self.spots
    }
}
