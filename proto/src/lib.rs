//! The wire contract with device vendors, as types.
//!
//! Generated from `proto/fenghuo/v1/*.proto`; nothing but generated code lives here. Conversions to the nouns of
//! the house belong to whoever decodes (`crates/ingest`).

/// Version 1 of the contract: topics `fire/v1/…`.
pub mod v1 {
    #![allow(clippy::all, missing_docs)]
    include!(concat!(env!("OUT_DIR"), "/fenghuo.v1.rs"));
}
