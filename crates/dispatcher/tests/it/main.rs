//! The dispatcher from outside: what it sends, when, in which order, and what the journal hears of it.
#![allow(clippy::unwrap_used)]

mod fixture;
mod lanes;
mod retries;
mod server;
mod webhook;
