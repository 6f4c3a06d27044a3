//! Every setting of the store, with unit and default.

use serde::{Deserialize, Serialize};

const MIB: usize = 1024 * 1024;

/// How blocks are packed on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    None,
    Lz4,
}

/// Settings of a [`crate::Store`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Write buffer of the journal, bytes: how much is gathered in memory before a table is written.
    pub journal_write_buffer_bytes: usize,
    /// Write buffer of each table of the ledger, bytes.
    pub ledger_write_buffer_bytes: usize,
    /// All write buffers together, bytes.
    pub write_buffers_bytes_max: usize,
    /// Cache of blocks read from tables (with their indexes and filters), bytes.
    pub block_cache_bytes: usize,
    /// Size of the write-ahead log from which on tables are written so that it can shrink, bytes. Bounds the time that
    /// opening takes after a crash: about a second for each 60 MB.
    pub wal_bytes_max: u64,
    /// Files of RocksDB open at one time.
    pub open_files_max: i32,
    /// Threads that write tables and merge them.
    pub background_jobs: i32,
    /// How tables are packed. The write-ahead log never is.
    pub compression: Compression,
    /// Days of the journal that are kept, days.
    pub journal_retention_days: u32,
    /// Newest events of the feed that are kept, events.
    pub feed_events_max: u64,
    /// Newest quarantined messages that are kept, messages.
    pub quarantine_items_max: u64,
    /// Bytes of quarantined messages that are kept, bytes.
    pub quarantine_bytes_max: u64,
    /// How long a write waits where tables cannot be written or merged as fast as new ones come, before it fails, ms.
    pub stall_limit_ms: u64,
    /// Least time between two attempts to get going again after a failed write, ms.
    pub recovery_pause_ms: u64,
    /// Free space that must be there before the store tries to get going again, bytes.
    pub recovery_space_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            journal_write_buffer_bytes: 32 * MIB,
            ledger_write_buffer_bytes: 16 * MIB,
            write_buffers_bytes_max: 256 * MIB,
            block_cache_bytes: 64 * MIB,
            wal_bytes_max: 64 * MIB as u64,
            open_files_max: 512,
            background_jobs: 2,
            compression: Compression::Lz4,
            journal_retention_days: 400,
            feed_events_max: 1_000_000,
            quarantine_items_max: 100_000,
            quarantine_bytes_max: 256 * MIB as u64,
            stall_limit_ms: 5_000,
            recovery_pause_ms: 1_000,
            recovery_space_bytes: 16 * MIB,
        }
    }
}
