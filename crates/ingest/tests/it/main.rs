//! The ingest stage from its inlets to its journal, without a socket and without a disk.
#![allow(clippy::unwrap_used)]

mod admit;
mod commit;
mod contract;
mod fake;
mod formats;
mod fuzz;
mod properties;
mod quarantine;
mod restart;
