//! The API's handlers, one file a resource. A handler reads the view or the ledger, shapes an answer, and asks
//! [`crate::Actions`] for whatever changes something.

pub(crate) mod alerts;
pub(crate) mod callbacks;
pub(crate) mod cap;
pub(crate) mod devices;
pub(crate) mod duty;
pub(crate) mod feed;
pub(crate) mod health;
pub(crate) mod map;
pub(crate) mod mqtt;
pub(crate) mod orders;
pub(crate) mod quarantine;
pub(crate) mod regions;
pub(crate) mod risk;
pub(crate) mod session;
pub(crate) mod sightings;
pub(crate) mod silences;
pub(crate) mod statistics;
pub(crate) mod storms;
pub(crate) mod trail;
pub(crate) mod units;
pub(crate) mod vendors;
pub(crate) mod why;
