//! Whole-system tests: the real binary, real sockets, a real store.
#![allow(clippy::unwrap_used)]

mod device;
mod feed;
mod house;
mod journey;
mod kill;
mod mirror;
mod rig;
mod source;
