//! The evaluator through its one entry, threads and all.
#![allow(clippy::unwrap_used)]

mod fires;
mod flow;
mod kit;
mod nuisance;
mod oracle;
mod why;
mod workers;
