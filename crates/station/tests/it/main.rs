//! Whole-system tests: the real binary, real sockets, a real store.
#![allow(clippy::unwrap_used)]

mod device;
mod duty;
mod feed;
mod house;
mod identity;
mod journey;
mod kill;
mod kill_exact;
mod kill_feed;
mod kill_relay;
mod mirror;
mod orders;
mod raw;
mod rig;
mod source;
mod why;
