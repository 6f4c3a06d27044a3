//! A commit in the store's encoding, written by hand: the same bytes as [`wire::encode`] gives, in a fraction of the time.
//! Nearly all of the journal is readings.

use super::Commit;
use crate::report::Reading;
use crate::wire;

/// Bytes of a reading, about.
const READING_BYTES: usize = 24;

impl Commit {
    /// As [`wire::encode_into`].
    pub fn encode_into(&self, bytes: Vec<u8>) -> Vec<u8> {
        let Commit { epoch, at_ms, entries, readings } = self;
        let mut bytes = wire::encode_into(&(epoch, at_ms, entries), bytes);
        bytes.reserve(readings.len() * READING_BYTES);
        put_varint(&mut bytes, readings.len() as u64);
        // times and count of the reading before: the same for all readings of a message
        let mut before = None;
        for reading in readings {
            put_varint(&mut bytes, reading.device.0.into());
            put_varint(&mut bytes, reading.quantity as u64);
            bytes.extend_from_slice(&reading.value.to_le_bytes());
            let said = (reading.at_ms, reading.skew_ms, reading.seq);
            let from = bytes.len();
            match &before {
                Some((same, range)) if *same == said => bytes.extend_from_within(std::ops::Range::clone(range)),
                _ => put_times(&mut bytes, reading),
            }
            before = Some((said, from..bytes.len()));
        }
        bytes
    }
}

fn put_times(bytes: &mut Vec<u8>, reading: &Reading) {
    put_varint(bytes, reading.at_ms);
    match reading.skew_ms {
        None => bytes.push(0),
        Some(skew_ms) => {
            bytes.push(1);
            // zigzag: the sign is the lowest bit
            put_varint(bytes, u64::from((skew_ms << 1 ^ skew_ms >> 31) as u32));
        }
    }
    match reading.seq {
        None => bytes.push(0),
        Some(seq) => {
            bytes.push(1);
            put_varint(bytes, seq.into());
        }
    }
}

/// Seven bits a byte, lowest first; the highest bit says that more follow.
fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Entry;
    use crate::{DeviceId, Quantity};

    #[test]
    fn the_same_bytes_as_the_one_encoding() {
        let skews = [None, Some(0), Some(-1), Some(1), Some(-64), Some(64), Some(i32::MIN), Some(i32::MAX)];
        let seqs = [None, Some(0), Some(127), Some(128), Some(u32::MAX)];
        let times = [0, 127, 128, 1_763_798_400_123, u64::MAX];
        let mut commit = Commit { epoch: 300, at_ms: 1_763_798_400_000, ..Commit::default() };
        for (number, &quantity) in (0_u32..).zip(Quantity::ALL.iter().cycle().take(500)) {
            let pick = number as usize / 3; // messages of three values
            commit.readings.push(Reading {
                device: DeviceId(number.wrapping_mul(2_654_435_761) >> (number % 32)),
                quantity,
                value: f32::from_bits(number.wrapping_mul(0x9E37_79B9)),
                at_ms: times[pick % times.len()],
                skew_ms: skews[pick % skews.len()],
                seq: seqs[pick % seqs.len()],
            });
        }
        for entries in [vec![], vec![Entry::Tick, Entry::Rules("[smoke]".into())]] {
            commit.entries = entries;
            assert_eq!(commit.encode_into(Vec::new()), wire::encode(&commit));
            let read: Commit = wire::decode(&commit.encode_into(Vec::new())).expect("reads back");
            assert_eq!(wire::encode(&read), wire::encode(&commit));
        }
        assert_eq!(Commit::default().encode_into(vec![7]), [&[7], &wire::encode(&Commit::default())[..]].concat());
    }
}
