//! What can go wrong, in words that say what to do.

use std::path::PathBuf;

use model::StoreError;
use model::wire::WireError;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the store in {0} is in use by another process: stop that one first, or give this one a data folder of its own"
    )]
    InUse(PathBuf),
    #[error(
        "the store in {0} is being written so fast that it cannot be read beside that: try again, or read a backup of it"
    )]
    Restless(PathBuf),
    #[error("there is no store in {0}: name the folder that [station] data names")]
    Nothing(PathBuf),
    #[error(
        "the store in {folder} has layout {found}, this build reads layout {known}: use the build that wrote it or a newer one"
    )]
    Layout { folder: PathBuf, found: u64, known: u64 },
    #[error(
        "the ledger in {folder} is at commit {applied}, but its journal ends at {last}: the disk lost what it had confirmed. Restore a backup"
    )]
    JournalLost { folder: PathBuf, applied: u64, last: u64 },
    #[error("the store in {folder} cannot be opened: {source}")]
    Store { folder: PathBuf, source: StoreError },
}

/// An error of RocksDB, told apart by who can help: damage, or the disk.
pub(crate) fn from_rocks(doing: &'static str, error: &rocksdb::Error) -> StoreError {
    match error.kind() {
        rocksdb::ErrorKind::Corruption => StoreError::Damaged { doing, reason: error.to_string() },
        _ => StoreError::Disk { doing, reason: error.to_string() },
    }
}

pub(crate) fn from_wire(doing: &'static str, error: &WireError) -> StoreError {
    StoreError::Damaged { doing, reason: error.to_string() }
}

pub(crate) fn from_io(doing: &'static str, error: &std::io::Error) -> StoreError {
    StoreError::Disk { doing, reason: error.to_string() }
}

pub(crate) fn damaged(doing: &'static str, reason: impl Into<String>) -> StoreError {
    StoreError::Damaged { doing, reason: reason.into() }
}
