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
mod kill_push;
mod kill_relay;
mod life;
mod mirror;
mod orders;
mod raw;
#[allow(dead_code)] // the tests of the pushers, whose it is, use more of it
#[path = "../../src/push/tests/receiver.rs"]
mod receiver;
mod rig;
mod source;
mod why;
