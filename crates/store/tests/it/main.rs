//! The store from outside: what it promises, on a healthy disk, a full one, and under kill -9.
#![allow(clippy::unwrap_used)]

mod backup;
mod conformance;
mod crash;
mod disk_full;
mod fixture;
mod front;
mod model_based;
mod retention;
mod torn_tail;
