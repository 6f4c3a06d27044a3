//! The evaluator through its one entry, threads and all.
#![allow(clippy::unwrap_used)]

mod extremes;
mod fires;
mod flow;
mod kit;
mod library;
mod naive_unhurried;
mod nuisance;
mod oracle;
mod quiet_supply;
mod recordings;
mod why;
mod workers;
