//! The one encoding of everything that is stored: a version byte, then postcard.
//!
//! Postcard (serde, no schema in the bytes) is small and quick; the version byte lets a later reader keep the old
//! layout beside the new one.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Layout version that this build writes.
pub const VERSION: u8 = 3;

/// A stored value that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error(
        "stored value has layout version {0}, this build reads version {VERSION}: {advice}",
        advice = advice(*.0)
    )]
    Version(u8),
    #[error("stored value is empty: the store is damaged, restore it from a backup")]
    Empty,
    #[error("stored value cannot be decoded ({0}): the store is damaged, restore it from a backup")]
    Damaged(#[from] postcard::Error),
}

fn advice(version: u8) -> &'static str {
    if version > VERSION {
        "it was written by a newer build, upgrade to it"
    } else {
        "it was written by an older build: keep that data folder with its build, and begin with an empty one (roster, rules and \
         credentials are outside of it)"
    }
}

/// Encodes a value for the store.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    encode_into(value, Vec::with_capacity(64))
}

/// As [`encode`], appending to `bytes` (whose capacity is kept by a caller on a hot path).
pub fn encode_into<T: Serialize + ?Sized>(value: &T, mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.push(VERSION);
    postcard::to_extend(value, bytes).expect("a growing buffer takes every value that serde can describe")
}

/// Decodes what [`encode`] wrote.
///
/// # Errors
/// [`WireError`] when the bytes are of another layout version or damaged.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    match bytes.split_first() {
        None => Err(WireError::Empty),
        Some((&VERSION, rest)) => Ok(postcard::from_bytes(rest)?),
        Some((&other, _)) => Err(WireError::Version(other)),
    }
}
