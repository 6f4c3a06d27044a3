//! Where the journal, the ledger and the checkpoints live: one RocksDB in one folder.
//!
//! Before it: `ingest` appends commits; the desk commits what follows from them; the stages put checkpoints. After it:
//! whoever reads. The one entry is [`Store::open`]; the handle implements [`model::Journal`], [`model::Ledger`] and
//! [`model::Checkpoints`].
//!
//! Layout of the folder
//! - `lock`: held as long as a process has the store open.
//! - `db/`: RocksDB. A column family a table; the byte layouts stand in `key.rs`. A journal commit is one row of the
//!   family of its day (`journal.20261122`, UTC), so that retention drops whole families and never deletes rows.
//! - `checkpoints/`: a file a checkpoint. They are large and need no order among other writes, so they keep out of the
//!   write-ahead log, where 40 MB would hold up every alarm behind them.
//!
//! Invariants
//! - An append that returned is on the disk: journal commit, quarantined messages and the front door's marks are one batch of
//!   the write-ahead log, synced. One that failed left nothing: see below.
//! - The front door's records (`front.rs`) are written beside the journal, synced, each write all or nothing.
//! - What is durable is a prefix. Journal and ledger share one write-ahead log, written in one order; recovery reads it up
//!   to the first record that is not whole and stops there (point-in-time recovery). What was synced lies before that
//!   point, so only ledger rows, which are not synced, can be lost, the newest first, and replay writes them again.
//! - No ledger row and no checkpoint is ahead of the journal: both are made of commits whose append has returned, and are
//!   refused here otherwise. A ledger found ahead of the journal on opening means that the disk lost what it had promised;
//!   the store then refuses to open rather than judge with half a past.
//! - A write that failed leaves RocksDB unable to write. The next write checks that the disk takes data again, opens
//!   RocksDB anew, which moves all that the log holds into synced tables, and removes the commit that failed, with its
//!   marks, if any of it had reached the disk. Reads go on as long as they can.
//! - The files that are open at one time are bounded ([`Settings::open_files_max`]): sockets need the descriptors.
//!
//! Never here: a decision about what a commit means, a clock (retention is told the time), a socket, an async function.

mod backup;
mod checkpoints;
mod error;
mod family;
mod front;
mod journal;
mod key;
mod ledger;
mod quarantine;
mod retain;
mod rocks;
mod settings;
mod store;

pub use error::OpenError;
pub use front::FrontChange;
pub use retain::Retained;
pub use settings::{Compression, Settings};
pub use store::Store;
