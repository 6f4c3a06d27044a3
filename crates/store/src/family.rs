//! The column families and how each is tuned.

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, LogLevel, Options};

use crate::key::Day;
use crate::settings::{Compression, Settings};

pub(crate) const ALERTS: &str = "alerts";
pub(crate) const OPEN: &str = "open";
pub(crate) const ALERTS_BY_UNIT: &str = "alerts_by_unit";
pub(crate) const DELIVERIES: &str = "deliveries";
pub(crate) const OWED: &str = "owed";
pub(crate) const UNITS: &str = "units";
pub(crate) const REGIONS: &str = "regions";
pub(crate) const FEED: &str = "feed";
/// The desk's records.
pub(crate) const KEPT: &str = "kept";
pub(crate) const QUARANTINE: &str = "quarantine";
pub(crate) const META: &str = "meta";
/// The front door's records.
pub(crate) const FRONT: &str = "mqtt";

/// Every family but those of the journal's days.
pub(crate) const FIXED: [&str; 12] =
    [ALERTS, OPEN, ALERTS_BY_UNIT, DELIVERIES, OWED, UNITS, REGIONS, FEED, KEPT, QUARANTINE, META, FRONT];

/// Tables that may wait to be merged, in one family, before its writes are held up.
const LEVEL_ZERO_FILES_MAX: i32 = 48;
/// Bytes that may wait to be merged, in one family, before its writes are held up.
const COMPACTION_DEBT_BYTES_MAX: usize = 256 << 30;

/// A table of the front door's records is merged away when so many of any so many rows in it only remove others.
const DELETIONS_MAX: usize = 4_096;
const DELETIONS_WINDOW: usize = 16_384;

/// Makes options, all of them with one cache.
pub(crate) struct Tuning {
    settings: Settings,
    cache: Cache,
}

impl Tuning {
    pub(crate) fn new(settings: &Settings) -> Tuning {
        Tuning { settings: settings.clone(), cache: Cache::new_lru_cache(settings.block_cache_bytes) }
    }

    /// Options of the database as a whole.
    pub(crate) fn database(&self) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        options.set_db_write_buffer_size(self.settings.write_buffers_bytes_max);
        options.set_max_total_wal_size(self.settings.wal_bytes_max);
        options.set_max_open_files(self.settings.open_files_max);
        options.set_max_background_jobs(self.settings.background_jobs);
        // spread the writing of tables, so that a sync of the log does not wait behind a whole table
        options.set_bytes_per_sync(1024 * 1024);
        options.set_log_level(LogLevel::Warn);
        options.set_max_log_file_size(16 * 1024 * 1024);
        options.set_keep_log_file_num(4);
        options.set_stats_persist_period_sec(0);
        options
    }

    /// Options of the family with this name.
    pub(crate) fn family(&self, name: &str) -> Options {
        let mut options = Options::default();
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&self.cache);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        // writes go on at full speed until they have to stop: a write that is merely slowed down would be refused too
        options.set_max_write_buffer_number(3);
        options.set_level_zero_slowdown_writes_trigger(LEVEL_ZERO_FILES_MAX);
        options.set_level_zero_stop_writes_trigger(LEVEL_ZERO_FILES_MAX);
        options.set_soft_pending_compaction_bytes_limit(COMPACTION_DEBT_BYTES_MAX);
        options.set_hard_pending_compaction_bytes_limit(COMPACTION_DEBT_BYTES_MAX);
        options.set_compression_type(match self.settings.compression {
            Compression::None => DBCompressionType::None,
            Compression::Lz4 => DBCompressionType::Lz4,
        });
        if Day::of_family(name).is_some() {
            // rows come in order and are read in order: large blocks pack well, and few large files are kept
            table.set_block_size(64 * 1024);
            options.set_write_buffer_size(self.settings.journal_write_buffer_bytes);
            options.set_target_file_size_base(256 * 1024 * 1024);
        } else {
            table.set_block_size(16 * 1024);
            table.set_bloom_filter(10.0, false);
            options.set_write_buffer_size(self.settings.ledger_write_buffer_bytes);
        }
        if name == FRONT {
            // queues: rows come and go, and what is gone must not slow down the reading at start
            options.add_compact_on_deletion_collector_factory(DELETIONS_WINDOW, DELETIONS_MAX, 0.5);
        }
        options.set_block_based_table_factory(&table);
        options
    }
}
