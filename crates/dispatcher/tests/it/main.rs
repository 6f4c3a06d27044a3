//! The dispatcher from outside: what it sends, when, in which order, and what the journal hears of it.
#![allow(clippy::unwrap_used)]

mod authority;
mod breaker;
mod email;
mod fixture;
mod gateway;
mod lanes;
mod retries;
mod robots;
mod server;
mod smtp;
mod webhook;
